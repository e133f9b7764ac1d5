//! Where the browser goes on when a person has answered: two addresses that must not be mistaken for each other.

use std::fmt;

use store::GrantId;

/// A path of this server, with the issuer's own before it, that leads the browser of the person who said yes to the client.
///
/// It carries no secret and gives a code only to the session that consented. Send the browser there by a page that moves on,
/// or a 303; [`AuthorizationServer`](crate::AuthorizationServer) serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContinuePath(String);

impl ContinuePath {
    pub(crate) fn of(grant: GrantId, issuer: &oauth_types::Issuer) -> Self {
        Self(format!("{}/oauth/continue/{grant}", issuer.path()))
    }

    /// Its text, which begins with one slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContinuePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An answer to the client (RFC 6749 section 4.1.2): its redirect URI, which was matched before (I6), with a code or an
/// error in the query.
///
/// Only a [`Redirectable`](crate::decide::authorize::Redirectable) makes one. It may hold a code, so `Debug` does not show
/// it.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientRedirect(String);

impl ClientRedirect {
    pub(crate) const fn of(location: String) -> Self {
        Self(location)
    }

    /// The URI, for a `Location` header or a page that moves on. Its scheme may be the client's own.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ClientRedirect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientRedirect").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use oauth_types::Issuer;

    use super::*;

    #[test]
    fn the_way_on_is_under_the_path_of_the_issuer() {
        let grant = GrantId::new([7; 16]);
        let path = |issuer: &str| ContinuePath::of(grant, &Issuer::parse(issuer).unwrap()).to_string();
        assert_eq!(path("https://as.example"), format!("/oauth/continue/{grant}"));
        assert_eq!(path("https://as.example/t1"), format!("/t1/oauth/continue/{grant}"));
    }

    #[test]
    fn an_answer_with_a_code_shows_none() {
        let answer = ClientRedirect::of("https://app.example/cb?code=code_secret".to_owned());
        assert!(!format!("{answer:?}").contains("secret"));
    }
}
