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
pub(super) fn refuse_foreign(connection: &Connection) -> Result<(), Fault> {
    let application: u32 = pragma(connection, "application_id")?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))?;
    match (application, tables) {
        (APPLICATION, _) | (0, 0) => newer(version(connection)?),
        _ => Err(Fault::Foreign),
    }
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
