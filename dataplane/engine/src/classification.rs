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
    /// A port or an endpoint: a guess.
    Port = 1,
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
            Self::Port => "port",
            Self::Model => "model",
            Self::Signature => "signature",
            Self::Parser => "parser",
        }
    }
}

/// Where in the flow the deciding bytes were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Index of the signature in the running plan, where the tier is [`Tier::Signature`].
    pub signature: u16,
    /// Offset of the deciding bytes in the payload of that packet or in the stream.
    pub offset: u16,
    /// Packet of the flow that decided, counted from 1, both directions together; 255 for all later ones.
    pub packet: u8,
}

/// What a flow carries, how sure that is, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Classification {
    /// The protocol.
    pub protocol: ProtocolId,
    /// The service or application above it.
    pub service: ServiceId,
    /// Per cent, 0 to 100.
    pub confidence: u8,
    /// What the verdict rests on.
    pub tier: Tier,
    /// Where it was seen.
    pub evidence: Evidence,
}
