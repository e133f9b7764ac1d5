//! What the operator may choose, with its unit, bounds and source.

use oauth_types::Scope;
use thiserror::Error;

/// A span of time in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lifetime(i64);

impl Lifetime {
    /// So many seconds.
    #[must_use]
    pub const fn seconds(seconds: u32) -> Self {
        Self(seconds as i64)
    }

    /// So many minutes.
    #[must_use]
    pub const fn minutes(minutes: u16) -> Self {
        Self(minutes as i64 * 60)
    }

    /// So many days.
    #[must_use]
    pub const fn days(days: u16) -> Self {
        Self(days as i64 * 86_400)
    }

    /// As seconds.
    #[must_use]
    pub const fn as_seconds(self) -> i64 {
        self.0
    }
}

/// The policy of an authorization server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Policy {
    /// How long an access token is valid: 1 hour by default, 1 minute to 24 hours, and no shorter than the
    /// [`leeway`](Self::leeway). OAuth 2.1 section 7.1.3 asks for short-lived ones.
    pub access: Lifetime,
    /// How long a refresh token waits for its use (sliding): 30 days by default, 1 hour to 365 days.
    pub refresh_idle: Lifetime,
    /// How long a grant can be refreshed in all: 180 days by default, no shorter than the sliding time, at most 5 years.
    pub refresh_total: Lifetime,
    /// How long a code is valid: 60 seconds by default, 10 seconds to 10 minutes (RFC 6749 section 4.1.2 recommends at most
    /// ten minutes).
    pub code: Lifetime,
    /// How long a person may take to consent: 10 minutes by default, 1 minute to 1 hour.
    pub request: Lifetime,
    /// How long the refresh token before the current one gets the same answer again: 30 seconds by default, 0 (off) to 5
    /// minutes. For responses that got lost and for clients that refresh twice at once. A thief who repeats every refresh
    /// within it stays unseen.
    pub leeway: Lifetime,
    /// Whether native public clients may register redirect URIs with schemes of their own, such as `cursor://`
    /// (RFC 8252 section 7.1). On by default.
    pub private_use_schemes: bool,
    /// Whether people are asked about clients that the operator answers for, too. Off by default: such a client was made one by an
    /// administrator, by name. Native ones are asked about in any case, for anything on a device could pass for them.
    pub ask_for_first_party: bool,
    /// Scopes of the operator's own, accepted at every resource besides `openid profile email offline_access`.
    pub own_scopes: Scope,
}

/// A setting out of its bounds: the integrator's fault, told when the server is built.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the lifetime `{setting}` is {given} seconds; it must be {least} to {most}")]
pub struct OutOfBounds {
    /// Which setting.
    pub setting: &'static str,
    /// What it is, in seconds.
    pub given: i64,
    /// The least that it may be.
    pub least: i64,
    /// The most that it may be.
    pub most: i64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            access: Lifetime::minutes(60),
            refresh_idle: Lifetime::days(30),
            refresh_total: Lifetime::days(180),
            code: Lifetime::seconds(60),
            request: Lifetime::minutes(10),
            leeway: Lifetime::seconds(30),
            private_use_schemes: true,
            ask_for_first_party: false,
            own_scopes: Scope::default(),
        }
    }
}

/// The longest that a grant may live, in seconds: five years.
pub(crate) const LONGEST_GRANT: i64 = 5 * 365 * 86_400;

/// The scopes that are the server's own, accepted at every resource (OpenID Connect Core section 5.4, and
/// section 11 for `offline_access`).
const STANDARD_SCOPES: [&str; 4] = ["openid", "profile", "email", "offline_access"];

impl Policy {
    /// The scopes accepted at every resource, and all that the metadata of the server lists.
    #[must_use]
    pub fn server_scopes(&self) -> Scope {
        let standard = Scope::from_tokens(STANDARD_SCOPES).unwrap_or_default();
        standard.union(&self.own_scopes)
    }

    /// Whether every setting is within its bounds.
    ///
    /// # Errors
    ///
    /// The first that is not.
    pub fn check(&self) -> Result<(), OutOfBounds> {
        let bounds = [
            ("access", self.access, self.leeway.0.max(60), 86_400),
            ("refresh_idle", self.refresh_idle, 3_600, 365 * 86_400),
            ("refresh_total", self.refresh_total, self.refresh_idle.0, LONGEST_GRANT),
            ("code", self.code, 10, 600),
            ("request", self.request, 60, 3_600),
            ("leeway", self.leeway, 0, 300),
        ];
        for (setting, Lifetime(given), least, most) in bounds {
            if !(least..=most).contains(&given) {
                return Err(OutOfBounds { setting, given, least, most });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_within_their_bounds() {
        assert_eq!(Policy::default().check(), Ok(()));
    }

    #[test]
    fn an_access_token_must_outlive_the_leeway() {
        let policy =
            Policy { access: Lifetime::minutes(4), leeway: Lifetime::minutes(5), ..Policy::default() };
        assert_eq!(policy.check().map_err(|error| (error.setting, error.least)), Err(("access", 300)));
    }

    #[test]
    fn the_servers_own_scopes_are_listed_with_the_standard_ones() {
        let policy = Policy { own_scopes: Scope::parse("audit").unwrap(), ..Policy::default() };
        assert_eq!(policy.server_scopes().as_str(), "audit email offline_access openid profile");
    }
}
