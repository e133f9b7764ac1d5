//! What somebody changes about how they log in. Whoever does it has logged in just before, and to add something they prove once more who
//! they are; their owner gets a letter of each.

use ambient::Time;
use authz_core::{AccountEvent, Actor, Factor, Limit};
use secrecy::{ExposeSecret as _, SecretString};
use store::{Account, Passkey, PersonId, Totp};

use super::entering::Answer;
use super::level::{CODE, Level, SEVERAL};
use super::sealed::Ceremony;
use super::totp::{Code, TotpSecret};
use super::webauthn::{Expected, Registration};
use super::{ask_for_more, has_app, recovery};
use crate::identity::Serving;
use crate::people::{Changed, Openings, Unchanged};
use crate::refused::Refused;
use crate::session::LoggedIn;
use crate::texts::Factors;
use crate::visit::Visit;

/// A change.
#[derive(Clone, Copy)]
pub(super) enum Deed<'a> {
    AddApp,
    ConfirmApp { offer: &'a str, code: &'a str, proof: &'a str },
    RemoveApp,
    NewCodes { proof: &'a str },
    AddPasskey { answer: Answer<'a>, name: &'a str, proof: &'a str },
    NamePasskey { id: &'a str, name: &'a str },
    RemovePasskey { id: &'a str },
}

/// What became of it.
pub(super) struct Done {
    pub(super) account: Account,
    /// The secret of an app that is to be set up.
    pub(super) offer: Option<String>,
    pub(super) news: Option<fn(&Factors) -> &'static str>,
    pub(super) codes: Option<Vec<String>>,
}

impl Done {
    /// With nothing to say about it.
    const fn quietly(account: Account) -> Self {
        Self { account, offer: None, news: None, codes: None }
    }
}

/// Why not.
#[derive(Debug)]
pub(super) enum Undone {
    /// Something for the page to say.
    Said(fn(&Factors) -> &'static str),
    Refused(Refused),
}

impl<E: Into<Refused>> From<E> for Undone {
    fn from(refused: E) -> Self {
        Self::Refused(refused.into())
    }
}

/// So many passkeys has an account at most.
const MOST: usize = 20;
/// In code points.
const LONGEST_NAME: usize = 60;

impl Serving<'_> {
    pub(super) async fn do_deed(
        &self,
        visit: &Visit<'_>,
        session: &LoggedIn,
        deed: Deed<'_>,
    ) -> Result<Done, Undone> {
        self.may(Limit::LogIn, visit, &format!("security {}", session.authentication.person)).await?;
        match deed {
            Deed::AddApp => self.add_app(session).await,
            Deed::ConfirmApp { offer, code, proof } => {
                self.prove(visit, session, proof).await?;
                self.confirm_app(visit, session, offer, code).await
            }
            Deed::RemoveApp => self.remove_app(visit, session).await,
            Deed::NewCodes { proof } => self.new_codes(visit, session, proof).await,
            Deed::AddPasskey { answer, name, proof } => {
                self.prove(visit, session, proof).await?;
                self.add_passkey(visit, session, answer, name).await
            }
            Deed::NamePasskey { id, name } => self.name_passkey(session, id, name).await,
            Deed::RemovePasskey { id } => self.remove_passkey(visit, session, id).await,
        }
    }

    /// Whoever finds a browser open, or takes a session, has no password, and no app that shows codes. Somebody without a password has
    /// just logged in by a passkey.
    async fn prove(&self, visit: &Visit<'_>, session: &LoggedIn, proof: &str) -> Result<(), Undone> {
        let account = self.own_account(session).await?;
        if account.password.is_none() && !has_app(&account.factors) {
            let by_passkey = Level::of(&session.amr) == Level::Phishproof;
            return if by_passkey { Ok(()) } else { Err(Undone::Said(|t| t.wrong_proof)) };
        }
        let proven = if has_app(&account.factors) && Code::parse(proof).is_some() {
            self.with_code(visit, session, proof).await
        } else {
            self.with_password(visit, session, proof).await
        };
        match proven {
            Ok(_) => Ok(()),
            Err(Refused::Wrong | Refused::WrongCode) => Err(Undone::Said(|t| t.wrong_proof)),
            Err(refused) => Err(Undone::Refused(refused)),
        }
    }

    /// A secret for an app, which is kept when the app has shown that it has it.
    async fn add_app(&self, session: &LoggedIn) -> Result<Done, Undone> {
        let (vault, person) = (self.vault()?, &session.authentication.person);
        let account = self.own_account(session).await?;
        let offer = if has_app(&account.factors) {
            None
        } else {
            let secret = TotpSecret::drawn(&*vault.entropy);
            let offer = vault.offer_totp(person, &session.authentication.session, &secret);
            Some(offer.ok_or(Refused::Unavailable)?)
        };
        Ok(Done { offer, ..Done::quietly(account) })
    }

    async fn confirm_app(
        &self,
        visit: &Visit<'_>,
        session: &LoggedIn,
        offer: &str,
        code: &str,
    ) -> Result<Done, Undone> {
        let (vault, person) = (self.vault()?, &session.authentication.person);
        let offered = vault.offered_totp(person, &session.authentication.session, offer);
        let secret = offered.ok_or(Undone::Said(|t| t.app_over))?;
        let sealed = vault.seal_totp(person, &secret).ok_or(Refused::Unavailable)?;
        let now = vault.clock.now();
        let step = Code::parse(code).and_then(|code| secret.step_of(code, now, 0));
        let last_step = step.ok_or(Undone::Said(|t| t.wrong_code))?;
        let codes = recovery::drawn(&*vault.entropy);
        let change = |account: &mut Account| {
            if has_app(&account.factors) {
                return Err(Undone::Said(|t| t.app_over));
            }
            let first = !ask_for_more(&account.factors);
            account.factors.totp = Some(Totp { sealed: sealed.clone(), confirmed: Some(now), last_step });
            Ok(first_codes(account, first, &codes))
        };
        let changed = self.changed(session, change).await?;
        self.added(visit, session, &changed, (Factor::Totp, now), &[CODE, SEVERAL]).await?;
        let with_codes = changed.outcome;
        let codes = with_codes.then(|| shown(&codes));
        Ok(Done { news: Some(|t| t.added), codes, ..Done::quietly(changed.now) })
    }

    async fn remove_app(&self, visit: &Visit<'_>, session: &LoggedIn) -> Result<Done, Undone> {
        let change = |account: &mut Account| {
            let had = has_app(&account.factors);
            account.factors.totp = None;
            tidy(account);
            Ok(had)
        };
        let Changed { now: account, outcome: had, .. } = self.changed(session, change).await?;
        if had {
            self.removed(visit, &account, Factor::Totp);
        }
        Ok(Done { news: had.then_some(|t| t.removed), ..Done::quietly(account) })
    }

    async fn new_codes(&self, visit: &Visit<'_>, session: &LoggedIn, proof: &str) -> Result<Done, Undone> {
        self.prove(visit, session, proof).await?;
        let vault = self.vault()?;
        let (now, codes) = (vault.clock.now(), recovery::drawn(&*vault.entropy));
        let change = |account: &mut Account| Ok(first_codes(account, ask_for_more(&account.factors), &codes));
        let changed = self.changed(session, change).await?;
        let made = changed.outcome;
        if made {
            self.added(visit, session, &changed, (Factor::Recovery, now), &[]).await?;
        }
        let codes = made.then(|| shown(&codes));
        Ok(Done { news: made.then_some(|t| t.renewed), codes, ..Done::quietly(changed.now) })
    }

    async fn add_passkey(
        &self,
        visit: &Visit<'_>,
        session: &LoggedIn,
        Answer { credential, challenge }: Answer<'_>,
        name: &str,
    ) -> Result<Done, Undone> {
        let (vault, rp) = self.passkeys().ok_or(Undone::Said(|t| t.wrong_passkey))?;
        let person = &session.authentication.person;
        // Before anything is kept of it.
        if self.own_account(session).await?.factors.passkeys.len() >= MOST {
            return Err(Undone::Said(|t| t.too_many));
        }
        let asked = vault.take(challenge, Ceremony::Add).await?;
        let asked = asked.filter(|asked| asked.person.as_ref() == Some(person));
        let asked = asked.ok_or(Undone::Said(|t| t.wrong_passkey))?;
        let origin = self.pages.origin.as_str();
        let expected = Expected { rp, origin, challenge: asked.bytes(), verified: false };
        let answer = serde_json::from_str::<Registration>(credential);
        let checked = answer.ok().and_then(|answer| answer.check(&expected).ok());
        let (id, shown_to_be) = checked.ok_or(Undone::Said(|t| t.wrong_passkey))?;
        let credential = serde_json::to_value(&shown_to_be.credential).map_err(|_| Refused::Unavailable)?;
        let (now, codes) = (vault.clock.now(), recovery::drawn(&*vault.entropy));
        let name = named(name).unwrap_or_else(|| self.site.t.factors.passkey.to_owned());
        let new = Passkey { id, credential, name, made: now, used: None };
        if !vault.claim_passkey(&new.id, person).await? {
            return Err(Undone::Said(|t| t.known_passkey));
        }
        let change = |account: &mut Account| {
            let first = !ask_for_more(&account.factors);
            let passkeys = &mut account.factors.passkeys;
            if passkeys.iter().any(|passkey| passkey.id == new.id) {
                return Err(Undone::Said(|t| t.known_passkey));
            }
            if passkeys.len() >= MOST {
                return Err(Undone::Said(|t| t.too_many));
            }
            passkeys.push(new.clone());
            Ok(first_codes(account, first, &codes))
        };
        let changed = match self.changed(session, change).await {
            Ok(changed) => changed,
            Err(undone) => {
                self.unclaim(person, &new.id).await?;
                return Err(undone);
            }
        };
        // To make a key is not to be asked for it: no app that asks for one is content with that.
        self.added(visit, session, &changed, (Factor::Passkey, now), &[SEVERAL]).await?;
        let with_codes = changed.outcome;
        let codes = with_codes.then(|| shown(&codes));
        Ok(Done { news: Some(|t| t.added), codes, ..Done::quietly(changed.now) })
    }

    /// Gives the id of a passkey free that was claimed for nothing.
    async fn unclaim(&self, person: &PersonId, id: &str) -> Result<(), Refused> {
        let account = self.accounts.account(person).await?;
        let has_it = |account: Account| account.factors.passkeys.iter().any(|passkey| passkey.id == id);
        if !account.is_some_and(has_it) {
            self.vault()?.release_passkey(id, person).await?;
        }
        Ok(())
    }

    async fn name_passkey(&self, session: &LoggedIn, id: &str, name: &str) -> Result<Done, Undone> {
        let name = named(name);
        let change = |account: &mut Account| {
            let known = account.factors.passkeys.iter_mut().find(|passkey| passkey.id == id);
            if let (Some(passkey), Some(name)) = (known, &name) {
                passkey.name.clone_from(name);
            }
            Ok(())
        };
        let account = self.changed(session, change).await?.now;
        Ok(Done { news: Some(|t| t.renamed), ..Done::quietly(account) })
    }

    async fn remove_passkey(&self, visit: &Visit<'_>, session: &LoggedIn, id: &str) -> Result<Done, Undone> {
        let change = |account: &mut Account| {
            let before = account.factors.passkeys.len();
            account.factors.passkeys.retain(|passkey| passkey.id != id);
            let removed = account.factors.passkeys.len() < before;
            if removed && account.password.is_none() && account.factors.passkeys.is_empty() {
                return Err(Undone::Said(|t| t.last_way));
            }
            tidy(account);
            Ok(removed)
        };
        let Changed { before, now: account, outcome: removed } = self.changed(session, change).await?;
        if removed {
            self.after_shutting_out(&visit.by(&account.person), &before, &account).await?;
            self.removed(visit, &account, Factor::Passkey);
        }
        Ok(Done { news: removed.then_some(|t| t.removed), ..Done::quietly(account) })
    }

    async fn changed<T: Send>(
        &self,
        session: &LoggedIn,
        change: impl Fn(&mut Account) -> Result<T, Undone> + Send + Sync,
    ) -> Result<Changed<T>, Undone> {
        let person = &session.authentication.person;
        let changed = self.accounts.change_openings(person, session.openings, change).await?;
        changed.map_err(|unchanged| match unchanged {
            Unchanged::Refused(undone) => undone,
            Unchanged::ShutOut | Unchanged::EmailTaken => Undone::Refused(Refused::LoggedOut),
        })
    }

    /// The first factor has shut out whoever came in without: but not the session that has just shown it.
    async fn added<T>(
        &self,
        visit: &Visit<'_>,
        session: &LoggedIn,
        changed: &Changed<T>,
        (factor, since): (Factor, Time),
        by: &[&str],
    ) -> Result<(), Refused> {
        let Changed { before, now: account, .. } = changed;
        let person = account.person.clone();
        self.tell(visit, AccountEvent::SecondFactorAdded { person: person.clone(), factor });
        if let Some(desk) = self.desk(visit) {
            desk.factors_changed(account, since);
        }
        if Openings::of(before) != Openings::of(account) {
            self.go_on(session, account, by).await?;
            self.after_shutting_out(&visit.by(&person), before, account).await?;
        }
        Ok(())
    }

    fn removed(&self, visit: &Visit<'_>, account: &Account, factor: Factor) {
        let (person, by) = (account.person.clone(), Actor::Person(account.person.clone()));
        self.tell(visit, AccountEvent::SecondFactorRemoved { person, factor, by });
        if let Some(desk) = self.desk(visit) {
            desk.factors_changed(account, self.pages.sessions.now());
        }
    }
}

/// Gives an account recovery codes, if it is to have new ones; whether it is.
fn first_codes(account: &mut Account, wanted: bool, codes: &[SecretString]) -> bool {
    if wanted {
        let person = &account.person;
        account.factors.recovery = codes.iter().map(|code| recovery::digest(person, code)).collect();
    }
    wanted
}

/// Recovery codes recover from the loss of something.
fn tidy(account: &mut Account) {
    if !ask_for_more(&account.factors) {
        account.factors.recovery.clear();
    }
}

fn shown(codes: &[SecretString]) -> Vec<String> {
    codes.iter().map(|code| code.expose_secret().to_owned()).collect()
}

/// A name for a passkey, if it is one.
fn named(typed: &str) -> Option<String> {
    let name = typed.trim();
    let plain = (1..=LONGEST_NAME).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    plain.then(|| name.to_owned())
}
