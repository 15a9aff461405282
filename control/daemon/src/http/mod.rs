//! The HTTP interface: what the socket answers, for tools that speak HTTP.

mod events;
mod gate;
mod limits;
mod metrics;
mod openapi;
mod serve;

use std::sync::Arc;
use std::time::Duration;

use api::control::{Apply, Command, FlowOrder, FlowQuery, Reason, Reply, Rotation, SupervisionState};
use axum::body::{Body, to_bytes};
use axum::extract::{Extension, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::desk::{Caller, Desk};
use gate::Gate;

pub(crate) use serve::{Listening, Tls, serve};

/// How long a body may take to come.
const BODY: Duration = Duration::from_secs(10);

/// Every route, behind the gate.
pub(crate) fn router(desk: Arc<Desk>, requests_per_second: u32) -> Router {
    let gate = Arc::new(Gate::new(Arc::clone(&desk), requests_per_second));
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/api/v1/openapi.json", get(openapi::document))
        .route("/api/v1/status", get(status))
        .route("/api/v1/counters", get(counters))
        .route("/api/v1/drops", get(drops))
        .route("/api/v1/flows", get(flows))
        .route("/api/v1/protocols", get(protocols))
        .route("/api/v1/tunnels", get(tunnels))
        .route("/api/v1/tunnels/rotate", post(rotate))
        .route("/api/v1/events", get(events::stream))
        .route("/api/v1/configuration", get(configuration))
        .route("/api/v1/configuration/history", get(history))
        .route("/api/v1/configuration/check", post(check))
        .route("/api/v1/configuration/apply", post(apply))
        .route("/api/v1/configuration/confirm", post(confirm))
        .route("/api/v1/configuration/rollback", post(rollback))
        .fallback(|| async {
            Problem(Reason::NotFound { what: "such path: see /api/v1/openapi.json".to_owned() })
        })
        .layer(middleware::from_fn_with_state(gate, gate::pass))
        .with_state(desk)
}

/// A refusal as its HTTP status and JSON.
pub(crate) struct Problem(pub(crate) Reason);

impl Problem {
    const fn status(&self) -> StatusCode {
        match &self.0 {
            Reason::Role { .. } => StatusCode::FORBIDDEN,
            Reason::NotFound { .. } | Reason::NotHere { .. } => StatusCode::NOT_FOUND,
            Reason::RestartNeeded { .. } | Reason::Conflict { .. } => StatusCode::CONFLICT,
            Reason::Unreachable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Reason::Busy { .. } => StatusCode::TOO_MANY_REQUESTS,
            Reason::Storage { .. } => StatusCode::INSUFFICIENT_STORAGE,
            Reason::TooLong { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Reason::Config { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Reason::Version | Reason::Request { .. } | Reason::Filter { .. } | Reason::Invalid { .. } => {
                StatusCode::BAD_REQUEST
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let message = self.0.to_string();
        (self.status(), Json(json!({ "error": self.0, "message": message }))).into_response()
    }
}

type Answer = Result<Json<Value>, Problem>;

/// Carries out a command, and gives what it says without its kind.
async fn answer(desk: &Desk, caller: &Caller, command: Command) -> Answer {
    let reply = desk.answer(caller, command).await.map_err(Problem)?;
    let mut value = serde_json::to_value(reply).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        object.remove("kind");
    }
    Ok(Json(value))
}

async fn healthz() -> &'static str {
    "ok\n"
}

/// Ready is who has a data plane that looks into packets, and no part that failed.
async fn readyz(State(desk): State<Arc<Desk>>) -> Response {
    let seen = desk.watched.seen();
    let wrong = desk.components.wrong();
    let is_ready = seen.state == SupervisionState::Running && wrong.is_empty();
    let code = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let parts: Vec<Value> =
        wrong.iter().map(|part| json!({ "name": part.name, "reason": part.reason })).collect();
    (code, Json(json!({ "ready": is_ready, "dataplane": seen.state, "failed": parts }))).into_response()
}

async fn metrics(State(desk): State<Arc<Desk>>, headers: HeaderMap) -> Response {
    let wants_open = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("application/openmetrics-text"));
    let format = if wants_open { metrics::Format::OpenMetrics } else { metrics::Format::Prometheus };
    let text = metrics::text(&desk, format).await;
    ([(header::CONTENT_TYPE, format.content_type())], text).into_response()
}

async fn status(State(desk): State<Arc<Desk>>, Extension(caller): Extension<Caller>) -> Answer {
    answer(&desk, &caller, Command::Status).await
}

async fn counters(State(desk): State<Arc<Desk>>, Extension(caller): Extension<Caller>) -> Answer {
    answer(&desk, &caller, Command::Counters).await
}

/// Every cause of drops with its count, what it means and what to do.
async fn drops(State(desk): State<Arc<Desk>>, Extension(caller): Extension<Caller>) -> Answer {
    let reply = desk.answer(&caller, Command::Counters).await.map_err(Problem)?;
    let Reply::Counters(counters) = reply else { return Ok(Json(json!({}))) };
    let row = |name: &str, count: u64| {
        let cause = api::drops::cause(name);
        json!({
            "cause": name,
            "packets": count,
            "meaning": cause.map(|cause| cause.meaning),
            "next": cause.map(|cause| cause.next),
            "because": cause.map(|cause| cause.because),
        })
    };
    let rows: Vec<Value> = counters.losses().into_iter().map(|(name, count)| row(name, count)).collect();
    Ok(Json(json!({ "received": counters.received(), "drops": rows })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FlowParameters {
    filter: Option<String>,
    limit: Option<u32>,
    order: Option<FlowOrder>,
}

async fn flows(
    State(desk): State<Arc<Desk>>,
    Extension(caller): Extension<Caller>,
    Query(wanted): Query<FlowParameters>,
) -> Answer {
    let usual = FlowQuery::default();
    let query = FlowQuery {
        filter: wanted.filter,
        limit: wanted.limit.unwrap_or(usual.limit),
        order: wanted.order.unwrap_or_default(),
    };
    answer(&desk, &caller, Command::Flows(query)).await
}

async fn protocols(State(desk): State<Arc<Desk>>, Extension(caller): Extension<Caller>) -> Answer {
    answer(&desk, &caller, Command::Protocols).await
}

async fn tunnels(State(desk): State<Arc<Desk>>, Extension(caller): Extension<Caller>) -> Answer {
    answer(&desk, &caller, Command::Tunnels).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RotateParameters {
    peer: Option<String>,
    #[serde(default)]
    by: Rotation,
}

async fn rotate(
    State(desk): State<Arc<Desk>>,
    Extension(caller): Extension<Caller>,
    Query(wanted): Query<RotateParameters>,
) -> Answer {
    answer(&desk, &caller, Command::TunnelRotate { peer: wanted.peer, by: wanted.by }).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RevisionParameter {
    revision: Option<u64>,
}

async fn configuration(
    State(desk): State<Arc<Desk>>,
    Extension(caller): Extension<Caller>,
    Query(wanted): Query<RevisionParameter>,
) -> Answer {
    answer(&desk, &caller, Command::ConfigShow { revision: wanted.revision }).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitParameter {
    limit: Option<u32>,
}

async fn history(
    State(desk): State<Arc<Desk>>,
    Extension(caller): Extension<Caller>,
    Query(wanted): Query<LimitParameter>,
) -> Answer {
    answer(&desk, &caller, Command::ConfigHistory { limit: wanted.limit.unwrap_or(50) }).await
}

async fn check(State(desk): State<Arc<Desk>>, Extension(caller): Extension<Caller>, body: Body) -> Answer {
    let text = text_of(body).await?;
    answer(&desk, &caller, Command::ConfigCheck { text, source: "body".to_owned() }).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ApplyParameters {
    /// Seconds.
    confirm: Option<u64>,
    #[serde(default)]
    restart: bool,
    #[serde(default)]
    comment: String,
}

async fn apply(
    State(desk): State<Arc<Desk>>,
    Extension(caller): Extension<Caller>,
    Query(how): Query<ApplyParameters>,
    body: Body,
) -> Answer {
    let apply = Apply {
        text: text_of(body).await?,
        source: "body".to_owned(),
        confirm_within_s: how.confirm,
        restart: how.restart,
        comment: how.comment,
    };
    answer(&desk, &caller, Command::ConfigApply(apply)).await
}

async fn confirm(State(desk): State<Arc<Desk>>, Extension(caller): Extension<Caller>) -> Answer {
    answer(&desk, &caller, Command::ConfigConfirm).await
}

async fn rollback(
    State(desk): State<Arc<Desk>>,
    Extension(caller): Extension<Caller>,
    Query(wanted): Query<RevisionParameter>,
) -> Answer {
    answer(&desk, &caller, Command::ConfigRollback { revision: wanted.revision }).await
}

/// A body of text, as long as a configuration may be.
async fn text_of(body: Body) -> Result<String, Problem> {
    let limit = api::config::MAX_TEXT;
    let bytes = tokio::time::timeout(BODY, to_bytes(body, limit)).await;
    let bytes = bytes
        .map_err(|_| Problem(Reason::Invalid { message: "the body did not come in time".to_owned() }))?;
    let bytes = bytes.map_err(|_| Problem(Reason::TooLong { limit: limit as u64 }))?;
    String::from_utf8(bytes.to_vec())
        .map_err(|_| Problem(Reason::Invalid { message: "the body is not UTF-8".to_owned() }))
}
