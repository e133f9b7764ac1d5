//! Where an issuer says that its keys and endpoints are (RFC 8414, OpenID Connect Discovery).

use http::StatusCode;
use http_io::FetchError;
use oauth_types::{Issuer, well_known};
use serde_json::{Map, Value};

use super::asking::{self, Asking, JSON};
use crate::{Fault, Unavailable};

/// What a discovery document says, in what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Discovered {
    /// The issuer in its own text: what `iss` of its tokens is compared with.
    pub(crate) issuer: Issuer,
    /// The URL of the member that was asked for.
    pub(crate) url: String,
}

/// Asks for `member` of the issuer's document, which is looked for at three places (MCP 2026-07-28): the one of RFC 8414, then those of
/// OpenID Connect. Other members may be whatever they are.
///
/// # Errors
///
/// What went wrong at the place that came closest to an answer.
pub(crate) async fn discover(asking: &Asking, member: &'static str) -> Result<Discovered, Unavailable> {
    let mut worst: Option<Unavailable> = None;
    let mut unsure: Option<Unavailable> = None;
    for url in places(asking.issuer()) {
        let found = asking.get(&url, JSON, None, asking::DISCOVERY).await;
        let gone =
            matches!(found, Err(FetchError::Refused(_) | FetchError::Unreachable(_) | FetchError::TimedOut));
        match read(asking.issuer(), &url, found, member) {
            Ok(discovered) => return Ok(discovered),
            // The other places are of the same server: it does not answer there either, and whoever waits has waited enough.
            Err(fault) if gone => return Err(fault),
            Err(fault) if is_for_now(&fault) => unsure = Some(fault),
            Err(fault) if worst.as_ref().is_none_or(|last| closeness(last) <= closeness(&fault)) => {
                worst = Some(fault);
            }
            Err(_) => {}
        }
    }
    // A document of another issuer is the last word only if no other place could have had the right one.
    Err(unsure.or(worst).unwrap_or_else(|| unasked(asking.issuer())))
}

/// What there is to say of a document that was not asked for yet.
pub(crate) fn unasked(issuer: &Issuer) -> Unavailable {
    Unavailable::Discovery { url: well_known::authorization_server(issuer), fault: Fault::NotYet }
}

/// Whether both are one issuer, but for one final slash, which is easily lost on the way into a configuration.
pub(crate) fn same_but_for_a_slash(one: &str, other: &str) -> bool {
    one.strip_suffix('/').unwrap_or(one) == other.strip_suffix('/').unwrap_or(other)
}

fn places(issuer: &Issuer) -> Vec<String> {
    let mut places = vec![
        well_known::authorization_server(issuer),
        well_known::openid_configuration_inserted(issuer),
        well_known::openid_configuration_appended(issuer),
    ];
    places.dedup();
    places
}

fn read(
    configured: &Issuer,
    url: &str,
    found: Result<http::Response<bytes::Bytes>, FetchError>,
    member: &'static str,
) -> Result<Discovered, Unavailable> {
    let unusable = |fault| Unavailable::Discovery { url: url.to_owned(), fault };
    let document = found
        .map_err(Fault::Fetch)
        .and_then(|response| asking::object(&response, "a discovery document"))
        .map_err(unusable)?;
    let named = text(&document, "issuer")
        .ok_or_else(|| Unavailable::Incomplete { url: url.to_owned(), member: "issuer" })?;
    let issuer = Issuer::parse(named)
        .ok()
        .filter(|issuer| same_but_for_a_slash(issuer.as_str(), configured.as_str()))
        .ok_or_else(|| Unavailable::IssuerMismatch {
            configured: configured.to_string(),
            found: named.chars().filter(|one| !one.is_control()).take(LONGEST_SHOWN).collect(),
        })?;
    let of_member =
        text(&document, member).ok_or_else(|| Unavailable::Incomplete { url: url.to_owned(), member })?;
    Ok(Discovered { issuer, url: of_member.to_owned() })
}

fn text<'a>(document: &'a Map<String, Value>, member: &str) -> Option<&'a str> {
    document.get(member).and_then(Value::as_str)
}

/// Whether the place may answer otherwise in a moment.
fn is_for_now(fault: &Unavailable) -> bool {
    matches!(fault, Unavailable::Discovery { fault: Fault::Status(status), .. }
        if status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS)
}

/// A document of another issuer says more than none.
fn closeness(fault: &Unavailable) -> u8 {
    match fault {
        Unavailable::IssuerMismatch { .. } => 3,
        Unavailable::Incomplete { .. } => 2,
        Unavailable::Discovery { fault: Fault::Status(status), .. } if status.is_client_error() => 0,
        Unavailable::Discovery { .. }
        | Unavailable::Keys { .. }
        | Unavailable::Asking { .. }
        | Unavailable::KeyRefused { .. }
        | Unavailable::OwnCheck => 1,
    }
}

/// What another server says of itself goes into logs, in this length at most.
const LONGEST_SHOWN: usize = 200;
