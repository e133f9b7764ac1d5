//! Consents that are remembered, and taken back.

use ambient::Time;
use oauth_types::Scope;
use store::{Agreed, Consent, Grant, Server, Stage, Subject};

use crate::decide::scope::without;

/// A remembered consent without scopes that its person took away and without what implies them, wherever the answer went.
#[must_use]
pub fn forget_scopes(
    consent: &Consent,
    removed: &Scope,
    server: Option<&Server>,
    now: Time,
) -> Option<Consent> {
    if consent.withdrawn.is_some() {
        return None;
    }
    let left = |scope: &Scope| match server {
        Some(server) => without(scope, removed, server),
        None => scope.difference(removed),
    };
    let agreed = consent.agreed.iter().map(|one| Agreed { scope: left(&one.scope), ..one.clone() });
    let agreed: Vec<_> = agreed.filter(|one| !one.scope.is_empty()).collect();
    if agreed == consent.agreed {
        return None;
    }
    let withdrawn = agreed.is_empty().then_some(now);
    Some(Consent { agreed, withdrawn, ..consent.clone() })
}

/// A remembered consent that was taken back. The record stays: a code that was born from it looks here once more.
#[must_use]
pub fn withdraw(consent: &Consent, now: Time) -> Option<Consent> {
    let withdrawn = || Consent { agreed: Vec::new(), withdrawn: Some(now), ..consent.clone() };
    consent.withdrawn.is_none().then(withdrawn)
}

/// That a person took back what they were never asked about, for the operator answered for the client: it is asked about from now on.
/// `None` for a grant of nobody's, and for one that allows nothing.
#[must_use]
pub fn taken_back(grant: &Grant, now: Time) -> Option<Consent> {
    let target = match &grant.stage {
        Stage::Coded(coded) => &coded.request.target,
        Stage::Live(live) => &live.target,
        Stage::Requested(_) | Stage::Ended(_) => return None,
    };
    let Subject::Person(person) = &grant.party()?.subject else { return None };
    Some(Consent {
        person: person.clone(),
        client: grant.client.clone(),
        server: target.server,
        agreed: Vec::new(),
        given: now,
        withdrawn: Some(now),
    })
}
