//! `docs/threats.md` leaves out no threat of its sources, and what it points at is there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::code::root;
use crate::named::{functions, stamped};

/// The sections of RFC 9700 that say what to do (2) and what is tried (4).
const RFC_9700: [&str; 26] = [
    "2.1", "2.1.1", "2.1.2", "2.2.1", "2.2.2", "2.3", "2.4", "2.5", "2.6", "4.1", "4.2", "4.3", "4.4", "4.5",
    "4.6", "4.7", "4.8", "4.9", "4.10", "4.11", "4.12", "4.13", "4.14", "4.15", "4.16", "4.17",
];

/// The headings of the security best practices of MCP 2026-07-28, below "Attacks and Mitigations".
const BEST_PRACTICES: [&str; 11] = [
    "Confused Deputy Problem",
    "Token Passthrough",
    "Server-Side Request Forgery (SSRF)",
    "State Handle Hijacking",
    "Local MCP Server Compromise",
    "OAuth Authorization URL Validation",
    "stdio Transport Security in Proxy Scenarios",
    "Mix-Up Attacks",
    "Localhost Redirect URI Impersonation",
    "CIMD Trust Policies",
    "Scope Minimization",
];

/// The headings of the security considerations of MCP authorization 2026-07-28.
const CONSIDERATIONS: [&str; 9] = [
    "Token Audience Binding and Validation",
    "Token Theft",
    "Communication Security",
    "Authorization Code Protection",
    "Mix-Up Attacks",
    "Open Redirection",
    "Client ID Metadata Document Security",
    "Confused Deputy Problem",
    "Access Token Privilege Restriction",
];

/// The rules for servers between clients and another authorization server: PX-1 to PX-11.
const PROXIES: u32 = 11;

#[test]
fn no_threat_of_the_sources_is_without_a_row() {
    let rfc = RFC_9700.iter().map(|section| format!("9700 {section}"));
    let practices = BEST_PRACTICES.iter().map(|heading| format!("SBP {heading}"));
    let considerations = CONSIDERATIONS.iter().map(|heading| format!("SC {heading}"));
    let proxies = (1..=PROXIES).map(|number| format!("PX-{number}"));
    let expected: BTreeSet<String> = rfc.chain(practices).chain(considerations).chain(proxies).collect();
    let named: BTreeSet<String> = rows()
        .iter()
        .filter_map(|row| row.get("from"))
        .flat_map(|from| from.split(", "))
        .map(str::to_owned)
        .collect();
    let missing: Vec<_> = expected.difference(&named).collect();
    assert!(missing.is_empty(), "no row is about {missing:#?}");
    let unknown: Vec<_> = named.difference(&expected).collect();
    assert!(unknown.is_empty(), "the sources have none of {unknown:#?}");
}

#[test]
fn each_row_has_a_rule_a_place_and_a_test_or_says_why_not() {
    let rows = rows();
    assert!(rows.len() > 50, "only {} rows are found", rows.len());
    for row in rows {
        let columns: &[&str] =
            if row.contains_key("why") { &["threat", "why"] } else { &["threat", "answer", "code", "test"] };
        for column in columns {
            assert!(row.get(column).is_some_and(|cell| cell.len() > 10), "{column} is empty: {row:?}");
        }
        for column in ["code", "test"] {
            let quoted = row.get(column).map_or(1, |cell| in_backticks(cell).count());
            assert!(quoted > 0, "{column} names nothing: {row:?}");
        }
    }
}

#[test]
fn each_place_and_each_test_that_a_row_names_is_there() {
    let (stamped, mut wrong) = (stamped(), Vec::new());
    for row in rows() {
        for place in row.get("code").into_iter().flat_map(|cell| in_backticks(cell)) {
            if !root().join("crates").join(place).is_file() {
                wrong.push(place.to_owned());
            }
        }
        let named = row.get("test").into_iter().flat_map(|cell| in_backticks(cell));
        wrong.extend(named.filter(|named| !is_test(named, &stamped)).map(str::to_owned));
    }
    // Those of the reasons and of the accepted risks, too.
    let markdown = markdown();
    let named = markdown.lines().flat_map(in_backticks).filter(|text| text.contains(".rs::"));
    wrong.extend(named.filter(|named| !is_test(named, &stamped)).map(str::to_owned));
    assert!(wrong.is_empty(), "not there, or not a test: {wrong:#?}");
}

/// Whether `file::name` is a test of that file, by an attribute or because a macro makes a test of it.
fn is_test(named: &str, stamped: &BTreeSet<String>) -> bool {
    let Some((file, name)) = named.split_once("::") else { return false };
    let folders = ["tests/tests", "tests", "crates"].map(|folder| root().join(folder));
    let Some(code) = folders.iter().find_map(|folder| fs::read_to_string(folder.join(file)).ok()) else {
        return false;
    };
    let functions = functions(&code);
    functions.iter().any(|(there, test)| there == name && (*test || stamped.contains(name)))
}

/// The rows of all tables that begin with where a threat is from, or with the threat, by column.
fn rows() -> Vec<BTreeMap<&'static str, String>> {
    const COLUMNS: [&str; 6] = ["from", "threat", "answer", "code", "test", "why"];
    let markdown = markdown();
    let mut columns = Vec::new();
    let mut rows = Vec::new();
    for line in markdown.lines() {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        if !line.starts_with('|') {
            columns.clear();
        } else if ["from", "threat"].contains(&cells[0]) {
            columns = cells.iter().filter_map(|cell| COLUMNS.iter().find(|name| *name == cell)).collect();
            assert_eq!(columns.len(), cells.len(), "{line}");
        } else if !columns.is_empty() && !cells[0].starts_with("---") {
            assert_eq!(columns.len(), cells.len(), "{line}");
            rows.push(columns.iter().copied().copied().zip(cells.into_iter().map(str::to_owned)).collect());
        }
    }
    rows
}

fn markdown() -> String {
    fs::read_to_string(root().join("docs/threats.md")).unwrap()
}

fn in_backticks(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}
