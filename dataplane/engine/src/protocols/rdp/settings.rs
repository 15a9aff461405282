//! Settings that both sides send each other within the conference of T.124 ([MS-RDPBCGR] 2.2.1.3 and 2.2.1.4).

use memchr::memmem;

use crate::protocols::framed::Cursor;

/// Channels of one client that are kept ([MS-RDPBCGR] 2.2.1.3.4).
const CHANNELS_MAX: usize = 31;

/// What a client says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Client {
    pub(super) version: u32,
    pub(super) width: u16,
    pub(super) height: u16,
    pub(super) color_depth: Option<u16>,
    pub(super) keyboard_layout: u32,
    pub(super) build: u32,
    pub(super) name: String,
    pub(super) keyboard_type: u32,
    pub(super) keyboard_subtype: u32,
    pub(super) function_keys: u32,
    pub(super) product_id: Option<u16>,
    pub(super) capabilities: Option<u16>,
    /// Encryption methods that are offered.
    pub(super) encryption: Option<u32>,
    pub(super) channels: Vec<[u8; 8]>,
}

/// What a server says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) version: Option<u32>,
    /// Encryption method and level.
    pub(super) encryption: Option<(u32, u32)>,
}

/// Blocks of settings: kind and content.
fn blocks(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    core::iter::from_fn(move || {
        let (&[a, b, c, d], rest) = bytes.split_first_chunk::<4>()?;
        let len = usize::from(u16::from_le_bytes([c, d])).checked_sub(4)?;
        let (content, after) = rest.split_at_checked(len).unwrap_or((rest, &[]));
        bytes = after;
        Some((u16::from_le_bytes([a, b]), content))
    })
}

/// Where the blocks start: behind the key of whose user data they are (T.124 8.7, "h221NonStandard"), and a length.
fn user_data<'a>(packet: &'a [u8], key: &[u8; 4]) -> Option<&'a [u8]> {
    let at = memmem::find(packet, key)? + key.len();
    // Packed encoding rules: one byte below 128, else two.
    let skipped = if packet.get(at)? & 0x80 == 0 { 1 } else { 2 };
    packet.get(at + skipped..)
}

impl Client {
    /// Reads a connect-initial of MCS.
    pub(super) fn read(packet: &[u8]) -> Option<Self> {
        // T.125 7: [APPLICATION 101].
        if packet.get(7..9) != Some(&[0x7f, 0x65]) {
            return None;
        }
        let mut client = None;
        let (mut channels, mut encryption) = (Vec::new(), None);
        for (kind, content) in blocks(user_data(packet, b"Duca")?).take(16) {
            match kind {
                0xc001 => client = Self::core(content),
                0xc002 => encryption = Cursor::new(content).u32_le(),
                0xc003 => channels = names(content),
                _ => {}
            }
        }
        Some(Self { channels, encryption, ..client? })
    }

    /// TS_UD_CS_CORE ([MS-RDPBCGR] 2.2.1.3.2).
    fn core(content: &[u8]) -> Option<Self> {
        let mut fields = Cursor::new(content);
        let version = fields.u32_le()?;
        let (width, height, _color, _sas) =
            (fields.u16_le()?, fields.u16_le()?, fields.u16_le()?, fields.u16_le()?);
        let (keyboard_layout, build) = (fields.u32_le()?, fields.u32_le()?);
        let name = fields.take(32)?.as_chunks::<2>().0.iter().map(|unit| u16::from_le_bytes(*unit));
        let name = char::decode_utf16(name.take_while(|unit| *unit != 0))
            .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect();
        let (keyboard_type, keyboard_subtype, function_keys) =
            (fields.u32_le()?, fields.u32_le()?, fields.u32_le()?);
        fields.take(64)?;
        // The rest may be missing from any place on.
        let _beta_color = fields.u16_le();
        let product_id = fields.u16_le();
        let _serial = fields.u32_le();
        let color_depth = fields.u16_le();
        let _supported = fields.u16_le();
        let capabilities = fields.u16_le();
        Some(Self {
            version,
            width,
            height,
            color_depth,
            keyboard_layout,
            build,
            name,
            keyboard_type,
            keyboard_subtype,
            function_keys,
            product_id,
            capabilities,
            ..Self::default()
        })
    }
}

/// Names of channels (TS_UD_CS_NET).
fn names(content: &[u8]) -> Vec<[u8; 8]> {
    let channels = content.get(4..).unwrap_or_default().as_chunks::<12>().0;
    channels.iter().take(CHANNELS_MAX).filter_map(|channel| channel.first_chunk().copied()).collect()
}

impl Server {
    /// Reads a connect-response of MCS.
    pub(super) fn read(packet: &[u8]) -> Option<Self> {
        if packet.get(7..9) != Some(&[0x7f, 0x66]) {
            return None;
        }
        let mut server = Self::default();
        for (kind, content) in blocks(user_data(packet, b"McDn")?).take(16) {
            let mut fields = Cursor::new(content);
            match kind {
                0x0c01 => server.version = fields.u32_le(),
                0x0c02 => server.encryption = fields.u32_le().zip(fields.u32_le()),
                _ => {}
            }
        }
        Some(server)
    }
}
