//! `portcullis health`

use std::io::Write;

use super::{Environment, RunError};
use crate::config::{Config, Settings};
use crate::health::{self, Question};

/// Ask a server of this machine how it is
///
/// For whatever watches it and has no HTTP client, such as a container. It ends with status 0 if the server answers 200, else
/// with 1. Without --url it asks where the variables or the configuration file say that the server listens; one that speaks TLS
/// itself it knows by its certificate.
#[derive(Debug, clap::Args)]
pub(super) struct Health {
    /// The server: http://127.0.0.1:8414; or https://127.0.0.1:8414, if it speaks TLS by PORTCULLIS_TLS_CERTIFICATE_FILE
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
    let config = || Config::load(Settings::default(), None, environment.look_up);
    let (base, certificate) = match health.url {
        Some(url) if url.starts_with("https:") => (url, config()?.tls.map(|files| files.certificate)),
        Some(url) => (url, None),
        None => match config()? {
            Config { listen, tls: Some(files), .. } => (health::tls_base_of(listen), Some(files.certificate)),
            Config { listen, tls: None, .. } => (health::base_of(listen), None),
        },
    };
    let question = if health.ready { Question::Ready } else { Question::Health };
    let said = health::ask(&base, question, certificate.as_deref()).await?;
    Ok(writeln!(out, "{said}")?)
}
