//! What people do about their own connections, and administrators about everybody's.
//!
//! Each function says what becomes of a record; `None` is that nothing is to be written, because it is so already.
//!
//! | about | where |
//! |---|---|
//! | who may do what: [`By::may`](crate::By::may) | `reach` |
//! | grants | `grant` |
//! | remembered consents | `consent` |
//! | people, their sessions and accounts | `person` |
//! | clients | `client` |
//! | resource servers | `server` |

mod client;
mod consent;
mod grant;
mod person;
mod reach;
mod server;

use ambient::Time;
use store::{Digest, RetiringKey};
use thiserror::Error;

pub use self::client::{NotRenewed, Unanswered, answer_for, renew, set_client, vouch};
pub use self::consent::{forget_scopes, taken_back, withdraw};
pub use self::grant::{GrantState, Narrowed, NoDevice, NotNarrowed, label, narrow, state};
pub use self::person::{anonymise, end_everything, end_session, end_ticket, set_status, shut_out};
pub use self::reach::{Deed, OutOfReach};
pub use self::server::{ServerChange, change_server, rotate, set_server};

/// How many replaced keys of a server, or secrets of a client, are remembered: of more, the one that was replaced first is taken no longer.
const MOST_RETIRING: usize = 8;

/// What was deleted stays so: its name is never given to anybody else, and nothing of it comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("it was deleted, for good")]
pub struct Deleted;

fn retired(before: &[RetiringKey], replaced: &[Digest], until: Time, now: Time) -> Vec<RetiringKey> {
    let before = before.iter().map(|key| RetiringKey { digest: key.digest, until: key.until.min(until) });
    let replaced = replaced.iter().map(|digest| RetiringKey { digest: *digest, until });
    let mut retiring: Vec<_> = before.chain(replaced).collect();
    retiring.retain(|key| now < key.until);
    let surplus = retiring.len().saturating_sub(MOST_RETIRING);
    retiring.drain(..surplus);
    retiring
}
