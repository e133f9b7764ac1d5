use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn tools() -> Tools {
    let mut tools = Tools::default();
    for (tool, scope) in [("delete", "files:write"), ("delete", "files:read"), ("send", "mail")] {
        tools.need(tool.to_owned(), &Scope::parse(scope).unwrap());
    }
    tools
}

fn needed(body: &str) -> Result<String, Unreadable> {
    tools().needed_by(body.as_bytes()).map(|needs| needs.scope.to_string())
}

const DELETE: &str =
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete","arguments":{"name":"x"}}}"#;

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
        r#"{"id":1,"error":{"code":1,"message":"x"}}"#,
        r#"{"method":"x","params":{"Name":"delete","arguments":{"$serde_json::private::RawValue":"1"}}}"#,
        "[]",
    ] {
        assert_eq!(needed(body).as_deref(), Ok(""), "{body}");
    }
}

#[test]
fn a_batch_needs_what_all_its_calls_need() {
    let batch =
        format!(r#"[{{"method":"ping"}}, {DELETE}, {{"method":"tools/call","params":{{"name":"send"}}}}]"#);
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
        ("7", Message),
        ("{}", Message),
        ("[{}]", Message),
        (r#"{"jsonrpc":"2.0","id":1}"#, Message),
        (r#"{"method":null}"#, Message),
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

/// Whatever in the program turns on a feature of `serde_json`, its `Value` takes what stands behind these names for the value itself.
#[test]
fn a_name_that_a_parser_keeps_for_itself_is_refused() {
    for key in ["RawValue", "Number", ""] {
        let hidden = format!(r#""$serde_json::private::{key}":{}"#, serde_json::to_string(DELETE).unwrap());
        for body in [
            format!("{{{hidden}}}"),
            format!(r#"{{{hidden},"method":"ping"}}"#),
            format!(r#"{{"method":"ping",{hidden}}}"#),
            format!(r#"{{"result":1,{}}}"#, hidden.replacen('$', "\\u0024", 1)),
            format!("[{{\"method\":\"ping\"}},{{{hidden}}}]"),
            format!(r#"{{"method":{{{hidden}}},"params":{{"name":"free"}}}}"#),
            format!(r#"{{"method":"tools/call","params":{{{hidden}}}}}"#),
            format!(r#"{{"method":"tools/call","params":{{"name":{{{hidden}}}}}}}"#),
        ] {
            assert_eq!(needed(&body), Err(Unreadable::Message), "{body}");
        }
    }
}

/// Go's parser, and others, take `Method` for `method`, and the last of them counts.
#[test]
fn a_member_that_decides_in_other_letters_is_refused() {
    use Unreadable::{Call, Message};
    for (body, unreadable) in [
        (r#"{"Method":"tools/call","Params":{"Name":"delete"}}"#, Message),
        (r#"{"method":"ping","METHOD":"tools/call","params":{"name":"delete"}}"#, Message),
        (r#"{"method":"tools/call","params":{"name":"free"},"Params":{"name":"delete"}}"#, Message),
        (r#"{"method":"tools/call","params":{"name":"free"},"param\u017f":{"name":"delete"}}"#, Message),
        (r#"[{"method":"ping"},{"id":1,"result":1,"mEthod":"tools/call"}]"#, Message),
        (r#"{"method":"tools/call","params":{"name":"free","Name":"delete"}}"#, Call),
        (r#"{"method":"tools/call","params":{"NAME":"delete"}}"#, Call),
    ] {
        assert_eq!(needed(body), Err(unreadable), "{body}");
    }
}

/// A tool that is added later, or whose name is written otherwise in the configuration, is not open for that.
#[test]
fn whatever_is_not_named_needs_what_the_others_need() {
    let mut tools = tools();
    tools.others_need(&Scope::parse("admin").unwrap());
    let call = |tool: &str| format!(r#"{{"method":"tools/call","params":{{"name":"{tool}"}}}}"#);
    for (body, scope) in [
        (call("send"), "mail"),
        (call("Send"), "admin"),
        (call(""), "admin"),
        (r#"{"method":"ping"}"#.into(), ""),
    ] {
        assert_eq!(tools.needed_by(body.as_bytes()).unwrap().scope.to_string(), scope, "{body}");
    }
    let mut others = Tools::default();
    assert!(others.is_empty());
    others.others_need(&Scope::parse("admin").unwrap());
    assert!(!others.is_empty());
}

/// Nobody's stack is at stake, and what is deep and decides nothing is skipped.
#[test]
fn depth_is_bounded() {
    let deep = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    let call = |arguments: &str| {
        needed(&format!(r#"{{"method":"tools/call","params":{{"name":"send","arguments":{arguments}}}}}"#))
    };
    assert_eq!(call(&deep(100_000)).as_deref(), Ok("mail"));
    assert_eq!(needed(&deep(100_000)), Err(Unreadable::Message));
    let names = format!("{}1{}", r#"{"name":"#.repeat(100_000), "}".repeat(100_000));
    assert_eq!(needed(&format!(r#"{{"method":"x","params":{names}}}"#)), Err(Unreadable::Json));
}

proptest! {
    /// What a common parser reads as a call of a tool is never let through without the tool's scope: neither one that takes the last of
    /// equal names, nor one that takes capitals for small letters, nor one that unpacks a text.
    #[test]
    fn a_common_parser_never_finds_another_call(parts in prop::collection::vec(0_usize..PARTS.len(), 0..6), batch: bool) {
        let body = format!("{{{}}}", parts.iter().map(|part| PARTS[*part]).collect::<Vec<_>>().join(","));
        let whole = if batch { format!(r#"[{{"method":"ping"}},{body}]"#) } else { body.clone() };
        for read in [read(&body), unpacked(read(&body)), small(unpacked(read(&body))), small(read(&body))] {
            if read["method"] == "tools/call" && read["params"]["name"] == "send" {
                prop_assert!(needed(&whole).is_err() || needed(&whole).as_deref() == Ok("mail"), "{whole}");
            }
        }
    }
}

const PARTS: [&str; 15] = [
    r#""method":"tools/call""#,
    r#""method":"ping""#,
    r#""params":{"name":"send"}"#,
    r#""params":{"name":"free"}"#,
    r#""params":["send"]"#,
    r#""id":1"#,
    r#""result":1"#,
    r#""Method":"tools/call""#,
    r#""METHOD":"ping""#,
    r#""Params":{"Name":"send"}"#,
    r#""params":{"name":"free","Name":"send"}"#,
    r#""$serde_json::private::RawValue":"{\"method\":\"tools/call\",\"params\":{\"name\":\"send\"}}""#,
    r#""params":{"$serde_json::private::RawValue":"{\"name\":\"send\"}"}"#,
    r#""params":{"name":{"$serde_json::private::RawValue":"\"send\""}}"#,
    r#""method":{"$serde_json::private::RawValue":"\"tools/call\""}"#,
];

fn read(body: &str) -> Value {
    serde_json::from_str(body).unwrap()
}

/// As `serde_json` with the feature `raw_value` reads it, and more: wherever the name stands.
fn unpacked(value: Value) -> Value {
    let Value::Object(members) = value else { return value };
    match members.get("$serde_json::private::RawValue").and_then(Value::as_str) {
        Some(text) => read(text),
        None => members.into_iter().map(|(name, value)| (name, unpacked(value))).collect(),
    }
}

/// As a parser reads it that takes capitals for small letters.
fn small(value: Value) -> Value {
    let Value::Object(members) = value else { return value };
    members.into_iter().map(|(name, value)| (name.to_lowercase(), small(value))).collect()
}
