//! The tables of the design, as plainly as possible.

use authz_core::Refusal;

use super::story::{Asked, Named, Shown, Verified};
use super::{Access, Answer, CodeName, Expected, Generation, Live, MOST_ACCESS_TOKENS, Model, Stage};
use crate::bare::Party;

impl Model {
    pub(super) fn approve(&mut self, scope: Asked, elsewhere: bool) -> Expected {
        let until = match self.stage {
            Stage::Gone | Stage::Ended { .. } => return Expected::refused(Refusal::RequestGone),
            Stage::Coded { .. } | Stage::Live(_) if !elsewhere => return Expected::answer(Answer::Taken),
            Stage::Coded { .. } | Stage::Live(_) => return Expected::refused(Refusal::RequestGone),
            Stage::Requested { .. } if elsewhere => return Expected::refused(Refusal::RequestOfAnother),
            Stage::Requested { until } => until,
        };
        if self.now >= until {
            return Expected::refused(Refusal::RequestGone);
        }
        if !self.client.upholds(0) || self.server_blocked {
            return Expected::refused(Refusal::RequestOutdated);
        }
        if !self.person.upholds(0) {
            return Expected::refused(Refusal::PersonBlocked);
        }
        let Some(scope) = scope.within("read write") else {
            return Expected::refused(Refusal::ConsentExceedsRequest);
        };
        let code = self.new_code();
        self.stage =
            Stage::Coded { code, expires: self.now + self.pace.code(), until, scope, remembered: false };
        Expected::answer(Answer::Taken).writing(&["Consented"])
    }

    pub(super) fn deny(&mut self, elsewhere: bool) -> Expected {
        match self.stage {
            Stage::Requested { .. } if elsewhere => Expected::refused(Refusal::RequestOfAnother),
            Stage::Requested { until } if self.now < until => {
                self.stage = Stage::Ended { last: until };
                Expected::answer(Answer::Taken).writing(&["Denied"])
            }
            Stage::Requested { .. }
            | Stage::Coded { .. }
            | Stage::Live(_)
            | Stage::Ended { .. }
            | Stage::Gone => Expected::refused(Refusal::RequestGone),
        }
    }

    pub(super) fn proceed(&mut self, elsewhere: bool) -> Expected {
        match self.stage {
            Stage::Gone | Stage::Ended { .. } => Expected::refused(Refusal::RequestGone),
            Stage::Requested { .. } | Stage::Coded { .. } | Stage::Live(_) if elsewhere => {
                Expected::refused(Refusal::RequestOfAnother)
            }
            // The page asks about what may still be answered.
            Stage::Requested { until } if self.now >= until => Expected::refused(Refusal::RequestGone),
            Stage::Requested { .. } if self.server_blocked => Expected::refused(Refusal::RequestOutdated),
            Stage::Requested { .. } => Expected::answer(Answer::Asked),
            Stage::Live(_) => Expected::answer(Answer::Connected),
            Stage::Coded { code, expires, .. } if self.now < expires => self.seen(code),
            Stage::Coded { until, scope, remembered, .. } if self.now < until => {
                let code = self.new_code();
                self.stage =
                    Stage::Coded { code, expires: self.now + self.pace.code(), until, scope, remembered };
                self.seen(code).writing(&[])
            }
            Stage::Coded { .. } => Expected::refused(Refusal::RequestGone),
        }
    }

    pub(super) fn redeem(
        &mut self,
        code: Shown,
        party: Party,
        verifier: Verified,
        redirect: Named,
        resource: Named,
    ) -> Expected {
        let Some(code) = code.of_or_forged(&self.codes) else {
            return Expected::answer(Answer::Nothing);
        };
        if let Err(refusal) = self.authenticated(party) {
            return Expected::refused(refusal);
        }
        match self.stage.clone() {
            Stage::Coded { code: current, .. } if code != Some(current) => {
                Expected::refused(Refusal::CodeUnknown)
            }
            Stage::Coded { code, expires, until, scope, remembered } => {
                let refusal = if self.now >= expires {
                    Some(Refusal::CodeExpired)
                } else if party == Party::Other {
                    Some(Refusal::CodeOfAnotherClient)
                } else if !self.client.upholds(0) || !self.person.upholds(0) || self.server_blocked {
                    Some(Refusal::CodeOver)
                } else if remembered && !self.consented {
                    Some(Refusal::ConsentWithdrawn)
                } else if redirect == Named::Wrong {
                    Some(Refusal::RedirectUriMismatch)
                } else if resource == Named::Wrong {
                    Some(Refusal::TargetMismatch)
                } else if verifier == Verified::Missing {
                    Some(Refusal::VerifierMissing)
                } else {
                    None
                };
                match (refusal, verifier) {
                    (Some(refusal), _) => Expected::refused(refusal),
                    (None, Verified::Right) => self.come_alive(code, scope),
                    (None, Verified::Wrong | Verified::Missing) => {
                        self.stage = Stage::Ended { last: until.max(expires) };
                        Expected::refused(Refusal::VerifierMismatch).writing(&["VerifierMismatched"])
                    }
                }
            }
            Stage::Live(live) => {
                let replayed = code == Some(live.code) && party == Party::Own && verifier == Verified::Right;
                if replayed {
                    self.end();
                    Expected::refused(Refusal::CodeReplayed).writing(&["CodeReplayed"])
                } else {
                    Expected::refused(Refusal::CodeUnknown)
                }
            }
            Stage::Requested { .. } | Stage::Ended { .. } | Stage::Gone => {
                Expected::refused(Refusal::CodeUnknown)
            }
        }
    }

    pub(super) fn come_alive(&mut self, code: CodeName, scope: &'static str) -> Expected {
        let at = Generation { line: self.lines, number: 1 };
        self.lines += 1;
        let (now, pace) = (self.now, self.pace);
        let final_end = now + pace.total();
        let access = vec![Access { of: at, expires: now + pace.access(), scope }];
        let idle_end = (now + pace.idle()).min(final_end);
        self.stage = Stage::Live(Live { at, rotated: now, scope, code, access, idle_end, final_end });
        self.handed_out(at, scope, self.pace.access()).writing(&["CodeRedeemed"])
    }

    pub(super) fn refresh(&mut self, token: Shown, party: Party, scope: Asked, resource: Named) -> Expected {
        let known: &[Generation] = if self.refreshable { &self.generations } else { &[] };
        let Some(token) = token.of_or_forged(known) else {
            return Expected::answer(Answer::Nothing);
        };
        if let Err(refusal) = self.authenticated(party) {
            return Expected::refused(refusal);
        }
        let Some(token) = token else {
            return Expected::refused(Refusal::RefreshForged);
        };
        let Stage::Live(live) = self.stage.clone() else {
            return Expected::refused(Refusal::GrantOver);
        };
        if token.line != live.at.line {
            return Expected::refused(Refusal::RefreshForged);
        }
        if party == Party::Other {
            return Expected::refused(Refusal::RefreshOfAnotherClient);
        }
        if !self.client.upholds(0) || !self.person.upholds(0) {
            return Expected::refused(Refusal::GrantOver);
        }
        if self.server_blocked {
            return Expected::refused(Refusal::TargetGone);
        }
        if self.now >= live.idle_end.min(live.final_end) {
            return Expected::refused(Refusal::GrantExpired);
        }
        if token.number >= live.at.number {
            return self.rotate(live, token, scope, resource);
        }
        let newest = live.access.iter().find(|access| access.of == live.at && access.expires > self.now);
        let one_behind = token.number + 1 == live.at.number;
        let in_time = self.leeway > 0 && self.now - live.rotated <= self.leeway;
        match newest.filter(|_| one_behind && in_time) {
            Some(newest) if scope.within(live.scope) == Some(newest.scope) && resource != Named::Wrong => {
                let mut expected = self.handed_out(live.at, newest.scope, newest.expires - self.now);
                expected.told = vec!["RefreshRepeated"];
                expected
            }
            Some(_) => Expected::refused(Refusal::RepeatDiffers),
            None => {
                self.end();
                Expected::refused(Refusal::RefreshReplayed).writing(&["RefreshReplayed"])
            }
        }
    }

    pub(super) fn rotate(
        &mut self,
        mut live: Live,
        token: Generation,
        scope: Asked,
        resource: Named,
    ) -> Expected {
        let mut went_back = (token.number > live.at.number).then_some("StoreWentBack");
        let refused = match scope.within(live.scope) {
            None => Some(Refusal::ScopeExceedsGrant),
            Some(_) if resource == Named::Wrong => Some(Refusal::TargetMismatch),
            Some(_) => None,
        };
        if let Some(refusal) = refused {
            let told = went_back.take().into_iter().collect();
            return Expected { told, ..Expected::refused(refusal) };
        }
        let scope = scope.within(live.scope).unwrap_or_default();
        live.at.number = token.number + 1;
        live.rotated = self.now;
        live.idle_end = (self.now + self.pace.idle()).min(live.final_end);
        live.access.retain(|access| access.expires > self.now);
        let crowded = live.access.len() >= MOST_ACCESS_TOKENS;
        if crowded {
            let first = (0..live.access.len()).min_by_key(|&n| live.access[n].expires).unwrap_or_default();
            live.access.remove(first);
        }
        live.access.push(Access { of: live.at, expires: self.now + self.pace.access(), scope });
        let at = live.at;
        self.stage = Stage::Live(live);
        let dropped = crowded.then_some("AccessTokenDropped");
        let told: Vec<_> = [Some("Refreshed"), dropped, went_back].into_iter().flatten().collect();
        self.handed_out(at, scope, self.pace.access()).writing(&told)
    }

    pub(super) fn revoke_access(&mut self, token: Shown, party: Party) -> Expected {
        let Some(token) = token.of_or_forged(&self.generations) else {
            return Expected::answer(Answer::Nothing);
        };
        if let Err(refusal) = self.authenticated(party) {
            return Expected::refused(refusal);
        }
        if let (Stage::Live(live), Party::Own) = (&mut self.stage, party)
            && let Some(listed) = live.access.iter().position(|access| Some(access.of) == token)
        {
            live.access.remove(listed);
            return Expected::answer(Answer::Revoked).writing(&["AccessTokenRevoked"]);
        }
        Expected::answer(Answer::Revoked)
    }

    pub(super) fn revoke_refresh(&mut self, token: Shown, party: Party) -> Expected {
        let known: &[Generation] = if self.refreshable { &self.generations } else { &[] };
        let Some(token) = token.of_or_forged(known) else {
            return Expected::answer(Answer::Nothing);
        };
        if let Err(refusal) = self.authenticated(party) {
            return Expected::refused(refusal);
        }
        match (&self.stage, party, token) {
            (Stage::Live(live), Party::Own, Some(token)) if token.line == live.at.line => {
                self.end();
                Expected::answer(Answer::Revoked).writing(&["GrantRevoked"])
            }
            _ => Expected::answer(Answer::Revoked),
        }
    }

    pub(super) fn introspect(&self, token: Shown, by_other: bool) -> Expected {
        let Some(token) = token.of_or_forged(&self.generations) else {
            return Expected::answer(Answer::Nothing);
        };
        if self.server_blocked && !by_other {
            return Expected::refused(Refusal::ServerKeyWrong);
        }
        Expected::answer(match token.and_then(|token| self.valid(token)) {
            Some((scope, expires)) if !by_other => Answer::Active { scope, expires },
            Some(_) | None => Answer::Inactive,
        })
    }

    pub(super) fn userinfo(&self, token: Shown) -> Expected {
        let Some(token) = token.of_or_forged(&self.generations) else {
            return Expected::answer(Answer::Nothing);
        };
        match token.and_then(|token| self.valid(token)).filter(|_| !self.server_blocked) {
            Some((scope, expires)) => Expected::answer(Answer::Active { scope, expires }),
            None => Expected::refused(Refusal::TokenInvalid),
        }
    }
}
