use aws_lc_rs::hmac;
use proptest::prelude::*;

use super::*;
use crate::schedule::NotReady;

/// Stands for a TLS session: both ends have the same secret.
struct Shared {
    secret: [u8; 32],
    next_spi: u32,
}

impl Exporter for Shared {
    fn export(&self, label: &[u8], context: &[u8], out: &mut [u8]) -> Result<(), NotReady> {
        let key = hmac::Key::new(hmac::HMAC_SHA384, &self.secret);
        let tag = hmac::sign(&key, &[label, &[0], context].concat());
        out.copy_from_slice(&tag.as_ref()[..out.len()]);
        Ok(())
    }
}

impl Surroundings for Shared {
    fn fresh_spi(&mut self) -> Option<u32> {
        self.next_spi += 1;
        Some(self.next_spi)
    }

    fn has_seen(&mut self, probe: Probe) -> bool {
        probe.size <= 1400
    }
}

struct End {
    channel: Channel,
    around: Shared,
    reader: Reader,
}

fn terms() -> Terms {
    Terms {
        mode: Mode::Tunnel,
        auth: Auth::MlDsa,
        classical: None,
        classical_peer: None,
        queues: 1,
        policy: PolicyHash([1; 48]),
        last_epoch: 0,
    }
}

fn end(role: Role, terms: Terms) -> End {
    let [one, two] = [SpkiHash([1; 48]), SpkiHash([2; 48])];
    let (ours, theirs) = if role == Role::Initiator { (one, two) } else { (two, one) };
    let now = UnixTime::since_unix_epoch(std::time::Duration::ZERO);
    let ends = Ends { role, group: Group::X25519MlKem768, ours, theirs, now };
    let around = Shared { secret: [9; 32], next_spi: 1000 * u32::from(role.number()) };
    End { channel: Channel::new(terms, ends, &around).unwrap(), around, reader: Reader::default() }
}

fn pair(initiator: Terms, responder: Terms) -> (End, End) {
    (end(Role::Initiator, initiator), end(Role::Responder, responder))
}

fn carry(from: &mut End, to: &mut End) -> Result<usize, Refusal> {
    let bytes = from.channel.outgoing();
    deliver(&bytes, to)?;
    Ok(bytes.len())
}

fn deliver(mut bytes: &[u8], to: &mut End) -> Result<(), Refusal> {
    while let Some(message) = to.reader.next(&mut bytes).map_err(|_| Refusal::BadMessage)? {
        to.channel.take(message, &mut to.around)?;
    }
    Ok(())
}

fn settle(one: &mut End, other: &mut End) -> Result<(), Refusal> {
    while carry(one, other)? + carry(other, one)? > 0 {}
    Ok(())
}

fn keys(end: &mut End) -> Keys {
    match end.channel.notice() {
        Some(Notice::Keys(keys)) => *keys,
        other => panic!("{other:?}"),
    }
}

#[test]
fn both_sides_get_the_same_keys_and_each_sa_another() {
    let (mut west, mut east) =
        pair(Terms { queues: 3, last_epoch: 4, ..terms() }, Terms { queues: 2, last_epoch: 9, ..terms() });
    settle(&mut west, &mut east).unwrap();
    let (west, east) = (keys(&mut west), keys(&mut east));
    assert_eq!((west.epoch, east.epoch), (11, 11), "odd, since the smaller key called");
    assert_eq!((west.outbound.len(), west.inbound.len()), (3, 2));
    for (sends, receives) in [(&west.outbound, &east.inbound), (&east.outbound, &west.inbound)] {
        assert_eq!(sends.len(), receives.len());
        for (sent, received) in sends.iter().zip(receives) {
            assert_eq!((sent.queue, sent.spi), (received.queue, received.spi));
            assert_eq!(sent.key, received.key);
        }
    }
    let all: Vec<_> = west.outbound.iter().chain(&west.inbound).map(|sa| *sa.key.expose()).collect();
    assert!(all.iter().enumerate().all(|(at, key)| !all[at + 1..].contains(key)));
}

#[test]
fn keys_are_released_only_when_both_said_ready() {
    let (mut west, mut east) = pair(terms(), terms());
    carry(&mut west, &mut east).unwrap();
    carry(&mut east, &mut west).unwrap();
    // West has said ready, east has not.
    assert!(west.channel.notice().is_none() && !west.channel.is_keyed());
    carry(&mut west, &mut east).unwrap();
    assert!(east.channel.is_keyed());
    assert!(!west.channel.is_keyed());
    carry(&mut east, &mut west).unwrap();
    assert!(west.channel.is_keyed());
}

#[test]
fn an_epoch_is_up_when_a_packet_arrived_at_both_sides() {
    let (mut west, mut east) = pair(terms(), terms());
    settle(&mut west, &mut east).unwrap();
    keys(&mut west);
    keys(&mut east);
    west.channel.installed();
    settle(&mut west, &mut east).unwrap();
    assert!(west.channel.notice().is_none() && east.channel.notice().is_none());
    east.channel.installed();
    settle(&mut west, &mut east).unwrap();
    for end in [&mut west, &mut east] {
        assert!(matches!(end.channel.notice(), Some(Notice::Probe { epoch: 1 })));
    }
    west.channel.heard();
    settle(&mut west, &mut east).unwrap();
    assert!(!west.channel.is_up() && !east.channel.is_up());
    east.channel.heard();
    east.channel.heard();
    settle(&mut west, &mut east).unwrap();
    for end in [&mut west, &mut east] {
        assert!(matches!(end.channel.notice(), Some(Notice::Up { epoch: 1 })));
        assert!(end.channel.is_up() && end.channel.notice().is_none());
    }
}

#[test]
fn a_probe_that_overtakes_the_messages_is_not_lost() {
    let (mut west, mut east) = pair(terms(), terms());
    settle(&mut west, &mut east).unwrap();
    keys(&mut west);
    keys(&mut east);
    east.channel.heard();
    for end in [&mut west, &mut east] {
        end.channel.installed();
    }
    settle(&mut west, &mut east).unwrap();
    for end in [&mut west, &mut east] {
        assert!(matches!(end.channel.notice(), Some(Notice::Probe { epoch: 1 })));
    }
    west.channel.heard();
    settle(&mut west, &mut east).unwrap();
    assert!(west.channel.is_up() && east.channel.is_up());
}

#[test]
fn sides_that_want_different_things_do_not_agree() {
    let cases = [
        (Terms { policy: PolicyHash([2; 48]), ..terms() }, Refusal::Policy),
        (Terms { mode: Mode::Layer2, ..terms() }, Refusal::Parameters),
        (Terms { last_epoch: u64::MAX, ..terms() }, Refusal::StaleEpoch),
    ];
    for (other, refusal) in cases {
        let (mut west, mut east) = pair(other, terms());
        assert_eq!(settle(&mut west, &mut east), Err(refusal));
        assert!(east.channel.notice().is_none());
    }
}

#[test]
fn another_session_does_not_prove_ready() {
    let (mut west, mut east) = pair(terms(), terms());
    east.around.secret = [8; 32];
    assert_eq!(settle(&mut west, &mut east), Err(Refusal::BadMessage));
    assert!(west.channel.notice().is_none() && east.channel.notice().is_none());
}

#[test]
fn a_reflected_hello_and_one_of_another_version_are_refused() {
    let mut west = end(Role::Initiator, terms());
    let own = west.channel.outgoing();
    assert_eq!(deliver(&own, &mut west), Err(Refusal::BadMessage));
    let (mut west, mut east) = pair(terms(), terms());
    let mut hello = west.channel.outgoing();
    hello[4] = 2;
    assert_eq!(deliver(&hello, &mut east), Err(Refusal::Version));
    assert_eq!(carry(&mut east, &mut west), Ok(68));
}

#[test]
fn pings_and_probes_are_answered_and_a_flood_of_them_ends_the_channel() {
    let (mut west, mut east) = pair(terms(), terms());
    settle(&mut west, &mut east).unwrap();
    keys(&mut west);
    west.channel.ping(5);
    west.channel.probe(Probe { id: 1, size: 1400 });
    west.channel.probe(Probe { id: 2, size: 1500 });
    settle(&mut west, &mut east).unwrap();
    assert!(matches!(west.channel.notice(), Some(Notice::Alive(5))));
    assert!(matches!(west.channel.notice(), Some(Notice::ProbeSeen(Probe { id: 1, size: 1400 }))));
    assert!(west.channel.notice().is_none());
    let mut flood = Vec::new();
    (0..10_000).for_each(|number| Message::Ping(number).write(&mut flood));
    assert_eq!(deliver(&flood, &mut east), Err(Refusal::BadMessage));
}

#[test]
fn a_closed_channel_takes_nothing_more() {
    let (mut west, mut east) = pair(terms(), terms());
    settle(&mut west, &mut east).unwrap();
    keys(&mut east);
    west.channel.close(Close::Stopping);
    settle(&mut west, &mut east).unwrap();
    assert!(matches!(east.channel.notice(), Some(Notice::Closed(Close::Stopping))));
    east.channel.installed();
    east.channel.ping(1);
    assert!(east.channel.outgoing().is_empty());
}

proptest! {
    #[test]
    fn no_change_of_a_byte_on_the_way_gives_keys_to_one_side_that_the_other_lacks(
        at in 0_usize..200, to: u8, turn in 0_usize..4,
    ) {
        let (mut west, mut east) = pair(terms(), terms());
        let mut changed = false;
        for step in 0..6 {
            let (from, into) = if step % 2 == 0 { (&mut west, &mut east) } else { (&mut east, &mut west) };
            let mut bytes = from.channel.outgoing();
            if step == turn && let Some(byte) = bytes.get_mut(at) {
                changed = *byte != to;
                *byte = to;
            }
            if deliver(&bytes, into).is_err() {
                break;
            }
        }
        if changed {
            // TLS would not let this pass; even so the keys would never differ unnoticed.
            let (one, other) = (west.channel.notice(), east.channel.notice());
            if let (Some(Notice::Keys(one)), Some(Notice::Keys(other))) = (one, other) {
                prop_assert_eq!(one.outbound[0].key.expose(), other.inbound[0].key.expose());
            }
        }
    }
}
