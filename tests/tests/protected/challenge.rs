//! What a refusal says to whoever reads its challenge.

use std::collections::BTreeMap;

use testkit::world::Answer;

/// Where the metadata of [`testkit::client::RESOURCE`] is.
pub(crate) const METADATA: &str = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp";

/// The parameters of the only challenge (RFC 9110 section 11.6.1), of the scheme `Bearer`.
pub(crate) fn challenge(answer: &Answer) -> BTreeMap<String, String> {
    let text = answer.header("www-authenticate").unwrap_or_else(|| panic!("no challenge in {answer:?}"));
    let params = text.strip_prefix("Bearer ").unwrap_or_else(|| panic!("no Bearer: {text}"));
    let mut found = BTreeMap::new();
    for param in params.strip_suffix('"').unwrap_or_else(|| panic!("{text}")).split("\", ") {
        let (name, value) = param.split_once("=\"").unwrap_or_else(|| panic!("{text}"));
        assert!(!value.contains(['"', '\\']), "{text}");
        assert_eq!(found.insert(name.to_owned(), value.to_owned()), None, "RS-9: {name} twice in {text}");
    }
    found
}

/// What a refusal with a token must be: this status and error, a sentence, the way to the metadata, and nothing that is kept.
///
/// Gives the whole challenge.
pub(crate) fn refused(answer: &Answer, status: u16, error: &str) -> BTreeMap<String, String> {
    assert_eq!(answer.status(), status, "{}", answer.text());
    let challenge = challenge(answer);
    assert_eq!(challenge.get("error").map(String::as_str), Some(error), "{challenge:?}");
    assert_eq!(challenge.get("resource_metadata").map(String::as_str), Some(METADATA), "{challenge:?}");
    assert!(challenge.get("error_description").is_some_and(|text| text.len() > 10), "{challenge:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "RS-20");
    challenge
}

/// The stable name of the reason in the JSON-RPC body.
pub(crate) fn reason(answer: &Answer) -> String {
    let body = answer.json();
    assert_eq!((&body["jsonrpc"], &body["id"]), (&"2.0".into(), &serde_json::Value::Null), "{body}");
    body["error"]["data"]["reason"].as_str().unwrap_or_default().to_owned()
}
