//! What a command asks of the administration, and how the answer is shown.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use bytes::Bytes;
use http::{HeaderValue, Method};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::AdminError;
use super::scopes::ScopeChange;

/// A request.
#[derive(Debug)]
pub(in crate::cli) struct Ask {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) body: Option<Body>,
    pub(super) shape: Shape,
    /// What to ask before it is done.
    pub(super) question: Option<String>,
    /// The most items of a list.
    pub(super) at_most: Option<usize>,
    /// What makes something makes it once, under this text.
    pub(super) idempotency_key: Option<String>,
    /// What is changed of the scopes that there are, which are looked up before.
    pub(super) scopes: Option<ScopeChange>,
    /// What was looked up, by its `ETag`: nothing is done if it has changed since.
    pub(super) if_match: Option<HeaderValue>,
}

/// What the answer is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// Pages of items.
    List(&'static List),
    /// An item; these members are shown first.
    One(&'static [Column]),
    /// Nothing: this is said instead.
    Done(&'static str),
    /// Events, and those that are still to come.
    Followed,
}

/// A list.
#[derive(Debug)]
pub(super) struct List {
    /// The member that holds the items.
    pub(super) member: &'static str,
    /// Whether it comes in pages.
    pub(super) paged: bool,
    /// What of each is shown.
    pub(super) columns: &'static [Column],
}

/// A column, with the members that it shows.
pub(super) type Column = (&'static str, &'static [&'static str]);

/// A body that is being written: what a file says, and what flags say over it.
#[derive(Debug, Default)]
pub(super) struct Body(Map<String, Value>);

impl Ask {
    pub(super) fn get(path: impl Into<String>, shape: Shape) -> Self {
        Self::new(Method::GET, path, shape)
    }

    pub(super) fn list(path: impl Into<String>, list: &'static List) -> Self {
        Self::get(path, Shape::List(list))
    }

    pub(super) fn new(method: Method, path: impl Into<String>, shape: Shape) -> Self {
        let path = path.into();
        Self {
            method,
            path,
            query: Vec::new(),
            body: None,
            shape,
            question: None,
            at_most: None,
            idempotency_key: None,
            scopes: None,
            if_match: None,
        }
    }

    /// Ends or deletes something, when `question` was answered.
    pub(super) fn delete(path: impl Into<String>, question: String, done: &'static str) -> Self {
        Self::new(Method::DELETE, path, Shape::Done(done)).asking(question)
    }

    pub(super) fn asking(self, question: String) -> Self {
        Self { question: Some(question), ..self }
    }

    pub(super) fn with(self, body: Body) -> Self {
        Self { body: Some(body), ..self }
    }

    pub(super) fn at_most(self, at_most: Option<usize>) -> Self {
        Self { at_most, ..self }
    }

    /// With a parameter, if there is something to say.
    pub(super) fn by(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        if let Some(value) = value {
            self.set(name, value.to_string());
        }
        self
    }

    /// Says a parameter anew.
    pub(super) fn set(&mut self, name: &'static str, value: String) {
        self.query.retain(|(known, _)| *known != name);
        self.query.push((name, value));
    }

    /// Path and query.
    pub(super) fn target(&self) -> String {
        let mut target = self.path.clone();
        for (index, (name, value)) in self.query.iter().enumerate() {
            target.push(if index == 0 { '?' } else { '&' });
            target.push_str(&format!("{name}={}", part(value)));
        }
        target
    }

    /// The bytes of the body.
    pub(super) fn bytes(&self) -> Bytes {
        self.body
            .as_ref()
            .map_or_else(Bytes::new, |body| Bytes::from(serde_json::to_vec(&body.0).unwrap_or_default()))
    }
}

impl Body {
    /// What a file says, `-` being standard input; nothing without one.
    pub(super) fn of(file: Option<&Path>) -> Result<Self, AdminError> {
        let Some(path) = file else { return Ok(Self::default()) };
        let text = read("file", path)?;
        let body = serde_json::from_str(&text);
        body.map(Self).map_err(|source| AdminError::Body { path: path.to_owned(), source })
    }

    /// With a member, if there is something to say.
    pub(super) fn set(mut self, name: &str, value: Option<impl Into<Value>>) -> Self {
        if let Some(value) = value {
            self.0.insert(name.to_owned(), value.into());
        }
        self
    }

    /// With a list, if there is anything in it.
    pub(super) fn set_all(self, name: &str, values: Vec<String>) -> Self {
        let values = (!values.is_empty()).then_some(values);
        self.set(name, values)
    }

    /// The object that is a member, to be set anew.
    pub(super) fn take(&mut self, name: &str) -> Self {
        match self.0.remove(name) {
            Some(Value::Object(members)) => Self(members),
            Some(_) | None => Self::default(),
        }
    }

    pub(super) fn into_value(self) -> Value {
        Value::Object(self.0)
    }

    /// The same, if it says anything.
    pub(super) fn saying_something(self) -> Result<Self, AdminError> {
        if self.0.is_empty() { Err(AdminError::NoChange) } else { Ok(self) }
    }
}

/// All of a file that a flag names, or of standard input.
pub(super) fn read(flag: &'static str, path: &Path) -> Result<Zeroizing<String>, AdminError> {
    let mut text = Zeroizing::new(String::new());
    let read = match path == Path::new("-") {
        true => io::stdin().read_to_string(&mut text).map(drop),
        false => fs::read_to_string(path).map(|read| *text = read),
    };
    read.map_err(|source| AdminError::File { flag, path: path.to_owned(), source })?;
    Ok(text)
}

/// An id as a part of a path: one of a client may be a URL.
pub(super) fn part(id: &str) -> String {
    utf8_percent_encode(id, NON_ALPHANUMERIC).to_string()
}
