//! Dynamic client registration (RFC 7591).

use ambient::Time;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oauth_types::{
    ClientId, ClientInformation, ClientMetadata, ErrorCode, OAuthError, RedirectKind, RedirectUri,
    is_deceptive, visible,
};
use store::{Client, ClientAuth, Provenance, SecretMethod, ServerId, Standing};

use crate::text::{TokenKind, TokenText};
use crate::{Lifetime, Policy};

/// The parameters of an authorization response. A redirect URI that brings one of its own would have the client read that.
const ANSWER: &[&str] = &["code", "state", "iss", "error", "error_description", "error_uri"];
/// What only we give out (RFC 7591 section 3.2.1, RFC 7592 section 3): a client that sends a secret of its own would have it stored in
/// the clear, and what it says of the others would be stored and not be what it is told.
const OURS: &[&str] = &[
    "client_id",
    "client_secret",
    "client_id_issued_at",
    "client_secret_expires_at",
    "registration_access_token",
    "registration_client_uri",
];
/// How many redirect URIs a client may register.
const MOST_REDIRECT_URIS: usize = 16;
/// The longest `client_name`, in characters.
const LONGEST_NAME: usize = 200;
/// The longest metadata that is kept, in bytes of JSON.
const LONGEST_METADATA: usize = 8 * 1024;

/// How long a client is kept that registered itself and that nobody has consented to yet.
const UNUSED: Lifetime = Lifetime::days(2);

/// Until when a client is kept that registered itself and was consented to at `now`: as long as any grant of it can live,
/// and the time of an unused one.
#[must_use]
pub fn kept_until(policy: &Policy, now: Time) -> Time {
    now.plus(policy.refresh_total.as_seconds()).plus(UNUSED.as_seconds())
}

/// Random values for a new client.
#[derive(Clone)]
pub struct NewClient {
    /// Its id.
    pub id: [u8; 16],
    /// Its secret, should it want one.
    pub secret: [u8; 32],
    /// The server that it registers for, if it named one that exists.
    pub server: Option<ServerId>,
}

/// A client that may be stored, and what it is told once.
#[derive(Debug)]
pub struct Registered {
    /// The record.
    pub client: Client,
    /// The answer, secret included.
    pub information: ClientInformation,
}

/// Registers a client that says this of itself.
///
/// Unknown members are kept and ignored; grant and response types are narrowed to what is served, and the answer says so
/// (RFC 7591 section 2: the server may replace any member). Without `grant_types` a client gets both of ours; without an
/// authentication method it gets a secret, as the RFC has it.
///
/// # Errors
///
/// `invalid_redirect_uri` or `invalid_client_metadata`, with a sentence about which member.
pub fn register(
    metadata: ClientMetadata,
    new: NewClient,
    provenance: Provenance,
    policy: &Policy,
    now: Time,
) -> Result<Registered, OAuthError> {
    let text = format!("cid_{}", URL_SAFE_NO_PAD.encode(new.id));
    let id = ClientId::parse(&text).map_err(|_| invalid("client_id cannot be made"))?;
    check_size(&metadata)?;
    let method = method(metadata.token_endpoint_auth_method.as_deref())?;
    let redirect_uris = redirect_uris(&metadata, method.is_none(), policy)?;
    let grant_types =
        narrowed(&metadata.grant_types, &["authorization_code", "refresh_token"], "grant_types")?;
    let response_types = narrowed(&metadata.response_types, &["code"], "response_types")?;
    let secret = method.map(|_| TokenText::random(TokenKind::ClientSecret, new.id, new.secret));
    let auth = match (method, &secret) {
        (Some(method), Some(secret)) => {
            ClientAuth::Secret { method, digest: secret.digest(), retiring: Vec::new() }
        }
        (Some(_) | None, _) => ClientAuth::Public,
    };
    let mut effective = ClientMetadata {
        redirect_uris: redirect_uris.iter().map(ToString::to_string).collect(),
        token_endpoint_auth_method: Some(method_name(method).to_owned()),
        grant_types,
        response_types,
        ..metadata
    };
    for ours in OURS {
        effective.other.remove(*ours);
    }
    let client = Client {
        first_party: false,
        id: id.clone(),
        auth,
        redirect_uris,
        refresh: effective.grant_types.iter().any(|grant| grant == "refresh_token"),
        provenance,
        server: new.server,
        registered: now,
        kept_until: (provenance == Provenance::Dynamic).then(|| now.plus(UNUSED.as_seconds())),
        standing: Standing::default(),
        metadata: effective.clone(),
    };
    let information = ClientInformation {
        client_id: id,
        client_secret_expires_at: secret.as_ref().map(|_| 0),
        client_secret: secret.as_ref().map(TokenText::expose),
        client_id_issued_at: Some(now.0),
        metadata: effective,
    };
    Ok(Registered { client, information })
}

fn invalid(description: &str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidClientMetadata, description)
}

fn check_size(metadata: &ClientMetadata) -> Result<(), OAuthError> {
    if let Some(name) = &metadata.client_name {
        if name.chars().count() > LONGEST_NAME {
            return Err(invalid("client_name may have 200 characters at most."));
        }
        if name.chars().any(is_deceptive) {
            return Err(invalid("client_name has control or invisible characters."));
        }
        if !name.is_empty() && visible(name).is_none() {
            return Err(invalid("client_name is blank."));
        }
    }
    let size = serde_json::to_vec(metadata).map_or(usize::MAX, |json| json.len());
    if size > LONGEST_METADATA {
        return Err(invalid("The metadata may have 8192 bytes at most."));
    }
    Ok(())
}

fn method(name: Option<&str>) -> Result<Option<SecretMethod>, OAuthError> {
    match name {
        Some("none") => Ok(None),
        Some("client_secret_basic") => Ok(Some(SecretMethod::Basic)),
        Some("client_secret_post") => Ok(Some(SecretMethod::Post)),
        None => Ok(Some(SecretMethod::Either)),
        Some(_) => Err(invalid(
            "token_endpoint_auth_method must be none, client_secret_basic or client_secret_post.",
        )),
    }
}

const fn method_name(method: Option<SecretMethod>) -> &'static str {
    match method {
        None => "none",
        Some(SecretMethod::Basic | SecretMethod::Either) => "client_secret_basic",
        Some(SecretMethod::Post) => "client_secret_post",
    }
}

fn redirect_uris(
    metadata: &ClientMetadata,
    public: bool,
    policy: &Policy,
) -> Result<Vec<RedirectUri>, OAuthError> {
    let refuse = |text: &str, why: &str| {
        let shown: String = text.chars().take(100).collect();
        OAuthError::new(ErrorCode::InvalidRedirectUri, format!("{shown}: {why}"))
    };
    let texts = &metadata.redirect_uris;
    if texts.is_empty() {
        return Err(OAuthError::new(
            ErrorCode::InvalidRedirectUri,
            "redirect_uris must name at least one URI.",
        ));
    }
    if texts.len() > MOST_REDIRECT_URIS {
        return Err(OAuthError::new(
            ErrorCode::InvalidRedirectUri,
            "redirect_uris may name 16 URIs at most.",
        ));
    }
    let mut uris = Vec::with_capacity(texts.len());
    for text in texts {
        let uri = RedirectUri::parse(text).map_err(|error| refuse(text, &error.to_string()))?;
        // A client that keeps a secret is a web application; one that named no method has not said so.
        let native = public || metadata.token_endpoint_auth_method.is_none();
        if uri.has_query_of(ANSWER) {
            return Err(refuse(text, "its query names a parameter of the answer"));
        }
        match uri.kind() {
            RedirectKind::Https | RedirectKind::Loopback => {}
            RedirectKind::PrivateUse if native => {}
            RedirectKind::PrivateUse => {
                return Err(refuse(text, "a scheme of one's own is for native public clients"));
            }
        }
        // Switched off, the other ways back of the same client still work.
        let served = policy.private_use_schemes || uri.kind() != RedirectKind::PrivateUse;
        if served && !uris.contains(&uri) {
            uris.push(uri);
        }
    }
    if uris.is_empty() {
        return Err(OAuthError::new(
            ErrorCode::InvalidRedirectUri,
            "redirect_uris must name an https or loopback URI; schemes of one's own are switched off here.",
        ));
    }
    Ok(uris)
}

/// Of the wanted values those that are served; all of them if none was named. The first one must be among them.
fn narrowed(wanted: &[String], served: &[&str], member: &str) -> Result<Vec<String>, OAuthError> {
    let kept: Vec<String> = served
        .iter()
        .filter(|one| wanted.is_empty() || wanted.iter().any(|other| other == **one))
        .map(ToString::to_string)
        .collect();
    match served.first() {
        Some(first) if !kept.iter().any(|one| one == first) => {
            Err(invalid(&format!("{member} must include {first}.")))
        }
        Some(_) | None => Ok(kept),
    }
}
