//! Who is logged in with which browser.

use std::fmt;
use std::sync::Arc;

use ambient::{Clock, Entropy, Time};
use authz_core::{Authentication, Events, Lifetime, Oversight, TokenKind, TokenText};
use oauth_types::Issuer;
use seal::Seal;
use secrecy::{ExposeSecret as _, SecretString};
use store::{
    Backend, Changes, Claim, ClaimKind, Claimed, Commit, Device, Digest, Filter, Found, Key, Kind, Look,
    Mark, PersonId, PersonStanding, Session, SessionId, Status, Store, StoreError,
};

use crate::csrf::CsrfToken;
use crate::factors::sealed::Vault;
use crate::tickets::Tickets;

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
}

impl Proof {
    /// By a password.
    #[must_use]
    pub fn by_password(person: PersonId, device: Device) -> Self {
        Self { person, amr: vec!["pwd".to_owned()], acr: None, device }
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

    /// Who the holder of this text is; `None` if it is no text of a session, or the session is over: expired, ended, or
    /// its person blocked, deleted or logged out everywhere.
    ///
    /// # Errors
    ///
    /// If the store cannot answer.
    pub async fn find(&self, text: &SecretString) -> Result<Option<LoggedIn>, StoreError> {
        let Some(session) = self.held_with(text).await? else { return Ok(None) };
        self.see(&session).await;
        Ok(Some(LoggedIn {
            authentication: authentication(&session.record),
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
        Ok((proved && lives).then_some(session))
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
        let store: &dyn Store = &*self.store;
        for _ in 0..TRIES {
            let Some(found) = store.find::<Session>(session).await? else { return Ok(()) };
            // Long past, not now: the clock of another process may be behind ours.
            let ended = Session { expires: Time(0), ..found.record.clone() };
            match self.store.commit(&Changes::replace(self.mark(), &found, &ended)).await? {
                Commit::Done => return Ok(()),
                Commit::Stale => {}
            }
        }
        Err(StoreError::unavailable("a session is being written by others all the time"))
    }

    /// The sessions of a person that go on, in no order that means something.
    ///
    /// # Errors
    ///
    /// If the store cannot answer.
    pub async fn of(&self, person: &PersonId) -> Result<Vec<Session>, StoreError> {
        let store: &dyn Store = &*self.store;
        let standing = store.find::<PersonStanding>(person).await?.map(|found| found.record.standing);
        let (standing, now) = (standing.unwrap_or_default(), self.clock.now());
        let (mut living, mut after) = (Vec::new(), None::<String>);
        loop {
            let filter = Filter::OfPerson(person.as_str());
            let page = self.store.list(Kind::Session, filter, after.as_deref(), AT_ONCE).await?;
            for row in &page.rows {
                let session = Found::<Session>::decode(row)?.record;
                if session.expires > now && standing.upholds(session.epoch) {
                    living.push(session);
                }
            }
            match page.rows.last() {
                Some(last) if page.more => after = Some(last.key.id.clone()),
                Some(_) | None => return Ok(living),
            }
        }
    }

    /// Ends the sessions of a person, but for `kept`, and answers which they were. One that begins meanwhile may go on: whoever shuts a door changes what opens it
    /// first.
    ///
    /// # Errors
    ///
    /// If the store cannot answer: then some may go on.
    pub async fn end_all(
        &self,
        person: &PersonId,
        kept: Option<&SessionId>,
    ) -> Result<Vec<SessionId>, StoreError> {
        let mut ended = Vec::new();
        for session in self.of(person).await? {
            if Some(&session.id) != kept {
                self.end(&session.id).await?;
                ended.push(session.id);
            }
        }
        Ok(ended)
    }

    /// Whether a person may log in at all: not if they are blocked or deleted.
    pub(crate) async fn may_begin(&self, person: &PersonId) -> Result<bool, StoreError> {
        let store: &dyn Store = &*self.store;
        let standing = store.find::<PersonStanding>(person).await?.map(|found| found.record.standing);
        Ok(standing.unwrap_or_default().status == Status::Active)
    }

    /// Whether a person has logged in from this place within the last 90 days; if not, it is known from now on.
    pub(crate) async fn knows_device(&self, person: &PersonId, place: &str) -> Result<bool, StoreError> {
        let (key, now) = (Digest::of(format!("{person} {place}").as_bytes()).to_string(), self.clock.now());
        if let Some((_, since)) = self.store.holder(ClaimKind::Device, &key).await? {
            let fresh = now.since(since) < DEVICE_KEPT;
            if fresh {
                return Ok(true);
            }
            self.store.release(ClaimKind::Device, &key, person.as_str()).await?;
        }
        let claim = Claim {
            kind: ClaimKind::Device,
            key: &key,
            owner: person.as_str(),
            since: now,
            until: Some(now.plus(DEVICE_KEPT)),
            instead_of: None,
        };
        let _known: Claimed = self.store.claim(&claim).await?;
        Ok(false)
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

/// A session is written when it begins, when its person logs in again, and when it ends: rivals are few.
const TRIES: u8 = 3;
/// How often the use of a session is written, in seconds.
const SEEN_EVERY: i64 = 3600;
/// How long a browser and an address are known after a log-in, in seconds: 90 days.
const DEVICE_KEPT: i64 = 90 * 86_400;
/// So many sessions of a person are listed at once.
const AT_ONCE: u32 = 200;

fn authentication(session: &Session) -> Authentication {
    Authentication { person: session.person.clone(), session: session.id, auth_time: session.auth_time }
}

#[cfg(test)]
mod tests {
    use ambient::{ManualClock, SeededEntropy};
    use store::{Epoch, Memory, Standing};

    use super::*;

    struct World {
        store: Arc<Memory>,
        clock: Arc<ManualClock>,
        sessions: Sessions,
    }

    fn world() -> World {
        let (store, clock) = (Arc::new(Memory::new()), Arc::new(ManualClock::at(Time(1_000_000))));
        let sessions = Sessions::new(store.clone(), clock.clone(), Arc::new(SeededEntropy::new(5)));
        World { store, clock, sessions }
    }

    fn ada() -> PersonId {
        PersonId::parse("usr_ada").unwrap()
    }

    fn proof(person: PersonId) -> Proof {
        Proof::by_password(person, Device::default())
    }

    async fn hold_against(store: &Memory, standing: Standing) {
        let record = PersonStanding { person: ada(), standing };
        let store: &dyn Store = store;
        let changes = match store.find::<PersonStanding>(ada()).await.unwrap() {
            None => Changes::create(Mark::new([1; 16]), &record),
            Some(found) => Changes::replace(Mark::new([2; 16]), &found, &record),
        };
        assert_eq!(store.commit(&changes).await.unwrap(), Commit::Done);
    }

    #[tokio::test]
    async fn whoever_holds_the_text_is_the_person() {
        let World { sessions, .. } = world();
        let begun = sessions.begin(&proof(ada())).await.unwrap().unwrap();
        let found = sessions.find(&begun.text).await.unwrap().unwrap();
        assert_eq!(found.authentication, begun.authentication);
        assert_eq!(found.authentication.auth_time, Time(1_000_000));
        assert!(found.csrf.is(Some(&CsrfToken::of_session(begun.text.expose_secret()).to_string())));
    }

    #[tokio::test]
    async fn another_secret_under_the_same_id_is_nobody() {
        let World { sessions, .. } = world();
        let begun = sessions.begin(&proof(ada())).await.unwrap().unwrap();
        let id = TokenText::parse(begun.text.expose_secret()).unwrap().id;
        let forged = TokenText::random(TokenKind::Session, id, [0; 32]).expose();
        assert!(sessions.find(&forged).await.unwrap().is_none());
        let access = begun.text.expose_secret().replacen("ses_", "mat_", 1);
        for text in ["", "ses_", "garbage", &access] {
            assert!(sessions.find(&text.into()).await.unwrap().is_none(), "{text}");
        }
    }

    #[tokio::test]
    async fn the_same_person_goes_on_in_the_same_session_under_a_new_text() {
        let World { sessions, clock, .. } = world();
        let first = sessions.begin(&proof(ada())).await.unwrap().unwrap();
        clock.advance(60);
        let second = sessions.begin_after(Some(&first.text), &proof(ada())).await.unwrap().unwrap();
        assert_eq!(second.authentication.session, first.authentication.session);
        assert_eq!(second.authentication.auth_time, Time(1_000_060));
        assert!(sessions.find(&first.text).await.unwrap().is_none(), "the text before is dead");
        clock.advance(sessions.idle.as_seconds() - 1);
        assert!(sessions.find(&second.text).await.unwrap().is_some(), "it lasts from the second log-in on");

        // The text before is nobody's: a planted one is never taken over.
        let third = sessions.begin_after(Some(&first.text), &proof(ada())).await.unwrap().unwrap();
        assert_ne!(third.authentication.session, first.authentication.session);
        assert!(sessions.find(&second.text).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn another_person_gets_a_session_of_their_own_and_the_one_before_ends() {
        let World { sessions, .. } = world();
        let adas = sessions.begin(&proof(ada())).await.unwrap().unwrap();
        let bo = PersonId::parse("usr_bo").unwrap();
        let bos = sessions.begin_after(Some(&adas.text), &proof(bo.clone())).await.unwrap().unwrap();
        assert_ne!(bos.authentication.session, adas.authentication.session);
        assert_eq!(sessions.find(&bos.text).await.unwrap().unwrap().authentication.person, bo);
        assert!(sessions.find(&adas.text).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn of_two_log_ins_at_once_both_come_in() {
        let World { sessions, .. } = world();
        let before = sessions.begin(&proof(ada())).await.unwrap().unwrap();
        let found = sessions.held_with(&before.text).await.unwrap().unwrap();
        let winner = sessions.renew(&found, &proof(ada())).await.unwrap().unwrap();
        assert!(sessions.renew(&found, &proof(ada())).await.unwrap().is_none());
        let loser = sessions.begin_after(Some(&before.text), &proof(ada())).await.unwrap().unwrap();
        for begun in [winner, loser] {
            assert!(sessions.find(&begun.text).await.unwrap().is_some());
        }
    }

    #[tokio::test]
    async fn a_session_lasts_as_long_as_it_says() {
        let World { sessions, clock, .. } = world();
        let sessions = sessions.lasting(Lifetime::minutes(1));
        let begun = sessions.begin(&proof(ada())).await.unwrap().unwrap();
        clock.advance(59);
        assert!(sessions.find(&begun.text).await.unwrap().is_some());
        clock.advance(1);
        assert!(sessions.find(&begun.text).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_session_in_use_goes_on_and_ends_all_the_same() {
        let World { sessions, clock, .. } = world();
        let sessions = sessions.lasting(Lifetime::minutes(300)).idle(Lifetime::minutes(90));
        let (used, idle) = (
            sessions.begin(&proof(ada())).await.unwrap().unwrap(),
            sessions.begin(&proof(ada())).await.unwrap().unwrap(),
        );
        for minute in [60, 120, 180, 240, 299] {
            let now = clock.now();
            clock.advance(1_000_000 + minute * 60 - now.0);
            assert!(sessions.find(&used.text).await.unwrap().is_some(), "{minute}");
            assert_eq!(sessions.find(&idle.text).await.unwrap().is_some(), minute < 90, "{minute}");
            if minute == 60 {
                // Looking is using.
                clock.advance(1);
                assert!(
                    sessions.of(&ada()).await.unwrap().iter().all(|one| one.seen == Some(Time(1_003_600)))
                );
                sessions.end(&idle.authentication.session).await.unwrap();
            }
        }
        clock.advance(60);
        assert!(sessions.find(&used.text).await.unwrap().is_none(), "five hours are over");
    }

    #[tokio::test]
    async fn the_use_of_a_session_is_written_once_an_hour() {
        let World { sessions, clock, store } = world();
        let begun = sessions.begin(&proof(ada())).await.unwrap().unwrap();
        let mark = async || {
            let store: &dyn Store = &*store;
            store.find::<Session>(begun.authentication.session).await.unwrap().unwrap().mark
        };
        let first = mark().await;
        clock.advance(SEEN_EVERY - 1);
        sessions.find(&begun.text).await.unwrap().unwrap();
        assert_eq!(mark().await, first);
        clock.advance(1);
        sessions.find(&begun.text).await.unwrap().unwrap();
        assert_ne!(mark().await, first);
    }

    #[tokio::test]
    async fn sessions_are_listed_and_ended_one_by_one_or_all() {
        let World { sessions, .. } = world();
        let device = Device::at("192.0.2.1".parse().ok(), Some("Firefox/140.0"));
        let mine = sessions.begin(&Proof::by_password(ada(), device.clone())).await.unwrap().unwrap();
        for _ in 0..3 {
            sessions.begin(&proof(ada())).await.unwrap().unwrap();
        }
        let bos = sessions.begin(&proof(PersonId::parse("usr_bo").unwrap())).await.unwrap().unwrap();
        let all = sessions.of(&ada()).await.unwrap();
        assert_eq!(all.len(), 4);
        assert_eq!(all.iter().filter(|session| session.device == device).count(), 1);
        sessions
            .end(&all.iter().find(|one| one.id != mine.authentication.session).unwrap().id)
            .await
            .unwrap();
        assert_eq!(sessions.of(&ada()).await.unwrap().len(), 3);
        assert_eq!(sessions.end_all(&ada(), Some(&mine.authentication.session)).await.unwrap().len(), 2);
        assert!(sessions.find(&mine.text).await.unwrap().is_some());
        assert_eq!(sessions.end_all(&ada(), None).await.unwrap(), [mine.authentication.session]);
        assert!(sessions.of(&ada()).await.unwrap().is_empty());
        assert!(sessions.find(&bos.text).await.unwrap().is_some(), "other people's go on");
    }

    #[tokio::test]
    async fn an_ended_session_is_nobodys_even_on_a_slow_clock() {
        let World { sessions, clock, .. } = world();
        let begun = sessions.begin(&proof(ada())).await.unwrap().unwrap();
        sessions.end(&begun.authentication.session).await.unwrap();
        clock.advance(-5);
        assert!(sessions.find(&begun.text).await.unwrap().is_none());
        sessions.end(&begun.authentication.session).await.unwrap();
        sessions.end(&SessionId::new([9; 16])).await.unwrap();
    }

    #[tokio::test]
    async fn whoever_is_blocked_or_logged_out_everywhere_is_nobody() {
        let World { sessions, store, .. } = world();
        let begun = sessions.begin(&proof(ada())).await.unwrap().unwrap();
        hold_against(&store, Standing { epoch: Some(Epoch::new([7; 16])), ..Standing::default() }).await;
        assert!(sessions.find(&begun.text).await.unwrap().is_none());

        let begun = sessions.begin(&proof(ada())).await.unwrap().unwrap();
        assert!(sessions.find(&begun.text).await.unwrap().is_some());
        hold_against(&store, Standing { status: Status::Blocked, epoch: Some(Epoch::new([7; 16])) }).await;
        assert!(sessions.find(&begun.text).await.unwrap().is_none());
        assert!(sessions.begin(&proof(ada())).await.unwrap().is_none());
    }
}
