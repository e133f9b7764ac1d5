//! What the layer costs around a service that does nothing, with an opaque token that is remembered.
//!
//! `cargo bench -p adapters-axum --features protect --bench layer` prints what is measured in turns, in one run.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark ends by a panic, and prints")]

use std::convert::Infallible;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use adapters_axum::protect::protect;
use async_trait::async_trait;
use axum::body::Body;
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::Request;
use http_io::{FetchError, Limits};
use resource_server::{Fetch, Protection, SecretString, Verifier};
use tower::{Layer as _, Service, ServiceExt as _, service_fn};

fn main() {
    let empty = service_fn(async |request: Request<Body>| {
        black_box(request);
        Ok::<_, Infallible>(http::Response::new(Body::empty()))
    });
    let protected = protect(protection()).layer(empty);
    let token = format!("Bearer mat_{}", "a".repeat(72));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    assert_eq!(runtime.block_on(protected.clone().oneshot(request(&token))).unwrap().status(), 200);
    let call = |answer: Option<Result<http::Response<Body>, Infallible>>| {
        assert_eq!(black_box(answer).unwrap().unwrap().status(), 200);
    };
    let bare = || call(empty.clone().call(request(&token)).now_or_never());
    let behind = || call(protected.clone().call(request(&token)).now_or_never());
    let [behind, bare] = in_turns([&behind, &bare]);
    println!(
        "axum: a request of {bare:.0} ns takes {behind:.0} ns behind the layer, {:.0} ns more, {:.2} of the bare one",
        behind - bare,
        behind / bare
    );
}

fn request(token: &str) -> Request<Body> {
    let request = Request::post("/mcp")
        .header("host", "mcp.example.com")
        .header("user-agent", "client/1.0")
        .header("accept", "application/json, text/event-stream")
        .header("content-type", "application/json")
        .header("mcp-protocol-version", "2026-07-28")
        .header("authorization", token);
    request.body(Body::empty()).unwrap()
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
