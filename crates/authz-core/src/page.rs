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
    /// Why it is shown, for whoever says it in other words or in another language.
    pub why: Stoppage,
    /// The registered code, for those who debug a client; none if nothing went wrong.
    pub code: Option<ErrorCode>,
    /// What went wrong, as a heading in English.
    pub title: &'static str,
    /// What the person can do, in a sentence or two of English.
    pub advice: String,
}

/// Why a person is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stoppage {
    /// The request broke a rule.
    Refused(Refusal),
    /// It names no client.
    ClientUnnamed,
    /// It names one that there is not, or no longer.
    ClientUnknown,
    /// The answer would go where the client did not register.
    RedirectUnregistered,
    /// Its parameters cannot be read.
    Unreadable,
    /// Nothing went wrong: the client has redeemed its code.
    Connected,
    /// The world's fault.
    Unavailable,
    /// Whoever made the page with [`Page::new`] knows, and has said it in the language that they want.
    Other,
}

impl Stoppage {
    /// Its name in the audit trail, which stays.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.as_str(),
            Self::ClientUnnamed => "client_unnamed",
            Self::ClientUnknown => "client_unknown",
            Self::RedirectUnregistered => "redirect_unregistered",
            Self::Unreadable => "unreadable",
            Self::Connected => "connected",
            Self::Unavailable => "unavailable",
            Self::Other => "other",
        }
    }
}

impl Page {
    /// A page of somebody else's than this server's protocol.
    #[must_use]
    pub fn new(
        status: StatusCode,
        code: Option<ErrorCode>,
        title: &'static str,
        advice: impl Into<String>,
    ) -> Self {
        Self { status, why: Stoppage::Other, code, title, advice: advice.into() }
    }

    fn because(self, why: Stoppage) -> Self {
        Self { why, ..self }
    }

    /// Nothing went wrong: the client has redeemed its code.
    pub(crate) fn connected() -> Self {
        let advice = "The application has what it needs. You can close this page.";
        Self::new(StatusCode::OK, None, "Already connected", advice).because(Stoppage::Connected)
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
        .because(Stoppage::Unavailable)
    }

    /// After how many seconds it is worth trying again, for the header `Retry-After` (RFC 9110 section 10.2.3); `None` if
    /// waiting does not help.
    #[must_use]
    pub fn retry_after(&self) -> Option<i64> {
        (self.status == StatusCode::SERVICE_UNAVAILABLE).then_some(PATIENCE)
    }

    pub(crate) fn bad(why: Stoppage, code: ErrorCode, title: &'static str, advice: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Some(code), title, advice).because(why)
    }
}

impl From<Refusal> for Page {
    fn from(refusal: Refusal) -> Self {
        let wire = refusal.wire();
        let page = Self::new(wire.status, Some(wire.code), "This request cannot go on", wire.description);
        page.because(Stoppage::Refused(refusal))
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
