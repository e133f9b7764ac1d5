//! What people see. Every page works without a script, in light and dark, on a phone and on a desk.

pub(crate) mod change;
pub(crate) mod consent;
pub(crate) mod entry;
pub(crate) mod moving_on;
pub(crate) mod recovery;
pub(crate) mod site;

use std::fmt;
use std::sync::Arc;

use askama::Template;
use async_trait::async_trait;
use authz_core::{Authentication, Demands, Interaction, Page, Pending, People, ReturnTo, Who};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use oauth_types::{Acr, ErrorCode, Issuer};
use store::StoreError;

use self::site::{Referrer, Site, see_other};
use crate::brand::Brand;
use crate::cookie::Cookies;
use crate::csrf::{CsrfToken, Origin};
use crate::factors::level::Level;
use crate::language::Language;
use crate::session::{LoggedIn, Sessions};

/// Asks people with pages of this server: the shipped [`Interaction`]. [`Identity`](crate::Identity) serves the pages.
pub struct Pages {
    pub(crate) issuer: Issuer,
    pub(crate) site: Site,
    pub(crate) cookies: Cookies,
    pub(crate) origin: Origin,
    pub(crate) sessions: Arc<Sessions>,
    /// Who knows whose addresses are confirmed, if that is asked for.
    addresses: Option<Arc<dyn People>>,
}

impl Pages {
    /// Pages under the path of `issuer`, for the people of `sessions`.
    #[must_use]
    pub fn new(issuer: Issuer, sessions: Arc<Sessions>) -> Self {
        let (site, cookies, origin) = (Site::of(&issuer), Cookies::of(&issuer), Origin::of(&issuer));
        Self { issuer, site, cookies, origin, sessions, addresses: None }
    }

    /// Under the name, the logo and in the colour of an operator.
    #[must_use]
    pub fn brand(self, brand: Brand) -> Self {
        self.change_brand(brand);
        self
    }

    /// The same while they are served: the next page looks like that.
    pub fn change_brand(&self, brand: Brand) {
        self.site.change(brand);
    }

    /// Lets nobody connect an app before `people` says that their address is confirmed.
    #[must_use]
    pub fn requiring_verified_email(self, people: Arc<dyn People>) -> Self {
        Self { addresses: Some(people), ..self }
    }

    /// Whether somebody must confirm their address before they go on.
    async fn must_confirm(&self, session: &Authentication) -> Result<bool, StoreError> {
        let Some(people) = &self.addresses else { return Ok(false) };
        let profile = people.profile(&session.person).await?;
        Ok(!profile.is_some_and(|profile| profile.email_verified))
    }

    /// Who is logged in with the browser that sent these headers.
    ///
    /// # Errors
    ///
    /// If the store cannot answer.
    pub async fn logged_in(&self, headers: &HeaderMap) -> Result<Option<LoggedIn>, StoreError> {
        match self.cookies.session(headers) {
            Some(text) => self.sessions.find(&text).await,
            None => Ok(None),
        }
    }

    /// The address of the page that waits for an address to be confirmed, and leads to `return_to` afterwards.
    fn unverified_address(&self, return_to: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("return_to", return_to);
        format!("{}?{}", self.site.path("/verify"), query.finish())
    }

    /// The address of the page that asks for the second of two steps, one that makes a session as strong as `asked`.
    pub(crate) fn second_address(&self, return_to: Option<&ReturnTo>, asked: Option<Level>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if let Some(to) = return_to {
            query.append_pair("return_to", to.as_str());
        }
        if let Some(level) = asked {
            query.append_pair("acr", level.as_str());
        }
        format!("{}?{}", self.site.path("/login/second"), query.finish())
    }

    /// The address of the log-in page that leads to `return_to` afterwards.
    pub(crate) fn log_in_address(&self, return_to: &str, hint: Option<&str>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("return_to", return_to);
        if let Some(hint) = hint {
            query.append_pair("login_hint", hint);
        }
        format!("{}?{}", self.site.path("/login"), query.finish())
    }
}

#[async_trait]
impl Interaction for Pages {
    async fn who(&self, request: &Request<Bytes>, demands: &Demands) -> Result<Who, StoreError> {
        let session = self.logged_in(request.headers()).await?;
        let asked = Level::asked(&demands.acr_values);
        let weak = session.as_ref().is_some_and(|session| asked > Some(Level::of(&session.amr)));
        let person = session.map(|session| session.authentication).filter(|person| {
            let too_old = demands.max_age.is_some_and(|most| self.sessions.is_older_than(person, most));
            !demands.login && !too_old
        });
        let waits = match &person {
            Some(person) => self.must_confirm(person).await?,
            None => false,
        };
        Ok(match person {
            Some(_) if waits && demands.silent => Who::Nobody,
            Some(_) if waits => Who::Page(see_other(&self.unverified_address(demands.return_to.as_str()))),
            Some(_) if weak && demands.silent => Who::Nobody,
            Some(_) if weak => Who::Page(see_other(&self.second_address(Some(&demands.return_to), asked))),
            Some(person) => Who::Person(person),
            None if demands.silent => Who::Nobody,
            None => {
                let to = self.log_in_address(demands.return_to.as_str(), demands.login_hint.as_deref());
                Who::Page(see_other(&to))
            }
        })
    }

    fn acr_values(&self) -> Vec<Acr> {
        Level::all()
    }

    async fn ask(&self, _: &Request<Bytes>, pending: &Pending) -> Response<Bytes> {
        see_other(&self.site.path(&format!("/consent/{}", pending.grant)))
    }

    fn show(&self, request: &Request<Bytes>, page: &Page) -> Response<Bytes> {
        self.site.in_language(Language::of(request.headers())).stop(page)
    }
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages")
            .field("issuer", &self.issuer)
            .field("sessions", &self.sessions)
            .finish_non_exhaustive()
    }
}

impl Site {
    /// The page for somebody who cannot go on.
    pub(crate) fn stop(&self, page: &Page) -> Response<Bytes> {
        let (title, advice) = self.language.said_of(page);
        let shown = Stop { site: self, title, advice, code: page.code };
        let mut response = self.page(page.status, Referrer::Nothing, &shown);
        if let Some(seconds) = page.retry_after() {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    /// For somebody whose request does not fit through the log-in page.
    pub(crate) fn request_too_long(&self) -> Response<Bytes> {
        let stop = self.t.stops.too_long;
        let code = Some(ErrorCode::InvalidRequest);
        self.stop(&Page::new(StatusCode::BAD_REQUEST, code, stop.title, stop.advice))
    }
}

/// For somebody who is logged in and wants nothing else.
#[derive(Template)]
#[template(path = "logged_in.html")]
pub(crate) struct LoggedInPage<'a> {
    pub(crate) site: &'a Site,
    pub(crate) account: &'a str,
    pub(crate) csrf: CsrfToken,
}

/// After log-out.
#[derive(Template)]
#[template(path = "logged_out.html")]
pub(crate) struct LoggedOutPage<'a> {
    pub(crate) site: &'a Site,
}

/// For somebody who cannot go on.
#[derive(Template)]
#[template(path = "stop.html")]
struct Stop<'a> {
    site: &'a Site,
    title: &'a str,
    advice: &'a str,
    code: Option<ErrorCode>,
}
