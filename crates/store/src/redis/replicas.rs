//! Waiting for replicas: an answer leaves when as many as asked for have what decided it.
//!
//! `WAIT` holds up all behind it on its connection, and speaks for all before it. So writes have a connection of their own, and those
//! that come while others wait go together.

use std::time::Duration;

use futures_util::future::join_all;
use redis::{Cmd, Pipeline, Value};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::fault::Fault;
use super::link::Link;
use super::wire::Answer;

/// Writes that wait together, at most.
const TOGETHER: usize = 256;

/// The way for what must have reached replicas.
pub(super) struct Replicas {
    queue: mpsc::Sender<Asked>,
    task: JoinHandle<()>,
}

/// How many, and for how long to wait for them.
#[derive(Clone, Copy)]
pub(super) struct Demand {
    pub(super) replicas: u32,
    pub(super) patience: Duration,
}

struct Asked {
    command: Cmd,
    reply: oneshot::Sender<Result<Answer, Fault>>,
}

impl Replicas {
    /// `probe` is a key that may be written at any time.
    pub(super) fn behind(link: Link, demand: Demand, probe: String) -> Self {
        let (queue, asked) = mpsc::channel(TOGETHER);
        Self { queue, task: tokio::spawn(serve(link, demand, probe, asked)) }
    }

    pub(super) async fn send(&self, commands: Vec<Cmd>) -> Result<Vec<Answer>, Fault> {
        let answers = join_all(commands.into_iter().map(|command| self.send_one(command))).await;
        answers.into_iter().collect()
    }

    async fn send_one(&self, command: Cmd) -> Result<Answer, Fault> {
        let (reply, answer) = oneshot::channel();
        self.queue.send(Asked { command, reply }).await.map_err(|_| Fault::Ended)?;
        answer.await.map_err(|_| Fault::Ended)?
    }
}

impl Drop for Replicas {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(link: Link, demand: Demand, probe: String, mut queue: mpsc::Receiver<Asked>) {
    let mut group = Vec::with_capacity(TOGETHER);
    while queue.recv_many(&mut group, TOGETHER).await > 0 {
        let (commands, replies): (Vec<_>, Vec<_>) =
            group.drain(..).map(|Asked { command, reply }| (command, reply)).unzip();
        let answers = together(&link, demand, &probe, commands).await;
        for (n, reply) in replies.into_iter().enumerate() {
            let answer = match &answers {
                Ok(answers) => answers.get(n).cloned().ok_or(Fault::Unexpected),
                Err(fault) => Err(fault.clone()),
            };
            // Who no longer waits does not need to know.
            let _ = reply.send(answer);
        }
    }
}

async fn together(
    link: &Link,
    demand: Demand,
    probe: &str,
    commands: Vec<Cmd>,
) -> Result<Vec<Answer>, Fault> {
    let Demand { replicas, patience } = demand;
    let mut pipeline = Pipeline::with_capacity(commands.len() + 2);
    for command in commands {
        pipeline.add_command(command);
    }
    // WAIT speaks for what this connection wrote: with a write of ours behind it, for a rival's too, which made us stale.
    pipeline.cmd("SET").arg(probe).arg(1);
    pipeline.cmd("WAIT").arg(replicas).arg(u64::try_from(patience.as_millis()).unwrap_or(u64::MAX));
    let mut answers = link.ask(&pipeline).await?;
    match answers.pop() {
        Some(Ok(Value::Int(reached))) if reached >= i64::from(replicas) => {
            answers.pop();
            Ok(answers)
        }
        Some(Ok(Value::Int(reached))) => Err(Fault::Replicas { reached, wanted: replicas }),
        Some(Err(error)) => Err(error.into()),
        Some(Ok(_)) | None => Err(Fault::Unexpected),
    }
}
