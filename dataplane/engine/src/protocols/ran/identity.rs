//! Networks by their codes.

use arrayvec::ArrayVec;

/// A public land mobile network: country and network code (3GPP TS 24.008, 10.5.1.13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::protocols) struct Plmn {
    country: [u8; 3],
    network: [u8; 3],
    network_len: usize,
}

impl Plmn {
    /// Reads six digits, of which the last of the network code may be a filler.
    pub(in crate::protocols) fn read([first, second, third]: [u8; 3]) -> Option<Self> {
        let country = [first & 0xf, first >> 4, second & 0xf];
        let network = [third & 0xf, third >> 4, second >> 4];
        let network_len = if second >> 4 == 0xf { 2 } else { 3 };
        let digits = country.iter().chain(network.get(..network_len)?);
        digits.clone().all(|digit| *digit < 10).then_some(Self { country, network, network_len })
    }

    /// The country's three digits from the start of an identity in swapped digits (TS 23.003, 2.2), and, of the two or three
    /// of the network, those two that all have.
    pub(in crate::protocols) fn of_identity(digits: &[u8]) -> Option<Self> {
        let [first, second, third, ..] = *digits else { return None };
        let country = [first & 0xf, first >> 4, second & 0xf];
        let network = [second >> 4, third & 0xf, 0];
        country.iter().chain(network.get(..2)?).all(|digit| *digit < 10).then_some(Self {
            country,
            network,
            network_len: 2,
        })
    }

    /// "262-01".
    pub(in crate::protocols) fn text(&self) -> ArrayVec<u8, 7> {
        let mut text = ArrayVec::new();
        let network = self.network.get(..self.network_len).unwrap_or_default();
        for digit in self.country {
            text.push(b'0' + digit);
        }
        text.push(b'-');
        for digit in network {
            text.push(b'0' + digit);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_in_their_places_and_others_refused() {
        assert_eq!(Plmn::read([0x62, 0xf2, 0x10]).unwrap().text().as_slice(), b"262-01");
        assert_eq!(Plmn::read([0x13, 0x00, 0x14]).unwrap().text().as_slice(), b"310-410");
        assert_eq!(Plmn::read([0x1a, 0xf0, 0x10]), None);
        assert_eq!(Plmn::of_identity(&[0x00, 0x01, 0x10, 0x32]).unwrap().text().as_slice(), b"001-00");
    }
}
