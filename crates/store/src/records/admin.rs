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
}

impl Record for AdminKey {
    const KIND: Kind = Kind::AdminKey;
    const SCHEMA: u32 = 1;

    fn id(&self) -> String {
        self.name.clone()
    }
}
