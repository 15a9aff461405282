//! The `dns`, `mdns` and `llmnr` events, in the names of Suricata's EVE output, version 2: one for each question of
//! a query, one for each response.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Dialect;
use super::message::{HEADER_LEN, Header, Question, Record, WalkError, name_text, question, record};
use super::rdata::{DataWriter, GROUPED};
use super::registry::{edns_option_name, rcode_name, type_name};
use crate::protocols::Output;
use crate::record::{Datum, EventWriter};

/// Questions of one query that get an event.
const QUESTIONS_MAX: u16 = 16;
/// Records of one section that are written.
const RECORDS_MAX: u16 = 64;
/// Records of a message that are read: those after a longer answer say nothing more about it.
const WALKED_MAX: u16 = 512;

/// A message to write about.
pub(super) struct Message<'a> {
    /// The whole of it.
    pub(super) bytes: &'a [u8],
    /// Its header.
    pub(super) header: Header,
    /// What it is of.
    pub(super) dialect: Dialect,
    /// Number of the transaction within the flow: of the query, for a response to a query that was seen.
    pub(super) tx_id: u64,
}

impl Message<'_> {
    /// Writes the events.
    ///
    /// # Errors
    /// What stopped the reading; what was read until there was written.
    pub(super) fn write(&self, scratch: &mut Vec<u8>, out: &mut Output<'_>) -> Result<(), WalkError> {
        if self.header.flags.qr() {
            self.write_response(scratch, out)
        } else {
            self.write_query(scratch, out)
        }
    }

    /// Whether this is the exchange of a DNSCrypt certificate: a question for TXT of "2.dnscrypt-cert." and a
    /// provider, or the certificate, which starts with "DNSC" and a version (draft-denis-dprive-dnscrypt, 8).
    pub(super) fn is_dnscrypt(&self) -> bool {
        const TXT: u16 = 16;
        let Ok((asked, at)) = question(self.bytes, HEADER_LEN) else { return false };
        if self.header.questions != 1 || asked.kind != TXT {
            return false;
        }
        let name = self.bytes.get(asked.name..at).unwrap_or_default();
        if name.starts_with(b"\x012")
            && name.get(2..).is_some_and(|rest| rest.starts_with(b"\x0ddnscrypt-cert"))
        {
            return true;
        }
        let [answers, ..] = self.header.records;
        let certificate = (answers > 0).then(|| record(self.bytes, at).ok()).flatten();
        let data =
            certificate.filter(|(read, _)| read.kind == TXT).and_then(|(read, _)| self.bytes.get(read.data));
        matches!(data, Some([length, b'D', b'N', b'S', b'C', 0, 1 | 2, ..]) if *length >= 124)
    }

    fn write_query(&self, scratch: &mut Vec<u8>, out: &mut Output<'_>) -> Result<(), WalkError> {
        let mut at = HEADER_LEN;
        for _ in 0..self.header.questions.min(QUESTIONS_MAX) {
            let (asked, after) = question(self.bytes, at)?;
            at = after;
            let mut event = out.event(self.dialect.name());
            self.write_head("query", &mut event);
            self.write_question(&asked, scratch, &mut event)?;
            if self.header.questions > QUESTIONS_MAX {
                event.number("queries", self.header.questions);
            }
            if self.header.questions == 1 {
                self.write_additionals(at, scratch, &mut event)?;
            }
        }
        if self.header.questions == 0 {
            // An inverse query (RFC 1035, 6.4), an UPDATE without a zone, a DSO message (RFC 8490).
            self.write_head("query", &mut out.event(self.dialect.name()));
        }
        Ok(())
    }

    /// What an OPT record of a query with one question says.
    fn write_additionals(
        &self,
        mut at: usize,
        scratch: &mut Vec<u8>,
        event: &mut EventWriter<'_>,
    ) -> Result<(), WalkError> {
        for _ in 0..self.header.record_count().min(u32::from(WALKED_MAX)) {
            let (read, after) = record(self.bytes, at)?;
            at = after;
            if read.kind == OPT {
                self.write_edns(&read, scratch, event);
                break;
            }
        }
        Ok(())
    }

    fn write_response(&self, scratch: &mut Vec<u8>, out: &mut Output<'_>) -> Result<(), WalkError> {
        let mut event = out.event(self.dialect.name());
        event.number("version", 2_u8);
        self.write_head("answer", &mut event);
        let read = self.write_sections(scratch, &mut event);
        if read.is_err() {
            event.flag("incomplete", true);
        }
        read
    }

    fn write_sections(&self, scratch: &mut Vec<u8>, event: &mut EventWriter<'_>) -> Result<(), WalkError> {
        let mut at = HEADER_LEN;
        for number in 0..self.header.questions.min(QUESTIONS_MAX) {
            let (asked, after) = question(self.bytes, at)?;
            at = after;
            if number == 0 {
                self.write_question(&asked, scratch, event)?;
            }
        }
        let [answers, authorities, additionals] = self.header.records;
        let answers_at = at;
        let mut extension = 0;
        // The response code may have its high bits in the last section: look there before it is written.
        let walked = self.walk_sections(at, |section, read| {
            if section == 2 && read.kind == OPT {
                extension = read.ttl.to_be_bytes()[0];
            }
        });
        self.write_rcode(extension, scratch, event);
        if self.header.questions > QUESTIONS_MAX {
            return walked;
        }
        at = self.write_section("answers", answers, at, scratch, event)?;
        self.write_grouped(answers, answers_at, scratch, event);
        at = self.write_section("authorities", authorities, at, scratch, event)?;
        for _ in 0..additionals.min(RECORDS_MAX) {
            let (read, after) = record(self.bytes, at)?;
            at = after;
            if read.kind == OPT {
                self.write_edns(&read, scratch, event);
                break;
            }
        }
        walked
    }

    /// Shows every record with the number of its section.
    fn walk_sections(&self, mut at: usize, mut show: impl FnMut(usize, &Record)) -> Result<(), WalkError> {
        let mut left = WALKED_MAX;
        for (section, count) in self.header.records.into_iter().enumerate() {
            for _ in 0..count {
                if left == 0 {
                    return Ok(());
                }
                left -= 1;
                let (read, after) = record(self.bytes, at)?;
                at = after;
                show(section, &read);
            }
        }
        Ok(())
    }

    fn write_head(&self, kind: &'static str, event: &mut EventWriter<'_>) {
        let flags = self.header.flags;
        event.label("type", kind).number("id", self.header.id).number("tx_id", self.tx_id);
        event.text("flags", &hexadecimal(flags.0));
        for (name, set) in [
            ("qr", flags.qr()),
            ("aa", flags.aa()),
            ("tc", flags.tc()),
            ("rd", flags.rd()),
            ("ra", flags.ra()),
            ("z", flags.z()),
            ("ad", flags.ad()),
            ("cd", flags.cd()),
        ] {
            // Only what is set, as Suricata has it.
            if set {
                event.flag(name, true);
            }
        }
        event.number("opcode", flags.opcode());
    }

    fn write_question(
        &self,
        asked: &Question,
        scratch: &mut Vec<u8>,
        event: &mut EventWriter<'_>,
    ) -> Result<(), WalkError> {
        name_text(self.bytes, asked.name, scratch)?;
        event.text("rrname", scratch);
        write_type(asked.kind, scratch, event);
        if self.dialect == Dialect::Mdns && asked.class & TOP_BIT != 0 {
            event.flag("unicast_response", true);
        }
        Ok(())
    }

    fn write_rcode(&self, extension: u8, scratch: &mut Vec<u8>, event: &mut EventWriter<'_>) {
        let rcode = (u16::from(extension) << 4) | u16::from(self.header.flags.rcode());
        match rcode_name(rcode) {
            Some(name) => event.label("rcode", name),
            None => {
                decimal(rcode, scratch);
                event.text("rcode", scratch)
            }
        };
    }

    /// Writes `count` records from `at` on. Gives where the next section starts.
    fn write_section(
        &self,
        name: &'static str,
        count: u16,
        mut at: usize,
        scratch: &mut Vec<u8>,
        event: &mut EventWriter<'_>,
    ) -> Result<usize, WalkError> {
        if count == 0 {
            return Ok(at);
        }
        let mut result = Ok(());
        event.list(name);
        for number in 0..count.min(WALKED_MAX) {
            let (read, after) = match record(self.bytes, at) {
                Ok(read) => read,
                Err(error) => {
                    result = Err(error);
                    break;
                }
            };
            at = after;
            if number < RECORDS_MAX {
                event.object("");
                result = self.write_record(&read, scratch, event);
                event.close();
            }
            if result.is_err() {
                break;
            }
        }
        event.close();
        result.map(|()| at)
    }

    fn write_record(
        &self,
        read: &Record,
        scratch: &mut Vec<u8>,
        event: &mut EventWriter<'_>,
    ) -> Result<(), WalkError> {
        name_text(self.bytes, read.name, scratch)?;
        event.text("rrname", scratch);
        write_type(read.kind, scratch, event);
        event.number("ttl", read.ttl);
        if read.data.is_empty() {
            // As in the prerequisites and deletions of UPDATE (RFC 2136).
            return Ok(());
        }
        DataWriter { message: self.bytes, scratch, event }.data(read)
    }

    /// Writes the values of the answers by type. The records were read before: they are sound.
    fn write_grouped(&self, answers: u16, start: usize, scratch: &mut Vec<u8>, event: &mut EventWriter<'_>) {
        let mut is_open = false;
        for kind in GROUPED {
            let mut is_listed = false;
            let mut at = start;
            for _ in 0..answers.min(RECORDS_MAX) {
                let Ok((read, after)) = record(self.bytes, at) else { break };
                at = after;
                if read.kind != kind || read.data.is_empty() {
                    continue;
                }
                if !is_open {
                    event.object("grouped");
                    is_open = true;
                }
                if !is_listed {
                    event.list(type_name(kind).unwrap_or_default());
                    is_listed = true;
                }
                if (DataWriter { message: self.bytes, scratch, event }).value("", &read).is_err() {
                    break;
                }
            }
            if is_listed {
                event.close();
            }
        }
        if is_open {
            event.close();
        }
    }

    /// The OPT record (RFC 6891, 6.1.2).
    fn write_edns(&self, opt: &Record, scratch: &mut Vec<u8>, event: &mut EventWriter<'_>) {
        event.object("edns").number("version", opt.ttl.to_be_bytes()[1]).number("udp_size", opt.class);
        if opt.ttl & 0x8000 != 0 {
            event.flag("do", true);
        }
        let data = self.bytes.get(opt.data.clone()).unwrap_or_default();
        if !data.is_empty() {
            event.list("options");
            for (code, _) in options(data) {
                match edns_option_name(code) {
                    Some(name) => event.label("", name),
                    None => {
                        decimal(code, scratch);
                        event.text("", scratch)
                    }
                };
            }
            event.close();
        }
        if let Some((_, subnet)) = options(data).find(|(code, _)| *code == 8) {
            write_client_subnet(subnet, event);
        }
        if let Some((_, [high, low, text @ ..])) = options(data).find(|(code, _)| *code == 15) {
            // RFC 8914.
            event.number("ede_code", u16::from_be_bytes([*high, *low])).text("ede_text", text);
        }
        event.close();
    }
}

/// EDNS options: codes and data.
fn options(mut data: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let next = move || {
        let ([a, b, c, d], rest) = data.split_first_chunk()?;
        let (value, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([*c, *d])))?;
        data = rest;
        Some((u16::from_be_bytes([*a, *b]), value))
    };
    core::iter::from_fn(next).take(16)
}

/// RFC 7871, 6.
fn write_client_subnet(data: &[u8], event: &mut EventWriter<'_>) {
    let Some(([0, family @ 1..=2, source, _], address)) = data.split_first_chunk() else { return };
    let mut octets = [0; 16];
    for (to, from) in octets.iter_mut().zip(address) {
        *to = *from;
    }
    let address = match (family, octets.first_chunk::<4>()) {
        (1, Some(four)) => IpAddr::V4(Ipv4Addr::from(*four)),
        _ => IpAddr::V6(Ipv6Addr::from(octets)),
    };
    event.object("client_subnet").datum("address", Datum::Ip(address)).number("prefix", *source).close();
}

fn write_type(kind: u16, scratch: &mut Vec<u8>, event: &mut EventWriter<'_>) {
    if let Some(name) = type_name(kind) {
        event.label("rrtype", name);
        return;
    }
    // RFC 3597, 5.
    decimal(kind, scratch);
    scratch.splice(0..0, *b"TYPE");
    event.text("rrtype", scratch);
}

fn decimal(mut number: u16, into: &mut Vec<u8>) {
    into.clear();
    loop {
        into.push(b'0' + (number % 10) as u8);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    into.reverse();
}

fn hexadecimal(number: u16) -> [u8; 4] {
    let digit = |nibble: u16| {
        let nibble = (nibble & 0xf) as u8;
        if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }
    };
    [digit(number >> 12), digit(number >> 8), digit(number >> 4), digit(number)]
}

const OPT: u16 = 41;
/// Unicast response wanted, in a question; flush the cache, in a record (RFC 6762, 5.4 and 10.2).
const TOP_BIT: u16 = 0x8000;
