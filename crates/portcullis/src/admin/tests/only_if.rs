//! `ETag` and `If-Match`.

use http::header::{ETAG, IF_MATCH};

use super::*;

impl Sut {
    async fn conditional(&self, method: Method, path: &str, tag: &str, body: &str) -> u16 {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(AUTHORIZATION, format!("Bearer {KEY}"))
            .header(CONTENT_TYPE, "application/json")
            .header(IF_MATCH, tag)
            .body(Bytes::copy_from_slice(body.as_bytes()));
        self.send(request.unwrap()).await.0.status().as_u16()
    }

    async fn tag(&self, path: &str) -> String {
        let request = Request::get(path).header(AUTHORIZATION, format!("Bearer {KEY}")).body(Bytes::new());
        let (response, _) = self.send(request.unwrap()).await;
        response.headers()[ETAG].to_str().unwrap().to_owned()
    }
}

/// Of two who read a thing and change it, the later one would undo what the other did.
#[tokio::test]
async fn what_has_changed_since_it_was_read_is_not_changed() {
    let sut = sut();
    let made = sut.register("https://files.example.com/mcp").await;
    let path = format!("/api/servers/{}", made["server_id"].as_str().unwrap());
    let tag = sut.tag(&path).await;
    assert_eq!(sut.tag(&path).await, tag);
    let name = |name: &str| json!({ "name": name, "status": "blocked" }).to_string();
    // Two writes in one request are one change.
    assert_eq!(sut.conditional(Method::PATCH, &path, &tag, &name("One")).await, 200);
    assert_eq!(sut.conditional(Method::PATCH, &path, &tag, &name("Other")).await, 412);
    assert_eq!(sut.ask(Method::GET, &path, "").await.1["name"], "One");
    let now = sut.tag(&path).await;
    assert_ne!(now, tag);
    for (named, status) in [
        (format!("W/{now}"), 412),
        (now.trim_matches('"').to_owned(), 412),
        (String::new(), 412),
        (format!("{tag}, {now}"), 200),
        ("*".to_owned(), 200),
    ] {
        assert_eq!(sut.conditional(Method::PATCH, &path, &named, &name("Two")).await, status, "{named}");
    }
    assert_eq!(sut.conditional(Method::DELETE, &path, &tag, "").await, 412);
    let now = sut.tag(&path).await;
    assert_eq!(sut.conditional(Method::DELETE, &path, &now, "").await, 204);
    assert_eq!(sut.conditional(Method::DELETE, &path, &now, "").await, 404);
}

/// Between the look at the tag and the write somebody else may come.
#[test]
fn in_whatever_order_two_change_what_both_have_read_one_is_told_that_it_is_late() {
    use testkit::schedule::{Order, Task, Turns};

    let (mut late, mut interleaved) = (0, 0);
    for order in 0..256 {
        let turns = Turns::default();
        let memory = Arc::new(Memory::new());
        let store = turns.store(memory.clone());
        let clock = Arc::new(ManualClock::at(Time(1_800_000_000)));
        let entropy = Arc::new(SeededEntropy::new(1));
        let oversight = Oversight::new(store.clone(), clock.clone(), entropy.clone(), Arc::new(Traced));
        let issuer = Issuer::parse("https://auth.example.com").unwrap();
        let admin = Admin::new(issuer, store, oversight, clock, entropy);
        let sut = Sut { admin: admin.configured_key(Digest::of(KEY.as_bytes())), store: memory };
        let first = |task| turns.run(vec![task], Order::given(Vec::new())).remove(0);
        let path = first(Box::pin(async {
            let made = sut.register("https://files.example.com/mcp").await;
            format!("/api/servers/{}", made["server_id"].as_str().unwrap())
        }) as Task<'_, String>);
        let tag = first(Box::pin(sut.tag(&path)) as Task<'_, String>);
        let change = |name: &'static str| -> Task<'_, u16> {
            let (sut, path, tag) = (&sut, &path, &tag);
            let body = json!({ "name": name }).to_string();
            Box::pin(async move { sut.conditional(Method::PATCH, path, tag, &body).await })
        };
        let bytes: Vec<u8> = (0..8).map(|bit| order >> bit & 1).map(|bit: u32| bit as u8).collect();
        let statuses = turns.run(vec![change("One"), change("Other")], Order::given(bytes));
        late += statuses.iter().filter(|status| **status == 412).count();
        interleaved += statuses.iter().filter(|status| **status == 200).count();
    }
    assert_eq!((late, interleaved), (256, 256));
}

/// A user is an account and what is held against them.
#[tokio::test]
async fn the_tag_of_what_is_not_there_is_nothing_and_a_list_has_none() {
    let sut = sut();
    assert_eq!(sut.conditional(Method::DELETE, "/api/clients/cli_1", "*", "").await, 404);
    let request = Request::get("/api/servers").header(AUTHORIZATION, format!("Bearer {KEY}"));
    let (response, _) = sut.send(request.body(Bytes::new()).unwrap()).await;
    assert!(!response.headers().contains_key(ETAG));
    let document = openapi::document(&Issuer::parse("https://auth.example.com").unwrap());
    let of = |path: &str, method: &str| document["paths"][path][method].clone();
    for (path, method) in [
        ("/api/servers/{server}", "patch"),
        ("/api/clients/{client}", "delete"),
        ("/api/users/{user}", "patch"),
        ("/api/grants/{grant}", "delete"),
    ] {
        let operation = of(path, method);
        assert!(operation["responses"].get("412").is_some(), "{method} {path}");
        assert!(operation["parameters"].to_string().contains("If-Match"), "{method} {path}");
    }
    assert!(of("/api/servers/{server}", "get")["responses"]["200"]["headers"].get("ETag").is_some());
    assert!(of("/api/servers", "post")["responses"].get("412").is_none());
}
