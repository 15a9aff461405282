//! What checks are compiled to, and how that is evaluated.

use arrayvec::ArrayVec;

use super::super::opening::{ByteSet, HEAD, Heads};
use super::parser::{Arithmetic, Comparison};

/// Numbers that an evaluation holds at once.
pub(super) const STACK: usize = 16;
/// Bytes that `printable` and `zero` look at, at most.
const MAX_SPAN: usize = 2048;

/// A payload as checks see it.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct View<'a> {
    /// The bytes at hand.
    pub(in super::super) bytes: &'a [u8],
    /// What `len` is: for datagrams the length on the wire, also where the capture was cut.
    pub(in super::super) len: u32,
}

/// One of the conditions that a check joins by `&&`; the usual forms have their own, quick, evaluation.
#[derive(Clone, Debug)]
pub(super) enum Test {
    /// The length is in this range.
    Length { low: i64, high: i64 },
    /// A number at a fixed offset, masked, is in this range.
    Field { field: Field, mask: i64, low: i64, high: i64 },
    /// A number at a fixed offset, masked, is one of these.
    OneOf { field: Field, mask: i64, values: Box<[i64]> },
    /// These bytes stand at this offset.
    Bytes { at: usize, literal: Box<[u8]> },
    /// A number at a fixed offset, masked, says the length but for so many bytes.
    Rest { field: Field, mask: i64, more: i64 },
    /// Anything else.
    Program(Box<Program>),
}

/// Lengths that a payload may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Lengths {
    pub(in super::super) least: i64,
    pub(in super::super) most: i64,
}

impl Lengths {
    /// All.
    pub(in super::super) const ANY: Self = Self { least: 0, most: i64::MAX };

    /// Those of both.
    pub(in super::super) fn and(self, other: Self) -> Self {
        Self { least: self.least.max(other.least), most: self.most.min(other.most) }
    }

    /// Those from the least to the most of either.
    pub(super) fn or(self, other: Self) -> Self {
        Self { least: self.least.min(other.least), most: self.most.max(other.most) }
    }
}

impl Default for Lengths {
    fn default() -> Self {
        Self::ANY
    }
}

/// An unsigned number at a fixed offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) at: usize,
    pub(super) width: usize,
    pub(super) little: bool,
}

impl Field {
    fn read(self, bytes: &[u8]) -> Option<i64> {
        read(bytes, self.at, self.width, self.little)
    }

    /// Offset of the byte that counts most, second most, and so on.
    fn byte(self, rank: usize) -> usize {
        let from_start = if self.little { self.width.saturating_sub(rank + 1) } else { rank };
        self.at.saturating_add(from_start)
    }

    /// A payload that has it.
    fn lengths(self) -> Lengths {
        let end = self.at.saturating_add(self.width);
        Lengths { least: i64::try_from(end).unwrap_or(i64::MAX), ..Lengths::ANY }
    }

    /// What the bytes are where the number, masked, is one of `values`.
    fn narrow(self, mask: i64, values: &[i64], heads: &mut Heads) {
        for rank in 0..self.width {
            let shift = 8 * (self.width - rank - 1);
            let allowed = |byte: u8| {
                values.iter().any(|value| i64::from(byte) & (mask >> shift) & 0xff == value >> shift & 0xff)
            };
            heads.restrict(self.byte(rank), ByteSet::of(allowed));
        }
    }
}

impl Test {
    pub(super) fn holds(&self, view: View<'_>) -> bool {
        match self {
            Self::Length { low, high } => (*low..=*high).contains(&i64::from(view.len)),
            Self::Field { field, mask, low, high } => {
                field.read(view.bytes).is_some_and(|value| (*low..=*high).contains(&(value & mask)))
            }
            Self::OneOf { field, mask, values } => {
                field.read(view.bytes).is_some_and(|value| values.contains(&(value & mask)))
            }
            Self::Bytes { at, literal } => stands_at(view.bytes, *at, literal),
            Self::Rest { field, mask, more } => {
                let rest = i64::from(view.len).checked_sub(*more);
                field.read(view.bytes).is_some_and(|value| Some(value & mask) == rest)
            }
            Self::Program(program) => program.run(view).unwrap_or(false),
        }
    }

    /// How long the payload must be.
    pub(super) fn lengths(&self) -> Lengths {
        match self {
            Self::Length { low, high } => Lengths { least: *low, most: *high },
            Self::Field { field, .. } | Self::OneOf { field, .. } | Self::Rest { field, .. } => {
                field.lengths()
            }
            Self::Bytes { at, literal } => {
                let end = at.saturating_add(literal.len());
                Lengths { least: i64::try_from(end).unwrap_or(i64::MAX), ..Lengths::ANY }
            }
            Self::Program(program) => program.lengths,
        }
    }

    /// Takes from `heads` what this test rules out.
    pub(super) fn narrow(&self, heads: &mut Heads) {
        match self {
            Self::Bytes { at, literal } => {
                for (offset, byte) in (*at..).zip(literal.iter()) {
                    heads.restrict(offset, ByteSet::of(|value| value == *byte));
                }
            }
            Self::Field { field, mask, low, high } if low == high => field.narrow(*mask, &[*low], heads),
            Self::Field { field, mask, low, high } if field.width > 1 => {
                narrow_by_range(*field, *mask, (*low, *high), heads);
            }
            Self::Field { field, mask, low, high } => {
                let passes = |value: u8| (*low..=*high).contains(&(i64::from(value) & mask));
                heads.restrict(field.at, ByteSet::of(passes));
            }
            Self::OneOf { field, mask, values } => field.narrow(*mask, values, heads),
            Self::Program(program) => heads.narrow(&program.heads),
            Self::Length { .. } | Self::Rest { .. } => {}
        }
    }

    /// Orders tests by what they cost.
    pub(super) fn cost(&self) -> usize {
        match self {
            Self::Length { .. } => 0,
            Self::Field { .. } | Self::Rest { .. } => 1,
            Self::Bytes { .. } => 2,
            Self::OneOf { .. } => 3,
            Self::Program(program) => 3 + program.ops.len(),
        }
    }

    /// How unlikely a random payload is to pass, in bits.
    pub(super) fn bits(&self) -> f64 {
        match self {
            Self::Length { low, high } => (1024.0 / count(*low, (*high).min(1024))).log2().clamp(0.0, 10.0),
            Self::Field { field, mask, low, high } => field_bits(*field, *mask) - count(*low, *high).log2(),
            Self::OneOf { field, mask, values } => {
                field_bits(*field, *mask) - f64::from(u32::try_from(values.len()).unwrap_or(u32::MAX)).log2()
            }
            // As much as an equation of a program counts.
            Self::Rest { field, .. } => 8.0 * f64::from(u32::try_from(field.width).unwrap_or(4)),
            Self::Bytes { literal, .. } => 8.0 * f64::from(u32::try_from(literal.len()).unwrap_or(u32::MAX)),
            Self::Program(program) => program.bits,
        }
        .max(0.0)
    }
}

fn field_bits(field: Field, mask: i64) -> f64 {
    let width = u32::try_from(field.width).unwrap_or(4) * 8;
    f64::from(mask.count_ones().min(width))
}

/// How many numbers are from `low` to `high`, as far as fields reach.
fn count(low: i64, high: i64) -> f64 {
    let high = high.min(i64::from(u32::MAX));
    let numbers = u32::try_from(high.saturating_sub(low.max(0))).unwrap_or(0);
    f64::from(numbers) + 1.0
}

/// A range of a number of several bytes bounds its first byte, and the next as long as those before are fixed.
fn narrow_by_range(field: Field, mask: i64, (low, high): (i64, i64), heads: &mut Heads) {
    let most = (1_i64 << (8 * field.width.min(4))) - 1;
    if mask & most != most {
        return;
    }
    let (low, high) = (low.clamp(0, most), high.clamp(0, most));
    for rank in 0..field.width {
        let shift = 8 * (field.width - rank - 1);
        let (first, last) = (low >> shift & 0xff, high >> shift & 0xff);
        heads.restrict(field.byte(rank), ByteSet::of(|value| (first..=last).contains(&i64::from(value))));
        if first != last {
            return;
        }
    }
}

/// An operation on the stack of numbers; conditions are 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Push(i64),
    Len,
    /// Pushes a number at a fixed offset.
    Field(Field),
    /// Takes an offset.
    Read {
        width: usize,
        little: bool,
    },
    BerValue,
    BerEnd,
    Varint,
    VarintEnd,
    /// Takes an offset and a length.
    Printable,
    Zero,
    /// Takes an offset; the bytes are this range of the program's own.
    BytesAre {
        start: usize,
        end: usize,
    },
    Negate,
    Arithmetic(Arithmetic),
    Compare(Comparison),
    Within {
        low: i64,
        high: i64,
    },
    /// The values are this range of the program's own.
    OneOf {
        start: usize,
        end: usize,
    },
    Not,
    /// Goes on at `to` if the condition on top is false, else takes it away. Always forward.
    IfFalse {
        to: usize,
    },
    /// Goes on at `to` if the condition on top is true, else takes it away. Always forward.
    IfTrue {
        to: usize,
    },
}

/// A condition as a list of operations.
#[derive(Clone, Debug, Default)]
pub(super) struct Program {
    pub(super) ops: Vec<Op>,
    pub(super) bytes: Vec<u8>,
    pub(super) values: Vec<i64>,
    pub(super) bits: f64,
    /// What the first bytes must be.
    pub(super) heads: Heads,
    /// How long the payload must be.
    pub(super) lengths: Lengths,
}

impl Program {
    /// None where something cannot be computed.
    fn run(&self, view: View<'_>) -> Option<bool> {
        let mut stack = ArrayVec::<i64, STACK>::new();
        let mut at = 0;
        while let Some(op) = self.ops.get(at) {
            at += 1;
            match *op {
                Op::IfFalse { to } if stack.last()? == &0 => at = to.max(at),
                Op::IfTrue { to } if stack.last()? != &0 => at = to.max(at),
                Op::IfFalse { .. } | Op::IfTrue { .. } => {
                    stack.pop()?;
                }
                ref plain => {
                    let value = self.step(plain, view, &mut stack)?;
                    stack.try_push(value).ok()?;
                }
            }
        }
        stack.pop().map(|value| value != 0)
    }

    /// What `op` leaves on the stack.
    fn step(&self, op: &Op, view: View<'_>, stack: &mut ArrayVec<i64, STACK>) -> Option<i64> {
        Some(match *op {
            Op::Push(value) => value,
            Op::Len => i64::from(view.len),
            Op::Field(field) => field.read(view.bytes)?,
            Op::Read { width, little } => read(view.bytes, offset(stack)?, width, little)?,
            Op::BerValue => ber(view.bytes, offset(stack)?)?.0,
            Op::BerEnd => {
                let (value, length) = ber(view.bytes, offset(stack)?)?;
                value.checked_add(length)?
            }
            Op::Varint => varint(view.bytes, offset(stack)?)?.0,
            Op::VarintEnd => varint(view.bytes, offset(stack)?)?.1,
            Op::Printable => {
                let bytes = span(view.bytes, stack)?;
                i64::from(bytes.iter().all(|b| matches!(b, b' '..=b'~' | b'\t' | b'\r' | b'\n')))
            }
            Op::Zero => i64::from(span(view.bytes, stack)?.iter().all(|b| *b == 0)),
            Op::BytesAre { start, end } => {
                let (at, literal) = (offset(stack)?, self.bytes.get(start..end)?);
                i64::from(view.bytes.get(at..at.checked_add(literal.len())?)? == literal)
            }
            Op::Negate => stack.pop()?.checked_neg()?,
            Op::Arithmetic(operator) => {
                let right = stack.pop()?;
                arithmetic(operator, stack.pop()?, right)?
            }
            Op::Compare(comparison) => {
                let right = stack.pop()?;
                i64::from(compare(comparison, stack.pop()?, right))
            }
            Op::Within { low, high } => i64::from((low..=high).contains(&stack.pop()?)),
            Op::OneOf { start, end } => {
                let value = stack.pop()?;
                i64::from(self.values.get(start..end)?.contains(&value))
            }
            Op::Not => i64::from(stack.pop()? == 0),
            Op::IfFalse { .. } | Op::IfTrue { .. } => return None,
        })
    }

    /// The program may depend on one byte alone: all its values are tried.
    pub(super) fn narrow_by_trial(&self, heads: &mut Heads) {
        if let Some(at) = self.only_byte().filter(|at| *at < HEAD) {
            let passes = |value| self.run(View { bytes: &[value; HEAD], len: 4 }).unwrap_or(false);
            heads.restrict(at, ByteSet::of(passes));
        }
    }

    /// The offset of the one byte that the program depends on, if there is one.
    fn only_byte(&self) -> Option<usize> {
        let mut only = None;
        for op in &self.ops {
            match op {
                Op::Field(field) if field.width == 1 && only.is_none_or(|at| at == field.at) => {
                    only = Some(field.at)
                }
                Op::Field(_) | Op::Len | Op::Read { .. } | Op::BytesAre { .. } => return None,
                Op::BerValue | Op::BerEnd | Op::Varint | Op::VarintEnd | Op::Printable | Op::Zero => {
                    return None;
                }
                _ => {}
            }
        }
        only
    }
}

fn offset(stack: &mut ArrayVec<i64, STACK>) -> Option<usize> {
    usize::try_from(stack.pop()?).ok()
}

fn span<'a>(bytes: &'a [u8], stack: &mut ArrayVec<i64, STACK>) -> Option<&'a [u8]> {
    let count = offset(stack)?;
    let start = offset(stack)?;
    (count <= MAX_SPAN).then_some(())?;
    bytes.get(start..start.checked_add(count)?)
}

fn stands_at(bytes: &[u8], at: usize, literal: &[u8]) -> bool {
    bytes.get(at..).is_some_and(|rest| rest.starts_with(literal))
}

fn read(bytes: &[u8], at: usize, width: usize, little: bool) -> Option<i64> {
    let field = bytes.get(at..at.checked_add(width)?)?;
    let shift = |value: i64, byte: &u8| value << 8 | i64::from(*byte);
    Some(if little { field.iter().rev().fold(0, shift) } else { field.iter().fold(0, shift) })
}

/// Offset of the contents, and their length, of the ASN.1 BER value at `at`: one byte of tag, definite length of at
/// most four bytes (X.690 8.1.3).
fn ber(bytes: &[u8], at: usize) -> Option<(i64, i64)> {
    let form = *bytes.get(at.checked_add(1)?)?;
    let contents = at.checked_add(2)?;
    if form < 0x80 {
        return Some((i64::try_from(contents).ok()?, i64::from(form)));
    }
    let width = usize::from(form & 0x7f);
    if !(1..=4).contains(&width) {
        return None;
    }
    let length = read(bytes, contents, width, false)?;
    Some((i64::try_from(contents.checked_add(width)?).ok()?, length))
}

/// Value, and offset of what follows, of the little-endian base-128 number at `at`, at most five bytes.
fn varint(bytes: &[u8], at: usize) -> Option<(i64, i64)> {
    let mut value = 0_i64;
    for (index, byte) in bytes.get(at..)?.iter().take(5).enumerate() {
        value |= i64::from(byte & 0x7f) << (7 * index);
        if *byte < 0x80 {
            return Some((value, i64::try_from(at.checked_add(index)?.checked_add(1)?).ok()?));
        }
    }
    None
}

fn arithmetic(operator: Arithmetic, left: i64, right: i64) -> Option<i64> {
    let shift = || u32::try_from(right).ok().filter(|count| *count < 63);
    match operator {
        Arithmetic::Add => left.checked_add(right),
        Arithmetic::Subtract => left.checked_sub(right),
        Arithmetic::Multiply => left.checked_mul(right),
        Arithmetic::Divide => left.checked_div(right),
        Arithmetic::Remainder => left.checked_rem(right),
        Arithmetic::And => Some(left & right),
        Arithmetic::Or => Some(left | right),
        Arithmetic::Xor => Some(left ^ right),
        Arithmetic::ShiftLeft => left.checked_mul(1_i64.checked_shl(shift()?)?),
        Arithmetic::ShiftRight => left.checked_shr(shift()?),
    }
}

const fn compare(comparison: Comparison, left: i64, right: i64) -> bool {
    match comparison {
        Comparison::Equal => left == right,
        Comparison::NotEqual => left != right,
        Comparison::Less => left < right,
        Comparison::LessOrEqual => left <= right,
        Comparison::Greater => left > right,
        Comparison::GreaterOrEqual => left >= right,
    }
}
