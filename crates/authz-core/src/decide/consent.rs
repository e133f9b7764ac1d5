//! A person says yes or no.

use oauth_types::{ClientId, Issuer, Scope};
use store::{
    Agreed, Changes, Client, Coded, Consent, Facts, Found, Grant, Request, Requested, Server, Stage,
    Standing, Status, Subject, Why,
};

use super::authorize::Redirectable;
use super::scope::{allowed, without};
use super::{Drawn, Setting};
use crate::seam::Authentication;
use crate::{ClientRedirect, Event, NamedGrant, Refusal, Step};

/// The request that `who` is being asked about.
///
/// # Errors
///
/// If it is gone, or was started in another session: a link to somebody else's request opens nothing.
pub fn requested<'a>(
    facts: &'a Facts,
    who: &Authentication,
    setting: Setting<'_>,
) -> Result<(&'a Found<Grant>, &'a Requested), Refusal> {
    let found = facts.grant.as_ref().ok_or(Refusal::RequestGone)?;
    let Stage::Requested(requested) = &found.record.stage else {
        return Err(Refusal::RequestGone);
    };
    if !belongs_to(&found.record, who) {
        return Err(Refusal::RequestOfAnother);
    }
    if setting.now >= requested.until {
        return Err(Refusal::RequestGone);
    }
    Ok((found, requested))
}

/// What the page of a request shows to whoever opens it, or answers it twice.
#[derive(Clone, Debug)]
pub enum Shown<'a> {
    /// The request: it waits for an answer, or its client has not come for the code yet.
    Request(&'a Found<Grant>),
    /// The client has redeemed the code.
    Connected,
}

/// The request that `who` is being asked about, or has said yes to.
///
/// # Errors
///
/// As [`requested`], until the client has redeemed the code.
pub fn shown<'a>(facts: &'a Facts, who: &Authentication, setting: Setting<'_>) -> Result<Shown<'a>, Refusal> {
    let found = facts.grant.as_ref().ok_or(Refusal::RequestGone)?;
    match &found.record.stage {
        Stage::Requested(_) => requested(facts, who, setting).map(|(found, _)| Shown::Request(found)),
        Stage::Coded(_) | Stage::Live(_) if !belongs_to(&found.record, who) => Err(Refusal::RequestOfAnother),
        Stage::Coded(coded) if setting.now < coded.until.max(coded.expires) => Ok(Shown::Request(found)),
        Stage::Live(_) => Ok(Shown::Connected),
        Stage::Coded(_) | Stage::Ended(_) => Err(Refusal::RequestGone),
    }
}

/// Whether a grant was started by this person in this session.
pub(crate) fn belongs_to(grant: &Grant, who: &Authentication) -> bool {
    grant.party().is_some_and(|party| {
        party.session == who.session && party.subject == Subject::Person(who.person.clone())
    })
}

/// What approving looks at once more.
#[derive(Clone, Copy, Debug)]
pub struct Review<'a> {
    /// The client of the grant.
    pub client: Option<&'a Client>,
    /// The resource server of the grant.
    pub server: Option<&'a Server>,
}

/// Whether it was this yes that counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Approved {
    /// Yes: the grant may have a code now.
    Now,
    /// No, an earlier one of the same session did; this one changed nothing.
    Before,
}

/// The person says yes to `scope`, or to all that was asked for: the grant may have a code.
///
/// Who is asking, where the answer goes and what it is for are looked at again: a client or a server may have been removed,
/// and a redirect URI may have changed, while the page was open. A second yes to the same request changes nothing.
pub fn approve(
    facts: &Facts,
    who: &Authentication,
    scope: Option<&Scope>,
    review: Review<'_>,
    setting: Setting<'_>,
    drawn: &Drawn,
) -> Step<Approved> {
    if let Some(grant) = facts.grant.as_ref().map(|found| &found.record)
        && matches!(grant.stage, Stage::Coded(_) | Stage::Live(_))
        && belongs_to(grant, who)
    {
        return Step::answer(Approved::Before);
    }
    let (found, asked) = match requested(facts, who, setting) {
        Ok(requested) => requested,
        Err(refusal) => return Step::refuse(refusal),
    };
    let scope = scope.unwrap_or(&asked.request.scope);
    let server = match may_approve(asked, scope, facts.person, review) {
        Ok(server) => server,
        Err(refusal) => return Step::refuse(refusal),
    };
    let grant = &found.record;
    let scope = allowed(&asked.request.scope, scope, server);
    let coded = Coded {
        request: Request { scope: scope.clone(), ..asked.request.clone() },
        party: asked.party.clone(),
        nonce: drawn.nonce,
        number: 1,
        key: setting.keys.active(),
        expires: setting.now.plus(setting.policy.code.as_seconds()),
        until: asked.until,
        remembered: None,
        waived: false,
    };
    let consented = Event::Consented { grant: NamedGrant::of(grant), scope, remembered: false };
    let approved = grant.at(Stage::Coded(coded));
    Step::answer(Approved::Now).writing(Changes::replace(drawn.mark, found, &approved)).telling(consented)
}

/// The server that it is for.
fn may_approve<'a>(
    asked: &Requested,
    scope: &Scope,
    person: Standing,
    review: Review<'a>,
) -> Result<&'a Server, Refusal> {
    let Requested { request, party, .. } = asked;
    let client = review.client.ok_or(Refusal::RequestOutdated)?;
    let registered = client.redirect_uris.iter().any(|one| request.redirect_uri.matches(one));
    if !client.standing.upholds(party.client_epoch) || !registered {
        return Err(Refusal::RequestOutdated);
    }
    let same_resource = |server: &&Server| {
        server.id == request.target.server
            && server.status == Status::Active
            && server.resource == request.target.resource
    };
    let server = review.server.filter(same_resource).ok_or(Refusal::RequestOutdated)?;
    if !person.upholds(party.person_epoch) {
        return Err(Refusal::PersonBlocked);
    }
    if !scope.is_subset_of(&request.scope) {
        return Err(Refusal::ConsentExceedsRequest);
    }
    Ok(server)
}

/// What a person has said yes to.
#[derive(Clone, Copy, Debug)]
pub struct Yes<'a> {
    /// To whom.
    pub client: &'a ClientId,
    /// What was asked for.
    pub request: &'a Request,
    /// To what of it.
    pub scope: &'a Scope,
    /// Where.
    pub server: &'a Server,
}

/// The consent to remember after a yes: what was agreed to before, if it was not taken back and was not asked about now, and what is
/// allowed now. What was asked about and not allowed is asked about again.
#[must_use]
pub fn remember(
    who: &Authentication,
    yes: Yes<'_>,
    known: Option<&Consent>,
    setting: Setting<'_>,
) -> Consent {
    let Yes { client, request, scope, server } = yes;
    let scope = allowed(&request.scope, scope, server);
    let known = known.filter(|known| known.withdrawn.is_none());
    let mut agreed = known.map(|known| known.agreed.clone()).unwrap_or_default();
    let here = agreed.iter().position(|agreed| agreed.redirect_uri == request.redirect_uri);
    let before = here.map(|here| agreed.remove(here).scope).unwrap_or_default();
    let denied = request.scope.difference(&scope);
    let before = without(&before.difference(&request.scope), &denied, server);
    // The newest last; beyond the bound the one that was agreed to longest ago is asked about again.
    agreed.push(Agreed { redirect_uri: request.redirect_uri.clone(), scope: before.union(&scope) });
    let surplus = agreed.len().saturating_sub(MOST_REMEMBERED);
    agreed.drain(..surplus);
    Consent {
        person: who.person.clone(),
        client: client.clone(),
        server: request.target.server,
        agreed,
        given: setting.now,
        withdrawn: None,
    }
}

/// How many redirect URIs of a client a consent remembers.
const MOST_REMEMBERED: usize = 16;

/// The person says no: the grant ends, and the client is told.
pub fn deny(
    facts: &Facts,
    who: &Authentication,
    issuer: &Issuer,
    setting: Setting<'_>,
    drawn: &Drawn,
) -> Step<ClientRedirect> {
    let (found, asked) = match requested(facts, who, setting) {
        Ok(requested) => requested,
        Err(refusal) => return Step::refuse(refusal),
    };
    let grant = &found.record;
    Step::answer(Redirectable::of(&asked.request, issuer).refuse(Refusal::Denied))
        .writing(Changes::end(drawn.mark, found, Why::Denied, setting.now))
        .telling(Event::Denied(NamedGrant::of(grant)))
}
