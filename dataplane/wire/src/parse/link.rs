//! Everything between the start of a frame (or of what a tunnel carries) and a network header: Ethernet, tags,
//! labels, LLC, PPPoE, PPP, 802.11.

use super::context::Context;
use super::dot11::{self, Variant};
use super::ip;
use super::view::View;
use crate::number::ethertype;
use crate::{LayerSet, Malformed};

/// A header to be read next.
#[derive(Clone, Copy, Debug)]
pub(super) enum Header {
    /// Ethernet, from the destination address on.
    Ethernet,
    /// What follows this EtherType.
    EtherType(u16),
    /// LLC (IEEE 802.2), from the DSAP on.
    Llc,
    /// PPP, with or without address and control bytes.
    Ppp,
    /// IEEE 802.11, from the frame control field on.
    Dot11(Variant),
    /// IP, of the version that its first nibble says.
    Ip,
    /// IPv4 in IP.
    Ipv4,
    /// IPv6 in IP.
    Ipv6,
}

/// A header to be read next, and its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layer<'a> {
    pub(super) header: Header,
    pub(super) view: View<'a>,
}

/// MAC addresses of one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Macs {
    pub(super) source: [u8; 6],
    pub(super) destination: [u8; 6],
}

/// What the link layer carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Network {
    Ipv4,
    Ipv6,
    Other,
}

/// What follows a header.
#[derive(Clone, Copy, Debug)]
enum Step {
    Next(Header),
    End(Network),
}

/// A walk over link headers: it is changed in place, because values of its size are slow to hand around.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    /// What is not yet read.
    pub(super) view: View<'a>,
    /// Addresses of the last header that had some.
    pub(super) macs: Option<Macs>,
    /// What follows the last EtherType, which is the payload where nothing deeper can be read.
    carried: Option<View<'a>>,
}

impl<'a> Walk<'a> {
    pub(super) const fn new(view: View<'a>) -> Self {
        Self { view, macs: None, carried: None }
    }

    /// Walks up to a network header, of which `view` is then the start; `context` learns what was met.
    pub(super) fn run(&mut self, first: Header, context: &mut Context) -> Result<Network, Malformed> {
        let mut header = first;
        for _ in 0..MAX_HEADERS {
            match self.step(header, context)? {
                Step::Next(next) => header = next,
                Step::End(network) => return Ok(network),
            }
        }
        Err(Malformed::TooManyTags)
    }

    #[inline(always)]
    fn step(&mut self, header: Header, context: &mut Context) -> Result<Step, Malformed> {
        match header {
            Header::Ethernet => self.ethernet(),
            Header::EtherType(number) => self.ethertype(number, context),
            Header::Llc => self.llc(context),
            Header::Ppp => self.ppp(),
            Header::Dot11(variant) => self.dot11(variant),
            Header::Ip => self.by_version().map(Step::End),
            Header::Ipv4 => Ok(Step::End(Network::Ipv4)),
            Header::Ipv6 => Ok(Step::End(Network::Ipv6)),
        }
    }

    /// IP without a link header.
    pub(super) fn by_version(&self) -> Result<Network, Malformed> {
        match self.view.bytes().first().ok_or(Malformed::LinkTruncated)? >> 4 {
            4 => Ok(Network::Ipv4),
            6 => Ok(Network::Ipv6),
            _ => Err(Malformed::Unsupported),
        }
    }

    #[inline(always)]
    fn ethernet(&mut self) -> Result<Step, Malformed> {
        let (header, rest) = self.view.split::<14>().ok_or(Malformed::LinkTruncated)?;
        let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, number @ ..] = *header;
        self.macs = Some(Macs { source: [s0, s1, s2, s3, s4, s5], destination: [d0, d1, d2, d3, d4, d5] });
        self.view = rest;
        Ok(self.type_or_length(number))
    }

    /// An EtherType, or the length of an LLC frame (IEEE 802.3, 3.2.6).
    fn type_or_length(&mut self, number: [u8; 2]) -> Step {
        match u16::from_be_bytes(number) {
            number @ ethertype::FIRST.. => Step::Next(Header::EtherType(number)),
            length => {
                self.view = self.view.limit(usize::from(length));
                Step::Next(Header::Llc)
            }
        }
    }

    #[inline(always)]
    fn ethertype(&mut self, number: u16, context: &mut Context) -> Result<Step, Malformed> {
        if is_tag(number) {
            let ([a, b, next @ ..], rest) = self.view.split::<4>().ok_or(Malformed::TagTruncated)?;
            context.met_vlan(u16::from_be_bytes([*a, *b]) & 0x0fff);
            self.view = rest;
            return Ok(self.type_or_length(*next));
        }
        context.ethertype = number;
        match number {
            ethertype::IPV4 => Ok(Step::End(Network::Ipv4)),
            ethertype::IPV6 => Ok(Step::End(Network::Ipv6)),
            _ => self.beyond_ip(number, context),
        }
    }

    fn beyond_ip(&mut self, number: u16, context: &mut Context) -> Result<Step, Malformed> {
        self.carried = Some(self.view);
        match number {
            ethertype::MPLS | ethertype::MPLS_UPSTREAM => self.mpls(context),
            ethertype::PPPOE_SESSION => self.pppoe(context),
            ethertype::FABRIC_PATH => Ok(self.fabric_path()),
            _ => {
                self.view = trimmed(number, self.view)?;
                Ok(OTHER)
            }
        }
    }

    /// LLC (IEEE 802.2) and SNAP (RFC 1042). Without an EtherType, the DSAP stands in for it; what shares OSI's is told
    /// apart by the NLPID behind it (ISO/IEC TR 9577).
    fn llc(&mut self, context: &mut Context) -> Result<Step, Malformed> {
        context.met(LayerSet::LLC);
        let ([dsap, ssap, control], rest) = self.view.split::<3>().ok_or(Malformed::LinkTruncated)?;
        match [*dsap, *ssap, *control] {
            SNAP => {
                self.view = rest;
                self.snap(context)
            }
            [SAP_IP, SAP_IP, UNNUMBERED] => {
                self.view = rest;
                Ok(Step::Next(Header::EtherType(ethertype::IPV4)))
            }
            [dsap, ssap, control] => {
                self.view = match control & 3 {
                    // Not LLC but IPX right behind the length: its checksum is always 0xffff.
                    _ if [dsap, ssap] == [0xff, 0xff] => self.view,
                    3 => rest,
                    _ => rest.skip(1).ok_or(Malformed::LinkTruncated)?,
                };
                context.ethertype = match (dsap, self.view.bytes()) {
                    (SAP_OSI, [protocol, ..]) => u16::from_be_bytes([SAP_OSI, *protocol]),
                    _ => u16::from(dsap),
                };
                Ok(OTHER)
            }
        }
    }

    fn snap(&mut self, context: &mut Context) -> Result<Step, Malformed> {
        let ([organisation @ .., a, b], rest) = self.view.split::<5>().ok_or(Malformed::LinkTruncated)?;
        let number = u16::from_be_bytes([*a, *b]);
        self.view = rest;
        if matches!(organisation, [0, 0, 0 | 0xf8]) && number >= ethertype::FIRST {
            return Ok(Step::Next(Header::EtherType(number)));
        }
        context.ethertype = match (organisation, number) {
            ([0x00, 0xe0, 0x52], ethertype::CDP) => ethertype::FDP,
            ([0x00, 0xe0, 0x2b], 0x00bb) => ethertype::EDP,
            _ => number,
        };
        Ok(OTHER)
    }

    fn mpls(&mut self, context: &mut Context) -> Result<Step, Malformed> {
        context.met(LayerSet::MPLS);
        let Some(layer) = behind_labels(pop_labels(self.view)?) else { return Ok(OTHER) };
        self.view = layer.view;
        Ok(Step::Next(layer.header))
    }

    /// Cisco FabricPath: two bytes of tree and hop count before a whole Ethernet frame.
    fn fabric_path(&mut self) -> Step {
        match self.view.skip(2) {
            Some(frame) if is_plausible_ethernet(frame) => {
                self.view = frame;
                Step::Next(Header::Ethernet)
            }
            _ => OTHER,
        }
    }

    /// PPPoE session stage (RFC 2516, 4).
    fn pppoe(&mut self, context: &mut Context) -> Result<Step, Malformed> {
        context.met(LayerSet::PPPOE);
        let ([version, code, _, _, a, b], rest) = self.view.split::<6>().ok_or(Malformed::TagTruncated)?;
        if [*version, *code] != [0x11, 0] {
            return Ok(OTHER);
        }
        self.view = rest.limit(be(*a, *b));
        Ok(Step::Next(Header::Ppp))
    }

    /// PPP (RFC 1661, 2), the protocol field in one or two bytes (6.5), address and control there or not (6.6).
    fn ppp(&mut self) -> Result<Step, Malformed> {
        let header = match self.view.split::<2>() {
            Some(([0xff, 0x03], rest)) => rest,
            _ => self.view,
        };
        let (number, rest) = match header.bytes() {
            [low, ..] if low & 1 == 1 => (u16::from(*low), header.skip(1)),
            [high, low, ..] => (u16::from_be_bytes([*high, *low]), header.skip(2)),
            _ => return Err(Malformed::LinkTruncated),
        };
        let carried = match number {
            PPP_IPV4 => ethertype::IPV4,
            PPP_IPV6 => ethertype::IPV6,
            PPP_MPLS => ethertype::MPLS,
            PPP_MPLS_UPSTREAM => ethertype::MPLS_UPSTREAM,
            _ => {
                self.view = self.carried.unwrap_or(self.view);
                return Ok(OTHER);
            }
        };
        self.view = rest.ok_or(Malformed::LinkTruncated)?;
        Ok(Step::Next(Header::EtherType(carried)))
    }

    fn dot11(&mut self, variant: Variant) -> Result<Step, Malformed> {
        let frame = dot11::read(self.view, variant)?;
        self.macs = Some(frame.macs);
        self.view = frame.body;
        Ok(if frame.has_llc { Step::Next(Header::Llc) } else { OTHER })
    }
}

const OTHER: Step = Step::End(Network::Other);

pub(super) const fn is_tag(number: u16) -> bool {
    matches!(
        number,
        ethertype::VLAN
            | ethertype::SERVICE_VLAN
            | ethertype::OLD_SERVICE_VLAN
            | ethertype::OTHER_SERVICE_VLAN
    )
}

/// What is behind the last label of a stack (RFC 3032, 2.1).
fn pop_labels(view: View<'_>) -> Result<View<'_>, Malformed> {
    let mut rest = view;
    for _ in 0..MAX_LABELS {
        let ([_, _, bottom, _], next) = rest.split::<4>().ok_or(Malformed::TagTruncated)?;
        if bottom & 1 == 1 {
            return Ok(next);
        }
        rest = next;
    }
    Err(Malformed::TooManyTags)
}

/// A label stack does not say what it carries: IP by its version and length, else a pseudowire with Ethernet,
/// behind a control word (RFC 4385, 3) or not.
fn behind_labels(view: View<'_>) -> Option<Layer<'_>> {
    let version = view.bytes().first()? >> 4;
    if ip::is_plausible(view) {
        let number = if version == 4 { ethertype::IPV4 } else { ethertype::IPV6 };
        return Some(Layer { header: Header::EtherType(number), view });
    }
    if version == 0
        && let Some(frame) = view.skip(4)
        && is_plausible_ethernet(frame)
    {
        return Some(Layer { header: Header::Ethernet, view: frame });
    }
    is_plausible_ethernet(view).then_some(Layer { header: Header::Ethernet, view })
}

/// Whether these bytes can be a label stack and something it carries.
pub(super) fn is_plausible_mpls(view: View<'_>) -> bool {
    pop_labels(view).is_ok_and(|inner| behind_labels(inner).is_some())
}

/// Whether these bytes can be an Ethernet frame with IP, behind tags or not, or with something else well known.
pub(super) fn is_plausible_ethernet(view: View<'_>) -> bool {
    let Some(([_, _, _, _, _, _, source, _, _, _, _, _, number @ ..], mut rest)) = view.split::<14>() else {
        return false;
    };
    // No group of stations sends (IEEE 802.3, 3.2.3).
    if source & 1 != 0 {
        return false;
    }
    let mut number = u16::from_be_bytes(*number);
    for _ in 0..crate::MAX_VLANS {
        if !is_tag(number) {
            break;
        }
        let Some(([_, _, next @ ..], inner)) = rest.split::<4>() else { return false };
        (number, rest) = (u16::from_be_bytes(*next), inner);
    }
    match number {
        ethertype::IPV4 | ethertype::IPV6 => ip::is_plausible(rest),
        // The spanning tree protocol, the one user of LLC alone that is common.
        ..ethertype::FIRST => rest.bytes().starts_with(&[0x42, 0x42, UNNUMBERED]),
        other => is_known_ethertype(other),
    }
}

/// Whether a frame without IP in a tunnel makes the tunnel credible.
pub(super) fn is_known(number: u16, macs: Option<Macs>) -> bool {
    macs.is_some_and(|macs| macs.source[0] & 1 == 0)
        && (is_known_ethertype(number)
            || matches!(number, LLC_SPANNING_TREE | LLC_NETBIOS | 0xfe81..=0xfe83 | 0x0104 | 0x010b | 0x0111))
}

const fn is_known_ethertype(number: u16) -> bool {
    matches!(
        number,
        ethertype::ARP
            | ethertype::CDP
            | ethertype::RARP
            | ethertype::SLOW
            | ethertype::MPLS
            | ethertype::MPLS_UPSTREAM
            | ethertype::PPPOE_DISCOVERY
            | ethertype::PPPOE_SESSION
            | ethertype::EAPOL
            | ethertype::PROFINET
            | ethertype::ETHERCAT
            | ethertype::GOOSE
            | ethertype::GSE
            | ethertype::SAMPLED_VALUES
            | ethertype::LLDP
            | ethertype::MACSEC
            | ethertype::PTP
            | ethertype::CFM
            | ethertype::FCOE
            | ethertype::FIP
            | ethertype::LOOPBACK
    )
}

/// The payload without padding, for protocols that say how long they are.
fn trimmed(number: u16, view: View<'_>) -> Result<View<'_>, Malformed> {
    let len = match (number, view.bytes()) {
        // RFC 826: four addresses, of the sizes that bytes 4 and 5 say.
        (ethertype::ARP | ethertype::RARP, [_, _, _, _, hardware, protocol, ..]) => {
            let len = 8 + 2 * (usize::from(*hardware) + usize::from(*protocol));
            if len > view.wire_len() {
                return Err(Malformed::ArpTruncated);
            }
            len
        }
        (ethertype::ARP | ethertype::RARP, _) => return Err(Malformed::ArpTruncated),
        // IEC 61850-8-1, annex C: the length counts from the APPID on.
        (ethertype::GOOSE | ethertype::GSE | ethertype::SAMPLED_VALUES, [_, _, a, b, ..]) => be(*a, *b),
        // IEEE 802.1X, 11.3: the length counts what follows it.
        (ethertype::EAPOL, [_, _, a, b, ..]) => 4 + be(*a, *b),
        // IEEE 1588, 13.3.2.4.
        (ethertype::PTP, [_, _, a, b, ..]) => be(*a, *b),
        // ETG.1000.4: eleven bits, little-endian, without the two bytes that hold them.
        (ethertype::ETHERCAT, [a, b, ..]) => 2 + be(*b & 7, *a),
        _ => return Ok(view),
    };
    // A length that the frame contradicts trims nothing: what it means is for the protocol's parser.
    Ok(if len == 0 { view } else { view.limit(len) })
}

fn be(high: u8, low: u8) -> usize {
    usize::from(u16::from_be_bytes([high, low]))
}

/// Ethernet, tags, label stacks, LLC and PPP of one frame. Deeper stacks are made to tire parsers.
const MAX_HEADERS: usize = 16;
const MAX_LABELS: usize = 16;

const SAP_IP: u8 = 0x06;
/// OSI's network layer: CLNP (NLPID 0x81), ES-IS (0x82), IS-IS (0x83).
const SAP_OSI: u8 = 0xfe;
const UNNUMBERED: u8 = 0x03;
const SNAP: [u8; 3] = [0xaa, 0xaa, UNNUMBERED];
const LLC_SPANNING_TREE: u16 = 0x42;
const LLC_NETBIOS: u16 = 0xf0;

// PPP protocol numbers (IANA).
const PPP_IPV4: u16 = 0x0021;
const PPP_IPV6: u16 = 0x0057;
const PPP_MPLS: u16 = 0x0281;
const PPP_MPLS_UPSTREAM: u16 = 0x0283;
