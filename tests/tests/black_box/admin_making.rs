//! What administrators make, read and withdraw: keys, things made once, lists in pages, and the document of it all.

use ambient::Clock as _;
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use testkit::client::{CALLBACK, metadata};
use testkit::world::{Answer, World, request};

use crate::run::{Run, Sut};

/// Asks with some key and some headers.
async fn ask(
    world: &World,
    key: &str,
    method: Method,
    path: &str,
    body: Option<&Value>,
    headers: &[(&str, &str)],
) -> Answer {
    let bearer = format!("Bearer {key}");
    let mut all = vec![("authorization", bearer.as_str()), ("content-type", "application/json")];
    all.retain(|(name, _)| *name != "content-type" || body.is_some());
    all.extend_from_slice(headers);
    let body = body.map_or_else(Bytes::new, |body| body.to_string().into());
    world.send(request(method, path, &all, body)).await
}

async fn make(world: &Sut, path: &str, body: &Value, key: &str) -> Answer {
    let admin = world.admin_key.clone();
    ask(world, &admin, Method::POST, path, Some(body), &[("idempotency-key", key)]).await
}

/// WA-25: keys have names and access of their own, are shown once, and can be withdrawn; the last that writes cannot.
async fn wa25_a_key_reads_or_writes_until_it_is_withdrawn(run: Run) {
    let world = run.world().await;
    let reading = json!({ "name": "ci", "access": "read" });
    let made = world.administer(Method::POST, "/api/keys", Some(&reading)).await;
    assert_eq!(made.status(), 201, "{}", made.text());
    let key = made.member("admin_key");
    assert_eq!(ask(&world, &key, Method::GET, "/api/servers", None, &[]).await.status(), 200);
    let server = json!({ "name": "S", "resource_url": "https://s.example" });
    for (method, path, body) in [
        (Method::POST, "/api/servers", Some(&server)),
        (Method::DELETE, "/api/grants?user=usr_x", None),
        (Method::POST, "/api/keys", Some(&reading)),
        (Method::DELETE, "/api/keys/ci", None),
    ] {
        let refused = ask(&world, &key, method, path, body, &[]).await;
        assert_eq!(refused.refusal(), (403, "insufficient_scope".to_owned()), "{path}");
    }
    let again = world.administer(Method::POST, "/api/keys", Some(&reading)).await;
    assert_eq!(again.refusal(), (409, "conflict".to_owned()));
    let shown = world.shown("/api/keys").await;
    assert!(!shown.to_string().contains(&key), "{shown}");
    let of = |name: &str| {
        let mut keys = shown["keys"].as_array().unwrap().iter();
        keys.find(|key| key["name"] == name).unwrap().clone()
    };
    assert_eq!((&of("ci")["access"], &of("ci")["active"]), (&json!("read"), &json!(true)));
    assert_eq!(of("ci")["last_used_at"], world.clock.now().0);
    assert_eq!(of("configured")["configured"], true);

    assert_eq!(world.administer(Method::DELETE, "/api/keys/ci", None).await.status(), 204);
    assert_eq!(ask(&world, &key, Method::GET, "/api/servers", None, &[]).await.status(), 401);
    assert_eq!(world.administer(Method::DELETE, "/api/keys/configured", None).await.status(), 409);
    let acted = world.events("name=administration_acted").await;
    assert!(acted.iter().any(|event| event["detail"]["route"] == "/api/servers"), "{acted:?}");
}

/// Who repeats a request with its `Idempotency-Key` gets what was made, without its secret; of many at once one makes it.
async fn what_is_asked_for_twice_with_one_key_is_made_once(run: Run) {
    let world = run.world().await;
    let server = json!({ "name": "S", "resource_url": "https://s.example" });
    let first = make(&world, "/api/servers", &server, "one").await;
    assert_eq!(first.status(), 201, "{}", first.text());
    let again = make(&world, "/api/servers", &server, "one").await;
    assert_eq!((again.status(), again.member("server_id")), (200, first.member("server_id")));
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert!(again.json().get("api_key").is_none() && first.json()["api_key"].is_string());
    let other = json!({ "name": "Other", "resource_url": "https://o.example" });
    let reused = make(&world, "/api/servers", &other, "one").await;
    assert_eq!(reused.refusal(), (422, "idempotency_key_reused".to_owned()));

    let client = json!({ "metadata": metadata("none", CALLBACK) });
    let at_once = tokio::join!(
        make(&world, "/api/clients", &client, "two"),
        make(&world, "/api/clients", &client, "two"),
        make(&world, "/api/clients", &client, "two"),
        make(&world, "/api/clients", &client, "two"),
    );
    let statuses = [&at_once.0, &at_once.1, &at_once.2, &at_once.3].map(Answer::status);
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [200, 201, 409].contains(status)), "{statuses:?}");
    assert_eq!(make(&world, "/api/clients", &client, "two").await.status(), 200);
    assert_eq!(world.shown("/api/clients").await["clients"].as_array().unwrap().len(), 1);
}

/// Every list comes in pages, each with a link to the next (RFC 8288): all of it, and nothing twice.
async fn every_list_comes_in_pages(run: Run) {
    let world = run.world().await;
    for number in 0..5 {
        let server = json!({ "name": "S", "resource_url": format!("https://s{number}.example") });
        let client = json!({ "metadata": metadata("none", CALLBACK) });
        let user =
            json!({ "name": "A", "email": format!("a{number}@example.com"), "password": "an otter in it" });
        for (path, body) in [("/api/servers", server), ("/api/clients", client), ("/api/users", user)] {
            let made = world.administer(Method::POST, path, Some(&body)).await;
            assert_eq!(made.status(), 201, "{}", made.text());
        }
    }
    for (list, id, expected) in
        [("servers", "server_id", 5), ("clients", "client_id", 5), ("users", "user_id", 5)]
    {
        let mut ids = all(&world, list, id).await;
        assert_eq!(ids.len(), expected, "{list}");
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), expected, "{list}");
        for query in ["limit=0", "limit=101", "page=2", "limit=1&limit=1", "cursor=%ff"] {
            let refused = world.administer(Method::GET, &format!("/api/{list}?{query}"), None).await;
            assert_eq!(refused.refusal(), (400, "invalid_request".to_owned()), "{list} {query}");
        }
    }
}

/// What the pages of a list have, by the links from one to the next.
async fn all(world: &Sut, list: &str, id: &str) -> Vec<String> {
    let (mut seen, mut path) = (Vec::new(), format!("/api/{list}?limit=2"));
    loop {
        let answer = world.administer(Method::GET, &path, None).await;
        let page = answer.json();
        let items = page[list].as_array().unwrap();
        assert!(items.len() <= 2, "{page}");
        seen.extend(items.iter().map(|item| item[id].as_str().unwrap().to_owned()));
        let Some(link) = answer.header("link") else {
            assert!(page["next"].is_null(), "{page}");
            return seen;
        };
        assert!(link.ends_with(">; rel=\"next\"") && page["next"].is_string(), "{link}");
        path = link[link.find("/api/").unwrap()..link.find('>').unwrap()].to_owned();
    }
}

/// The interface says what it is, to whoever holds a key.
async fn the_interface_describes_itself(run: Run) {
    let world = run.world().await;
    assert_eq!(world.get("/api/openapi.json").await.status(), 401);
    let document = world.shown("/api/openapi.json").await;
    assert_eq!(document["openapi"], "3.1.0");
    for path in ["/api/servers/{server}", "/api/grants", "/api/keys/{key}", "/api/events", "/api/invitations"]
    {
        assert!(document["paths"][path].is_object(), "{path}");
    }
    let referred = document.to_string();
    for reference in referred.split("\"$ref\":\"#/components/schemas/").skip(1) {
        let name = &reference[..reference.find('"').unwrap()];
        assert!(document["components"]["schemas"][name].is_object(), "{name}");
    }
}

/// Numbers for whoever watches: behind a key, or for an address that is named.
async fn metrics_are_for_those_who_may_know(run: Run) {
    let world = run.with(|config| config.metrics_from = vec!["203.0.113.0/24".parse().unwrap()]).await;
    assert_eq!(world.get("/metrics").await.status(), 401);
    world.person("ada@example.com").await;
    let told = world.administer(Method::GET, "/metrics", None).await;
    assert_eq!(told.status(), 200, "{}", told.text());
    assert!(told.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"), "{told:?}");
    let from_there = request(Method::GET, "/metrics", &[], Bytes::new());
    let told = world.send_from(from_there, "203.0.113.9".parse().unwrap()).await;
    let text = told.text();
    for name in ["portcullis_requests_total", "portcullis_events_total", "portcullis_audit_waiting"] {
        assert!(text.contains(name), "{name}: {text}");
    }
    assert!(!text.contains("203.0.113.9") && !text.contains(&world.admin_key));
}

stamp! {
    wa25_a_key_reads_or_writes_until_it_is_withdrawn,
    what_is_asked_for_twice_with_one_key_is_made_once,
    every_list_comes_in_pages,
    the_interface_describes_itself,
    metrics_are_for_those_who_may_know,
}
