//! The table.

use super::Operation as Op;
use super::{Creation, Parameter, Route, made, read, write};
use crate::admin::asked::RotationAsked;
use crate::admin::asked::{
    ClientAsked, ClientChangeAsked, InvitationAsked, KeyAsked, ServerChangeAsked, UserAsked, UserChangeAsked,
};
use crate::admin::lists::{Clients, Consents, Events, Grants, Invitations, Keys, Servers, Users};
use crate::admin::made::{
    MadeClient, MadeInvitation, MadeKey, MadeServer, MadeUser, Revoked, Rotated, RotatedSecret,
};
use crate::admin::registration::ServerAsked;
use crate::admin::shown::{ShownClient, ShownGrant, ShownServer, ShownUser};

const CURSOR: Parameter =
    Parameter { name: "cursor", says: "Where the page begins: `next` of the page before." };
const LIMIT: Parameter =
    Parameter { name: "limit", says: "The most items of the page, 1 to 100; 100 by default." };
const TEXT: Parameter = Parameter {
    name: "q",
    says: "Only those with this in their id, name, address or URL; capital letters or not.",
};
const STATUS: Parameter =
    Parameter { name: "status", says: "Only those that may act (`active`), or may not (`blocked`)." };
const VOUCHED: Parameter = Parameter {
    name: "vouched",
    says: "`true`: only those that an administrator vouches for. `false`: only the others.",
};
const USER: Parameter = Parameter { name: "user", says: "Only what is this user's." };
const CLIENT: Parameter = Parameter { name: "client", says: "Only what is this client's." };
const SERVER: Parameter = Parameter { name: "server", says: "Only what is at this server." };
const STATE: Parameter =
    Parameter { name: "state", says: "`connected`: only grants whose client has access now." };
const EMAIL: Parameter = Parameter { name: "email", says: "Only the user with this address." };
const NAME: Parameter = Parameter { name: "name", says: "Only events of this name." };
const ACTOR: Parameter = Parameter {
    name: "actor",
    says: "Only what this actor did: `person:` and a user_id, `administrator:` and the name of a key, or `operator`.",
};
const OUTCOME: Parameter =
    Parameter { name: "outcome", says: "Only what went so: `done`, `refused` or `failed`." };
const FROM: Parameter = Parameter { name: "from", says: "Only what came from this IP address." };
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

/// The table.
pub(in crate::admin) static ROUTES: [Route; 33] = [
    made(Creation::Server, "/api/servers", "Registers an MCP server. The answer has its key, once.")
        .takes::<ServerAsked>()
        .answers::<MadeServer>(),
    read(Op::ListServers, "/api/servers", "Lists the servers.")
        .query(&[TEXT, STATUS, CURSOR, LIMIT])
        .answers::<Servers>(),
    read(Op::ShowServer, "/api/servers/{server}", "Shows a server.").answers::<ShownServer>(),
    write(
        Op::ChangeServer,
        "PATCH",
        "/api/servers/{server}",
        "Changes the members that are there, or blocks a server.",
    )
    .takes::<ServerChangeAsked>()
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
        .query(&[TEXT, STATUS, VOUCHED, CURSOR, LIMIT])
        .answers::<Clients>(),
    read(Op::ShowClient, "/api/clients/{client}", "Shows a registered client.").answers::<ShownClient>(),
    write(
        Op::ChangeClient,
        "PATCH",
        "/api/clients/{client}",
        "Vouches for a client, answers for it, or blocks it; in this order, each in a write of its own.",
    )
    .takes::<ClientChangeAsked>()
    .answers::<ShownClient>()
    .refuses(&[409]),
    write(
        Op::RotateClientSecret,
        "POST",
        "/api/clients/{client}/secret",
        "Gives a client a new secret. Those before are taken for a time of grace; its tokens stay.",
    )
    .takes::<RotationAsked>()
    .answers::<RotatedSecret>()
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
    made(Creation::User, "/api/users", "Makes an account.").takes::<UserAsked>().answers::<MadeUser>(),
    read(Op::ListUsers, "/api/users", "Lists the users.").query(&[TEXT, STATUS, EMAIL, CURSOR, LIMIT]).answers::<Users>(),
    read(Op::ShowUser, "/api/users/{user}", "Shows a user.").answers::<ShownUser>(),
    write(Op::ChangeUser, "PATCH", "/api/users/{user}", "Disables a user, or enables one again.")
        .takes::<UserChangeAsked>()
        .answers::<ShownUser>(),
    write(Op::EndUser, "POST", "/api/users/{user}/end", "Ends all sessions and grants of a user."),
    write(
        Op::ResetFactors,
        "DELETE",
        "/api/users/{user}/factors",
        "Takes every second factor from a user and ends their sessions: their password alone opens their account then.",
    )
    .refuses(&[409]),
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
    .answers::<MadeInvitation>().refuses(&[409]),
    read(Op::ListInvitations, "/api/invitations", "Lists the invitations that may still be taken.")
        .query(&[CURSOR, LIMIT])
        .answers::<Invitations>()
        .refuses(&[409]),
    write(
        Op::WithdrawInvitation,
        "DELETE",
        "/api/invitations/{invitation}",
        "Takes an invitation back: nobody makes an account by it any more.",
    )
    .refuses(&[409]),
    made(Creation::Key, "/api/keys", "Makes a key of the administration. The answer has it, once.")
        .takes::<KeyAsked>()
        .answers::<MadeKey>(),
    read(Op::ListKeys, "/api/keys", "Lists the keys of the administration.").answers::<Keys>(),
    write(Op::EndKey, "DELETE", "/api/keys/{key}", "Withdraws a key of the administration.").refuses(&[409]),
    read(Op::ListEvents, "/api/events", "Lists what happened, the newest first.")
        .query(&[
            NAME,
            ACTOR,
            OUTCOME,
            FROM,
            USER,
            CLIENT,
            GRANT,
            SERVER,
            SINCE,
            UNTIL,
            WRITTEN_SINCE,
            CURSOR,
            LIMIT,
        ])
        .answers::<Events>(),
    read(Op::Describe, "/api/openapi.json", "This document."),
];
