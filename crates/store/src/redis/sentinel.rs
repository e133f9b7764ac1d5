//! Asking the Sentinels where the primary is, and hearing from them when it is another.

use std::time::Duration;

use futures_util::StreamExt as _;
use redis::Value;
use redis::aio::MultiplexedConnection;

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
                for sentinel in sentinels.iter().cycle() {
                    let watching = watched(way, sentinel, name, login, now);
                    match tokio::time::timeout(2 * ASKS_EVERY, watching).await {
                        Ok(Ok(Some(_))) => return,
                        Ok(Ok(None)) | Err(_) => {}
                        Ok(Err(_)) => tokio::time::sleep(ASKS_EVERY / 5).await,
                    }
                }
            }
        }
    }
}

async fn connected(
    way: &Way,
    node: &Node,
    login: &Login,
    database: u16,
) -> Result<MultiplexedConnection, Fault> {
    let client = way.to(node, login, database)?;
    Ok(client.get_multiplexed_async_connection_with_config(&way.patience()).await?)
}

/// The answer of the first Sentinel that has one.
async fn primary(way: &Way, name: &str, sentinels: &[Node], login: &Login) -> Result<Node, Fault> {
    let mut failed = None;
    for sentinel in sentinels {
        match asked(way, sentinel, name, login).await {
            Ok(Some(primary)) => return Ok(primary),
            Ok(None) => {}
            Err(fault) => failed = Some(fault),
        }
    }
    Err(failed.unwrap_or_else(|| Fault::NoPrimary(name.to_owned())))
}

async fn asked(way: &Way, sentinel: &Node, name: &str, login: &Login) -> Result<Option<Node>, Fault> {
    let mut connection = connected(way, sentinel, login, 0).await?;
    let mut ask = redis::cmd("SENTINEL");
    ask.arg("get-master-addr-by-name").arg(name);
    let address: Option<(String, u16)> = ask.query_async(&mut connection).await?;
    Ok(address.map(|(host, port)| Node { host, port }))
}

/// Which other primary there is, according to this Sentinel, now or when it next hears of one.
async fn watched(
    way: &Way,
    sentinel: &Node,
    name: &str,
    login: &Login,
    now: &Node,
) -> Result<Option<Node>, Fault> {
    let mut heard = way.to(sentinel, login, 0)?.get_async_pubsub().await?;
    heard.subscribe("+switch-master").await?;
    // What it said before we listened.
    let other = |found: Option<Node>| found.filter(|found| found != now);
    if let Some(other) = other(asked(way, sentinel, name, login).await?) {
        return Ok(Some(other));
    }
    // Of whichever primary, or of none: asked again, it says what is true.
    let _ = tokio::time::timeout(ASKS_EVERY, heard.on_message().next()).await;
    Ok(other(asked(way, sentinel, name, login).await?))
}
