//! What is stored.

pub(crate) mod account;
pub(crate) mod admin;
pub(crate) mod client;
pub(crate) mod consent;
pub(crate) mod device;
pub(crate) mod grant;
pub(crate) mod keys;
pub(crate) mod server;
pub(crate) mod session;
pub(crate) mod standing;
pub(crate) mod tenure;
pub(crate) mod ticket;
pub(crate) mod trail;

use ambient::Time;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Kind, Links, Mark, Row, StoreError};

/// Something that is stored as one row.
///
/// The body is JSON under a schema number. A member that an older version may drop is optional; any other raises
/// [`SCHEMA`](Self::SCHEMA), and a version that meets a newer number says so and does not guess.
pub trait Record: Serialize + DeserializeOwned + Send + Sync {
    /// What it is.
    const KIND: Kind;
    /// The schema that this version writes.
    const SCHEMA: u32;

    /// Which of its kind.
    fn id(&self) -> String;

    /// From when on nobody needs it; `None` is never.
    fn sweep(&self) -> Option<Time> {
        None
    }

    /// The records that it names.
    fn links(&self) -> Links {
        Links::default()
    }

    /// Whether it has reached its final state.
    fn is_final(&self) -> bool {
        false
    }

    /// The body of its row.
    #[expect(
        clippy::expect_used,
        reason = "a record is made of texts, numbers and lists, which JSON can always write"
    )]
    fn encode(&self) -> String {
        serde_json::to_string(&Written { schema: Self::SCHEMA, record: self })
            .expect("a record can be written")
    }
}

/// A record as it was read, and the mark to replace it under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found<R> {
    /// The record.
    pub record: R,
    /// Its version.
    pub mark: Mark,
}

impl<R: Record> Found<R> {
    /// Reads a row.
    ///
    /// # Errors
    ///
    /// [`StoreError::Newer`] or [`StoreError::Damaged`].
    pub fn decode(row: &Row) -> Result<Self, StoreError> {
        let read = serde_json::from_str::<Read<R>>(&row.body);
        // A newer body may have another shape, or the same and mean something else: the number decides in both cases.
        let schema = match &read {
            Ok(read) => Ok(read.schema),
            Err(_) => serde_json::from_str(&row.body).map(|Schema { schema }| schema),
        };
        match (schema, read) {
            (Ok(schema), _) if schema > R::SCHEMA => {
                Err(StoreError::Newer { kind: R::KIND.as_str(), found: schema, known: R::SCHEMA })
            }
            (_, Ok(read)) => Ok(Self { record: read.record, mark: row.marks.newest() }),
            (_, Err(error)) => Err(StoreError::damaged(R::KIND, error)),
        }
    }
}

#[derive(Serialize)]
struct Written<'a, R: ?Sized> {
    schema: u32,
    record: &'a R,
}

#[derive(serde::Deserialize)]
struct Schema {
    schema: u32,
}

#[derive(serde::Deserialize)]
#[serde(bound = "R: DeserializeOwned")]
struct Read<R> {
    schema: u32,
    record: R,
}

/// Bytes as base64url text within a record.
pub(crate) mod base64_text {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        URL_SAFE_NO_PAD.decode(text.as_bytes()).map_err(super::de_error)
    }
}

fn de_error<E: serde::de::Error>(error: base64::DecodeError) -> E {
    E::custom(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Key, Marks, PersonId, PersonStanding, Standing};

    fn row(body: &str) -> Row {
        Row {
            key: Key::new(Kind::Person, "p"),
            marks: Marks::first(Mark::new([1; 16])),
            ended: false,
            body: body.to_owned(),
            sweep: None,
            links: Links::default(),
        }
    }

    #[test]
    fn a_record_reads_back() {
        let record =
            PersonStanding { person: PersonId::parse("usr_1").unwrap(), standing: Standing::default() };
        let found = Found::<PersonStanding>::decode(&row(&record.encode())).unwrap();
        assert_eq!(found.record, record);
        assert_eq!(found.mark, Mark::new([1; 16]));
    }

    #[test]
    fn a_newer_schema_is_told_apart_from_damage() {
        let newer = Found::<PersonStanding>::decode(&row(r#"{"schema":999,"body":{"another":"shape"}}"#));
        assert!(matches!(newer, Err(StoreError::Newer { found: 999, .. })), "{newer:?}");
        let damaged = Found::<PersonStanding>::decode(&row(r#"{"schema":1,"record":{}}"#));
        assert!(matches!(damaged, Err(StoreError::Damaged { .. })), "{damaged:?}");
    }

    /// Bodies as the first version wrote them, before members were added.
    #[test]
    fn what_the_first_version_wrote_still_reads() {
        fn reads<R: Record>(record: &str) -> R {
            Found::decode(&row(&format!(r#"{{"schema":1,"record":{record}}}"#))).unwrap().record
        }
        let account: crate::Account = reads(
            r#"{"person":"usr_1","name":"Ada","email":"ada@example.com","email_verified":false,"password":"$argon2id$","registered":7}"#,
        );
        assert_eq!(account.password.as_deref(), Some("$argon2id$"));
        assert!(account.factors.is_empty() && account.epoch.is_none());
        let digest = crate::Digest::of(b"x");
        let key: crate::AdminKey = reads(&format!(r#"{{"name":"first","digest":"{digest}","made":7}}"#));
        assert_eq!(key, crate::AdminKey::new("first", digest, Time(7)));
        let id = crate::SessionId::new([1; 16]);
        let session: crate::Session = reads(&format!(
            r#"{{"id":"{id}","digest":"{digest}","person":"usr_1","auth_time":7,"amr":["pwd"],"expires":9}}"#
        ));
        assert!(
            session.device.is_unknown() && session.final_end.is_none() && session.account_epoch.is_none()
        );
        let id = crate::ServerId::new([1; 16]);
        let server: crate::Server = reads(&format!(
            r#"{{"id":"{id}","name":"S","resource":"https://mcp.example.com/mcp","scopes":[{{"name":"a"}}],"keys":["{digest}"],"userinfo":"full","status":"active","registered":7}}"#
        ));
        assert!(server.retiring.is_empty() && !server.scopes[0].optional);
        let client: crate::Client = reads(&format!(
            r#"{{"id":"c","auth":{{"secret":{{"method":"basic","digest":"{digest}"}}}},"redirect_uris":[],"refresh":true,"provenance":"dynamic","registered":7,"standing":{{"status":"active"}},"metadata":{{}}}}"#
        ));
        let secret =
            crate::ClientAuth::Secret { method: crate::SecretMethod::Basic, digest, retiring: Vec::new() };
        assert_eq!((client.auth, client.first_party), (secret, false));
    }
}
