//! What a user of a server may do.

use super::ask;

/// The rights that `docs/records.md` tells operators to grant: ACL rules, read from there.
pub struct RedisRights {
    /// On a server, for the prefix `portcullis`.
    pub server: String,
    /// As well on a node of a Cluster.
    pub cluster: String,
    /// On a Sentinel.
    pub sentinel: String,
}

impl RedisRights {
    /// Reads them.
    ///
    /// # Panics
    ///
    /// If they are not where they were.
    #[must_use]
    pub fn documented() -> Self {
        let document = include_str!("../../../../docs/records.md");
        let (_, rights) = document.split_once("The rights that a user needs: ").expect("they are there");
        let mut rules = rights.split('`').skip(1).step_by(2);
        let mut next = || {
            let rule: Vec<_> = rules.next().expect("three rules").split_whitespace().collect();
            rule.join(" ")
        };
        Self { server: next(), cluster: next(), sentinel: next() }
    }
}

/// Makes a user with these rights alone on the server of this port.
///
/// # Panics
///
/// If the server refuses the rule.
pub fn grant(port: u16, user: &str, password: &str, rights: &str) {
    let password = format!(">{password}");
    let mut words = vec!["ACL", "SETUSER", user, "reset", "on", &password];
    words.extend(rights.split(' '));
    let _ok = ask(port, &words);
}
