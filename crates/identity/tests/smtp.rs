//! Letters through a real conversation with a mail server.
#![cfg(feature = "smtp")]
#![expect(clippy::unwrap_used, reason = "helpers of tests, which fail by a panic")]

use std::sync::Arc;

use ambient::SystemEntropy;
use identity::{Email, Letter, Mail, MailError, Sender, Smtp, SmtpUrl};
use testkit::mail::{Certificate, MailServer, Manners, Tls};

const FROM: &str = "Portcullis <no-reply@example.com>";

fn smtp(url: &str) -> Smtp {
    let url = SmtpUrl::parse(url).unwrap();
    Smtp::new(&url, Sender::parse(FROM).unwrap(), Arc::new(SystemEntropy)).unwrap()
}

fn letter(to: &str) -> Letter {
    let text = "Öffnen Sie diesen Link:\n\nhttps://as.example/verify?ticket=tkt_".to_owned();
    let text = text + &"x".repeat(72) + "\n.\n..\nEnde\n";
    Letter::new(Email::parse(to).unwrap(), "Bestätigen Sie Ihre E-Mail-Adresse für as.example", &text)
}

#[tokio::test]
async fn a_letter_arrives_as_it_was_written() {
    let mut server = MailServer::start(Manners::default()).await.unwrap();
    let sent = letter("ada@example.com");
    smtp(&server.url(None)).send(&sent).await.unwrap();
    let arrived = server.letter().await.unwrap();
    assert_eq!((&*arrived.from, &*arrived.to), ("no-reply@example.com", &["ada@example.com".to_owned()][..]));
    assert_eq!((&arrived.subject, arrived.text.trim_end()), (&sent.subject, sent.text.trim_end()));
    for header in ["From: Portcullis <no-reply@example.com>", "Auto-Submitted: auto-generated", "Date: "] {
        assert!(arrived.headers.contains(header), "{header}: {}", arrived.headers);
    }
}

#[tokio::test]
async fn an_address_in_any_script_gets_its_letter() {
    let mut server = MailServer::start(Manners::default()).await.unwrap();
    smtp(&server.url(None)).send(&letter("jürgen@bücher.example")).await.unwrap();
    let arrived = server.letter().await.unwrap();
    assert!(arrived.to[0].starts_with("jürgen@"), "{:?}", arrived.to);
}

#[tokio::test]
async fn a_password_is_given_where_it_is_asked_for() {
    let password = Some(("ada".to_owned(), "p@ss".to_owned()));
    let mut server = MailServer::start(Manners { password, ..Manners::default() }).await.unwrap();
    smtp(&server.url(Some(("ada", "p%40ss")))).send(&letter("ada@example.com")).await.unwrap();
    assert!(server.letter().await.is_some());
    for known in [None, Some(("ada", "wrong"))] {
        let error = smtp(&server.url(known)).send(&letter("ada@example.com")).await.unwrap_err();
        assert!(matches!(error, MailError::Refused(_)), "{error}");
    }
}

#[tokio::test]
async fn a_look_at_the_server_tells_whether_it_is_there_and_lets_us_in_and_leaves_no_letter() {
    let password = Some(("ada".to_owned(), "secret word".to_owned()));
    let mut server = MailServer::start(Manners { password, ..Manners::default() }).await.unwrap();
    let (right, wrong) = (server.url(Some(("ada", "secret%20word"))), server.url(Some(("ada", "another"))));
    smtp(&right).look().await.unwrap();
    assert!(smtp(&wrong).look().await.is_err());
    let sent = smtp(&right);
    sent.send(&letter("ada@example.com")).await.unwrap();
    assert!(server.letter().await.is_some());
    drop(server);
    assert!(matches!(smtp(&right).look().await, Err(MailError::Unreachable(_))));
}

#[tokio::test]
async fn a_refusal_is_final_or_not_as_the_server_says_and_its_words_stay_out_of_the_log() {
    for (refusal, last) in [("550 5.1.1 <ada@example.com> nobody", true), ("451 4.3.0 later, ada", false)] {
        let manners = Manners { refusal: Some(refusal), ..Manners::default() };
        let server = MailServer::start(manners).await.unwrap();
        let error = smtp(&server.url(None)).send(&letter("ada@example.com")).await.unwrap_err();
        assert_eq!(matches!(error, MailError::Refused(_)), last, "{error}");
        assert!(error.to_string().contains(&refusal[..3]), "{error}");
        assert!(!error.to_string().contains("ada"), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_is_gone_is_tried_again_by_others() {
    let url = {
        let server = MailServer::start(Manners::default()).await.unwrap();
        server.url(None)
    };
    let error = smtp(&url).send(&letter("ada@example.com")).await.unwrap_err();
    assert!(matches!(error, MailError::Unreachable(_)), "{error}");
    let no_address = smtp(&url).send(&letter("\"<>\"@example.com")).await.unwrap_err();
    assert!(matches!(no_address, MailError::Refused(_)), "{no_address}");
}

/// No 8BITMIME, no SMTPUTF8, lines of at most 998 bytes: what RFC 5321 asks of each server.
#[tokio::test]
async fn a_server_that_offers_nothing_gets_well_formed_letters() {
    let manners = Manners { ascii_alone: true, ..Manners::default() };
    let mut server = MailServer::start(manners).await.unwrap();
    let mail = smtp(&server.url(None));
    let usual = letter("ada@example.com");
    let long = "Ä".repeat(200) + &"x".repeat(2000);
    let odd = Letter::new(Email::parse("ada@bücher.example").unwrap(), &long, &format!("{long}\n"));
    for (sent, to) in [(usual, "ada@example.com"), (odd, "ada@xn--bcher-kva.example")] {
        mail.send(&sent).await.unwrap();
        let arrived = server.letter().await.unwrap();
        assert_eq!(arrived.to, [to]);
        assert_eq!((&arrived.subject, arrived.text.trim_end()), (&sent.subject, sent.text.trim_end()));
    }
    // What stands before the @ has no other way of writing it.
    let error = mail.send(&letter("jürgen@example.com")).await.unwrap_err();
    assert!(matches!(error, MailError::Refused(_)), "{error}");
}

const USER: Option<(&str, &str)> = Some(("ada", "p%40ss"));

async fn server_with(tls: Tls) -> MailServer {
    let password = Some(("ada".to_owned(), "p@ss".to_owned()));
    MailServer::start(Manners { password, tls, ..Manners::default() }).await.unwrap()
}

/// The same place by a name that is not known to be this machine.
fn elsewhere(server: &MailServer) -> String {
    server.url(USER).replace("127.0.0.1", "0.0.0.0")
}

fn by_tls_from_the_start(server: &MailServer) -> String {
    server.url(USER).replace("smtp://", "smtps://")
}

fn by_starttls(server: &MailServer) -> String {
    server.url(USER) + "?tls=required"
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_gets_neither_password_nor_letter() {
    let certificate = Certificate::of(&["127.0.0.1", "0.0.0.0"]).unwrap();
    let (asked, first) =
        (server_with(Tls::Asked(certificate.clone())).await, server_with(Tls::First(certificate)).await);
    for url in [by_starttls(&asked), elsewhere(&asked), by_tls_from_the_start(&first)] {
        let error = smtp(&url).send(&letter("ada@example.com")).await.unwrap_err();
        assert!(matches!(error, MailError::Unreachable(_)), "{error}");
    }
    assert_eq!(asked.in_the_clear(), ["EHLO", "STARTTLS", "EHLO", "STARTTLS"]);
}

/// Who sits on the way can take the offer out (RFC 3207 section 6).
#[tokio::test]
async fn without_the_offer_of_tls_nothing_is_said_where_it_is_a_must() {
    let server = server_with(Tls::Never).await;
    for url in [by_starttls(&server), elsewhere(&server), by_tls_from_the_start(&server)] {
        assert!(smtp(&url).send(&letter("ada@example.com")).await.is_err(), "{url}");
    }
    let told = server.in_the_clear();
    assert!(!told.is_empty() && !told.iter().any(|verb| verb == "AUTH" || verb == "MAIL"), "{told:?}");
}

/// The roots of the system are read from its environment: whoever is to trust a certificate of today is another process, which is
/// this test once more.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_vouched_for_is_told_everything_in_secret() {
    const URLS: &str = "SMTP_TEST_URLS";
    if let Ok(urls) = std::env::var(URLS) {
        for url in urls.split(' ') {
            smtp(url).send(&letter("ada@example.com")).await.unwrap();
        }
        return;
    }
    let certificate = Certificate::of(&["127.0.0.1", "0.0.0.0"]).unwrap();
    let root = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(root.path(), certificate.pem()).unwrap();
    let (mut asked, mut first) =
        (server_with(Tls::Asked(certificate.clone())).await, server_with(Tls::First(certificate)).await);
    let urls = [by_starttls(&asked), elsewhere(&asked), by_tls_from_the_start(&first)].join(" ");
    let again = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_server_that_is_vouched_for_is_told_everything_in_secret"])
        .envs([(URLS, urls.as_str()), ("SSL_CERT_FILE", root.path().to_str().unwrap())])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&again.stdout);
    assert!(again.status.success() && said.contains("1 passed"), "{said}");
    for server in [&mut asked, &mut first] {
        assert_eq!(server.letter().await.unwrap().to, ["ada@example.com"]);
    }
    assert!(asked.letter().await.is_some());
    assert_eq!(asked.in_the_clear(), ["EHLO", "STARTTLS", "EHLO", "STARTTLS"]);
}
