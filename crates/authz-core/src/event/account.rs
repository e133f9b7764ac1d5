//! What happens around accounts.

use store::{Outcome, PersonId, SessionId, TicketId};

use super::Actor;
use super::entry::Told;

/// Something that happened around an account. It has no place for an address, a name, or whatever else a stranger types.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccountEvent {
    /// A person logged in.
    LoggedIn {
        /// Who.
        person: PersonId,
        /// In which session.
        session: SessionId,
    },
    /// A log-in was refused.
    LogInRefused {
        /// Whose account it was; none if there is no such account.
        person: Option<PersonId>,
        /// Why.
        why: LogInRefusal,
    },
    /// A person logged out.
    LoggedOut {
        /// Who.
        person: PersonId,
        /// Of which session.
        session: SessionId,
    },
    /// A session was ended from elsewhere.
    SessionEnded {
        /// Whose.
        person: PersonId,
        /// Which.
        session: SessionId,
        /// Who did it.
        by: Actor,
    },
    /// A person logged in from where they had not been seen before.
    NewDevice {
        /// Who.
        person: PersonId,
        /// In which session.
        session: SessionId,
    },
    /// A person signed up.
    SignedUp {
        /// Who.
        person: PersonId,
        /// By which invitation.
        invitation: Option<TicketId>,
    },
    /// A sign-up was refused.
    SignUpRefused {
        /// Why.
        why: SignUpRefusal,
    },
    /// An administrator made an account.
    Enrolled {
        /// Whose.
        person: PersonId,
        /// Who did it.
        by: Actor,
    },
    /// Somebody was invited.
    Invited {
        /// By which invitation.
        invitation: TicketId,
        /// Who did it.
        by: Actor,
    },
    /// An invitation was taken back.
    InvitationWithdrawn {
        /// Which.
        invitation: TicketId,
        /// Who did it.
        by: Actor,
    },
    /// A person showed that an address is theirs.
    EmailVerified {
        /// Who.
        person: PersonId,
    },
    /// A person has another address now.
    EmailChanged {
        /// Who.
        person: PersonId,
        /// Who did it.
        by: Actor,
    },
    /// A person changed their password.
    PasswordChanged {
        /// Who.
        person: PersonId,
    },
    /// Somebody asked for a link to set a new password.
    PasswordResetAsked {
        /// Whose; none if there is no such account.
        person: Option<PersonId>,
    },
    /// A new password was set by a link.
    PasswordReset {
        /// Whose.
        person: PersonId,
    },
    /// A person proves who they are by one thing more.
    SecondFactorAdded {
        /// Who.
        person: PersonId,
        /// By what.
        factor: Factor,
    },
    /// A person proves who they are by one thing less.
    SecondFactorRemoved {
        /// Who.
        person: PersonId,
        /// By what.
        factor: Factor,
        /// Who did it.
        by: Actor,
    },
    /// A second factor was right.
    SecondFactorUsed {
        /// Whose.
        person: PersonId,
        /// What.
        factor: Factor,
    },
    /// A second factor was wrong.
    SecondFactorRefused {
        /// Whose.
        person: PersonId,
        /// What.
        factor: Factor,
    },
    /// A letter could not be sent.
    MailFailed {
        /// To whom; none if it went to nobody with an account.
        person: Option<PersonId>,
    },
}

/// Why a log-in was refused. The person is told less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogInRefusal {
    /// Nobody has the address.
    Unknown,
    /// The password is wrong.
    Password,
    /// The person is blocked or deleted.
    Blocked,
}

/// Why a sign-up was refused. The person may be told less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignUpRefusal {
    /// Nobody may sign up here, or not with this address.
    Closed,
    /// The invitation is used, over, or for somebody else.
    Invitation,
    /// Somebody has the address.
    EmailTaken,
    /// The password is not good enough.
    Password,
    /// Too many tries.
    Limited,
}

/// What a person proves who they are by, besides a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Factor {
    /// An app that shows codes (RFC 6238).
    Totp,
    /// A recovery code.
    Recovery,
    /// A passkey (Web Authentication).
    Passkey,
}

impl LogInRefusal {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Password => "password",
            Self::Blocked => "blocked",
        }
    }
}

impl SignUpRefusal {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Invitation => "invitation",
            Self::EmailTaken => "email_taken",
            Self::Password => "password",
            Self::Limited => "limited",
        }
    }
}

impl Factor {
    /// Its name in the audit trail.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::Recovery => "recovery",
            Self::Passkey => "passkey",
        }
    }
}

impl AccountEvent {
    pub(super) fn told(&self) -> Told {
        use Outcome::{Done, Failed, Refused};
        let own = |name, person: &PersonId| {
            Told::of(name, Done).person(Some(person)).by(&Actor::Person(person.clone()))
        };
        match self {
            Self::LoggedIn { person, session } => own("logged_in", person).with("session", session),
            Self::LogInRefused { person, why } => {
                Told::of("log_in_refused", Refused).person(person.as_ref()).why(why.as_str())
            }
            Self::LoggedOut { person, session } => own("logged_out", person).with("session", session),
            Self::SessionEnded { person, session, by } => {
                Told::of("session_ended", Done).person(Some(person)).with("session", session).by(by)
            }
            Self::NewDevice { person, session } => own("new_device", person).with("session", session),
            Self::SignedUp { person, invitation } => {
                let told = own("signed_up", person);
                match invitation {
                    Some(invitation) => told.with("invitation", invitation),
                    None => told,
                }
            }
            Self::SignUpRefused { why } => Told::of("sign_up_refused", Refused).why(why.as_str()),
            Self::Enrolled { person, by } => Told::of("enrolled", Done).person(Some(person)).by(by),
            Self::Invited { invitation, by } => {
                Told::of("invited", Done).with("invitation", invitation).by(by)
            }
            Self::InvitationWithdrawn { invitation, by } => {
                Told::of("invitation_withdrawn", Done).with("invitation", invitation).by(by)
            }
            Self::EmailVerified { person } => own("email_verified", person),
            Self::EmailChanged { person, by } => Told::of("email_changed", Done).person(Some(person)).by(by),
            Self::PasswordChanged { person } => own("password_changed", person),
            Self::PasswordResetAsked { person } => {
                Told::of("password_reset_asked", Done).person(person.as_ref())
            }
            Self::PasswordReset { person } => own("password_reset", person),
            Self::SecondFactorAdded { person, factor } => {
                own("second_factor_added", person).with("factor", factor.as_str())
            }
            Self::SecondFactorRemoved { person, factor, by } => Told::of("second_factor_removed", Done)
                .person(Some(person))
                .with("factor", factor.as_str())
                .by(by),
            Self::SecondFactorUsed { person, factor } => {
                own("second_factor_used", person).with("factor", factor.as_str())
            }
            Self::SecondFactorRefused { person, factor } => Told::of("second_factor_refused", Refused)
                .person(Some(person))
                .with("factor", factor.as_str()),
            Self::MailFailed { person } => Told::of("mail_failed", Failed).person(person.as_ref()),
        }
    }

    /// Whether it speaks of an attack, or of something that does not work.
    pub(super) const fn is_alarming(&self) -> bool {
        match self {
            Self::SecondFactorRefused { .. } | Self::MailFailed { .. } => true,
            Self::LoggedIn { .. }
            | Self::LogInRefused { .. }
            | Self::LoggedOut { .. }
            | Self::SessionEnded { .. }
            | Self::NewDevice { .. }
            | Self::SignedUp { .. }
            | Self::SignUpRefused { .. }
            | Self::Enrolled { .. }
            | Self::Invited { .. }
            | Self::InvitationWithdrawn { .. }
            | Self::EmailVerified { .. }
            | Self::EmailChanged { .. }
            | Self::PasswordChanged { .. }
            | Self::PasswordResetAsked { .. }
            | Self::PasswordReset { .. }
            | Self::SecondFactorAdded { .. }
            | Self::SecondFactorRemoved { .. }
            | Self::SecondFactorUsed { .. } => false,
        }
    }
}
