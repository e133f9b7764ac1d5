//! Letters through a real conversation with a mail server.
#![cfg(feature = "smtp")]
#![expect(clippy::unwrap_used, reason = "helpers of tests, which fail by a panic")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ambient::SystemEntropy;
use async_trait::async_trait;
use identity::{Email, Letter, Mail, MailError, Sender, Smtp, SmtpUrl};
use testkit::mail::{MailServer, Manners};

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

/// A way of one's own for letters.
#[tokio::test]
async fn whoever_has_another_way_for_letters_takes_it() {
    struct Pigeon(AtomicBool);
    #[async_trait]
    impl Mail for Pigeon {
        async fn send(&self, letter: &Letter) -> Result<(), MailError> {
            self.0.store(letter.to.as_str() == "ada@example.com", Ordering::SeqCst);
            Ok(())
        }
    }
    let pigeon = Arc::new(Pigeon(AtomicBool::new(false)));
    let mail: Arc<dyn Mail> = pigeon.clone();
    mail.send(&letter("ada@example.com")).await.unwrap();
    assert!(pigeon.0.load(Ordering::SeqCst));
}
