//! What the operator is told, because the fault may be theirs: at most once a minute for each code, for anybody can send tokens.

use std::collections::BTreeMap;

use ambient::{Complaints, Time};
use parking_lot::Mutex;
use tracing::warn;

use crate::Unavailable;

/// What others say is told in this length at most.
const LONGEST: usize = 300;

/// When which code was told.
#[derive(Debug, Default)]
pub(crate) struct Notices(Mutex<BTreeMap<&'static str, Complaints>>);

impl Notices {
    /// Nobody can tell whether tokens are good.
    pub(crate) fn unavailable(&self, fault: &Unavailable, now: Time) {
        if self.is_due(fault.code(), now) {
            warn!(code = fault.code(), "tokens cannot be checked: {fault}");
        }
    }

    /// The issuer says something else than what is configured.
    pub(crate) fn mismatch(
        &self,
        code: &'static str,
        claim: &'static str,
        expected: &str,
        found: &str,
        now: Time,
    ) {
        if self.is_due(code, now) {
            let found = shown(found);
            warn!(
                code,
                claim,
                expected,
                found,
                "a token is good but for its {claim}. If it should be accepted, configure {found:?} here, \
                 or {expected:?} at the issuer"
            );
        }
    }

    /// Tokens do not say that they are access tokens.
    pub(crate) fn untyped(&self, issuer: &str, now: Time) {
        let code = "token_type_not_allowed";
        if self.is_due(code, now) {
            warn!(
                code,
                issuer,
                "a token that says it is from {issuer} is not of the type at+jwt. If its access tokens never are, allow it by \
                 `dangerously_untyped`, after reading what that means"
            );
        }
    }

    /// Opaque tokens come where signed ones are expected.
    pub(crate) fn not_jwt(&self, issuers: &[String], audience: &str, now: Time) {
        let code = "token_not_jwt";
        if self.is_due(code, now) {
            let issuers = issuers.join(" and ");
            warn!(
                code,
                issuers,
                "a token is not a JWT, and only those of {issuers} are accepted. Make the provider issue JWT access tokens: \
                 most do once {audience:?} is registered there as an API or a resource. Or configure introspection"
            );
        }
    }

    fn is_due(&self, code: &'static str, now: Time) -> bool {
        self.0.lock().entry(code).or_default().are_due(now)
    }
}

fn shown(text: &str) -> String {
    text.chars().filter(|one| !one.is_control()).take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_is_told_once_a_minute() {
        let notices = Notices::default();
        let due = |code, at| notices.is_due(code, Time(at));
        assert!(due("a", 100) && due("b", 100));
        assert!(!due("a", 159) && due("a", 160));
        assert!(due("a", 50), "the clock was put back");
        assert_eq!(shown(&"a\n".repeat(400)), "a".repeat(300));
    }
}
