//! Requests to an issuer, within limits.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_io::{Fetch, FetchError, Limits, Refused, Unreached};
use oauth_types::Issuer;
use serde_json::{Map, Value};

use crate::Fault;
use crate::origin::is_this_machine;

const TIME: Duration = Duration::from_secs(5);
pub(crate) const DISCOVERY: usize = 256 * 1024;
pub(crate) const OTHER: usize = 64 * 1024;

/// Asks an issuer, and only at URLs that a key or a token may be sent to.
#[derive(Clone)]
pub(crate) struct Asking {
    fetch: Arc<dyn Fetch>,
    issuer: Issuer,
}

impl Asking {
    pub(crate) fn new(fetch: Arc<dyn Fetch>, issuer: Issuer) -> Self {
        Self { fetch, issuer }
    }

    pub(crate) fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// The response to GET, whatever its status.
    pub(crate) async fn get(
        &self,
        url: &str,
        accept: &'static str,
        authorization: Option<HeaderValue>,
        body: usize,
    ) -> Result<Response<Bytes>, FetchError> {
        let mut request = self.request(Method::GET, url, Bytes::new())?;
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static(accept));
        if let Some(authorization) = authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization);
        }
        self.send(request, body).await
    }

    /// The response to a form that is posted, whatever its status.
    pub(crate) async fn post(
        &self,
        url: &str,
        authorization: HeaderValue,
        form: String,
    ) -> Result<Response<Bytes>, FetchError> {
        let mut request = self.request(Method::POST, url, Bytes::from(form))?;
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static(JSON));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(AUTHORIZATION, authorization);
        self.send(request, OTHER).await
    }

    /// A connection that lay idle may be closed just when it is used again, and nothing that is asked here changes anything: what broke
    /// off is asked once more.
    async fn send(&self, request: Request<Bytes>, body: usize) -> Result<Response<Bytes>, FetchError> {
        let limits = Limits { body, time: TIME };
        match self.fetch.fetch(request.clone(), limits).await {
            Err(FetchError::Unreachable(Unreached::Interrupted)) => self.fetch.fetch(request, limits).await,
            answer => answer,
        }
    }

    fn request(&self, method: Method, url: &str, body: Bytes) -> Result<Request<Bytes>, FetchError> {
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = fit(url, &self.issuer)?;
        Ok(request)
    }
}

pub(crate) const JSON: &str = "application/json";

/// The URL, if what comes from it can be believed and what goes to it stays secret: https, or http on this machine where the issuer is
/// there, too.
pub(crate) fn fit(url: &str, issuer: &Issuer) -> Result<Uri, Refused> {
    let uri: Uri = url.parse().map_err(|_| Refused::Url)?;
    let authority = uri.authority().ok_or(Refused::Url)?;
    if authority.as_str().contains('@') {
        return Err(Refused::Credentials);
    }
    match uri.scheme_str() {
        Some("https") => Ok(uri),
        Some("http") if !issuer.is_https() && is_this_machine(authority.host()) => Ok(uri),
        Some(_) | None => Err(Refused::Scheme),
    }
}

/// The JSON object of an answer that is 200.
pub(crate) fn object(response: &Response<Bytes>, what: &'static str) -> Result<Map<String, Value>, Fault> {
    if response.status() != StatusCode::OK {
        return Err(Fault::Status(response.status()));
    }
    serde_json::from_slice(response.body()).map_err(|_| Fault::Document(what))
}
