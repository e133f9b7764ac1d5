//! What goes by letter, with a real mail server at the other end.

use bytes::Bytes;
use http::Method;
use identity::{Sender, SmtpUrl};
use portcullis::Config;
use portcullis::config::MailKind;
use serde_json::json;
use testkit::browser::Browser;
use testkit::client::{Client, ResourceServer, open};
use testkit::mail::{Delivered, MailServer, Manners};
use testkit::world::{PASSWORD, request};

use crate::run::{ISSUER, Run, Sut};

const NEW: &str = "an otter in my kettle";

/// A server that sends letters, and who takes them.
pub(crate) struct Post {
    /// The server under test.
    pub(crate) world: Sut,
    mail: MailServer,
}

impl Post {
    pub(crate) async fn of(run: Run) -> Self {
        Self::with(run, |_| ()).await
    }

    /// One that is configured in another way, besides.
    pub(crate) async fn with(run: Run, change: impl FnOnce(&mut Config)) -> Self {
        let mail = MailServer::start(Manners::default()).await.unwrap();
        let url = SmtpUrl::parse(&mail.url(None)).unwrap();
        let from = Sender::parse("no-reply@as.example").unwrap();
        let world = run
            .with(|config| {
                config.mail = MailKind::Smtp { url, from };
                config.accounts.require_verified_email = true;
                change(config);
            })
            .await;
        Self { world, mail }
    }

    /// The next letter.
    pub(crate) async fn letter(&mut self) -> Delivered {
        self.mail.letter().await.unwrap()
    }

    /// A browser whose person has confirmed their address.
    pub(crate) async fn person(&mut self, email: &str) -> Browser {
        let mut browser = self.world.browser();
        let account = json!({ "email": email, "password": PASSWORD, "name": "Ada" });
        let answer = browser.post_json("/auth/signup", &account).await;
        assert_eq!(answer.status(), 202, "{}", answer.text());
        let ticket = ticket_in(&self.letter().await);
        let confirmed =
            browser.post_json("/auth/verify", &json!({ "ticket": ticket, "password": PASSWORD })).await;
        assert_eq!(confirmed.status(), 200, "{}", confirmed.text());
        browser
    }

    /// A link to a new password.
    async fn reset_for(&mut self, email: &str) -> String {
        let mut browser = self.world.browser();
        let answer = browser.post_json("/auth/forgot", &json!({ "email": email })).await;
        assert_eq!(answer.status(), 202, "{}", answer.text());
        ticket_in(&self.letter().await)
    }
}

/// The link of a letter.
pub(crate) fn link_in(letter: &Delivered) -> String {
    let link = letter.text.lines().find(|line| line.contains("?ticket=")).unwrap();
    assert!(link.starts_with(ISSUER), "{link}");
    link.to_owned()
}

/// What the link of a letter carries.
pub(crate) fn ticket_in(letter: &Delivered) -> String {
    link_in(letter).split_once("?ticket=").unwrap().1.to_owned()
}

/// No app before the address is confirmed (prior systems, WA-6), and the page behind the link asks for the password.
async fn an_address_is_confirmed_by_letter_before_an_app_is_connected(run: Run) {
    let mut post = Post::of(run).await;
    ResourceServer::usual(&post.world).await;
    let client = Client::public(&post.world).await;
    let mut ada = post.world.browser();
    let log_in = open(&post.world, &mut ada, &client.asking()).await.page();
    let sign_up = ada.open(&log_in.html.link("Sign up").unwrap()).await.page();
    let filled = sign_up
        .form("Sign up")
        .fill("Name", "Ada")
        .fill("Email", "ada@example.com")
        .fill("Password", PASSWORD);
    let sent = ada.press(&filled, "Sign up").await.page();
    assert_eq!(sent.heading(), "Look into your mail");
    let letter = post.letter().await;
    assert_eq!((&*letter.to[0], &*letter.from), ("ada@example.com", "no-reply@as.example"));
    assert_eq!(letter.subject, "Confirm your email address for as.example");

    // There is no account before, so nobody learns from a log-in whether there was one.
    let known = json!({ "email": "ada@example.com", "password": PASSWORD });
    assert_eq!(ada.post_json("/auth/login", &known).await.status(), 401);
    let waiting = open(&post.world, &mut ada, &client.asking()).await.page();
    assert_eq!(waiting.heading(), "Log in");

    let page = ada.open(&link_in(&letter)).await.page();
    let filled = page.form("Confirm").fill("Password of your account", PASSWORD);
    let confirmed = ada.press(&filled, "Confirm").await.page();
    assert_eq!(confirmed.heading(), "Your email address is confirmed");
    let consent = ada.open(&sent.html.link("I have confirmed: continue").unwrap()).await.page();
    assert!(consent.heading().starts_with("Allow "), "{}", consent.heading());
}

/// What userinfo says of an address is true.
async fn email_verified_is_told_once_it_is_shown(run: Run) {
    let mut post = Post::of(run).await;
    ResourceServer::usual(&post.world).await;
    let client = Client::public(&post.world).await;
    let mut ada = post.person("ada@example.com").await;
    let bearer = format!("Bearer {}", client.connect(&post.world, &mut ada).await.access);
    let asked = request(Method::GET, "/oauth/userinfo", &[("authorization", &bearer)], Bytes::new());
    let told = post.world.send(asked).await.json();
    assert_eq!(
        (&told["email"], &told["email_verified"]),
        (&json!("ada@example.com"), &json!(true)),
        "{told}"
    );
}

/// A new password ends the sessions; the connections only if that is asked for.
async fn a_new_password_ends_sessions_and_if_asked_connections(run: Run) {
    for everything in [false, true] {
        let mut post = Post::of(run).await;
        let server = ResourceServer::usual(&post.world).await;
        let client = Client::public(&post.world).await;
        let mut ada = post.person("ada@example.com").await;
        let tokens = client.connect(&post.world, &mut ada).await;
        let ticket = post.reset_for("ada@example.com").await;
        let body = json!({ "ticket": ticket, "password": NEW, "everything": everything });
        let mut elsewhere = post.world.browser();
        assert_eq!(elsewhere.post_json("/auth/reset", &body).await.status(), 204);
        assert_eq!(post.letter().await.subject, "Your password for as.example was changed");
        assert_eq!(
            elsewhere.post_json("/auth/reset", &body).await.refusal(),
            (410, "invalid_ticket".to_owned())
        );
        let waits = open(&post.world, &mut ada, &client.asking()).await.page();
        assert_eq!(waits.heading(), "Log in");
        assert_eq!(server.accepts(&post.world, &tokens.access).await, !everything);
        let refreshed = client.refresh(&post.world, &tokens.refresh).await;
        assert_eq!(refreshed.status(), if everything { 400 } else { 200 }, "{}", refreshed.text());
        for (password, status) in [(PASSWORD, 401), (NEW, 200)] {
            let known = json!({ "email": "ada@example.com", "password": password });
            assert_eq!(elsewhere.post_json("/auth/login", &known).await.status(), status);
        }
    }
}

/// The same answer for everybody, before and after, and a letter for the owner of the address alone.
async fn nobody_is_told_who_has_an_account(run: Run) {
    let mut post = Post::of(run).await;
    post.person("ada@example.com").await;
    for (path, body) in [
        ("/auth/signup", json!({ "password": NEW })),
        ("/auth/login", json!({ "password": NEW })),
        ("/auth/forgot", json!({})),
    ] {
        let mut answers = Vec::new();
        for email in ["eve@example.com", "ada@example.com"] {
            let mut body = body.clone();
            body["email"] = email.into();
            let answer = post.world.browser().post_json(path, &body).await;
            answers.push((answer.status(), answer.text()));
        }
        assert_eq!(answers[0], answers[1]);
    }
    // Letters go out beside the requests, in any order.
    let expected = [
        ("ada@example.com", "You have an account at as.example already"),
        ("ada@example.com", "Set a new password for as.example"),
        ("eve@example.com", "Confirm your email address for as.example"),
    ];
    let mut missing: Vec<_> = expected.to_vec();
    while !missing.is_empty() {
        let letter = post.letter().await;
        missing.retain(|(to, subject)| (*to, *subject) != (&*letter.to[0], &*letter.subject));
    }
}

stamp! {
    an_address_is_confirmed_by_letter_before_an_app_is_connected,
    email_verified_is_told_once_it_is_shown,
    a_new_password_ends_sessions_and_if_asked_connections,
    nobody_is_told_who_has_an_account,
}
