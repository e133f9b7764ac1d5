//! Which of a list are shown.

use super::ask::{Ask, List};

/// What can be said of those that are sought.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Sought {
    /// Only those with this in their id, name, address or URL
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Only those that may act, or may not
    #[arg(long, value_name = "active|blocked", value_parser = ["active", "blocked"])]
    status: Option<String>,
    /// The most of them [default: all]
    #[arg(long, value_name = "NUMBER")]
    limit: Option<usize>,
}

impl Sought {
    pub(super) fn of(self, path: &str, list: &'static List) -> Ask {
        Ask::list(path, list).by("q", self.search).by("status", self.status).at_most(self.limit)
    }
}
