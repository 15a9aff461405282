use std::io::{self, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Command, Failure, LineError, Lines, MAX_MESSAGE, Message, Reply, Request};

/// A blocking client of a control socket: one question at a time.
#[derive(Debug)]
pub struct Client {
    lines: Lines<BufReader<UnixStream>>,
    stream: UnixStream,
    next_id: u64,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error("cannot reach {}: {source}", path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The connection broke, or nothing came in time.
    #[error("no answer: {0}")]
    Io(#[from] io::Error),
    /// The connection ended.
    #[error("no answer: the other side ended the connection")]
    Ended,
    /// A line that is no answer.
    #[error("not an answer: {0}")]
    Answer(String),
    /// The command was refused.
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl From<LineError> for ClientError {
    fn from(error: LineError) -> Self {
        match error {
            LineError::Io(error) => Self::Io(error),
            LineError::Unfinished => Self::Ended,
            LineError::TooLong { .. } => Self::Answer(error.to_string()),
        }
    }
}

impl Client {
    /// Connects; every read and write takes at most `timeout`, for ever where there is none.
    ///
    /// # Errors
    /// Nobody listens at `path`, or it may not be used.
    pub fn connect(path: &Path, timeout: Option<Duration>) -> Result<Self, ClientError> {
        let connect = || -> io::Result<(UnixStream, UnixStream)> {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(timeout)?;
            stream.set_write_timeout(timeout)?;
            Ok((stream.try_clone()?, stream))
        };
        let (reader, stream) =
            connect().map_err(|source| ClientError::Connect { path: path.to_owned(), source })?;
        Ok(Self { lines: Lines::new(BufReader::new(reader), MAX_MESSAGE), stream, next_id: 1 })
    }

    /// Asks and waits for the answer.
    ///
    /// # Errors
    /// The command was refused, or there was no answer.
    pub fn ask(&mut self, command: Command) -> Result<Reply, ClientError> {
        let id = self.next_id;
        self.next_id += 1;
        self.stream.write_all(&Request::new(id, command).to_line())?;
        loop {
            match self.next_message()? {
                Message::Answer { id: of, reply } if of == id => return Ok(*reply),
                // A line that could not be read has no id.
                Message::Failed { id: of, failure } if of == id || of == 0 => return Err(failure.into()),
                _ => {}
            }
        }
    }

    /// The next message, whatever it is: after [`Command::Observe`] those are events.
    ///
    /// # Errors
    /// There is none.
    pub fn next_message(&mut self) -> Result<Message, ClientError> {
        let line = self.lines.next_line()?.ok_or(ClientError::Ended)?;
        serde_json::from_slice(line).map_err(|error| ClientError::Answer(error.to_string()))
    }

    /// Changes how long a read may take.
    ///
    /// # Errors
    /// What the system says.
    pub fn set_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.stream.set_read_timeout(timeout)
    }
}
