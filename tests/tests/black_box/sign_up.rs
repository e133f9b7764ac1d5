//! Who may make an account, and with which address and password.

use http::Method;
use identity::{Domain, SignUp};
use serde_json::json;
use testkit::browser::Browser;
use testkit::client::{Client, ResourceServer, open};
use testkit::world::{Answer, PASSWORD};

use crate::mail::{Post, link_in, ticket_in};
use crate::run::{Run, Sut};

async fn sign_up(browser: &mut Browser, email: &str) -> Answer {
    let account = json!({ "email": email, "password": PASSWORD, "name": "Ada" });
    browser.post_json("/auth/signup", &account).await
}

async fn invite(world: &Sut, email: Option<&str>) -> Answer {
    world.administer(Method::POST, "/api/invitations", Some(&json!({ "email": email }))).await
}

/// Takes an invitation by the page behind its link.
async fn take(browser: &mut Browser, link: &str, email: &str) -> testkit::browser::Page {
    let form = browser.open(link).await.page().form("Sign up");
    let form = form.fill("Name", "Ada").fill("Email", email).fill("Password", PASSWORD);
    browser.press(&form, "Sign up").await.page()
}

/// WA-19: one address is one account, however it is written and whoever is first.
async fn wa19_an_address_is_one_however_it_is_written(run: Run) {
    let world = run.world().await;
    let (mut one, mut other) = (world.browser(), world.browser());
    let (first, second) =
        tokio::join!(sign_up(&mut one, "Ada@Example.com"), sign_up(&mut other, "ada@EXAMPLE.COM "));
    let mut statuses = [first.status(), second.status()];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409], "{} {}", first.text(), second.text());
    let known = json!({ "email": " aDa@eXample.com", "password": PASSWORD });
    let entered = world.browser().post_json("/auth/login", &known).await;
    assert_eq!((entered.status(), entered.member("email")), (200, "ada@example.com".to_owned()));
    assert_eq!(world.shown("/api/users").await["users"].as_array().unwrap().len(), 1);
}

/// WA-19: what many people use is refused, and so is the address itself; nothing is asked of the kinds of its letters.
async fn wa19_a_password_that_many_use_is_refused(run: Run) {
    let world = run.world().await;
    let mut browser = world.browser();
    for password in
        ["password123", "qwertyuiop", "1234567890", "a123456789", "1q2w3e4r5t", "ada.lovelace@example.com"]
    {
        let account = json!({ "email": "ada.lovelace@example.com", "password": password, "name": "Ada" });
        let refused = browser.post_json("/auth/signup", &account).await;
        assert_eq!(refused.refusal(), (400, "invalid_password".to_owned()), "{password}");
    }
    let account = json!({ "email": "ada@example.com", "password": "fjord otter kettle", "name": "Ada" });
    assert_eq!(browser.post_json("/auth/signup", &account).await.status(), 201);
}

/// Where strangers stay outside, an invitation lets one of them in, for its address alone if it has one.
async fn an_invitation_lets_one_in(run: Run) {
    let world = run.with(|config| config.accounts.sign_up = SignUp::Invited).await;
    assert_eq!(sign_up(&mut world.browser(), "eve@example.com").await.status(), 403);
    let invited = invite(&world, Some("ada@example.com")).await;
    assert_eq!((invited.status(), &invited.json()["letter"]), (201, &json!("none")));
    let link = invited.member("link");
    let ticket = link.split_once("?ticket=").unwrap().1;
    let eve = json!({ "email": "eve@example.com", "password": PASSWORD, "ticket": ticket });
    assert_eq!(world.browser().post_json("/auth/signup", &eve).await.status(), 403);
    let mut ada = world.browser();
    assert_eq!(take(&mut ada, &link, "ada@example.com").await.heading(), "You are logged in");
    assert_eq!(ada.open(&link).await.page().answer.status(), 410);

    let ticket = invite(&world, None).await.member("link").split_once("?ticket=").unwrap().1.to_owned();
    let take = async |email: &str| {
        let body = json!({ "email": email, "password": PASSWORD, "ticket": ticket });
        world.browser().post_json("/auth/signup", &body).await.status()
    };
    let (one, other) = tokio::join!(take("bo@example.com"), take("cy@example.com"));
    assert_eq!([one.min(other), one.max(other)], [201, 410], "of two who take it one gets in");
    assert_eq!(invite(&world, Some("nobody")).await.status(), 400);
}

/// Closed is closed: nobody is invited, and an invitation that is still out opens nothing.
async fn nobody_is_invited_where_sign_up_is_closed(run: Run) {
    let world = run.with(|config| config.accounts.sign_up = SignUp::Closed).await;
    for email in [None, Some("ada@example.com")] {
        assert_eq!(invite(&world, email).await.refusal(), (409, "conflict".to_owned()));
    }
    let page = world.browser().open("/invitation?ticket=tkt_x").await.page();
    assert!(matches!(page.answer.status(), 403 | 404), "{}", page.answer.text());
    assert_eq!(sign_up(&mut world.browser(), "ada@example.com").await.status(), 403);
}

/// An address of the domain opens the door, once its owner has shown that it is theirs; nothing that ends with it does.
async fn a_domain_opens_the_door_to_its_own(run: Run) {
    let ours = SignUp::Domains(vec![Domain::parse("example.com").unwrap()]);
    let mut post = Post::with(run, |config| config.accounts.sign_up = ours).await;
    for email in ["eve@evil-example.com", "eve@example.com.evil.example", "eve@sub.example.com"] {
        assert_eq!(sign_up(&mut post.world.browser(), email).await.status(), 403, "{email}");
    }
    ResourceServer::usual(&post.world).await;
    let client = Client::public(&post.world).await;
    let mut ada = post.person("ada@EXAMPLE.com").await;
    let page = open(&post.world, &mut ada, &client.asking()).await.page();
    assert_eq!(page.heading(), "Allow Example Client to use Files?");

    // Whom an administrator invites may be from elsewhere.
    let invited = invite(&post.world, Some("guest@elsewhere.example")).await;
    assert_eq!((invited.status(), &invited.json()["letter"]), (201, &json!("queued")));
    assert!(invited.json().get("link").is_none_or(serde_json::Value::is_null));
    let letter = post.letter().await;
    assert_eq!(letter.to, ["guest@elsewhere.example"]);
    let mut guest = post.world.browser();
    take(&mut guest, &link_in(&letter), "guest@elsewhere.example").await;
    assert_eq!(guest.open("/login").await.page().heading(), "You are logged in");
    assert!(ticket_in(&letter).starts_with("tkt_"));
}

stamp! {
    wa19_an_address_is_one_however_it_is_written,
    wa19_a_password_that_many_use_is_refused,
    an_invitation_lets_one_in,
    nobody_is_invited_where_sign_up_is_closed,
    a_domain_opens_the_door_to_its_own,
}
