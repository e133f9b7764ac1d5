//! Asking the servers, however they belong together.

use std::time::Duration;

use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo, SingleNodeRoutingInfo};
use redis::{Cmd, Pipeline, RedisError, Value};

use super::cluster::{Cluster, Patience};
use super::endpoint::Way;
use super::fault::Fault;
use super::keys::Keys;
use super::link::{Link, Opens};
use super::options::RedisOptions;
use super::replicas::{Demand, Replicas};
use super::sentinel::{Target, connected};
use super::url::{Login, Node, RedisUrl, Shape};

/// The way to one primary, or to all of a Cluster.
///
/// Whatever is asked may be sent more than once, by us or by the driver, when a reply got lost: every command here is one
/// that may be.
pub(super) enum Wire {
    /// With another way for what must reach replicas first, if that is asked for.
    One(Link, Option<Replicas>),
    Cluster(Cluster),
}

/// What one command was answered.
pub(super) type Answer = Result<Value, RedisError>;

impl Wire {
    pub(super) async fn open(url: &RedisUrl, options: &RedisOptions, keys: &Keys) -> Result<Self, Fault> {
        let way = Way::of(url, options)?;
        let login = url.login.clone();
        // Asking the Sentinels, or a first node, and then connecting.
        let opening = options.connecting * 2;
        let target = match &url.shape {
            Shape::Cluster if options.replicas > 0 => return Err(Fault::NoWaiting),
            Shape::Cluster => {
                let client = way.to_cluster(&url.nodes, &login)?;
                let patience = Patience { opening, answering: options.answering };
                return match Cluster::open(client, patience).await {
                    Ok(cluster) => Ok(Self::Cluster(cluster)),
                    Err(fault) => Err(refused(&way, &url.nodes, &login).await.unwrap_or(fault)),
                };
            }
            Shape::Alone => url.nodes.first().cloned().map(Target::Server).ok_or(Fault::Ended)?,
            Shape::Sentinel { primary, login } => {
                Target::Primary { name: primary.clone(), sentinels: url.nodes.clone(), login: login.clone() }
            }
        };
        let opener = Opener { way, target, login, database: url.database, patience: opening };
        let demand = Demand { replicas: options.replicas, patience: options.answering / 2 };
        let replicas = match demand.replicas {
            0 => None,
            _ => Some(Replicas::behind(Link::open(opener.clone()).await?, demand, keys.probe(0))),
        };
        Ok(Self::One(Link::open(opener).await?, replicas))
    }

    /// Whether commands that are asked together are done in their order.
    pub(super) const fn keeps_order(&self) -> bool {
        matches!(self, Self::One(..))
    }

    /// Asks one.
    pub(super) async fn ask(&self, command: Cmd) -> Result<Value, Fault> {
        Ok(self.send(vec![command]).await?.pop().ok_or(Fault::Unexpected)??)
    }

    /// Asks all of these in one round trip; fails if one does.
    pub(super) async fn ask_all(&self, commands: Vec<Cmd>) -> Result<Vec<Value>, Fault> {
        // The driver calls an empty pipeline a mistake.
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        let answers = self.send(commands).await?;
        Ok(answers.into_iter().collect::<Result<_, _>>()?)
    }

    /// Asks all of these in one round trip, each with an answer of its own.
    pub(super) async fn send(&self, commands: Vec<Cmd>) -> Result<Vec<Answer>, Fault> {
        match self {
            Self::One(link, _) => {
                let mut pipeline = Pipeline::with_capacity(commands.len());
                for command in commands {
                    pipeline.add_command(command);
                }
                link.ask(&pipeline).await
            }
            Self::Cluster(cluster) => {
                Ok(join_all(commands.into_iter().map(|command| cluster.ask(command))).await)
            }
        }
    }

    /// The same; answered when as many replicas as asked for have what the answers say.
    pub(super) async fn write(&self, commands: Vec<Cmd>) -> Result<Vec<Answer>, Fault> {
        match self {
            Self::One(_, Some(replicas)) => replicas.send(commands).await,
            Self::One(_, None) | Self::Cluster(_) => self.send(commands).await,
        }
    }

    /// Asks every primary.
    pub(super) async fn ask_primaries(&self, command: Cmd) -> Result<Vec<Value>, Fault> {
        Ok(self.ask_each_primary(command).await?.into_iter().map(|(_, answer)| answer).collect())
    }

    /// Asks every primary, and tells which answered what.
    pub(super) async fn ask_each_primary(&self, command: Cmd) -> Result<Vec<(Primary, Value)>, Fault> {
        match self {
            Self::One(..) => Ok(vec![(Primary::Only, self.ask(command).await?)]),
            Self::Cluster(cluster) => {
                let everywhere = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
                let answers = cluster.ask_those(everywhere, command).await?;
                let Value::Map(answers) = answers else { return Err(Fault::Unexpected) };
                answers.into_iter().map(|(address, answer)| Ok((Primary::at(address)?, answer))).collect()
            }
        }
    }

    /// Asks the primary that answered before.
    pub(super) async fn ask_there(&self, primary: &Primary, command: Cmd) -> Result<Value, Fault> {
        match (self, primary) {
            (Self::Cluster(cluster), Primary::At { host, port }) => {
                let there = SingleNodeRoutingInfo::ByAddress { host: host.clone(), port: *port };
                Ok(cluster.ask_those(RoutingInfo::SingleNode(there), command).await?)
            }
            (Self::One(..), _) | (Self::Cluster(_), Primary::Only) => self.ask(command).await,
        }
    }
}

/// One of those that [`Wire::ask_each_primary`] asks.
pub(super) enum Primary {
    Only,
    At { host: String, port: u16 },
}

impl Primary {
    fn at(address: Value) -> Result<Self, Fault> {
        let address: String = redis::from_redis_value(address).map_err(RedisError::from)?;
        let (host, port) = address.rsplit_once(':').ok_or(Fault::Unexpected)?;
        let port = port.parse().map_err(|_| Fault::Unexpected)?;
        Ok(Self::At { host: host.to_owned(), port })
    }
}

/// What a node of a Cluster says of us, if it is that which keeps us out: of no node the driver tells it apart from all else.
async fn refused(way: &Way, nodes: &[Node], login: &Login) -> Option<Fault> {
    for node in nodes {
        match connected(way, node, login, 0).await {
            Err(fault) if fault.refuses_us() => return Some(fault),
            Err(_) => {}
            Ok(mut connection) => {
                let mut ask = redis::cmd("INFO");
                ask.arg("cluster");
                let info = ask.query_async::<String>(&mut connection).await;
                if info.is_ok_and(|info| info.contains("cluster_enabled:0")) {
                    return Some(Fault::NoCluster);
                }
            }
        }
    }
    None
}

#[derive(Clone)]
struct Opener {
    way: Way,
    target: Target,
    login: Login,
    database: u16,
    patience: Duration,
}

#[async_trait::async_trait]
impl Opens for Opener {
    async fn open(&self) -> Result<(MultiplexedConnection, Node), Fault> {
        let opening = self.target.open(&self.way, &self.login, self.database);
        tokio::time::timeout(self.patience, opening).await.map_err(|_| Fault::Connecting)?
    }

    async fn moved(&self, there: &Node) {
        self.target.moved(&self.way, there).await;
    }
}
