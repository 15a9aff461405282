use engine::record::{Body, Datum, FlowSummary, Item, Record};
use engine::{Classification, Names, ProtocolId, RecordBatch, ServiceBasis, Tier};
use wire::TcpFlags;

use super::time::Clock;
use super::{Format, json};

impl Format {
    /// Appends a record's object without its closing brace.
    pub(super) fn record(&mut self, out: &mut Vec<u8>, batch: &RecordBatch, record: &Record, names: &Names) {
        self.timestamp(out, record.timestamp_ns);
        let Self { flows, clock, .. } = self;
        let flow = flows.of(&record.flow, names);
        out.extend_from_slice(flow.id());
        match &record.body {
            Body::Flow(summary) => {
                json::own(out, "flow");
                out.extend_from_slice(flow.ends());
                classification(out, &summary.class, names);
                write_summary(out, clock, summary);
                out.extend_from_slice(flow.community_id());
                tcp(out, summary);
            }
            Body::Event(kind) => {
                json::own(out, kind);
                out.extend_from_slice(flow.ends());
                out.extend_from_slice(flow.community_id());
                json::key(out, kind);
                self.items(out, batch, batch.items(record));
            }
        }
    }

    /// Appends the start of an object and its first member.
    pub(super) fn timestamp(&mut self, out: &mut Vec<u8>, ns: u64) {
        out.extend_from_slice(br#"{"timestamp":"#);
        time(out, &mut self.clock, ns);
    }

    /// Appends an object from its flattened members. Marks without a partner, which no writer makes, are closed or
    /// left out.
    fn items(&mut self, out: &mut Vec<u8>, batch: &RecordBatch, items: &[Item]) {
        self.open.clear();
        out.push(b'{');
        let (mut is_first, mut is_list) = (true, false);
        for item in items {
            if matches!(item.value, Datum::Close) {
                out.extend(self.open.pop());
                (is_first, is_list) = (false, self.open.last() == Some(&b']'));
                continue;
            }
            match (is_list, is_first) {
                (false, false) => json::key(out, item.name),
                (false, true) => json::first_key(out, item.name),
                (true, false) => out.push(b','),
                (true, true) => {}
            }
            is_first = matches!(item.value, Datum::Object | Datum::List);
            if is_first {
                is_list = matches!(item.value, Datum::List);
            }
            self.value(out, batch, item.value);
        }
        out.extend(self.open.drain(..).rev());
        out.push(b'}');
    }

    fn value(&mut self, out: &mut Vec<u8>, batch: &RecordBatch, value: Datum) {
        match value {
            Datum::Unsigned(number) => json::unsigned(out, number),
            Datum::Signed(number) => json::signed(out, number),
            Datum::Real(number) => json::real(out, number),
            Datum::Flag(flag) => json::flag(out, flag),
            Datum::Text(..) => json::string(out, batch.text(value)),
            Datum::Static(text) => json::string(out, text.as_bytes()),
            Datum::Hex(..) => json::hex(out, batch.text(value)),
            Datum::Ip(address) => json::ip(out, address),
            Datum::Time(ns) => time(out, &mut self.clock, ns),
            Datum::Object => {
                out.push(b'{');
                self.open.push(b'}');
            }
            Datum::List => {
                out.push(b'[');
                self.open.push(b']');
            }
            Datum::Close => {}
        }
    }
}

fn time(out: &mut Vec<u8>, clock: &mut Clock, ns: u64) {
    out.push(b'"');
    clock.write(out, ns);
    out.push(b'"');
}

fn write_summary(out: &mut Vec<u8>, clock: &mut Clock, summary: &FlowSummary) {
    let [packets_to_server, packets_to_client] = summary.packets;
    let [bytes_to_server, bytes_to_client] = summary.bytes;
    out.extend_from_slice(br#","flow":{"pkts_toserver":"#);
    json::unsigned(out, packets_to_server);
    out.extend_from_slice(br#","pkts_toclient":"#);
    json::unsigned(out, packets_to_client);
    out.extend_from_slice(br#","bytes_toserver":"#);
    json::unsigned(out, bytes_to_server);
    out.extend_from_slice(br#","bytes_toclient":"#);
    json::unsigned(out, bytes_to_client);
    out.extend_from_slice(br#","start":"#);
    time(out, clock, summary.start_ns);
    out.extend_from_slice(br#","end":"#);
    time(out, clock, summary.end_ns);
    out.extend_from_slice(br#","age":"#);
    json::unsigned(out, summary.end_ns.saturating_sub(summary.start_ns) / 1_000_000_000);
    out.extend_from_slice(br#","state":""#);
    out.extend_from_slice(summary.state.name().as_bytes());
    out.extend_from_slice(br#"","reason":""#);
    out.extend_from_slice(summary.reason.name().as_bytes());
    out.extend_from_slice(br#"","alerted":false"#);
    if summary.midstream {
        out.extend_from_slice(br#","midstream":true"#);
    }
    if summary.gaps {
        out.extend_from_slice(br#","gaps":true"#);
    }
    out.push(b'}');
}

fn classification(out: &mut Vec<u8>, class: &Classification, names: &Names) {
    if class.protocol != ProtocolId::UNKNOWN
        && let Some(protocol) = names.protocol(class.protocol)
    {
        json::key(out, "app_proto");
        json::string(out, protocol.name.as_bytes());
    }
    if let Some(service) = names.service(class.service) {
        json::key(out, "app_service");
        json::string(out, service.as_bytes());
    }
    let has_service = class.evidence.service != ServiceBasis::None;
    if class.tier != Tier::None {
        json::key(out, "app_confidence");
        json::unsigned(out, class.confidence.into());
    } else if !has_service {
        return;
    }
    out.extend_from_slice(br#","app_evidence":{"tier":""#);
    out.extend_from_slice(class.tier.name().as_bytes());
    out.push(b'"');
    if class.tier == Tier::Signature
        && let Some(signature) = names.signature(class.evidence.signature)
    {
        json::key(out, "signature");
        json::string(out, signature.as_bytes());
    }
    let place: &[(&str, u64)] = match class.tier {
        Tier::None => &[],
        Tier::Guess => &[("port", class.evidence.offset.into())],
        _ => &[("packet", class.evidence.packet.into()), ("offset", class.evidence.offset.into())],
    };
    for (name, value) in place {
        json::key(out, name);
        json::unsigned(out, *value);
    }
    if has_service {
        json::key(out, "service");
        json::string(out, class.evidence.service.name().as_bytes());
    }
    out.push(b'}');
}

fn tcp(out: &mut Vec<u8>, summary: &FlowSummary) {
    let Some([to_server, to_client]) = summary.tcp_flags else { return };
    let members: [(&[u8], u8); 3] = [
        (br#","tcp":{"tcp_flags":""#, to_server | to_client),
        (br#"","tcp_flags_ts":""#, to_server),
        (br#"","tcp_flags_tc":""#, to_client),
    ];
    for (before, bits) in members {
        out.extend_from_slice(before);
        out.extend_from_slice(&json::hex_digits(bits));
    }
    out.push(b'"');
    for (bit, member) in TCP_BITS {
        if TcpFlags(to_server | to_client).contains(*bit) {
            out.extend_from_slice(member);
        }
    }
    out.extend_from_slice(br#","state":""#);
    out.extend_from_slice(summary.state.name().as_bytes());
    out.extend_from_slice(br#""}"#);
}

/// In Suricata's order and by its names.
const TCP_BITS: &[(TcpFlags, &[u8])] = &[
    (TcpFlags::SYN, br#","syn":true"#),
    (TcpFlags::FIN, br#","fin":true"#),
    (TcpFlags::RST, br#","rst":true"#),
    (TcpFlags::PSH, br#","psh":true"#),
    (TcpFlags::ACK, br#","ack":true"#),
    (TcpFlags::URG, br#","urg":true"#),
    (TcpFlags::ECE, br#","ecn":true"#),
    (TcpFlags::CWR, br#","cwr":true"#),
];
