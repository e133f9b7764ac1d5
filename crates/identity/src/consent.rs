//! The consent page: what shows it, and what takes its answer.

use authz_core::{Context, Pending};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_io::Peer;
use store::GrantId;

use crate::identity::{Serving, Unserved};
use crate::pages::consent::{ConsentPage, allowed, client_name};
use crate::pages::moving_on::Destination;
use crate::pages::site::Referrer;
use crate::session::LoggedIn;

impl Serving<'_> {
    pub(crate) async fn show_consent(
        &self,
        request: &Request<Bytes>,
        grant: GrantId,
    ) -> Result<Response<Bytes>, Unserved> {
        let Some(session) = self.pages.logged_in(request.headers()).await? else {
            return Ok(self.logged_out_meanwhile());
        };
        match self.server.pending(grant, &session.authentication).await {
            Ok(Pending { approved: Some(way_on), .. }) => Ok(self.move_on(&way_on.into(), None)),
            Ok(pending) => self.ask(StatusCode::OK, &session, &pending, None).await,
            Err(stopped) => self.stopped(stopped),
        }
    }

    pub(crate) async fn take_consent(
        &self,
        request: &Request<Bytes>,
        peer: Peer,
        grant: GrantId,
    ) -> Result<Response<Bytes>, Unserved> {
        let form = match self.form(request) {
            Ok(form) => form,
            Err(answer) => return Ok(*answer),
        };
        let (Ok(csrf), Ok(decision)) = (form.one("csrf"), form.one("decision")) else {
            return Ok(self.malformed());
        };
        let Some(session) = self.pages.logged_in(request.headers()).await? else {
            return Ok(self.logged_out_meanwhile());
        };
        let who = &session.authentication;
        let pending = match self.server.pending(grant, who).await {
            Ok(pending) => pending,
            Err(stopped) => return self.stopped(stopped),
        };
        if !session.csrf.is(csrf) {
            // Logged in again since the page was opened, in another tab perhaps. Or forged: then nobody sees this.
            return self
                .ask(StatusCode::FORBIDDEN, &session, &pending, Some(self.site.t.consent.once_more))
                .await;
        }
        let caller = Context::of(request, peer);
        let to = match decision {
            Some("allow") => {
                let scope = allowed(&pending, form.all("scope"));
                if scope.is_empty() {
                    let alert = Some(self.site.t.consent.nothing_ticked);
                    return self.ask(StatusCode::BAD_REQUEST, &session, &pending, alert).await;
                }
                self.server.approve_from(grant, who, Some(&scope), &caller).await.map(Destination::from)
            }
            Some("deny") => self.server.deny_from(grant, who, &caller).await.map(Destination::from),
            // Saying nothing is not saying yes.
            Some(_) | None => return Ok(self.malformed()),
        };
        match to {
            Ok(to) => Ok(self.move_on(&to, Some(client_name(&pending)))),
            Err(stopped) => self.stopped(stopped),
        }
    }

    async fn ask(
        &self,
        status: StatusCode,
        session: &LoggedIn,
        pending: &Pending,
        alert: Option<&str>,
    ) -> Result<Response<Bytes>, Unserved> {
        let account = self.account_of(session).await?;
        let page = ConsentPage::new(&self.site, pending, &account, session.csrf, alert);
        Ok(self.site.page(status, Referrer::SameOrigin, &page))
    }

    /// A request belongs to the session that it was started in, so a new log-in would not lead back to it.
    fn logged_out_meanwhile(&self) -> Response<Bytes> {
        self.stop(StatusCode::FORBIDDEN, self.site.t.stops.logged_out)
    }
}
