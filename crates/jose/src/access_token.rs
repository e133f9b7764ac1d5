//! The check of an access token (RFC 9068 section 4).

use ambient::Time;
use oauth_types::{ClientId, Issuer, Scope};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};

use crate::claims::{Claim, Claims, client_id, scope};
use crate::jws::Jws;
use crate::key_set::KeySet;
use crate::rules::{AccessTokenRules, TypeRule};
use crate::token_error::TokenError;

/// An access token that was checked, in what it says.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessToken {
    /// Who issued it (`iss`).
    pub issuer: Issuer,
    /// Whose it is (`sub`), unique at this issuer alone. Without it the token is nobody's, a machine's for instance.
    pub subject: Option<String>,
    /// Whom it was issued to (`client_id`, else `azp`).
    pub client_id: Option<ClientId>,
    /// What it reaches (`scope`, else `scp`); empty if it does not say.
    pub scope: Scope,
    /// The one of the demanded audiences that it is for (`aud`).
    pub audience: String,
    /// When it expires (`exp`).
    pub expires_at: Time,
    /// When it was issued (`iat`).
    pub issued_at: Option<Time>,
    /// The name of the token itself (`jti`).
    pub token_id: Option<String>,
    /// All claims as they were, those above included.
    pub claims: Map<String, Value>,
}

/// Checks an access token (RFC 9068 section 4, RFC 7519 section 7.2): its form, its algorithm, its signature by one of `keys`, its
/// type, and then its claims as of `now`.
///
/// # Errors
/// The first [`TokenError`], in this order. Type and claims are not looked at before the signature is right: what is said of them is
/// said of what the issuer wrote, and not of what a stranger did.
pub fn verify(
    token: &SecretString,
    keys: &KeySet,
    rules: &AccessTokenRules,
    now: Time,
) -> Result<AccessToken, TokenError> {
    let mut space = Vec::new();
    let mut jws = Jws::parse(token.expose_secret(), &mut space)?;
    let algorithm = jws.algorithm(rules.algorithms)?;
    jws.refuse_extensions()?;
    let payload = jws.signed_payload(keys, algorithm)?;
    let claims = Claims::parse(payload);
    let typed = check_type(jws.media_type(), rules.type_rule)?;
    let claims = claims?;
    let said = Said::of(&claims);
    check_issuer(&said, rules)?;
    if !typed {
        refuse_id_token(&claims)?;
    }
    let (expires_at, issued_at) = check_times(&said, rules, now)?;
    let audience = check_audience(&said, rules)?;
    refuse_bound(&said)?;
    Ok(AccessToken {
        issuer: rules.issuer.clone(),
        subject: said.sub.text()?.map(str::to_owned),
        client_id: client_id([said.client_id, said.azp])?,
        scope: scope([said.scope, said.scp])?,
        audience,
        expires_at,
        issued_at,
        token_id: said.jti.text()?.map(str::to_owned),
        claims: claims.into_map(),
    })
}

/// The claims that are looked at, found in one walk.
struct Said<'a> {
    iss: Claim<'a>,
    sub: Claim<'a>,
    aud: Claim<'a>,
    exp: Claim<'a>,
    nbf: Claim<'a>,
    iat: Claim<'a>,
    jti: Claim<'a>,
    client_id: Claim<'a>,
    azp: Claim<'a>,
    scope: Claim<'a>,
    scp: Claim<'a>,
    cnf: Claim<'a>,
}

impl<'a> Said<'a> {
    fn of(claims: &'a Claims) -> Self {
        let mut said = Self {
            iss: Claim::absent("iss"),
            sub: Claim::absent("sub"),
            aud: Claim::absent("aud"),
            exp: Claim::absent("exp"),
            nbf: Claim::absent("nbf"),
            iat: Claim::absent("iat"),
            jti: Claim::absent("jti"),
            client_id: Claim::absent("client_id"),
            azp: Claim::absent("azp"),
            scope: Claim::absent("scope"),
            scp: Claim::absent("scp"),
            cnf: Claim::absent("cnf"),
        };
        for (name, value) in claims.iter() {
            let claim = match name {
                "iss" => &mut said.iss,
                "sub" => &mut said.sub,
                "aud" => &mut said.aud,
                "exp" => &mut said.exp,
                "nbf" => &mut said.nbf,
                "iat" => &mut said.iat,
                "jti" => &mut said.jti,
                "client_id" => &mut said.client_id,
                "azp" => &mut said.azp,
                "scope" => &mut said.scope,
                "scp" => &mut said.scp,
                "cnf" => &mut said.cnf,
                _ => continue,
            };
            claim.value = Some(value);
        }
        said
    }
}

/// Whether the type says that it is an access token, if it need not.
fn check_type(typ: Option<&str>, rule: TypeRule) -> Result<bool, TokenError> {
    let is = |name: &str| typ.is_some_and(|typ| typ.eq_ignore_ascii_case(name));
    let untyped = || match rule {
        TypeRule::AtJwtOnly => false,
        TypeRule::DangerouslyUntyped => typ.is_none() || is("JWT"),
    };
    let typed = is("at+jwt");
    if typed || untyped() { Ok(typed) } else { Err(TokenError::TypeNotAllowed) }
}

/// Compared as texts: an issuer with a final slash is another one (RFC 9068 section 4).
fn check_issuer(said: &Said<'_>, rules: &AccessTokenRules) -> Result<(), TokenError> {
    let issuer = said.iss.text()?.ok_or(TokenError::ClaimMissing { claim: "iss" })?;
    if issuer == rules.issuer.as_str() { Ok(()) } else { Err(TokenError::IssuerWrong) }
}

/// Where `typ` does not say it, the claims must: those of an ID token are refused (OpenID Connect Core 2 and 3.3.2.11), and so are
/// those that could be of either kind.
fn refuse_id_token(claims: &Claims) -> Result<(), TokenError> {
    let says = |claim, text: &str| claims.is(claim, text);
    let any = |names: &[&str]| names.iter().any(|claim| claims.has(claim));
    let scoped = any(&["scope", "scp"]);
    if says("typ", "ID") || says("token_use", "id") || (!scoped && any(&["nonce", "at_hash", "c_hash"])) {
        return Err(TokenError::IdToken);
    }
    // Entra writes roles into ID tokens, too, but the client only into access tokens.
    let for_a_role = any(&["roles"]) && any(&["azp", "appid"]);
    if scoped || for_a_role || says("typ", "Bearer") || says("token_use", "access") {
        Ok(())
    } else {
        Err(TokenError::ClaimMissing { claim: "scope" })
    }
}

/// When it expires, and when it was issued. A token is good before `exp`, and not at it (RFC 7519 section 4.1.4).
fn check_times(
    said: &Said<'_>,
    rules: &AccessTokenRules,
    now: Time,
) -> Result<(Time, Option<Time>), TokenError> {
    let expires_at = said.exp.time()?.ok_or(TokenError::ClaimMissing { claim: "exp" })?;
    if now >= expires_at.plus(rules.leeway) {
        return Err(TokenError::Expired);
    }
    let began = |from: Option<Time>| {
        let future = from.is_some_and(|from| from > now.plus(rules.leeway));
        if future { Err(TokenError::NotYetValid) } else { Ok(from) }
    };
    began(said.nbf.time()?)?;
    Ok((expires_at, began(said.iat.time()?)?))
}

fn check_audience(said: &Said<'_>, rules: &AccessTokenRules) -> Result<String, TokenError> {
    let audience = said.aud.texts()?.ok_or(TokenError::ClaimMissing { claim: "aud" })?;
    let ours = rules.audiences.iter().find(|ours| audience.clone().any(|one| one == ours.as_str()));
    ours.cloned().ok_or(TokenError::AudienceWrong)
}

/// A token that says which key its sender holds is worth nothing without the proof (RFC 7800 section 3.1, RFC 9449 section 7.1).
fn refuse_bound(said: &Said<'_>) -> Result<(), TokenError> {
    if said.cnf.is_there() { Err(TokenError::SenderConstrained) } else { Ok(()) }
}
