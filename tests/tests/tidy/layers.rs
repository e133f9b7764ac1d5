//! Who may know of whom.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::code::{is_shipped, root, rust_files, without_comments, without_tests};

/// Each crate and its row. Imports point strictly downwards.
const ROWS: [(&str, u8); 20] = [
    ("oauth-types", 0),
    ("pkce", 0),
    ("ambient", 1),
    ("seal", 1),
    ("http-io", 1),
    ("store", 2),
    ("jose", 2),
    ("authz-core", 3),
    ("resource-server", 3),
    ("upstream", 3),
    ("adapters-axum", 4),
    ("adapters-actix", 4),
    ("identity", 4),
    ("doctor", 4),
    ("testkit", 4),
    ("portcullis", 5),
    ("portcullis-bench", 5),
    ("portcullis-load", 5),
    ("examples", 5),
    ("tests", 5),
];

/// The arrows within a row: the black-box cases run the whole thing, too, and examples share what is not their subject.
const SIDEWAYS: [(&str, &str); 3] =
    [("tests", "portcullis"), ("tests", "examples"), ("examples", "examples")];

/// Arrows that point downwards and are wrong all the same: who checks tokens or looks at servers from outside knows nothing
/// of their insides.
const NEVER: [(&str, &str); 4] = [
    ("resource-server", "store"),
    ("resource-server", "authz-core"),
    ("doctor", "store"),
    ("doctor", "authz-core"),
];

#[test]
fn imports_point_strictly_downwards() {
    let metadata = metadata();
    let ours: BTreeMap<&str, &str> =
        packages(&metadata).map(|package| (text(package, "name"), place(package))).collect();
    let row = |name: &str| ROWS.iter().find(|(one, _)| *one == name).map(|(_, row)| *row);
    for package in packages(&metadata) {
        let name = text(package, "name");
        let place = place(package);
        let from = row(place).unwrap_or_else(|| panic!("{name} has no row: give it one"));
        for dependency in package["dependencies"].as_array().unwrap() {
            let Some(to) = ours.get(text(dependency, "name")).copied() else { continue };
            if text(dependency, "name") == name {
                continue;
            }
            // What tests share may be used by the tests of any crate, and is compiled for them alone.
            let in_tests = dependency["kind"] == "dev" && to == "testkit";
            let down = row(to).unwrap_or_else(|| panic!("{to} has no row")) < from;
            let fine = (down || SIDEWAYS.contains(&(place, to))) && !NEVER.contains(&(name, to));
            assert!(fine || in_tests, "{name} imports {to}");
            assert!(
                to != "testkit" || place == "tests" || dependency["kind"] == "dev",
                "{name} ships testkit"
            );
        }
    }
}

/// What stands for a package in [`ROWS`].
fn place(package: &Value) -> &str {
    if text(package, "manifest_path").contains("/examples/") { "examples" } else { text(package, "name") }
}

#[test]
fn every_crate_is_made_like_the_others() {
    for package in packages(&metadata()) {
        let name = text(package, "name");
        let manifest = fs::read_to_string(text(package, "manifest_path")).unwrap();
        for line in [
            "[lints]\nworkspace = true",
            "publish.workspace = true",
            "edition.workspace = true",
            "license.workspace = true",
        ] {
            assert!(manifest.contains(line), "{name} has no `{line}`");
        }
        assert_eq!(package["publish"], Value::Array(Vec::new()), "{name} can be published");
        assert_eq!(text(package, "license"), "MIT OR Apache-2.0", "{name}");
        assert!(!text(package, "description").is_empty(), "{name}");
    }
    for license in ["LICENSE-MIT", "LICENSE-APACHE"] {
        let file = fs::read_to_string(root().join(license)).unwrap();
        assert!(file.len() > 500, "{license} is empty");
    }
}

/// The floors of authz-core: rules know no store, no clock and no chance, and nothing in them waits.
#[test]
fn rules_are_plain_functions() {
    let words = [
        "async",
        "await",
        "Store",
        "Backend",
        "Inspect",
        "Clock",
        "Entropy",
        "SystemTime",
        "Instant",
        "http_io",
        "http",
        "tokio",
        "rand",
        "getrandom",
        "Arc",
        "Mutex",
    ];
    assert_words_absent("crates/authz-core/src/decide", &words);
}

/// Flows and oversight say what happens in which order; what it looks like in HTTP is said in one place.
#[test]
fn flows_know_no_status_codes() {
    for folder in ["flow", "oversight"] {
        let folder = format!("crates/authz-core/src/{folder}");
        assert_words_absent(&folder, &["StatusCode", "HeaderMap", "HeaderValue", "header"]);
    }
}

/// Who may do what is a rule, and is asked for as one: nobody else looks at who acts.
#[test]
fn who_acts_is_looked_at_by_rules_alone() {
    for folder in ["flow", "oversight", "http"] {
        assert_words_absent(&format!("crates/authz-core/src/{folder}"), &["Actor"]);
    }
}

/// The order of a hash map differs from run to run, and with it whatever depends on it.
#[test]
fn nothing_that_decides_depends_on_the_order_of_a_hash() {
    for folder in ["crates/store/src", "crates/authz-core/src"] {
        assert_words_absent(folder, &["HashMap", "HashSet"]);
    }
}

/// Nothing but `ambient` reads the clock or draws randomness: who needs either is handed it. (`clippy.toml` bans the
/// functions.)
#[test]
fn time_and_chance_are_arguments() {
    for folder in [
        "oauth-types",
        "pkce",
        "seal",
        "http-io",
        "store",
        "jose",
        "authz-core",
        "resource-server",
        "identity",
        "adapters-axum",
        "adapters-actix",
    ] {
        assert_words_absent(
            &format!("crates/{folder}/src"),
            &["SystemTime", "Instant", "getrandom", "UNIX_EPOCH"],
        );
    }
    // Not even by way of a default.
    for folder in ["oauth-types", "pkce", "seal", "http-io", "store", "jose"] {
        assert_words_absent(&format!("crates/{folder}/src"), &["SystemClock", "SystemEntropy"]);
    }
}

/// Fails for each of these words in the code of a folder, its comments and its tests left out.
fn assert_words_absent(folder: &str, words: &[&str]) {
    let files: Vec<_> =
        rust_files(&root().join(folder)).into_iter().filter(|file| is_shipped(file)).collect();
    assert!(!files.is_empty(), "{folder} is empty");
    let mut found: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for file in files {
        let code = without_comments(&without_tests(&fs::read_to_string(&file).unwrap()));
        let used: BTreeSet<&str> = code.split(|one: char| !one.is_alphanumeric() && one != '_').collect();
        let wrong: BTreeSet<&str> = words.iter().copied().filter(|word| used.contains(word)).collect();
        if !wrong.is_empty() {
            found.insert(file.display().to_string(), wrong);
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn packages(metadata: &Value) -> impl Iterator<Item = &Value> {
    metadata["packages"].as_array().unwrap().iter()
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}
