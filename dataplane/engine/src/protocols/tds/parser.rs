//! Reads the packets of a session.

use super::login::Login;
use super::packet;
use super::prelogin::{Prelogin, encryption};
use super::request::Request;
use super::token::{Answer, Error};
use crate::protocols::Found;
use crate::protocols::credentials::Credentials;
use crate::protocols::framed::{Framing, Message, Messages, Next, Report, two_messages};
use crate::protocols::kept::{Quota, write_text};
use crate::protocols::sql::STATEMENT_MAX;
use crate::protocols::tls::TlsStream;
use crate::record::{Direction, EventWriter};

/// Requests of one flow that are written one by one.
const REQUESTS_MAX: u16 = 256;
/// Bytes of a login that is put together from packets.
const LOGIN_MAX: usize = 8 * 1024;

/// A request that waits for its answer.
#[derive(Clone, Debug)]
enum Asked {
    Login,
    Batch(Request),
    Call(Request),
    Other(&'static str),
}

/// TDS on one flow.
#[derive(Debug)]
pub(super) struct Tds {
    tls: TlsStream,
    is_tls_begun: bool,
    is_tls_told: bool,
    server_version: Option<(u8, u8, u16)>,
    login: Vec<u8>,
    asked: Option<Asked>,
    /// The message of a direction goes on in the next packet.
    goes_on: [bool; 2],
    quota: Quota,
}

impl Default for Tds {
    fn default() -> Self {
        Self {
            tls: TlsStream::default(),
            is_tls_begun: false,
            is_tls_told: false,
            server_version: None,
            login: Vec::new(),
            asked: None,
            goes_on: [false; 2],
            quota: Quota::new(REQUESTS_MAX),
        }
    }
}

impl Tds {
    fn tls(&mut self, bytes: &[u8], from: Direction, report: &mut Report<'_, '_>) {
        self.is_tls_begun = true;
        self.tls.read(bytes, from);
        if self.tls.is_settled() {
            self.tell_tls(report);
        }
    }

    fn tell_tls(&mut self, report: &mut Report<'_, '_>) {
        if !self.is_tls_told && self.tls.has_hello() {
            self.is_tls_told = true;
            self.tls.write(&mut report.event("tls"));
        }
    }

    fn prelogin(
        &mut self,
        body: &[u8],
        from: Direction,
        report: &mut Report<'_, '_>,
    ) -> Result<(), &'static str> {
        let prelogin = Prelogin::read(body).ok_or("invalid_prelogin")?;
        if from == Direction::ToClient {
            self.server_version = prelogin.version;
        }
        let mut event = report.event("tds");
        event.label("type", "prelogin");
        event.label("from", if from == Direction::ToServer { "client" } else { "server" });
        write_version(prelogin.version, &mut event);
        if let Some(code) = prelogin.encryption {
            event.label("encryption", encryption(code));
            if code & 0x80 != 0 {
                event.flag("client_certificate", true);
            }
        }
        write_text("instance", prelogin.instance, 128, &mut event);
        if prelogin.multiple_results {
            event.flag("multiple_active_result_sets", true);
        }
        if prelogin.federated {
            event.flag("federated_authentication", true);
        }
        Ok(())
    }

    fn request(&mut self, kind: u8, body: &[u8], report: &mut Report<'_, '_>) -> Result<(), &'static str> {
        let asked = match kind {
            packet::LOGIN7 => {
                Login::read(body).ok_or("invalid_login")?;
                self.login.clear();
                self.login.extend_from_slice(body.get(..LOGIN_MAX).unwrap_or(body));
                Asked::Login
            }
            packet::BATCH => Asked::Batch(Request::batch(body)),
            packet::RPC => Asked::Call(Request::call(body).ok_or("invalid_call")?),
            packet::BULK => Asked::Other("bulk_load"),
            packet::ATTENTION => Asked::Other("attention"),
            packet::TRANSACTION => Asked::Other("transaction"),
            // Proofs of who the client is belong to its login.
            _ => return Ok(()),
        };
        self.answered(None, report);
        self.asked = Some(asked);
        Ok(())
    }

    /// The beginning of an answer came, or none will.
    fn answered(&mut self, answer: Option<&Answer>, report: &mut Report<'_, '_>) {
        let error = answer.and_then(|answer| answer.error.as_ref());
        match self.asked.take() {
            None => {}
            Some(Asked::Login) => self.tell_login(answer, report),
            Some(asked) if self.quota.take() || error.is_some() => {
                let mut event = report.event("tds");
                let (kind, request) = match &asked {
                    Asked::Batch(request) => ("batch", Some(request)),
                    Asked::Call(request) => ("call", Some(request)),
                    Asked::Other(kind) => (*kind, None),
                    Asked::Login => return,
                };
                event.label("type", kind);
                if let Some(request) = request {
                    if let Some(procedure) = &request.procedure {
                        event.text("procedure", procedure.as_bytes());
                    }
                    write_text("statement", &request.statement, STATEMENT_MAX, &mut event);
                }
                write_answer(answer, &mut event);
            }
            Some(_) => {}
        }
    }

    fn tell_login(&mut self, answer: Option<&Answer>, report: &mut Report<'_, '_>) {
        let Some(login) = Login::read(&self.login) else { return };
        let mut event = report.event("tds");
        event.label("type", "login");
        login.write(&mut event);
        write_version(self.server_version, &mut event);
        let mut credentials = Credentials::default();
        credentials.user(login.user().as_bytes());
        if login.is_integrated {
            credentials.mechanism(b"integrated");
        } else if login.has_password {
            credentials.mechanism(b"password").password_in_clear();
        }
        credentials.write(&mut event);
        let program = answer.and_then(|answer| answer.accepted.as_ref());
        let result = match (program, answer) {
            (Some(_), _) => "success",
            (None, Some(answer)) if answer.error.is_some() => "failure",
            _ => "unknown",
        };
        event.label("result", result);
        if let Some(program) = program {
            event.text("server_program", program.as_bytes());
        }
        write_error(answer.and_then(|answer| answer.error.as_ref()), &mut event);
        event.cleartext();
    }
}

/// The login of versions 4.2 and 5.0 (Sybase, "TDS 5.0 Functional Specification", login record): host, user and password
/// have 30 bytes each, with their lengths behind them.
fn login_of_5(body: &[u8], report: &mut Report<'_, '_>) -> Option<()> {
    let (host, rest) = name_of_5(body)?;
    let (user, rest) = name_of_5(rest)?;
    let (password, _) = name_of_5(rest)?;
    let mut event = report.event("tds");
    event.label("type", "login");
    write_text("client_host", host, 30, &mut event);
    let mut credentials = Credentials::default();
    credentials.user(user);
    if !password.is_empty() {
        credentials.mechanism(b"password").password_in_clear();
    }
    credentials.write(&mut event);
    event.cleartext();
    Some(())
}

/// A name in its 30 bytes, and what follows its length.
fn name_of_5(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (name, rest) = bytes.split_first_chunk::<30>()?;
    let (len, rest) = rest.split_first()?;
    Some((name.get(..usize::from(*len))?, rest))
}

fn write_version(version: Option<(u8, u8, u16)>, event: &mut EventWriter<'_>) {
    if let Some((major, minor, build)) = version {
        event.text("version", format!("{major}.{minor}.{build}").as_bytes());
    }
}

fn write_answer(answer: Option<&Answer>, event: &mut EventWriter<'_>) {
    let Some(answer) = answer else {
        event.label("result", "none");
        return;
    };
    event.label("result", if answer.error.is_some() { "error" } else { "ok" });
    if let Some(columns) = answer.columns {
        event.number("columns", columns);
    }
    if let Some(rows) = answer.rows {
        event.number("rows", rows);
    }
    write_error(answer.error.as_ref(), event);
}

fn write_error(error: Option<&Error>, event: &mut EventWriter<'_>) {
    if let Some(error) = error {
        event.object("error").number("number", error.number).number("severity", error.severity);
        event.text("message", error.text.as_bytes()).close();
    }
}

impl Messages for Tds {
    const NAME: &'static str = "tds";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        packet::framing(bytes)
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let from = message.from;
        if packet::is_record(message.bytes) {
            self.tls(message.bytes, from, report);
            return Ok(Next::More);
        }
        let (head, body) = message.bytes.split_first_chunk::<{ packet::HEAD }>().ok_or("truncated_data")?;
        let [kind, status, ..] = *head;
        if matches!(kind, packet::PRELOGIN | packet::RESPONSE)
            && (packet::is_record(body) || self.is_tls_begun && kind == packet::PRELOGIN)
        {
            self.tls(body, from, report);
            return Ok(Next::More);
        }
        // Of a message in several packets the first is read.
        let [to_server, to_client] = &mut self.goes_on;
        let lane = if from == Direction::ToServer { to_server } else { to_client };
        let is_rest = core::mem::replace(lane, status & 1 == 0);
        match (kind, from) {
            (packet::PRELOGIN, _) => self.prelogin(body, from, report)?,
            (packet::RESPONSE, Direction::ToClient)
                if self.server_version.is_none() && Prelogin::read(body).is_some() =>
            {
                self.prelogin(body, from, report)?;
            }
            _ if is_rest => {}
            (packet::LOGIN, Direction::ToServer) => {
                login_of_5(body, report).ok_or("invalid_login")?;
                // What versions 4.2 and 5.0 send after it is not read.
                return Ok(Next::Done);
            }
            (packet::RESPONSE, Direction::ToClient) => {
                let answer = Answer::read(body);
                self.answered(Some(&answer), report);
            }
            (_, Direction::ToServer) => self.request(kind, body, report)?,
            (_, Direction::ToClient) => return Err("unexpected_packet"),
        }
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], _: Direction) -> Found {
        two_messages(bytes, packet::framing)
    }

    fn lost(&mut self, _: Direction) {
        self.goes_on = [false; 2];
        self.asked = None;
    }

    fn clear(&mut self) {
        let (mut tls, mut login) = (core::mem::take(&mut self.tls), core::mem::take(&mut self.login));
        tls.reset();
        login.clear();
        *self = Self { tls, login, ..Self::default() };
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        self.answered(None, report);
        self.tell_tls(report);
    }
}
