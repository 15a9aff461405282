//! What each protocol looks like and how it is read: one folder (or file) a protocol, listed in [`ALL`].
//!
//! A [`Protocol`] is a struct of functions. `probe` looks at the first payloads of a flow and says whether they are
//! this protocol; `parser` makes the state that reads the rest and writes events. Adding a protocol touches its own
//! file and two lines here.

pub mod ads;
pub mod amqp;
pub mod bacnet;
#[cfg(test)]
mod bench;
mod ber;
pub mod bgp;
pub mod bittorrent;
mod carried;
pub mod cassandra;
mod clear;
pub mod coap;
mod credentials;
pub mod dcerpc;
pub mod dhcp;
pub mod diameter;
pub mod dicom;
pub mod discovery;
pub mod dnp3;
pub mod dns;
pub mod drda;
pub mod dtls;
pub mod enip;
pub mod ethercat;
mod event_fields;
mod expected;
mod fields;
pub mod fins;
pub mod fix;
mod framed;
pub mod ftp;
pub mod ftp_data;
pub mod goose;
pub mod gtp;
pub mod h323;
pub mod hart_ip;
pub mod hl7;
pub mod http;
pub mod ibm_mq;
pub mod iec104;
pub mod ike;
pub mod imap;
pub mod irc;
pub mod iso8583;
mod iso_transport;
pub mod kafka;
mod kept;
pub mod kerberos;
pub mod knx;
pub mod l2tp;
pub mod ldap;
mod lines;
pub mod managesieve;
pub mod megaco;
pub mod memcached;
pub mod mgcp;
pub mod mms;
pub mod modbus;
pub mod mongodb;
pub mod mqtt;
pub mod mysql;
pub mod nats;
pub mod netbios;
pub mod nntp;
pub mod noe;
pub mod ntp;
pub mod numbered;
pub mod opcua;
pub mod opening;
pub mod openvpn;
pub mod oracle;
pub mod pfcp;
mod pieces;
pub mod pop3;
pub mod postgresql;
pub mod pptp;
pub mod profinet;
pub mod proxy;
pub mod quic;
pub mod radius;
pub mod ran;
pub mod rdp;
pub mod redis;
mod repeated;
pub mod rmcp;
pub mod routing;
pub mod rtp;
pub mod rtsp;
pub mod s7comm;
pub mod sampled_values;
pub mod sctp;
mod sdp;
pub mod sigtran;
pub mod sip;
pub mod smb;
pub mod smpp;
pub mod smtp;
pub mod snmp;
pub mod socks;
mod sql;
pub mod ssdp;
pub mod ssh;
pub mod stomp;
pub mod stun;
pub mod sunrpc;
pub mod swift;
pub mod synchrophasor;
pub mod syslog;
pub mod tacacs;
pub mod tds;
pub mod telnet;
pub mod tftp;
pub mod threema;
pub mod tls;
mod tlv;
pub mod vnc;
pub mod wireguard;
pub mod x509;
pub mod xmpp;
pub mod zeromq;

pub use event_fields::{EVENT_FIELDS, event_fields};
pub use expected::{Expected, Subject};
pub use opening::Opening;

use core::fmt::Debug;
use core::net::IpAddr;

use crate::record::{Direction, EventWriter, FlowIdentity, RecordBatch};

/// Every protocol with code of its own. Order does not matter.
pub static ALL: &[&Protocol] = &[
    &dns::DNS,
    &dns::DNSCRYPT,
    &dns::LLMNR,
    &dns::MDNS,
    &http::HTTP,
    &http::HTTP2,
    &http::GRPC,
    &http::WEBSOCKET,
    &http::HTTP_PROXY,
    &http::HTTP_CONNECT,
    &http::JSON_RPC,
    &dhcp::DHCP,
    &dhcp::DHCPV6,
    &netbios::NBNS,
    &netbios::NBDGM,
    &coap::COAP,
    &ntp::NTP,
    &smb::SMB,
    &smb::NBSS,
    &snmp::SNMP,
    &smtp::SMTP,
    &smtp::LMTP,
    &imap::IMAP,
    &pop3::POP3,
    &ftp::FTP,
    &ftp_data::FTP_DATA,
    &tftp::TFTP,
    &bacnet::BACNET,
    &dnp3::DNP3,
    &enip::ENIP,
    &iec104::IEC104,
    &modbus::MODBUS,
    &opcua::OPCUA,
    &mms::MMS,
    &s7comm::S7COMM,
    &s7comm::S7COMM_PLUS,
    &ads::ADS,
    &ethercat::ETHERCAT,
    &goose::GOOSE,
    &profinet::PROFINET,
    &sampled_values::SAMPLED_VALUES,
    &dicom::DICOM,
    &fins::FINS,
    &fix::FIX,
    &hart_ip::HART_IP,
    &hl7::HL7,
    &iso8583::ISO8583,
    &ibm_mq::IBM_MQ,
    &drda::DRDA,
    &knx::KNX,
    &swift::SWIFT,
    &synchrophasor::SYNCHROPHASOR,
    &telnet::TELNET,
    &telnet::TN3270,
    &telnet::TN5250,
    &ssdp::SSDP,
    &ssh::SSH,
    &ldap::LDAP,
    &kerberos::KERBEROS,
    &radius::RADIUS,
    &dcerpc::DCERPC,
    &rdp::RDP,
    &sunrpc::SUNRPC,
    &sunrpc::NFS,
    &vnc::VNC,
    &syslog::SYSLOG,
    &sip::SIP,
    &rtsp::RTSP,
    &mgcp::MGCP,
    &diameter::DIAMETER,
    &tacacs::TACACS_PLUS,
    &postgresql::POSTGRESQL,
    &mysql::MYSQL,
    &tds::TDS,
    &redis::REDIS,
    &mongodb::MONGODB,
    &mqtt::MQTT,
    &oracle::ORACLE,
    &cassandra::CASSANDRA,
    &memcached::MEMCACHED,
    &kafka::KAFKA,
    &nats::NATS,
    &amqp::AMQP,
    &stomp::STOMP,
    &smpp::SMPP,
    &zeromq::ZEROMQ,
    &bittorrent::BITTORRENT,
    &dtls::PROTOCOL,
    &ike::PROTOCOL,
    &openvpn::PROTOCOL,
    &quic::PROTOCOL,
    &rtp::RTCP,
    &rtp::RTP,
    &rtp::SRTP,
    &stun::PROTOCOL,
    &wireguard::PROTOCOL,
    &tls::PROTOCOL,
    &bgp::BGP,
    &proxy::HAPROXY,
    &socks::SOCKS,
    &irc::IRC,
    &managesieve::MANAGESIEVE,
    &nntp::NNTP,
    &xmpp::XMPP,
    &routing::OSPF,
    &routing::EIGRP,
    &routing::PIM,
    &routing::IGMP,
    &routing::VRRP,
    &routing::HSRP,
    &routing::RIP,
    &routing::RIPNG,
    &routing::BFD,
    &h323::H323,
    &megaco::MEGACO,
    &discovery::LLDP,
    &discovery::CDP,
    &l2tp::L2TP,
    &pptp::PPTP,
    &rmcp::RMCP,
    &gtp::GTPC,
    &gtp::GTPU,
    &pfcp::PFCP,
    &sigtran::M3UA,
    &sigtran::M2UA,
    &sigtran::M2PA,
    &sigtran::SUA,
    &sigtran::IUA,
    &ran::S1AP,
    &ran::X2AP,
    &ran::M2AP,
    &ran::M3AP,
    &ran::NGAP,
    &ran::XNAP,
    &ran::F1AP,
    &ran::E1AP,
    &ran::W1AP,
    &ran::HNBAP,
    &ran::RUA,
    &ran::SBC_AP,
    &ran::LCS_AP,
    &noe::NOE,
    &threema::THREEMA,
];

/// Names of services that parsers themselves can tell, by protocol.
pub static SERVICES: &[&[&str]] = &[
    http::SERVICES,
    modbus::SERVICES,
    proxy::SERVICES,
    socks::SERVICES,
    stun::SERVICES,
    sunrpc::SERVICES,
    tls::SERVICES,
];

/// What a protocol rides on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// TCP byte streams.
    Tcp,
    /// UDP and UDP-Lite datagrams.
    Udp,
    /// User messages of SCTP, each whole.
    Sctp,
    /// An IP protocol number (IANA): the number itself is the verdict. A parser is shown each packet's payload.
    Ip(u8),
    /// An EtherType (IEEE): the number itself is the verdict. A parser is shown each frame's payload, with what fills the
    /// frame up.
    Ethernet(u16),
}

/// What somebody who copies the wire learns of a protocol's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exposure {
    /// Everything.
    Cleartext,
    /// Nothing but sizes and what the handshake shows.
    Encrypted,
    /// It depends on what the session negotiates; the parser's events say, in their object `crypto`.
    Negotiated,
    /// It is not known.
    Unknown,
}

/// What a protocol is for; groups the list of protocols and the folders of signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are the explanation")]
pub enum Family {
    Crypto,
    Database,
    Finance,
    Game,
    Health,
    Infrastructure,
    Mail,
    Mainframe,
    Management,
    Media,
    Messaging,
    Network,
    Operational,
    PeerToPeer,
    RemoteAccess,
    Storage,
    Telecom,
    Vpn,
    Web,
}

/// A protocol as the engine knows it.
#[derive(Debug)]
pub struct Protocol {
    /// Name in `app_proto`: lower case, ASCII letters, digits and `_`.
    pub name: &'static str,
    /// Name for people.
    pub title: &'static str,
    /// What it is for.
    pub family: Family,
    /// What it rides on.
    pub carriers: &'static [Carrier],
    /// Registered or usual ports: they order the probes and are the last resort, marked as a guess; never evidence.
    pub ports: &'static [u16],
    /// What a copy of the wire gives away.
    pub exposure: Exposure,
    /// Which payloads the probe wants to see at all.
    pub opening: Opening,
    /// Says whether a payload is this protocol. None: known by carrier number, by signature, or by refinement only.
    pub probe: Option<fn(&Probe<'_>) -> Found>,
    /// Makes the state that reads the flow; none where a verdict is all there is.
    pub parser: Option<fn() -> Box<dyn Parser>>,
    /// Event types the parser writes.
    pub events: &'static [&'static str],
    /// The specification: RFC number, standard, or vendor document.
    pub source: &'static str,
}

/// A payload that was seen earlier in the same flow, cut to its first bytes.
#[derive(Clone, Copy, Debug)]
pub struct Earlier<'a> {
    /// Which way it went.
    pub from: Direction,
    /// Its first bytes, at most [`EARLIER_BYTES`].
    pub bytes: &'a [u8],
    /// Its whole length.
    pub len: u32,
}

/// How much of an earlier payload a probe can still see.
pub const EARLIER_BYTES: usize = 64;

/// What a probe is shown.
#[derive(Clone, Copy, Debug)]
pub struct Probe<'a> {
    /// The payload: a whole datagram, or what is contiguous of this direction of the stream from its start.
    pub payload: &'a [u8],
    /// Bytes this payload had on the wire: more than `payload.len()` where the capture was cut.
    pub wire_len: u32,
    /// Which way it goes. Who is the client is a guess in midstream.
    pub from: Direction,
    /// TCP, UDP or SCTP.
    pub carrier: Carrier,
    /// Sender's port.
    pub source_port: u16,
    /// Receiver's port.
    pub destination_port: u16,
    /// Receiver's address (multicast groups tell some protocols apart).
    pub destination: Option<IpAddr>,
    /// Payloads before this one, oldest first, at most three; for TCP only of the other direction.
    pub earlier: &'a [Earlier<'a>],
    /// The start of this stream was not seen: `payload` may begin in the middle of a message.
    pub midstream: bool,
}

impl Probe<'_> {
    /// Whether one of the ports is `port`.
    #[must_use]
    pub const fn has_port(&self, port: u16) -> bool {
        self.source_port == port || self.destination_port == port
    }

    /// Whether this is TCP, where a payload may end in the middle of a message.
    #[must_use]
    pub const fn is_stream(&self) -> bool {
        matches!(self.carrier, Carrier::Tcp)
    }
}

/// What a probe says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It is not this protocol, whatever follows.
    No,
    /// Nothing speaks against it: ask again with more bytes of the stream, or the next payload.
    Maybe,
    /// It is, with this confidence in per cent (1 to 99): taken unless a better one is found on the same payload.
    Likely(u8),
    /// It is.
    Yes,
}

/// Bytes of a flow, lent to a parser.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// A whole datagram, or the unread bytes of this direction of the stream, contiguous.
    pub bytes: &'a [u8],
    /// Which way they went.
    pub from: Direction,
    /// TCP, UDP or SCTP.
    pub carrier: Carrier,
    /// When the last of them came, nanoseconds since the UNIX epoch.
    pub now_ns: u64,
    /// Bytes were lost just before these: what was half read is gone.
    pub after_gap: bool,
}

/// What a parser did with its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that need not be shown again. The rest comes again, with more behind it. Ignored for datagrams.
    pub consumed: usize,
    /// What comes next.
    pub then: Then,
}

impl Progress {
    /// Everything was read.
    #[must_use]
    pub const fn all(input: &Input<'_>) -> Self {
        Self { consumed: input.bytes.len(), then: Then::More }
    }

    /// `consumed` bytes were read, the rest is the start of something longer.
    #[must_use]
    pub const fn read(consumed: usize) -> Self {
        Self { consumed, then: Then::More }
    }

    /// Nothing more of this flow is of interest.
    #[must_use]
    pub const fn done() -> Self {
        Self { consumed: 0, then: Then::Done }
    }

    /// This is not the protocol after all.
    #[must_use]
    pub const fn not_mine() -> Self {
        Self { consumed: 0, then: Then::NotMine }
    }
}

/// What a parser wants next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// More bytes.
    More,
    /// More bytes, after skipping this many of the same direction beyond `consumed`: they are counted, not copied.
    Skip(u64),
    /// Nothing more of this direction; the other goes on. Both directions said so: the flow is settled.
    DirectionDone,
    /// Nothing more of this flow: it is settled and costs only its counters from here on.
    Done,
    /// The bytes contradict the protocol: the verdict is taken back and the flow classified anew.
    NotMine,
    /// From the next byte on, in both directions, this is another protocol (STARTTLS, WebSocket, HTTP CONNECT):
    /// classify what follows; the verdict so far stays if nothing is found.
    Upgrade,
}

/// Reads one flow of one protocol. Lives in a pool and is reset between flows.
pub trait Parser: Debug + Send {
    /// Forgets everything about the last flow, keeps allocations.
    fn reset(&mut self);

    /// Reads what is there and writes events. For streams, what is not consumed comes again with more behind it;
    /// the engine holds at most [`CARRY_BYTES`] for a direction and then says so with a gap.
    fn read(&mut self, input: Input<'_>, out: &mut Output<'_>) -> Progress;

    /// This flow is one that another flow, of id `parent`, announced; said once, before the first bytes.
    fn expected(&mut self, expected: &Expected, parent: u64) {
        let _ = (expected, parent);
    }

    /// The flow ended: writes what is half known and worth telling.
    fn finish(&mut self, out: &mut Output<'_>) {
        let _ = out;
    }
}

/// Unread bytes that the engine holds for one direction of a stream.
pub const CARRY_BYTES: usize = 64 * 1024;

/// What a parser found out about the flow beside its events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// A more precise protocol ("http" is "soap"), by name, and the confidence in per cent.
    pub refined: Option<(&'static str, u8)>,
    /// A named service.
    pub service: Option<&'static str>,
}

/// Where a parser writes.
#[derive(Debug)]
pub struct Output<'a> {
    batch: &'a mut RecordBatch,
    flow: &'a FlowIdentity,
    now_ns: u64,
    notes: Notes,
    expected: Vec<Expected>,
}

impl<'a> Output<'a> {
    /// Writes about `flow` into `batch`.
    pub fn new(batch: &'a mut RecordBatch, flow: &'a FlowIdentity, now_ns: u64) -> Self {
        Self { batch, flow, now_ns, notes: Notes::default(), expected: Vec::new() }
    }

    /// Starts an event of EVE type `kind` ("tls", "dns"): its values are the members of the object of that name.
    pub fn event(&mut self, kind: &'static str) -> EventWriter<'_> {
        self.batch.event(self.now_ns, *self.flow, kind)
    }

    /// Says that the flow is `protocol`, more precisely than so far.
    pub const fn refine(&mut self, protocol: &'static str, confidence: u8) {
        self.notes.refined = Some((protocol, confidence));
    }

    /// Says which service the flow belongs to.
    pub const fn service(&mut self, name: &'static str) {
        self.notes.service = Some(name);
    }

    /// Announces a flow that is to come; of more than a few in one call the rest is not waited for.
    pub fn expect(&mut self, expected: Expected) {
        if self.expected.len() < expected::ANNOUNCED_MAX && expected.port != 0 {
            self.expected.push(expected);
        }
    }

    /// The flows that were announced, which are forgotten here.
    pub fn take_expected(&mut self) -> Vec<Expected> {
        core::mem::take(&mut self.expected)
    }

    /// What was said beside the events.
    #[must_use]
    pub const fn notes(&self) -> Notes {
        self.notes
    }

    /// Whose packets these are.
    #[must_use]
    pub const fn flow(&self) -> &FlowIdentity {
        self.flow
    }
}
