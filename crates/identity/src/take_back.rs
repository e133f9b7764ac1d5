//! "It was not me": what opens an account is taken back by the link of the letter that told of it, or by an administrator.

use askama::Template;
use authz_core::{AccountEvent, By, Factor, Limit};
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_io::Peer;
use store::{Account, Found, PersonId, Purpose, StoreError, Ticket};

use crate::csrf::CsrfToken;
use crate::factors::{ask_for_more, has_app};
use crate::forms::query;
use crate::identity::{Identity, Serving};
use crate::language::Language;
use crate::pages::recovery::Link;
use crate::pages::site::{Referrer, Site};
use crate::people::{Changed, Unchanged};
use crate::refused::Refused;
use crate::texts::Factors;
use crate::tickets::{Held, Lost};
use crate::visit::Visit;

/// Asks before anything is taken back: programs that look at mail follow its links.
#[derive(Template)]
#[template(path = "take_back.html")]
struct TakeBackPage<'a> {
    site: &'a Site,
    t: &'static Factors,
    csrf: CsrfToken,
    ticket: &'a str,
    email: &'a str,
    /// Whether the account has another address now.
    moved: bool,
}

impl Identity {
    /// Takes back by a link the factors that were added since it was mailed, and the password, which whoever added them may know.
    /// All sessions and connections end. Whoever reads the mail of the account sets a new password then.
    ///
    /// The link is good for the address that it was mailed to, as long as the account has it; one that told of another address brings that
    /// one back.
    pub(crate) async fn take_back(&self, visit: &Visit<'_>, text: &str) -> Result<Account, Refused> {
        self.may(Limit::LogIn, visit, &visit.address_key()).await?;
        let found = self.taking_back(text).await?;
        let Purpose::TakeBack { person, email, since, moved } = &found.record.purpose else {
            return Err(Refused::Link(Lost::Unknown));
        };
        // The link is used up when all is done: there is no other, and what a fault cut short is done by it again.
        let Changed { before, now, .. } =
            self.accounts.take_back(person, (email, *moved), *since).await?.map_err(|unchanged| {
                match unchanged {
                    Unchanged::ShutOut => Refused::Link(Lost::Late),
                    unchanged @ (Unchanged::EmailTaken | Unchanged::Refused(_)) => unchanged.into(),
                }
            })?;
        let by = visit.by(person);
        if before.email != now.email {
            let person = person.clone();
            self.tell(visit, AccountEvent::EmailChanged { person, by: by.actor.clone() });
        }
        self.after_losing(&by, &before, &now).await?;
        self.end_everything(visit, person).await?;
        self.tickets.void_since(person, *since).await?;
        Ok(now)
    }

    /// Takes every second factor from a person's account, as an administrator does for somebody who has lost theirs, or whose account
    /// was opened by a stranger. All their sessions end; their connections go on. `false` if there is no such account.
    ///
    /// A letter in `language` tells its owner: the password alone opens it then, whoever knows it.
    ///
    /// # Errors
    ///
    /// If the store cannot answer. What was done then may be done again.
    pub async fn reset_factors(
        &self,
        person: &PersonId,
        language: Language,
        by: &By,
    ) -> Result<bool, StoreError> {
        let Ok(Changed { before, now, .. }) = self.accounts.drop_factors(person).await? else {
            return Ok(false);
        };
        self.after_losing(by, &before, &now).await?;
        if ask_for_more(&before.factors)
            && let Some(desk) = self.desk_for(language, by.context.clone())
        {
            desk.factors_reset(&now, self.sends_at_once()).await;
        }
        Ok(true)
    }

    async fn after_losing(&self, by: &By, before: &Account, now: &Account) -> Result<(), StoreError> {
        let lost = |before: bool, now: bool| usize::from(before && !now);
        let (was, is) = (&before.factors, &now.factors);
        for (factor, times) in [
            (Factor::Totp, lost(has_app(was), has_app(is))),
            (Factor::Passkey, was.passkeys.len().saturating_sub(is.passkeys.len())),
            (Factor::Recovery, lost(!was.recovery.is_empty(), !is.recovery.is_empty())),
        ] {
            for _ in 0..times {
                let (person, by_whom) = (now.person.clone(), by.actor.clone());
                let event = AccountEvent::SecondFactorRemoved { person, factor, by: by_whom };
                self.events.tell_with(&event.into(), &by.context);
            }
        }
        self.after_shutting_out(by, before, now).await
    }

    async fn taking_back(&self, text: &str) -> Result<Found<Ticket>, Refused> {
        match self.tickets.held(text).await? {
            Held::Lost(lost) => Err(Refused::Link(lost)),
            Held::Good(found) => match &found.record.purpose {
                Purpose::TakeBack { .. } => Ok(found),
                Purpose::VerifyEmail { .. }
                | Purpose::SignUp(_)
                | Purpose::ResetPassword { .. }
                | Purpose::Invitation { .. } => Err(Refused::Link(Lost::Unknown)),
            },
        }
    }
}

impl Serving<'_> {
    pub(crate) async fn show_take_back(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let Ok(query) = query(request) else { return self.malformed() };
        let Ok(ticket) = query.one("ticket") else { return self.malformed() };
        let ticket = ticket.unwrap_or_default();
        let found = match self.taking_back(ticket).await {
            Ok(found) => found,
            Err(refused) => return self.refusal_page(&refused),
        };
        let Purpose::TakeBack { email, moved, .. } = &found.record.purpose else { return self.malformed() };
        let moved = *moved;
        let (site, t) = (&self.site, &self.site.t.factors);
        self.with_form_token(request.headers(), |csrf| {
            site.page(StatusCode::OK, Referrer::Origin, &TakeBackPage { site, t, csrf, ticket, email, moved })
        })
    }

    pub(crate) async fn take_take_back(&self, request: &Request<Bytes>, peer: Peer) -> Response<Bytes> {
        let form = match self.form(request) {
            Ok(form) => form,
            Err(answer) => return *answer,
        };
        let Ok(ticket) = form.one("ticket") else { return self.malformed() };
        if !self.repeats_token(request.headers(), &form) {
            return self.stop(StatusCode::FORBIDDEN, self.site.t.stops.too_old);
        }
        match self.take_back(&Visit::of(request, peer), ticket.unwrap_or_default()).await {
            Ok(account) => {
                let t = &self.site.t.factors;
                let mut hint = form_urlencoded::Serializer::new(String::new());
                hint.append_pair("login_hint", &account.email);
                let to = format!("{}?{}", self.site.path("/forgot"), hint.finish());
                let way = Link { to, label: self.site.t.recovery.reset_title };
                let mut response = self.note(StatusCode::OK, t.taken_back_title, t.taken_back, Some(way));
                response.headers_mut().append(header::SET_COOKIE, self.pages.cookies.forget_session());
                response
            }
            Err(refused) => self.refusal_page(&refused),
        }
    }
}
