//! DRDA: Db2, Derby and Informix, from mainframes to embedded ones.
//!
//! `structure` takes data stream structures and the objects in them apart, `names` has the names. A command is written
//! with the first answer to it; literals of statements, users and passwords are not kept.

mod names;
mod structure;

use arrayvec::ArrayVec;

use self::structure::{
    Objects, SQL_MAX, Structure, continuation, format, framing, statement, without_literals,
};
use super::framed::{self, Framing, Masked, Message, Messages, Next, Report, Request, Transactions};
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};
use crate::record::{Direction, EventWriter};

/// DRDA.
pub static DRDA: Protocol = Protocol {
    name: "drda",
    title: "DRDA (Db2)",
    family: Family::Database,
    carriers: &[Carrier::Tcp],
    ports: &[50000, 446, 523, 1527],
    exposure: Exposure::Cleartext,
    opening: Opening::range(10, 0, 3),
    probe: Some(probe),
    parser: Some(framed::parser::<Drda>),
    events: &["drda", "anomaly"],
    source: "The Open Group: DRDA version 5, volume 3 (DDM)",
};

fn probe(probe: &Probe<'_>) -> Found {
    look(probe.payload)
}

/// A structure with one object that fills it, and that begins a conversation.
fn look(bytes: &[u8]) -> Found {
    match framing(bytes) {
        (Framing::Open, _) => return Found::Maybe,
        (Framing::Message { .. }, false) => {}
        _ => return Found::No,
    }
    let Some([l1, l0, _, kind, _, _, o1, o0, c1, c0]) = bytes.first_chunk() else { return Found::Maybe };
    let (length, object) = (u16::from_be_bytes([*l1, *l0]), u16::from_be_bytes([*o1, *o0]));
    let fits = length.checked_sub(6) == Some(object);
    match (kind & 0x0f, u16::from_be_bytes([*c1, *c0])) {
        (format::REQUEST, 0x1041 | 0x106d | 0x106e | 0x2001) if fits => Found::Yes,
        (format::REPLY | format::OBJECT, 0x1443 | 0x14ac | 0x1219 | 0x2201) if fits => Found::Yes,
        (format::REQUEST, code) if fits && names::command(code).is_some() => Found::Likely(90),
        _ => Found::No,
    }
}

/// A command that waits for its answer.
#[derive(Clone, Debug, Default)]
struct Key {
    correlation: u16,
    command: u16,
    sql: ArrayVec<u8, SQL_MAX>,
}

/// DRDA on one connection.
#[derive(Debug, Default)]
struct Drda {
    /// A structure goes on in further segments, by direction.
    continues: [bool; 2],
    transactions: Transactions<Key>,
    queries: u64,
}

impl Messages for Drda {
    const NAME: &'static str = "drda";

    fn framing(&mut self, bytes: &[u8], from: Direction) -> Framing {
        if self.continues.get(from as usize).copied().unwrap_or_default() {
            continuation(bytes).0
        } else {
            framing(bytes).0
        }
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let Some(continues) = self.continues.get_mut(message.from as usize) else { return Ok(Next::More) };
        if *continues {
            *continues = continuation(message.bytes).1;
            return Ok(Next::More);
        }
        *continues = framing(message.bytes).1;
        let structure = Structure::read(message.bytes).ok_or("truncated_data")?;
        let (code, data) = structure.objects().next().ok_or("malformed_object")?;
        match structure.format {
            format::REQUEST | format::ONE_WAY => self.command(&structure, code, data, report),
            format::OBJECT if message.from == Direction::ToServer => self.parameters(&structure),
            _ => self.answer(&structure, report),
        }
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], _: Direction) -> Found {
        match framing(bytes) {
            (Framing::Open, _) => Found::Maybe,
            (Framing::Message { .. }, _) if bytes.len() >= 10 => {
                let code =
                    bytes.get(8..10).and_then(<[u8]>::first_chunk).map(|code| u16::from_be_bytes(*code));
                let is_known = |code| names::command(code).is_some() || names::reply(code).is_some();
                if code.is_some_and(is_known) { Found::Yes } else { Found::No }
            }
            (Framing::Message { .. }, _) => Found::Maybe,
            _ => Found::No,
        }
    }

    fn lost(&mut self, from: Direction) {
        if let Some(continues) = self.continues.get_mut(from as usize) {
            *continues = false;
        }
    }

    fn clear(&mut self) {
        self.continues = [false; 2];
        self.transactions.clear();
        self.queries = 0;
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        while let Some(request) = self.transactions.pop() {
            self.write_unanswered(request, report);
        }
        if self.queries > 0 {
            report.event("drda").label("type", "blocks").number("count", self.queries);
        }
    }
}

impl Drda {
    fn command(&mut self, structure: &Structure<'_>, code: u16, data: &[u8], report: &mut Report<'_, '_>) {
        // More rows of an answer are asked for.
        if code == 0x2006 {
            self.queries = self.queries.saturating_add(1);
            return;
        }
        if names::command(code).is_none() {
            report.anomaly("unknown_command");
        }
        let key = Key { correlation: structure.correlation, command: code, sql: ArrayVec::new() };
        // Parameters of the session are short and without literals; of others nothing is kept but the statement.
        let kept = if is_session(code) { data } else { &[] };
        if let Some(oldest) = self.transactions.open(key, kept) {
            report.anomaly("flooded");
            self.write_unanswered(oldest, report);
        }
    }

    /// Objects that belong to a command before them: its statement.
    fn parameters(&mut self, structure: &Structure<'_>) {
        let Some((_, data)) = structure.objects().find(|(code, _)| *code == 0x2414) else { return };
        let key = self.transactions.waiting(|key| key.correlation == structure.correlation);
        if let (Some(key), Some(sql)) = (key, statement(data))
            && key.sql.is_empty()
        {
            key.sql = without_literals(sql);
        }
    }

    fn answer(&mut self, structure: &Structure<'_>, report: &mut Report<'_, '_>) {
        // Answers that follow the first say how the rest went.
        let request = self.transactions.close(|key| key.correlation == structure.correlation);
        let Some(request) = request else { return };
        write(&request, Some(structure), report);
        self.transactions.recycle(request);
    }

    fn write_unanswered(&mut self, request: Request<Key>, report: &mut Report<'_, '_>) {
        write(&request, None, report);
        self.transactions.recycle(request);
    }
}

/// Whether a command sets the session up.
const fn is_session(code: u16) -> bool {
    matches!(code, 0x1041 | 0x106d | 0x106e | 0x2001)
}

fn write(request: &Request<Key>, answer: Option<&Structure<'_>>, report: &mut Report<'_, '_>) {
    let key = &request.key;
    let mut event = report.event("drda");
    event.number("id", request.number).number("correlation_id", key.correlation);
    event.label("command", names::command(key.command).unwrap_or("unknown"));
    if !key.sql.is_empty() {
        event.text("sql", key.sql.trim_ascii());
    }
    if is_session(key.command) {
        event.object("request");
        write_parameters(Objects::new(&request.bytes), &mut event);
        event.close();
    }
    let Some(answer) = answer else { return };
    event.object("response").list("replies");
    for name in answer.objects().filter_map(|(code, _)| names::reply(code)).take(8) {
        event.label("", name);
    }
    event.close();
    for (code, data) in answer.objects() {
        match code {
            0x2408 => write_outcome(data, &mut event),
            // Reply messages and data of the session: parameters.
            0x1210..=0x2219 => write_parameters(Objects::new(data), &mut event),
            _ => {}
        }
    }
    event.close();
}

/// Parameters that say who and what, once each.
fn write_parameters(objects: Objects<'_>, event: &mut EventWriter<'_>) {
    let mut user = None;
    let (mut has_password, mut has_token) = (false, false);
    for (code, data) in objects.take(32) {
        let name = match code {
            0x115e => "external_name",
            0x116d => "server_name",
            0x1147 => "server_class",
            0x115a => "server_release",
            0x112e => "product_id",
            0x2110 => "database",
            0x002f => "type_definition",
            0x11a0 => {
                user = Some(Masked::of(&structure::text::<64>(data)));
                continue;
            }
            0x11a1 | 0x11de => {
                has_password = true;
                continue;
            }
            0x11dc => {
                has_token = true;
                continue;
            }
            0x11a2 => {
                if let Some(code) = data.first_chunk() {
                    event.label("mechanism", names::mechanism(u16::from_be_bytes(*code)));
                }
                continue;
            }
            0x11a4 => {
                if let Some(code) = data.first() {
                    event.number("check_code", *code).label("check", names::check(*code));
                }
                continue;
            }
            0x1149 => {
                if let Some(code) = data.first_chunk() {
                    event.number("severity", u16::from_be_bytes(*code));
                }
                continue;
            }
            _ => continue,
        };
        let text = structure::text::<96>(data);
        if !text.is_empty() {
            event.text(name, &text);
        }
    }
    if user.is_some() || has_password || has_token {
        event.object("credentials");
        if let Some(user) = user {
            user.write("user", event);
        }
        event.flag("password_in_clear", has_password).flag("token", has_token).close();
    }
}

/// How a statement went: an indicator, the code in the byte order of the server, the state.
fn write_outcome(data: &[u8], event: &mut EventWriter<'_>) {
    let Some(([0, code @ .., s4, s3, s2, s1, s0], _)) = data.split_first_chunk::<10>() else { return };
    let state = structure::text::<5>(&[*s4, *s3, *s2, *s1, *s0]);
    let Some(code) = code.first_chunk() else { return };
    let (little, big) = (i32::from_le_bytes(*code), i32::from_be_bytes(*code));
    let code = if little.unsigned_abs() < big.unsigned_abs() { little } else { big };
    event.datum("sqlcode", crate::record::Datum::Signed(code.into()));
    if state.iter().all(u8::is_ascii_alphanumeric) {
        event.text("sqlstate", &state);
    }
}
