//! The keys of administrators.

use ambient::Time;
use serde::{Deserialize, Serialize};

use crate::{Digest, Kind, Record};

/// A key that opens the administration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminKey {
    /// Its name, for people; unique.
    pub name: String,
    /// The digest of its text.
    pub digest: Digest,
    /// When it was made.
    pub made: Time,
    /// What it opens.
    #[serde(default)]
    pub access: AdminAccess,
    /// When it was used last: written at most once a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<Time>,
    /// When it was withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Time>,
}

/// What a key of an administrator opens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdminAccess {
    /// It reads.
    Read,
    /// It reads and changes everything.
    #[default]
    Write,
}

impl AdminKey {
    /// A key that opens everything.
    #[must_use]
    pub fn new(name: impl Into<String>, digest: Digest, made: Time) -> Self {
        Self { name: name.into(), digest, made, access: AdminAccess::default(), used: None, ended: None }
    }
}

/// All keys that open the administration, those that were withdrawn as well.
///
/// They are one record: a look-up is one read that no list can mislead, no two have one name, and of those that write the last cannot
/// be withdrawn by two who each leave it to the other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminKeys {
    /// They, in the order in which they were made.
    pub keys: Vec<AdminKey>,
}

impl AdminKeys {
    /// The id of the only one.
    pub const ID: &str = "all";

    /// The key of this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&AdminKey> {
        self.keys.iter().find(|key| key.name == name)
    }
}

impl Record for AdminKeys {
    const KIND: Kind = Kind::AdminKeys;
    const SCHEMA: u32 = 1;

    fn id(&self) -> String {
        Self::ID.to_owned()
    }
}

/// As keys were stored before they were [`AdminKeys`]: each a record of its own.
impl Record for AdminKey {
    const KIND: Kind = Kind::AdminKey;
    const SCHEMA: u32 = 1;

    fn id(&self) -> String {
        self.name.clone()
    }
}
