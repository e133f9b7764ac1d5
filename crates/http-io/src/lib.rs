//! HTTP as values: what serves a request and what sends one, with no socket in sight.
//!
//! It refuses to know any protocol: no OAuth, no JSON, no cookies, no redirects. What a response means is the caller's.
//!
//! | module | holds |
//! |---|---|
//! | `serve` | [`Serve`]: a whole request in, a whole response out. An adapter crate mounts it, a test calls it |
//! | `forwarded`, `address_range` | [`sender`]: who sent a request, past the proxies of an [`AddressRange`] that one trusts |
//! | `fetch` | [`Fetch`]: the same outwards, within [`Limits`], and [`FetchError`] by whose fault it was |
//! | `guard` | [`Guard`]: which addresses may be dialled (RFC 6890; server-side request forgery) |
//! | `client` | `Client`, the [`Fetch`] over the network. Feature `client` |
//! | `in_process` | `InProcess`, a [`Serve`] as a [`Fetch`]. Feature `in-process` |

mod address_range;
#[cfg(feature = "client")]
mod client;
mod fetch;
mod forwarded;
mod guard;
#[cfg(feature = "in-process")]
mod in_process;
mod serve;

pub use address_range::{AddressRange, NotAnAddressRange};
#[cfg(feature = "client")]
pub use client::{Client, NoRoots, Resolver, SystemResolver};
pub use fetch::{Fetch, FetchError, Limits, Refused, Unreached};
pub use forwarded::sender;
pub use guard::{Guard, Network};
#[cfg(feature = "in-process")]
pub use in_process::InProcess;
pub use serve::{
    BODY_LIMIT, Peer, Serve, announces_too_large_a_body, body_broken_off, body_too_large, has_content_type,
    internal_error, malformed_request,
};
