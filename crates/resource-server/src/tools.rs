//! Which tools a request calls.
//!
//! What is checked here must be what is done behind, whatever parser reads the body there: so a body that two of them could read as
//! different calls is refused (RFC 8259 section 4 leaves open which of two equal names counts).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use oauth_types::Scope;
use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::error::Category;

use crate::step_up::Demanded;

/// What each tool needs beyond what everything needs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tools {
    named: BTreeMap<String, Scope>,
    /// Those that need nothing more, whatever the others need.
    open: BTreeSet<String>,
    /// Of those that are not named; empty if nothing.
    others: Scope,
    /// What some demand of the log-in of their caller's.
    step_up: BTreeMap<String, Demanded>,
}

/// What the calls in a body need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    pub(crate) scope: Scope,
    pub(crate) step_up: Demanded,
}

impl Needs {
    pub(crate) fn is_nothing(&self) -> bool {
        self.scope.is_empty() && self.step_up.is_nothing()
    }
}

/// A body that is not JSON-RPC, or that two parsers could read as different calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// Not JSON, or not in UTF-8.
    Json,
    /// No JSON-RPC message: not an object, `method` is no text, neither a request nor an answer, a member that decides occurs twice or
    /// in other letters, or one has a name that a parser keeps for itself.
    Message,
    /// `tools/call` without one `params.name` that is a text.
    Call,
}

impl Tools {
    pub(crate) fn is_empty(&self) -> bool {
        self.named.is_empty() && self.others.is_empty() && self.step_up.is_empty()
    }

    /// Adds `scope` to what `tool` needs.
    pub(crate) fn need(&mut self, tool: String, scope: &Scope) {
        let own = self.named.entry(tool).or_default();
        *own = own.union(scope);
    }

    /// Adds to what `tool` demands of the log-in of whoever calls it.
    pub(crate) fn step_up(&mut self, tool: String, demanded: &Demanded) {
        let own = self.step_up.entry(tool).or_default();
        *own = own.and(demanded);
    }

    /// A tool that nobody could call of whom `base` is demanded anyway.
    pub(crate) fn impossible(&self, base: &Demanded) -> Option<&str> {
        self.step_up
            .iter()
            .find(|(_, demanded)| base.and(demanded).is_impossible())
            .map(|(tool, _)| tool.as_str())
    }

    /// Says that `tool` needs nothing more.
    pub(crate) fn open(&mut self, tool: String) {
        self.open.insert(tool);
    }

    /// A tool that is said to need nothing more, and something.
    pub(crate) fn contradiction(&self) -> Option<&str> {
        let needs_more = |tool: &&String| self.named.contains_key(*tool) || self.step_up.contains_key(*tool);
        self.open.iter().find(needs_more).map(String::as_str)
    }

    /// Adds `scope` to what all tools need that are not named.
    pub(crate) fn others_need(&mut self, scope: &Scope) {
        self.others = self.others.union(scope);
    }

    /// What the message, or the batch of messages, in `body` needs: all that any of the tools needs that it calls.
    ///
    /// # Errors
    ///
    /// [`Unreadable`]: nobody can say.
    pub(crate) fn needed_by(&self, body: &[u8]) -> Result<Needs, Unreadable> {
        let text = str::from_utf8(body).map_err(|_| Unreadable::Json)?;
        let mut needed = Needed { tools: self, needs: Needs::default(), is_call: false };
        let mut json = serde_json::Deserializer::from_str(text);
        let read = Body(&mut needed).deserialize(&mut json).and_then(|()| json.end());
        match read.map_err(|fault| fault.classify()) {
            Ok(()) => Ok(needed.needs),
            Err(Category::Data) if needed.is_call => Err(Unreadable::Call),
            Err(Category::Data) => Err(Unreadable::Message),
            Err(Category::Syntax | Category::Eof | Category::Io) => Err(Unreadable::Json),
        }
    }

    /// `None` if it is nothing.
    fn of(&self, tool: &str) -> Option<&Scope> {
        self.named.get(tool).or_else(|| (!self.open.contains(tool)).then_some(&self.others))
    }
}

/// What the messages need that were read so far.
struct Needed<'t> {
    tools: &'t Tools,
    needs: Needs,
    /// Whether the last one was a `tools/call`.
    is_call: bool,
}

impl Needed<'_> {
    /// Takes note of a whole message.
    fn add<E: de::Error>(&mut self, method: Option<Seen<'_>>, params: Seen<'_>) -> Result<(), E> {
        match method {
            None => return Ok(()),
            Some(Seen::Text(method)) if method == "tools/call" => self.is_call = true,
            Some(Seen::Text(_)) => return Ok(()),
            Some(Seen::Object(_) | Seen::Other) => return Err(E::custom("a method is a text")),
        }
        let Seen::Object(Name::One(tool)) = params else {
            return Err(E::custom("tools/call has one name"));
        };
        self.is_call = false;
        if let Some(scope) = self.tools.of(&tool)
            && !scope.is_subset_of(&self.needs.scope)
        {
            self.needs.scope = self.needs.scope.union(scope);
        }
        if let Some(demanded) = self.tools.step_up.get(&*tool) {
            self.needs.step_up = self.needs.step_up.and(demanded);
        }
        Ok(())
    }
}

/// One message, or a list of them.
struct Body<'n, 't>(&'n mut Needed<'t>);

/// One message.
struct Message<'n, 't>(&'n mut Needed<'t>);

impl<'de> DeserializeSeed<'de> for Body<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Body<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON-RPC message, or a list of them")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<(), A::Error> {
        Message(self.0).visit_map(members)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut messages: A) -> Result<(), A::Error> {
        while messages.next_element_seed(Message(self.0))?.is_some() {}
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Message<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Message<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON-RPC message")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let (mut method, mut params, mut is_answer) = (None, None, false);
        while let Some(key) = members.next_key()? {
            let decides = match key {
                Key::Method => &mut method,
                Key::Params => &mut params,
                Key::Odd => return Err(de::Error::custom("a member is in other letters")),
                Key::Name | Key::Answer | Key::Other => {
                    is_answer |= matches!(key, Key::Answer);
                    members.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            if decides.replace(members.next_value()?).is_some() {
                return Err(de::Error::custom("a member comes twice"));
            }
        }
        if method.is_none() && !is_answer {
            return Err(de::Error::custom("neither a request nor an answer"));
        }
        self.0.add(method, params.unwrap_or(Seen::Other))
    }
}

/// The name of a member.
#[derive(Clone, Copy)]
enum Key {
    Method,
    Params,
    Name,
    /// What an answer has instead of a method.
    Answer,
    /// One of the first three for parsers that do not tell capitals apart, as Go's.
    Odd,
    Other,
}

impl Key {
    fn of(text: &str) -> Self {
        match text {
            "method" => Self::Method,
            "params" => Self::Params,
            "name" => Self::Name,
            "result" | "error" => Self::Answer,
            // Longer than each of them in any letters.
            long if long.len() > 24 => Self::Other,
            // By way of the capitals, for `ſ` is an `s` to some.
            other => match other.to_uppercase().to_lowercase().as_str() {
                "method" | "params" | "name" => Self::Odd,
                _ => Self::Other,
            },
        }
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Reads;

        impl Visitor<'_> for Reads {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a member")
            }

            /// `serde_json` takes what stands behind such a name for something else, some of it for JSON in a text: which of it depends
            /// on features that anything in the program may turn on.
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Key, E> {
                if text.starts_with("$serde_json::private") {
                    return Err(E::custom("a parser keeps this name for itself"));
                }
                Ok(Key::of(text))
            }
        }

        json.deserialize_identifier(Reads)
    }
}

/// What a value is, as far as it decides. It is read with as little depth as `serde_json` allows; what decides nothing is skipped.
enum Seen<'de> {
    Text(Cow<'de, str>),
    Object(Name<'de>),
    Other,
}

/// The `name` that an object has.
enum Name<'de> {
    None,
    One(Cow<'de, str>),
    /// It is no text, or comes more than once.
    Unclear,
}

impl<'de> Deserialize<'de> for Seen<'de> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Looks;

        impl<'de> Visitor<'de> for Looks {
            type Value = Seen<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Seen<'de>, E> {
                Ok(Seen::Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Seen<'de>, E> {
                Ok(Seen::Text(Cow::Owned(text.to_owned())))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Seen<'de>, A::Error> {
                let mut name = Name::None;
                while let Some(key) = members.next_key()? {
                    name = match (key, name) {
                        (Key::Name, Name::None) => match members.next_value()? {
                            Seen::Text(text) => Name::One(text),
                            Seen::Object(_) | Seen::Other => Name::Unclear,
                        },
                        (Key::Name | Key::Odd, _) => {
                            members.next_value::<IgnoredAny>()?;
                            Name::Unclear
                        }
                        (Key::Method | Key::Params | Key::Answer | Key::Other, name) => {
                            members.next_value::<IgnoredAny>()?;
                            name
                        }
                    };
                }
                Ok(Seen::Object(name))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Seen<'de>, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Seen::Other)
            }

            fn visit_unit<E: de::Error>(self) -> Result<Seen<'de>, E> {
                Ok(Seen::Other)
            }

            fn visit_bool<E: de::Error>(self, _: bool) -> Result<Seen<'de>, E> {
                Ok(Seen::Other)
            }

            fn visit_u64<E: de::Error>(self, _: u64) -> Result<Seen<'de>, E> {
                Ok(Seen::Other)
            }

            fn visit_i64<E: de::Error>(self, _: i64) -> Result<Seen<'de>, E> {
                Ok(Seen::Other)
            }

            fn visit_f64<E: de::Error>(self, _: f64) -> Result<Seen<'de>, E> {
                Ok(Seen::Other)
            }
        }

        json.deserialize_any(Looks)
    }
}

#[cfg(test)]
mod tests;
