//! Who is logged in with which browser.

use std::fmt;
use std::sync::Arc;

use ambient::{Clock, Entropy, Time};
use authz_core::{Authentication, Lifetime, TokenKind, TokenText};
use secrecy::{ExposeSecret as _, SecretString};
use store::{
    Changes, Commit, Found, Key, Kind, Look, Mark, PersonId, PersonStanding, Session, SessionId, Status,
    Store, StoreError,
};

use crate::csrf::CsrfToken;

/// The sessions of browsers, in a store: the cookie holds a random text, the record its digest.
pub struct Sessions {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    lifetime: Lifetime,
}

/// A session that has just begun.
#[derive(Debug)]
pub struct Begun {
    /// Who, in which session, since when.
    pub authentication: Authentication,
    /// What the browser keeps, and nobody else.
    pub text: SecretString,
}

/// Somebody who is logged in.
#[derive(Clone, Debug)]
pub struct LoggedIn {
    /// Who, in which session, since when.
    pub authentication: Authentication,
    pub(crate) csrf: CsrfToken,
}

impl Sessions {
    /// Sessions of 30 days.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { store, clock, entropy, lifetime: Lifetime::days(30) }
    }

    /// Sessions of another length, from log-in to the next.
    #[must_use]
    pub fn lasting(self, lifetime: Lifetime) -> Self {
        Self { lifetime, ..self }
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
        person: &PersonId,
    ) -> Result<Option<Begun>, StoreError> {
        let before = match before {
            Some(text) => self.held_with(text).await?,
            None => None,
        };
        match before {
            None => self.begin(person).await,
            Some(found) if found.record.person == *person => match self.renew(&found).await? {
                Some(begun) => Ok(Some(begun)),
                // Renewed or ended by a rival: the text before opens nothing any more, so there is nothing to end.
                None => self.begin(person).await,
            },
            Some(found) => {
                let begun = self.begin(person).await?;
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
    pub async fn begin(&self, person: &PersonId) -> Result<Option<Begun>, StoreError> {
        let standing = self.store.find::<PersonStanding>(person).await?;
        let standing = standing.map(|found| found.record.standing).unwrap_or_default();
        if standing.status != Status::Active {
            return Ok(None);
        }
        let now = self.clock.now();
        let id = self.entropy.draw();
        let text = TokenText::random(TokenKind::Session, id, self.entropy.draw());
        let session = Session {
            id: SessionId::new(id),
            digest: text.digest(),
            person: person.clone(),
            epoch: standing.epoch,
            auth_time: now,
            amr: vec!["pwd".to_owned()],
            expires: now.plus(self.lifetime.as_seconds()),
        };
        match self.store.commit(&Changes::create(self.mark(), &session)).await? {
            Commit::Done => Ok(Some(Begun { authentication: authentication(&session), text: text.expose() })),
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
        Ok(self.held_with(text).await?.map(|session| LoggedIn {
            authentication: authentication(&session.record),
            csrf: CsrfToken::of_session(text.expose_secret()),
        }))
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
    async fn renew(&self, found: &Found<Session>) -> Result<Option<Begun>, StoreError> {
        let now = self.clock.now();
        let text = TokenText::random(TokenKind::Session, *found.record.id.as_bytes(), self.entropy.draw());
        let session = Session {
            digest: text.digest(),
            auth_time: now,
            expires: now.plus(self.lifetime.as_seconds()),
            ..found.record.clone()
        };
        Ok(match self.store.commit(&Changes::replace(self.mark(), found, &session)).await? {
            Commit::Done => Some(Begun { authentication: authentication(&session), text: text.expose() }),
            Commit::Stale => None,
        })
    }

    /// Ends a session. One that is over already stays so.
    ///
    /// # Errors
    ///
    /// If the store cannot answer: then the session may go on.
    pub async fn end(&self, session: &SessionId) -> Result<(), StoreError> {
        for _ in 0..TRIES {
            let Some(found) = self.store.find::<Session>(session).await? else { return Ok(()) };
            // Long past, not now: the clock of another process may be behind ours.
            let ended = Session { expires: Time(0), ..found.record.clone() };
            match self.store.commit(&Changes::replace(self.mark(), &found, &ended)).await? {
                Commit::Done => return Ok(()),
                Commit::Stale => {}
            }
        }
        Err(StoreError::unavailable("a session is being written by others all the time"))
    }

    /// Whether more than `seconds` have passed since they last proved who they are.
    pub(crate) fn is_older_than(&self, authentication: &Authentication, seconds: i64) -> bool {
        self.clock.now().since(authentication.auth_time) > seconds
    }

    /// How long a session lasts.
    pub(crate) const fn lifetime(&self) -> Lifetime {
        self.lifetime
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
        f.debug_struct("Sessions").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

/// A session is written when it begins, when its person logs in again, and when it ends: rivals are few.
const TRIES: u8 = 3;

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
        let begun = sessions.begin(&ada()).await.unwrap().unwrap();
        let found = sessions.find(&begun.text).await.unwrap().unwrap();
        assert_eq!(found.authentication, begun.authentication);
        assert_eq!(found.authentication.auth_time, Time(1_000_000));
        assert!(found.csrf.is(Some(&CsrfToken::of_session(begun.text.expose_secret()).to_string())));
    }

    #[tokio::test]
    async fn another_secret_under_the_same_id_is_nobody() {
        let World { sessions, .. } = world();
        let begun = sessions.begin(&ada()).await.unwrap().unwrap();
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
        let first = sessions.begin(&ada()).await.unwrap().unwrap();
        clock.advance(60);
        let second = sessions.begin_after(Some(&first.text), &ada()).await.unwrap().unwrap();
        assert_eq!(second.authentication.session, first.authentication.session);
        assert_eq!(second.authentication.auth_time, Time(1_000_060));
        assert!(sessions.find(&first.text).await.unwrap().is_none(), "the text before is dead");
        clock.advance(sessions.lifetime().as_seconds() - 1);
        assert!(sessions.find(&second.text).await.unwrap().is_some(), "it lasts from the second log-in on");

        // The text before is nobody's: a planted one is never taken over.
        let third = sessions.begin_after(Some(&first.text), &ada()).await.unwrap().unwrap();
        assert_ne!(third.authentication.session, first.authentication.session);
        assert!(sessions.find(&second.text).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn another_person_gets_a_session_of_their_own_and_the_one_before_ends() {
        let World { sessions, .. } = world();
        let adas = sessions.begin(&ada()).await.unwrap().unwrap();
        let bo = PersonId::parse("usr_bo").unwrap();
        let bos = sessions.begin_after(Some(&adas.text), &bo).await.unwrap().unwrap();
        assert_ne!(bos.authentication.session, adas.authentication.session);
        assert_eq!(sessions.find(&bos.text).await.unwrap().unwrap().authentication.person, bo);
        assert!(sessions.find(&adas.text).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn of_two_log_ins_at_once_both_come_in() {
        let World { sessions, .. } = world();
        let before = sessions.begin(&ada()).await.unwrap().unwrap();
        let found = sessions.held_with(&before.text).await.unwrap().unwrap();
        let winner = sessions.renew(&found).await.unwrap().unwrap();
        assert!(sessions.renew(&found).await.unwrap().is_none());
        let loser = sessions.begin_after(Some(&before.text), &ada()).await.unwrap().unwrap();
        for begun in [winner, loser] {
            assert!(sessions.find(&begun.text).await.unwrap().is_some());
        }
    }

    #[tokio::test]
    async fn a_session_lasts_as_long_as_it_says() {
        let World { sessions, clock, .. } = world();
        let sessions = sessions.lasting(Lifetime::minutes(1));
        let begun = sessions.begin(&ada()).await.unwrap().unwrap();
        clock.advance(59);
        assert!(sessions.find(&begun.text).await.unwrap().is_some());
        clock.advance(1);
        assert!(sessions.find(&begun.text).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn an_ended_session_is_nobodys_even_on_a_slow_clock() {
        let World { sessions, clock, .. } = world();
        let begun = sessions.begin(&ada()).await.unwrap().unwrap();
        sessions.end(&begun.authentication.session).await.unwrap();
        clock.advance(-5);
        assert!(sessions.find(&begun.text).await.unwrap().is_none());
        sessions.end(&begun.authentication.session).await.unwrap();
        sessions.end(&SessionId::new([9; 16])).await.unwrap();
    }

    #[tokio::test]
    async fn whoever_is_blocked_or_logged_out_everywhere_is_nobody() {
        let World { sessions, store, .. } = world();
        let begun = sessions.begin(&ada()).await.unwrap().unwrap();
        hold_against(&store, Standing { epoch: Some(Epoch::new([7; 16])), ..Standing::default() }).await;
        assert!(sessions.find(&begun.text).await.unwrap().is_none());

        let begun = sessions.begin(&ada()).await.unwrap().unwrap();
        assert!(sessions.find(&begun.text).await.unwrap().is_some());
        hold_against(&store, Standing { status: Status::Blocked, epoch: Some(Epoch::new([7; 16])) }).await;
        assert!(sessions.find(&begun.text).await.unwrap().is_none());
        assert!(sessions.begin(&ada()).await.unwrap().is_none());
    }
}
