//! Tokens to a typed tree, by recursive descent of bounded depth. Precedence is Rust's.

use super::lexer::{Kind, Token};
use super::{ExpressionError, ExpressionProblem};

/// Levels of brackets and signs that one check may have.
const MAX_DEPTH: usize = 24;
/// Nodes that one check may have; bounds the depth of the tree as well.
const MAX_NODES: usize = 200;
/// Bytes that one `bytes` may compare.
const MAX_BYTES: usize = 64;

/// An expression.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Number(i64),
    Len,
    Call { function: Function, arguments: Vec<Node> },
    Negate(Box<Node>),
    Arithmetic { operator: Arithmetic, left: Box<Node>, right: Box<Node> },
    Compare { comparison: Comparison, left: Box<Node>, right: Box<Node> },
    Within { value: Box<Node>, low: i64, high: i64 },
    OneOf { value: Box<Node>, values: Vec<i64> },
    BytesAre { at: Box<Node>, literal: Vec<u8> },
    Not(Box<Node>),
    Both(Box<Node>, Box<Node>),
    Either(Box<Node>, Box<Node>),
}

/// What can be called with numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Read { width: usize, little: bool },
    BerValue,
    BerEnd,
    Varint,
    VarintEnd,
    Printable,
    Zero,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    And,
    Or,
    Xor,
    ShiftLeft,
    ShiftRight,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Name, meaning, arguments, and whether it is a condition.
type FunctionRow = (&'static str, Function, usize, bool);

const FUNCTIONS: &[FunctionRow] = &[
    ("u8", Function::Read { width: 1, little: false }, 1, false),
    ("u16be", Function::Read { width: 2, little: false }, 1, false),
    ("u16le", Function::Read { width: 2, little: true }, 1, false),
    ("u24be", Function::Read { width: 3, little: false }, 1, false),
    ("u24le", Function::Read { width: 3, little: true }, 1, false),
    ("u32be", Function::Read { width: 4, little: false }, 1, false),
    ("u32le", Function::Read { width: 4, little: true }, 1, false),
    ("ber_value", Function::BerValue, 1, false),
    ("ber_end", Function::BerEnd, 1, false),
    ("varint", Function::Varint, 1, false),
    ("varint_end", Function::VarintEnd, 1, false),
    ("printable", Function::Printable, 2, true),
    ("zero", Function::Zero, 2, true),
];
const KNOWN: &str = "len, u8, u16be, u16le, u24be, u24le, u32be, u32le, bytes, ber_value, ber_end, varint, \
                     varint_end, printable, zero";

const ARITHMETIC: &[&[(&str, Arithmetic)]] = &[
    &[("|", Arithmetic::Or)],
    &[("^", Arithmetic::Xor)],
    &[("&", Arithmetic::And)],
    &[("<<", Arithmetic::ShiftLeft), (">>", Arithmetic::ShiftRight)],
    &[("+", Arithmetic::Add), ("-", Arithmetic::Subtract)],
    &[("*", Arithmetic::Multiply), ("/", Arithmetic::Divide), ("%", Arithmetic::Remainder)],
];
const COMPARISONS: &[(&str, Comparison)] = &[
    ("==", Comparison::Equal),
    ("!=", Comparison::NotEqual),
    ("<=", Comparison::LessOrEqual),
    (">=", Comparison::GreaterOrEqual),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
];

/// A node while its kind still has to be checked.
enum Typed {
    Number(Node),
    Condition(Node),
    Bytes { at: Node, count: i64 },
    Text(Vec<u8>),
}

impl Typed {
    const fn name(&self) -> &'static str {
        match self {
            Self::Number(_) => "a number",
            Self::Condition(_) => "a condition",
            Self::Bytes { .. } => "bytes",
            Self::Text(_) => "a string",
        }
    }
}

/// The tree of `tokens`, which is a condition.
pub(super) fn parse(tokens: &[Token]) -> Result<Node, ExpressionError> {
    let mut parser = Parser { tokens, next: 0, depth: 0, nodes: 0 };
    let column = parser.column();
    let whole = parser.either()?;
    let root = condition(whole, column)?;
    match parser.peek() {
        None => Ok(root),
        Some(_) => parser.expected("the end, `&&` or `||`"),
    }
}

struct Parser<'t> {
    tokens: &'t [Token],
    next: usize,
    depth: usize,
    nodes: usize,
}

impl<'t> Parser<'t> {
    fn either(&mut self) -> Result<Typed, ExpressionError> {
        let column = self.column();
        let mut left = self.both()?;
        while self.take("||") {
            let right_column = self.column();
            let right = self.both()?;
            left = Typed::Condition(Node::Either(
                Box::new(condition(left, column)?),
                Box::new(condition(right, right_column)?),
            ));
        }
        Ok(left)
    }

    fn both(&mut self) -> Result<Typed, ExpressionError> {
        let column = self.column();
        let mut left = self.comparison()?;
        while self.take("&&") {
            let right_column = self.column();
            let right = self.comparison()?;
            left = Typed::Condition(Node::Both(
                Box::new(condition(left, column)?),
                Box::new(condition(right, right_column)?),
            ));
        }
        Ok(left)
    }

    fn comparison(&mut self) -> Result<Typed, ExpressionError> {
        let column = self.column();
        let left = self.arithmetic(0)?;
        if self.take_word("in") {
            let value = Box::new(number(left, column)?);
            return self.membership(value).map(Typed::Condition);
        }
        let Some(&(_, comparison)) = COMPARISONS.iter().find(|(symbol, _)| self.take(symbol)) else {
            return Ok(left);
        };
        let right_column = self.column();
        let right = self.arithmetic(0)?;
        if let Typed::Bytes { at, count } = left {
            return bytes_comparison(at, count, comparison, right, right_column);
        }
        Ok(Typed::Condition(Node::Compare {
            comparison,
            left: Box::new(number(left, column)?),
            right: Box::new(number(right, right_column)?),
        }))
    }

    /// What stands after `in`: `low..=high`, `low..end` or `{a, b, c}`.
    fn membership(&mut self, value: Box<Node>) -> Result<Node, ExpressionError> {
        let column = self.column();
        let empty = Err(ExpressionError { column, problem: ExpressionProblem::EmptyRange });
        if self.take("{") {
            let mut values = vec![self.constant()?];
            while self.take(",") {
                values.push(self.constant()?);
            }
            self.due("}", "`,` or `}`")?;
            return Ok(Node::OneOf { value, values });
        }
        let low_column = self.column();
        let low = number(self.arithmetic(0)?, low_column)?;
        let is_closed = self.take("..=");
        if !is_closed {
            self.due("..", "`..=` or `..`")?;
        }
        let high_column = self.column();
        let high = number(self.arithmetic(0)?, high_column)?;
        let (Node::Number(first), Node::Number(end)) = (&low, &high) else {
            let comparison = if is_closed { Comparison::LessOrEqual } else { Comparison::Less };
            let at_least = compared(Comparison::GreaterOrEqual, value.clone(), low);
            return Ok(Node::Both(Box::new(at_least), Box::new(compared(comparison, value, high))));
        };
        let (first, last) = (*first, end.saturating_sub(i64::from(!is_closed)));
        if first > last { empty } else { Ok(Node::Within { value, low: first, high: last }) }
    }

    fn constant(&mut self) -> Result<i64, ExpressionError> {
        let negative = self.take("-");
        let Some(Kind::Number(value)) = self.peek() else { return self.expected("a number") };
        let value = *value;
        self.next += 1;
        self.count()?;
        Ok(if negative { -value } else { value })
    }

    fn arithmetic(&mut self, level: usize) -> Result<Typed, ExpressionError> {
        let Some(operators) = ARITHMETIC.get(level) else { return self.atom() };
        let column = self.column();
        let mut left = self.arithmetic(level + 1)?;
        while let Some(&(_, operator)) = operators.iter().find(|(symbol, _)| self.take(symbol)) {
            let right_column = self.column();
            let right = self.arithmetic(level + 1)?;
            left = Typed::Number(Node::Arithmetic {
                operator,
                left: Box::new(number(left, column)?),
                right: Box::new(number(right, right_column)?),
            });
        }
        Ok(left)
    }

    fn atom(&mut self) -> Result<Typed, ExpressionError> {
        self.count()?;
        let column = self.column();
        let Some(kind) = self.peek() else { return self.expected("a value") };
        match kind {
            Kind::Number(value) => {
                self.next += 1;
                Ok(Typed::Number(Node::Number(*value)))
            }
            Kind::Text(bytes) => {
                self.next += 1;
                Ok(Typed::Text(bytes.clone()))
            }
            Kind::Word(word) if word == "len" => {
                self.next += 1;
                Ok(Typed::Number(Node::Len))
            }
            Kind::Word(word) => {
                self.next += 1;
                self.call(word, column)
            }
            Kind::Symbol("(") => self.nested(|parser| {
                parser.next += 1;
                let inner = parser.either()?;
                parser.due(")", "`)`")?;
                Ok(inner)
            }),
            Kind::Symbol("-") => self.nested(|parser| {
                parser.next += 1;
                Ok(Typed::Number(match number(parser.atom()?, column)? {
                    Node::Number(value) => Node::Number(-value),
                    other => Node::Negate(Box::new(other)),
                }))
            }),
            Kind::Symbol("!") => self.nested(|parser| {
                parser.next += 1;
                let inner = parser.atom()?;
                Ok(Typed::Condition(Node::Not(Box::new(condition(inner, column)?))))
            }),
            Kind::Symbol(_) => self.expected("a value"),
        }
    }

    fn call(&mut self, word: &str, column: usize) -> Result<Typed, ExpressionError> {
        let row = FUNCTIONS.iter().find(|row| row.0 == word);
        if row.is_none() && word != "bytes" {
            let problem = ExpressionProblem::Function { name: word.to_owned(), known: KNOWN };
            return Err(ExpressionError { column, problem });
        }
        let arguments = self.nested(Self::arguments)?;
        let (name, wanted) = row.map_or(("bytes", 2), |row| (row.0, row.2));
        if arguments.len() != wanted {
            let problem = ExpressionProblem::Arguments { name, wanted, given: arguments.len() };
            return Err(ExpressionError { column, problem });
        }
        if let Some(&(_, function, _, is_condition)) = row {
            let node = Node::Call { function, arguments };
            return Ok(if is_condition { Typed::Condition(node) } else { Typed::Number(node) });
        }
        let mut arguments = arguments.into_iter();
        match (arguments.next(), arguments.next()) {
            (Some(at), Some(Node::Number(count))) => Ok(Typed::Bytes { at, count }),
            _ => Err(ExpressionError {
                column,
                problem: ExpressionProblem::Kind {
                    wanted: "given a plain number of bytes",
                    found: "a call of `bytes`",
                },
            }),
        }
    }

    fn arguments(&mut self) -> Result<Vec<Node>, ExpressionError> {
        self.due("(", "`(`")?;
        let mut arguments = Vec::new();
        loop {
            let column = self.column();
            let argument = self.arithmetic(0)?;
            arguments.push(number(argument, column)?);
            if !self.take(",") {
                break;
            }
        }
        self.due(")", "`,` or `)`")?;
        Ok(arguments)
    }

    fn nested<T>(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<T, ExpressionError>,
    ) -> Result<T, ExpressionError> {
        if self.depth >= MAX_DEPTH {
            let problem = ExpressionProblem::TooDeep { most: MAX_DEPTH };
            return Err(ExpressionError { column: self.column(), problem });
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    const fn count(&mut self) -> Result<(), ExpressionError> {
        self.nodes += 1;
        if self.nodes <= MAX_NODES {
            return Ok(());
        }
        Err(ExpressionError { column: 1, problem: ExpressionProblem::TooMany { most: MAX_NODES } })
    }

    fn peek(&self) -> Option<&'t Kind> {
        self.tokens.get(self.next).map(|token| &token.kind)
    }

    fn column(&self) -> usize {
        let here = self.tokens.get(self.next).or_else(|| self.tokens.last());
        here.map_or(1, |token| token.column)
    }

    fn take(&mut self, symbol: &str) -> bool {
        let is_next = matches!(self.peek(), Some(Kind::Symbol(found)) if *found == symbol);
        self.next += usize::from(is_next);
        is_next
    }

    fn take_word(&mut self, word: &str) -> bool {
        let is_next = matches!(self.peek(), Some(Kind::Word(found)) if found == word);
        self.next += usize::from(is_next);
        is_next
    }

    fn due(&mut self, symbol: &str, wanted: &'static str) -> Result<(), ExpressionError> {
        if self.take(symbol) { Ok(()) } else { self.expected(wanted) }
    }

    fn expected<T>(&self, wanted: &'static str) -> Result<T, ExpressionError> {
        let found = self.peek().map_or_else(|| "the end".to_owned(), Kind::name);
        Err(ExpressionError { column: self.column(), problem: ExpressionProblem::Expected { wanted, found } })
    }
}

fn compared(comparison: Comparison, left: Box<Node>, right: Node) -> Node {
    Node::Compare { comparison, left, right: Box::new(right) }
}

fn bytes_comparison(
    at: Node,
    count: i64,
    comparison: Comparison,
    right: Typed,
    column: usize,
) -> Result<Typed, ExpressionError> {
    let fail = |problem| Err(ExpressionError { column, problem });
    let Typed::Text(literal) = right else {
        return fail(ExpressionProblem::Kind { wanted: "a string", found: right.name() });
    };
    if literal.is_empty() || literal.len() > MAX_BYTES || i64::try_from(literal.len()) != Ok(count) {
        return fail(ExpressionProblem::Length { wanted: count, given: literal.len() });
    }
    let equal = Node::BytesAre { at: Box::new(at), literal };
    match comparison {
        Comparison::Equal => Ok(Typed::Condition(equal)),
        Comparison::NotEqual => Ok(Typed::Condition(Node::Not(Box::new(equal)))),
        _ => fail(ExpressionProblem::Kind { wanted: "compared with `==` or `!=`", found: "a string" }),
    }
}

fn number(typed: Typed, column: usize) -> Result<Node, ExpressionError> {
    match typed {
        Typed::Number(node) => Ok(node),
        other => Err(kind_error("a number", &other, column)),
    }
}

fn condition(typed: Typed, column: usize) -> Result<Node, ExpressionError> {
    match typed {
        Typed::Condition(node) => Ok(node),
        other => Err(kind_error("a condition", &other, column)),
    }
}

const fn kind_error(wanted: &'static str, found: &Typed, column: usize) -> ExpressionError {
    ExpressionError { column, problem: ExpressionProblem::Kind { wanted, found: found.name() } }
}
