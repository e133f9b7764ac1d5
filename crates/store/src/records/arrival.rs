//! That the records of a store came from another one.

use ambient::Time;
use serde::{Deserialize, Serialize};

use crate::{Kind, Record};

/// How far a copy into this store has come, or whether it is served.
///
/// It keeps apart what must not mix: nobody serves half a copy, and nothing is copied over what a server has written since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrival {
    /// What holds now.
    pub state: ArrivalState,
    /// Since when.
    pub since: Time,
}

/// What holds of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArrivalState {
    /// Records may be missing: no server may use it.
    Copying,
    /// Everything is here. A server may use it, and a further copy may bring what has changed.
    Complete,
    /// A server has used it: no copy may write here any more. Every server notes it before it makes anything.
    Served,
    /// Everything has gone to another store, which is served in its stead: no server may use it.
    Left,
}

impl Arrival {
    /// The id of the only record of its kind.
    pub const ID: &str = "here";
}

impl Record for Arrival {
    const KIND: Kind = Kind::Arrival;
    const SCHEMA: u32 = 1;

    fn id(&self) -> String {
        Self::ID.to_owned()
    }
}
