//! A mail server (RFC 5321) on a free port of this machine: takes letters and shows them, or is as difficult as it is told to be.

use std::io;
use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

/// A running mail server. It ends when it is dropped.
#[derive(Debug)]
pub struct MailServer {
    address: SocketAddr,
    letters: UnboundedReceiver<Delivered>,
    running: JoinHandle<()>,
}

/// How it treats its clients.
#[derive(Clone, Debug, Default)]
pub struct Manners {
    /// The user name and password that it asks for (RFC 4954, `PLAIN`).
    pub password: Option<(String, String)>,
    /// What it answers to each recipient instead of taking the letter.
    pub refusal: Option<&'static str>,
}

/// A letter that it took.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// The sender of the envelope.
    pub from: String,
    /// The receivers of the envelope.
    pub to: Vec<String>,
    /// The headers, one a line.
    pub headers: String,
    /// The subject, decoded (RFC 2047).
    pub subject: String,
    /// The text, decoded (RFC 2045 section 6).
    pub text: String,
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
        let running = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (manners, sender) = (manners.clone(), sender.clone());
                tokio::spawn(async move {
                    // A client that hangs up has nothing more to say.
                    let _ended: io::Result<()> = converse(client, &manners, &sender).await;
                });
            }
        });
        Ok(Self { address, letters, running })
    }

    /// Where it is: `smtp://127.0.0.1:port`, with what it asks for.
    #[must_use]
    pub fn url(&self, user_and_password: Option<(&str, &str)>) -> String {
        match user_and_password {
            Some((user, password)) => format!("smtp://{user}:{password}@{}", self.address),
            None => format!("smtp://{}", self.address),
        }
    }

    /// The next letter; waits for it. `None` when there will be none.
    pub async fn letter(&mut self) -> Option<Delivered> {
        self.letters.recv().await
    }
}

async fn converse(
    client: TcpStream,
    manners: &Manners,
    letters: &UnboundedSender<Delivered>,
) -> io::Result<()> {
    let mut client = BufReader::new(client);
    let (mut from, mut to, mut known) = (String::new(), Vec::new(), manners.password.is_none());
    say(&mut client, "220 mail.example ESMTP").await?;
    loop {
        let mut line = String::new();
        if client.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let line = line.trim_end();
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        let answer = match verb.as_str() {
            "EHLO" if manners.password.is_some() => {
                "250-mail.example\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 AUTH PLAIN"
            }
            "EHLO" => "250-mail.example\r\n250-8BITMIME\r\n250 SMTPUTF8",
            "AUTH" => {
                known = is_password(line, manners);
                if known { "235 welcome" } else { "535 wrong" }
            }
            "QUIT" => return say(&mut client, "221 bye").await,
            _ if !known => "530 who are you",
            "MAIL" => {
                from = in_brackets(line);
                "250 go on"
            }
            "RCPT" => {
                to.push(in_brackets(line));
                manners.refusal.unwrap_or("250 go on")
            }
            "DATA" => {
                say(&mut client, "354 go on").await?;
                let message = message(&mut client).await?;
                let _listening = letters.send(read(&message, &from, std::mem::take(&mut to)));
                "250 taken"
            }
            "RSET" | "NOOP" => "250 fine",
            _ => "500 what?",
        };
        say(&mut client, answer).await?;
    }
}

async fn say(client: &mut BufReader<TcpStream>, line: &str) -> io::Result<()> {
    client.write_all(format!("{line}\r\n").as_bytes()).await
}

fn is_password(line: &str, manners: &Manners) -> bool {
    let given = line.split(' ').nth(2).and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
    let right = |(user, password): &(String, String)| format!("\0{user}\0{password}").into_bytes() == given;
    manners.password.as_ref().is_some_and(right)
}

fn in_brackets(line: &str) -> String {
    line.split(['<', '>']).nth(1).unwrap_or_default().to_owned()
}

/// Up to the line with a single dot; of a line that begins with two, one is taken off (RFC 5321 section 4.5.2).
async fn message(client: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut message = String::new();
    loop {
        let mut line = String::new();
        if client.read_line(&mut line).await? == 0 || line == ".\r\n" {
            return Ok(message);
        }
        message.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}

fn read(message: &str, from: &str, to: Vec<String>) -> Delivered {
    let (headers, body) = message.split_once("\r\n\r\n").unwrap_or((message, ""));
    let headers = headers.replace("\r\n ", " ").replace("\r\n", "\n");
    let header = |name: &str| {
        let prefix = format!("{}:", name.to_ascii_lowercase());
        let line = headers.lines().find(|line| line.to_ascii_lowercase().starts_with(&prefix));
        line.map(|line| line[prefix.len()..].trim().to_owned()).unwrap_or_default()
    };
    let body = match header("Content-Transfer-Encoding").as_str() {
        "quoted-printable" => unquoted(&body.replace("=\r\n", "")),
        "base64" => STANDARD.decode(body.replace("\r\n", "")).unwrap_or_default(),
        _ => body.as_bytes().to_vec(),
    };
    Delivered {
        from: from.to_owned(),
        to,
        subject: decoded_words(&header("Subject")),
        text: String::from_utf8_lossy(&body).replace("\r\n", "\n"),
        headers,
    }
}

fn unquoted(text: &str) -> Vec<u8> {
    let mut parts = text.split('=');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (code, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        bytes.extend(u8::from_str_radix(code, 16));
        bytes.extend(rest.as_bytes());
    }
    bytes
}

/// Between two encoded words a space means nothing.
fn decoded_words(header: &str) -> String {
    let mut text = String::new();
    for (number, part) in header.replace("?= =?", "?==?").split("=?utf-8?b?").enumerate() {
        match part.split_once("?=") {
            Some((word, rest)) if number > 0 => {
                text.push_str(&String::from_utf8_lossy(&STANDARD.decode(word).unwrap_or_default()));
                text.push_str(rest);
            }
            Some(_) | None => text.push_str(part),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_read() {
        let message = "Subject: =?utf-8?b?w4Q=?= =?utf-8?b?w5Y=?= and\r\n more\r\nContent-Transfer-Encoding: \
                       quoted-printable\r\n\r\n=C3=84 is=\r\n long=3D1\r\n";
        let letter = read(message, "a@b", vec!["c@d".to_owned()]);
        assert_eq!((&*letter.subject, &*letter.text), ("ÄÖ and more", "Ä is long=1\n"));
    }
}
