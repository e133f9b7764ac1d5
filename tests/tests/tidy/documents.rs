//! What the documents say of the code.

use std::collections::BTreeSet;
use std::fs;

use crate::code::{root, rust_files, without_comments, without_tests};
use crate::named::{named_in_column, stamped, test_functions, tests_named_in, tests_of};

/// The documents whose tables name tests, in a column `test` or `held by`, without their files. `docs/threats.md` says the file, too.
const NAMING: [&str; 2] = ["docs/conformance.md", "ARCHITECTURE.md"];

#[test]
fn every_test_that_a_document_names_exists() {
    let tests = test_functions();
    assert!(tests.len() > 300, "only {} tests are found", tests.len());
    let mut missing = Vec::new();
    for document in NAMING {
        let markdown = fs::read_to_string(root().join(document)).unwrap();
        let named = tests_named_in(&markdown);
        assert!(!named.is_empty(), "{document} names no tests: has its column another name?");
        let unknown =
            named.into_iter().filter(|name| !tests.contains(name.rsplit("::").next().unwrap_or_default()));
        missing.extend(unknown.map(|name| format!("{document}: {name}")));
    }
    assert!(missing.is_empty(), "these tests do not exist: {missing:#?}");
}

/// The codes that an MCP server answers, logs and tells whoever watches are stable: each is explained, and none that there is not.
#[test]
fn the_troubleshooting_tables_have_the_reasons_of_a_resource_server_and_no_other() {
    let mut codes = BTreeSet::new();
    for file in ["rejection.rs", "answer.rs"] {
        let code = fs::read_to_string(root().join("crates/resource-server/src").join(file)).unwrap();
        let texts = without_tests(&without_comments(&code));
        let is_code =
            |text: &&str| text.contains('_') && text.bytes().all(|b| b == b'_' || b.is_ascii_lowercase());
        codes.extend(texts.split('"').skip(1).step_by(2).filter(is_code).map(str::to_owned));
    }
    codes.remove("error_description");
    assert!(codes.len() > 30, "{codes:?}");
    let tables = fs::read_to_string(root().join("docs/troubleshooting.md")).unwrap();
    let explained: BTreeSet<String> = named_in_column(&tables, &["code"]).into_iter().collect();
    let unexplained: Vec<_> = codes.difference(&explained).collect();
    assert!(unexplained.is_empty(), "not explained: {unexplained:?}");
    let unknown: Vec<_> = explained.difference(&codes).collect();
    assert!(unknown.is_empty(), "explained, and there is no such code: {unknown:?}");
}

#[test]
fn each_setting_of_a_resource_server_is_in_the_guide() {
    let guide = fs::read_to_string(root().join("docs/protect.md")).unwrap();
    let mut settings = BTreeSet::new();
    for file in ["verifier/builder.rs", "protection/builder.rs", "jwt/mod.rs", "opaque/introspection.rs"] {
        let code = fs::read_to_string(root().join("crates/resource-server/src").join(file)).unwrap();
        let names =
            code.lines().filter_map(|line| line.strip_prefix("    pub fn ")?.split(['(', '<']).next());
        settings.extend(names.filter(|name| *name != "build").map(str::to_owned));
    }
    assert!(settings.len() > 30, "{settings:?}");
    settings.retain(|name| !["`", "::"].iter().any(|before| guide.contains(&format!("{before}{name}("))));
    assert!(settings.is_empty(), "not in the guide: {settings:?}");
}

/// What a rule is held by is where the document says: in the matrix, stamped over every store, or at a place that is named.
#[test]
fn a_test_that_conformance_names_is_stamped_or_at_the_place_that_is_said() {
    let stamped = stamped();
    assert!(stamped.len() > 200, "only {} cases are stamped", stamped.len());
    let markdown = fs::read_to_string(root().join("docs/conformance.md")).unwrap();
    let mut elsewhere = Vec::new();
    for section in markdown.split("\n## ") {
        let (prose, table) = section.split_once("\n| ").unwrap_or((section, ""));
        for row in format!("| {table}").split_inclusive('\n').filter(|row| row.starts_with("| ")) {
            let heads = "| rule | what | test |\n|---|---|---|\n";
            let own = crates_in(prose).chain(crates_in(row)).flat_map(|one| tests_of(&one));
            let own: BTreeSet<String> = own.collect();
            let named = tests_named_in(&format!("{heads}{row}")).into_iter();
            elsewhere.extend(named.filter(|name| !stamped.contains(name) && !own.contains(name)));
        }
    }
    assert!(elsewhere.is_empty(), "neither stamped nor where the document says: {elsewhere:#?}");
}

/// A fault of prior systems has one id, wherever a test names it.
#[test]
fn each_fault_of_prior_systems_that_a_test_names_is_in_the_table() {
    let markdown = fs::read_to_string(root().join("docs/conformance.md")).unwrap();
    let mut unknown = BTreeSet::new();
    for folder in ["crates", "tests/tests"] {
        for file in rust_files(&root().join(folder)) {
            let code = fs::read_to_string(&file).unwrap();
            for rest in code.split(concat!("WA", "-")).skip(1) {
                let id: String = rest.chars().take_while(char::is_ascii_digit).collect();
                if !id.is_empty() && !markdown.contains(&format!("| WA-{id} |")) {
                    unknown.insert(format!("WA-{id} in {}", file.display()));
                }
            }
        }
    }
    assert!(unknown.is_empty(), "{unknown:#?}");
}

/// The crates that a text names in backticks.
fn crates_in(text: &str) -> impl Iterator<Item = String> {
    let named = text.split('`').skip(1).step_by(2);
    named.filter(|name| root().join("crates").join(name).is_dir()).map(str::to_owned)
}
