//! Why a request of the protocol cannot go on, in the language of whoever is stopped by it.

use authz_core::{Page, Refusal, Stoppage};

use super::Stop;
use crate::language::Language;

/// What stops a request, in another language than the protocol's own pages.
#[derive(Debug)]
pub(crate) struct Stopped {
    pub(crate) client_unnamed: Stop,
    pub(crate) client_unknown: Stop,
    pub(crate) redirect_unregistered: Stop,
    pub(crate) unreadable: Stop,
    pub(crate) connected: Stop,
    pub(crate) unavailable: Stop,
    /// The heading above each of those that follow.
    pub(crate) refused: &'static str,
    pub(crate) broken: Broken,
}

/// Which rule a request broke.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) client_unknown: &'static str,
    pub(crate) client_blocked: &'static str,
    pub(crate) parameter_repeated: &'static str,
    pub(crate) response_type_missing: &'static str,
    pub(crate) response_type_unsupported: &'static str,
    pub(crate) response_mode_unsupported: &'static str,
    pub(crate) challenge_missing: &'static str,
    pub(crate) challenge_method_unsupported: &'static str,
    pub(crate) challenge_malformed: &'static str,
    pub(crate) state_too_long: &'static str,
    pub(crate) request_too_long: &'static str,
    pub(crate) parameter_malformed: &'static str,
    pub(crate) scope_malformed: &'static str,
    pub(crate) scope_unknown: &'static str,
    pub(crate) target_malformed: &'static str,
    pub(crate) target_unknown: &'static str,
    pub(crate) login_required: &'static str,
    pub(crate) consent_required: &'static str,
    pub(crate) denied: &'static str,
    pub(crate) person_blocked: &'static str,
    pub(crate) too_many_requests: &'static str,
    pub(crate) request_gone: &'static str,
    pub(crate) request_of_another: &'static str,
    pub(crate) request_outdated: &'static str,
    pub(crate) consent_exceeds_request: &'static str,
    pub(crate) key_unknown: &'static str,
    /// Of rules of endpoints that show no pages.
    pub(crate) told_to_programs: &'static str,
}

impl Language {
    /// The heading of a page for somebody who cannot go on, and what they can do. A page that somebody else made is left as it is.
    pub(crate) fn said_of(self, page: &Page) -> (&str, &str) {
        let said = self.texts().stopped.as_ref().and_then(|stopped| stopped.by(page.why));
        said.map_or((page.title, &page.advice), |Stop { title, advice }| (title, advice))
    }
}

impl Stopped {
    const fn by(&self, why: Stoppage) -> Option<Stop> {
        Some(match why {
            Stoppage::Refused(refusal) => Stop { title: self.refused, advice: self.broken.by(refusal) },
            Stoppage::ClientUnnamed => self.client_unnamed,
            Stoppage::ClientUnknown => self.client_unknown,
            Stoppage::RedirectUnregistered => self.redirect_unregistered,
            Stoppage::Unreadable => self.unreadable,
            Stoppage::Connected => self.connected,
            Stoppage::Unavailable => self.unavailable,
            Stoppage::Other => return None,
        })
    }
}

impl Broken {
    const fn by(&self, refusal: Refusal) -> &'static str {
        match refusal {
            Refusal::ClientUnknown => self.client_unknown,
            Refusal::ClientBlocked => self.client_blocked,
            Refusal::ParameterRepeated => self.parameter_repeated,
            Refusal::ResponseTypeMissing => self.response_type_missing,
            Refusal::ResponseTypeUnsupported => self.response_type_unsupported,
            Refusal::ResponseModeUnsupported => self.response_mode_unsupported,
            Refusal::ChallengeMissing => self.challenge_missing,
            Refusal::ChallengeMethodUnsupported => self.challenge_method_unsupported,
            Refusal::ChallengeMalformed => self.challenge_malformed,
            Refusal::StateTooLong => self.state_too_long,
            Refusal::RequestTooLong => self.request_too_long,
            Refusal::ParameterMalformed => self.parameter_malformed,
            Refusal::ScopeMalformed => self.scope_malformed,
            Refusal::ScopeUnknown => self.scope_unknown,
            Refusal::TargetMalformed => self.target_malformed,
            Refusal::TargetUnknown => self.target_unknown,
            Refusal::LoginRequired => self.login_required,
            Refusal::ConsentRequired => self.consent_required,
            Refusal::Denied => self.denied,
            Refusal::PersonBlocked => self.person_blocked,
            Refusal::TooManyRequests => self.too_many_requests,
            Refusal::RequestGone => self.request_gone,
            Refusal::RequestOfAnother => self.request_of_another,
            Refusal::RequestOutdated => self.request_outdated,
            Refusal::ConsentExceedsRequest => self.consent_exceeds_request,
            Refusal::KeyUnknown => self.key_unknown,
            Refusal::ClientUnnamed
            | Refusal::TwoAuthentications
            | Refusal::SecretMissing
            | Refusal::SecretWrong
            | Refusal::MethodMismatch
            | Refusal::AuthorizationMalformed
            | Refusal::CodeUnknown
            | Refusal::CodeExpired
            | Refusal::CodeOfAnotherClient
            | Refusal::RedirectUriMismatch
            | Refusal::TargetMismatch
            | Refusal::VerifierMissing
            | Refusal::VerifierMismatch
            | Refusal::CodeReplayed
            | Refusal::CodeOver
            | Refusal::ConsentWithdrawn
            | Refusal::RefreshForged
            | Refusal::GrantOver
            | Refusal::GrantExpired
            | Refusal::RefreshOfAnotherClient
            | Refusal::RefreshReplayed
            | Refusal::RepeatDiffers
            | Refusal::TargetGone
            | Refusal::ScopeExceedsGrant
            | Refusal::TokenInvalid
            | Refusal::TokenMissing
            | Refusal::ServerKeyWrong => self.told_to_programs,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    #[test]
    fn what_stops_somebody_is_said_in_german_too_and_what_others_say_is_left_to_them() {
        for page in
            [Page::from(Refusal::RequestGone), Page::from(Refusal::TargetUnknown), Page::unavailable()]
        {
            let (title, advice) = Language::German.said_of(&page);
            assert!(title != page.title && advice != page.advice, "{title}: {advice}");
            assert_eq!(Language::English.said_of(&page), (page.title, page.advice.as_str()));
        }
        let own = Page::new(StatusCode::BAD_REQUEST, None, "Own", "words");
        assert_eq!(Language::German.said_of(&own), ("Own", "words"));
    }
}
