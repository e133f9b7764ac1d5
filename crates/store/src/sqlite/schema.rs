//! The tables, and how older ones become them.

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};

use super::fault::Fault;

/// What `PRAGMA application_id` says of a file of ours: `Port` in ASCII.
const APPLICATION: u32 = 0x506f_7274;

/// Each step makes the tables of the next version out of those before; `PRAGMA user_version` counts the steps taken. A step
/// that was released is never changed.
///
/// `records` keeps its rowid: without one its rows would sit in index pages, where a body of 1 KiB takes a page of its own.
const STEPS: [&str; 1] = ["
    CREATE TABLE records (
        kind    TEXT NOT NULL,
        id      TEXT NOT NULL,
        marks   BLOB NOT NULL,
        ended   INTEGER NOT NULL,
        body    TEXT NOT NULL,
        sweep   INTEGER,
        client  TEXT,
        person  TEXT,
        consent TEXT,
        server  TEXT,
        PRIMARY KEY (kind, id)
    ) STRICT;
    CREATE INDEX records_sweep ON records (sweep) WHERE sweep IS NOT NULL;
    CREATE INDEX records_client ON records (kind, client, id) WHERE client IS NOT NULL;
    CREATE INDEX records_person ON records (kind, person, id) WHERE person IS NOT NULL;
    CREATE TABLE claims (
        kind  TEXT NOT NULL,
        key   TEXT NOT NULL,
        owner TEXT NOT NULL,
        since INTEGER NOT NULL,
        until INTEGER,
        PRIMARY KEY (kind, key)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX claims_until ON claims (until) WHERE until IS NOT NULL;
    CREATE TABLE probes (
        one   INTEGER PRIMARY KEY CHECK (one = 1),
        count INTEGER NOT NULL
    ) STRICT;
    INSERT INTO probes VALUES (1, 0);
    CREATE TABLE instance (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        id  BLOB NOT NULL
    ) STRICT;
    INSERT INTO instance VALUES (1, randomblob(16));
"];

const KNOWN: u32 = STEPS.len() as u32;

/// Which database a file is: drawn when its tables are made, and the same in every backup of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Instance(Vec<u8>);

impl Instance {
    /// The one that `connection` is to; none if there are no tables yet.
    pub(super) fn of(connection: &Connection) -> Result<Option<Self>, Fault> {
        let made = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'instance'";
        match connection.query_row(made, (), |row| row.get(0))? {
            0 => Ok(None),
            _ => Ok(connection
                .query_row("SELECT id FROM instance", (), |row| row.get(0).map(Self))
                .optional()?),
        }
    }
}

/// Refuses, before anything is changed, what is not ours or not yet ours.
///
/// The attack: a backup with a trigger or a view of somebody else's, which would act on what this program writes later.
pub(super) fn refuse_foreign(connection: &Connection) -> Result<(), Fault> {
    let application: u32 = pragma(connection, "application_id")?;
    let found = objects(connection)?;
    match (application, found.is_empty()) {
        (APPLICATION, false) => {}
        (0, true) => return newer(version(connection)?),
        _ => return Err(Fault::Foreign),
    }
    let version = version(connection)?;
    newer(version)?;
    let own = expected(version)?;
    match found.iter().find(|object| !own.contains(object)) {
        Some(Object { kind, name, .. }) => Err(Fault::Strange { kind: kind.clone(), name: name.clone() }),
        None if found.len() < own.len() => Err(Fault::Foreign),
        None => Ok(()),
    }
}

/// What a database holds, as it was written: a table, an index, a view or a trigger.
#[derive(PartialEq, Eq)]
struct Object {
    kind: String,
    name: String,
    table: String,
    sql: String,
}

/// All of them but what SQLite makes for itself: the indexes of primary keys, and statistics. A name alone proves nothing, since
/// whoever writes the file can give any.
fn objects(connection: &Connection) -> Result<Vec<Object>, Fault> {
    let all = "SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_schema
        WHERE NOT (type = 'index' AND sql IS NULL) AND NOT (type = 'table' AND name IN ('sqlite_stat1', 'sqlite_stat4'))";
    let mut statement = connection.prepare(all)?;
    let objects = statement.query_map((), |row| {
        Ok(Object { kind: row.get(0)?, name: row.get(1)?, table: row.get(2)?, sql: row.get(3)? })
    })?;
    Ok(objects.collect::<Result<_, _>>()?)
}

/// What a database of this version holds, made anew in memory.
fn expected(version: u32) -> Result<Vec<Object>, Fault> {
    let fresh = Connection::open_in_memory()?;
    for step in STEPS.iter().take(usize::try_from(version).unwrap_or(usize::MAX)) {
        fresh.execute_batch(step)?;
    }
    objects(&fresh)
}

/// Whether there is nothing in it yet.
pub(super) fn is_empty(connection: &Connection) -> Result<bool, Fault> {
    Ok(version(connection)? == 0)
}

/// Takes the steps that are missing, all or none.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), Fault> {
    // The lock first: two processes may start together.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = version(&transaction)?;
    newer(found)?;
    if found < KNOWN {
        for step in STEPS.iter().skip(usize::try_from(found).unwrap_or(usize::MAX)) {
            transaction.execute_batch(step)?;
        }
        transaction.pragma_update(None, "user_version", KNOWN)?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
    }
    transaction.commit()?;
    if found < KNOWN {
        // Into the file itself: without its log it must say which database it is.
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()))?;
    }
    Ok(())
}

fn newer(found: u32) -> Result<(), Fault> {
    if found > KNOWN { Err(Fault::Newer { found, known: KNOWN }) } else { Ok(()) }
}

fn version(connection: &Connection) -> Result<u32, Fault> {
    pragma(connection, "user_version")
}

fn pragma(connection: &Connection, name: &str) -> Result<u32, Fault> {
    Ok(connection.pragma_query_value(None, name, |row| row.get(0))?)
}
