//! Writing a record.

use super::fault::Fault;
use super::keys::Keys;
use super::lists;
use super::scripts::{Script, text};
use super::wire::Wire;
use crate::{Changes, Commit, Guard};

static COMMIT: Script = Script::deciding(include_str!("lua/commit.lua"));

/// How often lists are told before a commit gives up. Each time but the first, a rival wrote in between.
const TRIES: u32 = 4;

/// One script, if the lists know the record long enough; they seldom have to be told of one that is replaced.
pub(super) async fn commit(wire: &Wire, keys: &Keys, changes: &Changes) -> Result<Commit, Fault> {
    let enter = async |needed: &str| lists::enter(wire, keys, changes.key(), changes.links(), needed).await;
    // Of a new record they never know.
    let mut listed = match changes.guard() {
        Guard::Absent => Some(enter(&lists::needed(changes.sweep())).await?),
        Guard::This(_) | Guard::Any => None,
    };
    for _ in 0..TRIES {
        let answer = attempt(wire, keys, changes, listed.as_deref()).await?;
        match answer.split_once(' ').unwrap_or((&answer, "")) {
            ("done", _) => return Ok(Commit::Done),
            ("stale", _) => return Ok(Commit::Stale),
            ("torn", _) => return Err(Fault::Damaged(changes.key().kind)),
            ("lists", needed) => listed = Some(enter(needed).await?),
            ("written", promised) => {
                // A full server refuses it, and must not keep a grant from being ended.
                let _ = enter(promised).await;
                return Ok(Commit::Done);
            }
            _ => return Err(Fault::Unexpected),
        }
    }
    Err(Fault::Contended)
}

async fn attempt(wire: &Wire, keys: &Keys, changes: &Changes, listed: Option<&str>) -> Result<String, Fault> {
    let (mark, guard) = (changes.mark(), changes.guard());
    let (guard, read): (_, &[u8]) = match &guard {
        Guard::Absent => ("absent", &[]),
        Guard::This(mark) => ("this", mark.as_bytes()),
        Guard::Any => ("any", &[]),
    };
    let mut call = COMMIT
        .on([keys.record(changes.key())])
        .arg(&mark.as_bytes()[..])
        .arg(guard)
        .arg(read)
        .arg(changes.sweep().map(|sweep| sweep.0.to_string()).unwrap_or_default())
        .arg(listed.unwrap_or_default())
        .arg(lists::KEPT.to_string())
        .arg(lists::FAR.to_string());
    let ended = if changes.ended() { "1" } else { "0" };
    call = call.arg("ended").arg(ended).arg("body").arg(changes.body());
    let links = changes.links();
    for (name, id) in [
        ("client", &links.client),
        ("person", &links.person),
        ("consent", &links.consent),
        ("server", &links.server),
    ] {
        if let Some(id) = id {
            call = call.arg(name).arg(&**id);
        }
    }
    text(call.run(wire).await?)
}
