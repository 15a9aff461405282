//! IPv4 without DF in pieces that fit the tunnel, before they are sealed (RFC 791, 3.2; RFC 4303, 3.3.4).

use wire::checksum;

use crate::inner::{IPV4_DONT_FRAGMENT, IPV4_HEADER, IPV4_MORE, IPV4_OFFSET, Inner, Version};
use crate::packet::Packet;

/// The fragments of one IPv4 packet, each written where the caller wants it.
#[derive(Clone, Debug)]
pub struct Fragments<'a> {
    packet: &'a [u8],
    header: usize,
    /// Data not yet given, as a place in the packet.
    at: usize,
    mtu: usize,
}

impl<'a> Fragments<'a> {
    /// Fragments of at most `mtu` bytes; `None` for anything but a sound IPv4 packet without DF, and for an MTU that
    /// takes no data. A packet that fits is one fragment, which is itself.
    #[must_use]
    pub fn new(packet: &'a [u8], mtu: u16) -> Option<Self> {
        let inner = Inner::parse(packet).filter(|inner| inner.version == Version::V4)?;
        let packet = packet.get(..inner.len)?;
        let [first, _, _, _, _, _, f0, f1, ..] = *packet else { return None };
        let header = usize::from(first & 15) * 4;
        let data = packet.len().checked_sub(header)?;
        let mtu = usize::from(mtu);
        let flags = u16::from_be_bytes([f0, f1]);
        let is_allowed = flags & IPV4_DONT_FRAGMENT == 0 && mtu >= header + UNIT;
        // The last of it must have an offset that can be written.
        let end = usize::from(flags & IPV4_OFFSET) * UNIT + data;
        (is_allowed && end <= usize::from(u16::MAX)).then_some(Self { packet, header, at: header, mtu })
    }

    /// Writes the next fragment into `place`, whose headroom stays; `None` when there are no more, `Some(false)` when
    /// it has no room (the fragment stays the next one).
    pub fn next_into(&mut self, place: &mut Packet<'_>) -> Option<bool> {
        let data = self.packet.get(self.at..).filter(|rest| !rest.is_empty())?;
        place.reset(place.headroom());
        let mut header = [0; HEADER_MAX];
        let header_len = self.write_header(&mut header)?;
        let most = (self.mtu - header_len) / UNIT * UNIT;
        // Only the last one may have a length that is no multiple of eight, and it may fill the MTU.
        let len = if data.len() <= self.mtu - header_len { data.len() } else { most };
        let header = header.get_mut(..header_len)?;
        self.finish_header(header, len, data.len() > len)?;
        if !place.append(header) || !place.append(data.get(..len)?) {
            place.reset(place.headroom());
            return Some(false);
        }
        self.at += len;
        Some(true)
    }

    /// The header with the options that this fragment has: all in the first one, then those to be copied.
    fn write_header(&self, header: &mut [u8; HEADER_MAX]) -> Option<usize> {
        let original = self.packet.get(..self.header)?;
        if self.at == self.header {
            header.get_mut(..self.header)?.copy_from_slice(original);
            return Some(self.header);
        }
        let (fixed, mut options) = original.split_at_checked(IPV4_HEADER)?;
        header.get_mut(..IPV4_HEADER)?.copy_from_slice(fixed);
        let mut len = IPV4_HEADER;
        while let Some((&kind, rest)) = options.split_first() {
            let skip = match (kind, rest.first()) {
                (0, _) => break,
                (1, _) => 1,
                (_, Some(&skip @ 2..)) if usize::from(skip) <= options.len() => usize::from(skip),
                // Options that cannot be read are left behind.
                _ => break,
            };
            let (option, following) = options.split_at_checked(skip)?;
            if kind & COPIED != 0 {
                header.get_mut(len..len + skip)?.copy_from_slice(option);
                len += skip;
            }
            options = following;
        }
        // The padding is "end of options", which is 0.
        let padded = len.next_multiple_of(4);
        header.get_mut(len..padded)?.fill(0);
        Some(padded)
    }

    fn finish_header(&self, header: &mut [u8], data: usize, has_more: bool) -> Option<()> {
        let total = u16::try_from(header.len() + data).ok()?.to_be_bytes();
        let words = u8::try_from(header.len() / 4).ok()?;
        let [first, _, l0, l1, _, _, f0, f1, ..] = header else { return None };
        *first = 0x40 | words;
        [*l0, *l1] = total;
        let was = u16::from_be_bytes([*f0, *f1]);
        let offset = (was & IPV4_OFFSET) + u16::try_from((self.at - self.header) / UNIT).ok()?;
        // The last piece of what is a fragment already is followed by others if that was.
        let more = if has_more { IPV4_MORE } else { was & IPV4_MORE };
        [*f0, *f1] = (offset | more | was & RESERVED).to_be_bytes();
        header.get_mut(10..12)?.fill(0);
        let sum = checksum::internet(header).to_be_bytes();
        header.get_mut(10..12)?.copy_from_slice(&sum);
        Some(())
    }
}

/// Offsets count these.
const UNIT: usize = 8;
const HEADER_MAX: usize = 60;
const COPIED: u8 = 0x80;
const RESERVED: u16 = 0x8000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use proptest::prelude::*;

    fn pieces(packet: &[u8], mtu: u16) -> Vec<Vec<u8>> {
        let mut fragments = Fragments::new(packet, mtu).unwrap();
        let mut all = Vec::new();
        let mut storage = vec![0; 70_000];
        let mut place = Packet::new(&mut storage, 68..68).unwrap();
        while let Some(fitted) = fragments.next_into(&mut place) {
            assert!(fitted);
            assert_eq!(place.headroom(), 68);
            all.push(place.bytes().to_vec());
        }
        all
    }

    /// Puts pieces together as a receiver does.
    fn reassemble(pieces: &[Vec<u8>]) -> (Vec<u8>, bool) {
        let mut data = Vec::new();
        let mut more = true;
        for piece in pieces {
            let header = usize::from(piece[0] & 15) * 4;
            assert!(checksum::is_intact(&piece[..header]));
            assert_eq!(usize::from(u16::from_be_bytes([piece[2], piece[3]])), piece.len());
            let field = u16::from_be_bytes([piece[6], piece[7]]);
            assert!(more);
            more = field & IPV4_MORE != 0;
            data.resize(usize::from(field & IPV4_OFFSET) * 8, 0);
            data.extend(&piece[header..]);
        }
        (data, more)
    }

    #[test]
    fn options_to_be_copied_are_in_every_fragment_and_others_in_the_first() {
        let mut packet = sample::udp_v4(2000);
        // Record route (not copied) and a security option (copied).
        let options = [7, 7, 4, 0, 0, 0, 0, 130, 4, 9, 9, 0];
        packet.splice(20..20, options);
        packet[0] = 0x48;
        let len = u16::try_from(packet.len()).unwrap();
        packet[2..4].copy_from_slice(&len.to_be_bytes());
        let pieces = pieces(&packet, 900);
        assert_eq!(pieces[0][20..32], options);
        assert!(pieces.len() > 2);
        for piece in &pieces[1..] {
            assert_eq!(piece[0], 0x46);
            assert_eq!(piece[20..24], [130, 4, 9, 9]);
        }
        assert_eq!(reassemble(&pieces), (packet[32..].to_vec(), false));
    }

    #[test]
    fn a_fragment_of_a_fragment_keeps_its_offset_and_its_followers() {
        let mut packet = sample::udp_v4(1000);
        packet[6..8].copy_from_slice(&(IPV4_MORE | 100).to_be_bytes());
        let pieces = pieces(&packet, 600);
        let (data, more) = reassemble(&pieces);
        assert_eq!((&data[800..], more), (&packet[20..], true));
    }

    #[test]
    fn what_may_not_be_fragmented_is_not() {
        let mut packet = sample::udp_v4(1000);
        packet[6] = 0x40;
        assert!(Fragments::new(&packet, 600).is_none());
        assert!(Fragments::new(&sample::udp_v6(1000), 600).is_none());
        assert!(Fragments::new(&sample::udp_v4(1000), 27).is_none());
        assert!(Fragments::new(&[0x45; 19], 600).is_none());
        // An IPv6 packet whose traffic class would be a header longer than all of it.
        assert!(Fragments::new(&[&[0x6e][..], &[0; 39]].concat(), 600).is_none());
    }

    #[test]
    fn a_place_without_room_can_be_tried_again_with_another() {
        let packet = sample::udp_v4(1000);
        let mut fragments = Fragments::new(&packet, 600).unwrap();
        let mut small = [0; 100];
        assert_eq!(fragments.next_into(&mut Packet::new(&mut small, 0..0).unwrap()), Some(false));
        let mut large = [0; 600];
        let mut place = Packet::new(&mut large, 0..0).unwrap();
        assert_eq!(fragments.next_into(&mut place), Some(true));
        assert_eq!(place.bytes()[20..], packet[20..20 + 576]);
    }

    proptest! {
        #[test]
        fn fragments_fit_and_make_the_packet_again(payload in 0_usize..9000, mtu in 68_u16..2000) {
            let packet = sample::udp_v4(payload);
            let pieces = pieces(&packet, mtu);
            prop_assert!(pieces.iter().all(|piece| piece.len() <= usize::from(mtu)));
            prop_assert_eq!(reassemble(&pieces), (packet[20..].to_vec(), false));
        }
    }
}
