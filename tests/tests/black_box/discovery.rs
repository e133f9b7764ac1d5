//! What clients find out: metadata, aliases, methods (RFC 8414, RFC 9728, OpenID Connect Discovery).

use bytes::Bytes;
use http::{Method, header};
use serde_json::json;
use testkit::client::{Client, RESOURCE, ResourceServer, Tokens};
use testkit::world::{Params, request};

use crate::run::{ISSUER, Run, Stage};

/// AS-5 to AS-8, G15: the whole document, and nothing in it that is not served.
async fn as08_metadata_says_what_is_served(run: Run) {
    let world = run.world().await;
    let answer = world.get("/.well-known/oauth-authorization-server").await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let at = |path: &str| format!("{ISSUER}{path}");
    assert_eq!(
        answer.json(),
        json!({
            "issuer": ISSUER,
            "authorization_endpoint": at("/oauth/authorize"),
            "token_endpoint": at("/oauth/token"),
            "registration_endpoint": at("/oauth/register"),
            "revocation_endpoint": at("/oauth/revoke"),
            "introspection_endpoint": at("/oauth/introspect"),
            "userinfo_endpoint": at("/oauth/userinfo"),
            "scopes_supported": ["email", "offline_access", "openid", "profile"],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_methods_supported": ["none", "client_secret_post", "client_secret_basic"],
            "revocation_endpoint_auth_methods_supported": ["none", "client_secret_post", "client_secret_basic"],
            "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "Bearer"],
            "code_challenge_methods_supported": ["S256"],
            "prompt_values_supported": ["none", "login", "consent", "select_account"],
            "acr_values_supported": ["1fa", "mfa", "phr"],
            "subject_types_supported": ["public"],
            "authorization_response_iss_parameter_supported": true,
        })
    );
    for (name, url) in answer.json().as_object().unwrap() {
        if name.ends_with("_endpoint") {
            let path = url.as_str().unwrap().strip_prefix(ISSUER).unwrap();
            assert_ne!(world.get(path).await.status(), 404, "{name}");
        }
    }
}

/// AS-5, AS-6: one document at each of its addresses, with and without a final slash.
async fn as05_metadata_is_at_each_of_its_addresses(run: Run) {
    let world = run.world().await;
    let document = world.get("/.well-known/oauth-authorization-server").await.json();
    for path in [
        "/.well-known/oauth-authorization-server/",
        "/.well-known/openid-configuration",
        "/.well-known/openid-configuration/",
    ] {
        assert_eq!(world.get(path).await.json(), document, "{path}");
    }
    assert_eq!(world.get("/.well-known/oauth-authorization-server/other").await.status(), 404);
}

/// AS-7, section 1.3: an issuer with a path has its documents inserted before the path and appended behind it.
async fn an_issuer_with_a_path_has_its_documents_where_clients_look(run: Run) {
    let world = run.at("https://as.example/tenant1").await;
    let at = async |path: &str| {
        let answer = world.send(request(Method::GET, path, &[], Bytes::new())).await;
        (answer.status() == 200).then(|| answer.json())
    };
    let document = at("/.well-known/oauth-authorization-server/tenant1").await.unwrap();
    assert_eq!(document["issuer"], "https://as.example/tenant1");
    assert_eq!(document["token_endpoint"], "https://as.example/tenant1/oauth/token");
    for path in [
        "/.well-known/oauth-authorization-server/tenant1/",
        "/.well-known/openid-configuration/tenant1",
        "/tenant1/.well-known/openid-configuration",
        "/tenant1/.well-known/oauth-authorization-server",
    ] {
        assert_eq!(at(path).await.as_ref(), Some(&document), "{path}");
    }
    for path in [
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/tenant2",
        "/oauth/token",
        "/login",
        "/api/servers",
    ] {
        assert_eq!(at(path).await, None, "{path}");
    }
}

/// The whole way from registration to a refresh, below a path.
async fn an_issuer_with_a_path_serves_the_whole_flow_below_it(run: Run) {
    let Stage { world, server, client, mut ada } = Stage::of(run.at("https://as.example/a/b").await).await;
    let callback = client.authorize(&world, &mut ada, &client.asking()).await;
    assert_eq!(callback.one("iss"), Some("https://as.example/a/b"));
    for (_, path, _) in &ada.trail {
        assert!(path.starts_with("/a/b/"), "{path}");
    }
    let tokens = Tokens::of(&client.redeem(&world, callback.one("code").unwrap()).await);
    assert!(server.accepts(&world, &tokens.access).await);
    assert_eq!(client.refresh(&world, &tokens.refresh).await.status(), 200);
    let log_in = world.browser().open("https://as.example/a/b/login").await.page();
    assert_eq!(log_in.form("Log in").action, "/a/b/login");
}

/// G15, RS-3: the document of a registered server, without the scopes that are the authorization server's.
async fn g15_the_document_of_a_server_names_its_issuer_and_its_own_scopes(run: Run) {
    let world = run.world().await;
    let server = ResourceServer::usual(&world).await;
    let answer = world.get(&format!("/prm/{}", server.id)).await;
    assert_eq!((answer.status(), answer.header("content-type")), (200, Some("application/json")));
    let expected = json!({
        "resource": RESOURCE,
        "authorization_servers": [ISSUER],
        "scopes_supported": ["files:read", "files:write"],
        "bearer_methods_supported": ["header"],
        "resource_name": "Files",
    });
    assert_eq!(answer.json(), expected);
    for path in ["/prm/srv_unknown", "/prm/", "/prm/x/y", "/prm/srv_AAAAAAAAAAAAAAAAAAAAAA"] {
        assert_eq!(world.get(path).await.status(), 404, "{path}");
    }
}

/// G15, SEP-2207: `offline_access` is the authorization server's, and not the resource's.
async fn g15_offline_access_is_in_the_servers_metadata_and_not_in_the_resources(run: Run) {
    let world = run.world().await;
    let server = ResourceServer::usual(&world).await;
    let scopes = |document: &serde_json::Value| document["scopes_supported"].to_string();
    let of_issuer = world.get("/.well-known/oauth-authorization-server").await.json();
    let of_resource = world.get(&format!("/prm/{}", server.id)).await.json();
    assert!(scopes(&of_issuer).contains("offline_access"));
    assert!(!scopes(&of_resource).contains("offline_access"));
}

/// BC-2: clients of 2025-03-26 that find no metadata use the default paths.
async fn bc02_the_default_paths_of_2025_03_26_serve_the_whole_flow(run: Run) {
    let Stage { world, mut ada, .. } = run.stage().await;
    let metadata = testkit::client::metadata("none", testkit::client::CALLBACK);
    let registered = world.post_json("/register", &metadata).await;
    assert_eq!(registered.status(), 201);
    let mut client = Client::public(&world).await;
    client.id = registered.member("client_id");
    let page = ada.open(&format!("/authorize?{}", client.asking().to_query())).await.page();
    let (_, callback) = ada.press(&page.form("Allow"), "Allow").await.callback();
    let redeeming = client.redeeming(callback.one("code").unwrap());
    assert_eq!(world.post("/token", &redeeming, &[]).await.status(), 200);
}

/// Clients of every revision of MCP name it in a header; those of 2025-03-26 name no resource.
async fn clients_of_every_revision_of_mcp_get_the_whole_flow(run: Run) {
    let Stage { world, server, mut ada, .. } = run.stage().await;
    for revision in ["2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"] {
        let named = [("mcp-protocol-version", revision)];
        let metadata = "/.well-known/oauth-authorization-server";
        let metadata = world.send(request(Method::GET, metadata, &named, Bytes::new())).await.json();
        let local = |name: &str| metadata[name].as_str().unwrap().strip_prefix(ISSUER).unwrap().to_owned();
        let mut client = Client::public(&world).await;
        client.resource = (revision != "2025-03-26").then(|| RESOURCE.to_owned());
        let url = format!("{}?{}", local("authorization_endpoint"), client.asking().to_query());
        let page = ada.open(&url).await.page();
        let (_, callback) = ada.press(&page.form("Allow"), "Allow").await.callback();
        assert_eq!(callback.one("iss"), metadata["issuer"].as_str(), "{revision}");
        let redeeming = client.redeeming(callback.one("code").unwrap());
        let redeeming =
            client.resource.iter().fold(redeeming, |form, resource| form.and("resource", resource));
        let tokens = Tokens::of(&world.post(&local("token_endpoint"), &redeeming, &named).await);
        assert!(server.accepts(&world, &tokens.access).await, "{revision}");
        let next = world.post(&local("token_endpoint"), &client.refreshing(&tokens.refresh), &named).await;
        assert_eq!(next.status(), 200, "{revision}");
    }
}

/// Every endpoint answers other methods with 405 and names its own.
async fn a_wrong_method_is_405_with_allow(run: Run) {
    let Stage { world, server, .. } = run.stage().await;
    let prm = format!("/prm/{}", server.id);
    for (path, allowed) in [
        ("/.well-known/oauth-authorization-server", "GET, HEAD, OPTIONS"),
        ("/.well-known/openid-configuration", "GET, HEAD, OPTIONS"),
        (&prm, "GET, HEAD, OPTIONS"),
        ("/oauth/authorize", "GET, POST"),
        ("/authorize", "GET, POST"),
        ("/oauth/continue/AAAAAAAAAAAAAAAAAAAAAA", "GET"),
        ("/oauth/token", "POST, OPTIONS"),
        ("/token", "POST, OPTIONS"),
        ("/oauth/revoke", "POST, OPTIONS"),
        ("/oauth/introspect", "POST, OPTIONS"),
        ("/oauth/register", "POST, OPTIONS"),
        ("/oauth/userinfo", "GET, POST, OPTIONS"),
        ("/login", "GET, HEAD, POST"),
        ("/signup", "GET, HEAD, POST"),
        ("/consent/AAAAAAAAAAAAAAAAAAAAAA", "GET, HEAD, POST"),
        ("/logout", "POST"),
        ("/account/password", "GET, HEAD, POST"),
        ("/account/email", "GET, HEAD, POST"),
        ("/assets/portcullis.css", "GET, HEAD"),
        ("/auth/login", "POST"),
        ("/auth/signup", "POST"),
        ("/auth/logout", "POST"),
        ("/health", "GET, HEAD"),
        ("/ready", "GET, HEAD"),
        ("/", "GET, HEAD"),
    ] {
        for method in [Method::PUT, Method::DELETE, Method::PATCH, Method::from_bytes(b"BREW").unwrap()] {
            let answer = world.send(request(method.clone(), path, &[], Bytes::new())).await;
            assert_eq!((answer.status(), answer.header("allow")), (405, Some(allowed)), "{method} {path}");
        }
    }
}

/// `HEAD` is `GET` without the body; where a `GET` starts something there is none, for a mail scanner that follows a link
/// must not.
async fn head_answers_as_get_does_without_a_body_and_starts_nothing(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    let authorize = format!("/oauth/authorize?{}", client.asking().to_query());
    assert_eq!(ada.exchange(Method::HEAD, &authorize, &[], Bytes::new()).await.status(), 405);
    for path in
        ["/.well-known/oauth-authorization-server", "/login", "/", "/health", "/assets/portcullis.css"]
    {
        let got = world.get(path).await;
        let head = world.send(request(Method::HEAD, path, &[], Bytes::new())).await;
        assert_eq!(head.status(), got.status(), "{path}");
        assert_eq!(head.header("content-type"), got.header("content-type"), "{path}");
        assert!(head.0.body().is_empty(), "{path}");
    }
}

/// Other paths are 404, in JSON.
async fn an_unknown_path_is_404_in_json(run: Run) {
    let world = run.world().await;
    for path in
        ["/nothing", "/oauth", "/oauth/", "/oauth/token/", "/oauth/tokens", "/loginx", "/..", "/%2e%2e/login"]
    {
        let answer = world.get(path).await;
        assert_eq!(answer.refusal(), (404, "not_found".to_owned()), "{path}");
    }
}

/// G14: whatever names the sender gives the server, it goes by its own.
async fn g14_no_header_changes_what_the_server_calls_itself(run: Run) {
    let Stage { world, server, client, .. } = run.stage().await;
    let lies = [
        ("host", "evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "gopher"),
        ("x-forwarded-prefix", "/evil.example"),
        ("x-original-url", "https://evil.example/"),
        ("x-rewrite-url", "https://evil.example/"),
        ("forwarded", "host=evil.example;proto=gopher"),
        ("origin", "https://evil.example"),
        ("referer", "https://evil.example/"),
    ];
    let authorize = format!("/oauth/authorize?{}", client.asking().to_query());
    let prm = format!("/prm/{}", server.id);
    for path in [
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
        "/",
        "/login",
        "/signup",
        "/oauth/authorize",
        "/oauth/userinfo",
        "/nothing",
        &authorize,
        &prm,
    ] {
        let plain = world.get(path).await;
        let answer = world.send(request(Method::GET, path, &lies, Bytes::new())).await;
        let said = format!("{:?} {}", answer.0.headers(), answer.text());
        assert!(!said.contains("evil.example") && !said.contains("gopher"), "{path}: {said}");
        assert_eq!(answer.header("location"), plain.header("location"), "{path}");
    }
    // A request whose target is a whole URL names no other server either.
    let metadata = "https://evil.example/.well-known/oauth-authorization-server";
    let answer = world.send(request(Method::GET, metadata, &[], Bytes::new())).await;
    assert!(!answer.text().contains("evil"), "{}", answer.text());
}

/// A document may be kept; an answer with a secret may not.
async fn only_documents_may_be_cached(run: Run) {
    let Stage { world, client, .. } = run.stage().await;
    let metadata = world.get("/.well-known/oauth-authorization-server").await;
    assert_eq!(metadata.header("cache-control"), Some("public, max-age=3600"));
    let registered =
        world.post_json("/oauth/register", &testkit::client::metadata("none", "https://c.example/")).await;
    let refused = client.redeem(&world, "code_no").await;
    for answer in [registered, refused, world.post("/oauth/revoke", &Params::default(), &[]).await] {
        assert_eq!(answer.header(header::CACHE_CONTROL.as_str()), Some("no-store"));
    }
}

stamp! {
    as08_metadata_says_what_is_served,
    as05_metadata_is_at_each_of_its_addresses,
    an_issuer_with_a_path_has_its_documents_where_clients_look,
    an_issuer_with_a_path_serves_the_whole_flow_below_it,
    g15_the_document_of_a_server_names_its_issuer_and_its_own_scopes,
    g15_offline_access_is_in_the_servers_metadata_and_not_in_the_resources,
    bc02_the_default_paths_of_2025_03_26_serve_the_whole_flow,
    clients_of_every_revision_of_mcp_get_the_whole_flow,
    a_wrong_method_is_405_with_allow,
    head_answers_as_get_does_without_a_body_and_starts_nothing,
    an_unknown_path_is_404_in_json,
    g14_no_header_changes_what_the_server_calls_itself,
    only_documents_may_be_cached,
}
