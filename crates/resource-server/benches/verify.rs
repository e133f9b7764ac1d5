//! What the check of a token costs, next to the bare check of its signature.
//!
//! `cargo bench -p resource-server` prints the ratios last.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark ends by a panic, and prints")]

use std::fs;
use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ambient::SystemClock;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use criterion::{Criterion, criterion_group};
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

fn signed(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    for (name, signer) in
        [("EdDSA", Signer::ed25519("k")), ("ES256", Signer::es256("k")), ("RS256", Signer::rs256("k"))]
    {
        let (net, provider) = world();
        provider.publish_keys(&net, &[&signer]);
        let verifier = Verifier::builder(RESOURCE).fetch(net).jwt(Jwt::issued_by(ISSUER)).build().unwrap();
        let token = signer.token(&claims());
        runtime.block_on(verifier.verify(&token)).unwrap();
        let mut group = criterion.benchmark_group(name);
        let bare = bare(name, &signer, &token);
        group.bench_function("bare", |bencher| bencher.iter(|| black_box(bare())));
        group.bench_function("verifier", |bencher| {
            bencher.iter(|| {
                futures_util::FutureExt::now_or_never(verifier.verify(black_box(&token))).unwrap().unwrap()
            });
        });
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

fn opaque(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let (net, _provider) = world();
    let key = SecretString::from("sak_key");
    // Benchmarks last longer than what is remembered by default.
    let verifier = Verifier::builder(RESOURCE).fetch(net).portcullis(ISSUER, key);
    let verifier = verifier.remember(std::time::Duration::from_secs(300)).build().unwrap();
    let token = SecretString::from(format!("mat_{}", "a".repeat(72)));
    runtime.block_on(verifier.verify(&token)).unwrap();
    let mut group = criterion.benchmark_group("opaque");
    group.bench_function("cached", |bencher| {
        bencher.iter(|| {
            futures_util::FutureExt::now_or_never(verifier.verify(black_box(&token))).unwrap().unwrap()
        });
    });
    group.bench_function("clock", |bencher| bencher.iter(|| black_box(ambient::Clock::now(&SystemClock))));
    group.finish();
}

/// The keys are replaced all the time, by a thread of its own, while tokens are checked.
fn rotation(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let (net, provider) = world();
    let signer = Signer::es256("k");
    provider.publish_keys(&net, &[&signer]);
    let verifier = Verifier::builder(RESOURCE).fetch(net).jwt(Jwt::issued_by(ISSUER)).build().unwrap();
    let token = signer.token(&claims());
    runtime.block_on(verifier.verify(&token)).unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let rotating = {
        let (over, verifier) = (Arc::clone(&over), verifier.clone());
        runtime.spawn(async move {
            while !over.load(Ordering::Relaxed) {
                // The first thing that it does is to fetch the keys.
                let kept = verifier.keep_ready();
                let _ = tokio::time::timeout(std::time::Duration::from_millis(2), kept).await;
            }
        })
    };
    let mut group = criterion.benchmark_group("ES256");
    group.bench_function("rotating", |bencher| {
        bencher.iter(|| {
            futures_util::FutureExt::now_or_never(verifier.verify(black_box(&token))).unwrap().unwrap()
        });
    });
    group.finish();
    over.store(true, Ordering::Relaxed);
    runtime.block_on(rotating).unwrap();
}

/// The median of a benchmark that was run, in nanoseconds.
fn median(name: &str) -> Option<f64> {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("../../target"), PathBuf::from);
    let file = target.join("criterion").join(name).join("new/estimates.json");
    let estimates: Value = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
    estimates["median"]["point_estimate"].as_f64()
}

criterion_group!(benches, signed, opaque, rotation);

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
    println!();
    for (what, than) in [
        ("EdDSA/verifier", "EdDSA/bare"),
        ("ES256/verifier", "ES256/bare"),
        ("RS256/verifier", "RS256/bare"),
        ("ES256/rotating", "ES256/verifier"),
    ] {
        if let (Some(one), Some(other)) = (median(what), median(than)) {
            println!("{what}: {:.2} us, {:.3} of {than} ({:.2} us)", one / 1e3, one / other, other / 1e3);
        }
    }
    if let Some(cached) = median("opaque/cached") {
        println!("opaque/cached: {cached:.0} ns, {:.2} of a microsecond", cached / 1e3);
    }
}
