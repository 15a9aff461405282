//! Sessions that could be encrypted and are not.

use crate::record::EventWriter;

/// Says once in a session, in the first event for which it matters, that it can be read by anybody.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clear {
    is_told: bool,
}

impl Clear {
    /// Something went by that nobody hid.
    pub(super) fn tell(&mut self, event: &mut EventWriter<'_>) {
        if !core::mem::replace(&mut self.is_told, true) {
            event.cleartext();
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::CryptoClass::Cleartext;
    use crate::protocols::bench::Bench;
    use crate::protocols::{Protocol, Then, ftp, imap, irc, ldap, managesieve, nntp, pop3, smtp, xmpp};
    use crate::record::Direction::{self, ToClient, ToServer};

    type Turns<'a> = &'a [(Direction, &'a str)];

    /// Sessions of one protocol: one that stays in the clear, one that asks for TLS before anything matters.
    const SESSIONS: [(&Protocol, Turns<'_>, Turns<'_>); 8] = [
        (
            &smtp::SMTP,
            &[
                (ToClient, "220 mx.example.org\r\n"),
                (
                    ToServer,
                    "EHLO c.example.org\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n",
                ),
                (ToClient, "250 a\r\n250 b\r\n250 c\r\n354 d\r\n"),
                (ToServer, "x\r\n.\r\nMAIL FROM:<a@example.org>\r\nQUIT\r\n"),
                (ToClient, "250 a\r\n250 b\r\n221 c\r\n"),
            ],
            &[
                (ToClient, "220 mx.example.org\r\n"),
                (ToServer, "EHLO c.example.org\r\nSTARTTLS\r\n"),
                (ToClient, "250 a\r\n220 b\r\n"),
            ],
        ),
        (
            &imap::IMAP,
            &[(ToServer, "a LOGIN alice hidden\r\n"), (ToClient, "a OK done\r\n")],
            &[(ToServer, "a STARTTLS\r\n"), (ToClient, "a OK begin\r\n")],
        ),
        (
            &pop3::POP3,
            &[(ToServer, "USER alice\r\nPASS hidden\r\n"), (ToClient, "+OK a\r\n+OK b\r\n")],
            &[(ToServer, "STLS\r\n"), (ToClient, "+OK begin\r\n")],
        ),
        (
            &ftp::FTP,
            &[
                (ToClient, "220 ftp.example.org\r\n"),
                (ToServer, "USER alice\r\n"),
                (ToClient, "331 password\r\n"),
                (ToServer, "PASS hidden\r\n"),
                (ToClient, "230 welcome\r\n"),
            ],
            &[
                (ToClient, "220 ftp.example.org\r\n"),
                (ToServer, "FEAT\r\n"),
                (ToClient, "211-a\r\n211 b\r\n"),
                (ToServer, "AUTH TLS\r\n"),
                (ToClient, "234 begin\r\n"),
            ],
        ),
        (
            &nntp::NNTP,
            &[(ToServer, "GROUP misc.test\r\nGROUP misc.other\r\n"), (ToClient, "211 1 1 1 misc.test\r\n")],
            &[
                (ToClient, "200 news.example.org\r\n"),
                (ToServer, "STARTTLS\r\n"),
                (ToClient, "382 begin\r\n"),
            ],
        ),
        (
            &irc::IRC,
            &[
                (ToServer, "NICK alice\r\n"),
                (ToClient, ":irc.example.org 001 alice :Welcome\r\n"),
                (ToServer, "JOIN #test\r\n"),
            ],
            &[(ToServer, "STARTTLS\r\n"), (ToClient, ":irc.example.org 670 alice :begin\r\n")],
        ),
        (
            &xmpp::XMPP,
            &[(ToServer, "<auth mechanism='PLAIN'>AGE=</auth>"), (ToClient, "<success xmlns='urn:x'/>")],
            &[(ToServer, "<starttls xmlns='urn:x'/>"), (ToClient, "<proceed xmlns='urn:x'/>")],
        ),
        (
            &managesieve::MANAGESIEVE,
            &[(ToServer, "AUTHENTICATE \"PLAIN\" \"AGE=\"\r\n"), (ToClient, "OK\r\n")],
            &[(ToServer, "STARTTLS\r\n"), (ToClient, "OK\r\n")],
        ),
    ];

    fn play(protocol: &Protocol, turns: Turns<'_>) -> Bench {
        let mut bench = Bench::new(protocol);
        turns.iter().for_each(|(from, text)| bench.stream(*from, text.as_bytes()));
        bench
    }

    #[test]
    fn a_session_that_could_be_encrypted_and_is_not_is_said_to_be_in_the_clear_once() {
        for (protocol, clear, _) in SESSIONS {
            let mut bench = play(protocol, clear);
            bench.finish();
            assert_eq!(bench.said_of_crypto(), [Cleartext], "{}", protocol.name);
        }
    }

    #[test]
    fn what_directories_are_asked_before_they_are_secured_does_not_count() {
        let search = |base: &[u8]| {
            let rest = b"\x0a\x01\x00\x0a\x01\x00\x02\x01\x00\x02\x01\x00\x01\x01\x00\x87\x02cn\x30\x00";
            let base = [&[4, u8::try_from(base.len()).unwrap()], base].concat();
            let operation =
                [&[0x63, u8::try_from(base.len() + rest.len()).unwrap()], &base[..], rest].concat();
            [&[0x30, u8::try_from(3 + operation.len()).unwrap(), 2, 1, 1], &operation[..]].concat()
        };
        for (base, said) in [(&b""[..], &[][..]), (b"dc=example", &[Cleartext])] {
            let mut bench = Bench::new(&ldap::LDAP);
            bench.stream(ToServer, &search(base));
            bench.finish();
            assert_eq!((bench.kinds(), bench.said_of_crypto()), (vec!["ldap"], said.to_vec()), "{base:?}");
        }
    }

    #[test]
    fn nothing_is_said_before_tls_begins() {
        for (protocol, _, secured) in SESSIONS {
            let bench = play(protocol, secured);
            assert_eq!(
                (bench.said_of_crypto(), bench.ending),
                (vec![], Some(Then::Upgrade)),
                "{}",
                protocol.name
            );
        }
    }
}
