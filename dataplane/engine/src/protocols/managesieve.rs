//! ManageSieve: what a server of mail filters can do, who logs on, and when TLS begins (RFC 5804).

use super::clear::Clear;
use super::framed::{self, Framing, Message, Messages, Next, Report};
use super::{Carrier, Exposure, Family, Found, Opening, Protocol, lines};
use crate::record::Direction;

/// ManageSieve. Its openings are recognised by signatures.
pub static MANAGESIEVE: Protocol = Protocol {
    name: "managesieve",
    title: "ManageSieve",
    family: Family::Mail,
    carriers: &[Carrier::Tcp],
    ports: &[4190],
    exposure: Exposure::Negotiated,
    opening: Opening::any(4),
    probe: None,
    parser: Some(framed::parser::<ManageSieve>),
    events: &["managesieve", "anomaly"],
    source: "RFC 5804",
};

/// Bytes of a text that are written.
const TEXT_MAX: usize = 256;

/// ManageSieve on one flow.
#[derive(Debug, Default)]
struct ManageSieve {
    wants_tls: bool,
    /// Mechanism of a logon that waits for its answer.
    mechanism: Option<Vec<u8>>,
    has_capabilities: bool,
    clear: Clear,
}

/// A quoted string without its quotes.
fn unquoted(text: &[u8]) -> &[u8] {
    let text = text.strip_prefix(b"\"").unwrap_or(text);
    let end = text.iter().position(|byte| *byte == b'"').unwrap_or(text.len());
    text.get(..end.min(TEXT_MAX)).unwrap_or(text)
}

impl Messages for ManageSieve {
    const NAME: &'static str = "managesieve";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        lines::framing(bytes)
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let (verb, rest) = lines::words(lines::content(message.bytes));
        match (message.from, verb.to_ascii_uppercase().as_slice()) {
            (Direction::ToServer, b"STARTTLS") => self.wants_tls = true,
            (Direction::ToServer, b"AUTHENTICATE") => self.mechanism = Some(unquoted(rest).to_vec()),
            (Direction::ToClient, b"\"IMPLEMENTATION\"")
                if !core::mem::replace(&mut self.has_capabilities, true) =>
            {
                report.event("managesieve").text("implementation", unquoted(rest));
            }
            (Direction::ToClient, answer @ (b"OK" | b"NO" | b"BYE")) => {
                let is_good = answer == b"OK";
                if core::mem::take(&mut self.wants_tls) && is_good {
                    report.event("managesieve").flag("starttls", true);
                    return Ok(Next::Upgrade);
                }
                if let Some(mechanism) = self.mechanism.take() {
                    let mut event = report.event("managesieve");
                    event.text("auth", &mechanism).flag("success", is_good);
                    self.clear.tell(&mut event);
                }
            }
            _ => {}
        }
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], _: Direction) -> Found {
        match bytes.first() {
            Some(byte) if byte.is_ascii_uppercase() || *byte == b'"' => Found::Likely(80),
            _ => Found::No,
        }
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocols::Then;
    use crate::protocols::bench::{Bench, assert_any_cut_agrees};
    use crate::record::Direction::{ToClient, ToServer};
    use proptest::prelude::*;

    #[test]
    fn the_server_is_named_and_tls_handed_on() {
        let mut bench = Bench::new(&MANAGESIEVE);
        bench.stream(ToClient, b"\"IMPLEMENTATION\" \"Example v1\"\r\n\"STARTTLS\"\r\nOK\r\n");
        bench.stream(ToServer, b"AUTHENTICATE \"PLAIN\" \"AGFsaWNl\"\r\n");
        bench.stream(ToClient, b"NO\r\n");
        bench.stream(ToServer, b"STARTTLS\r\n");
        bench.stream(ToClient, b"OK \"begin\"\r\n");
        assert_eq!((bench.ending, bench.kinds()), (Some(Then::Upgrade), vec!["managesieve"; 3]));
        assert_eq!(bench.text("managesieve", "implementation"), "Example v1");
        assert_eq!(bench.text("managesieve", "auth"), "PLAIN");
    }

    proptest! {
        #[test]
        fn any_text_reads_the_same_in_any_cut(client in "(STARTTLS|AUTHENTICATE)[ -~\r\n]{0,40}", server in "(OK|NO|\"IMPLEMENTATION\")[ -~\r\n]{0,40}") {
            assert_any_cut_agrees(&MANAGESIEVE, &[(ToServer, client.into_bytes()), (ToClient, server.into_bytes())]);
        }
    }
}
