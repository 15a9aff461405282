//! What the captures hold.

use std::collections::HashSet;

use sample::packet::checksum;
use sample::{START_NS, load, mixed};

type Frames = Vec<(u64, Vec<u8>)>;

#[test]
fn the_mixed_capture_is_the_same_at_every_run() {
    let (mut first, mut second) = (Frames::new(), Frames::new());
    mixed::write(&mut first).unwrap();
    mixed::write(&mut second).unwrap();
    assert_eq!(first, second);
    assert!(first.len() > 100, "{} packets", first.len());
}

#[test]
fn a_bulk_session_sends_full_frames() {
    let mut frames = Frames::new();
    load::bulk_tls(3, 500, &mut frames).unwrap();
    let full = frames.iter().filter(|(_, frame)| frame.len() == 1514).count();
    // The segments of the handshake that are full come on top.
    assert!((1500..1520).contains(&full), "{full} of {}", frames.len());
    assert!(frames.is_sorted_by_key(|(time, _)| *time));
}

#[test]
fn random_udp_has_as_many_flows_as_asked_for_and_frames_of_64_bytes() {
    let mut frames = Frames::new();
    load::random_udp(1000, 3000, &mut frames).unwrap();
    assert!(frames.iter().all(|(_, frame)| frame.len() == 64));
    let flows: HashSet<&[u8]> = frames.iter().filter_map(|(_, frame)| frame.get(26..38)).collect();
    assert_eq!((frames.len(), flows.len()), (3000, 1000));
}

#[test]
fn a_scan_has_a_source_per_packet() {
    let mut frames = Frames::new();
    load::syn_scan(5000, &mut frames).unwrap();
    let sources: HashSet<&[u8]> = frames.iter().filter_map(|(_, frame)| frame.get(26..30)).collect();
    assert_eq!((frames.len(), sources.len()), (5000, 5000));
}

#[test]
fn the_lab_sends_as_many_frames_as_asked_for_and_every_size() {
    let mut frames = Frames::new();
    load::lab(10_000, &mut frames).unwrap();
    assert_eq!(frames.len(), 10_000);
    assert!(frames.is_sorted_by_key(|(time, _)| *time));
    let sizes: HashSet<usize> = frames.iter().map(|(_, frame)| frame.len()).collect();
    assert!((60..=1514).all(|size| sizes.contains(&size)), "{} sizes", sizes.len());
    assert!(sizes.iter().all(|size| (60..=1514).contains(size)), "an Ethernet port takes no other");
}

#[test]
fn every_ipv4_header_has_a_right_checksum_and_no_packet_is_before_the_start() {
    let mut frames = Frames::new();
    mixed::write(&mut frames).unwrap();
    for (time, frame) in &frames {
        assert!(*time >= START_NS);
        if frame.get(12..14) == Some(&[0x08, 0x00]) {
            let header = frame.get(14..34).unwrap();
            assert_eq!(checksum(&[header]), 0);
        }
    }
}
