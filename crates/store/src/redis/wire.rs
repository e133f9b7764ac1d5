//! Asking the servers, however they belong together.

use std::time::Duration;

use futures_util::future::join_all;
use redis::aio::{ConnectionLike as _, MultiplexedConnection};
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo};
use redis::{Cmd, Pipeline, RedisError, Value};

use super::endpoint::Way;
use super::fault::{Fault, breaks};
use super::link::{Link, Opens};
use super::options::RedisOptions;
use super::sentinel::Target;
use super::url::{Login, Node, RedisUrl, Shape};

/// The way to one primary, or to all of a Cluster.
///
/// Whatever is asked may be sent more than once, by us or by the driver, when a reply got lost: every command here is one
/// that may be.
pub(super) enum Wire {
    One(Link),
    Cluster(ClusterConnection),
}

/// What one command was answered.
pub(super) type Answer = Result<Value, RedisError>;

impl Wire {
    pub(super) async fn open(url: &RedisUrl, options: &RedisOptions) -> Result<Self, Fault> {
        let way = Way::of(url, options)?;
        let login = way.login(&url.login);
        let target = match &url.shape {
            Shape::Cluster => {
                let client = way.to_cluster(&url.nodes, &login)?;
                return Ok(Self::Cluster(client.get_async_connection().await?));
            }
            Shape::Alone => url.nodes.first().cloned().map(Target::Server).ok_or(Fault::Ended)?,
            Shape::Sentinel { primary, login } => {
                Target::Primary { name: primary.clone(), sentinels: url.nodes.clone(), login: login.clone() }
            }
        };
        let opener = Opener { way, target, login, database: url.database, patience: options.connecting * 2 };
        Ok(Self::One(Link::open(opener).await?))
    }

    /// Whether commands that are asked together are done in their order.
    pub(super) const fn keeps_order(&self) -> bool {
        matches!(self, Self::One(_))
    }

    /// Asks one.
    pub(super) async fn ask(&self, command: Cmd) -> Result<Value, Fault> {
        let [answer] = self.ask_each([command]).await?;
        Ok(answer?)
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

    /// Asks as many as there are, each with an answer of its own.
    pub(super) async fn ask_each<const N: usize>(&self, commands: [Cmd; N]) -> Result<[Answer; N], Fault> {
        let answers = self.send(Vec::from(commands)).await?;
        answers.try_into().map_err(|_| Fault::Unexpected)
    }

    pub(super) async fn send(&self, commands: Vec<Cmd>) -> Result<Vec<Answer>, Fault> {
        match self {
            Self::One(link) => {
                let mut pipeline = Pipeline::with_capacity(commands.len());
                for command in commands {
                    pipeline.add_command(command);
                }
                link.ask(&pipeline).await
            }
            Self::Cluster(cluster) => {
                Ok(join_all(commands.into_iter().map(|command| routed(cluster.clone(), command))).await)
            }
        }
    }

    /// Asks every primary.
    pub(super) async fn ask_primaries(&self, command: Cmd) -> Result<Vec<Value>, Fault> {
        match self {
            Self::One(_) => Ok(vec![self.ask(command).await?]),
            Self::Cluster(cluster) => {
                let everywhere = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
                let answers = cluster.clone().route_command(command, everywhere).await?.extract_error()?;
                let Value::Map(answers) = answers else { return Err(Fault::Unexpected) };
                Ok(answers.into_iter().map(|(_, answer)| answer).collect())
            }
        }
    }
}

/// Asks whoever has the slot; once more if the answer got lost, which the driver sometimes does itself.
async fn routed(mut cluster: ClusterConnection, command: Cmd) -> Answer {
    let mut answer = cluster.req_packed_command(&command).await.and_then(Value::extract_error);
    if answer.as_ref().is_err_and(breaks) {
        answer = cluster.req_packed_command(&command).await.and_then(Value::extract_error);
    }
    answer
}

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
