//! One connection that many share, made anew when it breaks.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use redis::aio::{ConnectionLike as _, MultiplexedConnection};
use redis::{Pipeline, RedisError, Value};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::fault::{Fault, breaks};
use super::url::Node;

/// Between two attempts to connect: the first pause, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// What makes a connection.
#[async_trait::async_trait]
pub(super) trait Opens: Send + Sync + 'static {
    /// A connection, and where it leads.
    async fn open(&self) -> Result<(MultiplexedConnection, Node), Fault>;

    /// Waits until the next one would lead elsewhere than there.
    async fn moved(&self, there: &Node);
}

/// A connection for good.
///
/// When it breaks, a task of its own makes the next one. Who asks meanwhile waits for the first attempt; when that has failed,
/// everybody is told at once until one succeeds.
pub(super) struct Link {
    state: watch::Receiver<State>,
    // The number of the last connection that somebody found broken.
    broken: watch::Sender<u64>,
    keeper: JoinHandle<()>,
}

#[derive(Clone)]
enum State {
    Opening,
    Up { number: u64, connection: MultiplexedConnection },
    Down(Fault),
}

impl Link {
    /// Connects for the first time.
    pub(super) async fn open(opener: impl Opens) -> Result<Self, Fault> {
        let (first, there) = opener.open().await?;
        let (told, state) = watch::channel(State::Up { number: 1, connection: first });
        let (broken, reports) = watch::channel(0);
        let keeper = tokio::spawn(keep(opener, there, told, reports));
        Ok(Self { state, broken, keeper })
    }

    /// Asks all in order, and once more on the next connection if this one turns out to be broken: then nobody knows
    /// which of them were heard.
    pub(super) async fn ask(&self, commands: &Pipeline) -> Result<Vec<Result<Value, RedisError>>, Fault> {
        match self.ask_once(commands).await {
            Err(fault) if fault.breaks() => self.ask_once(commands).await,
            answered => answered,
        }
    }

    async fn ask_once(&self, commands: &Pipeline) -> Result<Vec<Result<Value, RedisError>>, Fault> {
        let (number, mut connection) = self.connection().await?;
        let heard = connection.req_packed_commands(commands, 0, commands.len()).await;
        let answers: Vec<_> = match heard {
            Ok(values) => values.into_iter().map(answer).collect(),
            Err(error) => return Err(self.found(number, error)),
        };
        match answers.iter().find_map(|answer| answer.as_ref().err().filter(|error| breaks(error))) {
            Some(error) => Err(self.found(number, error.clone())),
            None => Ok(answers),
        }
    }

    async fn connection(&self) -> Result<(u64, MultiplexedConnection), Fault> {
        let mut state = self.state.clone();
        let known = state.wait_for(|state| match state {
            State::Opening => false,
            State::Up { number, .. } => *number > *self.broken.borrow(),
            State::Down(_) => true,
        });
        match &*known.await.map_err(|_| Fault::Ended)? {
            State::Up { number, connection } => Ok((*number, connection.clone())),
            State::Down(fault) => Err(fault.clone()),
            State::Opening => Err(Fault::Ended),
        }
    }

    fn found(&self, number: u64, error: RedisError) -> Fault {
        if breaks(&error) {
            self.broken.send_if_modified(|broken| {
                let news = number > *broken;
                *broken = number.max(*broken);
                news
            });
        }
        Fault::Driver(error)
    }
}

/// No script here answers an error within an array, so none is sought there.
fn answer(value: Value) -> Result<Value, RedisError> {
    if matches!(value, Value::ServerError(_)) { value.extract_error() } else { Ok(value) }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

/// Makes the next connection whenever the last one broke, or leads to where it should not any more.
async fn keep(
    opener: impl Opens,
    mut there: Node,
    told: watch::Sender<State>,
    mut reports: watch::Receiver<u64>,
) {
    for number in 1.. {
        let settled = tokio::time::sleep(PAUSES.0);
        {
            let broken = pin!(reports.wait_for(|broken| *broken >= number));
            if let Either::Left((Err(_), _)) = select(broken, opener.moved(&there)).await {
                return;
            }
        }
        told.send_replace(State::Opening);
        // One that breaks as soon as it is made, as a server that is loading does, is not made anew all the time.
        settled.await;
        let mut pause = PAUSES.0;
        let connection = loop {
            match opener.open().await {
                Ok((connection, where_to)) => {
                    there = where_to;
                    break connection;
                }
                Err(fault) => told.send_replace(State::Down(fault)),
            };
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        };
        told.send_replace(State::Up { number: number + 1, connection });
    }
}
