//! The service: what it is made of, and which page answers a request.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use ambient::SystemClock;
use async_trait::async_trait;
use authz_core::{
    AccountEvent, AuthorizationServer, Context, Counted, Events, Limiter, Page, Stopped, Traced, Unavailable,
};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_io::{Peer, Serve};
use seal::Seal;
use store::{GrantId, StoreError};

use crate::brand::Brand;
use crate::factors::sealed::Vault;
use crate::language::Language;
use crate::mail::Mail;
use crate::mail::desk::Desk;
use crate::mail::post::Post;
use crate::pages::Pages;
use crate::pages::site::{Site, asset};
use crate::people::Accounts;
use crate::policy::AccountPolicy;
use crate::route::Route;
use crate::session::LoggedIn;
use crate::texts::Stop;
use crate::tickets::Tickets;
use crate::visit::Visit;

/// Serves the pages and `/auth/*`, each under the issuer's path.
#[derive(Clone)]
pub struct Identity {
    pub(crate) pages: Arc<Pages>,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) server: Arc<AuthorizationServer>,
    pub(crate) limiter: Arc<dyn Limiter>,
    pub(crate) events: Arc<dyn Events>,
    pub(crate) tickets: Arc<Tickets>,
    pub(crate) policy: AccountPolicy,
    pub(crate) vault: Option<Arc<Vault>>,
    post: Option<Arc<Post>>,
    at_once: bool,
}

impl Identity {
    /// Serves `pages` for the people of `accounts`, who answer what `server` asks. Anybody may sign up, there is no mail, limits
    /// are counted in the memory of this process, and events go to the log.
    #[must_use]
    pub fn new(pages: Arc<Pages>, accounts: Arc<Accounts>, server: Arc<AuthorizationServer>) -> Self {
        let limiter = Counted::alone(Arc::new(SystemClock));
        let tickets = Arc::new(pages.sessions.tickets());
        let (limiter, events, policy) = (Arc::new(limiter), Arc::new(Traced), AccountPolicy::default());
        Self {
            pages,
            accounts,
            server,
            limiter,
            events,
            tickets,
            policy,
            vault: None,
            post: None,
            at_once: false,
        }
    }

    /// Other limits on log-ins and sign-ups.
    #[must_use]
    pub fn limiter(self, limiter: Arc<dyn Limiter>) -> Self {
        Self { limiter, ..self }
    }

    /// Somebody else who listens.
    #[must_use]
    pub fn events(self, events: Arc<dyn Events>) -> Self {
        Self { events, ..self }
    }

    /// Who may make an account here, and with which passwords. What [`AccountPolicy`] says of sessions, hashes and consent is for
    /// [`Sessions`](crate::Sessions), [`Accounts`] and [`Pages`].
    #[must_use]
    pub fn policy(self, policy: AccountPolicy) -> Self {
        Self { policy, ..self }
    }

    /// Sends letters: to confirm addresses, to set new passwords, and about what happens to an account. Then an account is made by the
    /// link of a letter, and a sign-up does not tell whether there was one already, nor does a log-in after it.
    #[must_use]
    pub fn mail(self, mail: Arc<dyn Mail>) -> Self {
        Self { post: Some(Arc::new(Post::new(mail))), ..self }
    }

    /// Waits for the mail server where an administrator is answered: for a process that ends when it has answered, and for nobody whom a
    /// stranger can ask.
    #[must_use]
    pub fn sending_at_once(self) -> Self {
        Self { at_once: true, ..self }
    }

    pub(crate) const fn sends_at_once(&self) -> bool {
        self.at_once
    }

    /// Lets people have second factors: `seal` keeps their secrets. Without it, whoever has one already cannot log in, for it is never
    /// left out. Passkeys are bound to the host of the issuer, which must be a name.
    #[must_use]
    pub fn second_factors(self, seal: Seal) -> Self {
        let vault = Arc::new(self.pages.sessions.vault(seal, &self.pages.issuer));
        self.pages.with_factors();
        Self { vault: Some(vault), ..self }
    }

    /// The letters that went out, and those that did not, since the process began.
    #[must_use]
    pub fn letters(&self) -> (u64, u64) {
        self.post.as_ref().map(|post| post.counts()).unwrap_or_default()
    }

    /// Waits until no letter is under way: at the end of a process, for as long as it has. From then on a mail server that is away is
    /// tried again at once, and not after a while.
    pub async fn letters_done(&self) {
        if let Some(post) = &self.post {
            post.all_done().await;
        }
    }

    /// Pages and letters look like that from the next one on.
    pub fn change_brand(&self, brand: Brand) {
        self.pages.change_brand(brand);
    }

    pub(crate) const fn has_mail(&self) -> bool {
        self.post.is_some()
    }

    /// Who writes the letters of a request, where there is mail.
    pub(crate) fn desk(&self, visit: &Visit<'_>) -> Option<Desk> {
        self.desk_for(visit.language, visit.context.clone())
    }

    pub(crate) fn desk_for(&self, language: Language, context: Context) -> Option<Desk> {
        Some(Desk {
            post: Arc::clone(self.post.as_ref()?),
            accounts: Arc::clone(&self.accounts),
            sessions: Arc::clone(&self.pages.sessions),
            tickets: Arc::clone(&self.tickets),
            limiter: Arc::clone(&self.limiter),
            events: Arc::clone(&self.events),
            issuer: self.pages.issuer.clone(),
            site: self.pages.site.in_language(language).name().to_owned(),
            language,
            context,
        })
    }

    /// Ends the session that somebody is logged in with.
    pub(crate) async fn log_out(&self, visit: &Visit<'_>, session: &LoggedIn) -> Result<(), StoreError> {
        let (person, session) = (session.authentication.person.clone(), session.authentication.session);
        self.pages.sessions.end(&session).await?;
        self.tell(visit, AccountEvent::LoggedOut { person, session });
        Ok(())
    }

    /// Whether the path of a request, the issuer's path included, is one that this serves.
    #[must_use]
    pub fn owns(&self, path: &str) -> bool {
        self.pages.issuer.strip(path).and_then(Route::of).is_some()
    }
}

/// Why a request got no answer of its own: the store, the keys, or too many rivals. The world's fault, so 503.
/// Which one is in the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unserved;

impl From<StoreError> for Unserved {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "a page cannot be served");
        Self
    }
}

impl From<Unavailable> for Unserved {
    fn from(unavailable: Unavailable) -> Self {
        tracing::error!(?unavailable, "a page cannot be served");
        Self
    }
}

/// The pages and `/auth/*` for one request: in the language of whoever sent it.
pub(crate) struct Serving<'i> {
    identity: &'i Identity,
    pub(crate) site: Site,
}

impl Deref for Serving<'_> {
    type Target = Identity;

    fn deref(&self) -> &Identity {
        self.identity
    }
}

#[async_trait]
impl Serve for Identity {
    async fn serve(&self, request: Request<Bytes>, peer: Peer) -> Response<Bytes> {
        let head = request.method() == Method::HEAD;
        let site = self.pages.site.in_language(Language::of(request.headers()));
        let mut response = Serving { identity: self, site }.route(&request, peer).await;
        if head {
            *response.body_mut() = Bytes::new();
        }
        response
    }
}

impl Serving<'_> {
    async fn route(&self, request: &Request<Bytes>, peer: Peer) -> Response<Bytes> {
        let path = self.pages.issuer.strip(request.uri().path());
        let Some(route) = path.and_then(Route::of) else {
            return self.stop(StatusCode::NOT_FOUND, self.site.t.stops.no_page);
        };
        let get = matches!(*request.method(), Method::GET | Method::HEAD);
        let post = *request.method() == Method::POST;
        let answer = match route {
            Route::Home if get => self.show_home(request).await,
            Route::LogIn if get => self.show_log_in(request).await,
            Route::LogIn if post => Ok(self.take_log_in(request, peer).await),
            Route::Second if get => self.show_second(request, peer).await,
            Route::Second if post => Ok(self.take_second(request, peer).await),
            Route::Passkey if post => Ok(self.take_passkey_log_in(request, peer).await),
            Route::Security if get => self.show_security(request).await,
            Route::Security if post => self.take_security(request, peer).await,
            Route::Password if get => self.show_password(request).await,
            Route::Password if post => self.take_password(request, peer).await,
            Route::Email if get => self.show_email(request).await,
            Route::Email if post => self.take_email(request, peer).await,
            Route::Leave if get => self.show_leave(request).await,
            Route::Leave if post => self.take_leave(request, peer).await,
            Route::SignUp if get => self.show_sign_up(request),
            Route::SignUp if post => Ok(self.take_sign_up(request, peer).await),
            Route::Consent(id) if get || post => match GrantId::parse(id) {
                Ok(grant) if get => self.show_consent(request, grant).await,
                Ok(grant) => self.take_consent(request, peer, grant).await,
                Err(_) => Ok(self.stop(StatusCode::NOT_FOUND, self.site.t.stops.no_request)),
            },
            Route::LogOut if post => self.take_log_out(request, peer).await,
            Route::Invitation if get => Ok(self.show_invitation(request).await),
            Route::Invitation if post => Ok(self.take_sign_up(request, peer).await),
            Route::Forgot if get => Ok(self.show_forgot(request)),
            Route::Forgot if post => Ok(self.take_forgot(request, peer).await),
            Route::Reset if get => Ok(self.show_reset(request).await),
            Route::Reset if post => Ok(self.take_reset(request, peer).await),
            Route::TakeBack if get => Ok(self.show_take_back(request).await),
            Route::TakeBack if post => Ok(self.take_take_back(request, peer).await),
            Route::Verify if get => self.show_verify(request).await,
            Route::Verify if post => self.take_verify(request, peer).await,
            Route::Asset(path) if get => {
                let no_page = || self.stop(StatusCode::NOT_FOUND, self.site.t.stops.no_page);
                Ok(asset(&self.site.look, request.method(), request.headers(), path).unwrap_or_else(no_page))
            }
            Route::Account(route) if route.takes(request.method()) => {
                self.account(route, request, peer).await
            }
            Route::Json(route) if route.takes(request.method()) => Ok(self.json(route, request, peer).await),
            Route::Home
            | Route::LogIn
            | Route::Second
            | Route::Passkey
            | Route::Security
            | Route::Password
            | Route::Email
            | Route::Leave
            | Route::SignUp
            | Route::Consent(_)
            | Route::LogOut
            | Route::Invitation
            | Route::Forgot
            | Route::Reset
            | Route::TakeBack
            | Route::Verify
            | Route::Asset(_)
            | Route::Account(_)
            | Route::Json(_) => Ok(self.wrong_method(route)),
        };
        answer.unwrap_or_else(|Unserved| {
            let Stop { title, advice } = self.site.t.stops.unserved;
            let Page { status, code, .. } = Page::unavailable();
            self.site.stop(&Page::new(status, code, title, advice))
        })
    }

    fn wrong_method(&self, route: Route<'_>) -> Response<Bytes> {
        let mut response = self.stop(StatusCode::METHOD_NOT_ALLOWED, self.site.t.stops.wrong_method);
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(route.allowed()));
        response
    }

    /// A page for somebody who cannot go on. No code: nothing here is an answer to a client.
    pub(crate) fn stop(&self, status: StatusCode, stop: Stop) -> Response<Bytes> {
        self.site.stop(&Page::new(status, None, stop.title, stop.advice))
    }

    pub(crate) fn stopped(&self, stopped: Stopped) -> Result<Response<Bytes>, Unserved> {
        match stopped {
            Stopped::Page(page) => Ok(self.site.stop(&page)),
            Stopped::Unavailable(unavailable) => Err(unavailable.into()),
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("pages", &self.pages)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
