//! What the middleware costs around a route that does nothing, with an opaque token that is remembered.
//!
//! `cargo bench -p adapters-actix --features protect --bench middleware` prints what is measured in turns, in one run.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark ends by a panic, and prints")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::dev::Service as _;
use actix_web::test::{TestRequest, init_service, try_call_service};
use actix_web::{App, HttpResponse, web};
use adapters_actix::protect::protect;
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::Request;
use http_io::{FetchError, Limits};
use resource_server::{Fetch, Protection, SecretString, Verifier};

fn main() {
    actix_web::rt::System::new().block_on(async {
        let token = format!("Bearer mat_{}", "a".repeat(72));
        let empty = || web::resource("/mcp").to(HttpResponse::Ok);
        let bare = init_service(App::new().service(empty())).await;
        let behind = init_service(App::new().service(empty().wrap(protect(protection())))).await;
        assert_eq!(try_call_service(&behind, request(&token).to_request()).await.unwrap().status(), 200);
        let call_bare = || {
            let answer = bare.call(request(&token).to_request()).now_or_never().unwrap().unwrap();
            assert_eq!(black_box(answer).status(), 200);
        };
        let call_behind = || {
            let answer = behind.call(request(&token).to_request()).now_or_never().unwrap().unwrap();
            assert_eq!(black_box(answer).status(), 200);
        };
        let [behind, bare] = in_turns([&call_behind, &call_bare]);
        println!(
            "actix-web: a request of {bare:.0} ns takes {behind:.0} ns behind the middleware, {:.0} ns more, {:.2} of the bare one",
            behind - bare,
            behind / bare
        );
    });
}

fn request(token: &str) -> TestRequest {
    TestRequest::post()
        .uri("/mcp")
        .insert_header(("host", "mcp.example.com"))
        .insert_header(("user-agent", "client/1.0"))
        .insert_header(("accept", "application/json, text/event-stream"))
        .insert_header(("content-type", "application/json"))
        .insert_header(("mcp-protocol-version", "2026-07-28"))
        .insert_header(("authorization", token))
}

/// Knows one token, and remembers it.
fn protection() -> Protection {
    let verifier =
        Verifier::builder(RESOURCE).fetch(Arc::new(Issuer)).portcullis(ISSUER, SecretString::from("sak_key"));
    let verifier = verifier.remember(Duration::from_secs(300)).build().unwrap();
    Protection::builder(verifier).require("mcp:tools").build().unwrap()
}

/// An authorization server in this process.
struct Issuer;

#[async_trait]
impl Fetch for Issuer {
    async fn fetch(&self, request: Request<Bytes>, _: Limits) -> Result<http::Response<Bytes>, FetchError> {
        let endpoint = format!("{ISSUER}/introspect");
        let body = if request.uri() == endpoint.as_str() {
            format!(
                r#"{{"active":true,"iss":"{ISSUER}","sub":"alice","aud":"{RESOURCE}","exp":4000000000,"scope":"mcp:tools"}}"#
            )
        } else {
            format!(r#"{{"issuer":"{ISSUER}","introspection_endpoint":"{endpoint}"}}"#)
        };
        Ok(http::Response::new(body.into()))
    }
}

/// The least time of each, in nanoseconds, measured in turns: what else the machine does meets both, and the least of many is what
/// neither can go below.
fn in_turns(works: [&dyn Fn(); 2]) -> [f64; 2] {
    let mut least = [f64::MAX; 2];
    for _ in 0..ROUNDS {
        for (least, work) in least.iter_mut().zip(works) {
            *least = least.min(nanoseconds(work));
        }
    }
    least
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn nanoseconds(work: &dyn Fn()) -> f64 {
    let start = Instant::now();
    for _ in 0..EACH {
        work();
    }
    start.elapsed().as_secs_f64() * 1e9 / f64::from(EACH)
}

const RESOURCE: &str = "https://mcp.example.com/mcp";
const ISSUER: &str = "https://auth.example.com";
const ROUNDS: usize = 3000;
const EACH: u32 = 32;
