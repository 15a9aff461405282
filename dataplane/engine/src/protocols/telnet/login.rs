//! Logins over Telnet: prompts in what the server says, and that something was typed. Of users the first letter is kept,
//! of passwords nothing.

use arrayvec::ArrayVec;

use crate::protocols::framed::Masked;
use crate::record::EventWriter;

/// Bytes at the end of the server's text that may hold a prompt.
const TAIL_LEN: usize = 48;
/// Bytes after a password that tell how it went.
const ANSWER_LEN: usize = 256;

/// What the client is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    User,
    Password,
    Other,
}

/// How a login went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Result {
    #[default]
    Unknown,
    Success,
    Failure,
}

/// The login of a session.
#[derive(Debug, Default)]
pub(super) struct Login {
    tail: ArrayVec<u8, TAIL_LEN>,
    /// What the line that is being typed answers.
    asked: Option<Asked>,
    user: Masked,
    /// A password was typed, and the server's answer to it is read.
    answer: Option<ArrayVec<u8, ANSWER_LEN>>,
}

/// A login that is over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt {
    user: Masked,
    result: Result,
}

impl Login {
    /// A byte from the server.
    pub(super) fn server(&mut self, byte: u8) {
        let byte = byte.to_ascii_lowercase();
        if self.tail.is_full() {
            self.tail.remove(0);
        }
        self.tail.push(byte);
        if let Some(answer) = &mut self.answer {
            let _ = answer.try_push(byte);
        }
    }

    /// A byte from the client. Gives the last attempt when it is clear that it is over.
    pub(super) fn client(&mut self, byte: u8) -> Option<Attempt> {
        let attempt = if matches!(byte, b'\n' | 0) { None } else { self.over() };
        let asked = *self.asked.get_or_insert_with(|| prompt(&self.tail));
        match (byte, asked) {
            (b'\r' | b'\n', _) => {
                self.asked = None;
                self.tail.clear();
                if asked == Asked::Password && byte == b'\r' {
                    self.answer = Some(ArrayVec::new());
                }
            }
            (0, _) => {
                if self.tail.is_empty() {
                    self.asked = None;
                }
            }
            (_, Asked::User) => self.user.push(byte),
            (_, Asked::Password | Asked::Other) => {}
        }
        attempt
    }

    /// The attempt that the server has answered.
    pub(super) fn over(&mut self) -> Option<Attempt> {
        let answer = self.answer.take()?;
        let says = |words: &[&[u8]]| {
            words.iter().any(|word| answer.windows(word.len()).any(|window| window == *word))
        };
        let result = if says(&[b"incorrect", b"fail", b"denied", b"invalid", b"bad password"]) {
            Result::Failure
        } else if says(&[b"last login", b"welcome"]) || answer.trim_ascii_end().ends_with_prompt() {
            Result::Success
        } else {
            Result::Unknown
        };
        let user = core::mem::take(&mut self.user);
        Some(Attempt { user, result })
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Whether text ends as the prompt of a shell does.
trait Prompting {
    fn ends_with_prompt(&self) -> bool;
}

impl Prompting for [u8] {
    fn ends_with_prompt(&self) -> bool {
        matches!(self.last(), Some(b'$' | b'#' | b'>' | b'%'))
    }
}

fn prompt(tail: &[u8]) -> Asked {
    let text = tail.trim_ascii_end();
    let ends = |words: &[&[u8]]| words.iter().any(|word| text.ends_with(word));
    if ends(&[b"password:", b"passwd:", b"passcode:", b"password"]) {
        Asked::Password
    } else if ends(&[b"login:", b"username:", b"user name:", b"user:", b"login as:", b"userid:", b"login"]) {
        Asked::User
    } else {
        Asked::Other
    }
}

impl Attempt {
    /// Writes the members of an object.
    pub(super) fn write(&self, event: &mut EventWriter<'_>) {
        self.user.write("user", event);
        event.flag("password_in_clear", true);
        event.label(
            "result",
            match self.result {
                Result::Unknown => "unknown",
                Result::Success => "success",
                Result::Failure => "failure",
            },
        );
    }
}
