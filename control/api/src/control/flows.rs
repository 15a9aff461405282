use serde::{Deserialize, Serialize};

/// Which flows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlowQuery {
    /// Only those for which this holds (`docs/filter.md`).
    #[serde(default)]
    pub filter: Option<String>,
    /// Rows at most, 1 to [`FlowQuery::MOST`].
    #[serde(default = "usual_limit")]
    pub limit: u32,
    /// Which come first.
    #[serde(default)]
    pub order: FlowOrder,
}

impl FlowQuery {
    /// Longest page.
    pub const MOST: u32 = 1000;
}

impl Default for FlowQuery {
    fn default() -> Self {
        Self { filter: None, limit: usual_limit(), order: FlowOrder::Bytes }
    }
}

const fn usual_limit() -> u32 {
    100
}

/// Which flows come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlowOrder {
    /// Those with the most bytes.
    #[default]
    Bytes,
    /// Those with the most packets.
    Packets,
    /// Those heard last.
    Recent,
    /// Those begun first.
    Oldest,
}

/// Flows that are open.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FlowPage {
    /// The first of them, in the order that was asked for.
    pub flows: Vec<FlowRow>,
    /// How many the filter lets through.
    pub matched: u64,
    /// How many are open.
    pub open: u64,
    /// Workers that did not answer in time; their flows are missing.
    pub silent_workers: Vec<u32>,
}

/// One open flow. Pairs are (to server, to client).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FlowRow {
    /// Flow id, as in EVE records.
    pub id: u64,
    /// The client's address.
    pub src: String,
    /// The client's port, 0 where there is none.
    pub src_port: u16,
    /// The server's address.
    pub dst: String,
    /// The server's port.
    pub dst_port: u16,
    /// Transport: `TCP`, `UDP` …
    pub transport: String,
    /// VLAN ids, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vlans: Vec<u16>,
    /// What it carries; `unknown` while that is not decided.
    pub app: String,
    /// Its service, where it is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Per cent.
    pub confidence: u8,
    /// What the verdict rests on.
    pub tier: String,
    /// `new`, `established` or `closed`.
    pub state: String,
    /// Packets each way.
    pub packets: [u64; 2],
    /// Bytes each way.
    pub bytes: [u64; 2],
    /// First packet, nanoseconds since the UNIX epoch.
    pub start_ns: u64,
    /// Last packet.
    pub last_ns: u64,
    /// Port it came from.
    pub port: String,
    /// Worker that has it.
    pub worker: u32,
}

/// What flows carry, summed up. `open` is now, `ended` since the start of the data plane.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProtocolTable {
    /// Protocols with flows, most bytes first.
    pub protocols: Vec<ProtocolRow>,
    /// Services with flows, most bytes first, at most [`ProtocolTable::MOST_SERVICES`].
    pub services: Vec<ServiceRow>,
    /// Handshakes since the start by what they withstand, the worst class first.
    #[serde(default)]
    pub crypto: Vec<CryptoRow>,
    /// Workers that did not answer in time; their open flows are missing.
    pub silent_workers: Vec<u32>,
}

impl ProtocolTable {
    /// Most services in a table.
    pub const MOST_SERVICES: usize = 256;
}

/// Flows of one protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProtocolRow {
    /// Name in `app_proto`.
    pub name: String,
    /// Name for people.
    pub title: String,
    /// What it is for.
    pub family: String,
    /// What a copy of the wire gives away: `cleartext`, `encrypted`, `negotiated` or `unknown`.
    pub exposure: String,
    /// Flows that are open.
    pub open_flows: u64,
    /// Their packets.
    pub open_packets: u64,
    /// Their bytes.
    pub open_bytes: u64,
    /// Flows that ended.
    pub ended_flows: u64,
    /// Their packets.
    pub ended_packets: u64,
    /// Their bytes.
    pub ended_bytes: u64,
}

/// Flows of one service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceRow {
    /// Its name.
    pub name: String,
    /// Flows, open and ended.
    pub flows: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Handshakes of one class.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CryptoRow {
    /// `cleartext`, `weak`, `quantum-vulnerable` or `post-quantum`, as in filters.
    pub class: String,
    /// Events of parsers that said so.
    pub handshakes: u64,
}
