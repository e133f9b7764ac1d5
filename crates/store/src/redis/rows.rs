//! Records to hashes and back.

use std::sync::Arc;

use ambient::Time;
use redis::{Cmd, Value};

use super::fault::Fault;
use super::keys::Keys;
use super::remembered::{Known, Remembered};
use super::wire::Wire;
use crate::{Key, Kind, Links, Look, Marks, Row, Seen};

/// The fields of a hash that make a row, in the order that [`decode`] reads them.
const FIELDS: [&str; 8] = ["marks", "ended", "body", "sweep", "client", "person", "consent", "server"];
/// The one that says whether the others are as they were.
const MARKS: &[&str] = &["marks"];
/// How many records a record may name.
const LINKED: usize = 4;

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

/// One round trip if it is remembered what the record names, and none of that has changed, else two. The record comes first: a
/// Cluster, which keeps no order between its nodes, is asked for it alone.
pub(super) async fn look(
    wire: &Wire,
    keys: &Keys,
    remembered: &Remembered,
    look: &Look,
) -> Result<Seen, Fault> {
    let in_order = wire.keeps_order();
    let known = if in_order { remembered.links(&look.record) } else { None };
    let guessed = known.as_deref().map(Links::keys).unwrap_or_default();
    let mut wanted = Vec::with_capacity(LINKED + 1);
    if in_order {
        add(&mut wanted, &look.record, guessed.iter().flatten().chain(&look.beside));
    }
    let wanted: Vec<Wanted> = wanted.into_iter().map(|key| Wanted::of(key, remembered)).collect();
    let mut fetches = Vec::with_capacity(LINKED + 2);
    fetches.push(fetch(keys, &look.record));
    fetches.extend(wanted.iter().map(|wanted| wanted.fetch(keys)));

    let mut replies = wire.ask_all(fetches).await?.into_iter();
    let record = decode(look.record.clone(), replies.next().ok_or(Fault::Unexpected)?)?;
    let named = record.as_ref().map(|record| record.links.keys()).unwrap_or_default();
    // What was read with it: the guesses that are there, and the one beside.
    let (mut read, mut missing) = (Vec::with_capacity(LINKED + 1), Vec::new());
    for (wanted, reply) in wanted.into_iter().zip(replies) {
        match wanted.read(reply, remembered)? {
            Read::Whole(row) => read.extend(row),
            Read::Changed(key) => missing.push(key),
        }
    }

    let guessed_right = known.as_deref() == record.as_ref().map(|record| &record.links);
    if !guessed_right || !in_order {
        add(&mut missing, &look.record, named.iter().flatten());
    }
    if !in_order {
        add(&mut missing, &look.record, look.beside.iter());
    }
    if !missing.is_empty() {
        let found = read_all(wire, keys, missing.clone()).await?;
        let found: Vec<Known> = found.into_iter().map(|row| row.map(Arc::new)).collect();
        // Only where it saves a round trip.
        if in_order {
            missing.iter().zip(&found).for_each(|(key, row)| remembered.keep_row(key, row));
        }
        // The newer ones are found first.
        read.splice(..0, found.into_iter().flatten());
    }
    let grant = record.as_ref().filter(|record| record.key.kind == Kind::Grant);
    if let Some(record) = grant.filter(|_| in_order && !guessed_right) {
        remembered.keep_links(&record.key, &record.links);
    }
    let of = |key: &Key| match read.iter().find(|row| row.key == *key) {
        Some(row) => Some(Row::clone(row)),
        None => record.as_ref().filter(|record| record.key == *key).cloned(),
    };
    let beside = look.beside.as_ref().and_then(of);
    let [client, person, consent, server] = named.map(|key| key.as_ref().and_then(of));
    Ok(Seen { record, client, person, consent, server, beside })
}

/// Those that are not among them, and not the record: the client that asks is often that of the grant.
fn add<'a>(wanted: &mut Vec<Key>, record: &Key, more: impl Iterator<Item = &'a Key>) {
    for key in more {
        if key != record && !wanted.contains(key) {
            wanted.push(key.clone());
        }
    }
}

/// What is read with a record.
struct Wanted {
    key: Key,
    known: Option<Known>,
}

/// What came of it.
enum Read {
    Whole(Known),
    /// It is another than what was remembered, and has to be read whole.
    Changed(Key),
}

impl Wanted {
    fn of(key: Key, remembered: &Remembered) -> Self {
        Self { known: remembered.row(&key), key }
    }

    fn fetch(&self, keys: &Keys) -> Cmd {
        match &self.known {
            Some(_) => fetch_fields(keys, &self.key, MARKS),
            None => fetch(keys, &self.key),
        }
    }

    fn read(self, reply: Value, remembered: &Remembered) -> Result<Read, Fault> {
        let kind = self.key.kind;
        let Some(known) = self.known else {
            let row = decode(self.key.clone(), reply)?.map(Arc::new);
            remembered.keep_row(&self.key, &row);
            return Ok(Read::Whole(row));
        };
        let marks = marks(reply).map_err(|Torn| Fault::Damaged(kind))?;
        if marks == known.as_ref().map(|row| row.marks) {
            Ok(Read::Whole(known))
        } else {
            Ok(Read::Changed(self.key))
        }
    }
}

fn fetch(keys: &Keys, key: &Key) -> Cmd {
    fetch_fields(keys, key, &FIELDS)
}

fn fetch_fields(keys: &Keys, key: &Key, fields: &[&str]) -> Cmd {
    const VERB: &str = "HMGET";
    let key = keys.record(key);
    let size = VERB.len() + key.len() + fields.iter().map(|field| field.len()).sum::<usize>();
    let mut command = Cmd::with_capacity(2 + fields.len(), size);
    command.arg(VERB).arg(key).arg(fields);
    command
}

fn decode(key: Key, reply: Value) -> Result<Option<Row>, Fault> {
    let kind = key.kind;
    row(key, reply).map_err(|Torn| Fault::Damaged(kind))
}

/// Not what was written.
struct Torn;

/// Those of a record, if it is there.
fn marks(reply: Value) -> Result<Option<Marks>, Torn> {
    let Value::Array(fields) = reply else { return Err(Torn) };
    match fields.as_slice() {
        [Value::BulkString(marks)] => Marks::from_bytes(marks).map(Some).ok_or(Torn),
        [Value::Nil] => Ok(None),
        _ => Err(Torn),
    }
}

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
