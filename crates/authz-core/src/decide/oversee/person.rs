//! People: what is held against them, and what ends with it.

use ambient::Time;
use store::{Account, Device, Epoch, SecondFactors, Session, Standing, Status, Ticket};

use super::Deleted;

/// A standing with another status.
///
/// # Errors
///
/// [`Deleted`].
pub fn set_status(standing: Standing, status: Status) -> Result<Option<Standing>, Deleted> {
    match (standing.status, status) {
        (Status::Deleted, Status::Deleted) => Ok(None),
        (Status::Deleted, Status::Active | Status::Blocked) => Err(Deleted),
        (before, after) => Ok((before != after).then_some(Standing { status, ..standing })),
    }
}

/// The standing of somebody all of whose grants and sessions so far end.
#[must_use]
pub const fn end_everything(standing: Standing, epoch: Epoch) -> Standing {
    Standing { epoch: Some(epoch), ..standing }
}

/// A session that is over, and no longer says from where it was used.
#[must_use]
pub fn end_session(session: &Session) -> Session {
    // Long past, not now: the clock of another process may be behind ours.
    Session { expires: Time(0), device: Device::default(), ..session.clone() }
}

/// A link that is worth nothing, and that is swept away with the address that it was mailed to.
#[must_use]
pub fn end_ticket(ticket: &Ticket) -> Ticket {
    Ticket { until: Time(0), ..ticket.clone() }
}

/// An account that is closed to whoever came in so far: what they have in flight is not written any more.
#[must_use]
pub fn shut_out(account: &Account, epoch: Epoch) -> Account {
    Account { epoch: Some(epoch), ..account.clone() }
}

/// An account that says of its person only that there was one.
#[must_use]
pub fn anonymise(account: &Account) -> Option<Account> {
    let nobody = Account {
        name: String::new(),
        email: String::new(),
        email_verified: false,
        password: None,
        factors: SecondFactors::default(),
        ..account.clone()
    };
    (nobody != *account).then_some(nobody)
}
