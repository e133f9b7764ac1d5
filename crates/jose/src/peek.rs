//! What a token says of itself before anything is checked: only enough to know whom to ask.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;

use crate::jws::{LONGEST, json_object};

/// What a text with the shape of a JWT says of itself. Anybody can write it: it tells whose keys to check the token with, and
/// nothing else may depend on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peeked {
    /// `iss`, if it can be read.
    pub issuer: Option<String>,
    /// `aud`, as far as it can be read.
    pub audience: Vec<String>,
}

/// Looks into a token. `None` if it does not have the shape of a JWT: three parts between dots, the first of them a JSON object with
/// an `alg`, and at most 16 KiB of it (RFC 7515 section 3.1).
#[must_use]
pub fn peek(token: &SecretString) -> Option<Peeked> {
    let text = token.expose_secret();
    let mut parts = text.split('.');
    let (header, payload) = (parts.next()?, parts.next()?);
    let three = parts.next().is_some() && parts.next().is_none();
    if !three || text.len() > LONGEST {
        return None;
    }
    json_object::<Header>(&URL_SAFE_NO_PAD.decode(header).ok()?).filter(|header| !header.alg.is_empty())?;
    let payload = URL_SAFE_NO_PAD.decode(payload).ok().and_then(|payload| json_object::<Payload>(&payload));
    Some(payload.map(Payload::peeked).unwrap_or_default())
}

#[derive(Deserialize)]
struct Header {
    alg: String,
}

#[derive(Deserialize)]
struct Payload {
    iss: Option<Value>,
    aud: Option<Value>,
}

impl Payload {
    fn peeked(self) -> Peeked {
        let text = |value: Value| match value {
            Value::String(text) => Some(text),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
        };
        let audience = match self.aud {
            Some(Value::Array(list)) => list.into_iter().filter_map(text).collect(),
            one => one.and_then(text).into_iter().collect(),
        };
        Peeked { issuer: self.iss.and_then(text), audience }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str, payload: &str) -> Option<Peeked> {
        let parts = [header, payload].map(|part| URL_SAFE_NO_PAD.encode(part));
        peek(&SecretString::from(format!("{}.c2ln", parts.join("."))))
    }

    #[test]
    fn the_issuer_is_read_before_anything_is_checked() {
        let header = r#"{"alg":"none","typ":7}"#;
        let issuer = |payload| token(header, payload).unwrap().issuer;
        assert_eq!(issuer(r#"{"iss":"https://a.example/","aud":7}"#).as_deref(), Some("https://a.example/"));
        for none in [r#"{"iss":null}"#, r#"{"iss":["https://a.example"]}"#, "{}", "[]", "", "{"] {
            assert_eq!(issuer(none), None, "{none}");
        }
        let audience = |payload| token(header, payload).unwrap().audience;
        assert_eq!(audience(r#"{"aud":"a"}"#), ["a"]);
        assert_eq!(audience(r#"{"aud":["a",7,"b"]}"#), ["a", "b"]);
        assert_eq!(audience(r#"{"aud":{}}"#), [""; 0]);
    }

    #[test]
    fn only_three_parts_with_an_algorithm_have_the_shape_of_a_jwt() {
        for header in ["{}", r#"{"alg":""}"#, r#"{"alg":7}"#, r#"["ES256"]"#, "", "{"] {
            assert_eq!(token(header, "{}"), None, "{header}");
        }
        let good = "eyJhbGciOiJFUzI1NiJ9.e30.c2ln";
        let shaped = |text: String| peek(&SecretString::from(text)).is_some();
        assert!(shaped(good.to_owned()) && shaped("eyJhbGciOiJFUzI1NiJ9..".to_owned()));
        for text in ["", "..", "mat_abc", "a.b", "a.b.c", &good[..20], "eyJhbGciOiJFUzI1NiJ9.e30.c2ln.a.b"] {
            assert!(!shaped(text.to_owned()), "{text}");
        }
        assert!(!shaped(format!("{good}{}", "a".repeat(LONGEST))));
    }
}
