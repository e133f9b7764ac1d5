//! The people who have an account here.

use bytes::Bytes;
use http::Response;
use identity::{Email, EnrolError, Enrolled, InviteError, Invited, Language, Name, New};
use secrecy::ExposeSecret as _;
use serde_json::json;
use store::{PersonId, Status, TicketId};

use super::asked::{InvitationAsked, LanguageTag, UserAsked, UserChangeAsked};
use super::lists::{Invitations, Users};
use super::made::{MadeInvitation, MadeUser};
use super::problem::{Conflict, Invalid, Member, Problem, Thing};
use super::shown::{ShownInvitation, ShownUser};
use super::{Admin, Call, Made, gone, path_of, shown};

impl Admin {
    pub(super) async fn make_user(&self, call: &Call<'_>) -> Result<Made, Problem> {
        let identity = self.identity.as_ref().ok_or(NO_ACCOUNTS)?;
        let UserAsked { name, email, password, email_verified, language } = call.json()?;
        let name = Name::parse(&name).map_err(|_| Member::Name)?;
        let LanguageTag(language) = language.unwrap_or_default();
        let new = New { name, email: address(&email)?, password, email_verified, language };
        let Enrolled { person, link, letter } =
            identity.enrol(new, &call.by).await.map_err(|error| match error {
                EnrolError::EmailTaken => Problem::Conflict(Conflict::EmailTaken),
                EnrolError::Password(error) => Invalid::Password(error).into(),
                EnrolError::Busy => Problem::Unavailable(authz_core::Unavailable::Busy),
                EnrolError::Store(error) => error.into(),
            })?;
        let id = person.to_string();
        let link = link.map(|link| link.expose_secret().to_owned());
        let body = json!(MadeUser { user: self.user_of(&id).await?, link, letter: letter.into() });
        Ok(Made { location: path_of("users", &id), id, body })
    }

    pub(super) async fn make_invitation(&self, call: &Call<'_>) -> Result<Made, Problem> {
        let identity = self.identity.as_ref().ok_or(NO_ACCOUNTS)?;
        let InvitationAsked { email, language } = call.json()?;
        let email = email.as_deref().map(address).transpose()?;
        let LanguageTag(language) = language.unwrap_or_default();
        let invited = identity.invite(email.as_ref(), language, &call.by).await;
        let Invited { invitation, link, letter } = invited.map_err(|error| match error {
            InviteError::Closed => Problem::Conflict(Conflict::SignUpClosed),
            InviteError::Store(error) => error.into(),
        })?;
        let invitation_id = invitation.to_string();
        let link = link.map(|link| link.expose_secret().to_owned());
        let body =
            json!(MadeInvitation { invitation_id: invitation_id.clone(), link, letter: letter.into() });
        Ok(Made { id: invitation_id, location: None, body })
    }

    pub(super) async fn list_invitations(&self, call: &Call<'_>) -> Result<Response<Bytes>, Problem> {
        let identity = self.identity.as_ref().ok_or(NO_ACCOUNTS)?;
        let listed = identity.invitations(call.cursor(), call.query.limit()?).await?;
        let invitations = listed.items.into_iter().map(ShownInvitation::from).collect();
        let page = Invitations { invitations, next: listed.next };
        Ok(self.page(call, &page, page.next.as_deref()))
    }

    pub(super) async fn withdraw_invitation(&self, call: &Call<'_>) -> Result<Response<Bytes>, Problem> {
        let identity = self.identity.as_ref().ok_or(NO_ACCOUNTS)?;
        let invitation = TicketId::parse(&call.id).map_err(|_| Problem::Unknown(Thing::Invitation))?;
        let withdrawn = identity.withdraw_invitation(invitation, &call.by).await?;
        if withdrawn { Ok(gone()) } else { Err(Problem::Unknown(Thing::Invitation)) }
    }

    pub(super) async fn list_users(&self, call: &Call<'_>) -> Result<Response<Bytes>, Problem> {
        if let Some(email) = call.query.one("email") {
            let users = self.user_at(&address(email)?).await?.into_iter().collect();
            return Ok(shown(&Users { users, next: None }));
        }
        let listed = self.oversight.people(call.sought()?, call.cursor(), call.query.limit()?).await?;
        let page =
            Users { users: listed.items.into_iter().map(ShownUser::from).collect(), next: listed.next };
        Ok(self.page(call, &page, page.next.as_deref()))
    }

    /// Who has an address.
    async fn user_at(&self, email: &Email) -> Result<Option<ShownUser>, Problem> {
        Ok(self.oversight.person_at(email.as_str()).await?.map(ShownUser::from))
    }

    pub(super) async fn show_user(&self, call: &Call<'_>) -> Result<Response<Bytes>, Problem> {
        Ok(shown(&self.user_of(&call.id).await?))
    }

    pub(super) async fn user_of(&self, id: &str) -> Result<ShownUser, Problem> {
        let person = self.oversight.person(&person_id(id)?).await?;
        Ok(person.ok_or(Problem::Unknown(Thing::User))?.into())
    }

    pub(super) async fn change_user(&self, call: &Call<'_>) -> Result<Response<Bytes>, Problem> {
        let person = self.person(call).await?;
        let UserChangeAsked { status } = call.json()?;
        let set = call.oversight.set_person(&person, status.into(), &call.by).await;
        set.map_err(Problem::about(Thing::User))?;
        self.show_user(call).await
    }

    pub(super) async fn end_user(&self, call: &Call<'_>) -> Result<Response<Bytes>, Problem> {
        let person = self.person(call).await?;
        call.oversight.end_everything(&person, &call.by).await.map_err(Problem::about(Thing::User))?;
        Ok(gone())
    }

    pub(super) async fn reset_factors(&self, call: &Call<'_>) -> Result<Response<Bytes>, Problem> {
        let identity = self.identity.as_ref().ok_or(NO_ACCOUNTS)?;
        let person = self.person(call).await?;
        if identity.reset_factors(&person, Language::default(), &call.by).await? {
            Ok(gone())
        } else {
            Err(Problem::Unknown(Thing::User))
        }
    }

    pub(super) async fn delete_user(&self, call: &Call<'_>) -> Result<Response<Bytes>, Problem> {
        let person = person_id(&call.id)?;
        let known = self.oversight.person(&person).await?.is_some();
        // Nobody who was never here is written down as deleted; of somebody who is, what is left undone is done now.
        if !known && self.oversight.status_of(&person).await? != Status::Deleted {
            return Err(Problem::Unknown(Thing::User));
        }
        let deleted = call.oversight.set_person(&person, Status::Deleted, &call.by).await;
        deleted.map_err(Problem::about(Thing::User))?;
        if known { Ok(gone()) } else { Err(Problem::Unknown(Thing::User)) }
    }

    /// The person in the path, who has an account.
    async fn person(&self, call: &Call<'_>) -> Result<PersonId, Problem> {
        let person = person_id(&call.id)?;
        match self.oversight.person(&person).await? {
            Some(_) => Ok(person),
            None => Err(Problem::Unknown(Thing::User)),
        }
    }
}

const NO_ACCOUNTS: Problem = Problem::Conflict(Conflict::NoAccounts);

fn person_id(text: &str) -> Result<PersonId, Problem> {
    PersonId::parse(text).map_err(|_| Problem::Unknown(Thing::User))
}

fn address(text: &str) -> Result<Email, Problem> {
    Email::parse(text).map_err(|_| Member::Email.into())
}
