//! `/`: whose server this is, and the ways in.

use askama::Template;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use oauth_types::well_known;

use crate::identity::{Serving, Unserved};
use crate::pages::site::{Referrer, Site};

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage<'a> {
    site: &'a Site,
    /// Who is logged in.
    account: Option<&'a str>,
    /// Whether there is a form for whoever has no account.
    signs_up: bool,
    /// The address of the metadata, in which programs find everything else (RFC 8414 section 3).
    metadata: String,
}

impl Serving<'_> {
    pub(crate) async fn show_home(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, Unserved> {
        let account = match self.pages.logged_in(request.headers()).await? {
            Some(session) => Some(self.account_of(&session).await?),
            None => None,
        };
        let page = HomePage {
            site: &self.site,
            account: account.as_deref(),
            signs_up: self.policy.sign_up.has_a_form(),
            metadata: well_known::authorization_server(&self.pages.issuer),
        };
        Ok(self.site.page(StatusCode::OK, Referrer::Nothing, &page))
    }
}
