//! The virtual link layer over IP (ANSI/ASHRAE 135-2020, annexes J and U) and the network layer (clause 6).

use crate::protocols::framed::Cursor;

/// A datagram of the virtual link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link<'a> {
    /// Its function by name.
    pub(super) function: &'static str,
    /// What the network layer is to read.
    pub(super) network: Option<&'a [u8]>,
    /// Result, or time to live, of functions that have one.
    pub(super) value: Option<u16>,
}

impl<'a> Link<'a> {
    /// Reads a whole datagram; None where its function or length is wrong.
    pub(super) fn read(datagram: &'a [u8]) -> Option<Self> {
        let ([kind, function, high, low], _) = datagram.split_first_chunk::<4>()?;
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if length != datagram.len() {
            return None;
        }
        match kind {
            0x81 => Self::version_4(*function, datagram),
            0x82 => Self::version_6(*function, datagram),
            _ => None,
        }
    }

    fn version_4(function: u8, datagram: &'a [u8]) -> Option<Self> {
        let length = datagram.len();
        let word = |at: usize| {
            datagram.get(at..).and_then(<[u8]>::first_chunk).map(|bytes| u16::from_be_bytes(*bytes))
        };
        let (name, network_at, fits) = match function {
            0 => ("result", None, length == 6),
            1 => ("write_broadcast_distribution_table", None, length % 10 == 4),
            2 => ("read_broadcast_distribution_table", None, length == 4),
            3 => ("read_broadcast_distribution_table_ack", None, length % 10 == 4),
            4 => ("forwarded_npdu", Some(10), length > 12),
            5 => ("register_foreign_device", None, length == 6),
            6 => ("read_foreign_device_table", None, length == 4),
            7 => ("read_foreign_device_table_ack", None, length % 10 == 4),
            8 => ("delete_foreign_device_table_entry", None, length == 10),
            9 => ("distribute_broadcast_to_network", Some(4), length > 6),
            10 => ("original_unicast_npdu", Some(4), length > 6),
            11 => ("original_broadcast_npdu", Some(4), length > 6),
            12 => ("secure_bvll", None, length > 4),
            _ => return None,
        };
        let value = if matches!(function, 0 | 5) { word(4) } else { None };
        let network = network_at.and_then(|at| datagram.get(at..));
        fits.then_some(Self { function: name, network, value })
    }

    fn version_6(function: u8, datagram: &'a [u8]) -> Option<Self> {
        let length = datagram.len();
        let (name, network_at, fits) = match function {
            0 => ("result", None, length == 9),
            1 => ("original_unicast_npdu", Some(10), length > 12),
            2 => ("original_broadcast_npdu", Some(7), length > 9),
            3 => ("address_resolution", None, length == 10),
            4 => ("forwarded_address_resolution", None, length == 28),
            5 => ("address_resolution_ack", None, length == 10),
            6 => ("virtual_address_resolution", None, length == 7),
            7 => ("virtual_address_resolution_ack", None, length == 10),
            8 => ("forwarded_npdu", Some(25), length > 27),
            9 => ("register_foreign_device", None, length == 9),
            10 => ("delete_foreign_device_table_entry", None, length == 25),
            12 => ("distribute_broadcast_to_network", Some(7), length > 9),
            _ => return None,
        };
        let network = network_at.and_then(|at| datagram.get(at..));
        fits.then_some(Self { function: name, network, value: None })
    }
}

/// An address of another network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Address<'a> {
    /// Number of the network; 65535 is all of them.
    pub(super) network: u16,
    /// Address in it; empty for all.
    pub(super) station: &'a [u8],
}

/// What follows the header of the network layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content<'a> {
    /// An application unit.
    Application(&'a [u8]),
    /// A message between routers: type, data.
    Network(u8, &'a [u8]),
}

/// The network layer's unit (6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network<'a> {
    pub(super) destination: Option<Address<'a>>,
    pub(super) source: Option<Address<'a>>,
    pub(super) content: Content<'a>,
}

impl<'a> Network<'a> {
    /// Reads a unit; None where it contradicts the standard.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        let (1, control) = (cursor.u8()?, cursor.u8()?) else { return None };
        // Reserved bits.
        if control & 0x50 != 0 {
            return None;
        }
        let mut destination = if control & 0x20 == 0 { None } else { Some(address(&mut cursor)?) };
        let source = if control & 0x08 == 0 { None } else { Some(address(&mut cursor)?) };
        if source.is_some_and(|source| source.station.is_empty() || source.network == 0xffff) {
            return None;
        }
        if let Some(destination) = &mut destination {
            // Hop count.
            cursor.u8()?;
            if destination.network == 0 {
                return None;
            }
        }
        let content = if control & 0x80 == 0 {
            Content::Application(cursor.rest())
        } else {
            let kind = cursor.u8()?;
            if kind >= 0x80 {
                cursor.u16()?;
            }
            Content::Network(kind, cursor.rest())
        };
        Some(Self { destination, source, content })
    }
}

fn address<'a>(cursor: &mut Cursor<'a>) -> Option<Address<'a>> {
    let (network, length) = (cursor.u16()?, cursor.u8()?);
    Some(Address { network, station: cursor.take(usize::from(length))? })
}

/// Messages between routers (6.2.4).
pub(super) const fn network_message(kind: u8) -> Option<&'static str> {
    Some(match kind {
        0x00 => "who_is_router_to_network",
        0x01 => "i_am_router_to_network",
        0x02 => "i_could_be_router_to_network",
        0x03 => "reject_message_to_network",
        0x04 => "router_busy_to_network",
        0x05 => "router_available_to_network",
        0x06 => "initialize_routing_table",
        0x07 => "initialize_routing_table_ack",
        0x08 => "establish_connection_to_network",
        0x09 => "disconnect_connection_to_network",
        0x0a => "challenge_request",
        0x0b => "security_payload",
        0x0c => "security_response",
        0x0d => "request_key_update",
        0x0e => "update_key_set",
        0x0f => "update_distribution_key",
        0x10 => "request_master_key",
        0x11 => "set_master_key",
        0x12 => "what_is_network_number",
        0x13 => "network_number_is",
        0x80..=0xff => "proprietary",
        _ => return None,
    })
}
