//! A storage backend of one's own: the whole contract of [`Store`] and [`Inspect`] over
//! [redb](https://www.redb.org), an embedded key-value library.
//!
//! It knows rows and nothing of what is in them. Each comment below names a rule of the contract at the point where it
//! is easy to break; `tests/suite.rs` proves that none is. What the file holds is in `tables`.

mod tables;
#[cfg(test)]
mod tests;

use std::fs::OpenOptions;
use std::path::Path;
use std::sync::Arc;

use ambient::Time;
use async_trait::async_trait;
use redb::{Builder, Database, ReadTransaction, ReadableDatabase as _, ReadableTable as _};
use store::{
    Changes, Claim, ClaimKind, Claimed, Commit, Filter, Inspect, Key, Kind, Look, OwnedClaim, Page, Row,
    Seen, Store, StoreError, Verdict, verdict,
};

use crate::tables::{
    CLAIM, CLAIMS, CLIENT, Fault, LINKS, PERSON, Tables, holder, ids, linked_ids, records, row,
};

/// A store in one redb file, which one process at a time can open.
#[derive(Clone, Debug)]
pub struct Redb(Arc<Database>);

/// Records that are swept in one transaction.
const SWEPT_TOGETHER: u32 = 128;

impl Redb {
    /// Opens the file at `path`; makes it, readable by its owner alone, if there is none.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if it cannot be opened, is no database, or another process has it open.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            options.mode(0o600);
        }
        let file = options.open(path).map_err(StoreError::unavailable)?;
        let database = Builder::new().create_file(file).map_err(StoreError::unavailable)?;
        // A table is made by the first who opens it to write; whoever reads an empty store must find them all.
        write(&database, |_| Ok(()))?;
        Ok(Self(Arc::new(database)))
    }

    /// Does `work` in a transaction of its own, of which there is one at a time.
    ///
    /// *Atomic*: the record, its index entries and the decision to write them are in one transaction. *Durable*: redb's
    /// commit returns when the disk has it, unless it is told otherwise, and only then is anything answered. That goes
    /// for `Stale` too, which was decided by a commit before this one.
    ///
    /// The disk makes it wait, so it runs on a thread for that; and it runs to its end there, even if whoever asked has
    /// gone.
    async fn writing<A: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Tables<'_>) -> Result<A, Fault> + Send + 'static,
    ) -> Result<A, StoreError> {
        let database = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || write(&database, work));
        // An error says nothing of whether the write happened. Whoever sends the same changes again learns it from the
        // mark.
        Ok(done.await.map_err(StoreError::unavailable)??)
    }

    /// Reads as of *one moment*: a transaction sees what was committed before it began and nothing later. *Fresh*:
    /// everything that was answered before is committed.
    async fn reading<A: Send + 'static>(
        &self,
        work: impl FnOnce(&ReadTransaction) -> Result<A, Fault> + Send + 'static,
    ) -> Result<A, StoreError> {
        let database = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || work(&database.begin_read()?));
        Ok(done.await.map_err(StoreError::unavailable)??)
    }
}

fn write<A>(database: &Database, work: impl FnOnce(&mut Tables<'_>) -> Result<A, Fault>) -> Result<A, Fault> {
    let mut transaction = database.begin_write()?;
    // Strangers choose a part of what is written, such as the name of a client: nothing may rest on a checksum that is not
    // cryptographic. It costs a second flush.
    transaction.set_two_phase_commit(true);
    let answer = work(&mut Tables::of(&transaction)?)?;
    transaction.commit()?;
    Ok(answer)
}

#[async_trait]
impl Store for Redb {
    async fn read(&self, key: &Key) -> Result<Option<Row>, StoreError> {
        let key = key.clone();
        self.reading(move |transaction| row(&records(transaction)?, &key)).await
    }

    /// The links are those of the record as this very transaction sees it, not as somebody remembers them.
    async fn look(&self, look: &Look) -> Result<Seen, StoreError> {
        let look = look.clone();
        self.reading(move |transaction| {
            let records = records(transaction)?;
            let row = |key: Option<Key>| key.map_or(Ok(None), |key| row(&records, &key));
            let record = row(Some(look.record))?;
            let [client, person, consent, server] =
                record.as_ref().map(|record| record.links.keys()).unwrap_or_default();
            Ok(Seen {
                client: row(client)?,
                person: row(person)?,
                consent: row(consent)?,
                server: row(server)?,
                beside: row(look.beside)?,
                record,
            })
        })
        .await
    }

    /// What may be written is [`verdict`]'s to say, and what is written [`Changes::row`]'s: they know the guards,
    /// settle a write that was sent twice by the last four marks, and keep the later sweep time when a grant ends. A
    /// backend reads the stored row and asks them, with nobody in between. Where that needs a script of the database's
    /// own, the script has to say what they say.
    async fn commit(&self, changes: &Changes) -> Result<Commit, StoreError> {
        let changes = changes.clone();
        self.writing(move |tables| {
            let stored = row(&tables.records, changes.key())?;
            let version = stored.as_ref().map(|row| (&row.marks, row.ended));
            match verdict(version, changes.mark(), changes.guard()) {
                Verdict::Write => {
                    let row = changes.row(stored.as_ref().map(|row| (&row.marks, row.sweep)));
                    tables.remove(row.key.kind.as_str(), &row.key.id)?;
                    tables.insert(&row)?;
                    Ok(Commit::Done)
                }
                // Not an error, and not to be written "to be sure": the record may be a rival's by now.
                Verdict::Done => Ok(Commit::Done),
                Verdict::Stale => Ok(Commit::Stale),
            }
        })
        .await
    }

    /// Looking and taking are one transaction: of those who claim at once, one finds nobody.
    async fn claim(&self, claim: &Claim<'_>) -> Result<Claimed, StoreError> {
        let OwnedClaim { kind, key, owner, since, until, instead_of } = OwnedClaim::from(claim);
        let kind = kind.as_str();
        self.writing(move |tables| {
            if let Some((holder, held_since)) = holder(&tables.claims, kind, &key)? {
                // Since when it stands is not changed by who claims again.
                if holder == owner {
                    return Ok(Claimed::Mine);
                }
                // A guard, like the mark of a commit: only the owner who was seen may be replaced, so that one takes over.
                if instead_of.as_ref() != Some(&holder) {
                    return Ok(Claimed::Held { owner: holder, since: held_since });
                }
                tables.release(kind, &key)?;
            }
            // The store has no clock: a claim whose time is over stands until it is swept or taken over.
            tables
                .claims
                .insert((kind, key.as_str()), (owner.as_str(), since.0, until.map(|until| until.0)))?;
            if let Some(until) = until {
                tables.due.insert((until.0, CLAIM, kind, key.as_str()), ())?;
            }
            Ok(Claimed::Mine)
        })
        .await
    }

    async fn holder(&self, kind: ClaimKind, key: &str) -> Result<Option<(String, Time)>, StoreError> {
        let key = key.to_owned();
        self.reading(move |transaction| holder(&transaction.open_table(CLAIMS)?, kind.as_str(), &key)).await
    }

    async fn release(&self, kind: ClaimKind, key: &str, owner: &str) -> Result<(), StoreError> {
        let (kind, key, owner) = (kind.as_str(), key.to_owned(), owner.to_owned());
        self.writing(move |tables| match holder(&tables.claims, kind, &key)? {
            Some((holder, _)) if holder == owner => tables.release(kind, &key),
            // It was taken over, or released before: nothing of anybody else's is touched.
            Some(_) | None => Ok(()),
        })
        .await
    }

    /// The time comes from the caller, and `None` is never. What is due at `now` itself stays. Reading never sweeps, because rules look at the time themselves.
    async fn sweep(&self, now: Time, at_most: u32) -> Result<u32, StoreError> {
        let mut gone = 0;
        while gone < at_most {
            // In small pieces, because a log-in waits behind each.
            let asked = SWEPT_TOGETHER.min(at_most - gone);
            let swept = self.writing(move |tables| tables.sweep(now, asked)).await?;
            gone += swept;
            if swept < asked {
                break;
            }
        }
        Ok(gone)
    }

    /// That it can be read does not show that it can be written: the disk may be full.
    async fn ready(&self) -> Result<(), StoreError> {
        self.writing(|tables| {
            let count = tables.probes.get(())?.map_or(0, |count| count.value());
            tables.probes.insert((), count.wrapping_add(1))?;
            Ok(())
        })
        .await
    }
}

#[async_trait]
impl Inspect for Redb {
    /// *Never misses what was there throughout*: index and record are written together, and read together here.
    async fn list(
        &self,
        kind: Kind,
        filter: Filter<'_>,
        after: Option<&str>,
        at_most: u32,
    ) -> Result<Page, StoreError> {
        let link = match filter {
            Filter::All => None,
            Filter::OfClient(id) => Some((CLIENT, id.to_owned())),
            Filter::OfPerson(id) => Some((PERSON, id.to_owned())),
        };
        let after = after.map(str::to_owned);
        let at_most = usize::try_from(at_most).unwrap_or(usize::MAX);
        self.reading(move |transaction| {
            let records = records(transaction)?;
            // One more than is shown tells whether there are more. `at_most` may be nothing, and may be everything.
            let one_more = at_most.saturating_add(1);
            let mut ids = match link {
                None => ids(&records, kind, after.as_deref(), one_more)?,
                Some((name, of)) => {
                    let links = transaction.open_table(LINKS)?;
                    linked_ids(&links, (name, &of), kind, after.as_deref(), one_more)?
                }
            };
            let more = ids.len() > at_most;
            ids.truncate(at_most);
            let rows = ids.into_iter().map(|id| row(&records, &Key { kind, id }));
            Ok(Page { rows: rows.filter_map(Result::transpose).collect::<Result<_, _>>()?, more })
        })
        .await
    }
}
