//! Protocol data units: what each function must look like (Modbus Application Protocol 1.1b3, 6).

use super::function::Role;
use crate::protocols::framed::Cursor;

/// Why a unit contradicts the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is longer or shorter than its function and counts say.
    Length,
    /// A quantity, count or value is out of its range.
    Value,
    /// Function 0, or an exception as a request.
    Function,
    /// No exception has this code.
    Exception,
}

impl Fault {
    /// Name of the anomaly, as Suricata's events have it.
    pub(super) const fn anomaly(self) -> &'static str {
        match self {
            Self::Length => "invalid_length",
            Self::Value => "invalid_value",
            Self::Function => "invalid_function_code",
            Self::Exception => "invalid_exception_code",
        }
    }

    /// Name in `error_flags`.
    pub(super) const fn flag(self) -> &'static str {
        match self {
            Self::Length => "DATA_LENGTH",
            Self::Value => "DATA_VALUE",
            Self::Function => "FUNC_CODE",
            Self::Exception => "EXC_CODE",
        }
    }
}

/// Whether a whole unit (function code and data) is what its function asks for.
///
/// # Errors
/// How it is not.
pub(super) fn check(pdu: &[u8], role: Role) -> Result<(), Fault> {
    let Some((&code, data)) = pdu.split_first() else { return Err(Fault::Length) };
    if code & 0x7f == 0 {
        return Err(Fault::Function);
    }
    if code & 0x80 != 0 {
        return match (role, data) {
            (Role::Request, _) => Err(Fault::Function),
            (Role::Response, [1..=8 | 10 | 11]) => Ok(()),
            (Role::Response, [_]) => Err(Fault::Exception),
            // What carries its own codes in an exception (UMAS) may say more.
            (Role::Response, _) if code & 0x7f == 90 => Ok(()),
            (Role::Response, _) => Err(Fault::Length),
        };
    }
    match role {
        Role::Request => check_request(code, data),
        Role::Response => check_response(code, data),
    }
}

fn check_request(code: u8, data: &[u8]) -> Result<(), Fault> {
    let mut cursor = Cursor::new(data);
    let mut word = || cursor.u16().ok_or(Fault::Length);
    match code {
        1..=4 => {
            let (address, quantity) = (word()?, word()?);
            exactly(data, 4)?;
            in_range(quantity, if code <= 2 { 2000 } else { 125 })?;
            end_within(address, quantity)
        }
        5 => {
            let (_, value) = (word()?, word()?);
            exactly(data, 4)?;
            if matches!(value, 0 | 0xff00) { Ok(()) } else { Err(Fault::Value) }
        }
        6 => exactly(data, 4),
        7 | 11 | 12 | 17 => exactly(data, 0),
        8 => at_least(data, 4),
        15 | 16 => {
            let (address, quantity) = (word()?, word()?);
            let count = cursor.u8().ok_or(Fault::Length)?;
            exactly(cursor.rest(), usize::from(count))?;
            in_range(quantity, if code == 15 { 1968 } else { 123 })?;
            let needed = if code == 15 { quantity.div_ceil(8) } else { quantity * 2 };
            if u16::from(count) == needed { end_within(address, quantity) } else { Err(Fault::Value) }
        }
        20 | 21 => file_records(data, code == 21),
        22 => exactly(data, 6),
        23 => {
            let (_, read, _, write) = (word()?, word()?, word()?, word()?);
            let count = cursor.u8().ok_or(Fault::Length)?;
            exactly(cursor.rest(), usize::from(count))?;
            in_range(read, 125)?;
            in_range(write, 121)?;
            if u16::from(count) == write * 2 { Ok(()) } else { Err(Fault::Value) }
        }
        24 => exactly(data, 2),
        43 => encapsulated(data, Role::Request),
        _ => Ok(()),
    }
}

fn check_response(code: u8, data: &[u8]) -> Result<(), Fault> {
    match code {
        1 | 2 => counted(data, 1),
        3 | 4 | 23 => counted(data, 1).and_then(|()| even(data)),
        5 => match data {
            [_, _, 0 | 0xff, 0] => Ok(()),
            [_, _, _, _] => Err(Fault::Value),
            _ => Err(Fault::Length),
        },
        6 | 11 | 15 | 16 => exactly(data, 4),
        7 => exactly(data, 1),
        8 => at_least(data, 4),
        12 => counted(data, 6),
        17 | 20 | 21 => counted(data, 1),
        22 => exactly(data, 6),
        24 => {
            let mut cursor = Cursor::new(data);
            let bytes = cursor.u16().ok_or(Fault::Length)?;
            exactly(cursor.rest(), usize::from(bytes))?;
            let values = cursor.u16().ok_or(Fault::Length)?;
            if values <= 31 && u32::from(bytes) == 2 + 2 * u32::from(values) {
                Ok(())
            } else {
                Err(Fault::Value)
            }
        }
        43 => encapsulated(data, Role::Response),
        _ => Ok(()),
    }
}

/// Sub-requests of the file functions: type 6, file, record, length, and for writes as many words (6.14, 6.15).
fn file_records(data: &[u8], has_data: bool) -> Result<(), Fault> {
    counted(data, 7)?;
    let mut cursor = Cursor::new(data.get(1..).unwrap_or_default());
    while !cursor.is_empty() {
        let Some([kind, _, _, _, _, high, low]) = cursor.array::<7>() else { return Err(Fault::Length) };
        if *kind != 6 {
            return Err(Fault::Value);
        }
        if has_data {
            let words = usize::from(u16::from_be_bytes([*high, *low]));
            cursor.take(words * 2).ok_or(Fault::Length)?;
        }
    }
    Ok(())
}

/// CANopen's unit, or device identification (6.20, 6.21).
fn encapsulated(data: &[u8], role: Role) -> Result<(), Fault> {
    match (role, data) {
        (_, [13, _, ..]) => Ok(()),
        (Role::Request, [14, code, _]) => {
            if matches!(code, 1..=4) {
                Ok(())
            } else {
                Err(Fault::Value)
            }
        }
        (Role::Response, [14, code, _, _, _, count, objects @ ..]) => {
            if !matches!(code, 1..=4) {
                return Err(Fault::Value);
            }
            let mut objects = Cursor::new(objects);
            for _ in 0..*count {
                let Some([_, length]) = objects.array::<2>() else { return Err(Fault::Length) };
                objects.take(usize::from(*length)).ok_or(Fault::Length)?;
            }
            exactly(objects.rest(), 0)
        }
        (_, [14, ..] | []) => Err(Fault::Length),
        (_, [_, ..]) => Err(Fault::Value),
    }
}

/// How many bytes the unit that starts with `pdu` has, where no length stands before it (serial line framing); None
/// where more must be there to tell, or the function has no length of its own.
pub(super) fn length(pdu: &[u8], role: Role) -> Option<usize> {
    let counted_at = |at: usize| pdu.get(at).map(|&count| at + 1 + usize::from(count));
    let code = *pdu.first()?;
    if code & 0x80 != 0 {
        // UMAS says more in an exception, and not how much.
        return (role == Role::Response && code & 0x7f != 90).then_some(2);
    }
    match (code, role) {
        (1..=4, Role::Request) | (5 | 6 | 8, _) | (11 | 15 | 16, Role::Response) => Some(5),
        (7 | 11 | 12 | 17, Role::Request) => Some(1),
        (7, Role::Response) => Some(2),
        (15 | 16, Role::Request) => counted_at(5),
        (20 | 21, _) | (1..=4 | 12 | 17 | 23, Role::Response) => counted_at(1),
        (22, _) => Some(7),
        (23, Role::Request) => counted_at(9),
        (24, Role::Request) => Some(3),
        (24, Role::Response) => Some(3 + usize::from(u16::from_be_bytes(*pdu.get(1..)?.first_chunk()?))),
        (43, Role::Request) => Some(4),
        (43, Role::Response) => {
            let count = *pdu.get(6)?;
            let mut at = 7;
            for _ in 0..count {
                at += 2 + usize::from(*pdu.get(at + 1)?);
            }
            Some(at)
        }
        _ => None,
    }
}

fn exactly(data: &[u8], len: usize) -> Result<(), Fault> {
    if data.len() == len { Ok(()) } else { Err(Fault::Length) }
}

fn at_least(data: &[u8], len: usize) -> Result<(), Fault> {
    if data.len() >= len { Ok(()) } else { Err(Fault::Length) }
}

/// A byte that counts the bytes after it, at least `least` of them.
fn counted(data: &[u8], least: u8) -> Result<(), Fault> {
    match data.split_first() {
        Some((&count, rest)) if rest.len() == usize::from(count) => {
            if count >= least {
                Ok(())
            } else {
                Err(Fault::Value)
            }
        }
        _ => Err(Fault::Length),
    }
}

fn even(data: &[u8]) -> Result<(), Fault> {
    if data.first().is_some_and(|count| count % 2 == 0) { Ok(()) } else { Err(Fault::Value) }
}

const fn in_range(quantity: u16, most: u16) -> Result<(), Fault> {
    if quantity >= 1 && quantity <= most { Ok(()) } else { Err(Fault::Value) }
}

/// The last address is not beyond 65535.
fn end_within(address: u16, quantity: u16) -> Result<(), Fault> {
    if u32::from(address) + u32::from(quantity) <= 0x1_0000 { Ok(()) } else { Err(Fault::Value) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_examples_of_the_specification_are_right() {
        // Sections 6.1 to 6.21 of the specification, with the data their tables show.
        let requests: &[&[u8]] = &[
            &[1, 0, 0x13, 0, 0x13],
            &[2, 0, 0xc4, 0, 0x16],
            &[3, 0, 0x6b, 0, 3],
            &[4, 0, 8, 0, 1],
            &[5, 0, 0xac, 0xff, 0],
            &[6, 0, 1, 0, 3],
            &[7],
            &[8, 0, 0, 0xa5, 0x37],
            &[11],
            &[12],
            &[15, 0, 0x13, 0, 0x0a, 2, 0xcd, 1],
            &[16, 0, 1, 0, 2, 4, 0, 0x0a, 1, 2],
            &[17],
            &[20, 14, 6, 0, 4, 0, 1, 0, 2, 6, 0, 3, 0, 9, 0, 2],
            &[21, 13, 6, 0, 4, 0, 7, 0, 3, 6, 0xaf, 4, 0xbe, 0x10, 0x0d],
            &[22, 0, 4, 0, 0xf2, 0, 0x25],
            &[23, 0, 3, 0, 6, 0, 0x0e, 0, 3, 6, 0, 0xff, 0, 0xff, 0, 0xff],
            &[24, 4, 0xde],
            &[43, 14, 1, 0],
        ];
        for pdu in requests {
            assert_eq!(check(pdu, Role::Request), Ok(()), "{pdu:?}");
            assert_eq!(length(pdu, Role::Request), Some(pdu.len()), "{pdu:?}");
        }
        let responses: &[&[u8]] = &[
            &[1, 3, 0xcd, 0x6b, 5],
            &[3, 6, 2, 0x2b, 0, 0, 0, 0x64],
            &[5, 0, 0xac, 0xff, 0],
            &[7, 0x6d],
            &[11, 0xff, 0xff, 1, 8],
            &[12, 8, 0, 0, 1, 8, 1, 0x21, 0x20, 0],
            &[15, 0, 0x13, 0, 0x0a],
            &[20, 12, 5, 6, 0x0d, 0xfe, 0, 0x20, 5, 6, 0x33, 0xcd, 0, 0x40],
            &[22, 0, 4, 0, 0xf2, 0, 0x25],
            &[23, 12, 0, 0xfe, 0x0a, 0xcd, 0, 1, 0, 3, 0, 0x0d, 0, 0xff],
            &[24, 0, 6, 0, 2, 1, 0xb8, 0x12, 0x84],
            &[43, 14, 1, 1, 0, 0, 1, 0, 2, b'a', b'b'],
            &[0x81, 2],
        ];
        for pdu in responses {
            assert_eq!(check(pdu, Role::Response), Ok(()), "{pdu:?}");
            assert_eq!(length(pdu, Role::Response), Some(pdu.len()), "{pdu:?}");
        }
    }

    #[test]
    fn counts_and_quantities_that_do_not_fit_are_refused() {
        let wrong: &[(&[u8], Role, Fault)] = &[
            (&[3, 0, 0, 0, 0], Role::Request, Fault::Value),
            (&[3, 0, 0, 0, 126], Role::Request, Fault::Value),
            (&[3, 0xff, 0xff, 0, 2], Role::Request, Fault::Value),
            (&[1, 0, 0, 0x07, 0xd1], Role::Request, Fault::Value),
            (&[5, 0, 0, 1, 0], Role::Request, Fault::Value),
            (&[16, 0, 0, 0, 2, 3, 0, 0, 0], Role::Request, Fault::Value),
            (&[16, 0, 0, 0, 2, 4, 0, 0, 0], Role::Request, Fault::Length),
            (&[0], Role::Request, Fault::Function),
            (&[0x83, 2], Role::Request, Fault::Function),
            (&[0x83, 9], Role::Response, Fault::Exception),
            (&[3, 3, 0, 0, 0], Role::Response, Fault::Value),
            (&[3, 4, 0, 0, 0], Role::Response, Fault::Length),
            (&[], Role::Response, Fault::Length),
        ];
        for (pdu, role, fault) in wrong {
            assert_eq!(check(pdu, *role), Err(*fault), "{pdu:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(pdu in prop::collection::vec(any::<u8>(), 0..260)) {
            for role in [Role::Request, Role::Response] {
                let _ = check(&pdu, role);
                // A unit that is right and has a length of its own has that length.
                if check(&pdu, role).is_ok()
                    && let Some(length) = length(&pdu, role)
                    && pdu[0] != 8 && !(pdu[0] == 43 && pdu[1] == 13)
                {
                    prop_assert_eq!(length, pdu.len());
                }
            }
        }
    }
}
