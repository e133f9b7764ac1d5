//! The administration: servers and clients, for whoever holds the admin key (RFC 9457, RFC 6750).

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use testkit::client::{Client, RESOURCE, ResourceServer};
use testkit::world::{Answer, World, request};

use crate::run::{ISSUER, Run};

const PATHS: [(Method, &str); 5] = [
    (Method::POST, "/api/servers"),
    (Method::GET, "/api/servers"),
    (Method::GET, "/api/servers/srv_AAAAAAAAAAAAAAAAAAAAAA"),
    (Method::DELETE, "/api/servers/srv_AAAAAAAAAAAAAAAAAAAAAA"),
    (Method::DELETE, "/api/clients/cid_AAAAAAAAAAAAAAAAAAAAAA"),
];

fn assert_problem(answer: &Answer, status: u16, error: &str) {
    assert_eq!(answer.refusal(), (status, error.to_owned()), "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let problem = answer.json();
    assert_eq!(problem["status"], status);
    assert!(
        !problem["title"].as_str().unwrap().is_empty() && !problem["detail"].as_str().unwrap().is_empty()
    );
}

async fn register(world: &World, body: &Value) -> Answer {
    world.administer(Method::POST, "/api/servers", Some(body)).await
}

/// Without the key nothing is looked at: not the path, not the method, not the body.
async fn without_the_key_every_path_is_401(run: Run) {
    let world = run.world().await;
    let server = ResourceServer::usual(&world).await;
    let of_server = format!("Bearer {}", server.key);
    let longer = format!("Bearer {}x", world.admin_key);
    let shorter = format!("Bearer {}", &world.admin_key[1..]);
    let basic = oauth_types::basic_header("admin", &secrecy::SecretString::from(world.admin_key.as_str()));
    let right = format!("Bearer {}", world.admin_key);
    for (method, path) in PATHS.into_iter().chain([(Method::PATCH, "/api/anything"), (Method::GET, "/api")]) {
        // Ten wrong keys a minute are answered.
        world.clock.advance(60);
        let answer = world.send(request(method.clone(), path, &[], Bytes::from_static(b"{"))).await;
        assert_problem(&answer, 401, "unauthorized");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{method} {path}");
        for wrong in
            ["Bearer x", "Bearer ", "Bearer", &of_server, &longer, &shorter, &basic, &world.admin_key]
        {
            let answer =
                world.send(request(method.clone(), path, &[("authorization", wrong)], Bytes::new())).await;
            assert_problem(&answer, 401, "unauthorized");
            assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer"), "{method} {path}");
        }
        let twice = [("authorization", right.as_str()), ("authorization", "Bearer x")];
        let answer = world.send(request(method, path, &twice, Bytes::new())).await;
        assert_problem(&answer, 401, "unauthorized");
    }
    let in_query = format!("/api/servers?access_token={}", world.admin_key.replace(' ', "+"));
    assert_eq!(world.get(&in_query).await.status(), 401);
}

/// What a registration answers: the key once, and where everything is.
async fn a_server_is_registered_and_its_key_shown_once(run: Run) {
    let world = run.world().await;
    let body = json!({
        "name": "Files",
        "resource_url": RESOURCE,
        "scopes": ["files:read", { "name": "files:write", "description": "Change your files", "implies": ["files:read"] }],
        "owner_email": "ops@example.com",
        "userinfo": "scoped",
    });
    let answer = register(&world, &body).await;
    assert_eq!(answer.status(), 201);
    let made = answer.json();
    let id = answer.member("server_id");
    assert!(id.starts_with("srv_") && answer.member("api_key").starts_with("sak_"), "{made}");
    assert_eq!(made["prm_url"], format!("{ISSUER}/prm/{id}"));
    assert_eq!(made["resource_url"], RESOURCE);
    let scopes = json!([
        { "name": "files:read", "description": null, "default": true, "optional": false, "implies": [] },
        { "name": "files:write", "description": "Change your files", "default": false, "optional": false, "implies": ["files:read"] },
    ]);
    assert_eq!(made["scopes"], scopes);
    assert_eq!(answer.header("location"), Some(format!("{ISSUER}/api/servers/{id}").as_str()));
    let shown = world.administer(Method::GET, &format!("/api/servers/{id}"), None).await;
    assert_eq!((shown.status(), shown.json().get("api_key")), (200, None));
    assert_eq!(
        (&shown.json()["userinfo"], &shown.json()["owner_email"]),
        (&json!("scoped"), &json!("ops@example.com"))
    );
    let listed = world.administer(Method::GET, "/api/servers", None).await;
    assert_eq!(listed.json()["servers"], json!([shown.json()]));
    assert!(!listed.text().contains(&answer.member("api_key")));
}

/// A server that names no scopes has one that is a default.
async fn a_server_without_scopes_has_the_usual_one(run: Run) {
    let world = run.world().await;
    let answer =
        register(&world, &json!({ "name": "Files", "resource_url": "http://127.0.0.1:3000/mcp" })).await;
    let scopes = json!([{ "name": "mcp:tools", "description": null, "default": true, "optional": false, "implies": [] }]);
    assert_eq!((answer.status(), &answer.json()["scopes"]), (201, &scopes));
}

/// Every member is checked, and the problem names the one that is wrong.
async fn a_wrong_registration_is_told_what_is_wrong(run: Run) {
    let world = run.world().await;
    let right = json!({ "name": "Files", "resource_url": RESOURCE });
    for (member, value, told) in [
        ("name", json!(""), "name"),
        ("name", json!("  "), "name"),
        ("name", json!("a\nb"), "name"),
        ("name", json!("n".repeat(201)), "name"),
        ("name", json!(7), "string"),
        ("name", Value::Null, "string"),
        ("resource_url", json!(""), "resource_url"),
        ("resource_url", json!("mcp.example.com"), "resource_url"),
        ("resource_url", json!("http://mcp.example.com/mcp"), "resource_url"),
        ("resource_url", json!("https://mcp.example.com/mcp#part"), "resource_url"),
        ("resource_url", json!("https://user@mcp.example.com/"), "resource_url"),
        ("resource_url", json!("ftp://mcp.example.com/"), "resource_url"),
        ("resource_url", json!("https://mcp.example.com/mcp\n"), "resource_url"),
        ("resource_url", json!(["https://mcp.example.com/mcp"]), "string"),
        ("scopes", json!(["two words"]), "scopes"),
        ("scopes", json!([""]), "scopes"),
        ("scopes", json!(["a", "a"]), "scopes"),
        ("scopes", json!(["quo\"te"]), "scopes"),
        ("scopes", json!("files:read"), "sequence"),
        ("scopes", json!([{ "description": "nameless" }]), "name"),
        ("scopes", json!([{ "name": "a", "implies": ["b"] }]), "implies"),
        ("scopes", json!([{ "name": "a", "unknown": 1 }]), "unknown"),
        ("scopes", json!((0..101).map(|number| format!("s{number}")).collect::<Vec<_>>()), "scopes"),
        ("owner_email", json!("nobody"), "owner_email"),
        ("owner_email", json!("a@b@c"), "owner_email"),
        ("userinfo", json!("everything"), "everything"),
        ("unknown_member", json!(1), "unknown_member"),
    ] {
        let mut body = right.clone();
        body[member] = value.clone();
        let answer = register(&world, &body).await;
        assert_problem(&answer, 400, "invalid_request");
        assert!(answer.member("detail").contains(told), "{member} {value}: {}", answer.member("detail"));
    }
    for missing in ["name", "resource_url"] {
        let mut body = right.clone();
        body.as_object_mut().unwrap().remove(missing);
        assert!(register(&world, &body).await.member("detail").contains(missing));
    }
    let key = format!("Bearer {}", world.admin_key);
    for (body, kind, status) in [
        ("", "application/json", 400),
        ("{", "application/json", 400),
        ("[]", "application/json", 400),
        ("null", "application/json", 400),
        ("{}{}", "application/json", 400),
        ("{\"name\":\"a\",\"name\":\"b\"}", "application/json", 400),
        ("{}", "text/plain", 415),
        ("name=a", "application/x-www-form-urlencoded", 415),
    ] {
        let headers = [("authorization", key.as_str()), ("content-type", kind)];
        let answer = world
            .send(request(Method::POST, "/api/servers", &headers, Bytes::from_static(body.as_bytes())))
            .await;
        assert_problem(&answer, status, "invalid_request");
    }
    let listed = world.administer(Method::GET, "/api/servers", None).await;
    assert_eq!(listed.json()["servers"], json!([]));
}

/// 409, by whatever text the resource is named, until the first one is gone.
async fn a_resource_is_registered_once(run: Run) {
    let world = run.world().await;
    let server = ResourceServer::usual(&world).await;
    for same in [
        RESOURCE,
        "https://mcp.example.com/mcp/",
        "HTTPS://MCP.example.com/mcp",
        "https://mcp.example.com:443/mcp",
    ] {
        let answer = register(&world, &json!({ "name": "Again", "resource_url": same })).await;
        assert_problem(&answer, 409, "already_registered");
        assert_eq!(answer.member("server_id"), server.id, "{same}");
    }
    let path = format!("/api/servers/{}", server.id);
    assert_eq!(world.administer(Method::DELETE, &path, None).await.status(), 204);
    let again = ResourceServer::usual(&world).await;
    assert_ne!(again.id, server.id);
}

/// A list comes in pages.
async fn servers_are_listed_in_pages(run: Run) {
    let world = run.world().await;
    let mut made = Vec::new();
    for number in 0..5 {
        let body = json!({ "name": "Files", "resource_url": format!("https://mcp{number}.example/mcp") });
        made.push(ResourceServer::register(&world, &body).await.id);
    }
    made.sort();
    let mut seen = Vec::new();
    let mut path = "/api/servers?limit=2".to_owned();
    loop {
        let page = world.administer(Method::GET, &path, None).await.json();
        let servers = page["servers"].as_array().unwrap();
        assert!(servers.len() <= 2);
        seen.extend(servers.iter().map(|server| server["server_id"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => path = format!("/api/servers?limit=2&cursor={next}"),
            None => break,
        }
    }
    seen.sort();
    assert_eq!(seen, made);
    for query in ["limit=0", "limit=101", "limit=x", "limit=-1", "after=x", "unknown=1", "limit"] {
        let answer = world.administer(Method::GET, &format!("/api/servers?{query}"), None).await;
        assert_problem(&answer, 400, "invalid_request");
    }
}

/// What is not there is 404; a wrong method is 405.
async fn what_is_not_there_is_404_and_a_wrong_method_405(run: Run) {
    let world = run.world().await;
    let server = ResourceServer::usual(&world).await;
    let client = Client::public(&world).await;
    let own = format!("/api/servers/{}", server.id);
    for (method, path) in [
        (Method::GET, "/api/servers/srv_AAAAAAAAAAAAAAAAAAAAAA"),
        (Method::GET, "/api/servers/x"),
        (Method::GET, "/api/servers/"),
        (Method::DELETE, "/api/servers/x"),
        (Method::DELETE, "/api/clients/nobody"),
        (Method::GET, "/api"),
        (Method::GET, "/api/"),
        (Method::GET, "/api/nothing"),
        (Method::GET, "/api/servers/a/b"),
    ] {
        assert_problem(&world.administer(method, path, None).await, 404, "not_found");
    }
    for (method, path, allowed) in [
        (Method::DELETE, "/api/servers", "GET, POST"),
        (Method::PUT, own.as_str(), "DELETE, GET, PATCH"),
        (Method::PUT, "/api/clients/x", "DELETE, GET, PATCH"),
    ] {
        let answer = world.administer(method, path, None).await;
        assert_problem(&answer, 405, "invalid_request");
        assert_eq!(answer.header("allow"), Some(allowed));
    }
    assert_eq!(world.administer(Method::DELETE, &own, None).await.status(), 204);
    assert_problem(&world.administer(Method::DELETE, &own, None).await, 404, "not_found");
    let client = format!("/api/clients/{}", client.id);
    assert_eq!(world.administer(Method::DELETE, &client, None).await.status(), 204);
    assert_problem(&world.administer(Method::DELETE, &client, None).await, 404, "not_found");
}

stamp! {
    without_the_key_every_path_is_401,
    a_server_is_registered_and_its_key_shown_once,
    a_server_without_scopes_has_the_usual_one,
    a_wrong_registration_is_told_what_is_wrong,
    a_resource_is_registered_once,
    servers_are_listed_in_pages,
    what_is_not_there_is_404_and_a_wrong_method_405,
}
