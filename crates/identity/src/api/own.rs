//! What people do about their own accounts: by the links of letters, and logged in.

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use serde::Deserialize;
use serde_json::json;
use store::{Session, SessionId};

use super::{Failed, answer, look_into_mail, nothing};
use crate::device::described;
use crate::identity::Identity;
use crate::session::LoggedIn;
use crate::visit::Visit;

#[derive(Deserialize)]
struct Verify {
    ticket: String,
    #[serde(default)]
    password: String,
}

#[derive(Deserialize)]
struct Forgot {
    email: String,
}

#[derive(Deserialize)]
struct Reset {
    ticket: String,
    password: String,
    #[serde(default)]
    everything: bool,
}

#[derive(Deserialize)]
struct TakeBack {
    ticket: String,
}

#[derive(Deserialize)]
struct ChangePassword {
    password: String,
    new_password: String,
}

#[derive(Deserialize)]
struct ChangeEmail {
    password: String,
    email: String,
}

#[derive(Deserialize)]
struct Delete {
    #[serde(default)]
    password: String,
    #[serde(default)]
    code: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum EndSessions {
    One { session: String },
    Others { others: True },
}

/// `true`, and nothing else.
#[derive(Deserialize)]
#[serde(try_from = "bool")]
struct True;

impl TryFrom<bool> for True {
    type Error = &'static str;

    fn try_from(value: bool) -> Result<Self, Self::Error> {
        if value { Ok(Self) } else { Err("only true means something") }
    }
}

impl Identity {
    /// `POST /auth/verify`: the `ticket` of a letter, and the `password` of who is not logged in; 200 with `email`, and a session's
    /// cookie for who was not.
    pub(super) async fn json_verify(
        &self,
        request: &Request<Bytes>,
        visit: &Visit<'_>,
    ) -> Result<Response<Bytes>, Failed> {
        let Verify { ticket, password } = self.body(request)?;
        let email = self.confirmation(&ticket).await?.email;
        let entered = self.confirm(visit, &ticket, &password).await?;
        let response = answer(StatusCode::OK, &json!({ "email": email }));
        Ok(match &entered {
            Some(entered) => self.with_session(response, entered),
            None => response,
        })
    }

    /// `POST /auth/verify/send`, logged in: 202, and another letter where the address is not confirmed yet.
    pub(super) async fn json_verify_again(
        &self,
        request: &Request<Bytes>,
        visit: &Visit<'_>,
    ) -> Result<Response<Bytes>, Failed> {
        self.without_body(request)?;
        let session = self.session(visit).await?;
        self.verify_again(visit, &session).await?;
        Ok(look_into_mail())
    }

    /// `POST /auth/forgot`: `email`; 202, whether there is an account or not.
    pub(super) async fn json_forgot(
        &self,
        request: &Request<Bytes>,
        visit: &Visit<'_>,
    ) -> Result<Response<Bytes>, Failed> {
        let Forgot { email } = self.body(request)?;
        self.forgot(visit, &email).await?;
        Ok(look_into_mail())
    }

    /// `POST /auth/reset`: the `ticket` of a letter, the new `password`, and `everything` to end all connections, too; 204.
    pub(super) async fn json_reset(
        &self,
        request: &Request<Bytes>,
        visit: &Visit<'_>,
    ) -> Result<Response<Bytes>, Failed> {
        let Reset { ticket, password, everything } = self.body(request)?;
        self.reset(visit, &ticket, &password, everything).await?;
        Ok(nothing())
    }

    /// `POST /auth/take-back`: the `ticket` of a letter that told of a change to what opens an account; 204, and all sessions end.
    pub(super) async fn json_take_back(
        &self,
        request: &Request<Bytes>,
        visit: &Visit<'_>,
    ) -> Result<Response<Bytes>, Failed> {
        let TakeBack { ticket } = self.body(request)?;
        self.take_back(visit, &ticket).await?;
        Ok(nothing())
    }

    /// `POST /auth/password`, logged in: `password` and `new_password`; 204, and the other sessions end.
    pub(super) async fn json_password(
        &self,
        request: &Request<Bytes>,
        visit: &Visit<'_>,
    ) -> Result<Response<Bytes>, Failed> {
        let ChangePassword { password, new_password } = self.body(request)?;
        let session = self.session(visit).await?;
        self.change_password(visit, &session, &password, &new_password).await?;
        Ok(nothing())
    }

    /// `POST /auth/email`, logged in: `password` and the new `email`; 202, and the rest is in a letter to that address.
    pub(super) async fn json_email(
        &self,
        request: &Request<Bytes>,
        visit: &Visit<'_>,
    ) -> Result<Response<Bytes>, Failed> {
        let ChangeEmail { password, email } = self.body(request)?;
        let session = self.session(visit).await?;
        self.change_email(visit, &session, &password, &email).await?;
        Ok(look_into_mail())
    }

    /// `POST /auth/delete`, logged in within the last 15 minutes: `password` of who has one, and `code` of whose app shows some; 204, and
    /// the account is no more.
    pub(super) async fn json_delete(
        &self,
        request: &Request<Bytes>,
        visit: &Visit<'_>,
    ) -> Result<Response<Bytes>, Failed> {
        let Delete { password, code } = self.body(request)?;
        let session = self.session(visit).await?;
        self.leave(visit, &session, &password, &code).await?;
        let mut response = nothing();
        response.headers_mut().append(header::SET_COOKIE, self.pages.cookies.forget_session());
        Ok(response)
    }

    /// `GET /auth/sessions`, logged in: `sessions`, each with `session`, `current`, `device` in words, and the times `begun` and `seen`.
    pub(super) async fn json_sessions(&self, visit: &Visit<'_>) -> Result<Response<Bytes>, Failed> {
        let LoggedIn { authentication, .. } = self.session(visit).await?;
        let shown = |session: &Session| {
            json!({
                "session": session.id,
                "current": session.id == authentication.session,
                "device": described(&session.device, visit.language),
                "begun": session.begun.unwrap_or(session.auth_time),
                "seen": session.seen.unwrap_or(session.auth_time),
            })
        };
        let sessions = self.pages.sessions.of(&authentication.person).await?;
        let sessions: Vec<_> = sessions.iter().map(shown).collect();
        Ok(answer(StatusCode::OK, &json!({ "sessions": sessions })))
    }

    /// `POST /auth/sessions/end`, logged in: `session`, one of one's own, or `others`: true; 204.
    pub(super) async fn json_end_sessions(
        &self,
        request: &Request<Bytes>,
        visit: &Visit<'_>,
    ) -> Result<Response<Bytes>, Failed> {
        let which = self.body::<EndSessions>(request)?;
        let own = self.session(visit).await?;
        match which {
            EndSessions::Others { others: True } => self.end_other_sessions(visit, &own).await?,
            EndSessions::One { session } => {
                if let Ok(session) = SessionId::parse(&session) {
                    self.end_session(visit, &own, session).await?;
                }
            }
        }
        Ok(nothing())
    }
}
