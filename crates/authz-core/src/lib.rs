//! The state machine of OAuth 2.1: authorize, token, refresh, revoke, introspect, register.
//!
//! It opens no socket, knows no web framework, no runtime and no database driver, and draws no pages: it is a
//! [`Serve`](http_io::Serve) over a [`Store`](store::Store), and asks people through an [`Interaction`].
//!
//! Four floors, kept apart by tests:
//!
//! | floor | what |
//! |---|---|
//! | [`decide`] | plain functions: records, request and time in, a decision out. This is where OAuth lives, and who may do what |
//! | `flow` | load, decide, settle: what happens in which order about a request of the protocol |
//! | `oversight` | the same about what there is: [`Oversight`], for administrators and account pages |
//! | `http` | routes, status, headers, caching and CORS, in one place |
//!
//! What they share:
//!
//! | what | where |
//! |---|---|
//! | what whoever embeds this may bring: [`Interaction`], [`People`], [`Resources`], [`ClientSource`], [`Limiter`] | `seam` |
//! | the texts of tokens, and the keys that make them: [`TokenText`], [`Keyring`], [`Keys`] | `text`, `keyring`, `keys` |
//! | what the operator chooses: [`Policy`]; how often what is done: [`Limits`], [`Counted`] | `policy`, `limit` |
//! | the resource servers in the store: [`Registry`] | `registry` |
//! | why not: [`Refusal`], and for people [`Page`] | `refusal`, `page` |
//! | what happened, and who did it: [`Event`], [`By`] | `event` |
//!
//! A decision is a [`Step`]: what is written, what is told, and the outcome, which cannot be had before the write is done.

pub mod decide;
mod event;
mod flow;
mod http;
mod keyring;
mod keys;
mod limit;
mod onward;
mod oversight;
mod page;
mod policy;
mod refusal;
mod registry;
mod return_to;
mod seam;
mod server;
mod step;
mod text;
mod uses;

pub use decide::oversee::{Deed, Deleted, GrantState, NotNarrowed, NotRenewed, OutOfReach, ServerChange};
pub use decide::register::Registered;
pub use event::{
    AccountEvent, Actor, By, Context, Event, Events, Factor, KeyName, LogInRefusal, NamedClient, NamedGrant,
    OversightEvent, SignUpRefusal, Traced,
};
pub use flow::{Stopped, Unavailable};
pub use http::before_opening;
pub use keyring::{Genuine, Keyring, UnknownKey};
pub use keys::{Keys, KeysError};
pub use limit::{Counted, Limits, NoRate, Rate, Unlimited};
pub use onward::{ClientRedirect, ContinuePath};
pub use oversight::{
    ClientView, GrantView, KeyView, LastUse, Listed, Oversight, OversightError, PersonView, PreregisterError,
    ServerView, Sought, Whose,
};
pub use page::{Page, Stoppage};
pub use policy::{Lifetime, OutOfBounds, Policy};
pub use refusal::{Refusal, Wire};
pub use registry::{NewServer, RegisterError, Registry};
pub use return_to::{NoWayBack, ReturnTo};
pub use seam::{
    Authentication, ClientSource, Demands, Interaction, Limit, Limiter, Pending, People, Profile, Resources,
    TooMany, Wanted, Who, address_key, network_key,
};
pub use server::{AuthorizationServer, Builder, Strangers};
pub use step::{Settled, Step};
pub use text::{NotOurs, TokenKind, TokenText};
