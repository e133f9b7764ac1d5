//! Using a token to learn whose it is (OpenID Connect Core section 5.3).

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};
use http_io::FetchError;
use jose::Claims;
use oauth_types::bearer_header;
use secrecy::SecretString;

use crate::verifier::asking::{self, Asking, JSON};
use crate::{Fault, Invalid, Rejection, Unavailable};

/// Sends the token to `url`, as whoever it is from would.
pub(crate) async fn ask(
    asking: &Asking,
    url: &str,
    token: &SecretString,
) -> Result<Response<Bytes>, FetchError> {
    let Ok(mut authorization) = HeaderValue::try_from(bearer_header(token)) else {
        return Err(FetchError::Malformed);
    };
    authorization.set_sensitive(true);
    asking.get(url, JSON, Some(authorization), asking::OTHER).await
}

/// What the answer says; 401 is that the token is not good (RFC 6750 section 3.1).
pub(crate) fn read(url: &str, response: &Response<Bytes>) -> Result<Claims, Rejection> {
    if response.status() == StatusCode::UNAUTHORIZED {
        return Err(Invalid::Inactive.into());
    }
    let unusable = |fault| Unavailable::Asking { url: url.to_owned(), fault };
    let claims = asking::object(response, DOCUMENT).map_err(unusable)?;
    let claims = Claims::from(claims);
    match claims.text("sub") {
        Ok(Some(_)) => Ok(claims),
        Ok(None) | Err(_) => Err(unusable(Fault::Document(DOCUMENT)).into()),
    }
}

const DOCUMENT: &str = "what a userinfo endpoint says";
