//! `/account/password` and `/account/email`: the forms by which somebody changes what they log in with. Each asks for the present
//! password, so whoever finds a browser open changes nothing.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_io::Peer;
use oauth_types::Form;

use crate::forms::{Untaken, retry_later};
use crate::identity::{Serving, Unserved};
use crate::pages::change::{ChangeEmailPage, ChangePasswordPage, Field, Wrong};
use crate::pages::moving_on::Destination;
use crate::pages::recovery::Link;
use crate::pages::site::{Referrer, see_other};
use crate::refused::Refused;
use crate::session::LoggedIn;
use crate::visit::Visit;

/// A form of somebody who is logged in, or the answer to anybody else.
pub(crate) type OwnForm = Result<(Form, LoggedIn), Untaken>;

const PASSWORD: &str = "/account/password";
const EMAIL: &str = "/account/email";

impl Serving<'_> {
    pub(crate) async fn show_password(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, Unserved> {
        let Some(session) = self.pages.logged_in(request.headers()).await? else {
            return Ok(see_other(&self.pages.log_in_address(&self.site.path(PASSWORD), None)));
        };
        let account = self.accounts.account(&session.authentication.person).await?.ok_or(Unserved)?;
        // Who never chose one has none to show: the first comes by letter.
        if account.password.is_none() {
            return Ok(see_other(&self.site.path("/forgot")));
        }
        self.password_page(StatusCode::OK, &session, None).await
    }

    pub(crate) async fn take_password(
        &self,
        request: &Request<Bytes>,
        peer: Peer,
    ) -> Result<Response<Bytes>, Unserved> {
        let (form, session) = match self.own_form(request, PASSWORD).await? {
            Ok(own) => own,
            Err(answer) => return Ok(*answer),
        };
        let (Ok(current), Ok(new)) = (form.one("password"), form.one("new_password")) else {
            return Ok(self.malformed());
        };
        let (current, new) = (current.unwrap_or_default(), new.unwrap_or_default());
        match self.change_password(&Visit::of(request, peer), &session, current, new).await {
            Ok(()) => {
                let t = &self.site.t;
                let way = self.back_to_account();
                Ok(self.note(StatusCode::OK, t.recovery.password_set, t.change.is_logged_out_elsewhere, way))
            }
            Err(refused) => match self.wrong(&refused, PASSWORD) {
                Ok(wrong) => {
                    let page = self.password_page(refused.status(), &session, Some(wrong)).await?;
                    Ok(retry_later(page, &refused))
                }
                Err(answer) => Ok(*answer),
            },
        }
    }

    pub(crate) async fn show_email(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, Unserved> {
        if !self.has_mail() {
            return Ok(self.refusal_page(&Refused::NoMail));
        }
        match self.pages.logged_in(request.headers()).await? {
            Some(session) => self.email_page(StatusCode::OK, &session, "", None).await,
            None => Ok(see_other(&self.pages.log_in_address(&self.site.path(EMAIL), None))),
        }
    }

    pub(crate) async fn take_email(
        &self,
        request: &Request<Bytes>,
        peer: Peer,
    ) -> Result<Response<Bytes>, Unserved> {
        let (form, session) = match self.own_form(request, EMAIL).await? {
            Ok(own) => own,
            Err(answer) => return Ok(*answer),
        };
        let (Ok(email), Ok(password)) = (form.one("email"), form.one("password")) else {
            return Ok(self.malformed());
        };
        let (email, password) = (email.unwrap_or_default(), password.unwrap_or_default());
        match self.change_email(&Visit::of(request, peer), &session, password, email).await {
            Ok(()) => {
                let t = &self.site.t;
                let words = t.change.email_sent.say(&[email.trim()]);
                Ok(self.note(StatusCode::OK, t.recovery.look_into_mail, &words, self.back_to_account()))
            }
            Err(refused) => match self.wrong(&refused, EMAIL) {
                Ok(wrong) => {
                    let page = self.email_page(refused.status(), &session, email, Some(wrong)).await?;
                    Ok(retry_later(page, &refused))
                }
                Err(answer) => Ok(*answer),
            },
        }
    }

    /// The form that was sent to `here`.
    pub(crate) async fn own_form(&self, request: &Request<Bytes>, here: &str) -> Result<OwnForm, Unserved> {
        let form = match self.form(request) {
            Ok(form) => form,
            Err(answer) => return Ok(Err(answer)),
        };
        let Some(session) = self.pages.logged_in(request.headers()).await? else {
            return Ok(Err(self.log_in_for(here)));
        };
        Ok(match form.one("csrf") {
            Ok(csrf) if session.csrf.is(csrf) => Ok((form, session)),
            Ok(_) => Err(Box::new(self.stop(StatusCode::FORBIDDEN, self.site.t.account.too_old))),
            Err(_) => Err(Box::new(self.malformed())),
        })
    }

    /// What the form says that is shown again, or another answer.
    fn wrong(&self, refused: &Refused, here: &str) -> Result<Wrong, Untaken> {
        let field = match refused {
            Refused::Wrong => {
                let words = self.site.t.recovery.wrong_password.to_owned();
                return Ok(Wrong { words, field: Some(Field::Current) });
            }
            Refused::Password(_) | Refused::NotAnEmail | Refused::WrongDomain => Some(Field::New),
            Refused::TooMany(_) | Refused::Busy => None,
            Refused::LoggedOut => return Err(self.log_in_for(here)),
            Refused::NotAName
            | Refused::EmailTaken
            | Refused::WrongCode
            | Refused::WrongPasskey
            | Refused::StartAgain
            | Refused::TooOld
            | Refused::SignUpClosed
            | Refused::NotInvited
            | Refused::Link(_)
            | Refused::NoMail
            | Refused::Unavailable => return Err(Box::new(self.refusal_page(refused))),
        };
        Ok(Wrong { words: refused.words(self.site.t), field })
    }

    /// The way to a log-in that is needed before `here` is shown: somebody who is logged in is told why, and need not type their address.
    pub(crate) async fn fresh_log_in(&self, here: &str, own: Option<&LoggedIn>) -> Result<String, Unserved> {
        Ok(match own {
            Some(session) => self.again_address(here, &self.account_of(session).await?),
            None => self.pages.log_in_address(&self.site.path(here), None),
        })
    }

    pub(crate) fn again_address(&self, here: &str, account: &str) -> String {
        format!("{}&again=on", self.pages.log_in_address(&self.site.path(here), Some(account)))
    }

    /// The answer to a form of somebody whose log-in is too old for it.
    pub(crate) async fn ask_again(
        &self,
        here: &str,
        own: Option<&LoggedIn>,
    ) -> Result<Response<Bytes>, Unserved> {
        let t = &self.site.t.factors;
        let way = Link { to: self.fresh_log_in(here, own).await?, label: self.site.t.entry.log_in };
        Ok(self.note(StatusCode::FORBIDDEN, t.again_title, t.again, Some(way)))
    }

    pub(crate) fn log_in_for(&self, here: &str) -> Untaken {
        let to = self.pages.log_in_address(&self.site.path(here), None);
        Box::new(self.move_on(&Destination::Here(to), None))
    }

    fn back_to_account(&self) -> Option<Link> {
        Some(Link { to: self.site.path("/account"), label: self.site.t.account.back })
    }

    async fn password_page(
        &self,
        status: StatusCode,
        session: &LoggedIn,
        wrong: Option<Wrong>,
    ) -> Result<Response<Bytes>, Unserved> {
        let account = self.account_of(session).await?;
        let (site, csrf, least) = (&self.site, session.csrf, self.policy.password_length);
        let page = ChangePasswordPage { site, csrf, account: &account, least, wrong };
        Ok(site.page(status, Referrer::SameOrigin, &page))
    }

    async fn email_page(
        &self,
        status: StatusCode,
        session: &LoggedIn,
        email: &str,
        wrong: Option<Wrong>,
    ) -> Result<Response<Bytes>, Unserved> {
        let account = self.account_of(session).await?;
        let (site, csrf) = (&self.site, session.csrf);
        let page = ChangeEmailPage { site, csrf, account: &account, email, wrong };
        Ok(site.page(status, Referrer::SameOrigin, &page))
    }
}
