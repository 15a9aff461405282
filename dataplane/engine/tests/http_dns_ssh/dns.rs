//! DNS, multicast DNS and LLMNR.

use engine::protocols::dns::{DNS, LLMNR, MDNS};
use engine::protocols::{Carrier, Protocol, Then};
use engine::record::Direction::{ToClient, ToServer};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::conversation::{Conversation, Outcome, Turn, play, play_cut};

/// Puts a message together, names uncompressed unless pointed to.
struct Builder {
    bytes: Vec<u8>,
}

impl Builder {
    fn new(id: u16, flags: u16) -> Self {
        let mut bytes = Vec::new();
        bytes.extend(id.to_be_bytes());
        bytes.extend(flags.to_be_bytes());
        bytes.extend([0; 8]);
        Self { bytes }
    }

    fn count(&mut self, section: usize) {
        self.bytes[5 + 2 * section] += 1;
    }

    fn question(mut self, name: &str, kind: u16, class: u16) -> Self {
        self.count(0);
        self.bytes.extend(wire_name(name));
        self.bytes.extend(kind.to_be_bytes());
        self.bytes.extend(class.to_be_bytes());
        self
    }

    /// A record in `section` (1 answers, 2 authorities, 3 additionals), owned by the first question's name.
    fn record(self, section: usize, kind: u16, ttl: u32, data: &[u8]) -> Self {
        self.record_of(section, &[0xc0, 12], (kind, 1), ttl, data)
    }

    fn record_of(
        mut self,
        section: usize,
        name: &[u8],
        (kind, class): (u16, u16),
        ttl: u32,
        data: &[u8],
    ) -> Self {
        self.count(section);
        self.bytes.extend(name);
        self.bytes.extend(kind.to_be_bytes());
        self.bytes.extend(class.to_be_bytes());
        self.bytes.extend(ttl.to_be_bytes());
        self.bytes.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        self.bytes.extend(data);
        self
    }

    fn framed(&self) -> Vec<u8> {
        [&u16::try_from(self.bytes.len()).unwrap().to_be_bytes(), self.bytes.as_slice()].concat()
    }
}

fn wire_name(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

fn datagrams(protocol: &Protocol, messages: &[(engine::record::Direction, &Builder)]) -> Outcome {
    let script: Vec<Turn> = messages.iter().map(|(from, message)| (*from, message.bytes.clone())).collect();
    play(protocol, Carrier::Udp, &script)
}

fn query() -> Builder {
    Builder::new(0x1234, 0x0100).question("www.example.com", 1, 1)
}

fn response() -> Builder {
    let soa = [
        wire_name("ns.example.com"),
        wire_name("admin.example.com"),
        (1_u32..6).flat_map(u32::to_be_bytes).collect(),
    ];
    Builder::new(0x1234, 0x8180)
        .question("www.example.com", 1, 1)
        .record(1, 5, 300, &wire_name("web.example.net"))
        .record(1, 1, 60, &[192, 0, 2, 1])
        .record(1, 1, 60, &[192, 0, 2, 2])
        .record(2, 6, 900, &soa.concat())
        .record_of(3, &[0], (41, 1232), 0x8000, &[0, 8, 0, 7, 0, 1, 24, 0, 198, 51, 100])
}

#[test]
fn a_query_and_its_response_are_two_events_of_one_transaction() {
    let seen = datagrams(&DNS, &[(ToServer, &query()), (ToClient, &response())]);
    assert_eq!(
        seen.of("dns"),
        [
            &json!({
                "type": "query", "id": 0x1234, "tx_id": 0, "flags": "0100", "rd": true, "opcode": 0,
                "rrname": "www.example.com", "rrtype": "A",
            }),
            &json!({
                "version": 2, "type": "answer", "id": 0x1234, "tx_id": 0, "flags": "8180", "qr": true, "rd": true,
                "ra": true, "opcode": 0, "rrname": "www.example.com", "rrtype": "A", "rcode": "NOERROR",
                "answers": [
                    {"rrname": "www.example.com", "rrtype": "CNAME", "ttl": 300, "rdata": "web.example.net"},
                    {"rrname": "www.example.com", "rrtype": "A", "ttl": 60, "rdata": "192.0.2.1"},
                    {"rrname": "www.example.com", "rrtype": "A", "ttl": 60, "rdata": "192.0.2.2"},
                ],
                "grouped": {"A": ["192.0.2.1", "192.0.2.2"], "CNAME": ["web.example.net"]},
                "authorities": [{
                    "rrname": "www.example.com", "rrtype": "SOA", "ttl": 900,
                    "soa": {
                        "mname": "ns.example.com", "rname": "admin.example.com", "serial": 1, "refresh": 2,
                        "retry": 3, "expire": 4, "minimum": 5,
                    },
                }],
                "edns": {
                    "version": 0, "udp_size": 1232, "do": true, "options": ["ECS"],
                    "client_subnet": {"address": "198.51.100.0", "prefix": 24},
                },
            }),
        ]
    );
}

#[test]
fn responses_find_their_queries_and_others_get_numbers_of_their_own() {
    let ask = |id| Builder::new(id, 0x0100).question("a", 1, 1);
    let reply = |id| Builder::new(id, 0x8183).question("a", 1, 1);
    let seen = datagrams(
        &DNS,
        &[
            (ToServer, &ask(1)),
            (ToServer, &ask(2)),
            (ToClient, &reply(2)),
            (ToClient, &reply(9)),
            (ToClient, &reply(1)),
        ],
    );
    let numbers: Vec<_> = seen.of("dns").iter().map(|event| event["tx_id"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [0, 1, 1, 2, 0]);
    assert_eq!(seen.of("dns")[2]["rcode"], "NXDOMAIN");
}

fn answer(kind: u16, data: &[u8]) -> Value {
    let reply = Builder::new(1, 0x8400).question("example.com", kind, 1).record(1, kind, 1, data);
    let seen = datagrams(&DNS, &[(ToClient, &reply)]);
    assert_eq!(seen.of("anomaly").len(), 0);
    seen.of("dns")[0]["answers"][0].clone()
}

#[test]
fn the_data_of_records_is_read_by_type() {
    assert_eq!(answer(28, &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])["rdata"], "2001:db8::1");
    let mx = answer(15, &[&[0, 10][..], &wire_name("mail.example.com")].concat());
    assert_eq!((&mx["rdata"], &mx["preference"]), (&json!("mail.example.com"), &json!(10)));
    assert_eq!(answer(16, b"\x08v=spf1 -\x03all")["rdata"], "v=spf1 -all");
    assert_eq!(answer(12, &wire_name("host.example.com"))["rdata"], "host.example.com");
    assert_eq!(
        answer(33, &[&[0, 1, 0, 2, 0x1f, 0x90][..], &wire_name("srv.example.com")].concat())["srv"],
        json!({"priority": 1, "weight": 2, "port": 8080, "name": "srv.example.com"})
    );
    assert_eq!(
        answer(257, b"\x00\x05issueca.example.net")["caa"],
        json!({"flags": 0, "tag": "issue", "value": "ca.example.net"})
    );
    assert_eq!(
        answer(44, &[4, 2, 0xab, 0xcd])["sshfp"],
        json!({"fingerprint": "abcd", "algo": 4, "type": 2})
    );
    // RFC 4034, 5.4: key tag 60485, algorithm 5, digest type 1.
    assert_eq!(
        answer(43, &[0xec, 0x45, 5, 1, 0x2b, 0xb1])["ds"],
        json!({"key_tag": 60485, "algorithm": 5, "digest_type": 1, "digest": "2bb1"})
    );
    assert_eq!(
        answer(48, &[1, 1, 3, 13, 9, 9, 9])["dnskey"],
        json!({"flags": 257, "protocol": 3, "algorithm": 13, "key_bytes": 3})
    );
    let naptr =
        [b"\x00\x64\x00\x32\x01s\x07SIP+D2U\x00".as_slice(), &wire_name("_sip._udp.example.com")].concat();
    assert_eq!(
        answer(35, &naptr)["naptr"],
        json!({
            "order": 100, "preference": 50, "flags": "s", "services": "SIP+D2U", "regexp": "",
            "replacement": "_sip._udp.example.com",
        })
    );
    assert_eq!(
        answer(65_280, &[1, 2]),
        json!({"rrname": "example.com", "rrtype": "TYPE65280", "ttl": 1, "rdata": "0102"})
    );
}

#[test]
fn service_bindings_are_read_as_in_rfc_9460() {
    // RFC 9460, D.2, figures 2, 3 and 9 (the last with hints).
    assert_eq!(
        answer(65, b"\x00\x00\x03foo\x07example\x03com\x00")["svcb"],
        json!({"priority": 0, "target": "foo.example.com"})
    );
    assert_eq!(
        answer(64, b"\x00\x10\x03foo\x07example\x03com\x00\x00\x03\x00\x02\x00\x35")["svcb"],
        json!({"priority": 16, "target": "foo.example.com", "port": 53})
    );
    let with_lists = [
        b"\x00\x10\x03foo\x07example\x03org\x00\x00\x00\x00\x04\x00\x01\x00\x04".as_slice(),
        b"\x00\x01\x00\x09\x02h2\x05h3-19\x00\x04\x00\x04\xc0\x00\x02\x01\x00\x05\x00\x01x",
    ]
    .concat();
    assert_eq!(
        answer(64, &with_lists)["svcb"],
        json!({
            "priority": 16, "target": "foo.example.org", "alpn": ["h2", "h3-19"], "ipv4hint": ["192.0.2.1"], "ech": true,
        })
    );
}

#[test]
fn messages_in_a_stream_are_read_wherever_it_is_cut() {
    let script: Vec<Turn> = vec![
        (ToServer, [query().framed(), Builder::new(7, 0).question("b.example", 252, 1).framed()].concat()),
        (
            ToClient,
            [response().framed(), Builder::new(7, 0x8005).question("b.example", 252, 1).framed()].concat(),
        ),
    ];
    let whole = play(&DNS, Carrier::Tcp, &script);
    assert_eq!(whole.of("dns").len(), 4);
    assert_eq!(whole.of("dns")[3]["rcode"], "REFUSED");
    for length in 1..40 {
        assert_eq!(play_cut(&DNS, &script, || length), whole);
    }
}

#[test]
fn the_longest_message_of_a_stream_is_read() {
    let half = Builder::new(1, 0x8000).question("a", 10, 1).record(1, 10, 0, &[0xaa; 40_000]);
    let left = 65_535 - half.bytes.len() - 12;
    let long = half.record(1, 10, 0, &vec![0xbb; left]);
    assert_eq!(long.bytes.len(), 65_535);
    let script = vec![(ToClient, [long.framed(), response().framed()].concat())];
    let seen = play_cut(&DNS, &script, || 1_460);
    assert_eq!(seen.of("dns").len(), 2);
    assert_eq!(seen.of("dns")[0]["answers"].as_array().unwrap().len(), 2);
}

#[test]
fn what_is_malformed_is_called_out_and_what_was_read_is_kept() {
    let looping =
        Builder::new(1, 0x8180).question("www.example.com", 1, 1).record_of(1, &[0xc0, 33], (5, 1), 1, &[0]);
    let seen = datagrams(&DNS, &[(ToServer, &query()), (ToClient, &looping)]);
    assert_eq!(seen.of("dns")[1]["rrname"], "www.example.com");
    assert_eq!(seen.of("dns")[1]["incomplete"], true);
    assert_eq!(
        seen.of("anomaly"),
        [&json!({"app_proto": "dns", "type": "applayer", "event": "malformed_data"})]
    );
    assert_eq!(seen.ending, None);

    let other = play(&DNS, Carrier::Tcp, &[(ToServer, b"\x00\x10GET / HTTP/1.1\r\n\r\n".to_vec())]);
    assert_eq!(other.ending, Some(Then::NotMine));
}

#[test]
fn a_flood_of_what_is_malformed_gives_a_bounded_number_of_anomalies() {
    let mut talk = Conversation::new(&DNS, Carrier::Udp);
    for _ in 0..1_000 {
        talk.send(ToServer, b"\x00\x00\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\xff");
    }
    assert!(talk.finish().of("anomaly").len() <= 16);
}

#[test]
fn a_long_answer_is_cut_and_keeps_its_form() {
    let mut reply = Builder::new(1, 0x8000).question("a", 1, 1);
    for last in 0..200 {
        reply = reply.record(1, 1, 1, &[192, 0, 2, last]);
    }
    let seen = datagrams(&DNS, &[(ToClient, &reply)]);
    assert_eq!(seen.of("dns")[0]["answers"].as_array().unwrap().len(), 64);
    assert_eq!(seen.of("dns")[0]["grouped"]["A"].as_array().unwrap().len(), 64);
    assert_eq!(seen.of("anomaly").len(), 0);
}

#[test]
fn multicast_messages_have_events_of_their_own() {
    let ask = Builder::new(0, 0).question("_ipp._tcp.local", 12, 0x8001).question("_http._tcp.local", 12, 1);
    let announce =
        Builder::new(0, 0x8400).record_of(1, &wire_name("printer.local"), (1, 0x8001), 120, &[192, 0, 2, 7]);
    let seen = datagrams(&MDNS, &[(ToServer, &ask), (ToServer, &announce)]);
    let events = seen.of("mdns");
    assert_eq!(events.len(), 3);
    assert_eq!(
        (&events[0]["rrname"], &events[0]["unicast_response"]),
        (&json!("_ipp._tcp.local"), &json!(true))
    );
    assert_eq!(events[1]["rrname"], "_http._tcp.local");
    assert_eq!(events[2]["answers"][0]["rdata"], "192.0.2.7");

    let local = datagrams(&LLMNR, &[(ToServer, &Builder::new(5, 0).question("wpad", 1, 1))]);
    assert_eq!(local.of("llmnr")[0]["rrname"], "wpad");
}

#[test]
fn the_certificate_of_dnscrypt_is_known() {
    let ask = |name| datagrams(&DNS, &[(ToServer, &Builder::new(3, 0x0100).question(name, 16, 1))]).refined;
    assert_eq!(ask("2.dnscrypt-cert.example.com"), Some("dnscrypt"));
    assert_eq!(ask("2.example.com"), None);
    let certificate = [b"\x7cDNSC\x00\x01\x00\x00".as_slice(), &[0x55; 116]].concat();
    let reply = Builder::new(3, 0x8180).question("2.example.com", 16, 1).record(1, 16, 1, &certificate);
    assert_eq!(datagrams(&DNS, &[(ToClient, &reply)]).refined, Some("dnscrypt"));
}

#[test]
fn an_inverse_query_is_told() {
    let ask = Builder::new(3, 0x0900).record_of(1, &[0], (1, 1), 0, &[192, 0, 2, 1]);
    let seen = datagrams(&DNS, &[(ToServer, &ask)]);
    assert_eq!(seen.of("dns")[0]["opcode"], 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_cut_of_a_mutated_stream_gives_the_same_events(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..8),
        length in 1_usize..200,
    ) {
        let mut bytes = [query().framed(), response().framed(), response().framed(), query().framed()].concat();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let script = vec![(ToClient, bytes)];
        let whole = play(&DNS, Carrier::Tcp, &script);
        let cut = play_cut(&DNS, &script, || length);
        prop_assert_eq!((cut.events, cut.ending), (whole.events, whole.ending));
    }

    #[test]
    fn mutated_and_random_messages_never_panic(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..12),
        noise in proptest::collection::vec(any::<u8>(), 0..200),
        kind in 0_u16..300,
        cut in any::<proptest::sample::Index>(),
    ) {
        let mut reply = response().record(3, kind, 1, &noise).bytes;
        for (at, byte) in changes {
            let at = at.index(reply.len());
            reply[at] = byte;
        }
        reply.truncate(cut.index(reply.len()) + 1);
        for (protocol, carrier) in [(&DNS, Carrier::Udp), (&MDNS, Carrier::Udp), (&LLMNR, Carrier::Udp), (&DNS, Carrier::Tcp)] {
            let mut talk = Conversation::new(protocol, carrier);
            talk.send(ToClient, &reply);
            talk.send(ToServer, &noise);
            talk.finish();
        }
    }
}
