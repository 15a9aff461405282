//! Call signalling: messages of Q.931, of which one element carries those of H.225.0 (ITU-T H.225.0, 7.2).

use memchr::memmem;

use crate::protocols::Found;
use crate::protocols::framed::{Cursor, Masked};
use crate::record::EventWriter;

/// Protocol discriminator of call control (ITU-T Q.931, 4.2).
pub(super) const DISCRIMINATOR: u8 = 8;
/// The object identifier of H.225.0, without its version: {itu-t recommendation h 2250 version}.
pub(super) const IDENTIFIER: &[u8] = &[6, 0, 8, 0x91, 0x4a, 0];
/// The user-user element.
const USER_USER: u8 = 0x7e;

/// Whether call signalling is here, of which the end may be missing.
pub(super) fn look(unit: &[u8], is_cut: bool) -> Found {
    match unit {
        // Call references of H.225.0 have two bytes (7.2.1.2).
        [DISCRIMINATOR, 2, _, _, kind, ..] if name(*kind).is_some() => match (Signal::read(unit), is_cut) {
            (_, true) => Found::Maybe,
            (Some(signal), false) if signal.version.is_some() => Found::Yes,
            (Some(_), false) => Found::Likely(95),
            (None, false) => Found::No,
        },
        [] | [DISCRIMINATOR] | [DISCRIMINATOR, 2] | [DISCRIMINATOR, 2, _] | [DISCRIMINATOR, 2, _, _]
            if is_cut =>
        {
            Found::Maybe
        }
        _ => Found::No,
    }
}

/// A message of call signalling.
#[derive(Debug)]
pub(super) struct Signal<'a> {
    reference: u16,
    kind: u8,
    /// Version of H.225.0.
    version: Option<u8>,
    cause: Option<u8>,
    calling: Masked,
    called: Option<&'a [u8]>,
    display: Masked,
}

impl<'a> Signal<'a> {
    /// Reads a message; None where its elements do not fit.
    pub(super) fn read(unit: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(unit);
        let [DISCRIMINATOR, 2] = cursor.array::<2>()? else { return None };
        let (reference, kind) = (cursor.u16()?, cursor.u8()?);
        let mut signal = Self {
            reference,
            kind,
            version: None,
            cause: None,
            calling: Masked::default(),
            called: None,
            display: Masked::default(),
        };
        while let Some(element) = cursor.u8() {
            // Elements of one byte (Q.931, 4.5.1).
            if element & 0x80 != 0 {
                continue;
            }
            let len = if element == USER_USER { cursor.u16()?.into() } else { usize::from(cursor.u8()?) };
            signal.element(element, cursor.take(len)?);
        }
        Some(signal)
    }

    fn element(&mut self, element: u8, value: &'a [u8]) {
        match (element, value) {
            (0x08, [_, cause, ..]) => self.cause = Some(cause & 0x7f),
            (0x28, name) => self.display = Masked::of(name),
            (0x6c, [kind, rest @ ..]) => {
                // How the number may be shown, where it is said.
                let digits = if kind & 0x80 == 0 { rest.get(1..) } else { Some(rest) };
                self.calling = Masked::of(digits.unwrap_or_default());
            }
            (0x70, [_, digits @ ..]) => self.called = Some(digits),
            (USER_USER, [5, content @ ..]) => {
                let at = memmem::find(content.get(..32).unwrap_or(content), IDENTIFIER);
                self.version = at.and_then(|at| content.get(at + IDENTIFIER.len())).copied();
            }
            _ => {}
        }
    }

    pub(super) fn write(&self, event: &mut EventWriter<'_>) {
        event.label("layer", "h225").label("message", name(self.kind).unwrap_or("unknown"));
        event.number("call_reference", self.reference & 0x7fff);
        if let Some(version) = self.version {
            event.number("version", version);
        }
        if let Some(cause) = self.cause {
            event.number("cause", cause);
        }
        self.calling.write("calling_number", event);
        Masked::of(self.called.unwrap_or_default()).write("called_number", event);
        self.display.write("display", event);
    }
}

/// Messages (ITU-T H.225.0, table 4).
const fn name(kind: u8) -> Option<&'static str> {
    Some(match kind {
        0x01 => "alerting",
        0x02 => "call_proceeding",
        0x03 => "progress",
        0x05 => "setup",
        0x07 => "connect",
        0x0d => "setup_acknowledge",
        0x4d => "release",
        0x5a => "release_complete",
        0x62 => "facility",
        0x6e => "notify",
        0x75 => "status_inquiry",
        0x7b => "information",
        0x7d => "status",
        _ => return None,
    })
}
