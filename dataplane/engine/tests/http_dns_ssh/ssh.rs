//! SSH.

use engine::protocols::ssh::SSH;
use engine::protocols::{Carrier, Then};
use engine::record::Direction::{ToClient, ToServer};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::conversation::{Conversation, Outcome, Turn, play, play_cut};

/// A packet in clear (RFC 4253, 6).
fn packet(payload: &[u8]) -> Vec<u8> {
    let padding = 8 - (payload.len() + 5) % 8;
    let padding = if padding < 4 { padding + 8 } else { padding };
    let length = u32::try_from(payload.len() + 1 + padding).unwrap();
    [&length.to_be_bytes(), [u8::try_from(padding).unwrap()].as_slice(), payload, &vec![0; padding]].concat()
}

fn string(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

fn kexinit(lists: [&str; 8], guess: bool) -> Vec<u8> {
    let mut payload = vec![20];
    payload.extend([0xa5; 16]);
    for list in lists.into_iter().chain(["", ""]) {
        payload.extend(string(list.as_bytes()));
    }
    payload.push(u8::from(guess));
    payload.extend([0; 4]);
    packet(&payload)
}

const CLIENT: [&str; 8] = [
    "sntrup761x25519-sha512@openssh.com,curve25519-sha256,ext-info-c,kex-strict-c-v00@openssh.com",
    "ssh-ed25519,rsa-sha2-512",
    "chacha20-poly1305@openssh.com,aes128-ctr",
    "aes128-ctr",
    "hmac-sha2-256,hmac-sha1",
    "hmac-sha2-256,hmac-sha1",
    "none,zlib@openssh.com",
    "none",
];

const SERVER: [&str; 8] = [
    "curve25519-sha256,ecdh-sha2-nistp256,kex-strict-s-v00@openssh.com",
    "rsa-sha2-512,ssh-ed25519",
    "aes128-ctr,chacha20-poly1305@openssh.com",
    "aes128-ctr,aes256-ctr",
    "hmac-sha1,hmac-sha2-256",
    "hmac-sha1",
    "none",
    "none",
];

/// A reply with a host key of `kind` and numbers after it.
fn reply(number: u8, kind: &str, numbers: &[&[u8]]) -> Vec<u8> {
    let blob = [string(kind.as_bytes()), numbers.iter().flat_map(|n| string(n)).collect()].concat();
    packet(&[[number].as_slice(), &string(&blob), &string(&[9; 32]), &string(&[8; 80])].concat())
}

fn handshake(client: Vec<u8>, server: Vec<u8>, exchange: Vec<Turn>) -> Vec<Turn> {
    let mut turns = vec![
        (ToServer, b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n".to_vec()),
        (ToClient, b"SSH-2.0-dropbear_2022.83\n".to_vec()),
        (ToServer, client),
        (ToClient, server),
    ];
    turns.extend(exchange);
    let newkeys = packet(&[21]);
    turns.push((ToClient, newkeys.clone()));
    turns.push((ToServer, [newkeys, vec![0xee; 50]].concat()));
    turns
}

fn usual() -> Vec<Turn> {
    let exchange =
        vec![(ToServer, packet(&[30, 1, 2, 3])), (ToClient, reply(31, "ssh-ed25519", &[&[7; 32]]))];
    handshake(kexinit(CLIENT, false), kexinit(SERVER, false), exchange)
}

fn only_event(outcome: &Outcome) -> &Value {
    let events = outcome.of("ssh");
    assert_eq!(events.len(), 1);
    events[0]
}

#[test]
fn a_handshake_is_one_event_and_then_the_flow_is_done() {
    let seen = play(&SSH, Carrier::Tcp, &usual());
    assert_eq!(seen.ending, Some(Then::Done));
    assert_eq!(
        only_event(&seen),
        &json!({
            "client": {
                "proto_version": "2.0", "software_version": "OpenSSH_9.2p1", "comments": "Debian-2",
                "hassh": {
                    "hash": "a102c3f18911ee49d5e2b88d91469359",
                    "string": "sntrup761x25519-sha512@openssh.com,curve25519-sha256,ext-info-c,\
                        kex-strict-c-v00@openssh.com;chacha20-poly1305@openssh.com,aes128-ctr;\
                        hmac-sha2-256,hmac-sha1;none,zlib@openssh.com",
                },
            },
            "server": {
                "proto_version": "2.0", "software_version": "dropbear_2022.83",
                "hassh": {
                    "hash": "2c323639286db428bab100b439c5f9e5",
                    "string": "curve25519-sha256,ecdh-sha2-nistp256,kex-strict-s-v00@openssh.com;\
                        aes128-ctr,aes256-ctr;hmac-sha1;none",
                },
            },
            "crypto": {
                "class": "classical", "posture": "classical", "kex": "curve25519-sha256", "forward_secrecy": true,
                "host_key_algorithm": "ssh-ed25519", "host_key": {"type": "ssh-ed25519"},
                "cipher_to_server": "chacha20-poly1305@openssh.com", "mac_to_server": "implicit",
                "cipher_to_client": "aes128-ctr", "mac_to_client": "hmac-sha1",
                "compression_to_server": "none", "compression_to_client": "none", "strict_kex": true,
                "kex_offered": ["sntrup761x25519-sha512@openssh.com", "curve25519-sha256"],
                "offers_pq": true, "client_ext_info": true,
                "kex_supported": ["curve25519-sha256", "ecdh-sha2-nistp256"],
                "supports_pq": false, "server_ext_info": false,
            },
        })
    );
}

#[test]
fn any_cut_gives_the_same_event() {
    let whole = only_event(&play(&SSH, Carrier::Tcp, &usual())).clone();
    for length in 1..80 {
        assert_eq!(only_event(&play_cut(&SSH, &usual(), || length)), &whole);
    }
}

fn crypto(client: [&str; 8], server: [&str; 8], exchange: Vec<Turn>) -> Value {
    let turns = handshake(kexinit(client, false), kexinit(server, false), exchange);
    only_event(&play(&SSH, Carrier::Tcp, &turns))["crypto"].clone()
}

#[test]
fn a_hybrid_exchange_is_hybrid_even_with_a_weak_mac() {
    let mut lists = SERVER;
    lists[0] = "mlkem768x25519-sha256";
    lists[3] = "aes256-cbc";
    lists[5] = "hmac-md5";
    let crypto = crypto(lists, lists, vec![]);
    assert_eq!(
        (&crypto["class"], &crypto["posture"], &crypto["weaknesses"]),
        (&json!("hybrid"), &json!("weak"), &json!(["mac"]))
    );
}

#[test]
fn what_falls_today_is_weak() {
    let lists = [
        "diffie-hellman-group1-sha1",
        "ssh-rsa",
        "3des-cbc",
        "aes128-ctr",
        "hmac-sha1",
        "hmac-sha1",
        "none",
        "none",
    ];
    let key = [3_u8, 1];
    let modulus = [&[0, 0x80][..], &[1; 127]].concat();
    let exchange = vec![(ToClient, reply(31, "ssh-rsa", &[&key, &modulus]))];
    let crypto = crypto(lists, lists, exchange);
    assert_eq!(crypto["class"], "classical");
    assert_eq!(crypto["dh_bits"], 1024);
    assert_eq!(crypto["host_key"], json!({"type": "ssh-rsa", "bits": 1024}));
    assert_eq!(
        crypto["weaknesses"],
        json!(["key_exchange", "key_exchange_size", "host_key_algorithm", "host_key_size", "cipher"])
    );
}

#[test]
fn the_prime_of_a_group_exchange_is_measured() {
    let mut lists = SERVER;
    lists[0] = "diffie-hellman-group-exchange-sha256";
    let prime = [&[0][..], &[0xff; 192]].concat();
    let group = packet(&[[31].as_slice(), &string(&prime), &string(&[2])].concat());
    let exchange =
        vec![(ToServer, packet(&[34; 13])), (ToClient, group), (ToClient, reply(33, "ssh-ed25519", &[]))];
    let crypto = crypto(lists, lists, exchange);
    assert_eq!((&crypto["dh_bits"], &crypto["group_exchange"]), (&json!(1536), &json!(true)));
    assert_eq!(crypto["weaknesses"], json!(["key_exchange_size"]));
    assert_eq!(crypto["host_key"]["type"], "ssh-ed25519");
}

#[test]
fn without_a_common_method_nothing_is_completed() {
    let mut other = SERVER;
    other[0] = "ecdh-sha2-nistp521";
    let turns = [
        (ToServer, b"SSH-2.0-a\r\n".to_vec()),
        (ToClient, b"SSH-2.0-b\r\n".to_vec()),
        (ToServer, kexinit(CLIENT, false)),
        (ToClient, kexinit(other, false)),
        (ToClient, packet(&[&[1, 0, 0, 0, 3][..], &string(b"no matching"), &string(b"")].concat())),
    ];
    let seen = play(&SSH, Carrier::Tcp, &turns);
    assert_eq!(only_event(&seen)["crypto"]["class"], "incomplete");
    assert_eq!(only_event(&seen)["disconnect_reason"], 3);
}

#[test]
fn guesses_are_judged() {
    let guess = |client: [&str; 8]| {
        let turns = handshake(kexinit(client, true), kexinit(SERVER, false), vec![]);
        only_event(&play(&SSH, Carrier::Tcp, &turns))["crypto"]["guess_right"].clone()
    };
    assert_eq!(guess(CLIENT), false);
    assert_eq!(guess(SERVER), true);
}

#[test]
fn version_1_is_weak() {
    let turns = [(ToClient, b"SSH-1.5-old\n".to_vec()), (ToServer, b"SSH-1.5-older\n\0\0".to_vec())];
    let seen = play(&SSH, Carrier::Tcp, &turns);
    assert_eq!(seen.ending, Some(Then::Done));
    assert_eq!(
        only_event(&seen),
        &json!({
            "client": {"proto_version": "1.5", "software_version": "older"},
            "server": {"proto_version": "1.5", "software_version": "old"},
            "crypto": {"class": "classical", "posture": "weak", "weaknesses": ["version"]},
        })
    );
}

#[test]
fn lines_before_the_servers_string_are_passed_over() {
    let turns = [(ToClient, b"Authorized users only\r\nreally\r\nSSH-2.0-x y z\r\n".to_vec())];
    let seen = play(&SSH, Carrier::Tcp, &turns);
    assert_eq!(
        only_event(&seen)["server"],
        json!({"proto_version": "2.0", "software_version": "x", "comments": "y z"})
    );
    assert_eq!(only_event(&seen)["crypto"]["class"], "incomplete");
}

#[test]
fn one_direction_alone_is_told_as_far_as_it_goes() {
    let turns: Vec<Turn> = usual().into_iter().filter(|(from, _)| *from == ToServer).collect();
    let seen = play(&SSH, Carrier::Tcp, &turns);
    assert_eq!(only_event(&seen)["client"]["hassh"]["hash"], "a102c3f18911ee49d5e2b88d91469359");
    assert_eq!(only_event(&seen)["crypto"]["class"], "unknown");
}

#[test]
fn midstream_roles_are_told_by_the_lists() {
    let turns: Vec<Turn> =
        usual().into_iter().skip(2).map(|(from, bytes)| (from.reversed(), bytes)).collect();
    let seen = play(&SSH, Carrier::Tcp, &turns);
    assert_eq!(only_event(&seen)["crypto"]["kex"], "curve25519-sha256");
    assert_eq!(only_event(&seen)["client"]["hassh"]["hash"], "a102c3f18911ee49d5e2b88d91469359");
}

#[test]
fn what_is_not_ssh_is_given_back() {
    for bytes in
        [b"SSH-2\r\n".as_slice(), &[0, 0, 0, 12, 10, 99, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[b'x'; 2_000]]
    {
        let seen = play(&SSH, Carrier::Tcp, &[(ToServer, bytes.to_vec())]);
        assert_eq!((seen.ending, seen.events.len()), (Some(Then::NotMine), 0));
    }
}

#[test]
fn a_parser_is_as_new_after_a_reset() {
    let mut first = Conversation::new(&SSH, Carrier::Tcp);
    for (from, bytes) in usual().into_iter().take(3) {
        first.send(from, &bytes);
    }
    let (_, parser) = first.finish_and_keep();
    let mut second = Conversation::with(parser, Carrier::Tcp);
    for (from, bytes) in usual() {
        second.send(from, &bytes);
    }
    assert_eq!(second.finish(), play(&SSH, Carrier::Tcp, &usual()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_cut_of_mutated_bytes_gives_the_same_events(
        changes in proptest::collection::vec(
            (any::<proptest::sample::Index>(), any::<proptest::sample::Index>(), any::<u8>()),
            1..6,
        ),
        length in 1_usize..300,
    ) {
        let mut turns = usual();
        for (turn, at, byte) in changes {
            let turn = turn.index(turns.len());
            let at = at.index(turns[turn].1.len());
            turns[turn].1[at] = byte;
        }
        let whole = play(&SSH, Carrier::Tcp, &turns);
        let cut = play_cut(&SSH, &turns, || length);
        prop_assert_eq!((cut.events, cut.ending), (whole.events, whole.ending));
    }

    #[test]
    fn mutated_and_random_bytes_never_panic(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..12),
        noise in proptest::collection::vec(any::<u8>(), 0..200),
        length in 1_usize..500,
        lost in any::<proptest::sample::Index>(),
    ) {
        let mut turns = usual();
        for (at, byte) in changes {
            let turn = at.index(turns.len());
            let at = at.index(turns[turn].1.len());
            turns[turn].1[at] = byte;
        }
        let lost = lost.index(2 * turns.len());
        let mut talk = Conversation::new(&SSH, Carrier::Tcp);
        for (number, (from, bytes)) in turns.iter().enumerate() {
            if number == lost {
                talk.lose(*from);
            }
            for piece in bytes.chunks(length) {
                talk.send(*from, piece);
            }
        }
        talk.send(ToServer, &noise);
        talk.send(ToClient, &noise);
        prop_assert!(talk.finish().of("ssh").len() <= 1);
    }
}
