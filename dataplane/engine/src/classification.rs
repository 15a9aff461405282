/// Index of a protocol in the running plan's table; 0 is "unknown".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProtocolId(pub u16);

impl ProtocolId {
    /// No protocol yet, or none that is known.
    pub const UNKNOWN: Self = Self(0);
}

/// Index of a named service ("YouTube") in the running plan's table; 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceId(pub u16);

/// What kind of knowledge a verdict rests on, weakest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Tier {
    /// Nothing.
    #[default]
    None = 0,
    /// Nothing but a port: a guess.
    Guess = 1,
    /// A learned model.
    Model = 2,
    /// A signature over the payload.
    Signature = 3,
    /// A parser that read the payload, or a protocol number of the IP or Ethernet header.
    Parser = 4,
}

impl Tier {
    /// Name as records print it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Guess => "guess",
            Self::Model => "model",
            Self::Signature => "signature",
            Self::Parser => "parser",
        }
    }
}

/// What told the service of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ServiceBasis {
    /// There is no service.
    #[default]
    None = 0,
    /// The parser, from what the protocol carries.
    Parser,
    /// The name in the client's TLS or QUIC handshake.
    ServerName,
    /// The host of an HTTP request.
    Host,
    /// The name a DNS query asks for.
    Query,
    /// The realm of a STUN or TURN server.
    Realm,
    /// An application protocol that TLS negotiates (ALPN).
    Alpn,
    /// The names in the server's certificate.
    Certificate,
    /// A signature that only this service's payloads match.
    Signature,
    /// The server's address: a guess.
    Address,
    /// The server's port: a guess.
    Port,
}

impl ServiceBasis {
    /// Name as records print it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Parser => "parser",
            Self::ServerName => "sni",
            Self::Host => "host",
            Self::Query => "query",
            Self::Realm => "realm",
            Self::Alpn => "alpn",
            Self::Certificate => "certificate",
            Self::Signature => "signature",
            Self::Address => "address",
            Self::Port => "port",
        }
    }
}

/// Where in the flow the deciding bytes were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Index of the signature in the running plan, where the tier is [`Tier::Signature`].
    pub signature: u16,
    /// Offset of the deciding bytes in the payload of that packet or in the stream; the port where the tier is
    /// [`Tier::Guess`].
    pub offset: u16,
    /// Packet of the flow that decided, counted from 1, both directions together; 255 for all later ones.
    pub packet: u8,
    /// What told the service.
    pub service: ServiceBasis,
}

/// What a flow carries, how sure that is, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Classification {
    /// The protocol.
    pub protocol: ProtocolId,
    /// The service or application above it; `evidence.service` says how it is known.
    pub service: ServiceId,
    /// Per cent, 0 to 100.
    pub confidence: u8,
    /// What the verdict rests on.
    pub tier: Tier,
    /// Where it was seen.
    pub evidence: Evidence,
}
