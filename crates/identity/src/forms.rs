//! The pages' forms: what shows them, and what takes them.

use authz_core::{NoWayBack, Page, ReturnTo};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_io::{Peer, has_content_type};
use oauth_types::Form;

use crate::email::Email;
use crate::entry::{Entered, LogIn};
use crate::factors::with_script;
use crate::identity::{Identity, Serving, Unserved};
use crate::pages::entry::{Alert, LogInPage};
use crate::pages::moving_on::{Destination, MovingOn};
use crate::pages::recovery::{Link, NotePage};
use crate::pages::site::Referrer;
use crate::pages::{LoggedInPage, LoggedOutPage};
use crate::refused::Refused;
use crate::session::LoggedIn;
use crate::visit::Visit;

/// What came with a form, or with the request for one, and is shown again.
#[derive(Default)]
pub(crate) struct Typed<'f> {
    pub(crate) name: &'f str,
    pub(crate) email: &'f str,
    pub(crate) return_to: Option<ReturnTo>,
    /// The text of an invitation.
    pub(crate) ticket: Option<&'f str>,
    /// The address that was invited.
    pub(crate) invited: Option<String>,
    /// Whether they are logged in, and do something that wants a log-in of just now.
    pub(crate) again: bool,
}

/// A form that is not taken: its answer.
pub(crate) type Untaken = Box<Response<Bytes>>;

impl Serving<'_> {
    pub(crate) async fn show_log_in(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, Unserved> {
        let Ok(query) = query(request) else { return Ok(self.malformed()) };
        let typed = match self.typed(&query, "login_hint") {
            Ok(typed) => typed,
            Err(answer) => return Ok(*answer),
        };
        if typed.return_to.is_none()
            && let Some(session) = self.pages.logged_in(request.headers()).await?
        {
            return self.show_logged_in(&session).await;
        }
        Ok(self.log_in_page(request.headers(), &typed, StatusCode::OK, None))
    }

    pub(crate) async fn take_log_in(&self, request: &Request<Bytes>, peer: Peer) -> Response<Bytes> {
        let form = match self.form(request) {
            Ok(form) => form,
            Err(answer) => return *answer,
        };
        let typed = match self.typed(&form, "email") {
            Ok(typed) => typed,
            Err(answer) => return *answer,
        };
        let Ok(password) = form.one("password") else { return self.malformed() };
        if !self.repeats_token(request.headers(), &form) {
            let alert = Some(self.too_old());
            return self.log_in_page(request.headers(), &typed, StatusCode::FORBIDDEN, alert);
        }
        let visit = Visit::of(request, peer);
        match self.log_in(&visit, typed.email, password.unwrap_or_default()).await {
            Ok(LogIn::Entered(entered)) => self.come_in(&entered, typed.return_to.as_ref()),
            Ok(LogIn::Second(step)) => self.go_to_second(&step, typed.return_to.as_ref()),
            Err(refused) => {
                let page = self.log_in_page(
                    request.headers(),
                    &typed,
                    refused.status(),
                    Some(refused.alert(self.site.t)),
                );
                retry_later(page, &refused)
            }
        }
    }

    pub(crate) async fn take_log_out(
        &self,
        request: &Request<Bytes>,
        peer: Peer,
    ) -> Result<Response<Bytes>, Unserved> {
        let form = match self.form(request) {
            Ok(form) => form,
            Err(answer) => return Ok(*answer),
        };
        let typed = match self.typed(&form, "email") {
            Ok(typed) => typed,
            Err(answer) => return Ok(*answer),
        };
        let Ok(csrf) = form.one("csrf") else { return Ok(self.malformed()) };
        if let Some(session) = self.pages.logged_in(request.headers()).await? {
            if !session.csrf.is(csrf) {
                return Ok(self.stop(StatusCode::FORBIDDEN, self.site.t.stops.too_old));
            }
            self.log_out(&Visit::of(request, peer), &session).await?;
        }
        let mut response = match &typed.return_to {
            Some(to) => self.move_on(&Destination::Here(self.pages.log_in_address(to.as_str(), None)), None),
            None => {
                let page = LoggedOutPage { site: &self.site };
                self.site.page(StatusCode::OK, Referrer::Nothing, &page)
            }
        };
        response.headers_mut().append(header::SET_COOKIE, self.pages.cookies.forget_session());
        Ok(response)
    }

    /// Cookie and way on for somebody who has come in.
    pub(crate) fn come_in(&self, entered: &Entered, return_to: Option<&ReturnTo>) -> Response<Bytes> {
        let mut response = self.move_on(&Destination::after_log_in(&self.site, return_to), None);
        response.headers_mut().append(header::SET_COOKIE, self.session_cookie(entered));
        response
    }

    pub(crate) fn move_on(&self, to: &Destination, client: Option<String>) -> Response<Bytes> {
        let page = MovingOn::new(&self.site, to, client);
        self.site.page(StatusCode::OK, Referrer::Nothing, &page)
    }

    async fn show_logged_in(&self, session: &LoggedIn) -> Result<Response<Bytes>, Unserved> {
        let account = self.account_of(session).await?;
        let page = LoggedInPage { site: &self.site, account: &account, csrf: session.csrf };
        Ok(self.site.page(StatusCode::OK, Referrer::SameOrigin, &page))
    }

    /// How a page names who is logged in.
    pub(crate) async fn account_of(&self, session: &LoggedIn) -> Result<String, Unserved> {
        let person = &session.authentication.person;
        let account = self.accounts.account(person).await?;
        Ok(account.map_or_else(|| person.to_string(), |account| account.email))
    }

    /// On to the second step, and what is left of the first one.
    fn go_to_second(&self, step: &str, return_to: Option<&ReturnTo>) -> Response<Bytes> {
        let mut response = self.move_on(&Destination::Here(self.pages.second_address(return_to, None)), None);
        response.headers_mut().append(header::SET_COOKIE, self.pages.cookies.keep_first_step(step));
        response
    }

    pub(crate) fn log_in_page(
        &self,
        headers: &HeaderMap,
        typed: &Typed<'_>,
        status: StatusCode,
        alert: Option<Alert>,
    ) -> Response<Bytes> {
        let site = &self.site;
        let ask = self.ask_alone(typed.return_to.as_ref());
        let scripted = ask.is_some();
        let response = self.with_form_token(headers, |csrf| {
            let page = LogInPage {
                site,
                script: site.script(),
                ask,
                action: site.path("/login"),
                other: self.policy.sign_up.has_a_form().then(|| keeping(site.path("/signup"), typed)),
                forgot: self.has_mail().then(|| site.path("/forgot")),
                csrf,
                return_to: typed.return_to.as_ref(),
                email: typed.email,
                again: typed.again.then_some(site.t.factors.again),
                alert,
            };
            site.page(status, Referrer::SameOrigin, &page)
        });
        if scripted { with_script(response) } else { response }
    }
}

impl Identity {
    pub(crate) fn session_cookie(&self, entered: &Entered) -> HeaderValue {
        let seconds = self.pages.sessions.total().as_seconds();
        self.pages.cookies.keep_session(&entered.begun.text, seconds)
    }
}

/// Reading forms.
impl Serving<'_> {
    /// The form that came, if it comes from a page of ours and can be read at all.
    pub(crate) fn form(&self, request: &Request<Bytes>) -> Result<Form, Untaken> {
        if !self.pages.origin.is_source_of(request.headers()) {
            return Err(Box::new(self.stop(StatusCode::FORBIDDEN, self.site.t.stops.elsewhere)));
        }
        if !has_content_type(request.headers(), "application/x-www-form-urlencoded") {
            let stop = self.site.t.stops.no_form;
            return Err(Box::new(self.stop(StatusCode::UNSUPPORTED_MEDIA_TYPE, stop)));
        }
        Form::parse(request.body()).map_err(|_| Box::new(self.malformed()))
    }

    pub(crate) fn malformed(&self) -> Response<Bytes> {
        self.stop(StatusCode::BAD_REQUEST, self.site.t.stops.unreadable)
    }

    /// For somebody for whom there is no form to show again.
    pub(crate) fn refusal_page(&self, refused: &Refused) -> Response<Bytes> {
        let title = match refused {
            Refused::SignUpClosed => self.site.t.stops.no_sign_up,
            Refused::Link(_) => self.site.t.stops.dead_link,
            Refused::Wrong
            | Refused::WrongCode
            | Refused::WrongPasskey
            | Refused::StartAgain
            | Refused::TooOld
            | Refused::NotAnEmail
            | Refused::NotAName
            | Refused::Password(_)
            | Refused::EmailTaken
            | Refused::WrongDomain
            | Refused::NotInvited
            | Refused::NoMail
            | Refused::LoggedOut
            | Refused::TooMany(_)
            | Refused::Busy
            | Refused::Unavailable => self.site.t.stops.not_now,
        };
        let page = Page::new(refused.status(), None, title, refused.words(self.site.t));
        retry_later(self.site.stop(&page), refused)
    }

    pub(crate) fn note(
        &self,
        status: StatusCode,
        title: &str,
        words: &str,
        way: Option<Link>,
    ) -> Response<Bytes> {
        let page = NotePage { site: &self.site, title, words, way };
        self.site.page(status, Referrer::Nothing, &page)
    }

    /// What the form says besides secrets; the address is in `email`.
    pub(crate) fn typed<'f>(&self, form: &'f Form, email: &str) -> Result<Typed<'f>, Untaken> {
        let (Ok(name), Ok(email), Ok(ticket)) = (form.one("name"), form.one(email), form.one("ticket"))
        else {
            return Err(Box::new(self.malformed()));
        };
        let return_to = self.return_to(form)?;
        let email = email.filter(|email| email.len() <= LONGEST_SHOWN).unwrap_or_default();
        Ok(Typed {
            name: name.unwrap_or_default(),
            email,
            return_to,
            ticket,
            invited: None,
            again: form.one("again").unwrap_or_default().is_some(),
        })
    }

    /// Where to go on.
    pub(crate) fn return_to(&self, form: &Form) -> Result<Option<ReturnTo>, Untaken> {
        let Ok(text) = form.one("return_to") else { return Err(Box::new(self.malformed())) };
        match text.map(|text| ReturnTo::parse(text, &self.pages.issuer)) {
            Some(Ok(to)) => Ok(Some(to)),
            Some(Err(NoWayBack::TooLong)) => Err(Box::new(self.site.request_too_long())),
            Some(Err(NoWayBack::Elsewhere)) | None => Ok(None),
        }
    }

    /// For the page of a form that does not repeat its token.
    pub(crate) fn too_old(&self) -> Alert {
        Alert { words: self.site.t.entry.too_old.to_owned(), wrong: &[] }
    }

    /// Whether a form before log-in repeats the token of this browser.
    pub(crate) fn repeats_token(&self, headers: &HeaderMap, form: &Form) -> bool {
        let given = form.one("csrf").unwrap_or_default();
        self.pages.cookies.form_token(headers).is_some_and(|token| token.is(given))
    }

    /// A page with the token of this browser, which is the one that it has already: two tabs may be open.
    pub(crate) fn with_form_token(
        &self,
        headers: &HeaderMap,
        page: impl FnOnce(crate::csrf::CsrfToken) -> Response<Bytes>,
    ) -> Response<Bytes> {
        let known = self.pages.cookies.form_token(headers);
        let token = known.unwrap_or_else(|| self.pages.sessions.draw_form_token());
        let mut response = page(token);
        response.headers_mut().append(header::SET_COOKIE, self.pages.cookies.keep_form_token(token));
        response
    }
}

/// Adds `Retry-After`, where there is something to wait for.
pub(crate) fn retry_later(mut response: Response<Bytes>, refused: &Refused) -> Response<Bytes> {
    if let Some(seconds) = refused.retry_after() {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// What is longer was not typed.
const LONGEST_SHOWN: usize = Email::LONGEST;

pub(crate) fn query(request: &Request<Bytes>) -> Result<Form, oauth_types::FormError> {
    Form::parse(request.uri().query().unwrap_or_default().as_bytes())
}

/// The address of the other form, with where to go on afterwards.
pub(crate) fn keeping(path: String, typed: &Typed<'_>) -> String {
    let Some(to) = &typed.return_to else { return path };
    let query =
        form_urlencoded::Serializer::new(String::new()).append_pair("return_to", to.as_str()).finish();
    format!("{path}?{query}")
}
