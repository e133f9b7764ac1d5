//! The token endpoint and the revocation endpoint.

use oauth_types::{CodeRequest, RefreshRequest, TokenRequest};
use secrecy::{ExposeSecret as _, SecretString};
use store::{Client, Digest, Facts, GrantId, Use};

use super::run::{Rule, run};
use super::{Engine, Unavailable};
use crate::decide::client::{Authenticated, Credentials, authenticate};
use crate::decide::issue::Issued;
use crate::decide::redeem::redeem;
use crate::decide::refresh::refresh;
use crate::decide::revoke::revoke;
use crate::decide::{Drawn, Setting};
use crate::keyring::Genuine;
use crate::seam::{Limit, TooMany};
use crate::text::TokenText;
use crate::{Context, Refusal, Step};

/// Tokens for a code or a refresh token.
pub(crate) async fn token(
    engine: &Engine,
    request: &TokenRequest,
    credentials: &Credentials,
    caller: &Context,
) -> Result<Result<Issued, Unissued>, Unavailable> {
    let foreign = engine.foreign_client(credentials.id.as_ref()).await?;
    let asking = Asking { credentials, foreign: foreign.as_ref() };
    let outcome = match request {
        TokenRequest::AuthorizationCode(request) => {
            let grant = parse(&request.code).map(|text| GrantId::new(text.id));
            if let Some(limited) = limited(engine, credentials, "code", grant.as_ref()).await {
                return Ok(Err(Unissued::Limited(limited)));
            }
            run(engine, &Redeem { asking, request, grant }, caller).await?
        }
        TokenRequest::RefreshToken(request) => {
            let text = parse(&request.refresh_token);
            let genuine = genuine(engine, text.as_ref()).await?;
            // A forgery is not counted: who does not hold a token of a grant must not be able to keep its client out.
            let grant = genuine.as_ref().map(Genuine::id_ref);
            if let Some(limited) = limited(engine, credentials, "refresh", grant).await {
                return Ok(Err(Unissued::Limited(limited)));
            }
            run(engine, &Refresh { asking, request, genuine }, caller).await?
        }
    };
    let (issued, secret) = match outcome {
        Ok(outcome) => outcome,
        Err(refusal) => return Ok(Err(Unissued::Refused(refusal))),
    };
    if let Some(secret) = secret {
        engine.uses.note(engine.store(), secret, engine.clock.now()).await;
    }
    Ok(Ok(issued))
}

/// Why there are no tokens, or none is revoked.
#[derive(Debug)]
pub(crate) enum Unissued {
    /// A rule was broken.
    Refused(Refusal),
    /// Too many came from this client for this grant.
    Limited(TooMany),
}

/// By client and grant, and never by address: hosted clients send the requests of many people from a few addresses.
async fn limited(
    engine: &Engine,
    credentials: &Credentials,
    kind: &str,
    grant: Option<&GrantId>,
) -> Option<TooMany> {
    let (client, grant) = (credentials.id.as_ref()?, grant?);
    engine.limiter.may(Limit::Token, &format!("{kind} {grant} {client}")).await.err()
}

/// Ends a token, and what hangs on it.
pub(crate) async fn revocation(
    engine: &Engine,
    token: &SecretString,
    credentials: &Credentials,
    caller: &Context,
) -> Result<Result<(), Unissued>, Unavailable> {
    let foreign = engine.foreign_client(credentials.id.as_ref()).await?;
    let text = parse(token);
    let genuine = genuine(engine, text.as_ref()).await?;
    let grant = text.as_ref().map(|text| GrantId::new(text.id));
    // Whoever saw an access token can use up the tries for it, and keeps nobody from ending the grant.
    let kind = if genuine.is_some() { "revoke grant" } else { "revoke token" };
    if let Some(limited) = limited(engine, credentials, kind, grant.as_ref()).await {
        return Ok(Err(Unissued::Limited(limited)));
    }
    let asking = Asking { credentials, foreign: foreign.as_ref() };
    Ok(run(engine, &Revoke { asking, text, genuine, grant }, caller).await?.map_err(Unissued::Refused))
}

fn parse(text: &SecretString) -> Option<TokenText> {
    TokenText::parse(text.expose_secret()).ok()
}

/// A forged refresh text is found out here, before any grant is read.
async fn genuine(engine: &Engine, text: Option<&TokenText>) -> Result<Option<Genuine>, Unavailable> {
    let Some(text) = text else {
        return Ok(None);
    };
    // A number that is on no list is a forgery; the list was read again if that was not clear.
    let keys = engine.keys.knowing(text.key).await?;
    Ok(keys.genuine(text).unwrap_or_default())
}

/// The client of a request.
#[derive(Clone, Copy)]
struct Asking<'a> {
    credentials: &'a Credentials,
    foreign: Option<&'a Client>,
}

impl Asking<'_> {
    fn authenticate<'f>(
        &'f self,
        facts: &'f Facts,
        setting: &Setting<'_>,
    ) -> Result<Authenticated<'f>, Refusal> {
        let registered = facts.client.as_ref().map(|found| &found.record);
        authenticate(self.credentials, registered.or(self.foreign), setting.now)
    }
}

struct Redeem<'a> {
    asking: Asking<'a>,
    request: &'a CodeRequest,
    grant: Option<GrantId>,
}

impl Rule for Redeem<'_> {
    /// And by which of several secrets of the client.
    type Out = (Issued, Option<Digest>);

    fn load(&self) -> Use<'_> {
        Use { grant: self.grant.as_ref(), client: self.asking.credentials.id.as_ref(), server: None }
    }

    fn decide(&self, facts: &Facts, setting: Setting<'_>, drawn: &Drawn) -> Step<Self::Out> {
        match self.asking.authenticate(facts, &setting) {
            Ok(client) => {
                let step = redeem(self.request, client, facts, setting, drawn);
                step.map(|issued| (issued, client.one_of_its_secrets()))
            }
            Err(refusal) => Step::refuse(refusal),
        }
    }
}

struct Refresh<'a> {
    asking: Asking<'a>,
    request: &'a RefreshRequest,
    genuine: Option<Genuine>,
}

impl Rule for Refresh<'_> {
    type Out = (Issued, Option<Digest>);

    fn load(&self) -> Use<'_> {
        let grant = self.genuine.as_ref().map(Genuine::id_ref);
        Use { grant, client: self.asking.credentials.id.as_ref(), server: None }
    }

    fn decide(&self, facts: &Facts, setting: Setting<'_>, drawn: &Drawn) -> Step<Self::Out> {
        match (self.asking.authenticate(facts, &setting), &self.genuine) {
            (Ok(client), Some(genuine)) => {
                let step = refresh(self.request, genuine, client, facts, setting, drawn);
                step.map(|issued| (issued, client.one_of_its_secrets()))
            }
            (Ok(_), None) => Step::refuse(Refusal::RefreshForged),
            (Err(refusal), _) => Step::refuse(refusal),
        }
    }
}

struct Revoke<'a> {
    asking: Asking<'a>,
    text: Option<TokenText>,
    genuine: Option<Genuine>,
    grant: Option<GrantId>,
}

impl Rule for Revoke<'_> {
    type Out = ();

    fn load(&self) -> Use<'_> {
        Use { grant: self.grant.as_ref(), client: self.asking.credentials.id.as_ref(), server: None }
    }

    fn decide(&self, facts: &Facts, setting: Setting<'_>, drawn: &Drawn) -> Step<()> {
        match (self.asking.authenticate(facts, &setting), &self.text) {
            (Ok(client), Some(text)) => revoke(text, self.genuine.as_ref(), client, facts, setting, drawn),
            (Ok(_), None) => Step::answer(()),
            (Err(refusal), _) => Step::refuse(refusal),
        }
    }
}
