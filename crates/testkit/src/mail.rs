//! A mail server (RFC 5321) on a free port of this machine: takes letters and shows them, or is as difficult as it is told to be.

mod letter;
mod tls;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

pub use self::letter::Delivered;
pub use self::tls::{Certificate, CertificateError};

/// A running mail server. It ends when it is dropped.
#[derive(Debug)]
pub struct MailServer {
    address: SocketAddr,
    letters: UnboundedReceiver<Delivered>,
    in_the_clear: Arc<Mutex<Vec<String>>>,
    running: JoinHandle<()>,
}

/// How it treats its clients.
#[derive(Clone, Debug, Default)]
pub struct Manners {
    /// The user name and password that it asks for (RFC 4954, `PLAIN`).
    pub password: Option<(String, String)>,
    /// What it answers to each recipient instead of taking the letter.
    pub refusal: Option<&'static str>,
    /// How it comes to speak TLS.
    pub tls: Tls,
    /// It knows no more than RFC 5321: neither 8BITMIME (RFC 6152) nor SMTPUTF8 (RFC 6531).
    pub ascii_alone: bool,
}

/// How a mail server comes to speak TLS.
#[derive(Clone, Debug, Default)]
pub enum Tls {
    /// It does not, or somebody between has taken the offer out.
    #[default]
    Never,
    /// When it is asked to: STARTTLS (RFC 3207).
    Asked(Certificate),
    /// From the first byte (RFC 8314 section 3.3).
    First(Certificate),
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.running.abort();
    }
}

impl MailServer {
    /// Starts one.
    ///
    /// # Errors
    ///
    /// If no port is free.
    pub async fn start(manners: Manners) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (sender, letters) = unbounded_channel();
        let in_the_clear = Arc::default();
        let host = Host { manners, letters: sender, in_the_clear: Arc::clone(&in_the_clear) };
        let running = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let host = host.clone();
                tokio::spawn(async move {
                    // A client that hangs up has nothing more to say.
                    let _ended: io::Result<()> = host.welcome(Box::new(client)).await;
                });
            }
        });
        Ok(Self { address, letters, in_the_clear, running })
    }

    /// Where it is: `smtp://127.0.0.1:port`, with what it asks for.
    #[must_use]
    pub fn url(&self, user_and_password: Option<(&str, &str)>) -> String {
        match user_and_password {
            Some((user, password)) => format!("smtp://{user}:{password}@{}", self.address),
            None => format!("smtp://{}", self.address),
        }
    }

    /// The port that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The next letter; waits for it. `None` when there will be none.
    pub async fn letter(&mut self) -> Option<Delivered> {
        self.letters.recv().await
    }

    /// The commands that anybody on the way could have read, in upper case and without what followed them.
    #[must_use]
    pub fn in_the_clear(&self) -> Vec<String> {
        self.in_the_clear.lock().clone()
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

#[derive(Clone)]
struct Host {
    manners: Manners,
    letters: UnboundedSender<Delivered>,
    in_the_clear: Arc<Mutex<Vec<String>>>,
}

/// What comes of a conversation.
enum End {
    Bye,
    Tls(Certificate, Box<dyn Stream>),
}

impl Host {
    async fn welcome(&self, client: Box<dyn Stream>) -> io::Result<()> {
        if let Tls::First(certificate) = &self.manners.tls {
            let client = Box::new(certificate.acceptor().accept(client).await?);
            return self.converse(client, true, Some("220 mail.example ESMTP")).await.map(|_| ());
        }
        match self.converse(client, false, Some("220 mail.example ESMTP")).await? {
            End::Bye => Ok(()),
            End::Tls(certificate, client) => {
                let client = Box::new(certificate.acceptor().accept(client).await?);
                self.converse(client, true, None).await.map(|_| ())
            }
        }
    }

    /// From the greeting to the end, or to TLS, which begins from nothing (RFC 3207 section 4.2).
    async fn converse(
        &self,
        client: Box<dyn Stream>,
        private: bool,
        greeting: Option<&str>,
    ) -> io::Result<End> {
        let mut client = BufReader::new(client);
        let (mut from, mut to, mut known) = (String::new(), Vec::new(), self.manners.password.is_none());
        if let Some(greeting) = greeting {
            say(&mut client, greeting).await?;
        }
        loop {
            let mut line = String::new();
            if client.read_line(&mut line).await? == 0 {
                return Ok(End::Bye);
            }
            let line = line.trim_end();
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            if !private {
                self.in_the_clear.lock().push(verb.clone());
            }
            let answer = match verb.as_str() {
                "EHLO" => &self.offers(private),
                "STARTTLS" => match &self.manners.tls {
                    Tls::Asked(certificate) if !private => {
                        say(&mut client, "220 go on").await?;
                        return Ok(End::Tls(certificate.clone(), client.into_inner()));
                    }
                    Tls::Asked(_) | Tls::First(_) | Tls::Never => "502 not here",
                },
                "AUTH" => {
                    known = self.is_password(line);
                    if known { "235 welcome" } else { "535 wrong" }
                }
                "QUIT" => {
                    say(&mut client, "221 bye").await?;
                    return Ok(End::Bye);
                }
                _ if !known => "530 who are you",
                "MAIL" | "RCPT" if self.manners.ascii_alone && !is_plain(line) => "555 what is that?",
                "MAIL" => {
                    from = in_brackets(line);
                    "250 go on"
                }
                "RCPT" => {
                    to.push(in_brackets(line));
                    self.manners.refusal.unwrap_or("250 go on")
                }
                "DATA" => {
                    say(&mut client, "354 go on").await?;
                    let message = message(&mut client).await?;
                    if self.manners.ascii_alone && !message.is_ascii() {
                        "554 eight bits"
                    } else if message.lines().any(|line| line.len() > LONGEST_LINE) {
                        "554 too long a line"
                    } else {
                        let _listening =
                            self.letters.send(letter::read(&message, &from, std::mem::take(&mut to)));
                        "250 taken"
                    }
                }
                "RSET" | "NOOP" => "250 fine",
                _ => "500 what?",
            };
            say(&mut client, answer).await?;
        }
    }

    fn offers(&self, private: bool) -> String {
        let more = [
            (!self.manners.ascii_alone, "8BITMIME"),
            (!self.manners.ascii_alone, "SMTPUTF8"),
            (!private && matches!(self.manners.tls, Tls::Asked(_)), "STARTTLS"),
            (self.manners.password.is_some(), "AUTH PLAIN"),
        ];
        let offered = more.iter().filter(|(offered, _)| *offered);
        let lines: String = offered.map(|(_, name)| format!("250-{name}\r\n")).collect();
        format!("250-mail.example\r\n{lines}250 HELP")
    }

    fn is_password(&self, line: &str) -> bool {
        let given = line.split(' ').nth(2).and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
        let right =
            |(user, password): &(String, String)| format!("\0{user}\0{password}").into_bytes() == given;
        self.manners.password.as_ref().is_some_and(right)
    }
}

/// Without the end of the line (RFC 5321 section 4.5.3.1.6).
const LONGEST_LINE: usize = 998;

async fn say(client: &mut BufReader<Box<dyn Stream>>, line: &str) -> io::Result<()> {
    client.write_all(format!("{line}\r\n").as_bytes()).await?;
    client.flush().await
}

/// Whether a command has nothing in it that must have been offered.
fn is_plain(line: &str) -> bool {
    line.is_ascii() && line.ends_with('>')
}

fn in_brackets(line: &str) -> String {
    line.split(['<', '>']).nth(1).unwrap_or_default().to_owned()
}

/// Up to the line with a single dot; of a line that begins with two, one is taken off (RFC 5321 section 4.5.2).
async fn message(client: &mut BufReader<Box<dyn Stream>>) -> io::Result<String> {
    let mut message = String::new();
    loop {
        let mut line = String::new();
        if client.read_line(&mut line).await? == 0 || line == ".\r\n" {
            return Ok(message);
        }
        message.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}
