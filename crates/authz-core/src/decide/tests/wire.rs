//! The one table from reasons to the wire. A code that changes is seen here.

use super::*;

/// The reason that follows in the order of the declaration. A new one does not compile until it has its place.
fn after(refusal: Refusal) -> Option<Refusal> {
    use Refusal::*;
    Some(match refusal {
        ClientUnknown => ClientBlocked,
        ClientBlocked => ClientUnnamed,
        ClientUnnamed => TwoAuthentications,
        TwoAuthentications => SecretMissing,
        SecretMissing => SecretWrong,
        SecretWrong => MethodMismatch,
        MethodMismatch => AuthorizationMalformed,
        AuthorizationMalformed => ParameterRepeated,
        ParameterRepeated => ResponseTypeMissing,
        ResponseTypeMissing => ResponseTypeUnsupported,
        ResponseTypeUnsupported => ResponseModeUnsupported,
        ResponseModeUnsupported => ChallengeMissing,
        ChallengeMissing => ChallengeMethodUnsupported,
        ChallengeMethodUnsupported => ChallengeMalformed,
        ChallengeMalformed => StateTooLong,
        StateTooLong => RequestTooLong,
        RequestTooLong => ParameterMalformed,
        ParameterMalformed => ScopeMalformed,
        ScopeMalformed => ScopeUnknown,
        ScopeUnknown => TargetMalformed,
        TargetMalformed => TargetUnknown,
        TargetUnknown => LoginRequired,
        LoginRequired => ConsentRequired,
        ConsentRequired => Denied,
        Denied => PersonBlocked,
        PersonBlocked => TooManyRequests,
        TooManyRequests => RequestGone,
        RequestGone => RequestOfAnother,
        RequestOfAnother => RequestOutdated,
        RequestOutdated => ConsentExceedsRequest,
        ConsentExceedsRequest => CodeUnknown,
        CodeUnknown => CodeExpired,
        CodeExpired => CodeOfAnotherClient,
        CodeOfAnotherClient => RedirectUriMismatch,
        RedirectUriMismatch => TargetMismatch,
        TargetMismatch => VerifierMissing,
        VerifierMissing => VerifierMismatch,
        VerifierMismatch => CodeReplayed,
        CodeReplayed => CodeOver,
        CodeOver => ConsentWithdrawn,
        ConsentWithdrawn => RefreshForged,
        RefreshForged => GrantOver,
        GrantOver => GrantExpired,
        GrantExpired => RefreshOfAnotherClient,
        RefreshOfAnotherClient => RefreshReplayed,
        RefreshReplayed => RepeatDiffers,
        RepeatDiffers => TargetGone,
        TargetGone => ScopeExceedsGrant,
        ScopeExceedsGrant => TokenInvalid,
        TokenInvalid => TokenMissing,
        TokenMissing => ServerKeyWrong,
        ServerKeyWrong => KeyUnknown,
        KeyUnknown => return None,
    })
}

fn all() -> impl Iterator<Item = Refusal> {
    std::iter::successors(Some(Refusal::ClientUnknown), |refusal| after(*refusal))
}

/// What is asked for in the trail, and watched by programs.
#[test]
fn each_reason_has_a_name_of_its_own_in_small_letters() {
    let names: Vec<&str> = all().map(Refusal::as_str).collect();
    let written = |name: &&str| name.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase());
    assert!(names.iter().all(written), "{names:?}");
    let distinct: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(distinct.len(), names.len());
}

#[test]
fn the_whole_table() {
    let lines: Vec<String> = all()
        .map(|refusal| {
            let wire = refusal.wire();
            format!("{refusal:?}: {} {} {}", wire.status.as_u16(), wire.code, wire.description)
        })
        .collect();
    assert_eq!(lines.join("\n"), TABLE.trim());
}

/// RFC 6749 section 5.2: what a description may hold.
#[test]
fn a_description_is_one_plain_sentence() {
    for refusal in all() {
        let text = refusal.wire().description;
        assert!(
            text.bytes().all(|byte| matches!(byte, 0x20..=0x7e) && !matches!(byte, b'"' | b'\\')),
            "{text}"
        );
        assert!(text.ends_with('.') && text.len() < 120, "{text}");
    }
}

/// What a thief could learn from the difference stays here. What differs is what the client itself sent beside the secret.
#[test]
fn refusals_of_a_secret_look_the_same() {
    use Refusal::*;
    let codes = [
        CodeUnknown,
        CodeExpired,
        CodeOfAnotherClient,
        VerifierMismatch,
        CodeReplayed,
        CodeOver,
        ConsentWithdrawn,
    ];
    let refreshes = [
        RefreshForged,
        GrantOver,
        GrantExpired,
        RefreshOfAnotherClient,
        RefreshReplayed,
        RepeatDiffers,
        TargetGone,
    ];
    for same in [&codes[..], &refreshes] {
        let wires: Vec<_> = same.iter().map(|refusal| refusal.wire()).collect();
        assert!(wires.iter().all(|wire| *wire == wires[0]), "{same:?}");
    }
}

/// RFC 6749 section 5.2: 401 for a client that did not authenticate; the world's fault is never one.
#[test]
fn only_who_did_not_authenticate_is_told_401() {
    use oauth_types::ErrorCode::{InvalidClient, InvalidToken, TemporarilyUnavailable};
    for refusal in all() {
        let wire = refusal.wire();
        let unproven = matches!(wire.code, InvalidClient | InvalidToken);
        assert_eq!(wire.status.as_u16() == 401, unproven, "{refusal:?}");
        if wire.status.is_server_error() {
            assert_eq!(wire.code, TemporarilyUnavailable, "{refusal:?}");
        }
    }
}

const TABLE: &str = "
ClientUnknown: 401 invalid_client The client is not registered here. Register it again.
ClientBlocked: 400 unauthorized_client An administrator has blocked this client.
ClientUnnamed: 401 invalid_client The request names no client: send client_id, or an Authorization header.
TwoAuthentications: 400 invalid_request Authenticate the client in one way only: by the header or in the body.
SecretMissing: 401 invalid_client This client must send its secret.
SecretWrong: 401 invalid_client Client authentication failed.
MethodMismatch: 401 invalid_client Authenticate by the method that the client registered.
AuthorizationMalformed: 400 invalid_request The Authorization header is malformed.
ParameterRepeated: 400 invalid_request A parameter is repeated.
ResponseTypeMissing: 400 invalid_request response_type is missing; send response_type=code.
ResponseTypeUnsupported: 400 unsupported_response_type The only response_type here is code.
ResponseModeUnsupported: 400 invalid_request The only response_mode here is query.
ChallengeMissing: 400 invalid_request code_challenge is missing; PKCE with S256 is required.
ChallengeMethodUnsupported: 400 invalid_request The only code_challenge_method here is S256.
ChallengeMalformed: 400 invalid_request code_challenge must be the 43 characters that S256 gives.
StateTooLong: 400 invalid_request state may have 2048 bytes at most.
RequestTooLong: 400 invalid_request The request is too long; shorten its parameters.
ParameterMalformed: 400 invalid_request A parameter has a malformed value.
ScopeMalformed: 400 invalid_scope The scope is malformed.
ScopeUnknown: 400 invalid_scope A requested scope does not exist here.
TargetMalformed: 400 invalid_target resource must be one absolute URI without a fragment.
TargetUnknown: 400 invalid_target resource must name a resource that is registered here, exactly as its metadata does.
LoginRequired: 400 login_required Nobody is logged in.
ConsentRequired: 400 consent_required The person must be asked for consent.
Denied: 400 access_denied The request was denied.
PersonBlocked: 400 access_denied This account may not be used.
TooManyRequests: 400 temporarily_unavailable Too many requests wait for consent; try again in a few minutes.
RequestGone: 400 invalid_request This request has expired or was answered. Go back to the application and connect again.
RequestOfAnother: 400 invalid_request This request was started in another session. Go back to the application and connect again.
RequestOutdated: 400 invalid_request The application or the resource has changed. Go back to the application and connect again.
ConsentExceedsRequest: 400 invalid_scope More was allowed than was asked for.
CodeUnknown: 400 invalid_grant The authorization code is invalid, expired or used. Start a new authorization request.
CodeExpired: 400 invalid_grant The authorization code is invalid, expired or used. Start a new authorization request.
CodeOfAnotherClient: 400 invalid_grant The authorization code is invalid, expired or used. Start a new authorization request.
RedirectUriMismatch: 400 invalid_grant redirect_uri differs from the one of the authorization request.
TargetMismatch: 400 invalid_target resource is not the one that was authorized.
VerifierMissing: 400 invalid_request code_verifier is missing.
VerifierMismatch: 400 invalid_grant The authorization code is invalid, expired or used. Start a new authorization request.
CodeReplayed: 400 invalid_grant The authorization code is invalid, expired or used. Start a new authorization request.
CodeOver: 400 invalid_grant The authorization code is invalid, expired or used. Start a new authorization request.
ConsentWithdrawn: 400 invalid_grant The authorization code is invalid, expired or used. Start a new authorization request.
RefreshForged: 400 invalid_grant The refresh token is invalid, expired or revoked. Start a new authorization request.
GrantOver: 400 invalid_grant The refresh token is invalid, expired or revoked. Start a new authorization request.
GrantExpired: 400 invalid_grant The refresh token is invalid, expired or revoked. Start a new authorization request.
RefreshOfAnotherClient: 400 invalid_grant The refresh token is invalid, expired or revoked. Start a new authorization request.
RefreshReplayed: 400 invalid_grant The refresh token is invalid, expired or revoked. Start a new authorization request.
RepeatDiffers: 400 invalid_grant The refresh token is invalid, expired or revoked. Start a new authorization request.
TargetGone: 400 invalid_grant The refresh token is invalid, expired or revoked. Start a new authorization request.
ScopeExceedsGrant: 400 invalid_scope The scope exceeds what was granted.
TokenInvalid: 401 invalid_token The access token is invalid, expired or revoked.
TokenMissing: 401 invalid_token Send an access token as Authorization: Bearer.
ServerKeyWrong: 401 invalid_client Authenticate with the key of the resource server.
KeyUnknown: 503 temporarily_unavailable Try again in a moment.
";
