//! Waiting for replicas: an answer leaves when as many as asked for have what decided it.
//!
//! `WAIT` holds up all behind it on its connection, and speaks for all before it. So writes have a connection of their own, and those
//! that come while others wait go together. While replicas are missing nothing is written: all are told at once, and one probe after
//! the other waits for them.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, join_all, select};
use redis::{Cmd, Pipeline, Value};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::fault::Fault;
use super::link::Link;
use super::wire::Answer;

/// Writes that wait together, at most.
const TOGETHER: usize = 256;

/// Between two probes for replicas that are missing.
const PAUSE: Duration = Duration::from_millis(100);

/// The way for what must have reached replicas.
pub(super) struct Replicas {
    queue: mpsc::Sender<Asked>,
    // Why nothing can be written now.
    missing: watch::Receiver<Option<Fault>>,
    patience: Duration,
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
        let (told, missing) = watch::channel(None);
        // Waiting for those before and for one's own.
        let patience = demand.patience * 2;
        let group = Group { link, demand, probe };
        Self { queue, missing, patience, task: tokio::spawn(serve(group, asked, told)) }
    }

    pub(super) async fn send(&self, commands: Vec<Cmd>) -> Result<Vec<Answer>, Fault> {
        let answers = join_all(commands.into_iter().map(|command| self.send_one(command))).await;
        answers.into_iter().collect()
    }

    async fn send_one(&self, command: Cmd) -> Result<Answer, Fault> {
        if let Some(fault) = &*self.missing.borrow() {
            return Err(fault.clone());
        }
        let (reply, answer) = oneshot::channel();
        let answered = async {
            self.queue.send(Asked { command, reply }).await.map_err(|_| Fault::Ended)?;
            answer.await.map_err(|_| Fault::Ended)?
        };
        tokio::time::timeout(self.patience, answered).await.map_err(|_| Fault::Late)?
    }
}

impl Drop for Replicas {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// How those are sent that go together.
struct Group {
    link: Link,
    demand: Demand,
    probe: String,
}

async fn serve(group: Group, mut queue: mpsc::Receiver<Asked>, missing: watch::Sender<Option<Fault>>) {
    let mut asked = Vec::with_capacity(TOGETHER);
    while queue.recv_many(&mut asked, TOGETHER).await > 0 {
        // Who no longer waits was told that it failed.
        let (commands, replies): (Vec<_>, Vec<_>) = asked
            .drain(..)
            .filter(|asked| !asked.reply.is_closed())
            .map(|Asked { command, reply }| (command, reply))
            .unzip();
        if commands.is_empty() {
            continue;
        }
        let answers = group.send(commands).await;
        if let Err(fault @ Fault::Replicas { .. }) = &answers {
            missing.send_replace(Some(fault.clone()));
        }
        for (n, reply) in replies.into_iter().enumerate() {
            let answer = match &answers {
                Ok(answers) => answers.get(n).cloned().ok_or(Fault::Unexpected),
                Err(fault) => Err(fault.clone()),
            };
            // Who no longer waits does not need to know.
            let _ = reply.send(answer);
        }
        if let Err(fault @ Fault::Replicas { .. }) = answers {
            refuse(&mut queue, &fault, group.are_back()).await;
            missing.send_replace(None);
        }
    }
}

/// Tells this to all who ask until it is over.
async fn refuse(queue: &mut mpsc::Receiver<Asked>, fault: &Fault, over: impl Future<Output = ()>) {
    let mut over = pin!(over);
    while let Either::Right((Some(asked), _)) = select(over.as_mut(), pin!(queue.recv())).await {
        let _ = asked.reply.send(Err(fault.clone()));
    }
}

impl Group {
    /// Waits until there are as many replicas as wanted.
    async fn are_back(&self) {
        while self.send(Vec::new()).await.is_err() {
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn send(&self, commands: Vec<Cmd>) -> Result<Vec<Answer>, Fault> {
        let Demand { replicas, patience } = self.demand;
        let mut pipeline = Pipeline::with_capacity(commands.len() + 2);
        for command in commands {
            pipeline.add_command(command);
        }
        // WAIT speaks for what this connection wrote: with a write of ours behind it, for a rival's too, which made us stale.
        pipeline.cmd("SET").arg(&self.probe).arg(1);
        pipeline.cmd("WAIT").arg(replicas).arg(u64::try_from(patience.as_millis()).unwrap_or(u64::MAX));
        let mut answers = self.link.ask(&pipeline).await?;
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
}
