//! `portcullis server`, `client`, `user`, `grant`, `consent`, `key` and `event`: the routes of the administration, as commands.
//!
//! | what | where |
//! |---|---|
//! | each command, as the request that it is | `server`, `client`, `user`, `grant`, `key`, `event` |
//! | a request and how its answer is shown | `ask`, `table` |
//! | to a running server, or to the store itself | `way` |
//! | events as they happen | `follow` |
//!
//! Nothing is done here that a route does not do: a store that is opened is asked by the same requests.

mod administration;
mod ask;
mod client;
mod error;
mod event;
mod follow;
mod grant;
mod key;
mod listed;
mod scopes;
mod server;
mod table;
#[cfg(test)]
mod tests;
mod user;
mod when;

use std::io::{self, BufRead, IsTerminal as _, Write};
use std::path::PathBuf;

use clap::Subcommand;
use serde_json::Value;

use self::administration::Administration;
use self::ask::{Ask, Shape};
pub use self::error::AdminError;
use super::{Environment, RunError};

pub(super) use self::client::ClientCommand;
pub(super) use self::event::EventCommand;
pub(super) use self::grant::{ConsentCommand, GrantCommand};
pub(super) use self::key::KeyCommand;
pub(super) use self::server::ServerCommand;
pub(super) use self::user::UserCommand;

/// The most items of one page, which is what the administration gives.
const PAGE: usize = 100;

/// Commands about one kind of thing.
#[derive(Debug, clap::Args)]
#[command(after_long_help = WHERE)]
pub(super) struct About<C: Subcommand> {
    #[command(flatten)]
    reach: Reach,
    #[command(subcommand)]
    command: C,
}

const WHERE: &str = "\
A server that runs on this machine is found by its data folder; another one by --url. Both are asked with an admin key:
PORTCULLIS_KEY, or a file that --key-file names; without either, the one that the server itself is given (PORTCULLIS_ADMIN_KEY,
PORTCULLIS_ADMIN_KEY_FILE). (A key is no flag, because other users of a machine can read those.) If no server has the data folder, or the records are in Redis, the store itself is opened, and no key is asked for.

It ends with status 0 if it was done, 2 if something was written wrong, 3 if nobody is left to say yes, 4 if there is no such
thing, 5 if it cannot be done as things are, 6 if the key does not open it, and 1 if something else went wrong.";

/// Where it is done, and how it is shown.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Reach {
    /// The server, by the URL of its issuer or by its own: https://auth.example.com, http://127.0.0.1:8414
    ///
    /// [default: the one that has the data folder]
    #[arg(long, global = true, value_name = "URL", help_heading = "Where")]
    url: Option<String>,
    /// A file with the admin key, in one line
    ///
    /// [variable: PORTCULLIS_KEY_FILE] [default: none; PORTCULLIS_KEY holds the key itself]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Where")]
    key_file: Option<String>,
    /// The data folder
    ///
    /// [variable: PORTCULLIS_DATA] [default: ./portcullis-data]
    #[arg(long, global = true, value_name = "FOLDER", help_heading = "Where", conflicts_with = "url")]
    data: Option<String>,
    /// A TOML file with settings, as of serve
    ///
    /// [variable: PORTCULLIS_CONFIG] [default: none]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Where")]
    config: Option<PathBuf>,
    /// A text of your own, so that what makes something and is repeated with the same text makes it once: 1 to 255 characters
    #[arg(long, global = true, value_name = "TEXT", help_heading = "How")]
    idempotency_key: Option<String>,
    /// Print what the API answers, one document a line; of a list each page is one. A problem is such a document on stderr
    #[arg(long, global = true, help_heading = "How")]
    json: bool,
    /// Do not ask before something is ended or deleted
    #[arg(long, short, global = true, help_heading = "How")]
    yes: bool,
}

/// A command, as what is asked of the administration.
pub(super) trait Asks {
    /// The request.
    fn ask(self) -> Result<Ask, AdminError>;
}

pub(super) async fn run<C: Subcommand + Asks>(
    about: About<C>,
    environment: &Environment<'_>,
    out: &mut dyn Write,
    errors: &mut dyn Write,
) -> Result<(), RunError> {
    let About { reach, command } = about;
    let mut ask = command.ask()?;
    ask.idempotency_key = reach.idempotency_key.clone();
    if let Some(question) = ask.question.as_deref().filter(|_| !reach.yes) {
        confirm(question, io::stdin().is_terminal(), &mut io::stdin().lock(), errors)?;
    }
    let administration = Administration::find(&reach, environment).await?;
    // With --json whatever stands there is a document.
    if let Some(warning) = administration.warning().filter(|_| !reach.json) {
        writeln!(errors, "portcullis: {warning}")?;
    }
    let done = match ask.shape {
        Shape::Followed => follow::follow(&administration, ask, reach.json, out, errors).await,
        Shape::List(list) => all(&administration, ask, list, reach.json, out).await,
        Shape::One(_) | Shape::Done(_) => match scopes::applied(&administration, ask).await {
            Ok(ask) => one(&administration, &ask, reach.json, out).await,
            Err(error) => Err(error),
        },
    };
    administration.close().await;
    match done {
        Err(error) => match error.document().filter(|_| reach.json) {
            Some(document) => {
                writeln!(errors, "{document}")?;
                Err(RunError::Shown(error.status()))
            }
            None => Err(error.into()),
        },
        Ok(()) => Ok(()),
    }
}

/// Lists page after page.
async fn all(
    administration: &Administration,
    ask: Ask,
    list: &'static ask::List,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), AdminError> {
    let (mut ask, mut left, mut items) = (ask, usize::MAX, Vec::new());
    if let Some(most) = ask.at_most {
        left = most;
    }
    loop {
        if list.paged {
            ask.set("limit", left.min(PAGE).to_string());
        }
        let document = administration.asked(&ask).await?;
        let page: Value = serde_json::from_slice(&document).map_err(|_| administration.strange())?;
        if json {
            raw(&document, out)?;
        }
        let found =
            page.get(list.member).and_then(Value::as_array).ok_or_else(|| administration.strange())?;
        left = left.saturating_sub(found.len());
        items.extend(found.iter().cloned());
        match page.get("next").and_then(Value::as_str) {
            Some(next) if left > 0 => ask.set("cursor", next.to_owned()),
            Some(_) | None => break,
        }
    }
    match json {
        true => Ok(()),
        false => Ok(table::list(list, &items, out)?),
    }
}

async fn one(
    administration: &Administration,
    ask: &Ask,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), AdminError> {
    let document = administration.asked(ask).await?;
    if json {
        return if document.is_empty() { Ok(()) } else { raw(&document, out) };
    }
    match ask.shape {
        Shape::Done(sentence) => Ok(writeln!(out, "{sentence}")?),
        Shape::One(first) => {
            let item: Value = serde_json::from_slice(&document).map_err(|_| administration.strange())?;
            Ok(table::one(first, &item, out)?)
        }
        Shape::List(_) | Shape::Followed => Ok(()),
    }
}

/// As it came.
fn raw(document: &[u8], out: &mut dyn Write) -> Result<(), AdminError> {
    out.write_all(document)?;
    Ok(out.write_all(b"\n")?)
}

/// Asks whoever sits there; where nobody does, nothing is done that cannot be undone.
fn confirm(
    question: &str,
    asked: bool,
    answers: &mut dyn BufRead,
    errors: &mut dyn Write,
) -> Result<(), AdminError> {
    if !asked {
        return Err(AdminError::NobodyToAsk);
    }
    write!(errors, "{question} [y/N] ")?;
    errors.flush()?;
    let mut line = String::new();
    answers.read_line(&mut line)?;
    match line.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(AdminError::Declined),
    }
}
