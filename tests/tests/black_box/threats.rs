//! Attacks told from the attacker's side. `docs/threats.md` lists them all, with the cases elsewhere that show the others.

use std::io::ErrorKind;
use std::net::TcpListener;

use http::Method;
use serde_json::json;
use testkit::client::{CALLBACK, Client, STATE, Tokens, metadata, open};
use testkit::world::{PASSWORD, Params};

use crate::run::{ISSUER, Run, Stage};

/// RFC 9700 section 4.5: a stolen code that is put into the thief's own log-in at the same client arrives with the verifier of that
/// log-in. It gives nothing, and is worth nothing afterwards.
async fn rfc9700_4_5_a_code_put_into_another_log_in_of_its_client_gives_nothing(run: Run) {
    let Stage { world, server, client, mut ada } = run.stage().await;
    let mut eve = world.person("eve@example.com").await;
    let of_eve = Client { verifier: "v".repeat(64), ..client.clone() };
    let stolen = client.code(&world, &mut ada).await;
    let own = of_eve.code(&world, &mut eve).await;
    let injected = of_eve.redeem(&world, &stolen).await;
    assert_eq!(injected.refusal(), (400, "invalid_grant".to_owned()));
    assert_eq!(client.redeem(&world, &stolen).await.refusal(), (400, "invalid_grant".to_owned()));
    let tokens = Tokens::of(&of_eve.redeem(&world, &own).await);
    assert!(server.accepts(&world, &tokens.access).await);
}

/// RFC 9700 sections 4.2 and 4.3: the code is in the address of the client's own page and in nothing else: in no page, no
/// address of this server, no body, no cookie, and the client's page is told of no address before it.
async fn rfc9700_4_2_a_code_is_in_the_redirect_to_its_client_and_nowhere_else(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    let consent = open(&world, &mut ada, &client.asking()).await.page();
    let moving_on = ada.post_form(&consent.path, &consent.form("Allow").sent_by("Allow"), &[]).await;
    assert_eq!(moving_on.header("referrer-policy"), Some("no-referrer"));
    let onward = testkit::browser::Html::read(&moving_on.text()).refresh().unwrap();
    let answer = ada.exchange(Method::GET, &onward, &[], bytes::Bytes::new()).await;
    let location = answer.header("location").unwrap();
    let query = location.strip_prefix(CALLBACK).and_then(|rest| rest.strip_prefix('?')).unwrap();
    let code = Params::parse(query).one("code").unwrap().to_owned();
    assert_eq!((answer.status(), answer.text()), (303, String::new()));
    assert!(!moving_on.text().contains(&code) && !consent.answer.text().contains(&code));
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(ada.trail.iter().all(|(_, path, _)| !path.contains(&code)), "{:?}", ada.trail);
    assert!(answer.headers("set-cookie").iter().all(|cookie| !cookie.contains(&code)));
}

/// RFC 9700 sections 2.1.2, 4.6 and 4.17: no token comes from the authorization endpoint, and no answer by anything but the query of
/// a redirect: no fragment, no form, no message between windows.
async fn rfc9700_4_17_an_answer_leaves_by_the_query_of_a_redirect_and_in_no_other_way(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    let modes = ["web_message", "web_message.opener", "fragment", "form_post", "query.jwt", "fragment.jwt"];
    for mode in modes {
        let asking = client.asking().with("response_mode", mode);
        let (address, callback) = open(&world, &mut ada, &asking).await.callback();
        assert_eq!((address.as_str(), callback.one("error")), (CALLBACK, Some("invalid_request")), "{mode}");
        assert_eq!((callback.one("code"), callback.one("state")), (None, Some(STATE)), "{mode}");
    }
    for kind in ["token", "id_token", "code token", "code id_token", "token id_token", "none"] {
        let asking = client.asking().with("response_type", kind);
        let url = open(&world, &mut ada, &asking).await.away();
        assert!(url.contains("error=unsupported_response_type") && !url.contains('#'), "{url}");
        assert!(!url.contains("token=") && !url.contains("code="), "{url}");
    }
    let script = world.get("/assets/passkey.js").await;
    assert!(script.status() == 200 && !script.text().contains("postMessage"));
}

/// RFC 9700 sections 2.4 and 4.15, PX-7: neither a password, nor the client by itself, nor a token of somebody else is worth a
/// token here.
async fn rfc9700_2_4_nothing_but_a_code_or_a_refresh_token_gives_tokens(run: Run) {
    let Stage { world, mut ada, .. } = run.stage().await;
    let client = Client::confidential(&world, "client_secret_post").await;
    let tokens = client.connect(&world, &mut ada).await;
    let exchange = "urn:ietf:params:oauth:grant-type:token-exchange";
    let bearer = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    for form in [
        Params::of(&[
            ("grant_type", "password"),
            ("username", "ada@example.com"),
            ("password", PASSWORD),
            ("scope", "files:read"),
        ]),
        Params::of(&[("grant_type", "client_credentials"), ("scope", "files:read")]),
        Params::of(&[("grant_type", "implicit")]),
        Params::of(&[("grant_type", exchange), ("subject_token", &tokens.access)]),
        Params::of(&[("grant_type", bearer), ("assertion", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ.")]),
    ] {
        let answer = client.send(&world, "/oauth/token", &client.identified(form.clone())).await;
        assert_eq!(answer.refusal(), (400, "unsupported_grant_type".to_owned()), "{form:?}");
    }
}

/// The confused deputy (MCP security best practices; PX-1, PX-2): somebody who has said yes to one client follows a link that names
/// another, registered by a stranger who calls it the same. No code leaves before they have seen where it would go.
async fn px01_a_link_with_a_client_of_a_stranger_gets_no_code_without_a_yes(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    client.connect(&world, &mut ada).await;
    open(&world, &mut ada, &client.asking()).await.away();
    let strangers = Client::register(&world, metadata("none", "https://evil.example/callback")).await;
    let page = open(&world, &mut ada, &strangers.asking()).await.page();
    assert!(page.html.texts("main").join(" ").contains("evil.example"));
    let silent = strangers.asking().and("prompt", "none");
    let (_, callback) = open(&world, &mut ada, &silent).await.callback();
    assert_eq!((callback.one("error"), callback.one("code")), (Some("consent_required"), None));
    // The address of the one with the id of the other is neither's.
    let mixed = client.asking().with("redirect_uri", &strangers.redirect_uri);
    assert_eq!(open(&world, &mut ada, &mixed).await.page().answer.status(), 400);
}

/// SSRF (RFC 7591 section 5, AS-48; MCP security best practices): a client names as many addresses as it likes, and this server calls none.
async fn no_url_that_a_client_names_is_fetched_or_shown(run: Run) {
    let Stage { world, mut ada, .. } = run.stage().await;
    let inside = TcpListener::bind("127.0.0.1:0").unwrap();
    inside.set_nonblocking(true).unwrap();
    let base = format!("http://{}", inside.local_addr().unwrap());
    let mut said = metadata("none", CALLBACK);
    let members = ["logo_uri", "client_uri", "policy_uri", "tos_uri", "jwks_uri", "sector_identifier_uri"];
    for member in members {
        said[member] = json!(format!("{base}/{member}"));
    }
    said["request_uris"] = json!([format!("{base}/request")]);
    let client = Client::register(&world, said).await;
    let asking = client.asking().and("request_uri", &format!("{base}/request"));
    let page = open(&world, &mut ada, &asking).await.page();
    assert!(!page.answer.text().contains(&base), "{}", page.answer.text());
    ada.press(&page.form("Allow"), "Allow").await.away();
    for id in [format!("{base}/client.json"), format!("{}/client.json", base.replace("http:", "https:"))] {
        let page = open(&world, &mut ada, &client.asking().with("client_id", &id)).await.page();
        assert_eq!(page.answer.status(), 400, "{id}");
    }
    assert_eq!(inside.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

/// RFC 9700 section 4.4: what tells a client that it was mixed up is in each answer, letter for letter what the metadata says.
async fn rfc9700_4_4_the_issuer_of_each_answer_is_that_of_the_metadata(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    let document = world.get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(document["authorization_response_iss_parameter_supported"], true);
    let said = document["issuer"].as_str().unwrap();
    let yes = client.authorize(&world, &mut ada, &client.asking()).await;
    let page = open(&world, &mut ada, &client.asking().and("prompt", "consent")).await.page();
    let (_, no) = ada.press(&page.form("Deny"), "Deny").await.callback();
    let (_, wrong) = open(&world, &mut ada, &client.asking().with("scope", "no:such")).await.callback();
    for callback in [yes, no, wrong] {
        assert_eq!((callback.one("iss"), said), (Some(said), ISSUER), "{callback:?}");
    }
}

stamp! {
    rfc9700_4_5_a_code_put_into_another_log_in_of_its_client_gives_nothing,
    rfc9700_4_2_a_code_is_in_the_redirect_to_its_client_and_nowhere_else,
    rfc9700_4_17_an_answer_leaves_by_the_query_of_a_redirect_and_in_no_other_way,
    rfc9700_2_4_nothing_but_a_code_or_a_refresh_token_gives_tokens,
    px01_a_link_with_a_client_of_a_stranger_gets_no_code_without_a_yes,
    no_url_that_a_client_names_is_fetched_or_shown,
    rfc9700_4_4_the_issuer_of_each_answer_is_that_of_the_metadata,
}
