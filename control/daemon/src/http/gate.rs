//! What every request passes: its number, who asks, how often, and a line in the log.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use api::control::{Reason, Role};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Instrument;

use super::Problem;
use super::limits::{Allowance, Limits};
use crate::desk::{Caller, Desk};
use crate::guard::Guarded;

/// Where a request came from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    pub(super) address: SocketAddr,
    /// The listener is on loopback: without a token one may look.
    pub(super) is_loopback: bool,
}

/// What requests pass.
pub(super) struct Gate {
    desk: Arc<Desk>,
    limits: Guarded<Limits>,
}

impl Gate {
    pub(super) fn new(desk: Arc<Desk>, requests_per_second: u32) -> Self {
        Self { desk, limits: Guarded::new(Limits::new(requests_per_second)) }
    }

    /// Who asks; none where a token is needed and there is no good one.
    async fn caller(&self, headers: &HeaderMap, origin: Origin) -> Result<Caller, Refusal> {
        if let Some(value) = headers.get(header::AUTHORIZATION) {
            let token = value.to_str().ok().and_then(|value| value.split_once(' '));
            let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
            let bearer = match token {
                Some((_, token)) => self.desk.tokens.lock().await.bearer(token.trim()),
                None => None,
            };
            let bearer = bearer.ok_or(Refusal::Token)?;
            return Ok(Caller { name: format!("token {}", bearer.name), role: bearer.role });
        }
        if !origin.is_loopback {
            return Err(Refusal::Token);
        }
        // A web page elsewhere can make a browser here ask us by a name of its own; it cannot make it say ours.
        if !headers.get(header::HOST).is_none_or(is_local) {
            return Err(Refusal::Host);
        }
        Ok(Caller { name: "loopback".to_owned(), role: Role::Viewer })
    }
}

/// Why a request is not let in.
enum Refusal {
    Token,
    Host,
}

fn is_local(host: &HeaderValue) -> bool {
    let Ok(host) = host.to_str() else { return false };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(""),
        None => host.split(':').next().unwrap_or(""),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Lets a request through, or not.
pub(super) async fn pass(State(gate): State<Arc<Gate>>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = request_id(request.headers());
    let origin = request.extensions().get::<Origin>().copied();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let span = tracing::info_span!("request", id, %method, path);
    let mut response = async {
        let Some(origin) = origin else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
        // Whether this program lives is no secret, and asked by those who have no token.
        let is_open = path == "/healthz";
        let caller = match gate.caller(request.headers(), origin).await {
            Ok(caller) => caller,
            Err(_) if is_open => Caller { name: "nobody".to_owned(), role: Role::Viewer },
            Err(refusal) => {
                let address = origin.address.ip().to_string();
                let allowance = gate.limits.lock().ask(&address, began);
                return refused(&refusal, allowance);
            }
        };
        let who = format!("{} {}", origin.address.ip(), caller.name);
        let allowance = gate.limits.lock().ask(&who, began);
        let mut response = if allowance.is_allowed {
            tracing::debug!(who, "asks");
            request.extensions_mut().insert(caller);
            next.run(request).await
        } else {
            Problem(Reason::Busy { message: format!("more than {} requests a second", allowance.limit) })
                .into_response()
        };
        say_allowance(response.headers_mut(), allowance);
        response
    }
    .instrument(span.clone())
    .await;
    let status = response.status().as_u16();
    let took_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    span.in_scope(|| tracing::debug!(status, took_us, "answered"));
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn refused(refusal: &Refusal, allowance: Allowance) -> Response {
    let (code, message) = match refusal {
        _ if !allowance.is_allowed => (StatusCode::TOO_MANY_REQUESTS, "too many requests"),
        Refusal::Token => (StatusCode::UNAUTHORIZED, "a bearer token is needed: `wirewarden token create`"),
        Refusal::Host => (StatusCode::FORBIDDEN, "Host is not this machine's loopback name"),
    };
    let body = serde_json::json!({ "error": { "code": "role" }, "message": message });
    let mut response = (code, axum::Json(body)).into_response();
    if matches!(refusal, Refusal::Token) {
        let realm = HeaderValue::from_static("Bearer realm=\"wirewarden\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, realm);
    }
    say_allowance(response.headers_mut(), allowance);
    response
}

/// The headers of draft-ietf-httpapi-ratelimit-headers, as most clients know them.
fn say_allowance(headers: &mut HeaderMap, allowance: Allowance) {
    headers.insert(HeaderName::from_static("ratelimit-limit"), allowance.limit.into());
    headers.insert(HeaderName::from_static("ratelimit-remaining"), allowance.remaining.into());
    headers.insert(HeaderName::from_static("ratelimit-reset"), allowance.reset.into());
    if !allowance.is_allowed {
        headers.insert(header::RETRY_AFTER, 1.into());
    }
}

/// The number the client gave, where it is harmless, else a new one.
fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let is_harmless = |id: &str| {
        (1..=64).contains(&id.len())
            && id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    match given.filter(|id| is_harmless(id)) {
        Some(id) => id.to_owned(),
        None => {
            let mut random = [0_u8; 8];
            let _ = getrandom::fill(&mut random);
            format!("{:016x}", u64::from_ne_bytes(random))
        }
    }
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_loopback_are_local() {
        for (host, is) in [
            ("localhost", true),
            ("LOCALHOST:9480", true),
            ("127.0.0.1:9480", true),
            ("[::1]:9480", true),
            ("evil.example", false),
            ("localhost.evil.example", false),
            ("10.0.0.1", false),
            ("", false),
        ] {
            assert_eq!(is_local(&HeaderValue::from_static(host)), is, "{host}");
        }
    }

    #[test]
    fn a_number_that_could_forge_the_log_is_replaced() {
        let of = |id: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_static(id));
            request_id(&headers)
        };
        assert_eq!(of("abc-1"), "abc-1");
        assert_ne!(of("a b"), "a b");
        assert_eq!(of("\"}").len(), 16);
    }
}
