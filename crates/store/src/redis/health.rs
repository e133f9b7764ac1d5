//! Whether the servers can be trusted with records now.

use std::sync::Arc;
use std::time::Duration;

use ambient::Time;
use redis::{Cmd, ErrorKind, RedisError, ServerErrorKind, Value};

use super::fault::Fault;
use super::keys::Keys;
use super::wire::Wire;

/// The version of the keys and fields. A newer program that changes their meaning raises it.
const LAYOUT: u32 = 1;

/// Keys that a probe writes: of a Cluster enough that each of a few primaries very likely has one.
const PROBES: usize = 16;

/// How far the clocks of the servers and ours may be apart, in seconds.
const APART: i64 = 60;

/// Who asks whether it can be written and read waits no longer: what watches a process gives up soon.
const HEARD_WITHIN: Duration = Duration::from_millis(3500);

/// The slots of a Cluster.
const SLOTS: &str = "16384";

/// Refuses a node of a Cluster that we took for a server alone: it has a part of the slots, and all others when they move.
///
/// Of one that does not let this user ask, the first key of another node tells.
pub(super) async fn kind(wire: &Wire) -> Result<(), Fault> {
    if !wire.keeps_order() {
        return Ok(());
    }
    let mut ask = redis::cmd("INFO");
    ask.arg("cluster");
    let answer = match wire.ask(ask).await {
        Err(Fault::Driver(error)) if error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm) => {
            return Ok(());
        }
        answer => answer?,
    };
    match value_of(&words(answer)?, "cluster_enabled") {
        Some("1") => Err(Fault::Clustered),
        Some(_) | None => Ok(()),
    }
}

/// Refuses keys of a newer version; says ours where there is none.
pub(super) async fn layout(wire: &Wire, keys: &Keys) -> Result<(), Fault> {
    // A full server can be read, and must not keep a process from starting.
    if is_said(wire, keys).await? {
        return Ok(());
    }
    let mut say = redis::cmd("SET");
    say.arg(keys.layout()).arg(LAYOUT).arg("NX");
    wire.ask(say).await?;
    known(wire.ask(said(keys)).await?)?;
    Ok(())
}

/// Refuses what cannot be trusted with records, by what it says and without writing.
pub(super) async fn looked_at(wire: &Wire, keys: &Keys, now: Time) -> Result<(), Fault> {
    is_said(wire, keys).await?;
    fit(wire, now).await?;
    if wire.keeps_order() { Ok(()) } else { serves_all_slots(wire).await }
}

/// Whether the version of the keys is said; refuses one that is newer.
async fn is_said(wire: &Wire, keys: &Keys) -> Result<bool, Fault> {
    match wire.ask(said(keys)).await {
        Err(Fault::Driver(error))
            if wire.keeps_order() && error.kind() == ErrorKind::Server(ServerErrorKind::Moved) =>
        {
            Err(Fault::Clustered)
        }
        answer => known(answer?),
    }
}

/// Refuses servers that would not keep a record as long as they are told to.
pub(super) async fn fit(wire: &Wire, now: Time) -> Result<(), Fault> {
    clocks(wire, now).await?;
    keeps_all(wire).await
}

/// Servers expire records: with a clock that is another than ours, what we write would be gone at once, or when it is needed.
async fn clocks(wire: &Wire, now: Time) -> Result<(), Fault> {
    for answer in wire.ask_primaries(redis::cmd("TIME")).await? {
        let (seconds, _): (i64, i64) = redis::from_redis_value(answer).map_err(RedisError::from)?;
        let ahead = seconds.saturating_sub(now.0);
        if ahead.saturating_abs() > APART {
            return Err(Fault::Clock { ahead });
        }
    }
    Ok(())
}

/// Whether every primary can be written and read, and keeps what it is told.
///
/// What does not answer in time is waited for all the same, as long as for any answer, so that a connection that hangs is
/// found out even by a process that nobody asks for anything else.
pub(super) async fn ready(wire: &Arc<Wire>, keys: &Arc<Keys>, now: Time) -> Result<(), Fault> {
    let (wire, keys) = (Arc::clone(wire), Arc::clone(keys));
    let probe = tokio::spawn(async move { probe(&wire, &keys, now).await });
    match tokio::time::timeout(HEARD_WITHIN, probe).await {
        Ok(probed) => probed.map_err(|_| Fault::Ended)?,
        Err(_) => Err(Fault::Silent),
    }
}

async fn probe(wire: &Wire, keys: &Keys, now: Time) -> Result<(), Fault> {
    let probes = if wire.keeps_order() { 1 } else { PROBES };
    let probe = |number| {
        let mut write = redis::cmd("SET");
        write.arg(keys.probe(number)).arg(1);
        write
    };
    let mut commands: Vec<Cmd> = (0..probes).map(probe).collect();
    commands.push(said(keys));
    let answers = wire.write(commands).await?.into_iter().collect::<Result<Vec<_>, _>>()?;
    let found = answers.into_iter().next_back().ok_or(Fault::Unexpected)?;
    known(found)?;
    fit(wire, now).await?;
    if !wire.keeps_order() {
        serves_all_slots(wire).await?;
    }
    Ok(())
}

fn said(keys: &Keys) -> Cmd {
    let mut read = redis::cmd("GET");
    read.arg(keys.layout());
    read
}

/// Whether a version is said; one that is newer is refused.
fn known(said: Value) -> Result<bool, Fault> {
    match redis::from_redis_value::<Option<u32>>(said).map_err(RedisError::from)? {
        Some(found) if found > LAYOUT => Err(Fault::Newer { found, known: LAYOUT }),
        Some(_) => Ok(true),
        None => Ok(false),
    }
}

/// As every primary sees it. Its state alone says little: it stays `ok` when slots are lost, if it need not cover all of them.
async fn serves_all_slots(wire: &Wire) -> Result<(), Fault> {
    let mut ask = redis::cmd("CLUSTER");
    ask.arg("INFO");
    for answer in wire.ask_primaries(ask).await? {
        let info = words(answer)?;
        match (value_of(&info, "cluster_state"), value_of(&info, "cluster_slots_ok")) {
            (Some("ok"), Some(SLOTS)) => {}
            _ => return Err(Fault::InPart),
        }
    }
    Ok(())
}

/// A server that is full must refuse writes. Any other policy makes room by ending somebody's log-in, or by forgetting that a
/// code was used.
async fn keeps_all(wire: &Wire) -> Result<(), Fault> {
    let mut ask = redis::cmd("INFO");
    ask.arg("memory");
    let answers = match wire.ask_primaries(ask).await {
        Err(Fault::Driver(error)) if error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm) => {
            return Err(Fault::Unsaid(Arc::new(error)));
        }
        answers => answers?,
    };
    for answer in answers {
        match value_of(&words(answer)?, "maxmemory_policy") {
            Some("noeviction") => {}
            Some(policy) => return Err(Fault::Evicts(policy.to_owned())),
            None => return Err(Fault::Unexpected),
        }
    }
    Ok(())
}

fn words(value: Value) -> Result<String, Fault> {
    redis::from_redis_value(value).map_err(|error| Fault::Driver(error.into()))
}

/// The value of `name` among lines of `name:value`.
fn value_of<'a>(lines: &'a str, name: &str) -> Option<&'a str> {
    lines.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}
