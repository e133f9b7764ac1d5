//! The examples of the OpenAPI document.

use std::collections::BTreeMap;

use super::*;
use crate::admin::routes::ROUTES;

/// The only example of what a route takes.
fn example(document: &Value, route: &Route) -> Value {
    let operation = &document["paths"][route.path][route.method.to_ascii_lowercase()];
    let schema = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].as_str().unwrap();
    let shown = &document["components"]["schemas"][schema.rsplit('/').next().unwrap()]["examples"];
    let [example] = shown.as_array().unwrap_or_else(|| panic!("{schema} has no examples")).as_slice() else {
        panic!("{schema}: {shown}")
    };
    example.clone()
}

#[tokio::test]
async fn each_example_of_a_body_is_taken_where_it_is_shown() {
    let whole = whole().await;
    let (_, document) = whole.ask("GET", "/api/openapi.json", None).await;
    let (mut ids, mut sent) = (BTreeMap::<&str, String>::new(), 0);
    for route in ROUTES.iter().filter(|route| route.body.is_some()) {
        let path = route.path.split('/').map(|part| match part.strip_prefix('{') {
            Some(name) => ids[name.trim_end_matches('}')].clone(),
            None => part.to_owned(),
        });
        let path = path.collect::<Vec<_>>().join("/");
        let body = example(&document, route);
        let (status, answer) = whole.ask(route.method, &path, Some(body.clone())).await;
        assert!((200..300).contains(&status), "{} {path} {body}: {status} {answer}", route.method);
        for name in ["server", "client", "user"] {
            if let Some(id) = answer[format!("{name}_id")].as_str() {
                ids.insert(name, id.to_owned());
            }
        }
        sent += 1;
    }
    assert_eq!(sent, 10);
}
