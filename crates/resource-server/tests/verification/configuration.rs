//! What is wrong with a configuration is said before the first request (WB-8, WE-2, WE-13).

use std::error::Error;
use std::time::Duration;

use resource_server::{
    ConfigError, Environment, Holder, Introspection, Jwt, ValueFault, Verifier, VerifierBuilder,
};
use serde_json::json;

use super::{ISSUER, RESOURCE, World, secret, verify};

fn builder() -> VerifierBuilder {
    Verifier::builder(RESOURCE)
}

fn fault(builder: VerifierBuilder) -> ConfigError {
    builder.build().err().unwrap()
}

fn introspection() -> Introspection {
    Introspection::at_issuer(ISSUER).bearer(secret("key"))
}

#[test]
fn a_good_configuration_is_built_with_a_client_of_its_own() {
    assert!(builder().portcullis(ISSUER, secret("sak_x")).build().is_ok());
    assert!(builder().jwt(Jwt::issued_by("http://localhost:8080/realms/a")).build().is_ok());
}

/// WB-8: an address with the line break of a file is refused by a sentence, and not by a name that cannot be resolved.
#[test]
fn white_space_is_refused_by_a_sentence() {
    for resource in ["https://mcp.example.com/mcp\n", " https://mcp.example.com/mcp", "https://a b"] {
        let error = fault(Verifier::builder(resource).jwt(Jwt::issued_by(ISSUER)));
        assert!(matches!(error, ConfigError::Value { fault: ValueFault::WhiteSpace, .. }), "{error}");
    }
    for broken in [
        builder().jwt(Jwt::issued_by("https://auth.example.com\n")),
        builder().jwt(Jwt::issued_by(ISSUER).audience("api ")),
        builder().jwt(Jwt::issued_by(ISSUER).jwks_uri("https://auth.example.com/jwks ")),
        builder().introspection(introspection().endpoint("\thttps://auth.example.com/i")),
        builder().userinfo("https://auth.example.com\r\n"),
    ] {
        let error = fault(broken);
        assert!(matches!(error, ConfigError::Value { fault: ValueFault::WhiteSpace, .. }), "{error}");
        assert!(error.to_string().contains("A good one looks like"), "{error}");
    }
}

#[test]
fn what_is_no_url_is_refused_with_a_good_one() {
    for (broken, sentence) in [
        (Verifier::builder("").jwt(Jwt::issued_by(ISSUER)), "the resource \"\" cannot be used: it is empty"),
        (
            Verifier::builder("mcp.example.com").jwt(Jwt::issued_by(ISSUER)),
            "the resource \"mcp.example.com\"",
        ),
        (builder().jwt(Jwt::issued_by("auth.example.com")), "the issuer \"auth.example.com\" cannot be used"),
        (builder().jwt(Jwt::issued_by("https://a.example?x")), "an issuer has no query"),
        (builder().jwt(Jwt::issued_by("http://keycloak:8080/realms/a")), "Give it a certificate"),
        (
            builder().jwt(Jwt::issued_by(ISSUER).jwks_uri("http://auth.example.com/jwks")),
            "neither an https URL",
        ),
        (builder().introspection(introspection().endpoint("http://127.0.0.1/i")), "neither an https URL"),
        (builder().jwt(Jwt::issued_by(ISSUER).audience("")), "the audience \"\" cannot be used: it is empty"),
    ] {
        let error = fault(broken).to_string();
        assert!(error.contains(sentence), "{error}");
    }
}

/// What `main` returns is printed by `Debug`: whoever starts a server reads the sentence, on one line.
#[test]
fn an_error_of_main_is_a_sentence() {
    let plain = fault(builder().jwt(Jwt::issued_by("http://keycloak:8080/realms/a")));
    let missing = Environment::from_lookup(|_| None).unwrap_err();
    let (plain, missing): (Box<dyn Error>, Box<dyn Error>) = (plain.into(), missing.into());
    for error in [plain, missing] {
        let shown = format!("{error:?}");
        assert_eq!(shown, error.to_string());
        assert!(!shown.contains("  ") && !shown.contains('\n'), "{shown}");
    }
}

#[test]
fn a_key_is_refused_without_being_shown() {
    for key in ["", "sak_secret\n", "sak secret", "sak_\u{e9}"] {
        let error = fault(builder().portcullis(ISSUER, secret(key)));
        assert!(matches!(error, ConfigError::Secret { .. }), "{error}");
        assert!(!error.to_string().contains("secret\n") && !format!("{error:?}").contains("sak s"));
    }
    let none = fault(builder().introspection(Introspection::at_issuer(ISSUER)));
    assert_eq!(none, ConfigError::NoCredentials { issuer: ISSUER.to_owned() });
    let empty = fault(builder().introspection(Introspection::at_issuer(ISSUER).basic("", secret("x"))));
    assert!(matches!(empty, ConfigError::Secret { .. }));
}

/// WE-2: a server that trusts nobody, or accepts a token by two rules, does not start.
#[test]
fn what_makes_no_sense_does_not_start() {
    let slash = format!("{ISSUER}/");
    for (broken, error) in [
        (builder(), ConfigError::NoIssuer),
        (
            builder().credential("demo_", |_| async {
                Err::<Holder, _>(resource_server::Invalid::Refused.into())
            }),
            ConfigError::NoIssuer,
        ),
        (
            builder()
                .credential("", |_| async { Err::<Holder, _>(resource_server::Invalid::Refused.into()) }),
            ConfigError::EmptyPrefix,
        ),
        (
            builder().jwt(Jwt::issued_by(ISSUER)).jwt(Jwt::issued_by(&slash)),
            ConfigError::SameIssuer { issuer: slash.clone() },
        ),
        (builder().jwt(Jwt::issued_by(ISSUER).leeway(301)), ConfigError::Leeway),
        (builder().jwt(Jwt::issued_by(ISSUER).leeway(-1)), ConfigError::Leeway),
        (builder().jwt(Jwt::issued_by(ISSUER)).remember(Duration::from_secs(301)), ConfigError::Remember),
    ] {
        assert_eq!(fault(broken), error);
    }
}

/// A token must never be shown to a server that it is not from.
#[test]
fn prefixes_that_fit_the_same_tokens_are_refused() {
    let with = |one: &str, other: &str| {
        builder()
            .introspection(introspection().prefix(one))
            .introspection(introspection().prefix(other))
            .build()
    };
    for (one, other) in [("", ""), ("mat_", "mat_"), ("mat_", "mat_x_"), ("mat_x_", "mat_")] {
        let expected = ConfigError::PrefixesMeet { one: one.to_owned(), other: other.to_owned() };
        assert_eq!(with(one, other).err(), Some(expected));
    }
    assert!(with("mat_", "").is_ok() && with("", "mat_").is_ok() && with("a_", "b_").is_ok());
    assert!(builder().introspection(introspection()).userinfo(ISSUER).build().is_err());
    assert!(builder().userinfo(ISSUER).userinfo("https://b.example.com").build().is_err());
}

/// RFC 8707 section 2: a URL library writes a whole origin with a final slash, and nobody who configures it sees that.
#[tokio::test]
async fn for_a_whole_origin_a_final_slash_of_the_audience_is_forgiven_unless_the_environment_names_one() {
    let world = World::new();
    let taken = async |aud: &str, named: Option<&str>| {
        let read = Environment::from_lookup(|name| match name {
            "OAUTH_ISSUER_URL" => Some(ISSUER.to_owned()),
            "PUBLIC_URL" => Some("https://mcp.example.com".to_owned()),
            "OAUTH_AUDIENCE" => named.map(str::to_owned),
            _ => None,
        });
        let builder = read.unwrap().verifier().fetch(world.net.clone()).clock(world.clock.clone());
        verify(&builder.build().unwrap(), &world.token_with(json!({ "aud": aud }))).await.is_ok()
    };
    let (plain, slash) = ("https://mcp.example.com", "https://mcp.example.com/");
    assert!(taken(plain, None).await && taken(slash, None).await);
    assert!(!taken("https://mcp.example.com/mcp", None).await);
    assert!(taken(plain, Some(plain)).await && !taken(slash, Some(plain)).await);
}
