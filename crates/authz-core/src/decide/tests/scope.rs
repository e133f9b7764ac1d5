//! RFC 6749 section 3.3, and the answer to "which scopes" in design section 9.

use super::*;
use crate::decide::scope::{allowed, contradiction, resolve, sort, with_implied, without};

fn resolved(asked: &str, elsewhere: &str, server: &Server) -> Result<String, Refusal> {
    let sorted = sort(&scope(asked), &Policy::default().server_scopes(), server);
    resolve(&sorted, &scope(elsewhere), server).map(|scope| scope.as_str().to_owned())
}

#[test]
fn what_is_asked_for_is_sorted_by_where_it_exists() {
    let mut with_default = server();
    with_default.scopes[0].default = true;
    let without_scopes = Server { scopes: vec![], ..server() };
    for (what, server, asked, elsewhere, expected) in [
        ("here", server(), "read", "", Ok("read")),
        ("all of it", server(), "write read", "", Ok("read write")),
        ("the server's own beside it", server(), "read openid email", "", Ok("email openid read")),
        ("nothing: the defaults, here all", server(), "", "", Ok("read write")),
        ("nothing: the one that is marked", with_default.clone(), "", "", Ok("read")),
        (
            "only the server's own: defaults too",
            with_default.clone(),
            "offline_access",
            "",
            Ok("offline_access read"),
        ),
        ("what another resource has is dropped", server(), "read mail", "mail", Ok("read")),
        ("and nothing is left: the defaults", with_default, "mail", "mail", Ok("read")),
        ("what nobody has", server(), "read admin", "", Err(Refusal::ScopeUnknown)),
        ("one elsewhere, one nowhere", server(), "mail admin", "mail", Err(Refusal::ScopeUnknown)),
        ("a resource without scopes", without_scopes.clone(), "", "", Ok("")),
        ("of which nothing exists", without_scopes, "read", "", Err(Refusal::ScopeUnknown)),
        ("case counts", server(), "Read", "", Err(Refusal::ScopeUnknown)),
    ] {
        assert_eq!(resolved(asked, elsewhere, &server), expected.map(str::to_owned), "{what}");
    }
}

#[test]
fn implication_goes_as_deep_as_it_is_and_a_circle_ends() {
    let mut server = server();
    server.scopes = ["a", "b", "c", "d"].map(entry).to_vec();
    server.scopes[0].implies = scope("b");
    server.scopes[1].implies = scope("c");
    server.scopes[2].implies = scope("a");
    for (held, reached) in [("a", "a b c"), ("c", "a b c"), ("d", "d"), ("d openid", "d openid"), ("", "")] {
        assert_eq!(with_implied(&scope(held), &server), scope(reached), "{held}");
    }
}

/// What is taken away does not come back by what is left, and what is left is told with all that it means.
#[test]
fn what_is_taken_takes_what_implies_it_and_what_is_kept_keeps_what_it_implies() {
    let mut server = server();
    server.scopes = ["admin", "purge", "read", "write"].map(entry).to_vec();
    server.scopes[0].implies = scope("write");
    server.scopes[3].implies = scope("purge read");
    for (held, taken, left) in [
        ("admin purge read write", "purge", "read"),
        ("admin purge read write", "admin", "purge read write"),
        ("openid read write", "read", "openid"),
        ("read write", "", "read write"),
        ("openid read", "openid", "read"),
    ] {
        assert_eq!(without(&scope(held), &scope(taken), &server), scope(left), "{held} without {taken}");
    }
    for (asked, kept, told) in [
        ("admin purge write", "write", "purge write"),
        ("read write", "read", "read"),
        ("write", "write", "write"),
    ] {
        assert_eq!(allowed(&scope(asked), &scope(kept), &server), scope(told), "{kept} of {asked}");
    }
}

#[test]
fn what_may_be_left_out_is_implied_by_nothing_that_may_not() {
    let mut server = server();
    server.scopes = ["admin", "purge", "write"].map(entry).to_vec();
    server.scopes[0].implies = scope("write");
    server.scopes[2].implies = scope("purge");
    assert_eq!(contradiction(&server.scopes), None);
    server.scopes[1].optional = true;
    assert_eq!(contradiction(&server.scopes), Some(("purge", "admin")));
    server.scopes[0].optional = true;
    assert_eq!(contradiction(&server.scopes), Some(("purge", "write")));
    server.scopes[2].optional = true;
    assert_eq!(contradiction(&server.scopes), None);
}
