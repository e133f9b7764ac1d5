//! Where answers may go (AS-11 to AS-13, I6).

use serde_json::json;
use testkit::client::{CALLBACK, Client, metadata, open};

use crate::run::{Run, Stage};

/// AS-11, G11: an unknown client is a page and never a redirect, whoever is logged in.
async fn g11_an_unknown_client_is_a_page_and_no_redirect(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    for id in [
        "cid_AAAAAAAAAAAAAAAAAAAAAA",
        "nobody",
        "https://client.example/metadata.json",
        "",
        "cid_%00",
        "ключ",
    ] {
        for browser in [&mut ada, &mut world.browser()] {
            let page = open(&world, browser, &client.asking().with("client_id", id)).await.page();
            assert_eq!((page.answer.status(), page.answer.header("location")), (400, None), "{id}");
            assert_eq!(page.answer.header("content-type"), Some("text/html; charset=utf-8"));
            assert!(page.html.forms().is_empty(), "{id}");
        }
    }
}

/// AS-12: byte for byte, and a page otherwise.
async fn as12_a_redirect_uri_matches_byte_for_byte_or_is_a_page(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    for other in [
        "https://client.example/callback/",
        "https://client.example/callback?",
        "https://client.example/callback?x=1",
        "https://client.example/callback#f",
        "https://client.example/callback#",
        "https://client.example/Callback",
        "https://client.example/callbac%6b",
        "https://client.example/x/../callback",
        "https://client.example//callback",
        "https://CLIENT.example/callback",
        "HTTPS://client.example/callback",
        "https://client.example:443/callback",
        "https://client.example:8443/callback",
        "https://client.example@evil.example/callback",
        "https://evil.example/callback",
        "https://client.example.evil.example/callback",
        "https://evil.example/https://client.example/callback",
        "http://client.example/callback",
        "//client.example/callback",
        "/callback",
        "callback",
        " https://client.example/callback",
        "https://client.example/callback ",
        "https://client.example/callback\n",
        "javascript:alert(1)",
        "data:text/html,x",
        "https:client.example/callback",
        "https://client.example\\@evil.example/callback",
    ] {
        for browser in [&mut ada, &mut world.browser()] {
            let page = open(&world, browser, &client.asking().with("redirect_uri", other)).await.page();
            assert_eq!((page.answer.status(), page.answer.header("location")), (400, None), "{other:?}");
            assert!(page.html.link("Continue").is_none() && page.html.refresh().is_none(), "{other:?}");
        }
    }
}

/// AS-12: no patterns: a star in a registered URI stands for itself.
async fn as12_a_star_in_a_registered_uri_is_no_pattern(run: Run) {
    let Stage { world, mut ada, .. } = run.stage().await;
    let client = Client::register(&world, metadata("none", "https://client.example/*")).await;
    for other in ["https://client.example/callback", "https://client.example/", "https://client.example/x/*"]
    {
        let page = open(&world, &mut ada, &client.asking().with("redirect_uri", other)).await.page();
        assert_eq!(page.answer.status(), 400, "{other}");
    }
}

/// AS-12, G17: a loopback redirect may come on another port, but on no other path, query or host.
async fn g17_a_loopback_redirect_may_have_another_port_and_nothing_else(run: Run) {
    let Stage { world, mut ada, .. } = run.stage().await;
    for (registered, host) in [
        ("http://127.0.0.1:3000", "http://127.0.0.1"),
        ("http://[::1]", "http://[::1]"),
        ("http://localhost:7", "http://localhost"),
    ] {
        let client = Client::register(&world, metadata("none", &format!("{registered}/cb?a=b"))).await;
        for right in
            [format!("{host}:51234/cb?a=b"), format!("{host}/cb?a=b"), format!("{registered}/cb?a=b")]
        {
            let callback = open(&world, &mut ada, &client.asking().with("redirect_uri", &right)).await.page();
            let url = ada.press(&callback.form("Allow"), "Allow").await.away();
            assert!(url.starts_with(&format!("{right}&code=")), "{url}");
        }
        for wrong in [
            format!("{host}:51234/cb"),
            format!("{host}:51234/cb?a=c"),
            format!("{host}:51234/other?a=b"),
            format!("{host}:51234/cb/?a=b"),
            "http://evil.example:51234/cb?a=b".to_owned(),
            "http://127.0.0.2:51234/cb?a=b".to_owned(),
            format!(
                "{}:51234/cb?a=b",
                if host.contains("127") { "http://localhost" } else { "http://127.0.0.1" }
            ),
            format!("{}:51234/cb?a=b", host.replace("http:", "https:")),
            format!("{}:51234/cb?a=b", host.replace("//", "//user@")),
            format!("{host}:99999/cb?a=b"),
        ] {
            let page = open(&world, &mut ada, &client.asking().with("redirect_uri", &wrong)).await.page();
            assert_eq!(page.answer.status(), 400, "{wrong}");
        }
    }
}

/// RFC 6749 section 3.1.2: the query of a redirect URI is retained.
async fn a_redirect_uri_keeps_its_query(run: Run) {
    let Stage { world, mut ada, .. } = run.stage().await;
    let registered = "https://client.example/cb?tenant=a%20b&x";
    let client = Client::register(&world, metadata("none", registered)).await;
    let page = open(&world, &mut ada, &client.asking()).await.page();
    let url = ada.press(&page.form("Allow"), "Allow").await.away();
    assert!(url.starts_with(&format!("{registered}&code=")), "{url}");
}

/// AS-13, peers of today: the three URIs that Cursor registers together register together, and each works.
async fn as13_the_private_use_scheme_of_a_native_client_works(run: Run) {
    let Stage { world, mut ada, .. } = run.stage().await;
    let uris = [
        "cursor://anysphere.cursor-mcp/oauth/callback",
        "https://www.cursor.example/agents/mcp/oauth/callback",
        "http://localhost:8787/callback",
    ];
    let mut said = metadata("none", uris[0]);
    said["redirect_uris"] = json!(uris);
    let client = Client::register(&world, said).await;
    for uri in uris {
        let asking = client.asking().with("redirect_uri", uri).and("prompt", "consent");
        let page = open(&world, &mut ada, &asking).await.page();
        let url = ada.press(&page.form("Allow"), "Allow").await.away();
        assert!(url.starts_with(&format!("{uri}?code=")), "{url}");
    }
}

/// AS-13: they can be switched off.
async fn as13_private_use_schemes_can_be_switched_off(run: Run) {
    let world = run.with(|config| config.policy.private_use_schemes = false).await;
    let answer = world.post_json("/oauth/register", &metadata("none", "com.example.app:/callback")).await;
    assert_eq!(answer.refusal(), (400, "invalid_redirect_uri".to_owned()));
    assert_eq!(world.post_json("/oauth/register", &metadata("none", CALLBACK)).await.status(), 201);
}

stamp! {
    as12_a_star_in_a_registered_uri_is_no_pattern,
    g11_an_unknown_client_is_a_page_and_no_redirect,
    as12_a_redirect_uri_matches_byte_for_byte_or_is_a_page,
    g17_a_loopback_redirect_may_have_another_port_and_nothing_else,
    a_redirect_uri_keeps_its_query,
    as13_the_private_use_scheme_of_a_native_client_works,
    as13_private_use_schemes_can_be_switched_off,
}
