//! The messages of two peers.

use super::bencode;
use super::handshake::{self, Handshake};
use crate::protocols::Found;
use crate::protocols::framed::{Framing, Message, Messages, Next, Report, two_messages};
use crate::protocols::kept::Kept;
use crate::record::Direction;

/// Longest message: a bit field of a large torrent, or metadata.
const MESSAGE_MAX: u32 = 4 << 20;
/// Bytes of a message that are read.
const SHOWN_MAX: usize = 2048;
const PIECE: u8 = 7;
const EXTENDED: u8 = 20;

/// One peer.
#[derive(Clone, Debug, Default)]
struct Peer {
    handshake: Option<Handshake>,
    /// What it calls itself (BEP 10).
    version: Kept<64>,
    pieces: u64,
    bytes: u64,
}

/// The peer protocol on one flow.
#[derive(Debug, Default)]
pub(super) struct Peers {
    peers: [Peer; 2],
    is_told: bool,
    /// Messages may come without a handshake before them.
    is_lost: bool,
}

/// Where a message ends: its length, then its type (BEP 3, 6, 10, 52).
fn framing(bytes: &[u8]) -> Framing {
    let Some(length) = bytes.first_chunk::<4>() else { return Framing::Open };
    let length = u32::from_be_bytes(*length);
    if length == 0 {
        return Framing::whole(4);
    }
    let Some(kind) = bytes.get(4) else { return Framing::Open };
    let is_sound = match *kind {
        0..=3 | 14 | 15 => length == 1,
        4 | 13 | 17 => length == 5,
        5 => length > 1,
        6 | 8 | 16 => length == 13,
        PIECE => length > 9,
        9 => length == 3,
        EXTENDED => length > 2,
        21 | 23 => length == 49,
        22 => length >= 49,
        _ => false,
    };
    match usize::try_from(length) {
        Ok(len) if is_sound && length <= MESSAGE_MAX => {
            Framing::at_most(4 + len, if *kind == EXTENDED { SHOWN_MAX } else { 5 })
        }
        _ => Framing::Invalid("invalid_message"),
    }
}

impl Peers {
    fn peer(&mut self, from: Direction) -> &mut Peer {
        let [to_server, to_client] = &mut self.peers;
        match from {
            Direction::ToServer => to_server,
            Direction::ToClient => to_client,
        }
    }

    fn tell(&mut self, report: &mut Report<'_, '_>) {
        let Some(hash) = self.peers.iter().find_map(|peer| peer.handshake).map(|handshake| handshake.hash)
        else {
            return;
        };
        if core::mem::replace(&mut self.is_told, true) {
            return;
        }
        let mut event = report.event("bittorrent");
        event.label("type", "handshake").hex("info_hash", &hash);
        for (name, peer) in ["initiator", "responder"].into_iter().zip(&self.peers) {
            let Some(handshake) = &peer.handshake else { continue };
            event.object(name);
            handshake.write(&mut event);
            if handshake.hash != hash {
                event.flag("other_hash", true);
            }
            event.close();
        }
    }
}

impl Messages for Peers {
    const NAME: &'static str = "bittorrent";

    fn framing(&mut self, bytes: &[u8], from: Direction) -> Framing {
        if self.peer(from).handshake.is_some() || self.is_lost && handshake::probe(bytes) == Found::No {
            return framing(bytes);
        }
        match handshake::probe(bytes) {
            Found::No => Framing::Invalid("invalid_handshake"),
            Found::Maybe => Framing::Open,
            Found::Likely(_) | Found::Yes => Framing::whole(handshake::LEN),
        }
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let from = message.from;
        if let Some(read) = Handshake::read(message.bytes) {
            self.peer(from).handshake = Some(read);
            if self.peers.iter().all(|peer| peer.handshake.is_some()) {
                self.tell(report);
            }
            return Ok(Next::More);
        }
        let Some((length, [kind, body @ ..])) = message.bytes.split_first_chunk::<4>() else {
            return Ok(Next::More);
        };
        match (*kind, body.split_first()) {
            (PIECE, _) => {
                let peer = self.peer(from);
                peer.pieces = peer.pieces.saturating_add(1);
                peer.bytes = peer.bytes.saturating_add(u32::from_be_bytes(*length).saturating_sub(9).into());
            }
            // The handshake of extensions.
            (EXTENDED, Some((0, body))) => {
                if let Some(version) =
                    bencode::dictionary(body).and_then(|inside| bencode::text(inside, b"v"))
                {
                    self.peer(from).version.set(version);
                }
            }
            _ => {}
        }
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], _: Direction) -> Found {
        match handshake::probe(bytes) {
            Found::No => two_messages(bytes, framing),
            found => found,
        }
    }

    fn lost(&mut self, _: Direction) {
        self.is_lost = true;
    }

    fn clear(&mut self) {
        *self = Self::default();
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        self.tell(report);
        if self.peers.iter().any(|peer| peer.pieces > 0 || !peer.version.is_empty()) {
            let mut event = report.event("bittorrent");
            event.label("type", "session");
            for (name, peer) in ["initiator", "responder"].into_iter().zip(&self.peers) {
                event.object(name);
                peer.version.write("version", &mut event);
                event.number("pieces_sent", peer.pieces).number("bytes_sent", peer.bytes).close();
            }
        }
    }
}
