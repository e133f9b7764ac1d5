//! How guesses at what opens an account are counted.
//!
//! Right and wrong tries count alike, before they are looked at: if only failures were refused, a guesser could go on beyond the limit
//! until one succeeds. What is counted from wherever somebody else can keep full, so whoever comes from a browser and an address that
//! the account was opened from before is counted apart.

use authz_core::{AccountEvent, Limit};
use store::{Digest, PersonId};

use crate::device::place;
use crate::email::Email;
use crate::identity::Identity;
use crate::refused::Refused;
use crate::session::LoggedIn;
use crate::visit::Visit;

impl Identity {
    /// Counts a try at the password of an account, which need not be there.
    pub(crate) async fn count_password(&self, visit: &Visit<'_>, email: &Email) -> Result<(), Refused> {
        self.may(Limit::LogInAccount, visit, &password_tries(email.as_str(), visit)).await?;
        let account = Digest::of(email.as_str().as_bytes()).to_string();
        match self.may(Limit::LogInAnywhere, visit, &account).await {
            Err(refused @ Refused::TooMany(_)) => {
                // As many reads for an address that nobody has.
                let person = self.accounts.by_email(email).await?.map(|account| account.person);
                if self.is_known_here(visit, person.as_ref()).await? {
                    let here = format!("{account} {}", place(&visit.device()));
                    self.may(Limit::LogInAnywhere, visit, &here).await
                } else {
                    Err(refused)
                }
            }
            counted => counted,
        }
    }

    /// Counts a try at a code: six digits are few, so by account, from wherever.
    pub(crate) async fn count_code(&self, visit: &Visit<'_>, person: &PersonId) -> Result<(), Refused> {
        match self.may(Limit::LogInAccount, visit, &code_tries(person)).await {
            Err(refused @ Refused::TooMany(_)) => {
                if self.is_known_here(visit, Some(person)).await? {
                    self.may(Limit::LogInAccount, visit, &code_tries_here(person, visit)).await
                } else {
                    Err(refused)
                }
            }
            counted => counted,
        }
    }

    /// Counts a try inside a session. Whoever goes on after so many has found a browser open, or taken its session: it ends.
    pub(crate) async fn count_in(&self, visit: &Visit<'_>, session: &LoggedIn) -> Result<(), Refused> {
        self.may(Limit::LogIn, visit, &visit.address_key()).await?;
        match self.may(Limit::LogInAccount, visit, &session_tries(session)).await {
            Err(Refused::TooMany(_)) => {
                let (person, session) =
                    (session.authentication.person.clone(), session.authentication.session);
                self.pages.sessions.end(&session).await?;
                let by = visit.by(&person).actor;
                self.tell(visit, AccountEvent::SessionEnded { person, session, by });
                Err(Refused::LoggedOut)
            }
            counted => counted,
        }
    }

    /// Whoever proved who they are did not guess.
    pub(crate) async fn forget_password_tries(&self, visit: &Visit<'_>, email: &str) {
        self.limiter.forget(Limit::LogInAccount, &password_tries(email, visit)).await;
    }

    pub(crate) async fn forget_code_tries(&self, visit: &Visit<'_>, person: &PersonId) {
        self.limiter.forget(Limit::LogInAccount, &code_tries(person)).await;
        self.limiter.forget(Limit::LogInAccount, &code_tries_here(person, visit)).await;
    }

    pub(crate) async fn forget_tries_in(&self, session: &LoggedIn) {
        self.limiter.forget(Limit::LogInAccount, &session_tries(session)).await;
    }

    async fn is_known_here(&self, visit: &Visit<'_>, person: Option<&PersonId>) -> Result<bool, Refused> {
        let person = person.map(PersonId::as_str).unwrap_or_default();
        Ok(self.pages.sessions.is_known(person, &place(&visit.device())).await?)
    }
}

fn password_tries(email: &str, visit: &Visit<'_>) -> String {
    format!("{} {}", Digest::of(email.as_bytes()), visit.address_key())
}

fn code_tries(person: &PersonId) -> String {
    format!("second {person}")
}

fn code_tries_here(person: &PersonId, visit: &Visit<'_>) -> String {
    format!("second {person} {}", place(&visit.device()))
}

fn session_tries(session: &LoggedIn) -> String {
    format!("session {}", session.authentication.session)
}
