//! XMPP: whose stream it is, how the client logs on, and when TLS begins (RFC 6120).

use memchr::{memchr, memmem};

use super::clear::Clear;
use super::framed::{self, Framing, Message, Messages, Next, Report};
use super::{Carrier, Exposure, Family, Found, Opening, Protocol};
use crate::record::Direction;

/// XMPP. Its openings are recognised by signatures.
pub static XMPP: Protocol = Protocol {
    name: "xmpp",
    title: "XMPP",
    family: Family::Messaging,
    carriers: &[Carrier::Tcp],
    ports: &[5222, 5269],
    exposure: Exposure::Negotiated,
    opening: Opening::any(8),
    probe: None,
    parser: Some(framed::parser::<Xmpp>),
    events: &["xmpp", "anomaly"],
    source: "RFC 6120",
};

/// Bytes of a tag with the text before it; what is longer is read in pieces of this size.
const PIECE_MAX: usize = 4096;
/// Bytes of a value that are written.
const VALUE_MAX: usize = 256;
/// Tags of a flow that are looked at: streams are opened and logged on to within them.
const TAGS_MAX: u32 = 512;

/// XMPP on one flow.
#[derive(Debug, Default)]
struct Xmpp {
    wants_tls: bool,
    tags: u32,
    /// Mechanism of a logon that waits for its answer.
    mechanism: Option<Vec<u8>>,
    clear: Clear,
}

impl Messages for Xmpp {
    const NAME: &'static str = "xmpp";

    /// A piece ends with a tag's end.
    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        let shown = bytes.get(..PIECE_MAX).unwrap_or(bytes);
        match memchr(b'>', shown) {
            Some(end) => Framing::whole(end + 1),
            None if shown.len() == PIECE_MAX => Framing::whole(PIECE_MAX),
            None => Framing::Open,
        }
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        self.tags += 1;
        if self.tags > TAGS_MAX {
            return Ok(Next::Done);
        }
        let start = memchr(b'<', message.bytes).unwrap_or(message.bytes.len());
        let tag = message.bytes.get(start + 1..).unwrap_or_default();
        let name = tag.split(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b'>' | b'/')).next();
        match (message.from, name.unwrap_or_default()) {
            (from, b"stream:stream") => stream(tag, from, report),
            (Direction::ToServer, b"starttls") => self.wants_tls = true,
            (Direction::ToClient, b"proceed") if self.wants_tls => {
                report.event("xmpp").flag("starttls", true);
                return Ok(Next::Upgrade);
            }
            (Direction::ToServer, b"auth" | b"authenticate") => {
                self.mechanism = attribute(tag, b"mechanism").map(<[u8]>::to_vec);
            }
            (Direction::ToClient, name @ (b"success" | b"failure")) => {
                if let Some(mechanism) = self.mechanism.take() {
                    let mut event = report.event("xmpp");
                    event.text("auth", &mechanism).flag("success", name == b"success");
                    self.clear.tell(&mut event);
                }
            }
            _ => {}
        }
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], _: Direction) -> Found {
        match bytes {
            [b'<', b'a'..=b'z' | b'/' | b'?', ..] => Found::Likely(80),
            [b'<'] => Found::Maybe,
            _ => Found::No,
        }
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

fn stream(tag: &[u8], from: Direction, report: &mut Report<'_, '_>) {
    let mut event = report.event("xmpp");
    event.label("stream", if from == Direction::ToServer { "initiating" } else { "receiving" });
    for (name, attribute_name) in
        [("to", &b"to"[..]), ("from", b"from"), ("namespace", b"xmlns"), ("version", b"version")]
    {
        if let Some(value) = attribute(tag, attribute_name) {
            // Of who it is, the host.
            let value = memchr(b'@', value).and_then(|at| value.get(at + 1..)).unwrap_or(value);
            event.text(name, value);
        }
    }
}

/// Value of an attribute of a tag.
fn attribute<'a>(tag: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    for at in memmem::find_iter(tag, name) {
        // Some leave out the white space behind the attribute before it.
        let before = at.checked_sub(1).and_then(|before| tag.get(before));
        let is_start = before.is_some_and(|byte| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\''));
        let Some((b'=', quoted)) = tag.get(at + name.len()..)?.split_first() else { continue };
        let Some((quote @ (b'"' | b'\''), value)) = quoted.split_first() else { continue };
        if is_start {
            let end = memchr(*quote, value)?;
            return value.get(..end.min(VALUE_MAX));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocols::Then;
    use crate::protocols::bench::{Bench, assert_any_cut_agrees};
    use crate::record::Direction::{ToClient, ToServer};
    use proptest::prelude::*;

    const OPEN: &[u8] =
        b"<?xml version='1.0'?><stream:stream from='juliet@example.org' to='example.org' xmlns='jabber:client' version='1.0'>";

    #[test]
    fn tls_is_handed_on_when_the_server_proceeds() {
        let mut bench = Bench::new(&XMPP);
        bench.stream(ToServer, OPEN);
        bench.stream(ToServer, b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
        bench.stream(ToClient, b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
        assert_eq!((bench.ending, bench.kinds()), (Some(Then::Upgrade), vec!["xmpp"; 2]));
        assert_eq!(
            (bench.text("xmpp", "to"), bench.text("xmpp", "from")),
            ("example.org".into(), "example.org".into())
        );
        assert_eq!(bench.text("xmpp", "namespace"), "jabber:client");
    }

    #[test]
    fn the_host_is_read_where_no_space_stands_before_it() {
        let mut bench = Bench::new(&XMPP);
        bench.stream(ToServer, b"<stream:stream xmlns='jabber:client' version='1.0'to=\"im.example.org\">");
        assert_eq!(bench.text("xmpp", "to"), "im.example.org");
    }

    #[test]
    fn a_logon_is_told_by_its_mechanism_and_never_its_secret() {
        let mut bench = Bench::new(&XMPP);
        bench.stream(ToServer, b"<auth xmlns='urn:x' mechanism='PLAIN'>AGp1bGlldABzZWNyZXQ=</auth>");
        bench.stream(ToClient, b"<success xmlns='urn:x'/>");
        assert_eq!(bench.text("xmpp", "auth"), "PLAIN");
        assert!(!bench.all().join(" ").contains("65, 71, 112"));
    }

    proptest! {
        #[test]
        fn any_cut_of_anything_agrees(client in "<[a-z:]{0,12}[ -~]{0,40}>?", server in "<(proceed|success|stream:stream)[ -~]{0,40}>") {
            assert_any_cut_agrees(&XMPP, &[(ToServer, OPEN.to_vec()), (ToServer, client.into_bytes()), (ToClient, server.into_bytes())]);
        }
    }
}
