//! What `deploy/` and the documentation set exists, and what they read is what the program reads.

#![expect(clippy::unwrap_used, reason = "a case fails by a panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use portcullis::Config;
use portcullis::config::Settings;

fn root() -> PathBuf {
    Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("../..")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let all = entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] });
    // Secrets that somebody has drawn to try it.
    all.filter(|path| !path.components().any(|part| part.as_os_str() == "secrets")).collect()
}

/// Each word of `text` that begins with `start` and goes on with `letters`.
fn words<'a>(text: &'a str, start: &str, letters: fn(char) -> bool) -> Vec<&'a str> {
    let found = text.match_indices(start).map(|(at, _)| &text[at..]);
    found.map(|rest| &rest[..rest.find(|letter| !letters(letter)).unwrap_or(rest.len())]).collect()
}

fn help() -> String {
    let subcommands = ["serve", "migrate", "health", "server"];
    let one = |name: &&str| {
        let output = Command::new(env!("CARGO_BIN_EXE_portcullis")).args([name, "--help"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    subcommands.iter().map(one).collect()
}

#[test]
fn every_setting_that_is_deployed_or_documented_exists() {
    let help = help();
    let mut documents = files(&root().join("deploy"));
    documents.extend([root().join("README.md"), root().join("docs/deploy.md")]);
    assert!(documents.len() > 8, "{documents:?}");
    let mut seen = 0;
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        for name in words(&text, "PORTCULLIS_", |letter| letter.is_ascii_uppercase() || letter == '_') {
            // `PORTCULLIS_…` in a sentence stands for all.
            // The server key is for the MCP server that it was made for.
            let known = ["PORTCULLIS_", "PORTCULLIS_SERVER_KEY"].contains(&name)
                || help.contains(&format!("{name}]"))
                || help.contains(&format!("{name} "));
            assert!(known, "{} sets {name}", document.display());
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn the_configuration_of_the_unit_is_read() {
    let file = root().join("deploy/systemd/portcullis.toml");
    let config = Config::load(Settings::default(), Some(&file), &|_| None).unwrap();
    assert_eq!(config.issuer.unwrap().as_str(), "https://auth.example.com");
    assert_eq!(config.trusted_proxies.len(), 2);
}

#[test]
fn what_watches_asks_what_there_is() {
    let text = |path: &str| fs::read_to_string(root().join("deploy").join(path)).unwrap();
    let kubernetes = text("kubernetes/portcullis.yaml");
    let probe = |name: &str| {
        kubernetes.split(name).nth(1).unwrap().split("command: ").nth(1).unwrap().lines().next().unwrap()
    };
    // Requests go to whoever has started: while Redis is away all of them answer with 503, and none with nothing.
    assert_eq!(
        (probe("startupProbe:"), probe("readinessProbe:"), probe("livenessProbe:")),
        (
            "[/usr/local/bin/portcullis, health, --ready]",
            "[/usr/local/bin/portcullis, health]",
            "[/usr/local/bin/portcullis, health]"
        )
    );
    assert!(text("compose/Caddyfile").contains("health_uri /started\n"));
    // The program is its own client where there is no other.
    assert!(text("Dockerfile").contains(r#"HEALTHCHECK --interval=10s --timeout=12s --start-period=30s CMD ["/usr/local/bin/portcullis", "health"]"#));
    assert!(help().contains("Ask a server of this machine how it is"));
    // The proxy is the only one that is believed.
    let compose = text("compose/compose.yaml");
    let trusted = compose.split("PORTCULLIS_TRUSTED_PROXIES: ").nth(1).unwrap().lines().next().unwrap();
    assert!(compose.contains(&format!("ipv4_address: {trusted}\n")), "{trusted}");
}
