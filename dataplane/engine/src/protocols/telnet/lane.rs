//! One direction of a Telnet connection, byte by byte (RFC 854): data, commands, negotiation.

use arrayvec::ArrayVec;

/// Bytes of a subnegotiation that are kept.
const SUB_MAX: usize = 256;

/// Codes of commands (RFC 854, RFC 885).
pub(super) mod code {
    pub(in super::super) const END_OF_RECORD: u8 = 239;
    pub(in super::super) const END_SUB: u8 = 240;
    pub(in super::super) const SUB: u8 = 250;
    pub(in super::super) const WILL: u8 = 251;
    pub(in super::super) const WONT: u8 = 252;
    pub(in super::super) const DO: u8 = 253;
    pub(in super::super) const DONT: u8 = 254;
    pub(in super::super) const ESCAPE: u8 = 255;
}

/// What a byte completes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// Nothing yet.
    Part,
    /// A byte of data.
    Data(u8),
    /// A command by itself.
    Command(u8),
    /// WILL, WONT, DO or DONT, and an option.
    Option(u8, u8),
    /// A subnegotiation; it is in [`Lane::sub`].
    Sub,
    /// What no command is.
    Invalid,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Data,
    Escape,
    Option(u8),
    Sub,
    SubEscape,
}

/// How far a direction was read.
#[derive(Debug, Default)]
pub(super) struct Lane {
    state: State,
    /// Option and content of the subnegotiation.
    pub(super) sub: ArrayVec<u8, SUB_MAX>,
}

impl Lane {
    /// Takes the next byte.
    pub(super) fn take(&mut self, byte: u8) -> Token {
        match self.state {
            State::Data if byte == code::ESCAPE => self.go(State::Escape, Token::Part),
            State::Data => Token::Data(byte),
            State::Escape => match byte {
                code::ESCAPE => self.go(State::Data, Token::Data(byte)),
                code::SUB => {
                    self.sub.clear();
                    self.go(State::Sub, Token::Part)
                }
                code::WILL | code::WONT | code::DO | code::DONT => self.go(State::Option(byte), Token::Part),
                236.. => self.go(State::Data, Token::Command(byte)),
                _ => self.go(State::Data, Token::Invalid),
            },
            State::Option(verb) => self.go(State::Data, Token::Option(verb, byte)),
            State::Sub if byte == code::ESCAPE => self.go(State::SubEscape, Token::Part),
            State::Sub => self.keep(byte),
            State::SubEscape => match byte {
                code::END_SUB => self.go(State::Data, Token::Sub),
                code::ESCAPE => {
                    self.state = State::Sub;
                    self.keep(byte)
                }
                // A command within: some peers forget the end.
                _ => self.go(State::Data, Token::Invalid),
            },
        }
    }

    /// Forgets what was half read.
    pub(super) fn clear(&mut self) {
        self.state = State::Data;
        self.sub.clear();
    }

    const fn go(&mut self, state: State, token: Token) -> Token {
        self.state = state;
        token
    }

    fn keep(&mut self, byte: u8) -> Token {
        // What is longer than any subnegotiation of interest is cut.
        let _ = self.sub.try_push(byte);
        Token::Part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_commands_and_negotiation_are_told_apart() {
        let mut lane = Lane::default();
        let bytes = [b'a', 255, 255, 255, 253, 24, 255, 250, 24, 0, b'x', 255, 240, 255, 239, 255, 1];
        let tokens: Vec<_> =
            bytes.into_iter().map(|byte| lane.take(byte)).filter(|token| *token != Token::Part).collect();
        assert_eq!(
            tokens,
            [
                Token::Data(b'a'),
                Token::Data(255),
                Token::Option(code::DO, 24),
                Token::Sub,
                Token::Command(code::END_OF_RECORD),
                Token::Invalid,
            ]
        );
        assert_eq!(lane.sub.as_slice(), [24, 0, b'x']);
    }
}
