//! PKCE is required of everybody, by S256 (RFC 7636, OAuth 2.1 section 4.1).

use testkit::browser::Arrived;
use testkit::client::{Client, Tokens, open};
use testkit::world::Params;

use crate::run::{Run, Stage};

fn without_pkce(client: &Client) -> [Params; 8] {
    let asking = client.asking();
    let challenge = asking.one("code_challenge").unwrap().to_owned();
    [
        asking.clone().without("code_challenge").without("code_challenge_method"),
        asking.clone().without("code_challenge"),
        asking.clone().without("code_challenge_method"),
        asking.clone().with("code_challenge", ""),
        asking.clone().with("code_challenge_method", "plain"),
        asking.clone().with("code_challenge_method", "S512"),
        asking.clone().with("code_challenge", &challenge[..42]),
        asking.clone().with("code_challenge", &format!("{}+", &challenge[..42])),
    ]
}

/// G9, AS-16: refused before any log-in page, and nothing is sent to a redirect URI that nobody vouches for.
async fn g09_without_s256_nobody_is_asked_to_log_in_and_nothing_is_redirected(run: Run) {
    let Stage { world, client, .. } = run.stage().await;
    let confidential = Client::confidential(&world, "client_secret_basic").await;
    for asking in without_pkce(&client).into_iter().chain(without_pkce(&confidential)) {
        let page = open(&world, &mut world.browser(), &asking).await.page();
        assert_eq!(page.answer.status(), 400, "{asking:?}");
        assert_eq!(page.answer.header("location"), None);
        assert!(page.html.forms().is_empty(), "{asking:?}");
        assert!(page.html.texts("code").contains(&"invalid_request".to_owned()), "{asking:?}");
    }
}

/// AS-16: the client learns it by a redirect once somebody is logged in.
async fn as16_without_s256_the_client_learns_invalid_request_after_log_in(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    for asking in without_pkce(&client) {
        let (_, callback) = open(&world, &mut ada, &asking).await.callback();
        assert_eq!(callback.one("error"), Some("invalid_request"), "{asking:?}");
        assert_eq!(callback.one("code"), None);
    }
}

/// AS-24, AS-35: a wrong verifier is refused, and the code is dead: it has leaked.
async fn as24_a_wrong_verifier_ends_the_code(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    let code = client.code(&world, &mut ada).await;
    let wrong = client.redeeming(&code).with("code_verifier", &"x".repeat(43));
    assert_eq!(
        client.send(&world, "/oauth/token", &wrong).await.refusal(),
        (400, "invalid_grant".to_owned())
    );
    assert_eq!(client.redeem(&world, &code).await.refusal(), (400, "invalid_grant".to_owned()));
}

/// AS-35: a verifier must come; without one nothing changes.
async fn as35_a_missing_verifier_is_invalid_request_and_the_code_lives(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    let code = client.code(&world, &mut ada).await;
    for missing in
        [client.redeeming(&code).without("code_verifier"), client.redeeming(&code).with("code_verifier", "")]
    {
        let answer = client.send(&world, "/oauth/token", &missing).await;
        assert_eq!(answer.refusal(), (400, "invalid_request".to_owned()));
    }
    let _ = Tokens::of(&client.redeem(&world, &code).await);
}

/// AS-16: the challenge must not leak: whoever gets the code does not get it along.
async fn as16_the_challenge_goes_neither_into_the_form_nor_back_to_the_client(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    let asking = client.asking();
    let Arrived::Page(page) = open(&world, &mut ada, &asking).await else { panic!("no page") };
    assert!(!page.form("Allow").sent_by("Allow").to_query().contains(asking.one("code_challenge").unwrap()));
    let url = ada.press(&page.form("Allow"), "Allow").await.away();
    assert!(!url.contains(asking.one("code_challenge").unwrap()), "{url}");
}

stamp! {
    g09_without_s256_nobody_is_asked_to_log_in_and_nothing_is_redirected,
    as16_without_s256_the_client_learns_invalid_request_after_log_in,
    as24_a_wrong_verifier_ends_the_code,
    as35_a_missing_verifier_is_invalid_request_and_the_code_lives,
    as16_the_challenge_goes_neither_into_the_form_nor_back_to_the_client,
}
