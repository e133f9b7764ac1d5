//! What a person is shown when a request cannot go on and must not be redirected.

use http::StatusCode;
use oauth_types::ErrorCode;

use crate::Refusal;

/// When to come back after a 503, in seconds.
pub(crate) const PATIENCE: i64 = 5;

/// A page for a person. Until client and redirect URI are trusted, this is all that can be built (I6).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// Its status.
    pub status: StatusCode,
    /// The registered code, for those who debug a client; none if nothing went wrong.
    pub code: Option<ErrorCode>,
    /// What went wrong, as a heading.
    pub title: &'static str,
    /// What the person can do, in a sentence or two.
    pub advice: String,
}

impl Page {
    /// A page.
    #[must_use]
    pub fn new(
        status: StatusCode,
        code: Option<ErrorCode>,
        title: &'static str,
        advice: impl Into<String>,
    ) -> Self {
        Self { status, code, title, advice: advice.into() }
    }

    /// Nothing went wrong: the client has redeemed its code.
    pub(crate) fn connected() -> Self {
        let advice = "The application has what it needs. You can close this page.";
        Self::new(StatusCode::OK, None, "Already connected", advice)
    }

    /// The world's fault: 503. Whoever shows it says [`Retry-After`](Self::retry_after).
    #[must_use]
    pub fn unavailable() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            Some(ErrorCode::TemporarilyUnavailable),
            "This does not work at the moment",
            "Try again in a few seconds.",
        )
    }

    /// After how many seconds it is worth trying again, for the header `Retry-After` (RFC 9110 section 10.2.3); `None` if
    /// waiting does not help.
    #[must_use]
    pub fn retry_after(&self) -> Option<i64> {
        (self.status == StatusCode::SERVICE_UNAVAILABLE).then_some(PATIENCE)
    }

    pub(crate) fn bad(code: ErrorCode, title: &'static str, advice: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Some(code), title, advice)
    }
}

impl From<Refusal> for Page {
    fn from(refusal: Refusal) -> Self {
        let wire = refusal.wire();
        Self::new(wire.status, Some(wire.code), "This request cannot go on", wire.description)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_503_says_when_to_come_back_and_nothing_else_does() {
        for (page, seconds) in [
            (Page::unavailable(), Some(PATIENCE)),
            (Page::from(Refusal::KeyUnknown), Some(PATIENCE)),
            (Page::from(Refusal::RequestGone), None),
            (Page::connected(), None),
        ] {
            assert_eq!(page.retry_after(), seconds, "{page:?}");
        }
    }
}
