//! How many letters there are, and which wait behind which.

use std::time::Duration;

use tokio::time::timeout;

use super::*;
use crate::visit::Visit;

const EMAIL: &str = "ada@example.com";

/// The attack: letters to somebody who has no account, every few minutes for ever, each to an address of its own.
#[tokio::test]
async fn because_of_one_network_so_many_letters_a_day_go_to_a_mailbox_and_others_can_have_theirs() {
    let world = mailing().await;
    let mut stranger = world.browser();
    for n in 0..30_u8 {
        stranger.peer = Peer(Some(IpAddr::from([198, 51, 100, n])));
        stranger.sign_up(&format!("ada+{n}@example.com")).await;
        world.identity.letters_done().await;
        world.clock.advance(180);
    }
    assert_eq!(world.identity.letters(), (10, 0));
    let mut ada = world.browser();
    ada.peer = Peer(Some(IpAddr::from([203, 0, 113, 1])));
    ada.sign_up(EMAIL).await;
    world.identity.letters_done().await;
    assert_eq!(world.identity.letters(), (11, 0));
}

/// The attack: the same by somebody who has an account, and says that it shall have that address.
#[tokio::test]
async fn so_it_is_with_letters_to_a_new_address() {
    let world = mailing().await;
    let mut ada = world.browser();
    ada.sign_up_by_letter(&world, EMAIL).await;
    for n in 0..20 {
        let email = format!("bo+{n}@example.com");
        let body = serde_json::json!({ "password": PASSWORD, "email": email }).to_string();
        assert_eq!(ada.json("/auth/email", &body).await.status(), StatusCode::ACCEPTED);
        world.identity.letters_done().await;
        world.clock.advance(180);
    }
    assert_eq!(world.identity.letters(), (1 + 10, 0));
}

/// A mail server that is for ever busy with letters about forgotten passwords.
struct Busy(UnboundedSender<Letter>);

#[async_trait]
impl Mail for Busy {
    async fn send(&self, letter: &Letter) -> Result<(), MailError> {
        if letter.subject.starts_with("Set a new password") {
            std::future::pending::<()>().await;
        }
        self.0.send(letter.clone()).map_err(|closed| MailError::Refused(Box::new(closed)))
    }
}

/// The attack: links to new passwords, which anybody can ask for, so that nobody is told of what happens to their account.
#[tokio::test(start_paused = true)]
async fn what_tells_an_owner_waits_behind_no_link_to_a_new_password() {
    let world = mailing().await;
    world.browser().sign_up_by_letter(&world, EMAIL).await;
    let (sent, mut letters) = unbounded_channel();
    let identity = Identity::clone(&world.identity).mail(Arc::new(Busy(sent)));
    let request = Request::builder().body(Bytes::new()).unwrap();
    let visit = Visit::of(&request, Peer(Some(IpAddr::from([198, 51, 100, 1]))));
    for _ in 0..5 {
        identity.forgot(&visit, EMAIL).await.unwrap();
    }
    let account = world.accounts.by_email(&Email::parse(EMAIL).unwrap()).await.unwrap().unwrap();
    identity.desk(&visit).unwrap().password_changed(&account);
    let told = timeout(Duration::from_secs(10), letters.recv()).await.unwrap().unwrap();
    assert!(told.subject.contains("was changed"), "{}", told.subject);
}
