//! What the interface offers, as an OpenAPI 3.1 document.

use axum::Json;
use serde_json::{Value, json};

/// Path, method, summary, parameters (name, what it is), and whether it takes a configuration as its body.
type Entry = (&'static str, &'static str, &'static str, &'static [(&'static str, &'static str)], bool);

/// Everything there is.
static ENTRIES: &[Entry] = &[
    ("/healthz", "get", "Whether the daemon lives", &[], false),
    ("/readyz", "get", "Whether packets are looked into and nothing failed", &[], false),
    (
        "/metrics",
        "get",
        "Counters in the format of Prometheus, or OpenMetrics where that is accepted",
        &[],
        false,
    ),
    ("/api/v1/status", "get", "How the daemon, the data plane and their parts are", &[], false),
    ("/api/v1/counters", "get", "Every counter per worker, port and queue", &[], false),
    ("/api/v1/drops", "get", "Every cause of drops with its count, meaning and remedy", &[], false),
    (
        "/api/v1/flows",
        "get",
        "Flows that are open",
        &[
            ("filter", "Only flows for which this holds"),
            ("limit", "Rows at most, 1 to 1000"),
            ("order", "bytes, packets, recent or oldest"),
        ],
        false,
    ),
    ("/api/v1/protocols", "get", "Flows, packets and bytes by protocol and service", &[], false),
    ("/api/v1/tunnels", "get", "How every tunnel is: keys, counters, refusals, last events", &[], false),
    (
        "/api/v1/tunnels/rotate",
        "post",
        "Negotiates new keys by a full handshake",
        &[("peer", "With this one; with all without")],
        false,
    ),
    (
        "/api/v1/events",
        "get",
        "Records of EVE JSON as they are made (text/event-stream)",
        &[
            ("filter", "Only flows for which this holds, and their events"),
            ("types", "Values of event_type, separated by commas"),
            ("queue", "Lines that wait for a slow reader before the oldest are dropped"),
        ],
        false,
    ),
    (
        "/api/v1/configuration",
        "get",
        "A configuration of the history",
        &[("revision", "Its number; the running one without")],
        false,
    ),
    (
        "/api/v1/configuration/history",
        "get",
        "Who changed the configuration when",
        &[("limit", "Entries at most")],
        false,
    ),
    (
        "/api/v1/configuration/check",
        "post",
        "What is wrong with a configuration, and what would change",
        &[],
        true,
    ),
    (
        "/api/v1/configuration/apply",
        "post",
        "Takes a configuration into use",
        &[
            ("confirm", "Seconds within which it is confirmed, or taken back"),
            ("restart", "true where the data plane may be started anew"),
            ("comment", "Why"),
        ],
        true,
    ),
    ("/api/v1/configuration/confirm", "post", "Keeps what was applied on condition", &[], false),
    (
        "/api/v1/configuration/rollback",
        "post",
        "Takes an earlier configuration into use again",
        &[("revision", "Its number; without, what awaits its confirmation is taken back")],
        false,
    ),
];

/// The document.
pub(super) async fn document() -> Json<Value> {
    Json(of_entries())
}

fn of_entries() -> Value {
    let mut paths = serde_json::Map::new();
    for (path, method, summary, parameters, has_body) in ENTRIES {
        let parameters: Vec<Value> = parameters
            .iter()
            .map(|(name, meaning)| {
                json!({ "name": name, "in": "query", "required": false, "description": meaning, "schema": { "type": "string" } })
            })
            .collect();
        let mut operation = json!({
            "summary": summary,
            "parameters": parameters,
            "responses": {
                "200": { "description": "What was asked for" },
                "default": { "description": "Why not: an object with `error.code` and `message`" },
            },
        });
        if let Some(operation) = operation.as_object_mut().filter(|_| *has_body) {
            let content = json!({ "application/toml": { "schema": { "type": "string" } } });
            operation.insert("requestBody".to_owned(), json!({ "required": true, "content": content }));
        }
        paths.insert((*path).to_owned(), json!({ *method: operation }));
    }
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Wirewarden", "version": env!("CARGO_PKG_VERSION") },
        "security": [{}, { "bearer": [] }],
        "components": { "securitySchemes": { "bearer": { "type": "http", "scheme": "bearer" } } },
        "paths": paths,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_of_the_document_is_a_route_and_the_other_way_round() {
        let routes = include_str!("mod.rs");
        let routes: Vec<&str> =
            routes.split(".route(\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        let document = of_entries();
        let paths = document["paths"].as_object().unwrap();
        for route in &routes {
            assert!(paths.contains_key(*route) || *route == "/api/v1/openapi.json", "{route}");
        }
        assert_eq!(paths.len(), routes.len() - 1);
    }
}
