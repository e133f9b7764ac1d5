//! Who does something that is not the protocol's own doing.

use std::fmt;

use store::{AdminKey, PersonId};

use super::Context;

/// Who acts on accounts, connections, clients and servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A person, about what is their own.
    Person(PersonId),
    /// Whoever holds this key of the administration.
    Administrator(KeyName),
    /// Whoever can read and write the store itself, or the server on its own account.
    Operator,
}

/// The name of a key of the administration. It is read from a key's record, so that no other text, a key itself least of all, gets
/// into an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyName(String);

impl KeyName {
    /// The name of a key that the configuration brings, which has no record.
    #[must_use]
    pub fn configured() -> Self {
        Self("configured".to_owned())
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&AdminKey> for KeyName {
    fn from(key: &AdminKey) -> Self {
        Self(key.name.clone())
    }
}

impl fmt::Display for Actor {
    /// As the audit trail has it: `person:…`, `administrator:…` or `operator`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(person) => write!(f, "person:{person}"),
            Self::Administrator(key) => write!(f, "administrator:{}", key.as_str()),
            Self::Operator => f.write_str("operator"),
        }
    }
}

/// Who does something, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct By {
    /// Who.
    pub actor: Actor,
    /// From where.
    pub context: Context,
}

impl By {
    /// A person. They reach what is their own and nothing else.
    #[must_use]
    pub const fn person(person: PersonId, context: Context) -> Self {
        Self { actor: Actor::Person(person), context }
    }

    /// Whoever holds this key of the administration. What the key opens is for the caller to look at.
    #[must_use]
    pub const fn administrator(key: KeyName, context: Context) -> Self {
        Self { actor: Actor::Administrator(key), context }
    }

    /// The operator, at the machine.
    #[must_use]
    pub fn operator() -> Self {
        Self { actor: Actor::Operator, context: Context::default() }
    }
}
