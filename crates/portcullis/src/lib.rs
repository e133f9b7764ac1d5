//! OAuth 2.1 for MCP servers: the authorization server that one command starts.
//!
//! It holds no protocol: that is `authz-core`. This crate reads the configuration, puts the parts together and runs them;
//! whoever wants other parts does the same with the same public pieces.
//!
//! | what | where |
//! |---|---|
//! | file, variables, flags | [`config`] |
//! | all parts as one [`Serve`](http_io::Serve) | [`Portcullis`], [`Builder`] |
//! | servers, clients, users, grants, keys and events, for whoever holds an admin key | [`Admin`] |
//! | `/health`, `/started`, `/ready` | [`Ops`] |
//! | `/metrics` | [`Metrics`] |
//! | what happened, in the log and the store | [`Audit`] |
//! | log lines; spans for OpenTelemetry, with the feature `otel` | [`telemetry`] |
//! | what answers while the store is not open yet | [`Entrance`] |
//! | the data folder: database, master key, lock | [`DataFolder`] |
//! | the database as one file, and back | [`backup`] |
//! | whether a server would start | [`check_config`] |
//! | everything from one store to another | [`migrate`] |
//! | how a running server is | [`health`] |
//! | sockets, timeouts, the end | [`serve`] |
//! | the command line | [`cli`] |

mod admin;
mod answer;
mod audit;
pub mod backup;
pub mod check_config;
pub mod cli;
mod compose;
pub mod config;
mod data;
mod greeting;
pub mod health;
pub mod migrate;
mod opening;
mod ops;
pub mod serve;
pub mod telemetry;

pub use self::admin::Admin;
pub use self::audit::Audit;
pub use self::compose::{Builder, Kept, OpenError, Portcullis};
pub use self::config::Config;
pub use self::data::{DataError, DataFolder};
pub use self::greeting::Greeting;
pub use self::opening::Entrance;
pub use self::ops::Ops;
pub use self::ops::census::Living;
pub use self::ops::metrics::{Gauges, Metrics};
