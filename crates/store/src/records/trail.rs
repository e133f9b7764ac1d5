//! What happened, for those who must know later.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use ambient::Time;
use oauth_types::ClientId;
use serde::{Deserialize, Serialize};

use crate::{GrantId, Kind, PersonId, Record, ServerId};

/// A piece of the audit trail: what happened within a moment at one process.
///
/// It is written after what it tells of, in pieces, and never in the commit of a grant: a crash may lose the last second.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trail {
    /// Orders the pieces by when they were written; see [`Trail::id_at`].
    pub id: String,
    /// What happened, oldest first; at least one.
    pub entries: Vec<Entry>,
    /// Until when it is kept.
    pub kept_until: Time,
}

/// One thing that happened. Flat, so that later versions and other programs read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub at: Time,
    /// What, such as `refresh_replayed`.
    pub name: String,
    /// How it went.
    pub outcome: Outcome,
    /// Who did it: `person:…`, `administrator:…` or `operator`; nobody known, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// From where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<IpAddr>,
    /// On which grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantId>,
    /// With which client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientId>,
    /// About whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<PersonId>,
    /// At which resource server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerId>,
    /// Why, by the name of a rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// More, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub detail: BTreeMap<String, String>,
}

impl Entry {
    /// That this happened then, and nothing more of it yet.
    #[must_use]
    pub fn new(at: Time, name: &str, outcome: Outcome) -> Self {
        Self {
            at,
            name: name.to_owned(),
            outcome,
            actor: None,
            from: None,
            grant: None,
            client: None,
            person: None,
            server: None,
            why: None,
            detail: BTreeMap::new(),
        }
    }
}

/// How something went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was refused.
    Refused,
    /// It could not be done.
    Failed,
}

impl Trail {
    /// The id of a piece that is written at `at`: its seconds, so that ids sort as pieces are written, and something random. What
    /// waited for the store has the id of when it was written, and so is behind what was seen before.
    #[must_use]
    pub fn id_at(at: Time, drawn: [u8; 8]) -> String {
        TrailPlace::new(at, u64::from_be_bytes(drawn)).to_string()
    }
}

/// A place in the order of pieces: seconds, and 64 bits of what is random in an id. Not each has a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TrailPlace(u128);

impl TrailPlace {
    /// How many places a second has.
    pub const SECOND: u128 = 1 << 64;
    /// Before all pieces.
    pub const FIRST: Self = Self(0);

    const fn new(at: Time, within: u64) -> Self {
        let seconds = if at.0 > 0 { at.0.unsigned_abs() } else { 0 };
        Self(seconds as u128 * Self::SECOND + within as u128)
    }

    /// The first of a second.
    #[must_use]
    pub const fn first_of(at: Time) -> Self {
        Self::new(at, 0)
    }

    /// That of a piece.
    #[must_use]
    pub fn of(id: &str) -> Option<Self> {
        let (seconds, within) = id.split_once('-')?;
        let digits = seconds.len() == 20 && seconds.bytes().all(|byte| byte.is_ascii_digit());
        let lower = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if !digits || within.len() != 16 || !within.bytes().all(lower) {
            return None;
        }
        let (seconds, within) = (seconds.parse().ok()?, u64::from_str_radix(within, 16).ok()?);
        Some(Self::new(Time(seconds), within))
    }

    /// Its second.
    #[must_use]
    pub fn at(self) -> Time {
        Time(i64::try_from(self.0 / Self::SECOND).unwrap_or(i64::MAX))
    }

    /// So many places before.
    #[must_use]
    pub const fn before(self, places: u128) -> Self {
        Self(self.0.saturating_sub(places))
    }

    /// The next place.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// How many places there are from `earlier` up to this one.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u128 {
        self.0.saturating_sub(earlier.0)
    }
}

/// As the id of a piece.
impl fmt::Display for TrailPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:020}-{:016x}", self.0 / Self::SECOND, self.0 % Self::SECOND)
    }
}

impl Record for Trail {
    const KIND: Kind = Kind::Trail;
    const SCHEMA: u32 = 1;

    fn id(&self) -> String {
        self.id.clone()
    }

    fn sweep(&self) -> Option<Time> {
        Some(self.kept_until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_as_times_do() {
        let ids = [9, 10, 1_800_000_000, 99_999_999_999].map(|at| Trail::id_at(Time(at), [0xff; 8]));
        assert!(ids.is_sorted(), "{ids:?}");
        assert_eq!(ids[0].len(), 37);
        for id in ids {
            assert_eq!(TrailPlace::of(&id).map(|number| number.to_string()), Some(id));
        }
        let (first, second) = (TrailPlace::first_of(Time(9)), TrailPlace::first_of(Time(10)));
        assert_eq!(
            (second.before(TrailPlace::SECOND), second.since(first), second.before(1).at()),
            (first, TrailPlace::SECOND, Time(9))
        );
        assert_eq!(TrailPlace::first_of(Time(i64::MIN)), first.before(u128::MAX));
        assert_eq!(first.before(1).next(), first);
        for wrong in
            ["", "1-1", "00000000000000000009-FFFFFFFFFFFFFFFF", "99999999999999999999-0000000000000000"]
        {
            assert_eq!(TrailPlace::of(wrong), None, "{wrong}");
        }
    }
}
