//! What a command says of itself, and what its answer says; of values only names.

use super::bson::{self, Value};
use crate::protocols::credentials::Credentials;
use crate::protocols::kept::Kept;
use crate::record::EventWriter;

/// A command without its data.
#[derive(Clone, Debug, Default)]
pub(super) struct Command {
    pub(super) name: Kept<48>,
    collection: Kept<96>,
    pub(super) database: Kept<64>,
    application: Kept<64>,
    driver: Kept<64>,
    pub(super) credentials: Credentials,
    /// Documents beside the command.
    pub(super) documents: u32,
}

impl Command {
    /// Reads a document whose first element names the command.
    pub(super) fn read(&mut self, document: &[u8]) {
        for (at, (name, value)) in bson::elements(document).enumerate() {
            match (at, name, value) {
                (0, b"$query" | b"query", Value::Document(inner)) => return self.read_inner(inner),
                (0, name, value) => {
                    self.name.set(name);
                    if let Value::Text(text) = value {
                        self.collection.set(text);
                    }
                }
                (_, b"$db", Value::Text(text)) => self.database.set(text),
                (_, b"client", Value::Document(client)) => self.client(client),
                (_, b"mechanism", Value::Text(text)) => {
                    self.credentials.mechanism(text);
                }
                (_, b"payload", Value::Bytes(payload) | Value::Text(payload)) => self.payload(payload),
                (_, b"user", Value::Text(user)) if self.name.as_bytes() == b"authenticate" => {
                    self.credentials.user(user);
                }
                (_, b"speculativeAuthenticate", Value::Document(inner)) => self.speculative(inner),
                (_, b"pwd", Value::Text(_)) => {
                    self.credentials.password_in_clear();
                }
                _ => {}
            }
        }
    }

    fn read_inner(&mut self, document: &[u8]) {
        for (at, (name, value)) in bson::elements(document).enumerate() {
            match (at, name, value) {
                (0, name, _) => self.name.set(name),
                (_, b"client", Value::Document(client)) => self.client(client),
                _ => {}
            }
        }
    }

    /// The mechanism stands before its payload.
    fn payload(&mut self, payload: &[u8]) {
        if self.name.as_bytes() == b"saslStart" {
            self.credentials.sasl_response(payload);
        }
    }

    fn speculative(&mut self, document: &[u8]) {
        let mut response: &[u8] = &[];
        for (name, value) in bson::elements(document) {
            match (name, value) {
                (b"mechanism", Value::Text(text)) => {
                    self.credentials.mechanism(text);
                }
                (b"payload", Value::Bytes(payload)) => response = payload,
                _ => {}
            }
        }
        self.credentials.sasl_response(response);
    }

    /// What a driver says of itself and of the program it serves.
    fn client(&mut self, document: &[u8]) {
        for (name, value) in bson::elements(document) {
            let Value::Document(inner) = value else { continue };
            let text = bson::elements(inner).find_map(|(name, value)| match value {
                Value::Text(text) if name == b"name" => Some(text),
                _ => None,
            });
            match name {
                b"application" => self.application.set(text.unwrap_or_default()),
                b"driver" => self.driver.set(text.unwrap_or_default()),
                _ => {}
            }
        }
    }

    /// Sets database and collection from a full name.
    pub(super) fn full_name(&mut self, name: &[u8]) {
        let at = name.iter().position(|byte| *byte == b'.').unwrap_or(name.len());
        self.database.set(name.get(..at).unwrap_or(name));
        let collection = name.get(at + 1..).unwrap_or_default();
        if collection != b"$cmd" {
            self.collection.set(collection);
        }
    }

    /// Whether somebody logs on.
    pub(super) fn is_login(&self) -> bool {
        !self.credentials.is_empty()
    }

    /// Whether it changes users, roles or the server, or drops data.
    pub(super) fn is_administration(&self) -> bool {
        matches!(
            self.name.as_bytes(),
            b"createUser"
                | b"updateUser"
                | b"dropUser"
                | b"createRole"
                | b"updateRole"
                | b"dropRole"
                | b"grantRolesToUser"
                | b"dropDatabase"
                | b"drop"
                | b"shutdown"
                | b"setParameter"
                | b"eval"
                | b"replSetReconfig"
                | b"copydb"
                | b"listDatabases"
                | b"usersInfo"
        )
    }

    /// Writes what is known.
    pub(super) fn write(&self, event: &mut EventWriter<'_>) {
        self.name.write("command", event);
        self.database.write("database", event);
        self.collection.write("collection", event);
        self.application.write("application", event);
        self.driver.write("driver", event);
        if self.documents > 0 {
            event.number("documents", self.documents);
        }
        if self.is_login() {
            self.credentials.write(event);
            event.cleartext();
        }
    }
}

/// What an answer's document says.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    /// None where it does not say.
    pub(super) is_good: Option<bool>,
    code: Kept<48>,
    text: Kept<128>,
}

impl Answer {
    pub(super) fn read(document: &[u8]) -> Self {
        let mut answer = Self::default();
        for (name, value) in bson::elements(document) {
            match (name, value) {
                (b"ok", value) => answer.is_good = Some(value.is_true()),
                (b"codeName", Value::Text(text)) => answer.code.set(text),
                (b"errmsg" | b"$err", Value::Text(text)) => answer.text.set(text),
                _ => {}
            }
        }
        if answer.is_good.is_none() && !answer.text.is_empty() {
            answer.is_good = Some(false);
        }
        answer
    }

    pub(super) fn write(&self, event: &mut EventWriter<'_>) {
        event.label(
            "result",
            match self.is_good {
                Some(true) => "ok",
                Some(false) => "error",
                None => "unknown",
            },
        );
        if self.is_good == Some(false) {
            event.object("error");
            self.code.write("code", event);
            self.text.write("message", event);
            event.close();
        }
    }
}
