//! Packets through the gateway, one direction each.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};

use tunnel::{Gateway, HEADROOM, OpenRefusal, Opened, Packet, TAILROOM};

use crate::ends::{NOW, Sealing};

/// Longest packet of a device.
const LONGEST: usize = 9_216;

/// What became of the packets of one direction.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    counts: BTreeMap<String, u64>,
}

impl Tally {
    fn add(&mut self, what: impl fmt::Display) {
        *self.counts.entry(what.to_string()).or_default() += 1;
    }
}

impl fmt::Display for Tally {
    /// As a JSON object; none of the names has a character that JSON escapes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members: Vec<String> =
            self.counts.iter().map(|(what, count)| format!("\"{what}\": {count}")).collect();
        write!(f, "{{{}}}", members.join(", "))
    }
}

/// Seals what comes from the protected side, until a device is gone.
pub(crate) fn seal(sealing: &mut Sealing, from: &File, to: &File, every: u64) -> Tally {
    let mut tally = Tally::default();
    let mut number = 0;
    let done: io::Result<()> = packets(from, |storage, len| {
        let range = HEADROOM..HEADROOM + len;
        let Some(packet) = Packet::new(storage, range) else { return Ok(()) };
        let (mut packets, mut results) = ([packet], [Ok(())]);
        sealing.gateway.seal(sealing.policy, &mut packets, &mut results, NOW);
        let ([packet], [result]) = (packets, results);
        if let Err(refusal) = result {
            tally.add(refusal);
            return Ok(());
        }
        number += 1;
        // Before the true one, since it would be a replay after it.
        if every > 0 && number % every.max(2) == 1 {
            send(to, &forged(packet.bytes()))?;
            tally.add("forged");
        }
        send(to, packet.bytes())?;
        tally.add("packets");
        if every > 0 && number % every.max(2) == 0 {
            send(to, packet.bytes())?;
            tally.add("repeated");
        }
        Ok(())
    });
    tally.end(&done);
    tally
}

/// Opens what comes from the peer, until a device is gone.
pub(crate) fn open(gateway: &mut Gateway, from: &File, to: &File, every: u64) -> Tally {
    let mut tally = Tally::default();
    let mut number = 0;
    let done = packets(from, |storage, len| {
        let range = HEADROOM..HEADROOM + len;
        let received = storage.get(range.clone()).unwrap_or_default().to_vec();
        number += 1;
        if every > 0 && number % every.max(2) == 1 {
            let mut copy = vec![0; storage.len()];
            place(&mut copy, &forged(&received));
            tally.add(match opened(gateway, &mut copy, range.clone()) {
                Ok(_) => "forged and accepted".to_owned(),
                Err(refusal) => format!("forged: {refusal}"),
            });
        }
        match opened(gateway, storage, range.clone()) {
            Ok((Opened::Ip(_), inner)) => {
                send(to, &inner)?;
                tally.add("packets");
            }
            Ok((other, _)) => tally.add(format!("{other:?}")),
            // Router solicitations and the like of the device itself, in the clear.
            Err(OpenRefusal::NotTunnelled) => tally.add("not of the tunnel"),
            Err(refusal) => tally.add(refusal),
        }
        if every > 0 && number % every.max(2) == 0 {
            place(storage, &received);
            tally.add(match opened(gateway, storage, range) {
                Ok(_) => "repeated and accepted".to_owned(),
                Err(refusal) => format!("repeated: {refusal}"),
            });
        }
        Ok(())
    });
    tally.end(&done);
    tally
}

impl Tally {
    /// A device that is gone is the end that is wanted.
    fn end(&mut self, done: &io::Result<()>) {
        if let Err(error) = done {
            self.add(format_args!("ended by {:?}", error.kind()));
        }
    }
}

/// Hands each packet of a device over, in a buffer with room around it.
fn packets(mut device: &File, mut take: impl FnMut(&mut [u8], usize) -> io::Result<()>) -> io::Result<()> {
    let mut storage = vec![0; HEADROOM + LONGEST + TAILROOM];
    loop {
        let Some(room) = storage.get_mut(HEADROOM..HEADROOM + LONGEST) else { return Ok(()) };
        match device.read(room) {
            Ok(0) => return Ok(()),
            Ok(len) => take(&mut storage, len)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn opened(
    gateway: &mut Gateway,
    storage: &mut [u8],
    range: std::ops::Range<usize>,
) -> Result<(Opened, Vec<u8>), OpenRefusal> {
    let Some(packet) = Packet::new(storage, range) else { return Err(OpenRefusal::Truncated) };
    let (mut packets, mut results) = ([packet], [Ok(Opened::Dummy)]);
    gateway.open(&mut packets, &mut results, NOW);
    let ([packet], [result]) = (packets, results);
    result.map(|opened| (opened, packet.bytes().to_vec()))
}

/// The same with the last bit of its tag changed.
fn forged(packet: &[u8]) -> Vec<u8> {
    let mut copy = packet.to_vec();
    if let Some(last) = copy.last_mut() {
        *last ^= 1;
    }
    copy
}

fn place(storage: &mut [u8], packet: &[u8]) {
    if let Some(room) = storage.get_mut(HEADROOM..HEADROOM + packet.len()) {
        room.copy_from_slice(packet);
    }
}

/// A device takes a packet whole, or not at all where its queue is full.
fn send(mut device: &File, packet: &[u8]) -> io::Result<()> {
    match device.write(packet) {
        Ok(_) => Ok(()),
        // Packets of the wrong family and the like: the kernel drops them as it would on a wire.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        Err(error) => Err(error),
    }
}
