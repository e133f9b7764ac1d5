//! What opens an account, and the one way to change it.
//!
//! Whoever is let in copies the epoch of the account. A change is written against that epoch, under the account's mark: what somebody
//! had in flight when they were shut out is refused, however late it comes.

use std::convert::Infallible;

use ambient::Time;
use serde::{Deserialize, Serialize};
use store::{Account, Epoch, PersonId, Replaced, SecondFactors, Session, StoreError, until_done};

use super::{Accounts, Hashed, Reachable};
use crate::factors::ask_for_more;
use crate::refused::Refused;

/// What somebody was let in with: the epoch of their account at that moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Openings(Option<Epoch>);

impl Openings {
    pub(crate) const fn of(account: &Account) -> Self {
        Self(account.epoch)
    }

    pub(crate) const fn of_session(session: &Session) -> Self {
        Self(session.account_epoch)
    }

    pub(crate) const fn epoch(self) -> Option<Epoch> {
        self.0
    }
}

/// A change that was made.
#[derive(Debug)]
pub(crate) struct Changed<T = ()> {
    pub(crate) before: Account,
    pub(crate) now: Account,
    pub(crate) outcome: T,
}

/// Why a change was not made.
#[derive(Debug)]
pub(crate) enum Unchanged<E = Infallible> {
    /// Whoever asked has been shut out since they were let in, or there is no such account any more.
    ShutOut,
    /// Somebody else has the address.
    EmailTaken,
    /// What was to be changed had something against it.
    Refused(E),
}

/// What was shown is no factor of the account, or was used before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotTaken;

type Outcome<T, E> = Result<Result<Changed<T>, Unchanged<E>>, StoreError>;

impl Accounts {
    /// Changes what opens an account, for somebody who was let in with `seen`. `change` is asked again for each version, so of two
    /// changes that exclude each other one is made.
    ///
    /// Another password, and the first factor, shut out whoever came in without: the epoch is another one then.
    pub(crate) async fn change_openings<T: Send, E: Send>(
        &self,
        person: &PersonId,
        seen: Openings,
        change: impl Fn(&mut Account) -> Result<T, E> + Send + Sync,
    ) -> Outcome<T, E> {
        let epoch = self.draw_epoch();
        self.rewrite(person, |account| {
            let before = account.clone();
            let outcome =
                upheld(account, seen).and_then(|account| change(account).map_err(Unchanged::Refused))?;
            if shuts_out(&before, account) {
                account.epoch = Some(epoch);
            }
            Ok(outcome)
        })
        .await
    }

    /// Gives a person another password, for somebody who was let in with `seen`.
    pub(crate) async fn change_password(
        &self,
        person: &PersonId,
        seen: Openings,
        password: &Hashed,
    ) -> Outcome<(), Infallible> {
        let change = |account: &mut Account| {
            account.password = Some(password.0.clone());
            Ok(())
        };
        self.change_openings(person, seen, change).await
    }

    /// Takes a factor: what is kept of it says that it was used. `seen`: what the first step was let in with, if there was one.
    pub(crate) async fn use_factor(
        &self,
        person: &PersonId,
        seen: Option<Openings>,
        take: impl Fn(&mut SecondFactors) -> Result<(), NotTaken> + Send + Sync,
    ) -> Outcome<(), NotTaken> {
        self.rewrite(person, |account| {
            let account = match seen {
                Some(seen) => upheld(account, seen)?,
                None => account,
            };
            take(&mut account.factors).map_err(Unchanged::Refused)
        })
        .await
    }

    /// Gives a person this address, which they have shown to be theirs, if they are let in with `seen` still.
    pub(crate) async fn verify_email(
        &self,
        person: &PersonId,
        seen: Openings,
        email: &str,
    ) -> Outcome<(), Infallible> {
        self.rewrite(person, |account| {
            let account = upheld(account, seen)?;
            account.email = email.to_owned();
            account.email_verified = true;
            Ok(())
        })
        .await
    }

    /// Gives a person another password, by a link that found the account `reachable`, and shuts out whoever came in before.
    ///
    /// A link that was `mailed` shows that the address is its owner's. An account whose owner had never shown it may have been made by
    /// anybody: then whatever else it is opened by goes, too.
    pub(crate) async fn reset_password(
        &self,
        person: &PersonId,
        password: &Hashed,
        reachable: &Reachable,
        mailed: bool,
    ) -> Outcome<(), Infallible> {
        let epoch = self.draw_epoch();
        self.rewrite(person, |account| {
            if !reachable.is_of(account) {
                return Err(Unchanged::ShutOut);
            }
            account.password = Some(password.0.clone());
            account.epoch = Some(epoch);
            account.resets += 1;
            if mailed && !account.email_verified {
                account.factors = SecondFactors::default();
                account.email_verified = true;
            }
            Ok(())
        })
        .await
    }

    /// Takes back, by a link that was sent to `email`, the factors that were added at `since` or later. Whoever added them knew the
    /// password or had a code, so neither opens the account any more; and whoever came in before is shut out.
    ///
    /// The account must have that address still, unless it was `moved` from it, which is taken back as well. One that was deleted has none.
    pub(crate) async fn take_back(
        &self,
        person: &PersonId,
        (email, moved): (&str, bool),
        since: Time,
    ) -> Outcome<(), Infallible> {
        let epoch = self.draw_epoch();
        self.rewrite(person, |account| {
            if account.email.is_empty() || account.email != email && !moved {
                return Err(Unchanged::ShutOut);
            }
            account.email = email.to_owned();
            account.email_verified = true;
            account.password = None;
            account.epoch = Some(epoch);
            let factors = &mut account.factors;
            factors.passkeys.retain(|passkey| passkey.made < since);
            factors.totp.take_if(|totp| totp.confirmed.is_none_or(|confirmed| confirmed >= since));
            factors.recovery.clear();
            Ok(())
        })
        .await
    }

    /// Takes every second factor from an account, and shuts out whoever came in before.
    pub(crate) async fn drop_factors(&self, person: &PersonId) -> Outcome<(), Infallible> {
        let epoch = self.draw_epoch();
        self.rewrite(person, |account| {
            account.factors = SecondFactors::default();
            account.epoch = Some(epoch);
            Ok(())
        })
        .await
    }

    /// Shuts out whoever came in so far, for somebody who was let in with `seen`.
    pub(crate) async fn shut_out(&self, person: &PersonId, seen: Openings) -> Outcome<(), Infallible> {
        let epoch = self.draw_epoch();
        self.rewrite(person, |account| {
            upheld(account, seen)?.epoch = Some(epoch);
            Ok(())
        })
        .await
    }

    /// Writes an account, whatever others write meanwhile.
    async fn rewrite<T: Send, E: Send>(
        &self,
        person: &PersonId,
        decide: impl Fn(&mut Account) -> Result<T, Unchanged<E>> + Send + Sync,
    ) -> Outcome<T, E> {
        until_done(|| async {
            let Some(found) = self.store.find::<Account>(person).await? else {
                return Ok(Some(Err(Unchanged::ShutOut)));
            };
            let mut now = found.record.clone();
            let outcome = match decide(&mut now) {
                Ok(outcome) => outcome,
                Err(unchanged) => return Ok(Some(Err(unchanged))),
            };
            let replaced = if now == found.record {
                Replaced::Done
            } else {
                self.store.replace_account(self.mark(), &found, &now, self.clock.now()).await?
            };
            Ok(match replaced {
                Replaced::Done => Some(Ok(Changed { before: found.record, now, outcome })),
                Replaced::EmailTaken => Some(Err(Unchanged::EmailTaken)),
                Replaced::Stale => None,
            })
        })
        .await
    }

    fn draw_epoch(&self) -> Epoch {
        Epoch::new(self.entropy.draw())
    }
}

fn upheld<E>(account: &mut Account, seen: Openings) -> Result<&mut Account, Unchanged<E>> {
    if Openings::of(account) == seen { Ok(account) } else { Err(Unchanged::ShutOut) }
}

fn shuts_out(before: &Account, now: &Account) -> bool {
    let first_factor = !ask_for_more(&before.factors) && ask_for_more(&now.factors);
    first_factor || before.password != now.password
}

impl From<Unchanged> for Refused {
    fn from(unchanged: Unchanged) -> Self {
        match unchanged {
            Unchanged::ShutOut => Self::LoggedOut,
            Unchanged::EmailTaken => Self::EmailTaken,
            Unchanged::Refused(never) => match never {},
        }
    }
}
