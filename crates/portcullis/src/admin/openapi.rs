//! The OpenAPI document, made of the table that requests are routed by and of the types that they are read into.

use std::collections::BTreeSet;

use oauth_types::Issuer;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use store::AdminAccess;

use super::routes::{Creation, Operation, ROUTES, Route};

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
        if route.shows_a_tag() {
            let says = "Stands for what is written of it now: see If-Match. When it was used last is not in it.";
            done["headers"] = json!({ "ETag": { "description": says, "schema": { "type": "string" } } });
        }
        if let Operation::Create(creation) = route.operation {
            done["links"] = links(route.path, id_member(creation));
        }
        let mut responses = json!({});
        responses[route.status.to_string()] = done;
        for status in refusals(route) {
            responses[status.to_string()] = json!({ "$ref": format!("#/components/responses/{status}") });
        }
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
            "description": DESCRIPTION,
        },
        "servers": [{ "url": issuer.endpoint("") }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": responses_of_refusal(),
            "securitySchemes": { "admin_key": { "type": "http", "scheme": "bearer" } },
        },
    })
}

const DESCRIPTION: &str = "Times are seconds since 1970. Lists come in pages: `next` and the header `Link` lead to the next one. \
    What is too large or too slow is refused before it comes here, and that answer has no document of this form.";

/// Why something is not done, by the status that says so.
const REFUSED: [(u16, &str); 10] = [
    (400, "The request is wrong; `detail` names what."),
    (401, "There is no admin key, or it opens nothing."),
    (403, "The key may read, and this changes something."),
    (404, "There is no such thing."),
    (409, "It cannot be done as things are."),
    (412, "It is not what If-Match says any more."),
    (415, "The body is not JSON by its Content-Type."),
    (422, "This Idempotency-Key came with another body before."),
    (429, "Too much was asked; `Retry-After` says when to come back."),
    (503, "The store cannot do this now; `Retry-After` says when to come back."),
];

fn refusals(route: &Route) -> BTreeSet<u16> {
    let mut statuses = BTreeSet::from([400, 401, 429, 431, 503]);
    statuses.extend((route.access == AdminAccess::Write).then_some(403));
    statuses.extend(route.id_name().map(|_| 404));
    statuses.extend(route.body.map(|_| 415));
    statuses.extend(route.may_be_conditional().then_some(412));
    if let Operation::Create(_) = route.operation {
        // What an earlier request made may be gone.
        statuses.extend([404, 409, 422]);
    }
    statuses.extend(route.refused);
    statuses
}

/// What can be asked about a thing that was just made.
fn links(made_at: &str, id_member: &str) -> Value {
    let about_it = ROUTES.iter().filter_map(|route| {
        let below = route.path.strip_prefix(made_at)?.starts_with("/{");
        let id = route.id_name().filter(|_| below)?;
        let parameters = json!({ id: format!("$response.body#/{id_member}") });
        let name = operation_id(route.operation);
        Some((name.clone(), json!({ "operationId": name, "parameters": parameters })))
    });
    about_it.collect::<Map<_, _>>().into()
}

/// What an answer calls the id of the thing that was made.
const fn id_member(creation: Creation) -> &'static str {
    match creation {
        Creation::Server => "server_id",
        Creation::Client => "client_id",
        Creation::User => "user_id",
        Creation::Invitation => "invitation_id",
        Creation::Key => "name",
    }
}

fn responses_of_refusal() -> Map<String, Value> {
    let problem =
        json!({ "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } });
    let documents = REFUSED
        .map(|(status, why)| (status.to_string(), json!({ "description": why, "content": problem.clone() })));
    // Before it comes here.
    let too_long = json!({ "description": "The head of the request is longer than 32 KiB." });
    documents.into_iter().chain([("431".to_owned(), too_long)]).collect()
}

fn parameters(route: &Route) -> Vec<Value> {
    let text = json!({ "type": "string", "minLength": 1, "maxLength": 2048 });
    let in_path =
        route.id_name().map(|name| json!({ "name": name, "in": "path", "required": true, "schema": text }));
    let in_query = route.query.iter().map(|parameter| {
        let schema = match parameter.name {
            "limit" => json!({ "type": "integer", "minimum": 1, "maximum": 100 }),
            "since" | "until" => json!({ "type": "integer" }),
            "state" => json!({ "const": "connected" }),
            "email" => json!({ "type": "string", "format": "email", "maxLength": 254 }),
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
    let if_match = route.may_be_conditional().then(|| {
        json!({
            "name": "If-Match", "in": "header",
            "description": "Only if it is still what this ETag stands for; else 412.",
            "schema": { "type": "string", "minLength": 1, "maxLength": 2048 },
        })
    });
    in_path.into_iter().chain(in_query).chain(in_header).chain(if_match).collect()
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
