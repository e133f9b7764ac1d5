//! An MCP server in axum, protected by Portcullis. All that is about OAuth stands in [`application`].

use std::net::SocketAddr;

use adapters_axum::protect::{metadata, protect, readiness};
use axum::Router;
use notes::Notes;
use resource_server::{ConfigError, Protection, SecretString, Verifier};

/// What the server is told: by flags, or by variables of the same names.
#[derive(Clone, Debug, clap::Parser)]
pub struct Settings {
    /// The issuer: the URL that Portcullis greets with.
    #[arg(long, env, default_value = "http://127.0.0.1:8414")]
    pub portcullis_url: String,
    /// The `sak_` key of this server, which Portcullis showed when it was registered.
    #[arg(long, env, hide_env_values = true)]
    pub portcullis_server_key: SecretString,
    /// This server, exactly as its clients know it: the `resource_url` that it was registered with.
    #[arg(long, env, default_value = "http://127.0.0.1:3001/mcp")]
    pub public_url: String,
    /// Where it listens.
    #[arg(long, env, default_value = "127.0.0.1:3001")]
    pub listen: SocketAddr,
}

/// The notes, for those whom Portcullis vouches for. It needs a tokio runtime.
///
/// # Errors
///
/// [`ConfigError`] says which setting is wrong, and what a good one looks like.
pub fn application(settings: &Settings) -> Result<Router, ConfigError> {
    let verifier = Verifier::builder(&settings.public_url)
        .portcullis(&settings.portcullis_url, settings.portcullis_server_key.clone())
        .build()?;
    tokio::spawn(verifier.keep_ready());
    let protection = Protection::builder(verifier)
        .require("notes:read")
        .open_tool("whoami")
        .open_tool("list_notes")
        .require_for_other_tools("notes:write")
        .resource_name("Notes")
        .build()?;

    let path = notes::path(protection.resource().as_str());
    let mcp = Router::new().route_service(&path, notes::service(Notes::default()));
    let mcp = mcp.layer(protect(protection.clone()));
    Ok(mcp.route("/ready", readiness(&protection)).merge(metadata(&protection)))
}
