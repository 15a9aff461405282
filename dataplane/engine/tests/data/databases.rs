//! Databases.

use engine::protocols::mongodb::MONGODB;
use engine::protocols::mysql::MYSQL;
use engine::protocols::postgresql::POSTGRESQL;
use engine::protocols::redis::REDIS;
use engine::protocols::tds::TDS;

use crate::{Sample, client, server, stream};

pub(crate) fn samples() -> Vec<Sample> {
    vec![postgresql(), mysql(), tds(), redis(), mongodb()]
}

/// A message with a type and its length.
fn typed(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind][..], &(body.len() as u32 + 4).to_be_bytes(), body].concat()
}

fn postgresql() -> Sample {
    let body = b"\x00\x03\x00\x00user\0alice\0database\0orders\0\0";
    let turns = vec![
        client([0, 0, 0, 8, 4, 210, 22, 47]),
        server(*b"N"),
        client([&(body.len() as u32 + 4).to_be_bytes()[..], body].concat()),
        server(typed(b'R', b"\0\0\0\x0aSCRAM-SHA-256\0\0")),
        client(typed(b'p', b"SCRAM-SHA-256\0\0\0\0\x10n,,n=,r=abcdefgh")),
        server(
            [typed(b'R', &[0, 0, 0, 0]), typed(b'S', b"server_version\x0016.1\0"), typed(b'Z', b"I")]
                .concat(),
        ),
        client(typed(b'Q', b"UPDATE t SET a = 'secret' WHERE b = 12\0")),
        server([typed(b'C', b"UPDATE 1\0"), typed(b'Z', b"I")].concat()),
        client(
            [
                typed(b'P', b"s\0SELECT a FROM t WHERE b = $1\0\0\0"),
                typed(b'B', b"\0s\0\0\0\0\0\0\0"),
                typed(b'E', b"\0\0\0\0\0"),
                typed(b'S', b""),
            ]
            .concat(),
        ),
        server(
            [
                typed(b'1', b""),
                typed(b'2', b""),
                typed(b'D', &[0; 900]),
                typed(b'C', b"SELECT 1\0"),
                typed(b'Z', b"I"),
            ]
            .concat(),
        ),
        client(typed(b'Q', b"DROP TABLE x\0")),
        server([typed(b'E', b"SERROR\0C42P01\0Mno such table\0\0"), typed(b'Z', b"I")].concat()),
        client(typed(b'X', b"")),
    ];
    stream(&POSTGRESQL, turns)
}

fn packet(sequence: u8, body: &[u8]) -> Vec<u8> {
    let [low, middle, high, _] = (body.len() as u32).to_le_bytes();
    [&[low, middle, high, sequence][..], body].concat()
}

fn mysql() -> Sample {
    let greeting = [
        &b"\x0a8.0.36\0\x0b\0\0\0saltsalt\0\xff\xff\xff\x02\0\xff\xdf\x15"[..],
        &[0; 10],
        b"moresaltsalt\0caching_sha2_password\0",
    ];
    let login = [
        &[0x08, 0x82, 0x08, 0, 0, 0, 0, 1, 255][..],
        &[0; 23],
        b"bob\0\x03\x01\x02\x03shop\0mysql_native_password\0",
    ];
    let turns = vec![
        server(packet(0, &greeting.concat())),
        client(packet(1, &login.concat())),
        server(packet(2, &[0, 0, 0, 2, 0, 0, 0])),
        client(packet(0, b"\x03SELECT name FROM people WHERE id = 5")),
        server(
            [packet(1, &[2]), packet(2, &[0; 40]), packet(3, &[0; 3000]), packet(4, &[0xfe, 0, 0])].concat(),
        ),
        client(packet(0, b"\x02other")),
        server(packet(1, b"\xff\x19\x04#42000Unknown database")),
        client(packet(0, b"\x01")),
    ];
    stream(&MYSQL, turns)
}

fn tds_packet(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 1][..], &(body.len() as u16 + 8).to_be_bytes(), &[0, 0, 1, 0], body].concat()
}

fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn tds() -> Sample {
    let prelogin = [0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xff, 15, 0, 7, 208, 0, 0, 2];
    let mut login = vec![0; 94];
    login[4] = 4;
    login[7] = 0x74;
    for (at, text) in [(36, "host1"), (40, "sa"), (44, "hunter2"), (68, "orders")] {
        let start = (login.len() as u16).to_le_bytes();
        login[at..at + 2].copy_from_slice(&start);
        login[at + 2] = text.len() as u8;
        login.extend(wide(text));
    }
    let len = (login.len() as u32).to_le_bytes();
    login[..4].copy_from_slice(&len);
    let mut accepted = vec![0xad, 28, 0, 1, 0x74, 0, 0, 4, 9];
    accepted.extend(wide("SQLServer"));
    accepted.extend([15, 0, 7, 208, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let mut batch = vec![22, 0, 0, 0, 18, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0];
    batch.extend(wide("SELECT * FROM t WHERE a = N'secret'"));
    let turns = vec![
        client(tds_packet(18, &prelogin)),
        server(tds_packet(4, &prelogin)),
        client(tds_packet(16, &login)),
        server(tds_packet(4, &accepted)),
        client(tds_packet(1, &batch)),
        server(tds_packet(4, &[0x81, 2, 0, 1, 2, 3, 4, 5, 6])),
    ];
    stream(&TDS, turns)
}

fn redis() -> Sample {
    let turns = vec![
        client(*b"*2\r\n$4\r\nAUTH\r\n$7\r\nhunter2\r\n"),
        server(*b"+OK\r\n"),
        client(*b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$300\r\n"),
        client([&[b'x'; 300][..], b"\r\n*2\r\n$6\r\nCONFIG\r\n$3\r\nGET\r\n"].concat()),
        server(*b"+OK\r\n*2\r\n$3\r\ndir\r\n$4\r\n/tmp\r\n"),
        client(*b"*1\r\n$4\r\nKEYS\r\n"),
        server(*b"-ERR wrong number of arguments\r\n"),
    ];
    stream(&REDIS, turns)
}

fn mongodb() -> Sample {
    let text = |name: &str, value: &str| {
        let len = (value.len() as u32 + 1).to_le_bytes();
        [&[2], name.as_bytes(), &[0], &len, value.as_bytes(), &[0]].concat()
    };
    let message = |request: u32, answers: u32, elements: &[Vec<u8>]| {
        let body = elements.concat();
        let words = [body.len() as u32 + 26, request, answers, 2013];
        let head: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        [&head[..], &[0; 5], &(body.len() as u32 + 5).to_le_bytes(), &body, &[0]].concat()
    };
    let turns = vec![
        client(message(1, 0, &[text("find", "people"), text("filter", "secret"), text("$db", "shop")])),
        server(message(9, 1, &[text("codeName", "Unauthorized"), [&[16][..], b"ok\0", &[0; 4]].concat()])),
        client(message(2, 0, &[text("insert", "people"), text("$db", "shop")])),
        server(message(10, 2, &[[&[16][..], b"ok\0", &[1, 0, 0, 0]].concat()])),
    ];
    stream(&MONGODB, turns)
}
