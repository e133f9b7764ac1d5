//! The second step of a log-in, with an app that shows codes. Passkeys have a browser of their own, in `tests/interop`.

use ambient::Clock as _;
use aws_lc_rs::hmac;
use testkit::browser::{Browser, Page};
use testkit::client::{Tokens, open};
use testkit::world::{PASSWORD, Params};

use crate::run::{Run, Stage, Sut};

const EMAIL: &str = "ada@example.com";
const CODE: &str = "Code from your app, or a recovery code";

/// RFC 6238, with the key in base32 as the page shows it.
pub(crate) fn code_of(secret: &str, now: i64) -> String {
    let (mut key, mut held, mut bits) = (Vec::new(), 0_u32, 0);
    for letter in secret.bytes() {
        let value = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".iter().position(|one| *one == letter).unwrap();
        held = (held << 5 | u32::try_from(value).unwrap()) & 0xfff;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            key.push((held >> bits & 0xff) as u8);
        }
    }
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &key);
    let tag = hmac::sign(&key, &(now / 30).to_be_bytes());
    let from = usize::from(tag.as_ref()[19] & 15);
    let number = u32::from_be_bytes(tag.as_ref()[from..from + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

/// Sets up an app for whoever is logged in: its key, and the recovery codes.
pub(crate) async fn set_up_app(world: &Sut, browser: &mut Browser) -> (String, Vec<String>) {
    let page = browser.open("/account/security").await.page();
    let page = browser.press(&page.form("Set up an app"), "Set up an app").await.page();
    let mut texts = page.html.texts("code").into_iter().map(|text| text.replace(' ', ""));
    let secret = texts.rfind(|text| text.len() == 32).unwrap();
    let form = page.form("Confirm").fill("Code from the app", &code_of(&secret, world.clock.now().0));
    let form = form.fill("Your password", PASSWORD);
    let page = browser.press(&form, "Confirm").await.page();
    let codes: Vec<_> = page.html.texts("code").into_iter().filter(|text| text.len() == 19).collect();
    assert_eq!(codes.len(), 10, "{}", page.answer.text());
    world.clock.advance(30);
    (secret, codes)
}

/// Somebody who has given the right password.
async fn half_way(world: &Sut) -> (Browser, Page) {
    let mut browser = world.browser();
    let page = browser.open("/login").await.page();
    let form = page.form("Log in").fill("Email", EMAIL).fill("Password", PASSWORD);
    let page = browser.press(&form, "Log in").await.page();
    assert_eq!(page.heading(), "One more step");
    (browser, page)
}

async fn is_logged_in(browser: &mut Browser) -> bool {
    browser.open("/login").await.page().heading() == "You are logged in"
}

fn giving(page: &Page, code: &str) -> Params {
    page.form("Continue").fill(CODE, code).sent_by("Continue")
}

/// RFC 6238 section 5.2: of two who show the same code at once, one comes in, and nobody after them.
async fn a_code_is_taken_once(run: Run) {
    let Stage { world, mut ada, .. } = run.stage().await;
    let (secret, codes) = set_up_app(&world, &mut ada).await;
    for code in [code_of(&secret, world.clock.now().0), codes[0].clone()] {
        let ((mut one, first), (mut other, second)) = (half_way(&world).await, half_way(&world).await);
        assert!(!is_logged_in(&mut one).await, "a password alone");
        let (first, second) = (giving(&first, &code), giving(&second, &code));
        tokio::join!(
            one.post_form("/login/second", &first, &[]),
            other.post_form("/login/second", &second, &[])
        );
        assert_ne!(is_logged_in(&mut one).await, is_logged_in(&mut other).await);
        let (mut late, page) = half_way(&world).await;
        assert_eq!(late.post_form("/login/second", &giving(&page, &code), &[]).await.status(), 401);
        assert!(!is_logged_in(&mut late).await);
    }
}

/// OpenID Connect Core section 3.1.2.1, RFC 9470.
async fn an_app_that_asks_for_two_factors_gets_them(run: Run) {
    let Stage { world, server, client, mut ada } = run.stage().await;
    let asking = client.asking().and("acr_values", "mfa phr");
    let told = open(&world, &mut ada, &asking).await.page();
    assert_eq!(told.heading(), "The app asks for more");
    // A client that vouches for itself is told nothing of somebody who may not be asked.
    let silently = open(&world, &mut ada, &asking.clone().and("prompt", "none")).await.page();
    assert!(silently.html.forms().is_empty(), "{}", silently.answer.text());

    // Whoever sets an app up has shown a code of it.
    set_up_app(&world, &mut ada).await;
    let consent = open(&world, &mut ada, &asking).await.page();
    let (_, answer) = ada.press(&consent.form("Allow"), "Allow").await.callback();
    // Whoever asks the server learns of it, and not from the browser; a refresh makes nobody stronger or newer.
    let tokens = Tokens::of(&client.redeem(&world, answer.one("code").unwrap()).await);
    let proved = server.introspect(&world, &tokens.access).await["auth_time"].clone();
    world.clock.advance(100);
    let refreshed = Tokens::of(&client.refresh(&world, &tokens.refresh).await);
    for token in [&tokens.access, &refreshed.access] {
        let told = server.introspect(&world, token).await;
        assert_eq!((told["acr"].as_str(), &told["auth_time"]), (Some("mfa"), &proved));
    }
}

stamp! {
    a_code_is_taken_once,
    an_app_that_asks_for_two_factors_gets_them,
}
