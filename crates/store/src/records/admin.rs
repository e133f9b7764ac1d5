//! A key of an administrator.

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

impl Record for AdminKey {
    const KIND: Kind = Kind::AdminKey;
    const SCHEMA: u32 = 1;

    fn id(&self) -> String {
        self.name.clone()
    }
}
