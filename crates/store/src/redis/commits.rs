//! Writing a record.

use super::fault::Fault;
use super::keys::Keys;
use super::lists;
use super::scripts::{Script, text};
use super::wire::Wire;
use crate::{Changes, Commit, Guard, Row};

static COMMIT: Script = Script::deciding(include_str!("lua/commit.lua"));

/// How often lists are told before a commit gives up. Each time but the first, a rival wrote in between.
const TRIES: u32 = 4;

/// One script, if the lists know the record long enough; they seldom have to be told of one that is replaced.
pub(super) async fn commit(wire: &Wire, keys: &Keys, changes: &Changes) -> Result<Commit, Fault> {
    let row = changes.row(None);
    // Of a new record they never know.
    let mut listed = match changes.guard() {
        Guard::Absent => Some(lists::enter(wire, keys, &row, &lists::needed(row.sweep)).await?),
        Guard::This(_) | Guard::Any => None,
    };
    for _ in 0..TRIES {
        let answer = attempt(wire, keys, changes, &row, listed.as_deref()).await?;
        match answer.split_once(' ').unwrap_or((&answer, "")) {
            ("done", _) => return Ok(Commit::Done),
            ("stale", _) => return Ok(Commit::Stale),
            ("torn", _) => return Err(Fault::Damaged(row.key.kind)),
            ("lists", needed) => listed = Some(lists::enter(wire, keys, &row, needed).await?),
            ("written", promised) => {
                // A full server refuses it, and must not keep a grant from being ended.
                let _ = lists::enter(wire, keys, &row, promised).await;
                return Ok(Commit::Done);
            }
            _ => return Err(Fault::Unexpected),
        }
    }
    Err(Fault::Contended)
}

async fn attempt(
    wire: &Wire,
    keys: &Keys,
    changes: &Changes,
    row: &Row,
    listed: Option<&str>,
) -> Result<String, Fault> {
    let (guard, read) = match changes.guard() {
        Guard::Absent => ("absent", Vec::new()),
        Guard::This(mark) => ("this", mark.as_bytes().to_vec()),
        Guard::Any => ("any", Vec::new()),
    };
    let mut call = COMMIT
        .on([keys.record(&row.key)])
        .arg(&changes.mark().as_bytes()[..])
        .arg(guard)
        .arg(read)
        .arg(row.sweep.map(|sweep| sweep.0.to_string()).unwrap_or_default())
        .arg(listed.unwrap_or_default())
        .arg(lists::KEPT.to_string())
        .arg(lists::FAR.to_string());
    call = call.arg("ended").arg(if row.ended { "1" } else { "0" }).arg("body").arg(&*row.body);
    let links = &row.links;
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
