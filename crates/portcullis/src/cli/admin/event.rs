//! `portcullis event`

use clap::Subcommand;

use super::ask::{Ask, Column, List, Shape};
use super::{AdminError, Asks, when};

/// Commands about what happened.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum EventCommand {
    /// List what happened, the newest first
    List {
        #[command(flatten)]
        which: Which,
        /// Not after this time: 2026-11-21, 2026-11-21T10:00:00Z, or seconds since 1970
        #[arg(long, value_name = "TIME", value_parser = when::seconds)]
        until: Option<i64>,
        /// The most of them
        #[arg(long, value_name = "NUMBER", default_value_t = 100)]
        limit: usize,
        /// All that are kept
        #[arg(long, conflicts_with = "limit")]
        all: bool,
    },
    /// Print what happens as it happens, the oldest first, until it is stopped
    Follow {
        #[command(flatten)]
        which: Which,
    },
}

/// Which events.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Which {
    /// Only those of this name, such as refresh_replayed
    #[arg(long)]
    name: Option<String>,
    /// Only what this actor did: person:ID, administrator:KEY or operator
    #[arg(long)]
    actor: Option<String>,
    /// Only what went so: done, refused or failed
    #[arg(long)]
    outcome: Option<String>,
    /// Only what came from this IP address
    #[arg(long, value_name = "ADDRESS")]
    from: Option<String>,
    /// Only those about the user with this id
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// Only those about the client with this id
    #[arg(long, value_name = "ID")]
    client: Option<String>,
    /// Only those about the grant with this id
    #[arg(long, value_name = "ID")]
    grant: Option<String>,
    /// Only those about the server with this id
    #[arg(long, value_name = "ID")]
    server: Option<String>,
    /// Not before this time: 2026-11-21, 2026-11-21T10:00:00Z, or seconds since 1970; for follow: those since then first
    #[arg(long, value_name = "TIME", value_parser = when::seconds)]
    since: Option<i64>,
}

const EVENTS: List = List { member: "events", paged: true, columns: COLUMNS };

pub(super) const COLUMNS: &[Column] = &[
    ("time", &["at"]),
    ("event", &["name"]),
    ("outcome", &["outcome"]),
    ("by", &["actor"]),
    ("from", &["from"]),
    ("about", &["user_id", "client_id", "server_id", "grant_id"]),
    ("why", &["why", "detail"]),
];

impl Which {
    fn of(self, ask: Ask) -> Ask {
        let ask = ask.by("name", self.name).by("actor", self.actor).by("outcome", self.outcome);
        let ask = ask.by("from", self.from).by("user", self.user).by("client", self.client);
        ask.by("grant", self.grant).by("server", self.server).by("since", self.since)
    }
}

impl Asks for EventCommand {
    fn ask(self) -> Result<Ask, AdminError> {
        Ok(match self {
            Self::List { which, until, limit, all } => {
                let list = which.of(Ask::list("/api/events", &EVENTS)).by("until", until);
                list.at_most((!all).then_some(limit))
            }
            Self::Follow { which } => which.of(Ask::get("/api/events", Shape::Followed)),
        })
    }
}
