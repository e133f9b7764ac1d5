//! The authorization endpoint (OAuth 2.1 section 4.1, RFC 9207).

use http::Method;
use testkit::client::{CALLBACK, Client, STATE, metadata, open};
use testkit::world::{Params, request};

use crate::run::{ISSUER, Run, Stage};

/// Requests whose error is the client's to know, and the code that it gets.
fn erring(client: &Client) -> Vec<(Params, &'static str)> {
    let asking = client.asking();
    vec![
        (asking.clone().without("response_type"), "invalid_request"),
        (asking.clone().with("response_type", ""), "invalid_request"),
        (asking.clone().with("response_type", "token"), "unsupported_response_type"),
        (asking.clone().with("response_type", "code id_token"), "unsupported_response_type"),
        (asking.clone().with("response_mode", "fragment"), "invalid_request"),
        (asking.clone().with("response_mode", "form_post"), "invalid_request"),
        (asking.clone().and("scope", "files:read").and("scope", "files:read"), "invalid_request"),
        (asking.clone().and("nonce", "1").and("nonce", "2"), "invalid_request"),
        (asking.clone().with("scope", "no:such"), "invalid_scope"),
        (asking.clone().with("scope", "files:read \"quoted\""), "invalid_scope"),
        (asking.clone().with("resource", "https://elsewhere.example/mcp"), "invalid_target"),
        (asking.clone().with("resource", "https://mcp.example.com/mcp#part"), "invalid_target"),
        (asking.clone().with("resource", "/mcp"), "invalid_target"),
        (asking.clone().and("resource", "https://mcp.example.com/other"), "invalid_target"),
        (asking.clone().with("prompt", "none login"), "invalid_request"),
        (asking.clone().with("max_age", "soon"), "invalid_request"),
        (asking.with("prompt", "none"), "consent_required"),
    ]
}

/// AS-18, AS-19, G15: an error redirect carries the registered code, `state` and `iss`, each once.
async fn as19_an_error_goes_back_with_its_code_state_and_iss(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    for (asking, code) in erring(&client) {
        let (address, callback) = open(&world, &mut ada, &asking).await.callback();
        assert_eq!(address, CALLBACK, "{asking:?}");
        assert_eq!(callback.one("error"), Some(code), "{asking:?}");
        assert_eq!((callback.one("state"), callback.one("iss")), (Some(STATE), Some(ISSUER)), "{asking:?}");
        let described = callback.one("error_description").unwrap();
        let plain = |byte: u8| matches!(byte, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        assert!(described.bytes().all(plain), "{described:?}");
        assert_eq!(callback.one("code"), None);
    }
}

/// AS-20: whoever can register must not make an open redirector: no error is redirected before log-in.
async fn as20_no_error_is_redirected_to_a_self_registered_uri_before_log_in(run: Run) {
    let Stage { world, client, .. } = run.stage().await;
    for (asking, _) in erring(&client) {
        let page = open(&world, &mut world.browser(), &asking).await.page();
        assert_eq!((page.answer.status(), page.answer.header("location")), (400, None), "{asking:?}");
        assert!(page.html.forms().is_empty(), "{asking:?}");
        assert!(!page.answer.text().contains(CALLBACK), "{asking:?}");
    }
}

/// AS-20: a redirect URI that an administrator vouches for is told at once.
async fn as20_an_error_is_redirected_at_once_where_an_administrator_vouches(run: Run) {
    let Stage { world, client, .. } = run.stage().await;
    world.vouch_for(&client).await;
    for (asking, code) in erring(&client) {
        let expected = if code == "consent_required" { "login_required" } else { code };
        let (_, callback) = open(&world, &mut world.browser(), &asking).await.callback();
        assert_eq!(callback.one("error"), Some(expected), "{asking:?}");
        assert_eq!((callback.one("state"), callback.one("iss")), (Some(STATE), Some(ISSUER)));
    }
}

/// AS-17: `state` comes back byte for byte, whatever is in it.
async fn as17_state_comes_back_byte_for_byte(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    let long = "s".repeat(2048);
    for state in [
        "plain",
        " leading and trailing ",
        "a+b%20c&d=e;f#g?h/i\\j",
        "%00%zz",
        "\"'<script>",
        "\u{1}\u{7f}\t\r\n",
        "ключ 🗝 key",
        "eyJhIjoxfQ==",
        &long,
    ] {
        let allowed = client.authorize(&world, &mut ada, &client.asking().with("state", state)).await;
        assert_eq!((allowed.one("state"), allowed.one("code").is_some()), (Some(state), true));
        let wrong = client.asking().with("state", state).with("scope", "no:such");
        let (_, refused) = open(&world, &mut ada, &wrong).await.callback();
        assert_eq!((refused.one("state"), refused.one("error")), (Some(state), Some("invalid_scope")));
    }
    let none = client.authorize(&world, &mut ada, &client.asking().without("state")).await;
    assert_eq!(none.one("state"), None);
    let (_, longer) =
        open(&world, &mut ada, &client.asking().with("state", &"s".repeat(2049))).await.callback();
    assert_eq!(longer.one("error"), Some("invalid_request"));
}

/// AS-18: success carries `iss` once, and nothing but `code`, `state` and `iss`.
async fn as18_success_carries_code_state_and_iss_and_nothing_else(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    let callback = client.authorize(&world, &mut ada, &client.asking()).await;
    assert_eq!((callback.one("state"), callback.one("iss")), (Some(STATE), Some(ISSUER)));
    let rest = callback.clone().without("code").without("state").without("iss");
    assert_eq!((callback.one("code").is_some(), rest), (true, Params::default()));
}

/// AS-10: GET and POST; unknown parameters are ignored, an empty value is none.
async fn as10_get_and_post_are_answered_alike_and_unknown_parameters_ignored(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    let asking =
        client.asking().and("unknown", "x").and("scope", "").and("login_hint", "").and("display", "page");
    let allowed = client.authorize(&world, &mut ada, &asking).await;
    assert!(allowed.one("code").is_some());
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let posted = ada.exchange(Method::POST, "/oauth/authorize", &form, asking.to_query().into()).await;
    let page = ada.open(posted.header("location").unwrap_or("/none")).await;
    let callback = match page {
        testkit::browser::Arrived::Away(url) => url,
        testkit::browser::Arrived::Page(page) => ada.press(&page.form("Allow"), "Allow").await.away(),
    };
    assert!(callback.starts_with(CALLBACK), "{callback}");
    let bare = world.send(request(Method::POST, "/oauth/authorize", &[], asking.to_query().into())).await;
    assert_eq!((bare.status(), bare.header("location")), (400, None));
}

/// AS-11: a client or redirect URI that is named twice is a page, whoever is logged in.
async fn as11_a_client_or_redirect_uri_named_twice_is_a_page(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    for asking in [
        client.asking().and("client_id", &client.id),
        client.asking().and("redirect_uri", CALLBACK),
        client.asking().and("redirect_uri", "https://evil.example/"),
    ] {
        let page = open(&world, &mut ada, &asking).await.page();
        assert_eq!((page.answer.status(), page.answer.header("location")), (400, None), "{asking:?}");
    }
}

/// AS-21: never 307; every redirect is a 303, and every form is answered by a page.
async fn as21_redirects_are_303_and_forms_are_answered_by_pages(run: Run) {
    let Stage { world, client, .. } = run.stage().await;
    let mut browser = world.browser();
    let log_in = open(&world, &mut browser, &client.asking()).await.page();
    let mut trail = browser.trail.clone();
    let sign_up = browser.open(&log_in.html.link("Sign up").unwrap()).await.page();
    let filled = sign_up
        .form("Sign up")
        .fill("Name", "Bo")
        .fill("Email", "bo@example.com")
        .fill("Password", "long enough");
    let consent = browser.press(&filled, "Sign up").await.page();
    trail.append(&mut browser.trail.clone());
    browser.press(&consent.form("Allow"), "Allow").await.away();
    trail.append(&mut browser.trail.clone());
    for (method, path, status) in &trail {
        let right = if *method == Method::POST { *status == 200 } else { matches!(status, 200 | 303) };
        assert!(right, "{method} {path} {status}");
    }
    assert!(
        trail.iter().any(|(_, path, status)| path.starts_with("/oauth/continue/") && *status == 303),
        "{trail:?}"
    );
}

/// AS-14: the redirect URI may be left out if one is registered, and only then.
async fn as14_the_redirect_uri_may_be_left_out_only_if_one_is_registered(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    let callback = client.authorize(&world, &mut ada, &client.asking().without("redirect_uri")).await;
    let redeeming = client.redeeming(callback.one("code").unwrap()).without("redirect_uri");
    assert_eq!(client.send(&world, "/oauth/token", &redeeming).await.status(), 200);
    let mut two = metadata("none", CALLBACK);
    two["redirect_uris"] = serde_json::json!([CALLBACK, "https://client.example/other"]);
    let two = Client::register(&world, two).await;
    let page = open(&world, &mut ada, &two.asking().without("redirect_uri")).await.page();
    assert_eq!(page.answer.status(), 400);
}

/// BC-4: a request without scope gets the resource's defaults; `offline_access`, listed or not, breaks nothing.
async fn bc04_a_request_without_scope_gets_the_defaults_of_the_resource(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    let granted = async |ada: &mut testkit::browser::Browser, scope: &str| {
        let callback = client.authorize(&world, ada, &client.asking().and("scope", scope)).await;
        testkit::client::Tokens::of(&client.redeem(&world, callback.one("code").unwrap()).await).scope
    };
    assert_eq!(granted(&mut ada, "").await, ["files:read"]);
    assert_eq!(granted(&mut ada, "files:write").await, ["files:write"]);
    assert_eq!(granted(&mut ada, "offline_access").await, ["files:read", "offline_access"]);
    assert_eq!(
        granted(&mut ada, "openid email profile files:read").await,
        ["email", "files:read", "openid", "profile"]
    );
}

stamp! {
    as19_an_error_goes_back_with_its_code_state_and_iss,
    as20_no_error_is_redirected_to_a_self_registered_uri_before_log_in,
    as20_an_error_is_redirected_at_once_where_an_administrator_vouches,
    as17_state_comes_back_byte_for_byte,
    as18_success_carries_code_state_and_iss_and_nothing_else,
    as10_get_and_post_are_answered_alike_and_unknown_parameters_ignored,
    as11_a_client_or_redirect_uri_named_twice_is_a_page,
    as21_redirects_are_303_and_forms_are_answered_by_pages,
    as14_the_redirect_uri_may_be_left_out_only_if_one_is_registered,
    bc04_a_request_without_scope_gets_the_defaults_of_the_resource,
}
