//! Which resource a request means (RFC 8707).

use oauth_types::Resource;
use store::{Client, OriginEntry, ServerId};

use crate::Refusal;
use crate::seam::Wanted;

/// What an authorization request's `resource` parameters mean.
///
/// # Errors
///
/// One grant, one resource: two different ones, or a text that is no resource identifier, is `invalid_target`.
pub fn wanted(resource: &[String], client: &Client) -> Result<Wanted, Refusal> {
    let Some((first, more)) = resource.split_first() else {
        return Ok(client.server.map_or(Wanted::TheOnly, Wanted::Registered));
    };
    if more.iter().any(|other| other != first) {
        return Err(Refusal::TargetMalformed);
    }
    Resource::parse(first).map(Wanted::Named).map_err(|_| Refusal::TargetMalformed)
}

/// Which of an origin's servers a resource identifier names.
///
/// The identifier as registered; else the same with another letter case in scheme and host, a default port, or a final
/// slash; else, if it names the origin alone, the only server that lives there. What is printed is what was registered.
#[must_use]
pub fn among(named: &Resource, entries: &[OriginEntry]) -> Option<ServerId> {
    let exact = entries.iter().find(|entry| entry.resource == *named);
    let alias = || only(entries.iter().filter(|entry| entry.resource.names_same(named)));
    let origin = || if named.is_origin() { only(entries.iter()) } else { None };
    exact.or_else(alias).or_else(origin).map(|entry| entry.server)
}

fn only<T>(mut items: impl Iterator<Item = T>) -> Option<T> {
    let first = items.next()?;
    items.next().is_none().then_some(first)
}
