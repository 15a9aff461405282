//! Blocks of a FIN message (SWIFT: FIN System Messages, and FIN Message Format): headers, text, trailers.

use arrayvec::ArrayVec;

use crate::protocols::framed::Framing;
use crate::record::EventWriter;

/// Longest block that is believed; the text of a message has at most 10,000 characters.
const BLOCK_MAX: usize = 32 * 1024;
/// Fields of the text that are listed.
const FIELDS_MAX: usize = 64;
/// Length of the basic header block.
pub(super) const BASIC_LEN: usize = 29;

/// Where the block at the start of `bytes`, a brace, ends.
pub(super) fn framing(bytes: &[u8]) -> Framing {
    let mut depth = 0_u32;
    for (at, byte) in bytes.iter().enumerate().take(BLOCK_MAX) {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return Framing::whole(at + 1),
            b'}' => depth -= 1,
            b'\r' | b'\n' | b'\t' | 0x20..=0x7e | 0x80.. => {}
            _ => return Framing::Invalid("invalid_character"),
        }
    }
    if bytes.len() < BLOCK_MAX { Framing::Open } else { Framing::Invalid("block_too_long") }
}

/// What a basic header block may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Basic {
    /// More bytes are needed.
    Open,
    Is,
    No,
}

/// Looks at the basic header block: application, service, terminal, session, sequence.
pub(super) fn basic(bytes: &[u8]) -> Basic {
    for (at, byte) in bytes.iter().enumerate().take(BASIC_LEN) {
        let fits = match at {
            0 => *byte == b'{',
            1 => *byte == b'1',
            2 => *byte == b':',
            3 => matches!(byte, b'F' | b'A' | b'L'),
            4 | 5 | 18..=27 => byte.is_ascii_digit(),
            // A bank and a country have letters; a location and a terminal have both.
            6..=11 => byte.is_ascii_uppercase(),
            12..=17 => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            _ => *byte == b'}',
        };
        if !fits {
            return Basic::No;
        }
    }
    if bytes.len() < BASIC_LEN { Basic::Open } else { Basic::Is }
}

/// What is kept of a message until it is whole.
#[derive(Clone, Debug, Default)]
pub(super) struct Summary {
    is_begun: bool,
    application: u8,
    service: [u8; 2],
    terminal: ArrayVec<u8, 12>,
    session: ArrayVec<u8, 4>,
    sequence: ArrayVec<u8, 6>,
    is_output: Option<bool>,
    kind: ArrayVec<u8, 3>,
    other_terminal: ArrayVec<u8, 12>,
    priority: Option<u8>,
    user_reference: ArrayVec<u8, 16>,
    end_to_end: ArrayVec<u8, 36>,
    validation: ArrayVec<u8, 8>,
    reference: ArrayVec<u8, 16>,
    related: ArrayVec<u8, 16>,
    operation: ArrayVec<u8, 4>,
    date: ArrayVec<u8, 6>,
    currency: ArrayVec<u8, 3>,
    amount: ArrayVec<u8, 16>,
    fields: ArrayVec<[u8; 3], FIELDS_MAX>,
    field_count: u32,
    acknowledged: Option<bool>,
    error: ArrayVec<u8, 3>,
    trailers: u8,
}

/// Trailers that are told of, a bit each.
const TRAILERS: [(&[u8], &str); 6] = [
    (b"CHK", "checksum"),
    (b"MAC", "mac"),
    (b"PDE", "possible_duplicate_emission"),
    (b"PDM", "possible_duplicate_message"),
    (b"TNG", "training"),
    (b"SYS", "system_originated"),
];

impl Summary {
    /// Whether a message was begun.
    pub(super) const fn is_begun(&self) -> bool {
        self.is_begun
    }

    /// Takes a block, braces and all. False where a block contradicts the format.
    pub(super) fn take(&mut self, block: &[u8]) -> bool {
        let inner = block.strip_prefix(b"{").and_then(|inner| inner.strip_suffix(b"}"));
        let Some((&name, [b':', content @ ..])) = inner.and_then(<[u8]>::split_first) else { return false };
        match name {
            b'1' => self.basic(block),
            _ if !self.is_begun => false,
            b'2' => self.application_header(content),
            b'3' => {
                for (tag, value) in Tags::new(content) {
                    match tag {
                        b"108" => fill(&mut self.user_reference, value),
                        b"119" => fill(&mut self.validation, value),
                        b"121" => fill(&mut self.end_to_end, value),
                        _ => {}
                    }
                }
                true
            }
            b'4' if content.starts_with(b"{") => {
                for (tag, value) in Tags::new(content) {
                    match tag {
                        b"451" => self.acknowledged = Some(value == b"0"),
                        b"405" => fill(&mut self.error, value),
                        _ => {}
                    }
                }
                true
            }
            b'4' => {
                self.text(content);
                true
            }
            b'5' => {
                for (tag, _) in Tags::new(content) {
                    for (bit, (name, _)) in TRAILERS.iter().enumerate() {
                        if tag == *name {
                            self.trailers |= 1 << bit;
                        }
                    }
                }
                true
            }
            // What interfaces add for themselves.
            b'S' => true,
            _ => false,
        }
    }

    fn basic(&mut self, block: &[u8]) -> bool {
        let Some([_, _, _, application, s1, s0, rest @ ..]) = block.first_chunk::<BASIC_LEN>() else {
            return false;
        };
        if block.len() != BASIC_LEN || basic(block) != Basic::Is {
            return false;
        }
        *self = Self { is_begun: true, application: *application, service: [*s1, *s0], ..Self::default() };
        let (terminal, rest) = rest.split_first_chunk::<12>().unwrap_or((&[0; 12], &[]));
        fill(&mut self.terminal, terminal);
        fill(&mut self.session, rest);
        fill(&mut self.sequence, rest.get(4..10).unwrap_or_default());
        true
    }

    fn application_header(&mut self, content: &[u8]) -> bool {
        let Some(([way @ (b'I' | b'O'), kind @ ..], rest)) = content.split_first_chunk::<4>() else {
            return false;
        };
        let is_output = *way == b'O';
        // Output: time, then date and terminal of the sender.
        let terminal = rest.get(if is_output { 10..22 } else { 0..12 });
        let Some(terminal) = terminal.filter(|_| kind.iter().all(u8::is_ascii_digit)) else { return false };
        self.is_output = Some(is_output);
        fill(&mut self.kind, kind);
        fill(&mut self.other_terminal, terminal);
        self.priority = rest.get(if is_output { 42 } else { 12 }).copied();
        true
    }

    /// Fields `:20:` and so on. What they say of customers is passed over.
    fn text(&mut self, content: &[u8]) {
        for line in content.split(|byte| *byte == b'\n') {
            let Some(rest) = line.strip_prefix(b":") else { continue };
            let mut parts = rest.splitn(2, |byte| *byte == b':');
            let (Some(tag), Some(value)) = (parts.next(), parts.next()) else { continue };
            let (&[a, b], option) = tag.split_first_chunk::<2>().unwrap_or((&[0; 2], &[]));
            if !(a.is_ascii_digit() && b.is_ascii_digit() && option.len() <= 1) {
                continue;
            }
            let value = value.trim_ascii_end();
            self.field_count = self.field_count.saturating_add(1);
            let name = [a, b, option.first().copied().unwrap_or(b' ')];
            if !self.fields.contains(&name) {
                let _ = self.fields.try_push(name);
            }
            match tag {
                b"20" => fill(&mut self.reference, value),
                b"21" => fill(&mut self.related, value),
                b"23B" => fill(&mut self.operation, value),
                b"32A" => self.amount(value.get(..6).unwrap_or_default(), value.get(6..).unwrap_or_default()),
                b"32B" => self.amount(&[], value),
                _ => {}
            }
        }
    }

    fn amount(&mut self, date: &[u8], money: &[u8]) {
        let (currency, amount) = money.split_at_checked(3).unwrap_or_default();
        fill(&mut self.date, date);
        fill(&mut self.currency, currency);
        fill(&mut self.amount, amount);
    }

    /// Writes the members of an event.
    pub(super) fn write(&self, event: &mut EventWriter<'_>) {
        event.label(
            "application",
            match self.application {
                b'F' => "fin",
                b'A' => "gpa",
                _ => "login",
            },
        );
        let service = match &self.service {
            b"01" => "message",
            b"21" => "acknowledgement",
            b"02" => "login",
            b"03" => "select",
            b"05" | b"06" => "quit",
            _ => "other",
        };
        event.label("service", service).text("logical_terminal", &self.terminal);
        event.text("session", &self.session).text("sequence", &self.sequence);
        if let Some(is_output) = self.is_output {
            event.label("direction", if is_output { "output" } else { "input" });
            event.text("message_type", &self.kind);
            event.label("message_name", message_name(&self.kind));
            event.text(if is_output { "sender" } else { "receiver" }, &self.other_terminal);
        }
        if let Some(priority) = self.priority {
            event.label("priority", priority_name(priority));
        }
        for (name, value) in [
            ("user_reference", self.user_reference.as_slice()),
            ("uetr", &self.end_to_end),
            ("validation", &self.validation),
            ("reference", &self.reference),
            ("related_reference", &self.related),
            ("operation", &self.operation),
            ("value_date", &self.date),
            ("currency", &self.currency),
            ("amount", &self.amount),
            ("error", &self.error),
        ] {
            if !value.is_empty() {
                event.text(name, value);
            }
        }
        if let Some(acknowledged) = self.acknowledged {
            event.flag("accepted", acknowledged);
        }
        if !self.fields.is_empty() {
            event.number("field_count", self.field_count).list("fields");
            for field in &self.fields {
                event.text("", field.trim_ascii_end());
            }
            event.close();
        }
        for (bit, (_, name)) in TRAILERS.iter().enumerate() {
            if self.trailers >> bit & 1 == 1 {
                event.flag(name, true);
            }
        }
    }
}

/// Tags `{108:value}` one behind the other.
#[derive(Clone, Copy, Debug)]
struct Tags<'a> {
    rest: &'a [u8],
}

impl<'a> Tags<'a> {
    const fn new(content: &'a [u8]) -> Self {
        Self { rest: content }
    }
}

impl<'a> Iterator for Tags<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.strip_prefix(b"{")?;
        let end = memchr::memchr(b'}', rest)?;
        self.rest = rest.get(end + 1..)?;
        let tag = rest.get(..end)?;
        let colon = memchr::memchr(b':', tag)?;
        Some((tag.get(..colon)?, tag.get(colon + 1..)?))
    }
}

fn fill<const N: usize>(place: &mut ArrayVec<u8, N>, bytes: &[u8]) {
    *place = bytes.iter().copied().take(N).collect();
}

const fn priority_name(code: u8) -> &'static str {
    match code {
        b'S' => "system",
        b'U' => "urgent",
        b'N' => "normal",
        _ => "unknown",
    }
}

/// What a message type is for; of those without a name here, their category.
const fn message_name(kind: &[u8]) -> &'static str {
    match kind {
        b"101" => "request_for_transfer",
        b"102" => "multiple_customer_credit_transfer",
        b"103" => "customer_credit_transfer",
        b"104" => "direct_debit",
        b"110" => "advice_of_cheques",
        b"192" | b"292" => "request_for_cancellation",
        b"196" | b"296" => "answer",
        b"199" | b"299" | b"999" => "free_format",
        b"200" => "institution_transfer_own_account",
        b"202" => "institution_transfer",
        b"205" => "institution_transfer_execution",
        b"210" => "notice_to_receive",
        b"300" => "foreign_exchange_confirmation",
        b"320" => "loan_deposit_confirmation",
        b"535" => "statement_of_holdings",
        b"540" => "receive_free",
        b"541" => "receive_against_payment",
        b"542" => "deliver_free",
        b"543" => "deliver_against_payment",
        b"700" => "issue_of_documentary_credit",
        b"760" => "guarantee",
        b"900" => "confirmation_of_debit",
        b"910" => "confirmation_of_credit",
        b"940" => "customer_statement",
        b"942" => "interim_transaction_report",
        b"950" => "statement",
        [b'0', ..] => "system_message",
        [b'1', ..] => "customer_payments_and_cheques",
        [b'2', ..] => "institution_transfers",
        [b'3', ..] => "treasury_markets",
        [b'4', ..] => "collections",
        [b'5', ..] => "securities_markets",
        [b'6', ..] => "commodities",
        [b'7', ..] => "documentary_credits",
        [b'8', ..] => "travellers_cheques",
        _ => "cash_management",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_end_with_their_brace() {
        assert_eq!(framing(b"{3:{108:A}{121:B}}{4:"), Framing::whole(18));
        assert_eq!(framing(b"{3:{108:A}{121:B}"), Framing::Open);
        assert_eq!(framing(b"{3:\x02}"), Framing::Invalid("invalid_character"));
        assert_eq!(framing(&[b'{'; BLOCK_MAX]), Framing::Invalid("block_too_long"));
    }

    #[test]
    fn a_basic_header_is_told_at_its_first_wrong_byte() {
        let right = b"{1:F01BANKBEBBAXXX2222123456}";
        assert_eq!(basic(right), Basic::Is);
        for end in 0..BASIC_LEN {
            assert_eq!(basic(&right[..end]), Basic::Open);
        }
        for wrong in [&b"{1:X"[..], b"{2:F", b"{1:F01bank", b"{1:F01BANK1", b"{1:F01BANKBEBBAXXX222212345}"] {
            assert_eq!(basic(wrong), Basic::No);
        }
    }
}
