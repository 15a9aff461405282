//! The structure of a filter: `or` of `and` of `not` of statements. Statements are read in `primitive`.

use super::lexer::{self, Kind, Token, error_at};
use super::{Expr, FilterError, FilterErrorKind, MAX_FILTER_DEPTH, suggest};
use crate::Names;

pub(super) fn parse(text: &str, names: &Names) -> Result<Expr, FilterError> {
    let tokens = lexer::tokens(text)?;
    let mut parser = Parser { text, tokens, at: 0, depth: 0, names };
    if parser.peek().kind == Kind::End {
        return Err(error_at(text, 0, 1, FilterErrorKind::Empty));
    }
    let expr = parser.disjunction()?;
    let rest = parser.peek();
    if rest.kind == Kind::End {
        return Ok(expr);
    }
    Err(parser.expected("`and`, `or` or the end", rest))
}

/// Where the parser is in the tokens, and what it knows.
#[derive(Debug)]
pub(super) struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token<'a>>,
    at: usize,
    depth: usize,
    pub(super) names: &'a Names,
}

impl<'a> Parser<'a> {
    pub(super) fn peek(&self) -> Token<'a> {
        let end = Token { kind: Kind::End, text: "", start: self.text.len() };
        self.tokens.get(self.at).copied().unwrap_or(end)
    }

    pub(super) fn next(&mut self) -> Token<'a> {
        let token = self.peek();
        self.at += 1;
        token
    }

    pub(super) fn accept(&mut self, kind: Kind) -> bool {
        let found = self.peek().kind == kind;
        self.at += usize::from(found);
        found
    }

    /// Whether the next token is this word; takes it if so.
    pub(super) fn accept_word(&mut self, word: &str) -> bool {
        let token = self.peek();
        let found = token.kind == Kind::Word && token.text.eq_ignore_ascii_case(word);
        self.at += usize::from(found);
        found
    }

    fn disjunction(&mut self) -> Result<Expr, FilterError> {
        let first = self.conjunction()?;
        if self.peek().kind != Kind::Or {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.accept(Kind::Or) {
            parts.push(self.conjunction()?);
        }
        Ok(Expr::Or(parts))
    }

    fn conjunction(&mut self) -> Result<Expr, FilterError> {
        let first = self.negation()?;
        if self.peek().kind != Kind::And {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.accept(Kind::And) {
            parts.push(self.negation()?);
        }
        Ok(Expr::And(parts))
    }

    fn negation(&mut self) -> Result<Expr, FilterError> {
        let mut negations = 0;
        while self.peek().kind == Kind::Not {
            self.deeper()?;
            self.next();
            negations += 1;
        }
        let mut expr = self.operand()?;
        for _ in 0..negations {
            expr = Expr::Not(Box::new(expr));
        }
        self.depth -= negations;
        Ok(expr)
    }

    fn operand(&mut self) -> Result<Expr, FilterError> {
        let token = self.peek();
        match token.kind {
            Kind::Open => {
                self.deeper()?;
                self.next();
                let inner = self.disjunction()?;
                self.close(token)?;
                self.depth -= 1;
                Ok(inner)
            }
            Kind::Word => self.statement(),
            _ => Err(self.expected("a statement about a flow, such as `tcp` or `host 192.0.2.1`", token)),
        }
    }

    /// Takes the parenthesis that closes `open`.
    pub(super) fn close(&mut self, open: Token<'a>) -> Result<(), FilterError> {
        if self.accept(Kind::Close) {
            return Ok(());
        }
        let found = self.peek();
        if found.kind == Kind::End {
            return Err(self.error(open, FilterErrorKind::OpenParenthesis));
        }
        Err(self.expected("`and`, `or`, `,` or `)`", found))
    }

    fn deeper(&mut self) -> Result<(), FilterError> {
        self.depth += 1;
        if self.depth > MAX_FILTER_DEPTH {
            return Err(self.error(self.peek(), FilterErrorKind::TooDeep));
        }
        Ok(())
    }

    pub(super) fn error(&self, token: Token<'_>, kind: FilterErrorKind) -> FilterError {
        error_at(self.text, token.start, token.text.chars().count(), kind)
    }

    pub(super) fn expected(&self, expected: &'static str, token: Token<'_>) -> FilterError {
        let found = match token.kind {
            Kind::End => "the end".to_owned(),
            _ => format!("{:?}", token.text),
        };
        self.error(token, FilterErrorKind::Expected { expected, found })
    }

    /// An error that names the nearest of `candidates`.
    pub(super) fn unknown<'c>(
        &self,
        token: Token<'_>,
        kind: FilterErrorKind,
        candidates: impl IntoIterator<Item = &'c str>,
    ) -> FilterError {
        let suggestion = suggest::nearest(token.text, candidates).map(str::to_owned);
        FilterError { suggestion, ..self.error(token, kind) }
    }
}
