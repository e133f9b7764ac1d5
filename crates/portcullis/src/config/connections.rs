//! What is set about connections.

use std::ops::RangeInclusive;
use std::time::Duration;

use authz_core::Lifetime;

use super::Settings;
use super::error::{ConfigError, Fault};
use super::parse::{between, setting};
use crate::serve::{Patience, Room};

/// How many connections may be open, and for how long a client is waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connections {
    /// In all. `None`: 8192. As far as the limit of open files allows.
    pub most: Option<usize>,
    /// Of one address. `None`: an eighth of all, and 64 at the least.
    pub by_address: Option<usize>,
    /// For how long.
    pub patience: Patience,
}

impl Connections {
    /// What there is of it in this process: see [`Room::of_this_process`].
    #[must_use]
    pub fn room(&self) -> Room {
        let room = Room::of_this_process(self.most).with_patience(self.patience);
        match self.by_address {
            Some(each) => room.with_each(each),
            None => room,
        }
    }
}

/// Below it the few connections of a proxy would be closed for one another.
const FEWEST: usize = 16;
const MOST: usize = 1_000_000;

pub(super) fn connections(settings: &Settings) -> Result<Connections, ConfigError> {
    let most = setting("connections", settings.connections.as_ref());
    let by_address = setting("connections_by_address", settings.connections_by_address.as_ref());
    let client = setting("client_timeout", settings.client_timeout.as_ref());
    let idle = setting("idle_timeout", settings.idle_timeout.as_ref());

    let default = Patience::default();
    let client = client.read(|text| time(text, Duration::from_secs(1), 300))?.unwrap_or(default.client);
    let idle = idle.read(|text| time(text, client, 3600))?.unwrap_or_else(|| default.idle.max(client));
    Ok(Connections {
        most: most.read(|text| number(text, FEWEST..=MOST))?,
        by_address: by_address.read(|text| number(text, 1..=MOST))?,
        patience: Patience { client, idle },
    })
}

fn number(text: &str, allowed: RangeInclusive<usize>) -> Result<usize, Fault> {
    let given = text.parse().map_err(|_| Fault::Number)?;
    match allowed.contains(&given) {
        true => Ok(given),
        false => Err(Fault::Range { given, least: *allowed.start(), most: *allowed.end() }),
    }
}

/// `most` is in seconds.
fn time(text: &str, least: Duration, most: u32) -> Result<Duration, Fault> {
    let least = Lifetime::seconds(u32::try_from(least.as_secs()).unwrap_or(most));
    let given = between(text, least, Lifetime::seconds(most))?;
    Ok(Duration::from_secs(given.as_seconds().unsigned_abs()))
}
