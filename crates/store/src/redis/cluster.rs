//! The way to a Cluster: the driver's, made anew when it hangs.
//!
//! The driver follows slots that move and connections that close. A node that is silent on an open connection it asks again and
//! again, however long ago the others replaced it.

use std::io;
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::ClusterClient;
use redis::cluster_async::{ClusterConnection, Connect};
use redis::cluster_routing::RoutingInfo;
use redis::{AsyncConnectionConfig, Cmd, IntoConnectionInfo, Pipeline, RedisError, RedisFuture, Value};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::fault::{Fault, breaks};
use super::wire::Answer;

/// Between two attempts to make a connection, and between one that was made and the next: the first pause, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// Connections to all nodes, for good.
///
/// While the next ones are made those before serve on: of most nodes they are well.
pub(super) struct Cluster {
    current: watch::Receiver<Current>,
    // The number of the last connection that somebody found broken.
    broken: watch::Sender<u64>,
    patience: Patience,
    keeper: JoinHandle<()>,
}

/// How long to wait for what.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    /// For connections to all nodes.
    pub(super) opening: Duration,
    /// For one answer, redirections included.
    pub(super) answering: Duration,
}

#[derive(Clone)]
struct Current {
    number: u64,
    connection: ClusterConnection<Node>,
}

impl Cluster {
    /// Connects for the first time.
    pub(super) async fn open(client: ClusterClient, patience: Patience) -> Result<Self, Fault> {
        let connection = client.get_async_generic_connection().await?;
        let (told, current) = watch::channel(Current { number: 1, connection });
        let (broken, reports) = watch::channel(0);
        let keeper = tokio::spawn(keep(client, patience.opening, told, reports));
        Ok(Self { current, broken, patience, keeper })
    }

    /// Asks whoever has the slot of the command.
    pub(super) async fn ask(&self, command: Cmd) -> Answer {
        self.ask_twice(None, command).await
    }

    /// Asks those.
    pub(super) async fn ask_those(&self, route: RoutingInfo, command: Cmd) -> Answer {
        self.ask_twice(Some(route), command).await
    }

    /// Asks once more if the answer got lost, which the driver sometimes does itself.
    async fn ask_twice(&self, route: Option<RoutingInfo>, command: Cmd) -> Answer {
        let first = self.current.borrow().clone();
        let answer = self.ask_once(&first, route.clone(), &command).await;
        let next = match &answer {
            Err(error) if error.is_timeout() => match self.after(first.number).await {
                Some(next) => next,
                None => return answer,
            },
            Err(error) if breaks(error) => first,
            Err(_) | Ok(_) => return answer,
        };
        let answer = self.ask_once(&next, route, &command).await;
        if answer.as_ref().is_err_and(breaks) {
            self.is_broken(next.number);
        }
        answer
    }

    async fn ask_once(&self, current: &Current, route: Option<RoutingInfo>, command: &Cmd) -> Answer {
        let mut connection = current.connection.clone();
        let asked = async {
            match route {
                Some(route) => connection.route_command(command.clone(), route).await,
                None => connection.req_packed_command(command).await,
            }
        };
        match timeout(self.patience.answering, asked).await {
            Ok(answer) => answer.and_then(Value::extract_error),
            Err(_) => Err(RedisError::from(io::Error::from(io::ErrorKind::TimedOut))),
        }
    }

    /// What is made in place of a broken one, if that takes no longer than it should.
    async fn after(&self, number: u64) -> Option<Current> {
        self.is_broken(number);
        let mut current = self.current.clone();
        let next = current.wait_for(|current| current.number > number);
        timeout(self.patience.opening, next).await.ok()?.ok().map(|next| next.clone())
    }

    fn is_broken(&self, number: u64) {
        self.broken.send_if_modified(|broken| {
            let news = number > *broken;
            *broken = number.max(*broken);
            news
        });
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

/// Makes the next connections whenever the last ones were found broken.
async fn keep(
    client: ClusterClient,
    patience: Duration,
    told: watch::Sender<Current>,
    mut reports: watch::Receiver<u64>,
) {
    for number in 1.. {
        if reports.wait_for(|broken| *broken >= number).await.is_err() {
            return;
        }
        let mut pause = PAUSES.0;
        let connection = loop {
            if let Ok(Ok(connection)) = timeout(patience, client.get_async_generic_connection()).await {
                break connection;
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        };
        told.send_replace(Current { number: number + 1, connection });
        // While the others have not replaced a node that hangs, the next ones are no better.
        sleep(PAUSES.1).await;
    }
}

/// Requests that wait to be written to one node. While the driver learns where the slots are, it lets them wait, and asks by way of
/// the same queue: with the 50 places that it would have, a busy process waits for itself until all of that times out.
const QUEUE: usize = 1 << 16;

/// A connection to one node, with more places.
#[derive(Clone)]
struct Node(MultiplexedConnection);

impl Connect for Node {
    fn connect_with_config<'a, T>(info: T, config: AsyncConnectionConfig) -> RedisFuture<'a, Self>
    where
        T: IntoConnectionInfo + Send + 'a,
    {
        let connecting =
            MultiplexedConnection::connect_with_config(info, config.set_pipeline_buffer_size(QUEUE));
        Box::pin(async { connecting.await.map(Self) })
    }
}

impl ConnectionLike for Node {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        self.0.req_packed_command(command)
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        commands: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        self.0.req_packed_commands(commands, offset, count)
    }

    fn get_db(&self) -> i64 {
        self.0.get_db()
    }
}
