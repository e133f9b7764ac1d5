//! An MCP server in axum, protected by any OpenID Connect provider. All that is about OAuth stands in [`application`].

use adapters_axum::protect::{metadata, protect, readiness};
use axum::Router;
use notes::Notes;
use resource_server::{ConfigError, Environment, Protection};

/// The notes, for those whom the provider vouches for. It needs a tokio runtime.
///
/// It starts while the provider is down, answers 503 to requests with a token until it is up, and says why at `/ready`.
///
/// # Errors
///
/// [`ConfigError`] says which variable is wrong, and what a good one looks like.
pub fn application(environment: &Environment) -> Result<Router, ConfigError> {
    let verifier = environment.verifier().build()?;
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
