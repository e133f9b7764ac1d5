//! Who may use a store: servers, or a copy that comes into it.

use ambient::Time;
use serde::{Deserialize, Serialize};

use crate::{Kind, Record};

/// Whether a store is served, is being copied into, or was left for another one. None is a store that nobody has used yet.
///
/// The first server writes it, and so does every copy. It keeps apart what must not mix: nobody serves half a copy, and nothing
/// is copied over what a server has written since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenure {
    /// What holds now.
    pub state: TenureState,
    /// Since when.
    pub since: Time,
    /// The issuer of the server that began to use it last: where links lead that other programs make. None before a server has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
}

/// Who may use a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TenureState {
    /// Records may be missing: no server may use it.
    Copying,
    /// Everything is here. A server may use it, and a further copy may bring what has changed.
    Complete,
    /// A server has used it: no copy may write here any more. Every server notes it before it makes anything.
    Served,
    /// Everything has gone to another store, which is served in its stead: no server may use it.
    Left,
}

impl Tenure {
    /// The id of the only record of its kind.
    pub const ID: &str = "here";
}

impl Record for Tenure {
    const KIND: Kind = Kind::Tenure;
    const SCHEMA: u32 = 1;

    fn id(&self) -> String {
        Self::ID.to_owned()
    }
}
