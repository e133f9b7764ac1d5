//! Who may do what.

use store::{PersonId, Status};
use thiserror::Error;

use crate::{Actor, By};

/// What somebody is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed<'a> {
    /// To look at, change or end what is somebody's: a grant, a consent, all that they have. `None` is nobody's: the grant of a machine,
    /// or one that has ended.
    Touch(Option<&'a PersonId>),
    /// To let somebody act again, block or delete them.
    Set(&'a PersonId, Status),
    /// To register clients and resource servers, change them and put an end to them.
    Administer,
}

/// It is not theirs to do. Nor do they learn whether there is what they named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("there is no such record that they reach")]
pub struct OutOfReach;

impl By {
    /// Whether it is theirs to do: a person's is what is their own, and of their account that it goes.
    ///
    /// # Errors
    ///
    /// [`OutOfReach`].
    pub fn may(&self, deed: Deed<'_>) -> Result<(), OutOfReach> {
        let may = match &self.actor {
            Actor::Administrator(_) | Actor::Operator => true,
            Actor::Person(own) => match deed {
                Deed::Touch(person) => person == Some(own),
                Deed::Set(person, Status::Deleted) => person == own,
                Deed::Set(_, Status::Active | Status::Blocked) | Deed::Administer => false,
            },
        };
        if may { Ok(()) } else { Err(OutOfReach) }
    }
}
