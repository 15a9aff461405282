//! Packets for tests, made from the inside out, and a source of random numbers that is the same in every run.

pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;
pub(crate) const SCTP: u8 = 132;

pub(crate) const V4: u16 = 0x0800;
pub(crate) const V6: u16 = 0x86dd;
pub(crate) const ARP: u16 = 0x0806;

pub(crate) fn ethernet(ethertype: u16, payload: &[u8]) -> Vec<u8> {
    [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2][..], &ethertype.to_be_bytes(), payload].concat()
}

/// A frame behind tags of these EtherTypes, outermost first.
pub(crate) fn tagged(tags: &[u16], ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut inner = payload.to_vec();
    let mut number = ethertype;
    for (at, tag) in tags.iter().enumerate().rev() {
        let id = 0x2000 | (100 + at as u16);
        inner = [&id.to_be_bytes()[..], &number.to_be_bytes(), &inner].concat();
        number = *tag;
    }
    ethernet(number, &inner)
}

/// IPv4 with options, a flags-and-offset field and addresses 198.51.100.`source` and 192.0.2.`destination`.
pub(crate) fn ipv4_with(protocol: u8, ends: [u8; 2], place: u16, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let header_len = 20 + options.len();
    let total = (header_len + payload.len()) as u16;
    let mut packet = vec![0x40 | (header_len / 4) as u8, 0];
    packet.extend(total.to_be_bytes());
    packet.extend([0x12, 0x34]);
    packet.extend(place.to_be_bytes());
    packet.extend([64, protocol, 0, 0, 198, 51, 100, ends[0], 192, 0, 2, ends[1]]);
    packet.extend(options);
    packet.extend(payload);
    packet
}

pub(crate) fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    ipv4_with(protocol, [1, 1], 0, &[], payload)
}

/// IPv6 from 2001:db8:1::`source` to 2001:db8:2::`destination`.
pub(crate) fn ipv6_between(next: u8, ends: [u8; 2], payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend((payload.len() as u16).to_be_bytes());
    packet.extend([next, 64]);
    for (network, end) in [1, 2].into_iter().zip(ends) {
        packet.extend([0x20, 1, 0x0d, 0xb8, 0, network, 0, 0, 0, 0, 0, 0, 0, 0, 0, end]);
    }
    packet.extend(payload);
    packet
}

pub(crate) fn ipv6(next: u8, payload: &[u8]) -> Vec<u8> {
    ipv6_between(next, [1, 1], payload)
}

/// An extension header of 8 bytes.
pub(crate) fn extension(next: u8, rest: &[u8]) -> Vec<u8> {
    [&[next, 0, 0, 0, 0, 0, 0, 0][..], rest].concat()
}

/// A fragment header with this offset-and-more field.
pub(crate) fn fragment6(next: u8, place: u16, rest: &[u8]) -> Vec<u8> {
    let [a, b] = place.to_be_bytes();
    [&[next, 0, a, b, 0, 0, 0, 9][..], rest].concat()
}

pub(crate) fn tcp(source: u16, destination: u16, flags: u8, payload: &[u8]) -> Vec<u8> {
    let ports = [source.to_be_bytes(), destination.to_be_bytes()].concat();
    [&ports[..], &[0, 0, 0, 1, 0, 0, 0, 2, 0x50, flags, 1, 0, 0, 0, 0, 0], payload].concat()
}

pub(crate) fn udp(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let len = (8 + payload.len()) as u16;
    let fields = [source.to_be_bytes(), destination.to_be_bytes(), len.to_be_bytes(), [0, 0]].concat();
    [&fields[..], payload].concat()
}

pub(crate) fn sctp(source: u16, destination: u16) -> Vec<u8> {
    [&source.to_be_bytes()[..], &destination.to_be_bytes(), &[0; 24]].concat()
}

/// A request for the address of 192.0.2.1 (RFC 826).
pub(crate) fn arp() -> Vec<u8> {
    let mut packet = vec![0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 2, 198, 51, 100, 1];
    packet.extend([0, 0, 0, 0, 0, 0, 192, 0, 2, 1]);
    packet
}

/// xorshift64*: enough to mix packets.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 16) % limit
    }

    pub(crate) fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}
