//! What a backend sees of a record.

use std::fmt;

use ambient::Time;

use crate::Mark;

/// What a record is. The text names it in a backend; it never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// [`Grant`](crate::Grant)
    Grant,
    /// [`Client`](crate::Client)
    Client,
    /// [`PersonStanding`](crate::PersonStanding)
    Person,
    /// [`Server`](crate::Server)
    Server,
    /// [`OriginIndex`](crate::OriginIndex)
    Origin,
    /// [`Session`](crate::Session)
    Session,
    /// [`Consent`](crate::Consent)
    Consent,
    /// [`Account`](crate::Account)
    Account,
    /// [`KeyList`](crate::KeyList)
    Keys,
    /// [`AdminKey`](crate::AdminKey)
    AdminKey,
    /// [`AdminKeys`](crate::AdminKeys)
    AdminKeys,
    /// [`Ticket`](crate::Ticket)
    Ticket,
    /// [`Trail`](crate::Trail)
    Trail,
    /// [`Tenure`](crate::Tenure)
    Tenure,
}

impl Kind {
    /// All kinds, for those who count or copy everything.
    pub const ALL: [Self; 14] = [
        Self::Grant,
        Self::Client,
        Self::Person,
        Self::Server,
        Self::Origin,
        Self::Session,
        Self::Consent,
        Self::Account,
        Self::Keys,
        Self::AdminKey,
        Self::AdminKeys,
        Self::Ticket,
        Self::Trail,
        Self::Tenure,
    ];

    /// The name that a backend stores.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Client => "client",
            Self::Person => "person",
            Self::Server => "server",
            Self::Origin => "origin",
            Self::Session => "session",
            Self::Consent => "consent",
            Self::Account => "account",
            Self::Keys => "keys",
            Self::AdminKey => "admin_key",
            Self::AdminKeys => "admin_keys",
            Self::Ticket => "ticket",
            Self::Trail => "trail",
            Self::Tenure => "tenure",
        }
    }
}

/// The primary key of a record.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// What it is.
    pub kind: Kind,
    /// Which of them.
    pub id: String,
}

impl Key {
    /// The record of this kind that `id` names.
    pub fn new(kind: Kind, id: impl fmt::Display) -> Self {
        Self { kind, id: id.to_string() }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.as_str(), self.id)
    }
}

/// The records that a record names: what is read with it, and what it is listed by. Each is the id alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links {
    /// A [`Kind::Client`].
    pub client: Option<String>,
    /// A [`Kind::Person`].
    pub person: Option<String>,
    /// A [`Kind::Consent`].
    pub consent: Option<String>,
    /// A [`Kind::Server`].
    pub server: Option<String>,
}

impl Links {
    /// The keys that these name.
    #[must_use]
    pub fn keys(&self) -> [Option<Key>; 4] {
        let key = |kind, id: &Option<String>| id.as_ref().map(|id| Key::new(kind, id));
        [
            key(Kind::Client, &self.client),
            key(Kind::Person, &self.person),
            key(Kind::Consent, &self.consent),
            key(Kind::Server, &self.server),
        ]
    }
}

/// The last commits of a record, newest first; at least one, at most four.
///
/// A driver may send a commit again after a dropped connection. The record remembers who wrote it last, so a commit that
/// finds its own mark is told [`Commit::Done`](crate::Commit::Done) and not that it lost to itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks {
    newest: Mark,
    before: [Option<Mark>; 3],
}

impl Marks {
    /// The marks of a record that was written once.
    #[must_use]
    pub const fn first(mark: Mark) -> Self {
        Self { newest: mark, before: [None; 3] }
    }

    /// The marks after one more commit.
    #[must_use]
    pub const fn then(self, mark: Mark) -> Self {
        Self { newest: mark, before: [Some(self.newest), self.before[0], self.before[1]] }
    }

    /// The mark of the last commit: the version of the record.
    #[must_use]
    pub const fn newest(&self) -> Mark {
        self.newest
    }

    /// Whether one of the last four commits carried `mark`.
    #[must_use]
    pub fn contains(&self, mark: Mark) -> bool {
        self.newest == mark || self.before.contains(&Some(mark))
    }

    /// As bytes, newest first, 16 each.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let before = self.before.iter().flatten();
        std::iter::once(&self.newest).chain(before).flat_map(|mark| *mark.as_bytes()).collect()
    }

    /// Back from bytes; `None` if they are not 16, 32, 48 or 64.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (chunks, rest) = bytes.as_chunks::<16>();
        let (newest, before) = chunks.split_first()?;
        if !rest.is_empty() || before.len() > 3 {
            return None;
        }
        let mut marks = Self::first(Mark::new(*newest));
        for (slot, bytes) in marks.before.iter_mut().zip(before) {
            *slot = Some(Mark::new(*bytes));
        }
        Some(marks)
    }
}

/// A record as a backend keeps it. A backend never looks inside `body`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The primary key.
    pub key: Key,
    /// Who wrote it last.
    pub marks: Marks,
    /// Whether it has reached its final state, in which no guard but *this mark* may change it.
    pub ended: bool,
    /// The record, as JSON with a schema number.
    pub body: String,
    /// From when on nobody needs it, so a sweep in a later second removes it; `None` is never.
    pub sweep: Option<Time>,
    /// The records that it names.
    pub links: Links,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_remembers_its_last_four_commits() {
        let mark = |n| Mark::new([n; 16]);
        let marks = (2..=6).fold(Marks::first(mark(1)), |marks, n| marks.then(mark(n)));
        assert_eq!(marks.newest(), mark(6));
        for n in 3..=6 {
            assert!(marks.contains(mark(n)), "{n}");
        }
        assert!(!marks.contains(mark(2)));
        assert_eq!(Marks::from_bytes(&marks.to_bytes()), Some(marks));
        assert_eq!(Marks::from_bytes(&Marks::first(mark(9)).to_bytes()), Some(Marks::first(mark(9))));
    }

    #[test]
    fn marks_of_another_length_are_refused() {
        for length in [0, 15, 17, 80] {
            assert_eq!(Marks::from_bytes(&vec![0; length]), None, "{length}");
        }
    }
}
