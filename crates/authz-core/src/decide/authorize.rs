//! The authorization request (OAuth 2.1 section 4.1.1).
//!
//! Two error worlds, by type: until client and redirect URI are trusted only a [`Page`] can be built; a [`Redirectable`]
//! alone can build a redirect, and attaches `state` and `iss` to it (I6).

use oauth_types::{
    Acr, AuthorizationRequest, AuthorizationResponse, ClientId, ErrorCode, Form, Issuer, OAuthError,
    RedirectKind, RedirectUri, Scope,
};
use pkce::Challenge;
use store::{
    Changes, Client, Coded, Consent, Found, Grant, Provenance, Request, Requested, Server, Stage, Standing,
    Status, Subject, Target,
};

use super::{Drawn, Setting};
use crate::page::{Page, Stoppage};
use crate::seam::Authentication;
use crate::text::TokenText;
use crate::{ClientRedirect, Event, NamedGrant, Policy, Refusal, Step};

/// The longest `state` that is kept and echoed, in bytes.
const LONGEST_STATE: usize = 2048;
/// Whoever comes back from a log-in has logged in within so many seconds.
const JUST_NOW: i64 = 300;
/// The longest `login_hint`, `acr_values` or `prompt`, in bytes: all of them go through the log-in and back.
const LONGEST_HINT: usize = 512;

/// A redirect URI that was matched against the registered ones of a client, and what every answer to it carries.
#[derive(Clone, Debug)]
pub struct Redirectable {
    redirect_uri: RedirectUri,
    state: Option<String>,
    iss: Issuer,
    trusted: bool,
}

impl Redirectable {
    /// Where the answer to a stored request goes: its redirect URI was matched before it was stored.
    #[must_use]
    pub fn of(request: &Request, iss: &Issuer) -> Self {
        let Request { redirect_uri, state, .. } = request;
        Self { redirect_uri: redirect_uri.clone(), state: state.clone(), iss: iss.clone(), trusted: true }
    }

    /// Whether an error may be redirected there before anybody has logged in: only if an administrator vouches for it
    /// (OAuth 2.1 section 7.12.2: else this would be an open redirector for whoever can register).
    #[must_use]
    pub const fn is_trusted(&self) -> bool {
        self.trusted
    }

    /// The answer that carries a code.
    #[must_use]
    pub fn code(&self, code: &TokenText) -> ClientRedirect {
        let response = AuthorizationResponse::Code {
            code: code.expose(),
            state: self.state.clone(),
            iss: self.iss.clone(),
        };
        ClientRedirect::of(response.to_uri(&self.redirect_uri))
    }

    /// The answer that carries an error.
    #[must_use]
    pub fn refuse(&self, refusal: Refusal) -> ClientRedirect {
        let wire = refusal.wire();
        let error = OAuthError::new(wire.code, wire.description);
        let response =
            AuthorizationResponse::Error { error, state: self.state.clone(), iss: self.iss.clone() };
        ClientRedirect::of(response.to_uri(&self.redirect_uri))
    }
}

/// The client that a request names.
///
/// # Errors
///
/// A page: without a client there is nowhere to redirect to.
pub fn client_id(asked: &AuthorizationRequest, form: &Form) -> Result<ClientId, Page> {
    if form.one("client_id").is_err() || form.one("redirect_uri").is_err() {
        return Err(Page::from(Refusal::ParameterRepeated));
    }
    let missing = || {
        Page::bad(
            Stoppage::ClientUnnamed,
            ErrorCode::InvalidRequest,
            "The application did not say who it is",
            "Its request has no client_id. Start again from the application.",
        )
    };
    let text = asked.client_id.as_deref().ok_or_else(missing)?;
    ClientId::parse(text).map_err(|_| unknown_client())
}

/// Whether the answer may go where the request wants it.
///
/// # Errors
///
/// A page, for a client that is unknown, deleted or blocked and for a redirect URI that is not registered.
pub fn receive(
    asked: &AuthorizationRequest,
    client: Option<&Client>,
    issuer: &Issuer,
) -> Result<Redirectable, Page> {
    let client = client.ok_or_else(unknown_client)?;
    match client.standing.status {
        Status::Active => {}
        Status::Deleted => return Err(unknown_client()),
        Status::Blocked => return Err(Page::from(Refusal::ClientBlocked)),
    }
    let redirect_uri = match (&asked.redirect_uri, client.redirect_uris.as_slice()) {
        (Some(text), registered) => {
            let uri = RedirectUri::parse(text).map_err(|_| unregistered_redirect())?;
            if !registered.iter().any(|one| uri.matches(one)) {
                return Err(unregistered_redirect());
            }
            uri
        }
        // OAuth 2.1 section 2.3.3: it may be left out if exactly one is registered.
        (None, [only]) => only.clone(),
        (None, _) => return Err(unregistered_redirect()),
    };
    let trusted = client.provenance == Provenance::Administrator;
    Ok(Redirectable { redirect_uri, state: asked.state.clone(), iss: issuer.clone(), trusted })
}

fn unknown_client() -> Page {
    Page::bad(
        Stoppage::ClientUnknown,
        ErrorCode::InvalidClient,
        "This application is not registered here",
        "It uses a registration that this server does not know, or no longer knows. Remove the connection in the \
         application and add it again, so that it registers anew.",
    )
}

fn unregistered_redirect() -> Page {
    Page::bad(
        Stoppage::RedirectUnregistered,
        ErrorCode::InvalidRequest,
        "This application asked for an answer at an address that it did not register",
        "For your safety nothing was sent there. Remove the connection in the application and add it again; its author \
         must register the exact redirect_uri.",
    )
}

/// What a request says, once its parameters are checked for themselves.
#[derive(Clone, Debug)]
pub struct Checked {
    challenge: Challenge,
    scope: Scope,
    /// What the person must do (OpenID Connect Core section 3.1.2.1).
    pub prompt: Prompt,
    /// At most so many seconds since they last logged in.
    pub max_age: Option<i64>,
    /// How they must have, any of them.
    pub acr_values: Vec<Acr>,
}

impl Checked {
    /// Whether whoever is logged in must prove anew who they are.
    #[must_use]
    pub fn wants_log_in(&self) -> bool {
        self.prompt.login || self.max_age == Some(0)
    }

    /// The `max_age` of the same request for whoever comes back from the log-in that it asked for: asked for a log-in anew, that would never
    /// end; asked for nothing, any session would do.
    #[must_use]
    pub fn max_age_afterwards(&self) -> Option<i64> {
        match self.max_age {
            Some(seconds @ 1..) if self.wants_log_in() => Some(seconds.min(JUST_NOW)),
            Some(0) | None if self.wants_log_in() => Some(JUST_NOW),
            other => other,
        }
    }

    /// The scopes that were asked for.
    #[must_use]
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }
}

/// The `prompt` parameter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prompt {
    /// `none`: nobody is asked anything.
    pub none: bool,
    /// `login` or `select_account`: whoever is logged in must show it again.
    pub login: bool,
    /// `consent`: a remembered consent does not stand in.
    pub consent: bool,
}

/// Checks the parameters that need no look-up.
///
/// # Errors
///
/// The first that is wrong, for a redirect.
pub fn check(asked: &AuthorizationRequest, form: &Form) -> Result<Checked, Refusal> {
    if form.repeated().is_some() {
        return Err(Refusal::ParameterRepeated);
    }
    if asked.state.as_ref().is_some_and(|state| state.len() > LONGEST_STATE) {
        return Err(Refusal::StateTooLong);
    }
    let hints = [&asked.login_hint, &asked.acr_values, &asked.prompt];
    if hints.into_iter().flatten().any(|hint| hint.len() > LONGEST_HINT) {
        return Err(Refusal::ParameterMalformed);
    }
    match asked.response_type.as_deref() {
        Some("code") => {}
        Some(_) => return Err(Refusal::ResponseTypeUnsupported),
        None => return Err(Refusal::ResponseTypeMissing),
    }
    if asked.response_mode.as_deref().is_some_and(|mode| mode != "query") {
        return Err(Refusal::ResponseModeUnsupported);
    }
    let challenge = asked.code_challenge.as_deref().ok_or(Refusal::ChallengeMissing)?;
    // RFC 7636 section 4.3: without a method it would be `plain`.
    if asked.code_challenge_method.as_deref() != Some("S256") {
        return Err(Refusal::ChallengeMethodUnsupported);
    }
    let challenge = Challenge::parse(challenge).map_err(|_| Refusal::ChallengeMalformed)?;
    let scope =
        Scope::parse(asked.scope.as_deref().unwrap_or_default()).map_err(|_| Refusal::ScopeMalformed)?;
    let max_age = match asked.max_age.as_deref().map(str::parse::<u32>) {
        None => None,
        Some(Ok(seconds)) => Some(i64::from(seconds)),
        Some(Err(_)) => return Err(Refusal::ParameterMalformed),
    };
    let prompt = prompt(asked.prompt.as_deref().unwrap_or_default())?;
    let acr_values = asked.acr_values.as_deref().unwrap_or_default();
    let acr_values = Acr::parse_all(acr_values).map_err(|_| Refusal::ParameterMalformed)?;
    Ok(Checked { challenge, scope, prompt, max_age, acr_values })
}

fn prompt(text: &str) -> Result<Prompt, Refusal> {
    let has = |value: &str| text.split(' ').any(|word| word == value);
    let prompt =
        Prompt { none: has("none"), login: has("login") || has("select_account"), consent: has("consent") };
    if prompt.none && (prompt.login || prompt.consent) {
        return Err(Refusal::ParameterMalformed);
    }
    Ok(prompt)
}

/// The request as it is stored: checked, with its scope and its resource resolved.
#[must_use]
pub fn request(
    asked: &AuthorizationRequest,
    redirectable: &Redirectable,
    checked: &Checked,
    scope: Scope,
    server: &Server,
) -> Request {
    let named = asked.resource.first().and_then(|text| oauth_types::Resource::parse(text).ok());
    Request {
        redirect_uri: redirectable.redirect_uri.clone(),
        challenge: checked.challenge.clone(),
        scope,
        target: Target {
            server: server.id,
            resource: server.resource.clone(),
            named: named.filter(|named| *named != server.resource),
        },
        state: asked.state.clone(),
        acr_values: checked.acr_values.clone(),
        max_age: checked.max_age_afterwards(),
    }
}

/// Who is there, and what is known of them.
#[derive(Clone, Copy, Debug)]
pub struct Present<'a> {
    /// Who.
    pub who: &'a Authentication,
    /// What is held against them.
    pub standing: Standing,
    /// What they have let this client do here before.
    pub known: Option<&'a Consent>,
}

/// What follows for a person who is logged in.
#[derive(Clone, Debug)]
pub enum Entered {
    /// They need not be asked: the code.
    Code(TokenText),
    /// They must be asked, about this grant.
    Ask(Box<Found<Grant>>),
}

/// The remembered consent that stands in for asking, if one does.
///
/// Only where the answer goes to the very https address that the person was shown before: whoever listens on a loopback port
/// or has claimed a private-use scheme could pass for the client (OAuth 2.1 section 7.3.1).
#[must_use]
pub fn remembered<'a>(request: &Request, present: Present<'a>, prompt: Prompt) -> Option<&'a Consent> {
    let assured = request.redirect_uri.kind() == RedirectKind::Https && !prompt.consent;
    present.known.filter(|known| assured && known.covers(&request.scope, &request.redirect_uri))
}

/// Whether nobody is asked because the operator answers for the client: an administrator vouches for it and has said that it is the
/// operator's own, and the answer goes to an https address, as in [`remembered`].
///
/// A person who has had their say about it, be it a yes or that they took back what it had, is asked: their word counts, not the operator's.
#[must_use]
pub fn answered_for(
    request: &Request,
    client: &Client,
    known: Option<&Consent>,
    prompt: Prompt,
    policy: &Policy,
) -> bool {
    let assured = request.redirect_uri.kind() == RedirectKind::Https && !prompt.consent;
    let own = client.first_party && client.provenance == Provenance::Administrator;
    own && assured && known.is_none() && !policy.ask_for_first_party
}

/// Enters the state machine: a grant is born *coded* if a remembered consent or the operator stands in for asking, else *requested*.
pub fn enter(
    request: Request,
    client: &Client,
    present: Present<'_>,
    prompt: Prompt,
    setting: Setting<'_>,
    drawn: &Drawn,
) -> Step<Entered> {
    let Present { who, standing, .. } = present;
    if standing.status != Status::Active {
        return Step::refuse(Refusal::PersonBlocked);
    }
    let party = store::Party {
        subject: Subject::Person(who.person.clone()),
        person_epoch: standing.epoch,
        client_epoch: client.standing.epoch,
        session: who.session,
        auth_time: who.auth_time,
        acr: who.acr.clone(),
    };
    let until = setting.now.plus(setting.policy.request.as_seconds());
    let born = |stage| Grant { id: drawn.grant, client: client.id.clone(), born: setting.now, stage };
    let known = remembered(&request, present, prompt);
    let waived = answered_for(&request, client, present.known, prompt, setting.policy);
    if known.is_some() || waived {
        let key = setting.keys.active();
        let Ok(code) = setting.keys.code(key, drawn.grant, 1, &drawn.nonce) else {
            return Step::refuse(Refusal::KeyUnknown);
        };
        let (server, scope) = (request.target.server, request.scope.clone());
        let coded = Coded {
            request,
            party,
            nonce: drawn.nonce,
            number: 1,
            key,
            expires: setting.now.plus(setting.policy.code.as_seconds()),
            until,
            remembered: Some(Consent::id_of(&who.person, &client.id, &server)),
            waived,
        };
        let grant = born(Stage::Coded(coded));
        let named = NamedGrant::of(&grant);
        let told = match known {
            Some(_) => Event::Consented { grant: named, scope, remembered: true },
            None => Event::ConsentWaived { grant: named, scope },
        };
        return Step::answer(Entered::Code(code)).writing(Changes::create(drawn.mark, &grant)).telling(told);
    }
    if prompt.none {
        return Step::refuse(Refusal::ConsentRequired);
    }
    let grant = born(Stage::Requested(Requested { request, party, until }));
    let changes = Changes::create(drawn.mark, &grant);
    Step::answer(Entered::Ask(Box::new(Found { record: grant, mark: drawn.mark }))).writing(changes)
}
