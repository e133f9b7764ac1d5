//! What a client says about itself.

use std::sync::Arc;

use authz_core::Policy;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_io::{Peer, Serve as _};
use oauth_types::{ClientInformation, ClientMetadata, ErrorCode, OAuthError, RedirectUri};
use secrecy::ExposeSecret as _;
use store::{Client, ClientAuth, Memory, Store};

use crate::bare::Bare;

/// A body of a registration: it is printed and read back; and what becomes of it at the endpoint is what its answer says.
pub fn client_registration(bytes: &[u8]) {
    if let Ok(metadata) = serde_json::from_slice::<ClientMetadata>(bytes) {
        let printed = metadata.to_json();
        assert_eq!(serde_json::from_slice::<ClientMetadata>(&printed).unwrap(), metadata);
        if bytes.trim_ascii_start().starts_with(b"{") {
            super::says_no_more(&printed, bytes);
        }
    }
    if let Ok(information) = ClientInformation::from_json(bytes) {
        let printed = information.to_json();
        let again = ClientInformation::from_json(&printed).unwrap();
        assert_eq!(again.to_json(), printed);
        assert_eq!(
            (&again.client_id, &again.metadata.redirect_uris),
            (&information.client_id, &information.metadata.redirect_uris)
        );
    }
    super::now(registered(bytes));
}

async fn registered(bytes: &[u8]) {
    let bare = Bare::new(Arc::new(Memory::new()), |store| store, Policy::default(), true).await;
    let request = Request::post("/oauth/register").header("content-type", "application/json");
    let request = request.body(Bytes::copy_from_slice(bytes)).unwrap();
    let (parts, body) = bare.server.serve(request, Peer::default()).await.into_parts();
    if parts.status != StatusCode::CREATED {
        assert_eq!(parts.status, StatusCode::BAD_REQUEST);
        let error: OAuthError = serde_json::from_slice(&body).unwrap();
        assert!(
            [ErrorCode::InvalidRedirectUri, ErrorCode::InvalidClientMetadata].contains(&error.error),
            "{error}"
        );
        assert!(error.error_description.is_some());
        return;
    }
    let told = ClientInformation::from_json(&body).unwrap();
    let stored: Client =
        (&*bare.store as &dyn Store).find(told.client_id.clone()).await.unwrap().unwrap().record;

    // RFC 7591 section 3.2.1: the answer says what is registered.
    assert_eq!(stored.metadata, told.metadata);
    let uris: Vec<&str> = stored.redirect_uris.iter().map(RedirectUri::as_str).collect();
    assert_eq!(uris, told.metadata.redirect_uris);
    assert!((1..=16).contains(&uris.len()));
    assert!(told.client_id.as_str().starts_with("cid_"));
    match &stored.auth {
        ClientAuth::Public => assert!(told.client_secret.is_none()),
        ClientAuth::Secret { digest, .. } => {
            let secret = told.client_secret.as_ref().unwrap().expose_secret();
            assert!(digest.is(&store::Digest::of(secret.as_bytes())));
            assert!(!serde_json::to_string(&stored).unwrap().contains(secret));
        }
    }
    // AS-52: nobody chooses their own id, secret or key.
    for own in ["client_id", "client_secret", "registration_access_token", "registration_client_uri"] {
        assert!(!stored.metadata.other.contains_key(own), "{own}");
    }
    assert!(!stored.first_party && stored.kept_until.is_some());
    if let Some(name) = &stored.metadata.client_name {
        assert!(!name.chars().any(oauth_types::is_deceptive), "{name:?}");
    }
    // It reads back from the store as it was written.
    let record = serde_json::to_vec(&stored).unwrap();
    let again: Client = serde_json::from_slice(&record).unwrap();
    assert_eq!(again, stored);
}
