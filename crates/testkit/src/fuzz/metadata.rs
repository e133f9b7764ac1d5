//! What servers say about themselves.

use std::fmt::Debug;

use oauth_types::{AuthorizationServerMetadata, Issuer, ProtectedResourceMetadata, Resource, well_known};
use serde::de::DeserializeOwned;

/// A document of an authorization server, of a protected resource, or of both: what is printed is read back, and has no member
/// that was not there.
pub fn metadata(bytes: &[u8]) {
    if let Some(server) = read(bytes, AuthorizationServerMetadata::to_json) {
        issuer(&server.issuer);
    }
    if let Some(protected) = read(bytes, ProtectedResourceMetadata::to_json) {
        resource(&protected.resource);
    }
}

fn read<D: DeserializeOwned + PartialEq + Debug>(bytes: &[u8], print: fn(&D) -> Vec<u8>) -> Option<D> {
    let document: D = serde_json::from_slice(bytes).ok()?;
    let printed = print(&document);
    let again: D = serde_json::from_slice(&printed).unwrap();
    assert_eq!(again, document);
    assert_eq!(print(&again), printed);
    super::says_no_more(&printed, bytes);
    Some(document)
}

/// An issuer is the text that it came as, and its documents are at its own origin.
fn issuer(issuer: &Issuer) {
    let text = issuer.as_str();
    assert_eq!(Issuer::parse(text).as_ref(), Ok(issuer));
    assert!(text.is_ascii() && !text.contains(['?', '#', '\\', ' ']));
    let url = url::Url::parse(text).unwrap();
    assert!(url.username().is_empty() && url.password().is_none());
    let loopback = ["127.0.0.1", "[::1]", "localhost"].contains(&url.host_str().unwrap());
    assert!(url.scheme() == "https" || loopback, "{text}");
    for url in [
        well_known::authorization_server(issuer),
        well_known::openid_configuration_inserted(issuer),
        well_known::openid_configuration_appended(issuer),
        issuer.endpoint("/oauth/token"),
    ] {
        same_origin(&url, text);
        assert!(url.starts_with(issuer.origin()));
    }
    let path = format!("{}/oauth/token", issuer.path());
    assert_eq!(issuer.strip(&path), Some("/oauth/token"));
}

/// A resource is compared as one with itself, however it is spelled, and its documents are at its own origin.
fn resource(resource: &Resource) {
    let text = resource.as_str();
    assert_eq!(Resource::parse(text).as_ref(), Ok(resource));
    // The form to compare by, spelled as a resource: with the final slash that was dropped.
    let canonical = resource.canonical();
    let (path, query) =
        canonical.split_once('?').map_or((canonical.as_str(), None), |(path, query)| (path, Some(query)));
    let spelled = query.map_or_else(|| format!("{path}/"), |query| format!("{path}/?{query}"));
    let spelled = Resource::parse(&spelled).unwrap();
    assert!(resource.names_same(&spelled) && spelled.names_same(resource));
    assert_eq!((spelled.canonical(), spelled.origin()), (canonical, resource.origin()));
    // Never what it is not: one byte more in the path is another resource.
    assert!(Resource::parse(&format!("{text}x")).map_or(true, |longer| !longer.names_same(resource)));
    for url in [well_known::protected_resource(resource), well_known::protected_resource_root(resource)] {
        same_origin(&url, text);
    }
}

/// What fetches the document goes to the server that was named.
fn same_origin(url: &str, named: &str) {
    let (url, named) = (url::Url::parse(url).unwrap(), url::Url::parse(named).unwrap());
    assert_eq!(url.origin(), named.origin());
}
