//! Variables that were meant for this program and that it does not know.

use std::ffi::OsString;
use std::fmt;

use super::given::variable;
use super::secret::{SECRETS, Secret};
use super::settings::Settings;

/// A variable of the environment that begins with `PORTCULLIS_` and sets nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownVariable {
    name: String,
    meant: Option<String>,
}

impl UnknownVariable {
    /// Those among `names`. Names that an orchestrator makes of a service called portcullis are passed over
    /// (`PORTCULLIS_SERVICE_HOST`, `PORTCULLIS_PORT_8414_TCP`).
    pub fn among(names: impl IntoIterator<Item = OsString>) -> Vec<Self> {
        let settings = Settings::KEYS.iter().chain(&["config", "key", "key_file"]).map(|key| variable(key));
        let known: Vec<String> = settings.chain(SECRETS.iter().map(Secret::variable)).collect();
        let mut unknown: Vec<Self> = names
            .into_iter()
            .map(|name| name.to_string_lossy().into_owned())
            .filter(|name| name.starts_with(PREFIX) && !is_of_a_service(name) && !known.contains(name))
            .map(|name| Self { meant: nearest(&name, &known), name })
            .collect();
        unknown.sort_by(|a, b| a.name.cmp(&b.name));
        unknown
    }
}

impl fmt::Display for UnknownVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Of a name that nobody meant, the beginning tells enough.
        for character in self.name.chars().take(100) {
            write!(f, "{}", character.escape_debug())?;
        }
        f.write_str(" is set, but there is no such setting, so it does nothing")?;
        match &self.meant {
            Some(meant) => write!(f, "; did you mean {meant}?"),
            None => Ok(()),
        }
    }
}

const PREFIX: &str = "PORTCULLIS_";

fn is_of_a_service(name: &str) -> bool {
    name.ends_with("_SERVICE_HOST") || name.ends_with("_PORT") || name.contains("_PORT_")
}

/// The known name that lacks no more than a `_FILE`, else the one that takes the fewest changes, if fewer than half of the letters.
fn nearest(name: &str, known: &[String]) -> Option<String> {
    if let Some(bare) = name.strip_suffix("_FILE").filter(|bare| known.iter().any(|known| known == bare)) {
        return Some(bare.to_owned());
    }
    let written: Vec<char> = name[PREFIX.len()..].to_uppercase().chars().take(64).collect();
    let distance = |known: &&String| changes(&written, &known[PREFIX.len()..]);
    known.iter().min_by_key(distance).filter(|known| distance(known) * 2 < written.len()).cloned()
}

/// How many letters must be added, removed or exchanged to make one of the other (Levenshtein's distance).
fn changes(a: &[char], b: &str) -> usize {
    let mut row: Vec<usize> = (0..=a.len()).collect();
    for (i, b) in b.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, a) in a.iter().enumerate() {
            let exchanged = diagonal + usize::from(*a != b);
            diagonal = row[j + 1];
            row[j + 1] = exchanged.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[a.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(names: &[&str]) -> Vec<String> {
        UnknownVariable::among(names.iter().map(OsString::from)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_misspelt_variable_is_told_with_the_one_that_was_meant() {
        for (name, meant) in [
            ("PORTCULLIS_ISUER", "PORTCULLIS_ISSUER"),
            ("PORTCULLIS_SIGNUP", "PORTCULLIS_SIGN_UP"),
            ("PORTCULLIS_LIMIT", "PORTCULLIS_LIMITS"),
            ("PORTCULLIS_ADMINKEY", "PORTCULLIS_ADMIN_KEY"),
            ("PORTCULLIS_TRUSTED_PROXY", "PORTCULLIS_TRUSTED_PROXIES"),
            ("PORTCULLIS_issuer", "PORTCULLIS_ISSUER"),
            ("PORTCULLIS_CONFIG_FILE", "PORTCULLIS_CONFIG"),
        ] {
            let told = told(&[name]).join("\n");
            assert!(told.starts_with(name) && told.ends_with(&format!("did you mean {meant}?")), "{told}");
        }
        for name in ["PORTCULLIS_", "PORTCULLIS_ZEBRA", &format!("PORTCULLIS_{}", "Z".repeat(100_000))] {
            let told = told(&[name]).join("\n");
            assert!(told.ends_with("does nothing") && told.len() < 300, "{told}");
        }
    }

    #[test]
    fn what_is_known_or_of_an_orchestrator_is_not_told() {
        let known: Vec<String> = Settings::KEYS.iter().map(|key| variable(key)).collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        assert_eq!(told(&known), [""; 0]);
        assert_eq!(
            told(&[
                "PORTCULLIS_CONFIG",
                "PORTCULLIS_ADMIN_KEY",
                "PORTCULLIS_MASTER_KEY",
                "PORTCULLIS_SMTP_URL",
                "PORTCULLIS_KEY",
                "PORTCULLIS_KEY_FILE",
                "PORTCULLIS_SERVICE_HOST",
                "PORTCULLIS_SERVICE_PORT",
                "PORTCULLIS_SERVICE_PORT_HTTP",
                "PORTCULLIS_PORT",
                "PORTCULLIS_PORT_8414_TCP_ADDR",
                "PORTCULLISH",
                "PATH",
            ]),
            [""; 0]
        );
    }
}
