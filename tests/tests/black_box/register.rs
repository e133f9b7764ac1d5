//! Dynamic client registration (RFC 7591, AS-50 to AS-52).

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use testkit::client::{CALLBACK, Client, metadata};
use testkit::world::request;

use crate::run::{BEGINNING, Run, Stage};

/// AS-50: 201, not to be kept, with everything that was registered and the secret where there is one.
async fn as50_a_registration_answers_all_that_was_registered(run: Run) {
    let world = run.world().await;
    for (method, secret) in [("none", false), ("client_secret_basic", true), ("client_secret_post", true)] {
        let mut said = metadata(method, CALLBACK);
        said["client_uri"] = json!("https://client.example/");
        said["software_id"] = json!("example");
        said["application_type"] = json!("web");
        said["unknown_member"] = json!({ "kept": [1, 2] });
        let answer = world.post_json("/oauth/register", &said).await;
        assert_eq!(
            (answer.status(), answer.header("cache-control")),
            (201, Some("no-store")),
            "{}",
            answer.text()
        );
        let got = answer.json();
        for name in
            ["client_name", "redirect_uris", "grant_types", "response_types", "client_uri", "software_id"]
        {
            assert_eq!(got[name], said[name], "{name}");
        }
        assert_eq!(got["token_endpoint_auth_method"], method);
        assert_eq!(got["client_id_issued_at"], BEGINNING.0);
        assert_eq!(got.get("client_secret").is_some(), secret);
        assert_eq!(got.get("client_secret_expires_at"), secret.then(|| json!(0)).as_ref());
    }
}

/// BC-10: ids and secrets are the same text before and after form encoding.
async fn bc10_ids_and_secrets_need_no_encoding(run: Run) {
    let world = run.world().await;
    let client = Client::confidential(&world, "client_secret_basic").await;
    let safe =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    assert!(safe(&client.id) && safe(client.secret.as_ref().unwrap()), "{client:?}");
}

/// G10, AS-13: what is no redirect URI for a client is `invalid_redirect_uri`.
async fn g10_a_bad_redirect_uri_is_invalid_redirect_uri(run: Run) {
    let world = run.with(|config| config.limits = false).await;
    let uri = |text: &str| json!([text]);
    for uris in [
        uri("javascript:alert(1)"),
        uri("JavaScript:alert(1)"),
        uri("data:text/html,x"),
        uri("file:///etc/passwd"),
        uri("vbscript:x"),
        uri("blob:https://x/1"),
        uri("about:blank"),
        uri("http://client.example/callback"),
        uri("http://127.0.0.2/callback"),
        uri("http://localhost.evil.example/"),
        uri("http://127.0.0.1@evil.example/"),
        uri("https://client.example/callback#part"),
        uri("https://client.example/callback#"),
        uri("https://user:password@client.example/"),
        uri("https://client.example/call back"),
        uri("https://client.example\\@evil.example/"),
        uri("https:///callback"),
        uri("/callback"),
        uri("client.example/callback"),
        uri(""),
        uri(&format!("https://client.example/{}", "x".repeat(2048))),
        json!([CALLBACK, "javascript:alert(1)"]),
        json!([CALLBACK, ""]),
        json!("https://client.example/callback"),
        json!({ "0": CALLBACK }),
        json!([[CALLBACK]]),
        json!([null]),
        json!([1]),
        json!([]),
        Value::Null,
        json!(vec![CALLBACK; 17]),
    ] {
        let mut said = metadata("none", CALLBACK);
        said["redirect_uris"] = uris.clone();
        let answer = world.post_json("/oauth/register", &said).await;
        assert_eq!(answer.refusal(), (400, "invalid_redirect_uri".to_owned()), "{uris} {}", answer.text());
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    let mut said = metadata("none", CALLBACK);
    said.as_object_mut().unwrap().remove("redirect_uris");
    assert_eq!(world.post_json("/oauth/register", &said).await.refusal().1, "invalid_redirect_uri");
}

/// AS-50, section 5: what is not served, or of the wrong type, is `invalid_client_metadata`.
async fn as50_what_is_not_served_is_invalid_client_metadata(run: Run) {
    let world = run.with(|config| config.limits = false).await;
    for (name, value) in [
        ("token_endpoint_auth_method", json!("private_key_jwt")),
        ("token_endpoint_auth_method", json!("tls_client_auth")),
        ("token_endpoint_auth_method", json!("")),
        ("token_endpoint_auth_method", json!(["none"])),
        ("grant_types", json!(["client_credentials"])),
        ("grant_types", json!(["refresh_token"])),
        ("grant_types", json!("authorization_code")),
        ("response_types", json!(["token"])),
        ("response_types", json!("code")),
        ("client_name", json!(7)),
        ("client_name", json!("   ")),
        ("client_name", json!("\u{200d}")),
        ("client_name", json!("Claude\u{202e}gnihsihp")),
        ("client_name", json!("two\nlines")),
        ("client_name", json!("n".repeat(201))),
        ("filler", json!("x".repeat(17 * 1024))),
    ] {
        let mut said = metadata("none", CALLBACK);
        said[name] = value.clone();
        let answer = world.post_json("/oauth/register", &said).await;
        assert_eq!(answer.refusal(), (400, "invalid_client_metadata".to_owned()), "{name} {}", answer.text());
    }
    for body in ["", "{", "[]", "null", "7", "\"x\"", "{\"redirect_uris\":", "\u{feff}{}", "{}{}"] {
        let headers = [("content-type", "application/json")];
        let body = Bytes::from_static(body.as_bytes());
        let answer = world.send(request(Method::POST, "/oauth/register", &headers, body.clone())).await;
        assert_eq!(answer.refusal(), (400, "invalid_client_metadata".to_owned()), "{body:?}");
    }
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp"] {
        let body = metadata("none", CALLBACK).to_string().into();
        let answer =
            world.send(request(Method::POST, "/oauth/register", &[("content-type", kind)], body)).await;
        assert_eq!(answer.refusal(), (400, "invalid_client_metadata".to_owned()), "{kind}");
    }
}

/// RFC 7591 section 2: grant and response types that are not served beside those that are get left out, and the answer says
/// so.
async fn as50_what_is_not_served_beside_what_is_gets_left_out(run: Run) {
    let world = run.world().await;
    let mut said = metadata("none", CALLBACK);
    said["grant_types"] =
        json!(["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:jwt-bearer"]);
    said["response_types"] = json!(["code", "code id_token"]);
    let got = world.post_json("/oauth/register", &said).await.json();
    assert_eq!(got["grant_types"], json!(["authorization_code", "refresh_token"]));
    assert_eq!(got["response_types"], json!(["code"]));
}

/// BC-6, AS-51: without `application_type`, or with any, a loopback URI registers.
async fn bc06_a_loopback_uri_registers_with_any_application_type(run: Run) {
    let world = run.world().await;
    for kind in [Value::Null, json!("native"), json!("web")] {
        let mut said = metadata("none", "http://localhost:3118/callback");
        said["application_type"] = kind.clone();
        assert_eq!(world.post_json("/oauth/register", &said).await.status(), 201, "{kind}");
    }
}

/// AS-52: an id or secret that the client chose is not used.
async fn as52_a_client_does_not_choose_its_id_or_secret(run: Run) {
    let Stage { world, client, .. } = run.stage().await;
    let mut said = metadata("client_secret_post", CALLBACK);
    said["client_id"] = json!(client.id);
    said["client_secret"] = json!("chosen by the client");
    said["client_secret_expires_at"] = json!(1);
    said["client_id_issued_at"] = json!(1);
    said["registration_client_uri"] = json!("https://evil.example/me");
    let answer = world.post_json("/oauth/register", &said).await;
    assert_eq!(answer.status(), 201, "{}", answer.text());
    assert_ne!(answer.member("client_id"), client.id);
    assert_ne!(answer.member("client_secret"), "chosen by the client");
    assert_eq!(answer.json()["client_secret_expires_at"], 0);
    assert_ne!(answer.json()["client_id_issued_at"], 1);
    assert_eq!(answer.json()["registration_client_uri"], Value::Null);
}

/// Without `grant_types` a client may refresh, which most forget to say.
async fn a_client_that_names_no_grant_types_gets_both(run: Run) {
    let Stage { world, mut ada, .. } = run.stage().await;
    let said = json!({ "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none" });
    let client = Client::register(&world, said).await;
    let tokens = client.connect(&world, &mut ada).await;
    assert_eq!(client.refresh(&world, &tokens.refresh).await.status(), 200);
}

stamp! {
    as50_a_registration_answers_all_that_was_registered,
    bc10_ids_and_secrets_need_no_encoding,
    g10_a_bad_redirect_uri_is_invalid_redirect_uri,
    as50_what_is_not_served_is_invalid_client_metadata,
    as50_what_is_not_served_beside_what_is_gets_left_out,
    bc06_a_loopback_uri_registers_with_any_application_type,
    as52_a_client_does_not_choose_its_id_or_secret,
    a_client_that_names_no_grant_types_gets_both,
}
