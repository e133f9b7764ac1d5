//! The consent page: who asks, for what, where, and where the answer goes.

use askama::Template;
use authz_core::Pending;
use oauth_types::{RedirectKind, RedirectUri, Scope, visible};
use store::{Provenance, Server, UserInfoDetail};

use super::site::Site;
use crate::csrf::CsrfToken;

/// What a person is asked. Its form carries the grant's id, in its address, and the token of the session: nothing of the
/// request is read back from it.
#[derive(Template)]
#[template(path = "consent.html")]
pub(crate) struct ConsentPage<'a> {
    site: &'a Site,
    client: String,
    unverified: bool,
    server: &'a str,
    resource: &'a str,
    permissions: Vec<Permission<'a>>,
    back: Back<'a>,
    account: &'a str,
    alert: Option<&'a str>,
    action: String,
    csrf: CsrfToken,
    /// The request again, for somebody else to log in and answer it. It is validated as if new.
    again: String,
}

/// One thing that the client will be able to do.
#[derive(Debug, PartialEq, Eq)]
struct Permission<'a> {
    words: &'a str,
    /// The scope token, unless it is all that is known.
    scope: Option<&'a str>,
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
        Self {
            site,
            client: client_name(pending),
            unverified: match pending.client.provenance {
                Provenance::Dynamic => true,
                Provenance::Administrator => false,
            },
            server: &pending.server.name,
            resource: request.target.resource.as_str(),
            permissions: permissions(&request.scope, &pending.server),
            back: back(&request.redirect_uri),
            account,
            alert,
            action: site.path(&format!("/consent/{}", pending.grant)),
            csrf,
            again: again(site, pending),
        }
    }
}

/// What the client calls itself; where it says nothing that can be seen, its id.
pub(crate) fn client_name(pending: &Pending) -> String {
    let claimed = pending.client.metadata.client_name.as_deref().and_then(visible);
    claimed.unwrap_or_else(|| pending.client.id.as_str().to_owned())
}

/// The resource's own scopes first, in the order in which it lists them; then the rest. A token without a scope of the
/// resource's own still opens the resource, and that is said. What userinfo tells whatever the scopes is said once, whether
/// it was asked for or not.
fn permissions<'a>(scope: &'a Scope, server: &'a Server) -> Vec<Permission<'a>> {
    let told = |token: &str| match server.userinfo {
        UserInfoDetail::Full => matches!(token, "profile" | "email"),
        UserInfoDetail::Scoped => false,
    };
    let listed = server.scopes.iter().filter(|entry| scope.contains(&entry.name));
    let mut all = Vec::new();
    if listed.clone().all(|entry| standard(&entry.name).is_some()) {
        all.push(Permission { words: "Use it on your behalf", scope: None });
    }
    all.extend(listed.map(|entry| {
        let described = entry.description.as_deref().filter(|words| !words.trim().is_empty());
        let known = || standard(&entry.name).or_else(|| customary(&entry.name));
        permission(&entry.name, described.or_else(known))
    }));
    let others = scope.iter().filter(|token| server.scope_names().all(|name| name != *token));
    all.extend(others.filter(|token| !told(token)).map(|token| permission(token, standard(token))));
    match server.userinfo {
        UserInfoDetail::Full => {
            all.push(Permission { words: "See your name and email address", scope: None });
        }
        UserInfoDetail::Scoped => {}
    }
    all
}

fn permission<'a>(token: &'a str, words: Option<&'a str>) -> Permission<'a> {
    match words {
        Some(words) => Permission { words, scope: Some(token) },
        None => Permission { words: token, scope: None },
    }
}

/// The scopes that are the server's own (OpenID Connect Core sections 5.4 and 11).
fn standard(token: &str) -> Option<&'static str> {
    match token {
        "openid" => Some("Recognise you when you come back"),
        "profile" => Some("See your name"),
        "email" => Some("See your email address"),
        "offline_access" => Some("Keep its access while you are away"),
        _ => None,
    }
}

/// Scopes that many MCP servers have and few describe.
fn customary(token: &str) -> Option<&'static str> {
    match token {
        "mcp:tools" => Some("Use its tools on your behalf"),
        "mcp:read" => Some("Read what it has, on your behalf"),
        "mcp:write" => Some("Change what it has, on your behalf"),
        _ => None,
    }
}

fn back(redirect: &RedirectUri) -> Back<'_> {
    let host = redirect.host();
    match redirect.kind() {
        RedirectKind::Https => {
            Back { words: host.unwrap_or(redirect.as_str()).to_owned(), address: None, warning: None }
        }
        RedirectKind::Loopback => Back {
            words: "An app on this computer".to_owned(),
            address: host,
            warning: Some(
                "Allow this only if you have just started it from an app on this computer. Any program that runs here could be asking.",
            ),
        },
        RedirectKind::PrivateUse => {
            let (scheme, rest) = redirect.as_str().split_once(':').unwrap_or((redirect.as_str(), ""));
            let slashes = if rest.starts_with("//") { "//" } else { "" };
            Back {
                words: format!("The app that handles {scheme}:{slashes}"),
                address: None,
                warning: Some(
                    "Allow this only if you have just started it from that app. Another app on this device may have taken its place.",
                ),
            }
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
    format!("{}?{}", site.path("/oauth/authorize"), query.finish())
}
