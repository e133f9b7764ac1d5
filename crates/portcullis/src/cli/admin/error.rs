//! Why a command about servers, clients, users, grants, keys or events did nothing.

use std::io;
use std::path::PathBuf;

use http::StatusCode;
use http_io::{FetchError, NoRoots};
use thiserror::Error;

/// Why it was not done.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AdminError {
    /// Not a URL of a server.
    #[error(
        "--url: it must be a URL such as https://auth.example.com, or http:// in a private network; without a query"
    )]
    Url,
    /// The server's records are in its memory.
    #[error("the configured store is memory, which the server has to itself; name the server by --url")]
    Forgetful,
    /// No server has ever used the folder.
    #[error(
        "there is no database in {}; name the data folder by --data, or a server by --url", .0.display()
    )]
    NoDatabase(PathBuf),
    /// The server that has the folder says that it is somewhere else than on this machine.
    #[error(
        "the server that has {} says that it is asked at {url}, which neither is this machine nor stands in the configuration; if it \
         is right, say --url {url}", .folder.display()
    )]
    Elsewhere {
        /// The data folder.
        folder: PathBuf,
        /// Where, as it says itself.
        url: String,
    },
    /// There is a server and no key to it.
    #[error(
        "a server answers at {0}, and its administration needs a key: set PORTCULLIS_KEY, or name a file by --key-file"
    )]
    NoKey(String),
    /// The key cannot be sent.
    #[error("the admin key has a character that no header can hold")]
    Key,
    /// The server cannot be asked.
    #[error("{url}: {source}")]
    Fetch {
        /// Who.
        url: String,
        /// Why.
        source: FetchError,
    },
    /// Nobody could be trusted.
    #[error(transparent)]
    NoRoots(#[from] NoRoots),
    /// Something answers that is none of these servers.
    #[error("{0} answers, but not as the administration of a Portcullis does; is it the URL of an issuer?")]
    Strange(String),
    /// The administration refuses.
    #[error("{detail}")]
    Problem {
        /// The status of the answer.
        status: StatusCode,
        /// Why, in a sentence.
        detail: String,
        /// The problem document (RFC 9457).
        document: String,
    },
    /// A file that a flag names.
    #[error("--{flag}: {} cannot be read: {source}", .path.display())]
    File {
        /// Which flag.
        flag: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The body in a file is no JSON object.
    #[error("--file: {} holds no JSON object: {source}", .path.display())]
    Body {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// A scope that is to go is not there.
    #[error("the server has no scope {0:?}")]
    NoScope(String),
    /// Nothing would be changed.
    #[error("say what to change; --help lists what can be")]
    NoChange,
    /// It must be confirmed, and there is no terminal.
    #[error("nothing was done: say --yes, because there is nobody to ask")]
    NobodyToAsk,
    /// It was not confirmed.
    #[error("nothing was done")]
    Declined,
    /// Nothing happens in a store that nobody serves.
    #[error(
        "no server has the data folder, so nothing happens in it; see what did by: portcullis event list"
    )]
    NothingToFollow,
    /// Nobody could be told.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl AdminError {
    /// The status that the process ends with.
    pub(in crate::cli) fn status(&self) -> u8 {
        match self {
            Self::Url
            | Self::Forgetful
            | Self::NoDatabase(_)
            | Self::Elsewhere { .. }
            | Self::Key
            | Self::File { .. }
            | Self::Body { .. }
            | Self::NoChange
            | Self::NothingToFollow => 2,
            Self::NobodyToAsk | Self::Declined => 3,
            Self::NoScope(_) => 4,
            Self::NoKey(_) => 6,
            Self::Problem { status, .. } => match *status {
                StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => 2,
                StatusCode::NOT_FOUND => 4,
                StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED => 5,
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => 6,
                _ => 1,
            },
            Self::Fetch { .. } | Self::NoRoots(_) | Self::Strange(_) | Self::Io(_) => 1,
        }
    }

    /// The problem document, if there is one.
    pub(super) fn document(&self) -> Option<&str> {
        if let Self::Problem { document, .. } = self { Some(document) } else { None }
    }

    /// Whether the same may be done a little later.
    pub(super) fn may_pass(&self) -> bool {
        if let Self::Problem { status, .. } = self {
            return matches!(*status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS);
        }
        matches!(self, Self::Fetch { source: FetchError::Unreachable(_) | FetchError::TimedOut, .. })
    }
}
