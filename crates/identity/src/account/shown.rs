//! What the account pages show.

use ambient::Time;
use askama::Template;
use authz_core::{ClientView, GrantView, Listed};
use oauth_types::{RedirectKind, visible};
use store::{Provenance, Session, UserInfoDetail};

use crate::csrf::CsrfToken;
use crate::device::described;
use crate::identity::Serving;
use crate::pages::consent::{Permission, permissions};
use crate::pages::site::Site;
use crate::session::LoggedIn;

/// Everything at a glance.
#[derive(Template)]
#[template(path = "account.html")]
pub(super) struct AccountPage<'a> {
    site: &'a Site,
    csrf: CsrfToken,
    account: &'a str,
    news: Option<&'a str>,
    /// Whether there is a page about second factors.
    has_factors: bool,
    /// Whether there is mail, without which an address cannot be changed.
    has_mail: bool,
    connections: Vec<Connection>,
    /// The address of the next connections.
    more: Option<String>,
    sessions: Vec<OneSession>,
    /// The way to a fresh log-in, where one is needed to end everything.
    prove: Option<String>,
}

/// A connection and what can be done about it.
#[derive(Template)]
#[template(path = "connection.html")]
pub(super) struct ConnectionPage<'a> {
    site: &'a Site,
    csrf: CsrfToken,
    news: Option<&'a str>,
    one: Connection,
    identity: &'static str,
    hosts: Vec<String>,
    resource: Option<&'a str>,
    since: String,
    device: String,
    label: &'a str,
    permissions: Vec<Permission<'a>>,
    /// Whether there is something to take away, and something left then.
    narrows: bool,
    /// How many connections its client has.
    several: usize,
}

/// What is said of a connection in a list.
struct Connection {
    id: String,
    client: String,
    server: String,
    used: String,
    /// By the name that its owner gave it, else as far as it is known.
    device: String,
}

struct OneSession {
    id: String,
    current: bool,
    device: String,
    times: String,
}

impl<'a> AccountPage<'a> {
    pub(super) fn new(
        own: &'a Serving<'_>,
        session: &LoggedIn,
        connections: Listed<GrantView>,
        mut sessions: Vec<Session>,
    ) -> Self {
        let site = &own.site;
        let more = connections.next.map(|after| format!("{}?after={after}", site.path("/account")));
        let mut connections = connections.items;
        // Whoever looks for what they do not know looks for what was used last.
        connections.sort_by_key(|view| std::cmp::Reverse(last_used(view)));
        let connections = connections.iter().map(|view| Connection::of(own, view)).collect();
        let current = session.authentication.session;
        let seen = |session: &Session| session.seen.unwrap_or(session.auth_time);
        sessions.sort_by_key(|session| (session.id != current, std::cmp::Reverse(seen(session))));
        let shown = |session: &Session| OneSession {
            id: session.id.to_string(),
            current: session.id == current,
            device: described(&session.device, site.language),
            times: site
                .t
                .account
                .session_times
                .say(&[&own.ago(session.begun.unwrap_or(session.auth_time)), &own.ago(seen(session))]),
        };
        let sessions = sessions.iter().map(shown).collect();
        Self {
            site,
            csrf: session.csrf,
            account: "",
            news: None,
            has_factors: own.vault.is_some(),
            has_mail: own.has_mail(),
            connections,
            more,
            sessions,
            prove: None,
        }
    }

    pub(super) fn about(self, account: &'a str, prove: Option<String>, news: Option<&'a str>) -> Self {
        Self { account, prove, news, ..self }
    }
}

impl<'a> ConnectionPage<'a> {
    pub(super) fn new(
        own: &'a Serving<'_>,
        session: &LoggedIn,
        view: &'a GrantView,
        several: usize,
        news: Option<&'a str>,
    ) -> Self {
        let site = &own.site;
        let known = view.server_known.as_ref();
        let scopes = known.map_or(&[][..], |server| &server.scopes);
        let userinfo = known.map_or(UserInfoDetail::Scoped, |server| server.userinfo);
        Self {
            site,
            csrf: session.csrf,
            news,
            one: Connection::of(own, view),
            identity: own.identity_of(view.client_known.as_ref()),
            hosts: own.hosts_of(view),
            resource: view.target.as_ref().map(|target| target.resource.as_str()),
            since: own.ago(view.since),
            device: described(&view.device, site.language),
            label: view.device.label.as_deref().unwrap_or_default(),
            permissions: permissions(&view.scope, scopes, userinfo, site.t),
            narrows: view.scope.iter().count() > 1,
            several,
        }
    }
}

impl Connection {
    fn of(own: &Serving<'_>, view: &GrantView) -> Self {
        let named = view.client_known.as_ref().and_then(|client| client.metadata.client_name.as_deref());
        let resource = || view.target.as_ref().map(|target| target.resource.as_str().to_owned());
        let server = view.server_known.as_ref().map(|server| server.name.clone());
        Self {
            id: view.id.to_string(),
            client: named.and_then(visible).unwrap_or_else(|| view.client.as_str().to_owned()),
            server: server.or_else(resource).unwrap_or_default(),
            used: own.ago(last_used(view)),
            device: view.device.label.clone().unwrap_or_else(|| described(&view.device, own.site.language)),
        }
    }
}

fn last_used(view: &GrantView) -> Time {
    view.used.unwrap_or(view.since)
}

impl Serving<'_> {
    fn ago(&self, when: Time) -> String {
        self.site.t.time.ago(when, self.pages.sessions.since(when))
    }

    fn identity_of(&self, client: Option<&ClientView>) -> &'static str {
        let t = &self.site.t.account;
        match client.map(|client| (client.provenance, client.first_party)) {
            Some((Provenance::Administrator, true)) => t.first_party,
            Some((Provenance::Administrator, false)) => t.vouched,
            Some((Provenance::Dynamic, _)) | None => t.unverified,
        }
    }

    /// Where the answers of a client may go, in words, each once.
    fn hosts_of(&self, view: &GrantView) -> Vec<String> {
        let t = &self.site.t.consent;
        let redirects = view.client_known.iter().flat_map(|client| &client.redirect_uris);
        let mut hosts: Vec<_> = redirects
            .map(|redirect| match redirect.kind() {
                RedirectKind::Https => redirect.host().unwrap_or(redirect.as_str()).to_owned(),
                RedirectKind::Loopback => t.app_here.to_owned(),
                RedirectKind::PrivateUse => {
                    let scheme = redirect.as_str().split(':').next().unwrap_or_default();
                    t.app_of_scheme.say(&[&format!("{scheme}:")])
                }
            })
            .collect();
        hosts.sort();
        hosts.dedup();
        if hosts.is_empty() { vec![view.client.as_str().to_owned()] } else { hosts }
    }
}
