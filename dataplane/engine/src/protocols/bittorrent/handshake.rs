//! Who a peer is (BEP 3, "peer protocol"; BEP 20).

use crate::protocols::Found;
use crate::protocols::framed::Cursor;
use crate::record::EventWriter;

/// Bytes of a handshake.
pub(super) const LEN: usize = 68;
pub(super) const MAGIC: &[u8; 20] = b"\x13BitTorrent protocol";

/// Whether a stream opens with a handshake.
pub(super) fn probe(bytes: &[u8]) -> Found {
    if bytes.starts_with(MAGIC) {
        Found::Yes
    } else if MAGIC.starts_with(bytes) {
        Found::Maybe
    } else {
        Found::No
    }
}

/// A peer's handshake.
#[derive(Clone, Copy, Debug)]
pub(super) struct Handshake {
    extensions: u64,
    pub(super) hash: [u8; 20],
    peer: [u8; 20],
}

impl Handshake {
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes.strip_prefix(MAGIC)?);
        let extensions = u64::from_be_bytes(*cursor.array()?);
        Some(Self { extensions, hash: *cursor.array()?, peer: *cursor.array()? })
    }

    /// Writes who it is.
    pub(super) fn write(&self, event: &mut EventWriter<'_>) {
        event.hex("peer_id", &self.peer);
        if let Some((name, version)) = client(&self.peer) {
            event.text("client_code", name).text("client_version", version);
            if let Some(name) = program(name) {
                event.label("client", name);
            }
        }
        event.list("extensions");
        for (bit, name) in
            [(0x01, "dht"), (0x04, "fast"), (0x10_0000, "extension_protocol"), (0x10, "version_2")]
        {
            if self.extensions & bit != 0 {
                event.label("", name);
            }
        }
        event.close();
    }
}

/// Two letters and four digits between dashes.
fn client(peer: &[u8; 20]) -> Option<(&[u8], &[u8])> {
    let [b'-', rest @ ..] = peer else { return None };
    let (name, rest) = rest.split_at_checked(2)?;
    let (version, rest) = rest.split_at_checked(4)?;
    let is_sound = name.iter().all(u8::is_ascii_alphanumeric)
        && version.iter().all(u8::is_ascii_alphanumeric)
        && rest.first() == Some(&b'-');
    is_sound.then_some((name, version))
}

/// Names of some programs (BEP 20).
fn program(code: &[u8]) -> Option<&'static str> {
    Some(match code {
        b"AZ" => "Vuze",
        b"BC" => "BitComet",
        b"BI" => "BiglyBT",
        b"BT" => "BitTorrent",
        b"DE" => "Deluge",
        b"FD" => "Free Download Manager",
        b"KT" => "KTorrent",
        b"LT" | b"lt" => "libtorrent",
        b"TR" => "Transmission",
        b"UT" | b"UM" | b"UW" => "uTorrent",
        b"WW" => "WebTorrent",
        b"qB" => "qBittorrent",
        _ => return None,
    })
}
