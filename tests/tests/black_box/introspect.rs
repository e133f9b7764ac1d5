//! Using tokens: introspection (RFC 7662) and userinfo (OpenID Connect Core section 5.3).

use bytes::Bytes;
use http::Method;
use oauth_types::basic_header;
use secrecy::SecretString;
use serde_json::{Value, json};
use testkit::client::{Client, RESOURCE, ResourceServer, Tokens};
use testkit::world::{Params, request};

use crate::run::{BEGINNING, ISSUER, Run, Stage};

/// RS-12: what a resource server learns about a token of its own.
async fn rs12_introspection_tells_what_a_resource_server_checks(run: Run) {
    let Stage { world, server, client, mut ada } = run.stage().await;
    let tokens = client.connect(&world, &mut ada).await;
    let told = server.introspect(&world, &tokens.access).await;
    let expected = json!({
        "active": true,
        "scope": "files:read",
        "client_id": client.id,
        "token_type": "Bearer",
        "exp": BEGINNING.0 + 3600,
        "iat": BEGINNING.0,
        "sub": told["sub"],
        "aud": RESOURCE,
        "iss": ISSUER,
        "username": "ada@example.com",
        "acr": "1fa",
        "auth_time": BEGINNING.0,
    });
    assert_eq!(told, expected);
    assert!(told["sub"].as_str().unwrap().starts_with("usr_"));
}

/// G4, I7: a token for one resource is nothing at another, and userinfo says whose it is.
async fn g04_a_token_of_another_server_is_inactive(run: Run) {
    let Stage { world, server, client, mut ada } = run.stage().await;
    let other = json!({ "name": "Other", "resource_url": "https://other.example/mcp" });
    let other = ResourceServer::register(&world, &other).await;
    let tokens = client.connect(&world, &mut ada).await;
    assert!(server.accepts(&world, &tokens.access).await);
    assert_eq!(other.introspect(&world, &tokens.access).await, json!({ "active": false }));
    let bearer = format!("Bearer {}", tokens.access);
    let info = world.post("/oauth/userinfo", &Params::default(), &[("authorization", &bearer)]).await.json();
    assert_eq!(info["aud"], RESOURCE);
}

/// RFC 7662 section 2.2: whatever is no valid access token is inactive, and nothing more is told.
async fn whatever_is_no_valid_access_token_is_inactive_and_nothing_more(run: Run) {
    let Stage { world, server, client, mut ada } = run.stage().await;
    let code = client.code(&world, &mut ada).await;
    let tokens = client.connect(&world, &mut ada).await;
    let forged = format!("{}A", &tokens.access[..tokens.access.len() - 1]);
    let zeros = format!("mat_{}", "A".repeat(72));
    for token in [
        &tokens.refresh,
        &code,
        &server.key,
        &forged,
        &zeros,
        "mat_",
        "x",
        "ключ",
        "eyJhbGciOiJub25lIn0.e30.",
    ] {
        assert_eq!(server.introspect(&world, token).await, json!({ "active": false }), "{token}");
    }
    assert!(server.accepts(&world, &tokens.access).await);
}

/// The key of the server opens it, as bearer or as the password of the server's id; nothing else does.
async fn introspection_needs_the_key_of_the_server(run: Run) {
    let Stage { world, server, client, mut ada } = run.stage().await;
    let other = json!({ "name": "Other", "resource_url": "https://other.example/mcp" });
    let other = ResourceServer::register(&world, &other).await;
    let tokens = client.connect(&world, &mut ada).await;
    let form = Params::of(&[("token", &tokens.access)]);
    let basic = |id: &str, key: &str| basic_header(id, &SecretString::from(key));
    for right in
        [format!("Bearer {}", server.key), format!("bearer {}", server.key), basic(&server.id, &server.key)]
    {
        let answer = world.post("/oauth/introspect", &form, &[("authorization", &right)]).await;
        assert_eq!(answer.json()["active"], true, "{right}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    let forged = format!("Bearer {}A", &server.key[..server.key.len() - 1]);
    for wrong in [
        None,
        Some("Bearer x".to_owned()),
        Some(forged),
        Some(format!("Bearer {}", tokens.access)),
        Some(format!("Bearer {}", world.admin_key.replace(' ', "-"))),
        Some(basic(&other.id, &server.key)),
        Some(basic(&server.id, &other.key)),
        Some(basic(&client.id, "")),
        Some("Negotiate x".to_owned()),
    ] {
        let headers: Vec<_> = wrong.iter().map(|value| ("authorization", value.as_str())).collect();
        let answer = world.post("/oauth/introspect", &form, &headers).await;
        assert_eq!(answer.refusal(), (401, "invalid_client".to_owned()), "{wrong:?}");
        assert!(answer.header("www-authenticate").unwrap().starts_with("Basic realm="), "{wrong:?}");
    }
    let in_body = form.and("client_id", &server.id).and("client_secret", &server.key);
    assert_eq!(world.post("/oauth/introspect", &in_body, &[]).await.status(), 401);
}

/// A scope that includes others is told with them.
async fn introspection_tells_the_scopes_that_a_scope_implies(run: Run) {
    let world = run.world().await;
    let scopes = json!([
        { "name": "admin", "implies": ["write"] },
        { "name": "write", "implies": ["read"] },
        { "name": "read", "default": true },
    ]);
    let body = json!({ "name": "Files", "resource_url": RESOURCE, "scopes": scopes });
    let server = ResourceServer::register(&world, &body).await;
    let client = Client::public(&world).await;
    let mut ada = world.person("ada@example.com").await;
    let callback = client.authorize(&world, &mut ada, &client.asking().and("scope", "admin")).await;
    let tokens = Tokens::of(&client.redeem(&world, callback.one("code").unwrap()).await);
    assert_eq!(tokens.scope, ["admin"]);
    assert_eq!(server.introspect(&world, &tokens.access).await["scope"], "admin read write");
}

/// GET and POST, by the header alone; a server is registered for all details or for those of the scopes.
async fn userinfo_answers_get_and_post_by_the_bearer_header_alone(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    let tokens = client.connect(&world, &mut ada).await;
    let bearer = format!("Bearer {}", tokens.access);
    let headers = [("authorization", bearer.as_str())];
    for method in [Method::GET, Method::POST] {
        let answer = world.send(request(method, "/oauth/userinfo", &headers, Bytes::new())).await;
        let expected = json!({
            "sub": answer.json()["sub"],
            "name": "Ada",
            "email": "ada@example.com",
            "email_verified": false,
            "aud": RESOURCE,
            "scope": "files:read",
            "acr": "1fa",
        "auth_time": BEGINNING.0,
        "client_id": client.id,
        });
        assert_eq!((answer.status(), answer.json()), (200, expected));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    let in_query = format!("/oauth/userinfo?access_token={}", tokens.access);
    assert_eq!(world.get(&in_query).await.status(), 401);
    let in_body = Params::of(&[("access_token", &tokens.access)]);
    assert_eq!(world.post("/oauth/userinfo", &in_body, &[]).await.status(), 401);
}

/// RS-7: without a token a challenge without an error; with a bad one `invalid_token`; a malformed header is 400.
async fn rs07_userinfo_challenges_as_rfc_6750_says(run: Run) {
    let Stage { world, client, mut ada, .. } = run.stage().await;
    let tokens = client.connect(&world, &mut ada).await;
    let ask = async |header: Option<&str>| {
        let headers: Vec<_> = header.iter().map(|value| ("authorization", *value)).collect();
        world.send(request(Method::GET, "/oauth/userinfo", &headers, Bytes::new())).await
    };
    for none in [None, Some("Basic YTpi"), Some("Negotiate x")] {
        let answer = ask(none).await;
        assert_eq!((answer.status(), answer.header("www-authenticate")), (401, Some("Bearer")), "{none:?}");
    }
    let refresh = format!("Bearer {}", tokens.refresh);
    let forged = format!("Bearer {}A", &tokens.access[..tokens.access.len() - 1]);
    for bad in ["Bearer x", &refresh, &forged] {
        let answer = ask(Some(bad)).await;
        assert_eq!(answer.refusal(), (401, "invalid_token".to_owned()), "{bad}");
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(challenge.starts_with("Bearer error=\"invalid_token\", error_description=\""), "{challenge}");
    }
    for malformed in ["Bearer", "Bearer ", "Bearer a b", "Bearer \"x\""] {
        let answer = ask(Some(malformed)).await;
        assert!(matches!(answer.status(), 400 | 401), "{malformed}: {}", answer.status());
    }
    world.clock.advance(3600);
    let answer = ask(Some(&format!("Bearer {}", tokens.access))).await;
    assert_eq!(answer.refusal(), (401, "invalid_token".to_owned()));
}

/// A server that is registered so is told what the scopes tell, at introspection no more than at userinfo.
async fn a_server_learns_of_people_by_scope_where_it_is_registered_so(run: Run) {
    let world = run.world().await;
    let body = json!({ "name": "Files", "resource_url": RESOURCE, "userinfo": "scoped" });
    let server = ResourceServer::register(&world, &body).await;
    let client = Client::public(&world).await;
    let mut ada = world.person("ada@example.com").await;
    for (scope, name, email) in [
        ("openid", Value::Null, Value::Null),
        ("openid profile", json!("Ada"), Value::Null),
        ("openid email", Value::Null, json!("ada@example.com")),
        ("openid email profile", json!("Ada"), json!("ada@example.com")),
    ] {
        let callback = client.authorize(&world, &mut ada, &client.asking().and("scope", scope)).await;
        let tokens = Tokens::of(&client.redeem(&world, callback.one("code").unwrap()).await);
        let bearer = format!("Bearer {}", tokens.access);
        let info =
            world.post("/oauth/userinfo", &Params::default(), &[("authorization", &bearer)]).await.json();
        assert_eq!((&info["name"], &info["email"]), (&name, &email), "{scope}");
        assert!(info["sub"].is_string());
        assert_eq!(server.introspect(&world, &tokens.access).await["username"], email, "{scope}");
    }
}

/// AS-38: a person's `sub` and a client's id cannot be taken for one another, and neither looks like a URL.
async fn as38_the_ids_of_people_and_clients_do_not_collide(run: Run) {
    let Stage { world, server, client, mut ada } = run.stage().await;
    let tokens = client.connect(&world, &mut ada).await;
    let told = server.introspect(&world, &tokens.access).await;
    assert!(told["sub"].as_str().unwrap().starts_with("usr_"), "{told}");
    assert!(told["client_id"].as_str().unwrap().starts_with("cid_"), "{told}");
}

stamp! {
    rs12_introspection_tells_what_a_resource_server_checks,
    g04_a_token_of_another_server_is_inactive,
    whatever_is_no_valid_access_token_is_inactive_and_nothing_more,
    introspection_needs_the_key_of_the_server,
    introspection_tells_the_scopes_that_a_scope_implies,
    userinfo_answers_get_and_post_by_the_bearer_header_alone,
    rs07_userinfo_challenges_as_rfc_6750_says,
    a_server_learns_of_people_by_scope_where_it_is_registered_so,
    as38_the_ids_of_people_and_clients_do_not_collide,
}
