//! Small captures, made packet by packet: Ethernet, IPv4, TCP and UDP in a pcap file.

const CLIENT: [u8; 4] = [192, 0, 2, 1];
const SERVER: [u8; 4] = [198, 51, 100, 7];

const SYN: u8 = 0x02;
const ACK: u8 = 0x10;
const PSH_ACK: u8 = 0x18;
const FIN_ACK: u8 = 0x11;

/// A pcap file in the making; packets are a millisecond apart.
#[derive(Debug, Default)]
pub(crate) struct Capture {
    records: Vec<u8>,
    packets: u32,
}

impl Capture {
    /// The file: little-endian pcap 2.4 with microseconds, Ethernet.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut file = Vec::new();
        file.extend(0xa1b2_c3d4_u32.to_le_bytes());
        file.extend(2_u16.to_le_bytes());
        file.extend(4_u16.to_le_bytes());
        for word in [0_u32, 0, 65_535, 1] {
            file.extend(word.to_le_bytes());
        }
        file.extend(&self.records);
        file
    }

    /// A request and its answer over TCP port 80, from handshake to FIN.
    pub(crate) fn http(&mut self, port: u16) {
        let request = b"GET /index.html HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: test\r\n\r\n";
        let answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";
        let (client_end, server_end) = (1001 + request.len() as u32, 5001 + answer.len() as u32);
        self.tcp(port, true, SYN, (1000, 0), b"");
        self.tcp(port, false, SYN | ACK, (5000, 1001), b"");
        self.tcp(port, true, ACK, (1001, 5001), b"");
        self.tcp(port, true, PSH_ACK, (1001, 5001), request);
        self.tcp(port, false, PSH_ACK, (5001, client_end), answer);
        self.tcp(port, true, FIN_ACK, (client_end, server_end), b"");
        self.tcp(port, false, FIN_ACK, (server_end, client_end + 1), b"");
        self.tcp(port, true, ACK, (client_end + 1, server_end + 1), b"");
    }

    /// A question for the address of www.example.org and its answer.
    pub(crate) fn dns(&mut self, port: u16) {
        let name = b"\x03www\x07example\x03org\x00\x00\x01\x00\x01";
        let question = [&b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"[..], name].concat();
        let answer = [
            &b"\x12\x34\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00"[..],
            name,
            b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x0e\x10\x00\x04\xcb\x00\x71\x05",
        ]
        .concat();
        self.udp(port, true, &question);
        self.udp(port, false, &answer);
    }

    /// An IPv4 header that claims to be shorter than any.
    pub(crate) fn bad_ipv4(&mut self) {
        let mut packet = ipv4(17, true, &[0; 8]);
        packet[0] = 0x44;
        self.ethernet(&packet);
    }

    fn tcp(&mut self, port: u16, to_server: bool, flags: u8, (seq, ack): (u32, u32), payload: &[u8]) {
        let mut segment = ports(port, 80, to_server);
        segment.extend(seq.to_be_bytes());
        segment.extend(ack.to_be_bytes());
        segment.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        segment.extend(payload);
        self.ethernet(&ipv4(6, to_server, &segment));
    }

    fn udp(&mut self, port: u16, to_server: bool, payload: &[u8]) {
        let mut datagram = ports(port, 53, to_server);
        datagram.extend((payload.len() as u16 + 8).to_be_bytes());
        datagram.extend([0, 0]);
        datagram.extend(payload);
        self.ethernet(&ipv4(17, to_server, &datagram));
    }

    fn ethernet(&mut self, packet: &[u8]) {
        let (length, millis) = (packet.len() as u32 + 14, self.packets);
        let (seconds, micros) = (1_700_000_000 + millis / 1000, millis % 1000 * 1000);
        for word in [seconds, micros, length, length] {
            self.records.extend(word.to_le_bytes());
        }
        self.records.extend([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x08, 0x00]);
        self.records.extend(packet);
        self.packets += 1;
    }
}

fn ports(client: u16, server: u16, to_server: bool) -> Vec<u8> {
    let (from, to) = if to_server { (client, server) } else { (server, client) };
    [from.to_be_bytes(), to.to_be_bytes()].concat()
}

/// An IPv4 packet with a right checksum.
fn ipv4(protocol: u8, to_server: bool, payload: &[u8]) -> Vec<u8> {
    let (from, to) = if to_server { (CLIENT, SERVER) } else { (SERVER, CLIENT) };
    let mut packet = vec![0x45, 0];
    packet.extend((payload.len() as u16 + 20).to_be_bytes());
    packet.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
    packet.extend(from);
    packet.extend(to);
    let words = packet.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let sum: u32 = words.sum();
    let checksum = !((sum & 0xffff) + (sum >> 16)) as u16;
    packet[10..12].copy_from_slice(&checksum.to_be_bytes());
    packet.extend(payload);
    packet
}
