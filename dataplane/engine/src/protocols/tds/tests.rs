use super::TDS;
use crate::protocols::Found;
use crate::protocols::bench::{Bench, tcp};
use crate::record::Datum;
use crate::record::Direction::{ToClient, ToServer};

fn packet(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(body.len() + 8).unwrap().to_be_bytes();
    [&[kind, 1][..], &len, &[0, 0, 1, 0], body].concat()
}

fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn prelogin(kind: u8, encryption: u8) -> Vec<u8> {
    packet(kind, &[0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xff, 15, 0, 7, 208, 0, 0, encryption])
}

fn login() -> Vec<u8> {
    let mut fixed = vec![0; 94];
    fixed[7] = 0x74;
    fixed[4] = 4;
    let mut values = Vec::new();
    for (at, text) in [(36, "host1"), (40, "sa"), (44, "hunter2"), (48, "app"), (68, "orders")] {
        let start = u16::try_from(94 + values.len()).unwrap().to_le_bytes();
        fixed[at..at + 2].copy_from_slice(&start);
        fixed[at + 2] = u8::try_from(text.len()).unwrap();
        values.extend(wide(text));
    }
    let len = u32::try_from(94 + values.len()).unwrap();
    fixed[..4].copy_from_slice(&len.to_le_bytes());
    fixed.extend(values);
    packet(16, &fixed)
}

#[test]
fn a_login_in_clear_says_who_and_where() {
    let mut bench = Bench::new(&TDS);
    bench.stream(ToServer, &prelogin(18, 2));
    bench.stream(ToClient, &prelogin(4, 2));
    bench.stream(ToServer, &login());
    let mut accepted = vec![0xad, 0, 0, 1, 0x74, 0, 0, 4, 9];
    accepted.extend(wide("SQLServer"));
    accepted.extend([15, 0, 7, 208]);
    accepted[1] = u8::try_from(accepted.len() - 3).unwrap();
    accepted.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    bench.stream(ToClient, &packet(4, &accepted));
    for (name, value) in [
        ("user", "sa"),
        ("client_host", "host1"),
        ("database", "orders"),
        ("application", "app"),
        ("tds_version", "7.4"),
        ("result", "success"),
        ("server_program", "SQLServer"),
        ("encryption", "not_supported"),
    ] {
        assert_eq!(bench.text("tds", name), value, "{name}");
    }
    assert_eq!(bench.value("tds", "password_in_clear"), Some(Datum::Flag(true)));
    assert!(!bench.all().iter().any(|item| item.contains(&format!("{:?}", b"hunter2"))));
}

#[test]
fn the_login_of_version_5_is_told_and_its_password_is_not() {
    let name = |text: &[u8]| {
        let mut field = text.to_vec();
        field.resize(30, 0);
        field.push(u8::try_from(text.len()).unwrap());
        field
    };
    let mut body = [name(b"desk"), name(b"alice"), name(b"hidden"), name(b"7")].concat();
    body.resize(504, 0);
    let mut bench = Bench::new(&TDS);
    bench.stream(ToServer, &packet(2, &body));
    assert_eq!((bench.kinds(), bench.text("tds", "type")), (vec!["tds"], "login".into()));
    let all = bench.all().join("\n");
    assert!(!all.contains(&format!("{:?}", b"hidden").trim_matches(['[', ']']).to_owned()), "{all}");
    assert_eq!(bench.said_of_crypto(), [crate::CryptoClass::Cleartext]);
    // A length beyond its field.
    let mut bench = Bench::new(&TDS);
    body[30] = 31;
    bench.stream(ToServer, &packet(2, &body));
    assert_eq!(bench.kinds(), Vec::<&str>::new());
}

#[test]
fn requests_are_told_with_their_answers_and_without_data() {
    let mut bench = Bench::new(&TDS);
    bench.stream(ToServer, &prelogin(18, 2));
    let mut batch = vec![22, 0, 0, 0, 18, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0];
    batch.extend(wide("SELECT * FROM [t 1] WHERE a = N'secret'"));
    bench.stream(ToServer, &packet(1, &batch));
    let mut error = vec![0xaa, 0, 0, 208, 0, 0, 0, 1, 16, 3, 0];
    error.extend(wide("bad"));
    error[1] = u8::try_from(error.len() - 3).unwrap();
    bench.stream(ToClient, &packet(4, &error));
    assert_eq!(bench.text("tds", "statement"), "SELECT * FROM [t 1] WHERE a = N?");
    assert_eq!(bench.value("tds", "number"), Some(Datum::Unsigned(208)));
    let mut call = vec![255, 255, 10, 0, 0, 0, 0, 0, 0xe7, 0x40, 0x1f, 9, 4, 0xd0, 0, 0x34];
    let text = wide("SELECT @a, 5");
    call.extend(u16::try_from(text.len()).unwrap().to_le_bytes());
    call.extend(text);
    bench.stream(ToServer, &packet(3, &call));
    bench.finish();
    assert_eq!(bench.text("tds", "procedure"), "sp_executesql");
    assert!(bench.all().contains(&format!("statement {:?}", b"SELECT @a, ?")));
}

#[test]
fn near_misses_are_refused() {
    let probe = TDS.probe.unwrap();
    assert_eq!(probe(&tcp(&prelogin(18, 0), ToServer, 40_002)), Found::Yes);
    assert_eq!(probe(&tcp(&login(), ToServer, 40_002)), Found::Yes);
    assert_eq!(probe(&tcp(&login()[..50], ToServer, 40_002)), Found::Maybe);
    for (at, value) in [(0, 19), (1, 0x80), (7, 1), (8, 1), (9, 9)] {
        let mut other = prelogin(18, 0);
        other[at] = value;
        assert_eq!(probe(&tcp(&other, ToServer, 40_002)), Found::No, "{at}");
    }
}

#[test]
fn the_tls_session_within_packets_is_read_and_what_follows_it_in_clear() {
    let mut hello = vec![1, 0, 0, 43, 3, 3];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0xc0, 0x2f, 1, 0, 0, 0]);
    let mut record = vec![0x16, 3, 1, 0, u8::try_from(hello.len()).unwrap()];
    record.extend(hello);
    let mut bench = Bench::new(&TDS);
    bench.stream(ToServer, &prelogin(18, 0));
    bench.stream(ToClient, &prelogin(4, 0));
    let (first, second) = record.split_at(20);
    bench.stream(ToServer, &packet(18, first));
    bench.stream(ToServer, &packet(18, second));
    // Only the login is encrypted: a record without a packet around it, then packets again.
    bench.stream(ToServer, &[0x17, 3, 3, 0, 4, 1, 2, 3, 4]);
    bench.stream(ToServer, &packet(1, &wide("SELECT 1")));
    bench.finish();
    assert_eq!(bench.kinds(), ["tds", "tds", "tds", "tls"]);
    assert_eq!(bench.text("tds", "encryption"), "off");
    assert!(bench.value("tls", "ja3").is_some());
}
