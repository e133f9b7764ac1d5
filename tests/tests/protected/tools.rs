//! What a token must reach to call a tool.

use http::Method;
use resource_server::ProtectionBuilder;

use crate::challenge::{reason, refused};
use crate::run::{Run, call_of};
use crate::signed::{Signed, token_for};

stamp!(
    rs08_a_tool_needs_its_scope_and_others_do_not,
    rs08_a_batch_needs_the_scopes_of_all_its_calls,
    rs08_the_route_and_the_tool_are_told_in_one_challenge,
    a_body_arrives_whole_after_it_was_read,
    a_body_that_two_parsers_could_read_as_two_tools_is_400,
    a_body_that_a_parser_unpacks_or_reads_in_other_letters_is_400,
    a_tool_that_nobody_named_needs_what_the_others_need,
    an_upgrade_is_refused_where_tools_need_scopes,
    a_header_that_names_another_tool_changes_nothing,
    a_body_that_is_encoded_is_415,
    a_body_beyond_the_limit_is_413_where_it_is_read,
    a_body_is_not_read_where_no_tool_needs_a_scope,
);

fn demanding(builder: ProtectionBuilder) -> ProtectionBuilder {
    let builder = builder.require("files:read").require_for_tool("delete", "files:write");
    builder.require_for_tool("send", "mail").body_limit(4096)
}

async fn rs08_a_tool_needs_its_scope_and_others_do_not(run: Run) {
    let server = run.protected(Signed::new().demanding(demanding));
    let read = token_for("files:read");
    assert_eq!(server.call(&read, "list").await.status(), 200);
    let challenge = refused(&server.call(&read, "delete").await, 403, "insufficient_scope");
    assert_eq!(challenge.get("scope").map(String::as_str), Some("files:read files:write"));
    assert_eq!(server.post(&read, r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#).await.status(), 200);
    assert_eq!(server.reached(), 2);
    assert_eq!(server.call(&token_for("files:read files:write"), "delete").await.status(), 200);
}

async fn rs08_a_batch_needs_the_scopes_of_all_its_calls(run: Run) {
    let server = run.protected(Signed::new().demanding(demanding));
    let batch = format!("[{}, {}, {}]", call_of("list"), call_of("delete"), call_of("send"));
    let challenge =
        refused(&server.post(&token_for("files:read files:write"), &batch).await, 403, "insufficient_scope");
    assert_eq!(challenge.get("scope").map(String::as_str), Some("files:read files:write mail"));
    assert_eq!(server.post(&token_for("files:read files:write mail"), &batch).await.status(), 200);
}

async fn rs08_the_route_and_the_tool_are_told_in_one_challenge(run: Run) {
    let server = run.protected(Signed::new().demanding(demanding));
    for scope in ["", "mail", "files:read"] {
        let challenge = refused(&server.call(&token_for(scope), "send").await, 403, "insufficient_scope");
        assert_eq!(challenge.get("scope").map(String::as_str), Some("files:read mail"), "{scope}");
    }
    assert_eq!(server.reached(), 0);
}

async fn a_body_arrives_whole_after_it_was_read(run: Run) {
    let server = run.protected(Signed::new().demanding(demanding));
    let body = call_of(&"é".repeat(1000));
    let answer = server.post(&token_for("files:read"), &body).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.json()["body"], body);
}

async fn a_body_that_two_parsers_could_read_as_two_tools_is_400(run: Run) {
    let server = run.protected(Signed::new().demanding(demanding));
    let read = token_for("files:read");
    for body in [
        r#"{"method":"tools/call","params":{"name":"list","name":"delete"}}"#,
        r#"{"method":"tools/call","params":{"name":"list"},"params":{"name":"delete"}}"#,
        r#"{"method":"ping","method":"tools/call","params":{"name":"delete"}}"#,
        r#"{"method":"tools/call"}"#,
        r#"{"method":"tools/call","params":{"name":"list"}"#,
        "",
    ] {
        let answer = server.post(&read, body).await;
        assert_eq!(answer.status(), 400, "{body}");
        assert_eq!(answer.headers("www-authenticate"), Vec::<&str>::new(), "{body}");
        assert_eq!(reason(&answer), "body_unreadable", "{body}");
    }
    assert_eq!(server.reached(), 0);
}

/// `serde_json` with the feature `raw_value`, which anything in a program may turn on, takes the text behind that name for the message.
/// Go's parser takes `Method` for `method`.
async fn a_body_that_a_parser_unpacks_or_reads_in_other_letters_is_400(run: Run) {
    let server = run.protected(Signed::new().demanding(demanding));
    let packed = serde_json::json!({ "$serde_json::private::RawValue": call_of("delete") }).to_string();
    for body in [
        packed.as_str(),
        &format!("[{packed}]"),
        r#"{"Method":"tools/call","Params":{"Name":"delete"}}"#,
        r#"{"method":"tools/call","params":{"name":"list","Name":"delete"}}"#,
        "{}",
    ] {
        let answer = server.post(&token_for("files:read"), body).await;
        assert_eq!((answer.status(), reason(&answer).as_str()), (400, "body_unreadable"), "{body}");
    }
    assert_eq!(server.reached(), 0);
}

async fn a_tool_that_nobody_named_needs_what_the_others_need(run: Run) {
    let demanding = |b: ProtectionBuilder| {
        b.require("files:read").require_for_tool("list", "files:read").require_for_other_tools("files:write")
    };
    let server = run.protected(Signed::new().demanding(demanding));
    let read = token_for("files:read");
    assert_eq!(server.call(&read, "list").await.status(), 200);
    for tool in ["delete", "List", "added_later"] {
        refused(&server.call(&read, tool).await, 403, "insufficient_scope");
        assert_eq!(server.call(&token_for("files:read files:write"), tool).await.status(), 200, "{tool}");
    }
}

/// What is called on a socket is seen by nobody.
async fn an_upgrade_is_refused_where_tools_need_scopes(run: Run) {
    let authorization = format!("Bearer {}", token_for("files:read"));
    let headers =
        [("authorization", authorization.as_str()), ("connection", "upgrade"), ("upgrade", "websocket")];
    let server = run.protected(Signed::new().demanding(demanding));
    let answer = server.get("/mcp", &headers).await;
    assert_eq!((answer.status(), reason(&answer).as_str()), (400, "upgrade_refused"));
    assert_eq!(server.reached(), 0);
    let toolless = run.protected(Signed::new().demanding(|b| b.require("files:read")));
    assert_eq!(toolless.get("/mcp", &headers).await.status(), 200);
}

/// `Mcp-Method` and `Mcp-Name` of the revision 2026-07-28 are for whoever routes, and anybody can write them.
async fn a_header_that_names_another_tool_changes_nothing(run: Run) {
    let server = run.protected(Signed::new().demanding(demanding));
    let authorization = format!("Bearer {}", token_for("files:read"));
    let headers = [
        ("authorization", authorization.as_str()),
        ("content-type", "application/json"),
        ("mcp-method", "tools/list"),
        ("mcp-name", "list"),
    ];
    let answer = server.send(Method::POST, "/mcp", &headers, &call_of("delete")).await;
    refused(&answer, 403, "insufficient_scope");
    assert_eq!(server.reached(), 0);
}

async fn a_body_that_is_encoded_is_415(run: Run) {
    let server = run.protected(Signed::new().demanding(demanding));
    let authorization = format!("Bearer {}", token_for("files:read"));
    let headers = [("authorization", authorization.as_str()), ("content-encoding", "gzip")];
    let answer = server.send(Method::POST, "/mcp", &headers, &call_of("list")).await;
    assert_eq!(answer.status(), 415);
    assert_eq!(server.reached(), 0);
}

async fn a_body_beyond_the_limit_is_413_where_it_is_read(run: Run) {
    let server = run.protected(Signed::new().demanding(demanding));
    let read = token_for("files:read");
    let padding =
        |length: usize| format!("{}{}", call_of("list"), " ".repeat(length - call_of("list").len()));
    assert_eq!(server.post(&read, &padding(4096)).await.status(), 200);
    let answer = server.post(&read, &padding(4097)).await;
    assert_eq!(answer.status(), 413);
    assert_eq!(reason(&answer), "body_too_large");
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(server.reached(), 1);
}

async fn a_body_is_not_read_where_no_tool_needs_a_scope(run: Run) {
    let server = run.protected(Signed::new().demanding(|b| b.body_limit(16)));
    let answer = server.post(&token_for(""), &"not JSON at all, ".repeat(100)).await;
    assert_eq!(answer.status(), 200);
}
