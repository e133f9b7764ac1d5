//! One's own account: what is connected, where one is logged in, and the end of either.

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use testkit::browser::{Browser, Page};
use testkit::client::{Client, Tokens, open};
use testkit::world::{PASSWORD, Params, World};

use crate::run::{Run, Stage};

const BOTH: &str = "files:read files:write";
const NEW: &str = "an otter in my kettle";
const NARROW: &str = "Take away what is not ticked";

/// Somebody who has connected an app that may do everything.
struct Connected {
    stage: Stage,
    tokens: Tokens,
    /// Where their connection is shown.
    path: String,
}

async fn connected(run: Run) -> Connected {
    let mut stage = run.stage().await;
    let tokens = connect(&stage.world, &stage.client, &mut stage.ada).await;
    let path = connections(&mut stage.ada).await.pop().unwrap();
    Connected { stage, tokens, path }
}

async fn connect(world: &World, client: &Client, browser: &mut Browser) -> Tokens {
    let callback = client.authorize(world, browser, &client.asking().with("scope", BOTH)).await;
    Tokens::of(&client.redeem(world, callback.one("code").unwrap()).await)
}

/// Where the connections of whoever is logged in are shown.
async fn connections(browser: &mut Browser) -> Vec<String> {
    let page = browser.open("/account").await.page();
    let links = page.html.attributes("a", "href").into_iter();
    links.filter(|link| link.starts_with("/account/connections/")).collect()
}

async fn log_in(world: &World) -> Browser {
    let mut browser = world.browser();
    let known = json!({ "email": "ada@example.com", "password": PASSWORD });
    assert_eq!(browser.post_json("/auth/login", &known).await.status(), 200);
    browser
}

fn csrf(page: &Page) -> String {
    let forms = page.html.forms();
    let mut fields = forms.iter().flat_map(|form| &form.fields);
    fields.find(|field| field.name == "csrf").unwrap().value.clone()
}

async fn sessions(browser: &mut Browser) -> (u16, Value) {
    let answer = browser.exchange(Method::GET, "/auth/sessions", &[], Bytes::new()).await;
    (answer.status(), answer.json()["sessions"].clone())
}

/// Who it is, how that is known, where it goes, what it may; and a name for the device, as text.
async fn a_connection_says_what_it_is_and_takes_a_name(run: Run) {
    let Connected { mut stage, path, .. } = connected(run).await;
    let page = stage.ada.open(&path).await.page();
    assert_eq!(page.heading(), "Example Client");
    let text = page.html.texts("main").join(" ");
    for said in [
        "Unverified: it chose its name itself",
        "client.example",
        "https://mcp.example.com/mcp",
        "Read your files",
        "Change your files",
        "just now",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    let named = page.form("Save").fill("Name of the device", "<script>1</script>");
    let saved = stage.ada.press(&named, "Save").await.page();
    assert!(!saved.html.has_script());
    let list = stage.ada.open("/account").await.page();
    assert!(list.html.texts("li").join(" ").contains("<script>1</script>") && !list.html.has_script());
}

/// What is taken away is gone with the next question and the next refresh, and comes back by asking alone.
async fn what_is_taken_from_a_connection_stays_away(run: Run) {
    let Connected { mut stage, tokens, path } = connected(run).await;
    let page = stage.ada.open(&path).await.page();
    let nothing = page.form(NARROW).untick("files:read").untick("files:write");
    assert_eq!(stage.ada.press(&nothing, NARROW).await.page().answer.status(), 400);
    let less = stage.ada.press(&page.form(NARROW).untick("files:write"), NARROW).await.page();
    assert!(!less.html.texts("main").join(" ").contains("Change your files"));

    let Stage { world, server, client, mut ada } = stage;
    assert_eq!(server.introspect(&world, &tokens.access).await["scope"], "files:read");
    let refreshed = Tokens::of(&client.refresh(&world, &tokens.refresh).await);
    assert_eq!(refreshed.scope, ["files:read"]);
    let more = client.refreshing(&refreshed.refresh).and("scope", BOTH);
    let refused = client.send(&world, "/oauth/token", &more).await;
    assert_eq!(refused.refusal(), (400, "invalid_scope".to_owned()));
    let asked = open(&world, &mut ada, &client.asking().with("scope", BOTH)).await.page();
    assert_eq!(asked.heading(), "Allow Example Client more at Files?");
}

/// One of several, all of an app, all there are: each ends at once, and whoever comes back asks.
async fn one_connection_ends_or_all_of_an_app_or_all(run: Run) {
    let Connected { mut stage, tokens: first, path } = connected(run).await;
    let second = connect(&stage.world, &stage.client, &mut stage.ada).await;
    let page = stage.ada.open(&path).await.page();
    stage.ada.press(&page.form("Disconnect"), "Disconnect").await.page();
    assert!(!stage.server.accepts(&stage.world, &first.access).await);
    assert!(stage.server.accepts(&stage.world, &second.access).await);
    assert_eq!(stage.client.refresh(&stage.world, &first.refresh).await.status(), 400);

    let third = connect(&stage.world, &stage.client, &mut stage.ada).await;
    let path = connections(&mut stage.ada).await.pop().unwrap();
    let page = stage.ada.open(&path).await.page();
    let everywhere = "Disconnect Example Client everywhere";
    stage.ada.press(&page.form(everywhere), everywhere).await.page();
    for tokens in [&second, &third] {
        assert!(!stage.server.accepts(&stage.world, &tokens.access).await);
    }
    let asked = open(&stage.world, &mut stage.ada, &stage.client.asking()).await.page();
    assert_eq!(asked.heading(), "Allow Example Client to use Files?");

    let other = Client::public(&stage.world).await;
    let mut left = Vec::new();
    for client in [&stage.client, &other] {
        left.push(connect(&stage.world, client, &mut stage.ada).await);
    }
    let page = stage.ada.open("/account").await.page();
    stage.ada.press(&page.form("Disconnect all apps"), "Disconnect all apps").await.page();
    for tokens in &left {
        assert!(!stage.server.accepts(&stage.world, &tokens.access).await);
    }
    assert!(connections(&mut stage.ada).await.is_empty());
}

/// What is somebody else's is not there, and nothing comes of naming it.
async fn connections_and_sessions_of_others_are_out_of_reach(run: Run) {
    let Connected { mut stage, tokens, path } = connected(run).await;
    let (_, adas) = sessions(&mut stage.ada).await;
    let mut bo = stage.world.person("bo@example.com").await;
    let token = csrf(&bo.open("/account").await.page());
    let absent = "/account/connections/AAAAAAAAAAAAAAAAAAAAAA";
    assert_eq!(bo.open(&path).await.page().answer.status(), 404);
    for act in ["scopes", "label", "disconnect"] {
        let form = Params::of(&[("csrf", &token), ("scope", "files:read"), ("label", "mine")]);
        let refused = bo.post_form(&format!("{path}/{act}"), &form, &[]).await;
        let unknown = bo.post_form(&format!("{absent}/{act}"), &form, &[]).await;
        assert_eq!((refused.status(), refused.text()), (404, unknown.text()), "{act}");
    }
    bo.post_form("/account/disconnect", &Params::of(&[("csrf", &token)]), &[]).await;
    let session = adas[0]["session"].as_str().unwrap();
    let named = Params::of(&[("csrf", &token), ("session", session)]);
    bo.post_form("/account/sessions", &named, &[]).await;
    bo.post_json("/auth/sessions/end", &json!({ "session": session })).await;
    assert!(stage.server.accepts(&stage.world, &tokens.access).await);
    assert_eq!(sessions(&mut stage.ada).await.0, 200);
}

/// Without the token of the session nothing is done, nor from elsewhere.
async fn nothing_is_done_to_an_account_without_the_token_of_its_session(run: Run) {
    let Connected { mut stage, tokens, path } = connected(run).await;
    let token = csrf(&stage.ada.open("/account").await.page());
    for act in [
        format!("{path}/disconnect"),
        format!("{path}/scopes"),
        format!("{path}/label"),
        "/account/disconnect".to_owned(),
        "/account/sessions".to_owned(),
        "/account/end".to_owned(),
        "/account/password".to_owned(),
    ] {
        let right = Params::of(&[("csrf", &token), ("scope", "files:read"), ("others", "on")]);
        for wrong in [right.clone().without("csrf"), right.clone().with("csrf", "x")] {
            assert_eq!(stage.ada.post_form(&act, &wrong, &[]).await.status(), 403, "{act}");
        }
        let elsewhere = [("origin", "https://evil.example")];
        assert_eq!(stage.ada.post_form(&act, &right, &elsewhere).await.status(), 403, "{act}");
    }
    assert_eq!(stage.server.introspect(&stage.world, &tokens.access).await["scope"], BOTH);
}

/// Where one is logged in, and the end of one or of all others.
async fn sessions_are_listed_and_ended_one_by_one_or_together(run: Run) {
    let Stage { world, mut ada, .. } = run.stage().await;
    let mut others = [log_in(&world).await, log_in(&world).await, log_in(&world).await];
    let (_, all) = sessions(&mut ada).await;
    let all = all.as_array().unwrap();
    assert_eq!(all.len(), 4, "{all:?}");
    assert_eq!(all.iter().filter(|session| session["current"] == true).count(), 1);
    let (_, of_first) = sessions(&mut others[0]).await;
    let mut own = of_first.as_array().unwrap().iter().filter(|session| session["current"] == true);
    let one = json!({ "session": own.next().unwrap()["session"] });
    assert_eq!(ada.post_json("/auth/sessions/end", &one).await.status(), 204);
    assert_eq!(others[0].open("/account").await.page().heading(), "Log in");
    assert_eq!(others[1].open("/account").await.page().heading(), "Your account");
    let page = ada.open("/account").await.page();
    ada.press(&page.form("Log out everywhere else"), "Log out everywhere else").await.page();
    for other in &mut others {
        assert_eq!(other.open("/account").await.page().heading(), "Log in");
    }
    assert_eq!(sessions(&mut ada).await.1.as_array().unwrap().len(), 1);
}

/// After a log-in of the last fifteen minutes everything ends at one stroke: every browser, every app.
async fn everything_ends_at_one_stroke_after_a_fresh_log_in(run: Run) {
    let Connected { stage, tokens, .. } = connected(run).await;
    let Stage { world, server, client, mut ada } = stage;
    let mut other = log_in(&world).await;
    world.clock.advance(15 * 60 + 1);
    let token = csrf(&ada.open("/account").await.page());
    ada.post_form("/account/end", &Params::of(&[("csrf", &token)]), &[]).await;
    assert!(server.accepts(&world, &tokens.access).await, "the log-in is too old");
    let mut ada = log_in(&world).await;
    let page = ada.open("/account").await.page();
    let all = "Log out everywhere and disconnect all apps";
    ada.press(&page.form(all), all).await.page();
    assert!(!server.accepts(&world, &tokens.access).await);
    assert_eq!(client.refresh(&world, &tokens.refresh).await.status(), 400);
    for browser in [&mut ada, &mut other] {
        assert_eq!(browser.open("/account").await.page().heading(), "Log in");
    }
}

/// The form wants the present password, ends the other sessions, and leaves the apps connected.
async fn another_password_ends_the_sessions_elsewhere(run: Run) {
    let Connected { stage, tokens, .. } = connected(run).await;
    let Stage { world, server, mut ada, .. } = stage;
    let mut other = log_in(&world).await;
    let form = ada.open("/account/password").await.page().form("Set the password");
    for (present, new, status) in [("another password", NEW, 401), (PASSWORD, "short", 400)] {
        let wrong = form.clone().fill("Present password", present).fill("New password", new);
        assert_eq!(ada.press(&wrong, "Set the password").await.page().answer.status(), status);
    }
    let right = form.fill("Present password", PASSWORD).fill("New password", NEW);
    assert_eq!(ada.press(&right, "Set the password").await.page().heading(), "Your password is set");
    assert_eq!(ada.open("/account").await.page().heading(), "Your account");
    assert_eq!(other.open("/account").await.page().heading(), "Log in");
    assert!(server.accepts(&world, &tokens.access).await);
    for (password, status) in [(PASSWORD, 401), (NEW, 200)] {
        let known = json!({ "email": "ada@example.com", "password": password });
        assert_eq!(world.browser().post_json("/auth/login", &known).await.status(), status);
    }
}

stamp! {
    a_connection_says_what_it_is_and_takes_a_name,
    what_is_taken_from_a_connection_stays_away,
    one_connection_ends_or_all_of_an_app_or_all,
    connections_and_sessions_of_others_are_out_of_reach,
    nothing_is_done_to_an_account_without_the_token_of_its_session,
    sessions_are_listed_and_ended_one_by_one_or_together,
    everything_ends_at_one_stroke_after_a_fresh_log_in,
    another_password_ends_the_sessions_elsewhere,
}
