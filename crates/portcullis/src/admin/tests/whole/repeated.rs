//! Requests that come again.

use super::*;
use crate::admin::once::Turn;

#[tokio::test]
async fn a_request_with_the_same_idempotency_key_makes_nothing_again() {
    let whole = whole().await;
    let body = || json!({ "name": "S", "resource_url": "https://s.example" });
    let headers = [("idempotency-key", "one")];
    let (status, first, _) = whole.send("POST", "/api/servers", Some(body()), &headers).await;
    assert_eq!(status, 201);
    let (status, again, answered) = whole.send("POST", "/api/servers", Some(body()), &headers).await;
    assert_eq!((status, &again["server_id"]), (200, &first["server_id"]));
    assert_eq!(answered["idempotency-replayed"], "true");
    assert!(again.get("api_key").is_none() && again["message"].as_str().unwrap().contains("not shown again"));
    let other = json!({ "name": "Other", "resource_url": "https://o.example" });
    let (status, problem, _) = whole.send("POST", "/api/servers", Some(other.clone()), &headers).await;
    assert_eq!((status, &problem["error"]), (422, &json!("idempotency_key_reused")));
    // Another route, another key, a day later: each is another request.
    assert_eq!(whole.send("POST", "/api/keys", Some(json!({ "name": "k" })), &headers).await.0, 201);
    let two = [("idempotency-key", "two")];
    assert_eq!(whole.send("POST", "/api/servers", Some(body()), &two).await.0, 409);
    assert_eq!(
        whole.send("POST", "/api/servers", Some(other.clone()), &two).await.0,
        201,
        "a refused one may be mended"
    );
    whole.clock.advance(86_400);
    assert_eq!(whole.send("POST", "/api/servers", Some(other), &headers).await.0, 409);
    for wrong in ["", "é"] {
        assert_eq!(
            whole.send("POST", "/api/servers", Some(body()), &[("idempotency-key", wrong)]).await.0,
            400
        );
    }
    assert_eq!(
        whole
            .send("POST", "/api/servers", Some(body()), &[("idempotency-key", "a"), ("idempotency-key", "a")])
            .await
            .0,
        400
    );
}

/// Whoever made the claim has died, or is slow: the others wait a minute.
#[tokio::test]
async fn a_request_that_never_ended_is_taken_over_after_a_minute() {
    let whole = whole().await;
    let once = Once::new(whole.store.clone(), whole.clock.clone(), Arc::new(SeededEntropy::new(2)));
    let mut headers = HeaderMap::new();
    headers.insert("idempotency-key", HeaderValue::from_static("one"));
    let dead = once.begin(&headers, "scope", b"{}").await.unwrap();
    assert!(matches!(dead, Turn::First(Some(_))), "{dead:?}");
    whole.clock.advance(59);
    assert!(matches!(once.begin(&headers, "scope", b"{}").await, Err(Problem::StillMaking)));
    assert!(matches!(once.begin(&headers, "other scope", b"{}").await, Ok(Turn::First(Some(_)))));
    whole.clock.advance(1);
    let Ok(Turn::First(Some(next))) = once.begin(&headers, "scope", b"{}").await else { panic!() };
    once.made(&next, "srv_1").await.unwrap();
    assert!(matches!(once.begin(&headers, "scope", b"{}").await, Ok(Turn::Again(id)) if id == "srv_1"));
    // The dead one comes to life: what stands for the request stays.
    let Turn::First(Some(dead)) = dead else { panic!() };
    once.made(&dead, "srv_2").await.unwrap();
    once.failed(&dead).await.unwrap();
    assert!(matches!(once.begin(&headers, "scope", b"{}").await, Ok(Turn::Again(id)) if id == "srv_1"));
}

#[tokio::test]
async fn of_many_requests_with_one_idempotency_key_one_makes_something() {
    let whole = Arc::new(whole().await);
    let mut tasks = Vec::new();
    for _ in 0..16 {
        let whole = whole.clone();
        tasks.push(tokio::spawn(async move {
            let metadata = json!({ "redirect_uris": ["https://c.example/cb"] });
            let body = json!({ "metadata": metadata });
            whole.send("POST", "/api/clients", Some(body), &[("idempotency-key", "one")]).await.0
        }));
    }
    let mut made = 0;
    for task in tasks {
        let status = task.await.unwrap();
        assert!([200, 201, 409].contains(&status), "{status}");
        made += usize::from(status == 201);
    }
    assert_eq!(made, 1);
    assert_eq!(whole.ask("GET", "/api/clients", None).await.1["clients"].as_array().unwrap().len(), 1);
}
