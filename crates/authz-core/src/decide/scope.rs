//! Which of the requested scopes a grant can have (RFC 6749 section 3.3).

use oauth_types::Scope;
use store::{ScopeEntry, Server};

use crate::Refusal;

/// What a request asked for, sorted out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sorted {
    /// What exists at the resource, or is the server's own.
    pub here: Scope,
    /// What does not: it must exist at some other resource, or the request is refused.
    pub elsewhere: Scope,
}

/// Sorts the requested scopes by where they exist.
#[must_use]
pub fn sort(asked: &Scope, own: &Scope, server: &Server) -> Sorted {
    let accepted = own.union(&catalogue(server));
    Sorted { here: asked.intersection(&accepted), elsewhere: asked.difference(&accepted) }
}

/// The scope that the person is asked for.
///
/// A scope that only another resource has is dropped, and the answer says so; one that nobody has is an error. A request
/// that names none of the resource's gets its defaults: those marked as such, or all where none is marked.
///
/// # Errors
///
/// [`Refusal::ScopeUnknown`].
pub fn resolve(sorted: &Sorted, known_elsewhere: &Scope, server: &Server) -> Result<Scope, Refusal> {
    if !sorted.elsewhere.is_subset_of(known_elsewhere) {
        return Err(Refusal::ScopeUnknown);
    }
    let catalogue = catalogue(server);
    if !sorted.here.intersection(&catalogue).is_empty() {
        return Ok(sorted.here.clone());
    }
    let marked = server.scopes.iter().filter(|scope| scope.default).map(|scope| scope.name.as_str());
    let marked = Scope::from_tokens(marked).unwrap_or_default();
    let defaults = if marked.is_empty() { catalogue } else { marked };
    Ok(sorted.here.union(&defaults))
}

/// What a token may do at its resource: its scope and all that this implies, however deep.
#[must_use]
pub fn with_implied(scope: &Scope, server: &Server) -> Scope {
    reached(scope, &server.scopes)
}

/// As [`with_implied`], at a resource that has these scopes.
#[must_use]
pub fn reached(scope: &Scope, known: &[ScopeEntry]) -> Scope {
    let mut reached = scope.clone();
    // Each round adds a scope of the catalogue or is the last.
    for _ in 0..known.len() {
        let held = known.iter().filter(|entry| reached.contains(&entry.name));
        let wider = held.fold(reached.clone(), |wider, entry| {
            if entry.implies.is_empty() { wider } else { wider.union(&entry.implies) }
        });
        if wider == reached {
            break;
        }
        reached = wider;
    }
    reached
}

/// What is allowed when `kept` is left of `asked`: that, and what was asked for besides and is implied by it.
#[must_use]
pub fn allowed(asked: &Scope, kept: &Scope, server: &Server) -> Scope {
    kept.union(&asked.intersection(&with_implied(kept, server)))
}

/// What is left of `scope` when `taken` is taken away: without it, and without what implies any of it, or it would be back.
#[must_use]
pub fn without(scope: &Scope, taken: &Scope, server: &Server) -> Scope {
    let reaches = |token: &str| {
        let reached = Scope::from_tokens([token]).map(|scope| with_implied(&scope, server));
        !reached.unwrap_or_default().intersection(taken).is_empty()
    };
    Scope::from_tokens(scope.iter().filter(|token| !reaches(token))).unwrap_or_default()
}

/// A scope that may be left out, and the one that cannot be and implies it: a server must not have such, for whoever left the first out would
/// have it by the second.
#[must_use]
pub fn contradiction(known: &[ScopeEntry]) -> Option<(&str, &str)> {
    let firm = known.iter().filter(|entry| !entry.optional && !entry.implies.is_empty());
    firm.filter_map(|entry| {
        let reached = reached(&Scope::from_tokens([entry.name.as_str()]).unwrap_or_default(), known);
        let optional = known.iter().find(|other| other.optional && reached.contains(&other.name))?;
        Some((optional.name.as_str(), entry.name.as_str()))
    })
    .next()
}

fn catalogue(server: &Server) -> Scope {
    Scope::from_tokens(server.scope_names()).unwrap_or_default()
}
