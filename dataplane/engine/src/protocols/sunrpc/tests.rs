use super::*;
use crate::protocols::Then;
use crate::protocols::bench::{Bench, assert_any_cut_agrees, taken_of_random, tcp, udp};
use crate::record::Datum;
use crate::record::Direction::{ToClient, ToServer};
use proptest::prelude::*;

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn string(text: &[u8]) -> Vec<u8> {
    let mut bytes = words(&[u32::try_from(text.len()).unwrap()]);
    bytes.extend(text);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn call(xid: u32, [program, version, procedure]: [u32; 3], arguments: &[u8]) -> Vec<u8> {
    let body = [words(&[9]), string(b"host1"), words(&[1000, 100, 1, 100])].concat();
    let head = words(&[xid, 0, 2, program, version, procedure, 1]);
    [head, string(&body), words(&[0, 0]), arguments.to_vec()].concat()
}

fn reply(xid: u32, results: &[u8]) -> Vec<u8> {
    [words(&[xid, 1, 0, 0, 0, 0]), results.to_vec()].concat()
}

fn record(message: &[u8]) -> Vec<u8> {
    [words(&[0x8000_0000 | u32::try_from(message.len()).unwrap()]), message.to_vec()].concat()
}

fn session() -> Vec<(Direction, Vec<u8>)> {
    let look_up = [string(&[7; 16]), string(b"passwd")].concat();
    let read = [string(&[7; 16]), words(&[0, 4096, 512])].concat();
    let mut turns = vec![
        (ToServer, record(&call(1, [100_003, 3, 3], &look_up))),
        (ToClient, record(&reply(1, &words(&[2])))),
    ];
    for xid in 2..5 {
        turns.push((ToServer, record(&call(xid, [100_003, 3, 6], &read))));
        // In two fragments.
        let answer = reply(xid, &words(&[0, 1, 2, 3]));
        let (first, second) = answer.split_at(32);
        let mut bytes = words(&[32]);
        bytes.extend(first);
        bytes.extend(record(second));
        turns.push((ToClient, bytes));
    }
    turns
}

#[test]
fn nfs_calls_stand_with_their_results_and_reads_are_counted() {
    assert_eq!(probe(&tcp(&session()[0].1, ToServer, 4000)), Found::Yes);
    let mut bench = Bench::new(&SUNRPC);
    session().iter().for_each(|(from, bytes)| bench.stream(*from, bytes));
    bench.finish();
    assert_eq!(bench.kinds(), ["nfs"; 3]);
    assert_eq!(bench.refined, Some("nfs"));
    assert_eq!(
        (bench.text("nfs", "procedure"), bench.text("nfs", "filename")),
        ("LOOKUP".into(), "passwd".into())
    );
    assert_eq!(
        (bench.text("nfs", "machine_name"), bench.value("nfs", "uid")),
        ("host1".into(), Some(Datum::Unsigned(1000)))
    );
    assert!(bench.all().iter().any(|item| item.contains("ERR_NOENT")));
    assert_eq!(bench.value("nfs", "read_bytes"), Some(Datum::Unsigned(3 * 512)));
}

#[test]
fn the_port_mapper_tells_where_a_program_listens() {
    let request = call(5, [100_000, 2, 3], &words(&[100_003, 3, 6, 0]));
    assert_eq!(probe(&udp(&request, ToServer, 4000)), Found::Yes);
    let mut bench = Bench::new(&SUNRPC);
    bench.datagram(ToServer, &request);
    bench.datagram(ToServer, &request);
    bench.datagram(ToClient, &reply(5, &words(&[2049])));
    assert_eq!(bench.kinds(), ["sunrpc"]);
    assert_eq!(
        (bench.text("sunrpc", "procedure"), bench.text("sunrpc", "protocol")),
        ("GETPORT".into(), "tcp".into())
    );
    assert_eq!(bench.value("sunrpc", "port"), Some(Datum::Unsigned(2049)));
}

#[test]
fn a_compound_lists_its_operations() {
    let operations = [words(&[24, 15]), string(b"export"), words(&[10, 9, 1, 2])].concat();
    let arguments = [string(b""), words(&[1, 4]), operations].concat();
    let mut bench = Bench::new(&SUNRPC);
    bench.datagram(ToServer, &call(6, [100_003, 4, 1], &arguments));
    bench.datagram(ToClient, &reply(6, &words(&[0])));
    assert_eq!(bench.text("nfs", "filename"), "export");
    let all = bench.all();
    for name in ["PUTROOTFH", "LOOKUP", "GETFH", "GETATTR"] {
        assert!(all.iter().any(|item| item.contains(&format!("{name}\""))), "{name}");
    }
}

#[test]
fn tls_is_handed_on_when_the_server_agrees() {
    let ask = words(&[7, 0, 2, 100_003, 4, 0, 7, 0, 0, 0]);
    let yes = [words(&[7, 1, 0, 0]), string(b"STARTTLS"), words(&[0])].concat();
    let mut bench = Bench::new(&SUNRPC);
    bench.stream(ToServer, &record(&ask));
    bench.stream(ToClient, &record(&yes));
    assert_eq!(bench.ending, Some(Then::Upgrade));
}

#[test]
fn near_misses_are_refused() {
    let right = call(5, [100_000, 2, 3], &words(&[100_003, 3, 6, 0]));
    for (at, value) in [(7, 1), (11, 3), (12, 0x70), (27, 6), (31, 3), (39, 200)] {
        let mut wrong = right.clone();
        wrong[at] = value;
        assert_eq!(probe(&udp(&wrong, ToServer, 111)), Found::No, "{at}");
    }
    assert_eq!(probe(&udp(&reply(5, &[]), ToServer, 111)), Found::No);
}

#[test]
fn a_version_that_cannot_be_asks_which_there_are() {
    assert_eq!(probe(&udp(&call(5, [100_000, 104_316, 0], &[]), ToServer, 4000)), Found::Yes);
    assert_eq!(probe(&udp(&call(5, [100_000, 104_316, 3], &[]), ToServer, 4000)), Found::No);
    assert_eq!(probe(&udp(&call(5, [300_999, 104_316, 0], &[]), ToServer, 4000)), Found::No);
}

#[test]
fn random_payloads_are_not_taken() {
    assert_eq!(taken_of_random(&SUNRPC), 0);
}

#[test]
fn any_cut_gives_the_same_events() {
    assert_any_cut_agrees(&SUNRPC, &session());
}

proptest! {
    #[test]
    fn changed_bytes_are_survived(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        as_datagrams in any::<bool>(),
    ) {
        let mut turns = session();
        for (at, value) in changes {
            let turn = at.index(turns.len());
            let place = at.index(turns[turn].1.len());
            turns[turn].1[place] = value;
        }
        if as_datagrams {
            let mut bench = Bench::new(&SUNRPC);
            turns.iter().for_each(|(from, bytes)| bench.datagram(*from, &bytes[4..]));
        } else {
            assert_any_cut_agrees(&SUNRPC, &turns);
        }
    }
}

#[test]
fn the_mount_daemon_and_questions_for_it_serve_nfs() {
    let service_of = |program, arguments: &[u8]| {
        let mut bench = Bench::new(&SUNRPC);
        bench.datagram(ToServer, &call(1, [program, 2, 3], arguments));
        bench.service
    };
    assert_eq!(service_of(100_005, &string(b"/export")), Some("NFS"));
    assert_eq!(service_of(100_000, &words(&[100_005, 1, 17, 0])), Some("NFS"));
    assert_eq!(service_of(100_000, &words(&[100_024, 1, 17, 0])), None);
}
