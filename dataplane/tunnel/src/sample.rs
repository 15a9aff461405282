//! Packets for tests.

use wire::checksum;

/// A UDP datagram with `payload` bytes of data from 10.1.0.1, port 4000, to 10.2.0.2, port 5000, without DF.
pub(crate) fn udp_v4(payload: usize) -> Vec<u8> {
    let len = u16::try_from(28 + payload).unwrap();
    let mut packet = vec![0x45, 0, 0, 0, 0x12, 0x34, 0, 0, 64, 17, 0, 0, 10, 1, 0, 1, 10, 2, 0, 2];
    packet[2..4].copy_from_slice(&len.to_be_bytes());
    fix_v4(&mut packet);
    udp(&mut packet, payload);
    packet
}

/// Its sibling from fd01::1 to fd02::2.
pub(crate) fn udp_v6(payload: usize) -> Vec<u8> {
    let len = u16::try_from(8 + payload).unwrap();
    let mut packet = vec![0x60, 0, 0, 0, 0, 0, 17, 64];
    packet[4..6].copy_from_slice(&len.to_be_bytes());
    packet.extend([0xfd, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    packet.extend([0xfd, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    udp(&mut packet, payload);
    packet
}

/// Computes the header checksum of an IPv4 packet without options anew.
pub(crate) fn fix_v4(packet: &mut [u8]) {
    packet[10..12].fill(0);
    let sum = checksum::internet(&packet[..20]);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
}

fn udp(packet: &mut Vec<u8>, payload: usize) {
    packet.extend(4000_u16.to_be_bytes());
    packet.extend(5000_u16.to_be_bytes());
    packet.extend(u16::try_from(8 + payload).unwrap().to_be_bytes());
    packet.extend([0, 0]);
    packet.extend((0..payload).map(|at| u8::try_from(at % 251).unwrap()));
}

/// A TCP segment of flags and options alone, with right checksums.
pub(crate) fn tcp_v4(flags: u8, options: &[u8]) -> Vec<u8> {
    let mut packet = udp_v4(12 + options.len());
    packet[9] = 6;
    fix_v4(&mut packet);
    let offset = u8::try_from(5 + options.len() / 4).unwrap() << 4;
    packet[24..40].copy_from_slice(&[0, 0, 0, 1, 0, 0, 0, 0, offset, flags, 0xff, 0xff, 0, 0, 0, 0]);
    packet[40..].copy_from_slice(options);
    let length = u32::try_from(packet.len() - 20).unwrap();
    let sum = checksum::Sum::new()
        .pseudo_ipv4([10, 1, 0, 1], [10, 2, 0, 2], 6, length)
        .bytes(&packet[20..])
        .checksum();
    packet[36..38].copy_from_slice(&sum.to_be_bytes());
    packet
}
