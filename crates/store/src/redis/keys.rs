//! Under which keys everything is. `docs/records.md` lists them for operators.
//!
//! What stands in braces decides the slot in a Cluster: everything of one grant has its id there, and the two halves of
//! a list have the list's name.

use std::fmt;

use super::fault::Fault;
use crate::{ClaimKind, Filter, Key, Kind};

/// The keys of one store.
pub(super) struct Keys {
    prefix: String,
}

/// The two halves of a list.
pub(super) struct ListKeys {
    /// The ids, in their order.
    pub(super) ids: String,
    /// Until when each is kept.
    pub(super) until: String,
}

/// What a key names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Named {
    Record(Key),
    Claim(ClaimKind, String),
}

impl Keys {
    pub(super) fn under(prefix: &str) -> Result<Self, Fault> {
        // No braces: they would decide the slot.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
        match prefix.len() {
            1..=64 if prefix.bytes().all(plain) => Ok(Self { prefix: prefix.to_owned() }),
            _ => Err(Fault::Prefix),
        }
    }

    pub(super) fn record(&self, key: &Key) -> String {
        [&*self.prefix, ":", key.kind.as_str(), ":{", &*key.id, "}"].concat()
    }

    pub(super) fn list(&self, kind: Kind, of: Filter<'_>) -> ListKeys {
        let kind = kind.as_str();
        let name = match of {
            Filter::All => format!("{}:{{{kind}}}", self.prefix),
            Filter::OfClient(id) => format!("{}:{{{kind}:client:{id}}}", self.prefix),
            Filter::OfPerson(id) => format!("{}:{{{kind}:person:{id}}}", self.prefix),
        };
        ListKeys::named(&name)
    }

    /// The list of all claims of a kind.
    pub(super) fn claims(&self, kind: ClaimKind) -> ListKeys {
        ListKeys::named(&format!("{}:{{claim:{}}}", self.prefix, kind.as_str()))
    }

    pub(super) fn claim(&self, kind: ClaimKind, key: &str) -> String {
        format!("{}:claim:{}:{{{key}}}", self.prefix, kind.as_str())
    }

    pub(super) fn count(&self, key: &str, ends: impl fmt::Display) -> String {
        format!("{}:count:{{{key}}}:{ends}", self.prefix)
    }

    /// A pattern of all keys.
    pub(super) fn all(&self) -> String {
        format!("{}:*", self.prefix)
    }

    /// What is under a key, if it is a record or a claim.
    pub(super) fn named(&self, key: &str) -> Option<Named> {
        let name = key.strip_prefix(&self.prefix)?.strip_prefix(':')?.strip_suffix('}')?;
        let (kind, id) = name.split_once(":{")?;
        match kind.strip_prefix("claim:") {
            Some(kind) => {
                let kind = ClaimKind::ALL.into_iter().find(|known| known.as_str() == kind)?;
                Some(Named::Claim(kind, id.to_owned()))
            }
            None => {
                let kind = Kind::ALL.into_iter().find(|known| known.as_str() == kind)?;
                Some(Named::Record(Key::new(kind, id)))
            }
        }
    }

    pub(super) fn layout(&self) -> String {
        format!("{}:layout", self.prefix)
    }

    pub(super) fn probe(&self, number: usize) -> String {
        format!("{}:probe:{number}", self.prefix)
    }
}

impl ListKeys {
    fn named(name: &str) -> Self {
        Self { ids: format!("{name}:ids"), until: format!("{name}:until") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_of_a_grant_carry_its_id_and_the_halves_of_a_list_its_name() {
        let keys = Keys::under("portcullis").unwrap();
        assert_eq!(keys.record(&Key::new(Kind::Grant, "abc")), "portcullis:grant:{abc}");
        let ListKeys { ids, until } = keys.list(Kind::Grant, Filter::OfPerson("p"));
        assert_eq!(
            (&*ids, &*until),
            ("portcullis:{grant:person:p}:ids", "portcullis:{grant:person:p}:until")
        );
    }

    #[test]
    fn only_keys_of_records_and_claims_of_this_store_name_something() {
        let keys = Keys::under("portcullis").unwrap();
        for key in [
            Key::new(Kind::Grant, "abc"),
            Key::new(Kind::Origin, "https://a.example:1"),
            Key::new(Kind::Keys, "}:{"),
        ] {
            assert_eq!(keys.named(&keys.record(&key)), Some(Named::Record(key)));
        }
        let claimed = keys.named(&keys.claim(ClaimKind::Email, "a{b}@example.com"));
        assert_eq!(claimed, Some(Named::Claim(ClaimKind::Email, "a{b}@example.com".to_owned())));
        let ListKeys { ids, until } = keys.list(Kind::Grant, Filter::All);
        for other in [
            &ids,
            &until,
            &keys.layout(),
            &keys.probe(1),
            &keys.count("k", 1),
            "other:grant:{a}",
            "portcullis:b:grant:{a}",
        ] {
            assert_eq!(keys.named(other), None, "{other}");
        }
    }

    #[test]
    fn a_prefix_decides_no_slot() {
        for prefix in ["", "a{b", "a}", "a b", &"x".repeat(65)] {
            assert!(Keys::under(prefix).is_err(), "{prefix}");
        }
    }
}
