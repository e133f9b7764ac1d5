//! Asking the Sentinels where the primary is, and hearing from them when it is another.

use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::{join_all, select};
use futures_util::stream::FuturesUnordered;
use redis::aio::{MultiplexedConnection, PubSub};
use redis::{ErrorKind, RedisError, Value};
use tokio::sync::Notify;

use super::endpoint::Way;
use super::fault::Fault;
use super::url::{Login, Node};

/// Between two questions, while nothing is heard.
const ASKS_EVERY: Duration = Duration::from_secs(5);

/// Where a connection leads.
#[derive(Clone)]
pub(super) enum Target {
    /// To one server, whatever it is.
    Server(Node),
    /// To the primary that Sentinels know by a name.
    Primary { name: String, sentinels: Vec<Node>, login: Login },
}

impl Target {
    /// A new connection to it, and to which server that is now.
    pub(super) async fn open(
        &self,
        way: &Way,
        login: &Login,
        database: u16,
    ) -> Result<(MultiplexedConnection, Node), Fault> {
        match self {
            Self::Server(node) => Ok((connected(way, node, login, database).await?, node.clone())),
            Self::Primary { name, sentinels, login: known } => {
                let primary = primary(way, name, sentinels, known).await?;
                let mut connection = connected(way, &primary, login, database).await?;
                // A Sentinel may not have heard yet that its primary has become a replica.
                match redis::cmd("ROLE").query_async::<Vec<Value>>(&mut connection).await?.first() {
                    Some(Value::BulkString(role)) if role == b"master" => Ok((connection, primary)),
                    _ => Err(Fault::NotPrimary(primary.to_string())),
                }
            }
        }
    }

    /// Waits until it is another server than `now`.
    ///
    /// A primary that was replaced goes on taking writes until somebody tells it, and forgets them then.
    pub(super) async fn moved(&self, way: &Way, now: &Node) {
        match self {
            Self::Server(_) => std::future::pending().await,
            Self::Primary { name, sentinels, login } => {
                let news = Notify::new();
                let listening =
                    join_all(sentinels.iter().map(|sentinel| listen(way, sentinel, login, &news)));
                let asking = async {
                    loop {
                        if primary(way, name, sentinels, login).await.is_ok_and(|primary| primary != *now) {
                            return;
                        }
                        // Of whichever primary, or of none: asked again, they say what is true.
                        let _ = tokio::time::timeout(ASKS_EVERY, news.notified()).await;
                    }
                };
                select(pin!(listening), pin!(asking)).await;
            }
        }
    }
}

pub(super) async fn connected(
    way: &Way,
    node: &Node,
    login: &Login,
    database: u16,
) -> Result<MultiplexedConnection, Fault> {
    let client = way.to(node, login, database)?;
    match client.get_multiplexed_async_connection_with_config(&way.patience()).await {
        Err(error) if error.kind() == ErrorKind::AuthenticationFailed => {
            Err(refused(way, node, login, error).await)
        }
        answered => Ok(answered?),
    }
}

/// Why a log-in failed. The driver says of any error that the password is wrong; a server with too many clients, or one that reads its
/// file, answers everything with one, and that passes. Only a server that says so itself refuses who we are.
async fn refused(way: &Way, node: &Node, login: &Login, failed: RedisError) -> Fault {
    let mut log_in = redis::cmd("AUTH");
    log_in.arg(login.user.as_deref()).arg(login.password());
    let asked = async {
        let client = way.to(node, &Login::default(), 0)?;
        let mut connection = client.get_multiplexed_async_connection_with_config(&way.patience()).await?;
        Ok::<(), Fault>(log_in.query_async(&mut connection).await?)
    };
    match asked.await {
        Err(Fault::Driver(error)) if is_refusal(&error) => Fault::Driver(failed),
        Err(fault) => fault,
        Ok(()) => Fault::Connecting,
    }
}

fn is_refusal(error: &RedisError) -> bool {
    matches!(error.code(), Some("WRONGPASS" | "NOAUTH" | "NOPERM"))
}

/// What more than half of all Sentinels answer, as soon as they have.
///
/// One that is cut off together with a primary goes on naming it when the others have replaced it.
async fn primary(way: &Way, name: &str, sentinels: &[Node], login: &Login) -> Result<Node, Fault> {
    let mut answers: FuturesUnordered<_> =
        sentinels.iter().map(|sentinel| asked(way, sentinel, name, login)).collect();
    let (mut named, mut failed) = (Vec::new(), None);
    while let Some(answer) = answers.next().await {
        match answer {
            Ok(Some(primary)) => {
                named.push(primary.clone());
                if named.iter().filter(|other| **other == primary).count() > sentinels.len() / 2 {
                    return Ok(primary);
                }
            }
            Ok(None) => {}
            Err(fault) => failed = Some(fault),
        }
    }
    Err(match failed {
        _ if !named.is_empty() => Fault::NoMajority(name.to_owned()),
        Some(fault) => fault,
        None => Fault::NoPrimary(name.to_owned()),
    })
}

async fn asked(way: &Way, sentinel: &Node, name: &str, login: &Login) -> Result<Option<Node>, Fault> {
    let mut connection = connected(way, sentinel, login, 0).await?;
    let mut ask = redis::cmd("SENTINEL");
    ask.arg("get-master-addr-by-name").arg(name);
    let address: Option<(String, u16)> = ask.query_async(&mut connection).await?;
    Ok(address.map(|(host, port)| Node { host, port }))
}

/// Tells whenever this Sentinel says that a primary was replaced, and when it may have said so unheard. Never ends.
async fn listen(way: &Way, sentinel: &Node, login: &Login, news: &Notify) {
    loop {
        if let Ok(mut heard) = subscribed(way, sentinel, login).await {
            news.notify_one();
            let mut messages = heard.on_message();
            while messages.next().await.is_some() {
                news.notify_one();
            }
        }
        tokio::time::sleep(ASKS_EVERY / 5).await;
    }
}

async fn subscribed(way: &Way, sentinel: &Node, login: &Login) -> Result<PubSub, Fault> {
    let mut heard = way.to(sentinel, login, 0)?.get_async_pubsub().await?;
    heard.subscribe("+switch-master").await?;
    Ok(heard)
}
