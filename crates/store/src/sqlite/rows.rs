//! Rows to SQL and back.

use ambient::Time;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::fault::Fault;
use crate::{ClaimKind, ClaimPage, Filter, HeldClaim, Key, Kind, Links, Look, Marks, Page, Row, Seen};

/// The columns of a row but for its key, in the order that [`decode`] reads them.
macro_rules! columns {
    ($table:literal) => {
        concat!(
            $table,
            ".marks, ",
            $table,
            ".ended, ",
            $table,
            ".body, ",
            $table,
            ".sweep, ",
            $table,
            ".client, ",
            $table,
            ".person, ",
            $table,
            ".consent, ",
            $table,
            ".server"
        )
    };
}

const COLUMNS: usize = 8;

/// One statement, so one moment. The links are those of the record as this very read sees it.
const LOOK: &str = concat!(
    "SELECT ",
    columns!("record"),
    ", ",
    columns!("client"),
    ", ",
    columns!("person"),
    ", ",
    columns!("consent"),
    ", ",
    columns!("server"),
    ", ",
    columns!("beside"),
    " FROM (SELECT 1)
      LEFT JOIN records AS record ON record.kind = ?1 AND record.id = ?2
      LEFT JOIN records AS client ON client.kind = 'client' AND client.id = record.client
      LEFT JOIN records AS person ON person.kind = 'person' AND person.id = record.person
      LEFT JOIN records AS consent ON consent.kind = 'consent' AND consent.id = record.consent
      LEFT JOIN records AS server ON server.kind = 'server' AND server.id = record.server
      LEFT JOIN records AS beside ON beside.kind = ?3 AND beside.id = ?4"
);

const READ: &str = concat!("SELECT ", columns!("records"), " FROM records WHERE kind = ?1 AND id = ?2");

pub(super) fn read(connection: &Connection, key: &Key) -> Result<Option<Row>, Fault> {
    let mut statement = connection.prepare_cached(READ)?;
    let mut rows = statement.query((key.kind.as_str(), &key.id))?;
    match rows.next()? {
        Some(row) => decode(row, 0, Some(key.clone())),
        None => Ok(None),
    }
}

pub(super) fn look(connection: &Connection, look: &Look) -> Result<Seen, Fault> {
    let mut statement = connection.prepare_cached(LOOK)?;
    let beside = look.beside.as_ref();
    let mut rows = statement.query((
        look.record.kind.as_str(),
        &look.record.id,
        beside.map(|key| key.kind.as_str()),
        beside.map(|key| &key.id),
    ))?;
    let Some(row) = rows.next()? else { return Ok(Seen::default()) };
    let record = decode(row, 0, Some(look.record.clone()))?;
    let [client, person, consent, server] =
        record.as_ref().map(|record| record.links.keys()).unwrap_or_default();
    Ok(Seen {
        client: decode(row, COLUMNS, client)?,
        person: decode(row, 2 * COLUMNS, person)?,
        consent: decode(row, 3 * COLUMNS, consent)?,
        server: decode(row, 4 * COLUMNS, server)?,
        beside: decode(row, 5 * COLUMNS, look.beside.clone())?,
        record,
    })
}

pub(super) fn list(
    connection: &Connection,
    kind: Kind,
    filter: Filter<'_>,
    after: Option<&str>,
    at_most: u32,
) -> Result<Page, Fault> {
    let (shown, of) = match filter {
        Filter::All => ("?3 IS NULL", None),
        Filter::OfClient(id) => ("client = ?3", Some(id)),
        Filter::OfPerson(id) => ("person = ?3", Some(id)),
    };
    let behind = if after.is_some() { "id > ?2" } else { "id >= ?2" };
    let columns = columns!("records");
    let sql = format!(
        "SELECT {columns}, id FROM records WHERE kind = ?1 AND {behind} AND {shown} ORDER BY id LIMIT ?4"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut found =
        statement.query((kind.as_str(), after.unwrap_or_default(), of, i64::from(at_most) + 1))?;
    let mut page = Page::default();
    while let Some(row) = found.next()? {
        if u32::try_from(page.rows.len()).is_ok_and(|shown| shown == at_most) {
            page.more = true;
            break;
        }
        let key = Key { kind, id: row.get(COLUMNS)? };
        page.rows.extend(decode(row, 0, Some(key))?);
    }
    Ok(page)
}

pub(super) fn holder(
    connection: &Connection,
    kind: ClaimKind,
    key: &str,
) -> Result<Option<(String, Time)>, Fault> {
    let mut statement =
        connection.prepare_cached("SELECT owner, since FROM claims WHERE kind = ?1 AND key = ?2")?;
    let held = statement.query_row((kind.as_str(), key), |row| Ok((row.get(0)?, Time(row.get(1)?))));
    Ok(held.optional()?)
}

pub(super) fn claims(
    connection: &Connection,
    kind: ClaimKind,
    after: Option<&str>,
    at_most: u32,
) -> Result<ClaimPage, Fault> {
    let behind = if after.is_some() { "key > ?2" } else { "key >= ?2" };
    let sql = format!(
        "SELECT key, owner, since, until FROM claims WHERE kind = ?1 AND {behind} ORDER BY key LIMIT ?3"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let held = |row: &rusqlite::Row<'_>| {
        let until: Option<i64> = row.get(3)?;
        Ok(HeldClaim {
            key: row.get(0)?,
            owner: row.get(1)?,
            since: Time(row.get(2)?),
            until: until.map(Time),
        })
    };
    let found = statement
        .query_map((kind.as_str(), after.unwrap_or_default(), i64::from(at_most) + 1), held)?
        .collect::<Result<Vec<_>, _>>()?;
    let mut page = ClaimPage { claims: found, more: false };
    let most = usize::try_from(at_most).unwrap_or(usize::MAX);
    page.more = page.claims.len() > most;
    page.claims.truncate(most);
    Ok(page)
}

pub(super) fn probe(connection: &Connection) -> Result<(), Fault> {
    Ok(connection.prepare_cached("SELECT count FROM probes")?.query_row((), |_| Ok(()))?)
}

/// What decides about a write.
pub(super) struct Version {
    pub(super) marks: Marks,
    pub(super) ended: bool,
    pub(super) sweep: Option<Time>,
}

pub(super) fn version(connection: &Connection, key: &Key) -> Result<Option<Version>, Fault> {
    let mut statement =
        connection.prepare_cached("SELECT marks, ended, sweep FROM records WHERE kind = ?1 AND id = ?2")?;
    let mut rows = statement.query((key.kind.as_str(), &key.id))?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let marks = Marks::from_bytes(row.get_ref(0)?.as_blob().map_err(|_| Fault::Damaged(key.kind))?);
    Ok(Some(Version {
        marks: marks.ok_or(Fault::Damaged(key.kind))?,
        ended: row.get(1)?,
        sweep: row.get::<_, Option<i64>>(2)?.map(Time),
    }))
}

pub(super) fn insert(connection: &Connection, row: &Row) -> Result<(), Fault> {
    write(
        connection,
        "INSERT INTO records (kind, id, marks, ended, body, sweep, client, person, consent, server)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        row,
    )
}

pub(super) fn update(connection: &Connection, row: &Row) -> Result<(), Fault> {
    write(
        connection,
        "UPDATE records
         SET marks = ?3, ended = ?4, body = ?5, sweep = ?6, client = ?7, person = ?8, consent = ?9, server = ?10
         WHERE kind = ?1 AND id = ?2",
        row,
    )
}

fn write(connection: &Connection, sql: &str, row: &Row) -> Result<(), Fault> {
    connection.prepare_cached(sql)?.execute(params![
        row.key.kind.as_str(),
        row.key.id,
        row.marks.to_bytes(),
        row.ended,
        row.body,
        row.sweep.map(|sweep| sweep.0),
        row.links.client,
        row.links.person,
        row.links.consent,
        row.links.server,
    ])?;
    Ok(())
}

/// The row whose columns begin at `at`; none if an outer join found none.
fn decode(row: &rusqlite::Row<'_>, at: usize, key: Option<Key>) -> Result<Option<Row>, Fault> {
    let Some(key) = key else { return Ok(None) };
    let Some(marks) = row.get_ref(at)?.as_blob_or_null().map_err(|_| Fault::Damaged(key.kind))? else {
        return Ok(None);
    };
    let marks = Marks::from_bytes(marks).ok_or(Fault::Damaged(key.kind))?;
    Ok(Some(Row {
        key,
        marks,
        ended: row.get(at + 1)?,
        body: row.get(at + 2)?,
        sweep: row.get::<_, Option<i64>>(at + 3)?.map(Time),
        links: Links {
            client: row.get(at + 4)?,
            person: row.get(at + 5)?,
            consent: row.get(at + 6)?,
            server: row.get(at + 7)?,
        },
    }))
}
