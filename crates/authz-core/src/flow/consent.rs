//! A person answers.

use ambient::Time;
use oauth_types::Scope;
use store::{Changes, Client, Consent, Facts, Found, Grant, GrantId, Server, Stage, Use};

use super::authorize::pending_of;
use super::run::{Rule, run};
use super::{Engine, Stopped, Unavailable};
use crate::decide::consent::{Approved, Review, Shown, Yes, approve, deny, remember, shown};
use crate::decide::register::kept_until;
use crate::decide::{Drawn, Setting};
use crate::event::UNKNOWN;
use crate::seam::{Authentication, Pending, Wanted};
use crate::{ClientRedirect, Context, ContinuePath, Page, Refusal, Step};

/// A client's time is prolonged at most once a day, in seconds.
const WORTH_A_WRITE: i64 = 86_400;

/// What a person is being asked.
pub(crate) async fn pending(
    engine: &Engine,
    grant: GrantId,
    who: &Authentication,
) -> Result<Pending, Stopped> {
    let facts = engine.facts(Use { grant: Some(&grant), ..Use::default() }).await?;
    let keys = engine.keys.current();
    let found = match shown(&facts, who, engine.setting(&keys, &UNKNOWN))? {
        Shown::Request(found) => found,
        Shown::Connected => return Err(Page::connected().into()),
    };
    let Reviewed { client, server, known } = reviewed(engine, found, who).await?;
    let pending = match (client, server) {
        (Some(client), Some(server)) => {
            pending_of(engine, &found.record, client, server, who, known.map(|known| known.record))
        }
        (Some(_) | None, _) => None,
    };
    Ok(pending.ok_or(Refusal::RequestOutdated)?)
}

/// The person says yes.
pub(crate) async fn approved(
    engine: &Engine,
    grant: GrantId,
    who: &Authentication,
    scope: Option<&Scope>,
    caller: &Context,
) -> Result<ContinuePath, Stopped> {
    let facts = engine.facts(Use { grant: Some(&grant), ..Use::default() }).await?;
    let found = facts.grant.ok_or(Refusal::RequestGone)?;
    // Read before the grant is written: a withdrawal in between makes the write below stale, and it stays withdrawn.
    let reviewed = reviewed(engine, &found, who).await?;
    if let Some(client) = &reviewed.client {
        keep_client(engine, client).await?;
    }
    let rule = Approve { grant, who, scope, reviewed: &reviewed };
    let approved = run(engine, &rule, caller).await??;
    if approved == Approved::Now {
        remember_consent(engine, &found.record, who, scope, &reviewed).await?;
    }
    Ok(ContinuePath::of(grant, &engine.issuer))
}

/// The person says no.
pub(crate) async fn denied(
    engine: &Engine,
    grant: GrantId,
    who: &Authentication,
    caller: &Context,
) -> Result<ClientRedirect, Stopped> {
    Ok(run(engine, &Deny { grant, who, engine }, caller).await??)
}

/// What a consent is about, as it is now.
struct Reviewed {
    client: Option<Client>,
    server: Option<Server>,
    known: Option<Found<Consent>>,
}

async fn reviewed(engine: &Engine, found: &Found<Grant>, who: &Authentication) -> Result<Reviewed, Stopped> {
    let grant = &found.record;
    let target = match &grant.stage {
        Stage::Requested(requested) => &requested.request.target,
        Stage::Coded(coded) => &coded.request.target,
        Stage::Live(live) => &live.target,
        Stage::Ended(_) => return Err(Refusal::RequestGone.into()),
    };
    let consent = Consent::id_of(&who.person, &grant.client, &target.server);
    Ok(Reviewed {
        client: engine.client(&grant.client).await?,
        server: engine.resources.find(&Wanted::Registered(target.server)).await?,
        known: engine.store().find::<Consent>(&consent).await?,
    })
}

/// After the grant, under the mark (or the absence) that was read before it. A stale write is left: somebody else has just
/// remembered or withdrawn.
async fn remember_consent(
    engine: &Engine,
    grant: &Grant,
    who: &Authentication,
    scope: Option<&Scope>,
    reviewed: &Reviewed,
) -> Result<(), Stopped> {
    let (Stage::Requested(asked), Some(server)) = (&grant.stage, &reviewed.server) else {
        return Ok(());
    };
    let known = reviewed.known.as_ref();
    let keys = engine.keys.current();
    let before = known.map(|known| &known.record);
    let scope = scope.unwrap_or(&asked.request.scope);
    let yes = Yes { client: &grant.client, request: &asked.request, scope, server };
    let consent = remember(who, yes, before, engine.setting(&keys, &UNKNOWN));
    let mark = engine.draw().mark;
    let changes = match known {
        Some(known) => Changes::replace(mark, known, &consent),
        None => Changes::create(mark, &consent),
    };
    let _: store::Commit = engine.store().commit(&changes).await?;
    Ok(())
}

/// A client that registered itself is kept as long as the grant that it is about to get may live. Before the grant is
/// written: kept for nothing is the harmless half.
pub(crate) async fn keep_client(engine: &Engine, client: &Client) -> Result<(), Unavailable> {
    let until = kept_until(&engine.policy, engine.clock.now());
    let due = |kept: Time| until.since(kept) > WORTH_A_WRITE;
    if !client.kept_until.is_some_and(due) {
        return Ok(());
    }
    let Some(found) = engine.store().find::<Client>(&client.id).await? else {
        return Ok(());
    };
    if found.record.kept_until.is_some_and(due) {
        let kept = Client { kept_until: Some(until), ..found.record.clone() };
        // Stale: somebody else keeps or deletes it.
        let _: store::Commit =
            engine.store().commit(&Changes::replace(engine.draw().mark, &found, &kept)).await?;
    }
    Ok(())
}

struct Approve<'a> {
    grant: GrantId,
    who: &'a Authentication,
    scope: Option<&'a Scope>,
    reviewed: &'a Reviewed,
}

impl Rule for Approve<'_> {
    type Out = Approved;

    fn load(&self) -> Use<'_> {
        Use { grant: Some(&self.grant), ..Use::default() }
    }

    fn decide(&self, facts: &Facts, setting: Setting<'_>, drawn: &Drawn) -> Step<Approved> {
        let client = facts.client.as_ref().map(|found| &found.record).or(self.reviewed.client.as_ref());
        let review = Review { client, server: self.reviewed.server.as_ref() };
        approve(facts, self.who, self.scope, review, setting, drawn)
    }
}

struct Deny<'a> {
    grant: GrantId,
    who: &'a Authentication,
    engine: &'a Engine,
}

impl Rule for Deny<'_> {
    type Out = ClientRedirect;

    fn load(&self) -> Use<'_> {
        Use { grant: Some(&self.grant), ..Use::default() }
    }

    fn decide(&self, facts: &Facts, setting: Setting<'_>, drawn: &Drawn) -> Step<ClientRedirect> {
        deny(facts, self.who, &self.engine.issuer, setting, drawn)
    }
}
