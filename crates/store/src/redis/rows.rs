//! Records to hashes and back.

use ambient::Time;
use redis::{Cmd, Value};

use super::fault::Fault;
use super::keys::Keys;
use super::remembered::Remembered;
use super::wire::Wire;
use crate::{Key, Kind, Links, Look, Marks, Row, Seen};

/// The fields of a hash that make a row, in the order that [`decode`] reads them.
const FIELDS: [&str; 8] = ["marks", "ended", "body", "sweep", "client", "person", "consent", "server"];

pub(super) async fn read(wire: &Wire, keys: &Keys, key: &Key) -> Result<Option<Row>, Fault> {
    decode(key.clone(), wire.ask(fetch(keys, key)).await?)
}

/// All of these that are there.
pub(super) async fn read_all(wire: &Wire, keys: &Keys, wanted: Vec<Key>) -> Result<Vec<Option<Row>>, Fault> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let fetches = wanted.iter().map(|key| fetch(keys, key)).collect();
    let replies = wire.ask_all(fetches).await?;
    wanted.into_iter().zip(replies).map(|(key, reply)| decode(key, reply)).collect()
}

/// One round trip if it is remembered what the record names, else two. The record comes first: a Cluster, which keeps no
/// order between its nodes, is asked for it alone.
pub(super) async fn look(
    wire: &Wire,
    keys: &Keys,
    remembered: &Remembered,
    look: &Look,
) -> Result<Seen, Fault> {
    let known = if wire.keeps_order() { remembered.links(&look.record) } else { None };
    let guessed = known.as_deref().map(Links::keys).unwrap_or_default();
    let mut wanted = vec![look.record.clone()];
    if wire.keeps_order() {
        add(&mut wanted, guessed.iter().flatten().chain(&look.beside));
    }
    let mut rows = read_all(wire, keys, wanted).await?.into_iter();
    let record = rows.next().flatten();
    let named = record.as_ref().map(|record| record.links.keys()).unwrap_or_default();
    // What was read with it: the guesses that are there, and the one beside.
    let mut read: Vec<Row> = rows.flatten().collect();

    let guessed_right = known.as_deref() == record.as_ref().map(|record| &record.links);
    if !guessed_right || !wire.keeps_order() {
        let mut missing = Vec::new();
        add(&mut missing, named.iter().flatten());
        if !wire.keeps_order() {
            add(&mut missing, look.beside.iter());
        }
        let found = read_all(wire, keys, missing).await?;
        // The newer ones are found first.
        read.splice(..0, found.into_iter().flatten());
        // Only where it saves a round trip.
        let grant = record.as_ref().filter(|record| record.key.kind == Kind::Grant && wire.keeps_order());
        if let Some(record) = grant {
            remembered.keep(&record.key, &record.links);
        }
    }
    let of = |key: &Key| read.iter().chain(&record).find(|row| row.key == *key).cloned();
    let beside = look.beside.as_ref().and_then(of);
    let [client, person, consent, server] = named.map(|key| key.as_ref().and_then(of));
    Ok(Seen { record, client, person, consent, server, beside })
}

/// Those that are not among them: the client that asks is often that of the grant.
fn add<'a>(wanted: &mut Vec<Key>, more: impl Iterator<Item = &'a Key>) {
    for key in more {
        if !wanted.contains(key) {
            wanted.push(key.clone());
        }
    }
}

fn fetch(keys: &Keys, key: &Key) -> Cmd {
    let mut command = redis::cmd("HMGET");
    command.arg(keys.record(key)).arg(&FIELDS);
    command
}

fn decode(key: Key, reply: Value) -> Result<Option<Row>, Fault> {
    let kind = key.kind;
    row(key, reply).map_err(|Torn| Fault::Damaged(kind))
}

/// Not what was written.
struct Torn;

fn row(key: Key, reply: Value) -> Result<Option<Row>, Torn> {
    let Value::Array(fields) = reply else { return Err(Torn) };
    let fields: [Value; FIELDS.len()] = fields.try_into().map_err(|_| Torn)?;
    let [marks, ended, body, sweep, client, person, consent, server] = fields;
    let Value::BulkString(marks) = marks else { return Ok(None) };
    Ok(Some(Row {
        key,
        marks: Marks::from_bytes(&marks).ok_or(Torn)?,
        ended: text(ended)?.ok_or(Torn)? == "1",
        body: text(body)?.ok_or(Torn)?,
        sweep: text(sweep)?.map(|sweep| sweep.parse().map(Time).map_err(|_| Torn)).transpose()?,
        links: Links {
            client: text(client)?,
            person: text(person)?,
            consent: text(consent)?,
            server: text(server)?,
        },
    }))
}

fn text(value: Value) -> Result<Option<String>, Torn> {
    if value == Value::Nil {
        return Ok(None);
    }
    let Value::BulkString(bytes) = value else { return Err(Torn) };
    String::from_utf8(bytes).map(Some).map_err(|_| Torn)
}
