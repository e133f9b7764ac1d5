//! An MCP server in actix-web, protected by Portcullis. All that is about OAuth stands in [`application`].

use std::net::SocketAddr;

use actix_web::web::{self, ServiceConfig};
use adapters_actix::protect::{metadata, protect, readiness};
use adapters_actix::tower_service;
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
    #[arg(long, env, default_value = "http://127.0.0.1:3002/mcp")]
    pub public_url: String,
    /// Where it listens.
    #[arg(long, env, default_value = "127.0.0.1:3002")]
    pub listen: SocketAddr,
}

/// The notes, for those whom Portcullis vouches for: what each worker configures its application with. It needs a tokio runtime.
///
/// # Errors
///
/// [`ConfigError`] says which setting is wrong, and what a good one looks like.
pub fn application(
    settings: &Settings,
) -> Result<impl FnOnce(&mut ServiceConfig) + Clone + use<>, ConfigError> {
    let verifier = Verifier::builder(&settings.public_url)
        .portcullis(&settings.portcullis_url, settings.portcullis_server_key.clone())
        .build()?;
    actix_web::rt::spawn(verifier.keep_ready());
    let protection = Protection::builder(verifier)
        .require("notes:read")
        .open_tool("whoami")
        .open_tool("list_notes")
        .require_for_other_tools("notes:write")
        .resource_name("Notes")
        .build()?;

    let path = notes::path(protection.resource().as_str());
    let mcp = notes::service(Notes::default());
    Ok(move |application: &mut ServiceConfig| {
        let mcp = web::resource(path).route(tower_service(mcp)).wrap(protect(protection.clone()));
        application.service(mcp).route("/ready", readiness(&protection)).configure(metadata(&protection));
    })
}
