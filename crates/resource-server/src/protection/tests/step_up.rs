//! RFC 9470: an operation that needs a stronger or a newer log-in says so.

use ambient::ManualClock;
use serde_json::json;

use super::*;

const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete"}}"#;
const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
const NOW: Time = Time(1_000_000);

/// Knows the holders of `good.a` with what their log-in was, as `good.a` and `acr` and age: `mfa.60`.
struct Proved(Fake);

#[async_trait]
impl Verify for Proved {
    async fn verify(&self, token: &SecretString) -> Result<Arc<Verified>, Rejection> {
        let (acr, age) = token.expose_secret().split_once('.').unwrap();
        let good = self.0.verify(&SecretString::from("good.a")).await?;
        let mut verified = (*good).clone();
        verified.claims.insert("acr".to_owned(), json!(acr));
        verified.claims.insert("auth_time".to_owned(), json!(NOW.0 - age.parse::<i64>().unwrap()));
        Ok(Arc::new(verified))
    }

    fn resource(&self) -> &Resource {
        self.0.resource()
    }

    fn issuers(&self) -> Vec<Issuer> {
        self.0.issuers()
    }

    fn ready(&self) -> Result<(), Unavailable> {
        self.0.ready()
    }
}

fn builder() -> ProtectionBuilder {
    Protection::builder(Proved(Fake::at(RESOURCE))).clock(Arc::new(ManualClock::at(NOW)))
}

fn recent(seconds: u64) -> StepUp {
    StepUp::max_age(Duration::from_secs(seconds))
}

/// What the challenge to `token` demands: `acr_values` and `max_age`; `None` if it is let in.
async fn demanded(
    protection: &Protection,
    token: &str,
    body: &str,
) -> Option<(Option<String>, Option<String>)> {
    let (name, value) = bearer(token);
    let answer = sent(protection, &[(name, &value)], body).await.err()?;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{token}");
    assert_eq!(param(&answer, "error").as_deref(), Some("insufficient_user_authentication"), "{token}");
    assert_eq!(param(&answer, "resource_metadata").as_deref(), Some(METADATA_URL));
    assert_eq!(json(&answer)["error"]["data"]["reason"], "authentication_insufficient");
    Some((param(&answer, "acr_values"), param(&answer, "max_age")))
}

#[tokio::test]
async fn a_tool_may_need_a_stronger_and_a_newer_log_in_than_the_rest() {
    let strong = StepUp::acr_values("mfa phr").and_max_age(Duration::from_secs(300));
    let protection = builder().require_step_up(&recent(3600)).require_step_up_for_tool("delete", &strong);
    let protection = protection.build().unwrap();
    let (classes, five, hour) = (Some("mfa phr".to_owned()), Some("300".to_owned()), Some("3600".to_owned()));
    for (token, body, expected) in [
        ("1fa.60", LIST, None),
        ("1fa.7200", LIST, Some((None, hour.clone()))),
        ("mfa.60", CALL, None),
        ("phr.60", CALL, None),
        ("1fa.60", CALL, Some((classes.clone(), five.clone()))),
        ("mfa.400", CALL, Some((classes.clone(), five.clone()))),
    ] {
        assert_eq!(demanded(&protection, token, body).await, expected, "{token} {body}");
    }
}

/// What is lacking besides is named in the same challenge, so that one answer of the person's is enough.
#[tokio::test]
async fn the_challenge_names_the_scopes_of_the_operation_too() {
    let protection = builder()
        .require("a")
        .require_for_tool("delete", "b")
        .require_step_up_for_tool("delete", &StepUp::acr_values("phr"))
        .build()
        .unwrap();
    let answer = refused(&protection, &[("authorization", "Bearer mfa.0")], CALL).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(param(&answer, "scope").as_deref(), Some("a b"));
    let answer = refused(&protection, &[("authorization", "Bearer phr.0")], CALL).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN, "then the scope alone is lacking");
}

#[tokio::test]
async fn a_route_that_steps_up_is_closed_to_nobody_and_to_the_weak_and_the_rest_is_open() {
    let open = builder().optional().build().unwrap();
    let route = open.stepping_up(&StepUp::acr_values("mfa")).unwrap().requiring("a").unwrap();
    assert!(sent(&open, &[("host", "mcp.example.com")], LIST).await.is_ok());
    let answer = refused(&route, &[("host", "mcp.example.com")], LIST).await;
    assert_eq!((answer.status(), param(&answer, "error")), (StatusCode::UNAUTHORIZED, None));
    assert_eq!(demanded(&route, "1fa.0", LIST).await, Some((Some("mfa".to_owned()), None)));
    assert_eq!(demanded(&route, "mfa.0", LIST).await, None);
    assert_eq!(demanded(&open, "1fa.0", LIST).await, None);
    let tool = builder().optional().require_step_up_for_tool("delete", &recent(60)).build().unwrap();
    let answer = refused(&tool, &[("host", "mcp.example.com")], CALL).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "a tool of somebody's log-in is nobody's");
}

/// A token of which nothing is said, an API key for instance.
#[tokio::test]
async fn whose_log_in_is_not_told_meets_nothing() {
    let protection = Protection::builder(Fake::at(RESOURCE)).require_step_up(&recent(60)).build().unwrap();
    assert_eq!(demanded(&protection, "good.a", LIST).await, Some((None, Some("60".to_owned()))));
}

#[test]
fn what_nobody_could_meet_is_found_before_the_first_request() {
    let (strong, weak) = (StepUp::acr_values("mfa"), StepUp::acr_values("1fa"));
    for protection in [
        builder().require_step_up(&strong).require_step_up(&weak),
        builder().require_step_up(&strong).require_step_up_for_tool("delete", &weak),
        builder().require_step_up_for_tool("delete", &strong).open_tool("delete"),
        builder().require_step_up(&StepUp::acr_values("")),
        builder().require_step_up_for_tool("", &strong),
    ] {
        assert!(protection.build().is_err());
    }
    let protection = builder().require_step_up_for_tool("delete", &strong).build().unwrap();
    assert!(protection.stepping_up(&weak).is_err());
    assert!(protection.stepping_up(&strong).unwrap().stepping_up(&weak).is_err());
}
