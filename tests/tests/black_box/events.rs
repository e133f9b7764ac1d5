//! The audit trail, as it is asked for.

use std::collections::BTreeSet;

use ambient::Clock as _;
use http::Method;
use serde_json::{Value, json};
use testkit::client::{Tokens, open};
use testkit::world::PASSWORD;

use crate::run::{Run, Stage, Sut};

fn names(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["name"].as_str().unwrap()).collect()
}

/// Who, what, which grant, where: whatever happens to a grant is found by each of those whose it is, also once it has ended.
async fn each_event_of_a_grant_is_found_by_whose_it_is(run: Run) {
    let Stage { world, server, client, mut ada } = run.stage().await;
    let user = world.user("ada@example.com").await;
    let (page, deny) = (open(&world, &mut ada, &client.asking()).await.page(), "Deny");
    ada.press(&page.form(deny), deny).await.away();
    // A code that leaks, twice; then tokens that are refreshed, given again, and stolen.
    let code = client.code(&world, &mut ada).await;
    let wrong = client.redeeming(&code).with("code_verifier", &"x".repeat(43));
    assert_eq!(client.send(&world, "/oauth/token", &wrong).await.status(), 400);
    let code = client.code(&world, &mut ada).await;
    for status in [200, 400] {
        assert_eq!(client.redeem(&world, &code).await.status(), status);
    }
    let first = client.connect(&world, &mut ada).await;
    let second = Tokens::of(&client.refresh(&world, &first.refresh).await);
    assert_eq!(client.refresh(&world, &first.refresh).await.status(), 200);
    client.refresh(&world, &second.refresh).await;
    assert_eq!(client.refresh(&world, &first.refresh).await.status(), 400);
    let both = client.asking().and("scope", "files:read files:write");
    let callback = client.authorize(&world, &mut ada, &both).await;
    let tokens = Tokens::of(&client.redeem(&world, callback.one("code").unwrap()).await);
    let mut links = ada.open("/account").await.page().html.attributes("a", "href").into_iter();
    let path = links.rfind(|link| link.starts_with("/account/connections/")).unwrap();
    let page = ada.open(&path).await.page();
    ada.press(&page.form("Save").fill("Name of the device", "Laptop"), "Save").await.page();
    let narrow = "Take away what is not ticked";
    ada.press(&page.form(narrow).untick("files:write"), narrow).await.page();
    client.revoke(&world, &tokens.access).await;
    client.revoke(&world, &tokens.refresh).await;
    client.connect(&world, &mut ada).await;
    world.administer(Method::DELETE, &format!("/api/grants?user={user}"), None).await;

    let mut told = world.events("").await;
    told.retain(|event| !event["grant_id"].is_null());
    let expected = [
        "denied",
        "consented",
        "verifier_mismatched",
        "code_redeemed",
        "code_replayed",
        "refreshed",
        "refresh_repeated",
        "refresh_replayed",
        "device_labelled",
        "grant_narrowed",
        "access_token_revoked",
        "grant_revoked",
        "connection_revoked",
    ];
    let happened = BTreeSet::from_iter(names(&told));
    for name in expected {
        assert!(happened.contains(name), "{name}: {happened:?}");
    }
    for event in &told {
        let whose = (&event["user_id"], &event["client_id"], &event["server_id"]);
        assert_eq!(whose, (&json!(user), &json!(client.id), &json!(server.id)), "{event}");
    }
    for filter in [format!("user={user}"), format!("client={}", client.id), format!("server={}", server.id)] {
        let mut found = world.events(&filter).await;
        found.retain(|event| !event["grant_id"].is_null());
        assert_eq!(found, told, "{filter}");
    }
    let stolen = told.iter().find(|event| event["name"] == "refresh_replayed").unwrap();
    let of_grant = world.events(&format!("grant={}", stolen["grant_id"].as_str().unwrap())).await;
    let last =
        ["refresh_replayed", "refreshed", "refresh_repeated", "refreshed", "code_redeemed", "consented"];
    assert_eq!(names(&of_grant), last, "the newest first");
}

/// What a key did, what was refused, what came from an address, what was when.
async fn events_are_asked_for_by_who_how_from_where_and_when(run: Run) {
    let world = run.world().await;
    let made = json!({ "name": "ci", "access": "write" });
    let key = world.administer(Method::POST, "/api/keys", Some(&made)).await.member("admin_key");
    world.person("ada@example.com").await;
    let mut eve = world.browser();
    let guess = json!({ "email": "ada@example.com", "password": "another password" });
    assert_eq!(eve.post_json("/auth/login", &guess).await.status(), 401);
    let bearer = format!("Bearer {key}");
    let asked = testkit::world::request(Method::GET, "/api/users", &[("authorization", &bearer)], "".into());
    world.send(asked).await;
    let before = world.clock.now().0;
    assert!(!world.events("").await.is_empty());
    world.clock.advance(100);
    let right = json!({ "email": "ada@example.com", "password": PASSWORD });
    assert_eq!(eve.post_json("/auth/login", &right).await.status(), 200);

    let of_key = world.events("actor=administrator:ci").await;
    assert_eq!(names(&of_key), ["administration_acted"]);
    assert_eq!(
        (&of_key[0]["detail"]["route"], &of_key[0]["from"]),
        (&json!("/api/users"), &json!("192.0.2.1"))
    );
    let refused = world.events("outcome=refused").await;
    assert_eq!(names(&refused), ["log_in_refused"]);
    assert_eq!((&refused[0]["why"], &refused[0]["from"]), (&json!("password"), &json!("198.51.100.7")));
    let from = world.events("from=198.51.100.7").await;
    assert!(from.iter().all(|event| event["from"] == "198.51.100.7") && from.len() >= 3, "{from:?}");
    let since = world.events(&format!("since={}&name=logged_in", before + 1)).await;
    assert_eq!(since.len(), 1, "{since:?}");
    let until = world.events(&format!("until={before}&name=logged_in")).await;
    assert!(until.iter().all(|event| event["at"] == before && *event != since[0]), "{until:?}");
    let user = world.user("ada@example.com").await;
    assert_eq!(world.events(&format!("actor=person:{user}&outcome=failed")).await, Vec::<Value>::new());
    for query in ["outcome=bad", "from=here", "user=a%20b", "since=x", "cursor=x", "who=me"] {
        let refused = world.administer(Method::GET, &format!("/api/events?{query}"), None).await;
        assert_eq!(refused.refusal(), (400, "invalid_request".to_owned()), "{query}");
    }
}

/// However long its pages are, the trail is the same: nothing twice, nothing left out, and each event has one id for good.
async fn the_trail_is_the_same_in_pages_of_any_length(run: Run) {
    let world = run.world().await;
    for number in 0..4 {
        world.person(&format!("a{number}@example.com")).await;
        // Each in a piece of its own, two of them in one second.
        world.events("").await;
        world.clock.advance(number % 2);
    }
    let until = format!("until={}", world.clock.now().0);
    let whole = world.events(&format!("{until}&name=signed_up")).await;
    assert_eq!(whole.len(), 4, "{whole:?}");
    let ids: BTreeSet<_> = whole.iter().map(|event| event["event_id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 4);
    for limit in 1..=3 {
        assert_eq!(
            pages(&world, &format!("{until}&name=signed_up&limit={limit}"), limit).await,
            whole,
            "{limit}"
        );
    }
    // Whoever follows goes by when something was written.
    let late = world.events(&format!("name=signed_up&written_since={}", world.clock.now().0)).await;
    assert!(late.len() < 4 && late.iter().all(|event| whole.contains(event)), "{late:?}");
}

async fn pages(world: &Sut, query: &str, limit: usize) -> Vec<Value> {
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = world.shown(&format!("/api/events?{query}{cursor}")).await;
        let events = page["events"].as_array().unwrap();
        assert!(events.len() <= limit, "{page}");
        seen.extend(events.iter().cloned());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return seen,
        }
    }
}

stamp! {
    each_event_of_a_grant_is_found_by_whose_it_is,
    events_are_asked_for_by_who_how_from_where_and_when,
    the_trail_is_the_same_in_pages_of_any_length,
}
