//! The next generation of tokens (OAuth 2.1 section 4.3).

use std::cmp::Ordering;

use oauth_types::{RefreshRequest, Scope};
use store::{Access, Changes, Facts, Found, Grant, Lasting, Live, Stage, Why};

use super::client::Authenticated;
use super::issue::{Issued, enlist, tokens};
use super::{Drawn, Setting, target};
use crate::keyring::{Genuine, seed_digest};
use crate::{Event, NamedGrant, Refusal, Step};

/// Refreshes a grant by a genuine token of it.
///
/// | presented | answer |
/// |---|---|
/// | the grant is past its sliding or absolute end | refused, nothing changes |
/// | current | rotate |
/// | one behind, within the leeway, asking for the same | the same tokens again, no write: a lost response is harmless |
/// | one behind, within the leeway, asking for something else | refused, nothing changes |
/// | behind otherwise | refused, the grant ends: somebody has an old token |
/// | ahead | adopted and rotated: the store lost a commit, and nobody is logged out for it |
/// | another client's; ended; unknown | refused, nothing changes |
///
/// The number decides, not the key. A refused request never rotates.
pub fn refresh(
    request: &RefreshRequest,
    genuine: &Genuine,
    client: Authenticated<'_>,
    facts: &Facts,
    setting: Setting<'_>,
    drawn: &Drawn,
) -> Step<Issued> {
    let Some(found) = &facts.grant else {
        return Step::refuse(Refusal::GrantOver);
    };
    let Stage::Live(live) = &found.record.stage else {
        return Step::refuse(Refusal::GrantOver);
    };
    let place = Place { found, live, genuine };
    if let Err(refusal) = place.may_refresh(client, facts, setting) {
        return Step::refuse(refusal);
    }
    match genuine.number().cmp(&live.number) {
        Ordering::Equal => place.rotate(request, setting, drawn),
        Ordering::Greater => {
            let went_back = Event::StoreWentBack {
                grant: NamedGrant::of(&found.record),
                number: genuine.number(),
                recorded: live.number,
            };
            place.rotate(request, setting, drawn).telling(went_back)
        }
        Ordering::Less => match place.newest_within_leeway(setting) {
            Some(newest) => place.repeat(request, newest, setting),
            None => place.replayed(setting, drawn),
        },
    }
}

/// A genuine token and the living grant that it belongs to.
struct Place<'a> {
    found: &'a Found<Grant>,
    live: &'a Live,
    genuine: &'a Genuine,
}

impl Place<'_> {
    fn may_refresh(
        &self,
        client: Authenticated<'_>,
        facts: &Facts,
        setting: Setting<'_>,
    ) -> Result<(), Refusal> {
        let Live { party, seed, refreshable, idle_end, final_end, .. } = self.live;
        if !seed_digest(self.genuine.seed()).is(seed) || !refreshable {
            return Err(Refusal::RefreshForged);
        }
        if client.client().id != self.found.record.client {
            return Err(Refusal::RefreshOfAnotherClient);
        }
        if !client.client().standing.upholds(party.client_epoch) || !facts.person.upholds(party.person_epoch)
        {
            return Err(Refusal::GrantOver);
        }
        if target::is_gone(facts) {
            return Err(Refusal::TargetGone);
        }
        if setting.now >= *idle_end.min(final_end) {
            return Err(Refusal::GrantExpired);
        }
        Ok(())
    }

    /// The scope that is asked for: all of the grant's, or less.
    fn asked(&self, request: &RefreshRequest) -> Result<Scope, Refusal> {
        let scope = Scope::parse(request.scope.as_deref().unwrap_or_default())
            .map_err(|_| Refusal::ScopeMalformed)?;
        if !scope.is_subset_of(&self.live.scope) {
            return Err(Refusal::ScopeExceedsGrant);
        }
        if target::named(&request.resource)?.is_some_and(|named| !self.live.target.is_named_by(&named)) {
            return Err(Refusal::TargetMismatch);
        }
        Ok(if scope.is_empty() { self.live.scope.clone() } else { scope })
    }

    fn rotate(&self, request: &RefreshRequest, setting: Setting<'_>, drawn: &Drawn) -> Step<Issued> {
        let (grant, now, policy) = (&self.found.record, setting.now, setting.policy);
        let scope = match self.asked(request) {
            Ok(scope) => scope,
            Err(refusal) => return Step::refuse(refusal),
        };
        let Some(number) = self.genuine.number().checked_add(1) else {
            return Step::refuse(Refusal::GrantExpired);
        };
        let mut live = Live {
            number,
            key: setting.keys.active(),
            rotated: now,
            idle_end: now.plus(policy.refresh_idle.as_seconds()).min(self.live.final_end),
            device: self.live.device.seen_again(setting.caller.device().clone()),
            ..self.live.clone()
        };
        let mut access = Access {
            digest: live.seed,
            number,
            issued: now,
            expires: now.plus(policy.access.as_seconds()),
            scope,
        };
        let Ok(issued) = tokens(grant.id, &live, self.genuine.seed(), &access, setting) else {
            return Step::refuse(Refusal::KeyUnknown);
        };
        access.digest = issued.access.digest();
        let crowded = enlist(&mut live, access, now);
        let rotated = grant.at(Stage::Live(Box::new(live)));
        let step = Step::answer(issued)
            .writing(Changes::replace(drawn.mark, self.found, &rotated))
            .telling(Event::Refreshed { grant: NamedGrant::of(grant), number });
        if crowded { step.telling(Event::AccessTokenDropped(NamedGrant::of(grant))) } else { step }
    }

    /// The newest access token, if this token is one behind and within the leeway, which is open only while that
    /// access token is listed and unexpired.
    fn newest_within_leeway(&self, setting: Setting<'_>) -> Option<&Access> {
        let leeway = setting.policy.leeway.as_seconds();
        let one_behind = self.genuine.number().checked_add(1) == Some(self.live.number);
        let in_time = leeway > 0 && setting.now.since(self.live.rotated) <= leeway;
        let newest = self.live.access.iter().find(|access| access.number == self.live.number)?;
        (one_behind && in_time && newest.expires > setting.now).then_some(newest)
    }

    fn repeat(&self, request: &RefreshRequest, newest: &Access, setting: Setting<'_>) -> Step<Issued> {
        let grant = &self.found.record;
        match self.asked(request) {
            Ok(scope) if scope == newest.scope => {}
            Ok(_) | Err(_) => return Step::refuse(Refusal::RepeatDiffers),
        }
        match tokens(grant.id, self.live, self.genuine.seed(), newest, setting) {
            Ok(issued) => Step::answer(issued)
                .telling(Event::RefreshRepeated { grant: NamedGrant::of(grant), number: self.live.number }),
            Err(_) => Step::refuse(Refusal::KeyUnknown),
        }
    }

    fn replayed(&self, setting: Setting<'_>, drawn: &Drawn) -> Step<Issued> {
        Step::refuse(Refusal::RefreshReplayed)
            .writing(Changes::end(
                drawn.mark,
                self.found,
                Why::Lasting(Lasting::RefreshReplayed),
                setting.now,
            ))
            .telling(Event::RefreshReplayed {
                grant: NamedGrant::of(&self.found.record),
                number: self.genuine.number(),
                current: self.live.number,
            })
    }
}
