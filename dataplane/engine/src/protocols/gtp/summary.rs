//! What the information elements of a message say, of both versions, the first of each kind.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use arrayvec::ArrayVec;

use super::names;
use crate::protocols::ran::Plmn;
use crate::record::{Datum, EventWriter};

/// Ends of tunnels that are written.
const ENDPOINTS_MAX: usize = 12;
/// Bytes of an access point's name that are written.
const APN_MAX: usize = 100;

/// What is worth telling of a message.
#[derive(Debug, Default)]
pub(super) struct Summary {
    pub(super) cause: Option<u8>,
    /// Network of the subscriber, from the identity.
    pub(super) subscriber: Option<Plmn>,
    pub(super) serving_network: Option<Plmn>,
    pub(super) apn: ArrayVec<u8, APN_MAX>,
    pub(super) rat: Option<u8>,
    pub(super) address: Option<IpAddr>,
    pub(super) address_v6: Option<Ipv6Addr>,
    /// Type allocation code of the device, the first eight digits of its identity.
    pub(super) device: Option<[u8; 8]>,
    pub(super) has_number: bool,
    pub(super) bearer: Option<u8>,
    pub(super) charging_id: Option<u32>,
    pub(super) recovery: Option<u8>,
    pub(super) bearers: u32,
    pub(super) endpoints: ArrayVec<Endpoint, ENDPOINTS_MAX>,
}

/// One end of a tunnel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Endpoint {
    pub(super) interface: Option<&'static str>,
    pub(super) teid: u32,
    pub(super) address: Option<IpAddr>,
}

impl Summary {
    /// Takes an IMSI in swapped digits.
    pub(super) fn identity(&mut self, digits: &[u8]) {
        self.subscriber = self.subscriber.or_else(|| Plmn::of_identity(digits));
    }

    /// Takes the identity of a device in swapped digits.
    pub(super) fn device(&mut self, digits: &[u8]) {
        let Some(first) = digits.first_chunk::<4>() else { return };
        let mut code = [0; 8];
        for (place, digit) in code.iter_mut().zip(first.iter().flat_map(|pair| [pair & 0xf, pair >> 4])) {
            if digit > 9 {
                return;
            }
            *place = b'0' + digit;
        }
        self.device = self.device.or(Some(code));
    }

    /// Takes an access point's name: labels, each behind its length.
    pub(super) fn apn(&mut self, mut labels: &[u8]) {
        if !self.apn.is_empty() {
            return;
        }
        while let Some((len, rest)) = labels.split_first() {
            let Some((label, behind)) = rest.split_at_checked(usize::from(*len)) else { return };
            if !self.apn.is_empty() {
                let _ = self.apn.try_push(b'.');
            }
            if self.apn.try_extend_from_slice(label).is_err() {
                return;
            }
            labels = behind;
        }
    }

    /// Takes the address of a subscriber.
    pub(super) fn address(&mut self, bytes: &[u8]) {
        self.address = self.address.or_else(|| address(bytes));
    }

    /// Takes one end of a tunnel.
    pub(super) fn endpoint(&mut self, endpoint: Endpoint) {
        let _ = self.endpoints.try_push(endpoint);
    }

    /// Writes what is there.
    pub(super) fn write(&self, version: u8, event: &mut EventWriter<'_>) {
        if let Some(cause) = self.cause {
            event.number("cause_code", cause);
            if let Some(name) = names::cause(version, cause) {
                event.label("cause", name);
            }
        }
        for (name, plmn) in
            [("subscriber_network", self.subscriber), ("serving_network", self.serving_network)]
        {
            if let Some(plmn) = plmn {
                event.text(name, plmn.text().as_slice());
            }
        }
        if self.has_number {
            event.flag("has_msisdn", true);
        }
        if let Some(device) = self.device {
            event.text("device_type", &device);
        }
        if !self.apn.is_empty() {
            event.text("apn", &self.apn);
        }
        if let Some(rat) = self.rat {
            event.label("rat", names::radio(rat));
        }
        if let Some(address) = self.address {
            event.datum("address", Datum::Ip(address));
        }
        if let Some(address) = self.address_v6 {
            event.datum("address_v6", Datum::Ip(address.into()));
        }
        self.write_bearers(event);
    }

    fn write_bearers(&self, event: &mut EventWriter<'_>) {
        if let Some(bearer) = self.bearer {
            event.number("bearer", bearer);
        }
        if self.bearers > 0 {
            event.number("bearers", self.bearers);
        }
        if let Some(charging) = self.charging_id {
            event.number("charging_id", charging);
        }
        if let Some(recovery) = self.recovery {
            event.number("restart_counter", recovery);
        }
        if self.endpoints.is_empty() {
            return;
        }
        event.list("endpoints");
        for endpoint in &self.endpoints {
            event.object("");
            if let Some(interface) = endpoint.interface {
                event.label("interface", interface);
            }
            event.number("teid", endpoint.teid);
            if let Some(address) = endpoint.address {
                event.datum("address", Datum::Ip(address));
            }
            event.close();
        }
        event.close();
    }
}

/// An address of four or sixteen bytes.
pub(super) fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => bytes.first_chunk::<4>().map(|bytes| Ipv4Addr::from(*bytes).into()),
        16 => bytes.first_chunk::<16>().map(|bytes| Ipv6Addr::from(*bytes).into()),
        _ => None,
    }
}
