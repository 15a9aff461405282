//! Calls and replies (RFC 5531, 9), and who calls (RFC 5531 14, RFC 2203 5, RFC 9289 4.1).

use super::names;
use crate::protocols::Found;
use crate::protocols::framed::Cursor;

/// Most bytes of credentials (RFC 5531, 9).
const AUTH_MAX: u32 = 400;
/// Flavours.
const UNIX: u32 = 1;
const GSS: u32 = 6;
const TLS: u32 = 7;

/// Bytes behind their length, padded to words (RFC 4506, 4.10); cut where the bytes end within them.
pub(super) fn opaque<'a>(cursor: &mut Cursor<'a>, most: u32) -> Option<&'a [u8]> {
    let len = cursor.u32().filter(|len| *len <= most)? as usize;
    let here = cursor.len();
    let content = cursor.take(len.min(here))?;
    let _ = cursor.take((len.next_multiple_of(4) - len).min(cursor.len()));
    Some(content)
}

/// Who calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) flavor: u32,
    /// Machine, user and group of AUTH_SYS.
    pub(super) unix: Option<(Vec<u8>, u32, u32)>,
    /// Service of RPCSEC_GSS: 1 none, 2 integrity, 3 privacy.
    pub(super) service: Option<u32>,
}

impl Credentials {
    fn read(flavor: u32, body: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(body);
        let mut credentials = Self { flavor, ..Self::default() };
        match flavor {
            UNIX => {
                let _stamp = cursor.u32()?;
                let machine = opaque(&mut cursor, 255)?.to_vec();
                let (user, group) = (cursor.u32()?, cursor.u32()?);
                let groups = cursor.u32().filter(|count| *count <= 32)?;
                (cursor.len() == groups as usize * 4).then_some(())?;
                credentials.unix = Some((machine, user, group));
            }
            GSS => {
                let (version, _procedure, _number) = (cursor.u32()?, cursor.u32()?, cursor.u32()?);
                let service = cursor.u32()?;
                (version == 1 && service <= 4).then_some(())?;
                credentials.service = Some(service);
            }
            0 | TLS => body.is_empty().then_some(())?,
            _ => {}
        }
        Some(credentials)
    }

    /// Whether this asks for TLS.
    pub(super) const fn is_tls(&self) -> bool {
        self.flavor == TLS
    }

    /// Whether arguments and results are wrapped.
    pub(super) const fn is_wrapped(&self) -> bool {
        matches!(self.service, Some(2..))
    }

    /// Whether anybody can read what is called (RFC 2203, 5: service 3 is privacy).
    pub(super) const fn is_clear(&self) -> bool {
        !matches!(self.service, Some(3)) && !self.is_tls()
    }

    /// Name of the flavour, as Suricata's EVE output has it.
    pub(super) const fn name(&self) -> Option<&'static str> {
        names::flavor(self.flavor)
    }
}

/// A call.
#[derive(Clone, Debug)]
pub(super) struct Call<'a> {
    pub(super) xid: u32,
    pub(super) program: u32,
    pub(super) version: u32,
    pub(super) procedure: u32,
    pub(super) credentials: Credentials,
    pub(super) arguments: &'a [u8],
}

impl<'a> Call<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        let xid = cursor.u32()?;
        let (kind, rpc_version) = (cursor.u32()?, cursor.u32()?);
        if kind != 0 || rpc_version != 2 {
            return None;
        }
        let (program, version, procedure) = (cursor.u32()?, cursor.u32()?, cursor.u32()?);
        let flavor = cursor.u32()?;
        let body = opaque(&mut cursor, AUTH_MAX)?;
        let credentials = Credentials::read(flavor, body)?;
        let _verifier = cursor.u32()?;
        opaque(&mut cursor, AUTH_MAX)?;
        Some(Self { xid, program, version, procedure, credentials, arguments: cursor.rest() })
    }

    /// Whether the numbers are those that programs have (RFC 5531, 8.1: 0x40000000 to 0x5fffffff are transient).
    fn is_sound(&self) -> bool {
        let is_program = (100_000..0x6000_0000).contains(&self.program);
        let is_known = names::program(self.program).is_some();
        // Who asks for a version that cannot be is told which there are (RFC 5531, 9: PROG_MISMATCH).
        let asks_for_versions = is_known && self.procedure == 0;
        (is_program || is_known)
            && (self.version <= 10_000 || asks_for_versions)
            && self.procedure <= 1000
            && (is_known || self.credentials.name().is_some())
    }
}

/// Whether a message is a call. `is_whole`: nothing follows.
pub(super) fn look(bytes: &[u8], is_whole: bool) -> Found {
    let word = |at: usize| bytes.get(at..)?.first_chunk().map(|word| u32::from_be_bytes(*word));
    let differs = |at: usize, value: u32| word(at).is_some_and(|word| word != value);
    let is_too_far = |at: usize, most: u32| word(at).is_some_and(|word| word > most);
    // The first look decides nearly always.
    if differs(4, 0) || differs(8, 2) || is_too_far(20, 1000) || is_too_far(28, AUTH_MAX) {
        return Found::No;
    }
    match Call::read(bytes) {
        Some(call) if call.is_sound() => {
            if names::program(call.program).is_some() {
                Found::Yes
            } else {
                Found::Likely(92)
            }
        }
        None if !is_whole && bytes.len() < 32 + AUTH_MAX as usize * 2 => Found::Maybe,
        _ => Found::No,
    }
}

/// Whether a message is a reply: that says little, and is asked only where the beginning was not seen.
pub(super) fn look_at_reply(bytes: &[u8]) -> Found {
    let word = |at: usize| bytes.get(at..)?.first_chunk().map(|word| u32::from_be_bytes(*word));
    match (word(4), word(8), word(12), word(16)) {
        (Some(1), Some(0), Some(0..=7), Some(len)) if len <= AUTH_MAX && len.is_multiple_of(4) => {
            match word(20 + len as usize) {
                Some(0..=5) => Found::Likely(75),
                Some(_) => Found::No,
                None => Found::Maybe,
            }
        }
        (Some(1), Some(1), Some(0..=1), Some(_)) => Found::Likely(70),
        (kind, status, flavor, len) => {
            let is_possible = kind.is_none_or(|kind| kind == 1)
                && status.is_none_or(|status| status <= 1)
                && flavor.is_none()
                && len.is_none();
            if is_possible { Found::Maybe } else { Found::No }
        }
    }
}

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// It was carried out, or not for this reason (RFC 5531, 9: accept_stat).
    Accepted(u32),
    /// It was refused: other version (0) or authentication (1), and why.
    Denied(u32, u32),
}

/// A reply.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reply<'a> {
    pub(super) xid: u32,
    pub(super) status: Status,
    /// TLS follows (RFC 9289, 4.1).
    pub(super) starts_tls: bool,
    pub(super) results: &'a [u8],
}

impl<'a> Reply<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        let (xid, kind, status) = (cursor.u32()?, cursor.u32()?, cursor.u32()?);
        let mut starts_tls = false;
        let status = match (kind, status) {
            (1, 0) => {
                let _flavor = cursor.u32()?;
                starts_tls = opaque(&mut cursor, AUTH_MAX)? == b"STARTTLS";
                Status::Accepted(cursor.u32()?)
            }
            (1, 1) => Status::Denied(cursor.u32()?, cursor.u32().unwrap_or_default()),
            _ => return None,
        };
        Some(Self { xid, status, starts_tls, results: cursor.rest() })
    }
}
