//! Everything between the start of a frame (or of what a tunnel carries) and a network header: Ethernet, tags,
//! labels, LLC, PPPoE, PPP, 802.11.

use super::context::Context;
use super::dot11::{self, Body, Variant};
use super::ip;
use super::view::View;
use crate::number::ethertype;
use crate::{LayerSet, Malformed};

/// A header to be read next.
#[derive(Clone, Copy, Debug)]
pub(super) enum Layer<'a> {
    /// Ethernet, from the destination address on.
    Ethernet(View<'a>),
    /// What follows an EtherType.
    EtherType(u16, View<'a>),
    /// LLC (IEEE 802.2), from the DSAP on.
    Llc(View<'a>),
    /// PPP, with or without address and control bytes.
    Ppp(View<'a>),
    /// IEEE 802.11, from the frame control field on.
    Dot11(View<'a>, Variant),
    /// IP, of the version that its first nibble says.
    Ip(View<'a>),
    /// IPv4 in IP.
    Ipv4(View<'a>),
    /// IPv6 in IP.
    Ipv6(View<'a>),
}

/// The first header, and the addresses that are known before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start<'a> {
    pub(super) layer: Layer<'a>,
    pub(super) macs: Option<Macs>,
}

impl<'a> From<Layer<'a>> for Start<'a> {
    fn from(layer: Layer<'a>) -> Self {
        Self { layer, macs: None }
    }
}

/// MAC addresses of one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Macs {
    pub(super) source: [u8; 6],
    pub(super) destination: [u8; 6],
}

/// What the link layer carries.
#[derive(Clone, Copy, Debug)]
pub(super) enum Network<'a> {
    Ipv4(View<'a>),
    Ipv6(View<'a>),
    Other(Other<'a>),
}

/// A frame that carries no IP.
#[derive(Clone, Copy, Debug)]
pub(super) struct Other<'a> {
    pub(super) macs: Option<Macs>,
    pub(super) payload: View<'a>,
}

/// Walks link headers up to a network header; `context` learns what was met.
pub(super) fn read<'a>(start: Start<'a>, context: &mut Context) -> Result<Network<'a>, Malformed> {
    let mut walk = Walk { macs: start.macs, carried: None, context };
    let mut layer = start.layer;
    for _ in 0..MAX_HEADERS {
        match walk.step(layer)? {
            Step::Next(next) => layer = next,
            Step::End(network) => return Ok(network),
        }
    }
    Err(Malformed::TooManyTags)
}

/// IP without a link header.
pub(super) fn by_version(view: View<'_>) -> Result<Network<'_>, Malformed> {
    match view.bytes().first().ok_or(Malformed::LinkTruncated)? >> 4 {
        4 => Ok(Network::Ipv4(view)),
        6 => Ok(Network::Ipv6(view)),
        _ => Err(Malformed::Unsupported),
    }
}

enum Step<'a> {
    Next(Layer<'a>),
    End(Network<'a>),
}

struct Walk<'a, 'c> {
    macs: Option<Macs>,
    /// What follows the last EtherType, which is the payload where nothing deeper can be read.
    carried: Option<View<'a>>,
    context: &'c mut Context,
}

impl<'a> Walk<'a, '_> {
    fn step(&mut self, layer: Layer<'a>) -> Result<Step<'a>, Malformed> {
        match layer {
            Layer::Ethernet(view) => self.ethernet(view),
            Layer::EtherType(number, view) => self.ethertype(number, view),
            Layer::Llc(view) => self.llc(view),
            Layer::Ppp(view) => self.ppp(view),
            Layer::Dot11(view, variant) => self.dot11(view, variant),
            Layer::Ip(view) => by_version(view).map(Step::End),
            Layer::Ipv4(view) => Ok(Step::End(Network::Ipv4(view))),
            Layer::Ipv6(view) => Ok(Step::End(Network::Ipv6(view))),
        }
    }

    fn ethernet(&mut self, view: View<'a>) -> Result<Step<'a>, Malformed> {
        let (destination, rest) = view.split::<6>().ok_or(Malformed::LinkTruncated)?;
        let (source, rest) = rest.split::<6>().ok_or(Malformed::LinkTruncated)?;
        let (number, rest) = rest.split::<2>().ok_or(Malformed::LinkTruncated)?;
        self.macs = Some(Macs { source: *source, destination: *destination });
        Ok(type_or_length(*number, rest))
    }

    fn ethertype(&mut self, number: u16, view: View<'a>) -> Result<Step<'a>, Malformed> {
        if is_tag(number) {
            let ([a, b, next @ ..], rest) = view.split::<4>().ok_or(Malformed::TagTruncated)?;
            self.context.met_vlan(u16::from_be_bytes([*a, *b]) & 0x0fff);
            return Ok(type_or_length(*next, rest));
        }
        self.context.ethertype = number;
        self.carried = Some(view);
        match number {
            ethertype::IPV4 => Ok(Step::End(Network::Ipv4(view))),
            ethertype::IPV6 => Ok(Step::End(Network::Ipv6(view))),
            ethertype::MPLS | ethertype::MPLS_UPSTREAM => self.mpls(view),
            ethertype::PPPOE_SESSION => self.pppoe(view),
            ethertype::FABRIC_PATH => Ok(self.fabric_path(view)),
            _ => Ok(self.other(trimmed(number, view)?)),
        }
    }

    /// LLC (IEEE 802.2) and SNAP (RFC 1042). Without an EtherType, the DSAP stands in for it.
    fn llc(&mut self, view: View<'a>) -> Result<Step<'a>, Malformed> {
        self.context.met(LayerSet::LLC);
        let ([dsap, ssap, control], rest) = view.split::<3>().ok_or(Malformed::LinkTruncated)?;
        match [*dsap, *ssap, *control] {
            SNAP => self.snap(rest),
            [SAP_IP, SAP_IP, UNNUMBERED] => Ok(Step::Next(Layer::EtherType(ethertype::IPV4, rest))),
            [dsap, ssap, control] => {
                self.context.ethertype = u16::from(dsap);
                let payload = match control & 3 {
                    // Not LLC but IPX right behind the length: its checksum is always 0xffff.
                    _ if [dsap, ssap] == [0xff, 0xff] => view,
                    3 => rest,
                    _ => rest.skip(1).ok_or(Malformed::LinkTruncated)?,
                };
                Ok(self.other(payload))
            }
        }
    }

    fn snap(&mut self, view: View<'a>) -> Result<Step<'a>, Malformed> {
        let ([organisation @ .., a, b], rest) = view.split::<5>().ok_or(Malformed::LinkTruncated)?;
        let number = u16::from_be_bytes([*a, *b]);
        if matches!(organisation, [0, 0, 0 | 0xf8]) && number >= ethertype::FIRST {
            return Ok(Step::Next(Layer::EtherType(number, rest)));
        }
        self.context.ethertype = number;
        Ok(self.other(rest))
    }

    fn mpls(&mut self, view: View<'a>) -> Result<Step<'a>, Malformed> {
        self.context.met(LayerSet::MPLS);
        match behind_labels(pop_labels(view)?) {
            Some(layer) => Ok(Step::Next(layer)),
            None => Ok(self.other(view)),
        }
    }

    /// Cisco FabricPath: two bytes of tree and hop count before a whole Ethernet frame.
    fn fabric_path(&self, view: View<'a>) -> Step<'a> {
        match view.skip(2) {
            Some(frame) if is_plausible_ethernet(frame) => Step::Next(Layer::Ethernet(frame)),
            _ => self.other(view),
        }
    }

    /// PPPoE session stage (RFC 2516, 4).
    fn pppoe(&mut self, view: View<'a>) -> Result<Step<'a>, Malformed> {
        self.context.met(LayerSet::PPPOE);
        let ([version, code, _, _, a, b], rest) = view.split::<6>().ok_or(Malformed::TagTruncated)?;
        if [*version, *code] != [0x11, 0] {
            return Ok(self.other(view));
        }
        Ok(Step::Next(Layer::Ppp(rest.limit(usize::from(u16::from_be_bytes([*a, *b]))))))
    }

    /// PPP (RFC 1661, 2), the protocol field in one or two bytes (6.5), address and control there or not (6.6).
    fn ppp(&mut self, view: View<'a>) -> Result<Step<'a>, Malformed> {
        let header = match view.split::<2>() {
            Some(([0xff, 0x03], rest)) => rest,
            _ => view,
        };
        let (number, rest) = match header.bytes() {
            [low, ..] if low & 1 == 1 => (u16::from(*low), header.skip(1)),
            [high, low, ..] => (u16::from_be_bytes([*high, *low]), header.skip(2)),
            _ => return Err(Malformed::LinkTruncated),
        };
        let rest = rest.ok_or(Malformed::LinkTruncated)?;
        match number {
            PPP_IPV4 => Ok(Step::Next(Layer::EtherType(ethertype::IPV4, rest))),
            PPP_IPV6 => Ok(Step::Next(Layer::EtherType(ethertype::IPV6, rest))),
            PPP_MPLS => Ok(Step::Next(Layer::EtherType(ethertype::MPLS, rest))),
            PPP_MPLS_UPSTREAM => Ok(Step::Next(Layer::EtherType(ethertype::MPLS_UPSTREAM, rest))),
            _ => Ok(self.other(self.carried.unwrap_or(view))),
        }
    }

    fn dot11(&mut self, view: View<'a>, variant: Variant) -> Result<Step<'a>, Malformed> {
        let frame = dot11::read(view, variant)?;
        self.macs = Some(frame.macs);
        match frame.body {
            Body::Llc(llc) => Ok(Step::Next(Layer::Llc(llc))),
            Body::Opaque(payload) => Ok(self.other(payload)),
        }
    }

    fn other(&self, payload: View<'a>) -> Step<'a> {
        Step::End(Network::Other(Other { macs: self.macs, payload }))
    }
}

/// An EtherType, or the length of an LLC frame (IEEE 802.3, 3.2.6).
fn type_or_length(number: [u8; 2], rest: View<'_>) -> Step<'_> {
    match u16::from_be_bytes(number) {
        number @ ethertype::FIRST.. => Step::Next(Layer::EtherType(number, rest)),
        length => Step::Next(Layer::Llc(rest.limit(usize::from(length)))),
    }
}

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
        return Some(Layer::EtherType(number, view));
    }
    if version == 0
        && let Some(frame) = view.skip(4)
        && is_plausible_ethernet(frame)
    {
        return Some(Layer::Ethernet(frame));
    }
    is_plausible_ethernet(view).then_some(Layer::Ethernet(view))
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
pub(super) fn is_known(number: u16, other: &Other<'_>) -> bool {
    other.macs.is_some_and(|macs| macs.source[0] & 1 == 0)
        && (is_known_ethertype(number)
            || matches!(number, LLC_SPANNING_TREE | LLC_NETBIOS | LLC_ISIS | 0x0104 | 0x010b | 0x0111))
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
const UNNUMBERED: u8 = 0x03;
const SNAP: [u8; 3] = [0xaa, 0xaa, UNNUMBERED];
const LLC_SPANNING_TREE: u16 = 0x42;
const LLC_NETBIOS: u16 = 0xf0;
const LLC_ISIS: u16 = 0xfe;

// PPP protocol numbers (IANA).
const PPP_IPV4: u16 = 0x0021;
const PPP_IPV6: u16 = 0x0057;
const PPP_MPLS: u16 = 0x0281;
const PPP_MPLS_UPSTREAM: u16 = 0x0283;
