//! What the data of a resource record says, by type.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::message::{Record, WalkError, name_text};
use crate::record::{Datum, EventWriter};

/// Bytes of opaque data that are written.
const OPAQUE_MAX: usize = 256;
/// Members of a list within one record that are written.
const LIST_MAX: usize = 16;

/// Types whose data is one value, which is also listed by type in `grouped`, as Suricata does.
pub(super) const GROUPED: [u16; 8] = [1, 28, 5, 2, 12, 15, 16, 39];

/// Where a record's data is read and written.
pub(super) struct DataWriter<'a, 'b> {
    /// The whole message, for names that are compressed.
    pub(super) message: &'a [u8],
    /// Storage for text that is put together.
    pub(super) scratch: &'a mut Vec<u8>,
    /// The event.
    pub(super) event: &'a mut EventWriter<'b>,
}

impl DataWriter<'_, '_> {
    /// Writes the data of a record of a type in [`GROUPED`] as one value under `name`.
    pub(super) fn value(&mut self, name: &'static str, record: &Record) -> Result<(), WalkError> {
        let data = self.message.get(record.data.clone()).ok_or(WalkError::Truncated)?;
        match record.kind {
            1 => {
                let octets: [u8; 4] = data.try_into().map_err(|_| WalkError::Malformed)?;
                self.event.datum(name, Datum::Ip(IpAddr::V4(Ipv4Addr::from(octets))));
            }
            28 => {
                let octets: [u8; 16] = data.try_into().map_err(|_| WalkError::Malformed)?;
                self.event.datum(name, Datum::Ip(IpAddr::V6(Ipv6Addr::from(octets))));
            }
            15 => {
                self.name(name, record, 2)?;
            }
            16 => self.strings(name, data)?,
            _ => {
                self.name(name, record, 0)?;
            }
        }
        Ok(())
    }

    /// Writes the data of a record of any type.
    pub(super) fn data(&mut self, record: &Record) -> Result<(), WalkError> {
        let data = self.message.get(record.data.clone()).ok_or(WalkError::Truncated)?;
        match record.kind {
            15 => {
                self.value("rdata", record)?;
                self.event.number("preference", u16_at(data, 0)?);
            }
            kind if GROUPED.contains(&kind) => self.value("rdata", record)?,
            6 => self.soa(record)?,
            13 => self.hinfo(data)?,
            33 => self.srv(record, data)?,
            35 => self.naptr(record, data)?,
            43 | 59 => self.ds(data)?,
            44 => self.sshfp(data)?,
            46 => self.rrsig(record, data)?,
            47 => {
                self.name("rdata", record, 0)?;
            }
            48 | 60 => self.dnskey(data)?,
            52 | 53 => self.tlsa(data)?,
            64 | 65 => self.svcb(record, data)?,
            257 => self.caa(data)?,
            99 => self.strings("rdata", data)?,
            _ if !data.is_empty() => {
                self.event.hex("rdata", data.get(..OPAQUE_MAX).unwrap_or(data));
            }
            _ => {}
        }
        Ok(())
    }

    /// Writes an object; it is closed whatever becomes of its members.
    fn object(
        &mut self,
        name: &'static str,
        write: impl FnOnce(&mut Self) -> Result<(), WalkError>,
    ) -> Result<(), WalkError> {
        self.event.object(name);
        let result = write(self);
        self.event.close();
        result
    }

    /// Writes the name `offset` bytes into the record's data. Gives where it ends, within the message.
    fn name(&mut self, name: &'static str, record: &Record, offset: usize) -> Result<usize, WalkError> {
        let end = name_text(self.message, record.data.start + offset, self.scratch)?;
        if end > record.data.end {
            return Err(WalkError::Malformed);
        }
        self.event.text(name, self.scratch);
        Ok(end)
    }

    /// Writes character-strings (RFC 1035, 3.3) as one text, as RFC 7208, 3.3 reads them.
    fn strings(&mut self, name: &'static str, mut data: &[u8]) -> Result<(), WalkError> {
        self.scratch.clear();
        while !data.is_empty() {
            let (text, rest) = string(data)?;
            self.scratch.extend_from_slice(text);
            data = rest;
        }
        self.event.text(name, self.scratch);
        Ok(())
    }

    /// RFC 1035, 3.3.13.
    fn soa(&mut self, record: &Record) -> Result<(), WalkError> {
        self.object("soa", |soa| {
            let names = soa.name("mname", record, 0)?;
            let end = soa.name("rname", record, names - record.data.start)?;
            let numbers = soa.message.get(end..record.data.end).unwrap_or_default();
            for (at, name) in ["serial", "refresh", "retry", "expire", "minimum"].into_iter().enumerate() {
                soa.event.number(name, u32_at(numbers, 4 * at)?);
            }
            Ok(())
        })
    }

    /// RFC 1035, 3.3.2.
    fn hinfo(&mut self, data: &[u8]) -> Result<(), WalkError> {
        let (cpu, rest) = string(data)?;
        let (os, _) = string(rest)?;
        self.event.object("hinfo").text("cpu", cpu).text("os", os).close();
        Ok(())
    }

    /// RFC 2782.
    fn srv(&mut self, record: &Record, data: &[u8]) -> Result<(), WalkError> {
        let (priority, weight, port) = (u16_at(data, 0)?, u16_at(data, 2)?, u16_at(data, 4)?);
        self.object("srv", |srv| {
            srv.event.number("priority", priority).number("weight", weight).number("port", port);
            srv.name("name", record, 6).map(|_| ())
        })
    }

    /// RFC 3403, 4.1.
    fn naptr(&mut self, record: &Record, data: &[u8]) -> Result<(), WalkError> {
        let (order, preference) = (u16_at(data, 0)?, u16_at(data, 2)?);
        let (flags, rest) = string(data.get(4..).unwrap_or_default())?;
        let (services, rest) = string(rest)?;
        let (pattern, rest) = string(rest)?;
        self.object("naptr", |naptr| {
            naptr.event.number("order", order).number("preference", preference);
            naptr.event.text("flags", flags).text("services", services).text("regexp", pattern);
            naptr.name("replacement", record, data.len() - rest.len()).map(|_| ())
        })
    }

    /// RFC 4034, 5.1.
    fn ds(&mut self, data: &[u8]) -> Result<(), WalkError> {
        let key_tag = u16_at(data, 0)?;
        let [algorithm, digest_type] = bytes_at(data, 2)?;
        self.event.object("ds").number("key_tag", key_tag).number("algorithm", algorithm);
        self.event.number("digest_type", digest_type).hex("digest", tail(data, 4)).close();
        Ok(())
    }

    /// RFC 4255, 3.1.
    fn sshfp(&mut self, data: &[u8]) -> Result<(), WalkError> {
        let [algorithm, kind] = bytes_at(data, 0)?;
        self.event.object("sshfp").hex("fingerprint", tail(data, 2));
        self.event.number("algo", algorithm).number("type", kind).close();
        Ok(())
    }

    /// RFC 4034, 3.1.
    fn rrsig(&mut self, record: &Record, data: &[u8]) -> Result<(), WalkError> {
        let covered = u16_at(data, 0)?;
        let [algorithm, labels] = bytes_at(data, 2)?;
        let (expiration, inception, key_tag) = (u32_at(data, 8)?, u32_at(data, 12)?, u16_at(data, 16)?);
        self.object("rrsig", |rrsig| {
            rrsig
                .event
                .number("type_covered", covered)
                .number("algorithm", algorithm)
                .number("labels", labels);
            rrsig.event.number("expiration", expiration).number("inception", inception);
            rrsig.event.number("key_tag", key_tag);
            rrsig.name("signer", record, 18).map(|_| ())
        })
    }

    /// RFC 4034, 2.1. Keys are long and the same for all: their length is told.
    fn dnskey(&mut self, data: &[u8]) -> Result<(), WalkError> {
        let flags = u16_at(data, 0)?;
        let [protocol, algorithm] = bytes_at(data, 2)?;
        self.event.object("dnskey").number("flags", flags).number("protocol", protocol);
        self.event.number("algorithm", algorithm).number("key_bytes", data.len() as u64 - 4).close();
        Ok(())
    }

    /// RFC 6698, 2.1.
    fn tlsa(&mut self, data: &[u8]) -> Result<(), WalkError> {
        let [usage, selector, matching] = bytes_at(data, 0)?;
        self.event.object("tlsa").number("usage", usage).number("selector", selector);
        self.event.number("matching_type", matching).hex("data", tail(data, 3)).close();
        Ok(())
    }

    /// RFC 8659, 4.1.
    fn caa(&mut self, data: &[u8]) -> Result<(), WalkError> {
        let [flags] = bytes_at(data, 0)?;
        let (tag, value) = string(data.get(1..).unwrap_or_default())?;
        self.event.object("caa").number("flags", flags).text("tag", tag).text("value", value).close();
        Ok(())
    }

    /// RFC 9460, 2.2.
    fn svcb(&mut self, record: &Record, data: &[u8]) -> Result<(), WalkError> {
        let priority = u16_at(data, 0)?;
        self.object("svcb", |svcb| {
            svcb.event.number("priority", priority);
            let end = svcb.name("target", record, 2)?;
            svcb.svcb_parameters(svcb.message.get(end..record.data.end).unwrap_or_default())
        })
    }

    fn svcb_parameters(&mut self, mut rest: &[u8]) -> Result<(), WalkError> {
        let mut before = None;
        while !rest.is_empty() {
            let (key, length) = (u16_at(rest, 0)?, usize::from(u16_at(rest, 2)?));
            let value = rest.get(4..4 + length).ok_or(WalkError::Malformed)?;
            // Keys stand in ascending order, each once.
            if before.is_some_and(|before| before >= key) {
                return Err(WalkError::Malformed);
            }
            before = Some(key);
            self.svcb_parameter(key, value)?;
            rest = rest.get(4 + length..).unwrap_or_default();
        }
        Ok(())
    }

    fn svcb_parameter(&mut self, key: u16, mut value: &[u8]) -> Result<(), WalkError> {
        match key {
            1 => {
                self.event.list("alpn");
                for _ in 0..LIST_MAX {
                    let Ok((protocol, rest)) = string(value) else { break };
                    self.event.text("", protocol);
                    value = rest;
                }
                self.event.close();
            }
            2 => {
                self.event.flag("no_default_alpn", true);
            }
            3 => {
                self.event.number("port", u16_at(value, 0)?);
            }
            4 => {
                self.event.list("ipv4hint");
                for octets in value.as_chunks::<4>().0.iter().take(LIST_MAX) {
                    self.event.datum("", Datum::Ip(IpAddr::V4(Ipv4Addr::from(*octets))));
                }
                self.event.close();
            }
            5 => {
                self.event.flag("ech", true);
            }
            6 => {
                self.event.list("ipv6hint");
                for octets in value.as_chunks::<16>().0.iter().take(LIST_MAX) {
                    self.event.datum("", Datum::Ip(IpAddr::V6(Ipv6Addr::from(*octets))));
                }
                self.event.close();
            }
            _ => {}
        }
        Ok(())
    }
}

/// A character-string and what follows it (RFC 1035, 3.3).
fn string(data: &[u8]) -> Result<(&[u8], &[u8]), WalkError> {
    let (length, rest) = data.split_first().ok_or(WalkError::Malformed)?;
    rest.split_at_checked(usize::from(*length)).ok_or(WalkError::Malformed)
}

fn bytes_at<const N: usize>(data: &[u8], at: usize) -> Result<[u8; N], WalkError> {
    data.get(at..).and_then(<[u8]>::first_chunk).copied().ok_or(WalkError::Malformed)
}

fn u16_at(data: &[u8], at: usize) -> Result<u16, WalkError> {
    bytes_at(data, at).map(u16::from_be_bytes)
}

fn u32_at(data: &[u8], at: usize) -> Result<u32, WalkError> {
    bytes_at(data, at).map(u32::from_be_bytes)
}

fn tail(data: &[u8], at: usize) -> &[u8] {
    let tail = data.get(at..).unwrap_or_default();
    tail.get(..OPAQUE_MAX).unwrap_or(tail)
}
