//! The tests that a document names, and those that there are.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::code::{root, rust_files};

/// The names in backticks in the columns that name tests.
pub(crate) fn tests_named_in(markdown: &str) -> Vec<String> {
    named_in_column(markdown, &["test", "tests", "held by"])
}

/// The names in backticks in the first column of each table that is called like one of these.
pub(crate) fn named_in_column(markdown: &str, columns: &[&str]) -> Vec<String> {
    let mut column = None;
    let mut named = Vec::new();
    for line in markdown.lines() {
        if !line.starts_with('|') {
            column = None;
            continue;
        }
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        if let Some(found) = cells.iter().position(|cell| columns.contains(cell)) {
            column = Some(found);
        } else if let Some(cell) = column.and_then(|column| cells.get(column)) {
            named.extend(cell.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    named
}

/// The names of all functions that are a test, in whatever file. A case that a macro stamps is named in the macro's list.
pub(crate) fn test_functions() -> BTreeSet<String> {
    let mut names = stamped();
    for folder in ["crates", "tests", "examples"] {
        names.extend(tests_in(&root().join(folder)));
    }
    // The suite of stores is called by name.
    let suite = rust_files(&root().join("crates/store/src/suite"));
    names.extend(
        suite.iter().flat_map(|file| functions(&fs::read_to_string(file).unwrap())).map(|(name, _)| name),
    );
    names
}

/// The tests of a crate.
pub(crate) fn tests_of(name: &str) -> BTreeSet<String> {
    tests_in(&root().join("crates").join(name))
}

/// The cases that a macro makes tests of.
pub(crate) fn stamped() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in rust_files(&root().join("tests/tests")) {
        let code = fs::read_to_string(&file).unwrap();
        for list in code.split("\nstamp!").skip(1) {
            let list = list
                .trim_start_matches([' ', '{', '(', '['])
                .split(['}', ')', ']'])
                .next()
                .unwrap_or_default();
            names.extend(list.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()));
        }
    }
    names
}

fn tests_in(folder: &Path) -> BTreeSet<String> {
    let files = rust_files(folder);
    let functions = files.iter().flat_map(|file| functions(&fs::read_to_string(file).unwrap()));
    functions.filter(|(_, test)| *test).map(|(name, _)| name).collect()
}

/// The functions of a file, and whether each has a test attribute or stands in a `proptest!`.
pub(crate) fn functions(code: &str) -> Vec<(String, bool)> {
    let mut functions = Vec::new();
    let mut test = false;
    for line in code.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            test = true;
        } else if let Some(rest) = line.strip_prefix("fn ").or_else(|| after(line, " fn ")) {
            let name = rest.chars().take_while(|one| one.is_alphanumeric() || *one == '_').collect();
            functions.push((name, test));
            test = false;
        }
    }
    functions
}

fn after<'a>(line: &'a str, keyword: &str) -> Option<&'a str> {
    let starts = ["pub ", "pub(", "async ", "const "].iter().any(|start| line.starts_with(start));
    if starts { line.split_once(keyword).map(|(_, rest)| rest) } else { None }
}
