//! The consent page: who asks, for what, where, and where the answer goes.

use askama::Template;
use authz_core::Pending;
use authz_core::decide::scope::{reached, without};
use oauth_types::{Acr, RedirectKind, RedirectUri, Scope, visible};
use store::{Provenance, ScopeEntry, Server, UserInfoDetail};

use super::site::Site;
use crate::csrf::CsrfToken;
use crate::texts::{Consent, Scopes, Texts};

/// What a person is asked. Its form carries the grant's id, in its address, the token of the session, and which of the scopes that
/// may be left out are wanted: nothing of the request is read back from it.
#[derive(Template)]
#[template(path = "consent.html")]
pub(crate) struct ConsentPage<'a> {
    site: &'a Site,
    client: String,
    unverified: bool,
    server: &'a str,
    resource: &'a str,
    /// What this person has not allowed before.
    permissions: Vec<Permission<'a>>,
    /// What they have.
    already: Vec<Permission<'a>>,
    back: Back<'a>,
    /// Whether the client has no address but on this machine.
    loopback_only: bool,
    account: &'a str,
    alert: Option<&'a str>,
    action: String,
    csrf: CsrfToken,
    /// The request again, for somebody else to log in and answer it. It is validated as if new.
    again: String,
}

/// One thing that the client will be able to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Permission<'a> {
    pub(crate) words: &'a str,
    /// The scope token; none for what goes without one.
    pub(crate) scope: Option<&'a str>,
    /// Whether the resource server can do without.
    pub(crate) optional: bool,
    /// What goes with it.
    pub(crate) parts: Vec<Part<'a>>,
}

/// A scope that another implies.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Part<'a> {
    pub(crate) words: &'a str,
    scope: &'a str,
}

/// Where the answer goes.
#[derive(Debug, PartialEq, Eq)]
struct Back<'a> {
    words: String,
    address: Option<&'a str>,
    warning: Option<&'static str>,
}

impl<'a> ConsentPage<'a> {
    pub(crate) fn new(
        site: &'a Site,
        pending: &'a Pending,
        account: &'a str,
        csrf: CsrfToken,
        alert: Option<&'a str>,
    ) -> Self {
        let request = &pending.request;
        let Server { scopes, userinfo, .. } = &pending.server;
        let before = reached(&allowed_before(pending), scopes);
        let is_old = |permission: &Permission<'_>| permission.scope.is_some_and(|it| before.contains(it));
        let mut all = permissions(&request.scope, scopes, *userinfo, site.t);
        all.retain(|one| !one.scope.is_some_and(|scope| comes_along(scope, &request.scope, scopes)));
        let (already, permissions): (Vec<_>, Vec<_>) = if request.scope.is_subset_of(&before) {
            (Vec::new(), all)
        } else {
            all.into_iter().partition(is_old)
        };
        let mut redirects = pending.client.redirect_uris.iter();
        Self {
            site,
            client: client_name(pending),
            unverified: match pending.client.provenance {
                Provenance::Dynamic => true,
                Provenance::Administrator => false,
            },
            server: &pending.server.name,
            resource: request.target.resource.as_str(),
            permissions,
            already,
            back: back(&request.redirect_uri, &site.t.consent),
            loopback_only: redirects.all(|redirect| redirect.kind() == RedirectKind::Loopback),
            account,
            alert,
            action: site.path(&format!("/consent/{}", pending.grant)),
            csrf,
            again: again(site, pending),
        }
    }
}

/// What this person lets this client do already, with the answer going where it goes now. Apart from the port: that of a native client is
/// another each time.
fn allowed_before(pending: &Pending) -> Scope {
    let known = pending.known.iter().filter(|known| known.withdrawn.is_none());
    let agreed = known.flat_map(|known| &known.agreed);
    let here = agreed.filter(|agreed| pending.request.redirect_uri.matches(&agreed.redirect_uri));
    here.fold(Scope::default(), |all, agreed| all.union(&agreed.scope))
}

/// What is allowed: all that was asked for, but for what the resource server can do without and is not `ticked`, and for what would bring that
/// back.
pub(crate) fn allowed<'t>(pending: &Pending, ticked: impl Iterator<Item = &'t str>) -> Scope {
    let (asked, known) = (&pending.request.scope, &pending.server.scopes);
    let ticked: Vec<_> = ticked.collect();
    let boxes = known.iter().filter(|entry| entry.optional && !comes_along(&entry.name, asked, known));
    let unticked = boxes.map(|entry| entry.name.as_str()).filter(|name| !ticked.contains(name));
    without(asked, &Scope::from_tokens(unticked).unwrap_or_default(), &pending.server)
}

/// Whether a scope goes with another one that is asked for and cannot be left out: it is shown as a part of that and cannot be left out
/// either. Of those that imply each other the first is shown.
fn comes_along(name: &str, asked: &Scope, known: &[ScopeEntry]) -> bool {
    let Some(at) = known.iter().position(|entry| entry.name == name) else { return false };
    let firm = |n: usize| known.get(n).is_some_and(|entry| !entry.optional && asked.contains(&entry.name));
    let comes_with = |n: usize, other: &ScopeEntry| {
        let is_first = firm(at) && at < n && implies(name, &other.name, known);
        n != at && firm(n) && implies(&other.name, name, known) && !is_first
    };
    known.iter().enumerate().any(|(n, other)| comes_with(n, other))
}

fn implies(broad: &str, narrow: &str, known: &[ScopeEntry]) -> bool {
    Scope::from_tokens([broad]).is_ok_and(|broad| reached(&broad, known).contains(narrow))
}

/// What the client calls itself; where it says nothing that can be seen, its id.
pub(crate) fn client_name(pending: &Pending) -> String {
    let claimed = pending.client.metadata.client_name.as_deref().and_then(visible);
    claimed.unwrap_or_else(|| pending.client.id.as_str().to_owned())
}

/// The resource's own scopes first, in the order in which it lists them; then the rest. A token without a scope of the
/// resource's own still opens the resource, and that is said. What userinfo tells whatever the scopes is said once, whether
/// it was asked for or not.
pub(crate) fn permissions<'a>(
    scope: &'a Scope,
    known: &'a [ScopeEntry],
    userinfo: UserInfoDetail,
    texts: &'static Texts,
) -> Vec<Permission<'a>> {
    let t = &texts.consent.scopes;
    let told = |token: &str| match userinfo {
        UserInfoDetail::Full => matches!(token, "profile" | "email"),
        UserInfoDetail::Scoped => false,
    };
    let listed = known.iter().filter(|entry| scope.contains(&entry.name));
    let mut all = Vec::new();
    if listed.clone().all(|entry| standard(&entry.name, t).is_some()) {
        all.push(Permission::without_scope(t.on_your_behalf));
    }
    all.extend(listed.map(|entry| {
        let parts = known.iter().filter(|part| part.name != entry.name);
        let parts = parts.filter(|part| implies(&entry.name, &part.name, known));
        let parts = parts.map(|part| Part { words: words(part, t), scope: &part.name }).collect();
        let told = permission(&entry.name, Some(words(entry, t)));
        Permission { optional: entry.optional, parts, ..told }
    }));
    let others = scope.iter().filter(|token| known.iter().all(|entry| entry.name != *token));
    all.extend(others.filter(|token| !told(token)).map(|token| permission(token, standard(token, t))));
    match userinfo {
        UserInfoDetail::Full => {
            all.push(Permission::without_scope(t.name_and_email));
        }
        UserInfoDetail::Scoped => {}
    }
    all
}

impl<'a> Permission<'a> {
    const fn without_scope(words: &'a str) -> Self {
        Self { words, scope: None, optional: false, parts: Vec::new() }
    }

    /// The scope token, unless it is all that is known.
    pub(crate) fn code(&self) -> Option<&'a str> {
        self.scope.filter(|scope| *scope != self.words)
    }
}

impl<'a> Part<'a> {
    /// The scope token, unless it is all that is known.
    pub(crate) fn code(&self) -> Option<&'a str> {
        Some(self.scope).filter(|scope| *scope != self.words)
    }
}

fn permission<'a>(token: &'a str, words: Option<&'a str>) -> Permission<'a> {
    Permission { scope: Some(token), ..Permission::without_scope(words.unwrap_or(token)) }
}

/// What a scope allows, in the words of its resource, or in ours, or by its name.
fn words<'a>(entry: &'a ScopeEntry, t: &'static Scopes) -> &'a str {
    let described = entry.description.as_deref().filter(|words| !words.trim().is_empty());
    let known = || standard(&entry.name, t).or_else(|| customary(&entry.name, t));
    described.or_else(known).unwrap_or(&entry.name)
}

/// The scopes that are the server's own (OpenID Connect Core sections 5.4 and 11).
fn standard(token: &str, t: &'static Scopes) -> Option<&'static str> {
    match token {
        "openid" => Some(t.openid),
        "profile" => Some(t.profile),
        "email" => Some(t.email),
        "offline_access" => Some(t.offline_access),
        _ => None,
    }
}

/// Scopes that many MCP servers have and few describe.
fn customary(token: &str, t: &'static Scopes) -> Option<&'static str> {
    match token {
        "mcp:tools" => Some(t.mcp_tools),
        "mcp:read" => Some(t.mcp_read),
        "mcp:write" => Some(t.mcp_write),
        _ => None,
    }
}

fn back<'a>(redirect: &'a RedirectUri, t: &'static Consent) -> Back<'a> {
    let host = redirect.host();
    match redirect.kind() {
        RedirectKind::Https => {
            Back { words: host.unwrap_or(redirect.as_str()).to_owned(), address: None, warning: None }
        }
        RedirectKind::Loopback => {
            Back { words: t.app_here.to_owned(), address: host, warning: Some(t.warn_loopback) }
        }
        RedirectKind::PrivateUse => {
            let (scheme, rest) = redirect.as_str().split_once(':').unwrap_or((redirect.as_str(), ""));
            let slashes = if rest.starts_with("//") { "//" } else { "" };
            let words = t.app_of_scheme.say(&[&format!("{scheme}:{slashes}")]);
            Back { words, address: None, warning: Some(t.warn_scheme) }
        }
    }
}

/// The authorization request (RFC 6749 section 4.1.1) as a path of this server.
fn again(site: &Site, pending: &Pending) -> String {
    let request = &pending.request;
    let resource = request.target.named.as_ref().unwrap_or(&request.target.resource);
    let mut query = form_urlencoded::Serializer::new(String::new());
    query
        .append_pair("response_type", "code")
        .append_pair("client_id", pending.client.id.as_str())
        .append_pair("redirect_uri", request.redirect_uri.as_str())
        .append_pair("scope", request.scope.as_str())
        .append_pair("resource", resource.as_str())
        .append_pair("code_challenge", &request.challenge.to_string())
        .append_pair("code_challenge_method", "S256");
    if let Some(state) = &request.state {
        query.append_pair("state", state);
    }
    if !request.acr_values.is_empty() {
        query.append_pair("acr_values", &Acr::join(&request.acr_values));
    }
    if let Some(seconds) = request.max_age {
        query.append_pair("max_age", &seconds.to_string());
    }
    format!("{}?{}", site.path("/oauth/authorize"), query.finish())
}
