//! Reads the packets of a session.

use super::names;
use super::packet::{self, Connect, counted, properties};
use crate::protocols::Found;
use crate::protocols::credentials::Credentials;
use crate::protocols::framed::{Cursor, Framing, Message, Messages, Next, Report, two_messages};
use crate::protocols::kept::{Kept, Quota, write_text};
use crate::record::{Direction, EventWriter};

/// Packets of one flow that are written one by one.
const PACKETS_MAX: u16 = 128;
/// Topics of one subscription that are written.
const TOPICS_MAX: usize = 32;
/// Bytes of a topic that are written.
const TOPIC_MAX: usize = 256;

/// Who connects, until the server answers.
#[derive(Clone, Debug, Default)]
struct Connecting {
    is_open: bool,
    is_clean: bool,
    keep_alive: u16,
    client: Kept<128>,
    will_topic: Kept<128>,
    credentials: Credentials,
}

/// MQTT on one flow.
#[derive(Debug)]
pub(super) struct Mqtt {
    level: u8,
    connecting: Connecting,
    quota: Quota,
    /// Messages published, each way, and their bytes.
    published: [u64; 2],
    bytes: [u64; 2],
}

impl Default for Mqtt {
    fn default() -> Self {
        Self {
            level: 4,
            connecting: Connecting::default(),
            quota: Quota::new(PACKETS_MAX),
            published: [0; 2],
            bytes: [0; 2],
        }
    }
}

impl Mqtt {
    fn connect(&mut self, body: &[u8], report: &mut Report<'_, '_>) -> Result<(), &'static str> {
        let connect = Connect::read(body).ok_or("malformed_connect")?;
        self.tell_connect(None, report);
        self.level = connect.level;
        let connecting = &mut self.connecting;
        *connecting = Connecting { is_open: true, is_clean: connect.is_clean, ..Connecting::default() };
        connecting.keep_alive = connect.keep_alive;
        connecting.client.set(connect.client);
        connecting.will_topic.set(connect.will_topic.unwrap_or_default());
        connecting.credentials.user(connect.user.unwrap_or_default());
        connecting.credentials.mechanism(connect.method.unwrap_or_default());
        if connect.has_password {
            connecting.credentials.password_in_clear();
        }
        Ok(())
    }

    fn tell_connect(&mut self, code: Option<u8>, report: &mut Report<'_, '_>) {
        if !core::mem::take(&mut self.connecting.is_open) {
            return;
        }
        let mut event = report.event("mqtt");
        event.label("type", "connect").label("version", names::version(self.level));
        self.connecting.client.write("client_id", &mut event);
        event.flag("clean", self.connecting.is_clean).number("keep_alive", self.connecting.keep_alive);
        self.connecting.will_topic.write("will_topic", &mut event);
        self.connecting.credentials.write(&mut event);
        match code {
            None => event.label("result", "none"),
            Some(code) if self.level == 5 => event.label("result", names::reason(code)),
            Some(code) => event.label("result", names::return_code(code)),
        };
        event.cleartext();
    }

    fn publish(
        &mut self,
        flags: u8,
        (body, len): (&[u8], usize),
        from: Direction,
        report: &mut Report<'_, '_>,
    ) -> Option<()> {
        let mut cursor = Cursor::new(body);
        let topic = counted(&mut cursor)?;
        let quality = flags >> 1 & 3;
        if quality > 0 {
            let _id = cursor.u16()?;
        }
        if self.level == 5 {
            properties(&mut cursor)?;
        }
        let payload = len.checked_sub(body.len() - cursor.len())?;
        let side = from as usize;
        for (counts, more) in [(&mut self.published, 1), (&mut self.bytes, payload as u64)] {
            if let Some(count) = counts.get_mut(side) {
                *count = count.saturating_add(more);
            }
        }
        if self.quota.take() {
            let mut event = report.event("mqtt");
            event.label("type", "publish").label("from", sender(from));
            write_text("topic", topic, TOPIC_MAX, &mut event);
            event
                .number("qos", quality)
                .flag("retain", flags & 1 != 0)
                .number("payload_length", payload as u64);
        }
        Some(())
    }

    fn subscribe(&mut self, kind: u8, body: &[u8], report: &mut Report<'_, '_>) -> Option<()> {
        let mut cursor = Cursor::new(body);
        let _id = cursor.u16()?;
        if self.level == 5 {
            properties(&mut cursor)?;
        }
        // It must name one at least (3.8.3).
        counted(&mut cursor.clone())?;
        if !self.quota.take() {
            return Some(());
        }
        let mut event = report.event("mqtt");
        event.label("type", if kind == packet::SUBSCRIBE { "subscribe" } else { "unsubscribe" });
        event.list("topics");
        for _ in 0..TOPICS_MAX {
            let Some(topic) = counted(&mut cursor) else { break };
            event.text("", topic.get(..TOPIC_MAX).unwrap_or(topic));
            if kind == packet::SUBSCRIBE && cursor.u8().is_none() {
                break;
            }
        }
        event.close();
        Some(())
    }

    fn disconnect(&self, kind: u8, from: Direction, body: &[u8], report: &mut Report<'_, '_>) {
        let mut event = report.event("mqtt");
        event
            .label("type", if kind == packet::AUTH { "auth" } else { "disconnect" })
            .label("from", sender(from));
        if self.level == 5 {
            event.label("reason", names::reason(body.first().copied().unwrap_or_default()));
        }
    }
}

const fn sender(from: Direction) -> &'static str {
    match from {
        Direction::ToServer => "client",
        Direction::ToClient => "server",
    }
}

fn write_sum(name: &'static str, published: u64, bytes: u64, event: &mut EventWriter<'_>) {
    event.object(name).number("published", published).number("payload_bytes", bytes).close();
}

impl Messages for Mqtt {
    const NAME: &'static str = "mqtt";

    fn framing(&mut self, bytes: &[u8], from: Direction) -> Framing {
        packet::framing(bytes, Some(from))
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let (kind, flags, body, len) = packet::split(message.bytes).ok_or("invalid_length")?;
        match kind {
            packet::CONNECT => self.connect(body, report)?,
            packet::CONNACK => self.tell_connect(Some(*body.get(1).ok_or("malformed_connack")?), report),
            packet::PUBLISH => {
                self.publish(flags, (body, len), message.from, report).ok_or("malformed_publish")?;
            }
            packet::SUBSCRIBE | packet::UNSUBSCRIBE => {
                self.subscribe(kind, body, report).ok_or("malformed_subscribe")?;
            }
            packet::DISCONNECT | packet::AUTH => self.disconnect(kind, message.from, body, report),
            _ => {}
        }
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], from: Direction) -> Found {
        two_messages(bytes, |bytes| packet::framing(bytes, Some(from)))
    }

    fn clear(&mut self) {
        *self = Self::default();
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        self.tell_connect(None, report);
        if self.published.iter().sum::<u64>() > u64::from(PACKETS_MAX) {
            let mut event = report.event("mqtt");
            event.label("type", "session");
            write_sum("client", self.published[0], self.bytes[0], &mut event);
            write_sum("server", self.published[1], self.bytes[1], &mut event);
        }
    }
}
