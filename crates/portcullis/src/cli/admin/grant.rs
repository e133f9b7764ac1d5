//! `portcullis grant` and `portcullis consent`

use clap::Subcommand;
use http::Method;

use super::ask::{Ask, Column, List, Shape, part};
use super::{AdminError, Asks};

/// Commands about grants: who has let which client act where.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum GrantCommand {
    /// List grants
    List {
        #[command(flatten)]
        whose: Whose,
        /// Only those whose client has access now
        #[arg(long)]
        connected: bool,
        /// The most of them [default: all]
        #[arg(long, value_name = "NUMBER")]
        limit: Option<usize>,
    },
    /// Show a grant
    Show {
        /// Its id
        id: String,
    },
    /// End a grant, or all of a user, a client or a server, and forget the consents with them: tokens stop working at once
    #[command(arg_required_else_help = true)]
    Revoke {
        /// Its id
        #[arg(conflicts_with_all = ["user", "client", "server"], required_unless_present_any = ["user", "client", "server"])]
        id: Option<String>,
        #[command(flatten)]
        whose: Whose,
    },
}

/// Commands about what users have agreed to and are not asked again.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ConsentCommand {
    /// List what a user has agreed to
    List {
        /// The user's id
        #[arg(long, value_name = "ID")]
        user: String,
        /// The most of them [default: all]
        #[arg(long, value_name = "NUMBER")]
        limit: Option<usize>,
    },
    /// Forget a consent: the client asks again; its grants go on
    Withdraw {
        /// The user's id
        #[arg(long, value_name = "ID")]
        user: String,
        /// The client's id
        #[arg(long, value_name = "ID")]
        client: String,
        /// The server's id
        #[arg(long, value_name = "ID")]
        server: String,
    },
}

/// Whose grants.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Whose {
    /// Of the user with this id
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// Of the client with this id
    #[arg(long, value_name = "ID")]
    client: Option<String>,
    /// At the server with this id
    #[arg(long, value_name = "ID")]
    server: Option<String>,
}

const GRANTS: List = List { member: "grants", paged: true, columns: COLUMNS };

const COLUMNS: &[Column] = &[
    ("grant", &["grant_id"]),
    ("state", &["state", "why"]),
    ("client", &["client_name", "client_id"]),
    ("user", &["user_id"]),
    ("resource", &["resource_url"]),
    ("scopes", &["scopes"]),
    ("last used", &["last_used_at"]),
];

const REVOKED: &[Column] = &[("ended", &["revoked"])];

const CONSENTS: List = List { member: "consents", paged: true, columns: CONSENT };

const CONSENT: &[Column] = &[
    ("client", &["client_id"]),
    ("server", &["server_id"]),
    ("agreed", &["agreed"]),
    ("since", &["given_at"]),
];

impl Whose {
    fn of(self, ask: Ask) -> Ask {
        ask.by("user", self.user).by("client", self.client).by("server", self.server)
    }
}

impl Asks for GrantCommand {
    fn ask(self) -> Result<Ask, AdminError> {
        let path = |id: &str| format!("/api/grants/{}", part(id));
        Ok(match self {
            Self::List { whose, connected, limit } => {
                let list = whose.of(Ask::list("/api/grants", &GRANTS)).at_most(limit);
                list.by("state", connected.then_some("connected"))
            }
            Self::Show { id } => Ask::get(path(&id), Shape::One(COLUMNS)),
            Self::Revoke { id: Some(id), .. } => {
                Ask::delete(path(&id), format!("End the grant {id}?"), "The grant has ended.")
            }
            Self::Revoke { id: None, whose } => {
                let many = Ask::new(Method::DELETE, "/api/grants", Shape::One(REVOKED));
                let of = [("user", &whose.user), ("client", &whose.client), ("server", &whose.server)];
                let of = of.map(|(kind, id)| id.as_ref().map(|id| format!("{kind} {id}")));
                let question =
                    format!("End all grants of {}?", of.into_iter().flatten().collect::<Vec<_>>().join(", "));
                whose.of(many).asking(question)
            }
        })
    }
}

impl Asks for ConsentCommand {
    fn ask(self) -> Result<Ask, AdminError> {
        Ok(match self {
            Self::List { user, limit } => {
                Ask::list("/api/consents", &CONSENTS).by("user", Some(user)).at_most(limit)
            }
            Self::Withdraw { user, client, server } => {
                let question = format!("Forget what {user} has agreed to for the client {client}?");
                let ask = Ask::delete("/api/consents", question, "The consent is forgotten.");
                ask.by("user", Some(user)).by("client", Some(client)).by("server", Some(server))
            }
        })
    }
}
