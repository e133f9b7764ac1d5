//! Which tools a request calls.

use std::borrow::Cow;
use std::collections::BTreeMap;

use oauth_types::Scope;
use serde::Deserialize;
use serde_json::value::RawValue;

/// What each tool needs beyond what everything needs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tools(BTreeMap<String, Scope>);

/// A body that is not JSON-RPC, or that two parsers could read as different calls: what is checked here must be what is done
/// behind (RFC 8259 section 4 leaves open which of two equal names counts).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// Not JSON, or not in UTF-8.
    Json,
    /// No JSON-RPC message: not an object, `method` is no text, or a member that decides occurs twice.
    Message,
    /// `tools/call` without one `params.name` that is a text.
    Call,
}

impl Tools {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds `scope` to what `tool` needs.
    pub(crate) fn need(&mut self, tool: String, scope: &Scope) {
        let own = self.0.entry(tool).or_default();
        *own = own.union(scope);
    }

    /// All scopes that any tool needs.
    pub(crate) fn all(&self) -> Scope {
        self.0.values().fold(Scope::empty(), |all, scope| all.union(scope))
    }

    /// What the message, or the batch of messages, in `body` needs: all scopes of all tools that it calls.
    ///
    /// # Errors
    ///
    /// [`Unreadable`]: nobody can say.
    pub(crate) fn needed_by(&self, body: &[u8]) -> Result<Scope, Unreadable> {
        let text = str::from_utf8(body).map_err(|_| Unreadable::Json)?;
        let mut needed = Scope::empty();
        let mut add = |message: &RawValue| {
            if let Some(name) = called(message)?
                && let Some(scope) = self.0.get(name.as_ref())
            {
                needed = if needed.is_empty() { scope.clone() } else { needed.union(scope) };
            }
            Ok(())
        };
        let whole: &RawValue = serde_json::from_str(text).map_err(|_| Unreadable::Json)?;
        if whole.get().starts_with('[') {
            let batch: Vec<&RawValue> = serde_json::from_str(whole.get()).map_err(|_| Unreadable::Json)?;
            batch.into_iter().try_for_each(add)?;
        } else {
            add(whole)?;
        }
        Ok(needed)
    }
}

/// The members of a message that decide. Serde refuses each that comes twice, however it is escaped; all others are skipped.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
}

/// The tool that `message` calls, if it calls one.
fn called(message: &RawValue) -> Result<Option<Cow<'_, str>>, Unreadable> {
    let message: Message<'_> = object(message).ok_or(Unreadable::Message)?;
    if message.method.as_deref() != Some("tools/call") {
        return Ok(None);
    }
    let params: Option<Params<'_>> = message.params.and_then(object);
    params.map(|params| Some(params.name)).ok_or(Unreadable::Call)
}

/// Serde would read a struct from a list as well, by position.
fn object<'a, T: Deserialize<'a>>(value: &'a RawValue) -> Option<T> {
    if value.get().starts_with('{') { serde_json::from_str(value.get()).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tools() -> Tools {
        let mut tools = Tools::default();
        for (tool, scope) in [("delete", "files:write"), ("delete", "files:read"), ("send", "mail")] {
            tools.need(tool.to_owned(), &Scope::parse(scope).unwrap());
        }
        tools
    }

    fn needed(body: &str) -> Result<String, Unreadable> {
        tools().needed_by(body.as_bytes()).map(|scope| scope.to_string())
    }

    const DELETE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete","arguments":{"name":"x"}}}"#;

    #[test]
    fn a_call_needs_what_its_tool_needs() {
        assert_eq!(needed(DELETE).as_deref(), Ok("files:read files:write"));
        assert_eq!(needed(r#" {"params":{"name":"send"},"method":"tools/call"} "#).as_deref(), Ok("mail"));
        assert_eq!(needed(r#"{"method":"tools/call","params":{"name":"free"}}"#).as_deref(), Ok(""));
        // Escapes are read before names are compared.
        assert_eq!(
            needed(r#"{"m\u0065thod":"tools\/call","params":{"name":"s\u0065nd"}}"#).as_deref(),
            Ok("mail")
        );
    }

    #[test]
    fn whatever_calls_no_tool_needs_nothing_more() {
        for body in [
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#,
            r#"{"method":"prompts/get","params":{"name":"delete"}}"#,
            r#"{"method":"initialize","params":{"name":7,"name":8}}"#,
            r#"{"method":"x","params":[1,2]}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{"method":"tools/call","params":{"name":"delete"}}}"#,
            "[]",
            "{}",
        ] {
            assert_eq!(needed(body).as_deref(), Ok(""), "{body}");
        }
    }

    #[test]
    fn a_batch_needs_what_all_its_calls_need() {
        let batch = format!(
            r#"[{{"method":"ping"}}, {DELETE}, {{"method":"tools/call","params":{{"name":"send"}}}}]"#
        );
        assert_eq!(needed(&batch).as_deref(), Ok("files:read files:write mail"));
        assert_eq!(needed(&format!("[{DELETE}, {{\"method\":1}}]")), Err(Unreadable::Message));
        assert_eq!(needed(&format!("[[{DELETE}]]")), Err(Unreadable::Message));
    }

    /// Two parsers must not disagree on which tool is called.
    #[test]
    fn a_body_that_can_be_read_in_two_ways_is_refused() {
        use Unreadable::{Call, Json, Message};
        for (body, unreadable) in [
            ("", Json),
            ("nonsense", Json),
            ("{\"method\":\"ping\"} {}", Json),
            ("\u{feff}{}", Json),
            (r#"{"method":"ping""#, Json),
            ("null", Message),
            ("\"tools/call\"", Message),
            (r#"{"method":["tools/call"]}"#, Message),
            (r#"{"method":"ping","method":"tools/call","params":{"name":"delete"}}"#, Message),
            (r#"{"method":"ping","m\u0065thod":"tools/call","params":{"name":"delete"}}"#, Message),
            (r#"{"method":"tools/call","params":{"name":"free"},"params":{"name":"delete"}}"#, Message),
            (r#"{"method":"tools/call","params":{"name":"free","name":"delete"}}"#, Call),
            (r#"{"method":"tools/call","params":{"name":"free","n\u0061me":"delete"}}"#, Call),
            (r#"[["tools/call",{"name":"delete"}]]"#, Message),
            (r#"{"method":"tools/call","params":["delete"]}"#, Call),
            (r#"{"method":"tools/call","params":["delete",{}]}"#, Call),
            (r#"{"method":"tools/call","params":{"name":null}}"#, Call),
            (r#"{"method":"tools/call","params":{"name":["delete"]}}"#, Call),
            (r#"{"method":"tools/call","params":{}}"#, Call),
            (r#"{"method":"tools/call","params":null}"#, Call),
            (r#"{"method":"tools/call"}"#, Call),
        ] {
            assert_eq!(needed(body), Err(unreadable), "{body}");
        }
        assert_eq!(tools().needed_by(b"{\"method\":\"\xff\"}"), Err(Json));
    }

    proptest! {
        /// What a common parser reads as a call of a tool is never let through without the tool's scope.
        #[test]
        fn a_common_parser_never_finds_another_call(parts in prop::collection::vec(0_usize..7, 0..6)) {
            const PARTS: [&str; 7] = [
                r#""method":"tools/call""#, r#""method":"ping""#, r#""params":{"name":"send"}"#, r#""params":{"name":"free"}"#,
                r#""params":["send"]"#, r#""id":1"#, r#""Method":"tools/call""#,
            ];
            let body = format!("{{{}}}", parts.iter().map(|part| PARTS[*part]).collect::<Vec<_>>().join(","));
            let read: serde_json::Value = serde_json::from_str(&body).unwrap();
            if read["method"] == "tools/call" && read["params"]["name"] == "send" {
                prop_assert!(needed(&body).is_err() || needed(&body).as_deref() == Ok("mail"), "{body}");
            }
        }
    }
}
