//! Which letters are written when. All of it happens when the request has been answered, so nobody can tell from an answer, or from
//! the time that it takes, whether there is an account.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use ambient::Time;
use authz_core::{AccountEvent, Context, Event, Events, Limit, Limiter, network_key};
use oauth_types::Issuer;
use secrecy::{ExposeSecret as _, SecretString};
use store::{Account, Digest, PersonId, Purpose, SessionId, StoreError};

use super::letter::About;
use super::post::{Outgoing, Post, Queue, Teller};
use crate::device::{described, place};
use crate::email::Email;
use crate::invite::Delivery;
use crate::join::Newcomer;
use crate::language::Language;
use crate::people::{Accounts, Reachable};
use crate::session::Sessions;
use crate::tickets::{TO_RESET, TO_TAKE_BACK, TO_VERIFY, Tickets};

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

/// What a letter is counted by. Each kind has so many of its own: none that a stranger can cause keeps an owner from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    SignUp,
    Verify,
    ChangeEmail,
    Reset,
    PasswordChanged,
    FactorsChanged,
    EmailChanged,
    NewDevice,
    Deleted,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::SignUp => "sign_up",
            Self::Verify => "verify",
            Self::ChangeEmail => "change_email",
            Self::Reset => "reset",
            Self::PasswordChanged => "password_changed",
            Self::FactorsChanged => "factors_changed",
            Self::EmailChanged => "email_changed",
            Self::NewDevice => "new_device",
            Self::Deleted => "deleted",
        }
    }
}

/// What is wanted in the end: a letter, or none.
type Written = Result<Option<Outgoing>, StoreError>;

impl Desk {
    /// Mails the link that makes the account; if the address is taken, tells its owner instead, once a day.
    pub(crate) fn introduce(self, newcomer: Newcomer) {
        self.clone().later(Queue::Anybodys, None, async move {
            let email = &newcomer.email;
            if self.accounts.by_email(email).await?.is_some() {
                let (log_in, forgot) = (self.issuer.endpoint("/login"), self.issuer.endpoint("/forgot"));
                let about = About::Already { log_in: &log_in, forgot: &forgot };
                let may = self.may(Limit::Already, &of_address(email)).await;
                return Ok(may.then(|| self.outgoing(&about, email, None)));
            }
            if !self.may_be_asked_for(Kind::SignUp, email).await
                || !self.may_write(Kind::SignUp, &of_mailbox(email)).await
            {
                return Ok(None);
            }
            let issued = self.tickets.issue(Purpose::SignUp(newcomer.kept()), TO_VERIFY).await?;
            let about = About::SignUp { link: self.link("/verify", &issued.text) };
            Ok(Some(self.outgoing(&about, email, None)))
        });
    }

    /// Mails the link that confirms the address of an account once more.
    pub(crate) fn verify(self, person: PersonId, email: Email) {
        self.clone().later(Queue::Anybodys, Some(person.clone()), async move {
            if !self.may_be_asked_for(Kind::Verify, &email).await
                || !self.may_write(Kind::Verify, &of_mailbox(&email)).await
            {
                return Ok(None);
            }
            let link = self.verification(&person, &email).await?;
            Ok(Some(self.outgoing(&About::Verify { link }, &email, Some(person))))
        });
    }

    /// Mails the link that gives an account another address, to that address; nothing if somebody has it. However many addresses they
    /// name, a person has so many written to, and an address is written to so many times.
    pub(crate) fn change_email(self, person: PersonId, email: Email) {
        self.clone().later(Queue::Anybodys, Some(person.clone()), async move {
            if self.accounts.by_email(&email).await?.is_some()
                || !self.may_be_asked_for(Kind::ChangeEmail, &email).await
                || !self.may_write(Kind::ChangeEmail, person.as_str()).await
                || !self.may_write(Kind::ChangeEmail, &of_mailbox(&email)).await
            {
                return Ok(None);
            }
            let link = self.verification(&person, &email).await?;
            Ok(Some(self.outgoing(&About::ChangeEmail { link }, &email, Some(person))))
        });
    }

    /// Mails the link to set a new password, if somebody has the address.
    pub(crate) fn reset(self, email: Email) {
        self.clone().later(Queue::Forgotten, None, async move {
            let account = self.accounts.by_email(&email).await?;
            let person = account.as_ref().map(|account| account.person.clone());
            self.tell(AccountEvent::PasswordResetAsked { person });
            let Some(account) = account else { return Ok(None) };
            let person = account.person.clone();
            if !self.sessions.may_begin(&person).await?
                || !self.may_be_asked_for(Kind::Reset, &email).await
                || !self.may_write(Kind::Reset, &of_address(&email)).await
            {
                return Ok(None);
            }
            let purpose = to_set_password(&account, false);
            let issued = self.tickets.issue(purpose, TO_RESET).await?;
            let about = About::Reset { link: self.link("/reset", &issued.text) };
            Ok(Some(self.outgoing(&about, &email, Some(person))))
        });
    }

    /// Tells the owner of an account that it has a new password.
    pub(crate) fn password_changed(self, account: &Account) {
        let (device, forgot) = (self.device(), self.issuer.endpoint("/forgot"));
        self.tell_owner(Kind::PasswordChanged, account, &About::PasswordChanged { device, forgot: &forgot });
    }

    /// Tells the owner of an account that something else opens it since then, or that a recovery code did, with the link that takes it
    /// back.
    pub(crate) fn factors_changed(self, account: &Account, since: Time) {
        let Some(email) = owner_of(account) else { return };
        let person = account.person.clone();
        self.clone().later(Queue::Owners, Some(person.clone()), async move {
            if !self.may_write(Kind::FactorsChanged, person.as_str()).await {
                return Ok(None);
            }
            let (device, link) = (self.device(), self.taking_back(&person, &email, since, false).await?);
            Ok(Some(self.outgoing(&About::FactorsChanged { device, link }, &email, Some(person))))
        });
    }

    /// Tells whoever had an account that it is no more.
    pub(crate) fn deleted(self, account: &Account) {
        let device = self.device();
        self.tell_owner(Kind::Deleted, account, &About::Deleted { device });
    }

    /// Tells whoever reads the address before that the account has another since then, with the link that takes it back.
    pub(crate) fn email_changed(self, before: &Account, now: &Account, since: Time) {
        let (Some(former), Ok(email)) = (owner_of(before), Email::parse(&now.email)) else { return };
        let person = now.person.clone();
        self.clone().later(Queue::Owners, Some(person.clone()), async move {
            if !self.may_write(Kind::EmailChanged, person.as_str()).await {
                return Ok(None);
            }
            let link = self.taking_back(&person, &former, since, true).await?;
            Ok(Some(self.outgoing(&About::EmailChanged { email: &email, link }, &former, Some(person))))
        });
    }

    /// Tells the owner of an account that an administrator took all second factors from it.
    pub(crate) async fn factors_reset(self, account: &Account, at_once: bool) {
        let Some(email) = owner_of(account) else { return };
        let forgot = self.issuer.endpoint("/forgot");
        let _told: Delivery = self.hand_over(&email, &About::FactorsReset { forgot: &forgot }, at_once).await;
    }

    /// Tells the owner of an account of a log-in with a browser that they have not used lately, if it is one; whoever has just signed
    /// up is told nothing.
    pub(crate) fn logged_in(self, account: Account, session: SessionId, is_new: bool) {
        let person = account.person.clone();
        self.clone().later(Queue::Owners, Some(person.clone()), async move {
            let device = self.context.device().clone();
            let known = self.sessions.knows_device(&person, &place(&device)).await?;
            let Some(email) = owner_of(&account).filter(|_| !known && !is_new) else { return Ok(None) };
            self.tell(AccountEvent::NewDevice { person: person.clone(), session });
            if !self.may_write(Kind::NewDevice, person.as_str()).await {
                return Ok(None);
            }
            let (device, forgot) = (described(&device, self.language), self.issuer.endpoint("/forgot"));
            Ok(Some(self.outgoing(&About::NewDevice { device, forgot: &forgot }, &email, Some(person))))
        });
    }

    /// Mails what an administrator causes; `at_once`, it is tried now, and once.
    pub(crate) async fn hand_over(self, email: &Email, about: &About<'_>, at_once: bool) -> Delivery {
        let outgoing = self.outgoing(about, email, None);
        if !at_once {
            self.later(Queue::Owners, None, async move { Ok(Some(outgoing)) });
            return Delivery::Queued;
        }
        let Outgoing { letter, person } = outgoing;
        let teller = Teller { events: Arc::clone(&self.events), context: self.context.clone(), person };
        if self.post.now(Queue::Owners, &letter, &teller).await { Delivery::Sent } else { Delivery::None }
    }

    /// Tells the owner of an account something about it.
    fn tell_owner(self, kind: Kind, account: &Account, about: &About<'_>) {
        let Some(email) = owner_of(account) else { return };
        let person = account.person.clone();
        let outgoing = self.outgoing(about, &email, Some(person.clone()));
        self.clone().later(Queue::Owners, Some(person.clone()), async move {
            Ok(self.may_write(kind, person.as_str()).await.then_some(outgoing))
        });
    }

    /// A link that confirms an address.
    async fn verification(&self, person: &PersonId, email: &Email) -> Result<SecretString, StoreError> {
        let purpose = Purpose::VerifyEmail { person: person.clone(), email: email.as_str().to_owned() };
        Ok(self.link("/verify", &self.tickets.issue(purpose, TO_VERIFY).await?.text))
    }

    /// A link that takes back what was changed `since`.
    async fn taking_back(
        &self,
        person: &PersonId,
        email: &Email,
        since: Time,
        moved: bool,
    ) -> Result<SecretString, StoreError> {
        let email = email.as_str().to_owned();
        let purpose = Purpose::TakeBack { person: person.clone(), email, since, moved };
        Ok(self.link("/take-back", &self.tickets.issue(purpose, TO_TAKE_BACK).await?.text))
    }

    /// Whether one more letter of this kind may go to an address because somebody asks for it who need not be its owner: so many a day from
    /// one network, so that nobody is sent a letter every few minutes for ever, nor kept from having one by somebody elsewhere.
    async fn may_be_asked_for(&self, kind: Kind, email: &Email) -> bool {
        let key = format!("{} {} {}", kind.as_str(), of_mailbox(email), network_key(self.context.from()));
        self.may(Limit::LetterAsked, &key).await
    }

    /// Whether one more letter of this kind may go to an address, or be caused by a person. Nobody is told that none goes: whoever asks
    /// is a stranger.
    async fn may_write(&self, kind: Kind, whose: &str) -> bool {
        self.may(Limit::Letter, &format!("{} {whose}", kind.as_str())).await
    }

    async fn may(&self, limit: Limit, key: &str) -> bool {
        let may = self.limiter.may(limit, key).await;
        if may.is_err() {
            let limited = Event::Limited { limit: limit.as_str(), from: self.context.from() };
            self.events.tell_with(&limited, &self.context);
        }
        may.is_ok()
    }

    /// What the request was sent by, in words.
    fn device(&self) -> String {
        described(self.context.device(), self.language)
    }

    fn link(&self, path: &str, text: &SecretString) -> SecretString {
        link(&self.issuer, path, text)
    }

    fn outgoing(&self, about: &About<'_>, to: &Email, person: Option<PersonId>) -> Outgoing {
        Outgoing { letter: about.letter(self.language, &self.site, to), person }
    }

    fn tell(&self, event: AccountEvent) {
        self.events.tell_with(&event.into(), &self.context);
    }

    fn later(
        self,
        queue: Queue,
        person: Option<PersonId>,
        errand: impl Future<Output = Written> + Send + 'static,
    ) {
        let teller = Teller { events: Arc::clone(&self.events), context: self.context.clone(), person };
        self.post.later(queue, teller, async move {
            errand.await.unwrap_or_else(|error| {
                tracing::error!(%error, "a letter could not be written");
                None
            })
        });
    }
}

/// Who is told about an account: its owner, at the address that they have shown to be theirs. At any other there may be somebody who
/// never heard of it.
fn owner_of(account: &Account) -> Option<Email> {
    account.email_verified.then(|| Email::parse(&account.email).ok()).flatten()
}

/// What the link to a new password of an account is good for.
pub(crate) fn to_set_password(account: &Account, shown: bool) -> Purpose {
    let (person, Reachable { email, resets }) = (account.person.clone(), Reachable::of(account));
    Purpose::ResetPassword { person, email: Some(email), resets, shown }
}

/// What letters to an address are counted by.
fn of_address(email: &Email) -> String {
    Digest::of(email.as_str().as_bytes()).to_string()
}

/// What letters to a mailbox are counted by: what follows a `+` leads to the same one (RFC 5233).
fn of_mailbox(email: &Email) -> String {
    let (local, domain) = (email.local_part(), email.domain());
    let mailbox = local.split('+').next().filter(|mailbox| !mailbox.is_empty()).unwrap_or(local);
    Digest::of(format!("{mailbox}@{domain}").as_bytes()).to_string()
}

/// The ticket is in the query: paths are logged.
pub(crate) fn link(issuer: &Issuer, path: &str, text: &SecretString) -> SecretString {
    format!("{}?ticket={}", issuer.endpoint(path), text.expose_secret()).into()
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("post", &self.post).finish_non_exhaustive()
    }
}
