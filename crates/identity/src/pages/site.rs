//! What all pages share: addresses, headers, and the way from a template to a response.

use std::sync::Arc;

use askama::Template;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use oauth_types::Issuer;
use parking_lot::RwLock;
use store::Digest;

use crate::brand::{Brand, BrandName, Logo};
use crate::language::Language;
use crate::texts::Texts;

/// Where the pages are and how they say who they are.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    /// The issuer's path: what every address on a page begins with.
    pub(crate) base: Arc<str>,
    /// The issuer's host: a person can tell whose page it is.
    pub(crate) host: Arc<str>,
    pub(crate) look: Arc<Look>,
    /// How they look from the next request on.
    next: Arc<RwLock<Arc<Look>>>,
    pub(crate) language: Language,
    /// What is said in that language.
    pub(crate) t: &'static Texts,
}

/// How the pages look.
#[derive(Debug)]
pub(crate) struct Look {
    /// What the operator is called.
    pub(crate) name: Option<BrandName>,
    logo: Option<Logo>,
    style: Bytes,
    /// Changes when the stylesheet does.
    pub(crate) style_version: String,
    /// Changes when the picture does.
    picture_version: String,
}

impl Look {
    pub(crate) fn of(brand: Brand) -> Self {
        let Brand { name, logo, colour } = brand;
        let style = match colour {
            Some(colour) => Bytes::from(format!("{STYLE}{}", colour.rules())),
            None => Bytes::from_static(STYLE.as_bytes()),
        };
        let drawn = logo.as_ref().map_or(ICON.as_bytes(), |logo| &logo.bytes);
        let (style_version, picture_version) = (version(&style), version(drawn));
        Self { name, logo, style, style_version, picture_version }
    }

    /// The path of the picture above each page, below the issuer's, and its media type.
    fn picture(&self) -> (&'static str, &'static str) {
        match &self.logo {
            Some(logo) => ("/assets/logo", logo.kind.media_type()),
            None => ("/assets/portcullis.svg", "image/svg+xml"),
        }
    }

    fn file(&self, path: &str) -> Option<(Bytes, &'static str)> {
        Some(match path {
            "/assets/portcullis.css" => (self.style.clone(), "text/css; charset=utf-8"),
            "/assets/portcullis.svg" => (Bytes::from_static(ICON.as_bytes()), "image/svg+xml"),
            "/assets/passkey.js" => (Bytes::from_static(SCRIPT.as_bytes()), "text/javascript; charset=utf-8"),
            "/assets/logo" => self.logo.as_ref().map(|logo| (logo.bytes.clone(), logo.kind.media_type()))?,
            _ => return None,
        })
    }
}

/// What a page tells the next one of its address. A page with a form must tell its own server, because a browser sends
/// `Origin: null` with the POST of a page that tells nothing (Fetch standard, "append a request Origin header").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Referrer {
    SameOrigin,
    /// No more than the origin: for a form whose address holds a secret, which must not get into the log of a proxy.
    Origin,
    Nothing,
}

impl Site {
    pub(crate) fn of(issuer: &Issuer) -> Self {
        let host = issuer.origin().split("://").last().unwrap_or_default();
        let language = Language::default();
        let look = Arc::new(Look::of(Brand::default()));
        Self {
            base: issuer.path().into(),
            host: host.into(),
            next: Arc::new(RwLock::new(look.clone())),
            look,
            language,
            t: language.texts(),
        }
    }

    /// The same as it looks now, for somebody who reads another language.
    pub(crate) fn in_language(&self, language: Language) -> Self {
        Self { language, t: language.texts(), look: self.next.read().clone(), ..self.clone() }
    }

    /// Looks otherwise from the next request on. A page that is being made looks as it did from top to bottom.
    pub(crate) fn change(&self, brand: Brand) {
        *self.next.write() = Arc::new(Look::of(brand));
    }

    /// Who the pages are of, in a word.
    pub(crate) fn name(&self) -> &str {
        self.look.name.as_ref().map_or(&self.host, BrandName::as_str)
    }

    /// The address of the picture above each page.
    pub(crate) fn picture(&self) -> String {
        format!("{}?v={}", self.path(self.look.picture().0), self.look.picture_version)
    }

    /// The media type of that picture.
    pub(crate) fn picture_type(&self) -> &'static str {
        self.look.picture().1
    }

    /// A path of this server, the issuer's own path in front.
    pub(crate) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The address of the only script.
    pub(crate) fn script(&self) -> String {
        format!("{}?v={}", self.path("/assets/passkey.js"), version(SCRIPT.as_bytes()))
    }

    /// The response that shows `template`.
    pub(crate) fn page(
        &self,
        status: StatusCode,
        referrer: Referrer,
        template: &impl Template,
    ) -> Response<Bytes> {
        match template.render() {
            Ok(html) => with_page_headers(status, referrer, Bytes::from(html)),
            Err(error) => {
                tracing::error!(%error, "a page cannot be rendered");
                with_page_headers(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    referrer,
                    Bytes::from_static(b"<!doctype html>"),
                )
            }
        }
    }
}

/// The answer to a request for the stylesheet, the script or a picture. They change with the program and its configuration only.
pub(crate) fn asset(
    look: &Look,
    method: &Method,
    headers: &HeaderMap,
    path: &str,
) -> Option<Response<Bytes>> {
    let (file, kind) = look.file(path)?;
    let tag = format!("\"{}\"", version(&file));
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let unchanged = known.flat_map(|value| value.split(',')).any(|value| value.trim() == tag);
    let body = if unchanged || method == Method::HEAD { Bytes::new() } else { file };
    let mut response = Response::new(body);
    if unchanged {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=86400"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // A picture is a document when it is opened alone; it has no business running anything. Its own styles are part of the picture.
    let policy = "default-src 'none'; style-src 'unsafe-inline'; sandbox";
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    if let Ok(tag) = HeaderValue::try_from(tag) {
        headers.insert(header::ETAG, tag);
    }
    Some(response)
}

/// Sends the browser on with a GET, to a page of this server. Never the answer to a form of ours: Chromium holds the
/// redirects that follow a form against the `form-action` of its page, and the way may end at a client. A client that posts
/// its authorization request does so from a page of its own.
pub(crate) fn see_other(to: &str) -> Response<Bytes> {
    let mut response = with_page_headers(StatusCode::SEE_OTHER, Referrer::Nothing, Bytes::new());
    // A path that was checked, or one of ours: legal in a header.
    if let Ok(to) = HeaderValue::try_from(to) {
        response.headers_mut().insert(header::LOCATION, to);
    }
    response
}

fn with_page_headers(status: StatusCode, referrer: Referrer, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in PAGE_HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let referrer = match referrer {
        Referrer::SameOrigin => "same-origin",
        Referrer::Origin => "strict-origin",
        Referrer::Nothing => "no-referrer",
    };
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static(referrer));
    response
}

/// No script, no frame around it, no form that leads away, nothing kept.
///
/// There is no `Cross-Origin-Opener-Policy: same-origin`: it would cut a client that opened this page in a window of its own
/// off from that window for good, and its callback page could not hand over the code.
const PAGE_HEADERS: [(HeaderName, &str); 8] = [
    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
    (header::CACHE_CONTROL, "no-store"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (HeaderName::from_static("cross-origin-opener-policy"), "unsafe-none"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];

const STYLE: &str = include_str!("../../assets/portcullis.css");
const SCRIPT: &str = include_str!("../../assets/passkey.js");
const ICON: &str = include_str!("../../assets/portcullis.svg");

fn version(bytes: &[u8]) -> String {
    Digest::of(bytes).to_string().chars().take(12).collect()
}
