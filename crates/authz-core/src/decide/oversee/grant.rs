//! Grants: how far they have come, and what is taken from them.

use ambient::Time;
use oauth_types::Scope;
use store::{Access, Coded, Facts, Grant, Live, Request, Server, Stage, Why};
use thiserror::Error;

use crate::decide::scope::without;
use crate::decide::target;

/// How far a grant has come, and whether it is good for anything now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantState {
    /// Its person is being asked.
    Asked,
    /// Consent was given; its client has not fetched its tokens yet.
    Coded,
    /// Its client has access.
    Connected,
    /// Each of its tokens, or its code, or its question has expired.
    Expired,
    /// Something is held against its client, its person or its resource server.
    Barred,
    /// It has ended.
    Ended(Why),
}

/// What the rules would say of a grant now.
#[must_use]
pub fn state(grant: &Grant, facts: &Facts, now: Time) -> GrantState {
    let (party, state) = match &grant.stage {
        Stage::Requested(requested) => (&requested.party, GrantState::Asked),
        Stage::Coded(coded) => (&coded.party, GrantState::Coded),
        Stage::Live(live) => (&live.party, GrantState::Connected),
        Stage::Ended(ended) => return GrantState::Ended(ended.why),
    };
    if grant.last_expiry() <= now {
        return GrantState::Expired;
    }
    let client = facts.client.as_ref().map(|found| found.record.standing).unwrap_or_default();
    let upheld = client.upholds(party.client_epoch) && facts.person.upholds(party.person_epoch);
    if upheld && !target::is_gone(facts) { state } else { GrantState::Barred }
}

/// Why a grant is not narrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotNarrowed {
    /// Nobody has allowed anything yet, or it is over.
    #[error("the grant allows nothing")]
    Over,
    /// The grant does not have all of the scopes.
    #[error("a scope is not one of the grant")]
    Exceeds,
    /// No scope is left: whoever wants that revokes.
    #[error("no scope is left")]
    Nothing,
}

/// A grant with fewer scopes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Narrowed {
    /// The grant.
    pub grant: Grant,
    /// What it has.
    pub scope: Scope,
    /// What it no longer has.
    pub removed: Scope,
}

/// The grant with `scope` alone, and of that without what implies any scope that it had and loses. Its access tokens shrink with it, so
/// it bites on their next use; so does a code that is out. A server that is gone implies nothing.
///
/// # Errors
///
/// See [`NotNarrowed`].
pub fn narrow(
    grant: &Grant,
    scope: &Scope,
    server: Option<&Server>,
) -> Result<Option<Narrowed>, NotNarrowed> {
    let before = match &grant.stage {
        Stage::Coded(coded) => &coded.request.scope,
        Stage::Live(live) => &live.scope,
        Stage::Requested(_) | Stage::Ended(_) => return Err(NotNarrowed::Over),
    };
    if !scope.is_subset_of(before) {
        return Err(NotNarrowed::Exceeds);
    }
    let scope = &match server {
        Some(server) => without(scope, &before.difference(scope), server),
        None => scope.clone(),
    };
    if scope.is_empty() {
        return Err(NotNarrowed::Nothing);
    }
    let removed = before.difference(scope);
    if removed.is_empty() {
        return Ok(None);
    }
    let stage = match &grant.stage {
        Stage::Coded(coded) => {
            let request = Request { scope: scope.clone(), ..coded.request.clone() };
            Stage::Coded(Coded { request, ..coded.clone() })
        }
        Stage::Live(live) => {
            // One that has none of the scopes stays listed: without its newest access token a repeated refresh would pass for theft.
            let shrunk =
                |access: &Access| Access { scope: access.scope.intersection(scope), ..access.clone() };
            let access = live.access.iter().map(shrunk).collect();
            Stage::Live(Box::new(Live { scope: scope.clone(), access, ..(**live).clone() }))
        }
        Stage::Requested(_) | Stage::Ended(_) => return Err(NotNarrowed::Over),
    };
    Ok(Some(Narrowed { grant: grant.at(stage), scope: scope.clone(), removed }))
}

/// A grant that no device uses: it is not alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("no device uses the grant")]
pub struct NoDevice;

/// A grant, the device of which its person calls by the first 200 characters of `text` that can be seen; by no name if there are none.
///
/// # Errors
///
/// [`NoDevice`].
pub fn label(grant: &Grant, text: &str) -> Result<Option<Grant>, NoDevice> {
    match &grant.stage {
        Stage::Live(live) => {
            let device = live.device.clone().labelled(text);
            let labelled = (device != live.device).then(|| Live { device, ..(**live).clone() });
            Ok(labelled.map(|live| grant.at(Stage::Live(Box::new(live)))))
        }
        Stage::Requested(_) | Stage::Coded(_) | Stage::Ended(_) => Err(NoDevice),
    }
}
