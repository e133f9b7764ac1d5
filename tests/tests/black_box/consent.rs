//! Consent (AS-53, I9): what the page says, what its form sends, and who may send it.

use http::Method;
use serde_json::json;
use testkit::browser::{Browser, Page};
use testkit::client::{CALLBACK, Client, Tokens, metadata, open};
use testkit::world::{Params, World};

use crate::run::{Run, Stage};

async fn consent(world: &World, client: &Client, browser: &mut Browser) -> Page {
    open(world, browser, &client.asking()).await.page()
}

/// The address that gives the code, as the page that moves on names it.
fn continues_at(answer: &testkit::world::Answer) -> String {
    testkit::browser::Html::read(&answer.text()).refresh().unwrap()
}

/// AS-53: who asks (and that nobody has checked the name), for what, where, where the answer goes, and who is logged in.
async fn as53_the_page_names_client_resource_scopes_redirect_host_and_person(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    let asking = client.asking().and("scope", "files:read files:write openid offline_access");
    let page = open(&world, &mut ada, &asking).await.page();
    let text = page.html.texts("main").join(" ");
    for expected in [
        "Example Client",
        "Unverified name",
        "Files",
        "https://mcp.example.com/mcp",
        "client.example",
        "Read your files",
        "Change your files",
        "ada@example.com",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    assert_eq!(page.html.texts("li").len(), 5, "{:?}", page.html.texts("li"));
    world.vouch_for(&client).await;
    let page = open(&world, &mut ada, &asking).await.page();
    assert!(!page.html.texts("main").join(" ").contains("Unverified"));
}

/// AS-53, AS-47: where the answer goes to this machine, or to whatever app handles a scheme, the page warns.
async fn as53_the_page_warns_of_loopback_and_private_use_redirects(run: Run) {
    let Stage { world, mut ada, .. } = run.stage().await;
    for (uri, expected) in
        [("http://127.0.0.1:3000/cb", "this computer"), ("cursor://anysphere.cursor-mcp/cb", "cursor://")]
    {
        let client = Client::register(&world, metadata("none", uri)).await;
        let text = consent(&world, &client, &mut ada).await.html.texts("main").join(" ");
        assert!(text.contains(expected) && text.contains("Allow this only if"), "{text}");
    }
}

/// PX-3, section 3: the form carries a token against forgery and the decision. The grant is in its address.
async fn the_form_carries_the_grant_a_token_and_nothing_of_the_request(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    let page = consent(&world, &client, &mut ada).await;
    let form = page.form("Allow");
    assert_eq!(form.action, page.path);
    let grant = form.action.strip_prefix("/consent/").unwrap();
    assert!(grant.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')), "{grant}");
    let sent = form.sent_by("Allow").without("csrf");
    assert_eq!(sent, Params::of(&[("decision", "allow")]));
}

/// G2: whatever else is put into the form changes nothing.
async fn g02_changed_and_added_fields_change_nothing(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    let other = Client::public(&world).await;
    let page = consent(&world, &client, &mut ada).await;
    let forged = page
        .form("Allow")
        .sent_by("Allow")
        .and("redirect_uri", "https://evil.example/")
        .and("scope", "files:write openid email")
        .and("client_id", &other.id)
        .and("resource", "https://evil.example/mcp")
        .and("state", "forged")
        .and("code_challenge", &"A".repeat(43));
    let path = format!("{}?redirect_uri=https://evil.example/&scope=files:write", page.path);
    let answer = ada.post_form(&path, &forged, &[]).await;
    let (address, callback) = ada.open(&continues_at(&answer)).await.callback();
    assert_eq!(address, CALLBACK);
    assert_eq!(callback.one("state"), Some(testkit::client::STATE));
    let tokens = Tokens::of(&client.redeem(&world, callback.one("code").unwrap()).await);
    assert_eq!(tokens.scope, ["files:read"]);
}

/// PX-3: without the token of this session nothing is allowed, and nothing is denied; saying nothing is not saying yes.
async fn a_consent_without_the_token_of_its_session_is_refused(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    let mut bo = world.person("bo@example.com").await;
    let of_bo = consent(&world, &client, &mut bo).await.form("Allow").sent_by("Allow");
    let page = consent(&world, &client, &mut ada).await;
    for decision in ["Allow", "Deny"] {
        let right = page.form(decision).sent_by(decision);
        let token = right.one("csrf").unwrap();
        for (form, status) in [
            (right.clone().without("csrf"), 403),
            (right.clone().with("csrf", ""), 403),
            (right.clone().with("csrf", "x"), 403),
            (right.clone().with("csrf", of_bo.one("csrf").unwrap()), 403),
            (right.clone().and("csrf", token), 400),
            (right.clone().without("decision"), 400),
            (right.clone().with("decision", "maybe"), 400),
            (right.clone().and("decision", "allow"), 400),
        ] {
            assert_eq!(ada.post_form(&page.path, &form, &[]).await.status(), status, "{form:?}");
        }
    }
    let (_, callback) = ada.press(&page.form("Allow"), "Allow").await.callback();
    assert_eq!(client.redeem(&world, callback.one("code").unwrap()).await.status(), 200);
}

/// Two log-in pages were open: the second log-in goes on in the session of the first, and what was asked there is asked once
/// more.
async fn a_second_log_in_keeps_what_waits_for_consent(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    let page = consent(&world, &client, &mut ada).await;
    let log_in = open(&world, &mut ada, &client.asking().and("prompt", "login")).await.page().form("Log in");
    let log_in = log_in.fill("Email", "ada@example.com").fill("Password", testkit::world::PASSWORD);
    ada.press(&log_in, "Log in").await.page();
    let again = ada.press(&page.form("Allow"), "Allow").await.page();
    assert_eq!(
        (again.answer.status(), again.html.texts("main").join(" ").contains("once more")),
        (403, true)
    );
    let (_, callback) = ada.press(&again.form("Allow"), "Allow").await.callback();
    assert_eq!(client.redeem(&world, callback.one("code").unwrap()).await.status(), 200);
}

/// PX-3: a page of another origin cannot send it, even with the right token.
async fn a_consent_from_another_origin_is_refused(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    let page = consent(&world, &client, &mut ada).await;
    let right = page.form("Allow").sent_by("Allow");
    for header in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("origin", "http://as.example"),
        ("origin", "https://as.example.evil.example"),
        ("origin", "https://as.example:8443"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        let answer = ada.post_form(&page.path, &right, &[header]).await;
        assert_eq!(answer.status(), 403, "{header:?}");
    }
    let as_text = [("content-type", "text/plain"), ("origin", "https://as.example")];
    let answer = ada.exchange(Method::POST, &page.path, &as_text, right.to_query().into()).await;
    assert_eq!(answer.status(), 415);
    assert_eq!(ada.post_form(&page.path, &right, &[]).await.status(), 200);
}

/// I9: the request of one session opens nothing in another, whoever is logged in there.
async fn the_request_of_another_session_can_neither_be_seen_nor_answered(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    let page = consent(&world, &client, &mut ada).await;
    let mut bo = world.person("bo@example.com").await;
    let own = consent(&world, &client, &mut bo).await.form("Allow").sent_by("Allow");
    let mut elsewhere = world.browser();
    let log_in = elsewhere.open("/login").await.page().form("Log in");
    let log_in = log_in.fill("Email", "ada@example.com").fill("Password", testkit::world::PASSWORD);
    elsewhere.press(&log_in, "Log in").await.page();
    for browser in [&mut bo, &mut elsewhere] {
        let seen = browser.open(&page.path).await.page();
        assert_eq!(seen.answer.status(), 400);
        assert!(!seen.answer.text().contains("Example Client"));
        let token = consent(&world, &client, browser).await.form("Allow").sent_by("Allow");
        for form in [&own, &token] {
            let answer = browser.post_form(&page.path, form, &[]).await;
            // It may be taken for a second click, which is shown where the first one led: nowhere, in this session.
            let end = match testkit::browser::Html::read(&answer.text()).refresh() {
                Some(on) => browser.open(&on).await.page().answer.status(),
                None => answer.status(),
            };
            assert!(matches!(end, 400 | 403), "{end}");
        }
    }
    let stranger = world.browser().open(&page.path).await.page();
    assert!(stranger.html.forms().iter().all(|form| form.action != page.path), "{}", stranger.answer.text());
    assert!(!stranger.answer.text().contains("Example Client"));
    let (_, callback) = ada.press(&page.form("Allow"), "Allow").await.callback();
    assert_eq!(client.redeem(&world, callback.one("code").unwrap()).await.status(), 200);
}

/// AS-19: no is `access_denied`, with `state` and `iss`, and the request is over.
async fn as19_a_denial_goes_back_as_access_denied(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    let page = consent(&world, &client, &mut ada).await;
    let (address, callback) = ada.press(&page.form("Deny"), "Deny").await.callback();
    assert_eq!(address, CALLBACK);
    assert_eq!(callback.one("error"), Some("access_denied"));
    assert_eq!(
        (callback.one("state"), callback.one("iss")),
        (Some(testkit::client::STATE), Some(crate::run::ISSUER))
    );
    let again = ada.press(&page.form("Allow"), "Allow").await.page();
    assert_eq!(again.answer.status(), 400);
    let continued = ada.open(&page.path.replace("/consent/", "/oauth/continue/")).await.page();
    assert_eq!(continued.answer.status(), 400);
}

/// Section 3: a double click, or two tabs, are one consent: the same code.
async fn a_second_yes_to_the_same_request_gives_the_same_code(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    let page = consent(&world, &client, &mut ada).await;
    let form = page.form("Allow");
    let first = ada.press(&form, "Allow").await.callback().1;
    let second = ada.press(&form, "Allow").await;
    // The page may be gone by now; what it may not do is make a second code.
    if let testkit::browser::Arrived::Away(url) = second {
        let (_, query) = url.split_once('?').unwrap();
        assert_eq!(Params::parse(query), first);
    }
    assert_eq!(client.redeem(&world, first.one("code").unwrap()).await.status(), 200);
}

/// Section 3: the way back gives the same code while it lives, then the next one; the old one is dead then.
async fn the_way_back_gives_the_same_code_while_it_lives_and_then_the_next(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    let page = consent(&world, &client, &mut ada).await;
    let answer = ada.post_form(&page.path, &page.form("Allow").sent_by("Allow"), &[]).await;
    let back = continues_at(&answer);
    assert_eq!(back, page.path.replace("/consent/", "/oauth/continue/"));
    let mut fetch = async || ada.open(&back).await;
    let first = fetch().await.callback().1;
    world.clock.advance(59);
    assert_eq!(fetch().await.callback().1, first);
    world.clock.advance(1);
    let second = fetch().await.callback().1;
    assert_ne!(second.one("code"), first.one("code"));
    let old = client.redeem(&world, first.one("code").unwrap()).await;
    assert_eq!(old.refusal(), (400, "invalid_grant".to_owned()));
    assert_eq!(client.redeem(&world, second.one("code").unwrap()).await.status(), 200);
    let connected = fetch().await.page();
    assert_eq!((connected.answer.status(), connected.heading().as_str()), (200, "Already connected"));
}

/// Section 3: another session gets no code, and neither does a stranger.
async fn the_way_back_is_for_the_session_that_consented(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    let page = consent(&world, &client, &mut ada).await;
    let answer = ada.post_form(&page.path, &page.form("Allow").sent_by("Allow"), &[]).await;
    let back = continues_at(&answer);
    let mut bo = world.person("bo@example.com").await;
    let other = bo.open(&back).await.page();
    assert_eq!((other.answer.status(), other.answer.header("location")), (400, None));
    assert_eq!(world.browser().open(&back).await.page().heading(), "Log in");
    world.clock.advance(600);
    assert_eq!(ada.open(&back).await.page().answer.status(), 400);
}

/// Section 3: ten minutes to think; at most 32 requests in that time.
async fn a_request_waits_ten_minutes_for_its_answer(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    let page = consent(&world, &client, &mut ada).await;
    world.clock.advance(599);
    assert_eq!(ada.open(&page.path).await.page().answer.status(), 200);
    world.clock.advance(1);
    assert_eq!(ada.open(&page.path).await.page().answer.status(), 400);
    assert_eq!(ada.press(&page.form("Allow"), "Allow").await.page().answer.status(), 400);
}

/// "Not you?" logs out and comes back to the same request for whoever logs in.
async fn not_you_logs_out_and_comes_back_to_the_request(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    world.person("bo@example.com").await;
    let page = open(&world, &mut ada, &client.asking().with("state", "a b&c")).await.page();
    let log_in = ada.press(&page.form("Log out"), "Log out").await.page();
    let form =
        log_in.form("Log in").fill("Email", "bo@example.com").fill("Password", testkit::world::PASSWORD);
    let again = ada.press(&form, "Log in").await.page();
    assert!(again.html.texts("main").join(" ").contains("bo@example.com"));
    let (_, callback) = ada.press(&again.form("Allow"), "Allow").await.callback();
    assert_eq!(callback.one("state"), Some("a b&c"));
    assert_eq!(client.redeem(&world, callback.one("code").unwrap()).await.status(), 200);
}

/// A client that says nothing of itself is named by its id.
async fn a_client_without_a_name_is_shown_by_its_id(run: Run) {
    let Stage { world, mut ada, .. } = run.stage().await;
    for name in [json!(null), json!("")] {
        let mut said = metadata("none", CALLBACK);
        said["client_name"] = name;
        let client = Client::register(&world, said).await;
        let page = consent(&world, &client, &mut ada).await;
        assert!(page.heading().contains(&client.id), "{}", page.heading());
    }
}

stamp! {
    as53_the_page_names_client_resource_scopes_redirect_host_and_person,
    as53_the_page_warns_of_loopback_and_private_use_redirects,
    the_form_carries_the_grant_a_token_and_nothing_of_the_request,
    g02_changed_and_added_fields_change_nothing,
    a_consent_without_the_token_of_its_session_is_refused,
    a_second_log_in_keeps_what_waits_for_consent,
    a_consent_from_another_origin_is_refused,
    the_request_of_another_session_can_neither_be_seen_nor_answered,
    as19_a_denial_goes_back_as_access_denied,
    a_second_yes_to_the_same_request_gives_the_same_code,
    the_way_back_gives_the_same_code_while_it_lives_and_then_the_next,
    the_way_back_is_for_the_session_that_consented,
    a_request_waits_ten_minutes_for_its_answer,
    not_you_logs_out_and_comes_back_to_the_request,
    a_client_without_a_name_is_shown_by_its_id,
}
