//! What is there though no list names it.
//!
//! A list is told before its record is written, but on a Cluster it is on another node, which may lose what it was told. Who
//! must miss nothing looks at all keys of all primaries.

use std::collections::{BTreeMap, BTreeSet};

use redis::{Cmd, RedisError};

use super::claims;
use super::fault::Fault;
use super::keys::{Keys, Named};
use super::scripts::Script;
use super::wire::Wire;
use crate::{ClaimKind, Filter, Key, Kind, Unlisted};

static UNLISTED: Script = Script::new(include_str!("lua/unlisted.lua"));

/// Keys that a primary goes through at once. It does nothing else meanwhile.
const STEP: usize = 256;

pub(super) async fn unlisted(wire: &Wire, keys: &Keys) -> Result<Unlisted, Fault> {
    // A key may be met more than once.
    let mut missing = BTreeSet::new();
    for (primary, first) in wire.ask_each_primary(scan(keys, "0")).await? {
        let mut answer = first;
        loop {
            let (next, met): (String, Vec<Vec<u8>>) =
                redis::from_redis_value(answer).map_err(RedisError::from)?;
            let named = met.iter().filter_map(|key| keys.named(std::str::from_utf8(key).ok()?));
            missing.extend(without_a_list(wire, keys, named).await?);
            if next == "0" {
                break;
            }
            answer = wire.ask_there(&primary, scan(keys, &next)).await?;
        }
    }
    let mut unlisted = Unlisted::default();
    for named in missing {
        match named {
            Named::Record(key) => unlisted.records.push(key),
            Named::Claim(kind, key) => {
                let held = claims::held(wire, keys, kind, vec![key]).await?;
                unlisted.claims.extend(held.into_iter().map(|held| (kind, held)));
            }
        }
    }
    Ok(unlisted)
}

fn scan(keys: &Keys, from: &str) -> Cmd {
    let mut command = redis::cmd("SCAN");
    command.arg(from).arg("MATCH").arg(keys.all()).arg("COUNT").arg(STEP).arg("TYPE").arg("hash");
    command
}

/// The list of all that something belongs on.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Listed {
    Records(Kind),
    Claims(ClaimKind),
}

/// Those that the list of all does not name.
async fn without_a_list(
    wire: &Wire,
    keys: &Keys,
    met: impl Iterator<Item = Named>,
) -> Result<Vec<Named>, Fault> {
    let mut by_list: BTreeMap<Listed, Vec<String>> = BTreeMap::new();
    for named in met {
        let (list, id) = match named {
            Named::Record(key) => (Listed::Records(key.kind), key.id),
            Named::Claim(kind, key) => (Listed::Claims(kind), key),
        };
        by_list.entry(list).or_default().push(id);
    }
    let mut missing = Vec::new();
    for (list, ids) in by_list {
        let names = match list {
            Listed::Records(kind) => keys.list(kind, Filter::All),
            Listed::Claims(kind) => keys.claims(kind),
        };
        // A step may meet more keys than it was asked for, and a script takes only so many arguments.
        for ids in ids.chunks(STEP) {
            let mut call = UNLISTED.on([names.ids.clone(), names.until.clone()]);
            for id in ids {
                call = call.arg(&**id);
            }
            let found: Vec<String> =
                redis::from_redis_value(call.run(wire).await?).map_err(RedisError::from)?;
            missing.extend(found.into_iter().map(|id| match list {
                Listed::Records(kind) => Named::Record(Key { kind, id }),
                Listed::Claims(kind) => Named::Claim(kind, id),
            }));
        }
    }
    Ok(missing)
}
