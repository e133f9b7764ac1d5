//! A query or a body.

use std::collections::BTreeSet;

use oauth_types::{AuthorizationRequest, Form, RevocationRequest, TokenRequest};

/// What our strict reader takes, a lenient one reads the same; and every request that is read of it is printed and read back.
pub fn form(bytes: &[u8]) {
    let Ok(form) = Form::parse(bytes) else {
        return;
    };
    let pairs: Vec<(String, String)> = form_urlencoded::parse(bytes).into_owned().collect();
    assert!(pairs.len() <= 64);
    for (name, value) in &pairs {
        assert!(!name.contains('\0') && !value.contains('\0'));
        let values: Vec<&str> =
            pairs.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_str()).collect();
        assert_eq!(form.one(name).is_err(), values.len() > 1);
        let present: Vec<&str> = values.into_iter().filter(|value| !value.is_empty()).collect();
        assert_eq!(form.all(name).collect::<Vec<_>>(), present);
    }
    let names: Vec<&str> =
        pairs.iter().map(|(name, _)| name.as_str()).filter(|name| *name != "resource").collect();
    let distinct: BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!(form.repeated().is_some(), distinct.len() < names.len());

    let printed = form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
    let again = Form::parse(printed.as_bytes()).unwrap();
    for (name, _) in &pairs {
        assert!(again.all(name).eq(form.all(name)));
    }
    let request = AuthorizationRequest::from_form(&form);
    let query = Form::parse(request.to_query().as_bytes()).unwrap();
    assert_eq!(AuthorizationRequest::from_form(&query), request);

    // A repeated parameter is an error wherever it counts (RFC 6749 section 3.2).
    if form.repeated().is_some() {
        assert!(TokenRequest::from_form(&form).is_err() && RevocationRequest::from_form(&form).is_err());
    }
}
