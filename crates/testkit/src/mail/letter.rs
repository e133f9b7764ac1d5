//! A letter as it came in, read by the rules of MIME.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A letter that the server took.
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

pub(super) fn read(message: &str, from: &str, to: Vec<String>) -> Delivered {
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
