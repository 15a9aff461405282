//! Lowers the MSS that TCP offers, so that segments fit the tunnel without anybody being told.

use wire::checksum;

use crate::inner::{IPV4_HEADER, IPV6_HEADER, Inner, TCP, Version};

/// Lowers the MSS option of a SYN (RFC 9293, 3.7.1) to what a tunnel of this MTU takes; whether it was larger.
///
/// The packet may be anything. The TCP checksum is kept as right or as wrong as it was.
#[inline]
pub fn clamp_mss(packet: &mut [u8], mtu: u16) -> bool {
    let Some(inner) = Inner::parse(packet) else { return false };
    if inner.protocol != TCP || inner.ports.is_none() {
        return false;
    }
    let ip = if inner.version == Version::V4 { IPV4_HEADER } else { IPV6_HEADER };
    let Some(most) = usize::from(mtu).checked_sub(ip + TCP_HEADER).and_then(|most| u16::try_from(most).ok())
    else {
        return false;
    };
    let Some(segment) = packet.get_mut(inner.transport..inner.len) else { return false };
    clamp_segment(segment, most)
}

fn clamp_segment(segment: &mut [u8], most: u16) -> bool {
    let Some([.., offset, flags, _, _, k0, k1, _, _]) = segment.first_chunk::<TCP_HEADER>() else {
        return false;
    };
    let header_len = usize::from(offset >> 4) * 4;
    let checksum = u16::from_be_bytes([*k0, *k1]);
    if flags & SYN == 0 || header_len < TCP_HEADER {
        return false;
    }
    let Some(options) = segment.get_mut(TCP_HEADER..header_len) else { return false };
    let Some(at) = find_mss(options) else { return false };
    let Some([old0, old1]) = options.get_mut(at..).and_then(<[u8]>::first_chunk_mut) else { return false };
    let old = u16::from_be_bytes([*old0, *old1]);
    if old <= most {
        return false;
    }
    [*old0, *old1] = most.to_be_bytes();
    // A field at an odd offset enters the sum with its bytes swapped (RFC 1071, 2B).
    let (was, is) = if at % 2 == 0 { (old, most) } else { (old.swap_bytes(), most.swap_bytes()) };
    if let Some(place) = segment.get_mut(16..18) {
        place.copy_from_slice(&checksum::update16(checksum, was, is).to_be_bytes());
    }
    true
}

/// Where the value of the MSS option starts.
fn find_mss(options: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match (*options.get(at)?, options.get(at + 1).copied()) {
            (OPTION_END, _) => return None,
            (OPTION_NOTHING, _) => at += 1,
            (OPTION_MSS, Some(4)) if at + 4 <= options.len() => return Some(at + 2),
            (_, Some(len @ 2..)) => at += usize::from(len),
            _ => return None,
        }
    }
}

const TCP_HEADER: usize = 20;
const SYN: u8 = 2;
const OPTION_END: u8 = 0;
const OPTION_NOTHING: u8 = 1;
const OPTION_MSS: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use proptest::prelude::*;
    use wire::checksum::{Pseudo, tcp_is_intact};

    fn syn(options: &[u8]) -> Vec<u8> {
        sample::tcp_v4(SYN, options)
    }

    fn is_intact(packet: &[u8]) -> bool {
        tcp_is_intact(&packet[20..], Pseudo::Ipv4([10, 1, 0, 1], [10, 2, 0, 2]))
    }

    #[test]
    fn a_larger_mss_is_lowered_and_the_checksum_stays_right() {
        for options in [&[2, 4, 5, 0xb4][..], &[1, 2, 4, 5, 0xb4, 1, 1, 1], &[3, 3, 7, 2, 4, 5, 0xb4, 0]] {
            let mut packet = syn(options);
            assert!(is_intact(&packet));
            assert!(clamp_mss(&mut packet, 1400));
            assert!(is_intact(&packet), "{options:?}");
            assert!(packet.windows(4).any(|bytes| bytes == [2, 4, 5, 0x50]));
            assert!(!clamp_mss(&mut packet, 1400));
        }
    }

    #[test]
    fn a_smaller_mss_and_a_segment_without_syn_stay_as_they_are() {
        let mut packet = syn(&[2, 4, 2, 0x18]);
        assert!(!clamp_mss(&mut packet, 1400));
        let mut packet = sample::tcp_v4(0x10, &[2, 4, 5, 0xb4]);
        assert!(!clamp_mss(&mut packet, 1400));
        assert!(!clamp_mss(&mut sample::udp_v4(100), 100));
    }

    proptest! {
        #[test]
        fn options_of_any_kind_are_survived(options in proptest::collection::vec(any::<u8>(), 0..10)) {
            let mut padded = options;
            padded.resize(padded.len().next_multiple_of(4), 0);
            let mut packet = syn(&padded);
            clamp_mss(&mut packet, 1000);
            prop_assert!(is_intact(&packet));
        }
    }
}
