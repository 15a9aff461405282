//! Greeting and login (MySQL internals: Protocol::HandshakeV10, Protocol::SSLRequest, Protocol::HandshakeResponse).

use crate::protocols::framed::Cursor;

/// Capability flags.
pub(super) mod capability {
    pub(in super::super) const CONNECT_WITH_DB: u32 = 1 << 3;
    pub(in super::super) const COMPRESS: u32 = 1 << 5;
    pub(in super::super) const PROTOCOL_41: u32 = 1 << 9;
    pub(in super::super) const SSL: u32 = 1 << 11;
    pub(in super::super) const SECURE_CONNECTION: u32 = 1 << 15;
    pub(in super::super) const PLUGIN_AUTH: u32 = 1 << 19;
    pub(in super::super) const CONNECT_ATTRS: u32 = 1 << 20;
    pub(in super::super) const AUTH_LENGTH: u32 = 1 << 21;
    pub(in super::super) const ZSTD: u32 = 1 << 26;
}

/// What the server says first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Greeting<'a> {
    pub(super) version: &'a [u8],
    pub(super) thread: u32,
    pub(super) capabilities: u32,
    /// Plugin that proves who the client is.
    pub(super) plugin: &'a [u8],
}

impl<'a> Greeting<'a> {
    /// Reads a packet's body.
    pub(super) fn read(body: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(body);
        if cursor.u8()? != 10 {
            return None;
        }
        let version = cursor.c_string().filter(|version| is_version(version))?;
        let thread = cursor.u32_le()?;
        let _challenge = cursor.take(8)?;
        if cursor.u8()? != 0 {
            return None;
        }
        let low = cursor.u16_le()?;
        let mut greeting = Self { version, thread, capabilities: low.into(), plugin: &[] };
        if cursor.is_empty() {
            return Some(greeting);
        }
        let (_charset, _status, high) = (cursor.u8()?, cursor.u16_le()?, cursor.u16_le()?);
        greeting.capabilities |= u32::from(high) << 16;
        let challenge = usize::from(cursor.u8()?);
        let _reserved = cursor.take(10)?;
        if greeting.capabilities & (capability::SECURE_CONNECTION | capability::PLUGIN_AUTH) != 0 {
            let _challenge = cursor.take(challenge.saturating_sub(8).max(13))?;
        }
        if greeting.capabilities & capability::PLUGIN_AUTH != 0 {
            // Old servers forget the zero.
            greeting.plugin = cursor.c_string().unwrap_or(cursor.rest());
        }
        Some(greeting)
    }
}

fn is_version(version: &[u8]) -> bool {
    (3..=64).contains(&version.len())
        && version.first().is_some_and(u8::is_ascii_digit)
        && version.contains(&b'.')
        && version.iter().all(|byte| (b' '..=b'~').contains(byte))
}

/// What the client answers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Login<'a> {
    pub(super) capabilities: u32,
    pub(super) user: &'a [u8],
    pub(super) database: &'a [u8],
    pub(super) plugin: &'a [u8],
    /// The client proves something.
    pub(super) has_response: bool,
    pub(super) attributes: &'a [u8],
}

/// A client's first packet.
#[derive(Clone, Copy, Debug)]
pub(super) enum FirstPacket<'a> {
    /// TLS begins behind it.
    Ssl,
    Login(Login<'a>),
}

impl<'a> FirstPacket<'a> {
    /// Reads a packet's body.
    pub(super) fn read(body: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(body);
        let low = u32::from(cursor.u16_le()?);
        if low & capability::PROTOCOL_41 == 0 {
            return Self::read_old(low, cursor);
        }
        let capabilities = low | u32::from(cursor.u16_le()?) << 16;
        let _greatest = cursor.u32_le()?;
        let _charset = cursor.u8()?;
        // MariaDB keeps capabilities of its own in the last four.
        if cursor.take(19)?.iter().any(|byte| *byte != 0) {
            return None;
        }
        let _more = cursor.take(4)?;
        if cursor.is_empty() && capabilities & capability::SSL != 0 {
            return Some(Self::Ssl);
        }
        let user = cursor.c_string()?;
        let response = if capabilities & capability::AUTH_LENGTH != 0 {
            counted(&mut cursor)?
        } else if capabilities & capability::SECURE_CONNECTION != 0 {
            let len = cursor.u8()?;
            cursor.take(len.into())?
        } else {
            cursor.c_string().unwrap_or(cursor.rest())
        };
        let mut login = Login { capabilities, user, has_response: !response.is_empty(), ..Login::default() };
        if capabilities & capability::CONNECT_WITH_DB != 0 {
            login.database = cursor.c_string().unwrap_or_default();
        }
        if capabilities & capability::PLUGIN_AUTH != 0 {
            login.plugin = cursor.c_string().unwrap_or_default();
        }
        if capabilities & capability::CONNECT_ATTRS != 0 {
            login.attributes = counted(&mut cursor).unwrap_or_default();
        }
        Some(Self::Login(login))
    }

    /// Before 4.1.
    fn read_old(capabilities: u32, mut cursor: Cursor<'a>) -> Option<Self> {
        let _greatest = cursor.u24_le()?;
        if cursor.is_empty() && capabilities & capability::SSL != 0 {
            return Some(Self::Ssl);
        }
        let user = cursor.c_string()?;
        let has_response = !cursor.is_empty();
        Some(Self::Login(Login { capabilities, user, has_response, ..Login::default() }))
    }
}

impl<'a> Login<'a> {
    /// Names and values of what the client says of itself.
    pub(super) fn attributes(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let mut cursor = Cursor::new(self.attributes);
        core::iter::from_fn(move || Some((counted(&mut cursor)?, counted(&mut cursor)?)))
    }
}

/// A length-encoded integer.
pub(super) fn integer(cursor: &mut Cursor<'_>) -> Option<u64> {
    Some(match cursor.u8()? {
        0xfc => cursor.u16_le()?.into(),
        0xfd => cursor.u24_le()?.into(),
        0xfe => cursor.u64_le()?,
        0xfb | 0xff => return None,
        short => short.into(),
    })
}

/// A length-encoded string.
fn counted<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let len = integer(cursor)?;
    cursor.take(usize::try_from(len).ok()?)
}
