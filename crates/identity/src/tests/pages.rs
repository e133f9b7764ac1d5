//! What holds of every page.

use authz_core::{Interaction as _, Page};
use http::StatusCode;
use oauth_types::ErrorCode;

use super::*;
use crate::account::AccountRoute;
use crate::route::Route;

/// Each page once, with `"><script>` wherever somebody else's text can get in.
async fn every_page() -> Vec<(&'static str, Response<Bytes>)> {
    let plan = Plan {
        client_name: EVIL,
        server_name: EVIL,
        description: EVIL,
        redirect: "https://app.example/cb",
        ..Plan::default()
    };
    let world = plan.build().await;
    let mut browser = world.browser();
    let email = "\"><script>alert(1)</script>@example.com";
    let hint = form_urlencoded::Serializer::new(String::new()).append_pair("login_hint", email).finish();
    let log_in = browser.open(&format!("/login?{hint}&return_to=/tenant1/%22%3E%3Cscript%3E")).await;
    let sign_up = browser.open(&format!("/signup?{hint}")).await;
    let csrf = field(&sign_up, "csrf");
    let fields = [("csrf", &*csrf), ("name", EVIL), ("email", email), ("password", "short")];
    let sign_up_again = browser.post("/signup", &fields).await;
    let wrong = browser.post("/login", &fields).await;
    let to = ("return_to", "/tenant1/\"><script>alert(1)</script>");
    let signed_up =
        browser.post("/signup", &[fields[0], fields[1], fields[2], ("password", PASSWORD), to]).await;
    let logged_in = browser.open("/login").await;
    let redirect = "https://app.example/cb";
    let consent_path =
        location(&browser.visit(&world.request(redirect, "files.read files.write", EVIL)).await);
    let consent = browser.visit(&consent_path).await;
    let csrf = field(&consent, "csrf");
    let grant = account::connect(&world, &mut browser, "files.read").await;
    let account = browser.open("/account").await;
    let connection = browser.open(&format!("/account/connections/{grant}")).await;
    let security = browser.open("/account/security").await;
    let app = browser.post("/account/security", &[("csrf", &csrf), ("do", "add_app")]).await;
    let (_, codes) = factors::set_up_app(&world, &mut browser).await;
    let renewing = [("csrf", &*csrf), ("do", "new_codes"), ("password", PASSWORD)];
    let renewed = browser.post("/account/security", &renewing).await;
    let mut other = world.browser();
    other.log_in(email, PASSWORD).await;
    let second = other.open("/login/second").await;
    let second_again = factors::give(&mut other, &codes[0]).await;
    let consent_path = consent_path.strip_prefix("/tenant1").unwrap();
    let denied = browser.post(consent_path, &[("csrf", &csrf), ("decision", "deny")]).await;
    let logged_out = browser.post("/logout", &[("csrf", &csrf)]).await;
    let error = world.pages.show(
        &Request::new(Bytes::new()),
        &Page::new(StatusCode::BAD_REQUEST, Some(ErrorCode::InvalidRequest), "Title", EVIL),
    );
    let from_elsewhere = browser.post_with("/login", &fields, &[("origin", "null")]).await;
    let wrong_method = browser.post_with("/assets/portcullis.css", &[], &[]).await;
    let mut pages = mail_pages().await;
    world.unplug(true);
    browser.jar = [(SESSION.to_owned(), sessions_text())].into();
    let unavailable = browser.open("/login").await;
    pages.extend([
        ("log_in", log_in),
        ("sign_up", sign_up),
        ("sign_up_again", sign_up_again),
        ("wrong_password", wrong),
        ("moving_on", signed_up),
        ("logged_in", logged_in),
        ("consent", consent),
        ("moving_on_to_client", denied),
        ("logged_out", logged_out),
        ("account", account),
        ("connection", connection),
        ("security", security),
        ("app", app),
        ("recovery_codes", renewed),
        ("second", second),
        ("second_again", second_again),
        ("error", error),
        ("from_elsewhere", from_elsewhere),
        ("wrong_method", wrong_method),
        ("unavailable", unavailable),
    ]);
    pages
}

/// The pages around letters.
async fn mail_pages() -> Vec<(&'static str, Response<Bytes>)> {
    let world = mailing().await;
    let mut browser = world.browser();
    let email = "\"><script>alert(1)</script>@example.com";
    let signed_up = browser.sign_up(email).await;
    let link = link_in(&world.letter().await);
    let verify = browser.visit(&link).await;
    let (csrf, ticket) = (field(&verify, "csrf"), field(&verify, "ticket"));
    let wrong = [("csrf", &*csrf), ("ticket", &*ticket), ("password", EVIL)];
    let verify_again = browser.post("/verify", &wrong).await;
    world.enrol(email).await;
    browser.log_in(email, PASSWORD).await;
    let csrf = field(&browser.open("/account").await, "csrf");
    let mut changes = Vec::new();
    for path in ["/account/password", "/account/email"] {
        changes.push(browser.open(path).await);
        let wrong = [("csrf", &*csrf), ("email", email), ("password", EVIL), ("new_password", EVIL)];
        changes.push(browser.post(path, &wrong).await);
    }
    let (home, leave) = (browser.open("/").await, browser.open("/account/delete").await);
    let leave_again = browser.post("/account/delete", &[("csrf", &csrf), ("password", EVIL)]).await;
    let changing = [("csrf", &*csrf), ("email", "<script>@example.com"), ("password", PASSWORD)];
    changes.push(browser.post("/account/email", &changing).await);
    let _to_the_new_one = world.letter().await;
    let unverified = browser.open("/verify?return_to=/tenant1/login%3F%22%3E%3Cscript%3E").await;
    let hint = form_urlencoded::Serializer::new(String::new()).append_pair("login_hint", email).finish();
    let forgot = browser.open(&format!("/forgot?{hint}")).await;
    let csrf = field(&forgot, "csrf");
    let asked = browser.post("/forgot", &[("csrf", &csrf), ("email", email)]).await;
    let link = link_in(&world.letter().await);
    let reset = browser.visit(&link).await;
    let ticket = field(&reset, "ticket");
    let fields = [("csrf", &*csrf), ("ticket", &*ticket), ("password", "short")];
    let reset_again = browser.post("/reset", &fields).await;
    let done = browser.post("/reset", &[fields[0], fields[1], ("password", PASSWORD)]).await;
    let _changed = world.letter().await;
    let address = Email::parse(email).unwrap();
    world.identity.invite(Some(&address), crate::Language::English, &By::operator()).await.unwrap();
    let invitation = browser.visit(&link_in(&world.letter().await)).await;
    browser.log_in(email, PASSWORD).await;
    factors::set_up_app(&world, &mut browser).await;
    let take_back = browser.visit(&link_in(&world.letter().await)).await;
    let names =
        ["change_password", "change_password_again", "change_email", "change_email_again", "email_asked"];
    let mut pages: Vec<_> = names.into_iter().zip(changes).collect();
    pages.extend([
        ("home", home),
        ("leave", leave),
        ("leave_again", leave_again),
        ("take_back", take_back),
        ("look_into_mail", signed_up),
        ("verify", verify),
        ("verify_again", verify_again),
        ("unverified", unverified),
        ("forgot", forgot),
        ("forgot_asked", asked),
        ("reset", reset),
        ("reset_again", reset_again),
        ("reset_done", done),
        ("link_used", browser.visit(&link).await),
        ("invitation", invitation),
    ]);
    pages
}

/// Which of the pages above a route shows; none, if it answers with no page of its own.
const fn shown_by(route: Route<'_>) -> &'static [&'static str] {
    match route {
        Route::LogIn => &["log_in", "logged_in", "wrong_password"],
        Route::Second => &["second", "second_again"],
        Route::Security => &["security", "app", "recovery_codes"],
        Route::Password => &["change_password", "change_password_again"],
        Route::Home => &["home"],
        Route::Leave => &["leave", "leave_again"],
        Route::Email => &["change_email", "change_email_again", "email_asked"],
        Route::SignUp => &["sign_up", "sign_up_again", "look_into_mail", "moving_on"],
        Route::Consent(_) => &["consent", "moving_on_to_client"],
        Route::LogOut => &["logged_out"],
        Route::Invitation => &["invitation"],
        Route::Forgot => &["forgot", "forgot_asked"],
        Route::Reset => &["reset", "reset_again", "reset_done", "link_used"],
        Route::TakeBack => &["take_back"],
        Route::Verify => &["verify", "verify_again", "unverified"],
        Route::Account(AccountRoute::Account) => &["account"],
        Route::Account(AccountRoute::Connection(_)) => &["connection"],
        // The pages of what was done are those above, with a sentence more.
        Route::Account(AccountRoute::Act(_)) | Route::Passkey | Route::Asset(_) | Route::Json(_) => &[],
    }
}

/// The route that follows. A new one does not compile until it has its place here, and its pages above.
const fn after(route: Route<'static>) -> Option<Route<'static>> {
    Some(match route {
        Route::LogIn => Route::Second,
        Route::Second => Route::Passkey,
        Route::Passkey => Route::Security,
        Route::Security => Route::Password,
        Route::Password => Route::Email,
        Route::Email => Route::Leave,
        Route::Leave => Route::Home,
        Route::Home => Route::SignUp,
        Route::SignUp => Route::Consent(""),
        Route::Consent(_) => Route::LogOut,
        Route::LogOut => Route::Invitation,
        Route::Invitation => Route::Forgot,
        Route::Forgot => Route::Reset,
        Route::Reset => Route::TakeBack,
        Route::TakeBack => Route::Verify,
        Route::Verify => Route::Account(AccountRoute::Account),
        Route::Account(AccountRoute::Account) => Route::Account(AccountRoute::Connection("")),
        Route::Account(AccountRoute::Connection(_) | AccountRoute::Act(_))
        | Route::Asset(_)
        | Route::Json(_) => {
            return None;
        }
    })
}

#[tokio::test]
async fn the_pages_that_are_looked_at_are_those_of_all_routes() {
    let looked_at: Vec<&str> = every_page().await.into_iter().map(|(name, _)| name).collect();
    for route in std::iter::successors(Some(Route::LogIn), |route| after(*route)) {
        for name in shown_by(route) {
            assert!(looked_at.contains(name), "{route:?}: {name}");
        }
    }
}

fn sessions_text() -> String {
    use secrecy::ExposeSecret as _;
    let text = authz_core::TokenText::random(authz_core::TokenKind::Session, [1; 16], [2; 32]).expose();
    text.expose_secret().to_owned()
}

#[tokio::test]
async fn g3_nothing_that_somebody_else_wrote_becomes_markup() {
    for (name, page) in every_page().await {
        let html = html(&page);
        // But for the one script, which asks for passkeys.
        let (before, after) =
            html.split_once("<script src=\"/tenant1/assets/passkey.js?v=").unwrap_or((&html, ""));
        assert!(!before.contains("<script") && !after.contains("<script"), "{name}: {html}");
        let carries =
            !matches!(name, "logged_out" | "from_elsewhere" | "wrong_method" | "unavailable" | "link_used");
        let escaped = html.contains("&#60;script&#62;") || html.contains("%3Cscript%3E");
        assert_eq!(escaped, carries, "{name}: {html}");
    }
}

#[tokio::test]
async fn no_page_needs_what_the_policy_forbids() {
    for (name, page) in every_page().await {
        let html = html(&page);
        for forbidden in [" style=", "<style", " onclick", " onsubmit", "javascript:", "http://", "data:"] {
            assert!(!html.contains(forbidden), "{name} has {forbidden}: {html}");
        }
    }
}

#[tokio::test]
async fn wa21_every_page_has_the_headers() {
    let plain = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; \
                  base-uri 'none'";
    for (name, page) in every_page().await {
        let headers = page.headers();
        let policy = match html(&page).contains("<script") {
            true => plain.replace("'none'; style", "'none'; script-src 'self'; style"),
            false => plain.to_owned(),
        };
        for (header, expected) in [
            ("content-type", "text/html; charset=utf-8"),
            ("content-security-policy", &*policy),
            ("x-frame-options", "DENY"),
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("access-control-allow-origin", ""),
        ] {
            assert_eq!(header_of(headers, header), expected, "{name}: {header}");
        }
        assert!(header_of(headers, "permissions-policy").contains("camera=()"), "{name}");
        // With `no-referrer`, a browser sends `Origin: null` along with the page's forms, and they would be refused.
        let by_link =
            matches!(name, "verify" | "verify_again" | "reset" | "reset_again" | "invitation" | "take_back");
        let expected = match html(&page).contains("<form") {
            // The address holds a ticket, of which nobody may learn.
            true if by_link => "strict-origin",
            true => "same-origin",
            false => "no-referrer",
        };
        assert_eq!(header_of(headers, "referrer-policy"), expected, "{name}");
        // Anything else here would cut a client's popup off from its opener.
        assert_eq!(header_of(headers, "cross-origin-opener-policy"), "unsafe-none", "{name}");
    }
}

#[tokio::test]
async fn every_page_can_be_read_by_everybody() {
    for (name, page) in every_page().await {
        let html = html(&page);
        assert!(html.starts_with("<!doctype html>\n<html lang=\"en\" dir=\"ltr\">"), "{name}");
        assert!(
            html.contains("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"),
            "{name}"
        );
        assert_eq!(html.matches("<h1>").count(), 1, "{name}");
        assert!(!html.contains("<title></title>"), "{name}");
        for label in html.split("<label for=\"").skip(1) {
            let id = label.split('"').next().unwrap();
            assert!(html.contains(&format!(" id=\"{id}\"")), "{name}: {id}");
        }
        // VoiceOver takes a list without bullets for none, and what people write may run from right to left.
        assert_eq!(html.matches("<ul").count(), html.matches(" role=\"list\"").count(), "{name}");
        for input in html.split("<input id=\"").skip(1).map(|rest| rest.split('>').next().unwrap()) {
            let is_text = input.contains("type=\"text\"") || input.contains("type=\"email\"");
            assert_eq!(input.contains(" dir=\"auto\""), is_text, "{name}: {input}");
            // A box has nothing to read in it. A browser would cut a password off without a word.
            assert!(is_text || !input.contains("maxlength"), "{name}: {input}");
        }
        for described in html.split("aria-describedby=\"").skip(1) {
            for id in described.split('"').next().unwrap().split(' ') {
                assert!(html.contains(&format!(" id=\"{id}\"")), "{name}: {id}");
            }
        }
    }
}

#[tokio::test]
async fn labels_and_buttons_have_their_names() {
    let pages: BTreeMap<_, _> =
        every_page().await.into_iter().map(|(name, page)| (name, html(&page))).collect();
    for (name, texts) in [
        ("log_in", &[">Email</label>", ">Password</label>", ">Log in</button>"][..]),
        ("sign_up", &[">Name</label>", ">Email</label>", ">Password</label>", ">Sign up</button>"]),
        ("consent", &[">Allow</button>", ">Deny</button>"]),
        ("logged_in", &[">Log out</button>"]),
    ] {
        for text in texts {
            assert!(pages[name].contains(text), "{name}: {text}");
        }
    }
    for (name, tokens) in [
        ("log_in", &["username", "current-password"][..]),
        ("sign_up", &["name", "username", "new-password"]),
    ] {
        for token in tokens {
            assert!(pages[name].contains(&format!("autocomplete=\"{token}\"")), "{name}: {token}");
        }
    }
}
