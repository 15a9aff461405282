//! Records as they are made, as server-sent events.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use api::control::{Command, Message, Observe, Role};
use axum::body::{Body, Bytes};
use axum::extract::{Extension, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use hyper::body::{Body as HttpBody, Frame};
use serde::Deserialize;
use tokio::sync::mpsc;

use super::Problem;
use crate::desk::{Caller, Desk};
use crate::plane::Connection;

/// Events between the data plane's connection and the client's: what waits longer waits, and is dropped and counted, in
/// the data plane.
const HANDED: usize = 16;
/// How often a comment says that the stream is alive.
const ALIVE: std::time::Duration = std::time::Duration::from_secs(15);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameters {
    filter: Option<String>,
    /// Separated by commas.
    #[serde(default)]
    types: String,
    queue: Option<u32>,
}

/// `event:` is the record's type, `data:` its line of EVE JSON; `event: dropped` says how many were dropped so far.
pub(super) async fn stream(
    State(desk): State<Arc<Desk>>,
    Extension(caller): Extension<Caller>,
    Query(wanted): Query<Parameters>,
) -> Result<Response, Problem> {
    if caller.role < Role::Viewer {
        return Err(Problem(api::control::Reason::Role {
            has: caller.role.name().to_owned(),
            needs: Role::Viewer,
        }));
    }
    let types = wanted.types.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let observe =
        Observe { filter: wanted.filter, types, queue: wanted.queue.unwrap_or(Observe::USUAL_WAITING) };
    let mut connection = desk.plane.connect().await.map_err(Problem)?;
    connection.ask(Command::Observe(observe)).await.map_err(Problem)?;
    let (sender, receiver) = mpsc::channel(HANDED);
    tokio::spawn(hand_on(connection, sender));
    let body = Body::new(Chunks(receiver));
    Ok(([(header::CONTENT_TYPE, "text/event-stream")], body).into_response())
}

async fn hand_on(mut connection: Connection, sender: mpsc::Sender<Bytes>) {
    let mut told = 0;
    loop {
        let text = tokio::select! {
            message = connection.next_message() => match message {
                Ok(Message::Event { line, dropped, .. }) => {
                    let mut text = String::new();
                    if dropped > told {
                        text = format!("event: dropped\ndata: {dropped}\n\n");
                        told = dropped;
                    }
                    let kind = kind_of(&line);
                    text.push_str(&format!("event: {kind}\ndata: {line}\n\n"));
                    text
                }
                Ok(_) => continue,
                Err(_) => return,
            },
            () = tokio::time::sleep(ALIVE) => ": alive\n\n".to_owned(),
            () = sender.closed() => return,
        };
        if sender.send(text.into()).await.is_err() {
            return;
        }
    }
}

/// The `event_type` of a line, which we wrote ourselves.
fn kind_of(line: &str) -> &str {
    let rest = line.split("\"event_type\":\"").nth(1).unwrap_or("");
    rest.split('"').next().filter(|kind| !kind.is_empty()).unwrap_or("message")
}

/// A body of what comes through a channel.
struct Chunks(mpsc::Receiver<Bytes>);

impl HttpBody for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|chunk| chunk.map(|chunk| Ok(Frame::data(chunk))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_of_an_event_is_that_of_its_record() {
        assert_eq!(kind_of(r#"{"timestamp":"x","event_type":"tls","a":1}"#), "tls");
        assert_eq!(kind_of("{}"), "message");
    }
}
