//! rmcp's client as an application uses it: one connection, and the log-in whenever the server asks for one.

use std::error::Error;

use reqwest::Client as Http;
use rmcp::model::CallToolRequestParams;
use rmcp::service::{ClientInitializeError, RunningService, ServiceError};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::auth::{
    AuthClient, AuthorizationCallback, AuthorizationManager, AuthorizationRequest, CredentialStore as _,
    InMemoryCredentialStore, OAuthState, StoredCredentials,
};
use rmcp::transport::streamable_http_client::{
    AuthRequiredError, InsufficientScopeError, StreamableHttpClientTransportConfig,
};
use rmcp::{RoleClient, ServiceExt as _};
use serde_json::json;
use testkit::browser::{Arrived, Browser};

/// Where the client is called back. Nobody listens there: the test reads the address that the browser is sent to.
const CALLBACK: &str = "http://127.0.0.1:9/callback";

/// A client that is logged in.
pub(crate) struct Client {
    running: RunningService<RoleClient, ()>,
    auth: AuthClient<Http>,
    kept: InMemoryCredentialStore,
}

/// What comes of a call.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Called {
    /// What the tool says.
    Said(String),
    /// 401: the client has no token that is good, and cannot get one by itself.
    AuthorizationRequired,
    /// 403, with the scope of the challenge.
    InsufficientScope(String),
}

/// What a server answers somebody who has no token: its challenge.
pub(crate) async fn challenged(url: &str) -> String {
    let manager = AuthorizationManager::new(url).await.unwrap();
    let error = connected(url, &AuthClient::new(Http::new(), manager)).await.unwrap_err();
    assert!(error.is_authorization_required(), "{error:?}");
    error.auth_challenge().unwrap().to_owned()
}

async fn connected(
    url: &str,
    auth: &AuthClient<Http>,
) -> Result<RunningService<RoleClient, ()>, ClientInitializeError> {
    let config = StreamableHttpClientTransportConfig::with_uri(url);
    ().serve(StreamableHttpClientTransport::with_client(auth.clone(), config)).await
}

impl Client {
    /// From nothing to a client that is logged in: the challenge, discovery, registration, a browser in which somebody allows.
    pub(crate) async fn log_in(url: &str, ada: &mut Browser) -> Self {
        let challenge = challenged(url).await;
        let kept = InMemoryCredentialStore::new();
        let mut manager = AuthorizationManager::new(url).await.unwrap();
        manager.set_credential_store(kept.clone());
        let mut state = OAuthState::Unauthorized(manager);
        let request = AuthorizationRequest::new(CALLBACK).with_client_name("rmcp").with_challenge(challenge);
        state.start_authorization(request).await.unwrap();
        let visit = state.get_authorization_url().await.unwrap();
        state.handle_callback_url(&allowed(ada, &visit).await).await.unwrap();
        let auth = AuthClient::new(Http::new(), state.into_authorization_manager().unwrap());
        Self { running: connected(url, &auth).await.unwrap(), auth, kept }
    }

    /// Goes back to the browser for more, on top of what it has.
    pub(crate) async fn step_up(&self, scope: &str, ada: &mut Browser) {
        let manager = self.auth.auth_manager.lock().await;
        let visit = manager.request_scope_upgrade(scope).await.unwrap();
        let callback = AuthorizationCallback::from_redirect_url(&allowed(ada, &visit).await).unwrap();
        let AuthorizationCallback { code, csrf_token, issuer, .. } = callback;
        manager.exchange_code_for_token_with_issuer(&code, &csrf_token, issuer.as_deref()).await.unwrap();
    }

    /// Refreshes although nothing demands it: the MCP server has not seen the new token yet.
    pub(crate) async fn refresh(&self) {
        self.auth.auth_manager.lock().await.refresh_token().await.unwrap();
    }

    /// Lets the client believe that it got its token so many seconds earlier.
    pub(crate) async fn age(&self, seconds: u64) {
        let mut kept = self.credentials().await;
        kept.token_received_at = kept.token_received_at.map(|at| at - seconds);
        self.kept.save(kept).await.unwrap();
    }

    /// What it keeps.
    pub(crate) async fn credentials(&self) -> StoredCredentials {
        self.kept.load().await.unwrap().unwrap()
    }

    /// The token that it would send, refreshed if need be.
    pub(crate) async fn token(&self) -> String {
        self.auth.get_access_token().await.unwrap()
    }

    /// The token that it would refresh with.
    pub(crate) async fn refresh_token(&self) -> String {
        let kept = serde_json::to_value(self.credentials().await.token_response).unwrap();
        kept["refresh_token"].as_str().unwrap().to_owned()
    }

    /// The names of all tools.
    pub(crate) async fn tools(&self) -> Vec<String> {
        let tools = self.running.list_all_tools().await.unwrap();
        tools.into_iter().map(|tool| tool.name.into_owned()).collect()
    }

    /// Calls a tool without arguments.
    pub(crate) async fn call(&self, tool: &'static str) -> Called {
        self.call_with(CallToolRequestParams::new(tool)).await
    }

    /// Calls `delete_note`.
    pub(crate) async fn delete_note(&self, number: u32) -> Called {
        let arguments = json!({ "number": number }).as_object().cloned().unwrap();
        self.call_with(CallToolRequestParams::new("delete_note").with_arguments(arguments)).await
    }

    async fn call_with(&self, call: CallToolRequestParams) -> Called {
        match self.running.call_tool(call).await {
            Ok(result) => Called::Said(result.content[0].as_text().unwrap().text.clone()),
            Err(ServiceError::TransportSend(error)) => challenge(&error),
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// The challenge is a source of the error, somewhere.
fn challenge(error: &(dyn Error + 'static)) -> Called {
    let mut source = Some(error);
    while let Some(one) = source {
        if one.is::<AuthRequiredError>() {
            return Called::AuthorizationRequired;
        }
        if let Some(insufficient) = one.downcast_ref::<InsufficientScopeError>() {
            return Called::InsufficientScope(insufficient.required_scope.clone().unwrap_or_default());
        }
        source = one.source();
    }
    panic!("{error:?}")
}

/// Where the browser is sent to by somebody who allows what is asked.
async fn allowed(ada: &mut Browser, visit: &str) -> String {
    match ada.open(visit).await {
        Arrived::Page(page) => ada.press(&page.form("Allow"), "Allow").await.away(),
        Arrived::Away(url) => url,
    }
}
