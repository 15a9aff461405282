use proptest::prelude::*;

use super::*;

#[test]
fn a_pattern_with_an_anchor_matches_at_its_offset_only() {
    let pattern = "pattern = '^hello'\noffset = 2";
    let found = scan(pattern, &to_server(b"xxhello")).unwrap();
    assert_eq!((found.offset, found.confidence), (2, 90));
    assert_eq!(scan(pattern, &to_server(b"hello")), None);
    assert_eq!(scan(pattern, &to_server(b"xxxhello")), None);
}

#[test]
fn a_pattern_without_an_anchor_is_searched_within_its_window() {
    let pattern = "pattern = 'needle'\noffset = 4\ndepth = 10";
    assert_eq!(scan(pattern, &to_server(b"....needle")).unwrap().offset, 4);
    assert_eq!(scan(pattern, &to_server(b"........needle")).unwrap().offset, 8);
    assert_eq!(scan(pattern, &to_server(b"needle....needle")), None, "one too early, one too late");
    assert_eq!(
        scan(pattern, &to_server(b"needleneedle")).unwrap().offset,
        6,
        "the first is too early, the second not"
    );
}

#[test]
fn nothing_beyond_the_scanned_bytes_matches() {
    let mut payload = vec![b'.'; SCAN_BYTES - 6];
    payload.extend(b"needle");
    assert!(scan("pattern = 'needle'", &to_server(&payload)).is_some());
    payload.insert(0, b'.');
    assert_eq!(scan("pattern = 'needle'", &to_server(&payload)), None);
}

#[test]
fn letter_case_and_bytes_survive_the_way_to_hyperscan() {
    let pattern = r"pattern = '(?i:Stra\xdfe)[^a-z]\x00$?'".replace("$?", "");
    assert!(scan(&pattern, &to_server(b"--sTRA\xdfE1\0--")).is_some());
    assert_eq!(scan(&pattern, &to_server(b"--sTRA\xdfEz\0--")), None);
}

#[test]
fn fixed_bytes_may_have_wildcards() {
    let hex = "hex = '68 ?? 4? 16'\noffset = 1";
    assert_eq!(scan(hex, &to_server(b"\0\x68\xff\x4a\x16")).unwrap().offset, 1);
    assert_eq!(scan(hex, &to_server(b"\0\x68\xff\x5a\x16")), None);
    assert_eq!(scan(hex, &to_server(b"\0\x68\xff\x4a")), None, "cut short");
}

#[test]
fn lengths_directions_and_carriers_are_kept() {
    let limited = "hex = '11 22 33'\ndirection = 'to_client'\ncarriers = ['udp']\nmin_len = 4\nmax_len = 5";
    let from_server = |payload, carrier| scan(limited, &probe(payload, carrier, Direction::ToClient));
    assert!(from_server(b"\x11\x22\x33\x44", Carrier::Udp).is_some());
    assert_eq!(from_server(b"\x11\x22\x33", Carrier::Udp), None);
    assert_eq!(from_server(b"\x11\x22\x33\x44\x55\x66", Carrier::Udp), None);
    assert_eq!(from_server(b"\x11\x22\x33\x44", Carrier::Tcp), None);
    assert_eq!(scan(limited, &probe(b"\x11\x22\x33\x44", Carrier::Udp, Direction::ToServer)), None);
}

#[test]
fn the_length_of_a_cut_datagram_is_that_on_the_wire() {
    let exact = "hex = '11 22'\nchecks = ['len == 1400']";
    let cut = Probe { wire_len: 1400, ..probe(b"\x11\x22\x33", Carrier::Udp, Direction::ToServer) };
    assert!(scan(exact, &cut).is_some());
    let stream = Probe { carrier: Carrier::Tcp, ..cut };
    assert_eq!(scan(exact, &stream), None, "for a stream it is what is at hand");
}

#[test]
fn an_earlier_payload_of_the_other_side_can_be_asked_for() {
    for condition in
        ["hex = '68 65 6c'", "pattern = '^hel+o'", "pattern = 'l[a-z ]*needle'", "checks = ['u8(0) == 0x68']"]
    {
        let signature = format!("hex = '11 22'\n[signature.earlier]\n{condition}");
        let alone = probe(b"\x11\x22", Carrier::Tcp, Direction::ToClient);
        assert_eq!(scan(&signature, &alone), None, "{condition}");
        let hello = [earlier(b"hello needle", Direction::ToServer)];
        assert!(scan(&signature, &Probe { earlier: &hello, ..alone }).is_some(), "{condition}");
        let own = [earlier(b"hello needle", Direction::ToClient)];
        assert_eq!(scan(&signature, &Probe { earlier: &own, ..alone }), None, "{condition}");
        let other = [earlier(b"another", Direction::ToServer)];
        assert_eq!(scan(&signature, &Probe { earlier: &other, ..alone }), None, "{condition}");
    }
}

#[test]
fn a_packet_number_limits_what_came_before() {
    let first = "hex = '11 22'\npacket = 1";
    assert!(scan(first, &to_server(b"\x11\x22")).is_some());
    let before = [earlier(b"x", Direction::ToClient)];
    assert_eq!(scan(first, &Probe { earlier: &before, ..to_server(b"\x11\x22") }), None);
}

#[test]
fn in_midstream_both_directions_are_tried_and_weak_structure_counts_for_nothing() {
    let midstream = Probe { midstream: true, ..probe(b"\x11\x22", Carrier::Tcp, Direction::ToClient) };
    assert!(scan("hex = '11 22'\ndirection = 'to_server'", &midstream).is_some());
    assert_eq!(scan("checks = ['u16be(0) == 0x1122']", &midstream), None);
    assert_eq!(scan("hex = '11 22'\npacket = 1", &midstream), None);
    let longer = Probe { payload: b"\x11\x22\x33\x44", ..midstream };
    assert!(scan("checks = ['u32be(0) == 0x11223344']", &longer).is_some());
    let datagram = Probe { carrier: Carrier::Udp, ..midstream };
    assert!(scan("checks = ['u16be(0) == 0x1122']", &datagram).is_some());
}

#[test]
fn the_surest_signature_wins_then_the_most_specific() {
    let two = |first: &str, second: &str| {
        let set = set_of(&format!("{first}\n[[signature]]\n{second}"));
        let mut scanner = Scanner::new(&set).unwrap();
        let found = scanner.scan(&set, &to_server(b"GREETING of the day")).unwrap();
        set.label(found.signature).unwrap().name.clone()
    };
    assert_eq!(two("pattern = '^GREETING of'", "name = 'sure'\nconfidence = 95\npattern = '^GREET'"), "sure");
    assert_eq!(two("pattern = '^GREET'", "name = 'long'\nconfidence = 90\npattern = '^GREETING'"), "long");
    assert_eq!(
        two("pattern = '^GREET'", "name = 'found'\nconfidence = 90\npattern = 'GREETING.*day'"),
        "found"
    );
    assert_eq!(
        two("hex = '47 52 45'", "name = 'sure'\nconfidence = 91\npattern = '^G[a-zA-Z ]*day'"),
        "sure"
    );
    assert_eq!(
        two("name = 'sure'\nhex = '47 52 45'", "confidence = 89\npattern = '^G[a-zA-Z ]*day'"),
        "sure"
    );
}

#[test]
fn more_signatures_than_buckets_are_all_found() {
    let many: String = (0..200)
        .map(|n| format!("hex = 'aa {n:02x} 55 {n:02x}'\n[[signature]]\nconfidence = 90\n"))
        .collect();
    let set = set_of(&format!("{many}pattern = '^ZZZZ[a-z]*ZZ'"));
    assert_eq!(set.len(), 201);
    let mut scanner = Scanner::new(&set).unwrap();
    for n in 0..200 {
        let found = scanner.scan(&set, &to_server(&[0xaa, n, 0x55, n])).unwrap();
        let name = (usize::from(n) + 1).to_string();
        assert_eq!(set.label(found.signature).map(|label| label.name.as_str()), Some(name.as_str()));
    }
    assert!(scanner.scan(&set, &to_server(b"ZZZZabcZZ")).is_some());
    assert_eq!(scanner.scan(&set, &to_server(&[0xaa, 7, 0x55, 8])), None);
}

#[test]
fn a_scanner_serves_its_own_set() {
    let (one, other) = (set_of("hex = '11 22'"), set_of("hex = '11 23'"));
    let scanner = Scanner::new(&one).unwrap();
    assert!(scanner.is_for(&one) && !scanner.is_for(&other));
    assert_ne!(one.version(), other.version());
    assert_eq!(one.version(), set_of("hex = '11 22'").version());
}

#[test]
fn an_empty_payload_and_an_empty_set_match_nothing() {
    assert_eq!(scan("hex = '11 22'", &to_server(b"")), None);
    let empty = SignatureSet::from_files(&[]).unwrap();
    assert!(empty.is_empty());
    assert_eq!(Scanner::new(&empty).unwrap().scan(&empty, &to_server(b"anything")), None);
}

#[test]
fn a_folder_replaces_and_switches_off_what_the_program_carries() {
    let builtin = file("name = 'builtin'\nhex = '11 22'");
    let own = file("name = 'own'\nhex = '33 44'").overriding();
    let set = SignatureSet::from_files(&[builtin.clone(), own]).unwrap();
    assert_eq!((set.len(), set.label(0).unwrap().name.as_str()), (1, "own"));
    let off =
        SignatureFile { text: "id = \"probe\"\nenabled = false\n".into(), ..builtin.clone() }.overriding();
    assert!(SignatureSet::from_files(&[builtin, off]).unwrap().is_empty());
}

#[test]
fn a_folder_is_read_with_the_folders_in_it() {
    let folder = std::env::temp_dir().join(format!("wirewarden-signatures-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("network")).unwrap();
    std::fs::write(folder.join("network/probe.toml"), file("hex = '11 22'").text.as_bytes()).unwrap();
    std::fs::write(folder.join("network/notes.txt"), "not a signature").unwrap();
    let loaded = SignatureSet::load(&folder);
    let added = SignatureSet::builtin_and(&folder);
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(loaded.unwrap().len(), 1);
    assert_eq!(added.unwrap().len(), SignatureSet::builtin().unwrap().len() + 1);
}

/// A pattern of the parts that sequences, first bytes and Hyperscan each read in their own way.
fn patterns() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        "[a-d]{1,3}",
        Just("[ab]".to_owned()),
        Just("[ab]*".to_owned()),
        Just("[^b]{1,3}".to_owned()),
        Just("(?i:ab)".to_owned()),
        Just("(?:a|bc|d)".to_owned()),
        Just("(?:ab|c){1,2}".to_owned()),
        Just("(?:ab)*".to_owned()),
        Just("d?".to_owned()),
        Just("[c-d]+".to_owned()),
        Just(".".to_owned()),
    ];
    proptest::collection::vec(part, 2..6).prop_map(|parts| format!("^{}", parts.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn sequences_first_bytes_and_hyperscan_agree(
        text in patterns(),
        payloads in proptest::collection::vec(proptest::collection::vec(b'a'..=b'e', 0..12), 1..24),
    ) {
        let Ok(pattern) = pattern::Pattern::parse(&text, (0, SCAN_BYTES)) else { return Ok(()) };
        let expressions = Box::new([database::Expression::of(&pattern)]);
        let database = Database::compile(expressions).unwrap();
        let scratch = database::Scratch::for_all([&database]).unwrap().unwrap();
        for payload in payloads {
            let mut is_found = false;
            database.scan(&payload, &scratch, |_, _| { is_found = true; database::Search::Stop });
            if !pattern.needs_search() {
                prop_assert_eq!(pattern.may_match(&payload), is_found, "{} on {:?}", text, payload);
            }
            if is_found {
                for (set, byte) in pattern.heads.sets().zip(&payload) {
                    prop_assert!(set.contains(*byte), "{} on {:?}", text, payload);
                }
            }
        }
    }
}
