//! OAuth 2.1 section 4.1.1, RFC 9207.

use oauth_types::ErrorCode;
use store::{Consent, Epoch};

use super::*;
use crate::decide::authorize::{client_id, remembered};

fn parse(query: &str) -> (AuthorizationRequest, Form) {
    let form = Form::parse(query.as_bytes()).unwrap();
    (AuthorizationRequest::from_form(&form), form)
}

fn encoded(text: &str) -> String {
    text.replace(':', "%3A").replace('/', "%2F")
}

/// The faultless request, with `name` set to `value`, or left out.
fn with(name: &str, value: Option<&str>) -> String {
    let query = asked().to_query();
    let others = query.split('&').filter(|pair| !pair.starts_with(&format!("{name}=")));
    let pair = value.map(|value| format!("{name}={value}"));
    others.map(str::to_owned).chain(pair).collect::<Vec<_>>().join("&")
}

/// I6: what is wrong with client or redirect URI is a page. There is no way to a redirect from here.
#[test]
fn until_client_and_redirect_uri_are_trusted_there_is_only_a_page() {
    let callback = encoded(CALLBACK);
    for (query, code) in [
        (with("client_id", None), ErrorCode::InvalidRequest),
        (with("client_id", Some("")), ErrorCode::InvalidRequest),
        (with("client_id", Some("a%20b")), ErrorCode::InvalidClient),
        (format!("{}&client_id=cid_app", asked().to_query()), ErrorCode::InvalidRequest),
        (format!("{}&redirect_uri={callback}", asked().to_query()), ErrorCode::InvalidRequest),
    ] {
        let (asked, form) = parse(&query);
        assert_eq!(client_id(&asked, &form).unwrap_err().code, Some(code), "{query}");
    }
    let blocked = Client { standing: Standing { status: Status::Blocked, epoch: None }, ..client() };
    let deleted = Client { standing: Standing { status: Status::Deleted, epoch: None }, ..client() };
    for (who, code) in [
        (None, ErrorCode::InvalidClient),
        (Some(deleted), ErrorCode::InvalidClient),
        (Some(blocked), ErrorCode::UnauthorizedClient),
    ] {
        let page = receive(&asked(), who.as_ref(), &issuer()).unwrap_err();
        assert_eq!((page.code, page.status.as_u16() / 100), (Some(code), 4));
    }
}

/// G9: byte for byte, or on loopback with another port only.
#[test]
fn a_redirect_uri_is_matched_byte_for_byte_but_for_the_loopback_port() {
    let registered = |uris: &[&str]| Client {
        redirect_uris: uris.iter().map(|uri| RedirectUri::parse(uri).unwrap()).collect(),
        ..client()
    };
    let web = registered(&[CALLBACK]);
    let native = registered(&["http://127.0.0.1:1234/cb"]);
    let both = registered(&[CALLBACK, "http://127.0.0.1:1234/cb"]);
    for (client, sent, accepted) in [
        (&web, Some(CALLBACK), true),
        (&web, Some("https://app.example/callback/"), false),
        (&web, Some("https://app.example/callback?x=1"), false),
        (&web, Some("https://APP.example/callback"), false),
        (&web, Some("https://app.example:443/callback"), false),
        (&web, Some("https://app.example/%63allback"), false),
        (&web, Some("https://app.example/callback/../callback"), false),
        (&web, Some("https://app.example.evil.example/callback"), false),
        (&web, Some("http://app.example/callback"), false),
        (&web, Some("javascript:alert(1)"), false),
        (&web, Some("not a uri"), false),
        (&web, None, true),
        (&native, Some("http://127.0.0.1:1234/cb"), true),
        (&native, Some("http://127.0.0.1:9/cb"), true),
        (&native, Some("http://127.0.0.1/cb"), true),
        (&native, Some("http://localhost:1234/cb"), false),
        (&native, Some("http://[::1]:1234/cb"), false),
        (&native, Some("http://127.0.0.1:9/other"), false),
        (&native, Some("https://127.0.0.1:1234/cb"), false),
        (&native, Some("http://127.0.0.1:9@evil.example/cb"), false),
        (&both, Some("http://127.0.0.1:9/cb"), true),
        (&both, None, false),
    ] {
        let request = AuthorizationRequest { redirect_uri: sent.map(str::to_owned), ..asked() };
        let received = receive(&request, Some(client), &issuer());
        assert_eq!(received.is_ok(), accepted, "{sent:?}");
        if let Err(page) = received {
            assert_eq!(page.code, Some(ErrorCode::InvalidRequest), "{sent:?}");
        }
    }
}

/// Nobody but an administrator makes this server redirect strangers (OAuth 2.1 section 7.12.2).
#[test]
fn only_a_client_of_the_administrator_is_trusted_before_log_in() {
    for (provenance, trusted) in [(Provenance::Dynamic, false), (Provenance::Administrator, true)] {
        let redirectable = receive(&asked(), Some(&Client { provenance, ..client() }), &issuer()).unwrap();
        assert_eq!(redirectable.is_trusted(), trusted, "{provenance:?}");
    }
}

/// RFC 6749 section 4.1.2.1, RFC 9207 section 2.
#[test]
fn state_and_iss_are_on_every_answer() {
    for (state, kept) in [(Some("a b&c=\u{e9}"), "&state=a+b%26c%3D%C3%A9"), (None, "")] {
        let asked = AuthorizationRequest { state: state.map(str::to_owned), ..asked() };
        let redirectable = receive(&asked, Some(&client()), &issuer()).unwrap();
        assert_eq!(
            redirectable.refuse(Refusal::ConsentRequired).as_str(),
            format!(
                "{CALLBACK}?error=consent_required&error_description=The+person+must+be+asked+for+consent.\
                 {kept}&iss=https%3A%2F%2Fas.example"
            )
        );
        let code = TokenText::random(TokenKind::Code, [0; 16], [0; 32]);
        let answer = redirectable.code(&code);
        let location = answer.as_str();
        assert!(location.starts_with(&format!("{CALLBACK}?code=code_")), "{location}");
        assert!(location.ends_with(&format!("{kept}&iss=https%3A%2F%2Fas.example")), "{location}");
    }
}

#[test]
fn a_parameter_that_is_wrong_is_told_to_the_client() {
    let long = "s".repeat(2049);
    for (name, value, refusal) in [
        ("response_type", None, Refusal::ResponseTypeMissing),
        ("response_type", Some("token"), Refusal::ResponseTypeUnsupported),
        ("response_type", Some("code+id_token"), Refusal::ResponseTypeUnsupported),
        ("response_mode", Some("fragment"), Refusal::ResponseModeUnsupported),
        ("response_mode", Some("form_post"), Refusal::ResponseModeUnsupported),
        ("code_challenge", None, Refusal::ChallengeMissing),
        ("code_challenge", Some(""), Refusal::ChallengeMissing),
        ("code_challenge", Some("short"), Refusal::ChallengeMalformed),
        ("code_challenge_method", None, Refusal::ChallengeMethodUnsupported),
        ("code_challenge_method", Some("plain"), Refusal::ChallengeMethodUnsupported),
        ("code_challenge_method", Some("s256"), Refusal::ChallengeMethodUnsupported),
        ("scope", Some("a%0Ab"), Refusal::ScopeMalformed),
        ("scope", Some("%22"), Refusal::ScopeMalformed),
        ("state", Some(long.as_str()), Refusal::StateTooLong),
        ("max_age", Some("soon"), Refusal::ParameterMalformed),
        ("max_age", Some("-1"), Refusal::ParameterMalformed),
        ("acr_values", Some("mfa+%22"), Refusal::ParameterMalformed),
        ("prompt", Some("none+login"), Refusal::ParameterMalformed),
        ("prompt", Some("consent+none"), Refusal::ParameterMalformed),
        ("scope", Some("read&scope=write"), Refusal::ParameterRepeated),
        ("unknown", Some("1&unknown=2"), Refusal::ParameterRepeated),
    ] {
        let (asked, form) = parse(&with(name, value));
        assert_eq!(check(&asked, &form).err(), Some(refusal), "{name}={value:?}");
    }
}

#[test]
fn what_goes_through_the_log_in_has_a_length_that_is_held_to_the_byte() {
    for (name, longest, refusal) in [
        ("state", 2048, Refusal::StateTooLong),
        ("login_hint", 512, Refusal::ParameterMalformed),
        ("acr_values", 512, Refusal::ParameterMalformed),
        ("prompt", 512, Refusal::ParameterMalformed),
    ] {
        // Two classes, for one alone is shorter than the parameter may be.
        let text = |length: usize| format!("{}+{}", "s".repeat(255), "s".repeat(length - 256));
        let (asked, form) = parse(&with(name, Some(&text(longest + 1))));
        assert_eq!(check(&asked, &form).err(), Some(refusal), "{name}");
        let fits = if name == "acr_values" { text(511) + "+" } else { text(longest) };
        let (asked, form) = parse(&with(name, Some(&fits)));
        assert!(check(&asked, &form).is_ok(), "{name}");
    }
}

#[test]
fn what_a_request_may_also_say() {
    for (name, value, expected) in [
        ("prompt", "login", Prompt { login: true, ..Prompt::default() }),
        ("prompt", "select_account", Prompt { login: true, ..Prompt::default() }),
        ("prompt", "consent+login", Prompt { login: true, consent: true, none: false }),
        ("prompt", "none", Prompt { none: true, ..Prompt::default() }),
        ("prompt", "create", Prompt::default()),
        ("unknown", "1", Prompt::default()),
    ] {
        let (asked, form) = parse(&with(name, Some(value)));
        assert_eq!(check(&asked, &form).unwrap().prompt, expected, "{name}={value}");
    }
    let (asked, form) = parse(&with("max_age", Some("300")));
    assert_eq!(check(&asked, &form).unwrap().max_age, Some(300));
    let (asked, form) = parse(&with("scope", Some("write+read")));
    assert_eq!(*check(&asked, &form).unwrap().scope(), scope("read write"));
    let (asked, form) = parse(&with("acr_values", Some("phr+mfa")));
    assert_eq!(Acr::join(&check(&asked, &form).unwrap().acr_values), "phr mfa");
}

/// Whoever drives the browser must not lose what the client demands on the way through the log-in, nor log in for ever.
#[test]
fn what_a_log_in_was_asked_for_is_asked_for_afterwards_in_a_way_that_it_meets() {
    for (prompt, max_age, afterwards) in [
        (None, None, None),
        (None, Some("600"), Some(600)),
        (None, Some("0"), Some(300)),
        (Some("login"), None, Some(300)),
        (Some("login"), Some("0"), Some(300)),
        (Some("login"), Some("600"), Some(300)),
        (Some("select_account"), Some("60"), Some(60)),
        (Some("consent"), Some("60"), Some(60)),
    ] {
        let asked = AuthorizationRequest {
            prompt: prompt.map(str::to_owned),
            max_age: max_age.map(str::to_owned),
            acr_values: Some("mfa".to_owned()),
            ..asked()
        };
        let form = Form::parse(asked.to_query().as_bytes()).unwrap();
        let checked = check(&asked, &form).unwrap();
        assert_eq!(checked.max_age_afterwards(), afterwards, "{prompt:?} {max_age:?}");
        // Whoever takes the place of the person who is asked must meet it, too.
        let redirectable = receive(&asked, Some(&client()), &issuer()).unwrap();
        let stored = request(&asked, &redirectable, &checked, scope("read"), &server());
        assert_eq!((stored.max_age, Acr::join(&stored.acr_values).as_str()), (afterwards, "mfa"));
    }
}

fn consent(text: &str, withdrawn: Option<Time>) -> Consent {
    Consent {
        person: person(),
        client: client().id,
        server: server().id,
        agreed: [CALLBACK, "http://127.0.0.1/cb", "com.example.app:/cb"]
            .map(|text_of_uri| Agreed { redirect_uri: uri(text_of_uri), scope: scope(text) })
            .into(),
        given: NOW,
        withdrawn,
    }
}

fn entering(
    redirect_uri: &str,
    known: Option<&Consent>,
    standing: Standing,
    prompt: Prompt,
) -> (Decided<Entered>, bool) {
    let room = Room::new();
    let client = Client { redirect_uris: vec![RedirectUri::parse(redirect_uri).unwrap()], ..client() };
    let asked = AuthorizationRequest { redirect_uri: Some(redirect_uri.to_owned()), ..asked() };
    let form = Form::parse(asked.to_query().as_bytes()).unwrap();
    let checked = check(&asked, &form).unwrap();
    let redirectable = receive(&asked, Some(&client), &issuer()).unwrap();
    let request = request(&asked, &redirectable, &checked, scope("read write"), &server());
    let who = ada();
    let present = Present { who: &who, standing, known };
    let waived = remembered(&request, present, prompt).is_some();
    let decided = room.weigh(enter(request, &client, present, prompt, room.setting(), &drawn(1)));
    (decided, waived)
}

/// I9: whoever an administrator has made the operator's own is not asked about, by a policy with a name, and only where the answer goes to
/// a place that only the client can have.
#[test]
fn a_first_party_client_is_waved_through_only_where_it_may() {
    let asks_again = Prompt { consent: true, ..Prompt::default() };
    let own = Client { first_party: true, provenance: Provenance::Administrator, ..client() };
    let dubious = Client { provenance: Provenance::Dynamic, ..own.clone() };
    let foreign = Client { first_party: false, ..own.clone() };
    let strict = Policy { ask_for_first_party: true, ..Policy::default() };
    let lax = Policy::default();
    // A person has had their say: it was taken back, or a part of it was.
    let (withdrawn, less) = (consent("read write", Some(NOW)), consent("read", None));
    for (what, client, uri, known, prompt, policy, waived) in [
        ("the operator's own", &own, CALLBACK, None, Prompt::default(), &lax, true),
        ("silently", &own, CALLBACK, None, Prompt { none: true, ..Prompt::default() }, &lax, true),
        ("vouched for", &foreign, CALLBACK, None, Prompt::default(), &lax, false),
        ("nobody vouches", &dubious, CALLBACK, None, Prompt::default(), &lax, false),
        ("the policy asks", &own, CALLBACK, None, Prompt::default(), &strict, false),
        ("prompt=consent", &own, CALLBACK, None, asks_again, &lax, false),
        ("loopback", &own, "http://127.0.0.1/cb", None, Prompt::default(), &lax, false),
        ("a private-use scheme", &own, "com.example.app:/cb", None, Prompt::default(), &lax, false),
        ("disconnected", &own, CALLBACK, Some(&withdrawn), Prompt::default(), &lax, false),
        ("narrowed", &own, CALLBACK, Some(&less), Prompt::default(), &lax, false),
    ] {
        let room = Room::new();
        let client = Client { redirect_uris: vec![RedirectUri::parse(uri).unwrap()], ..client.clone() };
        let asked = AuthorizationRequest { redirect_uri: Some(uri.to_owned()), ..asked() };
        let form = Form::parse(asked.to_query().as_bytes()).unwrap();
        let checked = check(&asked, &form).unwrap();
        let redirectable = receive(&asked, Some(&client), &issuer()).unwrap();
        let request = request(&asked, &redirectable, &checked, scope("read write"), &server());
        let who = ada();
        let present = Present { who: &who, standing: Standing::default(), known };
        let setting = Setting { policy, ..room.setting() };
        let decided = room.weigh(enter(request, &client, present, prompt, setting, &drawn(1)));
        let (let_in, told) = (matches!(decided.outcome, Ok(Entered::Code(_))), decided.events.as_slice());
        assert_eq!(let_in, waived, "{what}");
        assert_eq!(matches!(told, [Event::ConsentWaived { .. }]), waived, "{what}: {told:?}");
    }
}

/// I9: asked, unless the same was agreed to before and the answer goes to a place that only the client can have.
#[test]
fn a_remembered_consent_stands_in_only_where_it_may() {
    let asks_again = Prompt { consent: true, ..Prompt::default() };
    let (covers, wider) = (consent("read write", None), consent("openid read write", None));
    let (less, withdrawn) = (consent("read", None), consent("read write", Some(NOW)));
    for (what, uri, known, prompt, waived) in [
        ("nothing known", CALLBACK, None, Prompt::default(), false),
        ("the same", CALLBACK, Some(&covers), Prompt::default(), true),
        ("more", CALLBACK, Some(&wider), Prompt::default(), true),
        ("less", CALLBACK, Some(&less), Prompt::default(), false),
        ("withdrawn", CALLBACK, Some(&withdrawn), Prompt::default(), false),
        ("prompt=consent", CALLBACK, Some(&covers), asks_again, false),
        // One client registers both: a consent to the one that was shown says nothing of the other.
        ("another address", "https://evil.example/cb", Some(&covers), Prompt::default(), false),
        ("loopback by https", "https://localhost/cb", Some(&covers), Prompt::default(), false),
        ("loopback", "http://127.0.0.1/cb", Some(&covers), Prompt::default(), false),
        ("localhost", "http://localhost:8080/cb", Some(&covers), Prompt::default(), false),
        ("a private-use scheme", "com.example.app:/cb", Some(&covers), Prompt::default(), false),
    ] {
        let (decided, stands_in) = entering(uri, known, Standing::default(), prompt);
        assert_eq!(stands_in, waived, "{what}");
        assert_eq!(decided.guard, Some(Guard::Absent), "{what}");
        match (&decided.outcome, decided.written()) {
            (Ok(Entered::Code(_)), Written::Coded) if waived => {
                assert!(
                    matches!(decided.events.as_slice(), [Event::Consented { remembered: true, .. }]),
                    "{what}"
                );
                let Some(Stage::Coded(coded)) = decided.after.map(|after| after.record.stage) else {
                    panic!("{what}")
                };
                // So that its withdrawal is seen when the code is redeemed.
                assert_eq!(coded.remembered, known.map(store::Record::id), "{what}");
            }
            (Ok(Entered::Ask(_)), Written::Requested) if !waived => assert_eq!(decided.events, [], "{what}"),
            other => panic!("{what}: {other:?}"),
        }
    }
}

#[test]
fn with_prompt_none_nobody_is_asked() {
    let silent = Prompt { none: true, ..Prompt::default() };
    let (decided, _) = entering(CALLBACK, None, Standing::default(), silent);
    assert_eq!((decided.refusal(), decided.written()), (Some(Refusal::ConsentRequired), Written::Nothing));
    let known = consent("read write", None);
    let (decided, _) = entering(CALLBACK, Some(&known), Standing::default(), silent);
    assert_eq!(decided.written(), Written::Coded);
}

#[test]
fn a_person_who_may_not_act_enters_nothing() {
    let known = consent("read write", None);
    for status in [Status::Blocked, Status::Deleted] {
        for known in [None, Some(&known)] {
            let standing = Standing { status, epoch: None };
            let (decided, _) = entering(CALLBACK, known, standing, Prompt::default());
            assert_eq!(
                (decided.refusal(), decided.written()),
                (Some(Refusal::PersonBlocked), Written::Nothing)
            );
        }
    }
}

/// The epochs that were current, so that ending everything later ends this, too.
#[test]
fn a_grant_remembers_who_stood_behind_it() {
    let standing = Standing { status: Status::Active, epoch: Some(Epoch::new([9; 16])) };
    let (decided, _) = entering(CALLBACK, None, standing, Prompt::default());
    let grant = decided.after.unwrap().record;
    let party = grant.party().unwrap();
    assert_eq!((party.person_epoch, party.client_epoch), (standing.epoch, None));
    assert_eq!((party.session, party.auth_time, &party.acr), (ada().session, NOW, &ada().acr));
}

/// What the client wrote is kept beside what was registered; only the latter is ever printed.
#[test]
fn an_alias_of_the_resource_is_remembered_as_the_client_wrote_it() {
    for (named, kept) in [(RESOURCE, None), ("https://mcp.example", Some("https://mcp.example"))] {
        let asked = AuthorizationRequest { resource: vec![named.to_owned()], ..asked() };
        let form = Form::parse(asked.to_query().as_bytes()).unwrap();
        let redirectable = receive(&asked, Some(&client()), &issuer()).unwrap();
        let checked = check(&asked, &form).unwrap();
        let target = request(&asked, &redirectable, &checked, scope("read"), &server()).target;
        assert_eq!(target.resource, resource(RESOURCE));
        assert_eq!(target.named, kept.map(resource));
        assert!(target.is_named_by(&resource(named)) && target.is_named_by(&resource(RESOURCE)));
        assert!(!target.is_named_by(&resource("https://mcp.example/other")));
    }
}
