use super::*;
use crate::protocols::bench::{Bench, assert_any_cut_agrees, taken_of_random, tcp};
use crate::record::Datum;
use crate::record::Direction::{ToClient, ToServer};
use proptest::prelude::*;

fn framed(message: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(message.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend(message);
    bytes
}

fn second(command: u8, flags: u8, id: u8, body: &[u8]) -> Vec<u8> {
    let mut message = b"\xfeSMB\x40\0\0\0".to_vec();
    message.extend([0, 0, 0, 0, command, 0, 1, 0, flags, 0, 0, 0, 0, 0, 0, 0, id]);
    message.resize(64, 0);
    message.extend(body);
    framed(&message)
}

fn negotiation() -> [(Direction, Vec<u8>); 2] {
    let mut ask = vec![36, 0, 2, 0, 1, 0];
    ask.resize(36, 0);
    ask.extend([0x10, 2, 0x11, 3]);
    let mut say = vec![65, 0, 3, 0, 0x11, 3, 1, 0];
    say.resize(60, 0);
    say.extend([128, 0, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 1, 0, 2, 0]);
    [(ToServer, second(0, 0, 0, &ask)), (ToClient, second(0, 1, 0, &say))]
}

fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn create() -> [(Direction, Vec<u8>); 2] {
    let name = wide("a\\b.txt");
    let mut ask = vec![57, 0];
    ask.resize(36, 0);
    ask.extend([2, 0, 0, 0, 0, 0x10, 0, 0, 120, 0, u8::try_from(name.len()).unwrap(), 0]);
    ask.resize(56, 0);
    ask.extend(name);
    [(ToServer, second(5, 0, 4, &ask)), (ToClient, second(5, 1, 4, &[89, 0]))]
}

#[test]
fn a_negotiation_says_dialect_signing_and_cipher() {
    let turns = negotiation();
    assert_eq!(probe(&tcp(&turns[0].1, ToServer, 4000)), Found::Yes);
    for end in 0..8 {
        assert_eq!(probe(&tcp(&turns[0].1[..end], ToServer, 4000)), Found::Maybe);
    }
    let mut bench = Bench::new(&SMB);
    turns.iter().for_each(|(from, bytes)| bench.stream(*from, bytes));
    assert_eq!(
        (bench.text("smb", "dialect"), bench.text("smb", "cipher")),
        ("3.11".into(), "AES-128-GCM".into())
    );
    assert_eq!(bench.value("smb", "signing_required"), Some(Datum::Flag(true)));
    assert_eq!(bench.refined, Some("smb"));
}

#[test]
fn remote_procedure_calls_through_a_pipe_are_read() {
    let pdu = |kind: u8, call: u8, body: &[u8]| {
        let len = u8::try_from(16 + body.len()).unwrap();
        [&[5, 0, kind, 3, 16, 0, 0, 0, len, 0, 0, 0, call, 0, 0, 0][..], body].concat()
    };
    let svcctl = [
        0x81, 0xbb, 0x7a, 0x36, 0x44, 0x98, 0xf1, 0x35, 0xad, 0x32, 0x98, 0xf0, 0x38, 0, 0x10, 3, 2, 0, 0, 0,
    ];
    let bind =
        [&[0xb8, 0x10, 0xb8, 0x10, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0][..], &svcctl, &[4; 20]].concat();
    let taken = [
        &[0xb8, 0x10, 0xb8, 0x10, 9, 0, 0, 0, 4, 0][..],
        b"\\x\0\0\0\0",
        &[1, 0, 0, 0, 0, 0, 0, 0],
        &[4; 20],
    ]
    .concat();
    let file = [0xf1; 16];
    let write = |pdu: &[u8]| {
        let len = u8::try_from(pdu.len()).unwrap();
        second(
            9,
            0,
            5,
            &[&[49, 0, 112, 0, len, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &file, &[0; 16], pdu].concat(),
        )
    };
    let read =
        second(8, 0, 6, &[&[49, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &file, &[0; 17]].concat());
    let answer = |pdu: &[u8]| {
        let len = u8::try_from(pdu.len()).unwrap();
        second(8, 1, 6, &[&[17, 0, 80, 0, len, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], pdu].concat())
    };
    let control = |is_response: u8, pdu: &[u8]| {
        let len = u8::try_from(pdu.len()).unwrap();
        let head = [&[57, 0, 0, 0, 0x17, 0xc0, 0x11, 0][..], &file].concat();
        let place = [120, 0, 0, 0, len, 0, 0, 0];
        let [input, output] = if is_response == 0 { [place, [0; 8]] } else { [[0; 8], place] };
        let gap: &[u8] = if is_response == 0 { &[0; 4] } else { &[] };
        let mut body = [&head[..], &input, gap, &output].concat();
        body.resize(56, 0);
        second(11, is_response, 7, &[&body[..], pdu].concat())
    };
    let turns = [
        (ToServer, write(&pdu(11, 1, &bind))),
        (ToServer, read),
        (ToClient, answer(&pdu(12, 1, &taken))),
        (ToServer, control(0, &pdu(0, 2, &[8, 0, 0, 0, 0, 0, 12, 0, 1, 2, 3, 4]))),
        (ToClient, control(1, &pdu(2, 2, &[0; 16]))),
    ];
    let mut bench = Bench::new(&SMB);
    turns.iter().for_each(|(from, bytes)| bench.stream(*from, bytes));
    assert_eq!(bench.kinds(), ["dcerpc"; 2]);
    assert_eq!(
        (bench.text("dcerpc", "interface"), bench.text("dcerpc", "operation")),
        ("svcctl".into(), "RCreateServiceW".into())
    );
    assert_any_cut_agrees(&SMB, &turns);
}

#[test]
fn a_file_that_is_opened_has_its_name() {
    let turns = create();
    let mut bench = Bench::new(&SMB);
    turns.iter().for_each(|(from, bytes)| bench.stream(*from, bytes));
    assert_eq!(bench.text("smb", "filename"), "a\\b.txt");
    assert_eq!(bench.text("smb", "disposition"), "FILE_CREATE");
    assert_eq!(bench.value("smb", "delete_on_close"), Some(Datum::Flag(true)));
}

#[test]
fn who_logs_on_is_written_and_no_response_is() {
    let mut token = b"NTLMSSP\0\x03\0\0\0".to_vec();
    token.resize(64, 0);
    token[20..28].copy_from_slice(&[6, 0, 6, 0, 72, 0, 0, 0]);
    token[36..44].copy_from_slice(&[8, 0, 8, 0, 64, 0, 0, 0]);
    token[60] = 1;
    token.extend(wide("user"));
    token.extend(b"SECRET");
    let turns = [(ToServer, second(1, 0, 1, &token)), (ToClient, second(1, 1, 1, &[9, 0, 1, 0]))];
    let mut bench = Bench::new(&SMB);
    turns.iter().for_each(|(from, bytes)| bench.stream(*from, bytes));
    assert_eq!(bench.text("smb", "user"), "user");
    assert!(!bench.all().iter().any(|item| item.contains("SECRET") || item.contains("83, 69, 67")));
}

#[test]
fn version_1_says_its_dialects() {
    let mut ask = b"\xffSMB\x72".to_vec();
    ask.resize(32, 0);
    let mut say = ask.clone();
    say[9] = 0x80;
    ask.extend(b"\0\x18\0\x02PC NETWORK\0\x02NT LM 0.12\0");
    say.extend([17, 1, 0, 3]);
    say.resize(32 + 1 + 34 + 2, 0);
    let turns = [(ToServer, framed(&ask)), (ToClient, framed(&say))];
    let mut bench = Bench::new(&SMB);
    turns.iter().for_each(|(from, bytes)| bench.stream(*from, bytes));
    assert_eq!(bench.text("smb", "dialect"), "NT LM 0.12");
    assert_eq!(bench.value("smb", "signing_required"), Some(Datum::Flag(false)));
}

#[test]
fn a_session_request_names_both() {
    let mut request = vec![0x81, 0, 0, 68];
    for _ in 0..2 {
        request.extend(b"\x20EGEJEMEFFDCACACACACACACACACACACA\0");
    }
    assert_eq!(session(&tcp(&request, ToServer, 4000)), Found::Yes);
    let mut bench = Bench::new(&NBSS);
    bench.stream(ToServer, &request);
    assert_eq!(bench.text("nbss", "called_name"), "FILES");
    bench.stream(ToServer, &negotiation()[0].1);
    assert_eq!(bench.refined, Some("smb"));
}

#[test]
fn random_payloads_are_not_taken() {
    assert_eq!((taken_of_random(&SMB), taken_of_random(&NBSS)), (0, 0));
}

#[test]
fn any_cut_gives_the_same_events() {
    assert_any_cut_agrees(&SMB, &[negotiation(), create()].concat());
}

proptest! {
    #[test]
    fn changed_bytes_are_survived(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12)) {
        let mut turns = [negotiation(), create()].concat();
        for (at, value) in changes {
            let turn = at.index(turns.len());
            let place = at.index(turns[turn].1.len());
            turns[turn].1[place] = value;
        }
        assert_any_cut_agrees(&SMB, &turns);
    }
}
