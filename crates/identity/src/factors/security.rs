//! `/account/security`: what an account is opened by. It shows and changes nothing without a log-in of the last 15 minutes: whoever
//! finds a browser open cannot add a key of their own.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_io::Peer;
use oauth_types::Form;
use store::Account;

use super::deeds::{Deed, Done, Undone};
use super::forms::answer_in;
use super::pages::{Listed, NewApp, Prove, SecurityPage, with_script};
use super::{ask_for_more, has_app};
use crate::forms::retry_later;
use crate::identity::{Serving, Unserved};
use crate::pages::site::{Referrer, see_other};
use crate::session::{FRESH, LoggedIn};
use crate::visit::Visit;

const HERE: &str = "/account/security";

/// What a page says besides.
#[derive(Default)]
struct Besides {
    /// The secret of an app that is being set up.
    offer: Option<String>,
    alert: Option<&'static str>,
    news: Option<&'static str>,
    codes: Option<Vec<String>>,
}

impl Serving<'_> {
    pub(crate) async fn show_security(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, Unserved> {
        if self.vault.is_none() {
            return Ok(self.stop(StatusCode::NOT_FOUND, self.site.t.stops.no_page));
        }
        let session = self.pages.logged_in(request.headers()).await?;
        let session = match session {
            Some(session) if self.is_fresh(&session) => session,
            session => return Ok(see_other(&self.fresh_log_in(HERE, session.as_ref()).await?)),
        };
        match self.accounts.account(&session.authentication.person).await? {
            Some(account) => Ok(self.security_page(&session, &account, Besides::default())),
            None => Ok(self.stop(StatusCode::NOT_FOUND, self.site.t.stops.no_page)),
        }
    }

    pub(crate) async fn take_security(
        &self,
        request: &Request<Bytes>,
        peer: Peer,
    ) -> Result<Response<Bytes>, Unserved> {
        let form = match self.form(request) {
            Ok(form) => form,
            Err(answer) => return Ok(*answer),
        };
        let t = &self.site.t.factors;
        let session = self.pages.logged_in(request.headers()).await?;
        let session = match session {
            Some(session) if self.is_fresh(&session) => session,
            session => return self.ask_again(HERE, session.as_ref()).await,
        };
        if !session.csrf.is(form.one("csrf").unwrap_or_default()) {
            return Ok(self.stop(StatusCode::FORBIDDEN, self.site.t.stops.too_old));
        }
        let Some(deed) = deed(&form) else { return Ok(self.malformed()) };
        let person = &session.authentication.person;
        match self.do_deed(&Visit::of(request, peer), &session, deed).await {
            Ok(Done { account, offer, news, codes }) => {
                let besides = Besides { offer, alert: None, news: news.map(|news| news(t)), codes };
                Ok(self.security_page(&session, &account, besides))
            }
            Err(Undone::Said(alert)) => {
                let account = self.accounts.account(person).await?.ok_or(Unserved)?;
                let offer = form.one("app").ok().flatten().map(ToOwned::to_owned);
                let besides = Besides { offer, alert: Some(alert(t)), ..Besides::default() };
                let mut page = self.security_page(&session, &account, besides);
                *page.status_mut() = StatusCode::BAD_REQUEST;
                Ok(page)
            }
            Err(Undone::Refused(refused)) => Ok(retry_later(self.refusal_page(&refused), &refused)),
        }
    }

    fn is_fresh(&self, session: &LoggedIn) -> bool {
        !self.pages.sessions.is_older_than(&session.authentication, FRESH)
    }

    fn security_page(&self, session: &LoggedIn, account: &Account, besides: Besides) -> Response<Bytes> {
        let t = &self.site.t.factors;
        let factors = &account.factors;
        let ask = self.ask_to_add(account);
        let scripted = ask.is_some();
        let passkeys = factors.passkeys.iter().map(|passkey| Listed {
            id: passkey.id.clone(),
            name: passkey.name.clone(),
            words: match passkey.used {
                Some(used) => t.passkey_used.say(&[passkey.made.date().to_string(), used.date().to_string()]),
                None => t.passkey_unused.say(&[passkey.made.date().to_string()]),
            },
        });
        let page = SecurityPage {
            site: &self.site,
            t,
            script: self.site.script(),
            csrf: session.csrf,
            account: &account.email,
            alert: besides.alert,
            news: besides.news,
            codes: besides.codes,
            app: besides.offer.and_then(|offer| self.new_app(session, account, offer)),
            has_app: has_app(factors),
            has_factor: ask_for_more(factors),
            prove: Prove::of(account),
            passkeys: passkeys.collect(),
            ask,
            left: t.codes_left.say(&[factors.recovery.len().to_string()]),
        };
        let response = self.site.page(StatusCode::OK, Referrer::SameOrigin, &page);
        if scripted { with_script(response) } else { response }
    }

    /// The app that is being set up.
    fn new_app(&self, session: &LoggedIn, account: &Account, offer: String) -> Option<NewApp> {
        let (vault, session) = (self.vault.as_deref()?, &session.authentication.session);
        let secret = vault.offered_totp(&account.person, session, &offer);
        let text = secret.filter(|_| !has_app(&account.factors))?.text();
        Some(NewApp::new(&self.site.host, &account.email, &text, offer))
    }
}

fn deed(form: &Form) -> Option<Deed<'_>> {
    let one = |name: &str| form.one(name).ok().flatten();
    let (id, name) = (one("id"), one("name").unwrap_or_default());
    let proof = one("password").unwrap_or_default();
    Some(match one("do")? {
        "add_app" => Deed::AddApp,
        "confirm_app" => Deed::ConfirmApp { offer: one("app")?, code: one("code")?, proof },
        "remove_app" => Deed::RemoveApp,
        "new_codes" => Deed::NewCodes { proof },
        "add_passkey" => Deed::AddPasskey { answer: answer_in(form)?, name, proof },
        "name_passkey" => Deed::NamePasskey { id: id?, name },
        "remove_passkey" => Deed::RemovePasskey { id: id? },
        _ => return None,
    })
}
