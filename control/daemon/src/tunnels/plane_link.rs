//! The way to the data plane's key socket: it is connected again and again, and says what came of it.

use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use api::tunnel::{Order, Report};

use super::key_socket::KeySocket;

/// Between attempts to connect at first: a data plane that is started anew is back soon, and has no keys.
const SOON: Duration = Duration::from_millis(25);
/// Between attempts when it has been gone for a while.
const LATER: Duration = Duration::from_millis(500);
/// How long it counts as gone only just now.
const WHILE: Duration = Duration::from_secs(5);

/// The way to the key socket.
#[derive(Debug)]
pub(super) struct PlaneLink {
    path: PathBuf,
    socket: Option<KeySocket>,
    next_attempt: Instant,
    /// Since when there is no connection.
    gone: Instant,
    /// Why there is none.
    why: String,
}

/// What is new on the way.
#[derive(Debug)]
pub(super) enum Heard {
    Report(Report),
    /// The connection has ended: why.
    Lost(String),
}

impl PlaneLink {
    pub(super) fn new(path: PathBuf, now: Instant) -> Self {
        Self { path, socket: None, next_attempt: now, gone: now, why: "not connected yet".to_owned() }
    }

    /// Connects where that is due.
    pub(super) fn connect(&mut self, now: Instant) {
        if self.socket.is_some() || now < self.next_attempt {
            return;
        }
        let just_gone = now.saturating_duration_since(self.gone) < WHILE;
        self.next_attempt = now + if just_gone { SOON } else { LATER };
        match KeySocket::connect(&self.path) {
            Ok(socket) => self.socket = Some(socket),
            Err(error) => self.why = format!("{}: {error}", self.path.display()),
        }
    }

    /// Ends the connection; the next one brings a hello again.
    pub(super) fn drop_connection(&mut self, why: String, now: Instant) {
        if self.socket.take().is_some() {
            self.gone = now;
        }
        self.next_attempt = now;
        self.why = why;
    }

    /// Gives an order. One that does not arrive is of no use later: what it is for begins anew with the next hello.
    pub(super) fn order(&mut self, order: &Order, now: Instant) -> bool {
        let Some(socket) = &mut self.socket else { return false };
        match socket.order(order) {
            Ok(()) => true,
            Err(error) => {
                self.drop_connection(error.to_string(), now);
                false
            }
        }
    }

    /// The next that is new.
    pub(super) fn hear(&mut self, now: Instant) -> Option<Heard> {
        match self.socket.as_mut()?.report() {
            Ok(report) => report.map(Heard::Report),
            Err(error) => {
                let why = error.to_string();
                self.drop_connection(why.clone(), now);
                Some(Heard::Lost(why))
            }
        }
    }

    /// What becomes readable with a report.
    pub(super) fn readable(&self) -> Option<BorrowedFd<'_>> {
        self.socket.as_ref().map(AsFd::as_fd)
    }

    /// For how long there has been no connection, and why.
    pub(super) fn gone_for(&self, now: Instant) -> Option<(Duration, &str)> {
        let gone = now.saturating_duration_since(self.gone);
        self.socket.is_none().then_some((gone, self.why.as_str()))
    }
}
