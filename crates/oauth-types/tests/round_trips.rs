//! Parse, print, parse: what is printed is read back to the same value, and no input makes a parser panic.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which fail by a panic")]

use std::fmt::{Debug, Display};
use std::str::FromStr;

use oauth_types::{
    Authorization, AuthorizationRequest, AuthorizationResponse, AuthorizationServerMetadata, Challenge,
    ClientId, ClientInformation, ClientMetadata, ErrorCode, Form, IntrospectionResponse, Issuer, OAuthError,
    ProtectedResourceMetadata, RedirectUri, Resource, Scope, TokenRequest, TokenResponse, TokenType,
    UserInfo, basic_header, bearer_header, well_known,
};
use proptest::option;
use proptest::prelude::*;
use proptest::{collection::vec, sample::select};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;

fn hosts() -> impl Strategy<Value = String> {
    let names = "[a-zA-Z][a-z0-9-]{0,8}[a-z]\\.example(:[1-9][0-9]{0,3})?";
    prop_oneof![names, "(localhost|127\\.0\\.0\\.1|\\[::1\\])(:[1-9][0-9]{0,3})?"]
}

fn paths() -> impl Strategy<Value = String> {
    "(/[a-zA-Z0-9~_-]{1,6}){0,3}/?"
}

prop_compose! {
    fn issuers()(host in hosts(), path in paths()) -> String { format!("https://{host}{path}") }
}

prop_compose! {
    fn resources()(scheme in "https?", host in hosts(), path in "(/[a-zA-Z0-9~_-]{0,6}){0,3}", query in "(\\?[a-z=&/?]{0,8})?")
        -> String { format!("{scheme}://{host}{path}{query}") }
}

fn redirect_uris() -> impl Strategy<Value = String> {
    let loopback =
        "http://(localhost|127\\.0\\.0\\.1|\\[::1\\])(:[1-9][0-9]{0,3})?(/[a-z]{0,6}){0,2}(\\?[a-z=&]{0,8})?";
    let private = "com\\.example\\.[a-z]{1,6}:/{0,2}[a-z]{1,6}(/[a-z]{0,6}){0,2}(\\?[a-z=&]{0,8})?";
    prop_oneof![
        (hosts(), paths(), "(\\?[a-z=&]{0,8})?")
            .prop_map(|(host, path, query)| format!("https://{host}{path}{query}")),
        loopback,
        private,
    ]
}

fn scopes() -> impl Strategy<Value = Scope> {
    "([!#-\\[\\]-~]{1,6} {1,2}){0,6}".prop_map(|text| Scope::parse(&text).unwrap())
}

/// Any text that a form parameter may hold and that is not absent.
fn values() -> impl Strategy<Value = String> {
    "[^\u{0}]{1,12}"
}

fn survives_text<T: FromStr + Display + Serialize + DeserializeOwned + Debug + PartialEq>(text: &str)
where
    T::Err: Debug,
{
    let value: T = text.parse().unwrap();
    assert_eq!(value.to_string(), text);
    let json = serde_json::to_string(&value).unwrap();
    assert_eq!(json, serde_json::to_string(text).unwrap());
    assert_eq!(serde_json::from_str::<T>(&json).unwrap(), value);
}

fn survives_json<T: Serialize + DeserializeOwned + Debug + PartialEq>(value: &T) {
    let json = serde_json::to_vec(value).unwrap();
    assert_eq!(&serde_json::from_slice::<T>(&json).unwrap(), value);
}

/// serde takes a text exactly when `parse` does.
fn is_validated_by_serde<T: FromStr + DeserializeOwned>(text: &str) {
    let json = serde_json::to_string(text).unwrap();
    assert_eq!(serde_json::from_str::<T>(&json).is_ok(), text.parse::<T>().is_ok(), "{text:?}");
}

proptest! {
    #[test]
    fn identifiers_keep_their_text(issuer in issuers(), resource in resources(), uri in redirect_uris(), id in "[!-~]{1,20}") {
        survives_text::<Issuer>(&issuer);
        survives_text::<Resource>(&resource);
        survives_text::<RedirectUri>(&uri);
        survives_text::<ClientId>(&id);
    }

    #[test]
    fn no_text_gets_past_serde_that_parse_refuses(text in "\\PC{0,24}|https?:[/\\\\@:?#a-z0-9.\\[\\]%-]{0,24}") {
        is_validated_by_serde::<Issuer>(&text);
        is_validated_by_serde::<Resource>(&text);
        is_validated_by_serde::<RedirectUri>(&text);
        is_validated_by_serde::<ClientId>(&text);
        is_validated_by_serde::<Scope>(&text);
    }

    #[test]
    fn an_accepted_host_is_the_host_a_browser_visits(text in "https://[a-z0-9.@:/\\\\\\[\\]%?-]{0,24}") {
        if let Ok(uri) = RedirectUri::parse(&text) {
            let seen = url::Url::parse(&text).unwrap();
            prop_assert_eq!(seen.host_str(), uri.host());
            prop_assert_eq!(seen.username(), "");
        }
    }

    #[test]
    fn a_canonical_resource_names_the_same(text in resources()) {
        let resource = Resource::parse(&text).unwrap();
        let canonical = Resource::parse(&resource.canonical()).unwrap();
        prop_assert_eq!(canonical.origin(), resource.origin());
        prop_assert!(resource.canonical().starts_with(&resource.origin()));
        if !text.contains("//?") && !text.ends_with("//") {
            prop_assert!(canonical.names_same(&resource));
        }
    }

    #[test]
    fn well_known_urls_stay_on_their_origin(issuer in issuers(), resource in resources()) {
        let issuer = Issuer::parse(&issuer).unwrap();
        for url in [
            well_known::authorization_server(&issuer),
            well_known::openid_configuration_inserted(&issuer),
            well_known::openid_configuration_appended(&issuer),
        ] {
            let rest = url.strip_prefix(issuer.origin()).unwrap();
            prop_assert!(rest.starts_with('/') && !rest.ends_with('/'), "{}", url);
        }
        let resource = Resource::parse(&resource).unwrap();
        let document = Resource::parse(&well_known::protected_resource(&resource)).unwrap();
        prop_assert_eq!(document.origin(), resource.origin());
        prop_assert!(document.as_str().starts_with(&well_known::protected_resource_root(&resource)));
    }

    #[test]
    fn an_endpoint_is_stripped_back_to_its_path(issuer in issuers(), path in "(/[a-z]{1,6}){1,3}") {
        let issuer = Issuer::parse(&issuer).unwrap();
        let endpoint = issuer.endpoint(&path);
        prop_assert_eq!(issuer.strip(endpoint.strip_prefix(issuer.origin()).unwrap()), Some(path.as_str()));
    }

    #[test]
    fn scopes_are_sets(one in scopes(), other in scopes()) {
        survives_json(&one);
        prop_assert_eq!(&Scope::parse(one.as_str()).unwrap(), &one);
        prop_assert_eq!(&Scope::from_tokens(one.iter()).unwrap(), &one);
        let (union, both, only) = (one.union(&other), one.intersection(&other), one.difference(&other));
        prop_assert!(one.is_subset_of(&union) && other.is_subset_of(&union));
        prop_assert!(both.is_subset_of(&one) && both.is_subset_of(&other));
        prop_assert_eq!(only.union(&both), one.clone());
        prop_assert!(only.intersection(&other).is_empty());
        prop_assert_eq!(one.is_subset_of(&other), one.iter().all(|token| other.contains(token)));
    }

    #[test]
    fn a_form_is_read_as_it_was_written(pairs in vec((values(), "[^\u{0}]{0,12}"), 0..20)) {
        let text = form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
        let form = Form::parse(text.as_bytes()).unwrap();
        for (name, value) in &pairs {
            let expected: Vec<&str> =
                pairs.iter().filter(|(own, value)| own == name && !value.is_empty()).map(|(_, value)| value.as_str()).collect();
            prop_assert_eq!(form.all(name).collect::<Vec<_>>(), expected);
            match form.one(name) {
                Ok(read) => prop_assert_eq!(read.unwrap_or_default(), value),
                Err(_) => prop_assert!(pairs.iter().filter(|(own, _)| own == name).count() > 1),
            }
        }
    }

    #[test]
    fn no_bytes_make_a_parser_panic(bytes in vec(any::<u8>(), 0..200)) {
        if let Ok(form) = Form::parse(&bytes) {
            let _ = TokenRequest::from_form(&form);
            let _ = AuthorizationResponse::from_query(&form);
            let request = AuthorizationRequest::from_form(&form);
            let again = Form::parse(request.to_query().as_bytes()).unwrap();
            prop_assert_eq!(AuthorizationRequest::from_form(&again), request);
        }
        if let Ok(text) = std::str::from_utf8(&bytes) {
            let _ = Authorization::parse(text);
            let _ = Challenge::parse_all(text);
        }
        prop_assert!(TokenResponse::from_json(&bytes).is_err());
        prop_assert!(ClientInformation::from_json(&bytes).is_err());
    }

    #[test]
    fn an_authorization_request_survives_its_query(
        texts in vec(option::of(values()), 12),
        resource in vec(values(), 0..3),
    ) {
        let [response_type, client_id, redirect_uri, scope, state, code_challenge, code_challenge_method, prompt,
            max_age, login_hint, acr_values, response_mode] = <[_; 12]>::try_from(texts).unwrap();
        let request = AuthorizationRequest {
            response_type, client_id, redirect_uri, scope, state, code_challenge, code_challenge_method, prompt,
            max_age, login_hint, acr_values, response_mode, resource,
        };
        let form = Form::parse(request.to_query().as_bytes()).unwrap();
        prop_assert_eq!(form.repeated(), None);
        prop_assert_eq!(AuthorizationRequest::from_form(&form), request);
    }

    #[test]
    fn an_answer_survives_the_redirect(
        uri in "https://a\\.example/cb(\\?x=[a-z]{1,4})?",
        state in option::of(values()),
        code in "[A-Za-z0-9._~-]{1,20}",
        error in select(ErrorCode::ALL),
        description in "\\PC{0,20}",
    ) {
        let iss = Issuer::parse("https://auth.example.com/").unwrap();
        let read = |response: &AuthorizationResponse| {
            let uri = response.to_uri(&RedirectUri::parse(&uri).unwrap());
            let (_, query) = uri.split_once('?').unwrap();
            AuthorizationResponse::from_query(&Form::parse(query.as_bytes()).unwrap()).unwrap()
        };
        let sent = AuthorizationResponse::Code { code: code.clone().into(), state: state.clone(), iss: iss.clone() };
        let answer = read(&sent);
        match &answer {
            AuthorizationResponse::Code { code: read, .. } => prop_assert_eq!(read.expose_secret(), code),
            AuthorizationResponse::Error { .. } => prop_assert!(false, "a code came back as an error"),
        }
        prop_assert_eq!((answer.state(), answer.iss()), (state.as_deref(), &iss));

        let told = OAuthError::new(error, description);
        survives_json(&told);
        let sent = AuthorizationResponse::Error { error: told.clone(), state: state.clone(), iss: iss.clone() };
        let answer = read(&sent);
        match &answer {
            AuthorizationResponse::Error { error: read, .. } => prop_assert_eq!(read, &told),
            AuthorizationResponse::Code { .. } => prop_assert!(false, "an error came back as a code"),
        }
        prop_assert_eq!(answer.state(), state.as_deref());
    }

    #[test]
    fn credentials_survive_their_header(token in "[A-Za-z0-9._~+/-]{1,20}={0,2}", id in "\\PC{0,12}", secret in "\\PC{0,12}") {
        let token = SecretString::from(token);
        match Authorization::parse(&bearer_header(&token)) {
            Ok(Authorization::Bearer(read)) => prop_assert_eq!(read.expose_secret(), token.expose_secret()),
            other => prop_assert!(false, "{:?}", other),
        }
        match Authorization::parse(&basic_header(&id, &SecretString::from(secret.as_str()))) {
            Ok(Authorization::Basic { id: read, secret: hidden }) => {
                prop_assert_eq!(read, id);
                prop_assert_eq!(hidden.expose_secret(), secret);
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn challenges_survive_their_header(
        list in vec(("[A-Za-z][A-Za-z0-9!#$.-]{0,8}", vec(("[a-z_]{1,8}", "[ -~]{0,12}"), 0..4), option::of("[A-Za-z0-9/+]{1,8}={0,2}")), 1..4),
    ) {
        let sent: Vec<Challenge> = list
            .into_iter()
            .map(|(scheme, params, token68)| {
                let bare = Challenge { scheme, ..Challenge::default() };
                match token68 {
                    Some(token68) => Challenge { token68: Some(token68), ..bare },
                    None => params.into_iter().fold(bare, |challenge, (name, value)| challenge.with(name, value)),
                }
            })
            .collect();
        let header = sent.iter().map(Challenge::to_string).collect::<Vec<_>>().join(", ");
        prop_assert_eq!(Challenge::parse_all(&header), Ok(sent));
    }

    #[test]
    fn what_is_printed_of_a_challenge_has_a_place_in_a_header(scheme in ".{0,8}", name in ".{0,8}", value in ".{0,20}") {
        let challenge = Challenge { scheme, token68: None, params: vec![(name, value)] };
        prop_assert!(challenge.to_string().bytes().all(|byte| (0x20..0x7f).contains(&byte)));
    }

    #[test]
    fn a_token_response_survives_json(token in "[!-~]{1,20}", refresh in option::of("[!-~]{1,20}"), expires_in: i64, scope in scopes()) {
        let sent = TokenResponse {
            access_token: token.into(),
            token_type: TokenType::Bearer,
            expires_in,
            refresh_token: refresh.map(SecretString::from),
            scope,
        };
        let read = TokenResponse::from_json(&sent.to_json()).unwrap();
        prop_assert_eq!(read.to_json(), sent.to_json());
        prop_assert_eq!((read.expires_in, &read.scope), (sent.expires_in, &sent.scope));
        prop_assert_eq!(read.refresh_token.is_some(), sent.refresh_token.is_some());
    }

    #[test]
    fn documents_survive_json(
        issuer in issuers(),
        resource in resources(),
        lists in vec(vec("\\PC{0,8}", 0..3), 3),
        text in option::of("\\PC{0,12}"),
        flag: bool,
        time in option::of(any::<i64>()),
        scope in option::of(scopes()),
        other in ("x_[a-z]{1,8}", any::<i32>()),
    ) {
        let [first, second, third] = <[_; 3]>::try_from(lists).unwrap();
        let other = [(other.0, serde_json::Value::from(other.1))].into_iter().collect::<serde_json::Map<_, _>>();
        let (issuer, resource) = (Issuer::parse(&issuer).unwrap(), Resource::parse(&resource).unwrap());
        survives_json(&AuthorizationServerMetadata {
            token_endpoint: text.clone(),
            scopes_supported: first.clone(),
            grant_types_supported: second.clone(),
            protected_resources: third.clone(),
            client_id_metadata_document_supported: flag,
            other: other.clone(),
            ..AuthorizationServerMetadata::new(issuer.clone())
        });
        survives_json(&ProtectedResourceMetadata {
            authorization_servers: first.clone(),
            scopes_supported: second.clone(),
            resource_name: text.clone(),
            dpop_bound_access_tokens_required: flag,
            other: other.clone(),
            ..ProtectedResourceMetadata::new(resource.clone())
        });
        survives_json(&IntrospectionResponse {
            active: flag,
            scope: scope.clone(),
            exp: time,
            sub: text.clone(),
            aud: Some((&resource).into()),
            iss: Some(issuer),
            other: other.clone(),
            ..IntrospectionResponse::inactive()
        });
        survives_json(&UserInfo { email: text.clone(), email_verified: Some(flag), scope, ..UserInfo::new("sub") });
        let metadata =
            ClientMetadata { redirect_uris: first, grant_types: second, contacts: third, client_name: text, other, ..ClientMetadata::default() };
        survives_json(&metadata);
        let information = ClientInformation {
            client_id: ClientId::parse("cli_1").unwrap(),
            client_secret: flag.then(|| SecretString::from("secret")),
            client_id_issued_at: time,
            client_secret_expires_at: None,
            metadata,
        };
        let read = ClientInformation::from_json(&information.to_json()).unwrap();
        prop_assert_eq!(read.to_json(), information.to_json());
        prop_assert_eq!(read.metadata, information.metadata);
    }
}
