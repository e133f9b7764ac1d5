use ambient::{ManualClock, Time};
use futures_util::FutureExt as _;
use http_io::{Fetch, FetchError, Limits};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::*;
use crate::protection::tests::{Fake, RESOURCE};
use crate::{Protection, ProtectionBuilder, Unavailable};

fn builder(resource: &str) -> ProtectionBuilder {
    Protection::builder(Fake::at(resource))
}

async fn ask(metadata: &Metadata, method: &str, path: &str) -> Response<Bytes> {
    let request = Request::builder().method(method).uri(path);
    let request = request.header("host", "evil.example").header("x-forwarded-host", "evil.example");
    metadata.serve(request.body(Bytes::new()).unwrap(), Peer::default()).await
}

async fn read(metadata: &Metadata, path: &str) -> Value {
    let response = ask(metadata, "GET", path).await;
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
    assert_eq!(response.headers()[header::CACHE_CONTROL], "public, max-age=3600");
    assert_eq!(response.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    serde_json::from_slice(response.body()).unwrap()
}

/// RS-2 to RS-5, BC-8, WB-6, WE-12, WD-17, acceptance 14 and 15: the same document at both places, made of the configured URL alone.
#[tokio::test]
async fn the_document_is_at_the_inserted_path_and_at_the_root() {
    let metadata = builder("https://mcp.example.com/public/mcp")
        .require("mcp:tools")
        .resource_name("Files")
        .documentation("https://mcp.example.com/docs#start")
        .build()
        .unwrap()
        .metadata();
    let expected = json!({
        "resource": "https://mcp.example.com/public/mcp",
        "authorization_servers": ["https://auth.example.com/tenant1"],
        "scopes_supported": ["mcp:tools"],
        "bearer_methods_supported": ["header"],
        "resource_name": "Files",
        "resource_documentation": "https://mcp.example.com/docs#start",
    });
    let paths = [
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/",
        "/.well-known/oauth-protected-resource/public/mcp",
        "/.well-known/oauth-protected-resource/public/mcp/",
    ];
    assert_eq!(metadata.paths(), paths);
    for path in paths {
        assert_eq!(read(&metadata, path).await, expected);
    }
    assert_eq!(read(&metadata, "/.well-known/oauth-protected-resource/public/mcp?x=y").await, expected);
    assert_eq!(metadata.document().resource.as_str(), "https://mcp.example.com/public/mcp");
    for path in
        ["/", "/.well-known/oauth-protected-resource/other", "/.well-known/oauth-authorization-server"]
    {
        assert_eq!(ask(&metadata, "GET", path).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn each_path_is_named_once_whatever_the_resource_is() {
    let root = ["/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/"];
    let at = |resource: &str| builder(resource).build().unwrap().metadata();
    assert_eq!(at("https://mcp.example.com").paths(), root);
    assert_eq!(at("https://mcp.example.com/").paths(), root);
    let slash = at("https://mcp.example.com/mcp/");
    assert_eq!(slash.paths().len(), 4);
    let document = read(&slash, "/.well-known/oauth-protected-resource/mcp").await;
    assert_eq!(document["resource"], "https://mcp.example.com/mcp/");
    let query = at("https://mcp.example.com/mcp?tenant=1");
    assert_eq!(query.paths()[2], "/.well-known/oauth-protected-resource/mcp");
    let second = builder("https://mcp.example.com/two").without_root_metadata().build().unwrap().metadata();
    assert_eq!(
        second.paths(),
        ["/.well-known/oauth-protected-resource/two", "/.well-known/oauth-protected-resource/two/"]
    );
}

/// RS-3, SEP-2207: the minimal baseline; what a route or a tool needs beyond it is in its challenge. Never `offline_access`.
#[tokio::test]
async fn the_scopes_are_those_that_every_token_needs() {
    let protection = builder(RESOURCE).require("a").require_for_tool("x", "c d").build().unwrap();
    let metadata = protection.metadata();
    protection.requiring("b").unwrap();
    assert_eq!(metadata.document().scopes_supported, ["a"]);
    let told = builder(RESOURCE).require("a b").scopes_supported("a offline_access").build().unwrap();
    assert_eq!(told.metadata().document().scopes_supported, ["a"]);
    let none = Protection::new(Fake::at(RESOURCE)).metadata();
    let document = read(&none, "/.well-known/oauth-protected-resource").await;
    assert!(document.get("scopes_supported").is_none() && document.get("resource_name").is_none());
}

/// Clients compare issuers letter by letter, and before discovery only the configured text is known.
#[tokio::test]
async fn a_document_is_not_kept_before_the_issuer_is_known() {
    let fake = Fake::at(RESOURCE);
    let url = "https://auth.example.com".to_owned();
    fake.missing.set(Unavailable::Discovery { url, fault: crate::Fault::NotYet }).unwrap();
    let metadata = Protection::new(fake).metadata();
    let answer = ask(&metadata, "GET", "/.well-known/oauth-protected-resource").await;
    assert_eq!(
        (answer.status(), &answer.headers()[header::CACHE_CONTROL]),
        (StatusCode::OK, &HeaderValue::from_static("no-store"))
    );
    assert!(String::from_utf8_lossy(answer.body()).contains("https://auth.example.com/tenant1"));
}

#[tokio::test]
async fn other_methods_are_405_and_preflights_204() {
    let metadata = Protection::new(Fake::at(RESOURCE)).metadata();
    let path = "/.well-known/oauth-protected-resource/mcp";
    let head = ask(&metadata, "HEAD", path).await;
    assert_eq!((head.status(), head.body().len()), (StatusCode::OK, 0));
    let preflight = ask(&metadata, "OPTIONS", path).await;
    assert_eq!(preflight.status(), StatusCode::NO_CONTENT);
    assert_eq!(preflight.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    assert!(
        preflight.headers()[header::ACCESS_CONTROL_ALLOW_HEADERS]
            .to_str()
            .unwrap()
            .contains("MCP-Protocol-Version")
    );
    for method in ["POST", "PUT", "DELETE"] {
        let answer = ask(&metadata, method, path).await;
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(answer.headers()[header::ALLOW], "GET, HEAD, OPTIONS");
    }
}

const LEGACY: &str = "/.well-known/oauth-authorization-server";

/// Serves one document at one URL, or fails; counts.
#[derive(Default)]
struct Issuing {
    at: &'static str,
    document: Mutex<Option<&'static str>>,
    asked: Mutex<Vec<String>>,
}

#[async_trait]
impl Fetch for Issuing {
    async fn fetch(&self, request: Request<Bytes>, _: Limits) -> Result<Response<Bytes>, FetchError> {
        self.asked.lock().push(request.uri().to_string());
        let document = (*self.document.lock()).ok_or(FetchError::TimedOut)?;
        tokio::task::yield_now().await;
        let mut response = Response::new(Bytes::from_static(document.as_bytes()));
        if request.uri() != self.at {
            *response.status_mut() = StatusCode::NOT_FOUND;
        }
        Ok(response)
    }
}

fn copying(at: &'static str, document: Option<&'static str>) -> (Metadata, Arc<Issuing>, Arc<ManualClock>) {
    let issuing = Arc::new(Issuing { at, document: Mutex::new(document), ..Issuing::default() });
    let clock = Arc::new(ManualClock::at(Time(1_000)));
    let builder = builder(RESOURCE).legacy_metadata(LegacyMetadata::Copy);
    let protection = builder.fetch(Arc::clone(&issuing) as _).clock(Arc::clone(&clock) as _).build().unwrap();
    (protection.metadata(), issuing, clock)
}

const INSERTED: &str = "https://auth.example.com/.well-known/oauth-authorization-server/tenant1";
const DOCUMENT: &str = r#"{ "issuer":"https://auth.example.com/tenant1/", "code_challenge_methods_supported":["S256"],"odd":1 }"#;

/// BC-1, WE-11: the whole document, as it is, from the first issuer.
#[tokio::test]
async fn a_copy_is_the_whole_document() {
    let (metadata, _, _) = copying(INSERTED, Some(DOCUMENT));
    assert!(metadata.paths().contains(&LEGACY.to_owned()));
    let answer = ask(&metadata, "GET", LEGACY).await;
    assert_eq!((answer.status(), answer.body().as_ref()), (StatusCode::OK, DOCUMENT.as_bytes()));
    assert_eq!(answer.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    let (metadata, issuing, _) =
        copying("https://auth.example.com/tenant1/.well-known/openid-configuration", Some(DOCUMENT));
    assert_eq!(
        ask(&metadata, "GET", "/.well-known/oauth-authorization-server/").await.status(),
        StatusCode::OK
    );
    assert_eq!(issuing.asked.lock().len(), 3);
}

/// WC-4: cached, with a limit, and kept while the issuer is down.
#[tokio::test]
async fn a_copy_is_kept_for_ten_minutes_and_while_the_issuer_is_down() {
    let (metadata, issuing, clock) = copying(INSERTED, Some(DOCUMENT));
    let asked = || issuing.asked.lock().len();
    for _ in 0..3 {
        assert_eq!(ask(&metadata, "GET", LEGACY).await.status(), StatusCode::OK);
    }
    clock.advance(599);
    ask(&metadata, "GET", LEGACY).await;
    assert_eq!(asked(), 1);
    *issuing.document.lock() = None;
    // Long after: whoever asks waits for the new one, which does not come.
    clock.advance(3600);
    for _ in 0..3 {
        assert_eq!(ask(&metadata, "GET", LEGACY).await.body().as_ref(), DOCUMENT.as_bytes());
    }
    assert_eq!(asked(), 2);
    *issuing.document.lock() = Some(r#"{"issuer":"https://auth.example.com/tenant1"}"#);
    clock.advance(60);
    while ask(&metadata, "GET", LEGACY).await.body().as_ref() == DOCUMENT.as_bytes() {
        tokio::task::yield_now().await;
    }
    assert_eq!(asked(), 3);
}

/// A reader who hangs up takes nothing from the others, and makes nobody ask twice.
#[tokio::test]
async fn a_copy_comes_whether_or_not_its_reader_waits() {
    let (metadata, issuing, _) = copying(INSERTED, Some(DOCUMENT));
    for _ in 0..3 {
        assert!(ask(&metadata, "GET", LEGACY).now_or_never().is_none());
    }
    assert_eq!(ask(&metadata, "GET", LEGACY).await.body().as_ref(), DOCUMENT.as_bytes());
    assert_eq!(issuing.asked.lock().len(), 1);
}

/// The age of a copy is unknown then.
#[tokio::test]
async fn a_clock_that_was_put_back_does_not_keep_a_copy_for_ever() {
    let (metadata, issuing, clock) = copying(INSERTED, Some(DOCUMENT));
    assert_eq!(ask(&metadata, "GET", LEGACY).await.status(), StatusCode::OK);
    *issuing.document.lock() = Some(r#"{"issuer":"https://auth.example.com/tenant1"}"#);
    clock.advance(-900);
    while ask(&metadata, "GET", LEGACY).await.body().as_ref() == DOCUMENT.as_bytes() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn many_who_ask_at_once_make_one_fetch() {
    let (metadata, issuing, _) = copying(INSERTED, Some(DOCUMENT));
    let ask = || ask(&metadata, "GET", LEGACY);
    let (one, two, three) = tokio::join!(ask(), ask(), ask());
    assert!([one, two, three].iter().all(|answer| answer.status() == StatusCode::OK));
    assert_eq!(issuing.asked.lock().len(), 1);
}

#[test]
fn a_copy_needs_no_fetch_of_ones_own() {
    assert!(builder(RESOURCE).legacy_metadata(LegacyMetadata::Copy).build().is_ok());
}

#[tokio::test]
async fn no_copy_yet_is_503() {
    for document in [
        None,
        Some("[]"),
        Some("nonsense"),
        Some(r#"{"issuer":"https://evil.example"}"#),
        Some(r#"["https://auth.example.com/tenant1"]"#),
    ] {
        let (metadata, issuing, clock) = copying(INSERTED, document);
        for _ in 0..2 {
            let answer = ask(&metadata, "GET", LEGACY).await;
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{document:?}");
            assert_eq!(answer.headers()[header::RETRY_AFTER], "5");
            assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
        }
        let before = issuing.asked.lock().len();
        assert!(before <= 3);
        *issuing.document.lock() = Some(DOCUMENT);
        clock.advance(5);
        assert_eq!(ask(&metadata, "GET", LEGACY).await.status(), StatusCode::OK);
    }
}

/// B9.
#[tokio::test]
async fn a_redirect_leads_to_the_issuer() {
    let metadata = builder(RESOURCE).legacy_metadata(LegacyMetadata::Redirect).build().unwrap().metadata();
    let answer = ask(&metadata, "GET", LEGACY).await;
    assert_eq!(
        (answer.status(), answer.headers()[header::LOCATION].to_str().unwrap()),
        (StatusCode::PERMANENT_REDIRECT, INSERTED)
    );
    assert_eq!(answer.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    assert_eq!(ask(&metadata, "POST", LEGACY).await.status(), StatusCode::METHOD_NOT_ALLOWED);
}

/// While a server moves: tokens of the old issuer are taken, and people log in at the new one.
#[tokio::test]
async fn the_document_lists_the_authorization_servers_that_were_chosen_in_their_order() {
    let moving = || {
        let mut fake = Fake::at(RESOURCE);
        fake.issuers = ["https://old.example", "https://new.example/", "https://third.example"]
            .map(|text| Issuer::parse(text).unwrap())
            .to_vec();
        Protection::builder(fake)
    };
    let listed =
        |builder: ProtectionBuilder| builder.build().unwrap().metadata().document().authorization_servers;
    assert_eq!(listed(moving()), ["https://old.example", "https://new.example/", "https://third.example"]);
    let chosen = moving().authorization_servers([
        "https://third.example",
        "https://new.example",
        "https://new.example/",
    ]);
    assert_eq!(
        listed(chosen),
        ["https://third.example", "https://new.example/"],
        "each in its own text, once"
    );
    let legacy =
        moving().authorization_servers(["https://new.example"]).legacy_metadata(LegacyMetadata::Redirect);
    let answer = ask(&legacy.build().unwrap().metadata(), "GET", well_known::AUTHORIZATION_SERVER).await;
    assert_eq!(
        answer.headers()[header::LOCATION],
        "https://new.example/.well-known/oauth-authorization-server"
    );

    let refused = moving().authorization_servers(["https://new.example", "https://evil.example"]).build();
    assert_eq!(refused.unwrap_err(), ConfigError::NotTrusted { issuer: "https://evil.example".to_owned() });
    let none: [&str; 0] = [];
    assert_eq!(moving().authorization_servers(none).build().unwrap_err(), ConfigError::NowhereToLogIn);
}
