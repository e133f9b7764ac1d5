//! An authenticator of passkeys, with the browser in front of it (W3C Web Authentication Level 2).

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails by a panic")]

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::browser::{Form, Page};
use crate::world::Params;

/// Somebody is there (section 6.1).
pub const PRESENT: u8 = 1;
/// It is who it should be.
pub const VERIFIED: u8 = 1 << 2;
const ATTESTED: u8 = 1 << 6;

/// An authenticator with one key.
pub struct Authenticator {
    key: EcdsaKeyPair,
    /// The relying party that its key is for.
    pub rp: String,
    /// Where the browser is.
    pub origin: String,
    /// What it says of who is there.
    pub flags: u8,
    /// How often it was used, as it tells.
    pub count: u32,
    /// Whose the key is, as the relying party named them.
    pub user: String,
    /// What it calls its key: at most so many letters as a byte can count.
    pub id: String,
}

impl Authenticator {
    /// A new key at a page of `origin`.
    #[must_use]
    pub fn new(rp: &str, origin: &str) -> Self {
        Self {
            key: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap(),
            rp: rp.to_owned(),
            origin: origin.to_owned(),
            flags: PRESENT | VERIFIED,
            count: 0,
            user: String::new(),
            id: "key1".to_owned(),
        }
    }

    /// What the key is called on the way, base64url.
    #[must_use]
    pub fn credential_id(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.id)
    }

    /// Answers to a challenge, base64url, of a page where passkeys are added.
    #[must_use]
    pub fn create(&self, challenge: &str) -> Value {
        let mut data = self.data(ATTESTED);
        data.extend_from_slice(&[0; 16]);
        data.extend_from_slice(&[0, u8::try_from(self.id.len()).unwrap()]);
        data.extend_from_slice(self.id.as_bytes());
        data.extend_from_slice(&[0xa0]);
        json!({
            "id": self.credential_id(),
            "client_data": URL_SAFE_NO_PAD.encode(self.client("webauthn.create", challenge)),
            "authenticator_data": URL_SAFE_NO_PAD.encode(data),
            "public_key": URL_SAFE_NO_PAD.encode(self.spki()),
            "algorithm": -7,
        })
    }

    /// Answers to a challenge, base64url, of a page where people log in.
    #[must_use]
    pub fn get(&self, challenge: &str) -> Value {
        let (client, data) = (self.client("webauthn.get", challenge), self.data(0));
        let signed = [&data, digest(&SHA256, client.as_bytes()).as_ref()].concat();
        let signature = self.key.sign(&SystemRandom::new(), &signed).unwrap();
        json!({
            "id": self.credential_id(),
            "client_data": URL_SAFE_NO_PAD.encode(client),
            "authenticator_data": URL_SAFE_NO_PAD.encode(data),
            "signature": URL_SAFE_NO_PAD.encode(signature),
            "user": URL_SAFE_NO_PAD.encode(&self.user),
        })
    }

    /// What the script of a page posts that adds a passkey of this name. The key is the person's from now on.
    #[must_use]
    pub fn added(&mut self, page: &Page, name: &str, password: &str) -> (Form, Params) {
        let (form, options) = asked(page);
        let user = URL_SAFE_NO_PAD.decode(options["user"]["id"].as_str().unwrap()).unwrap();
        self.user = String::from_utf8(user).unwrap();
        let answer = self.create(options["challenge"].as_str().unwrap());
        let sent = filled(&form, &answer).with("name", name).with("password", password);
        (form, sent)
    }

    /// What the script of a page posts where people log in.
    #[must_use]
    pub fn shown(&self, page: &Page) -> (Form, Params) {
        let (form, options) = asked(page);
        let answer = self.get(options["challenge"].as_str().unwrap());
        let sent = filled(&form, &answer);
        (form, sent)
    }

    fn spki(&self) -> Vec<u8> {
        let der: PublicKeyX509Der<'_> = self.key.public_key().as_der().unwrap();
        der.as_ref().to_vec()
    }

    fn client(&self, kind: &str, challenge: &str) -> String {
        let said =
            json!({ "type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": false });
        said.to_string()
    }

    fn data(&self, more: u8) -> Vec<u8> {
        let rp = digest(&SHA256, self.rp.as_bytes());
        [rp.as_ref(), &[self.flags | more], &self.count.to_be_bytes()].concat()
    }
}

/// The form that a script answers, and the options that it passes to the browser.
fn asked(page: &Page) -> (Form, Value) {
    let [options] = page.html.attributes("form", "data-passkey").try_into().unwrap_or_else(|found| {
        panic!("{} asks for {found:?}: {}", page.path, page.answer.text());
    });
    let mut forms = page.html.forms().into_iter();
    let form = forms.find(|form| form.fields.iter().any(|field| field.name == "credential")).unwrap();
    (form, serde_json::from_str(&options).unwrap())
}

fn filled(form: &Form, answer: &Value) -> Params {
    let [button] = &form.buttons[..] else { panic!("a form of a script has one button") };
    form.sent_by(&button.label).with("credential", &answer.to_string())
}
