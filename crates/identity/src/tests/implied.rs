//! Scopes that go with others, on the consent page.

use super::*;

const WEB: &str = "https://app.example/cb";

/// A world whose resource has the scopes `read`, `write` and so on: each with whether it may be left out, and what it implies.
async fn implying(scopes: &[(&str, bool, &str)]) -> World {
    let world = Plan { redirect: WEB, ..Plan::default() }.build().await;
    let oversight = world.pages.sessions.oversight(world.events.clone());
    let id = oversight.servers(authz_core::Sought::default(), None, 1).await.unwrap().items[0].id;
    let entries = scopes.iter().map(|(name, optional, implies)| ScopeEntry {
        name: (*name).to_owned(),
        description: None,
        default: true,
        optional: *optional,
        implies: oauth_types::Scope::parse(implies).unwrap(),
    });
    let change = authz_core::ServerChange { scopes: Some(entries.collect()), ..Default::default() };
    oversight.change_server(&id, &change, &By::operator()).await.unwrap();
    world
}

#[tokio::test]
async fn a_scope_that_goes_with_another_is_shown_as_a_part_of_it_and_has_no_box() {
    let world = implying(&[("purge", true, ""), ("read", false, ""), ("write", false, "purge read")]).await;
    let mut browser = world.browser();
    let (path, page) = browser.reach_consent(&world.request(WEB, "purge read write", "s")).await;
    let (csrf, page) = (field(&page, "csrf"), html(&page));
    assert!(!page.contains("type=\"checkbox\""), "{page}");
    let part = "<li><bdi>write</bdi> <span class=\"hint\">This includes: <bdi>purge</bdi>, <bdi>read</bdi></span></li>";
    assert!(page.contains(part) && page.matches("<bdi>purge</bdi>").count() == 1, "{page}");
    moves_to(&browser.post(&path, &[("csrf", &csrf), ("decision", "allow")]).await);
    // What was allowed is told with all that it means.
    let purge = location(&browser.visit(&world.request(WEB, "purge", "s")).await);
    assert!(purge.starts_with(WEB), "{purge}");
}

#[tokio::test]
async fn what_is_unticked_does_not_come_back_by_what_implies_it() {
    let world = implying(&[("purge", true, ""), ("read", false, ""), ("write", true, "purge")]).await;
    let mut browser = world.browser();
    let (path, page) = browser.reach_consent(&world.request(WEB, "purge read write", "s")).await;
    let (csrf, page) = (field(&page, "csrf"), html(&page));
    assert_eq!(page.matches("type=\"checkbox\"").count(), 2, "{page}");
    let fields = [("csrf", &*csrf), ("decision", "allow"), ("scope", "write")];
    moves_to(&browser.post(&path, &fields).await);
    for (scope, has) in [("read", true), ("write", false), ("purge", false)] {
        let to = location(&browser.visit(&world.request(WEB, scope, "s")).await);
        assert_eq!(to.starts_with(WEB), has, "{scope}: {to}");
    }
}

/// Asked for once more with something new, what was unticked is gone, whatever was agreed to before.
#[tokio::test]
async fn what_is_unticked_later_is_not_remembered_from_before() {
    let world = implying(&[("delete", true, ""), ("extra", false, ""), ("read", false, "")]).await;
    let mut browser = world.browser();
    let (path, page) = browser.reach_consent(&world.request(WEB, "delete read", "s")).await;
    let csrf = field(&page, "csrf");
    let all = [("csrf", &*csrf), ("decision", "allow"), ("scope", "delete")];
    moves_to(&browser.post(&path, &all).await);
    let more = location(&browser.visit(&world.request(WEB, "delete extra read", "s")).await);
    let path = more.strip_prefix("/tenant1").unwrap();
    let csrf = field(&browser.open(path).await, "csrf");
    moves_to(&browser.post(path, &[("csrf", &csrf), ("decision", "allow")]).await);
    let again = location(&browser.visit(&world.request(WEB, "delete extra read", "s")).await);
    assert!(again.contains("/consent/"), "asked once more: {again}");
    let rest = location(&browser.visit(&world.request(WEB, "extra read", "s")).await);
    assert!(rest.starts_with(WEB), "{rest}");
}
