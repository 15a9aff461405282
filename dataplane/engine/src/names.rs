//! What the numbers in records are called: protocols, services, signatures and interfaces of one running plan.

use std::borrow::Cow;

use crate::protocols::{Exposure, Family, Protocol};
use crate::{ProtocolId, ServiceId};

/// A protocol as people and records name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtocolName {
    /// Name in `app_proto`: lower case, ASCII letters, digits and `_`.
    pub name: Cow<'static, str>,
    /// Name for people.
    pub title: Cow<'static, str>,
    /// What it is for.
    pub family: Family,
    /// What a copy of the wire gives away.
    pub exposure: Exposure,
}

impl From<&'static Protocol> for ProtocolName {
    fn from(protocol: &'static Protocol) -> Self {
        Self {
            name: Cow::Borrowed(protocol.name),
            title: Cow::Borrowed(protocol.title),
            family: protocol.family,
            exposure: protocol.exposure,
        }
    }
}

impl Family {
    /// Name as signature files write it: the folder.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Crypto => "crypto",
            Self::Database => "database",
            Self::Finance => "finance",
            Self::Game => "game",
            Self::Health => "health",
            Self::Infrastructure => "infrastructure",
            Self::Mail => "mail",
            Self::Mainframe => "mainframe",
            Self::Management => "management",
            Self::Media => "media",
            Self::Messaging => "messaging",
            Self::Network => "network",
            Self::Operational => "operational",
            Self::PeerToPeer => "peer-to-peer",
            Self::RemoteAccess => "remote-access",
            Self::Storage => "storage",
            Self::Telecom => "telecom",
            Self::Vpn => "vpn",
            Self::Web => "web",
        }
    }
}

impl Exposure {
    /// Name as signature files write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cleartext => "cleartext",
            Self::Encrypted => "encrypted",
            Self::Negotiated => "negotiated",
            Self::Unknown => "unknown",
        }
    }
}

/// The names behind [`ProtocolId`], [`ServiceId`], signature and interface numbers. Made with a plan, and valid for
/// the records made under that plan and under those it follows.
#[derive(Clone, Debug)]
pub struct Names {
    protocols: Vec<ProtocolName>,
    services: Vec<Cow<'static, str>>,
    signatures: Vec<Cow<'static, str>>,
    interfaces: Vec<Cow<'static, str>>,
}

impl Default for Names {
    fn default() -> Self {
        let unknown = ProtocolName {
            name: Cow::Borrowed("unknown"),
            title: Cow::Borrowed("Unknown"),
            family: Family::Network,
            exposure: Exposure::Unknown,
        };
        Self {
            protocols: vec![unknown],
            services: vec![Cow::Borrowed("")],
            signatures: Vec::new(),
            interfaces: Vec::new(),
        }
    }
}

impl Names {
    /// Appends a protocol; its number is its position, from 1. None where the numbers are used up.
    pub fn add_protocol(&mut self, protocol: ProtocolName) -> Option<ProtocolId> {
        let id = u16::try_from(self.protocols.len()).ok()?;
        self.protocols.push(protocol);
        Some(ProtocolId(id))
    }

    /// Appends a service; its number is its position, from 1.
    pub fn add_service(&mut self, name: impl Into<Cow<'static, str>>) -> Option<ServiceId> {
        push_name(&mut self.services, name.into()).map(ServiceId)
    }

    /// Appends a signature; its number is its position, from 0.
    pub fn add_signature(&mut self, id: impl Into<Cow<'static, str>>) -> Option<u16> {
        push_name(&mut self.signatures, id.into())
    }

    /// Appends a port or capture interface; its number is its position, from 0.
    pub fn add_interface(&mut self, name: impl Into<Cow<'static, str>>) -> Option<u16> {
        push_name(&mut self.interfaces, name.into())
    }

    /// Gives a protocol that is there another title, family and exposure.
    pub(crate) fn change_protocol(&mut self, id: ProtocolId, to: ProtocolName) {
        if let Some(protocol) = self.protocols.get_mut(usize::from(id.0)) {
            *protocol = to;
        }
    }

    /// All signatures with their numbers, from 0.
    pub(crate) fn signatures(&self) -> impl Iterator<Item = (u16, &str)> {
        (0..=u16::MAX).zip(self.signatures.iter().map(AsRef::as_ref))
    }

    /// All protocols with their numbers, "unknown" first.
    pub fn protocols(&self) -> impl ExactSizeIterator<Item = &ProtocolName> {
        self.protocols.iter()
    }

    /// All named services, without the empty one at number 0.
    pub fn services(&self) -> impl Iterator<Item = &str> {
        self.services.iter().skip(1).map(AsRef::as_ref)
    }

    /// The protocol of a number; none for a number of another plan.
    #[must_use]
    pub fn protocol(&self, id: ProtocolId) -> Option<&ProtocolName> {
        self.protocols.get(usize::from(id.0))
    }

    /// The number of a protocol by its `app_proto` name.
    #[must_use]
    pub fn protocol_id(&self, name: &str) -> Option<ProtocolId> {
        let at = self.protocols.iter().position(|protocol| protocol.name == name)?;
        u16::try_from(at).ok().map(ProtocolId)
    }

    /// The service of a number; none for 0.
    #[must_use]
    pub fn service(&self, id: ServiceId) -> Option<&str> {
        self.services.get(usize::from(id.0)).map(AsRef::as_ref).filter(|name: &&str| !name.is_empty())
    }

    /// The number of a service by its name, letter case aside.
    #[must_use]
    pub fn service_id(&self, name: &str) -> Option<ServiceId> {
        let at = self.services.iter().skip(1).position(|service| service.eq_ignore_ascii_case(name))?;
        u16::try_from(at + 1).ok().map(ServiceId)
    }

    /// The id of a signature by its number.
    #[must_use]
    pub fn signature(&self, number: u16) -> Option<&str> {
        self.signatures.get(usize::from(number)).map(AsRef::as_ref)
    }

    /// The name of an interface; none where the source has no names.
    #[must_use]
    pub fn interface(&self, number: u16) -> Option<&str> {
        self.interfaces.get(usize::from(number)).map(AsRef::as_ref).filter(|name: &&str| !name.is_empty())
    }
}

fn push_name(names: &mut Vec<Cow<'static, str>>, name: Cow<'static, str>) -> Option<u16> {
    let id = u16::try_from(names.len()).ok()?;
    names.push(name);
    Some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_zero_is_unknown_and_no_service() {
        let names = Names::default();
        assert_eq!(names.protocol(ProtocolId::UNKNOWN).unwrap().name, "unknown");
        assert_eq!(names.service(ServiceId(0)), None);
        assert_eq!(names.service_id(""), None);
    }

    #[test]
    fn what_is_added_is_found_by_number_and_by_name() {
        let mut names = Names::default();
        let id = names
            .add_protocol(ProtocolName {
                name: "modbus".into(),
                title: "Modbus".into(),
                family: Family::Operational,
                exposure: Exposure::Cleartext,
            })
            .unwrap();
        let service = names.add_service("YouTube").unwrap();
        assert_eq!(names.protocol_id("modbus"), Some(id));
        assert_eq!(names.service_id("youtube"), Some(service));
        assert_eq!(names.service(service), Some("YouTube"));
        assert_eq!(names.add_signature("iec104-u-frame"), Some(0));
        assert_eq!(names.signature(0), Some("iec104-u-frame"));
        assert_eq!(names.interface(0), None);
    }
}
