//! What the check of a token costs, next to the bare check of its signature.
//!
//! `cargo bench -p resource-server` prints the ratios last.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark ends by a panic, and prints")]

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ambient::SystemClock;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use criterion::{Criterion, criterion_group};
use futures_util::FutureExt as _;
use resource_server::{Jwt, Verifier, Verify};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use testkit::provider::{Provider, Signer};
use testkit::scripted::Scripted;
use tokio::runtime::Runtime;

const RESOURCE: &str = "https://mcp.example.com/mcp";
const ISSUER: &str = "https://auth.example.com";
const FAR: i64 = 4_000_000_000;

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

/// A kind of signature: the check of a token, and that of its signature alone.
struct Case {
    name: &'static str,
    verifier: Verifier,
    token: SecretString,
    bare: Box<dyn Fn() -> bool>,
}

impl Case {
    fn all(runtime: &Runtime) -> Vec<Self> {
        let signers =
            [("EdDSA", Signer::ed25519("k")), ("ES256", Signer::es256("k")), ("RS256", Signer::rs256("k"))];
        signers.into_iter().map(|(name, signer)| Self::new(runtime, name, &signer)).collect()
    }

    fn new(runtime: &Runtime, name: &'static str, signer: &Signer) -> Self {
        let (net, provider) = world();
        provider.publish_keys(&net, &[signer]);
        let verifier = Verifier::builder(RESOURCE).fetch(net).jwt(Jwt::issued_by(ISSUER)).build().unwrap();
        let token = signer.token(&claims());
        runtime.block_on(verifier.verify(&token)).unwrap();
        let bare = bare(name, signer, &token);
        assert!(bare());
        Self { name, verifier, token, bare }
    }

    fn verify(&self) {
        drop(black_box(self.verifier.verify(black_box(&self.token)).now_or_never().unwrap().unwrap()));
    }
}

fn signed(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    for case in Case::all(&runtime) {
        let mut group = criterion.benchmark_group(case.name);
        group.bench_function("bare", |bencher| bencher.iter(|| black_box((case.bare)())));
        group.bench_function("verifier", |bencher| bencher.iter(|| case.verify()));
        group.finish();
    }
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

/// An opaque token that is remembered.
struct Opaque {
    verifier: Verifier,
    token: SecretString,
}

impl Opaque {
    fn new(runtime: &Runtime) -> Self {
        let (net, _provider) = world();
        let verifier =
            Verifier::builder(RESOURCE).fetch(net).portcullis(ISSUER, SecretString::from("sak_key"));
        // Benchmarks last longer than what is remembered by default.
        let verifier = verifier.remember(Duration::from_secs(300)).build().unwrap();
        let token = SecretString::from(format!("mat_{}", "a".repeat(72)));
        runtime.block_on(verifier.verify(&token)).unwrap();
        Self { verifier, token }
    }

    fn verify(&self) {
        drop(black_box(self.verifier.verify(black_box(&self.token)).now_or_never().unwrap().unwrap()));
    }
}

fn opaque(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let opaque = Opaque::new(&runtime);
    criterion.bench_function("opaque/cached", |bencher| bencher.iter(|| opaque.verify()));
}

/// The keys are replaced all the time, by a thread of its own, while tokens are checked.
fn rotation(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let case = Case::new(&runtime, "ES256", &Signer::es256("k"));
    let over = Arc::new(AtomicBool::new(false));
    let rotating = {
        let (over, verifier) = (Arc::clone(&over), case.verifier.clone());
        runtime.spawn(async move {
            while !over.load(Ordering::Relaxed) {
                // The first thing that it does is to fetch the keys.
                let kept = verifier.keep_ready();
                let _ = tokio::time::timeout(Duration::from_millis(2), kept).await;
            }
        })
    };
    criterion.bench_function("ES256/rotating", |bencher| bencher.iter(|| case.verify()));
    over.store(true, Ordering::Relaxed);
    runtime.block_on(rotating).unwrap();
}

/// The least time of each of two, in nanoseconds, measured in turns: what else the machine does meets both, and the least of many is
/// what neither can go below.
fn in_turns(one: &dyn Fn(), other: &dyn Fn()) -> (f64, f64) {
    let (mut least_one, mut least_other) = (f64::MAX, f64::MAX);
    for _ in 0..ROUNDS {
        least_one = least_one.min(nanoseconds(one));
        least_other = least_other.min(nanoseconds(other));
    }
    (least_one, least_other)
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn nanoseconds(work: &dyn Fn()) -> f64 {
    let start = Instant::now();
    for _ in 0..EACH {
        work();
    }
    start.elapsed().as_secs_f64() * 1e9 / f64::from(EACH)
}

const ROUNDS: usize = 1500;
const EACH: u32 = 8;

fn ratios() {
    let runtime = Runtime::new().unwrap();
    for case in Case::all(&runtime) {
        let (verifier, bare) = in_turns(&|| case.verify(), &|| assert!(black_box((case.bare)())));
        println!(
            "{}: {:.2} us, {:.3} of the bare signature ({:.2} us)",
            case.name,
            verifier / 1e3,
            verifier / bare,
            bare / 1e3
        );
    }
    let opaque = Opaque::new(&runtime);
    let (cached, clock) =
        in_turns(&|| opaque.verify(), &|| assert_ne!(black_box(ambient::Clock::now(&SystemClock)).0, 0));
    println!("a cached opaque token: {cached:.0} ns, of which {clock:.0} ns read the clock");
}

criterion_group!(benches, signed, opaque, rotation);

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
    println!();
    ratios();
}
