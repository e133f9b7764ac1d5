//! The bodies of requests, except for the one that registers a server.

use std::borrow::Cow;

use identity::Language;
use oauth_types::ClientMetadata;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::SecretString;
use serde::de::{self, DeserializeOwned};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;
use store::{AdminAccess, Status, UserInfoDetail};

use super::bounds::{EMAIL, GRACE, LINE, NAME, SCOPES};
use super::registration::AskedScope;

/// Reads a body, which is an object: of the members in an array nobody could say which is which.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, serde_json::Error> {
    match body.trim_ascii_start().first() {
        Some(b'{') => serde_json::from_slice(body),
        Some(_) | None => Err(de::Error::custom("it is no JSON object")),
    }
}

/// What is changed of a server. What is absent stays; its resource_url stays for good, because tokens are bound to it.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "ServerChange", example = json!({
    "scopes": [
        { "name": "notes.read", "description": "Read your notes", "default": true },
        { "name": "notes.write", "description": "Change your notes", "implies": ["notes.read"] }
    ],
    "owner_email": null
}))]
#[serde(deny_unknown_fields)]
pub(super) struct ServerChangeAsked {
    /// Its name.
    #[schemars(length(min = 1, max = NAME), regex(pattern = LINE))]
    pub(super) name: Option<String>,
    /// Its scopes, all of them. Grants keep those that they have.
    #[schemars(length(max = SCOPES))]
    pub(super) scopes: Option<Vec<AskedScope>>,
    /// Whom to write to; null is nobody.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<String>", email, length(max = EMAIL))]
    pub(super) owner_email: Option<Option<String>>,
    /// What userinfo tells.
    pub(super) userinfo: Option<Detail>,
    /// Whether it may act.
    pub(super) status: Option<SettableStatus>,
}

/// How a server's key is replaced.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "Rotation", example = json!({ "grace_seconds": 3600 }))]
#[serde(deny_unknown_fields)]
pub(super) struct RotationAsked {
    /// How long the keys before are taken, in seconds: a day by default, 0 to 30 days.
    #[schemars(range(max = GRACE))]
    pub(super) grace_seconds: Option<u32>,
}

/// A client that an administrator vouches for.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "NewClient", example = json!({
    "metadata": {
        "client_name": "Notebook",
        "redirect_uris": ["https://notebook.example.com/callback"],
        "token_endpoint_auth_method": "client_secret_basic"
    }
}))]
#[serde(deny_unknown_fields)]
pub(super) struct ClientAsked {
    /// What it says of itself, as RFC 7591 section 2 has it.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub(super) metadata: ClientMetadata,
    /// The server that it is registered for, which is what it means when it names no resource.
    pub(super) server_id: Option<String>,
    /// Whether the operator answers for it as for the server itself.
    #[serde(default)]
    pub(super) first_party: bool,
}

/// What is changed of a client. What is absent stays.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "ClientChange", example = json!({ "vouched": true, "first_party": true }))]
#[serde(deny_unknown_fields)]
pub(super) struct ClientChangeAsked {
    /// Whether an administrator vouches for it.
    pub(super) vouched: Option<bool>,
    /// Whether the operator answers for it as for the server itself. Needs somebody who vouches for it.
    pub(super) first_party: Option<bool>,
    /// Whether it may act.
    pub(super) status: Option<SettableStatus>,
}

/// An account.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "NewUser", example = json!({ "name": "Ada Lovelace", "email": "ada@example.com", "language": "en" }))]
#[serde(deny_unknown_fields)]
pub(super) struct UserAsked {
    /// What they are called.
    #[schemars(length(min = 1, max = NAME), regex(pattern = LINE))]
    pub(super) name: String,
    /// Their address.
    #[schemars(email, length(max = EMAIL))]
    pub(super) email: String,
    /// Their password: as long as the configuration has it, at least 10 characters, and none of the commonest. Without one they set it
    /// by a link, which is mailed, or in the answer where there is no mail.
    #[serde(default, deserialize_with = "secret")]
    #[schemars(with = "Option<String>", length(min = 10, max = 1024))]
    pub(super) password: Option<SecretString>,
    /// Whether the address is known to be theirs.
    #[serde(default)]
    pub(super) email_verified: bool,
    /// The language of the letter to somebody without a password: English by default.
    pub(super) language: Option<LanguageTag>,
}

/// What is changed of a user.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "UserChange", example = json!({ "status": "blocked" }))]
#[serde(deny_unknown_fields)]
pub(super) struct UserChangeAsked {
    /// `blocked`: they can do nothing, nor can their clients. `active`: again they can.
    pub(super) status: SettableStatus,
}

/// An invitation.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "NewInvitation", example = json!({ "email": "grace@example.com", "language": "de" }))]
#[serde(deny_unknown_fields)]
pub(super) struct InvitationAsked {
    /// For whom. A letter is sent, if there is mail; without an address the answer has a link to hand over.
    #[schemars(email, length(max = EMAIL))]
    pub(super) email: Option<String>,
    /// The language of the letter: English by default.
    pub(super) language: Option<LanguageTag>,
}

/// A key of the administration.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "NewAdminKey", example = json!({ "name": "dashboard", "access": "read" }))]
#[serde(deny_unknown_fields)]
pub(super) struct KeyAsked {
    /// Its name: 1 to 64 letters, digits, `-`, `_` and `.`, never used before.
    #[schemars(regex(pattern = r"^[A-Za-z0-9._-]{1,64}$"))]
    pub(super) name: String,
    /// What it opens: everything by default.
    #[serde(default)]
    pub(super) access: Access,
}

/// What userinfo tells.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[schemars(rename = "UserinfoDetail")]
#[serde(rename_all = "snake_case")]
pub(super) enum Detail {
    /// Name and e-mail, whatever the scopes.
    #[default]
    Full,
    /// By the scopes `profile` and `email`.
    Scoped,
}

/// Whether somebody may act.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[schemars(rename = "SettableStatus")]
#[serde(rename_all = "snake_case")]
pub(super) enum SettableStatus {
    /// Yes.
    Active,
    /// Not for now.
    Blocked,
}

/// What a key of the administration opens.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[schemars(rename = "AdminAccess")]
#[serde(rename_all = "snake_case")]
pub(super) enum Access {
    /// It reads.
    Read,
    /// It reads and changes everything.
    #[default]
    Write,
}

/// A language that letters are written in, by its tag.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LanguageTag(pub(super) Language);

impl JsonSchema for LanguageTag {
    fn schema_name() -> Cow<'static, str> {
        "Language".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let tags: Vec<&str> = Language::ALL.iter().map(|language| language.tag()).collect();
        json_schema!({ "description": "A language that letters are written in.", "type": "string", "enum": tags })
    }
}

impl<'de> Deserialize<'de> for LanguageTag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let tag = String::deserialize(deserializer)?;
        let known = Language::ALL.iter().find(|language| language.tag() == tag);
        known.map(|language| Self(*language)).ok_or_else(|| de::Error::custom("language has no letters"))
    }
}

/// `null` is something else than nothing (RFC 7396).
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(SecretString::from))
}

impl From<Detail> for UserInfoDetail {
    fn from(detail: Detail) -> Self {
        match detail {
            Detail::Full => Self::Full,
            Detail::Scoped => Self::Scoped,
        }
    }
}

impl From<UserInfoDetail> for Detail {
    fn from(detail: UserInfoDetail) -> Self {
        match detail {
            UserInfoDetail::Full => Self::Full,
            UserInfoDetail::Scoped => Self::Scoped,
        }
    }
}

impl From<SettableStatus> for Status {
    fn from(standing: SettableStatus) -> Self {
        match standing {
            SettableStatus::Active => Self::Active,
            SettableStatus::Blocked => Self::Blocked,
        }
    }
}

impl From<Access> for AdminAccess {
    fn from(access: Access) -> Self {
        match access {
            Access::Read => Self::Read,
            Access::Write => Self::Write,
        }
    }
}

impl From<AdminAccess> for Access {
    fn from(access: AdminAccess) -> Self {
        match access {
            AdminAccess::Read => Self::Read,
            AdminAccess::Write => Self::Write,
        }
    }
}
