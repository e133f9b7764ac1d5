//! Dynamic client registration.

use oauth_types::{ClientInformation, ClientMetadata, ErrorCode, OAuthError};
use serde_json::Value;
use store::{Changes, Commit, Provenance, ServerId};

use super::{Engine, Unavailable};
use crate::decide::register::{NewClient, Registered, register};
use crate::seam::Wanted;
use crate::{Context, Event};

/// Registers a client that says `body` of itself.
pub(crate) async fn registration(
    engine: &Engine,
    body: &[u8],
    caller: &Context,
) -> Result<Result<ClientInformation, OAuthError>, Unavailable> {
    let metadata = match parse(body) {
        Ok(metadata) => metadata,
        Err(error) => return Ok(Err(error)),
    };
    let server = match metadata.other.get("server_id") {
        None | Some(Value::Null) => None,
        Some(named) => match server(engine, named).await? {
            Some(server) => Some(server),
            None => {
                return Ok(Err(OAuthError::new(
                    ErrorCode::InvalidClientMetadata,
                    "server_id names no server that is registered here.",
                )));
            }
        },
    };
    let new = NewClient { id: engine.entropy.draw(), secret: engine.entropy.draw(), server };
    let registered = register(metadata, new, Provenance::Dynamic, &engine.policy, engine.clock.now());
    let Registered { client, information } = match registered {
        Ok(registered) => registered,
        Err(error) => return Ok(Err(error)),
    };
    match engine.store().commit(&Changes::create(engine.draw().mark, &client)).await? {
        Commit::Done => {
            let registered = Event::ClientRegistered { client: client.id, from: caller.from() };
            engine.events.tell_with(&registered, caller);
            Ok(Ok(information))
        }
        Commit::Stale => Err(Unavailable::Busy),
    }
}

fn parse(body: &[u8]) -> Result<ClientMetadata, OAuthError> {
    let malformed = || {
        OAuthError::new(
            ErrorCode::InvalidClientMetadata,
            "The body must be a JSON object of client metadata.",
        )
    };
    let value: Value = serde_json::from_slice(body).map_err(|_| malformed())?;
    let object = value.as_object().ok_or_else(malformed)?;
    if depth(&value) > DEEPEST {
        return Err(malformed());
    }
    // A text would pass for a list in a language that looks for substrings; say which member it is.
    let list_of_texts =
        |value: &Value| value.as_array().is_some_and(|list| list.iter().all(Value::is_string));
    if object.get("redirect_uris").is_some_and(|uris| !list_of_texts(uris)) {
        return Err(OAuthError::new(
            ErrorCode::InvalidRedirectUri,
            "redirect_uris must be an array of URIs.",
        ));
    }
    serde_json::from_value(value).map_err(|_| {
        OAuthError::new(ErrorCode::InvalidClientMetadata, "A member of the metadata has the wrong type.")
    })
}

/// How deep the metadata may be nested. Stored within a record it is deeper, and must still read back.
const DEEPEST: usize = 16;

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or_default(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

async fn server(engine: &Engine, named: &Value) -> Result<Option<ServerId>, Unavailable> {
    let Some(id) = named.as_str().and_then(|text| ServerId::parse(text).ok()) else {
        return Ok(None);
    };
    let server = engine.resources.find(&Wanted::Registered(id)).await?;
    Ok(server.map(|server| server.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_that_is_nested_too_deep_is_refused() {
        let nested = |depth: usize| {
            let value = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            parse(format!(r#"{{"redirect_uris":["https://a.example/cb"],"x":{value}}}"#).as_bytes())
        };
        assert!(nested(DEEPEST - 1).is_ok());
        for depth in [DEEPEST, 125, 5_000] {
            assert_eq!(nested(depth).unwrap_err().error, ErrorCode::InvalidClientMetadata, "{depth}");
        }
    }
}
