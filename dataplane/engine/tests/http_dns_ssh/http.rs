//! HTTP/1.

use engine::protocols::http::HTTP;
use engine::protocols::{Carrier, Then};
use engine::record::Direction::{ToClient, ToServer};
use proptest::prelude::*;
use serde_json::json;

use crate::conversation::{Conversation, Outcome, Turn, play, play_cut};

fn script(turns: &[(engine::record::Direction, &str)]) -> Vec<Turn> {
    turns.iter().map(|(from, text)| (*from, text.as_bytes().to_vec())).collect()
}

fn outcome(turns: &[(engine::record::Direction, &str)]) -> Outcome {
    play(&HTTP, Carrier::Tcp, &script(turns))
}

#[test]
fn a_transaction_is_one_event_with_suricatas_names() {
    let seen = outcome(&[
        (
            ToServer,
            "GET /hello.txt?lang=en HTTP/1.1\r\nUser-Agent: curl/7.64.1\r\nHost: WWW.example.com:8080\r\n\
             Referer: http://example.com/\r\nX-Forwarded-For: 192.0.2.7\r\nAccept-Language: en, mi\r\n\r\n",
        ),
        (
            ToClient,
            "HTTP/1.1 302 Found\r\nServer: Apache\r\nLocation: /other\r\nContent-Length: 5\r\n\
             Content-Type: text/plain; charset=utf-8\r\n\r\nHello",
        ),
    ]);
    assert_eq!(
        seen.of("http"),
        [&json!({
            "hostname": "www.example.com", "http_port": 8080, "url": "/hello.txt?lang=en",
            "uri": "www.example.com:8080/hello.txt?lang=en", "http_user_agent": "curl/7.64.1",
            "xff": "192.0.2.7", "http_refer": "http://example.com/", "http_method": "GET",
            "http_content_type": "text/plain", "protocol": "HTTP/1.1", "status": 302, "redirect": "/other",
            "length": 5, "server": "Apache",
        })]
    );
    assert_eq!(seen.ending, None);
}

#[test]
fn pipelined_requests_meet_their_responses_in_order() {
    let seen = outcome(&[
        (
            ToServer,
            "GET /a HTTP/1.1\r\nHost: h\r\n\r\nHEAD /b HTTP/1.1\r\nHost: h\r\n\r\nGET /c HTTP/1.1\r\nHost: h\r\n\r\n",
        ),
        // The response to HEAD has a length and no body; 304 as well.
        (
            ToClient,
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n\
             HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\nHTTP/1.1 500 Oops\r\n\r\n",
        ),
    ]);
    let events = seen.of("http");
    let pairs: Vec<_> =
        events.iter().map(|event| (event["url"].as_str(), event["status"].as_u64())).collect();
    assert_eq!(
        pairs,
        [(Some("/a"), Some(200)), (Some("/b"), Some(200)), (Some("/c"), Some(304)), (None, Some(500))]
    );
    assert_eq!(events[3]["anomalies"], json!(["unable_to_match_response_to_request"]));
}

#[test]
fn chunked_bodies_and_trailers_are_passed_over() {
    // RFC 9112, 7.1.
    let seen = outcome(&[
        (
            ToServer,
            "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4;x=\"y\"\r\nWiki\r\n00A\r\n0123456789\r\n0\r\n\
             Trailer: GET / HTTP/1.1\r\n\r\nGET /next HTTP/1.1\r\nHost: h\r\n\r\n",
        ),
        (ToClient, "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"),
        (ToClient, "HTTP/1.1 204 No Content\r\n\r\n"),
    ]);
    let urls: Vec<_> = seen.of("http").iter().map(|event| event["url"].clone()).collect();
    assert_eq!(urls, ["/a", "/next"]);
    assert_eq!(seen.of("anomaly").len(), 0);
}

#[test]
fn a_body_of_gigabytes_is_skipped_and_not_held() {
    let mut talk = Conversation::new(&HTTP, Carrier::Tcp);
    talk.send(ToServer, b"PUT /big HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\n");
    for _ in 0..1_000 {
        talk.send(ToServer, &[b'x'; 100_000]);
    }
    talk.send(ToServer, b"GET /after HTTP/1.1\r\nHost: h\r\n\r\n");
    let seen = talk.finish();
    assert_eq!(seen.of("http")[1]["url"], "/after");
    assert_eq!(seen.carried, [0, 0]);
}

#[test]
fn a_response_without_length_goes_on_until_the_connection_closes() {
    let seen = outcome(&[
        (ToServer, "GET /a HTTP/1.0\r\n\r\n"),
        (ToClient, "HTTP/1.0 200 OK\r\n\r\nHTTP/1.1 404 Not this\r\n\r\n"),
    ]);
    assert_eq!(seen.of("http").len(), 1);
    assert_eq!(seen.of("http")[0]["status"], 200);
}

#[test]
fn interim_responses_are_not_the_answer() {
    let seen = outcome(&[
        (ToServer, "POST /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"),
        (ToClient, "HTTP/1.1 100 Continue\r\n\r\n"),
        (ToServer, "ok"),
        (
            ToClient,
            "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n",
        ),
    ]);
    assert_eq!(seen.of("http").len(), 1);
    assert_eq!(seen.of("http")[0]["status"], 201);
}

#[test]
fn connect_and_upgrade_hand_the_connection_over() {
    let seen = outcome(&[
        (ToServer, "CONNECT server.example.com:443 HTTP/1.1\r\nHost: server.example.com\r\n\r\n\x16\x03\x01"),
        (ToClient, "HTTP/1.1 200 Connected\r\nContent-Length: 10\r\n\r\n\x16\x03\x03"),
    ]);
    assert_eq!((seen.ending, seen.refined), (Some(Then::Upgrade), Some("http_connect")));
    assert_eq!(seen.of("http")[0]["url"], "server.example.com:443");
    assert_eq!(seen.of("http")[0]["hostname"], "server.example.com");
    assert_eq!(seen.of("http")[0]["http_port"], 443);
    // What both sides sent too early waits for whoever reads the tunnel.
    assert_eq!(seen.carried, [3, 3]);

    let upgrade = |token: &str| {
        outcome(&[
            (
                ToServer,
                &format!("GET /chat HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: {token}\r\n\r\n"),
            ),
            (ToClient, &format!("HTTP/1.1 101 Switching Protocols\r\nUpgrade: {token}\r\n\r\n\u{1}")),
        ])
    };
    assert_eq!(upgrade("websocket").refined, Some("websocket"));
    assert_eq!(upgrade("h2c").refined, Some("http2"));
    let spoken = |protocol: &str| {
        let seen = outcome(&[
            (ToServer, "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
            (
                ToClient,
                &format!(
                    "HTTP/1.1 101 a\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: {protocol}\r\n\r\n"
                ),
            ),
        ]);
        seen.service
    };
    assert_eq!(spoken("mqtt"), Some("MQTT"));
    assert_eq!(spoken("mqttv3.1"), Some("MQTT"));
    assert_eq!(spoken("ocpp1.6"), Some("OCPP"));
    assert_eq!(spoken("sip"), Some("SIP"));
    assert_eq!(spoken("sipper"), None);
    assert_eq!(spoken("opcua+uacp"), Some("OPC UA"));
    assert_eq!(spoken("graphql-ws"), Some("GraphQL"));
    assert_eq!(spoken("chat"), None);
    assert_eq!(upgrade("TLS/1.0").refined, None);
    assert_eq!(upgrade("TLS/1.0").ending, Some(Then::Upgrade));
}

#[test]
fn sources_of_icecast_send_until_they_end() {
    for head in [
        "SOURCE /live.ogg HTTP/1.0\r\nContent-Type: application/ogg\r\n\r\n",
        "PUT /live.ogg HTTP/1.1\r\nHost: h\r\nContent-Type: audio/mpeg\r\nExpect: 100-continue\r\n\r\n",
    ] {
        let seen = outcome(&[
            (ToServer, head),
            (ToClient, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\n\r\n"),
            (ToServer, "OggS\u{0}\u{2}and what is played"),
        ]);
        assert_eq!((seen.service, seen.of("anomaly").len()), (Some("Icecast"), 0), "{head}");
        assert_eq!(seen.of("http").len(), 1);
    }
    // A length says where it ends, also where that is at once.
    let seen = outcome(&[
        (ToServer, "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Type: audio/mpeg\r\nContent-Length: 0\r\n\r\n"),
        (ToClient, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"),
        (ToServer, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"),
        (ToClient, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ]);
    assert_eq!((seen.service, seen.of("http").len()), (None, 2));
}

#[test]
fn a_refused_connect_goes_on_as_http() {
    let seen = outcome(&[
        (ToServer, "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n"),
        (ToClient, "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"),
        (ToServer, "CONNECT a:443 HTTP/1.1\r\nHost: a\r\nProxy-Authorization: Basic YTpi\r\n\r\n"),
        (ToClient, "HTTP/1.1 200 OK\r\n\r\n"),
    ]);
    assert_eq!(seen.of("http").len(), 2);
    assert_eq!(
        seen.of("http")[1]["credentials"],
        json!({"kind": "basic", "user": "a***", "has_password": true})
    );
}

#[test]
fn requests_to_a_proxy_are_told_from_others() {
    let seen =
        outcome(&[(ToServer, "GET http://example.org:81/a?b HTTP/1.1\r\nHost: example.org:81\r\n\r\n")]);
    assert_eq!(seen.refined, Some("http_proxy"));
    assert_eq!(seen.of("http")[0]["uri"], "http://example.org:81/a?b");
    assert_eq!(seen.of("http")[0]["hostname"], "example.org");
}

#[test]
fn no_secret_is_kept() {
    let seen = outcome(&[(
        ToServer,
        "GET http://joe:hunter2@h/a?user=joe&password=hunter2&access_token=hunter2 HTTP/1.1\r\nHost: h\r\n\
         Authorization: Basic am9lOmh1bnRlcjI=\r\nReferer: http://h/?pwd=hunter2\r\nCookie: hunter2\r\n\r\n",
    )]);
    let text = seen.of("http")[0].to_string();
    assert!(!text.contains("hunter2") && !text.contains("am9l"), "{text}");
    assert!(text.contains("password=***"), "{text}");
    assert_eq!(
        seen.of("http")[0]["credentials"],
        json!({"kind": "basic", "user": "j***", "has_password": true})
    );

    let form = outcome(&[
        (
            ToServer,
            "POST /login HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: 25\r\n\r\nuser=joe&password=hunter2",
        ),
        (ToClient, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ]);
    assert_eq!(form.of("http")[0]["credentials"], json!({"kind": "form", "has_password": true}));
}

#[test]
fn services_are_named_by_fields_and_bodies() {
    let service = |fields: &str, body: &str| {
        let length = body.len();
        outcome(&[(
            ToServer,
            &format!("POST / HTTP/1.1\r\nHost: h\r\n{fields}\r\nContent-Length: {length}\r\n\r\n{body}"),
        )])
        .service
    };
    assert_eq!(service("Content-Type: application/ocsp-request", "x"), Some("OCSP"));
    assert_eq!(service("SOAPAction: \"\"\r\nContent-Type: text/xml", "<a/>"), Some("SOAP"));
    assert_eq!(
        service("Content-Type: application/json", "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"id\":1}"),
        Some("JSON-RPC")
    );
    assert_eq!(service("Content-Type: application/json", "{}"), None);
    let manifest = outcome(&[(ToClient, "HTTP/1.1 200 OK\r\nContent-Type: application/dash+xml\r\n\r\n")]);
    assert_eq!(manifest.service, Some("MpegDash"));
}

#[test]
fn records_of_patients_are_told_of_without_whose_they_are() {
    let seen = outcome(&[
        (
            ToServer,
            "GET /fhir/Patient?family=Doe&_count=2 HTTP/1.1\r\nHost: h\r\nAccept: application/fhir+json\r\n\
             Referer: http://h/fhir/Patient/4711\r\n\r\n",
        ),
        (
            ToClient,
            "HTTP/1.1 201 Created\r\nLocation: http://h/fhir/Patient/4711/_history/1\r\nContent-Length: 0\r\n\r\n",
        ),
        (ToServer, "GET /fhir/Observation/4711 HTTP/1.1\r\nHost: h\r\n\r\n"),
        (
            ToClient,
            "HTTP/1.1 200 OK\r\nContent-Type: application/fhir+json; fhirVersion=4.0\r\nContent-Length: 0\r\n\r\n",
        ),
    ]);
    let events = seen.of("http");
    assert_eq!(events[0]["fhir"], json!({"resource": "Patient", "interaction": "search", "phi": true}));
    assert_eq!(
        (&events[0]["url"], &events[0]["uri"]),
        (&json!("/fhir/Patient?family=***&_count=2"), &json!("h/fhir/Patient?family=***&_count=2"))
    );
    assert_eq!(events[0]["redirect"], "http://h/fhir/Patient/***/_history/***");
    assert_eq!(events[1]["fhir"], json!({"resource": "Observation", "interaction": "read", "phi": true}));
    let text = format!("{events:?}");
    assert!(!text.contains("Doe") && !text.contains("4711"));
}

#[test]
fn what_is_not_http_is_given_back() {
    for text in [
        "SSH-2.0-OpenSSH\r\n",
        "GET /index.html\r\n",
        "OPTIONS rtsp://a/b RTSP/1.0\r\n",
        "PRI * HTTP/2.0\r\n",
    ] {
        let seen = outcome(&[(ToServer, text)]);
        assert_eq!((seen.ending, seen.events.len()), (Some(Then::NotMine), 0), "{text}");
    }
}

#[test]
fn a_request_whose_head_never_ends_is_told_when_the_flow_ends() {
    let seen = outcome(&[(ToServer, "\r\nGET /slow HTTP/1.1\r\nHost: h\r\nUser-Agent: loris\r\nX: ")]);
    assert_eq!(seen.of("http")[0]["uri"], "h/slow");
    assert_eq!(seen.of("http")[0]["http_user_agent"], "loris");
}

#[test]
fn a_wrong_guess_of_the_client_does_not_matter() {
    let seen = outcome(&[
        (ToClient, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"),
        (ToServer, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ]);
    assert_eq!(seen.of("http").len(), 1);
    assert_eq!(seen.of("http")[0]["status"], 200);
}

#[test]
fn after_a_gap_the_next_start_line_is_found() {
    let mut talk = Conversation::new(&HTTP, Carrier::Tcp);
    talk.send(ToServer, b"GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n");
    talk.send(ToClient, b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf");
    talk.lose(ToClient);
    talk.send(ToClient, b"rest of a body\nHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    talk.send(ToServer, b"GET /c HTTP/1.1\r\nHost: h\r\n\r\n");
    talk.send(ToClient, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let seen = talk.finish();
    let pairs: Vec<_> =
        seen.of("http").iter().map(|event| (event["url"].as_str(), event["status"].as_u64())).collect();
    // Which request the 404 answers is not known after the gap, and not guessed.
    assert_eq!(
        pairs,
        [(Some("/a"), Some(200)), (Some("/b"), None), (None, Some(404)), (Some("/c"), Some(200))]
    );
}

#[test]
fn smuggling_is_called_out() {
    let seen = outcome(&[
        (
            ToServer,
            "POST / HTTP/1.1\r\nHost: h\r\nHost: g\r\nContent-Length: 6\r\nTransfer-Encoding:\r\n chunked\r\n\r\n\
             0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: h\r\n\r\n",
        ),
        (ToClient, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n"),
    ]);
    assert_eq!(
        seen.of("http")[0]["anomalies"],
        json!([
            "host_header_ambiguous",
            "request_field_folded",
            "request_content_length_with_transfer_encoding",
            "invalid_content_length_field_in_response"
        ])
    );
    assert_eq!(seen.of("http")[1]["url"], "/hidden");

    let chunk =
        outcome(&[(ToServer, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n")]);
    assert_eq!(
        chunk.of("anomaly"),
        [&json!({"app_proto": "http", "type": "applayer", "event": "invalid_request_chunk_len"})]
    );
}

#[test]
fn lines_longer_than_any_server_takes_are_cut_and_said_so() {
    let long = "a".repeat(40_000);
    let seen = outcome(&[
        (
            ToServer,
            &format!(
                "GET /{long} HTTP/1.1\r\nX-Long: {long}\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n"
            ),
        ),
        (ToClient, "HTTP/1.1 414 URI Too Long\r\nContent-Length: 0\r\n\r\n"),
    ]);
    assert_eq!(seen.of("http")[0]["anomalies"], json!(["request_field_too_long"]));
    assert_eq!(seen.of("http")[0]["hostname"], "h");
    assert_eq!(seen.of("http")[1]["url"], "/b");
}

#[test]
fn a_parser_is_as_new_after_a_reset() {
    let mut talk = Conversation::new(&HTTP, Carrier::Tcp);
    talk.send(ToServer, b"GET /a HTTP/1.1\r\nHost: h\r\n\r\nPOST /b HTTP/1.1\r\nContent-Length: 10\r\n\r\nx");
    talk.send(ToClient, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab");
    let (_, parser) = talk.finish_and_keep();
    let mut again = Conversation::with(parser, Carrier::Tcp);
    again.send(ToServer, b"GET /c HTTP/1.1\r\nHost: h\r\n\r\n");
    again.send(ToClient, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let fresh = outcome(&[
        (ToServer, "GET /c HTTP/1.1\r\nHost: h\r\n\r\n"),
        (ToClient, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ]);
    assert_eq!(again.finish(), fresh);
}

/// Conversations with everything in them that is cut differently by segments.
fn rich_scripts() -> Vec<Vec<Turn>> {
    let long = "u".repeat(17_000);
    vec![
        script(&[
            (
                ToServer,
                "\r\n\r\nGET /a?token=1 HTTP/1.1\r\nHost: h:1\r\nA: b\r\n\tc\r\nAuthorization: Digest username=\"x\"\r\n\r\n\
                 POST /b HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n\
                 11\r\n{\"jsonrpc\":\"2.0\"}\r\n3\r\nabc\r\n0\r\nT: u\r\n\r\n\
                 POST /f HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\na=1&pwd=2\
                 junk that is no request\r\nmore\r\nGET /c HTTP/1.0\nHost: h\n\n",
            ),
            (
                ToClient,
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd\
                 HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n\
                 HTTP/1.0 404 Not\r\nContent-Length: 1\r\n\r\nx\
                 HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x01\x02\x03",
            ),
        ]),
        script(&[
            (ToServer, &format!("GET /{long} HTTP/1.1\r\nX: {long}\r\n y\r\nHost: h\r\n\r\nX\rY")),
            (
                ToClient,
                "HTTP/1.1 200 OK\r\nContent-Type: application/ocsp-response\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
            ),
        ]),
        script(&[
            (ToServer, "POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nGET /y HTTP/1.1\r\n\r\n"),
            (ToClient, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\naXX"),
        ]),
        script(&[(ToServer, "EHLO example.org\r\n"), (ToClient, "220 hello\r\n")]),
        script(&[
            (ToServer, "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n\x16\x03"),
            (ToClient, "HTTP/1.1 200 OK\r\n\r\nz"),
        ]),
    ]
}

/// The same but for what is only carried on: an ended flow may have seen more or less of it.
fn comparable(mut outcome: Outcome) -> Outcome {
    outcome.carried = [0, 0];
    outcome
}

#[test]
fn one_byte_at_a_time_gives_the_same_events() {
    for script in rich_scripts() {
        let whole = comparable(play(&HTTP, Carrier::Tcp, &script));
        assert_eq!(comparable(play_cut(&HTTP, &script, || 1)), whole);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_cut_gives_the_same_events(
        which in 0_usize..5,
        lengths in proptest::collection::vec(prop_oneof![1_usize..8, 1_usize..3_000], 1..50),
    ) {
        let script = &rich_scripts()[which];
        let mut lengths = lengths.into_iter().cycle();
        let cut = play_cut(&HTTP, script, || lengths.next().unwrap());
        prop_assert_eq!(comparable(cut), comparable(play(&HTTP, Carrier::Tcp, script)));
    }

    #[test]
    fn any_cut_of_mutated_bytes_gives_the_same_events(
        which in 0_usize..5,
        changes in proptest::collection::vec(
            (any::<proptest::sample::Index>(), any::<proptest::sample::Index>(), prop_oneof![any::<u8>(), Just(b'\n'), Just(b' ')]),
            1..10,
        ),
        lengths in proptest::collection::vec(prop_oneof![1_usize..8, 1_usize..3_000], 1..50),
    ) {
        let mut script = rich_scripts().swap_remove(which);
        for (turn, at, byte) in changes {
            let turn = turn.index(script.len());
            let at = at.index(script[turn].1.len());
            script[turn].1[at] = byte;
        }
        let mut lengths = lengths.into_iter().cycle();
        let cut = play_cut(&HTTP, &script, || lengths.next().unwrap());
        prop_assert_eq!(comparable(cut), comparable(play(&HTTP, Carrier::Tcp, &script)));
    }

    #[test]
    fn mutated_and_random_bytes_never_panic(
        which in 0_usize..5,
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..20),
        noise in proptest::collection::vec(any::<u8>(), 0..300),
        length in 1_usize..400,
        gap in any::<bool>(),
    ) {
        let mut script = rich_scripts().swap_remove(which);
        for (at, byte) in changes {
            let turn = at.index(script.len());
            let bytes = &mut script[turn].1;
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let mut talk = Conversation::new(&HTTP, Carrier::Tcp);
        for (from, bytes) in &script {
            for piece in bytes.chunks(length) {
                talk.send(*from, piece);
            }
            if gap {
                talk.lose(*from);
            }
            talk.send(*from, &noise);
        }
        prop_assert!(talk.finish().events.len() < 100);
    }
}
