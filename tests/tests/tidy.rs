//! What the design says about the shape of the code, held by looking at it.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which fail by a panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

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

/// Flows say what happens in which order; what it looks like in HTTP is said in one place.
#[test]
fn flows_know_no_status_codes() {
    assert_words_absent("crates/authz-core/src/flow", &["StatusCode", "HeaderMap", "HeaderValue", "header"]);
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

const LONGEST: usize = 400;

/// Without its tests: what stands behind `#[cfg(test)]`, and files and folders called `tests`.
#[test]
fn no_file_is_too_long_to_be_read() {
    for file in rust_files(&root().join("crates")) {
        if !is_shipped(&file) {
            continue;
        }
        let lines = without_tests(&fs::read_to_string(&file).unwrap()).lines().count();
        assert!(lines <= LONGEST, "{} has {lines} lines", file.display());
    }
}

#[test]
fn nothing_is_left_to_do_or_left_out() {
    let forbidden = [
        concat!("to", "do!"),
        concat!("unimple", "mented!"),
        concat!("#[ig", "nore"),
        concat!("#[al", "low("),
    ];
    for folder in ["crates", "tests/tests", "tests/src", "examples", "fuzz/fuzz_targets"] {
        for file in rust_files(&root().join(folder)) {
            let code = without_comments(&fs::read_to_string(&file).unwrap());
            for text in forbidden {
                assert!(!code.contains(text), "{} has {text}", file.display());
            }
        }
    }
}

/// Each document whose tables name tests, in a column `test` or `held by`.
const NAMING: [&str; 3] = ["docs/conformance.md", "ARCHITECTURE.md", "docs/threats.md"];

#[test]
fn every_test_that_a_document_names_exists() {
    let tests = test_functions();
    assert!(tests.len() > 300, "only {} tests are found", tests.len());
    let mut missing = Vec::new();
    for document in NAMING {
        let Ok(markdown) = fs::read_to_string(root().join(document)) else {
            assert_eq!(document, "docs/threats.md", "{document} is missing");
            continue;
        };
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

/// The names in backticks in the columns that name tests.
fn tests_named_in(markdown: &str) -> Vec<String> {
    named_in_column(markdown, &["test", "tests", "held by"])
}

/// The names in backticks in the first column of each table that is called like one of these.
fn named_in_column(markdown: &str, columns: &[&str]) -> Vec<String> {
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

/// The names of all functions that are a test, in whatever file.
fn test_functions() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for folder in ["crates", "tests", "examples"] {
        for file in rust_files(&root().join(folder)) {
            let code = fs::read_to_string(&file).unwrap();
            let own = functions(&code);
            let behind_attribute = own.iter().filter(|(_, test)| *test).map(|(name, _)| name.clone());
            names.extend(behind_attribute);
            // A case that a macro stamps is named in the macro's list and written elsewhere.
            let written: BTreeSet<String> = own.into_iter().map(|(name, _)| name).collect();
            if file
                .components()
                .any(|part| matches!(part.as_os_str().to_str(), Some("black_box" | "protected" | "suite")))
            {
                names.extend(written);
            }
        }
    }
    names
}

/// The functions of a file, and whether each has a test attribute or stands in a `proptest!`.
fn functions(code: &str) -> Vec<(String, bool)> {
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

fn is_shipped(file: &Path) -> bool {
    let in_src = file.components().any(|part| part.as_os_str() == "src");
    let in_tests = file
        .components()
        .any(|part| matches!(part.as_os_str().to_str(), Some("tests" | "tests.rs" | "benches")));
    in_src && !in_tests
}

/// A file up to its test module, which stands at its end.
fn without_tests(code: &str) -> String {
    let end = code.find("#[cfg(test)]\nmod tests {").unwrap_or(code.len());
    code[..end].to_owned()
}

fn without_comments(code: &str) -> String {
    code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return files };
    for entry in entries {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !matches!(name.as_str(), "target" | "node_modules") {
            files.extend(rust_files(&path));
        } else if name.ends_with(".rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The root of the repository that the tests are run in.
fn root() -> PathBuf {
    Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).parent().unwrap().to_owned()
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
