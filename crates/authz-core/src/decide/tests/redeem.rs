//! Design section 3, "Redeeming a code".

use store::{Consent, Epoch, Lasting, Why};

use super::*;
use crate::NamedGrant;

/// A code, a request to redeem it, and who sends it.
struct Case {
    room: Room,
    request: CodeRequest,
    client: Client,
}

impl Case {
    fn unused() -> Self {
        let room = Room::coded();
        Self { request: room.code_request(), room, client: client() }
    }

    fn used() -> Self {
        let mut case = Self::unused();
        let step =
            redeem(&case.request, proven(&case.client), &case.room.facts, case.room.setting(), &drawn(3));
        assert!(case.room.then(step).outcome.is_ok());
        case
    }

    fn weigh(&self) -> Decided<Issued> {
        let setting = self.room.setting();
        self.room.weigh(redeem(&self.request, proven(&self.client), &self.room.facts, setting, &drawn(9)))
    }

    fn coded(&mut self) -> &mut store::Coded {
        match self.room.stage() {
            Stage::Coded(coded) => coded,
            other @ (Stage::Requested(_) | Stage::Live(_) | Stage::Ended(_)) => panic!("{other:?}"),
        }
    }
}

type Fault = (&'static str, fn(&mut Case), Refusal, Written);

/// In the order of the answers: of several faults the first is told.
const UNUSED: &[Fault] = &[
    (
        "a text that is no code",
        |case| case.request.code = SecretString::from("code_x"),
        Refusal::CodeUnknown,
        Written::Nothing,
    ),
    ("another kind of text", not_a_code, Refusal::CodeUnknown, Written::Nothing),
    ("a forged secret", forge, Refusal::CodeUnknown, Written::Nothing),
    ("an older number", |case| case.coded().number += 1, Refusal::CodeUnknown, Written::Nothing),
    ("expired", |case| case.room.now = NOW.plus(60), Refusal::CodeExpired, Written::Nothing),
    ("another client", |case| case.client = another_client(), Refusal::CodeOfAnotherClient, Written::Nothing),
    ("a blocked person", block_person, Refusal::CodeOver, Written::Nothing),
    ("everything of the person was ended", end_all_of_person, Refusal::CodeOver, Written::Nothing),
    ("everything of the client was ended", end_all_of_client, Refusal::CodeOver, Written::Nothing),
    ("the remembered consent was withdrawn", withdraw, Refusal::ConsentWithdrawn, Written::Nothing),
    ("what was waived was taken back", waived_and_taken_back, Refusal::ConsentWithdrawn, Written::Nothing),
    (
        "another redirect_uri",
        |case| case.request.redirect_uri = Some(format!("{CALLBACK}/")),
        Refusal::RedirectUriMismatch,
        Written::Nothing,
    ),
    (
        "another resource",
        |case| case.request.resource = vec!["https://mcp.example/other".to_owned()],
        Refusal::TargetMismatch,
        Written::Nothing,
    ),
    ("no verifier", |case| case.request.verifier = None, Refusal::VerifierMissing, Written::Nothing),
    (
        "a wrong verifier",
        |case| case.request.verifier = Some("x".repeat(43).into()),
        Refusal::VerifierMismatch,
        Written::Ended(Why::VerifierMismatch),
    ),
    (
        "a malformed verifier",
        |case| case.request.verifier = Some("short".into()),
        Refusal::VerifierMismatch,
        Written::Ended(Why::VerifierMismatch),
    ),
];

fn not_a_code(case: &mut Case) {
    let code = case.room.code();
    let text = TokenText::new(TokenKind::Access, code.id, code.number, code.key, *code.secret());
    case.request.code = text.expose();
}

fn forge(case: &mut Case) {
    let code = case.room.code();
    let mut secret = *code.secret();
    secret[31] ^= 1;
    case.request.code = TokenText::new(TokenKind::Code, code.id, code.number, code.key, secret).expose();
}

fn block_person(case: &mut Case) {
    case.room.facts.person.status = Status::Blocked;
}

fn end_all_of_person(case: &mut Case) {
    case.room.facts.person.epoch = Some(Epoch::new([1; 16]));
}

fn end_all_of_client(case: &mut Case) {
    case.client.standing.epoch = Some(Epoch::new([1; 16]));
}

fn consent(withdrawn: Option<Time>) -> Found<Consent> {
    let consent = Consent {
        person: person(),
        client: client().id,
        server: server().id,
        agreed: vec![Agreed { redirect_uri: uri(CALLBACK), scope: scope("read write") }],
        given: NOW,
        withdrawn,
    };
    Found { record: consent, mark: Mark::new([0; 16]) }
}

fn waived_and_taken_back(case: &mut Case) {
    case.coded().waived = true;
    withdraw(case);
}

fn withdraw(case: &mut Case) {
    case.coded().remembered = Some(store::Record::id(&consent(None).record));
    case.room.facts.consent = Some(consent(Some(NOW)));
}

#[test]
fn an_unused_code_is_refused_as_the_table_says() {
    for (what, change, refusal, written) in UNUSED {
        let mut case = Case::unused();
        change(&mut case);
        let decided = case.weigh();
        assert_eq!((decided.refusal(), decided.written()), (Some(*refusal), *written), "{what}");
    }
}

/// The text comes first and the verifier last; each of the two is wrong in one way at a time.
#[test]
fn of_several_faults_the_first_is_told() {
    let (texts, rest) = UNUSED.split_at(4);
    let (between, verifiers) = rest.split_at(8);
    let from_there = |first: usize| between[first..].iter();
    let with_text = texts.iter().map(|fault| (fault, from_there(0)));
    let without = between.iter().enumerate().map(|(n, fault)| (fault, from_there(n + 1)));
    for (first, later) in with_text.chain(without) {
        for verifier in verifiers {
            let mut case = Case::unused();
            let (what, change, refusal, written) = first;
            change(&mut case);
            later.clone().chain([verifier]).for_each(|(_, change, ..)| change(&mut case));
            let decided = case.weigh();
            assert_eq!((decided.refusal(), decided.written()), (Some(*refusal), *written), "{what}");
        }
    }
}

/// A stranger must not be able to kill a log-in, whatever else they get wrong.
#[test]
fn a_wrong_verifier_of_another_client_changes_nothing() {
    let mut case = Case::unused();
    case.client = another_client();
    case.request.verifier = Some("x".repeat(43).into());
    assert_eq!(case.weigh().written(), Written::Nothing);
}

/// I2 would be broken by a lasting guard here: a rival may have redeemed the code with the right verifier.
#[test]
fn a_wrong_verifier_ends_the_grant_only_as_it_was_read() {
    let mut case = Case::unused();
    case.request.verifier = Some("x".repeat(43).into());
    let decided = case.weigh();
    assert_eq!(decided.guard, Some(Guard::This(case.room.facts.grant.as_ref().unwrap().mark)));
    let grant = NamedGrant::of(case.room.grant());
    assert!(grant.person.is_some() && grant.server.is_some());
    assert_eq!(decided.events, [Event::VerifierMismatched(grant)]);
}

#[test]
fn a_code_is_redeemed_by_its_client_with_its_verifier() {
    let changes: [fn(&mut Case); 6] = [
        |_| {},
        |case| case.request.redirect_uri = None,
        |case| case.request.resource = Vec::new(),
        |case| case.request.resource = vec!["https://MCP.example:443/mcp/".to_owned()],
        |case| case.room.now = NOW.plus(59),
        |case| {
            withdraw(case);
            case.room.facts.consent = Some(consent(None));
        },
    ];
    for change in changes {
        let mut case = Case::unused();
        change(&mut case);
        let decided = case.weigh();
        assert_eq!(decided.written(), Written::Live);
        assert_eq!(decided.guard, Some(Guard::This(case.room.facts.grant.as_ref().unwrap().mark)));
        let issued = decided.outcome.unwrap();
        assert_eq!(issued.scope, scope("read write"));
        assert_eq!(issued.expires_in, 3600);
        assert_eq!(issued.refresh.map(|token| token.number), Some(1));
        let grant = NamedGrant::of(case.room.grant());
        assert_eq!(decided.events, [Event::CodeRedeemed(grant)]);
    }
}

#[test]
fn a_client_that_may_not_refresh_gets_no_refresh_token() {
    let mut case = Case::unused();
    case.client.refresh = false;
    assert!(case.weigh().outcome.unwrap().refresh.is_none());
}

/// I8.
#[test]
fn what_is_written_holds_no_text_that_was_handed_out() {
    let decided = Case::unused().weigh();
    let written = serde_json::to_string(&decided.after.unwrap().record).unwrap();
    let issued = decided.outcome.unwrap();
    for text in [issued.access.expose(), issued.refresh.unwrap().expose(), Room::coded().code().expose()] {
        use secrecy::ExposeSecret as _;
        let secret = &text.expose_secret()[40..];
        assert!(!written.contains(secret), "{written}");
    }
}

#[test]
fn a_used_code_answers_as_the_table_says() {
    const REPLAYED: Written = Written::Ended(Why::Lasting(Lasting::CodeReplayed));
    let rows: [Fault; 9] = [
        ("its client with its verifier", |_| {}, Refusal::CodeReplayed, REPLAYED),
        (
            "and nothing else right",
            |case| case.request.redirect_uri = Some("x".to_owned()),
            Refusal::CodeReplayed,
            REPLAYED,
        ),
        (
            "and long after it would have expired",
            |case| case.room.now = NOW.plus(86_400),
            Refusal::CodeReplayed,
            REPLAYED,
        ),
        ("another client", |case| case.client = another_client(), Refusal::CodeUnknown, Written::Nothing),
        (
            "a wrong verifier",
            |case| case.request.verifier = Some("x".repeat(43).into()),
            Refusal::CodeUnknown,
            Written::Nothing,
        ),
        ("no verifier", |case| case.request.verifier = None, Refusal::CodeUnknown, Written::Nothing),
        ("a forged secret", forge_used, Refusal::CodeUnknown, Written::Nothing),
        ("an older number", older, Refusal::CodeUnknown, Written::Nothing),
        ("an ended grant", end, Refusal::CodeUnknown, Written::Nothing),
    ];
    for (what, change, refusal, written) in rows {
        let mut case = Case::used();
        change(&mut case);
        let decided = case.weigh();
        assert_eq!((decided.refusal(), decided.written()), (Some(refusal), written), "{what}");
        if written == REPLAYED {
            // I3: whatever a rival wrote meanwhile.
            assert_eq!(decided.guard, Some(Guard::Any), "{what}");
            let grant = NamedGrant::of(case.room.grant());
            assert!(grant.person.is_some() && grant.server.is_some());
            assert_eq!(decided.events, [Event::CodeReplayed(grant)], "{what}");
        } else {
            assert_eq!(decided.events, [], "{what}");
        }
    }
}

fn sent(case: &Case) -> TokenText {
    use secrecy::ExposeSecret as _;
    TokenText::parse(case.request.code.expose_secret()).unwrap()
}

fn forge_used(case: &mut Case) {
    let code = sent(case);
    case.request.code = TokenText::new(TokenKind::Code, code.id, code.number, code.key, [0; 32]).expose();
}

fn older(case: &mut Case) {
    let code = sent(case);
    let text = TokenText::new(TokenKind::Code, code.id, code.number + 1, code.key, *code.secret());
    case.request.code = text.expose();
}

fn end(case: &mut Case) {
    let ended = store::Ended { why: Why::Lasting(Lasting::Revoked), when: NOW, last: NOW };
    *case.room.stage() = Stage::Ended(ended);
}

#[test]
fn a_code_of_no_grant_is_unknown() {
    let mut case = Case::unused();
    case.room.facts.grant = None;
    assert_eq!(case.weigh().refusal(), Some(Refusal::CodeUnknown));
    let mut case = Case::unused();
    case.room.facts.grant = Room::requested().facts.grant;
    assert_eq!(case.weigh().refusal(), Some(Refusal::CodeUnknown));
}

/// A key that this process does not know yet is nobody's fault: 503, and the grant stays.
#[test]
fn a_code_of_an_unknown_key_waits() {
    let mut case = Case::unused();
    case.coded().key = 9;
    let decided = case.weigh();
    assert_eq!((decided.refusal(), decided.written()), (Some(Refusal::KeyUnknown), Written::Nothing));
}
