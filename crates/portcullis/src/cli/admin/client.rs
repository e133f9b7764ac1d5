//! `portcullis client`

use std::path::PathBuf;

use clap::Subcommand;
use http::Method;

use super::ask::{Ask, Body, Column, List, Shape, part};
use super::listed::Sought;
use super::{AdminError, Asks};

/// Commands about OAuth clients.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ClientCommand {
    /// Register a client that you vouch for, and print its secret, if it is to have one; it is shown this once
    Create(New),
    /// List the registered clients
    List {
        /// Only those that you vouch for (true), or that nobody does (false)
        #[arg(long, value_name = "true|false")]
        vouched: Option<bool>,
        #[command(flatten)]
        sought: Sought,
    },
    /// Show a client
    Show {
        /// Its id
        id: String,
    },
    /// Vouch for a client, or answer for it as for the server itself
    Change {
        /// Its id
        id: String,
        /// Whether you vouch for it, so that its name is more than a claim
        #[arg(long, value_name = "true|false")]
        vouched: Option<bool>,
        /// Whether it is your own; you must vouch for it
        #[arg(long, value_name = "true|false")]
        first_party: Option<bool>,
    },
    /// Let a client do nothing for now
    Block {
        /// Its id
        id: String,
    },
    /// Let a blocked client act again
    Unblock {
        /// Its id
        id: String,
    },
    /// Give a client a new secret, and print it; those before are taken for a time of grace
    RotateSecret {
        /// Its id
        id: String,
        /// How long the secrets before are taken, in seconds: 0 to 2592000 [default: 86400, a day]
        #[arg(long, value_name = "SECONDS")]
        grace: Option<u32>,
    },
    /// Delete a client: all its tokens stop working at once
    Delete {
        /// Its id
        id: String,
    },
}

/// A client.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct New {
    /// What it is called
    #[arg(long, required_unless_present = "file")]
    name: Option<String>,
    /// Where answers may go; again for each
    #[arg(long = "redirect-uri", value_name = "URI", required_unless_present = "file")]
    redirect_uris: Vec<String>,
    /// How it proves itself: none, client_secret_basic or client_secret_post (RFC 7591)
    #[arg(long, value_name = "METHOD")]
    auth_method: Option<String>,
    /// The server that it is registered for, by its id
    #[arg(long, value_name = "ID")]
    server: Option<String>,
    /// It is your own, as the server itself
    #[arg(long)]
    first_party: bool,
    /// A file with the body as /api/openapi.json has it, - for standard input; flags hold before it
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

const CLIENTS: List = List { member: "clients", paged: true, columns: COLUMNS };

const COLUMNS: &[Column] = &[
    ("client", &["client_id"]),
    ("name", &["client_name"]),
    ("vouched", &["vouched"]),
    ("own", &["first_party"]),
    ("last used", &["last_used_at"]),
    ("status", &["status"]),
];

const ROTATED: &[Column] = &[
    ("client", &["client_id"]),
    ("secret", &["client_secret"]),
    ("secrets before until", &["previous_secrets_until"]),
];

impl New {
    fn body(self) -> Result<Body, AdminError> {
        let mut body = Body::of(self.file.as_deref())?;
        let metadata = body.take("metadata");
        let metadata = metadata
            .set("client_name", self.name)
            .set_all("redirect_uris", self.redirect_uris)
            .set("token_endpoint_auth_method", self.auth_method);
        let body = body.set("metadata", Some(metadata.into_value())).set("server_id", self.server);
        Ok(body.set("first_party", self.first_party.then_some(true)))
    }
}

impl Asks for ClientCommand {
    fn ask(self) -> Result<Ask, AdminError> {
        let path = |id: &str| format!("/api/clients/{}", part(id));
        let shown = Shape::One(COLUMNS);
        let change = |id: &str, body: Body| Ask::new(Method::PATCH, path(id), shown).with(body);
        Ok(match self {
            Self::Create(new) => Ask::new(Method::POST, "/api/clients", shown).with(new.body()?),
            Self::List { vouched, sought } => sought.of("/api/clients", &CLIENTS).by("vouched", vouched),
            Self::Show { id } => Ask::get(path(&id), shown),
            Self::Change { id, vouched, first_party } => {
                let body = Body::default().set("vouched", vouched).set("first_party", first_party);
                change(&id, body.saying_something()?)
            }
            Self::Block { id } => change(&id, Body::default().set("status", Some("blocked"))),
            Self::Unblock { id } => change(&id, Body::default().set("status", Some("active"))),
            Self::RotateSecret { id, grace } => {
                let body = Body::default().set("grace_seconds", grace);
                Ask::new(Method::POST, format!("{}/secret", path(&id)), Shape::One(ROTATED)).with(body)
            }
            Self::Delete { id } => {
                let question = format!("Delete the client {id}? All its tokens stop working.");
                Ask::delete(path(&id), question, "The client is deleted.")
            }
        })
    }
}
