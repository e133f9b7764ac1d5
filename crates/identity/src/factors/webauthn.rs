//! Passkeys, as W3C Web Authentication Level 2 has a relying party check them. Nothing is read or written here.
//!
//! Attestation is neither asked for nor looked at: which make a key is of says nothing about who holds it. What remains are a few
//! fields of fixed length and one signature, so no library stands between them and this server. The public key comes from
//! `getPublicKey()`, which is for just this case (section 5.2.1.1).
//!
//! | section | what of it |
//! |---|---|
//! | 5.8.1 | what the browser signs besides |
//! | 6.1 | authenticator data |
//! | 6.1.1 | the counter, and copies |
//! | 7.1 | a new passkey |
//! | 7.2 | a passkey is used |

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use store::Digest;
use thiserror::Error;

/// What a browser says of a new passkey. Bytes are base64url.
#[derive(Debug, Deserialize)]
pub(crate) struct Registration {
    id: String,
    client_data: String,
    authenticator_data: String,
    public_key: String,
    algorithm: i64,
}

/// What a browser says of a passkey that is used. Bytes are base64url.
#[derive(Debug, Deserialize)]
pub(crate) struct Assertion {
    pub(crate) id: String,
    client_data: String,
    authenticator_data: String,
    signature: String,
    /// Whose it is, where the passkey knows.
    pub(crate) user: Option<String>,
}

/// What is kept of a passkey.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Credential {
    /// The COSE number of the signature algorithm (RFC 9053).
    algorithm: i64,
    /// The public key, SubjectPublicKeyInfo (RFC 5280 section 4.1), base64url.
    key: String,
    /// How often it was used, as it counts itself; 0 if it does not.
    count: u32,
    /// Whether it may be copied to other devices by whoever keeps it.
    pub(crate) backup_eligible: bool,
    /// Whether it has been.
    pub(crate) backed_up: bool,
}

/// What is expected of an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected<'a> {
    /// The id of the relying party: the host of the issuer.
    pub(crate) rp: &'a str,
    /// The origin of the pages.
    pub(crate) origin: &'a str,
    pub(crate) challenge: &'a [u8],
    /// Whether the authenticator must have looked who is there: by finger, face or PIN.
    pub(crate) verified: bool,
}

/// What an answer has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    /// The credential as it is to be kept from now on.
    pub(crate) credential: Credential,
    /// Whether the authenticator has looked who is there.
    pub(crate) verified: bool,
}

/// Why an answer is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum WebauthnError {
    /// Not what a browser sends.
    #[error("it cannot be read")]
    Malformed,
    /// For another page, another server, another question, or something else altogether.
    #[error("it answers something else")]
    Elsewhere,
    /// Nobody has touched the authenticator, or it has not looked who did.
    #[error("nobody was there, or it is not known who")]
    NotThere,
    /// A key that this server cannot check.
    #[error("a key of this kind is not known here")]
    Algorithm,
    /// The signature is wrong.
    #[error("the signature is wrong")]
    Signature,
    /// The counter went back: there are two of it.
    #[error("the passkey was copied")]
    Copied,
}

/// Signature algorithms, the ones that browsers must be able to give the keys of (section 5.2.1.1), best first.
pub(crate) const ALGORITHMS: [i64; 3] = [-8, -7, -257];

impl Registration {
    /// Checks a new passkey: its id, and what to keep.
    pub(crate) fn check(&self, expected: &Expected<'_>) -> Result<(String, Shown), WebauthnError> {
        client_data(&self.client_data, "webauthn.create", expected)?;
        let data = AuthenticatorData::parse(&bytes(&self.authenticator_data)?, expected)?;
        let id = data.credential.as_deref().ok_or(WebauthnError::Malformed)?;
        if bytes(&self.id)? != id {
            return Err(WebauthnError::Malformed);
        }
        let key = bytes(&self.public_key)?;
        parsed(self.algorithm, &key)?;
        let credential = Credential {
            algorithm: self.algorithm,
            key: URL_SAFE_NO_PAD.encode(&key),
            count: data.count,
            backup_eligible: data.has(ELIGIBLE),
            backed_up: data.has(BACKED_UP),
        };
        Ok((URL_SAFE_NO_PAD.encode(id), Shown { credential, verified: data.has(VERIFIED) }))
    }
}

impl Assertion {
    /// Checks that the holder of `known` has answered.
    pub(crate) fn check(&self, expected: &Expected<'_>, known: &Credential) -> Result<Shown, WebauthnError> {
        let client = client_data(&self.client_data, "webauthn.get", expected)?;
        let authenticator = bytes(&self.authenticator_data)?;
        let data = AuthenticatorData::parse(&authenticator, expected)?;
        let signed = [&authenticator, Digest::of(&client).as_bytes().as_slice()].concat();
        parsed(known.algorithm, &bytes(&known.key)?)?
            .verify_sig(&signed, &bytes(&self.signature)?)
            .map_err(|_| WebauthnError::Signature)?;
        // Whether a key can leave its device is settled when it is made.
        if data.has(ELIGIBLE) != known.backup_eligible {
            return Err(WebauthnError::Malformed);
        }
        // Section 6.1.1: a counter that does not grow is one of two, and nobody can tell which is the thief's.
        if (data.count != 0 || known.count != 0) && data.count <= known.count {
            return Err(WebauthnError::Copied);
        }
        let credential = Credential { count: data.count, backed_up: data.has(BACKED_UP), ..known.clone() };
        Ok(Shown { credential, verified: data.has(VERIFIED) })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientData {
    r#type: String,
    challenge: String,
    origin: String,
    #[serde(default)]
    cross_origin: bool,
}

/// The client data as it was signed, once it says what it must.
fn client_data(text: &str, kind: &str, expected: &Expected<'_>) -> Result<Vec<u8>, WebauthnError> {
    let raw = bytes(text)?;
    let said: ClientData = serde_json::from_slice(&raw).map_err(|_| WebauthnError::Malformed)?;
    let ours = said.r#type == kind
        && said.challenge == URL_SAFE_NO_PAD.encode(expected.challenge)
        && said.origin == expected.origin
        && !said.cross_origin;
    if ours { Ok(raw) } else { Err(WebauthnError::Elsewhere) }
}

struct AuthenticatorData {
    flags: u8,
    count: u32,
    credential: Option<Vec<u8>>,
}

const PRESENT: u8 = 1;
const VERIFIED: u8 = 1 << 2;
const ELIGIBLE: u8 = 1 << 3;
const BACKED_UP: u8 = 1 << 4;
const ATTESTED: u8 = 1 << 6;
const EXTENDED: u8 = 1 << 7;
/// In bytes (section 7.1, step 25 of Level 3).
const LONGEST_ID: usize = 1023;

impl AuthenticatorData {
    fn parse(raw: &[u8], expected: &Expected<'_>) -> Result<Self, WebauthnError> {
        let malformed = WebauthnError::Malformed;
        let (rp, rest) = raw.split_first_chunk::<32>().ok_or(malformed)?;
        let ([flags], rest) = rest.split_first_chunk::<1>().ok_or(malformed)?;
        let (count, rest) = rest.split_first_chunk::<4>().ok_or(malformed)?;
        let attested = flags & ATTESTED != 0;
        let credential = if attested {
            let (_model, rest) = rest.split_first_chunk::<16>().ok_or(malformed)?;
            let (length, rest) = rest.split_first_chunk::<2>().ok_or(malformed)?;
            let length = usize::from(u16::from_be_bytes(*length));
            let id = rest.get(..length).filter(|id| (1..=LONGEST_ID).contains(&id.len()));
            Some(id.ok_or(malformed)?.to_vec())
        } else {
            None
        };
        let data = Self { flags: *flags, count: u32::from_be_bytes(*count), credential };
        if !attested && !data.has(EXTENDED) && !rest.is_empty() || data.has(BACKED_UP) && !data.has(ELIGIBLE)
        {
            return Err(malformed);
        }
        if Digest::of(expected.rp.as_bytes()).as_bytes() != rp {
            return Err(WebauthnError::Elsewhere);
        }
        if !data.has(PRESENT) || expected.verified && !data.has(VERIFIED) {
            return Err(WebauthnError::NotThere);
        }
        Ok(data)
    }

    const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

fn parsed(algorithm: i64, key: &[u8]) -> Result<ParsedPublicKey, WebauthnError> {
    let how: &'static dyn VerificationAlgorithm = match algorithm {
        -8 => &ED25519,
        -7 => &ECDSA_P256_SHA256_ASN1,
        -257 => &RSA_PKCS1_2048_8192_SHA256,
        _ => return Err(WebauthnError::Algorithm),
    };
    ParsedPublicKey::new(how, key).map_err(|_| WebauthnError::Algorithm)
}

fn bytes(text: &str) -> Result<Vec<u8>, WebauthnError> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| WebauthnError::Malformed)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use testkit::passkey::Authenticator;

    use super::*;

    const CHALLENGE: &[u8] = b"a challenge of 32 bytes, or less";

    fn expected() -> Expected<'static> {
        Expected { rp: "as.example", origin: "https://as.example", challenge: CHALLENGE, verified: true }
    }

    fn challenge() -> String {
        URL_SAFE_NO_PAD.encode(CHALLENGE)
    }

    fn authenticator() -> Authenticator {
        Authenticator::new("as.example", "https://as.example")
    }

    fn changed(change: impl FnOnce(&mut Authenticator)) -> Authenticator {
        let mut authenticator = authenticator();
        change(&mut authenticator);
        authenticator
    }

    fn registered(said: Value) -> Result<(String, Shown), WebauthnError> {
        let said: Registration = serde_json::from_value(said).map_err(|_| WebauthnError::Malformed)?;
        said.check(&expected())
    }

    fn asserted(said: Value, known: &Credential) -> Result<Shown, WebauthnError> {
        let said: Assertion = serde_json::from_value(said).map_err(|_| WebauthnError::Malformed)?;
        said.check(&expected(), known)
    }

    fn known(authenticator: &Authenticator) -> Credential {
        registered(authenticator.create(&challenge())).unwrap().1.credential
    }

    #[test]
    fn a_passkey_is_added_and_answers() {
        let mut key = authenticator();
        let (id, shown) = registered(key.create(&challenge())).unwrap();
        assert_eq!(id, "a2V5MQ");
        assert!(shown.verified && !shown.credential.backed_up);
        key.count = 1;
        let now = asserted(key.get(&challenge()), &shown.credential).unwrap();
        assert_eq!(now.credential.count, 1);
        // What is kept reads back.
        let kept = serde_json::to_value(&now.credential).unwrap();
        assert_eq!(serde_json::from_value::<Credential>(kept).unwrap(), now.credential);
    }

    #[test]
    fn an_answer_to_something_else_is_not_taken() {
        let other = URL_SAFE_NO_PAD.encode("another");
        assert_eq!(registered(authenticator().create(&other)).unwrap_err(), WebauthnError::Elsewhere);
        let known = known(&authenticator());
        let false_page = changed(|key| key.origin = "https://as.example.evil".to_owned());
        let false_rp = changed(|key| key.rp = "evil.example".to_owned());
        for said in [authenticator().get(&other), false_page.get(&challenge()), false_rp.get(&challenge())] {
            assert_eq!(asserted(said, &known), Err(WebauthnError::Elsewhere));
        }
        // One kind of answer is not the other.
        let mut crossed = authenticator().get(&challenge());
        crossed["client_data"] = authenticator().create(&challenge())["client_data"].clone();
        assert_eq!(asserted(crossed, &known), Err(WebauthnError::Elsewhere));
    }

    #[test]
    fn another_key_does_not_answer_for_it() {
        let known = known(&authenticator());
        assert_eq!(asserted(authenticator().get(&challenge()), &known), Err(WebauthnError::Signature));
    }

    #[test]
    fn somebody_must_be_there_and_known_where_that_is_asked() {
        for flags in [0, PRESENT, VERIFIED] {
            let key = changed(|key| key.flags = flags);
            assert_eq!(registered(key.create(&challenge())).unwrap_err(), WebauthnError::NotThere, "{flags}");
        }
        let key = changed(|key| key.flags = PRESENT);
        let registration: Registration = serde_json::from_value(key.create(&challenge())).unwrap();
        let (_, shown) = registration.check(&Expected { verified: false, ..expected() }).unwrap();
        assert!(!shown.verified);
    }

    /// Section 6.1.1.
    #[test]
    fn a_counter_that_does_not_grow_is_a_copy() {
        let mut key = changed(|key| key.count = 5);
        let known = known(&key);
        for (count, taken) in [(6, true), (5, false), (4, false), (0, false)] {
            key.count = count;
            let became = asserted(key.get(&challenge()), &known);
            assert_eq!(became.is_ok(), taken, "{count}");
            if !taken {
                assert_eq!(became, Err(WebauthnError::Copied));
            }
        }
    }

    #[test]
    fn what_may_be_copied_is_settled_and_what_was_copied_is_followed() {
        let mut key = changed(|key| key.flags = PRESENT | VERIFIED | ELIGIBLE);
        let known = known(&key);
        assert!(known.backup_eligible && !known.backed_up);
        key.flags |= BACKED_UP;
        assert!(asserted(key.get(&challenge()), &known).unwrap().credential.backed_up);
        key.flags = PRESENT | VERIFIED;
        assert_eq!(asserted(key.get(&challenge()), &known), Err(WebauthnError::Malformed));
        key.flags |= BACKED_UP;
        assert_eq!(asserted(key.get(&challenge()), &known), Err(WebauthnError::Malformed));
    }

    #[test]
    fn whatever_is_cut_short_is_malformed() {
        let key = authenticator();
        let whole = key.create(&challenge());
        let data = URL_SAFE_NO_PAD.decode(whole["authenticator_data"].as_str().unwrap()).unwrap();
        for length in 0..data.len() - 1 {
            let mut said = whole.clone();
            said["authenticator_data"] = URL_SAFE_NO_PAD.encode(&data[..length]).into();
            assert_eq!(registered(said).unwrap_err(), WebauthnError::Malformed, "{length}");
        }
        for (member, text) in [("public_key", "AAAA"), ("id", "AAAA"), ("client_data", "e30"), ("id", "=")] {
            let mut said = whole.clone();
            said[member] = text.into();
            assert!(registered(said).is_err(), "{member}");
        }
        let mut said = whole.clone();
        said["algorithm"] = (-65535).into();
        assert_eq!(registered(said).unwrap_err(), WebauthnError::Algorithm);
    }
}
