//! Which pages may call (RS-15), and what browsers are told (RS-19).

use std::collections::BTreeSet;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use oauth_types::Resource;

use crate::origin::{Host, Origin, is_this_machine};

/// Which origins may call, and whether the server is one that only this machine reaches.
#[derive(Clone, Debug)]
pub(crate) struct Cors {
    origins: Origins,
    local: bool,
    own: Origin,
    /// What the server is called, where that decides.
    hosts: BTreeSet<Host>,
}

#[derive(Clone, Debug)]
enum Origins {
    /// A page has no token that its user did not give it, and no cookie counts here.
    Any,
    /// Pages of this machine.
    Local,
    These(BTreeSet<Origin>),
}

/// A request that no page may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Foreign {
    /// Its `Origin` is not allowed.
    Origin,
    /// It was sent to another name than one of this machine.
    Host,
}

/// What browsers must be told with an answer (RS-19).
#[derive(Clone, Copy, Debug)]
pub struct Told<'o> {
    allowed: Allowed<'o>,
}

/// Which pages may read an answer.
#[derive(Clone, Copy, Debug)]
enum Allowed<'o> {
    Any,
    One(&'o HeaderValue),
    None,
}

impl Told<'_> {
    /// `Access-Control-Allow-Origin`; `None` if the answer must not have it.
    #[must_use]
    pub fn allow_origin(&self) -> Option<&[u8]> {
        match self.allowed {
            Allowed::Any => Some(b"*"),
            Allowed::One(origin) => Some(origin.as_bytes()),
            Allowed::None => None,
        }
    }

    /// Whether `Vary` must have `Origin`, for the answer is another one for another page; see [`names_origin`].
    #[must_use]
    pub const fn varies(&self) -> bool {
        !matches!(self.allowed, Allowed::Any)
    }

    /// `Access-Control-Expose-Headers`; `None` if what the answer has stays.
    #[must_use]
    pub const fn exposed(&self) -> Option<&'static str> {
        match self.allowed {
            Allowed::Any | Allowed::One(_) => Some(EXPOSED),
            Allowed::None => None,
        }
    }
}

impl Cors {
    /// For `resource`, the origins that somebody configured, and what else the server is called.
    pub(crate) fn new(
        resource: &Resource,
        configured: Option<BTreeSet<Origin>>,
        mut hosts: BTreeSet<Host>,
    ) -> Self {
        let own = Origin::from(resource);
        hosts.insert(Host::from(&own));
        let local = own.is_this_machine();
        let origins = match configured {
            Some(these) => Origins::These(these),
            None if local => Origins::Local,
            None => Origins::Any,
        };
        Self { origins, local, own, hosts }
    }

    /// Whether the request may have come from where it did.
    ///
    /// A server on loopback is reached by every page that its user opens, if the page's name is made to resolve to this machine (DNS
    /// rebinding). Such a request tells the page's own name in `Origin`, or, where browsers leave that out, in `Host`.
    ///
    /// # Errors
    ///
    /// [`Foreign`]: 403, before anything else.
    pub(crate) fn check(&self, head: &Parts) -> Result<(), Foreign> {
        let mut origins = head.headers.get_all(header::ORIGIN).iter();
        if origins.next().is_some_and(|origin| !self.allows(origin)) || origins.next().is_some() {
            return Err(Foreign::Origin);
        }
        if self.local && !is_sent_to_this_machine(head) {
            return Err(Foreign::Host);
        }
        Ok(())
    }

    /// Whether a page sends this of which nobody said that it may: any page is let in with a token, and this one has none. That a server
    /// of this machine takes pages of this machine is said by where it is.
    pub(crate) fn is_of_foreign_page(&self, headers: &HeaderMap) -> bool {
        match &self.origins {
            Origins::Any => headers
                .get(header::ORIGIN)
                .is_some_and(|origin| origin.as_bytes() != self.own.as_str().as_bytes()),
            // `check` let no other in.
            Origins::Local | Origins::These(_) => false,
        }
    }

    /// Whether a request is sent to this server by its own name.
    ///
    /// A page whose name is made to resolve to this server (DNS rebinding) is of the same origin with it to a browser, which then sends
    /// no `Origin` with a `GET`. What it cannot do is to name another host than its own.
    pub(crate) fn is_sent_here(&self, head: &Parts) -> bool {
        // `check` let no other name in.
        if self.local {
            return true;
        }
        let is_here = |authority: &str| self.hosts.iter().any(|host| host.is_of(authority));
        let named = head.uri.authority().map(|authority| is_here(authority.as_str()));
        let hosts = head.headers.get_all(header::HOST).iter();
        let mut names =
            named.into_iter().chain(hosts.map(|host| host.to_str().is_ok_and(is_here))).peekable();
        names.peek().is_some() && names.all(|here| here)
    }

    /// The answer to a browser that asks whether a script may call. It never needs credentials.
    pub(crate) fn preflight(&self, head: &Parts) -> Option<Response<Bytes>> {
        if head.method != Method::OPTIONS || !head.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
        {
            return None;
        }
        let origin = head.headers.get(header::ORIGIN)?;
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        self.finish(Some(origin), headers);
        headers.remove(header::ACCESS_CONTROL_EXPOSE_HEADERS);
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed_headers(&head.headers));
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
        Some(response)
    }

    /// Lets the page at `origin` read an answer that has these `headers`. Twice is as good as once.
    pub(crate) fn finish(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        let told = self.told(origin);
        match told.allowed {
            Allowed::Any => {
                headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            }
            Allowed::One(origin) => {
                headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            }
            Allowed::None => {
                headers.remove(header::ACCESS_CONTROL_ALLOW_ORIGIN);
            }
        }
        if told.varies() && !headers.get_all(header::VARY).iter().any(|value| names_origin(value.as_bytes()))
        {
            headers.append(header::VARY, HeaderValue::from_static("Origin"));
        }
        if let Some(exposed) = told.exposed() {
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(exposed));
        }
    }

    /// What the page at `origin` is told.
    pub(crate) fn told<'o>(&self, origin: Option<&'o HeaderValue>) -> Told<'o> {
        let allowed = match (&self.origins, origin) {
            (Origins::Any, _) => Allowed::Any,
            (Origins::Local | Origins::These(_), Some(origin)) if self.allows(origin) => Allowed::One(origin),
            (Origins::Local | Origins::These(_), _) => Allowed::None,
        };
        Told { allowed }
    }

    fn allows(&self, origin: &HeaderValue) -> bool {
        let Ok(origin) = origin.to_str() else { return matches!(self.origins, Origins::Any) };
        match &self.origins {
            Origins::Any => true,
            Origins::Local => Origin::parse(origin).is_some_and(|origin| origin.is_this_machine()),
            // As the browser wrote it, and not as it could be read.
            Origins::These(these) => these.iter().any(|one| one.as_str() == origin),
        }
    }
}

fn is_sent_to_this_machine(head: &Parts) -> bool {
    let named = head.uri.authority().map(|authority| is_this_machine(authority.as_str()));
    let mut hosts = head.headers.get_all(header::HOST).iter();
    named.unwrap_or(true) && hosts.all(|host| host.to_str().is_ok_and(is_this_machine))
}

/// Whether a value of `Vary` has `Origin`.
#[must_use]
pub fn names_origin(vary: &[u8]) -> bool {
    vary.split(|byte| *byte == b',').any(|name| name.trim_ascii().eq_ignore_ascii_case(b"origin"))
}

/// MCP's own headers, and those of the `Mcp-Param-` family that this request is about.
fn allowed_headers(request: &HeaderMap) -> HeaderValue {
    let asked = request.get(header::ACCESS_CONTROL_REQUEST_HEADERS).and_then(|value| value.to_str().ok());
    let is_param = |name: &&str| {
        let token = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        token && name.get(..10).is_some_and(|start| start.eq_ignore_ascii_case("mcp-param-"))
    };
    let params: Vec<&str> =
        asked.into_iter().flat_map(|value| value.split(',')).map(str::trim).filter(is_param).collect();
    if params.is_empty() {
        return HeaderValue::from_static(HEADERS);
    }
    HeaderValue::from_str(&format!("{HEADERS}, {}", params.join(", ")))
        .unwrap_or(HeaderValue::from_static(HEADERS))
}

const METHODS: &str = "GET, POST, PUT, PATCH, DELETE, OPTIONS";
/// The headers that scripts of other origins may send. MCP's are its transport's, of all revisions.
pub(crate) const HEADERS: &str = "Authorization, Content-Type, Accept, DPoP, Last-Event-ID, MCP-Protocol-Version, Mcp-Session-Id, \
                                  Mcp-Method, Mcp-Name, traceparent, tracestate, baggage";
/// What scripts may read: where to log in, when to come back, which session this is.
const EXPOSED: &str = "WWW-Authenticate, Retry-After, Mcp-Session-Id, MCP-Protocol-Version";
