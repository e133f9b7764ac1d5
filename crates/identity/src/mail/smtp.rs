//! A mail server.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ambient::Entropy;
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lettre::message::Mailbox;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use secrecy::{ExposeSecret as _, SecretString};
use thiserror::Error;
use url::{Host, Url};

use super::{Letter, Mail, MailError};
use crate::email::Email;

/// Sends letters through a mail server (RFC 5321; submission, RFC 6409).
pub struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Sender,
    entropy: Arc<dyn Entropy>,
}

/// Whom letters are from: an address, perhaps with a name before it: `Portcullis <no-reply@example.com>`.
#[derive(Clone)]
pub struct Sender(Mailbox);

/// Where the mail server is: `smtp://host[:port]` or `smtps://host[:port]`, with `user:password@` before the host where it asks for
/// them, percent-encoded where they must be.
///
/// `smtps` is TLS from the first byte (port 465, RFC 8314 section 3.3). `smtp` (port 587) begins in the clear: a server on this
/// machine is spoken to as it is, any other by STARTTLS, which is a must where there is a password and else taken where it is
/// offered. `?tls=required` makes it a must in any case. Certificates are checked against the roots of the system.
#[derive(Clone)]
pub struct SmtpUrl {
    text: SecretString,
}

/// Why a text is no [`SmtpUrl`]. None of these quotes it: it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SmtpUrlError {
    /// Not a URL, or without a host.
    #[error(
        "it is not a URL with a host; a special character in a user name or a password is written as %, and two digits"
    )]
    NotAUrl,
    /// Another scheme.
    #[error("it begins with neither smtp:// nor smtps://")]
    Scheme,
    /// A path, or a query that is none that is known.
    #[error("nothing follows host and port but ?tls=required")]
    Rest,
    /// The mail library does not take it, or finds no roots to check certificates against.
    #[error("no connection can be made from it")]
    Unusable,
}

/// A text that is no [`Sender`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("it is not an address, nor a name and an address in angle brackets")]
pub struct NotASender;

/// How long a mail server may take for each answer.
const PATIENCE: Duration = Duration::from_secs(20);

impl SmtpUrl {
    /// Reads one.
    ///
    /// # Errors
    ///
    /// [`SmtpUrlError`].
    pub fn parse(text: &str) -> Result<Self, SmtpUrlError> {
        let mut url = Url::parse(text).map_err(|_| SmtpUrlError::NotAUrl)?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(SmtpUrlError::NotAUrl)?.to_owned();
        if !matches!(url.scheme(), "smtp" | "smtps") {
            return Err(SmtpUrlError::Scheme);
        }
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(SmtpUrlError::Rest);
        }
        let must = match url.query() {
            None => false,
            Some("tls=required") => true,
            Some(_) => return Err(SmtpUrlError::Rest),
        };
        let tls = match url.scheme() {
            "smtps" => None,
            _ if must => Some("tls=required"),
            _ if is_this_machine(&host) => None,
            _ if url.password().is_some() => Some("tls=required"),
            _ => Some("tls=opportunistic"),
        };
        url.set_query(tls);
        if url.scheme() == "smtp" && url.port().is_none() {
            url.set_port(Some(SUBMISSION)).map_err(|()| SmtpUrlError::NotAUrl)?;
        }
        let read = Self { text: String::from(url).into() };
        read.transport().map(|_| read)
    }

    fn transport(&self) -> Result<lettre::transport::smtp::AsyncSmtpTransportBuilder, SmtpUrlError> {
        AsyncSmtpTransport::<Tokio1Executor>::from_url(self.text.expose_secret())
            .map_err(|_| SmtpUrlError::Unusable)
    }
}

/// The port of message submission.
const SUBMISSION: u16 = 587;

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

impl Sender {
    /// Reads one.
    ///
    /// # Errors
    ///
    /// [`NotASender`].
    pub fn parse(text: &str) -> Result<Self, NotASender> {
        text.parse().map(Self).map_err(|_| NotASender)
    }
}

impl Smtp {
    /// Letters from `from` through the server at `url`.
    ///
    /// # Errors
    ///
    /// [`SmtpUrlError::Unusable`].
    pub fn new(url: &SmtpUrl, from: Sender, entropy: Arc<dyn Entropy>) -> Result<Self, SmtpUrlError> {
        let name = ClientId::Domain(from.0.email.domain().to_owned());
        let transport = url.transport()?.hello_name(name).timeout(Some(PATIENCE)).build();
        Ok(Self { transport, from, entropy })
    }

    fn message(&self, letter: &Letter) -> Result<Message, Unsendable> {
        let to = deliverable(&letter.to).ok_or(Unsendable::Address)?;
        let from = &self.from.0;
        let id = URL_SAFE_NO_PAD.encode(self.entropy.draw::<18>());
        Message::builder()
            .from(from.clone())
            .to(Mailbox::new(None, to))
            .subject(letter.subject.as_str())
            .message_id(Some(format!("<{id}@{}>", from.email.domain())))
            // RFC 3834 section 5: nobody is to answer with an absence note.
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ))
            .header(ContentType::TEXT_PLAIN)
            .body(letter.text.clone())
            .map_err(|_| Unsendable::Message)
    }
}

/// The domain as DNS knows it (RFC 5891): only what stands before the `@` needs a server that offers SMTPUTF8 (RFC 6531).
fn deliverable(email: &Email) -> Option<Address> {
    let domain = match Host::parse(email.domain()) {
        Ok(Host::Domain(domain)) => domain,
        // An address of a machine is written in brackets, and is no name in another script.
        Ok(Host::Ipv4(_) | Host::Ipv6(_)) | Err(_) => email.domain().to_owned(),
    };
    Address::new(email.local_part(), domain).ok()
}

#[async_trait]
impl Mail for Smtp {
    async fn send(&self, letter: &Letter) -> Result<(), MailError> {
        let message = self.message(letter).map_err(|unsendable| MailError::Refused(Box::new(unsendable)))?;
        match self.transport.send(message).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_permanent() || error.is_client() => {
                Err(MailError::Refused(Box::new(Answered::of(error))))
            }
            Err(error) => Err(MailError::Unreachable(Box::new(Answered::of(error)))),
        }
    }

    /// Greets it, with TLS, user and password as the URL says, and takes leave.
    async fn look(&self) -> Result<(), MailError> {
        match self.transport.test_connection().await {
            Ok(true) => Ok(()),
            Ok(false) => Err(MailError::Unreachable(Box::new(Answered::Silent))),
            Err(error) if error.is_permanent() => Err(MailError::Refused(Box::new(Answered::of(error)))),
            Err(error) => Err(MailError::Unreachable(Box::new(Answered::of(error)))),
        }
    }
}

/// What is wrong with a letter before any server has seen it.
#[derive(Clone, Copy, Debug, Error)]
enum Unsendable {
    #[error("the address cannot be written in a letter")]
    Address,
    #[error("the letter cannot be written")]
    Message,
}

/// What came of a conversation with a mail server, without its words where it has answered: they quote the address.
#[derive(Debug, Error)]
enum Answered {
    #[error("the mail server answered {0}")]
    Code(String),
    #[error("the mail server has nothing to say")]
    Silent,
    #[error("there is no conversation with the mail server: {0}")]
    Not(#[source] lettre::transport::smtp::Error),
}

impl Answered {
    fn of(error: lettre::transport::smtp::Error) -> Self {
        match error.status() {
            Some(code) => Self::Code(code.to_string()),
            None => Self::Not(error),
        }
    }
}

impl fmt::Debug for SmtpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SmtpUrl(..)")
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Smtp").field("from", &self.from).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_never_goes_over_the_wire_in_the_clear() {
        for (text, becomes) in [
            ("smtp://mail.example", "smtp://mail.example:587?tls=opportunistic"),
            ("smtp://mail.example:25/", "smtp://mail.example:25/?tls=opportunistic"),
            ("smtp://mail.example?tls=required", "smtp://mail.example:587?tls=required"),
            ("smtp://ada:p%40ss@mail.example", "smtp://ada:p%40ss@mail.example:587?tls=required"),
            ("smtp://ada:p%40ss@localhost:2525", "smtp://ada:p%40ss@localhost:2525"),
            ("smtp://127.0.0.1:2525", "smtp://127.0.0.1:2525"),
            ("smtp://[::1]:2525", "smtp://[::1]:2525"),
            ("smtps://ada:p%40ss@mail.example", "smtps://ada:p%40ss@mail.example"),
        ] {
            let url = SmtpUrl::parse(text).unwrap();
            assert_eq!(url.text.expose_secret(), becomes);
            assert!(!format!("{url:?}").contains("p%40ss"));
        }
    }

    #[test]
    fn what_is_no_mail_server_is_refused_without_being_quoted() {
        for (text, error) in [
            ("", SmtpUrlError::NotAUrl),
            ("mail.example", SmtpUrlError::NotAUrl),
            ("smtp://", SmtpUrlError::NotAUrl),
            ("https://mail.example", SmtpUrlError::Scheme),
            ("smtp://mail.example/path", SmtpUrlError::Rest),
            ("smtp://mail.example?tls=none", SmtpUrlError::Rest),
            ("smtp://mail.example#x", SmtpUrlError::Rest),
        ] {
            assert_eq!(SmtpUrl::parse(text).err(), Some(error), "{text}");
        }
    }

    #[test]
    fn a_letter_is_plain_text_that_asks_for_no_answer() {
        let url = SmtpUrl::parse("smtp://127.0.0.1:2525").unwrap();
        let from = Sender::parse("Portcullis <no-reply@example.com>").unwrap();
        let smtp = Smtp::new(&url, from, Arc::new(ambient::SeededEntropy::new(1))).unwrap();
        let to = Email::parse("ada@example.com").unwrap();
        let letter = Letter { to, subject: "Bestätigen".to_owned(), text: "Öffnen Sie\n".to_owned() };
        let written = String::from_utf8(smtp.message(&letter).unwrap().formatted()).unwrap();
        for line in [
            "From: Portcullis <no-reply@example.com>\r\n",
            "To: ada@example.com\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "Content-Type: text/plain; charset=utf-8\r\n",
            "@example.com>\r\n",
            "Date: ",
        ] {
            assert!(written.contains(line), "{line}: {written}");
        }
        let odd = Email::parse("\"<script>\"@example.com").unwrap();
        assert!(smtp.message(&Letter { to: odd, ..letter }).is_err());
        assert!(Sender::parse("no address").is_err());
    }
}
