//! People: accounts with passwords, sessions, and the pages to log in, sign up and consent, with the same as JSON.
//!
//! It holds no rule of OAuth: who may have what is decided in [`authz_core`], which asks through
//! [`Interaction`](authz_core::Interaction) and [`People`](authz_core::People) and is answered from here. Whoever has people
//! of their own implements those two and leaves this crate out.
//!
//! ```ignore
//! let sessions = Arc::new(Sessions::new(store.clone(), clock.clone(), entropy.clone()));
//! let accounts = Arc::new(Accounts::new(store.clone(), Cost::default(), clock, entropy));
//! let pages = Arc::new(Pages::new(issuer.clone(), sessions));
//! let server = AuthorizationServer::builder(issuer, store, keys, pages.clone()).people(accounts.clone()).build()?;
//! let identity = Identity::new(pages, accounts, Arc::new(server)).limiter(limiter);
//! ```
//!
//! | what | where |
//! |---|---|
//! | the pages as an [`Interaction`](authz_core::Interaction): [`Pages`] | `pages` |
//! | serving them, and `/auth/*`: [`Identity`] | `identity`, `forms`, `consent`, `api` |
//! | who may come in: limits, names for each refusal | `entry` |
//! | accounts: [`Accounts`], a [`People`](authz_core::People) | `people` |
//! | Argon2id (RFC 9106): [`Passwords`] | `password` |
//! | sessions: [`Sessions`]; cookies (RFC 6265bis); forged forms | `session`, `cookie`, `csrf` |

mod api;
mod consent;
mod cookie;
mod csrf;
mod email;
mod entry;
mod forms;
mod identity;
mod pages;
mod password;
mod people;
mod session;
#[cfg(test)]
mod tests;

pub use email::{Email, NotAnEmail};
pub use identity::Identity;
pub use pages::Pages;
pub use password::{Cost, HashError, ImpossibleCost, Password, PasswordError, Passwords, Verified};
pub use people::{AccountError, Accounts, Name, NotAName};
pub use session::{Begun, LoggedIn, Sessions};
