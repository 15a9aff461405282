//! What is kept of one request with its response.

use super::super::credentials::{self, Credentials};

/// Text that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Text {
    Method,
    Authority,
    Target,
    UserAgent,
    Referer,
    RequestType,
    ForwardedFor,
    User,
    /// Of an extended CONNECT (RFC 8441).
    Protocol,
    ResponseType,
    Server,
    Location,
    GrpcMessage,
}

const TEXTS: usize = 13;
/// Bytes of text that are kept of one exchange.
const TEXT_MAX: usize = 8 * 1024;
/// Bytes of one text.
const ONE_MAX: usize = 4 * 1024;

/// One exchange.
#[derive(Debug, Default)]
pub(super) struct Stream {
    pub(super) id: u32,
    text: Vec<u8>,
    places: [(u16, u16); TEXTS],
    pub(super) has_request: bool,
    pub(super) status: u16,
    pub(super) request_length: u64,
    pub(super) response_length: u64,
    pub(super) credentials: Option<Credentials>,
    pub(super) grpc_status: Option<u32>,
    pub(super) is_grpc: bool,
    pub(super) is_promised: bool,
    /// The error that ended it.
    pub(super) error: Option<u32>,
}

impl Stream {
    /// Text that was kept; empty where there is none.
    pub(super) fn text(&self, which: Text) -> &[u8] {
        let (start, len) = self.places.get(which as usize).copied().unwrap_or_default();
        self.text.get(usize::from(start)..usize::from(start) + usize::from(len)).unwrap_or_default()
    }

    fn keep(&mut self, which: Text, value: &[u8]) {
        let start = self.text.len();
        let room = TEXT_MAX.saturating_sub(start).min(ONE_MAX);
        self.text.extend_from_slice(value.get(..room).unwrap_or(value));
        self.place(which, start);
    }

    /// What was appended from `start` on is the text.
    fn place(&mut self, which: Text, start: usize) {
        let len = self.text.len().saturating_sub(start);
        if let (Some(place), Ok(start), Ok(len)) =
            (self.places.get_mut(which as usize), u16::try_from(start), u16::try_from(len))
        {
            *place = (start, len);
        }
    }

    /// Takes a field of a request.
    pub(super) fn request_field(&mut self, name: &[u8], value: &[u8]) {
        let which = match name {
            b":method" => Text::Method,
            b":authority" => Text::Authority,
            b"host" if self.text(Text::Authority).is_empty() => Text::Authority,
            b":protocol" => Text::Protocol,
            b"user-agent" => Text::UserAgent,
            b"x-forwarded-for" => Text::ForwardedFor,
            b"content-type" => {
                self.is_grpc |= value.starts_with(b"application/grpc");
                Text::RequestType
            }
            b":path" | b"referer" => {
                let which = if name == b":path" { Text::Target } else { Text::Referer };
                return self.target(which, value);
            }
            b"authorization" | b"proxy-authorization" => return self.authorization(value),
            _ => return,
        };
        self.keep(which, value);
    }

    fn target(&mut self, which: Text, value: &[u8]) {
        let start = self.text.len();
        if start < TEXT_MAX {
            let found = credentials::mask_target(value.get(..ONE_MAX).unwrap_or(value), &mut self.text);
            self.credentials = self.credentials.or(found);
            self.place(which, start);
        }
    }

    fn authorization(&mut self, value: &[u8]) {
        let start = self.text.len();
        if let Some(found) = credentials::authorization(value, &mut self.text) {
            self.credentials = Some(found);
            self.place(Text::User, start);
        }
    }

    /// Takes a field of a response, or of what follows its body.
    pub(super) fn response_field(&mut self, name: &[u8], value: &[u8]) {
        let which = match name {
            b":status" => {
                self.status = number(value).and_then(|status| u16::try_from(status).ok()).unwrap_or_default();
                return;
            }
            b"grpc-status" => {
                self.grpc_status = number(value);
                return;
            }
            b"content-type" => {
                self.is_grpc |= value.starts_with(b"application/grpc");
                Text::ResponseType
            }
            b"server" => Text::Server,
            b"location" => return self.target(Text::Location, value),
            b"grpc-message" => Text::GrpcMessage,
            _ => return,
        };
        self.keep(which, value);
    }

    pub(super) fn clear(&mut self) {
        let mut text = core::mem::take(&mut self.text);
        text.clear();
        *self = Self { text, ..Self::default() };
    }
}

fn number(text: &[u8]) -> Option<u32> {
    let is_number = (1..=9).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    is_number.then(|| text.iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0')))
}
