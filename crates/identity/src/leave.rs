//! `/account/delete`, and `POST /auth/delete`: somebody deletes their account.
//!
//! It cannot be undone, so they have logged in just before, with a second factor where they have one, and type their password once more,
//! and a code of their app: whoever finds a browser open, or takes a session, has neither.

use askama::Template;
use authz_core::OversightError;
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_io::Peer;
use store::{Account, Status};

use crate::csrf::CsrfToken;
use crate::factors::has_app;
use crate::forms::retry_later;
use crate::identity::{Identity, Serving, Unserved};
use crate::pages::site::{Referrer, Site, see_other};
use crate::refused::Refused;
use crate::session::{FRESH, LoggedIn};
use crate::visit::Visit;

#[derive(Template)]
#[template(path = "leave.html")]
struct LeavePage<'a> {
    site: &'a Site,
    csrf: CsrfToken,
    account: &'a str,
    asks_password: bool,
    asks_code: bool,
    alert: Option<String>,
}

const HERE: &str = "/account/delete";

impl Identity {
    /// Deletes the account of somebody who is logged in, with everything that is theirs.
    pub(crate) async fn leave(
        &self,
        visit: &Visit<'_>,
        session: &LoggedIn,
        password: &str,
        code: &str,
    ) -> Result<(), Refused> {
        if self.pages.sessions.is_older_than(&session.authentication, FRESH) {
            return Err(Refused::TooOld);
        }
        let account = self.own_account(session).await?;
        if account.password.is_some() {
            self.with_password(visit, session, password).await?;
        }
        if has_app(&account.factors) {
            self.with_code(visit, session, code).await?;
        }
        let person = &account.person;
        // Against the epoch of this session: whoever was shut out while they typed deletes nothing.
        self.accounts.shut_out(person, session.openings).await??;
        let oversight = self.pages.sessions.oversight(self.events.clone());
        oversight.set_person(person, Status::Deleted, &visit.by(person)).await.map_err(
            |error: OversightError| {
                tracing::error!(%error, "an account is not deleted altogether");
                Refused::Unavailable
            },
        )?;
        if let Some(desk) = self.desk(visit) {
            desk.deleted(&account);
        }
        Ok(())
    }
}

impl Serving<'_> {
    pub(crate) async fn show_leave(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, Unserved> {
        let session = self.pages.logged_in(request.headers()).await?;
        let fresh = |session: &LoggedIn| !self.pages.sessions.is_older_than(&session.authentication, FRESH);
        match session {
            Some(session) if fresh(&session) => {
                let account = self.accounts.account(&session.authentication.person).await?.ok_or(Unserved)?;
                Ok(self.leave_page(StatusCode::OK, &session, &account, None))
            }
            session => Ok(see_other(&self.fresh_log_in(HERE, session.as_ref()).await?)),
        }
    }

    pub(crate) async fn take_leave(
        &self,
        request: &Request<Bytes>,
        peer: Peer,
    ) -> Result<Response<Bytes>, Unserved> {
        let (form, session) = match self.own_form(request, HERE).await? {
            Ok(own) => own,
            Err(answer) => return Ok(*answer),
        };
        let (Ok(password), Ok(code)) = (form.one("password"), form.one("code")) else {
            return Ok(self.malformed());
        };
        let visit = Visit::of(request, peer);
        let (password, code) = (password.unwrap_or_default(), code.unwrap_or_default());
        match self.leave(&visit, &session, password, code).await {
            Ok(()) => {
                let t = &self.site.t.leave;
                let mut response = self.note(StatusCode::OK, t.deleted_title, t.deleted, None);
                response.headers_mut().append(header::SET_COOKIE, self.pages.cookies.forget_session());
                Ok(response)
            }
            Err(refused @ (Refused::Wrong | Refused::WrongCode | Refused::TooMany(_) | Refused::Busy)) => {
                let account = self.accounts.account(&session.authentication.person).await?.ok_or(Unserved)?;
                let alert = if matches!(refused, Refused::Wrong) {
                    self.site.t.recovery.wrong_password.to_owned()
                } else {
                    refused.words(self.site.t)
                };
                let page = self.leave_page(refused.status(), &session, &account, Some(alert));
                Ok(retry_later(page, &refused))
            }
            Err(Refused::TooOld) => self.ask_again(HERE, Some(&session)).await,
            Err(Refused::LoggedOut) => Ok(*self.log_in_for(HERE)),
            Err(refused) => Ok(retry_later(self.refusal_page(&refused), &refused)),
        }
    }

    fn leave_page(
        &self,
        status: StatusCode,
        session: &LoggedIn,
        account: &Account,
        alert: Option<String>,
    ) -> Response<Bytes> {
        let page = LeavePage {
            site: &self.site,
            csrf: session.csrf,
            account: &account.email,
            asks_password: account.password.is_some(),
            asks_code: has_app(&account.factors),
            alert,
        };
        self.site.page(status, Referrer::SameOrigin, &page)
    }
}
