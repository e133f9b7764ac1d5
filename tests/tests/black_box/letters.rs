//! What the owner of an account is told by letter, and can do by one.

use serde_json::json;
use testkit::browser::{Browser, Page};
use testkit::client::{Client, ResourceServer};
use testkit::mail::Delivered;
use testkit::passkey::Authenticator;
use testkit::world::{PASSWORD, Params};

use crate::mail::{Post, link_in};
use crate::run::{ISSUER, Run};
use crate::second_factor::set_up_app;

const EMAIL: &str = "ada@example.com";
const NEW: &str = "an otter in my kettle";
const FIREFOX: (&str, &str) =
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0");

async fn log_in(browser: &mut Browser, password: &str, headers: &[(&str, &str)]) -> u16 {
    let form = browser.open("/login").await.page().form("Log in");
    let form = form.fill("Email", EMAIL).fill("Password", password).sent_by("Log in");
    browser.post_form("/login", &form, headers).await.status()
}

async fn is_logged_in(browser: &mut Browser) -> bool {
    browser.open("/account").await.page().heading() == "Your account"
}

async fn press(browser: &mut Browser, page: &Page, label: &str) -> Page {
    browser.press(&page.form(label), label).await.page()
}

/// A browser that was not seen lately is told of, once, to the confirmed address.
async fn a_log_in_from_somewhere_new_is_told_of_once(run: Run) {
    let mut post = Post::of(run).await;
    post.person(EMAIL).await;
    // Whoever has just signed up is told nothing.
    post.world.clock.advance(2 * 3600);
    assert_eq!(log_in(&mut post.world.browser(), PASSWORD, &[FIREFOX]).await, 200);
    let letter = post.letter().await;
    assert_eq!(letter.subject, "Somebody logged in to as.example from somewhere new");
    assert_eq!(letter.to, [EMAIL]);
    assert!(letter.text.contains("Firefox on Linux"), "{}", letter.text);
    assert_eq!(log_in(&mut post.world.browser(), PASSWORD, &[FIREFOX]).await, 200);
    // The next one is about something else.
    let forgot = json!({ "email": EMAIL });
    post.world.browser().post_json("/auth/forgot", &forgot).await;
    assert_eq!(post.letter().await.subject, "Set a new password for as.example");
}

/// A stranger's key, added with a password that they know, goes by the link of the letter that tells of it; the password goes, too.
async fn what_a_stranger_added_is_taken_back_by_letter(run: Run) {
    let mut post = Post::of(run).await;
    let mut ada = post.person(EMAIL).await;
    let mut thief = post.world.browser();
    log_in(&mut thief, PASSWORD, &[]).await;
    let mut key = Authenticator::new("as.example", ISSUER);
    let page = thief.open("/account/security").await.page();
    let (form, sent) = key.added(&page, "Blue key", PASSWORD);
    assert_eq!(thief.post_form(&form.action, &sent, &[]).await.status(), 200);
    let letter = post.letter().await;
    assert_eq!(letter.subject, "How you log in at as.example has changed");

    let link = link_in(&letter);
    let page = ada.open(&link).await.page();
    let ticket = link.split_once("?ticket=").unwrap().1;
    let forged = Params::of(&[("csrf", "x"), ("ticket", ticket)]);
    assert_eq!(ada.post_form("/take-back", &forged, &[]).await.status(), 403);
    assert_eq!(press(&mut ada, &page, "It was not me").await.heading(), "Taken back");
    assert!(!is_logged_in(&mut thief).await);
    assert_eq!(log_in(&mut thief, PASSWORD, &[]).await, 401, "it may be known");
    let page = thief.open("/login").await.page();
    let (form, sent) = key.shown(&page);
    assert_eq!(thief.post_form(&form.action, &sent, &[]).await.status(), 401);
    assert_eq!(ada.open(&link).await.page().answer.status(), 410);
}

/// An app of codes that was there before stays when what came after it is taken back.
async fn what_was_there_before_is_not_taken_back(run: Run) {
    let mut post = Post::of(run).await;
    let mut ada = post.person(EMAIL).await;
    set_up_app(&post.world, &mut ada).await;
    let first = post.letter().await;
    let page = ada.open("/account/security").await.page();
    let (form, sent) = Authenticator::new("as.example", ISSUER).added(&page, "Blue key", PASSWORD);
    assert_eq!(ada.post_form(&form.action, &sent, &[]).await.status(), 200);
    let second = post.letter().await;
    let page = ada.open(&link_in(&second)).await.page();
    press(&mut ada, &page, "It was not me").await;
    let path = format!("/api/users/{}", post.world.user(EMAIL).await);
    let shown = post.world.shown(&path).await;
    assert_eq!(
        (&shown["totp"], &shown["passkeys"], &shown["password"]),
        (&json!(true), &json!(0), &json!(false))
    );
    let earlier = ada.open(&link_in(&first)).await.page().answer.status();
    assert_eq!(earlier, 200, "each letter takes back what it told of and what came after it");
}

/// The account keeps its address until the new one is confirmed; the old one is told; apps stay connected.
async fn an_address_is_changed_by_a_letter_to_the_new_one(run: Run) {
    let mut post = Post::of(run).await;
    let server = ResourceServer::usual(&post.world).await;
    let client = Client::public(&post.world).await;
    let mut ada = post.person(EMAIL).await;
    post.person("bo@example.com").await;
    let tokens = client.connect(&post.world, &mut ada).await;
    let send = "Send the link";
    let form = ada.open("/account/email").await.page().form(send);
    let wrong = form.clone().fill("New email address", "ada@new.example").fill("Present password", NEW);
    assert_eq!(ada.press(&wrong, send).await.page().answer.status(), 401);
    let mut said = Vec::new();
    for email in ["bo@example.com", "ada@new.example"] {
        let form = form.clone().fill("New email address", email).fill("Present password", PASSWORD);
        let page = ada.press(&form, send).await.page();
        assert_eq!(page.answer.status(), 200);
        said.push(page.html.texts("main").join(" ").replace(email, ""));
    }
    assert_eq!(said[0], said[1], "nobody is told who has an address");
    let letter = post.letter().await;
    assert_eq!(
        (&*letter.to[0], letter.subject.as_str()),
        ("ada@new.example", "Confirm your new email address for as.example")
    );
    assert_eq!(log_in(&mut post.world.browser(), PASSWORD, &[]).await, 200, "not yet");
    let page = ada.open(&link_in(&letter)).await.page();
    assert_eq!(press(&mut ada, &page, "Confirm").await.heading(), "Your email address is confirmed");
    let told: Delivered = post.letter().await;
    assert_eq!(
        (&*told.to[0], told.subject.as_str()),
        (EMAIL, "Your account at as.example has another email address now")
    );
    assert_eq!(log_in(&mut post.world.browser(), PASSWORD, &[]).await, 401);
    let known = json!({ "email": "ada@new.example", "password": PASSWORD });
    assert_eq!(post.world.browser().post_json("/auth/login", &known).await.status(), 200);
    assert!(server.accepts(&post.world, &tokens.access).await);
}

/// Who knows a password gives the account an address of their own: the letter to the one before brings it back and ends what they connected.
async fn an_address_is_brought_back_by_the_letter_to_it(run: Run) {
    let mut post = Post::of(run).await;
    let server = ResourceServer::usual(&post.world).await;
    let client = Client::public(&post.world).await;
    let mut thief = post.person(EMAIL).await;
    let tokens = client.connect(&post.world, &mut thief).await;
    let send = "Send the link";
    let form = thief.open("/account/email").await.page().form(send);
    let form = form.fill("New email address", "eve@evil.example").fill("Present password", PASSWORD);
    thief.press(&form, send).await;
    let letter = post.letter().await;
    let page = thief.open(&link_in(&letter)).await.page();
    press(&mut thief, &page, "Confirm").await;
    let told = post.letter().await;
    assert_eq!(&*told.to[0], EMAIL);
    let id = post.world.user("eve@evil.example").await;

    let mut ada = post.world.browser();
    let page = ada.open(&link_in(&told)).await.page();
    assert_eq!(press(&mut ada, &page, "It was not me").await.heading(), "Taken back");
    let shown = post.world.shown(&format!("/api/users/{id}")).await;
    assert_eq!((&shown["email"], &shown["password"]), (&json!(EMAIL), &json!(false)));
    assert!(!is_logged_in(&mut thief).await && !server.accepts(&post.world, &tokens.access).await);
    assert_eq!(ada.open(&link_in(&told)).await.page().answer.status(), 410);
}

stamp! {
    a_log_in_from_somewhere_new_is_told_of_once,
    what_a_stranger_added_is_taken_back_by_letter,
    what_was_there_before_is_not_taken_back,
    an_address_is_changed_by_a_letter_to_the_new_one,
    an_address_is_brought_back_by_the_letter_to_it,
}
