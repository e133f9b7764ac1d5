//! Why a token is not good.

/// Why a token is not accepted.
///
/// Each sentence (`Display`) is safe to show to whoever sent the token, in `error_description` for instance: it has nothing of
/// the token in it, and only characters of RFC 6750 section 3.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a signed token in compact form of at most 16 KiB (RFC 7515 section 3.1), or its claims are no JSON object.
    #[error("this is not a signed JWT")]
    Malformed,
    /// `alg` is not in the allow-list; `none` and the HMAC family never are (RFC 8725 section 3.1).
    #[error("the token is signed with an algorithm that is not accepted here")]
    AlgorithmNotAllowed,
    /// The header has `crit`: the token must not be used by whoever does not understand what it names, and no extension is
    /// understood here (RFC 7515 section 4.1.11).
    #[error("the token uses an extension that is not supported here")]
    ExtensionNotSupported,
    /// `typ` is not `at+jwt` (RFC 9068 section 4), or names another kind of token.
    #[error("the token is not an access token: its type is not at+jwt")]
    TypeNotAllowed,
    /// No key is known by this `kid` for this algorithm; for a token without `kid`: none that is known has signed it.
    ///
    /// Whoever fetches keys fetches them again (at most once per some time: anybody can name a `kid`) and checks once more.
    #[error("the token is signed with a key that is not known here")]
    UnknownKey {
        /// What the header says, at most 512 bytes. It is the sender's own text.
        kid: Option<String>,
    },
    /// The key is known and has not signed this.
    #[error("the signature of the token is wrong")]
    SignatureWrong,
    /// A claim that must be there is not (RFC 9068 section 2.2); `scope` only where nothing else tells that it is an access token.
    #[error("the token has no {claim} claim")]
    ClaimMissing {
        /// The name of the claim.
        claim: &'static str,
    },
    /// A claim has a value of another type than its definition says, or one that cannot be.
    #[error("the {claim} claim of the token is not valid")]
    ClaimMalformed {
        /// The name of the claim.
        claim: &'static str,
    },
    /// `iss` is another issuer (RFC 9068 section 4).
    #[error("the token is from another issuer")]
    IssuerWrong,
    /// An ID token: it tells a client who has logged in, and opens nothing (RFC 8725 section 2.8).
    #[error("this is an ID token, not an access token")]
    IdToken,
    /// `exp` has passed (RFC 7519 section 4.1.4).
    #[error("the token has expired")]
    Expired,
    /// `nbf` or `iat` lies in the future (RFC 7519 sections 4.1.5 and 4.1.6).
    #[error("the token is not valid yet")]
    NotYetValid,
    /// `aud` names none of the audiences (RFC 9068 section 4).
    #[error("the token is for another resource")]
    AudienceWrong,
    /// The token is bound to a key or a certificate by `cnf` (RFC 7800 section 3), and whoever sent it has shown neither.
    #[error("the token is bound to a key and cannot be used as a bearer token")]
    SenderConstrained,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6750 section 3: what may stand in `error_description`.
    #[test]
    fn no_sentence_has_anything_of_the_token_or_needs_quoting() {
        let kid = Some("\"\r\n<script>".to_owned());
        for error in [
            TokenError::Malformed,
            TokenError::AlgorithmNotAllowed,
            TokenError::ExtensionNotSupported,
            TokenError::TypeNotAllowed,
            TokenError::UnknownKey { kid },
            TokenError::SignatureWrong,
            TokenError::ClaimMissing { claim: "exp" },
            TokenError::ClaimMalformed { claim: "exp" },
            TokenError::IssuerWrong,
            TokenError::IdToken,
            TokenError::Expired,
            TokenError::NotYetValid,
            TokenError::AudienceWrong,
            TokenError::SenderConstrained,
        ] {
            let sentence = error.to_string();
            assert!(!sentence.contains("script"), "{sentence}");
            assert!(
                sentence.bytes().all(|byte| matches!(byte, 0x20..=0x21 | 0x23..=0x5B | 0x5D..=0x7E)),
                "{sentence}"
            );
        }
    }
}
