//! What docs/accounts.md says of `/auth/*`.

use std::collections::BTreeSet;
use std::fs;

use crate::code::{root, without_comments, without_tests};

/// The texts of a file of `identity` that begin so.
fn texts_in(file: &str, from: &str, to: &str) -> BTreeSet<String> {
    let code = fs::read_to_string(root().join("crates/identity/src").join(file)).unwrap();
    let code = without_tests(&without_comments(&code));
    let part = code.split(from).nth(1).and_then(|rest| rest.split(to).next()).unwrap();
    part.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// What stands between backquotes in the first cells of the rows.
fn first_cells(document: &str) -> BTreeSet<String> {
    let rows = document.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.filter_map(|row| row.split('|').nth(1));
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned)).collect()
}

#[test]
fn the_guide_to_accounts_has_each_route_and_each_error_and_no_other() {
    let mut known = texts_in("refused.rs", "fn code(", "\n    }\n");
    known.extend(["invalid_request", "wrong_origin"].map(str::to_owned));
    let said = first_cells(&fs::read_to_string(root().join("docs/accounts.md")).unwrap());
    let (routes, errors): (BTreeSet<_>, BTreeSet<_>) = said.into_iter().partition(|text| text.contains('/'));
    assert!(known.len() > 10, "{known:?}");
    assert_eq!(errors, known);
    let paths: BTreeSet<String> =
        routes.iter().filter_map(|route| route.split(' ').nth(1)).map(str::to_owned).collect();
    assert_eq!(paths, texts_in("api/mod.rs", "fn of(", "_ => return None"));
}
