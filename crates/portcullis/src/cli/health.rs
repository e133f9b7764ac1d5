//! `portcullis health`

use std::io::Write;

use super::{Environment, RunError};
use crate::config::{Config, Settings};
use crate::health::{self, Question};

/// Ask a server of this machine how it is
///
/// For whatever watches it and has no HTTP client, such as a container. It ends with status 0 if the server answers 200, else
/// with 1. Without --url it asks where the variables or the configuration file say that the server listens.
#[derive(Debug, clap::Args)]
pub(super) struct Health {
    /// The server, by http: http://127.0.0.1:8414
    ///
    /// [default: the address that PORTCULLIS_LISTEN has]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Ask whether it can do its work now (/ready), and not only whether it lives (/health)
    #[arg(long)]
    ready: bool,
}

pub(super) async fn run(
    health: Health,
    environment: &Environment<'_>,
    out: &mut dyn Write,
) -> Result<(), RunError> {
    let base = match health.url {
        Some(url) => url,
        None => health::base_of(Config::load(Settings::default(), None, environment.look_up)?.listen),
    };
    let question = if health.ready { Question::Ready } else { Question::Health };
    let said = health::ask(&base, question).await?;
    Ok(writeln!(out, "{said}")?)
}
