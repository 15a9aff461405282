//! Methods of AMQP 0-9-1.

use crate::protocols::credentials::Credentials;
use crate::protocols::framed::{Cursor, Report};
use crate::protocols::kept::{Kept, Quota, write_text};
use crate::record::{Direction, EventWriter};

/// Entries of a table that are looked at.
const ENTRIES_MAX: usize = 32;

/// The connection up to where channels begin, and what is published.
#[derive(Debug, Default)]
pub(super) struct Classic {
    pub(super) version: &'static str,
    product: Kept<64>,
    product_version: Kept<32>,
    client: Kept<64>,
    client_version: Kept<32>,
    host: Kept<128>,
    credentials: Credentials,
    is_open: bool,
    published: u64,
    delivered: u64,
}

/// Text with its length in one byte.
fn short<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let len = cursor.u8()?;
    cursor.take(len.into())
}

/// Text or a table with its length in four bytes.
fn long<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let len = usize::try_from(cursor.u32()?).ok()?;
    cursor.take(len)
}

/// Entries of a table that are text, up to one of a kind that is not known.
fn entries(table: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut cursor = Cursor::new(table);
    let next = move || -> Option<(&[u8], &[u8])> {
        let name = short(&mut cursor)?;
        let value = match cursor.u8()? {
            b'S' | b'x' | b'F' | b'A' => long(&mut cursor)?,
            b't' | b'b' | b'B' => cursor.take(1).map(|_| &[][..])?,
            b's' | b'u' | b'U' => cursor.take(2).map(|_| &[][..])?,
            b'I' | b'i' | b'f' => cursor.take(4).map(|_| &[][..])?,
            b'D' => cursor.take(5).map(|_| &[][..])?,
            b'L' | b'l' | b'd' | b'T' => cursor.take(8).map(|_| &[][..])?,
            b'V' => &[],
            _ => return None,
        };
        Some((name, value))
    };
    core::iter::from_fn(next).take(ENTRIES_MAX)
}

impl Classic {
    /// Takes a frame without its last octet, or its beginning.
    pub(super) fn frame(
        &mut self,
        bytes: &[u8],
        from: Direction,
        quota: &mut Quota,
        report: &mut Report<'_, '_>,
    ) -> Result<(), &'static str> {
        let mut cursor = Cursor::new(bytes);
        let (kind, _channel, _size) = (cursor.u8(), cursor.u16(), cursor.u32());
        if kind != Some(1) {
            return Ok(());
        }
        let (Some(class), Some(method)) = (cursor.u16(), cursor.u16()) else {
            return Err("malformed_method");
        };
        match (class, from) {
            (10, _) => self.connection(method, cursor, report).ok_or("malformed_method")?,
            (20 | 40 | 50 | 60 | 85 | 90, _) => {
                let _ = self.operation((class, method), cursor, quota, report);
            }
            _ => return Err("unknown_class"),
        }
        Ok(())
    }

    fn connection(&mut self, method: u16, mut cursor: Cursor<'_>, report: &mut Report<'_, '_>) -> Option<()> {
        match method {
            // Start
            10 => {
                let _version = cursor.u16()?;
                for (name, value) in entries(long(&mut cursor)?) {
                    match name {
                        b"product" => self.product.set(value),
                        b"version" => self.product_version.set(value),
                        _ => {}
                    }
                }
            }
            // Start-Ok
            11 => {
                for (name, value) in entries(long(&mut cursor)?) {
                    match name {
                        b"product" => self.client.set(value),
                        b"version" => self.client_version.set(value),
                        _ => {}
                    }
                }
                let (mechanism, response) = (short(&mut cursor)?, long(&mut cursor)?);
                self.credentials.mechanism(mechanism);
                if mechanism == b"AMQPLAIN" {
                    self.amqplain(response);
                } else {
                    self.credentials.sasl_response(response);
                }
                self.is_open = true;
            }
            // Open
            40 => self.host.set(short(&mut cursor)?),
            // Open-Ok
            41 => self.tell("success", None, report),
            // Close
            50 => {
                let (code, text) = (cursor.u16()?, short(&mut cursor)?);
                if self.is_open {
                    self.tell("failure", Some((code, text)), report);
                } else if code != 200 {
                    let mut event = report.event("amqp");
                    event.label("type", "close").number("code", code);
                    write_text("message", text, 128, &mut event);
                }
            }
            // Secure, Tune, and what answers them
            20 | 21 | 30 | 31 | 51 | 60 | 61 | 70 | 71 => {}
            _ => return None,
        }
        Some(())
    }

    /// A table with LOGIN and PASSWORD.
    fn amqplain(&mut self, response: &[u8]) {
        for (name, value) in entries(response) {
            match name {
                b"LOGIN" => {
                    self.credentials.user(value);
                }
                b"PASSWORD" if !value.is_empty() => {
                    self.credentials.password_in_clear();
                }
                _ => {}
            }
        }
    }

    fn tell(&mut self, result: &'static str, close: Option<(u16, &[u8])>, report: &mut Report<'_, '_>) {
        if !core::mem::take(&mut self.is_open) {
            return;
        }
        let mut event = report.event("amqp");
        event
            .label("type", "login")
            .label("version", if self.version.is_empty() { "0-9-1" } else { self.version });
        self.product.write("server", &mut event);
        self.product_version.write("server_version", &mut event);
        self.client.write("client", &mut event);
        self.client_version.write("client_version", &mut event);
        self.host.write("virtual_host", &mut event);
        self.credentials.write(&mut event);
        event.label("result", result);
        if let Some((code, text)) = close {
            event.number("code", code);
            write_text("message", text, 128, &mut event);
        }
        event.cleartext();
    }

    /// What is declared, bound, published and consumed.
    fn operation(
        &mut self,
        (class, method): (u16, u16),
        mut cursor: Cursor<'_>,
        quota: &mut Quota,
        report: &mut Report<'_, '_>,
    ) -> Option<()> {
        match (class, method) {
            (60, 40) => self.published = self.published.saturating_add(1),
            (60, 60) => self.delivered = self.delivered.saturating_add(1),
            _ => {}
        }
        let name = match (class, method) {
            (20, 40) => "channel.close",
            (40, 10) => "exchange.declare",
            (40, 20) => "exchange.delete",
            (50, 10) => "queue.declare",
            (50, 20) => "queue.bind",
            (50, 30) => "queue.purge",
            (50, 40) => "queue.delete",
            (60, 20) => "basic.consume",
            (60, 40) => "basic.publish",
            (60, 60) => "basic.deliver",
            (60, 70) => "basic.get",
            _ => return Some(()),
        };
        if !(quota.take() || name == "channel.close") {
            return Some(());
        }
        let mut event = report.event("amqp");
        event.label("type", "method").label("method", name);
        match (class, method) {
            (20, 40) => {
                event.number("code", cursor.u16()?);
                write_text("message", short(&mut cursor)?, 128, &mut event);
            }
            (60, 60) => {
                let _consumer = short(&mut cursor)?;
                cursor.take(9)?;
                names(["exchange", "routing_key"], &mut cursor, &mut event)?;
            }
            _ => {
                // A ticket of older versions.
                let _ticket = cursor.u16()?;
                let fields: &[&'static str] = match (class, method) {
                    (40, 10) => &["exchange", "kind"],
                    (40, _) => &["exchange"],
                    (50, 20) => &["queue", "exchange", "routing_key"],
                    (60, 40) => &["exchange", "routing_key"],
                    _ => &["queue"],
                };
                names(fields.iter().copied(), &mut cursor, &mut event)?;
            }
        }
        Some(())
    }

    /// The flow ended.
    pub(super) fn finish(&mut self, report: &mut Report<'_, '_>) {
        self.tell("unknown", None, report);
        if self.published + self.delivered > 0 {
            let mut event = report.event("amqp");
            event
                .label("type", "session")
                .number("published", self.published)
                .number("delivered", self.delivered);
        }
    }
}

fn names(
    fields: impl IntoIterator<Item = &'static str>,
    cursor: &mut Cursor<'_>,
    event: &mut EventWriter<'_>,
) -> Option<()> {
    for field in fields {
        write_text(field, short(cursor)?, 128, event);
    }
    Some(())
}
