use super::MONGODB;
use crate::protocols::Found;
use crate::protocols::bench::{Bench, is_taken, tcp};
use crate::record::Datum;
use crate::record::Direction::{ToClient, ToServer};

fn message(request: u32, answers: u32, operation: u32, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len() + 16).unwrap();
    [len, request, answers, operation]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .chain(body.iter().copied())
        .collect()
}

fn text(name: &str, value: &str) -> Vec<u8> {
    let len = u32::try_from(value.len() + 1).unwrap().to_le_bytes();
    [&[2], name.as_bytes(), &[0], &len, value.as_bytes(), &[0]].concat()
}

fn binary(name: &str, value: &[u8]) -> Vec<u8> {
    let len = u32::try_from(value.len()).unwrap().to_le_bytes();
    [&[5], name.as_bytes(), &[0], &len, &[0], value].concat()
}

fn document(elements: &[Vec<u8>]) -> Vec<u8> {
    let body = elements.concat();
    let len = u32::try_from(body.len() + 5).unwrap().to_le_bytes();
    [&len[..], &body, &[0]].concat()
}

fn op_msg(request: u32, answers: u32, document: &[u8]) -> Vec<u8> {
    message(request, answers, 2013, &[&[0, 0, 0, 0, 0], document].concat())
}

fn number(name: &str, value: i32) -> Vec<u8> {
    [&[16], name.as_bytes(), &[0], &value.to_le_bytes()[..]].concat()
}

#[test]
fn commands_are_told_with_their_answers_and_without_data() {
    let mut bench = Bench::new(&MONGODB);
    let find = document(&[text("find", "people"), text("filter", "secret"), text("$db", "shop")]);
    bench.stream(ToServer, &op_msg(7, 0, &find));
    bench.stream(ToClient, &op_msg(1, 7, &document(&[number("ok", 0), text("codeName", "Unauthorized")])));
    for (name, value) in [
        ("command", "find"),
        ("collection", "people"),
        ("database", "shop"),
        ("result", "error"),
        ("code", "Unauthorized"),
    ] {
        assert_eq!(bench.text("mongodb", name), value, "{name}");
    }
    assert!(!bench.all().iter().any(|item| item.contains(&format!("{:?}", b"secret"))));
}

#[test]
fn a_plain_login_names_the_user_and_not_the_password() {
    let mut bench = Bench::new(&MONGODB);
    let start = document(&[
        number("saslStart", 1),
        text("mechanism", "PLAIN"),
        binary("payload", b"\0bob\0hunter2"),
        text("$db", "$external"),
    ]);
    bench.stream(ToServer, &op_msg(7, 0, &start));
    bench.stream(ToClient, &op_msg(1, 7, &document(&[number("ok", 1)])));
    assert_eq!(
        (bench.text("mongodb", "type"), bench.text("mongodb", "user")),
        ("login".into(), "bob".into())
    );
    assert_eq!(bench.value("mongodb", "password_in_clear"), Some(Datum::Flag(true)));
    assert!(!bench.all().iter().any(|item| item.contains(&format!("{:?}", b"hunter2"))));
}

#[test]
fn the_older_query_is_read_with_what_the_driver_says_of_itself() {
    let driver = document(&[text("name", "PyMongo")]);
    let client = document(&[[&[3][..], b"driver\0", &driver].concat()]);
    let hello = document(&[number("isMaster", 1), [&[3][..], b"client\0", &client].concat()]);
    let body = [&[0, 0, 0, 0][..], b"admin.$cmd\0", &[0, 0, 0, 0, 255, 255, 255, 255], &hello].concat();
    let mut bench = Bench::new(&MONGODB);
    let query = message(3, 0, 2004, &body);
    assert!(is_taken(MONGODB.probe.unwrap()(&tcp(&query, ToServer, 40_002))));
    bench.stream(ToServer, &query);
    let reply =
        [&[8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0][..], &document(&[number("ok", 1)])];
    bench.stream(ToClient, &message(1, 3, 1, &reply.concat()));
    for (name, value) in [
        ("command", "isMaster"),
        ("database", "admin"),
        ("driver", "PyMongo"),
        ("operation", "OP_QUERY"),
        ("result", "ok"),
    ] {
        assert_eq!(bench.text("mongodb", name), value, "{name}");
    }
}

#[test]
fn packed_messages_say_how() {
    let mut bench = Bench::new(&MONGODB);
    bench.stream(ToServer, &message(1, 0, 2012, &[221, 7, 0, 0, 40, 0, 0, 0, 1, 9, 9, 9]));
    assert_eq!(
        (bench.text("mongodb", "compressor"), bench.text("mongodb", "operation")),
        ("snappy".into(), "OP_MSG".into())
    );
}

#[test]
fn near_misses_are_refused() {
    let probe = MONGODB.probe.unwrap();
    let whole = op_msg(7, 0, &document(&[text("find", "people")]));
    assert_eq!(probe(&tcp(&whole, ToServer, 40_002)), Found::Yes);
    assert_eq!(probe(&tcp(&whole[..20], ToServer, 40_002)), Found::Maybe);
    for (at, value) in [(12, 0), (14, 1), (3, 9), (19, 1), (20, 2), (22, 200), (25, 0x20)] {
        let mut other = whole.clone();
        other[at] = value;
        assert_eq!(probe(&tcp(&other, ToServer, 40_002)), Found::No, "{at}");
    }
    // What it answers: old clients write -1 for nothing.
    for (answers, found) in [([0xff; 4], Found::Yes), ([1, 0, 0, 0], Found::No)] {
        let mut other = whole.clone();
        other[8..12].copy_from_slice(&answers);
        assert_eq!(probe(&tcp(&other, ToServer, 40_002)), found, "{answers:?}");
    }
}
