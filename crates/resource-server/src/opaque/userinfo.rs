//! Using a token to learn whose it is (OpenID Connect Core section 5.3).

use bytes::Bytes;
use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
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

/// What the answer says; 401 is that the token is not good, and so are 400 and 403 that say so in the words of RFC 6750 section 3.1:
/// a proxy may answer these two, too.
pub(crate) fn read(url: &str, response: &Response<Bytes>) -> Result<Claims, Rejection> {
    let refused = match response.status() {
        StatusCode::UNAUTHORIZED => true,
        StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN => names_an_error(response.headers()),
        _ => false,
    };
    if refused {
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

/// Whether a Bearer challenge has one of the errors of RFC 6750 section 3.1.
fn names_an_error(headers: &HeaderMap) -> bool {
    let challenges = headers.get_all(WWW_AUTHENTICATE).into_iter().filter_map(|value| value.to_str().ok());
    challenges
        .filter_map(|challenge| challenge.trim_start().split_at_checked("Bearer ".len()))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Bearer "))
        .any(|(_, parameters)| {
            unquoted_pieces(parameters).any(|piece| {
                let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
                name.trim().eq_ignore_ascii_case("error") && ERRORS.contains(&value.trim().trim_matches('"'))
            })
        })
}

/// The pieces between the commas that are not in quotes.
fn unquoted_pieces(text: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |one| {
        let literal = std::mem::take(&mut escaped);
        match one {
            '"' if !literal => quoted = !quoted,
            '\\' if quoted && !literal => escaped = true,
            _ => {}
        }
        one == ',' && !quoted
    })
}

const ERRORS: [&str; 3] = ["invalid_token", "insufficient_scope", "invalid_request"];
const DOCUMENT: &str = "what a userinfo endpoint says";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_found_where_it_stands_and_nowhere_else() {
        for (challenge, found) in [
            (r#"Bearer error="invalid_token""#, true),
            (r#"bearer realm="a, b", error=insufficient_scope , scope="x""#, true),
            (r#"Bearer realm="a \" , error=\"", ERROR = "invalid_request""#, true),
            (r#"Bearer realm="x, error=invalid_token""#, false),
            (r#"Bearer error="server_error""#, false),
            (r#"Bearer error_description="invalid_token""#, false),
            (r#"Basic error="invalid_token""#, false),
            ("Bearer", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Basic"));
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
            assert_eq!(names_an_error(&headers), found, "{challenge}");
        }
    }
}
