//! The token endpoint and codes (OAuth 2.1 section 4.1.3, AS-24, AS-29 to AS-35).

use bytes::Bytes;
use http::Method;
use oauth_types::basic_header;
use secrecy::SecretString;
use testkit::client::{Client, RESOURCE, Tokens};
use testkit::world::{Params, request};

use crate::run::{Run, Stage};

const METHODS: [&str; 3] = ["none", "client_secret_basic", "client_secret_post"];

fn basic(id: &str, secret: &str) -> String {
    basic_header(id, &SecretString::from(secret))
}

/// AS-1, AS-33: the code flow, public and confidential, and the shape of its answer.
async fn as33_the_code_flow_gives_tokens_that_nobody_may_keep(run: Run) {
    let Stage { world, server, mut ada, .. } = run.stage().await;
    for method in METHODS {
        let client = Client::confidential(&world, method).await;
        let code = client.code(&world, &mut ada).await;
        let answer = client.redeem(&world, &code).await;
        assert_eq!(answer.status(), 200, "{method}: {}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(
            (answer.header("cache-control"), answer.header("pragma")),
            (Some("no-store"), Some("no-cache"))
        );
        let json = answer.json();
        assert_eq!((json["token_type"].as_str(), json["expires_in"].as_i64()), (Some("Bearer"), Some(3600)));
        assert_eq!(json["scope"], "files:read");
        let tokens = Tokens::of(&answer);
        assert!(tokens.access.starts_with("mat_") && tokens.refresh.starts_with("mrt_"), "{tokens:?}");
        assert!(server.accepts(&world, &tokens.access).await);
    }
}

/// AS-4: tokens and codes carry 256 random bits, and no two are alike.
async fn as04_tokens_and_codes_are_long_and_never_alike(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..8 {
        let code = client.code(&world, &mut ada).await;
        let Tokens { access, refresh, .. } = client_tokens(&world, &client, &code).await;
        for text in [code, access, refresh] {
            let body = text.split_once('_').unwrap().1.to_owned();
            assert_eq!(body.len(), 72, "{text}");
            // The second half is the secret.
            assert!(seen.insert(body[32..].to_owned()), "{text}");
        }
    }
}

async fn client_tokens(world: &testkit::world::World, client: &Client, code: &str) -> Tokens {
    Tokens::of(&client.redeem(world, code).await)
}

/// AS-24, section 5: a code survives whatever a stranger, or a client by mistake, tries with it.
async fn as24_failed_attempts_do_not_consume_the_code(run: Run) {
    let Stage { world, mut ada, .. } = run.stage().await;
    let client = Client::confidential(&world, "client_secret_post").await;
    let other = Client::public(&world).await;
    let code = client.code(&world, &mut ada).await;
    let right = client.redeeming(&code);
    let attempts = [
        (right.clone().with("redirect_uri", "https://client.example/other"), 400, "invalid_grant"),
        (right.clone().with("redirect_uri", "https://client.example/callback/"), 400, "invalid_grant"),
        (right.clone().with("client_secret", "wrong"), 401, "invalid_client"),
        (right.clone().without("client_secret"), 401, "invalid_client"),
        (right.clone().without("client_id").without("client_secret"), 401, "invalid_client"),
        (right.clone().and("resource", "https://elsewhere.example/mcp"), 400, "invalid_target"),
        (right.clone().and("resource", "https://mcp.example.com/mcp#part"), 400, "invalid_target"),
        (
            right.clone().and("resource", RESOURCE).and("resource", "https://mcp.example.com/x"),
            400,
            "invalid_target",
        ),
        (right.clone().without("code_verifier"), 400, "invalid_request"),
        (right.clone().with("grant_type", "password"), 400, "unsupported_grant_type"),
        (right.clone().and("code_verifier", &client.verifier), 400, "invalid_request"),
        (other.redeeming(&code), 400, "invalid_grant"),
        (other.redeeming(&code).with("code_verifier", &client.verifier), 400, "invalid_grant"),
    ];
    for (attempt, status, error) in attempts {
        let answer = world.post("/oauth/token", &attempt, &[]).await;
        assert_eq!(answer.refusal(), (status, error.to_owned()), "{attempt:?}");
    }
    let _ = Tokens::of(&client.redeem(&world, &code).await);
}

/// AS-24: sixty seconds.
async fn as24_a_code_lives_for_a_minute(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    let code = client.code(&world, &mut ada).await;
    world.clock.advance(59);
    let _ = Tokens::of(&client.redeem(&world, &code).await);
    let code = client.code(&world, &mut ada).await;
    world.clock.advance(60);
    assert_eq!(client.redeem(&world, &code).await.refusal(), (400, "invalid_grant".to_owned()));
}

/// BC-5: clients of OAuth 2.1 send no `redirect_uri`; those of 2.0 do.
async fn bc05_the_redirect_uri_may_be_left_out_of_the_token_request(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    for redeeming in ["", "https://client.example/callback"] {
        let code = client.code(&world, &mut ada).await;
        let form = client.redeeming(&code).with("redirect_uri", redeeming);
        assert_eq!(client.send(&world, "/oauth/token", &form).await.status(), 200, "{redeeming:?}");
    }
}

/// AS-30, AS-31: the registered method, and no other; the header's failures are challenged, the body's are not.
async fn as30_a_client_authenticates_by_its_registered_method_only(run: Run) {
    let Stage { world, mut ada, .. } = run.stage().await;
    for method in METHODS {
        let client = Client::confidential(&world, method).await;
        let code = client.code(&world, &mut ada).await;
        let secret = client.secret.clone().unwrap_or_else(|| "made-up".to_owned());
        let bare = client.redeeming(&code).without("client_id").without("client_secret");
        let by_header =
            world.post("/oauth/token", &bare, &[("authorization", &basic(&client.id, &secret))]).await;
        assert_eq!(by_header.status() == 200, method == "client_secret_basic", "{method}");
        if by_header.status() != 200 {
            assert_eq!(by_header.refusal(), (401, "invalid_client".to_owned()), "{method}");
            assert!(by_header.header("www-authenticate").unwrap().starts_with("Basic realm="), "{method}");
        }
        let in_body = bare.and("client_id", &client.id).and("client_secret", &secret);
        let by_body = world.post("/oauth/token", &in_body, &[]).await;
        match method {
            "client_secret_post" => assert_eq!(by_body.status(), 200),
            _ => {
                assert_eq!(by_body.refusal(), (401, "invalid_client".to_owned()), "{method}");
                assert_eq!(by_body.header("www-authenticate"), None, "{method}");
            }
        }
    }
}

/// RFC 7591: a client that names no method is told `client_secret_basic`; it is taken in the body, too.
async fn a_client_that_named_no_method_may_send_its_secret_either_way(run: Run) {
    let Stage { world, mut ada, .. } = run.stage().await;
    let mut said = testkit::client::metadata("none", "https://client.example/callback");
    said.as_object_mut().unwrap().remove("token_endpoint_auth_method");
    let mut client = Client::register(&world, said).await;
    assert_eq!((client.method.as_str(), client.secret.is_some()), ("client_secret_basic", true));
    for method in ["client_secret_basic", "client_secret_post"] {
        client.method = method.to_owned();
        let code = client.code(&world, &mut ada).await;
        assert_eq!(client.redeem(&world, &code).await.status(), 200, "{method}");
    }
}

/// AS-30: two ways at once are one too many.
async fn as30_two_authentications_in_one_request_are_invalid_request(run: Run) {
    let Stage { world, mut ada, client: other, .. } = run.stage().await;
    let client = Client::confidential(&world, "client_secret_basic").await;
    let code = client.code(&world, &mut ada).await;
    let secret = client.secret.clone().unwrap();
    let header = basic(&client.id, &secret);
    let form = client.redeeming(&code);
    for twice in [
        form.clone().and("client_secret", &secret),
        form.clone().and("client_id", &client.id).and("client_secret", &secret),
        form.clone().and("client_id", &other.id),
    ] {
        let answer = world.post("/oauth/token", &twice, &[("authorization", &header)]).await;
        assert_eq!(answer.refusal(), (400, "invalid_request".to_owned()), "{twice:?}");
    }
    let headers = [("authorization", header.as_str()), ("authorization", header.as_str())];
    assert_eq!(world.post("/oauth/token", &form, &headers).await.refusal().0, 400);
    let same = form.and("client_id", &client.id);
    assert_eq!(world.post("/oauth/token", &same, &[("authorization", &header)]).await.status(), 200);
}

/// AS-30, G11: an unknown client is 401 `invalid_client`, which makes clients register again.
async fn g11_an_unknown_client_is_401_invalid_client(run: Run) {
    let Stage { world, mut ada, client, .. } = run.stage().await;
    let code = client.code(&world, &mut ada).await;
    for id in ["cid_AAAAAAAAAAAAAAAAAAAAAA", "nobody", "https://client.example/metadata.json", "ключ", ""]
    {
        let answer = world.post("/oauth/token", &client.redeeming(&code).with("client_id", id), &[]).await;
        assert_eq!(answer.refusal(), (401, "invalid_client".to_owned()), "{id}");
        assert_eq!(answer.header("www-authenticate"), None);
    }
    let tried = world
        .post("/oauth/token", &client.redeeming(&code), &[("authorization", &basic("nobody", "x"))])
        .await;
    assert_eq!(tried.status() / 100, 4);
    let tried = client.redeeming(&code).without("client_id");
    let tried = world.post("/oauth/token", &tried, &[("authorization", &basic("nobody", "x"))]).await;
    assert_eq!(tried.refusal(), (401, "invalid_client".to_owned()));
    assert!(tried.header("www-authenticate").unwrap().starts_with("Basic "));
    let _ = Tokens::of(&client.redeem(&world, &code).await);
}

/// AS-29, AS-31: forms only, and nothing of the URI's query counts.
async fn as29_only_a_form_is_read_and_nothing_from_the_query(run: Run) {
    let Stage { world, mut ada, client, .. } = run.stage().await;
    let code = client.code(&world, &mut ada).await;
    let form = client.redeeming(&code);
    let in_query = format!("/oauth/token?{}", form.to_query());
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(world.send(request(Method::POST, &in_query, &headers, Bytes::new())).await.status(), 400);
    for kind in ["application/json", "text/plain", "multipart/form-data", ""] {
        let body = form.to_query().into();
        let answer = world.send(request(Method::POST, "/oauth/token", &[("content-type", kind)], body)).await;
        assert_eq!(answer.refusal(), (400, "invalid_request".to_owned()), "{kind}");
    }
    let json = serde_json::json!({ "grant_type": "authorization_code", "code": code });
    assert_eq!(world.post_json("/oauth/token", &json).await.refusal(), (400, "invalid_request".to_owned()));
    let with_charset = [("content-type", "Application/X-WWW-Form-URLencoded; charset=UTF-8")];
    let with_unknown = form.and("unknown", "x").and("unknown2", "");
    let body = with_unknown.to_query().into();
    assert_eq!(world.send(request(Method::POST, "/oauth/token", &with_charset, body)).await.status(), 200);
}

/// AS-34: what is missing or not served has its code.
async fn as34_a_token_request_that_cannot_be_met_says_why(run: Run) {
    let Stage { world, client, .. } = run.stage().await;
    let identified = |pairs: &[(&str, &str)]| client.identified(Params::of(pairs));
    for (form, error) in [
        (identified(&[]), "invalid_request"),
        (identified(&[("grant_type", "")]), "invalid_request"),
        (identified(&[("grant_type", "authorization_code")]), "invalid_request"),
        (identified(&[("grant_type", "refresh_token")]), "invalid_request"),
        (
            identified(&[("grant_type", "password"), ("username", "a"), ("password", "b")]),
            "unsupported_grant_type",
        ),
        (identified(&[("grant_type", "client_credentials")]), "unsupported_grant_type"),
        (identified(&[("grant_type", "implicit")]), "unsupported_grant_type"),
        (identified(&[("grant_type", "AUTHORIZATION_CODE"), ("code", "x")]), "unsupported_grant_type"),
        (client.redeeming("x").and("grant_type", "authorization_code"), "invalid_request"),
        (client.redeeming("x"), "invalid_grant"),
        (client.redeeming("code_"), "invalid_grant"),
        (client.redeeming(&format!("code_{}", "A".repeat(72))), "invalid_grant"),
        (client.redeeming(&format!("mrt_{}", "A".repeat(72))), "invalid_grant"),
        (client.refreshing("x"), "invalid_grant"),
        (client.refreshing(&format!("mrt_{}", "A".repeat(72))), "invalid_grant"),
    ] {
        let answer = world.post("/oauth/token", &form, &[]).await;
        assert_eq!(answer.refusal(), (400, error.to_owned()), "{form:?}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
}

/// AS-37: a refresh token is for clients that said they use one.
async fn as37_a_client_without_the_refresh_grant_gets_no_refresh_token(run: Run) {
    let Stage { world, mut ada, .. } = run.stage().await;
    let mut said = testkit::client::metadata("none", "https://client.example/callback");
    said["grant_types"] = serde_json::json!(["authorization_code"]);
    let client = Client::register(&world, said).await;
    let callback = client.authorize(&world, &mut ada, &client.asking().and("scope", "offline_access")).await;
    let answer = client.redeem(&world, callback.one("code").unwrap()).await;
    assert_eq!((answer.status(), answer.json().get("refresh_token")), (200, None));
}

stamp! {
    as33_the_code_flow_gives_tokens_that_nobody_may_keep,
    as04_tokens_and_codes_are_long_and_never_alike,
    as24_failed_attempts_do_not_consume_the_code,
    as24_a_code_lives_for_a_minute,
    bc05_the_redirect_uri_may_be_left_out_of_the_token_request,
    as30_a_client_authenticates_by_its_registered_method_only,
    a_client_that_named_no_method_may_send_its_secret_either_way,
    as30_two_authentications_in_one_request_are_invalid_request,
    g11_an_unknown_client_is_401_invalid_client,
    as29_only_a_form_is_read_and_nothing_from_the_query,
    as34_a_token_request_that_cannot_be_met_says_why,
    as37_a_client_without_the_refresh_grant_gets_no_refresh_token,
}
