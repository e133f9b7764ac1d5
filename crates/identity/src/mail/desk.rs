//! Which letters are written when. All of it happens when the request has been answered, so nobody can tell from an answer, or from
//! the time that it takes, whether there is an account.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use authz_core::{AccountEvent, Context, Event, Events, Limit, Limiter, address_key};
use oauth_types::Issuer;
use secrecy::{ExposeSecret as _, SecretString};
use store::{Account, Device, Digest, PersonId, Purpose, SessionId, StoreError, TicketId};

use super::letter::About;
use super::post::{Outgoing, Post};
use crate::device::described;
use crate::email::Email;
use crate::language::Language;
use crate::people::{Accounts, Hashed, Name};
use crate::session::Sessions;
use crate::tickets::{TO_RESET, TO_VERIFY, Tickets};

/// Writes letters for one request.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) post: Arc<Post>,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) tickets: Arc<Tickets>,
    pub(crate) limiter: Arc<dyn Limiter>,
    pub(crate) events: Arc<dyn Events>,
    pub(crate) issuer: Issuer,
    pub(crate) site: String,
    pub(crate) language: Language,
    pub(crate) context: Context,
}

/// Somebody who wants an account.
#[derive(Debug)]
pub(crate) struct Newcomer {
    pub(crate) name: Name,
    pub(crate) email: Email,
    pub(crate) password: Hashed,
    pub(crate) invitation: Option<TicketId>,
}

/// What is wanted in the end: a letter, or none.
type Written = Result<Option<Outgoing>, StoreError>;

impl Desk {
    /// Makes the account and mails the link that confirms it; if the address is taken, tells its owner instead.
    pub(crate) fn introduce(self, newcomer: Newcomer) {
        self.clone().later(async move {
            let Newcomer { name, email, password, invitation } = newcomer;
            match self.accounts.add(&name, &email, Some(&password), false).await? {
                Some(account) => {
                    let person = account.person.clone();
                    self.tell(AccountEvent::SignedUp { person, invitation });
                    self.verification(&account.person, &email, false).await
                }
                None => {
                    let (log_in, forgot) = (self.issuer.endpoint("/login"), self.issuer.endpoint("/forgot"));
                    let about = About::Already { log_in: &log_in, forgot: &forgot };
                    Ok(self.limited(&email).await.then(|| self.outgoing(&about, &email, None)))
                }
            }
        });
    }

    /// Mails the link that confirms the address of an account once more.
    pub(crate) fn verify(self, person: PersonId, email: Email) {
        self.clone().later(async move { self.verification(&person, &email, false).await });
    }

    /// Mails the link that gives an account another address, to that address; nothing if somebody has it.
    pub(crate) fn change_email(self, person: PersonId, email: Email) {
        self.clone().later(async move {
            match self.accounts.by_email(&email).await? {
                Some(_) => Ok(None),
                None => self.verification(&person, &email, true).await,
            }
        });
    }

    /// Mails the link to set a new password, if somebody has the address.
    pub(crate) fn reset(self, email: Email) {
        self.clone().later(async move {
            let account = self.accounts.by_email(&email).await?;
            let person = account.map(|account| account.person);
            self.tell(AccountEvent::PasswordResetAsked { person: person.clone() });
            let Some(person) = person else { return Ok(None) };
            if !self.sessions.may_begin(&person).await? || !self.limited(&email).await {
                return Ok(None);
            }
            let issued =
                self.tickets.issue(Purpose::ResetPassword { person: person.clone() }, TO_RESET).await?;
            let about = About::Reset { link: self.link("/reset", &issued.text) };
            Ok(Some(self.outgoing(&about, &email, Some(person))))
        });
    }

    /// Tells the owner of an account that it has a new password.
    pub(crate) fn password_changed(self, account: &Account) {
        let (device, forgot) =
            (described(self.context.device(), self.language), self.issuer.endpoint("/forgot"));
        let Ok(email) = Email::parse(&account.email) else { return };
        let about = About::PasswordChanged { device, forgot: &forgot };
        let outgoing = self.outgoing(&about, &email, Some(account.person.clone()));
        self.later(async move { Ok(Some(outgoing)) });
    }

    /// Tells the owner of an account that something else opens it now, or that a recovery code did.
    pub(crate) fn factors_changed(self, account: &Account) {
        let (device, forgot) =
            (described(self.context.device(), self.language), self.issuer.endpoint("/forgot"));
        let Ok(email) = Email::parse(&account.email) else { return };
        let about = About::FactorsChanged { device, forgot: &forgot };
        let outgoing = self.outgoing(&about, &email, Some(account.person.clone()));
        self.later(async move { Ok(Some(outgoing)) });
    }

    /// Tells whoever reads the address before that the account has another.
    pub(crate) fn email_changed(self, before: &Account, now: &Account) {
        let (Ok(to), Ok(email)) = (Email::parse(&before.email), Email::parse(&now.email)) else { return };
        let outgoing = self.outgoing(&About::EmailChanged { email: &email }, &to, Some(now.person.clone()));
        self.later(async move { Ok(Some(outgoing)) });
    }

    /// Tells the owner of an account of a log-in with a browser that they have not used lately, if it is one. To an address that is
    /// not known to be theirs nothing is told, and to whoever has just signed up neither.
    pub(crate) fn logged_in(self, account: Account, session: SessionId, is_new: bool) {
        self.clone().later(async move {
            let device = self.context.device().clone();
            let known = self.sessions.knows_device(&account.person, &place(&device)).await?;
            let (true, Ok(email)) =
                (!known && !is_new && account.email_verified, Email::parse(&account.email))
            else {
                return Ok(None);
            };
            self.tell(AccountEvent::NewDevice { person: account.person.clone(), session });
            let (device, forgot) = (described(&device, self.language), self.issuer.endpoint("/forgot"));
            let about = About::NewDevice { device, forgot: &forgot };
            Ok(Some(self.outgoing(&about, &email, Some(account.person))))
        });
    }

    /// Mails an invitation that was made.
    pub(crate) fn invite(self, email: Email, link: SecretString) {
        let outgoing = self.outgoing(&About::Invitation { link }, &email, None);
        self.later(async move { Ok(Some(outgoing)) });
    }

    /// The address of the page that takes an invitation.
    pub(crate) fn invitation_link(issuer: &Issuer, text: &SecretString) -> SecretString {
        link(issuer, "/invitation", text)
    }

    async fn verification(&self, person: &PersonId, email: &Email, change: bool) -> Written {
        if !self.limited(email).await {
            return Ok(None);
        }
        let purpose = Purpose::VerifyEmail { person: person.clone(), email: email.as_str().to_owned() };
        let issued = self.tickets.issue(purpose, TO_VERIFY).await?;
        let link = self.link("/verify", &issued.text);
        let about = if change { About::ChangeEmail { link } } else { About::Verify { link } };
        Ok(Some(self.outgoing(&about, email, Some(person.clone()))))
    }

    /// Whether one more letter may go to this address. Nobody is told that none goes: whoever asks is a stranger.
    async fn limited(&self, email: &Email) -> bool {
        let key = Digest::of(email.as_str().as_bytes()).to_string();
        let may = self.limiter.may(Limit::Letter, &key).await;
        if may.is_err() {
            let limited = Event::Limited { limit: Limit::Letter.as_str(), from: self.context.from() };
            self.events.tell_with(&limited, &self.context);
        }
        may.is_ok()
    }

    fn link(&self, path: &str, text: &SecretString) -> SecretString {
        link(&self.issuer, path, text)
    }

    fn outgoing(&self, about: &About<'_>, to: &Email, person: Option<PersonId>) -> Outgoing {
        let letter = about.letter(self.language, &self.site, to);
        Outgoing { letter, person, context: self.context.clone() }
    }

    fn tell(&self, event: AccountEvent) {
        self.events.tell_with(&event.into(), &self.context);
    }

    fn later(self, errand: impl Future<Output = Written> + Send + 'static) {
        let events = Arc::clone(&self.events);
        self.post.later(events, async move {
            errand.await.unwrap_or_else(|error| {
                tracing::error!(%error, "a letter could not be written");
                None
            })
        });
    }
}

/// The ticket is in the query: paths are logged.
fn link(issuer: &Issuer, path: &str, text: &SecretString) -> SecretString {
    format!("{}?ticket={}", issuer.endpoint(path), text.expose_secret()).into()
}

/// Browsers are told apart by name and system: their versions change by the week.
fn place(device: &Device) -> String {
    let program = described(&Device { address: None, ..device.clone() }, Language::English);
    format!("{program} {}", address_key(device.address))
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("post", &self.post).finish_non_exhaustive()
    }
}
