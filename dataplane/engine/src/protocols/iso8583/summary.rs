//! What is kept and written of a message: no element that a thief could use is kept whole. The account number is masked
//! as it is read (first six, last four digits: PCI DSS 3.4), tracks, PINs and chip data are only said to be there.

use arrayvec::ArrayVec;

use super::fields::{Edition, class, function, origin};
use super::layout::{Element, Head, Layout, Step, Walk};
use crate::record::EventWriter;

/// A message in short.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Summary {
    /// Digits of the message type.
    kind: [u8; 4],
    elements: u128,
    edition: Option<Edition>,
    account: ArrayVec<u8, 19>,
    is_luhn_right: bool,
    processing_code: ArrayVec<u8, 6>,
    amount: ArrayVec<u8, 16>,
    currency: ArrayVec<u8, 3>,
    time: ArrayVec<u8, 10>,
    trace: ArrayVec<u8, 12>,
    merchant_type: ArrayVec<u8, 4>,
    entry_mode: ArrayVec<u8, 12>,
    acquirer: ArrayVec<u8, 11>,
    reference: ArrayVec<u8, 12>,
    response: ArrayVec<u8, 4>,
    terminal: ArrayVec<u8, 8>,
    merchant: ArrayVec<u8, 15>,
    management: ArrayVec<u8, 3>,
}

impl Summary {
    /// Reads a message by a layout. None where it does not fit.
    pub(super) fn read(message: &[u8], layout: &Layout, edition: Edition) -> Option<Self> {
        let Step::Read(Head { kind, elements }) = layout.head(&mut { message }) else { return None };
        let mut summary = Self { kind, elements, edition: Some(edition), ..Self::default() };
        let walk = layout.walk(message, edition, |element| summary.take(element, layout));
        (walk == Walk::Whole).then_some(summary)
    }

    fn take(&mut self, element: Element<'_>, layout: &Layout) {
        let characters = || layout.characters(element);
        match element.number {
            2 => self.take_account(characters()),
            35 | 45 if self.account.is_empty() => {
                // The account number stands before the first separator, in track 1 behind its format code.
                let track = characters().skip_while(|byte| !byte.is_ascii_digit());
                self.take_account(track.take_while(u8::is_ascii_digit));
            }
            3 => fill(&mut self.processing_code, characters()),
            4 => fill(&mut self.amount, characters()),
            7 => fill(&mut self.time, characters()),
            11 => fill(&mut self.trace, characters()),
            18 | 26 if self.merchant_type.is_empty() && element.count == 4 => {
                fill(&mut self.merchant_type, characters());
            }
            22 if element.bytes.len() <= 12 => fill(&mut self.entry_mode, characters()),
            32 => fill(&mut self.acquirer, characters()),
            37 => fill(&mut self.reference, characters()),
            39 => fill(&mut self.response, characters()),
            41 => fill(&mut self.terminal, characters()),
            42 => fill(&mut self.merchant, characters()),
            49 => fill(&mut self.currency, characters()),
            70 => fill(&mut self.management, characters()),
            _ => {}
        }
    }

    /// Keeps an account number, masked. The digits pass through here one by one and are not stored.
    fn take_account(&mut self, digits: impl Iterator<Item = u8> + Clone) {
        let count = digits.clone().count();
        if !(8..=19).contains(&count) {
            return;
        }
        let mut sum = 0_u32;
        self.account.clear();
        for (at, digit) in digits.enumerate() {
            let is_shown = count >= 13 && (at < 6 || at + 4 >= count);
            // Too short for both ends to be shown without giving the middle away.
            let is_shown = is_shown || (count < 13 && at + 4 >= count);
            self.account.push(if is_shown { digit } else { b'*' });
            let value = u32::from(digit.wrapping_sub(b'0'));
            let is_doubled = (count - at).is_multiple_of(2);
            sum += if is_doubled { value * 2 / 10 + value * 2 % 10 } else { value };
        }
        self.is_luhn_right = sum.is_multiple_of(10);
    }

    /// Class of the message.
    pub(super) const fn class(&self) -> u8 {
        self.kind[1]
    }

    /// System trace audit number.
    pub(super) fn trace(&self) -> &[u8] {
        &self.trace
    }

    /// Terminal, where there is one.
    pub(super) fn terminal(&self) -> &[u8] {
        &self.terminal
    }

    /// Whether this answers: the odd functions do.
    pub(super) const fn is_response(&self) -> bool {
        self.kind[2] % 2 == 1
    }

    /// Writes the members of an object.
    pub(super) fn write(&self, event: &mut EventWriter<'_>) {
        let [version, class_digit, function_digit, origin_digit] = self.kind;
        event.text("mti", &[b'0' + version, b'0' + class_digit, b'0' + function_digit, b'0' + origin_digit]);
        event.label("class", class(class_digit).unwrap_or("unknown"));
        event.label("function", function(function_digit).unwrap_or("unknown"));
        event.label("origin", origin(origin_digit).unwrap_or("unknown"));
        if let Some(edition) = self.edition {
            event.label("edition", edition.name());
        }
        for (name, value) in [
            ("stan", self.trace.as_slice()),
            ("processing_code", &self.processing_code),
            ("amount", &self.amount),
            ("currency", &self.currency),
            ("transmission_time", &self.time),
            ("merchant_type", &self.merchant_type),
            ("pos_entry_mode", &self.entry_mode),
            ("acquirer_id", &self.acquirer),
            ("retrieval_reference", &self.reference),
            ("response_code", &self.response),
            ("terminal_id", &self.terminal),
            ("merchant_id", &self.merchant),
            ("network_management_code", &self.management),
        ] {
            let value = value.trim_ascii();
            if !value.is_empty() {
                event.text(name, value);
            }
        }
        if !self.account.is_empty() {
            event.text("pan", &self.account).flag("pan_luhn_valid", self.is_luhn_right);
        }
        let head = Head { kind: self.kind, elements: self.elements };
        for (name, elements) in [
            ("track_data", &[35, 36, 45][..]),
            ("pin_block", &[52]),
            ("icc_data", &[55]),
            ("mac", &[64, 128]),
        ] {
            if elements.iter().any(|number| head.has(*number)) {
                event.flag(name, true);
            }
        }
        event.list("fields");
        for number in (2..=128).filter(|number| *number != 65 && head.has(*number)) {
            event.number("", number);
        }
        event.close();
    }
}

fn fill<const N: usize>(place: &mut ArrayVec<u8, N>, characters: impl Iterator<Item = u8>) {
    *place = characters.take(N).collect();
}
