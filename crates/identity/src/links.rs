//! The forms around letters: what shows them, and what takes them.
//!
//! Programs that look at mail follow its links, so opening one changes nothing: the page behind it has a form.

use authz_core::ReturnTo;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_io::Peer;

use crate::forms::{query, retry_later};
use crate::identity::{Serving, Unserved};
use crate::pages::entry::Alert;
use crate::pages::moving_on::Destination;
use crate::pages::recovery::{ForgotPage, Link, ResetPage, UnverifiedPage, VerifyPage};
use crate::pages::site::{Referrer, see_other};
use crate::recover::Reset;
use crate::refused::Refused;
use crate::session::LoggedIn;
use crate::verify::{Confirmation, Whose};
use crate::visit::Visit;

impl Serving<'_> {
    pub(crate) fn show_forgot(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let Ok(query) = query(request) else { return self.malformed() };
        let Ok(hint) = query.one("login_hint") else { return self.malformed() };
        if !self.has_mail() {
            return self.refusal_page(&Refused::NoMail);
        }
        self.forgot_page(request.headers(), StatusCode::OK, hint.unwrap_or_default(), None)
    }

    pub(crate) async fn take_forgot(&self, request: &Request<Bytes>, peer: Peer) -> Response<Bytes> {
        let form = match self.form(request) {
            Ok(form) => form,
            Err(answer) => return *answer,
        };
        let Ok(email) = form.one("email") else { return self.malformed() };
        let email = email.unwrap_or_default();
        if !self.repeats_token(request.headers(), &form) {
            return self.forgot_page(request.headers(), StatusCode::FORBIDDEN, email, Some(self.too_old()));
        }
        match self.forgot(&Visit::of(request, peer), email).await {
            Ok(()) => {
                let t = &self.site.t.recovery;
                self.note(StatusCode::OK, t.look_into_mail, &t.reset_sent.say(&[email.trim()]), None)
            }
            Err(refused @ Refused::NoMail) => self.refusal_page(&refused),
            Err(refused) => {
                let alert = Some(refused.alert(self.site.t));
                let page = self.forgot_page(request.headers(), refused.status(), email, alert);
                retry_later(page, &refused)
            }
        }
    }

    pub(crate) async fn show_reset(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let Ok(query) = query(request) else { return self.malformed() };
        let Ok(ticket) = query.one("ticket") else { return self.malformed() };
        let ticket = ticket.unwrap_or_default();
        match self.reset_of(ticket).await {
            Ok(reset) => self.reset_page(request.headers(), StatusCode::OK, ticket, &reset, false, None),
            Err(refused) => self.refusal_page(&refused),
        }
    }

    pub(crate) async fn take_reset(&self, request: &Request<Bytes>, peer: Peer) -> Response<Bytes> {
        let form = match self.form(request) {
            Ok(form) => form,
            Err(answer) => return *answer,
        };
        let (Ok(ticket), Ok(password), Ok(everything)) =
            (form.one("ticket"), form.one("password"), form.one("everything"))
        else {
            return self.malformed();
        };
        let (ticket, everything) = (ticket.unwrap_or_default(), everything == Some("on"));
        let (status, alert) = if self.repeats_token(request.headers(), &form) {
            let visit = Visit::of(request, peer);
            match self.reset(&visit, ticket, password.unwrap_or_default(), everything).await {
                Ok(account) => return self.is_reset(&account.email),
                Err(refused @ Refused::Password(_)) => (refused.status(), refused.alert(self.site.t)),
                Err(refused) => return self.refusal_page(&refused),
            }
        } else {
            (StatusCode::FORBIDDEN, self.too_old())
        };
        match self.reset_of(ticket).await {
            Ok(reset) => self.reset_page(request.headers(), status, ticket, &reset, everything, Some(alert)),
            Err(refused) => self.refusal_page(&refused),
        }
    }

    /// Whoever held the link knows the password now, and proves it like anybody else.
    fn is_reset(&self, email: &str) -> Response<Bytes> {
        let hint = form_urlencoded::Serializer::new(String::new()).append_pair("login_hint", email).finish();
        let to = format!("{}?{hint}", self.site.path("/login"));
        let (t, label) = (&self.site.t.recovery, self.site.t.entry.log_in);
        let way = Some(Link { to, label });
        let mut response = self.note(StatusCode::OK, t.password_set, t.you_are_logged_out, way);
        response.headers_mut().append(header::SET_COOKIE, self.pages.cookies.forget_session());
        response
    }

    /// Behind a link: the form that confirms an address. Without one: for somebody who is logged in and waits for theirs.
    pub(crate) async fn show_verify(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, Unserved> {
        let Ok(query) = query(request) else { return Ok(self.malformed()) };
        let Ok(ticket) = query.one("ticket") else { return Ok(self.malformed()) };
        let return_to = match self.return_to(&query) {
            Ok(to) => to,
            Err(answer) => return Ok(*answer),
        };
        let session = self.pages.logged_in(request.headers()).await?;
        if let Some(ticket) = ticket {
            return Ok(match self.confirmation(ticket).await {
                Ok(confirmation) => {
                    let shown = Shown { ticket, confirmation: &confirmation, session: session.as_ref() };
                    self.verify_page(request.headers(), StatusCode::OK, shown, None)
                }
                Err(refused) => self.refusal_page(&refused),
            });
        }
        let Some(session) = session else {
            let here = request.uri().path_and_query().map(http::uri::PathAndQuery::as_str);
            return Ok(see_other(&self.pages.log_in_address(here.unwrap_or_default(), None)));
        };
        self.unverified_page(&session, return_to.as_ref(), None).await
    }

    pub(crate) async fn take_verify(
        &self,
        request: &Request<Bytes>,
        peer: Peer,
    ) -> Result<Response<Bytes>, Unserved> {
        let form = match self.form(request) {
            Ok(form) => form,
            Err(answer) => return Ok(*answer),
        };
        let (Ok(ticket), Ok(password), Ok(csrf)) =
            (form.one("ticket"), form.one("password"), form.one("csrf"))
        else {
            return Ok(self.malformed());
        };
        let return_to = match self.return_to(&form) {
            Ok(to) => to,
            Err(answer) => return Ok(*answer),
        };
        let visit = Visit::of(request, peer);
        let session = self.pages.logged_in(request.headers()).await?;
        let Some(ticket) = ticket else {
            let Some(session) = session else {
                let to = self.pages.log_in_address(&self.site.path("/verify"), None);
                return Ok(self.move_on(&Destination::Here(to), None));
            };
            if !session.csrf.is(csrf) {
                return self.unverified_page(&session, return_to.as_ref(), Some(&self.too_old().words)).await;
            }
            return match self.verify_again(&visit, &session).await {
                Ok(()) => {
                    let news = self.site.t.recovery.sent_again;
                    self.unverified_page(&session, return_to.as_ref(), Some(news)).await
                }
                Err(refused) => Ok(self.refusal_page(&refused)),
            };
        };
        let (status, alert, retry) = if self.repeats_token(request.headers(), &form) {
            match self.confirm(&visit, ticket, password.unwrap_or_default()).await {
                Ok(entered) => {
                    let t = &self.site.t.recovery;
                    let to = self.site.path("/login");
                    let way = Some(Link { to, label: self.site.t.moving_on.go_on });
                    let mut response = self.note(StatusCode::OK, t.confirmed_title, t.confirmed, way);
                    if let Some(entered) = entered {
                        response.headers_mut().append(header::SET_COOKIE, self.session_cookie(&entered));
                    }
                    return Ok(response);
                }
                Err(refused @ Refused::Wrong) => {
                    let words = self.site.t.recovery.wrong_password.to_owned();
                    (refused.status(), Alert { words, wrong: &[] }, None)
                }
                Err(refused @ Refused::TooMany(_)) => {
                    (refused.status(), refused.alert(self.site.t), Some(refused))
                }
                Err(refused) => return Ok(self.refusal_page(&refused)),
            }
        } else {
            (StatusCode::FORBIDDEN, self.too_old(), None)
        };
        let page = match self.confirmation(ticket).await {
            Ok(confirmation) => {
                let shown = Shown { ticket, confirmation: &confirmation, session: session.as_ref() };
                self.verify_page(request.headers(), status, shown, Some(alert))
            }
            Err(refused) => return Ok(self.refusal_page(&refused)),
        };
        Ok(match &retry {
            Some(refused) => retry_later(page, refused),
            None => page,
        })
    }

    fn forgot_page(
        &self,
        headers: &HeaderMap,
        status: StatusCode,
        email: &str,
        alert: Option<Alert>,
    ) -> Response<Bytes> {
        let site = &self.site;
        self.with_form_token(headers, |csrf| {
            site.page(status, Referrer::SameOrigin, &ForgotPage { site, csrf, email, alert })
        })
    }

    fn reset_page(
        &self,
        headers: &HeaderMap,
        status: StatusCode,
        ticket: &str,
        reset: &Reset,
        everything: bool,
        alert: Option<Alert>,
    ) -> Response<Bytes> {
        let (site, email, least) = (&self.site, &*reset.account.email, self.policy.password_length);
        self.with_form_token(headers, |csrf| {
            let page = ResetPage { site, csrf, ticket, email, least, everything, alert };
            site.page(status, Referrer::Origin, &page)
        })
    }

    fn verify_page(
        &self,
        headers: &HeaderMap,
        status: StatusCode,
        shown: Shown<'_>,
        alert: Option<Alert>,
    ) -> Response<Bytes> {
        let Shown { ticket, confirmation, session } = shown;
        let asks_password = match &confirmation.whose {
            Whose::Newcomer(_) => true,
            Whose::Owner(account) => {
                session.is_none_or(|session| session.authentication.person != account.person)
            }
        };
        let (site, email) = (&self.site, &*confirmation.email);
        self.with_form_token(headers, |csrf| {
            let page = VerifyPage { site, csrf, ticket, email, asks_password, alert };
            site.page(status, Referrer::Origin, &page)
        })
    }

    async fn unverified_page(
        &self,
        session: &LoggedIn,
        return_to: Option<&ReturnTo>,
        news: Option<&str>,
    ) -> Result<Response<Bytes>, Unserved> {
        let account = self.accounts.account(&session.authentication.person).await?;
        let site = &self.site;
        let Some(account) = account.filter(|account| !account.email_verified) else {
            return Ok(self.move_on(&Destination::after_log_in(site, return_to), None));
        };
        if !self.has_mail() {
            return Ok(self.refusal_page(&Refused::NoMail));
        }
        let page = UnverifiedPage { site, csrf: session.csrf, email: &account.email, return_to, news };
        Ok(site.page(StatusCode::OK, Referrer::SameOrigin, &page))
    }
}

/// What the page behind the link of a confirmation shows, and to whom.
#[derive(Clone, Copy)]
struct Shown<'a> {
    ticket: &'a str,
    confirmation: &'a Confirmation,
    session: Option<&'a LoggedIn>,
}
