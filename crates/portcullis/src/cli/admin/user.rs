//! `portcullis user`

use std::path::PathBuf;

use clap::Subcommand;
use http::Method;

use super::ask::{self, Ask, Body, Column, List, Shape, part};
use super::listed::Sought;
use super::{AdminError, Asks};

/// Commands about the people who have an account.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum UserCommand {
    /// Make an account
    Create {
        /// What they are called
        #[arg(long)]
        name: String,
        /// Their address
        #[arg(long, value_name = "ADDRESS")]
        email: String,
        /// A file with their password, in one line; - for standard input. Without it they set one by a link, which is mailed, or
        /// printed where there is no mail
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
        /// The address is known to be theirs
        #[arg(long)]
        verified: bool,
        /// The language of the letter
        #[arg(long, value_name = "en|de", value_parser = ["en", "de"])]
        language: Option<String>,
    },
    /// Invite somebody: by a letter, or by a link to hand over
    Invite {
        /// Their address; without one, or without mail, the link is printed
        #[arg(long, value_name = "ADDRESS")]
        email: Option<String>,
        /// The language of the letter
        #[arg(long, value_name = "en|de", value_parser = ["en", "de"])]
        language: Option<String>,
    },
    /// List the invitations that may still be taken
    Invitations {
        /// The most of them [default: all]
        #[arg(long, value_name = "NUMBER")]
        limit: Option<usize>,
    },
    /// Take an invitation back: nobody makes an account by it any more
    Uninvite {
        /// Its id
        id: String,
    },
    /// List the users
    List {
        /// Only the one with this address
        #[arg(long, value_name = "ADDRESS")]
        email: Option<String>,
        #[command(flatten)]
        sought: Sought,
    },
    /// Show a user
    Show {
        /// Their id
        id: String,
    },
    /// Let a user and their clients do nothing for now
    Block {
        /// Their id
        id: String,
    },
    /// Let a blocked user act again
    Unblock {
        /// Their id
        id: String,
    },
    /// End all sessions and grants of a user: they log in again, and their clients ask again
    End {
        /// Their id
        id: String,
    },
    /// Take every second factor from a user who has lost theirs: their sessions end, and their password alone opens their account
    ResetFactors {
        /// Their id
        id: String,
    },
    /// Delete a user: their sessions and grants end, and their account says nothing of them any more
    Delete {
        /// Their id
        id: String,
    },
}

const USERS: List = List { member: "users", paged: true, columns: COLUMNS };

const COLUMNS: &[Column] = &[
    ("user", &["user_id"]),
    ("name", &["name"]),
    ("e-mail", &["email"]),
    ("verified", &["email_verified"]),
    ("since", &["registered_at"]),
    ("status", &["status"]),
];

const MADE: &[Column] = &[
    ("user", &["user_id"]),
    ("name", &["name"]),
    ("e-mail", &["email"]),
    ("verified", &["email_verified"]),
    ("since", &["registered_at"]),
    ("letter", &["letter"]),
    ("link", &["link"]),
];

const INVITATIONS: List = List {
    member: "invitations",
    paged: true,
    columns: &[
        ("invitation", &["invitation_id"]),
        ("e-mail", &["email"]),
        ("by", &["by"]),
        ("made", &["made_at"]),
        ("until", &["valid_until"]),
    ],
};

const INVITATION: &[Column] =
    &[("invitation", &["invitation_id"]), ("letter", &["letter"]), ("link", &["link"])];

impl Asks for UserCommand {
    fn ask(self) -> Result<Ask, AdminError> {
        let path = |id: &str| format!("/api/users/{}", part(id));
        let shown = Shape::One(COLUMNS);
        let standing = |id: &str, status: &str| {
            Ask::new(Method::PATCH, path(id), shown).with(Body::default().set("status", Some(status)))
        };
        Ok(match self {
            Self::Create { name, email, password_file, verified, language } => {
                let password = password_file.map(|path| ask::read("password-file", &path)).transpose()?;
                let password = password.as_deref().map(|text| text.trim_end_matches(['\r', '\n']));
                let body = Body::default().set("name", Some(name)).set("email", Some(email));
                let body = body.set("password", password).set("email_verified", verified.then_some(true));
                let body = body.set("language", language);
                Ask::new(Method::POST, "/api/users", Shape::One(MADE)).with(body)
            }
            Self::Invite { email, language } => {
                let body = Body::default().set("email", email).set("language", language);
                Ask::new(Method::POST, "/api/invitations", Shape::One(INVITATION)).with(body)
            }
            Self::Invitations { limit } => Ask::list("/api/invitations", &INVITATIONS).at_most(limit),
            Self::Uninvite { id } => {
                let question = format!("Take the invitation {id} back?");
                Ask::delete(
                    format!("/api/invitations/{}", part(&id)),
                    question,
                    "The invitation opens nothing any more.",
                )
            }
            Self::List { email, sought } => sought.of("/api/users", &USERS).by("email", email),
            Self::Show { id } => Ask::get(path(&id), shown),
            Self::Block { id } => standing(&id, "blocked"),
            Self::Unblock { id } => standing(&id, "active"),
            Self::End { id } => {
                let done = Shape::Done("All their sessions and grants have ended.");
                let question = format!("End all sessions and grants of the user {id}?");
                Ask::new(Method::POST, format!("{}/end", path(&id)), done).asking(question)
            }
            Self::ResetFactors { id } => {
                let question = format!("Take all passkeys, apps and recovery codes from the user {id}?");
                let done = "Their second factors are gone and their sessions have ended.";
                Ask::delete(format!("{}/factors", path(&id)), question, done)
            }
            Self::Delete { id } => {
                let question = format!("Delete the user {id}, their sessions and their grants?");
                Ask::delete(path(&id), question, "The user is deleted.")
            }
        })
    }
}
