//! The consent page and what follows it.

use http::StatusCode;

use super::*;

const LOOPBACK: &str = "http://127.0.0.1:4455/callback";

#[tokio::test]
async fn the_page_says_who_asks_for_what_and_where_it_goes() {
    let world = world().await;
    let mut browser = world.browser();
    let (_, page) =
        browser.reach_consent(&world.request(LOOPBACK, "files.read files.write openid email", "s")).await;
    let page = html(&page);
    for said in [
        "<bdi class=\"claim\">Notebook</bdi>",
        "Unverified name.",
        "<bdi>Files of the team</bdi>",
        "<code>https://mcp.example/files</code>",
        "<bdi>Read your files</bdi> <code>files.read</code>",
        "<li><bdi>files.write</bdi></li>",
        "<bdi>Recognise you when you come back</bdi> <code>openid</code>",
        "<bdi>See your email address</bdi>",
        "An app on this computer",
        "<code>127.0.0.1</code>",
        "just started it from an app on this computer",
        "<bdi>ada@example.com</bdi>",
        "Not you?",
    ] {
        assert!(page.contains(said), "{said} is not in {page}");
    }
}

#[tokio::test]
async fn what_is_told_without_a_scope_is_said_once() {
    for scope in ["files.read", "files.read email profile"] {
        let world = Plan { userinfo: UserInfoDetail::Full, ..Plan::default() }.build().await;
        let (_, page) = world.browser().reach_consent(&world.request(LOOPBACK, scope, "s")).await;
        let page = html(&page);
        assert!(page.contains("<bdi>See your name and email address</bdi>"), "{page}");
        assert_eq!(
            (page.matches("your name").count(), page.matches("email address").count()),
            (1, 1),
            "{page}"
        );
    }
}

#[tokio::test]
async fn the_resources_own_scopes_come_first() {
    let world = world().await;
    let (_, page) =
        world.browser().reach_consent(&world.request(LOOPBACK, "email files.read openid", "s")).await;
    let page = html(&page);
    let at = |words: &str| page.find(words).unwrap();
    assert!(
        at("Read your files") < at("See your email") && at("See your email") < at("Recognise you"),
        "{page}"
    );
}

#[tokio::test]
async fn without_a_scope_of_the_resources_own_it_is_said_what_the_token_opens() {
    for (scopes, asked, said) in [
        (["openid", "email"], "openid", true),
        (["openid", "mcp:tools"], "openid", true),
        (["openid", "mcp:tools"], "openid mcp:tools", false),
    ] {
        let world = Plan { scopes, ..Plan::default() }.build().await;
        let (_, page) = world.browser().reach_consent(&world.request(LOOPBACK, asked, "s")).await;
        let page = html(&page);
        let first = page.split("<li>").nth(1).unwrap();
        assert_eq!(first.starts_with("<bdi>Use it on your behalf</bdi>"), said, "{scopes:?} {asked}: {page}");
    }
}

#[tokio::test]
async fn customary_scopes_without_a_description_have_plain_words() {
    for (scope, words) in [
        ("mcp:tools", "Use its tools on your behalf"),
        ("mcp:read", "Read what it has, on your behalf"),
        ("mcp:write", "Change what it has, on your behalf"),
    ] {
        for (scopes, description, words) in [
            (["x", scope], "", words),
            ([scope, "x"], "The server's own words", "The server&#39;s own words"),
        ] {
            let world = Plan { scopes, description, ..Plan::default() }.build().await;
            let (_, page) = world.browser().reach_consent(&world.request(LOOPBACK, scope, "s")).await;
            let page = html(&page);
            assert!(page.contains(&format!("<bdi>{words}</bdi> <code>{scope}</code>")), "{page}");
        }
    }
}

#[tokio::test]
async fn a_name_that_nobody_sees_is_no_name() {
    for (client_name, shown) in
        [("\u{3164}\u{202e}", "client-1"), ("Note\u{202e}bo\u{e0041}ok\u{200b}", "Notebook")]
    {
        let world = Plan { client_name, ..Plan::default() }.build().await;
        let mut browser = world.browser();
        let (path, page) = browser.reach_consent(&world.request(LOOPBACK, "files.read", "s")).await;
        assert!(html(&page).contains(&format!("<bdi class=\"claim\">{shown}</bdi>")), "{}", html(&page));
        let csrf = field(&page, "csrf");
        let moving = html(&browser.post(&path, &[("csrf", &csrf), ("decision", "allow")]).await);
        assert!(
            moving.contains(&format!("Taking you back to <bdi class=\"claim\">{shown}</bdi>")),
            "{moving}"
        );
    }
}

#[tokio::test]
async fn each_kind_of_redirect_is_named_by_what_receives_it() {
    for (redirect, said) in [
        ("https://app.example:8443/cb", "<bdi>app.example</bdi>"),
        ("cursor://anysphere.cursor-mcp/oauth/callback", "<bdi>The app that handles cursor://</bdi>"),
        ("com.example.app:/callback", "<bdi>The app that handles com.example.app:</bdi>"),
    ] {
        let world = Plan { redirect, provenance: Provenance::Administrator, ..Plan::default() }.build().await;
        let (_, page) = world.browser().reach_consent(&world.request(redirect, "files.read", "s")).await;
        assert!(html(&page).contains(said), "{}", html(&page));
        assert!(!html(&page).contains("Unverified name"), "an administrator vouches for it");
    }
}

#[tokio::test]
async fn g20_enter_means_allow_and_deny_needs_no_field() {
    let world = world().await;
    let (path, page) = world.browser().reach_consent(&world.request(LOOPBACK, "files.read", "s")).await;
    let page = html(&page);
    let form =
        page.split(&format!("action=\"/tenant1{path}\"")).nth(1).unwrap().split("</form>").next().unwrap();
    let (allow, deny) = (form.find(">Allow</button>").unwrap(), form.find(">Deny</button>").unwrap());
    assert!(allow < deny, "Enter presses the first button");
    assert!(form.contains("value=\"deny\" formnovalidate>Deny"), "{form}");
    // The grant's id is in the address; the token is all that the form carries (WA-1).
    assert_eq!(form.matches("<input").count(), 1);
    assert!(form.contains("<input type=\"hidden\" name=\"csrf\""), "{form}");
}

#[tokio::test]
async fn allow_leads_to_a_code_with_state_and_iss() {
    let world = world().await;
    let mut browser = world.browser();
    let (path, page) = browser.reach_consent(&world.request(LOOPBACK, "files.read", "a b")).await;
    let csrf = field(&page, "csrf");
    let response = browser.post(&path, &[("csrf", &csrf), ("decision", "allow")]).await;
    let way = moves_to(&response);
    assert!(way.starts_with("/tenant1/oauth/continue/"), "{way}");
    let page = html(&response);
    assert!(page.contains("<h1>Taking you back to <bdi class=\"claim\">Notebook</bdi></h1>"), "{page}");
    assert!(page.contains("<title>One moment…</title>"), "a stranger's name is no title: {page}");
    let client = location(&browser.visit(&way).await);
    assert!(client.starts_with(&format!("{LOOPBACK}?")) && client.contains("code=code_"), "{client}");
    assert!(
        client.contains("state=a+b") && client.contains("iss=https%3A%2F%2Fas.example%2Ftenant1"),
        "{client}"
    );

    // A second click on Allow leads the same way, to the same code.
    let again = browser.post(&path, &[("csrf", &csrf), ("decision", "allow")]).await;
    assert_eq!(location(&browser.visit(&moves_to(&again)).await), client);
    let late = browser.post(&path, &[("csrf", &csrf), ("decision", "deny")]).await;
    assert!(late.status().is_client_error(), "{}", html(&late));
    // Nor is anything asked again: the page leads on, too, and after ten minutes it is over.
    assert_eq!(moves_to(&browser.open(&path).await), way);
    world.clock.advance(600);
    let over = browser.open(&path).await;
    assert_eq!(over.status(), StatusCode::BAD_REQUEST, "{}", html(&over));
}

#[tokio::test]
async fn deny_tells_the_client() {
    let world = world().await;
    let mut browser = world.browser();
    let (path, page) = browser.reach_consent(&world.request(LOOPBACK, "files.read", "xyz")).await;
    let response = browser.post(&path, &[("csrf", &field(&page, "csrf")), ("decision", "deny")]).await;
    let client = moves_to(&response);
    assert!(client.starts_with(&format!("{LOOPBACK}?")), "{client}");
    assert!(
        client.contains("error=access_denied") && client.contains("state=xyz") && client.contains("iss="),
        "{client}"
    );
    assert_eq!(browser.open(&path).await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn saying_nothing_or_something_else_is_not_consent() {
    let world = world().await;
    let mut browser = world.browser();
    let (path, page) = browser.reach_consent(&world.request(LOOPBACK, "files.read", "s")).await;
    let csrf = field(&page, "csrf");
    for fields in [
        &[("csrf", &*csrf)][..],
        &[("csrf", &*csrf), ("decision", "yes")],
        &[("csrf", &*csrf), ("decision", "")],
    ] {
        assert_eq!(browser.post(&path, fields).await.status(), StatusCode::BAD_REQUEST);
    }
    for csrf in ["", "x"] {
        // Shown again: somebody who forges this sees nothing of it.
        let response = browser.post(&path, &[("csrf", csrf), ("decision", "allow")]).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
    }
    // G2: what else is in the form is not read.
    let fields = [
        ("csrf", &*csrf),
        ("decision", "deny"),
        ("redirect_uri", "https://evil.example"),
        ("client_id", "x"),
    ];
    assert!(moves_to(&browser.post(&path, &fields).await).starts_with(LOOPBACK));
}

#[tokio::test]
async fn a_second_log_in_page_leaves_the_request_of_the_first_alive() {
    let world = world().await;
    world.browser().sign_up("ada@example.com").await;
    let mut browser = world.browser();
    let request = world.request(LOOPBACK, "files.read", "s");
    let log_ins = [browser.visit(&request).await, browser.visit(&request).await].map(|page| location(&page));
    let mut pages = Vec::new();
    for log_in in log_ins {
        let page = browser.visit(&log_in).await;
        pages.push((field(&page, "csrf"), field(&page, "return_to")));
    }
    let log_in = async |browser: &mut Browser, number: usize| {
        let (csrf, return_to) = &pages[number];
        let fields = [("csrf", &**csrf), ("email", "ada@example.com"), ("password", PASSWORD)];
        let fields = [&fields[..], &[("return_to", &**return_to)]].concat();
        moves_to(&browser.post("/login", &fields).await)
    };
    let way = log_in(&mut browser, 0).await;
    let path = location(&browser.visit(&way).await);
    let page = browser.visit(&path).await;
    let (path, old) = (path.strip_prefix("/tenant1").unwrap(), field(&page, "csrf"));
    log_in(&mut browser, 1).await;

    for decision in ["allow", "deny"] {
        let asked = browser.post(path, &[("csrf", &old), ("decision", decision)]).await;
        assert_eq!(asked.status(), StatusCode::FORBIDDEN);
        assert!(html(&asked).contains("role=\"alert\">Please confirm once more."), "{}", html(&asked));
        let fresh = field(&asked, "csrf");
        assert_ne!(fresh, old);
        if decision == "deny" {
            let way = moves_to(&browser.post(path, &[("csrf", &fresh), ("decision", "allow")]).await);
            assert!(location(&browser.visit(&way).await).contains("code=code_"));
        }
    }
}

#[tokio::test]
async fn another_person_or_another_session_is_not_asked() {
    let world = world().await;
    let (path, _) = world.browser().reach_consent(&world.request(LOOPBACK, "files.read", "s")).await;
    let mut nobody = world.browser();
    // A log-in begins another session, to which the request does not belong: there is no way back to promise.
    for response in
        [nobody.open(&path).await, nobody.post(&path, &[("csrf", "x"), ("decision", "allow")]).await]
    {
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        assert!(html(&response).contains("You are no longer logged in"), "{}", html(&response));
    }

    let mut eve = world.browser();
    eve.sign_up("eve@example.com").await;
    let csrf = field(&eve.open("/login").await, "csrf");
    assert!(eve.open(&path).await.status().is_client_error());
    let denied = eve.post(&path, &[("csrf", &csrf), ("decision", "deny")]).await;
    assert!(denied.status().is_client_error());
    let allowed = eve.post(&path, &[("csrf", &csrf), ("decision", "allow")]).await;
    assert!(allowed.status().is_client_error(), "{}", html(&allowed));
}

#[tokio::test]
async fn not_you_logs_out_and_asks_whoever_comes_next() {
    let world = world().await;
    let mut browser = world.browser();
    let (path, page) = browser.reach_consent(&world.request(LOOPBACK, "files.read", "a&b")).await;
    let fields = [("csrf", field(&page, "csrf")), ("return_to", field(&page, "return_to"))];
    let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
    let log_in = moves_to(&browser.post("/logout", &fields).await);
    assert!(log_in.starts_with("/tenant1/login?return_to="), "{log_in}");

    let page = browser.visit(&log_in.replace("/login", "/signup")).await;
    let (csrf, return_to) = (field(&page, "csrf"), field(&page, "return_to"));
    let fields = [("name", "Eve"), ("email", "eve@example.com"), ("password", PASSWORD)];
    let fields = [&fields[..], &[("csrf", &*csrf), ("return_to", &*return_to)]].concat();
    let back = moves_to(&browser.post("/signup", &fields).await);
    let consent = location(&browser.visit(&back).await);
    assert_ne!(consent, format!("/tenant1{path}"));
    let page = html(&browser.visit(&consent).await);
    assert!(page.contains("eve@example.com") && page.contains("Notebook"), "{page}");
}

#[tokio::test]
async fn a_request_that_never_was_is_a_page() {
    let world = world().await;
    let mut browser = world.browser();
    browser.sign_up("ada@example.com").await;
    assert_eq!(browser.open("/consent/nonsense").await.status(), StatusCode::NOT_FOUND);
    let gone = browser.open("/consent/AAAAAAAAAAAAAAAAAAAAAA").await;
    assert!(gone.status().is_client_error(), "{}", html(&gone));
}

#[tokio::test]
async fn what_the_resource_can_do_without_may_be_unticked_and_nothing_else() {
    let plan = || Plan { optional: true, redirect: "https://app.example/cb", ..Plan::default() };
    let box_of = "type=\"checkbox\" name=\"scope\" value=\"files.write\" checked";
    for (ticked, kept) in [(&["files.write"][..], true), (&[], false), (&["files.other"], false)] {
        let world = plan().build().await;
        let mut browser = world.browser();
        let request = world.request("https://app.example/cb", "files.read files.write", "s");
        let (path, page) = browser.reach_consent(&request).await;
        let csrf = field(&page, "csrf");
        let page = html(&page);
        assert!(page.contains(box_of) && page.matches("type=\"checkbox\"").count() == 1, "{page}");
        let mut fields = vec![("csrf", &*csrf), ("decision", "allow")];
        fields.extend(ticked.iter().map(|scope| ("scope", *scope)));
        moves_to(&browser.post(&path, &fields).await);
        // What is remembered is what was allowed.
        let read = world.request("https://app.example/cb", "files.read", "s");
        assert!(location(&browser.visit(&read).await).starts_with("https://app.example/cb?"), "{ticked:?}");
        let both = location(&browser.visit(&request).await);
        assert_eq!(both.starts_with("https://app.example/cb?"), kept, "{ticked:?}: {both}");
    }
}

#[tokio::test]
async fn a_yes_to_nothing_is_asked_again() {
    let world = Plan { optional: true, ..Plan::default() }.build().await;
    let mut browser = world.browser();
    let (path, page) = browser.reach_consent(&world.request(LOOPBACK, "files.write", "s")).await;
    let csrf = field(&page, "csrf");
    let answer = browser.post(&path, &[("csrf", &csrf), ("decision", "allow")]).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert!(html(&answer).contains("role=\"alert\">Tick at least one permission"), "{}", html(&answer));
    let denied = browser.post(&path, &[("csrf", &csrf), ("decision", "deny")]).await;
    assert!(moves_to(&denied).contains("error=access_denied"));
}

#[tokio::test]
async fn a_client_that_asks_for_more_shows_what_is_new_first() {
    let world = world().await;
    let mut browser = world.browser();
    let (path, page) = browser.reach_consent(&world.request(LOOPBACK, "files.read", "s")).await;
    assert!(!html(&page).contains("<details>"));
    let csrf = field(&page, "csrf");
    browser.post(&path, &[("csrf", &csrf), ("decision", "allow")]).await;
    // On another port, it is the same app as far as anybody can tell.
    let more = world.request("http://127.0.0.1:9999/callback", "files.read files.write", "s");
    let to = location(&browser.visit(&more).await);
    let page = html(&browser.visit(&to).await);
    let (new, already) = page.split_once("<details>").unwrap();
    assert!(new.contains("<h1>Allow <bdi class=\"claim\">Notebook</bdi> more at"), "{page}");
    assert!(new.contains("files.write") && !new.contains("Read your files"), "{page}");
    assert!(already.contains("What it may do already") && already.contains("Read your files"), "{page}");
    // With nothing new, everything is shown: it is asked all the same.
    let same = world.request("http://127.0.0.1:9999/callback", "files.read", "s");
    let to = location(&browser.visit(&same).await);
    let page = html(&browser.visit(&to).await);
    assert!(page.contains("Read your files") && !page.contains("<details>"), "{page}");
}

#[tokio::test]
async fn an_app_without_an_address_but_this_machine_is_warned_of() {
    for (redirect, warned) in [
        ("http://127.0.0.1/callback", true),
        ("https://app.example/cb", false),
        ("cursor://x/callback", false),
    ] {
        let world = Plan { redirect, ..Plan::default() }.build().await;
        let (_, page) = world.browser().reach_consent(&world.request(redirect, "files.read", "s")).await;
        assert_eq!(html(&page).contains("its name proves nothing"), warned, "{redirect}");
    }
}
