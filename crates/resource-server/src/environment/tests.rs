use super::*;
use crate::Verify as _;

fn environment(values: &[(&str, &str)]) -> Result<Environment, EnvironmentError> {
    Environment::from_lookup(|name| {
        values.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned())
    })
}

const GOOD: [(&str, &str); 2] =
    [("OAUTH_ISSUER_URL", "https://tenant.eu.auth0.com/"), ("PUBLIC_URL", "https://mcp.example.com/mcp")];

#[test]
fn two_variables_are_enough() {
    let read = environment(&GOOD).unwrap();
    assert_eq!(read.issuer.as_str(), "https://tenant.eu.auth0.com/");
    assert_eq!(read.public_url.as_str(), "https://mcp.example.com/mcp");
    assert!(!read.dangerously_untyped_tokens);
    let verifier = read.verifier().build().unwrap();
    assert_eq!(verifier.resource(), &read.public_url);
}

/// WE-2: the audience is checked, whether somebody thinks of it or not.
#[test]
fn the_audience_is_the_public_url_unless_another_is_named_and_is_never_empty() {
    assert_eq!(environment(&GOOD).unwrap().audience, None);
    let named = [GOOD[0], GOOD[1], ("OAUTH_AUDIENCE", " api://mcp ")];
    assert_eq!(environment(&named).unwrap().audience.as_deref(), Some("api://mcp"));
    for empty in ["", " \n"] {
        let error = environment(&[GOOD[0], GOOD[1], ("OAUTH_AUDIENCE", empty)]).unwrap_err();
        assert!(matches!(error, EnvironmentError::Empty { name: "OAUTH_AUDIENCE", .. }), "{error}");
    }
}

/// B8, WB-8: a line break at the end is nobody's intention.
#[test]
fn white_space_around_a_value_is_trimmed() {
    let read = environment(&[
        ("OAUTH_ISSUER_URL", "\thttps://auth.example.com\r\n"),
        ("PUBLIC_URL", " https://mcp.example.com/mcp\n"),
        ("OAUTH_DANGEROUSLY_UNTYPED_TOKENS", "true\n"),
    ])
    .unwrap();
    assert_eq!(
        (read.issuer.as_str(), read.public_url.as_str()),
        ("https://auth.example.com", "https://mcp.example.com/mcp")
    );
    assert!(read.dangerously_untyped_tokens);
}

/// WE-14: what to set, and what a good value looks like.
#[test]
fn an_error_names_the_variable_and_a_good_value() {
    for (values, parts) in [
        (&[][..], ["OAUTH_ISSUER_URL is not set", "https://tenant.eu.auth0.com/"]),
        (&[GOOD[0]], ["PUBLIC_URL is not set", "https://mcp.example.com/mcp"]),
        (
            &[("OAUTH_ISSUER_URL", " "), GOOD[1]],
            ["OAUTH_ISSUER_URL is empty", "https://tenant.eu.auth0.com/"],
        ),
        (
            &[("OAUTH_ISSUER_URL", "auth.example.com"), GOOD[1]],
            ["\"auth.example.com\"", "https://tenant.eu.auth0.com/"],
        ),
        (
            &[("OAUTH_ISSUER_URL", "http://auth.example.com"), GOOD[1]],
            ["an issuer is https", "https://tenant.eu.auth0.com/"],
        ),
        (&[GOOD[0], ("PUBLIC_URL", "mcp")], ["PUBLIC_URL is \"mcp\"", "https://mcp.example.com/mcp"]),
        (
            &[GOOD[0], GOOD[1], ("OAUTH_DANGEROUSLY_UNTYPED_TOKENS", "yes")],
            ["OAUTH_DANGEROUSLY_UNTYPED_TOKENS is \"yes\"", "true or false"],
        ),
    ] {
        let error = environment(values).unwrap_err().to_string();
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    }
}

#[test]
fn the_list_of_variables_is_that_of_what_is_read() {
    let mut read = Vec::new();
    let values = |name: &str| {
        read.push(name.to_owned());
        GOOD.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned())
    };
    Environment::from_lookup(values).unwrap();
    let listed: Vec<_> = Environment::VARIABLES.iter().map(|variable| variable.name).collect();
    assert_eq!(read, listed);
    for variable in Environment::VARIABLES {
        let missing = Environment::from_lookup(|name| {
            let good = GOOD.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned());
            if name == variable.name { None } else { good }
        });
        assert_eq!(missing.is_err(), variable.required, "{variable}");
        assert!(variable.to_string().starts_with(variable.name));
    }
}

/// RFC 6750 section 5.3: a token in the clear is everybody's.
#[test]
fn a_public_url_without_tls_is_refused_unless_it_is_of_this_machine() {
    let built = |url: &str| environment(&[GOOD[0], ("PUBLIC_URL", url)]).unwrap().verifier().build();
    for url in [
        "http://mcp.example.com/mcp",
        "HTTP://10.0.0.7/mcp",
        "http://localhost.example.com",
        "http://mcp:3000/mcp",
    ] {
        let error = built(url).unwrap_err();
        assert!(matches!(error, crate::ConfigError::PlainHttpResource { .. }), "{error}");
        assert!(error.to_string().contains("https://mcp.example.com/mcp"), "{error}");
        let dangerous =
            environment(&[GOOD[0], ("PUBLIC_URL", url)]).unwrap().verifier().dangerously_plain_http();
        assert!(dangerous.build().is_ok(), "{url}");
    }
    for url in [
        "http://localhost:3000/mcp",
        "http://127.0.0.2/mcp",
        "http://[::1]:3000",
        "http://app.localhost",
        "https://mcp.example.com",
    ] {
        assert!(built(url).is_ok(), "{url}");
    }
}
