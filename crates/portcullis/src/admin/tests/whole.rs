//! Each route, over the composed server.

mod events;
mod examples;
mod holders;
mod repeated;

use identity::Cost;

use super::*;
use crate::compose::Kept;
use crate::config::{AdminSecret, StoreKind};
use crate::{Config, Portcullis};

const NOW: i64 = 1_800_000_000;

struct Whole {
    portcullis: Portcullis,
    store: Arc<Memory>,
    clock: Arc<ManualClock>,
}

async fn whole() -> Whole {
    let store = Arc::new(Memory::new());
    whole_over(store.clone(), store).await
}

/// Over `records`, which keeps what it is told in `store`.
async fn whole_over<S: Backend + 'static>(store: Arc<Memory>, records: Arc<S>) -> Whole {
    let clock = Arc::new(ManualClock::at(Time(NOW)));
    let config = Config {
        store: StoreKind::Memory,
        admin_key: AdminSecret::parse(KEY).ok(),
        limits: false,
        ..Config::default()
    };
    let portcullis = Portcullis::builder(config)
        .store(records)
        .clock(clock.clone())
        .entropy(Arc::new(SeededEntropy::new(1)))
        .password_cost(Cost::least())
        .open()
        .await
        .unwrap();
    Whole { portcullis, store, clock }
}

/// What is answered is what the OpenAPI document says may be.
fn is_described(method: &str, path: &str, status: u16) {
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    if let Matched::Route(route, _) = Route::named(method, &parts) {
        let described = openapi::statuses(route);
        assert!(described.contains(&status), "{method} {} answers {status}: {described:?}", route.path);
    }
}

impl Whole {
    async fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> (u16, Value, HeaderMap) {
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == "authorization") {
            request = request.header(AUTHORIZATION, format!("Bearer {KEY}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        let response = self.portcullis.serve(request.body(body).unwrap(), Peer(None)).await;
        is_described(method, path, response.status().as_u16());
        let body = serde_json::from_slice(response.body()).unwrap_or_default();
        (response.status().as_u16(), body, response.headers().clone())
    }

    async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let (status, body, _) = self.send(method, path, body, &[]).await;
        (status, body)
    }

    async fn make(&self, path: &str, body: Value) -> Value {
        let (status, made) = self.ask("POST", path, Some(body)).await;
        assert_eq!(status, 201, "{path}: {made}");
        made
    }

    async fn server(&self) -> String {
        let made =
            self.make("/api/servers", json!({ "name": "S", "resource_url": "https://s.example" })).await;
        made["server_id"].as_str().unwrap().to_owned()
    }

    async fn client(&self) -> String {
        let metadata = json!({ "client_name": "C", "redirect_uris": ["https://c.example/cb"] });
        let made = self.make("/api/clients", json!({ "metadata": metadata })).await;
        made["client_id"].as_str().unwrap().to_owned()
    }

    async fn user(&self, email: &str) -> String {
        let made = self.make("/api/users", json!({ "name": "Ada", "email": email })).await;
        made["user_id"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn a_server_is_changed_blocked_and_gets_a_new_key() {
    let whole = whole().await;
    let path = format!("/api/servers/{}", whole.server().await);
    let change = json!({ "name": "New", "owner_email": "a@b.example", "userinfo": "scoped",
        "scopes": [{ "name": "a", "optional": true }], "status": "blocked" });
    let (status, shown) = whole.ask("PATCH", &path, Some(change)).await;
    assert_eq!((status, &shown["name"], &shown["status"]), (200, &json!("New"), &json!("blocked")));
    assert_eq!(shown["scopes"][0]["optional"], true);
    let (_, shown) =
        whole.ask("PATCH", &path, Some(json!({ "owner_email": null, "status": "active" }))).await;
    assert_eq!((&shown["owner_email"], &shown["name"]), (&Value::Null, &json!("New")));
    for wrong in [
        json!({ "resource_url": "https://x.example" }),
        json!({ "name": "" }),
        json!({ "status": "deleted" }),
    ] {
        assert_eq!(whole.ask("PATCH", &path, Some(wrong.clone())).await.0, 400, "{wrong}");
    }

    let key = format!("{path}/key");
    let (status, rotated) = whole.ask("POST", &key, Some(json!({ "grace_seconds": 60 }))).await;
    assert_eq!((status, &rotated["previous_keys_until"]), (200, &json!(NOW + 60)));
    assert!(rotated["api_key"].as_str().unwrap().starts_with("sak_"));
    assert_eq!(whole.ask("GET", &path, None).await.1["keys"][1]["taken_until"], NOW + 60);
    assert_eq!(whole.ask("POST", &key, None).await.0, 200, "a day of grace, if nobody says");
    assert_eq!(whole.ask("POST", &key, Some(json!({ "grace_seconds": 2_592_001 }))).await.0, 400);
    assert_eq!(whole.ask("DELETE", &path, None).await.0, 204);
    for (method, path) in [("PATCH", &path), ("POST", &key), ("DELETE", &path), ("GET", &path)] {
        let body = (method == "PATCH").then(|| json!({}));
        assert_eq!(whole.ask(method, path, body).await.0, 404, "{method}");
    }
    whole.server().await;
}

#[tokio::test]
async fn a_client_is_registered_vouched_for_blocked_and_deleted() {
    let whole = whole().await;
    let server = whole.server().await;
    let metadata = json!({ "redirect_uris": ["https://c.example/cb"], "token_endpoint_auth_method": "client_secret_basic" });
    let asked = json!({ "metadata": metadata, "server_id": server, "first_party": true });
    let made = whole.make("/api/clients", asked).await;
    assert!(made["client_secret"].as_str().unwrap().starts_with("csec_"), "{made}");
    assert_eq!(
        (&made["vouched"], &made["first_party"], &made["server_id"]),
        (&json!(true), &json!(true), &json!(server))
    );
    let path = format!("/api/clients/{}", made["client_id"].as_str().unwrap());
    let (_, shown) = whole.ask("GET", &path, None).await;
    assert!(shown.get("client_secret").is_none() && shown["last_used_at"].is_null());
    assert_eq!(whole.ask("GET", "/api/clients", None).await.1, json!({ "clients": [shown], "next": null }));

    let (_, shown) = whole.ask("PATCH", &path, Some(json!({ "vouched": false, "status": "blocked" }))).await;
    assert_eq!(
        (&shown["vouched"], &shown["first_party"], &shown["status"]),
        (&json!(false), &json!(false), &json!("blocked"))
    );
    let (status, problem) = whole.ask("PATCH", &path, Some(json!({ "first_party": true }))).await;
    assert_eq!((status, &problem["error"]), (409, &json!("conflict")), "nobody vouches for it");
    let secret = format!("{path}/secret");
    let (status, rotated) = whole.ask("POST", &secret, Some(json!({ "grace_seconds": 60 }))).await;
    assert_eq!((status, &rotated["previous_secrets_until"]), (200, &json!(NOW + 60)));
    assert!(rotated["client_secret"].as_str().unwrap().starts_with("csec_"));
    let (_, shown) = whole.ask("GET", &path, None).await;
    assert_eq!(
        (shown["secrets"].as_array().unwrap().len(), &shown["secrets"][1]["taken_until"]),
        (2, &json!(NOW + 60))
    );
    assert_eq!(whole.ask("POST", &secret, Some(json!({ "grace_seconds": 2_592_001 }))).await.0, 400);
    let metadata = json!({ "redirect_uris": ["https://c.example/cb"], "token_endpoint_auth_method": "none" });
    let public = whole.make("/api/clients", json!({ "metadata": metadata })).await;
    let public = public["client_id"].as_str().unwrap();
    let (status, _) = whole.ask("POST", &format!("/api/clients/{public}/secret"), None).await;
    assert_eq!(status, 409, "it keeps none");
    for (query, count) in
        [("vouched=false", 1), ("vouched=true", 1), ("status=blocked", 1), ("q=c.EXAMPLE", 2), ("q=zz", 0)]
    {
        let (_, found) = whole.ask("GET", &format!("/api/clients?{query}"), None).await;
        assert_eq!(found["clients"].as_array().unwrap().len(), count, "{query}");
    }
    assert_eq!(whole.ask("GET", "/api/clients?vouched=perhaps", None).await.0, 400);
    assert_eq!(whole.ask("DELETE", &path, None).await.0, 204);
    assert_eq!(whole.ask("POST", &secret, None).await.0, 404);
    assert_eq!(whole.ask("PATCH", &path, Some(json!({ "status": "active" }))).await.0, 404);
    for wrong in [
        json!({}),
        json!({ "metadata": {} }),
        json!({ "metadata": { "redirect_uris": ["https://c.example/cb"] }, "server_id": "srv_x" }),
        json!({ "metadata": { "redirect_uris": ["https://c.example/cb"] }, "server_id": store::ServerId::new([9; 16]) }),
    ] {
        assert_eq!(whole.ask("POST", "/api/clients", Some(wrong.clone())).await.0, 400, "{wrong}");
    }
}

#[tokio::test]
async fn a_user_is_made_found_disabled_ended_and_deleted() {
    let whole = whole().await;
    let asked = json!({ "name": "Ada", "email": "Ada@Example.com", "password": "an otter in it", "email_verified": true });
    let made = whole.make("/api/users", asked.clone()).await;
    assert_eq!(
        (&made["email"], &made["email_verified"], &made["password"]),
        (&json!("ada@example.com"), &json!(true), &json!(true))
    );
    let (status, problem) = whole.ask("POST", "/api/users", Some(asked)).await;
    assert_eq!((status, &problem["error"]), (409, &json!("conflict")));
    let path = format!("/api/users/{}", made["user_id"].as_str().unwrap());
    let log_in = || json!({ "email": "ada@example.com", "password": "an otter in it" });
    assert_eq!(whole.ask("POST", "/auth/login", Some(log_in())).await.0, 200);

    whole.user("bo@example.com").await;
    assert_eq!(whole.ask("GET", "/api/users", None).await.1["users"].as_array().unwrap().len(), 2);
    let (_, found) = whole.ask("GET", "/api/users?email=ADA%40example.com", None).await;
    assert_eq!(found["users"][0]["user_id"], made["user_id"]);
    assert_eq!(found["users"].as_array().map(Vec::len), Some(1));
    assert_eq!(whole.ask("GET", "/api/users?email=x%40example.com", None).await.1["users"], json!([]));

    let (status, shown) = whole.ask("PATCH", &path, Some(json!({ "status": "blocked" }))).await;
    assert_eq!((status, &shown["status"]), (200, &json!("blocked")));
    for (query, count) in [("status=blocked", 1), ("status=active", 1), ("q=BO%40", 1), ("status=deleted", 0)]
    {
        let (_, found) = whole.ask("GET", &format!("/api/users?{query}"), None).await;
        assert_eq!(found["users"].as_array().map_or(0, Vec::len), count, "{query}");
    }
    assert_ne!(whole.ask("POST", "/auth/login", Some(log_in())).await.0, 200);
    assert_eq!(whole.ask("PATCH", &path, Some(json!({ "status": "active" }))).await.0, 200);
    assert_eq!(whole.ask("POST", "/auth/login", Some(log_in())).await.0, 200);
    assert_eq!(whole.ask("POST", &format!("{path}/end"), None).await.0, 204);
    assert_eq!(whole.ask("DELETE", &path, None).await.0, 204);
    assert_eq!(whole.ask("DELETE", &path, None).await.0, 404);
    assert_eq!(whole.ask("GET", &path, None).await.0, 404);
    assert_eq!(whole.ask("POST", "/api/users/usr_nobody/end", None).await.0, 404);
    assert_eq!(whole.ask("DELETE", "/api/users/usr_nobody", None).await.0, 404);
    whole.user("ada@example.com").await;
    for (member, value) in
        [("name", json!("")), ("email", json!("nobody")), ("password", json!("short")), ("role", json!(1))]
    {
        let mut body = json!({ "name": "C", "email": "c@example.com" });
        body[member] = value;
        assert_eq!(whole.ask("POST", "/api/users", Some(body)).await.0, 400, "{member}");
    }
}

#[tokio::test]
async fn a_user_without_a_password_is_made_with_the_link_to_set_one() {
    let whole = whole().await;
    let made = whole
        .make("/api/users", json!({ "name": "Ada", "email": "ada@example.com", "language": "de" }))
        .await;
    assert_eq!((&made["password"], &made["letter"]), (&json!(false), &json!("none")));
    let link = made["link"].as_str().unwrap();
    let ticket = link.split('=').next_back().unwrap();
    assert!(link.contains("/reset?ticket="), "{link}");
    let sent = json!({ "ticket": ticket, "password": "an otter in it" });
    assert_eq!(whole.ask("POST", "/auth/reset", Some(sent)).await.0, 204);
    let log_in = json!({ "email": "ada@example.com", "password": "an otter in it" });
    assert_eq!(whole.ask("POST", "/auth/login", Some(log_in)).await.0, 200);
    let path = format!("/api/users/{}", made["user_id"].as_str().unwrap());
    let (_, shown) = whole.ask("GET", &path, None).await;
    assert!(shown.get("link").is_none() && shown["email_verified"] == json!(false), "{shown}");
}

#[tokio::test]
async fn an_invitation_without_mail_is_a_link_that_is_shown_once() {
    let whole = whole().await;
    let headers = [("idempotency-key", "one")];
    let (status, made, _) =
        whole.send("POST", "/api/invitations", Some(json!({ "language": "de" })), &headers).await;
    assert_eq!((status, &made["letter"]), (201, &json!("none")));
    assert!(made["link"].as_str().unwrap().contains("tkt_"), "{made}");
    let (status, again, _) =
        whole.send("POST", "/api/invitations", Some(json!({ "language": "de" })), &headers).await;
    assert_eq!((status, &again["invitation_id"]), (200, &made["invitation_id"]));
    assert!(again.get("link").is_none());
    assert_eq!(whole.ask("POST", "/api/invitations", Some(json!({ "email": "x" }))).await.0, 400);
    let (_, open) = whole.ask("GET", "/api/invitations", None).await;
    assert_eq!(open["invitations"][0]["invitation_id"], made["invitation_id"]);
    assert!(!open.to_string().contains("tkt_"));
    let path = format!("/api/invitations/{}", made["invitation_id"].as_str().unwrap());
    assert_eq!(whole.ask("DELETE", &path, None).await.0, 204);
    assert_eq!(whole.ask("DELETE", &path, None).await.0, 404);
    assert_eq!(whole.ask("DELETE", "/api/invitations/x", None).await.0, 404);
    assert_eq!(whole.ask("GET", "/api/invitations", None).await.1["invitations"], json!([]));
}

#[tokio::test]
async fn grants_and_consents_are_asked_for_by_whose_they_are() {
    let whole = whole().await;
    let (user, client) = (whole.user("ada@example.com").await, whole.client().await);
    let of_all = format!("user={user}&client={client}&server={}", whole.server().await);
    for path in [format!("/api/grants?{of_all}"), "/api/grants?state=connected".to_owned()] {
        assert_eq!(
            whole.ask("GET", &path, None).await,
            (200, json!({ "grants": [], "next": null })),
            "{path}"
        );
    }
    let (status, consents) = whole.ask("GET", &format!("/api/consents?user={user}"), None).await;
    assert_eq!((status, consents), (200, json!({ "consents": [], "next": null })));
    assert_eq!(
        whole.ask("DELETE", &format!("/api/grants?{of_all}"), None).await,
        (200, json!({ "revoked": 0 }))
    );
    let grant = format!("/api/grants/{}", store::GrantId::new([1; 16]));
    for (method, path, status) in [
        ("GET", grant.as_str(), 404),
        ("DELETE", grant.as_str(), 404),
        ("DELETE", "/api/grants", 400),
        ("GET", "/api/grants?state=ended", 400),
        ("GET", "/api/grants?user=a%20b", 400),
        ("GET", "/api/grants?cursor=x", 400),
        ("GET", "/api/consents", 400),
        ("DELETE", &format!("/api/consents?user={user}"), 400),
        ("DELETE", &format!("/api/consents?{of_all}"), 404),
    ] {
        assert_eq!(whole.ask(method, path, None).await.0, status, "{method} {path}");
    }
}

#[tokio::test]
async fn every_list_has_pages_and_a_link_to_the_next() {
    let whole = whole().await;
    for n in 0..5 {
        whole
            .make("/api/servers", json!({ "name": "S", "resource_url": format!("https://s{n}.example") }))
            .await;
        whole.client().await;
        whole.user(&format!("{n}@example.com")).await;
    }
    for (kind, id) in [("servers", "server_id"), ("clients", "client_id"), ("users", "user_id")] {
        let (mut seen, mut path) = (Vec::new(), format!("/api/{kind}?limit=2"));
        loop {
            let (status, page, headers) = whole.send("GET", &path, None, &[]).await;
            assert_eq!(status, 200, "{path}: {page}");
            seen.extend(page[kind].as_array().unwrap().iter().map(|one| one[id].to_string()));
            let Some(link) = headers.get("link") else {
                assert!(page["next"].is_null());
                break;
            };
            let link = link.to_str().unwrap();
            assert!(page["next"].is_string() && link.ends_with(">; rel=\"next\""), "{link}");
            path = link[link.find("/api/").unwrap()..link.find('>').unwrap()].to_owned();
        }
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 5, "{kind}");
        for query in ["limit=0", "limit=101", "page=2", "limit=1&limit=1", "cursor=%ff"] {
            assert_eq!(
                whole.ask("GET", &format!("/api/{kind}?{query}"), None).await.0,
                400,
                "{kind} {query}"
            );
        }
    }
}

#[tokio::test]
async fn the_document_describes_every_route_and_names_no_type_that_it_does_not_have() {
    let whole = whole().await;
    let (status, document) = whole.ask("GET", "/api/openapi.json", None).await;
    assert_eq!((status, &document["openapi"]), (200, &json!("3.1.0")));
    let mut ids = Vec::new();
    for route in &routes::ROUTES {
        let operation = &document["paths"][route.path][route.method.to_ascii_lowercase()];
        assert_eq!(operation["summary"], route.says);
        assert_eq!(operation.get("requestBody").is_some(), route.body.is_some());
        ids.push(operation["operationId"].as_str().unwrap().to_owned());
        let parameters = operation["parameters"].as_array().unwrap();
        assert!(route.id_name().is_none_or(|name| parameters.iter().any(|one| one["name"] == name)));
    }
    assert!(
        ids.contains(&"create_server".to_owned()) && ids.contains(&"rotate_server_key".to_owned()),
        "{ids:?}"
    );
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count, "operation ids are unique");
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#/components/schemas/").skip(1) {
        let name = &reference[..reference.find('"').unwrap()];
        assert!(document["components"]["schemas"][name].is_object(), "{name}");
    }
    let asked = &document["components"]["schemas"]["NewServer"];
    assert_eq!(asked["required"], json!(["name", "resource_url"]));
}
