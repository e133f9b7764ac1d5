//! The claims of a token, read by their definitions (RFC 7519 section 4).

use ambient::Time;
use oauth_types::{ClientId, Scope};
use serde_json::{Map, Value};

use crate::token_error::TokenError;

/// Claims, be they of a token whose signature is right, or what an authorization server says of one (RFC 7662 section 2.2). A claim
/// that is `null` is as good as absent.
pub struct Claims(Map<String, Value>);

impl Claims {
    /// Reads a JSON object. Of a name that is repeated the last one counts (RFC 7519 section 4).
    ///
    /// # Errors
    /// [`TokenError::Malformed`] if it is none.
    pub fn parse(payload: &[u8]) -> Result<Self, TokenError> {
        // Looked at once, and not for each text in it.
        let payload = str::from_utf8(payload).map_err(|_| TokenError::Malformed)?;
        serde_json::from_str(payload).map(Self).map_err(|_| TokenError::Malformed)
    }

    /// All of them, as they were.
    #[must_use]
    pub fn into_map(self) -> Map<String, Value> {
        self.0
    }

    /// Whether the claim is there.
    #[must_use]
    pub fn has(&self, claim: &str) -> bool {
        self.value(claim).is_some()
    }

    /// Whether the claim is this text.
    #[must_use]
    pub fn is(&self, claim: &str, text: &str) -> bool {
        self.value(claim).and_then(Value::as_str) == Some(text)
    }

    /// A text that is not empty.
    ///
    /// # Errors
    /// [`TokenError::ClaimMalformed`] for any other value.
    pub fn text(&self, claim: &'static str) -> Result<Option<&str>, TokenError> {
        self.claim(claim).text()
    }

    /// One text, or a list of them.
    ///
    /// # Errors
    /// [`TokenError::ClaimMalformed`] for any other value.
    pub fn texts(&self, claim: &'static str) -> Result<Option<Vec<&str>>, TokenError> {
        Ok(self.claim(claim).texts()?.map(Iterator::collect))
    }

    /// A number of seconds since 1970, a fraction cut off (RFC 7519 section 2, `NumericDate`). A text is none, whatever it says
    /// (CVE-2026-25537).
    ///
    /// # Errors
    /// [`TokenError::ClaimMalformed`] for any other value.
    pub fn time(&self, claim: &'static str) -> Result<Option<Time>, TokenError> {
        self.claim(claim).time()
    }

    /// Whom the token was issued to: `client_id` (RFC 9068 section 2.2), else `azp`, which most providers write.
    ///
    /// # Errors
    /// [`TokenError::ClaimMalformed`] for any other value.
    pub fn client_id(&self) -> Result<Option<ClientId>, TokenError> {
        client_id(["client_id", "azp"].map(|claim| self.claim(claim)))
    }

    /// What the token reaches: `scope` (RFC 9068 section 2.2.3), else `scp`, which Okta and Entra write. Either is a text of tokens
    /// between spaces or a list of tokens.
    ///
    /// # Errors
    /// [`TokenError::ClaimMalformed`] for any other value.
    pub fn scope(&self) -> Result<Scope, TokenError> {
        scope(["scope", "scp"].map(|claim| self.claim(claim)))
    }

    /// Each with its name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    fn claim(&self, name: &'static str) -> Claim<'_> {
        Claim { name, value: self.0.get(name) }
    }

    fn value(&self, claim: &str) -> Option<&Value> {
        self.0.get(claim).filter(|value| !value.is_null())
    }
}

impl From<Map<String, Value>> for Claims {
    fn from(claims: Map<String, Value>) -> Self {
        Self(claims)
    }
}

/// A claim that may be there.
#[derive(Clone, Copy)]
pub(crate) struct Claim<'a> {
    name: &'static str,
    pub(crate) value: Option<&'a Value>,
}

impl<'a> Claim<'a> {
    pub(crate) const fn absent(name: &'static str) -> Self {
        Self { name, value: None }
    }

    pub(crate) fn is_there(self) -> bool {
        self.there().is_some()
    }

    pub(crate) fn text(self) -> Result<Option<&'a str>, TokenError> {
        match self.there() {
            None => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
            Some(_) => Err(self.malformed()),
        }
    }

    pub(crate) fn texts(self) -> Result<Option<impl Iterator<Item = &'a str> + Clone>, TokenError> {
        let texts = match self.there() {
            None => return Ok(None),
            Some(Value::Array(list)) if list.iter().all(Value::is_string) => list.as_slice(),
            Some(text @ Value::String(_)) => std::slice::from_ref(text),
            Some(_) => return Err(self.malformed()),
        };
        Ok(Some(texts.iter().filter_map(Value::as_str)))
    }

    pub(crate) fn time(self) -> Result<Option<Time>, TokenError> {
        match self.there() {
            None => Ok(None),
            Some(Value::Number(number)) => Ok(Some(Time(whole_seconds(number)))),
            Some(_) => Err(self.malformed()),
        }
    }

    fn there(self) -> Option<&'a Value> {
        self.value.filter(|value| !value.is_null())
    }

    const fn malformed(self) -> TokenError {
        TokenError::ClaimMalformed { claim: self.name }
    }
}

/// The first that is there.
pub(crate) fn client_id(claims: [Claim<'_>; 2]) -> Result<Option<ClientId>, TokenError> {
    for claim in claims {
        if let Some(text) = claim.text()? {
            return ClientId::parse(text).map(Some).map_err(|_| claim.malformed());
        }
    }
    Ok(None)
}

/// The first that is there.
pub(crate) fn scope(claims: [Claim<'_>; 2]) -> Result<Scope, TokenError> {
    for claim in claims {
        if let Some(texts) = claim.texts()? {
            let tokens = texts.flat_map(|text| text.split(' ')).filter(|token| !token.is_empty());
            return Scope::from_tokens(tokens).map_err(|_| claim.malformed());
        }
    }
    Ok(Scope::empty())
}

/// Saturating: a number beyond the range of [`Time`] is its end.
fn whole_seconds(number: &serde_json::Number) -> i64 {
    let whole = number.as_i64().or_else(|| number.as_u64().map(|_| i64::MAX));
    whole.unwrap_or_else(|| number.as_f64().map_or(i64::MIN, |seconds| seconds.floor() as i64))
}
