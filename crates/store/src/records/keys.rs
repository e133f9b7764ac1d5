//! The keys that tokens are made with, sealed.

use ambient::Time;
use serde::{Deserialize, Serialize};

use super::base64_text;
use crate::{Kind, Record};

/// The numbered keys of one purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyList {
    /// What they are for, such as `token`.
    pub purpose: String,
    /// The keys, by rising number.
    pub keys: Vec<SealedKey>,
}

/// A key that only the master key opens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedKey {
    /// Part of each token that it made.
    pub number: u16,
    /// What it is used for now.
    pub state: KeyState,
    /// When it was made.
    pub made: Time,
    /// The key, sealed.
    #[serde(with = "base64_text")]
    pub sealed: Vec<u8>,
}

/// The life of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// Known to all processes before any uses it.
    Announced,
    /// Makes new tokens. One at a time.
    Active,
    /// Recognises the tokens that it made.
    Retired,
}

impl Record for KeyList {
    const KIND: Kind = Kind::Keys;
    const SCHEMA: u32 = 1;

    fn id(&self) -> String {
        self.purpose.clone()
    }
}
