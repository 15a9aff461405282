//! The typed tree to tests and operations.

use super::super::opening::Heads;
use super::parser::{Arithmetic, Comparison, Function, Node};
use super::program::{Field, Lengths, Op, Program, STACK, Test};
use super::{ExpressionError, ExpressionProblem};

/// Operations that one condition may have.
const MAX_OPS: usize = 256;

/// Cuts the condition at its outermost `&&` and compiles each part.
pub(super) fn tests(root: &Node) -> Result<Vec<Test>, ExpressionError> {
    let mut parts = Vec::new();
    conjuncts(root, &mut parts);
    parts.into_iter().map(test).collect()
}

fn conjuncts<'n>(node: &'n Node, parts: &mut Vec<&'n Node>) {
    if let Node::Both(left, right) = node {
        conjuncts(left, parts);
        conjuncts(right, parts);
    } else {
        parts.push(node);
    }
}

fn test(node: &Node) -> Result<Test, ExpressionError> {
    if let Some(quick) = quick_test(node) {
        return Ok(quick);
    }
    let mut program = Program::default();
    emit(node, &mut program);
    if program.ops.len() > MAX_OPS || stack_needed(&program.ops) > STACK {
        return Err(ExpressionError { column: 1, problem: ExpressionProblem::TooMany { most: MAX_OPS } });
    }
    let reads = program.ops.iter().any(|op| {
        !matches!(
            op,
            Op::Push(_)
                | Op::Negate
                | Op::Arithmetic(_)
                | Op::Compare(_)
                | Op::Within { .. }
                | Op::OneOf { .. }
                | Op::Not
                | Op::IfFalse { .. }
                | Op::IfTrue { .. }
        )
    });
    if !reads {
        return Err(ExpressionError { column: 1, problem: ExpressionProblem::Constant });
    }
    program.bits = bits(node);
    program.heads = heads(node);
    program.lengths = lengths(node);
    Ok(Test::Program(Box::new(program)))
}

/// What the first bytes must be where the condition holds.
fn heads(node: &Node) -> Heads {
    match node {
        Node::Both(left, right) => heads(left).and(&heads(right)),
        Node::Either(left, right) => heads(left).or(&heads(right)),
        leaf => {
            let mut heads = Heads::ANY;
            match quick_test(leaf) {
                Some(test) => test.narrow(&mut heads),
                None => {
                    let mut program = Program::default();
                    emit(leaf, &mut program);
                    program.narrow_by_trial(&mut heads);
                }
            }
            heads
        }
    }
}

/// How long the payload must be where the condition holds.
fn lengths(node: &Node) -> Lengths {
    match node {
        Node::Both(left, right) => lengths(left).and(lengths(right)),
        Node::Either(left, right) => lengths(left).or(lengths(right)),
        leaf => quick_test(leaf).map_or(Lengths::ANY, |test| test.lengths()),
    }
}

/// The usual forms: `len` or a field at a fixed offset against constants, and bytes at a fixed offset.
fn quick_test(node: &Node) -> Option<Test> {
    match node {
        Node::Compare { comparison, left, right } => {
            let Some(limit) = constant(right) else {
                let is_equal = *comparison == Comparison::Equal;
                return is_equal.then(|| rest_test(left, right).or_else(|| rest_test(right, left)))?;
            };
            let (low, high) = match comparison {
                Comparison::Equal => (limit, limit),
                Comparison::Less => (i64::MIN, limit.checked_sub(1)?),
                Comparison::LessOrEqual => (i64::MIN, limit),
                Comparison::Greater => (limit.checked_add(1)?, i64::MAX),
                Comparison::GreaterOrEqual => (limit, i64::MAX),
                Comparison::NotEqual => return None,
            };
            range_test(left, low, high)
        }
        Node::Within { value, low, high } => range_test(value, *low, *high),
        Node::OneOf { value, values } => {
            let (field, mask) = field(value)?;
            Some(Test::OneOf { field, mask, values: values.clone().into_boxed_slice() })
        }
        Node::BytesAre { at, literal } => {
            let at = usize::try_from(constant(at)?).ok()?;
            Some(Test::Bytes { at, literal: literal.clone().into_boxed_slice() })
        }
        _ => None,
    }
}

fn range_test(value: &Node, low: i64, high: i64) -> Option<Test> {
    if matches!(value, Node::Len) {
        return Some(Test::Length { low, high });
    }
    let (field, mask) = field(value)?;
    Some(Test::Field { field, mask, low, high })
}

/// `u16be(2) + 4 == len`.
fn rest_test(left: &Node, right: &Node) -> Option<Test> {
    let (value, more) = sum(left);
    let (len, beyond) = sum(right);
    let (field, mask) = field(value)?;
    matches!(len, Node::Len).then_some(())?;
    Some(Test::Rest { field, mask, more: more.checked_sub(beyond)? })
}

/// A number, and the constant that is added to it.
fn sum(node: &Node) -> (&Node, i64) {
    let parts = match node {
        Node::Arithmetic { operator: Arithmetic::Add, left, right } => {
            constant(right).map(|more| (left, more))
        }
        Node::Arithmetic { operator: Arithmetic::Subtract, left, right } => {
            constant(right).and_then(i64::checked_neg).map(|more| (left, more))
        }
        _ => None,
    };
    parts.map_or((node, 0), |(left, more)| (left, more))
}

/// `u16be(4)` or `u8(0) & 0x3f`.
fn field(node: &Node) -> Option<(Field, i64)> {
    match node {
        Node::Call { function: Function::Read { width, little }, arguments } => {
            let at = usize::try_from(constant(arguments.first()?)?).ok()?;
            Some((Field { at, width: *width, little: *little }, -1))
        }
        Node::Arithmetic { operator: Arithmetic::And, left, right } => {
            let (field, own) = field(left)?;
            Some((field, own & constant(right)?))
        }
        _ => None,
    }
}

const fn constant(node: &Node) -> Option<i64> {
    match node {
        Node::Number(value) => Some(*value),
        _ => None,
    }
}

fn emit(node: &Node, program: &mut Program) {
    match node {
        Node::Number(value) => program.ops.push(Op::Push(*value)),
        Node::Len => program.ops.push(Op::Len),
        Node::Call { function, arguments } => {
            if let Some((field, -1)) = field(node) {
                program.ops.push(Op::Field(field));
                return;
            }
            for argument in arguments {
                emit(argument, program);
            }
            program.ops.push(call(*function));
        }
        Node::Negate(value) => {
            emit(value, program);
            program.ops.push(Op::Negate);
        }
        Node::Arithmetic { operator, left, right } => {
            emit(left, program);
            emit(right, program);
            program.ops.push(Op::Arithmetic(*operator));
        }
        Node::Compare { comparison, left, right } => {
            emit(left, program);
            emit(right, program);
            program.ops.push(Op::Compare(*comparison));
        }
        Node::Within { value, low, high } => {
            emit(value, program);
            program.ops.push(Op::Within { low: *low, high: *high });
        }
        Node::OneOf { value, values } => {
            emit(value, program);
            let start = program.values.len();
            program.values.extend_from_slice(values);
            program.ops.push(Op::OneOf { start, end: program.values.len() });
        }
        Node::BytesAre { at, literal } => {
            emit(at, program);
            let start = program.bytes.len();
            program.bytes.extend_from_slice(literal);
            program.ops.push(Op::BytesAre { start, end: program.bytes.len() });
        }
        Node::Not(value) => {
            emit(value, program);
            program.ops.push(Op::Not);
        }
        Node::Both(left, right) => emit_branch(left, right, program, |to| Op::IfFalse { to }),
        Node::Either(left, right) => emit_branch(left, right, program, |to| Op::IfTrue { to }),
    }
}

/// `left`, a jump over `right` where `left` decides, `right`.
fn emit_branch(left: &Node, right: &Node, program: &mut Program, jump: impl Fn(usize) -> Op) {
    emit(left, program);
    let place = program.ops.len();
    program.ops.push(jump(0));
    emit(right, program);
    let end = program.ops.len();
    if let Some(op) = program.ops.get_mut(place) {
        *op = jump(end);
    }
}

const fn call(function: Function) -> Op {
    match function {
        Function::Read { width, little } => Op::Read { width, little },
        Function::BerValue => Op::BerValue,
        Function::BerEnd => Op::BerEnd,
        Function::Varint => Op::Varint,
        Function::VarintEnd => Op::VarintEnd,
        Function::Printable => Op::Printable,
        Function::Zero => Op::Zero,
    }
}

/// Numbers that are on the stack at once, at most.
fn stack_needed(ops: &[Op]) -> usize {
    let (mut depth, mut most) = (0_usize, 0_usize);
    for op in ops {
        depth = match op {
            Op::Push(_) | Op::Len | Op::Field(_) => depth + 1,
            Op::Arithmetic(_) | Op::Compare(_) | Op::Printable | Op::Zero => depth.saturating_sub(1),
            Op::IfFalse { .. } | Op::IfTrue { .. } => depth.saturating_sub(1),
            _ => depth,
        };
        most = most.max(depth);
    }
    // A branch that jumps keeps its condition.
    most + 1
}

/// How unlikely a random payload is to pass, in bits, roughly: an equation counts as much as its widest field.
fn bits(node: &Node) -> f64 {
    match node {
        Node::Both(left, right) => bits(left) + bits(right),
        Node::Either(left, right) => (bits(left).min(bits(right)) - 1.0).max(0.0),
        Node::Compare { comparison: Comparison::Equal, left, right } => 8.0 * widest(left).max(widest(right)),
        Node::BytesAre { literal, .. } => 8.0 * f64::from(u32::try_from(literal.len()).unwrap_or(u32::MAX)),
        Node::OneOf { .. } => 4.0,
        Node::Call { .. } => 8.0,
        _ => 1.0,
    }
}

fn widest(node: &Node) -> f64 {
    match node {
        Node::Call { function: Function::Read { width, .. }, .. } => {
            f64::from(u32::try_from(*width).unwrap_or(4))
        }
        Node::Call { .. } => 1.0,
        Node::Negate(value) => widest(value),
        Node::Arithmetic { left, right, .. } => widest(left).max(widest(right)),
        _ => 0.0,
    }
}
