//! What an authorization server says of a token, held against what this server demands (RFC 7662 section 4).

use ambient::Time;
use jose::{Claims, TokenError};
use oauth_types::{Issuer, Resource};

use crate::verifier::discovery::same_but_for_a_slash;
use crate::verifier::notices::Notices;
use crate::{Invalid, Verified};

/// What clocks may differ by, where the authorization server says that a token is good, in seconds.
const LEEWAY: i64 = 5;

/// What this server demands.
pub(crate) struct Demands<'a> {
    /// Who was asked, in the text that it uses itself, if that is known.
    pub(crate) issuer: &'a Issuer,
    /// Whether that text is its own, so that another is another's.
    pub(crate) exactly: bool,
    pub(crate) audiences: &'a [String],
    pub(crate) resource: &'a Resource,
}

impl Demands<'_> {
    /// Whose token it is, if the answer is about an access token for this server that is good now.
    pub(crate) fn verified(&self, claims: Claims, now: Time, notices: &Notices) -> Result<Verified, Invalid> {
        self.check_issuer(&claims, now, notices)?;
        refuse_other_kinds(&claims)?;
        let expires_at = check_times(&claims, now)?;
        self.check_audience(&claims, now, notices)?;
        refuse_bound(&claims)?;
        Ok(Verified {
            issuer: self.issuer.clone(),
            subject: claims.text("sub")?.map(str::to_owned),
            client_id: claims.client_id()?,
            scopes: claims.scope()?,
            resource: self.resource.clone(),
            expires_at,
            token_id: claims.text("jti")?.map(str::to_owned),
            claims: claims.into_map(),
        })
    }

    fn check_issuer(&self, claims: &Claims, now: Time, notices: &Notices) -> Result<(), TokenError> {
        let ours = self.issuer.as_str();
        match claims.text("iss")? {
            Some(iss) if iss == ours || (!self.exactly && same_but_for_a_slash(iss, ours)) => Ok(()),
            None => Ok(()),
            Some(other) => {
                notices.mismatch("token_issuer_wrong", "iss", ours, other, now);
                Err(TokenError::IssuerWrong)
            }
        }
    }

    /// An answer without an audience is about a token for anybody, and whoever was sent it could use it here (confused deputy).
    fn check_audience(&self, claims: &Claims, now: Time, notices: &Notices) -> Result<(), TokenError> {
        let found = claims.texts("aud")?;
        if found
            .as_ref()
            .is_some_and(|found| self.audiences.iter().any(|ours| found.contains(&ours.as_str())))
        {
            return Ok(());
        }
        let (fault, found) = match found {
            Some(found) => (TokenError::AudienceWrong, found.join(" ")),
            None => (TokenError::ClaimMissing { claim: "aud" }, String::new()),
        };
        notices.mismatch("token_audience_wrong", "aud", &self.audiences.join(" or "), &found, now);
        Err(fault)
    }
}

/// A refresh token or an ID token is active, too, and opens nothing here. Servers tell them apart in one of these ways.
fn refuse_other_kinds(claims: &Claims) -> Result<(), TokenError> {
    let says = |claim, texts: &[&str]| texts.iter().any(|text| claims.is(claim, text));
    if says("typ", &["ID"]) || says("token_use", &["id", "id_token"]) {
        return Err(TokenError::IdToken);
    }
    if says("typ", &["Refresh", "Offline"])
        || says("token_use", &["refresh", "refresh_token"])
        || says("token_type", &["refresh_token", "id_token"])
    {
        return Err(TokenError::TypeNotAllowed);
    }
    Ok(())
}

/// A token is good before `exp`, and not at it (RFC 7662 section 2.2).
fn check_times(claims: &Claims, now: Time) -> Result<Option<Time>, TokenError> {
    let expires_at = claims.time("exp")?;
    if expires_at.is_some_and(|at| now >= at) {
        return Err(TokenError::Expired);
    }
    for claim in ["nbf", "iat"] {
        if claims.time(claim)?.is_some_and(|from| from > now.plus(LEEWAY)) {
            return Err(TokenError::NotYetValid);
        }
    }
    Ok(expires_at)
}

/// Bound to a key or a certificate, whose proof nobody has asked for (RFC 9449 section 6.2, RFC 8705 section 3.2).
fn refuse_bound(claims: &Claims) -> Result<(), TokenError> {
    let dpop = claims.text("token_type")?.is_some_and(|kind| kind.eq_ignore_ascii_case("DPoP"));
    if dpop || claims.has("cnf") { Err(TokenError::SenderConstrained) } else { Ok(()) }
}
