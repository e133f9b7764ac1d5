//! A storage backend of one's own, in one file: the whole contract of [`Store`] and [`Inspect`] over
//! [redb](https://www.redb.org), an embedded key-value library.
//!
//! It knows rows and nothing of what is in them. Each comment below names a rule of the contract at the point where it
//! is easy to break; `tests/suite.rs` proves that none is.

#[cfg(test)]
mod tests;

use std::fs::OpenOptions;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use ambient::Time;
use async_trait::async_trait;
use redb::{
    Builder, Database, Error, ReadOnlyTable, ReadTransaction, ReadableDatabase as _, ReadableTable, Table,
    TableDefinition, WriteTransaction,
};
use store::{
    Changes, Claim, ClaimKind, Claimed, Commit, Filter, Inspect, Key, Kind, Links, Look, Marks, OwnedClaim,
    Page, Row, Seen, Store, StoreError, Verdict, verdict,
};

/// A store in one redb file, which one process at a time can open.
#[derive(Clone, Debug)]
pub struct Redb(Arc<Database>);

/// Kind and id. Both are texts of any length and any content: they are parts of a key, never glued to one with a separator
/// that an id might contain. redb compares texts by their bytes, which is the order that listings promise.
type Id = (&'static str, &'static str);

/// Marks, whether it has ended, body, sweep time; the client, person, consent and server that it names. Nobody looks
/// inside the body: what a backend needs to know of a record stands beside it.
type Columns = (
    &'static [u8],
    bool,
    &'static str,
    Option<i64>,
    Option<&'static str>,
    Option<&'static str>,
    Option<&'static str>,
    Option<&'static str>,
);

/// What the link is called, where it leads, and the kind and id of the record that has it.
type LinkKey = (&'static str, &'static str, &'static str, &'static str);

/// When, of which table, and its key there.
type DueKey = (i64, &'static str, &'static str, &'static str);

/// Owner, since when, until when.
type Holding = (&'static str, i64, Option<i64>);

const RECORDS: TableDefinition<'_, Id, Columns> = TableDefinition::new("records");
const LINKS: TableDefinition<'_, LinkKey, ()> = TableDefinition::new("links");
const DUE: TableDefinition<'_, DueKey, ()> = TableDefinition::new("due");
const CLAIMS: TableDefinition<'_, Id, Holding> = TableDefinition::new("claims");
const PROBES: TableDefinition<'_, (), u64> = TableDefinition::new("probes");

const RECORD: &str = "record";
const CLAIM: &str = "claim";
const CLIENT: &str = "client";
const PERSON: &str = "person";

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

/// What went wrong: the database, or what is in it. The caller is told which, because trying again helps the one alone.
enum Fault {
    Redb(Error),
    Damaged(Kind),
}

impl<E: Into<Error>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self::Redb(error.into())
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Redb(error) => Self::unavailable(error),
            Fault::Damaged(kind) => Self::damaged(kind, "its marks do not read back"),
        }
    }
}

/// Records that are swept in one transaction.
const SWEPT_TOGETHER: u32 = 128;

/// The tables within one transaction that writes.
struct Tables<'t> {
    records: Table<'t, Id, Columns>,
    links: Table<'t, LinkKey, ()>,
    due: Table<'t, DueKey, ()>,
    claims: Table<'t, Id, Holding>,
    probes: Table<'t, (), u64>,
}

impl<'t> Tables<'t> {
    fn of(transaction: &'t WriteTransaction) -> Result<Self, Fault> {
        Ok(Self {
            records: transaction.open_table(RECORDS)?,
            links: transaction.open_table(LINKS)?,
            due: transaction.open_table(DUE)?,
            claims: transaction.open_table(CLAIMS)?,
            probes: transaction.open_table(PROBES)?,
        })
    }

    /// A record and what it is found by. All marks are kept, not the newest alone: they are what tells a write that was
    /// sent twice.
    fn insert(&mut self, row: &Row) -> Result<(), Fault> {
        let (kind, id) = (row.key.kind.as_str(), row.key.id.as_str());
        let Links { client, person, consent, server } = &row.links;
        let marks = row.marks.to_bytes();
        let columns = (
            marks.as_slice(),
            row.ended,
            row.body.as_str(),
            row.sweep.map(|sweep| sweep.0),
            client.as_deref(),
            person.as_deref(),
            consent.as_deref(),
            server.as_deref(),
        );
        self.records.insert((kind, id), columns)?;
        for (name, of) in listed_by(client.as_deref(), person.as_deref()) {
            self.links.insert((name, of, kind, id), ())?;
        }
        if let Some(sweep) = row.sweep {
            self.due.insert((sweep.0, RECORD, kind, id), ())?;
        }
        Ok(())
    }

    /// A record may name somebody else, or be due at another time, after each write: what it was found by goes with it.
    fn remove(&mut self, kind: &str, id: &str) -> Result<(), Fault> {
        let Some(columns) = self.records.remove((kind, id))? else { return Ok(()) };
        let (_, _, _, sweep, client, person, _, _) = columns.value();
        for (name, of) in listed_by(client, person) {
            self.links.remove((name, of, kind, id))?;
        }
        if let Some(sweep) = sweep {
            self.due.remove((sweep, RECORD, kind, id))?;
        }
        Ok(())
    }

    fn release(&mut self, kind: &str, key: &str) -> Result<(), Fault> {
        let until = self.claims.remove((kind, key))?.and_then(|claim| claim.value().2);
        if let Some(until) = until {
            self.due.remove((until, CLAIM, kind, key))?;
        }
        Ok(())
    }

    fn sweep(&mut self, now: Time, at_most: u32) -> Result<u32, Fault> {
        let mut due = Vec::new();
        for entry in
            self.due.range(..(now.0, "", "", ""))?.take(usize::try_from(at_most).unwrap_or(usize::MAX))
        {
            let (key, _) = entry?;
            let (_, table, kind, id) = key.value();
            due.push((table == CLAIM, kind.to_owned(), id.to_owned()));
        }
        let mut gone = 0;
        for (is_claim, kind, id) in due {
            if is_claim {
                self.release(&kind, &id)?
            } else {
                self.remove(&kind, &id)?
            }
            gone += 1;
        }
        Ok(gone)
    }
}

fn listed_by<'a>(
    client: Option<&'a str>,
    person: Option<&'a str>,
) -> impl Iterator<Item = (&'static str, &'a str)> {
    let by = |name| move |of| (name, of);
    client.map(by(CLIENT)).into_iter().chain(person.map(by(PERSON)))
}

fn records(transaction: &ReadTransaction) -> Result<ReadOnlyTable<Id, Columns>, Fault> {
    Ok(transaction.open_table(RECORDS)?)
}

/// Everything that was written reads back, and nothing else: a row that does not is an error, never an absent record.
fn row(records: &impl ReadableTable<Id, Columns>, key: &Key) -> Result<Option<Row>, Fault> {
    let Some(columns) = records.get((key.kind.as_str(), key.id.as_str()))? else { return Ok(None) };
    let (marks, ended, body, sweep, client, person, consent, server) = columns.value();
    let marks = Marks::from_bytes(marks).ok_or(Fault::Damaged(key.kind))?;
    let id = |link: Option<&str>| link.map(str::to_owned);
    Ok(Some(Row {
        key: key.clone(),
        marks,
        ended,
        body: body.to_owned(),
        sweep: sweep.map(Time),
        links: Links { client: id(client), person: id(person), consent: id(consent), server: id(server) },
    }))
}

fn holder(
    claims: &impl ReadableTable<Id, Holding>,
    kind: &str,
    key: &str,
) -> Result<Option<(String, Time)>, Fault> {
    let held = claims.get((kind, key))?;
    Ok(held.map(|held| {
        let (owner, since, _) = held.value();
        (owner.to_owned(), Time(since))
    }))
}

/// The first ids of a kind behind `after`, which need not be there any more.
fn ids(
    records: &impl ReadableTable<Id, Columns>,
    kind: Kind,
    after: Option<&str>,
    at_most: usize,
) -> Result<Vec<String>, Fault> {
    let kind = kind.as_str();
    let from = after.map_or(Bound::Included((kind, "")), |after| Bound::Excluded((kind, after)));
    let mut ids = Vec::new();
    for entry in records.range::<(&str, &str)>((from, Bound::Unbounded))? {
        let (key, _) = entry?;
        let (of_kind, id) = key.value();
        if of_kind != kind || ids.len() >= at_most {
            break;
        }
        ids.push(id.to_owned());
    }
    Ok(ids)
}

/// The same of those that have a link of this name to this id.
fn linked_ids(
    links: &impl ReadableTable<LinkKey, ()>,
    (name, of): (&str, &str),
    kind: Kind,
    after: Option<&str>,
    at_most: usize,
) -> Result<Vec<String>, Fault> {
    let kind = kind.as_str();
    let key = |id| (name, of, kind, id);
    let from = after.map_or_else(|| Bound::Included(key("")), |after| Bound::Excluded(key(after)));
    let mut ids = Vec::new();
    for entry in links.range::<(&str, &str, &str, &str)>((from, Bound::Unbounded))? {
        let (found, _) = entry?;
        let (found_name, found_of, found_kind, id) = found.value();
        if (found_name, found_of, found_kind) != (name, of, kind) || ids.len() >= at_most {
            break;
        }
        ids.push(id.to_owned());
    }
    Ok(ids)
}
