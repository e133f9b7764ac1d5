//! The keys of the administration, and what is told of their use.

use super::*;

/// WA-25: several keys, with names and access of their own, that can be withdrawn.
#[tokio::test]
async fn a_key_that_reads_writes_nothing_and_one_that_was_withdrawn_does_nothing() {
    let whole = whole().await;
    let made = whole.make("/api/keys", json!({ "name": "ci", "access": "read" })).await;
    let key = format!("Bearer {}", made["admin_key"].as_str().unwrap());
    let own = [("authorization", key.as_str())];
    assert_eq!(whole.send("GET", "/api/servers", None, &own).await.0, 200);
    for route in &routes::ROUTES {
        if route.access == store::AdminAccess::Write {
            let (status, problem, headers) = whole.send(route.method, route.path, None, &own).await;
            assert_eq!((status, &problem["error"]), (403, &json!("insufficient_scope")), "{}", route.path);
            assert_eq!(headers["www-authenticate"], "Bearer error=\"insufficient_scope\"");
        }
    }
    let (_, keys) = whole.ask("GET", "/api/keys", None).await;
    let used = |keys: &Value| keys["keys"][1]["last_used_at"].clone();
    assert_eq!(
        (&keys["keys"][0]["name"], &keys["keys"][1]["access"]),
        (&json!("configured"), &json!("read"))
    );
    assert_eq!(used(&keys), NOW);
    assert!(!keys.to_string().contains("adm_") && !keys.to_string().contains("digest"));
    whole.clock.advance(59);
    whole.send("GET", "/api/servers", None, &own).await;
    assert_eq!(used(&whole.ask("GET", "/api/keys", None).await.1), NOW, "at most once a minute");
    whole.clock.advance(1);
    whole.send("GET", "/api/servers", None, &own).await;
    assert_eq!(used(&whole.ask("GET", "/api/keys", None).await.1), NOW + 60);

    assert_eq!(whole.ask("DELETE", "/api/keys/ci", None).await.0, 204);
    assert_eq!(whole.send("GET", "/api/servers", None, &own).await.0, 401);
    assert_eq!(whole.ask("DELETE", "/api/keys/ci", None).await.0, 404);
    assert_eq!(whole.ask("DELETE", "/api/keys/configured", None).await.0, 409);
    for (name, status) in [("ci", 409), ("configured", 409), ("", 400), ("a b", 400), ("a/b", 400)] {
        assert_eq!(whole.ask("POST", "/api/keys", Some(json!({ "name": name }))).await.0, status, "{name}");
    }
}

#[tokio::test]
async fn the_last_key_that_writes_stays() {
    let portcullis = Portcullis::builder(Config { store: StoreKind::Memory, ..Config::default() })
        .password_cost(Cost::least())
        .open()
        .await
        .unwrap();
    let key = format!("Bearer {}", portcullis.new_admin_key().unwrap().expose_secret());
    let whole = Whole { portcullis, store: Arc::default(), clock: Arc::new(ManualClock::at(Time(NOW))) };
    let own = [("authorization", key.as_str())];
    let taken = json!({ "name": "default" });
    assert_eq!(whole.send("POST", "/api/keys", Some(taken), &own).await.0, 409, "not kept yet, but shown");
    assert_eq!(whole.portcullis.keep_new_admin_key().await.unwrap(), Kept::This);
    let read = json!({ "name": "reads", "access": "read" });
    assert_eq!(whole.send("POST", "/api/keys", Some(read), &own).await.0, 201);
    assert_eq!(whole.send("DELETE", "/api/keys/default", None, &own).await.0, 409);
    assert_eq!(whole.send("POST", "/api/keys", Some(json!({ "name": "second" })), &own).await.0, 201);
    assert_eq!(whole.send("DELETE", "/api/keys/default", None, &own).await.0, 204);
    assert_eq!(whole.send("GET", "/api/keys", None, &own).await.0, 401);
}

#[tokio::test]
async fn whatever_a_key_does_is_told_but_the_reading_of_events() {
    let told = Arc::new(Collected::default());
    let Sut { admin, store: _store } = sut();
    let sut = Sut { admin: admin.events(told.clone()), store: _store };
    for (method, path) in [
        (Method::GET, "/api/servers"),
        (Method::DELETE, "/api/grants/x"),
        (Method::GET, "/api/events"),
        (Method::GET, "/api/openapi.json"),
        (Method::GET, "/api/nothing"),
    ] {
        sut.ask(method, path, "").await;
    }
    let acted = |method, route, outcome| {
        let key = authz_core::KeyName::configured();
        Event::from(OversightEvent::AdministrationActed { key, method, route, outcome })
    };
    let expected = [
        acted("GET", "/api/servers", Outcome::Done),
        acted("DELETE", "/api/grants/{grant}", Outcome::Refused),
    ];
    assert_eq!(told.take(), expected);
}

/// The attack: a key that may only read, which is used without end.
#[tokio::test]
async fn a_key_that_is_used_too_often_waits_and_others_do_not() {
    let Sut { admin, store } = sut();
    let clock = Arc::new(ManualClock::at(Time(600)));
    let sut = Sut { admin: admin.limits_uses(Arc::new(Counted::alone(clock.clone()))), store };
    let (_, made) = sut.ask(Method::POST, "/api/keys", r#"{"name":"reads","access":"read"}"#).await;
    let key = made["admin_key"].as_str().unwrap();
    let end = || Request::delete("/api/keys/zz").header(AUTHORIZATION, format!("Bearer {key}"));
    for number in 1..=600 {
        assert_eq!(sut.send(end().body(Bytes::new()).unwrap()).await.0.status(), 403, "{number}");
    }
    clock.advance(20);
    let (response, problem) = sut.send(end().body(Bytes::new()).unwrap()).await;
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(response.headers()["retry-after"], "40");
    assert!(problem["detail"].as_str().unwrap().contains("used too often"), "{problem}");
    assert_eq!(sut.ask(Method::GET, "/api/keys", "").await.0, 200, "another key");
    clock.advance(40);
    assert_eq!(sut.send(end().body(Bytes::new()).unwrap()).await.0.status(), 403);
}
