//! Transaction capabilities (ITU-T Q.773) and the operations of MAP and CAP in them (3GPP TS 29.002, TS 29.078).

use super::names;
use crate::record::EventWriter;

/// How deep values of unknown length are looked through.
const DEPTH_MAX: u8 = 12;
/// Components of a message that are written.
const COMPONENTS_MAX: usize = 16;
/// Prefix of application contexts of MAP: 0.4.0.0.1.0; the next two arcs are what it is for, and its version.
const MAP_CONTEXT: &[u8] = &[0x04, 0x00, 0x00, 0x01, 0x00];

/// Writes a transaction; says nothing where it is none. The subsystems are those of called and calling.
pub(super) fn write(bytes: &[u8], subsystems: [Option<u8>; 2], event: &mut EventWriter<'_>) {
    let mut outer = Values { rest: bytes };
    let Some((tag @ (0x61 | 0x62 | 0x64 | 0x65 | 0x67), content)) = outer.next() else { return };
    let message = match tag {
        0x61 => "unidirectional",
        0x62 => "begin",
        0x64 => "end",
        0x65 => "continue",
        _ => "abort",
    };
    let (mut context, mut components) = (None, None);
    event.object("tcap").label("message", message);
    let mut told = [false; 2];
    for (tag, value) in (Values { rest: content }) {
        match tag {
            0x48 if !core::mem::replace(&mut told[0], true) => drop(event.hex("from", first_four(value))),
            0x49 if !core::mem::replace(&mut told[1], true) => drop(event.hex("to", first_four(value))),
            0x6b => context = application_context(value),
            0x6c => components = Some(value),
            _ => {}
        }
    }
    let user = user(context, subsystems);
    if let Some(user) = user {
        event.label("user", user);
    }
    if let Some(context) = context {
        event.text("application_context", crate::protocols::ber::oid(context).as_bytes());
    }
    if let Some(components) = components {
        event.list("components");
        for (tag, value) in (Values { rest: components }).take(COMPONENTS_MAX) {
            component(tag, value, user, event);
        }
        event.close();
    }
    event.close();
}

fn first_four(value: &[u8]) -> &[u8] {
    value.get(..4).unwrap_or(value)
}

/// Whether it is MAP or CAP, by the application context, else by the subsystems.
fn user(context: Option<&[u8]>, subsystems: [Option<u8>; 2]) -> Option<&'static str> {
    if let Some(context) = context {
        return match context.strip_prefix(MAP_CONTEXT) {
            Some([50..=52, ..]) => Some("cap"),
            Some(_) => Some("map"),
            // CAP from phase 3 on: 0.4.0.0.1.21 to 23.
            None => matches!(context, [0x04, 0x00, 0x00, 0x01, 21..=23, ..]).then_some("cap"),
        };
    }
    match subsystems {
        [Some(146), _] | [_, Some(146)] => Some("cap"),
        [Some(6..=10 | 145 | 147 | 149 | 150), _] | [_, Some(6..=10 | 145 | 147 | 149 | 150)] => Some("map"),
        _ => None,
    }
}

/// The name of the application context of a dialogue: external, its content, the request or response, [1], name.
fn application_context(dialogue: &[u8]) -> Option<&[u8]> {
    let external = find(dialogue, 0x28)?;
    let content = find(external, 0xa0)?;
    let (_, apdu) = (Values { rest: content }).next()?;
    find(find(apdu, 0xa1)?, 0x06)
}

fn find(bytes: &[u8], wanted: u8) -> Option<&[u8]> {
    (Values { rest: bytes }).find(|(tag, _)| *tag == wanted).map(|(_, value)| value)
}

/// Writes a component: what it is, and its operation.
fn component(tag: u8, value: &[u8], user: Option<&'static str>, event: &mut EventWriter<'_>) {
    let mut values = Values { rest: value };
    let kind = match tag {
        0xa1 => "invoke",
        0xa2 => "result",
        0xa3 => "error",
        0xa4 => "reject",
        0xa7 => "result_part",
        _ => return,
    };
    event.object("").label("type", kind);
    let invoke = values.next().filter(|(tag, _)| *tag == 0x02).map(|(_, id)| id);
    if let Some([id]) = invoke {
        event.number("id", *id);
    }
    let code = match tag {
        // An invoke that belongs to another names that one first.
        0xa1 => values.find(|(tag, _)| *tag != 0x80),
        0xa2 | 0xa7 => find(values.rest, 0x30).and_then(|result| (Values { rest: result }).next()),
        0xa3 => values.next(),
        _ => None,
    };
    if let Some((0x02, [code])) = code {
        event.number("code", *code);
        let name = match (tag, user) {
            (0xa3, Some("map")) => names::map_error(*code),
            (0xa3, _) => None,
            (_, Some("map")) => names::map(*code),
            (_, Some("cap")) => names::cap(*code),
            _ => None,
        };
        if let Some(name) = name {
            event.label("name", name);
        }
    }
    event.close();
}

/// Values one behind the other, in the basic encoding with lengths of both forms (ITU-T X.690, 8.1).
#[derive(Clone, Copy, Debug)]
struct Values<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Values<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let value = Value::read(self.rest, 0)?;
        if value.tag == 0 {
            return None;
        }
        self.rest = self.rest.get(value.len..)?;
        Some((value.tag, value.content))
    }
}

#[derive(Clone, Copy, Debug)]
struct Value<'a> {
    tag: u8,
    content: &'a [u8],
    /// Bytes of all of it.
    len: usize,
}

impl<'a> Value<'a> {
    fn read(bytes: &'a [u8], depth: u8) -> Option<Self> {
        let (&[first, ..], _) = bytes.split_first_chunk::<1>()?;
        let mut head = 1;
        // Tags of more than one byte occur in what users carry, and need not be told apart.
        if first & 0x1f == 0x1f {
            while bytes.get(head)? & 0x80 != 0 {
                head += 1;
            }
            head += 1;
        }
        let form = *bytes.get(head)?;
        head += 1;
        let len = match form {
            0..=0x7f => usize::from(form),
            0x80 => return Self::unknown_length(bytes, head, depth),
            0x81..=0x83 => {
                let digits = bytes.get(head..head + usize::from(form & 0x7f))?;
                head += digits.len();
                digits.iter().fold(0, |len, digit| len << 8 | usize::from(*digit))
            }
            _ => return None,
        };
        let content = bytes.get(head..)?.get(..len)?;
        Some(Self { tag: first, content, len: head + len })
    }

    /// A value that ends with two zeros, behind all values in it.
    fn unknown_length(bytes: &'a [u8], head: usize, depth: u8) -> Option<Self> {
        if depth >= DEPTH_MAX || bytes.first()? & 0x20 == 0 {
            return None;
        }
        let mut end = head;
        loop {
            let inner = Self::read(bytes.get(end..)?, depth + 1)?;
            if inner.tag == 0 && inner.len == 2 {
                break;
            }
            end += inner.len;
        }
        Some(Self { tag: *bytes.first()?, content: bytes.get(head..end)?, len: end + 2 })
    }
}
