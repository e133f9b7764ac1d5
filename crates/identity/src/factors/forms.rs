//! `/login/second` and `/login/passkey`: what shows them, and what takes them.

use authz_core::ReturnTo;
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_io::Peer;
use oauth_types::Form;

use super::entering::{Answer, Given, Waiting};
use super::level::Level;
use super::pages::{SecondPage, with_script};
use super::{ask_for_more, has_app};
use crate::forms::{query, retry_later};
use crate::identity::{Serving, Unserved};
use crate::pages::recovery::Link;
use crate::pages::site::Referrer;
use crate::refused::Refused;
use crate::visit::Visit;

impl Serving<'_> {
    /// Asks for the second step: of a log-in, or because an app wants a session to be stronger (`acr`).
    pub(crate) async fn show_second(
        &self,
        request: &Request<Bytes>,
        peer: Peer,
    ) -> Result<Response<Bytes>, Unserved> {
        let Ok(query) = query(request) else { return Ok(self.malformed()) };
        let return_to = match self.return_to(&query) {
            Ok(return_to) => return_to,
            Err(answer) => return Ok(*answer),
        };
        let least = query.one("acr").ok().flatten().and_then(Level::named);
        let visit = Visit::of(request, peer);
        Ok(match self.waiting(&visit).await {
            Ok(waiting) => self.second_page(&visit, &waiting, return_to.as_ref(), least, None),
            Err(refused) => self.not_waiting(&refused, return_to.as_ref()),
        })
    }

    pub(crate) async fn take_second(&self, request: &Request<Bytes>, peer: Peer) -> Response<Bytes> {
        let form = match self.form(request) {
            Ok(form) => form,
            Err(answer) => return *answer,
        };
        let return_to = match self.return_to(&form) {
            Ok(return_to) => return_to,
            Err(answer) => return *answer,
        };
        let given = match (form.one("code"), answer_in(&form)) {
            (Ok(Some(code)), _) => Given::Code(code),
            (Ok(None), Some(answer)) => Given::Passkey(answer),
            (Ok(None) | Err(_), _) => return self.malformed(),
        };
        let visit = Visit::of(request, peer);
        let refused = if self.repeats_token(request.headers(), &form) {
            match self.second(&visit, given).await {
                Ok(entered) => {
                    let mut response = self.come_in(&entered, return_to.as_ref());
                    let forget = self.pages.cookies.forget_first_step();
                    response.headers_mut().append(header::SET_COOKIE, forget);
                    return response;
                }
                Err(refused) => refused,
            }
        } else {
            return self.stop(StatusCode::FORBIDDEN, self.site.t.stops.too_old);
        };
        let page = match self.waiting(&visit).await {
            Ok(waiting) => {
                let mut page = self.second_page(&visit, &waiting, return_to.as_ref(), None, Some(&refused));
                *page.status_mut() = refused.status();
                page
            }
            Err(refused) => self.not_waiting(&refused, return_to.as_ref()),
        };
        retry_later(page, &refused)
    }

    /// `POST /login/passkey`.
    pub(crate) async fn take_passkey_log_in(&self, request: &Request<Bytes>, peer: Peer) -> Response<Bytes> {
        let form = match self.form(request) {
            Ok(form) => form,
            Err(answer) => return *answer,
        };
        let typed = match self.typed(&form, "email") {
            Ok(typed) => typed,
            Err(answer) => return *answer,
        };
        let Some(answer) = answer_in(&form) else { return self.malformed() };
        if !self.repeats_token(request.headers(), &form) {
            let alert = Some(self.too_old());
            return self.log_in_page(request.headers(), &typed, StatusCode::FORBIDDEN, alert);
        }
        match self.log_in_by_passkey(&Visit::of(request, peer), answer).await {
            Ok(entered) => self.come_in(&entered, typed.return_to.as_ref()),
            Err(refused) => {
                let alert = Some(refused.alert(self.site.t));
                let page = self.log_in_page(request.headers(), &typed, refused.status(), alert);
                retry_later(page, &refused)
            }
        }
    }

    fn second_page(
        &self,
        visit: &Visit<'_>,
        waiting: &Waiting,
        return_to: Option<&ReturnTo>,
        least: Option<Level>,
        refused: Option<&Refused>,
    ) -> Response<Bytes> {
        let Waiting { account, .. } = waiting;
        let t = &self.site.t.factors;
        let ask = self.ask_second(account, return_to);
        let codes_do = least != Some(Level::Phishproof);
        let codes = codes_do && (has_app(&account.factors) || !account.factors.recovery.is_empty());
        if !ask_for_more(&account.factors) || ask.is_none() && !codes {
            let way = Link { to: self.site.path("/account/security"), label: t.to_security };
            return self.note(StatusCode::FORBIDDEN, t.more_title, t.more, Some(way));
        }
        let scripted = ask.is_some();
        let response = self.with_form_token(visit.headers, |csrf| {
            let page = SecondPage {
                site: &self.site,
                t,
                script: self.site.script(),
                csrf,
                account: &account.email,
                ask,
                codes,
                return_to,
                restart: self.log_in_again(return_to),
                alert: refused.map(|refused| refused.words(self.site.t)),
            };
            self.site.page(StatusCode::OK, Referrer::SameOrigin, &page)
        });
        if scripted { with_script(response) } else { response }
    }

    /// For somebody whose first step is nobody's any more.
    fn not_waiting(&self, refused: &Refused, return_to: Option<&ReturnTo>) -> Response<Bytes> {
        let t = &self.site.t.factors;
        let way = Link { to: self.log_in_again(return_to), label: t.start_again };
        let words = refused.words(self.site.t);
        self.note(refused.status(), t.again_title, &words, Some(way))
    }

    fn log_in_again(&self, return_to: Option<&ReturnTo>) -> String {
        match return_to {
            Some(to) => self.pages.log_in_address(to.as_str(), None),
            None => self.site.path("/login"),
        }
    }
}

/// What the script put into a form.
pub(super) fn answer_in(form: &Form) -> Option<Answer<'_>> {
    let (credential, challenge) = (form.one("credential").ok()??, form.one("challenge").ok()??);
    Some(Answer { credential, challenge })
}
