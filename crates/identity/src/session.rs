//! Who is logged in with which browser.

mod places;
mod shut_out;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use ambient::{Clock, Entropy, Time};
use authz_core::{Authentication, Events, Lifetime, Oversight, TokenKind, TokenText};
use oauth_types::Issuer;
use seal::Seal;
use secrecy::{ExposeSecret as _, SecretString};
use store::{
    Account, Backend, Changes, Commit, Device, Epoch, Found, Key, Kind, Look, Mark, PersonId, PersonStanding,
    Session, SessionId, Standing, Status, Store, StoreError,
};

use crate::csrf::CsrfToken;
use crate::factors::ask_for_more;
use crate::factors::level::Level;
use crate::factors::sealed::Vault;
use crate::people::Openings;
use crate::tickets::Tickets;

/// What cannot be undone, and what opens an account, is changed by a log-in that is at most so many seconds old: whoever finds a browser
/// open, or takes a session, cannot.
pub(crate) const FRESH: i64 = 15 * 60;

/// The sessions of browsers, in a store: the cookie holds a random text, the record its digest.
pub struct Sessions {
    store: Arc<dyn Backend>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    idle: Lifetime,
    total: Lifetime,
}

/// That somebody has just proved who they are: by what, and from where.
#[derive(Clone, Debug)]
pub struct Proof {
    /// Who.
    pub person: PersonId,
    /// By what (RFC 8176).
    pub amr: Vec<String>,
    /// How strongly, where a level was asked for.
    pub acr: Option<String>,
    /// From where.
    pub device: Device,
    /// The epoch of their account when they proved it: a session of before the current one is over as it begins.
    pub account_epoch: Option<Epoch>,
}

impl Proof {
    /// By the password of an account as it was when the password was checked.
    #[must_use]
    pub fn by_password(account: &Account, device: Device) -> Self {
        let (person, account_epoch) = (account.person.clone(), account.epoch);
        Self { person, amr: vec!["pwd".to_owned()], acr: None, device, account_epoch }
    }
}

/// A session that has just begun.
#[derive(Debug)]
pub struct Begun {
    /// Who, in which session, since when.
    pub authentication: Authentication,
    /// What the browser keeps, and nobody else.
    pub text: SecretString,
    /// Whether the browser was logged in as the same person until now.
    pub again: bool,
}

/// Somebody who is logged in.
#[derive(Clone, Debug)]
pub struct LoggedIn {
    /// Who, in which session, since when.
    pub authentication: Authentication,
    /// By what (RFC 8176).
    pub amr: Vec<String>,
    pub(crate) csrf: CsrfToken,
    /// What they were let in with.
    pub(crate) openings: Openings,
}

impl Sessions {
    /// Sessions of 30 days that end after 14 days without use.
    #[must_use]
    pub fn new(store: Arc<dyn Backend>, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { store, clock, entropy, idle: Lifetime::days(14), total: Lifetime::days(30) }
    }

    /// Sessions that last at most `total`, from log-in to the next.
    #[must_use]
    pub fn lasting(self, total: Lifetime) -> Self {
        Self { total, ..self }
    }

    /// Sessions that end when they were not used for `idle`, seen by the hour.
    #[must_use]
    pub fn idle(self, idle: Lifetime) -> Self {
        Self { idle, ..self }
    }

    /// Begins a session of somebody who has just proved who they are, with a browser that sent the text `before`; `None` if
    /// they are blocked or deleted.
    ///
    /// The text is always a new one: whoever planted or saw the one before has nothing. A session of the same person keeps
    /// its id, because the requests that wait for their answer belong to it; one of somebody else ends.
    ///
    /// # Errors
    ///
    /// If the store cannot answer. The session before may go on then.
    pub async fn begin_after(
        &self,
        before: Option<&SecretString>,
        proof: &Proof,
    ) -> Result<Option<Begun>, StoreError> {
        let before = match before {
            Some(text) => self.held_with(text).await?,
            None => None,
        };
        match before {
            None => self.begin(proof).await,
            Some(found) if found.record.person == proof.person => match self.renew(&found, proof).await? {
                Some(begun) => Ok(Some(begun)),
                // Renewed or ended by a rival: the text before opens nothing any more, so there is nothing to end.
                None => self.begin(proof).await,
            },
            Some(found) => {
                let begun = self.begin(proof).await?;
                if begun.is_some() {
                    self.end(&found.record.id).await?;
                }
                Ok(begun)
            }
        }
    }

    /// Begins a session of somebody who has just proved who they are, with a browser that had none; `None` if they are
    /// blocked or deleted.
    ///
    /// # Errors
    ///
    /// If the store cannot answer.
    pub async fn begin(&self, proof: &Proof) -> Result<Option<Begun>, StoreError> {
        let store: &dyn Store = &*self.store;
        let standing = store.find::<PersonStanding>(&proof.person).await?;
        let standing = standing.map(|found| found.record.standing).unwrap_or_default();
        if standing.status != Status::Active {
            return Ok(None);
        }
        let now = self.clock.now();
        let id = self.entropy.draw();
        let text = TokenText::random(TokenKind::Session, id, self.entropy.draw());
        let final_end = now.plus(self.total.as_seconds());
        let session = Session {
            id: SessionId::new(id),
            digest: text.digest(),
            person: proof.person.clone(),
            epoch: standing.epoch,
            account_epoch: proof.account_epoch,
            auth_time: now,
            amr: proof.amr.clone(),
            acr: proof.acr.clone(),
            begun: Some(now),
            seen: Some(now),
            device: proof.device.clone(),
            expires: self.idle_end(now, final_end),
            final_end: Some(final_end),
        };
        match self.store.commit(&Changes::create(self.mark(), &session)).await? {
            Commit::Done => Ok(Some(Begun {
                authentication: authentication(&session),
                text: text.expose(),
                again: false,
            })),
            Commit::Stale => Err(StoreError::unavailable("the id of a new session is taken")),
        }
    }

    /// Who the holder of this text is; `None` if it is no text of a session, or the session is over: expired, ended, its person
    /// blocked, deleted or logged out everywhere, their account closed to whoever came in before, or opened by a second factor that
    /// was not shown.
    ///
    /// # Errors
    ///
    /// If the store cannot answer.
    pub async fn find(&self, text: &SecretString) -> Result<Option<LoggedIn>, StoreError> {
        let Some(session) = self.held_with(text).await? else { return Ok(None) };
        self.see(&session).await;
        Ok(Some(LoggedIn {
            authentication: authentication(&session.record),
            openings: Openings::of_session(&session.record),
            amr: session.record.amr,
            csrf: CsrfToken::of_session(text.expose_secret()),
        }))
    }

    /// Keeps a session that is used from ending idle: one write an hour.
    async fn see(&self, found: &Found<Session>) {
        let now = self.clock.now();
        let session = &found.record;
        if now.since(session.seen.unwrap_or(session.auth_time)) < SEEN_EVERY {
            return;
        }
        let final_end = session.final_end.unwrap_or(session.expires);
        let seen = Session { seen: Some(now), expires: self.idle_end(now, final_end), ..session.clone() };
        match self.store.commit(&Changes::replace(self.mark(), found, &seen)).await {
            // Written by somebody else meanwhile: seen, renewed, or ended, which must stay so.
            Ok(Commit::Done | Commit::Stale) => {}
            Err(error) => tracing::warn!(%error, "the use of a session could not be noted"),
        }
    }

    fn idle_end(&self, now: Time, final_end: Time) -> Time {
        now.plus(self.idle.as_seconds()).min(final_end)
    }

    /// The living session that this text opens.
    async fn held_with(&self, text: &SecretString) -> Result<Option<Found<Session>>, StoreError> {
        let Ok(token) = TokenText::parse(text.expose_secret()) else { return Ok(None) };
        if token.kind != TokenKind::Session {
            return Ok(None);
        }
        let record = Key::new(Kind::Session, SessionId::new(token.id));
        let seen = self.store.look(&Look { record, beside: None }).await?;
        let Some(session) = seen.record.as_ref().map(Found::<Session>::decode).transpose()? else {
            return Ok(None);
        };
        let person = seen.person.as_ref().map(Found::<PersonStanding>::decode).transpose()?;
        let standing = person.map(|found| found.record.standing).unwrap_or_default();
        let proved = session.record.digest.is(&token.digest());
        let lives = session.record.expires > self.clock.now() && standing.upholds(session.record.epoch);
        if !(proved && lives) {
            return Ok(None);
        }
        let account = self.account_of(&session.record.person).await?;
        Ok(is_let_in(&session.record, account.as_ref()).then_some(session))
    }

    async fn account_of(&self, person: &PersonId) -> Result<Option<Account>, StoreError> {
        let store: &dyn Store = &*self.store;
        Ok(store.find::<Account>(person).await?.map(|found| found.record))
    }

    /// The same session from now on, under a new text; `None` if somebody else has written it since it was read.
    async fn renew(&self, found: &Found<Session>, proof: &Proof) -> Result<Option<Begun>, StoreError> {
        let now = self.clock.now();
        let final_end = now.plus(self.total.as_seconds());
        let text = TokenText::random(TokenKind::Session, *found.record.id.as_bytes(), self.entropy.draw());
        let session = Session {
            digest: text.digest(),
            auth_time: now,
            amr: proof.amr.clone(),
            acr: proof.acr.clone(),
            account_epoch: proof.account_epoch,
            seen: Some(now),
            device: found.record.device.seen_again(proof.device.clone()),
            expires: self.idle_end(now, final_end),
            final_end: Some(final_end),
            ..found.record.clone()
        };
        Ok(match self.store.commit(&Changes::replace(self.mark(), found, &session)).await? {
            Commit::Done => {
                Some(Begun { authentication: authentication(&session), text: text.expose(), again: true })
            }
            Commit::Stale => None,
        })
    }

    /// Ends a session. One that is over already stays so.
    ///
    /// # Errors
    ///
    /// If the store cannot answer: then the session may go on.
    pub async fn end(&self, session: &SessionId) -> Result<(), StoreError> {
        // Long past, not now: the clock of another process may be behind ours.
        let end = |found: Option<&Session>| {
            Ok::<_, StoreError>(found.map(|session| Session { expires: Time(0), ..session.clone() }))
        };
        let store: &dyn Store = &*self.store;
        store.rewrite(session, || self.mark(), end).await.map(drop)
    }

    /// Whether a person may log in at all: not if they are blocked or deleted.
    pub(crate) async fn may_begin(&self, person: &PersonId) -> Result<bool, StoreError> {
        let store: &dyn Store = &*self.store;
        let standing = store.find::<PersonStanding>(person).await?.map(|found| found.record.standing);
        Ok(standing.unwrap_or_default().status == Status::Active)
    }

    /// Tickets in the same store.
    pub(crate) fn tickets(&self) -> Tickets {
        Tickets::new(Arc::clone(&self.store), Arc::clone(&self.clock), Arc::clone(&self.entropy))
    }

    /// What keeps the secrets of second factors in the same store.
    pub(crate) fn vault(&self, seal: Seal, issuer: &Issuer) -> Vault {
        let (store, clock) = (Arc::clone(&self.store), Arc::clone(&self.clock));
        Vault { seal, store, clock, entropy: Arc::clone(&self.entropy), rp: Vault::relying_party(issuer) }
    }

    /// What looks after the connections in the same store.
    pub(crate) fn oversight(&self, events: Arc<dyn Events>) -> Oversight {
        Oversight::new(Arc::clone(&self.store), Arc::clone(&self.clock), Arc::clone(&self.entropy), events)
    }

    pub(crate) fn now(&self) -> Time {
        self.clock.now()
    }

    /// How many seconds ago that was.
    pub(crate) fn since(&self, earlier: Time) -> i64 {
        self.clock.now().since(earlier)
    }

    /// Whether more than `seconds` have passed since they last proved who they are.
    pub(crate) fn is_older_than(&self, authentication: &Authentication, seconds: i64) -> bool {
        self.clock.now().since(authentication.auth_time) > seconds
    }

    /// How long a session lasts at most.
    pub(crate) const fn total(&self) -> Lifetime {
        self.total
    }

    pub(crate) fn draw_form_token(&self) -> CsrfToken {
        CsrfToken::drawn(&*self.entropy)
    }

    fn mark(&self) -> Mark {
        Mark::new(self.entropy.draw())
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("total", &self.total).finish_non_exhaustive()
    }
}

/// How often the use of a session is written, in seconds.
const SEEN_EVERY: i64 = 3600;

fn authentication(session: &Session) -> Authentication {
    Authentication {
        acr: Level::of(&session.amr).acr(),
        // Looked at a moment ago. Read once more, it could be what came after everything of theirs was ended.
        standing: Some(Standing { status: Status::Active, epoch: session.epoch }),
        ..Authentication::new(session.person.clone(), session.id, session.auth_time)
    }
}

/// Whether an account is open to whoever came in with this session: nobody was shut out since, and where there is a second factor, it
/// was shown. Whoever has users of their own keeps no accounts here.
fn is_let_in(session: &Session, account: Option<&Account>) -> bool {
    let Some(account) = account else { return session.account_epoch.is_none() };
    let enough = !ask_for_more(&account.factors) || Level::of(&session.amr) >= Level::Two;
    Openings::of_session(session) == Openings::of(account) && enough
}
