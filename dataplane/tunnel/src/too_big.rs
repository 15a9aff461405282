//! Answers to packets that are larger than a tunnel takes (RFC 1191, RFC 8201).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;

use wire::checksum::{self, Sum};

use crate::inner::{Fragment, ICMP, ICMPV6, IPV4_HEADER, IPV6_HEADER, Inner, Version};
use crate::packet::Packet;
use crate::sa::Moment;

/// Writes the answer "packet too big: `mtu`" to the sender of `refused` into `answer`, from our address of its IP.
///
/// Whether there is one: ICMP errors, later fragments, groups and packets without a proper sender get none
/// (RFC 1122, 3.2.2; RFC 4443, 2.4), nor does a packet that the answer's buffer or our addresses do not fit.
#[must_use]
pub fn answer_too_big(refused: &[u8], mtu: u16, from: &[IpAddr], answer: &mut Packet<'_>) -> bool {
    let Some(inner) = Inner::parse(refused) else { return false };
    let whole = refused.get(..inner.len).unwrap_or(refused);
    if inner.fragment == Fragment::Later || is_icmp_error(whole, &inner) || !has_sender(&inner) {
        return false;
    }
    answer.reset(answer.headroom());
    let ours = from.iter().find_map(|address| match (address, inner.version) {
        (IpAddr::V4(_), Version::V4) | (IpAddr::V6(_), Version::V6) => Some(*address),
        _ => None,
    });
    match ours {
        Some(IpAddr::V4(ours)) => answer_v4(whole, &inner, mtu, ours, answer),
        Some(IpAddr::V6(ours)) => answer_v6(whole, &inner, mtu, ours, answer),
        None => false,
    }
}

/// Destination unreachable, fragmentation needed and DF set (RFC 792, RFC 1191).
fn answer_v4(refused: &[u8], inner: &Inner, mtu: u16, ours: Ipv4Addr, answer: &mut Packet<'_>) -> bool {
    if is_group_v4(inner) {
        return false;
    }
    let quote = refused.get(..refused.len().min(QUOTE_V4)).unwrap_or_default();
    let Ok(total) = u16::try_from(IPV4_HEADER + ICMP_HEADER + quote.len()) else { return false };
    let to = source_v4(inner);
    let [l0, l1] = total.to_be_bytes();
    let mut header = [0; IPV4_HEADER];
    if let Some((fields, _)) = header.split_first_chunk_mut::<10>() {
        *fields = [0x45, PRECEDENCE, l0, l1, 0, 0, 0x40, 0, 64, ICMP];
    }
    write(&mut header, 12, &ours.octets());
    write(&mut header, 16, &to.octets());
    let sum = checksum::internet(&header);
    write(&mut header, 10, &sum.to_be_bytes());
    let [m0, m1] = mtu.to_be_bytes();
    let mut message = [3, 4, 0, 0, 0, 0, m0, m1];
    let sum = Sum::new().bytes(&message).bytes(quote).checksum();
    write(&mut message, 2, &sum.to_be_bytes());
    answer.append(&header) && answer.append(&message) && answer.append(quote)
}

/// Packet too big (RFC 4443, 3.2).
fn answer_v6(refused: &[u8], inner: &Inner, mtu: u16, ours: Ipv6Addr, answer: &mut Packet<'_>) -> bool {
    let quote = refused.get(..refused.len().min(QUOTE_V6)).unwrap_or_default();
    let Ok(payload) = u16::try_from(ICMP_HEADER + quote.len()) else { return false };
    let [source, _] = inner.addresses;
    let to = Ipv6Addr::from_bits(source);
    let [l0, l1] = payload.to_be_bytes();
    let mut header = [0; IPV6_HEADER];
    write(&mut header, 0, &[0x60, 0, 0, 0, l0, l1, ICMPV6, 64]);
    write(&mut header, 8, &ours.octets());
    write(&mut header, 24, &to.octets());
    let [m0, m1] = mtu.to_be_bytes();
    let mut message = [2, 0, 0, 0, 0, 0, m0, m1];
    let sum = Sum::new().pseudo_ipv6(ours.octets(), to.octets(), ICMPV6, u32::from(payload));
    let sum = sum.bytes(&message).bytes(quote).checksum();
    write(&mut message, 2, &sum.to_be_bytes());
    answer.append(&header) && answer.append(&message) && answer.append(quote)
}

fn write(header: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = header.get_mut(at..).and_then(|rest| rest.get_mut(..bytes.len())) {
        place.copy_from_slice(bytes);
    }
}

fn is_icmp_error(packet: &[u8], inner: &Inner) -> bool {
    let kind = packet.get(inner.transport).copied();
    match (inner.version, inner.protocol) {
        // Destination unreachable, source quench, redirect, time exceeded, parameter problem; or one that is cut off.
        (Version::V4, ICMP) => kind.is_none_or(|kind| matches!(kind, 3 | 4 | 5 | 11 | 12)),
        // Errors are below 128; redirect is 137.
        (Version::V6, ICMPV6) => kind.is_none_or(|kind| kind < 128 || kind == 137),
        _ => false,
    }
}

fn has_sender(inner: &Inner) -> bool {
    match inner.version {
        Version::V4 => {
            let source = source_v4(inner);
            let [first, ..] = source.octets();
            // 0/8 is "this network", 224/3 are groups and reserved.
            first != 0 && first < 224 && !source.is_loopback()
        }
        Version::V6 => {
            let [source, _] = inner.addresses;
            let source = Ipv6Addr::from_bits(source);
            !source.is_unspecified() && !source.is_multicast() && !source.is_loopback()
        }
    }
}

fn is_group_v4(inner: &Inner) -> bool {
    let [_, destination] = inner.addresses;
    destination >> 28 >= 14
}

fn source_v4(inner: &Inner) -> Ipv4Addr {
    let [source, _] = inner.addresses;
    #[expect(clippy::cast_possible_truncation, reason = "an IPv4 address is in the low 32 bits")]
    let bits = source as u32;
    Ipv4Addr::from_bits(bits)
}

/// How many answers may be sent: a few at once, then so many a second (RFC 1812, 4.3.2.8; RFC 4443, 2.4).
#[derive(Clone, Debug)]
pub struct AnswerRate {
    burst: u32,
    every: Duration,
    /// The moment at which all of `burst` would be free again.
    full_at: Moment,
}

impl AnswerRate {
    /// `burst` answers at once, and one more `every` so often.
    #[must_use]
    pub const fn new(burst: u32, every: Duration) -> Self {
        Self { burst, every, full_at: Moment(0) }
    }

    /// Whether another answer may be sent now; it counts as sent then.
    pub fn take(&mut self, now: Moment) -> bool {
        let next = self.full_at.max(now).after(self.every);
        let allowed = next <= now.after(self.every.saturating_mul(self.burst));
        if allowed {
            self.full_at = next;
        }
        allowed
    }
}

const ICMP_HEADER: usize = 8;
/// Internetwork control, as errors have it (RFC 1812, 4.3.2.5).
const PRECEDENCE: u8 = 0xc0;
/// As much as keeps the answer at 576 bytes (RFC 1812, 4.3.2.3).
const QUOTE_V4: usize = 576 - IPV4_HEADER - ICMP_HEADER;
/// As much as keeps the answer at 1,280 bytes (RFC 4443, 3.2).
const QUOTE_V6: usize = 1280 - IPV6_HEADER - ICMP_HEADER;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use wire::checksum::{Pseudo, icmpv6_is_intact};

    const OURS: [IpAddr; 2] =
        [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))];

    fn answer(refused: &[u8]) -> Option<Vec<u8>> {
        let mut storage = [0; 1400];
        let mut packet = Packet::new(&mut storage, 20..20).unwrap();
        answer_too_big(refused, 1400, &OURS, &mut packet).then(|| packet.bytes().to_vec())
    }

    #[test]
    fn an_ipv4_sender_is_told_the_mtu() {
        let refused = sample::udp_v4(1450);
        let answer = answer(&refused).unwrap();
        assert_eq!(answer.len(), 576);
        assert!(checksum::is_intact(&answer[..20]) && checksum::is_intact(&answer[20..]));
        assert_eq!(answer[12..20], [192, 0, 2, 1, 10, 1, 0, 1]);
        assert_eq!(answer[20..22], [3, 4]);
        assert_eq!(answer[26..28], 1400_u16.to_be_bytes());
        assert_eq!(answer[28..], refused[..548]);
    }

    #[test]
    fn an_ipv6_sender_is_told_the_mtu() {
        let refused = sample::udp_v6(1450);
        let answer = answer(&refused).unwrap();
        assert_eq!(answer.len(), 1280);
        let from = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).octets();
        assert!(icmpv6_is_intact(&answer[40..], Pseudo::Ipv6(from, refused[8..24].try_into().unwrap())));
        assert_eq!(answer[40..42], [2, 0]);
        assert_eq!(answer[44..48], 1400_u32.to_be_bytes());
        assert_eq!(answer[24..40], refused[8..24]);
    }

    #[test]
    fn errors_groups_and_later_fragments_get_no_answer() {
        let mut error = sample::udp_v4(1450);
        error[9] = ICMP;
        error[20] = 3;
        assert_eq!(answer(&error), None);
        error[20] = 8;
        assert!(answer(&error).is_some(), "an echo request is no error");
        let mut later = sample::udp_v4(1450);
        later[7] = 9;
        assert_eq!(answer(&later), None);
        let mut group = sample::udp_v4(1450);
        group[16] = 224;
        assert_eq!(answer(&group), None);
        let mut nobody = sample::udp_v6(1450);
        nobody[8..24].fill(0);
        assert_eq!(answer(&nobody), None);
        assert_eq!(answer(&[0x45; 10]), None);
    }

    #[test]
    fn a_buffer_that_is_too_small_gets_no_answer() {
        let mut storage = [0; 100];
        let mut packet = Packet::new(&mut storage, 0..0).unwrap();
        assert!(!answer_too_big(&sample::udp_v4(1450), 1400, &OURS, &mut packet));
    }

    #[test]
    fn answers_are_limited_to_a_burst_and_a_rate() {
        let mut rate = AnswerRate::new(3, Duration::from_millis(100));
        let at = |ms: u64| Moment(1_000_000_000 + ms * 1_000_000);
        let taken = |rate: &mut AnswerRate, ms| (0..10).filter(|_| rate.take(at(ms))).count();
        assert_eq!(taken(&mut rate, 0), 3);
        assert_eq!(taken(&mut rate, 99), 0);
        assert_eq!(taken(&mut rate, 200), 2);
        assert_eq!(taken(&mut rate, 10_000), 3);
    }
}
