//! What is served around the pages: paths, methods, files, and how it all looks.

use http::StatusCode;

use super::*;

#[tokio::test]
async fn a_page_that_answers_no_client_has_no_oauth_code() {
    let world = Plan { policy: closed(), ..Plan::default() }.build().await;
    let mut browser = world.browser();
    for (page, title) in [
        (browser.open("/login?return_to=/&return_to=/").await, "This request cannot be read"),
        (browser.open("/consent/x").await, "There is no such request"),
        (browser.open("/consent/AAAAAAAAAAAAAAAAAAAAAA").await, "You are no longer logged in"),
        (browser.open("/signup").await, "No sign-up here"),
        (browser.open("/logout").await, "This does not work here"),
        (
            browser.post_with("/login", &[], &[("origin", "null")]).await,
            "This form comes from somewhere else",
        ),
        (world.identity.serve(Request::new(Bytes::new()), Peer::default()).await, "There is no such page"),
    ] {
        let page = html(&page);
        assert!(page.contains(&format!("<h1>{title}</h1>")) && !page.contains("Code:"), "{page}");
    }
}

#[tokio::test]
async fn the_wrong_method_is_told_the_right_ones() {
    let world = world().await;
    let mut browser = world.browser();
    for (method, path, allow) in [
        ("PUT", "/login", "GET, HEAD, POST"),
        ("DELETE", "/consent/AAAAAAAAAAAAAAAAAAAAAA", "GET, HEAD, POST"),
        ("GET", "/logout", "POST"),
        ("GET", "/auth/login", "POST"),
        ("POST", "/assets/portcullis.css", "GET, HEAD"),
    ] {
        let request =
            Request::builder().method(method).uri(format!("/tenant1{path}")).body(Bytes::new()).unwrap();
        let response = browser.send(request).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
        assert_eq!(header_of(response.headers(), "allow"), allow, "{method} {path}");
    }
    let head = Request::builder().method("HEAD").uri("/tenant1/login").body(Bytes::new()).unwrap();
    let response = browser.send(head).await;
    assert_eq!((response.status(), response.body().len()), (StatusCode::OK, 0));
}

#[tokio::test]
async fn the_paths_are_below_the_issuer_and_nowhere_else() {
    let world = world().await;
    for path in [
        "/tenant1",
        "/tenant1/",
        "/tenant1/login",
        "/tenant1/signup",
        "/tenant1/consent/x",
        "/tenant1/auth/login",
        "/tenant1/logout",
    ] {
        assert!(world.identity.owns(path), "{path}");
    }
    for path in ["/login", "/tenant10/login", "/tenant1/oauth/authorize", "/tenant1/consent/"] {
        assert_eq!(world.identity.owns(path), path == "/tenant1/consent/", "{path}");
    }
    let request = Request::builder().uri("/login").body(Bytes::new()).unwrap();
    assert_eq!(world.identity.serve(request, Peer::default()).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_stylesheet_is_cached_until_it_changes() {
    let world = world().await;
    let mut browser = world.browser();
    for (path, kind) in [("portcullis.css", "text/css; charset=utf-8"), ("portcullis.svg", "image/svg+xml")] {
        let first = browser.open(&format!("/assets/{path}")).await;
        assert_eq!(header_of(first.headers(), "content-type"), kind);
        let tag = header_of(first.headers(), "etag").to_owned();
        let again =
            Request::builder().uri(format!("/tenant1/assets/{path}")).header(header::IF_NONE_MATCH, &tag);
        let again = browser.send(again.body(Bytes::new()).unwrap()).await;
        assert_eq!((again.status(), again.body().len()), (StatusCode::NOT_MODIFIED, 0));
    }
    let style = browser.open("/assets/portcullis.css").await;
    let version = header_of(style.headers(), "etag").trim_matches('"').to_owned();
    assert!(html(&browser.open("/login").await).contains(&format!("/assets/portcullis.css?v={version}")));
}

#[tokio::test]
async fn on_this_machine_everything_works_over_http() {
    let world = Plan { issuer: "http://127.0.0.1:8414", ..Plan::default() }.build().await;
    let mut browser = world.browser();
    assert_eq!(moves_to(&browser.sign_up("ada@example.com").await), "/login");
    assert!(
        browser.jar.contains_key("portcullis-qIDoU387")
            && browser.jar.contains_key("portcullis-form-qIDoU387")
    );
    assert!(html(&browser.open("/login").await).contains("You are logged in"));
}

#[tokio::test]
async fn an_operator_has_a_name_a_logo_and_a_colour_and_the_logo_runs_nothing() {
    let svg = "<svg xmlns=\"http://www.w3.org/2000/svg\"><style>rect{fill:red}</style><rect/></svg>";
    let brand = Brand {
        name: Some(BrandName::parse("Widgets <& Works>").unwrap()),
        logo: Some(Logo::of(svg).unwrap()),
        colour: Some(Colour::parse("#ffcc00").unwrap()),
    };
    let plain = world().await;
    let mut browser = plain.browser();
    assert_eq!(browser.open("/assets/logo").await.status(), StatusCode::NOT_FOUND);
    let before = html(&browser.open("/login").await);

    let world = Plan { brand, ..Plan::default() }.build().await;
    let mut browser = world.browser();
    let page = html(&browser.open("/login").await);
    assert!(page.contains("<strong>Widgets &#60;&#38; Works&#62;</strong> as.example"), "{page}");
    let version = |page: &str| page.split("portcullis.css?v=").nth(1).map(|rest| rest[..12].to_owned());
    assert_ne!(version(&page), version(&before), "a browser keeps no stylesheet of another look");
    assert!(page.contains("<img src=\"/tenant1/assets/logo?v="), "{page}");
    let logo = browser.open("/assets/logo").await;
    assert_eq!(html(&logo), svg);
    assert_eq!(header_of(logo.headers(), "content-type"), "image/svg+xml");
    let policy = header_of(logo.headers(), "content-security-policy");
    assert!(policy.starts_with("default-src 'none'") && policy.contains("sandbox"), "{policy}");
    assert!(!policy.contains("script-src"), "{policy}");
    assert!(html(&browser.open("/assets/portcullis.css").await).contains("--on-accent: #000000"));
}

#[tokio::test]
async fn the_next_page_looks_as_its_operator_says_now() {
    let world = world().await;
    let mut browser = world.browser();
    assert!(!html(&browser.open("/login").await).contains("Widget Works"));
    let named = |name| Brand { name: BrandName::parse(name).ok(), ..Brand::default() };
    for name in ["Widget Works", "Works of Widgets"] {
        world.pages.change_brand(named(name));
        assert!(html(&browser.open("/login").await).contains(&format!("<strong>{name}</strong>")));
        let stop = browser.open("/consent/none").await;
        assert!(html(&stop).contains(name), "{}", html(&stop));
    }
}
