//! A setting as somebody wrote it, and where.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};

/// Where a setting comes from, which is how it is named to whoever wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The command line.
    Flag,
    /// The environment.
    Variable,
    /// The configuration file.
    File,
}

/// The text of a setting. A list of the file is its entries with a space between two, a switch is `on` or `off`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) text: String,
    pub(crate) source: Source,
}

// The text may hold a password.
impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Given").field("source", &self.source).finish_non_exhaustive()
    }
}

impl FromStr for Given {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self { text: text.to_owned(), source: Source::Flag })
    }
}

impl<'de> Deserialize<'de> for Given {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = deserializer.deserialize_any(OfFile)?;
        Ok(Self { text, source: Source::File })
    }
}

struct OfFile;

impl<'de> Visitor<'de> for OfFile {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number, true or false, or a list of texts")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_bool<E: de::Error>(self, on: bool) -> Result<String, E> {
        Ok(if on { "on" } else { "off" }.to_owned())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<String, A::Error> {
        let mut texts: Vec<String> = Vec::new();
        while let Some(entry) = entries.next_element()? {
            texts.push(entry);
        }
        Ok(texts.join(" "))
    }
}

/// The name of a setting in the words of whoever wrote it, and an example in the same words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SettingName {
    /// Its key in the file.
    pub key: &'static str,
    /// Who is told.
    pub source: Source,
}

impl SettingName {
    /// How it would be written with this value.
    #[must_use]
    pub fn with(self, value: &str) -> String {
        match self.source {
            Source::Flag => format!("{self} {value}"),
            Source::Variable => format!("{self}={value}"),
            Source::File => format!("{self} = \"{value}\""),
        }
    }
}

impl fmt::Display for SettingName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.source {
            Source::Flag => write!(f, "--{}", self.key.replace('_', "-")),
            Source::Variable => f.write_str(&variable(self.key)),
            Source::File => f.write_str(self.key),
        }
    }
}

/// The environment variable of a setting.
pub(crate) fn variable(key: &str) -> String {
    format!("PORTCULLIS_{}", key.to_ascii_uppercase())
}
