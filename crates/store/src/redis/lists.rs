//! Lists: which records there are, and which name a client or a person.
//!
//! A list is told before its record is written and promises until when it keeps the id; the record remembers the promise and
//! is never written to live longer. So a list may name what is gone, or what never came, and never misses what is there,
//! without a lock and without a second write when something ends.

use ambient::Time;
use redis::RedisError;

use super::fault::Fault;
use super::keys::{Keys, ListKeys};
use super::rows;
use super::scripts::{Call, Script, run_all, text};
use super::wire::Wire;
use crate::{Filter, Key, Kind, Links, Page, Row};

static ENTER: Script = Script::new(include_str!("lua/enter.lua"));
static PAGE: Script = Script::new(include_str!("lua/page.lua"));
static FORGET: Script = Script::new(include_str!("lua/forget.lua"));

/// Ids that are looked up together.
const TOGETHER: usize = 256;

/// How much longer than anybody needs it a record is kept, in seconds: clocks differ.
pub(super) const KEPT: i64 = 600;

/// From this millisecond on the numbers of a script are not exact. What would go then never goes.
pub(super) const FAR: i64 = 1 << 53;

const NEVER: &str = "never";

/// Until when a record with this sweep may be there, in milliseconds since 1970, or never.
pub(super) fn needed(sweep: Option<Time>) -> String {
    let exact = |moment: &i64| *moment < FAR;
    let moment = sweep.map(|sweep| sweep.plus(KEPT).0.saturating_mul(1000)).filter(exact);
    moment.map_or_else(|| NEVER.to_owned(), |moment| moment.to_string())
}

/// Tells all lists that a record belongs on; answers until when all of them keep it.
pub(super) async fn enter(
    wire: &Wire,
    keys: &Keys,
    key: &Key,
    links: &Links,
    needed: &str,
) -> Result<String, Fault> {
    let Key { kind, id } = key;
    let client = links.client.as_deref().map(Filter::OfClient);
    let person = links.person.as_deref().map(Filter::OfPerson);
    let lists = [Some(Filter::All), client, person].into_iter().flatten();
    tell(wire, lists.map(|list| keys.list(*kind, list)), id, needed).await
}

/// Tells these lists to keep an id; answers until when all of them do.
pub(super) async fn tell(
    wire: &Wire,
    lists: impl Iterator<Item = ListKeys>,
    id: &str,
    needed: &str,
) -> Result<String, Fault> {
    let calls =
        lists.map(|ListKeys { ids, until }| ENTER.on([ids, until]).arg(id).arg(needed).arg(FAR.to_string()));
    let promises =
        run_all(wire, calls.collect()).await?.into_iter().map(text).collect::<Result<Vec<_>, _>>()?;
    // Each has a clock of its own. Numbers come before `never`.
    let least = promises.into_iter().min_by_key(|promise| promise.parse::<i64>().unwrap_or(i64::MAX));
    least.ok_or(Fault::Unexpected)
}

pub(super) async fn page(
    wire: &Wire,
    keys: &Keys,
    kind: Kind,
    filter: Filter<'_>,
    after: Option<&str>,
    at_most: u32,
) -> Result<Page, Fault> {
    let mut ids = Ids::of(keys.list(kind, filter), after, at_most);
    let mut page = Page::default();
    while let Some(ids) = ids.next(wire, page.rows.len()).await? {
        let named = ids.iter().map(|id| Key::new(kind, id)).collect();
        let there = rows::read_all(wire, keys, named).await?;
        let mut gone = Vec::new();
        for (id, row) in ids.into_iter().zip(&there) {
            if row.is_none() {
                gone.push(id);
            }
        }
        forget(wire, keys.list(kind, filter), gone).await?;
        page.rows.extend(there.into_iter().flatten().filter(|row| belongs(row, filter)));
    }
    page.more = ids.cut(&mut page.rows);
    Ok(page)
}

/// Lets a list forget what was to stay for ever and is gone, unless it was told of it just now.
pub(super) async fn forget(wire: &Wire, list: ListKeys, gone: Vec<String>) -> Result<(), Fault> {
    if !gone.is_empty() {
        let call = FORGET.on([list.ids, list.until]).arg(FAR.to_string());
        gone.into_iter().fold(call, Call::arg).run(wire).await?;
    }
    Ok(())
}

/// The ids of a list, some at a time, until a page is full.
pub(super) struct Ids {
    list: ListKeys,
    from: Option<String>,
    at_most: usize,
}

impl Ids {
    pub(super) fn of(list: ListKeys, after: Option<&str>, at_most: u32) -> Self {
        let from = after.map_or_else(|| "-".to_owned(), |id| format!("({id}"));
        Self { list, from: Some(from), at_most: usize::try_from(at_most).unwrap_or(usize::MAX) }
    }

    /// The next ones, if the page has room after `shown`. One more than is shown tells whether there are more.
    pub(super) async fn next(&mut self, wire: &Wire, shown: usize) -> Result<Option<Vec<String>>, Fault> {
        let wanted = self.at_most.saturating_add(1).saturating_sub(shown).min(TOGETHER);
        let Some(from) = self.from.take().filter(|_| wanted > 0) else { return Ok(None) };
        let ListKeys { ids, until } = &self.list;
        let call = PAGE.on([ids.clone(), until.clone()]).arg(from).arg(wanted.to_string());
        let ids: Vec<String> = redis::from_redis_value(call.run(wire).await?).map_err(RedisError::from)?;
        self.from = ids.last().filter(|_| ids.len() == wanted).map(|last| format!("({last}"));
        Ok(Some(ids))
    }

    /// Leaves what is shown; answers whether there was more.
    pub(super) fn cut<T>(&self, found: &mut Vec<T>) -> bool {
        let more = found.len() > self.at_most;
        found.truncate(self.at_most);
        more
    }
}

/// A list may still name what has left it.
fn belongs(row: &Row, filter: Filter<'_>) -> bool {
    match filter {
        Filter::All => true,
        Filter::OfClient(id) => row.links.client.as_deref() == Some(id),
        Filter::OfPerson(id) => row.links.person.as_deref() == Some(id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_far_off_is_never() {
        assert_eq!(needed(Some(Time(1_000))), "1600000");
        for sweep in [None, Some(Time(i64::MAX)), Some(Time(i64::MAX / 1000))] {
            assert_eq!(needed(sweep), "never");
        }
    }
}
