//! `portcullis key`

use clap::Subcommand;
use http::Method;

use super::ask::{Ask, Body, Column, List, Shape, part};
use super::{AdminError, Asks};

/// Commands about the keys of the administration.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum KeyCommand {
    /// Make a key, and print it, which happens this once
    Create {
        /// Its name: 1 to 64 letters, digits, -, _ and ., never used before
        name: String,
        /// It reads, and changes nothing
        #[arg(long)]
        read_only: bool,
    },
    /// List the keys
    List,
    /// Withdraw a key
    Revoke {
        /// Its name
        name: String,
    },
}

const KEYS: List = List { member: "keys", paged: false, columns: COLUMNS };

const COLUMNS: &[Column] = &[
    ("key", &["name"]),
    ("access", &["access"]),
    ("active", &["active"]),
    ("made", &["made_at"]),
    ("last used", &["last_used_at"]),
];

const MADE: &[Column] = &[("name", &["name"]), ("key", &["admin_key"]), ("access", &["access"])];

impl Asks for KeyCommand {
    fn ask(self) -> Result<Ask, AdminError> {
        Ok(match self {
            Self::Create { name, read_only } => {
                let access = if read_only { "read" } else { "write" };
                let body = Body::default().set("name", Some(name)).set("access", Some(access));
                Ask::new(Method::POST, "/api/keys", Shape::One(MADE)).with(body)
            }
            Self::List => Ask::list("/api/keys", &KEYS),
            Self::Revoke { name } => {
                let question = format!("Withdraw the key {name}? Whoever uses it can do nothing any more.");
                Ask::delete(format!("/api/keys/{}", part(&name)), question, "The key is withdrawn.")
            }
        })
    }
}
