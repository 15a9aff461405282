use super::MYSQL;
use crate::protocols::bench::{Bench, tcp};
use crate::protocols::{Found, Then};
use crate::record::Datum;
use crate::record::Direction::{ToClient, ToServer};

fn packet(sequence: u8, body: &[u8]) -> Vec<u8> {
    let [low, middle, high, _] = u32::try_from(body.len()).unwrap().to_le_bytes();
    [&[low, middle, high, sequence][..], body].concat()
}

fn greeting() -> Vec<u8> {
    let mut body = b"\x0a8.0.36\0\x0b\0\0\0saltsalt\0\xff\xff\xff\x02\0\xff\xdf\x15".to_vec();
    body.extend([0; 10]);
    body.extend(b"moresaltsalt\0caching_sha2_password\0");
    packet(0, &body)
}

fn login(capabilities: u32, rest: &[u8]) -> Vec<u8> {
    let mut body = capabilities.to_le_bytes().to_vec();
    body.extend([0, 0, 0, 1, 255]);
    body.extend([0; 23]);
    body.extend(rest);
    packet(1, &body)
}

fn logged_on() -> Bench {
    let mut bench = Bench::new(&MYSQL);
    bench.stream(ToClient, &greeting());
    bench.stream(
        ToServer,
        &login(0x0008_8208 | 0x0008_0000, b"bob\0\x03\x01\x02\x03shop\0mysql_native_password\0"),
    );
    bench.stream(ToClient, &packet(2, &[0, 0, 0, 2, 0, 0, 0]));
    bench
}

#[test]
fn a_login_says_who_and_where() {
    let bench = logged_on();
    for (name, value) in [
        ("server_version", "8.0.36"),
        ("user", "bob"),
        ("database", "shop"),
        ("mechanism", "mysql_native_password"),
        ("result", "success"),
        ("encryption", "unused"),
    ] {
        assert_eq!(bench.text("mysql", name), value, "{name}");
    }
    assert_eq!(bench.value("mysql", "password_in_clear"), Some(Datum::Flag(false)));
}

#[test]
fn a_password_in_clear_is_told_and_not_shown() {
    let mut bench = Bench::new(&MYSQL);
    bench.stream(ToClient, &greeting());
    bench.stream(ToServer, &login(0x0008_8200, b"bob\0\x00mysql_native_password\0"));
    bench.stream(ToClient, &packet(2, b"\xfemysql_clear_password\0"));
    bench.stream(ToServer, &packet(3, b"hunter2\0"));
    bench.stream(ToClient, &packet(4, b"\xff\x15\x04#28000Access denied"));
    assert_eq!(bench.value("mysql", "password_in_clear"), Some(Datum::Flag(true)));
    assert_eq!(
        (bench.text("mysql", "result"), bench.text("mysql", "state")),
        ("failure".into(), "28000".into())
    );
    assert!(!bench.all().iter().any(|item| item.contains(&format!("{:?}", b"hunter2"))));
}

#[test]
fn statements_are_told_with_their_answers_and_without_data() {
    let mut bench = logged_on();
    bench.stream(ToServer, &packet(0, b"\x03INSERT INTO t VALUES ('secret', 5)"));
    bench.stream(ToClient, &packet(1, &[0, 7, 0, 2, 0, 0, 0]));
    bench.stream(ToServer, &packet(0, b"\x16SELECT * FROM u WHERE id = ?"));
    bench.stream(ToClient, &packet(1, &[0, 9, 0, 0, 0, 1, 0, 1, 0]));
    bench.stream(ToServer, &packet(0, &[0x17, 9, 0, 0, 0, 0, 1, 0, 0, 0]));
    bench.stream(ToClient, &packet(1, &[3]));
    let all = bench.all().join("\n");
    assert_eq!(bench.text("mysql", "statement"), "INSERT INTO t VALUES (?, ?)");
    assert_eq!(bench.value("mysql", "affected_rows"), Some(Datum::Unsigned(7)));
    assert_eq!(bench.value("mysql", "columns"), Some(Datum::Unsigned(3)));
    let twice = format!("statement {:?}", b"SELECT * FROM u WHERE id = ?");
    assert_eq!(all.matches(&twice).count(), 2);
}

#[test]
fn encryption_is_handed_on() {
    let mut bench = Bench::new(&MYSQL);
    bench.stream(ToClient, &greeting());
    bench.stream(ToServer, &login(0x0000_8a00, &[]));
    assert_eq!((bench.ending, bench.text("mysql", "encryption").as_str()), (Some(Then::Upgrade), "tls"));
}

#[test]
fn near_misses_are_refused() {
    let probe = MYSQL.probe.unwrap();
    let whole = greeting();
    assert_eq!(probe(&tcp(&whole, ToClient, 40_002)), Found::Yes);
    assert_eq!(probe(&tcp(&whole[..40], ToClient, 40_002)), Found::Maybe);
    for (at, value) in [(2, 1), (3, 1), (4, 9), (5, b'x'), (24, 1)] {
        let mut other = whole.clone();
        other[at] = value;
        assert_eq!(probe(&tcp(&other, ToClient, 40_002)), Found::No, "{at}");
    }
}
