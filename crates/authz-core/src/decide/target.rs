//! Which resource a request means (RFC 8707).

use oauth_types::Resource;
use store::{Client, Facts, OriginEntry, ServerId, Status};

use crate::Refusal;
use crate::seam::Wanted;

/// What an authorization request's `resource` parameters mean.
///
/// # Errors
///
/// One grant, one resource: two different ones, or a text that is no resource identifier, is `invalid_target`.
pub fn wanted(resource: &[String], client: &Client) -> Result<Wanted, Refusal> {
    let unnamed = || client.server.map_or(Wanted::TheOnly, Wanted::Registered);
    Ok(named(resource)?.map_or_else(unnamed, Wanted::Named))
}

/// The resource that `resource` parameters name, if there are any. The same one may be named twice.
///
/// # Errors
///
/// [`Refusal::TargetMalformed`] for two different ones, or a text that is no resource identifier.
pub fn named(resource: &[String]) -> Result<Option<Resource>, Refusal> {
    let mut named: Option<Resource> = None;
    for text in resource {
        let this = Resource::parse(text).map_err(|_| Refusal::TargetMalformed)?;
        if named.as_ref().is_some_and(|first| !first.names_same(&this)) {
            return Err(Refusal::TargetMalformed);
        }
        named = named.or(Some(this));
    }
    Ok(named)
}

/// Whether the resource server of a grant was removed or blocked. One that the store does not know is its consumer's own.
#[must_use]
pub fn is_gone(facts: &Facts) -> bool {
    facts.server.as_ref().is_some_and(|server| server.record.status != Status::Active)
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
