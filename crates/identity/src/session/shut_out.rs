//! The sessions of a person: which go on, and which end with what shuts somebody out.

use store::{Filter, Found, Kind, PersonId, PersonStanding, Session, SessionId, Store, StoreError};

use super::{Sessions, is_let_in};
use crate::factors::level::{Level, with};
use crate::people::Openings;

/// So many sessions of a person are listed at once.
const AT_ONCE: u32 = 200;

impl Sessions {
    /// Lets a session go on that was let in with `from`, after its account has been closed to whoever came in before; by `shown` besides
    /// what it has shown so far. One that was let in with anything else stays shut out.
    pub(crate) async fn carry_over(
        &self,
        session: &SessionId,
        (from, to): (Openings, Openings),
        shown: &[&str],
    ) -> Result<(), StoreError> {
        let carry = |found: Option<&Session>| {
            let shut_out = found.filter(|session| Openings::of_session(session) == from);
            Ok::<_, StoreError>(shut_out.map(|session| {
                let amr = with(session.amr.clone(), shown);
                let acr = match shown {
                    [] => session.acr.clone(),
                    _ => Some(Level::of(&amr).as_str().to_owned()),
                };
                Session { account_epoch: to.epoch(), amr, acr, ..session.clone() }
            }))
        };
        let store: &dyn Store = &*self.store;
        store.rewrite(session, || self.mark(), carry).await.map(drop)
    }

    /// The sessions of a person that go on, in no order that means something.
    ///
    /// # Errors
    ///
    /// If the store cannot answer.
    pub async fn of(&self, person: &PersonId) -> Result<Vec<Session>, StoreError> {
        let account = self.account_of(person).await?;
        self.living(person, |session| is_let_in(session, account.as_ref())).await
    }

    /// Ends the sessions that were let in with `openings`, which open the account no more, and answers which they were.
    pub(crate) async fn end_shut_out(
        &self,
        person: &PersonId,
        openings: Openings,
    ) -> Result<Vec<SessionId>, StoreError> {
        let mut ended = Vec::new();
        for session in self.living(person, |session| Openings::of_session(session) == openings).await? {
            self.end(&session.id).await?;
            ended.push(session.id);
        }
        Ok(ended)
    }

    async fn living(
        &self,
        person: &PersonId,
        wanted: impl Fn(&Session) -> bool + Send + Sync,
    ) -> Result<Vec<Session>, StoreError> {
        let store: &dyn Store = &*self.store;
        let standing = store.find::<PersonStanding>(person).await?.map(|found| found.record.standing);
        let (standing, now) = (standing.unwrap_or_default(), self.clock.now());
        let (mut living, mut after) = (Vec::new(), None::<String>);
        loop {
            let filter = Filter::OfPerson(person.as_str());
            let page = self.store.list(Kind::Session, filter, after.as_deref(), AT_ONCE).await?;
            for row in &page.rows {
                let session = Found::<Session>::decode(row)?.record;
                if session.expires > now && standing.upholds(session.epoch) && wanted(&session) {
                    living.push(session);
                }
            }
            match page.rows.last() {
                Some(last) if page.more => after = Some(last.key.id.clone()),
                Some(_) | None => return Ok(living),
            }
        }
    }
}
