use super::REDIS;
use crate::protocols::Found;
use crate::protocols::bench::{Bench, is_taken, tcp};
use crate::record::Datum;
use crate::record::Direction::{ToClient, ToServer};

#[test]
fn a_login_names_the_user_and_not_the_password() {
    for (request, user) in [
        (&b"*2\r\n$4\r\nAUTH\r\n$7\r\nhunter2\r\n"[..], "default"),
        (b"*3\r\n$4\r\nauth\r\n$3\r\nbob\r\n$7\r\nhunter2\r\n", "bob"),
        (b"*5\r\n$5\r\nHELLO\r\n$1\r\n3\r\n$4\r\nAUTH\r\n$3\r\nbob\r\n$7\r\nhunter2\r\n", "bob"),
        (b"AUTH bob hunter2\r\n", "bob"),
    ] {
        let mut bench = Bench::new(&REDIS);
        bench.stream(ToServer, request);
        bench.stream(ToClient, b"-WRONGPASS no\r\n");
        assert_eq!((bench.text("redis", "type"), bench.text("redis", "user")), ("login".into(), user.into()));
        assert_eq!(bench.text("redis", "error"), "WRONGPASS no");
        assert_eq!(bench.value("redis", "password_in_clear"), Some(Datum::Flag(true)));
        assert!(!bench.all().iter().any(|item| item.contains(&format!("{:?}", b"hunter2"))));
    }
}

#[test]
fn answers_are_counted_through_what_is_nested_in_them() {
    let mut bench = Bench::new(&REDIS);
    bench.stream(ToServer, b"*1\r\n$4\r\nKEYS\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\n*1\r\n$4\r\nINCR\r\n");
    bench.stream(ToClient, b"*2\r\n*1\r\n$3\r\nabc\r\n%1\r\n+k\r\n:1\r\n");
    bench.stream(ToClient, b">2\r\n+invalidate\r\n*-1\r\n$-1\r\n:7\r\n");
    let replies: Vec<_> = bench.all().into_iter().filter(|item| item.starts_with("reply ")).collect();
    let names: Vec<_> =
        ["array", "null", "integer"].iter().map(|name| format!("{:?}", name.as_bytes())).collect();
    assert_eq!(replies.len(), 3);
    assert!(replies.iter().zip(&names).all(|(reply, name)| reply.ends_with(name)), "{replies:?}");
}

#[test]
fn many_commands_are_summed_up_and_errors_still_told() {
    let mut bench = Bench::new(&REDIS);
    for _ in 0..300 {
        bench.stream(ToServer, b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n");
        bench.stream(ToClient, b"$1\r\nx\r\n");
    }
    bench.stream(ToServer, b"*1\r\n$3\r\nBAD\r\n");
    bench.stream(ToClient, b"-ERR unknown\r\n");
    bench.finish();
    assert_eq!(bench.kinds().len(), 130);
    assert_eq!(bench.value("redis", "commands"), Some(Datum::Unsigned(301)));
}

#[test]
fn near_misses_are_refused() {
    let probe = REDIS.probe.unwrap();
    assert!(is_taken(probe(&tcp(b"*1\r\n$4\r\nPING\r\n", ToServer, 40_002))));
    assert_eq!(probe(&tcp(b"*1\r\n$4\r\nPI", ToServer, 40_002)), Found::Maybe);
    for payload in
        [&b"* OK ready\r\n"[..], b"*2\r\n:1\r\n:2\r\n", b"*1\r\n$4\r\nPINGS\r\n", b"*0\r\n$4\r\nPING\r\n"]
    {
        assert_eq!(probe(&tcp(payload, ToServer, 40_002)), Found::No);
    }
}
