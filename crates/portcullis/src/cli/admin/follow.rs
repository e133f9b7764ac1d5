//! `portcullis event follow`: what happens, as it happens.
//!
//! Processes write what happens a moment later, each its own pieces by its own clock, and what waited for the store long after. So it
//! goes by when something was written: a last stretch of that is read again and again, and what is new in it is what has an id that
//! was not there before.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use serde_json::Value;
use tokio::time::sleep;

use super::administration::Administration;
use super::ask::Ask;
use super::event::COLUMNS;
use super::{AdminError, PAGE, table};
use crate::telemetry::sentence;

/// Between two looks, for each page of the last.
const PAUSE: Duration = Duration::from_secs(1);
/// Between two looks while nobody answers.
const LONGER: Duration = Duration::from_secs(5);
/// How long a piece may be on its way, and how far the clocks of processes may be apart, in seconds together.
const STRETCH: i64 = 60;

/// Prints events until something fails that does not pass.
pub(super) async fn follow(
    administration: &Administration,
    ask: Ask,
    json: bool,
    out: &mut dyn Write,
    errors: &mut dyn Write,
) -> Result<(), AdminError> {
    let mut followed = Followed { administration, ask, since: None, shown: BTreeMap::new(), pages: 0 };
    if !followed.ask.query.iter().any(|(name, _)| *name == "since") {
        // What happened before is not shown.
        followed.since = followed.stretch().await?;
        followed.new_ones().await?;
    }
    if !json {
        table::heading(COLUMNS, out)?;
    }
    let mut silent = false;
    loop {
        match followed.new_ones().await {
            Ok(events) => {
                silent = false;
                for event in events.iter().rev() {
                    match json {
                        true => writeln!(out, "{event}")?,
                        false => table::line(COLUMNS, event, out)?,
                    }
                }
                out.flush()?;
            }
            Err(error) if error.may_pass() => {
                if !silent {
                    writeln!(errors, "portcullis: {}; trying on", sentence(&error))?;
                }
                silent = true;
            }
            Err(error) => return Err(error),
        }
        sleep(if silent { LONGER } else { PAUSE.saturating_mul(followed.pages.max(1)) }).await;
    }
}

struct Followed<'w> {
    administration: &'w Administration,
    ask: Ask,
    // What was written before was looked at, all of it.
    since: Option<i64>,
    // The ids of what was written since, with the time of that.
    shown: BTreeMap<String, i64>,
    // How many there were the last time.
    pages: u32,
}

impl Followed<'_> {
    /// What was not there the last time, the newest first.
    async fn new_ones(&mut self) -> Result<Vec<Value>, AdminError> {
        // Before the look: what is written meanwhile is in the next stretch.
        let next = self.stretch().await?;
        let mut new = Vec::new();
        for event in self.all().await? {
            let (id, written) = named(&event).ok_or_else(|| self.administration.strange())?;
            if self.shown.insert(id.to_owned(), written).is_none() {
                new.push(event);
            }
        }
        if let Some(next) = next {
            self.since = Some(self.since.map_or(next, |since| since.max(next)));
            self.shown.retain(|_, written| *written >= next);
        }
        Ok(new)
    }

    /// Where the last stretch begins, by the newest event of all: those that are asked for may be rare.
    async fn stretch(&self) -> Result<Option<i64>, AdminError> {
        let mut ask = Ask::get(self.ask.path.clone(), self.ask.shape);
        ask.set("limit", "1".to_owned());
        let newest = page(self.administration, &ask).await?.0;
        Ok(newest.first().and_then(named).map(|(_, written)| written.saturating_sub(STRETCH)))
    }

    /// All that is asked for and not looked at yet, the newest first.
    async fn all(&mut self) -> Result<Vec<Value>, AdminError> {
        self.ask.query.retain(|(name, _)| *name != "cursor");
        self.ask.set("limit", PAGE.to_string());
        if let Some(since) = self.since {
            self.ask.set("written_since", since.to_string());
        }
        let mut events = Vec::new();
        self.pages = 0;
        loop {
            let (found, next) = page(self.administration, &self.ask).await?;
            events.extend(found);
            self.pages = self.pages.saturating_add(1);
            match next {
                Some(next) => self.ask.set("cursor", next),
                None => return Ok(events),
            }
        }
    }
}

async fn page(
    administration: &Administration,
    ask: &Ask,
) -> Result<(Vec<Value>, Option<String>), AdminError> {
    let document = administration.asked(ask).await?;
    let mut page: Value = serde_json::from_slice(&document).map_err(|_| administration.strange())?;
    let next = page.get("next").and_then(Value::as_str).map(ToOwned::to_owned);
    match page.get_mut("events").map(Value::take) {
        Some(Value::Array(events)) => Ok((events, next)),
        Some(_) | None => Err(administration.strange()),
    }
}

/// The id of an event, and when it was written.
fn named(event: &Value) -> Option<(&str, i64)> {
    Some((event.get("event_id")?.as_str()?, event.get("written_at")?.as_i64()?))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ambient::Time;
    use store::{Changes, Commit, Entry, Mark, Memory, Outcome, Store, Trail};

    use super::super::ask::Shape;
    use super::*;
    use crate::Portcullis;
    use crate::config::{Config, StoreKind};

    fn entry(at: i64, name: &str) -> Entry {
        let (name, outcome, detail) = (name.to_owned(), Outcome::Done, BTreeMap::new());
        let (actor, from, grant, client, person, server, why) = (None, None, None, None, None, None, None);
        Entry { at: Time(at), name, outcome, actor, from, grant, client, person, server, why, detail }
    }

    /// Who acts while the store is away is seen by whoever watches, however long that was.
    #[tokio::test]
    async fn what_was_written_late_is_shown_and_nothing_twice() {
        let store = Arc::new(Memory::new());
        let config = Config { store: StoreKind::Memory, ..Config::default() };
        let portcullis = Portcullis::builder(config).store(store.clone()).open().await.unwrap();
        let administration = Administration::Store(Box::new(portcullis));
        let write = async |written: i64, drawn: u8, entries: Vec<Entry>| {
            let id = Trail::id_at(Time(written), [drawn; 8]);
            let trail = Trail { id, entries, kept_until: Time(i64::MAX) };
            let store: &dyn Store = &*store;
            let written = store.commit(&Changes::create(Mark::new([drawn; 16]), &trail)).await.unwrap();
            assert_eq!(written, Commit::Done);
        };
        let mut followed = Followed {
            administration: &administration,
            ask: Ask::get("/api/events", Shape::Followed),
            since: None,
            shown: BTreeMap::new(),
            pages: 0,
        };
        let mut names = async || -> Vec<String> {
            let new = followed.new_ones().await.unwrap();
            new.iter().map(|event| event["name"].as_str().unwrap().to_owned()).collect()
        };
        write(10_000, 1, vec![entry(10_000, "a"), entry(10_000, "a")]).await;
        assert_eq!(names().await, ["a", "a"], "equal ones are two");
        assert!(names().await.is_empty());
        write(20_000, 2, vec![entry(20_000, "b")]).await;
        assert_eq!(names().await, ["b"]);
        write(20_001, 3, vec![entry(12_000, "of an hour ago")]).await;
        write(19_990, 4, vec![entry(19_990, "of another process")]).await;
        assert_eq!(names().await, ["of an hour ago", "of another process"]);
        assert!(names().await.is_empty());
    }
}
