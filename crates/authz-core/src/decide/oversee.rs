//! What people do about their own connections, and administrators about everybody's.
//!
//! Each function says what becomes of a record; `None` is that nothing is to be written, because it is so already.

use ambient::Time;
use oauth_types::Scope;
use store::{
    Access, Account, Agreed, Client, ClientAuth, Coded, Consent, Digest, Epoch, Facts, Grant, Live,
    Provenance, Request, RetiringKey, SecondFactors, Server, Session, Stage, Standing, Status, Subject,
    Ticket, Why,
};
use thiserror::Error;

use super::register::kept_until;
use super::scope::without;
use super::target;
use crate::Policy;
use crate::policy::LONGEST_GRANT;

/// How many replaced keys of a server, or secrets of a client, are remembered: of more, the one that was replaced first is taken no longer.
const MOST_RETIRING: usize = 8;

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

/// A living grant, the device of which its person calls `label`.
#[must_use]
pub fn label(live: &Live, label: &str) -> Option<Live> {
    let device = live.device.clone().labelled(label);
    (device != live.device).then(|| Live { device, ..live.clone() })
}

/// What was deleted stays so: its name is never given to anybody else, and nothing of it comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("it was deleted, for good")]
pub struct Deleted;

/// A standing with another status.
///
/// # Errors
///
/// [`Deleted`].
pub fn set_status(standing: Standing, status: Status) -> Result<Option<Standing>, Deleted> {
    match (standing.status, status) {
        (Status::Deleted, Status::Deleted) => Ok(None),
        (Status::Deleted, Status::Active | Status::Blocked) => Err(Deleted),
        (before, after) => Ok((before != after).then_some(Standing { status, ..standing })),
    }
}

/// The standing of somebody all of whose grants and sessions so far end.
#[must_use]
pub const fn end_everything(standing: Standing, epoch: Epoch) -> Standing {
    Standing { epoch: Some(epoch), ..standing }
}

/// A client with another status. Deleted it is kept longer than any grant that names it, or they would find nothing held against it.
///
/// # Errors
///
/// [`Deleted`].
pub fn set_client(client: &Client, status: Status, now: Time) -> Result<Option<Client>, Deleted> {
    Ok(set_status(client.standing, status)?.map(|standing| {
        let kept_until = match status {
            Status::Deleted => Some(now.plus(LONGEST_GRANT)),
            Status::Active | Status::Blocked => client.kept_until,
        };
        Client { standing, kept_until, ..client.clone() }
    }))
}

/// A client that somebody else vouches for. An administrator's is kept for good; for a stranger's the operator does not answer.
///
/// # Errors
///
/// [`Deleted`].
pub fn vouch(
    client: &Client,
    provenance: Provenance,
    policy: &Policy,
    now: Time,
) -> Result<Option<Client>, Deleted> {
    if client.standing.status == Status::Deleted {
        return Err(Deleted);
    }
    let (kept_until, first_party) = match provenance {
        Provenance::Administrator => (None, client.first_party),
        Provenance::Dynamic => (Some(kept_until(policy, now)), false),
    };
    let vouched = || Client { provenance, kept_until, first_party, ..client.clone() };
    Ok((client.provenance != provenance).then(vouched))
}

/// A server with another status. Deleted it has no keys, and is kept longer than any grant that names it.
///
/// # Errors
///
/// [`Deleted`].
pub fn set_server(server: &Server, status: Status, now: Time) -> Result<Option<Server>, Deleted> {
    let standing = set_status(Standing { status: server.status, epoch: None }, status)?;
    Ok(standing.map(|Standing { status, .. }| match status {
        Status::Active | Status::Blocked => Server { status, ..server.clone() },
        Status::Deleted => Server {
            status,
            keys: Vec::new(),
            retiring: Vec::new(),
            kept_until: Some(now.plus(LONGEST_GRANT)),
            ..server.clone()
        },
    }))
}

/// A server with a new key. All that it had are taken until `until` at the most, and those that were replaced before no longer than they
/// were: whoever gives no time because a key was stolen is sure that none of them is taken any more.
#[must_use]
pub fn rotate(server: &Server, key: Digest, until: Time, now: Time) -> Server {
    let retiring = retired(&server.retiring, &server.keys, until, now);
    Server { keys: vec![key], retiring, ..server.clone() }
}

/// Why a client has no other secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotRenewed {
    /// It cannot keep one.
    #[error("the client is a public one")]
    Public,
    /// It was deleted.
    #[error(transparent)]
    Deleted(#[from] Deleted),
}

/// A client with a new secret, as [`rotate`].
///
/// # Errors
///
/// See [`NotRenewed`].
pub fn renew(client: &Client, secret: Digest, until: Time, now: Time) -> Result<Client, NotRenewed> {
    match (client.standing.status, &client.auth) {
        (Status::Deleted, _) => Err(Deleted.into()),
        (Status::Active | Status::Blocked, ClientAuth::Public) => Err(NotRenewed::Public),
        (Status::Active | Status::Blocked, ClientAuth::Secret { method, digest, retiring }) => {
            let retiring = retired(retiring, &[*digest], until, now);
            let auth = ClientAuth::Secret { method: *method, digest: secret, retiring };
            Ok(Client { auth, ..client.clone() })
        }
    }
}

fn retired(before: &[RetiringKey], replaced: &[Digest], until: Time, now: Time) -> Vec<RetiringKey> {
    let before = before.iter().map(|key| RetiringKey { digest: key.digest, until: key.until.min(until) });
    let replaced = replaced.iter().map(|digest| RetiringKey { digest: *digest, until });
    let mut retiring: Vec<_> = before.chain(replaced).collect();
    retiring.retain(|key| now < key.until);
    let surplus = retiring.len().saturating_sub(MOST_RETIRING);
    retiring.drain(..surplus);
    retiring
}

/// A session that is over, and no longer says from where it was used.
#[must_use]
pub fn end_session(session: &Session) -> Session {
    // Long past, not now: the clock of another process may be behind ours.
    Session { expires: Time(0), device: store::Device::default(), ..session.clone() }
}

/// A link that is worth nothing, and that is swept away with the address that it was mailed to.
#[must_use]
pub fn end_ticket(ticket: &Ticket) -> Ticket {
    Ticket { until: Time(0), ..ticket.clone() }
}

/// An account that is closed to whoever came in so far: what they have in flight is not written any more.
#[must_use]
pub fn shut_out(account: &Account, epoch: Epoch) -> Account {
    Account { epoch: Some(epoch), ..account.clone() }
}

/// An account that says of its person only that there was one.
#[must_use]
pub fn anonymise(account: &Account) -> Option<Account> {
    let nobody = Account {
        name: String::new(),
        email: String::new(),
        email_verified: false,
        password: None,
        factors: SecondFactors::default(),
        ..account.clone()
    };
    (nobody != *account).then_some(nobody)
}
