//! Whole sessions, put together from their messages.

use engine::protocols::Parser;
use engine::protocols::tls::PROTOCOL;
use serde_json::{Value, json};

use crate::build::*;
use crate::support::drive::{End, Run, run};
use crate::support::json::events;
use crate::support::tcp::Chunk;

const ECDHE_RSA: u16 = 0xc02f;
const AES_128_GCM: u16 = 0x1301;

fn parser() -> Box<dyn Parser> {
    PROTOCOL.parser.expect("a parser")()
}

fn read(chunks: &[Chunk]) -> (Run, Value) {
    let run = run(parser().as_mut(), chunks);
    let mut events = events(&run.batch, "tls");
    assert!(events.len() < 2, "one event a session");
    (run, events.pop().unwrap_or_default())
}

fn hello13(shares: &[(u16, usize)]) -> Vec<u8> {
    let offered: Vec<u16> = shares.iter().map(|(group, _)| *group).chain([0x1a1a, 0x17]).collect();
    let extensions = [
        extension(0x2a2a, &[]),
        server_name("example.com"),
        groups(&offered),
        versions(&[0x3a3a, 0x0304, 0x0303]),
        alpn(&["h2", "http/1.1"]),
        extension(13, &vector16(&codes(&[0x0905, 0x0804]))),
        key_shares(shares),
    ];
    client_hello(0x0303, &[5; 32], &[0x4a4a, AES_128_GCM, ECDHE_RSA], &extensions)
}

fn server13(share: Vec<u8>) -> Vec<u8> {
    server_hello(0x0303, &[5; 32], AES_128_GCM, &[extension(43, &[3, 4]), share])
}

/// Hellos, ChangeCipherSpec for middleboxes, protected records.
fn session13(client: &[u8], server: &[u8]) -> Vec<Chunk> {
    let flight = [handshake(SERVER_HELLO, server), change_cipher_spec(), data(2000)].concat();
    vec![
        chunk(CLIENT, handshake(CLIENT_HELLO, client)),
        chunk(SERVER, flight),
        chunk(CLIENT, [change_cipher_spec(), data(69)].concat()),
    ]
}

/// Hellos, the server's other messages, ChangeCipherSpec both ways.
fn session12(client: &[u8], server: &[Vec<u8>]) -> Vec<Chunk> {
    vec![
        chunk(CLIENT, handshake(CLIENT_HELLO, client)),
        chunk(SERVER, server.concat()),
        chunk(CLIENT, [handshake(16, &[3; 66]), change_cipher_spec(), sealed_finished()].concat()),
        chunk(SERVER, [change_cipher_spec(), sealed_finished(), data(5000)].concat()),
    ]
}

fn hello12(session_id: &[u8], suite: u16) -> Vec<u8> {
    let extensions = [server_name("example.com"), groups(&[0x1d, 0x17]), extension(35, &[1; 100])];
    client_hello(0x0303, session_id, &[suite], &extensions)
}

#[test]
fn a_session_of_tls_1_3_is_told_up_to_its_first_protected_records() {
    let (run, event) = read(&session13(&hello13(&[(0x4588, 1), (0x1d, 32)]), &server13(key_share(0x1d, 32))));
    assert_eq!(run.end, End::Done);
    assert_eq!(event["version"], "TLS 1.3");
    assert_eq!(event["sni"], "example.com");
    assert_eq!(event["cipher"], "TLS_AES_128_GCM_SHA256");
    assert_eq!(event["client_alpns"], json!(["h2", "http/1.1"]));
    let crypto = &event["crypto"];
    assert_eq!(crypto["class"], "classical");
    assert_eq!(crypto["selected_group"], "x25519");
    assert_eq!(crypto["offered_groups"], json!(["0x4588", "x25519", "secp256r1"]));
    assert_eq!(crypto["key_shares"], json!(["0x4588", "x25519"]));
    assert_eq!(crypto["signature_schemes"], json!(["mldsa65", "rsa_pss_rsae_sha256"]));
    assert_eq!(crypto["forward_secrecy"], true);
    assert_eq!(event.get("session_resumed"), None);
}

#[test]
fn fingerprints_leave_grease_out() {
    let (_, event) = read(&session13(&hello13(&[(0x1d, 32)]), &server13(key_share(0x1d, 32))));
    assert_eq!(event["ja3"]["string"], "771,4865-49199,0-10-43-16-13-51,29-23,");
    assert_eq!(event["ja3s"]["string"], "771,4865,43-51");
    let ja4 = event["ja4"].as_str().expect("text");
    assert_eq!(ja4.split('_').next(), Some("t13d0206h2"));
    assert_eq!(ja4.len(), 36);
}

#[test]
fn hybrid_and_post_quantum_groups_are_told_from_classical_ones() {
    for (group, client, server, name, class) in [
        (0x11ec, 1216, 1120, "X25519MLKEM768", "hybrid"),
        (0x11eb, 1249, 1153, "SecP256r1MLKEM768", "hybrid"),
        (0x11ed, 1665, 1665, "SecP384r1MLKEM1024", "hybrid"),
        (0x6399, 1216, 1120, "X25519Kyber768Draft00", "hybrid"),
        (0x0201, 1184, 1088, "MLKEM768", "pq"),
        (0x0202, 1568, 1568, "MLKEM1024", "pq"),
        (0x0201, 9616, 9720, "frodo640shake", "pq"),
        (0x0100, 256, 256, "ffdhe2048", "classical"),
        (0x0201, 1184, 1000, "0x0201", "unknown"),
    ] {
        let (_, event) = read(&session13(&hello13(&[(group, client)]), &server13(key_share(group, server))));
        assert_eq!(event["crypto"]["selected_group"], name);
        assert_eq!(event["crypto"]["class"], class, "{name}");
    }
}

#[test]
fn after_a_hello_retry_request_the_group_is_that_of_the_server_hello() {
    let first = hello13(&[(0x1d, 32)]);
    let second = hello13(&[(0x11ed, 1665)]);
    let chunks = [
        chunk(CLIENT, handshake(CLIENT_HELLO, &first)),
        chunk(
            SERVER,
            [handshake(SERVER_HELLO, &hello_retry(&[5; 32], AES_128_GCM, 0x11ed)), change_cipher_spec()]
                .concat(),
        ),
        chunk(CLIENT, [change_cipher_spec(), handshake(CLIENT_HELLO, &second)].concat()),
        chunk(SERVER, [handshake(SERVER_HELLO, &server13(key_share(0x11ed, 1665))), data(500)].concat()),
        chunk(CLIENT, data(69)),
    ];
    let (run, event) = read(&chunks);
    assert_eq!(run.end, End::Done);
    let crypto = &event["crypto"];
    assert_eq!(crypto["hello_retry"], true);
    assert_eq!(crypto["retry_group"], "SecP384r1MLKEM1024");
    assert_eq!(crypto["key_shares"], json!(["x25519"]));
    assert_eq!(crypto["retry_key_shares"], json!(["SecP384r1MLKEM1024"]));
    assert_eq!(crypto["selected_group"], "SecP384r1MLKEM1024");
    assert_eq!(crypto["class"], "hybrid");
}

#[test]
fn a_psk_is_resumption_and_alone_it_tells_no_class() {
    let psk = extension(41, &[0, 0]);
    let with_share = server_hello(
        0x0303,
        &[5; 32],
        AES_128_GCM,
        &[extension(43, &[3, 4]), psk.clone(), key_share(0x1d, 32)],
    );
    let (_, event) = read(&session13(&hello13(&[(0x1d, 32)]), &with_share));
    assert_eq!((&event["session_resumed"], &event["crypto"]["class"]), (&json!(true), &json!("classical")));
    let alone = server_hello(0x0303, &[5; 32], AES_128_GCM, &[extension(43, &[3, 4]), psk]);
    let (_, event) = read(&session13(&hello13(&[(0x1d, 32)]), &alone));
    assert_eq!((&event["crypto"]["kex"], &event["crypto"]["class"]), (&json!("PSK"), &json!("unknown")));
    assert_eq!(event["crypto"]["forward_secrecy"], false);
}

#[test]
fn a_full_handshake_of_tls_1_2_shows_certificate_staple_request_and_ticket() {
    let leaf = certificate("example.com", "Example CA", 2048, 11);
    let issuer = certificate("Example CA", "Example Root", 4096, 11);
    let server = [
        handshake(
            SERVER_HELLO,
            &server_hello(0x0303, &[8; 32], ECDHE_RSA, &[alpn(&["h2"]), extension(35, &[])]),
        ),
        handshake(CERTIFICATE, &certificates(&[leaf.clone(), issuer])),
        handshake(STATUS, &[1, 0, 0, 1, 0x30]),
        handshake(SERVER_KEY_EXCHANGE, &curve_exchange(0x1d, 0x0804)),
        record(22, &[message(CERTIFICATE_REQUEST, &[1, 1, 0, 0, 0, 0]), message(14, &[])].concat()),
        handshake(TICKET, &[0; 200]),
    ];
    let (run, event) = read(&session12(&hello12(&[], ECDHE_RSA), &server));
    assert_eq!(run.end, End::Done);
    assert_eq!(event["version"], "TLS 1.2");
    assert_eq!(event["subject"], "CN=example.com");
    assert_eq!(event["issuerdn"], "CN=Example CA");
    assert_eq!(event["serial"], "0A:BC:01");
    assert_eq!(
        (&event["notbefore"], &event["notafter"]),
        (&json!("2025-01-02T03:04:05"), &json!("2051-02-03T04:05:06"))
    );
    assert_eq!(event["subjectaltname"], json!(["example.com", "192.0.2.1"]));
    assert_eq!(event["fingerprint"].as_str().expect("text").len(), 59);
    assert_eq!(event["server_alpns"], json!(["h2"]));
    let certificate = &event["server_certificate"];
    assert_eq!((&certificate["key_algorithm"], &certificate["key_bits"]), (&json!("RSA"), &json!(2048)));
    assert_eq!(certificate["signature_algorithm"], "sha256WithRSAEncryption");
    assert_eq!(certificate["chain_length"], 2);
    for sign in ["ocsp_stapled", "client_certificate_requested", "ticket_issued"] {
        assert_eq!(event[sign], true, "{sign}");
    }
    let crypto = &event["crypto"];
    assert_eq!((&crypto["kex"], &crypto["selected_group"]), (&json!("ECDHE"), &json!("x25519")));
    assert_eq!(crypto["server_signature_scheme"], "rsa_pss_rsae_sha256");
    assert_eq!((&crypto["class"], &crypto["posture"]), (&json!("classical"), &json!("classical")));
}

#[test]
fn a_client_certificate_is_told_from_the_servers() {
    let mut chunks = session12(
        &hello12(&[], ECDHE_RSA),
        &[
            handshake(SERVER_HELLO, &server_hello(0x0303, &[], ECDHE_RSA, &[])),
            handshake(CERTIFICATE, &certificates(&[certificate("server", "CA", 2048, 11)])),
            handshake(SERVER_KEY_EXCHANGE, &curve_exchange(0x17, 0x0401)),
        ],
    );
    let clients = handshake(CERTIFICATE, &certificates(&[certificate("client", "CA", 2048, 11)]));
    chunks[2].bytes.splice(0..0, clients);
    let (_, event) = read(&chunks);
    assert_eq!((&event["subject"], &event["client"]["subject"]), (&json!("CN=server"), &json!("CN=client")));
}

#[test]
fn key_transport_is_classical_without_forward_secrecy() {
    let server = [
        handshake(SERVER_HELLO, &server_hello(0x0303, &[1; 32], 0x009c, &[])),
        handshake(CERTIFICATE, &certificates(&[certificate("a", "b", 2048, 11)])),
    ];
    let (_, event) = read(&session12(&hello12(&[], 0x009c), &server));
    let crypto = &event["crypto"];
    assert_eq!((&crypto["class"], &crypto["kex"]), (&json!("classical"), &json!("RSA")));
    assert_eq!(crypto["forward_secrecy"], false);
    assert_eq!(crypto.get("selected_group"), None);
}

#[test]
fn what_falls_today_is_named() {
    let weak = |suite, version, exchange: Vec<u8>, rsa_bits, signature| {
        let server = [
            handshake(SERVER_HELLO, &server_hello(version, &[], suite, &[])),
            handshake(CERTIFICATE, &certificates(&[certificate("a", "b", rsa_bits, signature)])),
            handshake(SERVER_KEY_EXCHANGE, &exchange),
        ];
        let (_, event) = read(&session12(&hello12(&[], suite), &server));
        let named = event["crypto"]["weaknesses"].clone();
        assert_eq!(event["crypto"]["posture"] == "weak", named.is_array());
        assert_eq!(event["crypto"]["class"], "classical");
        named
    };
    let sound = curve_exchange(0x17, 0x0401);
    assert_eq!(weak(ECDHE_RSA, 0x0303, sound.clone(), 2048, 11), Value::Null);
    assert_eq!(weak(ECDHE_RSA, 0x0302, sound.clone(), 2048, 11), json!(["version"]));
    assert_eq!(weak(0xc011, 0x0303, sound.clone(), 2048, 11), json!(["cipher"]));
    assert_eq!(weak(0xc018, 0x0303, sound.clone(), 2048, 11), json!(["anonymous"]));
    assert_eq!(weak(ECDHE_RSA, 0x0303, sound.clone(), 1024, 11), json!(["certificate_key"]));
    assert_eq!(weak(ECDHE_RSA, 0x0303, sound, 2048, 5), json!(["certificate_signature"]));
    assert_eq!(weak(ECDHE_RSA, 0x0303, curve_exchange(0x17, 0x0201), 2048, 11), json!(["server_signature"]));
    assert_eq!(weak(0x009e, 0x0303, prime_exchange(1024, 0x0401), 2048, 11), json!(["key_exchange_size"]));
    assert_eq!(weak(0x009e, 0x0303, prime_exchange(2048, 0x0401), 2048, 11), Value::Null);
}

#[test]
fn a_prime_is_named_by_its_size() {
    let server = [
        handshake(SERVER_HELLO, &server_hello(0x0303, &[], 0x009e, &[])),
        handshake(SERVER_KEY_EXCHANGE, &prime_exchange(1024, 0x0401)),
    ];
    let (_, event) = read(&session12(&hello12(&[], 0x009e), &server));
    assert_eq!(
        (&event["crypto"]["selected_group"], &event["crypto"]["dh_bits"]),
        (&json!("DH-1024"), &json!(1024))
    );
}

#[test]
fn resumption_is_a_session_id_that_comes_back_or_a_ticket_without_certificate() {
    let resumed = |id: &[u8], echo: &[u8], certificate: bool| {
        let mut server = vec![handshake(SERVER_HELLO, &server_hello(0x0303, echo, ECDHE_RSA, &[]))];
        if certificate {
            server.push(handshake(CERTIFICATE, &certificates(&[self::certificate("a", "b", 2048, 11)])));
        }
        let (_, event) = read(&session12(&hello12(id, ECDHE_RSA), &server));
        assert_eq!(event["crypto"]["class"], "classical");
        event["session_resumed"] == true
    };
    assert!(resumed(&[1; 32], &[1; 32], false));
    assert!(resumed(&[], &[], false));
    assert!(!resumed(&[1; 32], &[2; 32], true));
    assert!(!resumed(&[1; 32], &[1; 32], true), "some servers echo the id and go on in full");
}

#[test]
fn a_null_suite_gives_the_content_away() {
    let chunks =
        session12(&hello12(&[], 0x003b), &[handshake(SERVER_HELLO, &server_hello(0x0303, &[], 0x003b, &[]))]);
    let (_, event) = read(&chunks);
    assert_eq!(
        (&event["crypto"]["class"], &event["crypto"]["posture"]),
        (&"classical".into(), &"cleartext".into())
    );
    let chunks = session13(&hello13(&[(0x1d, 32)]), &server13(key_share(0x1d, 32)));
    let (_, event) = read(&chunks);
    assert_eq!(event["crypto"]["posture"], "classical");
}

#[test]
fn a_refused_or_broken_off_handshake_is_incomplete() {
    let hello = chunk(CLIENT, handshake(CLIENT_HELLO, &hello13(&[(0x11ec, 1216)])));
    let (run, event) = read(&[hello.clone(), chunk(SERVER, record(21, &[2, 40]))]);
    assert_eq!(run.end, End::Done);
    assert_eq!(
        event["alerts"],
        json!([{"from": "server", "level": "fatal", "description": "handshake_failure"}])
    );
    assert_eq!(event["crypto"]["class"], "incomplete");
    let (run, event) = read(&[hello]);
    assert_eq!(run.end, End::Open);
    assert_eq!(
        (&event["version"], &event["crypto"]["class"]),
        (&json!("UNDETERMINED"), &json!("incomplete"))
    );
    assert_eq!(event["crypto"]["offered_version"], "TLS 1.3");
}

#[test]
fn one_side_alone_is_told_as_far_as_it_goes() {
    let both = session13(&hello13(&[(0x11ec, 1216)]), &server13(key_share(0x11ec, 1120)));
    let client: Vec<_> = both.iter().filter(|chunk| chunk.from == CLIENT).cloned().collect();
    let (_, event) = read(&client);
    assert_eq!((&event["sni"], &event["crypto"]["class"]), (&json!("example.com"), &json!("unknown")));
    let server: Vec<_> = both.iter().filter(|chunk| chunk.from == SERVER).cloned().collect();
    let (_, event) = read(&server);
    assert_eq!((&event["version"], &event["crypto"]["class"]), (&json!("TLS 1.3"), &json!("hybrid")));
}

#[test]
fn a_stream_seen_from_its_middle_is_unknown() {
    let records: Vec<_> = (0..6).map(|_| chunk(SERVER, data(1200))).collect();
    let (run, event) = read(&records);
    assert_eq!(run.end, End::Done);
    assert_eq!((&event["version"], &event["crypto"]["class"]), (&json!("UNDETERMINED"), &json!("unknown")));
}

#[test]
fn bulk_data_before_the_end_is_skipped_and_never_held() {
    let mut chunks = vec![chunk(CLIENT, handshake(CLIENT_HELLO, &hello13(&[(0x1d, 32)])))];
    // Early data, before the server says anything.
    chunks.extend(data(16_384).chunks(1400).map(|part| chunk(CLIENT, part)));
    chunks.push(chunk(SERVER, [handshake(SERVER_HELLO, &server13(key_share(0x1d, 32))), data(80)].concat()));
    let (run, event) = read(&chunks);
    assert_eq!((run.end, run.carried), (End::Done, 0));
    assert_eq!(event["crypto"]["class"], "classical");
}

#[test]
fn a_message_without_bound_is_passed_over_and_the_gap_noted() {
    let huge = message(CERTIFICATE, &vec![0; 100_000]);
    let mut server = vec![handshake(SERVER_HELLO, &server_hello(0x0303, &[], ECDHE_RSA, &[]))];
    server.extend(huge.chunks(16_000).map(|part| record(22, part)));
    server.push(handshake(SERVER_KEY_EXCHANGE, &curve_exchange(0x17, 0x0401)));
    let (_, event) = read(&session12(&hello12(&[], ECDHE_RSA), &server));
    assert_eq!((&event["gaps"], &event["crypto"]["selected_group"]), (&json!(true), &json!("secp256r1")));
    assert_eq!(event.get("subject"), None);
}

#[test]
fn records_are_found_again_after_lost_bytes() {
    let mut chunks = session12(
        &hello12(&[], ECDHE_RSA),
        &[
            handshake(SERVER_HELLO, &server_hello(0x0303, &[], ECDHE_RSA, &[])),
            handshake(CERTIFICATE, &certificates(&[certificate("a", "b", 2048, 11)]))[..200].to_vec(),
        ],
    );
    let mut after = chunk(SERVER, vec![0xab; 300]);
    after.after_gap = true;
    chunks.insert(2, after);
    chunks.insert(3, chunk(SERVER, handshake(SERVER_KEY_EXCHANGE, &curve_exchange(0x17, 0x0401))));
    let (run, event) = read(&chunks);
    assert_eq!(run.end, End::Done);
    assert_eq!((&event["gaps"], &event["crypto"]["selected_group"]), (&json!(true), &json!("secp256r1")));
    assert_eq!(event.get("subject"), None);
}

#[test]
fn the_hello_of_sslv2_opens_sslv3_and_tls_too() {
    let mut hello = vec![1, 3, 1, 0, 6, 0, 0, 0, 16, 0, 0, 0x2f, 1, 0, 0x80];
    hello.extend([0x99; 16]);
    let mut record = vec![0x80, u8::try_from(hello.len()).expect("short")];
    record.extend(&hello);
    let mut chunks = session12(
        &hello12(&[], 0x002f),
        &[
            handshake(SERVER_HELLO, &server_hello(0x0301, &[], 0x002f, &[])),
            handshake(CERTIFICATE, &certificates(&[certificate("a", "b", 2048, 11)])),
        ],
    );
    chunks[0].bytes = record.clone();
    let (run, event) = read(&chunks);
    assert_eq!(run.end, End::Done);
    assert_eq!((&event["version"], &event["sslv2_hello"]), (&json!("TLSv1"), &json!(true)));
    assert_eq!(event["crypto"]["weaknesses"], json!(["version"]));
    // An SSLv2 server answers in kind.
    record[3] = 0;
    record[4] = 2;
    let (_, event) = read(&[chunk(CLIENT, record), chunk(SERVER, [0x84, 0x00, 4, 0, 1, 0, 2])]);
    assert_eq!((&event["version"], &event["crypto"]["posture"]), (&json!("SSLv2"), &json!("weak")));
}

#[test]
fn a_reset_parser_knows_nothing_of_the_last_session() {
    let full = session12(
        &hello12(&[1; 32], ECDHE_RSA),
        &[
            handshake(SERVER_HELLO, &server_hello(0x0303, &[], ECDHE_RSA, &[])),
            handshake(CERTIFICATE, &certificates(&[certificate("a", "b", 2048, 5)])),
        ],
    );
    let other = session13(&hello13(&[(0x1d, 32)]), &server13(key_share(0x1d, 32)));
    let mut parser = parser();
    for cut in 0..full.len() {
        run(parser.as_mut(), &full[..=cut]);
        parser.reset();
        let again = run(parser.as_mut(), &other);
        parser.reset();
        assert_eq!(events(&again.batch, "tls"), [read(&other).1]);
    }
}

#[test]
fn bytes_that_are_no_records_are_somebody_elses() {
    let (run, _) = read(&[chunk(CLIENT, *b"GET / HTTP/1.1\r\n\r\n")]);
    assert_eq!(run.end, End::NotMine);
    let (run, event) = read(&[
        chunk(CLIENT, handshake(CLIENT_HELLO, &hello13(&[(0x1d, 32)]))),
        chunk(SERVER, *b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    ]);
    assert_eq!((run.end, &event["crypto"]["class"]), (End::Done, &json!("incomplete")));
}
