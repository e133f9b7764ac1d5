//! What a resource server demands of an access token (RFC 9068 section 4).

use oauth_types::Issuer;

use crate::algorithm::Algorithms;

/// What a resource server demands of an access token.
///
/// Issuer and audience cannot be left out: a token of somebody else, or for somebody else, must not open this server
/// (RFC 8725 sections 3.8 and 3.9). The rest has defaults: [`Algorithms::default`], a leeway of 5 seconds, and
/// [`TypeRule::AtJwtOnly`].
#[derive(Clone, Debug)]
pub struct AccessTokenRules {
    pub(crate) issuer: Issuer,
    pub(crate) audiences: Vec<String>,
    pub(crate) algorithms: Algorithms,
    pub(crate) leeway: i64,
    pub(crate) type_rule: TypeRule,
}

/// Which `typ` a token may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TypeRule {
    /// `at+jwt` or `application/at+jwt`, in any case of letters (RFC 9068 section 4).
    #[default]
    AtJwtOnly,
    /// Also `JWT`, and none at all, for providers that do not write `at+jwt`.
    ///
    /// The danger: nothing but its claims then tells an access token from an ID token of the same issuer, which every client
    /// holds. So one that is not `at+jwt` must show itself as an access token: by `scope` or `scp`, by `roles` and a client (`azp`,
    /// `appid`), or by what Keycloak (`typ`: `Bearer`) and Cognito (`token_use`: `access`) call it. What shows itself as an ID token
    /// is refused, and so is any other `typ`.
    DangerouslyUntyped,
}

/// Why rules cannot be made: the fault of whoever configures them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    /// No audience, or an empty one.
    #[error("an access token is checked against at least one audience, and none is empty")]
    NoAudience,
    /// More than 300 seconds, or less than none.
    #[error("the leeway for clocks that differ is 0 to 300 seconds")]
    Leeway,
}

impl AccessTokenRules {
    /// Tokens whose `iss` is exactly the text of `issuer`, and whose `aud` has one of `audiences`, compared as texts.
    ///
    /// # Errors
    /// [`RulesError::NoAudience`] if there is none, or an empty one.
    pub fn new(
        issuer: Issuer,
        audiences: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Self, RulesError> {
        let audiences: Vec<String> = audiences.into_iter().map(Into::into).collect();
        if audiences.is_empty() || audiences.iter().any(String::is_empty) {
            return Err(RulesError::NoAudience);
        }
        Ok(Self {
            issuer,
            audiences,
            algorithms: Algorithms::default(),
            leeway: 5,
            type_rule: TypeRule::default(),
        })
    }

    /// The same for tokens of another issuer.
    #[must_use]
    pub fn with_issuer(self, issuer: Issuer) -> Self {
        Self { issuer, ..self }
    }

    /// The same with another allow-list of algorithms.
    #[must_use]
    pub fn with_algorithms(self, algorithms: Algorithms) -> Self {
        Self { algorithms, ..self }
    }

    /// The same with another leeway for clocks that differ: 0 to 300 seconds.
    ///
    /// # Errors
    /// [`RulesError::Leeway`] for any other number.
    pub fn with_leeway(self, seconds: i64) -> Result<Self, RulesError> {
        if (0..=300).contains(&seconds) {
            Ok(Self { leeway: seconds, ..self })
        } else {
            Err(RulesError::Leeway)
        }
    }

    /// The same with another rule for `typ`.
    #[must_use]
    pub fn with_type_rule(self, type_rule: TypeRule) -> Self {
        Self { type_rule, ..self }
    }

    /// Who must have issued the token.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Whom the token must be for: one of these.
    pub fn audiences(&self) -> impl Iterator<Item = &str> {
        self.audiences.iter().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issuer() -> Issuer {
        Issuer::parse("https://auth.example.com").unwrap()
    }

    /// WC-1, WE-2: the check of the audience cannot be left out.
    #[test]
    fn there_are_no_rules_without_an_audience() {
        assert_eq!(AccessTokenRules::new(issuer(), [""; 0]).unwrap_err(), RulesError::NoAudience);
        assert_eq!(AccessTokenRules::new(issuer(), ["a", ""]).unwrap_err(), RulesError::NoAudience);
        let rules = AccessTokenRules::new(issuer(), ["a", "b"]).unwrap();
        assert_eq!(rules.audiences().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(rules.issuer(), &issuer());
    }

    #[test]
    fn the_leeway_is_0_to_300_seconds() {
        let rules = AccessTokenRules::new(issuer(), ["a"]).unwrap();
        for good in [0, 300] {
            assert_eq!(rules.clone().with_leeway(good).unwrap().leeway, good);
        }
        for bad in [-1, 301, i64::MIN, i64::MAX] {
            assert_eq!(rules.clone().with_leeway(bad).unwrap_err(), RulesError::Leeway);
        }
    }
}
