//! The bodies of the fuzz targets: parse, print, parse again. They panic when what was read is not what was written, or when an
//! invariant of what was read does not hold.
//!
//! `fuzz/` calls them with what a fuzzer makes up, `tests/` with the seeds that are kept there. Each takes any bytes.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a body fails by a panic")]

use serde_json::{Map, Value};

mod authorization;
mod client_registration;
mod form;
mod grant_model;
mod http_any;
mod jws;
mod metadata;
mod redirect_uri;
mod scope;
mod token_text;
mod www_authenticate;

pub use self::authorization::authorization;
pub use self::client_registration::client_registration;
pub use self::form::form;
pub use self::grant_model::grant_model;
pub use self::http_any::http_any;
pub use self::jws::jws;
pub use self::metadata::metadata;
pub use self::redirect_uri::redirect_uri;
pub use self::scope::scope;
pub use self::token_text::token_text;
pub use self::www_authenticate::www_authenticate;

/// A target by name, which is a folder of seeds and a file of `fuzz/`.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 11] = [
    ("form", form),
    ("redirect_uri", redirect_uri),
    ("token_text", token_text),
    ("scope", scope),
    ("metadata", metadata),
    ("client_registration", client_registration),
    ("www_authenticate", www_authenticate),
    ("authorization", authorization),
    ("jws", jws),
    ("grant_model", grant_model),
    ("http_any", http_any),
];

/// Waits for what never waits for anything but the store in memory.
fn now<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

/// Each member that is printed was read, with the same value.
fn says_no_more(printed: &[u8], read: &[u8]) {
    let [printed, read] =
        [printed, read].map(|json| serde_json::from_slice::<Map<String, Value>>(json).unwrap());
    for (name, value) in printed {
        assert_eq!(read.get(&name), Some(&value), "{name}");
    }
}
