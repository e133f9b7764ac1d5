//! The query of a request, by the table of routes: what a route does not know is refused.

use percent_encoding::percent_decode_str;

use super::problem::{Invalid, Problem};
use super::routes::{Parameter, Route};

/// The most items of one page of a list, and how many there are if nobody says.
pub(super) const PAGE: u32 = 100;
/// The longest value, in bytes: a client may be named by a URL.
const LONGEST: usize = 2_048;

/// The parameters of a query, each at most once.
#[derive(Debug, Default)]
pub(super) struct Query(Vec<(&'static str, String)>);

impl Query {
    pub(super) fn parse(text: &str, route: &Route) -> Result<Self, Invalid> {
        let mut read = Self::default();
        for part in text.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let known = route.query.iter().find(|parameter| parameter.name == name);
            let Parameter { name, .. } = known.ok_or(Invalid::UnknownParameter(route.query))?;
            let value = decoded(&value.replace('+', " ")).filter(|value| !value.is_empty());
            match value {
                Some(value) if read.one(name).is_none() => read.0.push((name, value)),
                Some(_) => return Err(Invalid::Parameter { name, rule: "may be there once" }),
                None => {
                    return Err(Invalid::Parameter { name, rule: "must be a text of at most 2048 bytes" });
                }
            }
        }
        Ok(read)
    }

    pub(super) fn one(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// A parameter that `read` understands.
    pub(super) fn read<T, E>(
        &self,
        name: &'static str,
        rule: &'static str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, Problem> {
        let value = self.one(name).map(read).transpose();
        value.map_err(|_| Invalid::Parameter { name, rule }.into())
    }

    /// How many items are asked for.
    pub(super) fn limit(&self) -> Result<u32, Problem> {
        let limit =
            self.read("limit", "must be a number from 1 to 100", |text| match text.parse::<u32>() {
                Ok(limit) if (1..=PAGE).contains(&limit) => Ok(limit),
                Ok(_) | Err(_) => Err(()),
            })?;
        Ok(limit.unwrap_or(PAGE))
    }

    /// The same query for another page.
    pub(super) fn at(&self, cursor: &str) -> String {
        let kept = self.0.iter().filter(|(name, _)| *name != "cursor");
        let kept = kept.map(|(name, value)| (*name, value.as_str()));
        kept.chain([("cursor", cursor)])
            .map(|(name, value)| format!("{name}={}", encoded(value)))
            .collect::<Vec<_>>()
            .join("&")
    }
}

/// A part of a path or a query as it was meant; nothing if it is not UTF-8, is too long, or has a control character.
pub(super) fn decoded(text: &str) -> Option<String> {
    let text = percent_decode_str(text).decode_utf8().ok()?;
    (text.len() <= LONGEST && !text.contains(char::is_control)).then(|| text.into_owned())
}

/// A text as a part of a path or a query.
pub(super) fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
