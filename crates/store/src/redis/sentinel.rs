//! Asking the Sentinels where the primary is.

use redis::Value;
use redis::aio::MultiplexedConnection;

use super::endpoint::Way;
use super::fault::Fault;
use super::url::{Login, Node};

/// Where a connection leads.
pub(super) enum Target {
    /// To one server, whatever it is.
    Server(Node),
    /// To the primary that Sentinels know by a name.
    Primary { name: String, sentinels: Vec<Node>, login: Login },
}

impl Target {
    /// A new connection to it.
    pub(super) async fn open(
        &self,
        way: &Way,
        login: &Login,
        database: u16,
    ) -> Result<MultiplexedConnection, Fault> {
        match self {
            Self::Server(node) => connected(way, node, login, database).await,
            Self::Primary { name, sentinels, login: known } => {
                let primary = primary(way, name, sentinels, known).await?;
                let mut connection = connected(way, &primary, login, database).await?;
                // A Sentinel may not have heard yet that its primary has become a replica.
                match redis::cmd("ROLE").query_async::<Vec<Value>>(&mut connection).await?.first() {
                    Some(Value::BulkString(role)) if role == b"master" => Ok(connection),
                    _ => Err(Fault::NotPrimary(primary.to_string())),
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
