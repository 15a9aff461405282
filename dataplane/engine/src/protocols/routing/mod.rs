//! Protocols that routers speak to their neighbours: OSPF, EIGRP, PIM, IGMP, VRRP, HSRP, RIP, RIPng, BFD.
//!
//! Their messages come again and again: each is told when it says something new. How they prove who sent them is always
//! told, and a password in them never.

mod bfd;
mod eigrp;
mod hsrp;
mod igmp;
mod ospf;
mod pim;
mod rip;
#[cfg(test)]
mod tests;
mod vrrp;

use core::fmt::Debug;
use core::marker::PhantomData;
use core::net::Ipv4Addr;

use super::framed::{self, Framing, Message, Messages, Next, Report};
use super::repeated::Repeated;
use super::{Carrier, Exposure, Family, Found, Opening, Protocol};
use crate::record::{Datum, Direction, EventWriter};

/// One of these protocols.
trait Routing: Debug + Default + Send + 'static {
    const NAME: &'static str;

    /// Kind of a message, and what must change in it to be worth telling; None where it is malformed.
    fn digest(bytes: &[u8]) -> Option<(u8, &[u8])>;

    /// The name of another protocol, whose message it is.
    fn another(bytes: &[u8]) -> Option<&'static str> {
        let _ = bytes;
        None
    }

    /// Writes what a message says.
    fn write(bytes: &[u8], event: &mut EventWriter<'_>) -> Option<()>;
}

macro_rules! routing {
    ($($static:ident, $reader:path = $name:literal, $title:literal, $carrier:expr, $ports:expr, $source:literal;)*) => {
        $(
            #[doc = $title]
            pub static $static: Protocol = Protocol {
                name: $name,
                title: $title,
                family: Family::Network,
                carriers: &[$carrier],
                ports: $ports,
                exposure: Exposure::Cleartext,
                opening: Opening::any(4),
                probe: None,
                parser: Some(framed::parser::<Neighbour<$reader>>),
                events: &[$name, "anomaly"],
                source: $source,
            };
        )*
    };
}

routing! {
    OSPF, ospf::Ospf = "ospf", "OSPF", Carrier::Ip(89), &[], "RFC 2328, RFC 5340";
    EIGRP, eigrp::Eigrp = "eigrp", "EIGRP", Carrier::Ip(88), &[], "RFC 7868";
    PIM, pim::Pim = "pim", "PIM", Carrier::Ip(103), &[], "RFC 7761";
    IGMP, igmp::Igmp = "igmp", "IGMP", Carrier::Ip(2), &[], "RFC 9776";
    VRRP, vrrp::Vrrp = "vrrp", "VRRP", Carrier::Ip(112), &[], "RFC 9568, RFC 3768";
    HSRP, hsrp::Hsrp = "hsrp", "HSRP", Carrier::Udp, &[1985, 2029], "RFC 2281";
    RIP, rip::Rip = "rip", "RIP", Carrier::Udp, &[520], "RFC 2453";
    BFD, bfd::Bfd = "bfd", "BFD", Carrier::Udp, &[3784, 4784, 6784], "RFC 5880";
}

/// The Routing Information Protocol for IPv6.
pub static RIPNG: Protocol = Protocol {
    name: "ripng",
    title: "RIPng",
    ports: &[rip::NG_PORT],
    opening: Opening::one_of(24, &[1, 2]).on_ports(),
    probe: Some(rip::probe_ng),
    parser: Some(framed::parser::<Neighbour<rip::Ng>>),
    events: &["ripng", "anomaly"],
    source: "RFC 2080",
    ..RIP
};

/// One of these protocols on one flow.
#[derive(Debug, Default)]
struct Neighbour<R> {
    repeated: Repeated,
    protocol: PhantomData<R>,
}

impl<R: Routing> Messages for Neighbour<R> {
    const NAME: &'static str = R::NAME;

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        Framing::whole(bytes.len())
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        if let Some(name) = R::another(message.bytes) {
            report.refine(name, 99);
            return Ok(Next::Done);
        }
        let (kind, digest) = R::digest(message.bytes).ok_or("malformed_message")?;
        if !self.repeated.is_new(message.from, kind, digest) {
            return Ok(Next::More);
        }
        let mut event = report.event(R::NAME);
        let is_sound = R::write(message.bytes, &mut event).is_some();
        drop(event);
        if !is_sound {
            report.anomaly("truncated_message");
        }
        Ok(Next::More)
    }

    fn starts(&self, _: &[u8], _: Direction) -> Found {
        Found::No
    }

    fn clear(&mut self) {
        self.repeated = Repeated::default();
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        if self.repeated.messages() > 1 {
            report.event(R::NAME).number("messages", self.repeated.messages());
        }
    }
}

/// Writes an IPv4 address, or an identifier that looks like one.
fn address(name: &'static str, bytes: [u8; 4], event: &mut EventWriter<'_>) {
    event.datum(name, Datum::Ip(Ipv4Addr::from(bytes).into()));
}
