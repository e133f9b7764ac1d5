//! What a token must be to be accepted, said once more and as plainly as possible, with nothing of the crate that checks it.

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
    RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::{AUDIENCES, ISSUER, LEEWAY, NOW, SIGNER};

/// RFC 7515 appendix A.3.
pub(super) const ES256: (&str, &str) =
    ("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
/// RFC 7515 appendix A.2.
pub(super) const RS256: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";

/// The claims of an access token, if it is one.
pub(super) fn accepted(token: &str, typed: bool) -> Option<Map<String, Value>> {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, payload, signature] = parts.as_slice() else { return None };
    let header: Header = serde_json::from_slice(&decoded(header)?).ok()?;
    let signed = &token[..token.rfind('.')?];
    if token.len() > 16 * 1024 || !has_signed(&header, signed.as_bytes(), &decoded(signature)?) {
        return None;
    }
    let claims: Map<String, Value> = serde_json::from_slice(&decoded(payload)?).ok()?;
    let is_access_token = match header.typ.as_deref().map(str::to_ascii_lowercase).as_deref() {
        Some("at+jwt" | "application/at+jwt") => true,
        None | Some("jwt" | "application/jwt") => !typed && looks_like_an_access_token(&claims),
        Some(_) => false,
    };
    (is_access_token && good(&claims)).then_some(claims)
}

fn decoded(part: &str) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
    (URL_SAFE_NO_PAD.encode(&bytes) == part).then_some(bytes)
}

/// By the key that the header names, or by any, and with the algorithm that the header names.
fn has_signed(header: &Header, signed: &[u8], signature: &[u8]) -> bool {
    let named = |kid: &str| header.kid.as_ref().is_none_or(|named| named == kid);
    let octets = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    let rsa = || RsaPublicKeyComponents { n: octets(RS256), e: vec![1, 0, 1] };
    match header.alg.as_str() {
        "EdDSA" | "Ed25519" => {
            let key = UnparsedPublicKey::new(&ED25519, SIGNER.public_key().as_ref());
            named("ed") && key.verify(signed, signature).is_ok()
        }
        "ES256" => {
            let point = [vec![4], octets(ES256.0), octets(ES256.1)].concat();
            let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
            named("es") && key.verify(signed, signature).is_ok()
        }
        "RS256" => named("rs") && rsa().verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature).is_ok(),
        "PS256" => named("rs") && rsa().verify(&RSA_PSS_2048_8192_SHA256, signed, signature).is_ok(),
        _ => false,
    }
}

/// What may stand in the place of a type (OpenID Connect Core 2; Keycloak, Cognito, Entra).
fn looks_like_an_access_token(claims: &Map<String, Value>) -> bool {
    let there = |name: &str| claims.get(name).is_some_and(|value| !value.is_null());
    let says = |name: &str, text: &str| claims.get(name).is_some_and(|value| value == text);
    let scoped = there("scope") || there("scp");
    let of_id_tokens = there("nonce") || there("at_hash") || there("c_hash");
    if says("typ", "ID") || says("token_use", "id") || (of_id_tokens && !scoped) {
        return false;
    }
    let for_a_role = there("roles") && (there("azp") || there("appid"));
    scoped || for_a_role || says("typ", "Bearer") || says("token_use", "access")
}

fn good(claims: &Map<String, Value>) -> bool {
    let claim = |name: &str| claims.get(name).filter(|value| !value.is_null());
    let text_or_absent =
        |name| claim(name).is_none_or(|value| value.as_str().is_some_and(|text| !text.is_empty()));
    let past = |value: &Value| seconds(value).is_some_and(|at| at <= (NOW.0 + LEEWAY) as f64);
    let for_us = match claim("aud") {
        Some(Value::String(one)) => AUDIENCES.contains(&one.as_str()),
        Some(Value::Array(all)) => {
            all.iter().all(Value::is_string) && all.iter().any(|one| AUDIENCES.iter().any(|ours| one == ours))
        }
        _ => false,
    };
    let visible = |text: &str| {
        (1..=2048).contains(&text.len()) && text.bytes().all(|byte| (0x21..=0x7E).contains(&byte))
    };
    let client = claim("client_id").or_else(|| claim("azp"));
    let scope = claim("scope").or_else(|| claim("scp"));
    claim("iss").is_some_and(|iss| iss == ISSUER)
        && claim("exp").and_then(seconds).is_some_and(|exp| exp + LEEWAY as f64 > NOW.0 as f64)
        && claim("nbf").is_none_or(past)
        && claim("iat").is_none_or(past)
        && for_us
        && claim("cnf").is_none()
        && text_or_absent("sub")
        && text_or_absent("jti")
        && client.is_none_or(|client| client.as_str().is_some_and(visible))
        && scope.is_none_or(is_scope)
}

/// Whole seconds; all that matter here are far within what a float holds.
fn seconds(value: &Value) -> Option<f64> {
    value.as_f64().map(f64::floor)
}

fn is_scope(value: &Value) -> bool {
    let legal =
        |text: &str| text.chars().all(|c| matches!(c, '\x20'..='\x21' | '\x23'..='\x5B' | '\x5D'..='\x7E'));
    match value {
        Value::String(text) => legal(text),
        Value::Array(all) => all.iter().all(|one| one.as_str().is_some_and(legal)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    }
}

/// What counts of a header: each once, and nothing that must be understood.
struct Header {
    alg: String,
    typ: Option<String>,
    kid: Option<String>,
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Header;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a header")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Header, A::Error> {
        use serde::de::Error as _;
        let (mut alg, mut typ, mut kid) = (None, None, None);
        while let Some(name) = members.next_key::<String>()? {
            let place = match name.as_str() {
                "alg" => &mut alg,
                "typ" => &mut typ,
                "kid" => &mut kid,
                "crit" => return Err(A::Error::custom("an extension")),
                _ => {
                    members.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            if place.replace(members.next_value::<Option<String>>()?).is_some() {
                return Err(A::Error::custom("twice"));
            }
        }
        let alg = alg.flatten().ok_or_else(|| A::Error::missing_field("alg"))?;
        let (typ, kid): (Option<String>, Option<String>) = (typ.flatten(), kid.flatten());
        if kid.as_ref().is_some_and(|kid| kid.len() > 512) {
            return Err(A::Error::custom("a long name"));
        }
        Ok(Header { alg, typ, kid })
    }
}
