//! RFC 8707, AS-27.

use store::OriginEntry;

use super::*;
use crate::decide::target::{among, wanted};
use crate::seam::Wanted;

#[test]
fn a_request_means_one_resource() {
    let registered_for = Client { server: Some(server().id), ..client() };
    let named = |text: &str| Ok(Wanted::Named(resource(text)));
    let one = "https://mcp.example/mcp";
    for (asked, client, expected) in [
        (vec![], client(), Ok(Wanted::TheOnly)),
        (vec![], registered_for.clone(), Ok(Wanted::Registered(server().id))),
        (vec![one], client(), named(one)),
        (vec![one], registered_for, named(one)),
        (vec![one, one], client(), named(one)),
        (vec![one, "https://mcp.example/other"], client(), Err(Refusal::TargetMalformed)),
        (vec!["mcp.example/mcp"], client(), Err(Refusal::TargetMalformed)),
        (vec!["https://mcp.example/mcp#top"], client(), Err(Refusal::TargetMalformed)),
        (vec!["urn:mcp"], client(), Err(Refusal::TargetMalformed)),
    ] {
        let asked: Vec<_> = asked.into_iter().map(str::to_owned).collect();
        assert_eq!(wanted(&asked, &client), expected, "{asked:?}");
    }
}

#[test]
fn an_identifier_is_found_exactly_or_by_an_alias_that_is_clear() {
    let id = |n| ServerId::new([n; 16]);
    let entry = |n, text| OriginEntry { server: id(n), resource: resource(text), since: NOW };
    let one = [entry(1, "https://mcp.example/mcp")];
    let two = [entry(1, "https://mcp.example/mcp"), entry(2, "https://mcp.example/other")];
    let with_root = [entry(1, "https://mcp.example"), entry(2, "https://mcp.example/mcp")];
    let two_slashes = [entry(1, "https://mcp.example/mcp"), entry(2, "https://mcp.example/mcp/")];
    for (what, entries, named, expected) in [
        ("as registered", &one[..], "https://mcp.example/mcp", Some(1)),
        ("with a slash", &one, "https://mcp.example/mcp/", Some(1)),
        ("with another case and the default port", &one, "HTTPS://MCP.example:443/mcp", Some(1)),
        ("by its origin, the only one there", &one, "https://mcp.example", Some(1)),
        ("by its origin with a slash", &one, "https://mcp.example/", Some(1)),
        ("by another path", &one, "https://mcp.example/Mcp", None),
        ("by a path below", &one, "https://mcp.example/mcp/sse", None),
        ("with a query", &one, "https://mcp.example/mcp?a", None),
        ("by an origin of two", &two, "https://mcp.example", None),
        ("one of two", &two, "https://mcp.example/other/", Some(2)),
        ("the one at the origin", &with_root, "https://mcp.example/", Some(1)),
        ("the exact one before its alias", &two_slashes, "https://mcp.example/mcp/", Some(2)),
        ("an alias of two", &two_slashes, "https://MCP.example/mcp", None),
        ("of no servers", &[], "https://mcp.example", None),
    ] {
        assert_eq!(among(&resource(named), entries), expected.map(id), "{what}");
    }
}
