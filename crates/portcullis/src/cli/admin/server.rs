//! `portcullis server`

use std::path::PathBuf;

use clap::Subcommand;
use http::Method;
use serde_json::Value;

use super::ask::{Ask, Body, Column, List, Shape, part};
use super::listed::Sought;
use super::scopes::ScopeChange;
use super::{AdminError, Asks};

/// Commands about MCP servers.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ServerCommand {
    /// Register an MCP server, and print its key, which is shown this once
    Create(New),
    /// List the servers
    List(Sought),
    /// Show a server
    Show {
        /// Its id
        id: String,
    },
    /// Change what is said of a server; its URL stays for good, because tokens are bound to it
    Change(Change),
    /// Let a server and all tokens for it do nothing for now
    Block {
        /// Its id
        id: String,
    },
    /// Let a blocked server act again
    Unblock {
        /// Its id
        id: String,
    },
    /// Give a server a new key, and print it; those before are taken for a time of grace
    RotateKey {
        /// Its id
        id: String,
        /// How long the keys before are taken, in seconds: 0 to 2592000 [default: 86400, a day]
        #[arg(long, value_name = "SECONDS")]
        grace: Option<u32>,
    },
    /// Delete a server: its key and all tokens for it stop working at once
    Delete {
        /// Its id
        id: String,
    },
}

/// A server.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct New {
    /// Its name
    #[arg(long, required_unless_present = "file")]
    name: Option<String>,
    /// The URL that its clients connect to: https, or http on this machine
    #[arg(long, value_name = "URL", required_unless_present = "file")]
    resource_url: Option<String>,
    /// A scope of it, which clients get that name none; again for each. Scopes with descriptions and more are for --file
    /// [default: mcp:tools]
    #[arg(long = "scope", value_name = "NAME")]
    scopes: Vec<String>,
    #[command(flatten)]
    said: Said,
}

/// What is changed of a server.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Change {
    /// Its id
    id: String,
    /// Its name
    #[arg(long)]
    name: Option<String>,
    /// Nobody to write to
    #[arg(long, conflicts_with = "owner_email")]
    no_owner: bool,
    /// A scope that it has instead of all that it had, with all that was said of those, and which clients get that name none; again for
    /// each
    #[arg(long = "scope", value_name = "NAME", conflicts_with_all = ["add_scope", "remove_scope"])]
    scopes: Vec<String>,
    /// A scope more, which clients get that ask for it; again for each
    #[arg(long, value_name = "NAME")]
    add_scope: Vec<String>,
    /// A scope less; again for each. The others stay as they are
    #[arg(long, value_name = "NAME")]
    remove_scope: Vec<String>,
    #[command(flatten)]
    said: Said,
}

/// What can be said of a server.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Said {
    /// Whom to write to about it
    #[arg(long, value_name = "ADDRESS")]
    owner_email: Option<String>,
    /// What userinfo tells: full (name and address, whatever the scopes) or scoped
    #[arg(long, value_name = "full|scoped", value_parser = ["full", "scoped"])]
    userinfo: Option<String>,
    /// A file with the body as /api/openapi.json has it, - for standard input; flags hold before it
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

const SERVERS: List = List { member: "servers", paged: true, columns: COLUMNS };

const COLUMNS: &[Column] = &[
    ("server", &["server_id"]),
    ("name", &["name"]),
    ("resource", &["resource_url"]),
    ("scopes", &["scopes"]),
    ("status", &["status"]),
];

const ROTATED: &[Column] =
    &[("server", &["server_id"]), ("key", &["api_key"]), ("keys before until", &["previous_keys_until"])];

impl Said {
    fn body(self) -> Result<Body, AdminError> {
        let body = Body::of(self.file.as_deref())?;
        let body = body.set("owner_email", self.owner_email);
        Ok(body.set("userinfo", self.userinfo))
    }
}

impl Change {
    fn ask(self, path: &impl Fn(&str) -> String) -> Result<Ask, AdminError> {
        let Self { id, name, no_owner, scopes, add_scope, remove_scope, said } = self;
        let question = format!(
            "Give the server {id} these scopes instead of all that it has, with what is said of those?"
        );
        let (replaced, merged) = (!scopes.is_empty(), !add_scope.is_empty() || !remove_scope.is_empty());
        let body = said.body()?.set("name", name).set("owner_email", no_owner.then_some(Value::Null));
        let body = body.set_all("scopes", scopes);
        let body = if merged { body } else { body.saying_something()? };
        let mut ask = Ask::new(Method::PATCH, path(&id), Shape::One(COLUMNS)).with(body);
        ask.scopes = merged.then_some(ScopeChange { added: add_scope, removed: remove_scope });
        Ok(if replaced { ask.asking(question) } else { ask })
    }
}

impl Asks for ServerCommand {
    fn ask(self) -> Result<Ask, AdminError> {
        let path = |id: &str| format!("/api/servers/{}", part(id));
        let shown = Shape::One(COLUMNS);
        let standing = |id: &str, status: &str| {
            Ask::new(Method::PATCH, path(id), shown).with(Body::default().set("status", Some(status)))
        };
        Ok(match self {
            Self::Create(New { name, resource_url, scopes, said }) => {
                let body = said.body()?.set("name", name).set("resource_url", resource_url);
                let body = body.set_all("scopes", scopes);
                Ask::new(Method::POST, "/api/servers", shown).with(body)
            }
            Self::List(sought) => sought.of("/api/servers", &SERVERS),
            Self::Show { id } => Ask::get(path(&id), shown),
            Self::Change(change) => change.ask(&path)?,
            Self::Block { id } => standing(&id, "blocked"),
            Self::Unblock { id } => standing(&id, "active"),
            Self::RotateKey { id, grace } => {
                let body = Body::default().set("grace_seconds", grace);
                Ask::new(Method::POST, format!("{}/key", path(&id)), Shape::One(ROTATED)).with(body)
            }
            Self::Delete { id } => {
                let question = format!("Delete the server {id}? Its key and all tokens for it stop working.");
                Ask::delete(path(&id), question, "The server is deleted.")
            }
        })
    }
}
