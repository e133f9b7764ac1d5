//! Using an access token: introspection (RFC 7662) and userinfo (OpenID Connect Core section 5.3).

use ambient::Time;
use oauth_types::{Acr, Audience, IntrospectionResponse, Issuer, UserInfo};
use store::{
    Access, Facts, Grant, GrantId, Live, PersonId, Server, ServerId, Stage, Status, Subject, UserInfoDetail,
};

use super::scope::with_implied;
use crate::Refusal;
use crate::seam::Profile;
use crate::text::{TokenKind, TokenText};

/// An access token that is valid now.
#[derive(Clone, Copy, Debug)]
pub struct Valid<'a> {
    grant: &'a Grant,
    live: &'a Live,
    access: &'a Access,
}

impl<'a> Valid<'a> {
    /// The grant.
    #[must_use]
    pub const fn grant(&self) -> GrantId {
        self.grant.id
    }

    /// The resource server that it is for.
    #[must_use]
    pub const fn server(&self) -> ServerId {
        self.live.target.server
    }

    /// The person that it acts for; none for a machine's.
    #[must_use]
    pub const fn person(&self) -> Option<&'a PersonId> {
        match &self.live.party.subject {
            Subject::Person(person) => Some(person),
            Subject::Machine => None,
        }
    }

    /// How and when the person proved who they are (RFC 9470 section 6); nothing of a machine.
    fn proof(&self) -> (Option<Acr>, Option<i64>) {
        match &self.live.party.subject {
            Subject::Person(_) => (self.live.party.acr.clone(), Some(self.live.party.auth_time.0)),
            Subject::Machine => (None, None),
        }
    }

    fn sub(&self) -> String {
        self.person().map_or_else(|| self.grant.client.to_string(), ToString::to_string)
    }
}

/// Whether an access token is valid: listed and unexpired in a living grant of a client and a person against whom nothing is
/// held (I7). Its resource is compared by the caller.
#[must_use]
pub fn valid<'a>(text: &TokenText, facts: &'a Facts, now: Time) -> Option<Valid<'a>> {
    let grant = &facts.grant.as_ref().filter(|_| text.kind == TokenKind::Access)?.record;
    let Stage::Live(live) = &grant.stage else {
        return None;
    };
    let digest = text.digest();
    let access = live.access.iter().find(|access| access.digest.is(&digest))?;
    let client = facts.client.as_ref().map(|found| found.record.standing).unwrap_or_default();
    let upheld = client.upholds(live.party.client_epoch) && facts.person.upholds(live.party.person_epoch);
    (upheld && access.expires > now).then_some(Valid { grant, live, access })
}

/// The resource server that a `sak_` key belongs to.
///
/// # Errors
///
/// [`Refusal::ServerKeyWrong`] for anything but a key of an active server: a current one, or one that was replaced and whose time is not
/// over.
pub fn authenticate_server<'a>(
    key: &TokenText,
    server: Option<&'a Server>,
    now: Time,
) -> Result<&'a Server, Refusal> {
    let server = server.filter(|server| server.status == Status::Active).ok_or(Refusal::ServerKeyWrong)?;
    let digest = key.digest();
    // Every digest is compared, so the time tells nothing about which one matched.
    let retiring = server.retiring.iter().filter(|key| now < key.until).map(|key| &key.digest);
    let known = server.keys.iter().chain(retiring).fold(false, |known, one| known | one.is(&digest));
    if key.kind != TokenKind::ServerKey || key.id != *server.id.as_bytes() || !known {
        return Err(Refusal::ServerKeyWrong);
    }
    Ok(server)
}

/// What introspection tells `server` about a token: all that is known if the token is valid and meant for it, else only that
/// it is not active (RFC 7662 section 2.2).
#[must_use]
pub fn introspect(valid: Option<Valid<'_>>, server: &Server, issuer: &Issuer) -> IntrospectionResponse {
    let Some(valid) = valid.filter(|valid| valid.server() == server.id) else {
        return IntrospectionResponse::inactive();
    };
    let mut response = IntrospectionResponse::inactive();
    response.active = true;
    response.scope = Some(with_implied(&valid.access.scope, server));
    response.client_id = Some(valid.grant.client.clone());
    response.token_type = Some("Bearer".to_owned());
    response.exp = Some(valid.access.expires.0);
    response.iat = Some(valid.access.issued.0);
    response.sub = Some(valid.sub());
    response.aud = Some(Audience::One(valid.live.target.resource.to_string()));
    response.iss = Some(issuer.clone());
    (response.acr, response.auth_time) = valid.proof();
    response
}

/// The `username` of an introspection: the e-mail address, where userinfo would tell it, too.
#[must_use]
pub fn username(valid: Valid<'_>, server: &Server, profile: Option<&Profile>) -> Option<String> {
    profile.filter(|_| tells(valid, server, "email")).and_then(|profile| profile.email.clone())
}

/// What userinfo tells whoever holds the token. `aud`, `scope` and `client_id` are there so that no resource server can be
/// fooled by a token that is meant for another.
#[must_use]
pub fn user_info(valid: Valid<'_>, server: &Server, profile: Option<&Profile>) -> UserInfo {
    let mut info = UserInfo::new(valid.sub());
    info.aud = Some(Audience::One(valid.live.target.resource.to_string()));
    info.scope = Some(valid.access.scope.clone());
    info.client_id = Some(valid.grant.client.clone());
    (info.acr, info.auth_time) = valid.proof();
    if let Some(profile) = profile {
        if tells(valid, server, "profile") {
            info.name.clone_from(&profile.name);
        }
        if tells(valid, server, "email") && profile.email.is_some() {
            info.email.clone_from(&profile.email);
            info.email_verified = Some(profile.email_verified);
        }
    }
    info
}

/// Whether `server` learns about the person what `scope` stands for: by its registration, or because the person allowed it.
fn tells(valid: Valid<'_>, server: &Server, scope: &str) -> bool {
    match server.userinfo {
        UserInfoDetail::Full => true,
        UserInfoDetail::Scoped => valid.access.scope.contains(scope),
    }
}
