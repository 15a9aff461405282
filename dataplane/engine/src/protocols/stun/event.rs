//! What a flow of STUN messages says, and the `stun` event.

use core::net::SocketAddr;

use arrayvec::ArrayVec;

use super::message::{Class, Message, method_name};
use crate::record::{Datum, EventWriter};

/// Names that the parser gives to services, so that a plan can number them.
pub(in crate::protocols) static SERVICES: &[&str] = &[MICROSOFT];

const MICROSOFT: &str = "Teams";

/// What was seen so far.
#[derive(Debug, Default)]
pub(in crate::protocols) struct Seen {
    methods: ArrayVec<u16, 8>,
    /// Requests, indications, responses and errors.
    counts: [u32; 4],
    software: ArrayVec<u8, MAX_TEXT>,
    realm: ArrayVec<u8, MAX_TEXT>,
    username: ArrayVec<u8, MAX_TEXT>,
    mapped: Option<SocketAddr>,
    relayed: Option<SocketAddr>,
    peer: Option<SocketAddr>,
    error: Option<u16>,
    /// ICE's attributes (RFC 8445 7.1): USERNAME is then a pair of fragments and no name.
    is_ice: bool,
    is_nominated: bool,
    has_integrity: bool,
    is_classic: bool,
    service: Option<&'static str>,
    channel_data: u32,
}

impl Seen {
    /// Whether any message came.
    pub(in crate::protocols) fn is_any(&self) -> bool {
        !self.methods.is_empty()
    }

    /// The service that an attribute proves.
    pub(in crate::protocols) const fn service(&self) -> Option<&'static str> {
        self.service
    }

    /// Takes a message.
    pub(in crate::protocols) fn message(&mut self, message: &Message<'_>) {
        let method = message.method();
        if !self.methods.contains(&method) {
            let _ = self.methods.try_push(method);
        }
        let class = match message.class() {
            Class::Request => 0,
            Class::Indication => 1,
            Class::Success => 2,
            Class::Error => 3,
        };
        if let Some(count) = self.counts.get_mut(class) {
            *count = count.saturating_add(1);
        }
        self.is_classic |= !message.has_cookie();
        for attribute in message.attributes().take(MAX_ATTRIBUTES) {
            self.attribute(message, attribute.kind, attribute.value);
        }
    }

    /// Takes note of data in a channel of TURN.
    pub(in crate::protocols) const fn channel_data(&mut self) {
        self.channel_data = self.channel_data.saturating_add(1);
    }

    fn attribute(&mut self, message: &Message<'_>, kind: u16, value: &[u8]) {
        let address = |is_hidden| message.address(value, is_hidden);
        match kind {
            // MAPPED-ADDRESS, and the two numbers of XOR-MAPPED-ADDRESS.
            0x0001 => self.mapped = self.mapped.or_else(|| address(false)),
            0x0020 | 0x8020 => self.mapped = address(true).or(self.mapped),
            0x0006 => fill(&mut self.username, value),
            0x0008 | 0x001c => self.has_integrity = true,
            0x0009 => {
                if let Some([_, _, class, number]) = value.first_chunk::<4>() {
                    self.error = Some(u16::from(class & 7) * 100 + u16::from(*number % 100));
                }
            }
            0x0012 => self.peer = self.peer.or_else(|| address(true)),
            0x0016 => self.relayed = self.relayed.or_else(|| address(true)),
            0x0014 => fill(&mut self.realm, value),
            0x0024 | 0x8029 | 0x802a => self.is_ice = true,
            0x0025 => self.is_nominated = true,
            0x8022 => fill(&mut self.software, value),
            // [MS-ICE2] 2.2.2 and [MS-TURN] 2.2.2: candidate identifier, service quality, bandwidth, versions.
            0x8054 | 0x8055 | 0x8056 | 0x8070 | 0x8090 | 0x8095 => self.service = Some(MICROSOFT),
            _ => {}
        }
    }

    /// Writes the members of the `stun` object.
    pub(in crate::protocols) fn write(&self, event: &mut EventWriter<'_>) {
        let names = || self.methods.iter().map(|method| method_name(*method).unwrap_or("unassigned"));
        if let Some(first) = names().next() {
            event.label("type", first);
        }
        event.list("methods");
        for name in names() {
            event.label("", name);
        }
        event.close();
        for (field, count) in ["requests", "indications", "responses", "errors"].into_iter().zip(self.counts)
        {
            if count > 0 {
                event.number(field, count);
            }
        }
        for (field, text) in [("software", &self.software), ("realm", &self.realm)] {
            if !text.is_empty() {
                event.text(field, text);
            }
        }
        self.write_username(event);
        for (field, address) in [
            ("xor_mapped_address", self.mapped),
            ("relayed_address", self.relayed),
            ("peer_address", self.peer),
        ] {
            if let Some(address) = address {
                event
                    .object(field)
                    .datum("ip", Datum::Ip(address.ip()))
                    .number("port", address.port())
                    .close();
            }
        }
        if let Some(code) = self.error {
            event.number("error_code", code);
        }
        for (field, is_so) in [
            ("ice", self.is_ice),
            ("nominated", self.is_nominated),
            ("integrity", self.has_integrity),
            ("classic", self.is_classic),
        ] {
            if is_so {
                event.flag(field, true);
            }
        }
        if self.channel_data > 0 {
            event.number("channel_data", self.channel_data);
        }
        if let Some(service) = self.service {
            event.label("service", service);
        }
    }

    /// A name of TURN's long-term credentials is masked but for its first letter; ICE's fragments are made up for
    /// each session.
    fn write_username(&self, event: &mut EventWriter<'_>) {
        if self.username.is_empty() {
            return;
        }
        if self.is_ice {
            event.text("username", &self.username);
            return;
        }
        let mut masked = ArrayVec::<u8, 4>::new();
        masked.extend(self.username.first().copied().filter(u8::is_ascii_graphic));
        masked.extend(*b"***");
        event.text("username", &masked);
    }
}

/// Keeps the first text, as far as there is room.
fn fill(place: &mut ArrayVec<u8, MAX_TEXT>, value: &[u8]) {
    if place.is_empty() {
        place.extend(value.iter().copied().take(MAX_TEXT));
    }
}

/// Bytes of a text that are kept.
const MAX_TEXT: usize = 128;
/// Attributes of a message that are looked at.
const MAX_ATTRIBUTES: usize = 32;

#[cfg(test)]
mod tests {
    use wire::{FlowKey, KeyKind, Scope};

    use super::super::message::tests::message;
    use super::*;
    use crate::RecordBatch;
    use crate::record::{FlowIdentity, TunnelIdentity};

    fn texts(messages: &[Vec<u8>]) -> Vec<(&'static str, String)> {
        let mut seen = Seen::default();
        messages.iter().for_each(|bytes| seen.message(&Message::parse(bytes, 0).unwrap()));
        let (key, client) = FlowKey::new(KeyKind::Ipv4, 17, ([0, 1], 1024), ([0, 2], 443), Scope::default());
        let tunnel = TunnelIdentity::default();
        let flow = FlowIdentity { id: 1, key, client, interface: 0, vlans: [0; 2], icmp: None, tunnel };
        let mut batch = RecordBatch::default();
        seen.write(&mut batch.event(1, flow, "stun"));
        let items = batch.items(&batch.records()[0]).to_vec();
        let text = |value| String::from_utf8_lossy(batch.text(value)).into_owned();
        items.iter().map(|item| (item.name, text(item.value))).filter(|(_, text)| !text.is_empty()).collect()
    }

    #[test]
    fn names_of_users_are_masked_and_fragments_of_ice_are_not() {
        let turn = texts(&[message(0x0003, &[(6, b"alice"), (0x14, b"example.org"), (0x8022, b"test 1")])]);
        assert!(turn.contains(&("username", "a***".into())));
        assert!(turn.contains(&("realm", "example.org".into())));
        assert!(turn.contains(&("software", "test 1".into())));
        let ice = texts(&[message(0x0001, &[(6, b"abcd:efgh"), (0x24, &[0; 4])])]);
        assert!(ice.contains(&("username", "abcd:efgh".into())));
    }

    #[test]
    fn microsofts_attributes_name_the_service() {
        let texts = texts(&[message(0x0001, &[(0x8070, &[0, 0, 0, 4])])]);
        assert!(texts.contains(&("service", MICROSOFT.into())));
    }
}
