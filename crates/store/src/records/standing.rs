//! What is held against somebody.

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::{Epoch, Kind, Malformed, Record};

/// Whether a person, client or server may act.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Yes.
    #[default]
    Active,
    /// Not for now.
    Blocked,
    /// Never again. The record stays as a tombstone until no grant can name it.
    Deleted,
}

/// What is held against a person or client. The default, for whom no record exists, is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Whether they may act.
    pub status: Status,
    /// Drawn anew to end all grants so far: a grant lives only while the epoch that it copied is the current one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Epoch>,
}

impl Standing {
    /// Whether a grant that copied `epoch` still stands.
    #[must_use]
    pub fn upholds(&self, epoch: Option<Epoch>) -> bool {
        self.status == Status::Active && self.epoch == epoch
    }
}

/// The subject identifier of a person: 1 to 255 printable ASCII characters, unique at this server and never reused
/// (OpenID Connect Core section 2, `sub`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct PersonId(String);

impl PersonId {
    /// Reads one.
    ///
    /// # Errors
    ///
    /// Empty, longer than 255 bytes, or not printable ASCII.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let printable = text.bytes().all(|byte| matches!(byte, 0x21..=0x7e));
        if text.is_empty() || text.len() > 255 || !printable {
            return Err(Malformed);
        }
        Ok(Self(text.to_owned()))
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for PersonId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for PersonId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

/// A person's [`Standing`], apart from their account: whoever brings their own users has this record and no other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonStanding {
    /// Who.
    pub person: PersonId,
    /// What is held against them.
    pub standing: Standing,
}

impl Record for PersonStanding {
    const KIND: Kind = Kind::Person;
    const SCHEMA: u32 = 1;

    fn id(&self) -> String {
        self.person.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_stands_while_nothing_is_held_against_its_people() {
        let (old, new) = (Epoch::new([1; 16]), Epoch::new([2; 16]));
        assert!(Standing::default().upholds(None));
        assert!(!Standing::default().upholds(Some(old)));
        let later = Standing { epoch: Some(new), ..Standing::default() };
        assert!(later.upholds(Some(new)));
        assert!(!later.upholds(Some(old)));
        assert!(!later.upholds(None));
        for status in [Status::Blocked, Status::Deleted] {
            assert!(!Standing { status, epoch: Some(new) }.upholds(Some(new)));
        }
    }
}
