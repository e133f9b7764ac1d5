//! What a protection costs for each request, next to the bare check of a signature.
//!
//! `cargo bench -p resource-server --bench protection` prints ratios of what is measured in turns, in one run.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark ends by a panic, and prints")]

use std::cell::RefCell;
use std::convert::Infallible;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ambient::{Clock as _, ManualClock, SystemClock};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures_util::{FutureExt as _, stream};
use http::Request;
use http::request::Parts;
use resource_server::{
    ExposeSecret as _, Jwt, Passed, Protection, SecretString, Time, Verifier, VerifierBuilder, Verify,
};
use serde_json::{Value, json};
use testkit::provider::{Provider, Signer};
use testkit::scripted::Scripted;
use tokio::runtime::Runtime;

fn main() {
    let runtime = Runtime::new().unwrap();
    // Bodies have a deadline.
    let _inside = runtime.enter();
    cached(&runtime);
    for (name, signer) in
        [("EdDSA", Signer::ed25519("k")), ("ES256", Signer::es256("k")), ("RS256", Signer::rs256("k"))]
    {
        signed(&runtime, name, &signer);
    }
    rotation(&runtime);
}

/// An opaque token that is remembered.
fn cached(runtime: &Runtime) {
    let (net, _provider) = world();
    let builder = Verifier::builder(RESOURCE).fetch(net).portcullis(ISSUER, SecretString::from("sak_key"));
    // The benchmark lasts longer than what is remembered by default.
    let builder = builder.remember(Duration::from_secs(300));
    let token = SecretString::from(format!("mat_{}", "a".repeat(72)));
    let measured = Measured::new(runtime, builder, token, |protection| protection);
    let [pass, verify, clock] =
        in_turns([&|| measured.pass(), &|| measured.verify(), &|| _ = black_box(SystemClock.now())]);
    println!(
        "a cached opaque token: {pass:.0} ns, of which {verify:.0} ns are the verifier's, and {clock:.0} ns read the clock once"
    );
}

/// A signed token, where no tool needs a scope, and where a body says which tool it calls.
fn signed(runtime: &Runtime, name: &'static str, signer: &Signer) {
    let (net, provider) = world();
    provider.publish_keys(&net, &[signer]);
    let builder = || Verifier::builder(RESOURCE).fetch(net.clone()).jwt(Jwt::issued_by(ISSUER));
    let token = signer.token(&claims());
    let bare = bare(name, signer, &token);
    assert!(bare());
    let plain = Measured::new(runtime, builder(), token.clone(), |protection| protection);
    let tools = Measured::new(runtime, builder(), token, |protection| {
        protection.require_for_other_tools("mcp:tools")
    });
    let [pass, with_tools, verify, bare] =
        in_turns([&|| plain.pass(), &|| tools.pass(), &|| plain.verify(), &|| assert!(black_box(bare()))]);
    println!(
        "{name}: {:.2} us, {:.3} of the bare signature ({:.2} us); the verifier alone {:.3}; with the body of a tool {:.3}",
        pass / 1e3,
        pass / bare,
        bare / 1e3,
        verify / bare,
        with_tools / bare
    );
}

/// Tokens of two keys in turn, checked by two tasks at once, while the issuer publishes a new key and takes the oldest back after each
/// thousand of them; next to the same with keys that stay.
fn rotation(runtime: &Runtime) {
    let ring: Vec<Signer> = (0..RING).map(|number| Signer::es256(&format!("k{number}"))).collect();
    let tokens: Arc<Vec<SecretString>> =
        Arc::new(ring.iter().map(|signer| signer.token(&claims())).collect());
    let (net, provider) = world();
    let clock = Arc::new(ManualClock::at(Time(1_800_000_000)));
    let publish = |newest: usize| {
        let keys = [newest + RING - 2, newest + RING - 1, newest].map(|number| &ring[number % RING]);
        provider.publish_keys(&net, &keys);
    };
    publish(1);
    let verifier = Verifier::builder(RESOURCE).fetch(net.clone()).clock(clock.clone());
    let verifier = verifier.jwt(Jwt::issued_by(ISSUER)).build().unwrap();
    let newest = Arc::new(AtomicUsize::new(1));
    let thousand = |rotate: bool| {
        if rotate {
            // What an issuer may be asked for within 30 seconds is bounded.
            clock.advance(31);
            publish(newest.load(Ordering::SeqCst) + 1);
            newest.fetch_add(1, Ordering::SeqCst);
        }
        let workers = [0, 1].map(|_| {
            let (verifier, tokens, newest) =
                (verifier.clone(), Arc::clone(&tokens), newest.load(Ordering::SeqCst));
            runtime.spawn(async move {
                for number in 0..500 {
                    let token = &tokens[(newest - number % 2) % RING];
                    verifier.verify(token).await.unwrap();
                }
            })
        });
        for worker in workers {
            runtime.block_on(worker).unwrap();
        }
    };
    thousand(false);
    let before = net.calls(&provider.jwks_url());
    let [mut rotating, mut staying] = [f64::MAX; 2];
    for _ in 0..ROTATIONS {
        rotating = rotating.min(nanoseconds(1, &|| thousand(true)));
        staying = staying.min(nanoseconds(1, &|| thousand(false)));
    }
    println!(
        "ES256, two keys in turn, one of them new in each 1000 tokens: {:.3} of the same without; {} rotations, {} fetches, no token refused",
        rotating / staying,
        ROTATIONS,
        net.calls(&provider.jwks_url()) - before
    );
}

/// A protection, and a request that it lets through.
struct Measured {
    verifier: Verifier,
    protection: Protection,
    token: SecretString,
    request: RefCell<(Parts, Option<Passed>)>,
}

impl Measured {
    fn new(
        runtime: &Runtime,
        builder: VerifierBuilder,
        token: SecretString,
        more: impl Fn(resource_server::ProtectionBuilder) -> resource_server::ProtectionBuilder,
    ) -> Self {
        let verifier = builder.build().unwrap();
        runtime.block_on(verifier.verify(&token)).unwrap();
        let protection = more(Protection::builder(verifier.clone()).require("mcp:tools")).build().unwrap();
        let request = Request::post("/mcp")
            .header("host", "mcp.example.com")
            .header("user-agent", "client/1.0")
            .header("accept", "application/json, text/event-stream")
            .header("content-type", "application/json")
            .header("mcp-protocol-version", "2026-07-28")
            .header("authorization", format!("Bearer {}", token.expose_secret()));
        let request = RefCell::new((request.body(()).unwrap().into_parts().0, None));
        let measured = Self { verifier, protection, token, request };
        measured.pass();
        measured
    }

    /// The credentials that it takes away are given back to it for the next one.
    fn pass(&self) {
        let (head, before) = &mut *self.request.borrow_mut();
        let body = || stream::iter([Ok::<_, Infallible>(Bytes::from(CALL))]);
        let passing = self.protection.pass(black_box(head), before.take(), body);
        let (passed, _) = passing.now_or_never().unwrap().unwrap();
        *before = Some(black_box(passed));
    }

    fn verify(&self) {
        drop(black_box(self.verifier.verify(black_box(&self.token)).now_or_never().unwrap().unwrap()));
    }
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "248289761001", "aud": RESOURCE, "client_id": "https://app.example.com/client.json",
        "scope": "mcp:tools files:read files:write", "iat": 1_700_000_000, "exp": FAR, "jti": "dbe39bf3a3ba4238a513f51d6e1691c4",
    })
}

fn world() -> (Arc<Scripted>, Provider) {
    let (net, provider) = (Scripted::new(), Provider::new(ISSUER));
    provider.publish(&net);
    let yes = json!({"active": true, "iss": ISSUER, "sub": "alice", "aud": RESOURCE, "exp": FAR, "scope": "mcp:tools"});
    net.answers(&provider.introspection_url(), yes);
    (net, provider)
}

/// The signature alone, of bytes that are decoded already, by the library below.
fn bare(name: &str, signer: &Signer, token: &SecretString) -> Box<dyn Fn() -> bool> {
    let (input, signature) = token.expose_secret().rsplit_once('.').unwrap();
    let (input, signature) = (input.to_owned(), URL_SAFE_NO_PAD.decode(signature).unwrap());
    let jwk = signer.jwk();
    let member = |member: &str| URL_SAFE_NO_PAD.decode(jwk[member].as_str().unwrap()).unwrap();
    match name {
        "EdDSA" => {
            let key = UnparsedPublicKey::new(&ED25519, member("x"));
            Box::new(move || key.verify(input.as_bytes(), &signature).is_ok())
        }
        "ES256" => {
            let point = [vec![4], member("x"), member("y")].concat();
            let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
            Box::new(move || key.verify(input.as_bytes(), &signature).is_ok())
        }
        _ => {
            let key = RsaPublicKeyComponents { n: member("n"), e: member("e") };
            Box::new(move || key.verify(&RSA_PKCS1_2048_8192_SHA256, input.as_bytes(), &signature).is_ok())
        }
    }
}

/// The least time of each, in nanoseconds, measured in turns: what else the machine does meets all of them, and the least of many is
/// what none can go below.
fn in_turns<const N: usize>(works: [&dyn Fn(); N]) -> [f64; N] {
    let mut least = [f64::MAX; N];
    for _ in 0..ROUNDS {
        for (least, work) in least.iter_mut().zip(works) {
            *least = least.min(nanoseconds(EACH, work));
        }
    }
    least
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn nanoseconds(times: u32, work: &dyn Fn()) -> f64 {
    let start = Instant::now();
    for _ in 0..times {
        work();
    }
    start.elapsed().as_secs_f64() * 1e9 / f64::from(times)
}

const RESOURCE: &str = "https://mcp.example.com/mcp";
const ISSUER: &str = "https://auth.example.com";
const FAR: i64 = 4_000_000_000;
const CALL: &str =
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search","arguments":{"text":"a"}}}"#;
const ROUNDS: usize = 1500;
const EACH: u32 = 8;
const RING: usize = 8;
const ROTATIONS: usize = 60;
