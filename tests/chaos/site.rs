//! What clients know of the place that they ask, and how an answer reads.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Response, StatusCode};
use http_io::{Peer, Serve};
use oauth_types::Form;
use serde_json::{Value, json};
use testkit::bare::Bare;
use testkit::client::{Client, ResourceServer};
use testkit::world::{Params, World, request};

use crate::log::{Answer, Ask, Caller, Entry, Log};

/// How long a client waits before it gives up: longer than the way to a process does, and than anything takes where nothing fails.
const PATIENCE: Duration = Duration::from_secs(90);

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// A client, a person who has consented to it, and two resource servers, at some processes over one store.
pub(crate) struct Site {
    pub(crate) ways: Vec<Arc<dyn Serve>>,
    authorize: String,
    cookie: String,
    client: Params,
    redeem: Params,
    keys: [String; 2],
    callback: String,
}

impl Site {
    /// Registers all of it at processes that were just started, and lets the person consent.
    pub(crate) async fn set_up(world: &World, ways: Vec<Arc<dyn Serve>>) -> Self {
        let own = ResourceServer::usual(world).await;
        let other = json!({ "name": "Other", "resource_url": "https://other.example/mcp" });
        let other = ResourceServer::register(world, &other).await;
        let client = Client::public(world).await;
        let mut ada = world.person("ada@example.com").await;
        client.connect(world, &mut ada).await;
        let mut cookies = std::collections::BTreeMap::new();
        for set in &ada.set {
            let pair = set.split(';').next().unwrap_or_default();
            cookies.extend(pair.split_once('='));
        }
        let cookies: Vec<_> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        Self {
            ways,
            authorize: format!("/oauth/authorize?{}", client.asking().to_query()),
            cookie: cookies.join("; "),
            client: Params::of(&[("client_id", &client.id)]),
            redeem: client.redeeming("").without("code"),
            keys: [own.key, other.key],
            callback: client.redirect_uri,
        }
    }

    /// The same over servers in this process.
    pub(crate) async fn of(bares: &[Arc<Bare>]) -> Self {
        let first = &bares[0];
        first.live().await;
        let client = Params::of(&[("client_id", testkit::bare::id(testkit::bare::Party::Own).as_str())]);
        Self {
            ways: bares.iter().map(|bare| Arc::new(InProcess(Arc::clone(bare))) as Arc<dyn Serve>).collect(),
            authorize: first.authorization_path(),
            cookie: String::new(),
            redeem: client
                .clone()
                .and("grant_type", "authorization_code")
                .and("code_verifier", testkit::bare::VERIFIER),
            client,
            keys: first.resources.each_ref().map(|(_, key)| key.clone()),
            callback: testkit::bare::CALLBACK.to_owned(),
        }
    }

    /// Asks a process, and writes down what came back.
    pub(crate) async fn ask(&self, log: &Log, process: usize, ask: Ask) -> Answer {
        let (method, path, headers, body) = self.request(&ask);
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let request = request(method, path, &headers, body);
        let began = log.tick();
        let answered = tokio::time::timeout(PATIENCE, self.ways[process].serve(request, Peer(None))).await;
        let ended = log.tick();
        let answer = answered.map_or(Answer::Nothing, |response| read(&ask, &response, &self.callback));
        log.keep(Entry { ask, process, began, ended, answer: answer.clone() });
        answer
    }

    fn request(&self, ask: &Ask) -> (Method, &str, Vec<(&'static str, String)>, Bytes) {
        let form = |path, params: Params| {
            (Method::POST, path, vec![(FORM.0, FORM.1.to_owned())], params.to_query().into())
        };
        match ask {
            Ask::Authorize => {
                (Method::GET, &self.authorize, vec![("cookie", self.cookie.clone())], Bytes::new())
            }
            Ask::Redeem(code) => form("/oauth/token", self.redeem.clone().and("code", code)),
            Ask::Refresh(token) => {
                let refresh = self.client.clone().and("grant_type", "refresh_token");
                form("/oauth/token", refresh.and("refresh_token", token))
            }
            Ask::Revoke(token) => form("/oauth/revoke", self.client.clone().and("token", token)),
            Ask::Introspect(token, caller) => {
                let key = match caller {
                    Caller::Own => &self.keys[0],
                    Caller::Other => &self.keys[1],
                };
                let (method, path, mut headers, body) =
                    form("/oauth/introspect", Params::of(&[("token", token)]));
                headers.push(("authorization", format!("Bearer {key}")));
                (method, path, headers, body)
            }
        }
    }
}

struct InProcess(Arc<Bare>);

#[async_trait]
impl Serve for InProcess {
    async fn serve(&self, request: http::Request<Bytes>, peer: Peer) -> Response<Bytes> {
        self.0.server.serve(request, peer).await
    }
}

/// What an answer says. 502 is what stands for none ([`Way`](testkit::process::Way)).
fn read(ask: &Ask, response: &Response<Bytes>, callback: &str) -> Answer {
    match response.status() {
        StatusCode::BAD_GATEWAY => return Answer::Nothing,
        StatusCode::SERVICE_UNAVAILABLE => return Answer::Unavailable,
        _ => {}
    }
    let said: Value = serde_json::from_slice(response.body()).unwrap_or_default();
    let text = |name: &str| said[name].as_str().map(ToOwned::to_owned);
    let read = match (ask, response.status().as_u16()) {
        (Ask::Authorize, 302 | 303) => code(response, callback).map(Answer::Code),
        (Ask::Redeem(_) | Ask::Refresh(_), 200) => text("access_token")
            .zip(text("refresh_token"))
            .map(|(access, refresh)| Answer::Tokens(access, refresh)),
        (Ask::Redeem(_) | Ask::Refresh(_), 400) if said["error"] == "invalid_grant" => Some(Answer::Refused),
        (Ask::Revoke(_), 200) => Some(Answer::Revoked),
        (Ask::Introspect(..), 200) => said["active"].as_bool().map(Answer::Active),
        _ => None,
    };
    read.unwrap_or_else(|| {
        let body = String::from_utf8_lossy(response.body());
        Answer::Odd(format!(
            "{} {:?} {}",
            response.status(),
            response.headers(),
            body.get(..600).unwrap_or(&body)
        ))
    })
}

/// I6: of an answer that goes to the client's own address and to no other.
fn code(response: &Response<Bytes>, callback: &str) -> Option<String> {
    let (address, query) = response.headers().get("location")?.to_str().ok()?.split_once('?')?;
    let query = Form::parse(query.as_bytes()).ok().filter(|_| address == callback)?;
    query.one("code").ok()?.map(ToOwned::to_owned)
}
