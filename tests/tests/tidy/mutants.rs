//! `.cargo/mutants.toml` names files and functions that are there: what is renamed must not drop out unseen.

use std::fs;

use crate::code::{root, rust_files};
use crate::named::functions;

#[test]
fn each_glob_of_the_mutants_names_a_file() {
    let config = config();
    let files = files();
    let (examined, left_out) = (list(&config, "examine_globs"), list(&config, "exclude_globs"));
    let idle: Vec<_> =
        examined.iter().chain(&left_out).filter(|glob| !files.iter().any(|file| names(glob, file))).collect();
    assert!(idle.is_empty(), "no file is named by {idle:#?}");
}

#[test]
fn each_mutant_that_is_left_out_is_of_a_function_that_is_examined() {
    let config = config();
    let (examined, left_out) = (list(&config, "examine_globs"), list(&config, "exclude_globs"));
    let mut there = Vec::new();
    for file in files() {
        let named = |globs: &[String]| globs.iter().any(|glob| names(glob, &file));
        if named(&examined) && !named(&left_out) {
            there.extend(functions(&fs::read_to_string(root().join(&file)).unwrap()));
        }
    }
    let excluded = list(&config, "exclude_re");
    assert!(!excluded.is_empty());
    let idle: Vec<_> = excluded
        .iter()
        .filter(|one| !there.iter().any(|(name, _)| Some(name.as_str()) == function_of(one)))
        .collect();
    assert!(idle.is_empty(), "nothing that is examined has the function of {idle:#?}");
}

#[test]
fn two_stars_are_any_folders_and_one_is_within_a_name() {
    assert!(names("crates/a/src/**/*.rs", "crates/a/src/b/c/d.rs"));
    assert!(names("crates/a/src/**/*.rs", "crates/a/src/d.rs"));
    assert!(names("**/tests.rs", "crates/a/src/tests.rs"));
    assert!(!names("crates/a/src/*.rs", "crates/a/src/b/d.rs"));
    assert!(!names("crates/a/src/**/*.rs", "crates/ab/src/d.rs"));
    assert!(!names("crates/a/src/lib.rs", "crates/a/src/lib.rs/d.rs"));
}

fn config() -> String {
    fs::read_to_string(root().join(".cargo/mutants.toml")).unwrap()
}

/// The texts of a list.
fn list(config: &str, name: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let (_, rest) = config.split_once(&format!("\n{name} = [")).unwrap();
    for line in rest.lines().take_while(|line| *line != "]") {
        let line = line.trim();
        if let Some(quote @ ('"' | '\'')) = line.chars().next() {
            texts.extend(line.split(quote).skip(1).step_by(2).map(str::to_owned));
        }
        if line.ends_with(']') {
            break;
        }
    }
    assert!(!texts.is_empty(), "{name} is empty");
    texts
}

/// The files of all crates, below the root.
fn files() -> Vec<String> {
    let files = rust_files(&root().join("crates"));
    files.iter().map(|file| file.strip_prefix(root()).unwrap().to_string_lossy().into_owned()).collect()
}

/// The function that a mutant is in: `... in NAME`, or `replace TYPE::NAME -> ...`.
fn function_of(mutant: &str) -> Option<&str> {
    let path = match mutant.rsplit_once(" in ") {
        Some((_, path)) => path,
        None => mutant.split_once("replace ")?.1.split_once(" -> ")?.0,
    };
    path.rsplit("::").next()
}

/// Whether a glob names a file.
fn names(glob: &str, file: &str) -> bool {
    let (glob, file): (Vec<_>, Vec<_>) = (glob.split('/').collect(), file.split('/').collect());
    lead_to(&glob, &file)
}

fn lead_to(glob: &[&str], path: &[&str]) -> bool {
    match (glob, path) {
        ([], []) => true,
        (["**", rest @ ..], []) => lead_to(rest, path),
        (["**", rest @ ..], [_, below @ ..]) => lead_to(rest, path) || lead_to(glob, below),
        ([pattern, rest @ ..], [name, below @ ..]) => {
            let fits = pattern.split_once('*').map_or(pattern == name, |(begin, end)| {
                name.strip_prefix(begin).is_some_and(|name| name.ends_with(end))
            });
            fits && lead_to(rest, below)
        }
        _ => false,
    }
}
