//! The forms that make accounts: open to strangers, or behind an invitation.

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_io::Peer;

use crate::entry::{SignedUp, SigningUp};
use crate::forms::{Typed, keeping, query, retry_later};
use crate::identity::{Serving, Unserved};
use crate::pages::entry::{Alert, Invited, SignUpPage};
use crate::pages::recovery::Link;
use crate::pages::site::Referrer;
use crate::refused::Refused;
use crate::visit::Visit;

impl Serving<'_> {
    pub(crate) fn show_sign_up(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, Unserved> {
        let Ok(query) = query(request) else { return Ok(self.malformed()) };
        if !self.policy.sign_up.has_a_form() {
            return Ok(self.refusal_page(&Refused::SignUpClosed));
        }
        let typed = match self.typed(&query, "login_hint") {
            Ok(typed) => typed,
            Err(answer) => return Ok(*answer),
        };
        Ok(self.sign_up_page(request.headers(), &typed, StatusCode::OK, None))
    }

    /// The sign-up page behind the link of an invitation.
    pub(crate) async fn show_invitation(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let Ok(query) = query(request) else { return self.malformed() };
        let mut typed = match self.typed(&query, "login_hint") {
            Ok(typed) => typed,
            Err(answer) => return *answer,
        };
        match self.invitation(typed.ticket.unwrap_or_default()).await {
            Err(refused) => self.refusal_page(&refused),
            Ok(invitation) => {
                typed.invited = invitation.email;
                self.sign_up_page(request.headers(), &typed, StatusCode::OK, None)
            }
        }
    }

    pub(crate) async fn take_sign_up(&self, request: &Request<Bytes>, peer: Peer) -> Response<Bytes> {
        let form = match self.form(request) {
            Ok(form) => form,
            Err(answer) => return *answer,
        };
        let mut typed = match self.typed(&form, "email") {
            Ok(typed) => typed,
            Err(answer) => return *answer,
        };
        if typed.ticket.is_none() && !self.policy.sign_up.has_a_form() {
            return self.refusal_page(&Refused::SignUpClosed);
        }
        let Ok(password) = form.one("password") else { return self.malformed() };
        if !self.repeats_token(request.headers(), &form) {
            let alert = Some(self.too_old());
            return self.sign_up_page(request.headers(), &typed, StatusCode::FORBIDDEN, alert);
        }
        let signing_up = SigningUp {
            name: Some(typed.name),
            email: typed.email,
            password: password.unwrap_or_default(),
            ticket: typed.ticket,
        };
        match self.sign_up(&Visit::of(request, peer), signing_up).await {
            Ok(SignedUp::Entered(entered)) => self.come_in(&entered, typed.return_to.as_ref()),
            Ok(SignedUp::LookIntoMail) => self.look_into_mail(&typed),
            Err(refused @ Refused::Link(_)) => self.refusal_page(&refused),
            Err(refused) => {
                if let Refused::NotInvited = refused
                    && let Ok(invitation) = self.invitation(typed.ticket.unwrap_or_default()).await
                {
                    typed.invited = invitation.email;
                }
                let page = self.sign_up_page(
                    request.headers(),
                    &typed,
                    refused.status(),
                    Some(refused.alert(self.site.t)),
                );
                retry_later(page, &refused)
            }
        }
    }

    /// After a sign-up, whatever became of it.
    fn look_into_mail(&self, typed: &Typed<'_>) -> Response<Bytes> {
        let t = &self.site.t.recovery;
        let way =
            typed.return_to.as_ref().map(|to| Link { to: to.as_str().to_owned(), label: t.have_confirmed });
        self.note(StatusCode::OK, t.look_into_mail, &t.verify_sent.say(&[typed.email.trim()]), way)
    }

    fn sign_up_page(
        &self,
        headers: &HeaderMap,
        typed: &Typed<'_>,
        status: StatusCode,
        alert: Option<Alert>,
    ) -> Response<Bytes> {
        let site = &self.site;
        self.with_form_token(headers, |csrf| {
            let page = SignUpPage {
                site,
                action: site.path(if typed.ticket.is_some() { "/invitation" } else { "/signup" }),
                other: keeping(site.path("/login"), typed),
                csrf,
                return_to: typed.return_to.as_ref(),
                name: typed.name,
                email: typed.email,
                least: self.policy.password_length,
                invitation: typed.ticket.map(|ticket| Invited { ticket, email: typed.invited.as_deref() }),
                alert,
            };
            let referrer = if typed.ticket.is_some() { Referrer::Origin } else { Referrer::SameOrigin };
            site.page(status, referrer, &page)
        })
    }
}
