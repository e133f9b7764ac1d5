//! Pages: what every one of them carries and none of them lets through (AS-22, G3, G20).

use http::Method;
use serde_json::json;
use testkit::browser::{Browser, Page};
use testkit::client::{CALLBACK, Client, ResourceServer, metadata, open};
use testkit::world::{PASSWORD, Params, World};

use crate::mail::{Post, link_in};
use crate::run::{Run, Stage};
use crate::second_factor::set_up_app;

const NASTY: &str = "\"><script>alert(1)</script><img src=x onerror=alert(2)>'&lt;";

/// The pages of somebody who connects an app and looks after it. Those of letters are below; which pages there are, the unit tests
/// of `identity` know from the routes.
async fn every_page(world: &World, client: &Client, ada: &mut Browser) -> Vec<Page> {
    let mut stranger = world.browser();
    let mut pages = Vec::new();
    for path in
        ["/login", "/signup", "/oauth/authorize?client_id=x", "/consent/AAAAAAAAAAAAAAAAAAAAAA", "/consent/x"]
    {
        pages.push(stranger.open(path).await.page());
    }
    let log_in = stranger.open("/login").await.page();
    let wrong = log_in.form("Log in").fill("Email", "nobody@example.com").fill("Password", "wrong password");
    pages.push(stranger.press(&wrong, "Log in").await.page());
    pages.push(log_in);
    let sign_up = stranger.open("/signup").await.page();
    pages.push(stranger.press(&sign_up.form("Sign up").fill("Email", "x"), "Sign up").await.page());
    pages.push(ada.open("/login").await.page());
    pages.push(ada.open("/oauth/continue/AAAAAAAAAAAAAAAAAAAAAA").await.page());
    let consent = open(world, ada, &client.asking()).await.page();
    let moving_on = ada.post_form(&consent.path, &consent.form("Deny").sent_by("Deny"), &[]).await;
    pages.push(Page {
        path: "moving on".to_owned(),
        html: testkit::browser::Html::read(&moving_on.text()),
        answer: moving_on,
    });
    pages.push(consent);
    client.connect(world, ada).await;
    let account = ada.open("/account").await.page();
    let links = account.html.attributes("a", "href").into_iter();
    for path in links.filter(|link| link.starts_with("/account/")).collect::<Vec<_>>() {
        pages.push(ada.open(&path).await.page());
    }
    pages.push(account);
    let logged_in = ada.open("/login").await.page();
    pages.push(ada.press(&logged_in.form("Log out"), "Log out").await.page());
    pages
}

/// The pages that letters lead to, and what stands before them.
async fn every_page_of_letters(post: &mut Post) -> Vec<Page> {
    let mut ada = post.person("ada@example.com").await;
    let mut pages = vec![ada.open("/account/email").await.page(), ada.open("/forgot").await.page()];
    let forgot = pages[1].form("Send the link").fill("Email", "ada@example.com");
    pages.push(ada.press(&forgot, "Send the link").await.page());
    pages.push(ada.open(&link_in(&post.letter().await)).await.page());
    let invited = Some(json!({ "email": "bo@example.com" }));
    post.world.administer(Method::POST, "/api/invitations", invited.as_ref()).await;
    pages.push(ada.open(&link_in(&post.letter().await)).await.page());
    set_up_app(&post.world, &mut ada).await;
    pages.push(ada.open(&link_in(&post.letter().await)).await.page());
    let mut other = post.world.browser();
    let log_in = other.open("/login").await.page().form("Log in");
    let log_in = log_in.fill("Email", "ada@example.com").fill("Password", PASSWORD);
    pages.push(other.press(&log_in, "Log in").await.page());
    let mut cy = post.world.browser();
    let sign_up = cy.open("/signup").await.page().form("Sign up");
    let sign_up = sign_up.fill("Name", "Cy").fill("Email", "cy@example.com").fill("Password", PASSWORD);
    pages.push(cy.press(&sign_up, "Sign up").await.page());
    pages.push(cy.open(&link_in(&post.letter().await)).await.page());
    pages
}

/// AS-22, WA-21: no frame, no script, no form that leads away, nothing kept, on every page.
async fn wa21_every_page_forbids_frames_scripts_and_keeping(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    let mut pages = every_page(&world, &client, &mut ada).await;
    pages.extend(every_page_of_letters(&mut Post::of(run).await).await);
    assert!(pages.len() > 25, "{}", pages.len());
    for page in pages {
        let (path, answer) = (&page.path, &page.answer);
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"), "{path}");
        let policy = answer.header("content-security-policy").unwrap();
        for directive in
            ["default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"]
        {
            assert!(policy.split("; ").any(|one| one == directive), "{path}: {policy}");
        }
        // One script, a file of this server, where passkeys are asked for.
        let scripts = page.html.attributes("script", "src");
        assert!(
            scripts.iter().all(|script| script.starts_with("/assets/passkey.js?v=")),
            "{path}: {scripts:?}"
        );
        let mut allowed = policy.split("; ").filter(|one| one.starts_with("script-src"));
        assert_eq!(allowed.next(), (!scripts.is_empty()).then_some("script-src 'self'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(answer.header("x-frame-options"), Some("DENY"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        let referrer = answer.header("referrer-policy").unwrap();
        // A browser hides the origin of a form's POST where the page's policy is no-referrer.
        let expected = match page.html.forms().is_empty() {
            true => "no-referrer",
            // The address holds a ticket, of which nobody may learn.
            false if path.contains("ticket=") => "strict-origin",
            false => "same-origin",
        };
        assert_eq!(referrer, expected, "{path}");
        assert!(!page.html.has_script(), "{path}");
        for attribute in ["style", "srcdoc"] {
            assert!(page.html.attributes("p", attribute).is_empty(), "{path}");
        }
        assert_eq!((page.html.texts("h1").len(), page.html.texts("title").len()), (1, 1), "{path}");
        assert_eq!(page.html.attributes("html", "lang"), ["en"], "{path}");
    }
}

/// G3: whatever is shown is shown as text.
async fn g03_whatever_comes_from_outside_is_shown_as_text(run: Run) {
    let world = run.world().await;
    let scopes = json!([{ "name": "files:read", "description": NASTY, "default": true }]);
    let server = json!({ "name": NASTY, "resource_url": "https://mcp.example.com/mcp", "scopes": scopes });
    ResourceServer::register(&world, &server).await;
    let mut said = metadata("none", CALLBACK);
    said["client_name"] = json!(NASTY);
    said["client_uri"] = json!(NASTY);
    said["logo_uri"] = json!("javascript:alert(1)");
    let client = Client::register(&world, said).await;
    let mut browser = world.browser();
    let mut pages = Vec::new();
    for name in [
        "client_id",
        "redirect_uri",
        "response_type",
        "state",
        "scope",
        "resource",
        "code_challenge",
        "code_challenge_method",
        "prompt",
        "max_age",
        "login_hint",
        "nonce",
    ] {
        pages.push(open(&world, &mut browser, &client.asking().with(name, NASTY)).await.page());
    }
    for form in ["/login", "/signup"] {
        let query = Params::of(&[("return_to", NASTY), ("login_hint", NASTY)]).to_query();
        pages.push(browser.open(&format!("{form}?{query}")).await.page());
    }
    let sign_up = browser.open("/signup").await.page().form("Sign up");
    let nasty = sign_up.clone().fill("Name", NASTY).fill("Email", NASTY).fill("Password", NASTY);
    pages.push(browser.press(&nasty, "Sign up").await.page());
    let log_in = browser.open("/login").await.page().form("Log in");
    pages.push(browser.press(&log_in.fill("Email", NASTY).fill("Password", NASTY), "Log in").await.page());
    let named = sign_up.fill("Name", NASTY).fill("Email", "nasty@example.com").fill("Password", PASSWORD);
    pages.push(browser.press(&named, "Sign up").await.page());
    let consent = open(&world, &mut browser, &client.asking().with("state", NASTY)).await.page();
    assert!(consent.heading().contains(NASTY), "{}", consent.heading());
    assert!(
        consent.html.texts("li").iter().any(|scope| scope.contains(NASTY)),
        "{:?}",
        consent.html.texts("li")
    );
    let moving_on = browser.post_form(&consent.path, &consent.form("Allow").sent_by("Allow"), &[]).await;
    assert!(!moving_on.text().contains("<script>"));
    pages.push(consent);
    for page in pages {
        assert!(!page.html.has_script(), "{}: {}", page.path, page.answer.text());
        assert!(!page.html.attributes("img", "src").iter().any(|source| source == "x"), "{}", page.path);
        assert!(!page.answer.text().contains("<script>"), "{}", page.path);
    }
}

/// G20: Enter in the form is Allow, because that button comes first; Deny needs nothing filled in.
async fn g20_enter_is_allow_and_deny_works_with_empty_fields(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    let page = open(&world, &mut ada, &client.asking()).await.page();
    let form = page.form("Allow");
    let labels: Vec<_> = form.buttons.iter().map(|button| button.label.as_str()).collect();
    assert_eq!(labels, ["Allow", "Deny"]);
    assert_eq!(form.method, "post");
    assert!(form.buttons[1].skips_validation);
    let (address, callback) = ada.press(&form, "Deny").await.callback();
    assert_eq!((address.as_str(), callback.one("error")), (CALLBACK, Some("access_denied")));
}

/// WA-5: nothing that a person can be led to after log-in is another server's.
async fn return_to_never_leaves_the_server(run: Run) {
    let below_a_path = |config: &mut portcullis::Config| {
        config.issuer = Some(oauth_types::Issuer::parse("https://as.example/base").unwrap());
        config.limits = false;
    };
    let world = run.with(below_a_path).await;
    world.person("ada@example.com").await;
    for evil in [
        "https://evil.example/",
        "//evil.example/",
        "///evil.example/",
        "/\\evil.example/",
        "\\\\evil.example/",
        "/\t/evil.example/",
        "\t//evil.example",
        "/base//evil.example/",
        "/base/../../evil",
        "/base/%2e%2e/api/servers",
        "/other/path",
        "/base\\..\\x",
        "javascript:alert(1)",
        "data:text/html,x",
        "/base/\r\nset-cookie: x=y",
        "https:/evil.example",
        "base/login",
        "@evil.example",
        ".evil.example",
        ":80@evil.example",
        "/basement",
        "",
        "\u{2028}//evil.example",
    ] {
        let mut browser = world.browser();
        let query = Params::of(&[("return_to", evil)]).to_query();
        let page = browser.open(&format!("/base/login?{query}")).await.page();
        let form = page.form("Log in").fill("Email", "ada@example.com").fill("Password", PASSWORD);
        // As if the page had let it through.
        let forced = form.sent_by("Log in").with("return_to", evil);
        let answer = browser.post_form("/base/login", &forced, &[]).await;
        let html = testkit::browser::Html::read(&answer.text());
        assert_eq!(html.refresh().as_deref(), Some("/base/login"), "{evil:?}");
        assert_eq!(html.link("Continue").as_deref(), Some("/base/login"), "{evil:?}");
    }
    let mut browser = world.browser();
    let there = "/base/oauth/authorize?client_id=a%26b";
    let page =
        browser.open(&format!("/base/login?{}", Params::of(&[("return_to", there)]).to_query())).await.page();
    let form = page.form("Log in").fill("Email", "ada@example.com").fill("Password", PASSWORD);
    let answer = browser.post_form("/base/login", &form.sent_by("Log in"), &[]).await;
    assert_eq!(testkit::browser::Html::read(&answer.text()).refresh().as_deref(), Some(there));
}

/// Section 9: every form of a page is answered 200 by a page that moves on, because of `form-action`.
async fn every_form_is_answered_by_the_page_that_moves_on(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    let mut browser = world.browser();
    let sign_up = browser.open("/signup").await.page().form("Sign up");
    let sign_up = sign_up.fill("Name", "Bo").fill("Email", "bo@example.com").fill("Password", PASSWORD);
    let log_in = world.browser().open("/login").await.page().form("Log in");
    let mut answers = vec![browser.post_form("/signup", &sign_up.sent_by("Sign up"), &[]).await];
    let log_in = log_in.fill("Email", "ada@example.com").fill("Password", PASSWORD).sent_by("Log in");
    let token = log_in.one("csrf").unwrap().to_owned();
    let mut other = world.browser();
    other.plant("__Host-portcullis-form-k-IPvZ2U", &token);
    answers.push(other.post_form("/login", &log_in, &[]).await);
    for label in ["Allow", "Deny"] {
        let page = open(&world, &mut ada, &client.asking().and("prompt", "consent")).await.page();
        answers.push(ada.post_form(&page.path, &page.form(label).sent_by(label), &[]).await);
    }
    for answer in answers {
        assert_eq!((answer.status(), answer.header("location")), (200, None), "{}", answer.text());
        let html = testkit::browser::Html::read(&answer.text());
        assert_eq!(html.refresh(), html.link("Continue"));
        assert!(html.refresh().is_some());
    }
}

/// Labels and hints that people, password managers and tests go by.
async fn forms_have_the_labels_that_people_and_password_managers_go_by(run: Run) {
    let world = run.world().await;
    let mut browser = world.browser();
    let fields = |page: &Page, button: &str| {
        let form = page.form(button);
        let shown = form.fields.into_iter().filter(|field| field.kind != "hidden");
        shown.map(|field| (field.label, field.kind)).collect::<Vec<_>>()
    };
    let pair = |label: &str, kind: &str| (label.to_owned(), kind.to_owned());
    let log_in = browser.open("/login").await.page();
    assert_eq!(fields(&log_in, "Log in"), [pair("Email", "email"), pair("Password", "password")]);
    assert_eq!(log_in.html.attributes("input", "autocomplete"), ["username", "current-password"]);
    let sign_up = browser.open("/signup").await.page();
    let expected = [pair("Name", "text"), pair("Email", "email"), pair("Password", "password")];
    assert_eq!(fields(&sign_up, "Sign up"), expected);
    assert_eq!(sign_up.html.attributes("input", "autocomplete"), ["name", "username", "new-password"]);
    assert_eq!(log_in.html.link("Sign up").as_deref(), Some("/signup"));
    assert_eq!(sign_up.html.link("Log in").as_deref(), Some("/login"));
}

/// One sentence for an unknown address and a wrong password; the address is kept, the password is not.
async fn a_failed_log_in_does_not_tell_which_half_was_wrong(run: Run) {
    let world = run.world().await;
    world.person("ada@example.com").await;
    let mut said = Vec::new();
    for (email, password) in [("ada@example.com", "wrong password"), ("nobody@example.com", PASSWORD)] {
        let mut browser = world.browser();
        let page = browser.open("/login").await.page();
        let form = page.form("Log in").fill("Email", email).fill("Password", password);
        let page = browser.press(&form, "Log in").await.page();
        assert_eq!(page.answer.status(), 401);
        assert_eq!(browser.cookie("__Host-portcullis-k-IPvZ2U"), None);
        let form = page.form("Log in");
        let value =
            |label: &str| form.fields.iter().find(|field| field.label == label).unwrap().value.clone();
        assert_eq!((value("Email").as_str(), value("Password").as_str()), (email, ""));
        said.push(
            page.answer
                .text()
                .split("role=\"alert\"")
                .nth(1)
                .unwrap()
                .split("</p>")
                .next()
                .unwrap()
                .to_owned(),
        );
    }
    assert_eq!(said[0], said[1]);
}

/// The landing page, the health of the process and the readiness of the store.
async fn operations_say_what_this_is_and_whether_it_is_ready(run: Run) {
    let world = run.world().await;
    let health = world.get("/health").await;
    assert_eq!(
        (health.status(), health.member("service"), health.member("status")),
        (200, "portcullis".into(), "ok".into())
    );
    assert_eq!(world.get("/ready").await.member("status"), "ready");
    let landing = world.browser().open("/").await.page();
    assert_eq!((landing.answer.status(), landing.html.has_script()), (200, false));
    assert!(landing.answer.header("content-security-policy").unwrap().contains("frame-ancestors 'none'"));
}

stamp! {
    wa21_every_page_forbids_frames_scripts_and_keeping,
    g03_whatever_comes_from_outside_is_shown_as_text,
    g20_enter_is_allow_and_deny_works_with_empty_fields,
    return_to_never_leaves_the_server,
    every_form_is_answered_by_the_page_that_moves_on,
    forms_have_the_labels_that_people_and_password_managers_go_by,
    a_failed_log_in_does_not_tell_which_half_was_wrong,
    operations_say_what_this_is_and_whether_it_is_ready,
}
