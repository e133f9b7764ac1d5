//! Every route of the administration, once: what is found by a request is what the OpenAPI document says.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use store::AdminAccess;

use super::asked::RotationAsked;
use super::asked::{
    ClientAsked, ClientChange, InvitationAsked, KeyAsked, ServerChanged, UserAsked, UserChange,
};
use super::lists::{Clients, Consents, Events, Grants, Keys, Servers, Users};
use super::registration::Asked;
use super::shown::{
    MadeClient, MadeInvitation, MadeKey, MadeServer, Revoked, Rotated, ShownClient, ShownGrant, ShownServer,
    ShownUser,
};

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
    DeleteUser,
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
pub(super) enum Named {
    /// A route, and the id in its path, if it has one.
    Route(&'static Route, String),
    /// A path that takes these methods.
    Methods(String),
    /// Nothing.
    Nothing,
}

const CURSOR: Parameter =
    Parameter { name: "cursor", says: "Where the page begins: `next` of the page before." };
const LIMIT: Parameter =
    Parameter { name: "limit", says: "The most items of the page, 1 to 100; 100 by default." };
const AFTER: Parameter = Parameter { name: "after", says: "The older name of `cursor`." };
const USER: Parameter = Parameter { name: "user", says: "Only what is this user's." };
const CLIENT: Parameter = Parameter { name: "client", says: "Only what is this client's." };
const SERVER: Parameter = Parameter { name: "server", says: "Only what is at this server." };
const STATE: Parameter =
    Parameter { name: "state", says: "`connected`: only grants whose client has access now." };
const EMAIL: Parameter = Parameter { name: "email", says: "Only the user with this address." };
const NAME: Parameter = Parameter { name: "name", says: "Only events of this name." };
const GRANT: Parameter = Parameter { name: "grant", says: "Only events about this grant." };
const SINCE: Parameter = Parameter { name: "since", says: "Not before this time, in seconds since 1970." };
const WRITTEN_SINCE: Parameter = Parameter {
    name: "written_since",
    says: "Only what was written to the trail at this time or later, in seconds since 1970.",
};
const UNTIL: Parameter = Parameter {
    name: "until",
    says: "Not after this time, in seconds since 1970. What was written more than an hour late is found without it.",
};

use Operation as Op;

/// The table.
pub(super) static ROUTES: [Route; 29] = [
    made(Creation::Server, "/api/servers", "Registers an MCP server. The answer has its key, once.")
        .takes::<Asked>()
        .answers::<MadeServer>(),
    read(Op::ListServers, "/api/servers", "Lists the servers.")
        .query(&[CURSOR, LIMIT, AFTER])
        .answers::<Servers>(),
    read(Op::ShowServer, "/api/servers/{server}", "Shows a server.").answers::<ShownServer>(),
    write(
        Op::ChangeServer,
        "PATCH",
        "/api/servers/{server}",
        "Changes the members that are there, or blocks a server.",
    )
    .takes::<ServerChanged>()
    .answers::<ShownServer>(),
    write(
        Op::DeleteServer,
        "DELETE",
        "/api/servers/{server}",
        "Deletes a server. Its key and all tokens for it stop working at once.",
    ),
    write(
        Op::RotateServerKey,
        "POST",
        "/api/servers/{server}/key",
        "Gives a server a new key. Those before are taken for a time of grace.",
    )
    .takes::<RotationAsked>()
    .answers::<Rotated>(),
    made(
        Creation::Client,
        "/api/clients",
        "Registers a client. The answer has its secret, once, if it is to have one.",
    )
    .takes::<ClientAsked>()
    .answers::<MadeClient>(),
    read(Op::ListClients, "/api/clients", "Lists the registered clients.")
        .query(&[CURSOR, LIMIT])
        .answers::<Clients>(),
    read(Op::ShowClient, "/api/clients/{client}", "Shows a registered client.").answers::<ShownClient>(),
    write(
        Op::ChangeClient,
        "PATCH",
        "/api/clients/{client}",
        "Vouches for a client, answers for it, or blocks it; in this order, each in a write of its own.",
    )
    .takes::<ClientChange>()
    .answers::<ShownClient>()
    .refuses(&[409]),
    write(
        Op::DeleteClient,
        "DELETE",
        "/api/clients/{client}",
        "Deletes a client. All its tokens stop working at once.",
    ),
    read(Op::ListGrants, "/api/grants", "Lists grants: who has let which client act where.")
        .query(&[USER, CLIENT, SERVER, STATE, CURSOR, LIMIT])
        .answers::<Grants>(),
    write(
        Op::RevokeGrants,
        "DELETE",
        "/api/grants",
        "Ends all grants of a user, a client or a server, and forgets the consents with them.",
    )
    .query(&[USER, CLIENT, SERVER])
    .answers::<Revoked>(),
    read(Op::ShowGrant, "/api/grants/{grant}", "Shows a grant.").answers::<ShownGrant>(),
    write(
        Op::RevokeGrant,
        "DELETE",
        "/api/grants/{grant}",
        "Ends a grant: its tokens stop working at once, and its client asks again.",
    ),
    read(Op::ListConsents, "/api/consents", "Lists what a user has agreed to and is not asked again.")
        .query(&[USER, CURSOR, LIMIT])
        .answers::<Consents>(),
    write(
        Op::WithdrawConsent,
        "DELETE",
        "/api/consents",
        "Forgets a consent: the client asks again. Its grants go on.",
    )
    .query(&[USER, CLIENT, SERVER])
    .refuses(&[404]),
    made(Creation::User, "/api/users", "Makes an account.").takes::<UserAsked>().answers::<ShownUser>(),
    read(Op::ListUsers, "/api/users", "Lists the users.").query(&[EMAIL, CURSOR, LIMIT]).answers::<Users>(),
    read(Op::ShowUser, "/api/users/{user}", "Shows a user.").answers::<ShownUser>(),
    write(Op::ChangeUser, "PATCH", "/api/users/{user}", "Disables a user, or enables one again.")
        .takes::<UserChange>()
        .answers::<ShownUser>(),
    write(Op::EndUser, "POST", "/api/users/{user}/end", "Ends all sessions and grants of a user."),
    write(
        Op::DeleteUser,
        "DELETE",
        "/api/users/{user}",
        "Deletes a user: their sessions and grants end, and their account says nothing of them any more.",
    ),
    made(
        Creation::Invitation,
        "/api/invitations",
        "Invites somebody, by a letter or by a link to hand over.",
    )
    .takes::<InvitationAsked>()
    .answers::<MadeInvitation>(),
    made(Creation::Key, "/api/keys", "Makes a key of the administration. The answer has it, once.")
        .takes::<KeyAsked>()
        .answers::<MadeKey>(),
    read(Op::ListKeys, "/api/keys", "Lists the keys of the administration.").answers::<Keys>(),
    write(Op::EndKey, "DELETE", "/api/keys/{key}", "Withdraws a key of the administration.").refuses(&[409]),
    read(Op::ListEvents, "/api/events", "Lists what happened, the newest first.")
        .query(&[NAME, USER, CLIENT, GRANT, SERVER, SINCE, UNTIL, WRITTEN_SINCE, CURSOR, LIMIT])
        .answers::<Events>(),
    read(Op::Describe, "/api/openapi.json", "This document."),
];

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
    let Named::Route(route, _) = Route::named(method, &parts) else { return None };
    super::query::Query::parse(query, route).ok()?;
    Some(format!("{} {}", route.method, route.path))
}

impl Route {
    /// The route that a method and the parts of a path name.
    pub(super) fn named(method: &str, parts: &[&str]) -> Named {
        let method = if method == "HEAD" { "GET" } else { method };
        let mut methods = Vec::new();
        for route in &ROUTES {
            match route.id_in(parts) {
                Some(id) if route.method == method => return Named::Route(route, id),
                Some(_) => methods.push(route.method),
                None => {}
            }
        }
        methods.sort_unstable();
        if methods.is_empty() { Named::Nothing } else { Named::Methods(methods.join(", ")) }
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
