//! The tables of the file: what is in which, and how it is found.

use std::ops::Bound;

use ambient::Time;
use redb::{Error, ReadOnlyTable, ReadTransaction, ReadableTable, Table, TableDefinition, WriteTransaction};
use store::{Key, Kind, Links, Marks, Row, StoreError};

/// Kind and id. Both are texts of any length and any content: they are parts of a key, never glued to one with a separator
/// that an id might contain. redb compares texts by their bytes, which is the order that listings promise.
pub(crate) type Id = (&'static str, &'static str);

/// Marks, whether it has ended, body, sweep time; the client, person, consent and server that it names. Nobody looks
/// inside the body: what a backend needs to know of a record stands beside it.
pub(crate) type Columns = (
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
pub(crate) type LinkKey = (&'static str, &'static str, &'static str, &'static str);

/// When, of which table, and its key there.
pub(crate) type DueKey = (i64, &'static str, &'static str, &'static str);

/// Owner, since when, until when.
pub(crate) type Holding = (&'static str, i64, Option<i64>);

pub(crate) const RECORDS: TableDefinition<'_, Id, Columns> = TableDefinition::new("records");
pub(crate) const LINKS: TableDefinition<'_, LinkKey, ()> = TableDefinition::new("links");
pub(crate) const DUE: TableDefinition<'_, DueKey, ()> = TableDefinition::new("due");
pub(crate) const CLAIMS: TableDefinition<'_, Id, Holding> = TableDefinition::new("claims");
pub(crate) const PROBES: TableDefinition<'_, (), u64> = TableDefinition::new("probes");

pub(crate) const RECORD: &str = "record";
pub(crate) const CLAIM: &str = "claim";
pub(crate) const CLIENT: &str = "client";
pub(crate) const PERSON: &str = "person";

/// What went wrong: the database, or what is in it. The caller is told which, because trying again helps the one alone.
pub(crate) enum Fault {
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

/// The tables within one transaction that writes.
pub(crate) struct Tables<'t> {
    pub(crate) records: Table<'t, Id, Columns>,
    pub(crate) links: Table<'t, LinkKey, ()>,
    pub(crate) due: Table<'t, DueKey, ()>,
    pub(crate) claims: Table<'t, Id, Holding>,
    pub(crate) probes: Table<'t, (), u64>,
}

impl<'t> Tables<'t> {
    pub(crate) fn of(transaction: &'t WriteTransaction) -> Result<Self, Fault> {
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
    pub(crate) fn insert(&mut self, row: &Row) -> Result<(), Fault> {
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
    pub(crate) fn remove(&mut self, kind: &str, id: &str) -> Result<(), Fault> {
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

    pub(crate) fn release(&mut self, kind: &str, key: &str) -> Result<(), Fault> {
        let until = self.claims.remove((kind, key))?.and_then(|claim| claim.value().2);
        if let Some(until) = until {
            self.due.remove((until, CLAIM, kind, key))?;
        }
        Ok(())
    }

    pub(crate) fn sweep(&mut self, now: Time, at_most: u32) -> Result<u32, Fault> {
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

pub(crate) fn records(transaction: &ReadTransaction) -> Result<ReadOnlyTable<Id, Columns>, Fault> {
    Ok(transaction.open_table(RECORDS)?)
}

/// Everything that was written reads back, and nothing else: a row that does not is an error, never an absent record.
pub(crate) fn row(records: &impl ReadableTable<Id, Columns>, key: &Key) -> Result<Option<Row>, Fault> {
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

pub(crate) fn holder(
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
pub(crate) fn ids(
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
pub(crate) fn linked_ids(
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
