use super::POSTGRESQL;
use crate::protocols::bench::{Bench, is_taken, tcp};
use crate::protocols::{Found, Then};
use crate::record::Datum;
use crate::record::Direction::{ToClient, ToServer};

/// A message with a type and its length.
fn typed(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[kind][..], &length.to_be_bytes(), body].concat()
}

fn startup() -> Vec<u8> {
    let body = b"\x00\x03\x00\x00user\0alice\0database\0orders\0application_name\0psql\0\0";
    [&u32::try_from(body.len() + 4).unwrap().to_be_bytes()[..], body].concat()
}

fn logon() -> Bench {
    let mut bench = Bench::new(&POSTGRESQL);
    bench.stream(ToServer, &startup());
    bench.stream(ToClient, &typed(b'R', &[0, 0, 0, 3]));
    bench.stream(ToServer, &typed(b'p', b"hunter2\0"));
    let mut answer = typed(b'R', &[0, 0, 0, 0]);
    answer.extend(typed(b'S', b"server_version\x0015.4\0"));
    answer.extend(typed(b'K', &[0, 0, 0, 9, 1, 2, 3, 4]));
    answer.extend(typed(b'Z', b"I"));
    bench.stream(ToClient, &answer);
    bench
}

#[test]
fn a_logon_says_who_and_where_and_that_the_password_could_be_read() {
    let bench = logon();
    for (name, value) in
        [("user", "alice"), ("database", "orders"), ("server_version", "15.4"), ("result", "success")]
    {
        assert_eq!(bench.text("postgresql", name), value);
    }
    assert_eq!(bench.value("postgresql", "password_in_clear"), Some(Datum::Flag(true)));
    assert!(!bench.all().iter().any(|item| item.contains(&format!("{:?}", b"hunter2"))));
}

#[test]
fn statements_have_their_answers_and_no_data() {
    let mut bench = logon();
    bench.stream(ToServer, &typed(b'Q', b"SELECT name FROM t WHERE id = 'secret'\0"));
    let mut answer = typed(b'T', &[0, 0]);
    answer.extend(typed(b'D', &[0, 0]));
    answer.extend(typed(b'D', &[0, 0]));
    answer.extend(typed(b'C', b"SELECT 2\0"));
    answer.extend(typed(b'Z', b"I"));
    bench.stream(ToClient, &answer);
    assert_eq!(bench.text("postgresql", "statement"), "SELECT name FROM t WHERE id = ?");
    assert_eq!(bench.text("postgresql", "command"), "SELECT 2");
    assert_eq!(bench.value("postgresql", "rows"), Some(Datum::Unsigned(2)));
}

#[test]
fn an_execution_is_told_with_the_statement_that_was_prepared() {
    let mut bench = logon();
    let mut group = typed(b'P', b"s1\0DELETE FROM t WHERE id = $1\0\0\0");
    group.extend(typed(b'B', b"\0s1\0\0\0\0\0\0\0"));
    group.extend(typed(b'E', b"\0\0\0\0\0"));
    group.extend(typed(b'S', b""));
    bench.stream(ToServer, &group);
    let mut answer = typed(b'1', b"");
    answer.extend(typed(b'2', b""));
    answer.extend(typed(b'E', b"SERROR\0C42P01\0Mno such table\0\0"));
    answer.extend(typed(b'Z', b"I"));
    bench.stream(ToClient, &answer);
    assert_eq!(bench.text("postgresql", "statement"), "DELETE FROM t WHERE id = $1");
    assert_eq!(bench.text("postgresql", "code"), "42P01");
}

#[test]
fn encryption_is_handed_on_when_the_server_agrees() {
    let request = [0, 0, 0, 8, 4, 210, 22, 47];
    let mut bench = Bench::new(&POSTGRESQL);
    bench.stream(ToServer, &request);
    bench.stream(ToClient, b"S");
    assert_eq!((bench.ending, bench.text("postgresql", "encryption").as_str()), (Some(Then::Upgrade), "tls"));

    let mut bench = Bench::new(&POSTGRESQL);
    bench.stream(ToServer, &request);
    bench.stream(ToClient, b"N");
    bench.stream(ToServer, &startup());
    bench.finish();
    assert_eq!((bench.ending, bench.text("postgresql", "encryption").as_str()), (None, "refused"));
}

#[test]
fn near_misses_are_refused() {
    let probe = POSTGRESQL.probe.unwrap();
    assert!(is_taken(probe(&tcp(&startup(), ToServer, 40_002))));
    assert_eq!(probe(&tcp(&startup()[..20], ToServer, 40_002)), Found::Maybe);
    let mut other = startup();
    other[5] = 2;
    assert_eq!(probe(&tcp(&other, ToServer, 40_002)), Found::No);
    let mut without_user = startup();
    without_user[8] = b'x';
    assert_eq!(probe(&tcp(&without_user, ToServer, 40_002)), Found::No);
    assert_eq!(probe(&tcp(&[0, 0, 0, 9, 4, 210, 22, 47], ToServer, 40_002)), Found::No);
}
