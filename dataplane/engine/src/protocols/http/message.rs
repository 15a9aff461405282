//! What is kept of one message between its start line and its event.

use super::credentials::{self, Credentials};
use super::field::{self, Name};
use super::framing::Framing;
use super::service;
use super::start_line::Version;

/// Bytes of text kept of one message.
const TEXT_MAX: usize = 24 * 1024;
/// Field lines of a message above which it is called out; they are read all the same.
const FIELDS_USUAL: u16 = 256;

/// Values that are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// Method of a request.
    Method,
    /// Target of a request, secrets masked.
    Target,
    /// Host field, lower case.
    Host,
    /// User-Agent field.
    UserAgent,
    /// Content-Type field.
    ContentType,
    /// Referer field, secrets masked.
    Referer,
    /// X-Forwarded-For field.
    ForwardedFor,
    /// Location field, secrets masked.
    Location,
    /// Server field.
    Server,
    /// Content-Range field.
    ContentRange,
    /// User of the credentials, masked.
    User,
}

impl Kept {
    const COUNT: usize = Self::User as usize + 1;

    /// Bytes kept of a value; the rest is cut.
    const fn limit(self) -> usize {
        match self {
            Self::Target => 8 * 1024,
            Self::Referer | Self::Location => 4 * 1024,
            Self::UserAgent => 2 * 1024,
            Self::Method => 32,
            Self::Host | Self::ContentType | Self::ForwardedFor | Self::Server => 512,
            Self::ContentRange | Self::User => 128,
        }
    }
}

/// What is odd about a message: what attacks on servers and differences between readers (request smuggling) are
/// made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anomaly {
    /// HTTP/1.1 without Host (RFC 9112, 3.2).
    MissingHost,
    /// Host twice, or another than the target's (RFC 9112, 3.2).
    AmbiguousHost,
    /// A line without a colon.
    MissingColon,
    /// A blank between name and colon, or no name (RFC 9112, 5.1).
    InvalidName,
    /// A continuation line (obs-fold, RFC 9112, 5.2).
    Folded,
    /// A start line or field longer than is read.
    TooLong,
    /// More fields than anybody sends.
    TooManyFields,
    /// Content-Length is no number, or several differ (RFC 9112, 6.3).
    InvalidLength,
    /// Content-Length beside Transfer-Encoding (RFC 9112, 6.1).
    LengthAndCoding,
    /// "chunked" is not the last coding, or comes twice (RFC 9112, 6.1).
    InvalidCoding,
    /// A method that is neither registered nor in wide use.
    UnknownMethod,
    /// A NUL in a field (RFC 9110, 5.5).
    NulInField,
    /// A response to no request that was seen.
    Unmatched,
}

impl Anomaly {
    const ALL: [Self; 13] = [
        Self::MissingHost,
        Self::AmbiguousHost,
        Self::MissingColon,
        Self::InvalidName,
        Self::Folded,
        Self::TooLong,
        Self::TooManyFields,
        Self::InvalidLength,
        Self::LengthAndCoding,
        Self::InvalidCoding,
        Self::UnknownMethod,
        Self::NulInField,
        Self::Unmatched,
    ];

    /// Names as the event prints them: of a request, of a response.
    const fn names(self) -> [&'static str; 2] {
        match self {
            Self::MissingHost => ["missing_host_header", "missing_host_header"],
            Self::AmbiguousHost => ["host_header_ambiguous", "host_header_ambiguous"],
            Self::MissingColon => ["request_field_missing_colon", "response_field_missing_colon"],
            Self::InvalidName => ["request_field_name_invalid", "response_field_name_invalid"],
            Self::Folded => ["request_field_folded", "response_field_folded"],
            Self::TooLong => ["request_field_too_long", "response_field_too_long"],
            Self::TooManyFields => ["request_too_many_fields", "response_too_many_fields"],
            Self::InvalidLength => {
                ["invalid_content_length_field_in_request", "invalid_content_length_field_in_response"]
            }
            Self::LengthAndCoding => [
                "request_content_length_with_transfer_encoding",
                "response_content_length_with_transfer_encoding",
            ],
            Self::InvalidCoding => {
                ["invalid_transfer_encoding_value_in_request", "invalid_transfer_encoding_value_in_response"]
            }
            Self::UnknownMethod => ["unknown_method", "unknown_method"],
            Self::NulInField => ["request_field_nul", "response_field_nul"],
            Self::Unmatched => ["unable_to_match_request", "unable_to_match_response_to_request"],
        }
    }
}

/// A set of [`Anomaly`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Anomalies(u16);

impl Anomalies {
    /// Takes `anomaly` in.
    pub(super) const fn add(&mut self, anomaly: Anomaly) {
        self.0 |= 1 << anomaly as u16;
    }

    /// Whether there is none.
    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Names of those in the set, for a message of `role`.
    pub(super) fn names(self, role: Role) -> impl Iterator<Item = &'static str> {
        Anomaly::ALL.into_iter().filter(move |anomaly| self.0 & (1 << *anomaly as u16) != 0).map(
            move |anomaly| {
                let [request, response] = anomaly.names();
                match role {
                    Role::Request => request,
                    Role::Response => response,
                }
            },
        )
    }
}

/// What a message is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Role {
    /// From the client.
    #[default]
    Request,
    /// From the server.
    Response,
}

/// Methods that change how a response is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Method {
    /// All others.
    #[default]
    Other,
    /// HEAD: the response has no body.
    Head,
    /// CONNECT: a tunnel follows.
    Connect,
}

/// Protocol that an Upgrade field names (RFC 9110, 7.8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Upgrade {
    /// There is none.
    #[default]
    None,
    /// RFC 6455.
    WebSocket,
    /// RFC 7540, 3.2.
    Http2,
    /// Another one.
    Other,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Span {
    start: u16,
    len: u16,
}

/// One message.
#[derive(Debug, Default)]
pub(super) struct Message {
    text: Vec<u8>,
    spans: [Span; Kept::COUNT],
    /// Request or response.
    pub(super) role: Role,
    /// Of the start line.
    pub(super) version: Version,
    /// Of a request.
    pub(super) method: Method,
    /// Of a response; 0 before its status line was read.
    pub(super) status: u16,
    /// Port in the Host field or the target's authority.
    pub(super) port: Option<u16>,
    /// Where the body ends.
    pub(super) framing: Framing,
    /// What is odd.
    pub(super) anomalies: Anomalies,
    /// What should not be sent in clear.
    pub(super) credentials: Option<Credentials>,
    /// Of the Upgrade field.
    pub(super) upgrade: Upgrade,
    /// What is carried, where it is said.
    pub(super) service: Option<&'static str>,
    fields: u16,
}

impl Message {
    /// Forgets everything, keeps the allocation where it is of a usual size.
    pub(super) fn clear(&mut self) {
        let mut text = core::mem::take(&mut self.text);
        text.clear();
        text.shrink_to(4 * 1024);
        *self = Self { text, ..Self::default() };
    }

    /// A kept value; empty where there is none.
    pub(super) fn text(&self, kept: Kept) -> &[u8] {
        let Some(span) = self.spans.get(kept as usize) else { return &[] };
        let start = usize::from(span.start);
        self.text.get(start..start + usize::from(span.len)).unwrap_or_default()
    }

    /// Bytes held.
    pub(super) fn held(&self) -> usize {
        self.text.len()
    }

    /// Whether a start line was read.
    pub(super) fn is_begun(&self) -> bool {
        self.status != 0 || !self.text(Kept::Method).is_empty()
    }

    /// Keeps what `write` appends, up to the limit of `kept`. The first value of a field stays.
    fn keep_with<T>(&mut self, kept: Kept, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let start = self.text.len();
        let result = write(&mut self.text);
        let room = TEXT_MAX.saturating_sub(start).min(kept.limit());
        if self.text.len() - start > room {
            self.text.truncate(start + room);
        }
        let len = self.text.len() - start;
        if let (Some(span), Ok(start), Ok(len)) =
            (self.spans.get_mut(kept as usize), u16::try_from(start), u16::try_from(len))
        {
            *span = Span { start, len };
        }
        result
    }

    fn keep(&mut self, kept: Kept, value: &[u8]) {
        if self.text(kept).is_empty() {
            let value = value.get(..kept.limit()).unwrap_or(value);
            self.keep_with(kept, |text| text.extend_from_slice(value));
        }
    }

    /// Takes the parts of a request line in.
    pub(super) fn begin_request(&mut self, method: &[u8], target: &[u8], version: Version) {
        self.role = Role::Request;
        self.version = version;
        self.method = match method {
            b"HEAD" => Method::Head,
            b"CONNECT" => Method::Connect,
            _ => Method::Other,
        };
        self.service = service::of_method(method).or_else(|| service::of_target(target));
        self.keep(Kept::Method, method);
        self.credentials = self.keep_masked(Kept::Target, target);
        if self.method == Method::Connect {
            self.port = port_of(target);
        }
    }

    /// Takes the parts of a status line in.
    pub(super) fn begin_response(&mut self, status: u16, version: Version) {
        self.role = Role::Response;
        self.version = version;
        self.status = status;
    }

    /// Keeps a target or reference with its secrets masked.
    fn keep_masked(&mut self, kept: Kept, value: &[u8]) -> Option<Credentials> {
        if !self.text(kept).is_empty() {
            return None;
        }
        let value = value.get(..kept.limit()).unwrap_or(value);
        self.keep_with(kept, |text| credentials::mask_target(value, text))
    }

    /// Takes a field line in, without its line end, unfolded.
    pub(super) fn add_field(&mut self, line: &[u8]) {
        self.fields = self.fields.saturating_add(1);
        if self.fields > FIELDS_USUAL {
            self.anomalies.add(Anomaly::TooManyFields);
        }
        let Some((name, value)) = field::split(line) else {
            self.anomalies.add(Anomaly::MissingColon);
            return;
        };
        let bare = name.trim_ascii();
        if bare.len() != name.len() || bare.is_empty() {
            self.anomalies.add(Anomaly::InvalidName);
        }
        let Some(name) = Name::read(bare) else { return };
        if memchr::memchr(0, value).is_some() {
            self.anomalies.add(Anomaly::NulInField);
        }
        match self.role {
            Role::Request => self.request_field(name, value),
            Role::Response => self.response_field(name, value),
        }
    }

    fn request_field(&mut self, name: Name, value: &[u8]) {
        match name {
            Name::Host => self.host(value),
            Name::UserAgent => self.keep(Kept::UserAgent, value),
            Name::Referer => {
                self.keep_masked(Kept::Referer, value);
            }
            Name::XForwardedFor => self.keep(Kept::ForwardedFor, value),
            Name::Authorization | Name::ProxyAuthorization => self.authorization(value),
            Name::Accept => self.service = self.service.or_else(|| service::of_accepted(value)),
            Name::SoapAction => self.service = self.service.or(Some(service::of_soap_action())),
            Name::NotificationType => {
                self.service = self.service.or_else(|| service::of_notification_type(value));
            }
            _ => self.shared_field(name, value),
        }
    }

    fn response_field(&mut self, name: Name, value: &[u8]) {
        match name {
            Name::Server => self.keep(Kept::Server, value),
            Name::Location => {
                self.keep_masked(Kept::Location, value);
            }
            Name::ContentRange => self.keep(Kept::ContentRange, value),
            Name::XElasticProduct => {
                self.service = self.service.or_else(|| service::of_elastic_product(value))
            }
            Name::WebSocketProtocol => self.service = self.service.or_else(|| service::of_subprotocol(value)),
            Name::IcecastStation => self.service = self.service.or(Some(service::of_icy_name())),
            _ => self.shared_field(name, value),
        }
    }

    fn shared_field(&mut self, name: Name, value: &[u8]) {
        match name {
            Name::ContentType => {
                self.keep(Kept::ContentType, value);
                self.service = self.service.or_else(|| service::of_content_type(value));
            }
            Name::ContentLength if !self.framing.add_length(value) => {
                self.anomalies.add(Anomaly::InvalidLength)
            }
            Name::TransferEncoding if !self.framing.add_codings(value) => {
                self.anomalies.add(Anomaly::InvalidCoding);
            }
            Name::Upgrade => self.upgrade = upgrade_of(value),
            _ => {}
        }
        if self.framing.coded && self.framing.length.is_some() {
            self.anomalies.add(Anomaly::LengthAndCoding);
        }
    }

    fn host(&mut self, value: &[u8]) {
        if !self.text(Kept::Host).is_empty() {
            self.anomalies.add(Anomaly::AmbiguousHost);
            return;
        }
        let value = value.get(..Kept::Host.limit()).unwrap_or(value);
        // Host names have no letter case (RFC 9110, 4.2.3).
        self.keep_with(Kept::Host, |text| text.extend(value.iter().map(u8::to_ascii_lowercase)));
        if let Some(authority) = authority_of(self.text(Kept::Target))
            && !authority.eq_ignore_ascii_case(value)
        {
            self.anomalies.add(Anomaly::AmbiguousHost);
        }
        self.port = self.port.or_else(|| port_of(value));
    }

    fn authorization(&mut self, value: &[u8]) {
        let found = self.keep_with(Kept::User, |text| credentials::authorization(value, text));
        if let Some(found) = found {
            self.credentials = Some(found);
        }
    }

    /// Checks that need the whole head.
    pub(super) fn finish_head(&mut self) {
        if self.role == Role::Request && self.version.is_at_least_1_1() && self.text(Kept::Host).is_empty() {
            self.anomalies.add(Anomaly::MissingHost);
        }
    }

    /// The host without port and brackets: of the target's authority, else of the Host field (RFC 9112, 3.3).
    pub(super) fn hostname(&self) -> &[u8] {
        let target = self.text(Kept::Target);
        let authority = match self.method {
            Method::Connect => Some(target),
            _ => authority_of(target),
        };
        without_port(authority.unwrap_or_else(|| self.text(Kept::Host)))
    }

    /// Whether the target is in absolute form, as to a proxy (RFC 9112, 3.2.2).
    pub(super) fn is_to_proxy(&self) -> bool {
        authority_of(self.text(Kept::Target)).is_some()
    }
}

/// The authority of a target in absolute form, without user information (RFC 3986, 3.2).
fn authority_of(target: &[u8]) -> Option<&[u8]> {
    let scheme = target
        .iter()
        .position(|byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'+' | b'-' | b'.'))?;
    let rest = target.get(scheme..)?.strip_prefix(b"://").filter(|_| scheme > 0)?;
    let authority = rest.split(|byte| matches!(byte, b'/' | b'?' | b'#')).next()?;
    authority.rsplit(|byte| *byte == b'@').next()
}

fn without_port(authority: &[u8]) -> &[u8] {
    if let Some(rest) = authority.strip_prefix(b"[") {
        return rest.split(|byte| *byte == b']').next().unwrap_or(rest);
    }
    authority.split(|byte| *byte == b':').next().unwrap_or(authority)
}

fn port_of(authority: &[u8]) -> Option<u16> {
    let after_address = authority.rsplit(|byte| *byte == b']').next()?;
    let digits = after_address.get(after_address.iter().rposition(|byte| *byte == b':')? + 1..)?;
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    core::str::from_utf8(digits).ok()?.parse().ok()
}

fn upgrade_of(value: &[u8]) -> Upgrade {
    if field::has_member(value, b"websocket") {
        return Upgrade::WebSocket;
    }
    if field::has_member(value, b"h2c") {
        return Upgrade::Http2;
    }
    if value.is_empty() { Upgrade::None } else { Upgrade::Other }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(target: &str, fields: &[&str]) -> Message {
        let mut message = Message::default();
        message.begin_request(b"GET", target.as_bytes(), Version { major: 1, minor: 1 });
        for line in fields {
            message.add_field(line.as_bytes());
        }
        message.finish_head();
        message
    }

    fn names(message: &Message) -> Vec<&'static str> {
        message.anomalies.names(message.role).collect()
    }

    #[test]
    fn the_host_of_the_target_goes_before_the_host_field() {
        let message = request("http://Example.org:81/a", &["Host: other.example:82"]);
        assert_eq!(message.hostname(), b"Example.org");
        assert_eq!(names(&message), ["host_header_ambiguous"]);
        assert!(message.is_to_proxy());
        let message = request("/a?b=http://c", &["Host: [2001:db8::1]:8080"]);
        assert_eq!((message.hostname(), message.port), (b"2001:db8::1".as_slice(), Some(8080)));
        assert!(!message.is_to_proxy());
    }

    #[test]
    fn a_request_of_1_1_needs_a_host() {
        assert_eq!(names(&request("/", &[])), ["missing_host_header"]);
        assert!(names(&request("/", &["Host: a"])).is_empty());
    }

    #[test]
    fn what_smuggling_is_made_of_is_called_out() {
        let message = request("/", &["Host: a", "Content-Length: 4", "Transfer-Encoding : chunked", "x"]);
        assert_eq!(
            names(&message),
            [
                "request_field_missing_colon",
                "request_field_name_invalid",
                "request_content_length_with_transfer_encoding"
            ]
        );
        assert!(message.framing.chunked);
    }

    #[test]
    fn text_is_bounded_whatever_is_sent() {
        let long = "a".repeat(60_000);
        let mut message = request(&format!("/{long}"), &[]);
        for name in ["Host", "User-Agent", "Referer", "X-Forwarded-For", "Content-Type"] {
            for _ in 0..10 {
                message.add_field(format!("{name}: {long}").as_bytes());
            }
        }
        for _ in 0..10_000 {
            message.add_field(b"Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        }
        assert!(message.held() <= TEXT_MAX, "{}", message.held());
        assert_eq!(message.text(Kept::Target).len(), 8 * 1024);
    }
}
