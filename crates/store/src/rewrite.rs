//! Deciding about a record and writing what was decided, however many others write it.

use std::fmt::Display;
use std::future::Future;

use crate::{Changes, Commit, Mark, Record, Store, StoreError};

/// How often somebody decides anew before they are told to come back. A rival's write mostly decides the matter, so the second look
/// ends it.
const ATTEMPTS: u32 = 16;

/// What became of a record by a decision about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rewritten<R> {
    /// It is as it was; nothing was written. `None` is that there is none.
    Kept(Option<R>),
    /// It was written.
    Done {
        /// What was there.
        before: Option<R>,
        /// What is there.
        now: R,
    },
}

impl<R> Rewritten<R> {
    /// What is there now.
    #[must_use]
    pub fn now(self) -> Option<R> {
        match self {
            Self::Kept(kept) => kept,
            Self::Done { now, .. } => Some(now),
        }
    }
}

impl dyn Store + '_ {
    /// Decides about the record that `id` names, or that there is none, and writes what was decided: about what is there then, until
    /// nobody else has written in between. `decide` answers `None` if the record stays as it is; `draw` a mark for each write.
    ///
    /// # Errors
    ///
    /// What `decide` says; the store; [`StoreError::Contended`] if others keep writing.
    pub async fn rewrite<R: Record, E: From<StoreError>>(
        &self,
        id: impl Display + Send,
        mut draw: impl FnMut() -> Mark + Send,
        mut decide: impl FnMut(Option<&R>) -> Result<Option<R>, E> + Send,
    ) -> Result<Rewritten<R>, E> {
        let id = id.to_string();
        for _ in 0..ATTEMPTS {
            let found = self.find::<R>(&id).await?;
            let Some(now) = decide(found.as_ref().map(|found| &found.record))? else {
                return Ok(Rewritten::Kept(found.map(|found| found.record)));
            };
            let changes = match &found {
                Some(found) => Changes::replace(draw(), found, &now),
                None => Changes::create(draw(), &now),
            };
            if self.commit(&changes).await? == Commit::Done {
                return Ok(Rewritten::Done { before: found.map(|found| found.record), now });
            }
        }
        Err(StoreError::Contended.into())
    }
}

/// Tries until an attempt comes to an end; `None` is that somebody else wrote first. For a decision that has to ask before it writes:
/// every other one is a [`Rewritten`].
///
/// # Errors
///
/// What an attempt says; [`StoreError::Contended`] if others keep writing.
pub async fn until_done<T, E: From<StoreError>, F: Future<Output = Result<Option<T>, E>>>(
    attempt: impl Fn() -> F,
) -> Result<T, E> {
    for _ in 0..ATTEMPTS {
        if let Some(done) = attempt().await? {
            return Ok(done);
        }
    }
    Err(StoreError::Contended.into())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use ambient::Time;
    use async_trait::async_trait;

    use super::*;
    use crate::{Backend, Front, Memory, PersonId, PersonStanding, Standing, Status};

    /// Somebody else writes before so many of our commits.
    struct Contested {
        store: Memory,
        rivals: AtomicU32,
    }

    #[async_trait]
    impl Front for Contested {
        fn behind(&self) -> &dyn Backend {
            &self.store
        }

        async fn commit(&self, changes: &Changes) -> Result<Commit, StoreError> {
            let one_less = |left: u32| left.checked_sub(1);
            if let Ok(left) = self.rivals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less) {
                let status = if left % 2 == 0 { Status::Active } else { Status::Blocked };
                let theirs = Mark::new([u8::try_from(left).unwrap(); 16]);
                let store: &dyn Store = &self.store;
                let changes = match store.find(ADA).await? {
                    Some(found) => Changes::replace(theirs, &found, &of(status)),
                    None => Changes::create(theirs, &of(status)),
                };
                assert_eq!(store.commit(&changes).await?, Commit::Done);
            }
            self.store.commit(changes).await
        }
    }

    const ADA: &str = "usr_ada";

    fn of(status: Status) -> PersonStanding {
        PersonStanding { person: PersonId::parse(ADA).unwrap(), standing: Standing { status, epoch: None } }
    }

    fn contested(rivals: u32) -> Contested {
        Contested { store: Memory::new(), rivals: AtomicU32::new(rivals) }
    }

    fn marks() -> impl FnMut() -> Mark + Send {
        let mut drawn = 100;
        move || {
            drawn += 1;
            Mark::new([drawn; 16])
        }
    }

    async fn delete(store: &dyn Store) -> Result<Rewritten<PersonStanding>, StoreError> {
        let delete = |found: Option<&PersonStanding>| {
            let wanted = of(Status::Deleted);
            Ok::<_, StoreError>((found != Some(&wanted)).then_some(wanted))
        };
        store.rewrite(ADA, marks(), delete).await
    }

    #[tokio::test]
    async fn a_decision_is_about_what_was_there_last() {
        let store = contested(15);
        let became = delete(&store).await.unwrap();
        let last = of(Status::Blocked);
        assert_eq!(became, Rewritten::Done { before: Some(last), now: of(Status::Deleted) });
        let again = delete(&store).await.unwrap();
        assert_eq!(again, Rewritten::Kept(Some(of(Status::Deleted))));
        assert_eq!(again.now(), Some(of(Status::Deleted)));
        let fresh = contested(0);
        let became = delete(&fresh).await.unwrap();
        assert_eq!(became, Rewritten::Done { before: None, now: of(Status::Deleted) });
    }

    #[tokio::test]
    async fn who_never_comes_first_is_told_so_and_has_written_nothing() {
        let store = contested(16);
        assert!(matches!(delete(&store).await, Err(StoreError::Contended)));
        let there = (&store as &dyn Store).find::<PersonStanding>(ADA).await.unwrap().unwrap().record;
        assert_ne!(there.standing.status, Status::Deleted);
        let tried = AtomicU32::new(0);
        let never = || async {
            tried.fetch_add(1, Ordering::SeqCst);
            Ok::<_, StoreError>(None::<Time>)
        };
        assert!(matches!(until_done(never).await, Err(StoreError::Contended)));
        assert_eq!(tried.into_inner(), 16);
    }

    #[tokio::test]
    async fn what_is_refused_is_not_written() {
        let store = contested(0);
        let refuse = |_: Option<&PersonStanding>| Err(StoreError::unavailable("no"));
        assert!(store_of(&store).rewrite(ADA, marks(), refuse).await.is_err());
        let keep = |_: Option<&PersonStanding>| Ok::<_, StoreError>(None);
        let kept = store_of(&store).rewrite(ADA, marks(), keep).await.unwrap();
        assert_eq!(kept, Rewritten::Kept(None));
    }

    fn store_of(store: &Contested) -> &dyn Store {
        store
    }
}
