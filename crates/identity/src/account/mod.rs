//! What people see of their own: which apps have access, where they are logged in, and how to end that.
//!
//! Whatever is somebody else's is not there: it is answered like what never was.

mod shown;

use authz_core::{By, GrantView, NotNarrowed, Oversight, OversightError, Whose};
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_io::Peer;
use oauth_types::{Form, Scope};
use store::{GrantId, SessionId};

use self::shown::{AccountPage, ConnectionPage};
use crate::forms::query;
use crate::identity::{Serving, Unserved};
use crate::pages::moving_on::Destination;
use crate::pages::site::{Referrer, see_other};
use crate::session::{FRESH, LoggedIn};
use crate::visit::Visit;

/// A page below `/account`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AccountRoute<'p> {
    /// Everything at a glance.
    Account,
    /// A connection, by the id of its grant.
    Connection(&'p str),
    /// Something to do.
    Act(Act<'p>),
}

/// What is done by a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act<'p> {
    Narrow(&'p str),
    Label(&'p str),
    Disconnect(&'p str),
    DisconnectAll,
    EndSessions,
    EndEverything,
}

impl<'p> AccountRoute<'p> {
    /// What a path below the issuer's is.
    pub(crate) fn of(path: &'p str) -> Option<Self> {
        Some(match path.strip_prefix("/account")? {
            "" => Self::Account,
            "/disconnect" => Self::Act(Act::DisconnectAll),
            "/sessions" => Self::Act(Act::EndSessions),
            "/end" => Self::Act(Act::EndEverything),
            rest => match rest.strip_prefix("/connections/")?.split_once('/') {
                None => Self::Connection(rest.strip_prefix("/connections/")?),
                Some((id, "scopes")) => Self::Act(Act::Narrow(id)),
                Some((id, "label")) => Self::Act(Act::Label(id)),
                Some((id, "disconnect")) => Self::Act(Act::Disconnect(id)),
                Some(_) => return None,
            },
        })
    }

    pub(crate) const fn allowed(self) -> &'static str {
        match self {
            Self::Account | Self::Connection(_) => "GET, HEAD",
            Self::Act(_) => "POST",
        }
    }

    pub(crate) fn takes(self, method: &http::Method) -> bool {
        self.allowed().split(", ").any(|allowed| allowed == method.as_str())
    }
}

/// How many connections are read at once, put into order and shown on one page.
const ON_A_PAGE: u32 = 100;

/// Why something was not done: there is a page for it.
enum Interrupted {
    Page(Box<Response<Bytes>>),
    Unserved(Unserved),
}

impl<E: Into<Unserved>> From<E> for Interrupted {
    fn from(error: E) -> Self {
        Self::Unserved(error.into())
    }
}

impl Serving<'_> {
    pub(crate) async fn account(
        &self,
        route: AccountRoute<'_>,
        request: &Request<Bytes>,
        peer: Peer,
    ) -> Result<Response<Bytes>, Unserved> {
        let done = match route {
            AccountRoute::Account => self.show_account(request).await,
            AccountRoute::Connection(id) => self.show_connection(request, id, peer).await,
            AccountRoute::Act(act) => self.act(request, act, peer).await,
        };
        match done {
            Ok(response) => Ok(response),
            Err(Interrupted::Page(response)) => Ok(*response),
            Err(Interrupted::Unserved(unserved)) => Err(unserved),
        }
    }

    async fn show_account(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, Interrupted> {
        let session = self.own(request).await?;
        let Ok(query) = query(request) else { return Ok(self.malformed()) };
        let after = query.one("after").unwrap_or_default().and_then(|after| GrantId::parse(after).ok());
        self.account_page(&session, after, None).await
    }

    async fn account_page(
        &self,
        session: &LoggedIn,
        after: Option<GrantId>,
        news: Option<&str>,
    ) -> Result<Response<Bytes>, Interrupted> {
        let person = &session.authentication.person;
        let after = after.map(|after| after.to_string());
        let connections =
            self.oversight().connections(Whose::person(person), after.as_deref(), ON_A_PAGE).await?;
        let sessions = self.pages.sessions.of(person).await?;
        let account = self.account_of(session).await?;
        let stale = self.pages.sessions.is_older_than(&session.authentication, FRESH);
        let prove = stale.then(|| self.again_address("/account", &account));
        let page = AccountPage::new(self, session, connections, sessions).about(&account, prove, news);
        Ok(self.site.page(StatusCode::OK, Referrer::SameOrigin, &page))
    }

    async fn show_connection(
        &self,
        request: &Request<Bytes>,
        id: &str,
        peer: Peer,
    ) -> Result<Response<Bytes>, Interrupted> {
        let session = self.own(request).await?;
        let by = self.by(&session, &Visit::of(request, peer));
        let grant = self.grant_of(id)?;
        self.connection_page(&session, grant, &by, None).await
    }

    async fn connection_page(
        &self,
        session: &LoggedIn,
        grant: GrantId,
        by: &By,
        news: Option<&str>,
    ) -> Result<Response<Bytes>, Interrupted> {
        let view = self.connection(grant, by).await?;
        let whose = Whose { client: Some(&view.client), ..Whose::person(&session.authentication.person) };
        let several = self.oversight().connections(whose, None, ON_A_PAGE).await?.items.len();
        let page = ConnectionPage::new(self, session, &view, several, news);
        Ok(self.site.page(StatusCode::OK, Referrer::SameOrigin, &page))
    }

    async fn act(
        &self,
        request: &Request<Bytes>,
        act: Act<'_>,
        peer: Peer,
    ) -> Result<Response<Bytes>, Interrupted> {
        let form = self.form(request).map_err(Interrupted::Page)?;
        let Some(session) = self.pages.logged_in(request.headers()).await? else {
            let to = self.pages.log_in_address(&self.site.path("/account"), None);
            return Ok(self.move_on(&Destination::Here(to), None));
        };
        let Ok(csrf) = form.one("csrf") else { return Ok(self.malformed()) };
        let t = &self.site.t.account;
        if !session.csrf.is(csrf) {
            return Ok(self.stop(StatusCode::FORBIDDEN, t.too_old));
        }
        let visit = Visit::of(request, peer);
        let by = self.by(&session, &visit);
        match act {
            Act::Narrow(id) => {
                let Ok(scope) = Scope::from_tokens(form.all("scope")) else { return Ok(self.malformed()) };
                let grant = self.grant_of(id)?;
                self.oversight().narrow(&grant, &scope, &by).await.map_err(|error| self.undone(error))?;
                self.connection_page(&session, grant, &by, Some(t.saved)).await
            }
            Act::Label(id) => {
                let Ok(label) = form.one("label") else { return Ok(self.malformed()) };
                let grant = self.grant_of(id)?;
                let label = label.unwrap_or_default();
                self.oversight().label(&grant, label, &by).await.map_err(|error| self.undone(error))?;
                self.connection_page(&session, grant, &by, Some(t.saved)).await
            }
            Act::Disconnect(id) => self.disconnect(&session, self.grant_of(id)?, &form, &by).await,
            Act::DisconnectAll => {
                self.oversight().revoke_all(Whose::person(&session.authentication.person), &by).await?;
                self.account_page(&session, None, Some(t.disconnected)).await
            }
            Act::EndSessions => self.end_sessions(&session, &form, &visit).await,
            Act::EndEverything => self.end_it_all(&session, &visit).await,
        }
    }

    /// Ends one connection, or all that its client has.
    async fn disconnect(
        &self,
        session: &LoggedIn,
        grant: GrantId,
        form: &Form,
        by: &By,
    ) -> Result<Response<Bytes>, Interrupted> {
        let Ok(all) = form.one("all") else { return Ok(self.malformed()) };
        if all.is_some() {
            let client = self.connection(grant, by).await?.client;
            self.oversight().revoke_of(&session.authentication.person, &client, by).await?;
        } else if !self.oversight().revoke(&grant, by).await? {
            return Err(self.gone());
        }
        self.account_page(session, None, Some(self.site.t.account.disconnected)).await
    }

    async fn end_sessions(
        &self,
        session: &LoggedIn,
        form: &Form,
        visit: &Visit<'_>,
    ) -> Result<Response<Bytes>, Interrupted> {
        let (Ok(one), Ok(others)) = (form.one("session"), form.one("others")) else {
            return Ok(self.malformed());
        };
        let done = match (one.map(SessionId::parse), others) {
            (Some(Ok(ended)), None) => self.end_session(visit, session, ended).await,
            (None, Some(_)) => self.end_other_sessions(visit, session).await,
            (Some(_), _) | (None, None) => return Ok(self.malformed()),
        };
        match done {
            Ok(()) => self.account_page(session, None, Some(self.site.t.account.sessions_ended)).await,
            Err(refused) => Ok(self.refusal_page(&refused)),
        }
    }

    async fn end_it_all(
        &self,
        session: &LoggedIn,
        visit: &Visit<'_>,
    ) -> Result<Response<Bytes>, Interrupted> {
        if self.pages.sessions.is_older_than(&session.authentication, FRESH) {
            let to = self.fresh_log_in("/account", Some(session)).await?;
            return Ok(self.move_on(&Destination::Here(to), None));
        }
        if let Err(refused) = self.end_everything(visit, &session.authentication.person).await {
            return Ok(self.refusal_page(&refused));
        }
        let t = self.site.t;
        let mut response = self.note(StatusCode::OK, t.entry.logged_out, t.account.everything_ended, None);
        response.headers_mut().append(header::SET_COOKIE, self.pages.cookies.forget_session());
        Ok(response)
    }
}

impl Serving<'_> {
    /// Who is logged in; for anybody else the way to the log-in page.
    async fn own(&self, request: &Request<Bytes>) -> Result<LoggedIn, Interrupted> {
        let here = request.uri().path_and_query().map_or("", http::uri::PathAndQuery::as_str);
        match self.pages.logged_in(request.headers()).await? {
            Some(session) => Ok(session),
            None => Err(Interrupted::Page(Box::new(see_other(&self.pages.log_in_address(here, None))))),
        }
    }

    fn by(&self, session: &LoggedIn, visit: &Visit<'_>) -> By {
        By::person(session.authentication.person.clone(), visit.context.clone())
    }

    fn oversight(&self) -> Oversight {
        self.pages.sessions.oversight(self.events.clone())
    }

    async fn connection(&self, grant: GrantId, by: &By) -> Result<GrantView, Interrupted> {
        let found = self.oversight().grant(&grant, by).await?;
        let connected = found.filter(|grant| grant.state == authz_core::GrantState::Connected);
        connected.ok_or_else(|| self.gone())
    }

    fn grant_of(&self, id: &str) -> Result<GrantId, Interrupted> {
        GrantId::parse(id).map_err(|_| self.gone())
    }

    fn gone(&self) -> Interrupted {
        Interrupted::Page(Box::new(self.stop(StatusCode::NOT_FOUND, self.site.t.account.gone)))
    }

    fn undone(&self, error: OversightError) -> Interrupted {
        match error {
            OversightError::NotNarrowed(NotNarrowed::Nothing) => {
                let stop = self.site.t.account.nothing_left;
                Interrupted::Page(Box::new(self.stop(StatusCode::BAD_REQUEST, stop)))
            }
            OversightError::NotNarrowed(NotNarrowed::Exceeds) => {
                Interrupted::Page(Box::new(self.malformed()))
            }
            OversightError::Unknown
            | OversightError::NotNarrowed(NotNarrowed::Over)
            | OversightError::Deleted(_)
            | OversightError::Unvouched
            | OversightError::NoSecret => self.gone(),
            OversightError::Unavailable(unavailable) => Interrupted::Unserved(unavailable.into()),
        }
    }
}
