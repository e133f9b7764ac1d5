//! What administrators end, block or delete stops working on the next request, whatever carries it.

use http::Method;
use serde_json::{Value, json};
use testkit::client::{Client, ResourceServer, Tokens};
use testkit::world::{Answer, World, request};

use crate::run::{Run, Sut};

/// Somebody who has connected a client to a server.
struct Connected {
    world: Sut,
    server: ResourceServer,
    client: Client,
    tokens: Tokens,
}

async fn connected(run: Run) -> Connected {
    let world = run.world().await;
    let server = ResourceServer::usual(&world).await;
    let client = Client::public(&world).await;
    let mut browser = world.person("ada@example.com").await;
    let tokens = client.connect(&world, &mut browser).await;
    assert!(server.accepts(&world, &tokens.access).await);
    Connected { world, server, client, tokens }
}

impl Connected {
    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        self.world.administer(method, path, body.as_ref()).await
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.ask(Method::GET, path, None).await;
        assert_eq!(answer.status(), 200, "{path}: {}", answer.text());
        answer.json()
    }

    async fn user(&self) -> String {
        let found = self.get("/api/users?email=ada%40example.com").await;
        found["users"][0]["user_id"].as_str().unwrap().to_owned()
    }

    async fn accepted(&self) -> bool {
        self.server.accepts(&self.world, &self.tokens.access).await
    }

    async fn is_over(&self) {
        assert!(!self.accepted().await);
        assert_eq!(self.client.refresh(&self.world, &self.tokens.refresh).await.status(), 400);
    }
}

/// A connection is found by each of those whose it is, and ended by its id.
async fn a_grant_is_found_by_whose_it_is_and_revoked_at_once(run: Run) {
    let sut = connected(run).await;
    let user = sut.user().await;
    let grants = sut.get("/api/grants?state=connected").await;
    let grant = grants["grants"][0].clone();
    assert_eq!(
        (&grant["user_id"], &grant["client_id"], &grant["server_id"], &grant["state"]),
        (&json!(user), &json!(sut.client.id), &json!(sut.server.id), &json!("connected"))
    );
    for filter in [
        format!("user={user}"),
        format!("client={}", sut.client.id),
        format!("server={}", sut.server.id),
        format!("user={user}&client={}&server={}", sut.client.id, sut.server.id),
    ] {
        assert_eq!(sut.get(&format!("/api/grants?{filter}")).await["grants"], json!([grant]), "{filter}");
    }
    assert_eq!(sut.get("/api/grants?user=usr_nobody").await["grants"], json!([]));
    let client = sut.get(&format!("/api/clients/{}", sut.client.id)).await;
    assert_eq!(client["last_used_at"], grant["last_used_at"]);
    let consents = sut.get(&format!("/api/consents?user={user}")).await;
    assert_eq!(consents["consents"][0]["client_id"], json!(sut.client.id));

    let path = format!("/api/grants/{}", grant["grant_id"].as_str().unwrap());
    assert_eq!(sut.get(&path).await, grant);
    assert!(!grant.to_string().contains(&sut.tokens.access));
    assert_eq!(sut.ask(Method::DELETE, &path, None).await.status(), 204);
    sut.is_over().await;
    assert_eq!(sut.get(&path).await["state"], "ended");
    assert_eq!(sut.ask(Method::DELETE, &path, None).await.status(), 404);
    assert_eq!(sut.get(&format!("/api/consents?user={user}")).await["consents"], json!([]));
}

/// All grants of a person, a client or a server end together.
async fn all_grants_of_one_end_together(run: Run) {
    for of in ["user", "client", "server"] {
        let sut = connected(run).await;
        let id = match of {
            "user" => sut.user().await,
            "client" => sut.client.id.clone(),
            _ => sut.server.id.clone(),
        };
        let answer = sut.ask(Method::DELETE, &format!("/api/grants?{of}={id}"), None).await;
        assert_eq!((answer.status(), answer.json()), (200, json!({ "revoked": 1 })), "{of}");
        sut.is_over().await;
    }
}

/// Who is blocked can do nothing until they are let act again; then everything goes on.
async fn whoever_is_blocked_stands_still_until_they_are_let_act_again(run: Run) {
    let sut = connected(run).await;
    for path in [
        format!("/api/clients/{}", sut.client.id),
        format!("/api/users/{}", sut.user().await),
        format!("/api/servers/{}", sut.server.id),
    ] {
        for (status, accepted) in [("blocked", false), ("active", true)] {
            let answer = sut.ask(Method::PATCH, &path, Some(json!({ "status": status }))).await;
            assert_eq!((answer.status(), answer.member("status")), (200, status.to_owned()), "{path}");
            if path.contains("servers") && !accepted {
                // It cannot ask any more, so whoever holds a token of it is asked about by nobody.
                let introspection = introspect(&sut.world, &sut.server.key, &sut.tokens.access).await;
                assert_ne!(introspection.json()["active"], true);
            } else {
                assert_eq!(sut.accepted().await, accepted, "{path} {status}");
            }
        }
    }
}

/// Deleting somebody ends all that was theirs.
async fn deleting_ends_everything(run: Run) {
    for of in ["users", "clients"] {
        let sut = connected(run).await;
        let id = if of == "users" { sut.user().await } else { sut.client.id.clone() };
        assert_eq!(sut.ask(Method::DELETE, &format!("/api/{of}/{id}"), None).await.status(), 204);
        assert!(!sut.accepted().await, "{of}");
        assert_ne!(sut.client.refresh(&sut.world, &sut.tokens.refresh).await.status(), 200, "{of}");
    }
    let sut = connected(run).await;
    let path = format!("/api/users/{}/end", sut.user().await);
    assert_eq!(sut.ask(Method::POST, &path, None).await.status(), 204);
    sut.is_over().await;
}

/// Both keys are taken for the time of grace, and the new one alone after it.
async fn a_server_moves_to_a_new_key_without_a_gap(run: Run) {
    let sut = connected(run).await;
    let path = format!("/api/servers/{}/key", sut.server.id);
    let answer = sut.ask(Method::POST, &path, Some(json!({ "grace_seconds": 60 }))).await;
    let new = answer.member("api_key");
    for key in [&sut.server.key, &new] {
        assert_eq!(introspect(&sut.world, key, &sut.tokens.access).await.json()["active"], true);
    }
    sut.world.clock.advance(60);
    assert_eq!(introspect(&sut.world, &sut.server.key, &sut.tokens.access).await.status(), 401);
    assert_eq!(introspect(&sut.world, &new, &sut.tokens.access).await.json()["active"], true);
}

async fn introspect(world: &World, key: &str, token: &str) -> Answer {
    let (bearer, kind) = (format!("Bearer {key}"), "application/x-www-form-urlencoded");
    let headers = [("authorization", bearer.as_str()), ("content-type", kind)];
    let body = format!("token={token}").into();
    world.send(request(Method::POST, &world.path("/oauth/introspect"), &headers, body)).await
}

stamp! {
    a_grant_is_found_by_whose_it_is_and_revoked_at_once,
    all_grants_of_one_end_together,
    whoever_is_blocked_stands_still_until_they_are_let_act_again,
    deleting_ends_everything,
    a_server_moves_to_a_new_key_without_a_gap,
}
