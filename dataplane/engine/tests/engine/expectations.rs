//! Flows that other flows announce.

use sample::packet::{ACK, PSH, SYN};

use crate::bench::{Bench, v4};

/// A control connection that gets as far as asking for a file in passive mode.
fn control(bench: &mut Bench) {
    let (client, server) = (v4(2, 40_000), v4(1, 21));
    bench.tcp(client, server, (99, 0), SYN, b"");
    bench.tcp(server, client, (199, 100), SYN | ACK, b"");
    let (mut ours, mut theirs) = (100, 200);
    for (is_client, text) in [
        (false, "220 FTP server ready\r\n"),
        (true, "USER alice\r\n"),
        (false, "331 password?\r\n"),
        (true, "PASS hidden\r\n"),
        (false, "230 ok\r\n"),
        (true, "PASV\r\n"),
        (false, "227 Entering Passive Mode (192,0,2,1,156,64).\r\n"),
        (true, "RETR notes.txt\r\n"),
        (false, "150 Opening\r\n"),
    ] {
        let len = text.len() as u32;
        if is_client {
            bench.tcp(client, server, (ours, theirs), ACK | PSH, text.as_bytes());
            ours += len;
        } else {
            bench.tcp(server, client, (theirs, ours), ACK | PSH, text.as_bytes());
            theirs += len;
        }
    }
}

/// A data connection to `port`, whose bytes look like another protocol.
fn data(bench: &mut Bench, port: u16) {
    let (client, server) = (v4(2, 40_001), v4(1, port));
    bench.tcp(client, server, (9, 0), SYN, b"");
    bench.tcp(server, client, (19, 10), SYN | ACK, b"");
    bench.tcp(server, client, (20, 10), ACK | PSH, b"SSH-2.0-notes_about_banners\r\n");
    bench.shut_down();
}

fn protocol_of(bench: &Bench, port: u16) -> &str {
    let of = |ended: &&crate::bench::Ended| {
        let key = ended.identity.key;
        [wire::Side::Lower, wire::Side::Upper].into_iter().any(|side| key.port(side) == port)
    };
    bench.ended.iter().find(of).map_or("", |ended| ended.protocol.as_str())
}

#[test]
fn a_data_connection_of_ftp_is_known_by_its_announcement_and_names_the_file() {
    let mut bench = Bench::new();
    control(&mut bench);
    data(&mut bench, 40_000);
    assert_eq!(protocol_of(&bench, 21), "ftp");
    assert_eq!(protocol_of(&bench, 40_001), "ftp_data");
    let (_, values) = bench.events.iter().find(|(kind, _)| *kind == "ftp_data").unwrap();
    assert!(values.iter().any(|value| value == "RETR") && values.iter().any(|value| value == "notes.txt"));
}

#[test]
fn a_connection_to_another_port_is_not() {
    let mut bench = Bench::new();
    control(&mut bench);
    data(&mut bench, 40_002);
    assert_eq!(protocol_of(&bench, 40_002), "ssh");
    assert!(!bench.events.iter().any(|(kind, _)| *kind == "ftp_data"));
}

#[test]
fn the_answer_to_a_file_request_belongs_to_it_whatever_port_it_comes_from() {
    let mut bench = Bench::new();
    bench.udp(v4(2, 2000), v4(1, 69), b"\x00\x01boot.img\0octet\0");
    let mut block = vec![0, 3, 0, 1];
    block.extend([7; 512]);
    bench.udp(v4(1, 3000), v4(2, 2000), &block);
    bench.udp(v4(2, 2000), v4(1, 3000), &[0, 4, 0, 1]);
    // What is no block of a file is not taken for one.
    bench.udp(v4(2, 2001), v4(1, 69), b"\x00\x01boot.img\0octet\0");
    bench.udp(v4(1, 3001), v4(2, 2001), &[0xff; 40]);
    bench.shut_down();
    assert_eq!(protocol_of(&bench, 3000), "tftp");
    assert_eq!(protocol_of(&bench, 3001), "unknown");
}
