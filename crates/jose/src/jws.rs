//! The compact form of a signed token (RFC 7515 sections 3.1 and 5.2).

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, Visitor};

use crate::algorithm::{Algorithm, Algorithms};
use crate::key_set::KeySet;
use crate::token_error::TokenError;

/// A token in its parts, of which nothing but the form has been checked.
pub(crate) struct Jws<'a> {
    header: Header<'a>,
    /// What is signed: header and payload as they stand in the token.
    input: &'a str,
    payload: &'a str,
    signature: &'a [u8],
    /// Where the payload is decoded to.
    space: &'a mut [u8],
}

/// What is read of a header (RFC 7515 section 4.1). The keys that it may bring along (`jwk`, `jku`, `x5c`, `x5u`) are not: they are
/// the sender's. A member that is repeated is an error (section 4).
#[derive(Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    alg: Text<'a>,
    #[serde(borrow)]
    typ: Option<Text<'a>>,
    #[serde(borrow)]
    kid: Option<Text<'a>>,
    #[serde(default)]
    crit: Present,
}

/// A text that is copied only if it has escapes: `Option<Cow<str>>` would always be.
struct Text<'a>(Cow<'a, str>);

impl<'a> Jws<'a> {
    /// The parts of `token`, at most 16 KiB of it, decoded into `space`. The base64url of each is canonical: no other text is the same
    /// token.
    pub(crate) fn parse(token: &'a str, space: &'a mut Vec<u8>) -> Result<Self, TokenError> {
        if token.len() > LONGEST {
            return Err(TokenError::Malformed);
        }
        let (input, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, payload) = input.split_once('.').ok_or(TokenError::Malformed)?;
        if payload.contains('.') {
            return Err(TokenError::Malformed);
        }
        space.resize(token.len(), 0);
        let (for_header, rest) = space.split_at_mut(header.len());
        let (for_signature, space) = rest.split_at_mut(signature.len());
        let header: Header<'_> = json_object(decoded(header, for_header)?).ok_or(TokenError::Malformed)?;
        if header.kid.as_ref().is_some_and(|kid| kid.0.len() > LONGEST_KID) {
            return Err(TokenError::Malformed);
        }
        Ok(Self { header, input, payload, signature: decoded(signature, for_signature)?, space })
    }

    /// The one algorithm that this token may be checked with.
    ///
    /// The header says which, and the allow-list whether: from here on nothing else that the token says can change it
    /// (RFC 8725 section 3.1).
    pub(crate) fn algorithm(&self, allowed: Algorithms) -> Result<Algorithm, TokenError> {
        Algorithm::parse(&self.header.alg.0)
            .ok()
            .filter(|algorithm| allowed.contains(*algorithm))
            .ok_or(TokenError::AlgorithmNotAllowed)
    }

    /// Nothing in the header must be understood that is not (RFC 7515 section 4.1.11); an unencoded payload (RFC 7797) neither.
    pub(crate) fn refuse_extensions(&self) -> Result<(), TokenError> {
        if self.header.crit.0 { Err(TokenError::ExtensionNotSupported) } else { Ok(()) }
    }

    /// `typ` without the `application/` that may be left out (RFC 7515 section 4.1.9).
    pub(crate) fn media_type(&self) -> Option<&str> {
        let typ = &*self.header.typ.as_ref()?.0;
        match typ.split_at_checked("application/".len()) {
            Some((prefix, rest)) if prefix.eq_ignore_ascii_case("application/") => Some(rest),
            Some(_) | None => Some(typ),
        }
    }

    /// The payload, if one of `keys` has signed it with `algorithm`.
    pub(crate) fn signed_payload(
        &mut self,
        keys: &KeySet,
        algorithm: Algorithm,
    ) -> Result<&[u8], TokenError> {
        let kid = self.header.kid.as_ref().map(|kid| &*kid.0);
        let mut candidates = keys.find(kid, algorithm).take(MOST_TRIED).peekable();
        let known = kid.is_some() && candidates.peek().is_some();
        if candidates.any(|key| key.has_signed(algorithm, self.input.as_bytes(), self.signature)) {
            decoded(self.payload, self.space)
        } else if known {
            Err(TokenError::SignatureWrong)
        } else {
            Err(TokenError::UnknownKey { kid: kid.map(str::to_owned) })
        }
    }
}

/// `space` has as many bytes as `part`, or more.
fn decoded<'s>(part: &str, space: &'s mut [u8]) -> Result<&'s [u8], TokenError> {
    let length = URL_SAFE_NO_PAD.decode_slice(part, space).map_err(|_| TokenError::Malformed)?;
    space.get(..length).ok_or(TokenError::Malformed)
}

/// Reads what has its members by name: a struct would be read from a list, too.
pub(crate) fn json_object<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Option<T> {
    let object = text.trim_ascii_start().starts_with(b"{");
    serde_json::from_slice(text).ok().filter(|_| object)
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(ReadText).map(Self)
    }
}

struct ReadText;

impl<'de> Visitor<'de> for ReadText {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

/// Whether a member is there, be it `null`.
#[derive(Default)]
struct Present(bool);

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self(true))
    }
}

/// The longest token that is looked at, in bytes.
pub(crate) const LONGEST: usize = 16 * 1024;
const LONGEST_KID: usize = 512;
/// A token without `kid` must not make us try all keys of a large set.
const MOST_TRIED: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    const CLAIMS: &str =
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

    fn key_set(jwk: &str) -> KeySet {
        KeySet::parse(format!(r#"{{"keys":[{jwk}]}}"#).as_bytes()).unwrap()
    }

    fn payload(token: &str, jwk: &str, algorithm: Algorithm) -> Result<Vec<u8>, TokenError> {
        let mut space = Vec::new();
        let mut jws = Jws::parse(token, &mut space)?;
        let algorithm = jws.algorithm(Algorithms::only(algorithm))?;
        jws.signed_payload(&key_set(jwk), algorithm).map(<[u8]>::to_vec)
    }

    #[test]
    fn rfc_7515_appendix_a_2_rs256() {
        let jwk = r#"{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}"#;
        let signature = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
        let token = format!("eyJhbGciOiJSUzI1NiJ9.{CLAIMS}.{signature}");
        assert!(payload(&token, jwk, Algorithm::Rs256).unwrap().starts_with(br#"{"iss":"joe","#));
        assert_eq!(payload(&token, jwk, Algorithm::Ps256), Err(TokenError::AlgorithmNotAllowed));
    }

    #[test]
    fn rfc_7515_appendix_a_3_es256() {
        let jwk = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
        let signature =
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
        let token = format!("eyJhbGciOiJFUzI1NiJ9.{CLAIMS}.{signature}");
        assert!(payload(&token, jwk, Algorithm::Es256).unwrap().starts_with(br#"{"iss":"joe","#));
    }

    #[test]
    fn rfc_8037_appendix_a_4_ed25519() {
        let jwk = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        let token = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        assert_eq!(payload(token, jwk, Algorithm::EdDsa).unwrap(), b"Example of Ed25519 signing");
        // The last two bits of the last character are not part of the 64 bytes: another spelling is not the same token.
        let other_spelling = token.replace("0KAg", "0KAh");
        assert_eq!(payload(&other_spelling, jwk, Algorithm::EdDsa), Err(TokenError::Malformed));
    }

    /// RFC 7515 appendix A.5: a token without a signature.
    #[test]
    fn rfc_7515_appendix_a_5_none_is_refused() {
        let mut space = Vec::new();
        let jws = Jws::parse("eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UifQ.", &mut space).unwrap();
        assert_eq!(jws.algorithm(Algorithms::default()), Err(TokenError::AlgorithmNotAllowed));
    }

    #[test]
    fn a_media_type_may_come_without_application() {
        for (typ, expected) in [
            (r#""at+jwt""#, Some("at+jwt")),
            (r#""application/at+jwt""#, Some("at+jwt")),
            (r#""APPLICATION/AT+JWT""#, Some("AT+JWT")),
            (r#""application/application/at+jwt""#, Some("application/at+jwt")),
            (r#""\u00e9pplication\u00e9""#, Some("\u{e9}pplication\u{e9}")),
            ("null", None),
        ] {
            let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"ES256","typ":{typ}}}"#));
            let token = format!("{header}.e30.");
            assert_eq!(Jws::parse(&token, &mut Vec::new()).unwrap().media_type(), expected);
        }
    }
}
