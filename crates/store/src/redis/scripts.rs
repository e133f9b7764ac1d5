//! Scripts: what happens in one step happens on the server.

use std::borrow::Cow;
use std::sync::OnceLock;

use redis::{Cmd, ErrorKind, RedisError, ServerErrorKind, Value};

use super::fault::Fault;
use super::wire::Wire;

/// A script. Servers that have heard it know it by its digest, until they restart or forget it.
pub(super) struct Script {
    source: &'static str,
    digest: OnceLock<String>,
    decides: bool,
}

/// A script on keys that share a slot. Each is written so that it may run twice.
pub(super) struct Call<'a> {
    script: &'static Script,
    keys: Vec<String>,
    arguments: Vec<Cow<'a, [u8]>>,
}

/// What a script is told.
pub(super) struct Argument<'a>(Cow<'a, [u8]>);

impl<'a> From<&'a [u8]> for Argument<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self(Cow::Borrowed(bytes))
    }
}

impl<'a> From<&'a str> for Argument<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text.as_bytes()))
    }
}

impl From<String> for Argument<'_> {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text.into_bytes()))
    }
}

impl Script {
    pub(super) const fn new(source: &'static str) -> Self {
        Self { source, digest: OnceLock::new(), decides: false }
    }

    /// One whose answer leaves only when what decided it is where it must be.
    pub(super) const fn deciding(source: &'static str) -> Self {
        Self { source, digest: OnceLock::new(), decides: true }
    }

    pub(super) fn on<'a, const N: usize>(&'static self, keys: [String; N]) -> Call<'a> {
        Call { script: self, keys: Vec::from(keys), arguments: Vec::new() }
    }

    fn digest(&self) -> &str {
        self.digest.get_or_init(|| redis::Script::new(self.source).get_hash().to_owned())
    }
}

impl<'a> Call<'a> {
    pub(super) fn arg(mut self, argument: impl Into<Argument<'a>>) -> Self {
        self.arguments.push(argument.into().0);
        self
    }

    /// The answer.
    pub(super) async fn run(self, wire: &Wire) -> Result<Value, Fault> {
        run_all(wire, vec![self]).await?.pop().ok_or(Fault::Unexpected)
    }

    fn by_digest(&self) -> Cmd {
        self.command("EVALSHA", self.script.digest())
    }

    fn by_source(&self) -> Cmd {
        self.command("EVAL", self.script.source)
    }

    fn command(&self, verb: &str, script: &str) -> Cmd {
        let mut command = redis::cmd(verb);
        command.arg(script).arg(self.keys.len()).arg(&self.keys);
        for argument in &self.arguments {
            command.arg(&argument[..]);
        }
        command
    }
}

/// The answers, in one round trip if the servers know the scripts.
pub(super) async fn run_all(wire: &Wire, calls: Vec<Call<'_>>) -> Result<Vec<Value>, Fault> {
    let decide = calls.iter().any(|call| call.script.decides);
    let send = async |commands| if decide { wire.write(commands).await } else { wire.send(commands).await };
    let mut answers = send(calls.iter().map(Call::by_digest).collect()).await?;
    let unknown: Vec<usize> =
        (0..).zip(&answers).filter(|(_, answer)| is_unknown(answer)).map(|(n, _)| n).collect();
    if !unknown.is_empty() {
        let again = unknown.iter().filter_map(|n| calls.get(*n)).map(Call::by_source).collect();
        for (n, answer) in unknown.into_iter().zip(send(again).await?) {
            if let Some(slot) = answers.get_mut(n) {
                *slot = answer;
            }
        }
    }
    Ok(answers.into_iter().collect::<Result<_, _>>()?)
}

fn is_unknown(answer: &Result<Value, RedisError>) -> bool {
    answer.as_ref().is_err_and(|error| error.kind() == ErrorKind::Server(ServerErrorKind::NoScript))
}

/// A text that a script answered.
pub(super) fn text(value: Value) -> Result<String, Fault> {
    Ok(redis::from_redis_value(value).map_err(RedisError::from)?)
}
