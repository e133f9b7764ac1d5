//! Some scopes of a server changed, and the others left as they are.

use http::Method;
use http::header::ETAG;
use serde_json::{Value, json};

use super::AdminError;
use super::administration::Administration;
use super::ask::Ask;

/// What is changed.
#[derive(Debug)]
pub(super) struct ScopeChange {
    /// The names of new ones, which clients get that ask for them.
    pub(super) added: Vec<String>,
    /// The names of those that go.
    pub(super) removed: Vec<String>,
}

/// The request with all scopes as they will be, if it changes some. It is refused if somebody else has changed them since.
pub(super) async fn applied(administration: &Administration, mut ask: Ask) -> Result<Ask, AdminError> {
    let Some(change) = ask.scopes.take() else { return Ok(ask) };
    let found = administration
        .answered(&Ask { method: Method::GET, ..Ask::get(ask.path.clone(), ask.shape) })
        .await?;
    let server: Value = serde_json::from_slice(found.body()).map_err(|_| administration.strange())?;
    let scopes = server.get("scopes").and_then(Value::as_array).ok_or_else(|| administration.strange())?;
    ask.if_match = found.headers().get(ETAG).cloned();
    let scopes = change.of(scopes)?;
    ask.body = Some(ask.body.unwrap_or_default().set("scopes", Some(scopes)));
    Ok(ask)
}

impl ScopeChange {
    fn of(&self, scopes: &[Value]) -> Result<Vec<Value>, AdminError> {
        let has = |name: &str| scopes.iter().any(|scope| scope["name"] == name);
        if let Some(unknown) = self.removed.iter().find(|name| !has(name)) {
            return Err(AdminError::NoScope(unknown.clone()));
        }
        let gone = |scope: &Value| self.removed.iter().any(|name| scope["name"] == name.as_str());
        let left = scopes.iter().filter(|scope| !gone(scope)).cloned();
        let added = self.added.iter().filter(|name| !has(name)).map(|name| json!({ "name": name }));
        Ok(left.chain(added).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scopes_that_are_not_named_stay_as_they_are() {
        let scopes =
            [json!({ "name": "read", "default": true, "description": "Read" }), json!({ "name": "write" })];
        let change = |added: &[&str], removed: &[&str]| {
            let texts = |names: &[&str]| names.iter().map(ToString::to_string).collect();
            ScopeChange { added: texts(added), removed: texts(removed) }.of(&scopes)
        };
        let [read, write] = &scopes;
        assert_eq!(
            change(&["admin", "read"], &[]).unwrap(),
            [read.clone(), write.clone(), json!({ "name": "admin" })]
        );
        assert_eq!(change(&[], &["write"]).unwrap(), std::slice::from_ref(read));
        assert!(matches!(change(&[], &["other"]), Err(AdminError::NoScope(name)) if name == "other"));
    }
}
