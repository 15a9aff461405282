//! The Session Description Protocol (RFC 8866), carried by SIP, RTSP and MGCP: what is written of it, and the media flows
//! that it announces.

use core::net::IpAddr;

use super::fields::{lines, number};
use super::{Carrier, Expected, Subject};
use crate::protocols::framed::Report;
use crate::record::EventWriter;

/// Bytes of a description that are kept.
pub(super) const KEPT: usize = 4096;
/// Media of one description that are written and waited for.
const MEDIA_MAX: usize = 8;
/// Attributes of one medium that are written.
const ATTRIBUTES_MAX: usize = 16;
/// Bytes of a line that are written.
const LINE_MAX: usize = 256;

/// The lines of a description: a letter, and what follows the equals sign.
fn items(text: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    lines(text).filter_map(|line| match line {
        [kind, b'=', value @ ..] => Some((*kind, value)),
        _ => None,
    })
}

fn cut(text: &[u8]) -> &[u8] {
    text.get(..LINE_MAX).unwrap_or(text)
}

/// Whether this is a description.
pub(super) fn is_description(text: &[u8]) -> bool {
    text.starts_with(b"v=0\r") || text.starts_with(b"v=0\n")
}

/// Whether keys stand in it in clear (RFC 4568, 6: `a=crypto`; RFC 4566, 5.12: `k=clear`).
pub(super) fn has_keys(text: &[u8]) -> bool {
    items(text).any(|(kind, value)| match kind {
        b'a' => value.starts_with(b"crypto:") || value.starts_with(b"key-mgmt:"),
        b'k' => value.starts_with(b"clear:") || value.starts_with(b"base64:"),
        _ => false,
    })
}

/// Writes a description in the names of Suricata's EVE output.
pub(super) fn write(name: &'static str, text: &[u8], event: &mut EventWriter<'_>) {
    event.object(name);
    for (wanted, name) in
        [(b'o', "origin"), (b's', "session_name"), (b'i', "session_info"), (b'c', "connection_data")]
    {
        let mut session = items(text).take_while(|(kind, _)| *kind != b'm');
        if let Some((_, value)) = session.find(|(kind, _)| *kind == wanted) {
            event.text(name, cut(value));
        }
    }
    event.list("media_descriptions");
    let (mut media, mut attributes) = (0, 0);
    for (kind, value) in items(text) {
        match kind {
            b'm' => {
                if media > 0 {
                    event.close().close();
                }
                media += 1;
                attributes = 0;
                if media > MEDIA_MAX {
                    break;
                }
                event.object("").text("media", cut(value)).list("attributes");
            }
            b'a' if media > 0 && attributes < ATTRIBUTES_MAX => {
                attributes += 1;
                write_attribute(value, event);
            }
            _ => {}
        }
    }
    if (1..=MEDIA_MAX).contains(&media) {
        event.close().close();
    }
    event.close().close();
}

/// An attribute; keys and passwords are not written.
fn write_attribute(value: &[u8], event: &mut EventWriter<'_>) {
    const SECRETS: [&[u8]; 3] = [b"crypto:", b"ice-pwd:", b"key-mgmt:"];
    match SECRETS.into_iter().find(|name| value.starts_with(name)) {
        Some(b"crypto:") => {
            // Tag and suite say how media are protected.
            let keys = memchr::memmem::find(value, b"inline:").unwrap_or(value.len());
            let shown = [value.get(..keys.min(LINE_MAX)).unwrap_or_default(), b"***"].concat();
            event.text("", &shown);
        }
        Some(name) => {
            event.text("", &[name, b"***"].concat());
        }
        None => {
            event.text("", cut(value));
        }
    }
}

/// Address of a connection line (RFC 8866, 5.7): "IN IP4 192.0.2.1", or "IN IP4 233.252.0.1/127".
fn address(value: &[u8]) -> Option<IpAddr> {
    let text = value.split(|byte| *byte == b' ').nth(2)?;
    let text = text.split(|byte| *byte == b'/').next()?;
    core::str::from_utf8(text).ok()?.trim().parse().ok()
}

/// Announces the media of a description that a side sends.
pub(super) fn announce(text: &[u8], report: &mut Report<'_, '_>) {
    let session = items(text).take_while(|(kind, _)| *kind != b'm').find(|(kind, _)| *kind == b'c');
    let session = session.and_then(|(_, value)| address(value));
    let mut rest = items(text).skip_while(|(kind, _)| *kind != b'm').peekable();
    for _ in 0..MEDIA_MAX {
        let Some((_, line)) = rest.next() else { return };
        let (mut own, mut control) = (session, None);
        while let Some((kind, value)) = rest.next_if(|(kind, _)| *kind != b'm') {
            match kind {
                b'c' => own = address(value).or(own),
                b'a' => {
                    // RFC 3605 2.1.
                    let port = value
                        .strip_prefix(b"rtcp:")
                        .and_then(|value| value.split(|byte| *byte == b' ').next());
                    control = control.or(port.and_then(number).and_then(|port| u16::try_from(port).ok()));
                }
                _ => {}
            }
        }
        let mut words = line.split(|byte| *byte == b' ');
        let (Some(_kind), Some(port), Some(transport)) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        let port = port
            .split(|byte| *byte == b'/')
            .next()
            .and_then(number)
            .and_then(|port| u16::try_from(port).ok());
        let is_media = transport.windows(4).any(|part| part == b"RTP/") && !transport.starts_with(b"TCP/");
        if let (true, Some(address), Some(port @ 1..)) = (is_media, own, port) {
            media(address, [port, control.unwrap_or(port.saturating_add(1))], None, report);
        }
    }
}

/// Announces media and their control to an address.
pub(super) fn media(
    address: IpAddr,
    [port, control]: [u16; 2],
    peer: Option<IpAddr>,
    report: &mut Report<'_, '_>,
) {
    if address.is_unspecified() {
        // Held (RFC 3264, 8.4).
        return;
    }
    for (port, protocol) in [(port, "rtp"), (control, "rtcp")] {
        report.expect(Expected {
            carrier: Carrier::Udp,
            address,
            port,
            peer,
            protocol,
            subject: Subject::default(),
        });
    }
}
