//! What somebody changes about how they log in. Whoever does it has logged in just before; their owner gets a letter of each.

use authz_core::{AccountEvent, Actor, Factor};
use secrecy::{ExposeSecret as _, SecretString};
use store::{Account, Passkey, PersonId, Totp};

use super::entering::Answer;
use super::sealed::Ceremony;
use super::texts::FactorTexts;
use super::totp::{Code, TotpSecret};
use super::webauthn::{Expected, Registration};
use super::{ask_for_more, has_app, recovery};
use crate::identity::Identity;
use crate::refused::Refused;
use crate::visit::Visit;

/// A change.
#[derive(Clone, Copy)]
pub(super) enum Deed<'a> {
    AddApp,
    ConfirmApp { code: &'a str },
    RemoveApp,
    NewCodes,
    AddPasskey { answer: Answer<'a>, name: &'a str },
    NamePasskey { id: &'a str, name: &'a str },
    RemovePasskey { id: &'a str },
}

/// What became of it.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) account: Account,
    pub(super) news: Option<fn(&FactorTexts) -> &'static str>,
    pub(super) codes: Option<Vec<String>>,
}

/// Why not.
#[derive(Debug)]
pub(super) enum Undone {
    /// Something for the page to say.
    Said(fn(&FactorTexts) -> &'static str),
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

impl Identity {
    pub(super) async fn do_deed(
        &self,
        visit: &Visit<'_>,
        person: &PersonId,
        deed: Deed<'_>,
    ) -> Result<Done, Undone> {
        match deed {
            Deed::AddApp => self.add_app(person).await,
            Deed::ConfirmApp { code } => self.confirm_app(visit, person, code).await,
            Deed::RemoveApp => self.remove_app(visit, person).await,
            Deed::NewCodes => self.new_codes(visit, person).await,
            Deed::AddPasskey { answer, name } => self.add_passkey(visit, person, answer, name).await,
            Deed::NamePasskey { id, name } => self.name_passkey(person, id, name).await,
            Deed::RemovePasskey { id } => self.remove_passkey(visit, person, id).await,
        }
    }

    /// A secret for an app, which protects nothing until the app has shown that it has it.
    async fn add_app(&self, person: &PersonId) -> Result<Done, Undone> {
        let vault = self.vault()?;
        let secret = TotpSecret::drawn(&*vault.entropy);
        let sealed = vault.seal_totp(person, &secret).ok_or(Refused::Unavailable)?;
        let change = |account: &mut Account| {
            if !has_app(&account.factors) {
                account.factors.totp = Some(Totp { sealed: sealed.clone(), confirmed: None, last_step: 0 });
            }
            Ok(())
        };
        let account = self.changed(person, change).await?;
        Ok(Done { account, news: None, codes: None })
    }

    async fn confirm_app(&self, visit: &Visit<'_>, person: &PersonId, code: &str) -> Result<Done, Undone> {
        let vault = self.vault()?;
        let now = vault.clock.now();
        let codes = recovery::drawn(&*vault.entropy);
        let change = |account: &mut Account| {
            let first = !ask_for_more(&account.factors);
            let pending = account.factors.totp.as_mut().filter(|totp| totp.confirmed.is_none());
            let taken = pending.and_then(|totp| {
                let secret = vault.open_totp(person, &totp.sealed)?;
                totp.last_step = secret.step_of(Code::parse(code)?, now, totp.last_step)?;
                totp.confirmed = Some(now);
                Some(())
            });
            taken.ok_or(Undone::Said(|t| t.wrong_code))?;
            Ok(first_codes(account, first, &codes))
        };
        let (account, with_codes) = self.changed_with(person, change).await?;
        self.added(visit, &account, Factor::Totp);
        Ok(Done { account, news: Some(|t| t.added), codes: with_codes.then(|| shown(&codes)) })
    }

    async fn remove_app(&self, visit: &Visit<'_>, person: &PersonId) -> Result<Done, Undone> {
        let change = |account: &mut Account| {
            let had = has_app(&account.factors);
            account.factors.totp = None;
            tidy(account);
            Ok(had)
        };
        let (account, had) = self.changed_with(person, change).await?;
        if had {
            self.removed(visit, &account, Factor::Totp);
        }
        Ok(Done { account, news: had.then_some(|t| t.removed), codes: None })
    }

    async fn new_codes(&self, visit: &Visit<'_>, person: &PersonId) -> Result<Done, Undone> {
        let codes = recovery::drawn(&*self.vault()?.entropy);
        let change = |account: &mut Account| Ok(first_codes(account, ask_for_more(&account.factors), &codes));
        let (account, made) = self.changed_with(person, change).await?;
        if made {
            self.added(visit, &account, Factor::Recovery);
        }
        Ok(Done { account, news: made.then_some(|t| t.renewed), codes: made.then(|| shown(&codes)) })
    }

    async fn add_passkey(
        &self,
        visit: &Visit<'_>,
        person: &PersonId,
        Answer { credential, challenge }: Answer<'_>,
        name: &str,
    ) -> Result<Done, Undone> {
        let (vault, rp) = self.passkeys().ok_or(Undone::Said(|t| t.wrong_passkey))?;
        let asked = vault.take(challenge, Ceremony::Add).await?;
        let asked = asked.filter(|asked| asked.person.as_ref() == Some(person));
        let asked = asked.ok_or(Undone::Said(|t| t.wrong_passkey))?;
        let origin = self.pages.origin.as_str();
        let expected = Expected { rp, origin, challenge: asked.bytes(), verified: false };
        let answer = serde_json::from_str::<Registration>(credential);
        let checked = answer.ok().and_then(|answer| answer.check(&expected).ok());
        let (id, shown_to_be) = checked.ok_or(Undone::Said(|t| t.wrong_passkey))?;
        if !vault.claim_passkey(&id, person).await? {
            return Err(Undone::Said(|t| t.known_passkey));
        }
        let credential = serde_json::to_value(&shown_to_be.credential).map_err(|_| Refused::Unavailable)?;
        let (now, codes) = (vault.clock.now(), recovery::drawn(&*vault.entropy));
        let name = named(name).unwrap_or_else(|| self.site.t.factors.passkey.to_owned());
        let new = Passkey { id, credential, name, made: now, used: None };
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
        let (account, with_codes) = self.changed_with(person, change).await?;
        self.added(visit, &account, Factor::Passkey);
        Ok(Done { account, news: Some(|t| t.added), codes: with_codes.then(|| shown(&codes)) })
    }

    async fn name_passkey(&self, person: &PersonId, id: &str, name: &str) -> Result<Done, Undone> {
        let name = named(name);
        let change = |account: &mut Account| {
            let known = account.factors.passkeys.iter_mut().find(|passkey| passkey.id == id);
            if let (Some(passkey), Some(name)) = (known, &name) {
                passkey.name.clone_from(name);
            }
            Ok(())
        };
        let account = self.changed(person, change).await?;
        Ok(Done { account, news: Some(|t| t.renamed), codes: None })
    }

    async fn remove_passkey(&self, visit: &Visit<'_>, person: &PersonId, id: &str) -> Result<Done, Undone> {
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
        let (account, removed) = self.changed_with(person, change).await?;
        if removed {
            self.vault()?.release_passkey(id, person).await?;
            self.removed(visit, &account, Factor::Passkey);
        }
        Ok(Done { account, news: removed.then_some(|t| t.removed), codes: None })
    }

    async fn changed(
        &self,
        person: &PersonId,
        change: impl Fn(&mut Account) -> Result<(), Undone> + Send + Sync,
    ) -> Result<Account, Undone> {
        Ok(self.changed_with(person, change).await?.0)
    }

    async fn changed_with<T: Send>(
        &self,
        person: &PersonId,
        change: impl Fn(&mut Account) -> Result<T, Undone> + Send + Sync,
    ) -> Result<(Account, T), Undone> {
        self.accounts.try_change(person, change).await?.ok_or(Refused::LoggedOut)?
    }

    fn added(&self, visit: &Visit<'_>, account: &Account, factor: Factor) {
        self.tell(visit, AccountEvent::SecondFactorAdded { person: account.person.clone(), factor });
        if let Some(desk) = self.desk(visit) {
            desk.factors_changed(account);
        }
    }

    fn removed(&self, visit: &Visit<'_>, account: &Account, factor: Factor) {
        let (person, by) = (account.person.clone(), Actor::Person(account.person.clone()));
        self.tell(visit, AccountEvent::SecondFactorRemoved { person, factor, by });
        if let Some(desk) = self.desk(visit) {
            desk.factors_changed(account);
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
