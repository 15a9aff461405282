//! A conversation or two of each protocol.

use engine::protocols::{Carrier, Protocol};
use engine::protocols::{
    dcerpc, diameter, kerberos, ldap, mgcp, radius, rdp, rtsp, sip, sunrpc, syslog, tacacs, tftp, vnc,
};
use engine::record::Direction::{ToClient, ToServer};

use crate::Sample;
use crate::build::{element, number, opaque, sip, words};
use crate::talk::Turn;

/// Conversations of every protocol here.
pub(crate) fn samples() -> Vec<Sample> {
    let tcp = |protocol: &'static Protocol, turns| Sample { protocol, carrier: Carrier::Tcp, turns };
    let udp = |protocol: &'static Protocol, turns| Sample { protocol, carrier: Carrier::Udp, turns };
    let kerberos = kerberos();
    let framed =
        kerberos.iter().map(|(from, bytes)| (*from, [words(&[bytes.len() as u32]), bytes.clone()].concat()));
    let calls = sunrpc();
    let mark = |bytes: &[u8]| [words(&[0x8000_0000 | bytes.len() as u32]), bytes.to_vec()].concat();
    let records = calls.iter().map(|(from, bytes)| (*from, mark(bytes)));
    vec![
        tcp(&ldap::LDAP, ldap()),
        udp(&ldap::LDAP, ldap()),
        tcp(&kerberos::KERBEROS, framed.collect()),
        tcp(&sunrpc::SUNRPC, records.collect()),
        udp(&kerberos::KERBEROS, kerberos),
        udp(&sunrpc::SUNRPC, calls),
        udp(&radius::RADIUS, radius()),
        tcp(&dcerpc::DCERPC, dcerpc()),
        tcp(&rdp::RDP, rdp()),
        tcp(&vnc::VNC, vnc()),
        udp(&tftp::TFTP, tftp()),
        udp(&syslog::SYSLOG, vec![(ToServer, SYSLOG.to_vec())]),
        tcp(&syslog::SYSLOG, vec![(ToServer, [SYSLOG, b"\n", SYSLOG, b"\n"].concat())]),
        tcp(&sip::SIP, call()),
        udp(&sip::SIP, call()),
        tcp(&rtsp::RTSP, rtsp()),
        udp(&mgcp::MGCP, mgcp()),
        tcp(&diameter::DIAMETER, diameter()),
        tcp(&tacacs::TACACS_PLUS, tacacs()),
    ]
}

const SYSLOG: &[u8] = b"<34>1 2003-10-11T22:14:15.003Z host.example.org su 7 ID47 [a@1 x=\"y\"] failed";

fn ldap() -> Vec<Turn> {
    let message = |id: u8, operation: &[u8]| element(0x30, &[&[2, 1, id], operation]);
    let done = |tag| element(tag, &[&[10, 1, 0, 4, 0, 4, 0]]);
    let bind = element(0x60, &[&[2, 1, 3], &element(4, &[b"cn=admin"]), &element(0x80, &[b"topsecret"])]);
    let filter = element(0xa3, &[&element(4, &[b"uid"]), &element(4, &[b"bob"])]);
    let search = element(
        0x63,
        &[
            &element(4, &[b"dc=example"]),
            &[10, 1, 2, 10, 1, 0, 2, 1, 0, 2, 1, 0, 1, 1, 0],
            &filter,
            &element(0x30, &[&element(4, &[b"mail"])]),
        ],
    );
    let entry = element(0x64, &[&element(4, &[b"uid=bob,dc=example"]), &[0x30, 0]]);
    vec![
        (ToServer, message(1, &bind)),
        (ToClient, message(1, &done(0x61))),
        (ToServer, message(2, &search)),
        (ToClient, [message(2, &entry), message(2, &done(0x65))].concat()),
        (ToServer, message(3, &[0x42, 0])),
    ]
}

fn principal(tag: u8, parts: &[&str]) -> Vec<u8> {
    let parts: Vec<_> = parts.iter().map(|part| element(0x1b, &[part.as_bytes()])).collect();
    let parts: Vec<_> = parts.iter().map(Vec::as_slice).collect();
    element(tag, &[&element(0x30, &[&number(0xa0, 1), &element(0xa1, &[&element(0x30, &parts)])])])
}

fn kerberos() -> Vec<Turn> {
    let realm = |tag| element(tag, &[&element(0x1b, &[b"EXAMPLE.ORG"])]);
    let body = element(
        0x30,
        &[
            &element(0xa0, &[&[3, 5, 0, 0x40, 0, 0, 0x10]]),
            &principal(0xa1, &["alice"]),
            &realm(0xa2),
            &principal(0xa3, &["krbtgt", "EXAMPLE.ORG"]),
            &number(0xa7, 7),
            &element(0xa8, &[&[0x30, 6, 2, 1, 18, 2, 1, 23]]),
        ],
    );
    let request =
        element(0x6a, &[&element(0x30, &[&number(0xa1, 5), &number(0xa2, 10), &element(0xa4, &[&body])])]);
    let sealed = |tag| {
        let data = element(0xa2, &[&element(4, &[&[9; 40]])]);
        element(tag, &[&element(0x30, &[&number(0xa0, 23), &data])])
    };
    let ticket =
        element(0x30, &[&number(0xa0, 5), &realm(0xa1), &principal(0xa2, &["krbtgt"]), &sealed(0xa3)]);
    let reply = element(
        0x30,
        &[
            &number(0xa0, 5),
            &number(0xa1, 11),
            &realm(0xa3),
            &principal(0xa4, &["alice"]),
            &element(0xa5, &[&element(0x61, &[&ticket])]),
            &sealed(0xa6),
        ],
    );
    vec![(ToServer, request), (ToClient, element(0x6b, &[&reply]))]
}

fn sunrpc() -> Vec<Turn> {
    let call = |xid, program, version, procedure, arguments: &[u8]| {
        let caller = opaque(&[words(&[9]), opaque(b"host1"), words(&[1000, 100, 0])].concat());
        let head = words(&[xid, 0, 2, program, version, procedure, 1]);
        (ToServer, [&head[..], &caller, &words(&[0, 0]), arguments].concat())
    };
    let reply = |xid, results: &[u32]| (ToClient, [words(&[xid, 1, 0, 0, 0, 0]), words(results)].concat());
    vec![
        call(1, 100_000, 2, 3, &words(&[100_003, 3, 6, 0])),
        reply(1, &[2049]),
        call(2, 100_003, 3, 3, &[opaque(&[7; 16]), opaque(b"notes.txt")].concat()),
        reply(2, &[2]),
        call(3, 100_005, 3, 1, &opaque(b"/export")),
        reply(3, &[13]),
    ]
}

fn radius() -> Vec<Turn> {
    let packet = |code: u8, attributes: &[u8]| {
        [&[code, 9, 0, (20 + attributes.len()) as u8][..], &[0xa5; 16], attributes].concat()
    };
    let asked = [&b"\x01\x07alice\x02\x12"[..], &[0x5c; 16], &[4, 6, 192, 0, 2, 1, 26, 8, 0, 0, 1, 55, 1, 2]]
        .concat();
    vec![
        (ToServer, packet(1, &asked)),
        (ToClient, packet(2, b"\x12\x04hi\x12\x04ho\x1a\x08\0\0\x01\x37\x01\x02")),
    ]
}

fn dcerpc() -> Vec<Turn> {
    let pdu = |kind: u8, flags: u8, call: u8, body: &[u8]| {
        [&[5, 0, kind, flags, 16, 0, 0, 0, (16 + body.len()) as u8, 0, 0, 0, call, 0, 0, 0][..], body]
            .concat()
    };
    let samr = [
        0x78, 0x57, 0x34, 0x12, 0x34, 0x12, 0xcd, 0xab, 0xef, 0, 1, 0x23, 0x45, 0x67, 0x89, 0xac, 1, 0, 0, 0,
    ];
    let bind = [&[0xb8, 0x10, 0xb8, 0x10, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0][..], &samr, &[4; 20]].concat();
    let taken =
        [&[0xb8, 0x10, 0xb8, 0x10, 9, 0, 0, 0, 4, 0][..], b"135\0\0\0", &[1, 0, 0, 0, 0, 0, 0, 0], &[4; 20]]
            .concat();
    vec![
        (ToServer, pdu(11, 3, 1, &bind)),
        (ToClient, pdu(12, 3, 1, &taken)),
        (ToServer, pdu(0, 3, 2, &[8, 0, 0, 0, 0, 0, 13, 0, 1, 2, 3, 4, 5, 6, 7, 8])),
        (ToClient, [pdu(2, 1, 2, &[0; 16]), pdu(2, 2, 2, &[0; 16])].concat()),
    ]
}

fn rdp() -> Vec<Turn> {
    let packet = |kind: u8, variable: &[u8]| {
        let len = 11 + variable.len() as u8;
        [&[3, 0, 0, len, len - 5, kind, 0, 0, 0, 0, 0][..], variable].concat()
    };
    let core = [
        &[1, 0xc0, 216, 0, 4, 0, 8, 0, 0, 5, 0, 4, 1, 0xca, 3, 0xaa, 9, 4, 0, 0, 40, 10, 0, 0][..],
        &[65, 0].repeat(8),
        &[0; 176],
    ]
    .concat();
    let initial = [&b"\x7f\x65\x82\x01\x00Duca\x80\xd8"[..], &core].concat();
    let data = |content: &[u8]| {
        let len = (7 + content.len() as u16).to_be_bytes();
        [&[3, 0, len[0], len[1], 2, 0xf0, 0x80][..], content].concat()
    };
    vec![
        (ToServer, packet(0xe0, b"Cookie: mstshash=alice\r\n\x01\x00\x08\x00\x03\x00\x00\x00")),
        (ToClient, packet(0xd0, &[2, 0x1f, 8, 0, 0, 0, 0, 0])),
        (ToServer, data(&initial)),
        (ToClient, data(b"\x7f\x66\x30McDn\x0c\x02\x0c\x0c\x00\x02\x00\x00\x00\x02\x00\x00\x00")),
    ]
}

fn vnc() -> Vec<Turn> {
    vec![
        (ToClient, b"RFB 003.008\n".to_vec()),
        (ToServer, b"RFB 003.008\n".to_vec()),
        (ToClient, vec![2, 1, 2]),
        (ToServer, vec![2]),
        (ToClient, vec![0xc4; 16]),
        (ToServer, vec![0x5e; 16]),
        (ToClient, vec![0; 4]),
        (ToServer, vec![1]),
        (
            ToClient,
            [
                &[5, 0, 3, 0x20, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0, 0, 0, 0, 4][..],
                b"desk",
            ]
            .concat(),
        ),
    ]
}

fn tftp() -> Vec<Turn> {
    vec![
        (ToServer, b"\x00\x01boot.img\0octet\0blksize\x001432\0".to_vec()),
        (ToClient, b"\x00\x06blksize\x001432\0".to_vec()),
        (ToServer, vec![0, 4, 0, 0]),
        (ToClient, [&[0, 3, 0, 1][..], &[7; 90]].concat()),
    ]
}

const OFFER: &str = "v=0\r\no=alice 1 1 IN IP4 192.0.2.101\r\ns=-\r\nc=IN IP4 192.0.2.101\r\nt=0 0\r\n\
    m=audio 49170 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0\r\n";

fn call() -> Vec<Turn> {
    vec![
        (ToServer, sip("INVITE sip:bob@example.org SIP/2.0", "1 INVITE", OFFER)),
        (ToClient, sip("SIP/2.0 180 Ringing", "1 INVITE", "")),
        (ToClient, sip("SIP/2.0 486 Busy Here", "1 INVITE", "")),
        (ToServer, sip("ACK sip:bob@example.org SIP/2.0", "1 ACK", "")),
    ]
}

fn rtsp() -> Vec<Turn> {
    let setup = "SETUP rtsp://alice:topsecret@192.0.2.2/a RTSP/1.0\r\nCSeq: 2\r\nTransport: RTP/AVP;client_port=8000-8001\r\n\r\n";
    let answer =
        "RTSP/1.0 200 OK\r\nCSeq: 2\r\nTransport: RTP/AVP;client_port=8000-8001\r\n\r\n$\x00\x00\x04abcd";
    vec![
        (ToServer, b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n".to_vec()),
        (ToClient, b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 5\r\n\r\nhello".to_vec()),
        (ToServer, setup.as_bytes().to_vec()),
        (ToClient, answer.as_bytes().to_vec()),
    ]
}

fn mgcp() -> Vec<Turn> {
    let created = format!("200 1204 OK\r\nI: FDE234C8\r\n\r\n{OFFER}");
    vec![
        (ToServer, b"CRCX 1204 aaln/1@rgw.example.net MGCP 1.0\r\nC: A3C47F\r\nM: recvonly\r\n".to_vec()),
        (ToClient, created.into_bytes()),
    ]
}

fn diameter() -> Vec<Turn> {
    let attribute = |code: u32, value: &[u8]| {
        let mut bytes = [words(&[code, 0x4000_0000 | (8 + value.len() as u32)]), value.to_vec()].concat();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    };
    let message = |command: u32, attributes: &[Vec<u8>]| {
        let content = attributes.concat();
        [words(&[0x0100_0000 | (20 + content.len() as u32), command, 0, 77, 78]), content].concat()
    };
    let asked = [
        attribute(264, b"a.example.org"),
        attribute(266, &[0; 4]),
        attribute(266, &[0; 4]),
        attribute(269, b"x"),
    ];
    vec![
        (ToServer, message(0x8000_0101, &asked)),
        (
            ToClient,
            message(0x0000_0101, &[attribute(268, &words(&[2001])), attribute(264, b"b.example.org")]),
        ),
    ]
}

fn tacacs() -> Vec<Turn> {
    let packet = |sequence: u8, flags: u8, body: &[u8]| {
        [&[0xc0, 1, sequence, flags, 0, 0, 0, 9, 0, 0, 0, body.len() as u8][..], body].concat()
    };
    vec![
        (ToServer, packet(1, 1, b"\x01\x0f\x01\x01\x05\x04\x09\x00alicetty0192.0.2.1")),
        (ToClient, packet(2, 1, &[5, 0, 0, 0, 0, 0])),
        (ToServer, packet(3, 1, b"\x00\x09\x00\x00\x00topsecret")),
    ]
}
