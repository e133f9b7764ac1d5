//! Access tokens as issuers, and as attackers, make them (RS-12, RFC 9068 section 4).

#![expect(clippy::unwrap_used, reason = "helpers of tests, which fail by a panic")]

mod claims;
mod hostile;
mod keys;
mod mint;
mod types;

use jose::{AccessToken, AccessTokenRules, TokenError, TypeRule, verify};
use serde_json::Value;

use crate::mint::{NOW, P256, all_keys, claims, claims_with, header, rules, secret};

fn check(token: &str, rules: &AccessTokenRules) -> Result<AccessToken, TokenError> {
    verify(&secret(token), &all_keys(), rules, NOW)
}

/// A token that is right but for these claims.
fn with_claims(changes: Value) -> Result<AccessToken, TokenError> {
    check(&P256.sign(&header("ES256", "es"), &claims_with(changes)), &rules())
}

/// A token that is right but for its header.
fn with_header(header: &Value) -> Result<AccessToken, TokenError> {
    check(&P256.sign(header, &claims()), &rules())
}

fn untyped() -> AccessTokenRules {
    rules().with_type_rule(TypeRule::DangerouslyUntyped)
}
