//! Every route of the administration, once: what is found by a request is what the OpenAPI document says.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use store::AdminAccess;

mod table;

pub(super) use self::table::ROUTES;

/// A route.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    /// What it does.
    pub(super) operation: Operation,
    /// The method; `GET` answers `HEAD` as well.
    pub(super) method: &'static str,
    /// The path, with names in place of ids.
    pub(super) path: &'static str,
    /// Which keys may use it.
    pub(super) access: AdminAccess,
    /// What it does, in a sentence.
    pub(super) says: &'static str,
    /// What its query may have.
    pub(super) query: &'static [Parameter],
    /// What its body is.
    pub(super) body: Option<SchemaOf>,
    /// The status of success.
    pub(super) status: u16,
    /// The statuses of [`Problem`](super::problem::Problem) that are only this route's, beside those of all like it.
    pub(super) refused: &'static [u16],
    /// What it answers.
    pub(super) answer: Option<SchemaOf>,
}

/// The schema of a type, which is the type that the route reads or writes.
pub(super) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// A parameter of a query.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameter {
    /// Its name.
    pub(super) name: &'static str,
    /// What it means.
    pub(super) says: &'static str,
}

/// What can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// Makes something, once for each `Idempotency-Key`.
    Create(Creation),
    ListServers,
    ShowServer,
    ChangeServer,
    RotateServerKey,
    DeleteServer,
    ListClients,
    ShowClient,
    ChangeClient,
    RotateClientSecret,
    DeleteClient,
    ListGrants,
    ShowGrant,
    RevokeGrant,
    RevokeGrants,
    ListConsents,
    WithdrawConsent,
    ListUsers,
    ShowUser,
    ChangeUser,
    EndUser,
    ResetFactors,
    DeleteUser,
    ListInvitations,
    WithdrawInvitation,
    ListKeys,
    EndKey,
    ListEvents,
    Describe,
}

/// What can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Creation {
    Server,
    Client,
    User,
    Invitation,
    Key,
}

/// What a method and a path name.
#[derive(Debug)]
pub(super) enum Matched {
    /// A route, and the id in its path, if it has one.
    Route(&'static Route, String),
    /// A path that takes these methods.
    Methods(String),
    /// Nothing.
    Nothing,
}

/// Every route: its method and its path, with names in place of ids.
#[cfg(test)]
pub(crate) fn names() -> impl Iterator<Item = String> {
    ROUTES.iter().map(|route| format!("{} {}", route.method, route.path))
}

/// Which of [`names`] a request is for, if its query is one of that route.
#[cfg(test)]
pub(crate) fn named(method: &str, target: &str) -> Option<String> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let Matched::Route(route, _) = Route::named(method, &parts) else { return None };
    super::query::Query::parse(query, route).ok()?;
    Some(format!("{} {}", route.method, route.path))
}

impl Route {
    /// The route that a method and the parts of a path name.
    pub(super) fn named(method: &str, parts: &[&str]) -> Matched {
        let method = if method == "HEAD" { "GET" } else { method };
        let mut methods = Vec::new();
        for route in &ROUTES {
            match route.id_in(parts) {
                Some(id) if route.method == method => return Matched::Route(route, id),
                Some(_) => methods.push(route.method),
                None => {}
            }
        }
        methods.sort_unstable();
        if methods.is_empty() { Matched::Nothing } else { Matched::Methods(methods.join(", ")) }
    }

    /// The id in a path of this route, empty if the route has none; nothing of another path.
    fn id_in(&self, parts: &[&str]) -> Option<String> {
        let own = self.path.split('/').skip(1);
        if own.clone().count() != parts.len() {
            return None;
        }
        let mut id = String::new();
        for (own, part) in own.zip(parts) {
            match own.starts_with('{') {
                true if part.is_empty() => return None,
                true => id = super::query::decoded(part)?,
                false if own == *part => {}
                false => return None,
            }
        }
        Some(id)
    }

    /// The name of the id in the path.
    pub(super) fn id_name(&self) -> Option<&'static str> {
        self.path.split('/').find_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    }

    /// Whether it is about one thing of those that are made at a path.
    pub(super) fn id_below(&self, made_at: &str) -> bool {
        self.path.strip_prefix(made_at).is_some_and(|rest| rest.starts_with("/{"))
    }

    const fn query(self, query: &'static [Parameter]) -> Self {
        Self { query, ..self }
    }

    const fn refuses(self, refused: &'static [u16]) -> Self {
        Self { refused, ..self }
    }

    const fn takes<T: JsonSchema>(self) -> Self {
        Self { body: Some(schema::<T>), ..self }
    }

    const fn answers<T: JsonSchema>(self) -> Self {
        let status = if self.status == 204 { 200 } else { self.status };
        Self { answer: Some(schema::<T>), status, ..self }
    }
}

fn schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

const fn read(operation: Operation, path: &'static str, says: &'static str) -> Route {
    let access = AdminAccess::Read;
    Route {
        operation,
        method: "GET",
        path,
        access,
        says,
        query: &[],
        body: None,
        status: 200,
        answer: None,
        refused: &[],
    }
}

const fn write(operation: Operation, method: &'static str, path: &'static str, says: &'static str) -> Route {
    let access = AdminAccess::Write;
    Route {
        operation,
        method,
        path,
        access,
        says,
        query: &[],
        body: None,
        status: 204,
        answer: None,
        refused: &[],
    }
}

const fn made(creation: Creation, path: &'static str, says: &'static str) -> Route {
    let (operation, access) = (Operation::Create(creation), AdminAccess::Write);
    Route {
        operation,
        method: "POST",
        path,
        access,
        says,
        query: &[],
        body: None,
        status: 201,
        answer: None,
        refused: &[],
    }
}
