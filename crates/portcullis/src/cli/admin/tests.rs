//! Every route is a command, and is asked as it is.

use std::collections::BTreeSet;

use clap::Parser;
use serde_json::{Value, json};

use super::*;
use crate::admin::named;

#[derive(Debug, Parser)]
enum Line {
    Server(About<ServerCommand>),
    Client(About<ClientCommand>),
    User(About<UserCommand>),
    Grant(About<GrantCommand>),
    Consent(About<ConsentCommand>),
    Key(About<KeyCommand>),
    Event(About<EventCommand>),
}

fn asked(words: &str) -> Ask {
    let line = Line::try_parse_from(std::iter::once("portcullis").chain(words.split(' ')));
    let ask = match line.unwrap_or_else(|error| panic!("{words}: {error}")) {
        Line::Server(about) => about.command.ask(),
        Line::Client(about) => about.command.ask(),
        Line::User(about) => about.command.ask(),
        Line::Grant(about) => about.command.ask(),
        Line::Consent(about) => about.command.ask(),
        Line::Key(about) => about.command.ask(),
        Line::Event(about) => about.command.ask(),
    };
    ask.unwrap_or_else(|error| panic!("{words}: {error}"))
}

fn body(ask: &Ask) -> Value {
    serde_json::from_slice(&ask.bytes()).unwrap_or_default()
}

#[test]
fn the_commands_reach_all_that_the_routes_do() {
    let commands = [
        "server create --name a --resource-url https://a.example/mcp",
        "server list",
        "server show srv",
        "server change srv --name b",
        "server rotate-key srv",
        "server delete srv",
        "client create --name a --redirect-uri https://a.example/cb",
        "client list",
        "client show https://a.example/client.json",
        "client change c --vouched true",
        "client rotate-secret c",
        "client delete c",
        "user create --name Ada --email ada@example.com",
        "user invite",
        "user invitations",
        "user uninvite i",
        "user list",
        "user show u",
        "user block u",
        "user end u",
        "user reset-factors u",
        "user delete u",
        "grant list --connected",
        "grant show g",
        "grant revoke g",
        "grant revoke --user u",
        "consent list --user u",
        "consent withdraw --user u --client c --server s",
        "key create ci --read-only",
        "key list",
        "key revoke ci",
        "event list",
    ];
    let mut reached = BTreeSet::new();
    for command in commands {
        let ask = asked(command);
        let route = named(ask.method.as_str(), &ask.target())
            .unwrap_or_else(|| panic!("{command}: {}", ask.target()));
        assert!(reached.insert(route), "{command} is another's route");
    }
    let all: BTreeSet<String> =
        crate::admin::names().filter(|route| route != "GET /api/openapi.json").collect();
    assert_eq!(reached.into_iter().collect::<BTreeSet<_>>(), all);
}

#[test]
fn ids_and_values_stay_what_they_are_in_a_url() {
    let ask = asked("client show https://a.example/client.json?x=1");
    assert_eq!(ask.target(), "/api/clients/https%3A%2F%2Fa%2Eexample%2Fclient%2Ejson%3Fx%3D1");
    let ask = asked("user list --email a+b&c@example.com --limit 5");
    assert_eq!(ask.target(), "/api/users?email=a%2Bb%26c%40example%2Ecom");
    assert_eq!(ask.at_most, Some(5));
    let ask = asked("client list --vouched false --search claude --status blocked");
    assert_eq!(ask.target(), "/api/clients?q=claude&status=blocked&vouched=false");
}

#[test]
fn what_is_said_is_in_the_body_and_nothing_else() {
    let ask = asked("server create --name a --resource-url https://a.example --scope read --scope write");
    let expected = json!({ "name": "a", "resource_url": "https://a.example", "scopes": ["read", "write"] });
    assert_eq!(body(&ask), expected);
    assert_eq!(body(&asked("server change s --no-owner")), json!({ "owner_email": null }));
    assert_eq!(body(&asked("client block c")), json!({ "status": "blocked" }));
    assert_eq!(
        body(&asked("client create --name a --redirect-uri http://127.0.0.1/cb --auth-method none")),
        json!({ "metadata": { "client_name": "a", "redirect_uris": ["http://127.0.0.1/cb"],
            "token_endpoint_auth_method": "none" } })
    );
    assert_eq!(body(&asked("server rotate-key s --grace 60")), json!({ "grace_seconds": 60 }));
    assert_eq!(body(&asked("client rotate-secret c --grace 0")), json!({ "grace_seconds": 0 }));
}

#[test]
fn flags_hold_before_the_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, r#"{"name":"of the file","scopes":[{"name":"a","optional":true}]}"#).unwrap();
    let ask = asked(&format!("server create --file {} --name b", file.path().display()));
    assert_eq!(body(&ask), json!({ "name": "b", "scopes": [{ "name": "a", "optional": true }] }));
}

#[test]
fn what_ends_something_is_asked_about_and_nothing_else_is() {
    for command in [
        "server delete s",
        "client delete c",
        "user delete u",
        "user end u",
        "user reset-factors u",
        "grant revoke g",
        "grant revoke --client c",
        "consent withdraw --user u --client c --server s",
        "key revoke k",
    ] {
        assert!(asked(command).question.is_some_and(|question| question.ends_with(['?', '.'])), "{command}");
    }
    for command in ["server block s", "server list", "key create k", "user invite"] {
        assert!(asked(command).question.is_none(), "{command}");
    }
}

#[test]
fn only_yes_is_yes_and_only_a_terminal_is_asked() {
    let answered = |text: &str| {
        let mut errors = Vec::new();
        let done = confirm("Delete it?", true, &mut text.as_bytes(), &mut errors);
        assert_eq!(String::from_utf8(errors).unwrap(), "Delete it? [y/N] ");
        done
    };
    for text in ["y\n", "YES\n", " yes \n"] {
        answered(text).unwrap();
    }
    for text in ["", "\n", "n\n", "yep\n"] {
        assert!(matches!(answered(text), Err(AdminError::Declined)), "{text}");
    }
    let unasked = confirm("Delete it?", false, &mut "y\n".as_bytes(), &mut Vec::new());
    assert!(matches!(unasked, Err(AdminError::NobodyToAsk)));
}

/// A new member that is a time is shown as one.
#[test]
fn members_that_are_times_are_told_by_their_names() {
    let issuer = oauth_types::Issuer::parse("https://auth.example.com").unwrap();
    let document = crate::admin::described(&issuer);
    let (mut times, mut others) = (0, 0);
    for (schema, described) in document["components"]["schemas"].as_object().unwrap() {
        for (name, member) in described["properties"].as_object().into_iter().flatten() {
            let is_time = member["format"] == "int64";
            assert_eq!(table::is_time(name), is_time, "{schema}.{name}");
            *(if is_time { &mut times } else { &mut others }) += 1;
        }
    }
    assert!(times > 10 && others > 50, "{times} {others}");
}
