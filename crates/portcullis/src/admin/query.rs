//! The query of a request, by the table of routes: what a route does not know is refused.

use percent_encoding::percent_decode_str;

use super::bounds::{PAGE, PARAMETER};
use super::problem::{Invalid, Problem, Rule};
use super::routes::{Parameter, Route};

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
                Some(_) => return Err(Invalid::Parameter { name, rule: Rule::Once }),
                None => {
                    return Err(Invalid::Parameter { name, rule: Rule::Text });
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
        rule: Rule,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, Problem> {
        self.found(name, rule, |value| read(value).ok())
    }

    /// A parameter that stands for what `find` finds.
    pub(super) fn found<T>(
        &self,
        name: &'static str,
        rule: Rule,
        find: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let Some(value) = self.one(name) else { return Ok(None) };
        find(value).map(Some).ok_or_else(|| Invalid::Parameter { name, rule }.into())
    }

    /// How many items are asked for.
    pub(super) fn limit(&self) -> Result<u32, Problem> {
        let in_bounds = |text: &str| text.parse().ok().filter(|limit| (1..=PAGE).contains(limit));
        let limit = self.found("limit", Rule::Limit, in_bounds)?;
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
    (text.len() <= PARAMETER && !text.contains(char::is_control)).then(|| text.into_owned())
}

/// A text as a part of a path or a query.
pub(super) fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
