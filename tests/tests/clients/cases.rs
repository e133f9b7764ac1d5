//! Each case is written once and run against each example.

use crate::client::{Called, Client, challenged};
use crate::servers::{Stage, actix, axum};
use testkit::world::Params;

macro_rules! stamp {
    ($($case:ident),+ $(,)?) => {
        stamp!(@ axum_mcp_server(axum) $($case)+);
        stamp!(@ actix_mcp_server(actix) $($case)+);
    };
    (@ $name:ident($start:ident) $($case:ident)+) => {
        mod $name {
            $(
                #[tokio::test]
                async fn $case() {
                    super::$case(super::Stage::of(super::$start).await).await;
                }
            )+
        }
    };
}

stamp![
    without_a_token_it_is_told_where_to_log_in,
    from_a_challenge_to_a_tool_that_knows_who_calls,
    the_scope_of_a_tool_is_asked_for_when_it_is_called,
    a_token_that_is_refused_is_refreshed_and_the_call_goes_through,
    a_token_that_the_client_thinks_expired_is_refreshed_before_the_call,
    after_revocation_the_client_is_sent_to_the_browser_again,
];

async fn without_a_token_it_is_told_where_to_log_in(stage: Stage) {
    let origin = stage.url.strip_suffix("/mcp").unwrap();
    assert_eq!(
        challenged(&stage.url).await,
        format!(
            "Bearer resource_metadata=\"{origin}/.well-known/oauth-protected-resource/mcp\", scope=\"notes:read\""
        )
    );
}

/// It asks for what the challenge and the metadata name together, so neither may name more than everybody needs.
async fn from_a_challenge_to_a_tool_that_knows_who_calls(mut stage: Stage) {
    let client = Client::log_in(&stage.url, &mut stage.ada).await;
    assert_eq!(client.credentials().await.granted_scopes, ["notes:read", "offline_access"]);
    assert_eq!(client.tools().await, ["delete_note", "list_notes", "whoami"]);
    let Called::Said(who) = client.call("whoami").await else { panic!("whoami says nothing") };
    assert!(who.starts_with("usr_"), "{who}");
    assert!(who.ends_with(&format!(" of {}, with notes:read offline_access", stage.world.issuer)), "{who}");
}

/// The challenge of a 403 names all that the operation needs, and the client asks for that on top of what it has.
async fn the_scope_of_a_tool_is_asked_for_when_it_is_called(mut stage: Stage) {
    let client = Client::log_in(&stage.url, &mut stage.ada).await;
    let Called::InsufficientScope(scope) = client.delete_note(1).await else { panic!("the note is gone") };
    assert_eq!(scope, "notes:read notes:write");

    client.step_up(&scope, &mut stage.ada).await;
    assert_eq!(client.credentials().await.granted_scopes, ["notes:read", "notes:write", "offline_access"]);
    assert_eq!(client.delete_note(1).await, Called::Said("Deleted: Buy milk".to_owned()));
    let list = Called::Said("2: Water the plants\n3: Call Ada\n".to_owned());
    assert_eq!(client.call("list_notes").await, list);
}

async fn a_token_that_is_refused_is_refreshed_and_the_call_goes_through(mut stage: Stage) {
    let client = Client::log_in(&stage.url, &mut stage.ada).await;
    client.refresh().await;
    let refused = client.token().await;
    revoke(&stage, &client, &refused).await;
    assert!(matches!(client.call("whoami").await, Called::Said(_)));
    assert_ne!(client.token().await, refused);
}

async fn a_token_that_the_client_thinks_expired_is_refreshed_before_the_call(mut stage: Stage) {
    let client = Client::log_in(&stage.url, &mut stage.ada).await;
    let old = client.token().await;
    client.age(2 * 3600).await;
    assert!(matches!(client.call("whoami").await, Called::Said(_)));
    assert_ne!(client.token().await, old);
}

/// The token that the server has not seen yet is refused at once; one that it has seen is remembered for ten seconds.
async fn after_revocation_the_client_is_sent_to_the_browser_again(mut stage: Stage) {
    let client = Client::log_in(&stage.url, &mut stage.ada).await;
    client.refresh().await;
    revoke(&stage, &client, &client.refresh_token().await).await;
    assert_eq!(client.call("whoami").await, Called::AuthorizationRequired);

    let again = Client::log_in(&stage.url, &mut stage.ada).await;
    assert!(matches!(again.call("whoami").await, Called::Said(_)));
}

async fn revoke(stage: &Stage, client: &Client, token: &str) {
    let client_id = client.credentials().await.client_id;
    let form = Params::of(&[("client_id", &client_id), ("token", token)]);
    assert_eq!(stage.world.post("/oauth/revoke", &form, &[]).await.status(), 200);
}
