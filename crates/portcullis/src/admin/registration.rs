//! The body that registers an MCP server.

use authz_core::decide::scope::contradiction;
use authz_core::{NewServer, ServerChange};
use identity::Email;
use oauth_types::{Issuer, Resource, Scope};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::json;
use store::ScopeEntry;

use super::asked::{self, Detail, ServerChangeAsked};
use super::bounds::{DESCRIPTION, EMAIL, LINE, NAME, SCOPE, SCOPE_TOKEN, SCOPES};
use super::problem::{Invalid, Member};

/// Reads the body of `POST /api/servers`.
pub(super) fn parse(body: &[u8]) -> Result<NewServer, Invalid> {
    let asked: ServerAsked = asked::read(body).map_err(Invalid::Body)?;
    check(Some(&asked.name), asked.owner_email.as_deref())?;
    let resource = Resource::parse(&asked.resource_url).map_err(Invalid::Resource)?;
    // An origin that may stand as an issuer is https, or http on this machine.
    if Issuer::parse(&resource.origin()).is_err() {
        return Err(Invalid::InsecureResource);
    }
    Ok(NewServer {
        name: asked.name,
        resource,
        scopes: scopes(asked.scopes.unwrap_or_else(usual))?,
        owner_email: asked.owner_email,
        userinfo: asked.userinfo.into(),
    })
}

/// Reads what is changed of a server, but for its status.
pub(super) fn change(asked: ServerChangeAsked) -> Result<ServerChange, Invalid> {
    check(asked.name.as_deref(), asked.owner_email.as_ref().and_then(Option::as_deref))?;
    Ok(ServerChange {
        name: asked.name,
        scopes: asked.scopes.map(scopes).transpose()?,
        owner_email: asked.owner_email,
        userinfo: asked.userinfo.map(Into::into),
    })
}

fn check(name: Option<&str>, owner_email: Option<&str>) -> Result<(), Invalid> {
    if name.is_some_and(|name| !is_text(name, NAME)) {
        return Err(Member::Name.into());
    }
    match owner_email {
        Some(email) if !is_email(email) => Err(Member::OwnerEmail.into()),
        Some(_) | None => Ok(()),
    }
}

/// An MCP server that is to be registered.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "NewServer", example = json!({
    "name": "Notes",
    "resource_url": "https://notes.example.com/mcp",
    "scopes": ["notes.read", { "name": "notes.write", "description": "Change your notes", "optional": true }]
}))]
#[serde(deny_unknown_fields)]
pub(super) struct ServerAsked {
    /// Its name: 1 to 200 characters.
    #[schemars(length(min = 1, max = NAME), regex(pattern = LINE))]
    name: String,
    /// Its resource identifier: https, or http on this machine.
    #[schemars(url, example = "https://notes.example.com/mcp")]
    resource_url: String,
    /// Its scopes: `mcp:tools` alone by default.
    #[schemars(length(max = SCOPES))]
    scopes: Option<Vec<AskedScope>>,
    /// Whom to write to.
    #[schemars(email, length(max = EMAIL))]
    owner_email: Option<String>,
    /// What userinfo tells.
    #[serde(default)]
    userinfo: Detail,
    /// Ignored: clients register their redirect URIs themselves.
    // Older scripts send it.
    #[serde(default, rename = "callback_urls")]
    #[schemars(with = "serde_json::Value")]
    _callback_urls: IgnoredAny,
}

/// A scope: its name alone, or all that can be said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AskedScope {
    name: String,
    description: Option<String>,
    default: bool,
    optional: bool,
    implies: Vec<String>,
}

/// All that can be said of a scope.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "ScopeDetails")]
#[serde(deny_unknown_fields)]
struct ScopeObject {
    /// One scope token.
    #[schemars(length(max = SCOPE), regex(pattern = SCOPE_TOKEN))]
    name: String,
    /// What it allows, in plain words, for the consent page: 1 to 500 characters.
    #[schemars(length(min = 1, max = DESCRIPTION), regex(pattern = LINE))]
    description: Option<String>,
    /// Whether a client that names no scope gets it.
    #[serde(default)]
    default: bool,
    /// Whether a user may leave it out when they consent.
    #[serde(default)]
    optional: bool,
    /// The scopes that it includes.
    #[serde(default)]
    implies: Vec<String>,
}

impl JsonSchema for AskedScope {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "NewScope".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let object = generator.subschema_for::<ScopeObject>();
        let name = json_schema!({ "type": "string", "maxLength": SCOPE, "pattern": SCOPE_TOKEN });
        json_schema!({ "anyOf": [name, object] })
    }
}

impl<'de> Deserialize<'de> for AskedScope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrObject;
        impl<'de> Visitor<'de> for TextOrObject {
            type Value = AskedScope;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(
                    "the name of a scope, or an object with name, description, default, optional, implies",
                )
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<AskedScope, E> {
                Ok(AskedScope {
                    name: name.to_owned(),
                    description: None,
                    default: true,
                    optional: false,
                    implies: Vec::new(),
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<AskedScope, A::Error> {
                let ScopeObject { name, description, default, optional, implies } =
                    ScopeObject::deserialize(de::value::MapAccessDeserializer::new(members))?;
                Ok(AskedScope { name, description, default, optional, implies })
            }
        }
        deserializer.deserialize_any(TextOrObject)
    }
}

/// What a server has that names no scopes.
fn usual() -> Vec<AskedScope> {
    let name = "mcp:tools".to_owned();
    vec![AskedScope { name, description: None, default: true, optional: false, implies: Vec::new() }]
}

fn scopes(asked: Vec<AskedScope>) -> Result<Vec<ScopeEntry>, Invalid> {
    if asked.len() > SCOPES {
        return Err(Member::Scopes.into());
    }
    let mut entries: Vec<ScopeEntry> = Vec::with_capacity(asked.len());
    for scope in &asked {
        if !is_scope(&scope.name) || entries.iter().any(|entry| entry.name == scope.name) {
            return Err(Invalid::ScopeName(scope.name.clone()));
        }
        if scope.description.as_deref().is_some_and(|text| !is_text(text, DESCRIPTION)) {
            return Err(Member::ScopeDescription.into());
        }
        if let Some(missing) =
            scope.implies.iter().find(|name| !asked.iter().any(|other| other.name == **name))
        {
            return Err(Invalid::Implied { scope: scope.name.clone(), missing: missing.clone() });
        }
        entries.push(ScopeEntry {
            optional: scope.optional,
            name: scope.name.clone(),
            description: scope.description.clone(),
            default: scope.default,
            // Each is the name of an entry, and those have been looked at or will be.
            implies: Scope::from_tokens(scope.implies.iter().map(String::as_str)).unwrap_or_default(),
        });
    }
    match contradiction(&entries) {
        Some((optional, by)) => {
            Err(Invalid::ImpliedOptional { optional: optional.to_owned(), by: by.to_owned() })
        }
        None => Ok(entries),
    }
}

fn is_scope(name: &str) -> bool {
    !name.is_empty() && name.len() <= SCOPE && !name.contains(' ') && Scope::parse(name).is_ok()
}

fn is_text(text: &str, longest: usize) -> bool {
    !text.trim().is_empty() && text.chars().count() <= longest && !text.chars().any(char::is_control)
}

fn is_email(text: &str) -> bool {
    text.trim() == text && Email::parse(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(body: &str) -> Result<NewServer, String> {
        parse(body.as_bytes()).map_err(|invalid| invalid.to_string())
    }

    #[test]
    fn names_alone_are_defaults_and_no_scopes_are_mcp_tools() {
        let server = parsed(r#"{"name":"Files","resource_url":"https://files.example.com/mcp"}"#).unwrap();
        assert_eq!(server.resource.as_str(), "https://files.example.com/mcp");
        assert_eq!(server.userinfo, store::UserInfoDetail::Full);
        let names: Vec<_> = server.scopes.iter().map(|scope| (scope.name.as_str(), scope.default)).collect();
        assert_eq!(names, [("mcp:tools", true)]);

        let body = r#"{"name":"Files","resource_url":"http://127.0.0.1:9/","userinfo":"scoped","owner_email":"a@b.c",
            "scopes":["read",{"name":"write","description":"Change","implies":["read"]}]}"#;
        let server = parsed(body).unwrap();
        assert_eq!(server.userinfo, store::UserInfoDetail::Scoped);
        assert_eq!(server.owner_email.as_deref(), Some("a@b.c"));
        let write = &server.scopes[1];
        assert_eq!((server.scopes[0].default, write.default), (true, false));
        assert_eq!((write.description.as_deref(), write.implies.as_str()), (Some("Change"), "read"));
    }

    #[test]
    fn callback_urls_of_older_scripts_change_nothing() {
        let with =
            |more: &str| parsed(&format!(r#"{{"name":"Files","resource_url":"https://a.example"{more}}}"#));
        let without = format!("{:?}", with("").unwrap());
        for value in ["null", "[]", r#"["https://a.example/callback"]"#] {
            let server = with(&format!(r#","callback_urls":{value}"#)).unwrap();
            assert_eq!(format!("{server:?}"), without, "{value}");
        }
    }

    #[test]
    fn every_member_has_its_rule_and_the_answer_names_it() {
        let with = |more: &str| format!(r#"{{"name":"Files","resource_url":"https://a.example"{more}}}"#);
        let many: Vec<String> = (0..101).map(|n| format!("\"s{n}\"")).collect();
        let cases = [
            ("".to_owned(), "The body cannot be read"),
            ("[]".to_owned(), "The body cannot be read"),
            (r#"["Files","https://a.example",null,null,"full",null]"#.to_owned(), "it is no JSON object"),
            (r#"{"name":"Files"}"#.to_owned(), "resource_url"),
            (r#"{"resource_url":"https://a.example"}"#.to_owned(), "name"),
            (r#"{"name":" ","resource_url":"https://a.example"}"#.to_owned(), "name must be 1 to 200"),
            (r#"{"name":"a\nb","resource_url":"https://a.example"}"#.to_owned(), "control character"),
            (
                format!(r#"{{"name":"{}","resource_url":"https://a.example"}}"#, "n".repeat(201)),
                "name must be 1 to 200",
            ),
            (r#"{"name":"Files","resource_url":"files"}"#.to_owned(), "resource_url cannot be used"),
            (r#"{"name":"Files","resource_url":"https://a.example#x"}"#.to_owned(), "fragment"),
            (r#"{"name":"Files","resource_url":"http://a.example"}"#.to_owned(), "must be https"),
            (with(r#","callback_url":[]"#), "callback_url"),
            (with(r#","userinfo":"some""#), "some"),
            (with(r#","owner_email":"nobody""#), "owner_email"),
            (with(r#","scopes":"read""#), "sequence"),
            (with(r#","scopes":["a b"]"#), "\"a b\""),
            (with(r#","scopes":[""]"#), "\"\""),
            (with(r#","scopes":["a","a"]"#), "\"a\", which is there twice"),
            (with(r#","scopes":[{"name":"a","scope":"b"}]"#), "`scope`"),
            (with(r#","scopes":[{"name":"a","implies":["b"]}]"#), "implies \"b\""),
            (
                with(r#","scopes":[{"name":"a","implies":["b"]},{"name":"b","optional":true}]"#),
                "\"b\" is optional, and \"a\", which is not, implies it",
            ),
            (with(r#","scopes":[{"name":"a","description":""}]"#), "describe a scope"),
            (with(&format!(r#","scopes":[{}]"#, many.join(","))), "at most 100"),
        ];
        for (body, expected) in cases {
            let told = parsed(&body).err().unwrap_or_else(|| panic!("was taken: {body}"));
            assert!(told.contains(expected), "{body}: {told}");
        }
    }
}
