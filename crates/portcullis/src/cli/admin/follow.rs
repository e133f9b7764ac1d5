//! `portcullis event follow`: what happens, as it happens.
//!
//! The trail has no numbers: processes write it a little later than things happen, each its own pieces. So a last stretch of time
//! is read again and again, and what is new in it is what is there more often than before.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use serde_json::Value;
use tokio::time::sleep;

use super::ask::Ask;
use super::event::COLUMNS;
use super::way::Way;
use super::{AdminError, PAGE, table};
use crate::telemetry::sentence;

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(1);
/// Between two looks while nobody answers.
const LONGER: Duration = Duration::from_secs(5);
/// How long after it happened something may be written, in seconds.
const STRETCH: i64 = 60;

/// Prints events until something fails that does not pass.
pub(super) async fn follow(
    way: &Way,
    mut ask: Ask,
    json: bool,
    out: &mut dyn Write,
    errors: &mut dyn Write,
) -> Result<(), AdminError> {
    let asked_since = ask.query.iter().find(|(name, _)| *name == "since").and_then(|(_, at)| at.parse().ok());
    let mut shown = Shown::default();
    let mut since = match asked_since {
        Some(since) => since,
        None => {
            ask.set("limit", "1".to_owned());
            let since = page(way, &ask).await?.0.first().map_or(0, |newest| at(newest) - STRETCH);
            // What happened before is not shown.
            shown.new_ones(stretch(way, &mut ask, since).await?);
            since
        }
    };
    let mut silent = false;
    loop {
        match stretch(way, &mut ask, since).await {
            Ok(events) => {
                silent = false;
                let newest = events.first().map(at);
                for event in shown.new_ones(events).iter().rev() {
                    match json {
                        true => writeln!(out, "{event}")?,
                        false => table::line(COLUMNS, event, out)?,
                    }
                }
                out.flush()?;
                since = newest.map_or(since, |newest| since.max(newest - STRETCH));
                shown.forget_before(since);
            }
            Err(error) if error.may_pass() => {
                if !silent {
                    writeln!(errors, "portcullis: {}; trying on", sentence(&error))?;
                }
                silent = true;
            }
            Err(error) => return Err(error),
        }
        sleep(if silent { LONGER } else { PAUSE }).await;
    }
}

/// All events since a time, the newest first.
async fn stretch(way: &Way, ask: &mut Ask, since: i64) -> Result<Vec<Value>, AdminError> {
    ask.query.retain(|(name, _)| *name != "cursor");
    ask.set("since", since.to_string());
    ask.set("limit", PAGE.to_string());
    let mut events = Vec::new();
    loop {
        let (found, next) = page(way, ask).await?;
        events.extend(found);
        match next {
            Some(next) => ask.set("cursor", next),
            None => return Ok(events),
        }
    }
}

async fn page(way: &Way, ask: &Ask) -> Result<(Vec<Value>, Option<String>), AdminError> {
    let document = way.asked(ask).await?;
    let mut page: Value = serde_json::from_slice(&document).map_err(|_| way.strange())?;
    let next = page.get("next").and_then(Value::as_str).map(ToOwned::to_owned);
    match page.get_mut("events").map(Value::take) {
        Some(Value::Array(events)) => Ok((events, next)),
        Some(_) | None => Err(way.strange()),
    }
}

/// What was shown of the last stretch, and how often.
#[derive(Debug, Default)]
struct Shown(BTreeMap<String, (i64, usize)>);

impl Shown {
    /// Those among `events` that are there more often than they were, in the same order; of equal ones, whichever.
    fn new_ones(&mut self, events: Vec<Value>) -> Vec<Value> {
        let mut found: BTreeMap<String, usize> = BTreeMap::new();
        let mut new = Vec::new();
        for event in events {
            let text = event.to_string();
            let count = found.entry(text.clone()).or_default();
            *count += 1;
            let (_, known) = self.0.entry(text).or_insert_with(|| (at(&event), 0));
            if *count > *known {
                *known = *count;
                new.push(event);
            }
        }
        new
    }

    fn forget_before(&mut self, since: i64) {
        self.0.retain(|_, (at, _)| *at >= since);
    }
}

fn at(event: &Value) -> i64 {
    event.get("at").and_then(Value::as_i64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_there_more_often_than_before_is_new_and_nothing_is_shown_twice() {
        let (a, b) = (json!({ "at": 1, "name": "a" }), json!({ "at": 2, "name": "b" }));
        let mut shown = Shown::default();
        assert_eq!(shown.new_ones(vec![a.clone()]).len(), 1);
        assert!(shown.new_ones(vec![a.clone()]).is_empty());
        assert_eq!(shown.new_ones(vec![b.clone(), a.clone(), a.clone()]), [b.clone(), a.clone()]);
        shown.forget_before(2);
        assert!(shown.new_ones(vec![b.clone()]).is_empty());
        assert_eq!(shown.0.len(), 1);
    }
}
