//! What a page gives to the script that asks for a passkey.

use authz_core::ReturnTo;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use store::Account;

use super::pages::Prove;
use super::sealed::{Ceremony, Vault};
use super::webauthn::ALGORITHMS;
use crate::identity::{Identity, Serving};

/// A form that a passkey fills in.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) action: String,
    /// The options of the browser's call, in JSON; bytes are base64url.
    pub(crate) options: String,
    /// The question, sealed.
    pub(crate) challenge: String,
    pub(crate) return_to: Option<String>,
    pub(crate) label: &'static str,
    pub(crate) failed: &'static str,
    /// What the form does, and the label of the name that it asks for, where it adds a passkey.
    pub(crate) naming: Option<(&'static str, &'static str)>,
    /// The label of the field in which they prove once more who they are, where they do.
    pub(crate) prove: Option<&'static str>,
}

/// How long a browser waits for somebody, in milliseconds.
const PATIENCE: u32 = 300_000;

impl Serving<'_> {
    /// Asks for any passkey, by which it is known whose it is.
    pub(crate) fn ask_alone(&self, return_to: Option<&ReturnTo>) -> Option<Ask> {
        let (vault, rp) = self.passkeys()?;
        let (challenge, text) = vault.ask(Ceremony::Alone, None)?;
        let options = wanted(rp, challenge.bytes(), "required", &[]);
        Some(self.ask_for("/login/passkey", &options, text, return_to))
    }

    /// Asks for one of the passkeys of an account, as the second of two steps.
    pub(super) fn ask_second(&self, account: &Account, return_to: Option<&ReturnTo>) -> Option<Ask> {
        let (vault, rp) = self.passkeys().filter(|_| !account.factors.passkeys.is_empty())?;
        let (challenge, text) = vault.ask(Ceremony::Second, Some(&account.person))?;
        let options = wanted(rp, challenge.bytes(), "preferred", &known(account));
        Some(self.ask_for("/login/second", &options, text, return_to))
    }

    /// Asks for a new passkey.
    pub(super) fn ask_to_add(&self, account: &Account) -> Option<Ask> {
        let (vault, rp) = self.passkeys()?;
        let (challenge, text) = vault.ask(Ceremony::Add, Some(&account.person))?;
        let algorithms = ALGORITHMS.map(|number| json!({ "type": "public-key", "alg": number }));
        let options = json!({
            "rp": { "id": rp, "name": self.site.host },
            "user": {
                // No more than the browser learns anyway: this id says nothing of the person.
                "id": URL_SAFE_NO_PAD.encode(account.person.as_str()),
                "name": account.email,
                "displayName": account.name,
            },
            "challenge": URL_SAFE_NO_PAD.encode(challenge.bytes()),
            "pubKeyCredParams": algorithms,
            "excludeCredentials": known(account),
            "authenticatorSelection": { "residentKey": "preferred", "userVerification": "preferred" },
            "attestation": "none",
            "timeout": PATIENCE,
        });
        let t = &self.site.t.factors;
        let ask = self.ask_for("/account/security", &options, text, None);
        let prove = Prove::of(account).label(t);
        Some(Ask { label: t.passkey_add, naming: Some(("add_passkey", t.passkey_name)), prove, ..ask })
    }

    fn ask_for(&self, path: &str, options: &Value, challenge: String, return_to: Option<&ReturnTo>) -> Ask {
        let t = &self.site.t.factors;
        Ask {
            action: self.site.path(path),
            options: options.to_string(),
            challenge,
            return_to: return_to.map(|to| to.as_str().to_owned()),
            label: t.use_passkey,
            failed: t.passkey_failed,
            naming: None,
            prove: None,
        }
    }
}

impl Identity {
    /// Where passkeys work at all: what keeps their questions, and the id of the relying party.
    pub(super) fn passkeys(&self) -> Option<(&Vault, &str)> {
        let vault = self.vault.as_deref()?;
        Some((vault, vault.rp.as_deref()?))
    }
}

fn wanted(rp: &str, challenge: &[u8], verification: &str, known: &[Value]) -> Value {
    json!({
        "rpId": rp,
        "challenge": URL_SAFE_NO_PAD.encode(challenge),
        "allowCredentials": known,
        "userVerification": verification,
        "timeout": PATIENCE,
    })
}

fn known(account: &Account) -> Vec<Value> {
    let passkeys = account.factors.passkeys.iter();
    passkeys.map(|passkey| json!({ "type": "public-key", "id": passkey.id })).collect()
}
