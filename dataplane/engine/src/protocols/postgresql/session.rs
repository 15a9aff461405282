//! Who logs on, to what, and how.

use super::startup::Cursored;
use crate::protocols::credentials::Credentials;
use crate::protocols::framed::{Cursor, Report};
use crate::protocols::kept::Kept;
use crate::record::EventWriter;

/// How a wish for encryption was answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Encryption {
    #[default]
    NotAsked,
    Refused,
}

/// What the server asks of the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Asked {
    #[default]
    Nothing,
    Password,
    /// Hashes, tickets and tokens.
    Proof,
    /// A mechanism and its first response, then more of it.
    Mechanism,
}

/// One session up to where queries begin.
#[derive(Debug, Default)]
pub(super) struct Session {
    pub(super) encryption: Encryption,
    minor: u16,
    user: Kept<128>,
    database: Kept<128>,
    application: Kept<128>,
    replication: Kept<16>,
    server_version: Kept<64>,
    credentials: Credentials,
    asked: Asked,
    is_open: bool,
}

impl Session {
    /// Takes a startup.
    pub(super) fn start(&mut self, minor: u16, parameters: Cursored<'_>) {
        self.minor = minor;
        self.is_open = true;
        for (name, value) in parameters.pairs() {
            match name {
                b"user" => self.user.set(value),
                b"database" => self.database.set(value),
                b"application_name" => self.application.set(value),
                b"replication" => self.replication.set(value),
                _ => {}
            }
        }
    }

    /// Takes the body of an authentication message. False where there is no such message.
    pub(super) fn challenge(&mut self, body: &[u8]) -> bool {
        let mut cursor = Cursor::new(body);
        let Some(kind) = cursor.u32() else { return false };
        let (mechanism, asked): (&[u8], Asked) = match kind {
            0 | 8 | 11 | 12 => return true,
            2 => (b"KERBEROS_V5", Asked::Proof),
            3 => (b"PASSWORD", Asked::Password),
            4 => (b"CRYPT", Asked::Proof),
            5 => (b"MD5", Asked::Proof),
            7 => (b"GSS", Asked::Proof),
            9 => (b"SSPI", Asked::Proof),
            10 => (b"SASL", Asked::Mechanism),
            _ => return false,
        };
        self.credentials.user(self.user.as_bytes()).mechanism(mechanism);
        self.asked = asked;
        true
    }

    /// Takes the body of a client's answer, which is not kept.
    pub(super) fn response(&mut self, body: &[u8]) {
        match core::mem::take(&mut self.asked) {
            Asked::Password if body.len() > 1 => {
                self.credentials.password_in_clear();
            }
            Asked::Mechanism => {
                let mut cursor = Cursor::new(body);
                if let Some(mechanism) = cursor.c_string() {
                    self.credentials.mechanism(mechanism);
                    // PostgreSQL takes the name of the startup and clients leave that of SCRAM empty.
                    if mechanism.starts_with(b"OAUTH") {
                        self.credentials.password_in_clear();
                    }
                }
            }
            Asked::Nothing | Asked::Password | Asked::Proof => {}
        }
    }

    /// Takes the body of a parameter's value.
    pub(super) fn parameter(&mut self, body: &[u8]) {
        let mut cursor = Cursor::new(body);
        if cursor.c_string() == Some(b"server_version") {
            self.server_version.set(cursor.c_string().unwrap_or_default());
        }
    }

    /// Writes the event of the logging on, once. `failure` is the body of an error.
    pub(super) fn tell(&mut self, result: &'static str, failure: Option<&[u8]>, report: &mut Report<'_, '_>) {
        if !core::mem::take(&mut self.is_open) {
            return;
        }
        let mut event = report.event("postgresql");
        event.label("type", "login");
        event.text("version", if self.minor == 2 { b"3.2" } else { b"3.0" });
        self.user.write("user", &mut event);
        self.database.write("database", &mut event);
        self.application.write("application", &mut event);
        self.replication.write("replication", &mut event);
        self.server_version.write("server_version", &mut event);
        let encryption = if self.encryption == Encryption::Refused { "refused" } else { "not_asked" };
        event.label("encryption", encryption);
        self.credentials.write(&mut event);
        event.label("result", result);
        if let Some(failure) = failure {
            write_error(failure, &mut event);
        }
        event.cleartext();
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Writes severity, code and text of an error's body.
pub(super) fn write_error(body: &[u8], event: &mut EventWriter<'_>) {
    let mut cursor = Cursor::new(body);
    event.object("error");
    while let Some((field, text)) =
        cursor.u8().filter(|field| *field != 0).and_then(|field| Some((field, cursor.c_string()?)))
    {
        let name = match field {
            b'S' => "severity",
            b'C' => "code",
            b'M' => "message",
            _ => continue,
        };
        event.text(name, text.get(..256).unwrap_or(text));
    }
    event.close();
}
