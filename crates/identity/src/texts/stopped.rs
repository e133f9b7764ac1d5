//! Why a request of the protocol cannot go on, in the language of whoever is stopped by it.

use authz_core::{Page, Refusal, Stoppage};

use super::Stop;
use crate::language::Language;

impl Language {
    /// The heading of a page for somebody who cannot go on, and what they can do. A page that somebody else made is left as it is.
    pub(crate) fn said_of(self, page: &Page) -> (&str, &str) {
        let said = match self {
            Self::English => None,
            Self::German => german(page.why),
        };
        said.map_or((page.title, &page.advice), |Stop { title, advice }| (title, advice))
    }
}

fn german(why: Stoppage) -> Option<Stop> {
    let (title, advice) = match why {
        Stoppage::Refused(refusal) => ("Diese Anfrage kann nicht weitergehen", refused(refusal)),
        Stoppage::ClientUnnamed => (
            "Die Anwendung hat nicht gesagt, wer sie ist",
            "Ihre Anfrage hat keine client_id. Beginnen Sie noch einmal in der Anwendung.",
        ),
        Stoppage::ClientUnknown => (
            "Diese Anwendung ist hier nicht angemeldet",
            "Sie benutzt eine Anmeldung, die dieser Server nicht oder nicht mehr kennt. Entfernen Sie die Verbindung in der Anwendung, und \
             fügen Sie sie neu hinzu, damit sie sich neu anmeldet.",
        ),
        Stoppage::RedirectUnregistered => (
            "Diese Anwendung will die Antwort an eine Adresse, die sie nicht angemeldet hat",
            "Zu Ihrer Sicherheit wurde nichts dorthin geschickt. Entfernen Sie die Verbindung in der Anwendung, und fügen Sie sie neu \
             hinzu; wer die Anwendung macht, muss genau diese redirect_uri anmelden.",
        ),
        Stoppage::Unreadable => (
            "Diese Anfrage ist fehlerhaft",
            "Ihre Angaben sind nicht zu lesen. Beginnen Sie noch einmal in der Anwendung.",
        ),
        Stoppage::Connected => {
            ("Schon verbunden", "Die Anwendung hat, was sie braucht. Sie können diese Seite schließen.")
        }
        Stoppage::Unavailable => {
            ("Das geht im Moment nicht", "Versuchen Sie es in ein paar Sekunden noch einmal.")
        }
        Stoppage::Other => return None,
    };
    Some(Stop { title, advice })
}

fn refused(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::ClientUnknown => {
            "Die Anwendung ist hier nicht angemeldet. Fügen Sie die Verbindung dort neu hinzu."
        }
        Refusal::ClientBlocked => "Wer diesen Server verwaltet, hat diese Anwendung gesperrt.",
        Refusal::ParameterRepeated => "Eine Angabe kommt doppelt vor.",
        Refusal::ResponseTypeMissing => {
            "response_type fehlt; die Anwendung muss response_type=code schicken."
        }
        Refusal::ResponseTypeUnsupported => "Der einzige response_type ist hier code.",
        Refusal::ResponseModeUnsupported => "Der einzige response_mode ist hier query.",
        Refusal::ChallengeMissing => "code_challenge fehlt; PKCE mit S256 ist Pflicht.",
        Refusal::ChallengeMethodUnsupported => "Die einzige code_challenge_method ist hier S256.",
        Refusal::ChallengeMalformed => "code_challenge muss aus den 43 Zeichen bestehen, die S256 ergibt.",
        Refusal::StateTooLong => "state darf höchstens 2048 Bytes haben.",
        Refusal::RequestTooLong => "Die Anfrage ist zu lang; die Anwendung muss ihre Angaben kürzen.",
        Refusal::ParameterMalformed => "Eine Angabe hat einen fehlerhaften Wert.",
        Refusal::ScopeMalformed => "Der Scope ist fehlerhaft.",
        Refusal::ScopeUnknown => "Die Anwendung will einen Scope, den es hier nicht gibt.",
        Refusal::TargetMalformed => "resource muss eine einzige vollständige URI ohne Fragment sein.",
        Refusal::TargetUnknown => {
            "resource muss einen Dienst nennen, der hier angemeldet ist, genau so wie seine Metadaten."
        }
        Refusal::LoginRequired => "Niemand ist angemeldet.",
        Refusal::ConsentRequired => "Dafür muss erst jemand um Erlaubnis gefragt werden.",
        Refusal::Denied => "Die Anfrage wurde abgelehnt.",
        Refusal::PersonBlocked => "Dieses Konto darf nicht benutzt werden.",
        Refusal::TooManyRequests => {
            "Zu viele Anfragen warten auf Ihre Antwort; versuchen Sie es in ein paar Minuten noch einmal."
        }
        Refusal::RequestGone => {
            "Diese Anfrage ist abgelaufen oder schon beantwortet. Gehen Sie zurück zur Anwendung, und verbinden Sie sie noch einmal."
        }
        Refusal::RequestOfAnother => {
            "Diese Anfrage wurde in einer anderen Sitzung begonnen. Gehen Sie zurück zur Anwendung, und verbinden Sie sie noch einmal."
        }
        Refusal::RequestOutdated => {
            "Die Anwendung oder der Dienst hat sich geändert. Gehen Sie zurück zur Anwendung, und verbinden Sie sie noch einmal."
        }
        Refusal::ConsentExceedsRequest => "Es wurde mehr erlaubt, als gefragt war.",
        Refusal::KeyUnknown => "Versuchen Sie es gleich noch einmal.",
        // What programs are told, at endpoints that show no pages.
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
        | Refusal::ServerKeyWrong => "Beginnen Sie noch einmal in der Anwendung.",
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
