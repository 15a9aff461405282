//! The channel in which two daemons agree on keys takes any bytes, cut anywhere: no panic, bounded memory, and keys only
//! after a proof that the input cannot make. The first byte says which end it is and how the rest is cut; an input of
//! which the top bit is set is put after the messages of an honest peer.

#![no_main]

use std::time::Duration;

use exchange::channel::{Channel, Ends, Message, Notice, Probe, Reader, Surroundings, Terms};
use exchange::profile::Auth;
use exchange::schedule::{Exporter, Mode, NotReady, PolicyHash, Role};
use exchange::tls::{Group, SpkiHash};
use rustls_pki_types::UnixTime;

/// Gives both ends the same bytes, which depend on label and context.
struct Around(u32);

impl Exporter for Around {
    fn export(&self, label: &[u8], context: &[u8], out: &mut [u8]) -> Result<(), NotReady> {
        let mut state = 0xCBF2_9CE4_8422_2325_u64;
        for byte in label.iter().chain(context) {
            state = (state ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
        }
        for byte in out {
            state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
            *byte = state.to_be_bytes()[0];
        }
        Ok(())
    }
}

impl Surroundings for Around {
    fn fresh_spi(&mut self) -> Option<u32> {
        self.0 += 1;
        Some(self.0)
    }

    fn has_seen(&mut self, _: Probe) -> bool {
        true
    }
}

fn end(role: Role) -> Channel {
    let (ours, theirs) = match role {
        Role::Initiator => (SpkiHash([1; 48]), SpkiHash([2; 48])),
        Role::Responder => (SpkiHash([2; 48]), SpkiHash([1; 48])),
    };
    let now = UnixTime::since_unix_epoch(Duration::ZERO);
    let ends = Ends { role, group: Group::X25519MlKem768, ours, theirs, now };
    let terms = Terms {
        mode: Mode::Tunnel,
        auth: Auth::MlDsa,
        classical: None,
        classical_peer: None,
        queues: 4,
        policy: PolicyHash([3; 48]),
        last_epoch: 0,
    };
    Channel::new(terms, ends, &Around(0)).expect("terms that agree with themselves")
}

/// Takes what `bytes` hold; whether all of it was taken.
fn take(channel: &mut Channel, reader: &mut Reader, mut bytes: &[u8], around: &mut Around) -> bool {
    loop {
        match reader.next(&mut bytes) {
            Ok(Some(message)) => {
                let mut written = Vec::new();
                message.write(&mut written);
                assert_eq!(Reader::default().next(&mut written.as_slice()), Ok(Some(message.clone())));
                if channel.take(message, around).is_err() {
                    return false;
                }
            }
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((&first, rest)) = input.split_first() else { return };
    let role = if first & 1 == 0 { Role::Initiator } else { Role::Responder };
    let (mut channel, mut peer) = (end(role), end(role.other()));
    let (mut here, mut there) = (Around(1000), Around(2000));
    let (mut reader, mut readers) = (Reader::default(), Reader::default());
    let honest = first & 0x80 != 0;
    if honest {
        for _ in 0..3 {
            assert!(take(&mut peer, &mut readers, &channel.outgoing(), &mut there));
            assert!(take(&mut channel, &mut reader, &peer.outgoing(), &mut here));
        }
        assert!(matches!(channel.notice(), Some(Notice::Keys(_))));
    }
    let size = usize::from(first >> 1 & 0x3F) + 1;
    for piece in rest.chunks(size) {
        if !take(&mut channel, &mut reader, piece, &mut here) {
            break;
        }
    }
    while let Some(notice) = channel.notice() {
        assert!(honest || !matches!(notice, Notice::Up { .. }), "{notice:?}");
    }
    let mut out = Vec::new();
    Message::Ping(1).write(&mut out);
    assert!(channel.outgoing().len() < 1 << 16 && out.len() == 11);
});
