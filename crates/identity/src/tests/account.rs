//! One's own account: connections, sessions, and the end of them.

use http::StatusCode;

use super::*;

const CALLBACK: &str = "https://app.example/cb";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// Connects the client for whoever is logged in with this browser: the id of the grant.
pub(super) async fn connect(world: &World, browser: &mut Browser, scope: &str) -> String {
    let before = connections(browser).await;
    let asked = browser.visit(&world.request(CALLBACK, scope, "s")).await;
    let to = location(&asked);
    let code = match to.split("code=").nth(1) {
        Some(code) => code.to_owned(),
        None => {
            let page = browser.visit(&to).await;
            let csrf = field(&page, "csrf");
            let path = to.strip_prefix("/tenant1").unwrap().to_owned();
            let scopes: Vec<_> = scope.split(' ').map(|scope| ("scope", scope)).collect();
            let fields = [&[("csrf", &*csrf), ("decision", "allow")][..], &scopes].concat();
            let moving = browser.post(&path, &fields).await;
            let to = location(&browser.visit(&moves_to(&moving)).await);
            to.split("code=").nth(1).unwrap().to_owned()
        }
    };
    let code = code.split('&').next().unwrap().to_owned();
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("client_id", "client-1"),
        ("code_verifier", VERIFIER),
        ("redirect_uri", CALLBACK),
    ];
    let headers = [("user-agent", "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0")];
    let tokens = browser.post_with("/oauth/token", &fields, &headers).await;
    assert_eq!(tokens.status(), StatusCode::OK, "{}", html(&tokens));
    connections(browser).await.into_iter().find(|id| !before.contains(id)).unwrap()
}

/// The ids of the grants on the account page, as they stand there.
async fn connections(browser: &mut Browser) -> Vec<String> {
    let page = html(&browser.open("/account").await);
    let ids = page.split("/account/connections/").skip(1).map(|rest| rest.split('"').next().unwrap());
    ids.map(ToOwned::to_owned).collect()
}

async fn connected() -> (World, Browser, String) {
    let world = Plan { redirect: CALLBACK, ..Plan::default() }.build().await;
    let mut browser = world.browser();
    browser.sign_up("ada@example.com").await;
    let grant = connect(&world, &mut browser, "files.read files.write").await;
    (world, browser, grant)
}

#[tokio::test]
async fn what_was_used_last_stands_first() {
    let (world, mut browser, first) = connected().await;
    let mut grants = vec![first];
    for _ in 0..8 {
        world.clock.advance(60);
        grants.insert(0, connect(&world, &mut browser, "files.read").await);
        assert_eq!(connections(&mut browser).await, grants);
    }
}

fn act(page: &Response<Bytes>) -> String {
    field(page, "csrf")
}

#[tokio::test]
async fn a_connection_says_who_what_where_and_since_when() {
    let (_world, mut browser, grant) = connected().await;
    let list = html(&browser.open("/account").await);
    for said in ["Notebook", "Files of the team", "Firefox on Linux, 192.0.2.1", "just now", "this browser"] {
        assert!(list.contains(said), "{said}: {list}");
    }
    let page = html(&browser.open(&format!("/account/connections/{grant}")).await);
    for said in [
        "<h1><bdi class=\"claim\">Notebook</bdi></h1>",
        "Unverified",
        "app.example",
        "https://mcp.example/files",
        "Read your files",
        "Firefox on Linux, 192.0.2.1",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
}

#[tokio::test]
async fn what_is_not_ticked_is_taken_away_and_something_must_be_left() {
    let (world, mut browser, grant) = connected().await;
    let path = format!("/account/connections/{grant}");
    let csrf = act(&browser.open(&path).await);
    let scopes = format!("{path}/scopes");
    let none = browser.post(&scopes, &[("csrf", &csrf)]).await;
    assert_eq!(none.status(), StatusCode::BAD_REQUEST);
    assert!(html(&none).contains("Something must be left"));
    let more = browser.post(&scopes, &[("csrf", &csrf), ("scope", "files.read"), ("scope", "admin")]).await;
    assert_eq!(more.status(), StatusCode::BAD_REQUEST);

    let saved = browser.post(&scopes, &[("csrf", &csrf), ("scope", "files.read")]).await;
    assert_eq!(saved.status(), StatusCode::OK);
    let page = html(&saved);
    assert!(page.contains("Saved.") && !page.contains("files.write"), "{page}");
    // Asked for again, what was taken away is what is new; the rest is folded.
    let to = location(&browser.visit(&world.request(CALLBACK, "files.read files.write", "s")).await);
    let page = html(&browser.visit(&to).await);
    let (new, already) = page.split_once("<details>").unwrap();
    assert!(new.contains("files.write") && !new.contains("files.read"), "{page}");
    assert!(already.contains("files.read") && page.contains("It will also be able to"), "{page}");
}

#[tokio::test]
async fn a_device_gets_a_name_that_is_no_markup() {
    let (_world, mut browser, grant) = connected().await;
    let path = format!("/account/connections/{grant}");
    let csrf = act(&browser.open(&path).await);
    let saved = browser.post(&format!("{path}/label"), &[("csrf", &csrf), ("label", EVIL)]).await;
    assert_eq!(saved.status(), StatusCode::OK);
    let list = html(&browser.open("/account").await);
    assert!(list.contains("&#60;script&#62;") && !list.contains("<script"), "{list}");
}

#[tokio::test]
async fn one_of_several_installations_is_disconnected_or_all() {
    let (world, mut browser, first) = connected().await;
    world.clock.advance(60);
    connect(&world, &mut browser, "files.read").await;
    connect(&world, &mut browser, "files.read").await;
    let count = |page: &str| page.matches("/account/connections/").count();
    let list = browser.open("/account").await;
    assert_eq!(count(&html(&list)), 3);
    let csrf = act(&list);
    let page = html(&browser.open(&format!("/account/connections/{first}")).await);
    assert!(page.contains("is connected <bdi class=\"claim\">3</bdi> times"), "{page}");

    let one = browser.post(&format!("/account/connections/{first}/disconnect"), &[("csrf", &csrf)]).await;
    assert_eq!(count(&html(&one)), 2);
    let again = browser.post(&format!("/account/connections/{first}/disconnect"), &[("csrf", &csrf)]).await;
    assert_eq!(again.status(), StatusCode::NOT_FOUND);
    let page = html(&browser.open("/account").await);
    let other = page.split("/account/connections/").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let path = format!("/account/connections/{other}/disconnect");
    let all = html(&browser.post(&path, &[("csrf", &csrf), ("all", "on")]).await);
    assert!(count(&all) == 0 && all.contains("No app is connected"), "{all}");
    // Consent was forgotten, too.
    let to = location(&browser.visit(&world.request(CALLBACK, "files.read", "s")).await);
    assert!(to.contains("/consent/"), "{to}");
}

#[tokio::test]
async fn what_is_somebody_elses_is_not_there() {
    let (world, mut ada, grant) = connected().await;
    let mut bo = world.browser();
    bo.sign_up("bo@example.com").await;
    let own = bo.open("/account").await;
    let csrf = act(&own);
    let path = format!("/account/connections/{grant}");
    assert_eq!(bo.open(&path).await.status(), StatusCode::NOT_FOUND);
    for (act, more) in
        [("scopes", ("scope", "files.read")), ("label", ("label", "mine")), ("disconnect", ("x", "x"))]
    {
        let refused = bo.post(&format!("{path}/{act}"), &[("csrf", &csrf), more]).await;
        let absent = bo
            .post(&format!("/account/connections/AAAAAAAAAAAAAAAAAAAAAA/{act}"), &[("csrf", &csrf), more])
            .await;
        assert_eq!(refused.status(), StatusCode::NOT_FOUND, "{act}");
        assert_eq!(html(&refused), html(&absent), "{act}");
    }
    bo.post("/account/disconnect", &[("csrf", &csrf)]).await;
    let adas = html(&ada.open("/account").await);
    assert!(adas.contains(&grant) && !adas.contains("mine"), "{adas}");
    // Of a session, too.
    let mut other = world.browser();
    other.log_in("ada@example.com", PASSWORD).await;
    let id = field(&ada.open("/account").await, "session");
    bo.post("/account/sessions", &[("csrf", &csrf), ("session", &id)]).await;
    assert_eq!(other.open("/account").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn sessions_end_one_by_one_or_all_others() {
    let (world, mut browser, _) = connected().await;
    let mut others = [world.browser(), world.browser(), world.browser()];
    for other in &mut others {
        other.log_in("ada@example.com", PASSWORD).await;
    }
    let page = browser.open("/account").await;
    let (csrf, id) = (act(&page), field(&page, "session"));
    let done = browser.post("/account/sessions", &[("csrf", &csrf), ("session", &id)]).await;
    assert_eq!(html(&done).matches("name=\"session\"").count(), 2);
    let done = browser.post("/account/sessions", &[("csrf", &csrf), ("others", "on")]).await;
    assert_eq!(html(&done).matches("name=\"session\"").count(), 0);
    for other in &mut others {
        assert_eq!(other.open("/account").await.status(), StatusCode::SEE_OTHER);
    }
    assert_eq!(browser.open("/account").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn everything_ends_after_a_fresh_log_in_alone() {
    let (world, mut browser, _) = connected().await;
    let mut other = world.browser();
    other.log_in("ada@example.com", PASSWORD).await;
    world.clock.advance(15 * 60 + 1);
    let page = browser.open("/account").await;
    assert!(html(&page).contains("at most 15 minutes old") && !html(&page).contains("/account/end"));
    let csrf = act(&page);
    let stale = browser.post("/account/end", &[("csrf", &csrf)]).await;
    let to = moves_to(&stale);
    assert!(to.starts_with("/tenant1/login?return_to=%2Ftenant1%2Faccount"), "{to}");

    let log_in = browser.visit(&to).await;
    let fields = [
        ("csrf", &*field(&log_in, "csrf")),
        ("email", "ada@example.com"),
        ("password", PASSWORD),
        ("return_to", &*field(&log_in, "return_to")),
    ];
    let back = moves_to(&browser.post("/login", &fields).await);
    assert_eq!(back, "/tenant1/account");
    let csrf = act(&browser.visit(&back).await);
    let ended = browser.post("/account/end", &[("csrf", &csrf)]).await;
    assert!(html(&ended).contains("all apps are disconnected"), "{}", html(&ended));
    assert!(browser.jar.keys().all(|name| name != SESSION));
    assert_eq!(other.open("/account").await.status(), StatusCode::SEE_OTHER);
    browser.log_in("ada@example.com", PASSWORD).await;
    assert!(html(&browser.open("/account").await).contains("No app is connected"));
}

#[tokio::test]
async fn wa22_nothing_is_done_without_the_token_of_the_session() {
    let (_world, mut browser, grant) = connected().await;
    let csrf = act(&browser.open("/account").await);
    for path in [
        format!("/account/connections/{grant}/disconnect"),
        "/account/disconnect".to_owned(),
        "/account/sessions".to_owned(),
        "/account/end".to_owned(),
    ] {
        for fields in [&[][..], &[("csrf", "x")]] {
            assert_eq!(browser.post(&path, fields).await.status(), StatusCode::FORBIDDEN, "{path}");
        }
        let elsewhere = [("origin", "https://evil.example")];
        let forged = browser.post_with(&path, &[("csrf", &csrf)], &elsewhere).await;
        assert_eq!(forged.status(), StatusCode::FORBIDDEN, "{path}");
        assert_eq!(browser.open(&path).await.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
    }
    assert!(html(&browser.open("/account").await).contains(&grant));
}

#[tokio::test]
async fn the_pages_speak_the_language_of_the_browser() {
    let (world, browser, grant) = connected().await;
    for (path, said) in [
        ("/account".to_owned(), "Verbundene Apps"),
        (format!("/account/connections/{grant}"), "Nicht Angekreuztes wegnehmen"),
        ("/login".to_owned(), "Sie sind angemeldet"),
        ("/nothing".to_owned(), "Diese Seite gibt es nicht"),
    ] {
        let request = Request::builder()
            .uri(format!("/tenant1{path}"))
            .header(header::ACCEPT_LANGUAGE, "de-CH,de;q=0.9,en;q=0.5")
            .body(Bytes::new());
        let cookies: Vec<_> = browser.jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = request.unwrap();
        request.headers_mut().insert(header::COOKIE, cookies.join("; ").parse().unwrap());
        let page = html(&world.identity.serve(request, browser.peer).await);
        assert!(page.contains("<html lang=\"de\" dir=\"ltr\">") && page.contains(said), "{page}");
    }
}
