//! The API's description, made from the table of routes and the types that handlers give and take.

use axum::Json;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::{ROUTES, Route};

/// `GET /api/v1/openapi.json`; open to everybody, as it tells nothing of this installation.
pub(super) async fn document() -> Json<Value> {
    Json(describe())
}

fn describe() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let mut paths = Map::new();
    for route in ROUTES {
        let takes = route.takes.map(|takes| takes(&mut generator));
        let gives = (route.gives)(&mut generator);
        let operation = operation(route, takes.map(Into::into), gives.into());
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(route.method.to_owned(), operation);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Sereno",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The built-in console's API. A 202 means: stored, and will be dealt with.",
        },
        "security": [{ "token": [] }, { "session": [] }],
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "description": "A person's console token." },
                "session": { "type": "apiKey", "in": "cookie", "name": super::super::access::COOKIE },
            },
        },
    })
}

fn operation(route: &Route, takes: Option<Value>, gives: Value) -> Value {
    let kind = if route.path.ends_with("/events") { "text/event-stream" } else { "application/json" };
    let parameters: Vec<Value> = route
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect();
    let error = json!({
        "description": "Why not, and what to do next",
        "content": { "application/json": { "schema": {
            "type": "object",
            "properties": { "error": {
                "type": "object",
                "properties": { "message": { "type": "string" }, "hint": { "type": "string" } },
                "required": ["message", "hint"],
            } },
            "required": ["error"],
        } } },
    });
    let mut operation = json!({
        "summary": route.summary,
        "parameters": parameters,
        "responses": {
            route.status.to_string(): { "description": "As asked", "content": { kind: { "schema": gives } } },
            "default": error,
        },
    });
    if let Some(takes) = takes {
        operation["requestBody"] = json!({ "required": true, "content": { "application/json": { "schema": takes } } });
    }
    operation
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_described_and_every_reference_leads_somewhere() {
        let document = describe();
        for route in ROUTES {
            assert!(document["paths"][route.path][route.method]["summary"].is_string(), "{}", route.path);
        }
        let text = document.to_string();
        for reference in text.split("\"$ref\":\"#").skip(1) {
            let pointer = reference.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
        assert!(!text.contains("\"press\""), "what a button does stays on our side");
    }
}
