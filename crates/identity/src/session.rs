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

    /// Begins a session of somebody who has just proved who they are; `None` if they are blocked or deleted.
    ///
    /// The caller ends the browser's session before it, if there is one, after this: never the other way round.
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
        let session = session.record;
        let proved = session.digest.is(&token.digest());
        let lives = session.expires > self.clock.now() && standing.upholds(session.epoch);
        Ok((proved && lives).then(|| LoggedIn {
            authentication: authentication(&session),
            csrf: CsrfToken::of_session(text.expose_secret()),
        }))
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

/// A session is written when it begins and when it ends, so a rival can only have ended it.
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
