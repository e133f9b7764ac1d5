//! People: accounts with passwords, sessions, and the pages to log in, sign up and consent, with the same as JSON.
//!
//! It holds no rule of OAuth: who may have what is decided in [`authz_core`], which asks through
//! [`Interaction`](authz_core::Interaction) and [`People`](authz_core::People) and is answered from here. Whoever has people
//! of their own implements those two and leaves this crate out.
//!
//! ```
//! use std::sync::Arc;
//!
//! use authz_core::{AuthorizationServer, Keys};
//! use identity::{Accounts, Cost, Identity, Pages, Sessions};
//! use oauth_types::Issuer;
//! use store::Memory;
//!
//! # use ambient::{Clock, Entropy};
//! fn log_in(
//!     issuer: Issuer,
//!     store: Arc<Memory>,
//!     keys: Keys,
//!     clock: Arc<dyn Clock>,
//!     entropy: Arc<dyn Entropy>,
//! ) -> Result<Identity, Box<dyn std::error::Error>> {
//!     let sessions = Arc::new(Sessions::new(store.clone(), clock.clone(), entropy.clone()));
//!     let accounts = Arc::new(Accounts::new(store.clone(), Cost::default(), clock, entropy));
//!     let pages = Arc::new(Pages::new(issuer.clone(), sessions));
//!     let server = AuthorizationServer::builder(issuer, store, keys, pages.clone()).people(accounts.clone()).build()?;
//!     Ok(Identity::new(pages, accounts, Arc::new(server)))
//! }
//! ```
//!
//! | what | where |
//! |---|---|
//! | the pages as an [`Interaction`](authz_core::Interaction): [`Pages`] | `pages` |
//! | serving them, and `/auth/*`: [`Identity`] | `identity`, `forms`, `sign_up`, `consent`, `api` |
//! | who may come in: limits, names for each refusal | `entry`, `join`, `guesses`, `refused` |
//! | what the operator chooses: [`AccountPolicy`] | `policy` |
//! | one's own connections and sessions: `/account`; what one logs in with; to delete it all | `account`, `own`, `change`, `leave` |
//! | `/` | `home` |
//! | accounts: [`Accounts`], a [`People`](authz_core::People) | `people` |
//! | a new password by letter; a confirmed address; a change that is taken back | `recover`, `verify`, `take_back`, `links`, `tickets` |
//! | invitations, and accounts that administrators make | `invite`, `enrol` |
//! | second factors: codes, passkeys; `/account/security` | `factors` |
//! | letters: [`Mail`] | `mail` |
//! | Argon2id (RFC 9106): [`Passwords`]; which are too common | `password`, `common` |
//! | what pages say, in each [`Language`] | `texts` |
//! | the operator's name, logo and colour: [`Brand`] | `brand` |
//! | sessions: [`Sessions`]; cookies (RFC 6265bis); forged forms | `session`, `cookie`, `csrf` |

mod account;
mod api;
mod brand;
mod change;
mod common;
mod consent;
mod cookie;
mod csrf;
mod device;
mod email;
mod enrol;
mod entry;
mod factors;
mod forms;
mod guesses;
mod home;
mod identity;
mod invite;
mod join;
mod language;
mod leave;
mod links;
mod mail;
mod own;
mod pages;
mod password;
mod people;
mod policy;
mod recover;
mod refused;
mod route;
mod session;
mod sign_up;
mod take_back;
#[cfg(test)]
mod tests;
mod texts;
mod tickets;
mod verify;
mod visit;

pub use brand::{Brand, BrandName, Colour, Logo, NotABrandName, NotAColour, NotALogo};
pub use email::{Email, NotAnEmail};
pub use enrol::{EnrolError, Enrolled, New};
pub use identity::Identity;
pub use invite::{Delivery, InviteError, Invited, OpenInvitation};
pub use language::Language;
#[cfg(feature = "smtp")]
pub use mail::smtp::{NotASender, Sender, Smtp, SmtpUrl, SmtpUrlError};
pub use mail::{Letter, Mail, MailError, Outbox};
pub use pages::Pages;
pub use password::{Cost, HashError, ImpossibleCost, Password, PasswordError, Passwords, Verified};
pub use people::{AccountError, Accounts, Name, NotAName};
pub use policy::{AccountPolicy, Domain, NotADomain, PolicyError, SignUp};
pub use session::{Begun, LoggedIn, Proof, Sessions};
pub use tickets::{Issued, Tickets};
