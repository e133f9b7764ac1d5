//! What happened, for those who must know later.

use std::collections::BTreeMap;
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
    /// Orders the pieces by time; see [`Trail::id_at`].
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
    /// The id of a piece whose first entry is of `at`: its seconds, written so that texts sort as times do, and something random.
    #[must_use]
    pub fn id_at(at: Time, drawn: [u8; 8]) -> String {
        format!("{:020}-{:016x}", at.0.max(0), u64::from_be_bytes(drawn))
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
    }
}
