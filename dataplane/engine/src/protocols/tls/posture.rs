//! What a session's cryptography is worth: against a quantum computer, and today.

use arrayvec::ArrayVec;

use super::groups::{Group, GroupKind, ShareFrom, is_weak_scheme};
use super::hello::{self, rank};
use super::session::Session;
use super::suites::{Cipher, KeyExchange, Suite};

/// What the key exchange rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A post-quantum KEM alone.
    PostQuantum,
    /// A post-quantum KEM and a classical group.
    Hybrid,
    /// Factoring or discrete logarithms.
    Classical,
    /// The handshake was not completed.
    Incomplete,
    /// What would tell is encrypted, was not seen, or was agreed on elsewhere.
    Unknown,
}

impl Class {
    /// Name in `crypto.class`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PostQuantum => "pq",
            Self::Hybrid => "hybrid",
            Self::Classical => "classical",
            Self::Incomplete => "incomplete",
            Self::Unknown => "unknown",
        }
    }
}

/// Something that falls today.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weakness {
    /// SSL, TLS 1.0 or TLS 1.1 (RFC 8996).
    Version,
    /// A suite with RC4, DES, 3DES, RC2, export keys, or no encryption.
    Cipher,
    /// Nobody proves who they are.
    Anonymous,
    /// A prime below 2,048 bits or a curve below 224.
    KeyExchangeSize,
    /// A certificate's key below 2,048 bits of RSA or 224 of a curve.
    CertificateKey,
    /// A certificate signed over MD5 or SHA-1.
    CertificateSignature,
    /// The key exchange is signed over MD5 or SHA-1 (RFC 9155).
    ServerSignature,
}

impl Weakness {
    /// Name in `crypto.weaknesses`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::Cipher => "cipher",
            Self::Anonymous => "anonymous",
            Self::KeyExchangeSize => "key_exchange_size",
            Self::CertificateKey => "certificate_key",
            Self::CertificateSignature => "certificate_signature",
            Self::ServerSignature => "server_signature",
        }
    }
}

/// The group that was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Selected {
    /// One with a name.
    Group(&'static Group),
    /// A number that nobody gave a name, or whose share has the length of no known group.
    Number(u16),
    /// A prime of Diffie-Hellman that the server chose, of so many bits.
    Prime(u16),
}

/// The judgement of a session.
#[derive(Clone, Debug)]
pub(super) struct Posture {
    pub(super) class: Class,
    /// Nothing is encrypted: the suite only authenticates.
    is_readable: bool,
    pub(super) weaknesses: ArrayVec<Weakness, 7>,
    pub(super) key_exchange: Option<&'static str>,
    pub(super) is_forward_secret: Option<bool>,
    pub(super) selected: Option<Selected>,
}

impl Posture {
    pub(super) fn of(session: &Session) -> Self {
        let suite = session.suite.and_then(Suite::of);
        let selected = selected_group(session);
        let (class, key_exchange, is_forward_secret) = exchange(session, suite, selected);
        let class = if session.is_complete() { class } else { session.class_while_open() };
        Self {
            class,
            is_readable: suite.is_some_and(|suite| suite.cipher == Cipher::Null),
            weaknesses: weaknesses(session, suite, selected),
            key_exchange,
            is_forward_secret,
            selected,
        }
    }

    /// `class`, or "weak" where something falls today, or "cleartext" where nothing has to fall.
    pub(super) fn name(&self) -> &'static str {
        match self.class {
            Class::Incomplete => Class::Incomplete.name(),
            _ if self.is_readable => "cleartext",
            _ if !self.weaknesses.is_empty() => "weak",
            class => class.name(),
        }
    }
}

fn selected_group(session: &Session) -> Option<Selected> {
    if let Some((code, len)) = session.server_share {
        return Some(match Group::of_share(code, len, ShareFrom::Server) {
            Some(group) => Selected::Group(group),
            None => Selected::Number(code),
        });
    }
    let said = session.server_key_exchange?;
    if let Some(code) = said.group {
        return Some(Group::of(code).map_or(Selected::Number(code), Selected::Group));
    }
    let bits = said.prime_bits?;
    let named = [(2048, 0x0100), (3072, 0x0101), (4096, 0x0102), (6144, 0x0103), (8192, 0x0104)];
    let code = named.iter().find(|(size, _)| said.is_ffdhe && *size == bits).map(|(_, code)| *code);
    Some(code.and_then(Group::of).map_or(Selected::Prime(bits), Selected::Group))
}

/// Class of the exchange, its name, and whether it is forward secret.
fn exchange(
    session: &Session,
    suite: Option<&Suite>,
    selected: Option<Selected>,
) -> (Class, Option<&'static str>, Option<bool>) {
    if session.is_tls13() {
        return match selected {
            Some(Selected::Group(group)) => (class_of(group.kind), Some(exchange_name(group)), Some(true)),
            Some(_) => (Class::Unknown, None, None),
            // A PSK alone (psk_ke): worth what the exchange was worth that it comes from.
            None if session.is_resumed() => (Class::Unknown, Some("PSK"), Some(false)),
            None => (Class::Unknown, None, None),
        };
    }
    let Some(suite) = suite else {
        // SSLv2 knows nothing but RSA.
        let is_sslv2 = session.version == hello::SSL2;
        let class = if is_sslv2 { Class::Classical } else { Class::Unknown };
        return (class, is_sslv2.then_some("RSA"), is_sslv2.then_some(false));
    };
    let class = match suite.key_exchange {
        KeyExchange::Cecpq1 => Class::Hybrid,
        // Nothing asymmetric that a quantum computer could break, and nothing made to withstand it.
        KeyExchange::Psk | KeyExchange::Krb5 | KeyExchange::NoExchange => Class::Unknown,
        KeyExchange::Signal | KeyExchange::Tls13 => Class::Unknown,
        // A post-quantum group under TLS 1.2 is against every draft, yet what was seen counts.
        _ => match selected {
            Some(Selected::Group(group)) => class_of(group.kind),
            Some(Selected::Number(_)) => Class::Unknown,
            Some(Selected::Prime(_)) | None => Class::Classical,
        },
    };
    // A resumed session has the secrecy of the ticket or cache that its key was in.
    let is_forward_secret = suite.key_exchange.is_forward_secret().filter(|_| !session.is_resumed());
    (class, Some(suite.key_exchange.name()), is_forward_secret)
}

const fn class_of(kind: GroupKind) -> Class {
    match kind {
        GroupKind::Classical | GroupKind::Short => Class::Classical,
        GroupKind::Hybrid => Class::Hybrid,
        GroupKind::PostQuantum => Class::PostQuantum,
    }
}

const fn exchange_name(group: &Group) -> &'static str {
    match (group.kind, group.code) {
        (GroupKind::Hybrid, _) => "HYBRID",
        (GroupKind::PostQuantum, _) => "KEM",
        (_, 0x0100..=0x01ff) => "DHE",
        _ => "ECDHE",
    }
}

fn weaknesses(session: &Session, suite: Option<&Suite>, selected: Option<Selected>) -> ArrayVec<Weakness, 7> {
    let mut found = ArrayVec::new();
    let mut note = |is_so: bool, weakness| {
        if is_so {
            found.push(weakness);
        }
    };
    let is_old =
        session.version != 0 && session.version != hello::TLCP && rank(session.version) < hello::TLS12;
    note(is_old && session.has_server_hello(), Weakness::Version);
    note(
        session.version == hello::SSL2 || suite.is_some_and(|suite| suite.cipher != Cipher::Sound),
        Weakness::Cipher,
    );
    note(suite.is_some_and(|suite| suite.key_exchange.is_anonymous()), Weakness::Anonymous);
    let is_short = match selected {
        Some(Selected::Group(group)) => group.kind == GroupKind::Short,
        Some(Selected::Prime(bits)) => bits < 2048,
        Some(Selected::Number(_)) | None => false,
    };
    note(is_short, Weakness::KeyExchangeSize);
    note(session.server_chain.has_short_key, Weakness::CertificateKey);
    note(session.server_chain.has_weak_signature, Weakness::CertificateSignature);
    let scheme = session.server_key_exchange.and_then(|said| said.scheme);
    note(scheme.is_some_and(is_weak_scheme), Weakness::ServerSignature);
    found
}
