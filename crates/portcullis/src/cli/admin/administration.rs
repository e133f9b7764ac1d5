//! The way to the administration: over HTTP to a server that runs, or into the store of one that does not.

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, IF_MATCH};
use http::{HeaderName, HeaderValue, Method, Request, Response, Uri};
use http_io::{Client, Fetch as _, Guard, Limits, Network};
use oauth_types::Issuer;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use tokio::time::{Instant, sleep};
use zeroize::Zeroizing;

use super::ask::{Ask, Shape};
use super::{AdminError, Reach};
use crate::cli::{Environment, RunError};
use crate::compose::{OpenError, Portcullis};
use crate::config::{Config, Settings, StoreKind};
use crate::data::{DataError, DataFolder};
use crate::health;

/// More than any page.
const LIMITS: Limits = Limits { body: 16 << 20, time: Duration::from_secs(60) };
/// How long another command may have the data folder, or a server that starts.
const PATIENCE: Duration = Duration::from_secs(5);
/// What makes something only once.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// The administration, as it is reached.
pub(super) enum Administration {
    /// A server that runs.
    Server {
        /// Where, without a slash at the end.
        url: String,
        /// What opens its administration.
        authorization: HeaderValue,
        /// What asks it.
        client: Client,
    },
    /// The store itself.
    Store(Box<Portcullis>),
}

impl Administration {
    /// The server that is named, or the one that has the data folder; else what is in the data folder, or in the Redis that is
    /// configured.
    pub(super) async fn find(reach: &Reach, environment: &Environment<'_>) -> Result<Self, RunError> {
        let data = reach.data.as_deref().and_then(|text| text.parse().ok());
        let flags = Settings { data, ..Settings::default() };
        let mut settings = Settings::gathered(flags, reach.config.as_deref(), environment.look_up)?;
        if reach.data.is_some() {
            // Who names a folder means it, wherever servers keep their records.
            (settings.store, settings.store_file) = (None, None);
        }
        let asking = Asking { reach, settings, look_up: environment.look_up };
        if let Some(url) = &reach.url {
            return asking.server(url);
        }
        match asking.settings.store_kind()? {
            StoreKind::Memory => Err(AdminError::Forgetful.into()),
            StoreKind::Redis(_) => Ok(asking.store().await?),
            StoreKind::Sqlite => asking.folder().await,
        }
    }

    fn server(url: &str, key: Option<SecretString>) -> Result<Self, AdminError> {
        let url = url.trim_end_matches('/').to_owned();
        let uri: Uri = url.parse().map_err(|_| AdminError::Url)?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.query().is_some() {
            return Err(AdminError::Url);
        }
        let key = key.ok_or_else(|| AdminError::NoKey(url.clone()))?;
        let text = Zeroizing::new(format!("Bearer {}", key.expose_secret()));
        let mut authorization = HeaderValue::from_str(&text).map_err(|_| AdminError::Key)?;
        authorization.set_sensitive(true);
        // The operator names it, so it may be anywhere of theirs; without TLS the key goes to no public address.
        let guard = Guard::public_only().dangerous_loopback().dangerous_private_networks();
        Ok(Self::Server { url, authorization, client: Client::new(guard)? })
    }

    /// What is wise to change, though it can be asked like this.
    pub(super) fn warning(&self) -> Option<String> {
        let Self::Server { url, .. } = self else { return None };
        shows_the_key(url).then(|| {
            format!("the admin key is sent to {url} without TLS, where others on the way can read it; https keeps it from them")
        })
    }

    /// The body of the answer, if it is a good one.
    pub(super) async fn asked(&self, ask: &Ask) -> Result<Bytes, AdminError> {
        self.answered(ask).await.map(Response::into_body)
    }

    /// The answer, if it is a good one.
    pub(super) async fn answered(&self, ask: &Ask) -> Result<Response<Bytes>, AdminError> {
        let answer = match self {
            Self::Server { url, authorization, client } => {
                let mut request = request(url, ask).ok_or(AdminError::Url)?;
                request.headers_mut().insert(AUTHORIZATION, authorization.clone());
                let answer = client.fetch(request, LIMITS).await;
                answer.map_err(|source| AdminError::Fetch { url: url.clone(), source })?
            }
            Self::Store(portcullis) => {
                let issuer = portcullis.issuer();
                if matches!(ask.shape, Shape::Followed) && self.is_nobodys() {
                    return Err(AdminError::NothingToFollow);
                }
                let request = request(issuer.path(), ask).ok_or_else(|| self.strange())?;
                portcullis.operate(&request).await
            }
        };
        if answer.status().is_success() { Ok(answer) } else { Err(self.problem(&answer)) }
    }

    /// Ends it: what was done is in the audit trail then, and letters have gone out.
    pub(super) async fn close(self) {
        if let Self::Store(portcullis) = self {
            portcullis.finish().await;
        }
    }

    /// Why an answer is none.
    pub(super) fn strange(&self) -> AdminError {
        AdminError::Strange(match self {
            Self::Server { url, .. } => url.clone(),
            Self::Store(portcullis) => portcullis.issuer().to_string(),
        })
    }

    /// Whether no other process can write to the store meanwhile.
    fn is_nobodys(&self) -> bool {
        match self {
            Self::Server { .. } => false,
            Self::Store(portcullis) => portcullis.has_data_folder(),
        }
    }

    fn problem(&self, answer: &Response<Bytes>) -> AdminError {
        let document = String::from_utf8_lossy(answer.body()).into_owned();
        let said: Value = serde_json::from_str(&document).unwrap_or_default();
        // A server that waits for its store speaks as OAuth does.
        let detail = ["detail", "error_description"].iter().find_map(|member| said.get(member)?.as_str());
        match detail {
            Some(detail) => AdminError::Problem {
                status: answer.status(),
                detail: super::table::clean(detail.trim_end_matches('.')),
                document,
            },
            None => self.strange(),
        }
    }
}

/// What is known before the way is: of the settings each is read where it is needed, so that who asks a server needs none of those
/// that it runs with.
struct Asking<'a> {
    reach: &'a Reach,
    settings: Settings,
    look_up: &'a dyn Fn(&str) -> Option<OsString>,
}

impl Asking<'_> {
    fn server(&self, url: &str) -> Result<Administration, RunError> {
        let key = self.settings.key_of_commands(self.reach.key_file.as_deref(), self.look_up)?;
        Ok(Administration::server(url, key)?)
    }

    async fn store(&self) -> Result<Administration, RunError> {
        let config = Config::of(&self.settings, self.look_up)?;
        Ok(Administration::Store(Box::new(Portcullis::builder(config).existing().open().await?)))
    }

    async fn folder(&self) -> Result<Administration, RunError> {
        let folder = self.settings.folder()?;
        if !DataFolder::database_in(&folder).is_file() {
            return Err(AdminError::NoDatabase(folder).into());
        }
        let until = Instant::now() + PATIENCE;
        loop {
            let opened = match DataFolder::keep_quiet(&folder) {
                Ok(quiet) => {
                    drop(quiet);
                    self.store().await
                }
                Err(error) => Err(OpenError::Data(error).into()),
            };
            let Err(RunError::Open(OpenError::Data(in_use @ DataError::InUse(_)))) = opened else {
                return opened;
            };
            if let Some(url) = DataFolder::server_in(&folder).map_err(OpenError::from)? {
                let (issuer, listen) = self.settings.address()?;
                return match is_of_this_machine(&url) || is_named(&url, issuer.as_ref(), listen) {
                    true => self.server(&url),
                    false => Err(AdminError::Elsewhere { folder, url }.into()),
                };
            }
            if Instant::now() >= until {
                return Err(OpenError::Data(in_use).into());
            }
            sleep(PAUSE).await;
        }
    }
}

/// Whether it is asked at this machine, whoever wrote the URL.
fn is_of_this_machine(url: &str) -> bool {
    url.parse().ok().and_then(|uri: Uri| address_in(&uri)).is_some_and(|address| address.is_loopback())
}

fn address_in(uri: &Uri) -> Option<IpAddr> {
    uri.host()?.trim_matches(['[', ']']).parse().ok()
}

/// Whether what is sent there leaves this machine as it is. To a public address nothing is sent.
fn shows_the_key(url: &str) -> bool {
    let leaves = |uri: &Uri| match address_in(uri) {
        Some(address) => Network::of(address) == Network::Private,
        None => uri.host() != Some("localhost"),
    };
    url.parse().is_ok_and(|uri: Uri| uri.scheme_str() == Some("http") && leaves(&uri))
}

/// Whether the configuration names it, as the issuer or as where a server listens.
fn is_named(url: &str, issuer: Option<&Issuer>, listen: SocketAddr) -> bool {
    let below =
        |base: &str| url.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    issuer.is_some_and(|issuer| below(issuer.as_str())) || below(&health::base_of(listen))
}

fn request(base: &str, ask: &Ask) -> Option<Request<Bytes>> {
    let request = Request::builder()
        .method(ask.method.clone())
        .uri(format!("{base}{}", ask.target()))
        .header(ACCEPT, "application/json");
    let request = match ask.body {
        Some(_) => request.header(CONTENT_TYPE, "application/json"),
        None => request,
    };
    let request = match &ask.if_match {
        Some(tag) => request.header(IF_MATCH, tag),
        None => request,
    };
    let request = match &ask.idempotency_key {
        Some(key) if ask.method == Method::POST => request.header(IDEMPOTENCY_KEY, key),
        Some(_) | None => request,
    };
    request.body(ask.bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The attack: a note in a folder that leads an admin key to whoever wrote it.
    #[test]
    fn a_note_leads_the_key_to_this_machine_or_where_the_configuration_says() {
        for (url, here) in [
            ("http://127.0.0.1:8414", true),
            ("http://127.9.0.1:8414/t1", true),
            ("http://[::1]:8414", true),
            ("http://10.0.0.7:8414", false),
            ("https://auth.example.com", false),
            ("http://127.0.0.1.example.com", false),
            ("http://127.0.0.1@example.com", false),
            ("http://localhost:8414", false),
            ("", false),
        ] {
            assert_eq!(is_of_this_machine(url), here, "{url}");
        }
        for (url, shown) in [
            ("http://10.0.0.7:8414", true),
            ("HTTP://auth.internal", true),
            ("https://10.0.0.7:8414", false),
            ("http://8.8.8.8", false),
            ("http://127.0.0.1:8414/t1", false),
            ("http://[::1]:8414", false),
            ("http://localhost:8414", false),
            ("http://localhost.example.com", true),
        ] {
            assert_eq!(shows_the_key(url), shown, "{url}");
        }
        let issuer = Issuer::parse("https://auth.example.com/t1").unwrap();
        let listen = "10.0.0.7:8414".parse().unwrap();
        for (url, named) in [
            ("https://auth.example.com/t1", true),
            ("http://10.0.0.7:8414/t1", true),
            ("https://auth.example.com", false),
            ("https://auth.example.com/t11", false),
            ("http://10.0.0.7:84141", false),
            ("http://10.0.0.7:8414@example.com", false),
        ] {
            assert_eq!(is_named(url, Some(&issuer), listen), named, "{url}");
        }
        assert!(!is_named("https://auth.example.com", None, listen));
    }
}
