//! The authorization endpoint.

use bytes::Bytes;
use http::{Request, Response};
use oauth_types::{AuthorizationRequest, Form, Scope};
use store::{Client, Consent, Facts, Grant, GrantId, PersonStanding, Server, Stage, Use};

use super::consent::keep_client;
use super::run::{Rule, run};
use super::{Engine, Stopped, Unavailable};
use crate::decide::authorize::{
    Checked, Entered, Present, Redirectable, answered_for, check, client_id, enter, receive, remembered,
    request as resolved,
};
use crate::decide::proceed::{Proceed, proceed};
use crate::decide::{Drawn, Setting, scope, target};
use crate::page::Page;
use crate::seam::{Authentication, Demands, Limit, Pending, Who};
use crate::step::Settled;
use crate::{ClientRedirect, Context, ContinuePath, Event, Refusal, ReturnTo, Step};

/// What the browser gets.
pub(crate) enum Next {
    /// To the client.
    To(ClientRedirect),
    /// This response.
    Respond(Response<Bytes>),
}

/// An authorization request.
///
/// A bad client or redirect URI is a page at once. Everything else is checked before anybody is asked anything, but log-in
/// comes before any stored request, and before any error redirect to a URI that nobody vouches for.
pub(crate) async fn authorize(
    engine: &Engine,
    http: &Request<Bytes>,
    form: &Form,
    caller: &Context,
) -> Result<Next, Stopped> {
    let asked = AuthorizationRequest::from_form(form);
    let id = client_id(&asked, form)?;
    let client = engine.client(&id).await?;
    let redirectable = receive(&asked, client.as_ref(), &engine.issuer)?;
    let Some(client) = client else {
        return Err(Refusal::ClientUnknown.into());
    };
    let sound = match sound(engine, &asked, form, &client).await? {
        Ok(sound) => sound,
        Err(refusal) => return unsound(engine, http, &redirectable, refusal).await,
    };
    let demands = match demands(engine, &asked, &sound.checked) {
        Ok(demands) => demands,
        Err(refusal) => return unsound(engine, http, &redirectable, refusal).await,
    };
    match engine.interaction.who(http, &demands).await? {
        Who::Page(page) => Ok(Next::Respond(page)),
        Who::Nobody if redirectable.is_trusted() => Ok(Next::To(redirectable.refuse(Refusal::LoginRequired))),
        Who::Nobody => Err(Refusal::LoginRequired.into()),
        Who::Person(who) => {
            let entrance =
                Entrance { asked: &asked, redirectable: &redirectable, client: &client, sound: &sound };
            entered(engine, http, entrance, &who, caller).await
        }
    }
}

/// A request whose parameters are right, with the resource that it means and the scope that it gets.
struct Sound {
    checked: Checked,
    server: Server,
    scope: Scope,
}

async fn sound(
    engine: &Engine,
    asked: &AuthorizationRequest,
    form: &Form,
    client: &Client,
) -> Result<Result<Sound, Refusal>, Unavailable> {
    let looked_up =
        check(asked, form).and_then(|checked| Ok((checked, target::wanted(&asked.resource, client)?)));
    let (checked, wanted) = match looked_up {
        Ok(both) => both,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let Some(server) = engine.resources.find(&wanted).await? else {
        return Ok(Err(Refusal::TargetUnknown));
    };
    let sorted = scope::sort(checked.scope(), &engine.policy.server_scopes(), &server);
    let elsewhere = if sorted.elsewhere.is_empty() {
        Scope::default()
    } else {
        engine.resources.known(&sorted.elsewhere).await?
    };
    let scope = scope::resolve(&sorted, &elsewhere, &server);
    Ok(scope.map(|scope| Sound { checked, server, scope }))
}

/// An error that may be redirected once somebody is logged in, or at once to a client that an administrator vouches for. For
/// anybody else it is a page: whoever can register must not make of this server an open redirector (OAuth 2.1 section
/// 7.12.2).
async fn unsound(
    engine: &Engine,
    http: &Request<Bytes>,
    redirectable: &Redirectable,
    refusal: Refusal,
) -> Result<Next, Stopped> {
    let silent = Demands { silent: true, ..Demands::new(ReturnTo::root(&engine.issuer)) };
    let may_redirect =
        redirectable.is_trusted() || matches!(engine.interaction.who(http, &silent).await?, Who::Person(_));
    if may_redirect { Ok(Next::To(redirectable.refuse(refusal))) } else { Err(refusal.into()) }
}

fn demands(engine: &Engine, asked: &AuthorizationRequest, checked: &Checked) -> Result<Demands, Refusal> {
    let prompt = checked.prompt.consent.then(|| "consent".to_owned());
    let max_age = checked.max_age_afterwards().map(|seconds| seconds.to_string());
    let again = AuthorizationRequest { prompt, max_age, ..asked.clone() };
    let again = format!("{}/oauth/authorize?{}", engine.issuer.path(), again.to_query());
    let return_to = ReturnTo::parse(&again, &engine.issuer).map_err(|_| Refusal::RequestTooLong)?;
    Ok(Demands {
        silent: checked.prompt.none,
        login: checked.wants_log_in(),
        max_age: checked.max_age,
        acr_values: checked.acr_values.clone(),
        login_hint: asked.login_hint.clone(),
        return_to,
    })
}

#[derive(Clone, Copy)]
struct Entrance<'a> {
    asked: &'a AuthorizationRequest,
    redirectable: &'a Redirectable,
    client: &'a Client,
    sound: &'a Sound,
}

async fn entered(
    engine: &Engine,
    http: &Request<Bytes>,
    entrance: Entrance<'_>,
    who: &Authentication,
    caller: &Context,
) -> Result<Next, Stopped> {
    let Entrance { asked, redirectable, client, sound } = entrance;
    let consent = Consent::id_of(&who.person, &client.id, &sound.server.id);
    let known = engine.store().find::<Consent>(&consent).await?.map(|found| found.record);
    let standing = match who.standing {
        Some(standing) => standing,
        None => {
            let found = engine.store().find::<PersonStanding>(&who.person).await?;
            found.map(|found| found.record.standing).unwrap_or_default()
        }
    };
    let request = resolved(asked, redirectable, &sound.checked, sound.scope.clone(), &sound.server);
    let keys = engine.keys.current();
    let present = Present { who, standing, known: known.as_ref() };
    let prompt = sound.checked.prompt;
    let unasked = remembered(&request, present, prompt).is_some()
        || answered_for(&request, client, present.known, prompt, &engine.policy);
    let stored = unasked || !prompt.none;
    if stored && engine.limiter.may(Limit::Requests, &who.session.to_string()).await.is_err() {
        let limited = Event::Limited { limit: Limit::Requests.as_str(), from: caller.from() };
        engine.events.tell_with(&limited, caller);
        return Ok(Next::To(redirectable.refuse(Refusal::TooManyRequests)));
    }
    if unasked {
        keep_client(engine, client).await?;
    }
    let step = enter(request, client, present, prompt, engine.setting(&keys, caller), &engine.draw());
    match step.settle(engine.store(), &*engine.events, caller).await? {
        Settled::Stale => Err(Unavailable::Busy.into()),
        Settled::Done(Err(Refusal::KeyUnknown)) => Err(Unavailable::KeyUnknown.into()),
        Settled::Done(Err(refusal)) => Ok(Next::To(redirectable.refuse(refusal))),
        Settled::Done(Ok(Entered::Code(code))) => Ok(Next::To(redirectable.code(&code))),
        Settled::Done(Ok(Entered::Ask(grant))) => {
            let (client, server) = (client.clone(), sound.server.clone());
            match pending_of(engine, &grant.record, client, server, who, known) {
                Some(pending) => Ok(Next::Respond(engine.interaction.ask(http, &pending).await)),
                None => Err(Refusal::RequestGone.into()),
            }
        }
    }
}

pub(crate) fn pending_of(
    engine: &Engine,
    grant: &Grant,
    client: Client,
    server: Server,
    who: &Authentication,
    known: Option<Consent>,
) -> Option<Pending> {
    let (request, approved) = match &grant.stage {
        Stage::Requested(requested) => (&requested.request, None),
        Stage::Coded(coded) => (&coded.request, Some(ContinuePath::of(grant.id, &engine.issuer))),
        Stage::Live(_) | Stage::Ended(_) => return None,
    };
    Some(Pending {
        grant: grant.id,
        client,
        server,
        request: request.clone(),
        person: who.person.clone(),
        known,
        approved,
    })
}

/// The way back to the client, for the session that consented.
pub(crate) async fn continued(
    engine: &Engine,
    http: &Request<Bytes>,
    grant: GrantId,
    caller: &Context,
) -> Result<Next, Stopped> {
    let demands = Demands::new(ContinuePath::of(grant, &engine.issuer).into());
    let who = match engine.interaction.who(http, &demands).await? {
        Who::Person(who) => who,
        Who::Page(page) => return Ok(Next::Respond(page)),
        Who::Nobody => return Err(Refusal::LoginRequired.into()),
    };
    match run(engine, &Return { grant, who: &who, engine }, caller).await?? {
        Proceed::ToClient(location) => Ok(Next::To(location)),
        Proceed::Connected => Err(Page::connected().into()),
        Proceed::Ask(grant) => {
            let pending = super::consent::pending(engine, grant, &who).await?;
            Ok(Next::Respond(engine.interaction.ask(http, &pending).await))
        }
    }
}

struct Return<'a> {
    grant: GrantId,
    who: &'a Authentication,
    engine: &'a Engine,
}

impl Rule for Return<'_> {
    type Out = Proceed;

    fn load(&self) -> Use<'_> {
        Use { grant: Some(&self.grant), ..Use::default() }
    }

    fn decide(&self, facts: &Facts, setting: Setting<'_>, drawn: &Drawn) -> Step<Proceed> {
        proceed(facts, self.who, &self.engine.issuer, setting, drawn)
    }
}
