//! The OpenAPI document, made of the table that requests are routed by and of the types that they are read into.

use std::collections::BTreeSet;

use oauth_types::Issuer;
use schemars::generate::SchemaSettings;
use schemars::{SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};
use store::AdminAccess;

use super::bounds::{EMAIL, IDEMPOTENCY_KEY, PAGE, PARAMETER};
use super::problem::Document;
use super::routes::{Creation, Operation, ROUTES, Route};
use super::shown::{ShownClient, ShownKey, ShownServer, ShownUser};

/// The document (OpenAPI 3.1.0).
pub(crate) fn document(issuer: &Issuer) -> Value {
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
            "tags": [route.path.split('/').nth(2).unwrap_or_default()],
            "parameters": parameters(route),
            "security": [{ "admin_key": [] }],
            "x-access": match route.access { AdminAccess::Read => "read", AdminAccess::Write => "write" },
        });
        if let Some(schema) = route.body {
            let schema = schema(&mut generator);
            // Everything about a new key has a default.
            let needed =
                !matches!(route.operation, Operation::RotateServerKey | Operation::RotateClientSecret);
            operation["requestBody"] =
                json!({ "required": needed, "content": { "application/json": { "schema": schema } } });
        }
        let mut done = json!({ "description": "It was done." });
        if let Some(schema) = route.answer {
            done["content"] = json!({ "application/json": { "schema": schema(&mut generator) } });
        }
        if route.shows_a_tag() {
            let says =
                "Stands for what is written of it now: see If-Match. When it was used last is not in it.";
            done["headers"] = header("ETag", says);
        }
        if let Operation::Create(creation) = route.operation {
            done["links"] = links(route.path, id_member(creation));
            if ROUTES.iter().any(|shows| shows.id_below(route.path) && shows.method == "GET") {
                done["headers"] = header("Location", "Where it can be seen.");
            }
        }
        if route.query.iter().any(|parameter| parameter.name == "cursor") {
            done["headers"] =
                header("Link", "The URL of the next page, with `rel=\"next\"`, if there is one (RFC 8288).");
        }
        let mut responses = json!({});
        responses[route.status.to_string()] = done;
        for status in refusals(route) {
            responses[status.to_string()] = json!({ "$ref": format!("#/components/responses/{status}") });
        }
        if let Operation::Create(creation) = route.operation {
            responses["200"] = json!({
                "description": "A request with this Idempotency-Key came before: what it made, without its secret.",
                "headers": header("Idempotency-Replayed", "`true`"),
                "content": { "application/json": { "schema": made_before(creation, &mut generator) } },
            });
        }
        operation["responses"] = responses;
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.to_ascii_lowercase()] = operation;
    }
    generator.subschema_for::<Document>();
    let schemas = generator.take_definitions(true);
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

/// What is answered about a thing that an earlier request made.
fn made_before(creation: Creation, generator: &mut SchemaGenerator) -> Value {
    let shown = match creation {
        Creation::Server => generator.subschema_for::<ShownServer>(),
        Creation::Client => generator.subschema_for::<ShownClient>(),
        Creation::User => generator.subschema_for::<ShownUser>(),
        Creation::Invitation => json_schema!({
            "type": "object",
            "required": ["invitation_id"],
            "properties": { "invitation_id": { "type": "string" } },
        }),
        Creation::Key => generator.subschema_for::<ShownKey>(),
    };
    let says = json!({ "message": { "type": "string", "description": "That it was made before." } });
    json!({ "allOf": [shown, { "type": "object", "required": ["message"], "properties": says }] })
}

fn header(name: &str, says: &str) -> Value {
    json!({ name: { "description": says, "schema": { "type": "string" } } })
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

/// Every status that a request which names a route may be answered with.
#[cfg(test)]
pub(super) fn statuses(route: &Route) -> BTreeSet<u16> {
    let mut statuses = refusals(route);
    statuses.insert(route.status);
    if let Operation::Create(_) = route.operation {
        statuses.insert(200);
    }
    statuses
}

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
        let id = route.id_name().filter(|_| route.id_below(made_at))?;
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
    let documents = REFUSED.map(|(status, why)| {
        let mut response = json!({ "description": why, "content": problem.clone() });
        if [429, 503].contains(&status) {
            let says = "After how many seconds to come back.";
            response["headers"] =
                json!({ "Retry-After": { "description": says, "schema": { "type": "integer" } } });
        }
        (status.to_string(), response)
    });
    // Before it comes here.
    let too_long = json!({ "description": "The head of the request is longer than 32 KiB." });
    documents.into_iter().chain([("431".to_owned(), too_long)]).collect()
}

fn parameters(route: &Route) -> Vec<Value> {
    let text = json!({ "type": "string", "minLength": 1, "maxLength": PARAMETER });
    let in_path =
        route.id_name().map(|name| json!({ "name": name, "in": "path", "required": true, "schema": text }));
    let in_query = route.query.iter().map(|parameter| {
        let schema = match parameter.name {
            "limit" => json!({ "type": "integer", "minimum": 1, "maximum": PAGE, "default": PAGE }),
            "status" => json!({ "enum": ["active", "blocked"] }),
            "vouched" => json!({ "type": "boolean" }),
            "since" | "until" | "written_since" => json!({ "type": "integer" }),
            "outcome" => json!({ "enum": ["done", "refused", "failed"] }),
            "state" => json!({ "const": "connected" }),
            "email" => json!({ "type": "string", "format": "email", "maxLength": EMAIL }),
            _ => text.clone(),
        };
        json!({ "name": parameter.name, "in": "query", "description": parameter.says, "schema": schema })
    });
    let in_header = matches!(route.operation, Operation::Create(_)).then(|| {
        json!({
            "name": "Idempotency-Key", "in": "header",
            "description": "The same key and body make one thing, within a day.",
            "schema": { "type": "string", "minLength": 1, "maxLength": IDEMPOTENCY_KEY },
        })
    });
    let if_match = route.may_be_conditional().then(|| {
        json!({
            "name": "If-Match", "in": "header",
            "description": "Only if it is still what this ETag stands for; else 412.",
            "schema": { "type": "string" },
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
