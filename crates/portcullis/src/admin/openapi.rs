//! The OpenAPI document, made of the table that requests are routed by and of the types that they are read into.

use oauth_types::Issuer;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use store::AdminAccess;

use super::routes::{Operation, ROUTES, Route};

/// The document (OpenAPI 3.1.0).
pub(super) fn document(issuer: &Issuer) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let mut paths = Map::new();
    for route in &ROUTES {
        let mut operation = json!({
            "operationId": operation_id(route.operation),
            "summary": route.says,
            "parameters": parameters(route),
            "security": [{ "admin_key": [] }],
            "x-access": match route.access { AdminAccess::Read => "read", AdminAccess::Write => "write" },
        });
        if let Some(schema) = route.body {
            let schema = schema(&mut generator);
            // Everything about a new key has a default.
            let needed = route.operation != Operation::RotateServerKey;
            operation["requestBody"] =
                json!({ "required": needed, "content": { "application/json": { "schema": schema } } });
        }
        let mut done = json!({ "description": "It was done." });
        if let Some(schema) = route.answer {
            done["content"] = json!({ "application/json": { "schema": schema(&mut generator) } });
        }
        let mut responses = json!({
            "default": { "description": "Why it was not done (RFC 9457).", "content": { "application/problem+json": {
                "schema": { "$ref": "#/components/schemas/Problem" } } } },
        });
        responses[route.status.to_string()] = done;
        if let Operation::Create(_) = route.operation {
            responses["200"] = json!({
                "description": "A request with this Idempotency-Key came before: what it made, without its secret.",
                "content": { "application/json": { "schema": { "type": "object" } } },
            });
        }
        operation["responses"] = responses;
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.to_ascii_lowercase()] = operation;
    }
    let mut schemas = generator.take_definitions(true);
    schemas.insert("Problem".to_owned(), problem());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Portcullis administration",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Times are seconds since 1970. Lists come in pages: `next` and the header `Link` lead to the next one.",
        },
        "servers": [{ "url": issuer.endpoint("") }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "admin_key": { "type": "http", "scheme": "bearer" } },
        },
    })
}

fn parameters(route: &Route) -> Vec<Value> {
    let text = json!({ "type": "string" });
    let in_path =
        route.id_name().map(|name| json!({ "name": name, "in": "path", "required": true, "schema": text }));
    let in_query = route.query.iter().map(|parameter| {
        let schema = match parameter.name {
            "limit" => json!({ "type": "integer", "minimum": 1, "maximum": 100 }),
            "since" | "until" => json!({ "type": "integer" }),
            _ => text.clone(),
        };
        json!({ "name": parameter.name, "in": "query", "description": parameter.says, "schema": schema })
    });
    let in_header = matches!(route.operation, Operation::Create(_)).then(|| {
        json!({
            "name": "Idempotency-Key", "in": "header",
            "description": "The same key and body make one thing, within a day.",
            "schema": { "type": "string", "minLength": 1, "maxLength": 255 },
        })
    });
    in_path.into_iter().chain(in_query).chain(in_header).collect()
}

fn operation_id(operation: Operation) -> String {
    let name = if let Operation::Create(creation) = operation {
        format!("Create{creation:?}")
    } else {
        format!("{operation:?}")
    };
    let mut id = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !id.is_empty() {
            id.push('_');
        }
        id.push(letter.to_ascii_lowercase());
    }
    id
}

fn problem() -> Value {
    json!({
        "type": "object",
        "required": ["type", "title", "status", "detail", "error"],
        "properties": {
            "type": { "type": "string" },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string" },
            "error": { "type": "string", "description": "A name for programs." },
            "server_id": { "type": "string", "description": "Which server has the resource, if it is taken." },
        },
    })
}
