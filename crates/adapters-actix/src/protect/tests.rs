use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::App;
use actix_web::body::to_bytes;
use actix_web::error::ErrorImATeapot;
use actix_web::middleware::from_fn;
use actix_web::test::{TestRequest, init_service, try_call_service};
use async_trait::async_trait;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use oauth_types::{Issuer, Resource};
use resource_server::{ProtectionBuilder, Rejection, Unavailable, Verify};
use secrecy::SecretString;

use super::*;

struct Anybody(Resource);

#[async_trait]
impl Verify for Anybody {
    async fn verify(&self, _: &SecretString) -> Result<Arc<Verified>, Rejection> {
        let issuer = Issuer::parse("https://auth.example").unwrap();
        Ok(Arc::new(Verified::new(issuer, "alice", self.0.clone())))
    }

    fn resource(&self) -> &Resource {
        &self.0
    }

    fn issuers(&self) -> Vec<Issuer> {
        Vec::new()
    }

    fn ready(&self) -> Result<(), Unavailable> {
        Ok(())
    }
}

fn protection() -> Protection {
    Protection::new(Anybody(Resource::parse("https://mcp.example/mcp").unwrap()))
}

fn request() -> TestRequest {
    TestRequest::post().uri("/mcp").insert_header(("authorization", "Bearer abc"))
}

/// Its second piece never comes: whoever waited for the whole would wait for ever.
fn endless() -> impl futures_util::Stream<Item = Result<Bytes, actix_web::error::PayloadError>> {
    stream::iter([Ok(Bytes::from("data: 1\n\n"))]).chain(stream::pending())
}

#[tokio::test]
async fn whoever_watches_is_told_whether_tokens_can_be_checked() {
    let application = init_service(App::new().route("/ready", readiness(&protection()))).await;
    let asked = TestRequest::get().uri("/ready").to_request();
    let answer = try_call_service(&application, asked).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers().get("cache-control").unwrap(), "no-store");
}

#[tokio::test]
async fn an_answer_streams() {
    let events = web::to(|| async { HttpResponse::Ok().streaming(endless()) });
    let application = App::new().default_service(events).wrap(protect(protection()));
    let application = init_service(application).await;
    let answer = try_call_service(&application, request().to_request()).await.unwrap();
    assert_eq!(answer.headers().get("access-control-allow-origin").unwrap(), "*");
    let mut body = answer.into_body();
    let first = poll_fn(|cx| Pin::new(&mut body).poll_next(cx)).await.unwrap();
    assert_eq!(first.ok().unwrap(), "data: 1\n\n");
}

#[tokio::test]
async fn a_request_streams_where_no_tool_needs_a_scope() {
    let first = |mut body: Payload| async move { body.next().await.unwrap().unwrap() };
    let application = App::new().service(web::resource("/mcp").to(first).wrap(protect(protection())));
    let application = init_service(application).await;
    let payload = dev::Payload::Stream { payload: endless().boxed_local() };
    let answer = try_call_service(&application, request().to_request().replace_payload(payload).0).await;
    assert_eq!(to_bytes(answer.unwrap().into_body()).await.ok().unwrap(), "data: 1\n\n");
}

/// Whoever stole a token could hold requests open with it, and end them when they like.
#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_end_is_408() {
    let protection = Protection::builder(Anybody(Resource::parse("https://mcp.example/mcp").unwrap()));
    let protection = protection.require_for_tool("delete", "b").build().unwrap();
    let application = App::new().default_service(web::to(HttpResponse::Ok)).wrap(protect(protection));
    let application = init_service(application).await;
    let payload = dev::Payload::Stream { payload: endless().boxed_local() };
    let answer = try_call_service(&application, request().to_request().replace_payload(payload).0).await;
    assert_eq!(answer.unwrap().status().as_u16(), 408);
}

/// The client is told as by any other refusal, also where it is a page.
#[tokio::test]
async fn a_body_that_breaks_off_is_400_with_its_code_and_cors() {
    let protection = Protection::builder(Anybody(Resource::parse("https://mcp.example/mcp").unwrap()));
    let protection = protection.require_for_tool("delete", "b").build().unwrap();
    let application = App::new().default_service(web::to(HttpResponse::Ok)).wrap(protect(protection));
    let application = init_service(application).await;
    let broken = stream::iter([Ok(Bytes::from("{")), Err(actix_web::error::PayloadError::Incomplete(None))]);
    let payload = dev::Payload::Stream { payload: broken.boxed_local() };
    let answer = try_call_service(&application, request().to_request().replace_payload(payload).0).await;
    let answer = answer.unwrap();
    assert_eq!(answer.status().as_u16(), 400);
    assert_eq!(answer.headers().get("access-control-allow-origin").unwrap(), "*");
    let body = to_bytes(answer.into_body()).await.ok().unwrap();
    assert!(String::from_utf8_lossy(&body).contains("body_broken_off"), "{body:?}");
}

fn optional(more: impl FnOnce(ProtectionBuilder) -> ProtectionBuilder) -> Protection {
    let builder = Protection::builder(Anybody(Resource::parse("https://mcp.example/mcp").unwrap()));
    more(builder.optional()).build().unwrap()
}

/// A page can make its name resolve to any server, and a browser sends no `Origin` with its `GET` then (DNS rebinding).
#[tokio::test]
async fn nobody_comes_in_by_another_name_than_the_servers() {
    let protection = optional(|builder| builder.also_known_as(["mcp.internal"]));
    let reached = web::to(|_: MaybeCaller| HttpResponse::Ok());
    let application = init_service(App::new().default_service(reached).wrap(protect(protection))).await;
    let status = async |uri: &str, host: Option<&str>, authorization: Option<&str>| {
        let asked = TestRequest::get().uri(uri);
        let asked = host.into_iter().fold(asked, |asked, host| asked.insert_header(("host", host)));
        let shown = authorization.into_iter();
        let asked = shown.fold(asked, |asked, token| asked.insert_header(("authorization", token)));
        try_call_service(&application, asked.to_request()).await.unwrap().status().as_u16()
    };
    for host in ["mcp.example", "MCP.example:8443", "mcp.internal:80"] {
        assert_eq!(status("/mcp", Some(host), None).await, 200, "{host}");
        assert_eq!(status(&format!("http://{host}/mcp"), None, None).await, 200, "{host}");
    }
    for host in ["evil.example", "mcp.example.evil.example"] {
        assert_eq!(status("/mcp", Some(host), None).await, 401, "{host}");
        assert_eq!(status(&format!("http://{host}/mcp"), Some("mcp.example"), None).await, 401, "{host}");
        assert_eq!(status("/mcp", Some(host), Some("Bearer abc")).await, 200, "{host}");
    }
    assert_eq!(status("/mcp", None, None).await, 401);
}

#[tokio::test]
async fn of_nobody_no_more_is_read_than_64_kib() {
    let protection = optional(|builder| builder.require_for_tool("delete", "b"));
    let application = App::new().default_service(web::to(HttpResponse::Ok)).wrap(protect(protection));
    let application = init_service(application).await;
    let read = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&read);
    let pieces = stream::repeat(Bytes::from(vec![b' '; 1024])).map(move |piece| {
        counted.fetch_add(piece.len(), Ordering::Relaxed);
        Ok(piece)
    });
    let payload = dev::Payload::Stream { payload: pieces.boxed_local() };
    let asked = TestRequest::post().uri("/mcp").insert_header(("host", "mcp.example")).to_request();
    let answer = try_call_service(&application, asked.replace_payload(payload).0).await.unwrap();
    assert_eq!(answer.status().as_u16(), 401);
    assert_eq!(read.load(Ordering::Relaxed), 65 * 1024);
}

/// Whoever sends more than there is room for is told so, and the next one finds room.
#[tokio::test]
async fn bodies_that_there_is_no_room_for_are_503_until_others_are_done() {
    let limit = 48 * 1024 * 1024;
    let builder = Protection::builder(Anybody(Resource::parse("https://mcp.example/mcp").unwrap()));
    let protection = builder.require_for_tool("delete", "b").body_limit(limit).build().unwrap();
    let application = App::new().default_service(web::to(HttpResponse::Ok)).wrap(protect(protection));
    let application = init_service(application).await;
    let first = stream::iter([Ok(Bytes::from(vec![b' '; limit]))]).chain(stream::pending());
    let payload = dev::Payload::Stream { payload: first.boxed_local() };
    let first = request().to_request().replace_payload(payload).0;
    let mut waiting = Box::pin(try_call_service(&application, first));
    assert!((&mut waiting).now_or_never().is_none());
    let ping = || request().set_payload(r#"{"method":"ping"}"#).to_request();
    let answer = try_call_service(&application, ping()).await.unwrap();
    assert_eq!(answer.status().as_u16(), 503);
    assert_eq!(answer.headers().get("retry-after").unwrap(), "5");
    drop(waiting);
    assert_eq!(try_call_service(&application, ping()).await.unwrap().status().as_u16(), 200);
}

#[tokio::test]
async fn whoever_an_outer_protection_let_in_is_nobody_where_the_inner_one_says_so() {
    let outer = Protection::builder(Anybody(Resource::parse("https://mcp.example/mcp").unwrap()));
    let outer = outer.keep_authorization_header().build().unwrap();
    let strips = from_fn(async |mut request: ServiceRequest, next: actix_web::middleware::Next<_>| {
        request.headers_mut().remove(actix_header::AUTHORIZATION);
        next.call(request).await
    });
    let says = |request: HttpRequest, MaybeCaller(caller): MaybeCaller| async move {
        assert!(caller.is_none());
        request.extensions().get::<Arc<Verified>>().is_none().to_string()
    };
    let route = web::resource("/mcp").to(says).wrap(protect(optional(|builder| builder)));
    let application = init_service(App::new().service(route.wrap(strips).wrap(protect(outer)))).await;
    let asked = request().insert_header(("host", "mcp.example")).to_request();
    let answer = try_call_service(&application, asked).await.unwrap();
    assert_eq!(to_bytes(answer.into_body()).await.ok().unwrap(), "true");
}

#[tokio::test]
async fn an_inner_protection_that_keeps_the_credentials_shows_them() {
    let inner = Protection::builder(Anybody(Resource::parse("https://mcp.example/mcp").unwrap()));
    let inner = inner.keep_authorization_header().build().unwrap();
    let says = |request: HttpRequest| async move {
        request.headers().get("authorization").unwrap().to_str().unwrap().to_owned()
    };
    let route = web::resource("/mcp").to(says).wrap(protect(inner)).wrap(protect(protection()));
    let application = init_service(App::new().service(route)).await;
    let answer = try_call_service(&application, request().to_request()).await.unwrap();
    assert_eq!(to_bytes(answer.into_body()).await.ok().unwrap(), "Bearer abc");
}

#[tokio::test]
async fn a_request_that_something_outside_keeps_is_500() {
    let keeps = from_fn(async |request: ServiceRequest, next: actix_web::middleware::Next<_>| {
        let kept = request.request().clone();
        let answer = next.call(request).await;
        drop(kept);
        answer
    });
    let application = App::new()
        .service(web::resource("/mcp").to(HttpResponse::Ok).wrap(protect(protection())).wrap(keeps));
    let application = init_service(application).await;
    let answer = try_call_service(&application, request().to_request()).await.unwrap();
    assert_eq!(answer.status().as_u16(), 500);
}

/// What a protection reads reaches it, of whatever framework the types are, and twice if it came twice.
#[tokio::test]
async fn the_protection_sees_each_header_that_it_reads() {
    assert_eq!(READ.len(), READ_HEADERS.len());
    let asked =
        READ_HEADERS.iter().fold(TestRequest::with_uri("http://a.example:8080/mcp"), |asked, name| {
            asked.append_header((name.as_str(), "one")).append_header((name.as_str(), "two"))
        });
    let head = read_head(&asked.insert_header(("accept", "*/*")).to_http_request()).unwrap();
    for name in READ_HEADERS {
        assert_eq!(head.headers.get_all(&name).iter().collect::<Vec<_>>(), ["one", "two"], "{name}");
    }
    assert_eq!(head.headers.len(), 2 * READ_HEADERS.len());
    assert_eq!(head.uri.authority().unwrap(), "a.example:8080");
}

/// RS-19: what the answer had stays, where it says the same.
#[tokio::test]
async fn a_page_of_an_allowed_origin_is_told_so_and_another_one_is_not() {
    let verifier = Anybody(Resource::parse("https://mcp.example/mcp").unwrap());
    let protection = Protection::builder(verifier).allowed_origins(["https://app.example"]).build().unwrap();
    let ours = HeaderValue::from_static("https://app.example");
    let answered = |origin: Option<&HeaderValue>| {
        let mut answer = HttpResponse::Ok();
        answer.insert_header(("access-control-allow-origin", "*")).insert_header(("vary", "accept, Origin"));
        let mut answer = answer.finish();
        finish(&protection, origin, answer.headers_mut());
        finish(&protection, origin, answer.headers_mut());
        answer
    };
    let allowed = answered(Some(&ours));
    assert_eq!(allowed.headers().get("access-control-allow-origin").unwrap(), "https://app.example");
    assert!(allowed.headers().contains_key("access-control-expose-headers"));
    assert_eq!(allowed.headers().get_all("vary").count(), 1);
    let other = answered(None);
    assert!(!other.headers().contains_key("access-control-allow-origin"));
    assert!(!other.headers().contains_key("access-control-expose-headers"));
}

/// RS-19: a script that cannot read an error cannot act on it.
#[tokio::test]
async fn an_error_of_middleware_behind_has_cors_and_stays_what_it_is() {
    let fails = from_fn(async |_: ServiceRequest, _: actix_web::middleware::Next<_>| {
        Err::<ServiceResponse, _>(ErrorImATeapot("no coffee"))
    });
    let application = App::new().wrap(fails).wrap(protect(protection()));
    let application = init_service(application).await;
    let error = try_call_service(&application, request().to_request()).await.err().unwrap();
    assert_eq!(error.to_string(), "no coffee");
    let answer = error.error_response();
    assert_eq!(answer.status().as_u16(), 418);
    assert_eq!(answer.headers().get("access-control-allow-origin").unwrap(), "*");
}

#[cfg(feature = "tower")]
#[test]
fn a_tower_service_learns_who_calls_and_not_by_which_token() {
    let names = tower::service_fn(async |request: http::Request<crate::Incoming>| {
        assert!(!request.headers().contains_key("authorization"));
        let caller = request.extensions().get::<Arc<Verified>>().unwrap();
        let name = Bytes::from(caller.subject.clone().unwrap());
        Ok::<_, std::convert::Infallible>(Response::new(http_body_util::Full::new(name)))
    });
    actix_web::rt::System::new().block_on(async {
        let route = crate::tower_service(names);
        let mcp = web::resource("/mcp").route(route).wrap(protect(protection()));
        let application = init_service(App::new().service(mcp)).await;
        let answer = try_call_service(&application, request().to_request()).await.unwrap();
        assert_eq!(to_bytes(answer.into_body()).await.ok().unwrap(), "alice");
    });
}
