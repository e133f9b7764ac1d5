//! What no file may have, and how long each may be.

use std::fs;

use crate::code::{is_shipped, root, rust_files, without_comments, without_tests};

const LONGEST: usize = 400;

/// Without its tests: what stands behind `#[cfg(test)]`, and files and folders called `tests`. What is nothing but tests is held to the
/// same as a whole.
#[test]
fn no_file_is_too_long_to_be_read() {
    for file in rust_files(&root().join("crates")) {
        if !is_shipped(&file) {
            continue;
        }
        let lines = without_tests(&fs::read_to_string(&file).unwrap()).lines().count();
        assert!(lines <= LONGEST, "{} has {lines} lines", file.display());
    }
    for file in rust_files(&root().join("tests")) {
        let lines = fs::read_to_string(&file).unwrap().lines().count();
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
    for folder in ["crates", "tests", "examples", "fuzz/fuzz_targets"] {
        for file in rust_files(&root().join(folder)) {
            let code = without_comments(&fs::read_to_string(&file).unwrap());
            for text in forbidden {
                assert!(!code.contains(text), "{} has {text}", file.display());
            }
        }
    }
}
