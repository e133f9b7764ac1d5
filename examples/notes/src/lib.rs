//! The MCP server of the examples: notes, made with rmcp.
//!
//! It refuses to know OAuth: no token reaches it. Who calls stands among the extensions of the request, where the protection
//! put it, and which tool needs which scope is said there as well.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use http::Uri;
use http::request::Parts;
use parking_lot::Mutex;
use resource_server::Verified;
use rmcp::handler::server::tool::Extension;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, ServerHandler, schemars, tool, tool_handler, tool_router};
use serde::Deserialize;

/// The notes. A clone has the same ones.
#[derive(Clone)]
pub struct Notes {
    texts: Arc<Mutex<BTreeMap<u32, String>>>,
}

/// The notes as a service over HTTP.
///
/// It has no sessions: the id of a session would be a second credential beside the token, and could be somebody else's. It takes any
/// `Host`, as a proxy may write one of its own: whom DNS rebinding leads here has no token.
#[must_use]
pub fn service(notes: Notes) -> StreamableHttpService<Notes, NeverSessionManager> {
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .disable_allowed_hosts();
    StreamableHttpService::new(move || Ok(notes.clone()), Arc::default(), config)
}

/// Where it is served: the path of its public URL, at which clients call it and which the address of the metadata is made from.
#[must_use]
pub fn path(public_url: &str) -> String {
    public_url.parse::<Uri>().map_or_else(|_| "/".to_owned(), |url| url.path().to_owned())
}

/// Which note.
#[derive(Deserialize, schemars::JsonSchema)]
struct Which {
    /// Its number, as `list_notes` shows it.
    number: u32,
}

#[tool_router]
impl Notes {
    #[tool(description = "Say who is calling")]
    async fn whoami(&self, Extension(head): Extension<Parts>) -> Result<String, ErrorData> {
        let caller = caller(&head)?;
        let (issuer, subject) = caller.person().unwrap_or((caller.issuer.as_str(), "nobody"));
        Ok(format!("{subject} of {issuer}, with {}", caller.scopes))
    }

    #[tool(description = "List all notes")]
    async fn list_notes(&self) -> String {
        let mut list = String::new();
        for (number, text) in &*self.texts.lock() {
            // Writing to a String does not fail.
            let _ = writeln!(list, "{number}: {text}");
        }
        list
    }

    #[tool(description = "Delete a note for good")]
    async fn delete_note(&self, Parameters(which): Parameters<Which>) -> Result<String, ErrorData> {
        let gone = self.texts.lock().remove(&which.number);
        gone.map(|text| format!("Deleted: {text}"))
            .ok_or_else(|| ErrorData::invalid_params("there is no note of this number", None))
    }
}

#[tool_handler]
impl ServerHandler for Notes {}

/// Who calls. Only a server that somebody mounted without its protection does not know.
fn caller(head: &Parts) -> Result<&Verified, ErrorData> {
    let caller = head.extensions.get::<Arc<Verified>>();
    caller
        .map(|caller| &**caller)
        .ok_or_else(|| ErrorData::internal_error("this server is not protected", None))
}

impl Default for Notes {
    fn default() -> Self {
        let texts = [(1, "Buy milk"), (2, "Water the plants"), (3, "Call Ada")];
        Self { texts: Arc::new(Mutex::new(texts.map(|(number, text)| (number, text.to_owned())).into())) }
    }
}

#[cfg(test)]
mod tests {
    use super::path;

    #[test]
    fn it_is_served_where_clients_call_it() {
        for (url, served) in [
            ("https://mcp.example.com/mcp", "/mcp"),
            ("https://mcp.example.com/v1/notes/", "/v1/notes/"),
            ("https://mcp.example.com/mcp?tenant=1", "/mcp"),
            ("https://mcp.example.com", "/"),
            ("http://127.0.0.1:3001/", "/"),
        ] {
            assert_eq!(path(url), served, "{url}");
        }
    }
}
