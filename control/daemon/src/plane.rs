//! The way to the data plane: a socket, a deadline for each question, and a breaker for when it does not answer.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use api::control::{Command, CounterSnapshot, DataplaneStatus, MAX_MESSAGE, Message, Reason, Reply, Request};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::breaker::Breaker;
use crate::guard::Guarded;

/// Questions at once; more wait.
const AT_ONCE: usize = 8;
/// How often it is looked whether a process is gone.
const LOOK: Duration = Duration::from_millis(5);
/// How long counters are good for others who ask.
const FRESH: Duration = Duration::from_millis(100);

/// The data plane, as others ask it.
pub(crate) struct Plane {
    socket: PathBuf,
    started: Instant,
    breaker: Guarded<Breaker>,
    questions: Semaphore,
    counters: tokio::sync::Mutex<Option<(Instant, CounterSnapshot)>>,
    /// The last that the supervision heard.
    status: Guarded<Option<DataplaneStatus>>,
}

impl Plane {
    pub(crate) fn new(socket: PathBuf) -> Self {
        Self {
            socket,
            started: Instant::now(),
            breaker: Guarded::default(),
            questions: Semaphore::new(AT_ONCE),
            counters: tokio::sync::Mutex::new(None),
            status: Guarded::default(),
        }
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Asks on a connection of its own.
    pub(crate) async fn ask(&self, command: Command) -> Result<Reply, Reason> {
        let limit = match command {
            // Signatures are compiled before it answers.
            Command::Configure { .. } => Duration::from_secs(60),
            _ => Duration::from_secs(8),
        };
        if !self.breaker.lock().admits(self.started.elapsed()) {
            return Err(
                self.unreachable("it failed five times in a row, and is asked again in a minute at most")
            );
        }
        let asked = async {
            let _place = self.questions.acquire().await.map_err(|_| self.unreachable("closed"))?;
            let mut connection =
                Connection::open(&self.socket).await.map_err(|why| self.unreachable(&why))?;
            connection.ask(command).await
        };
        let answer =
            timeout(limit, asked).await.unwrap_or_else(|_| Err(self.unreachable("no answer in time")));
        let mut breaker = self.breaker.lock();
        match &answer {
            Err(Reason::Unreachable { .. }) => breaker.failed(self.started.elapsed()),
            _ => breaker.succeeded(),
        }
        answer
    }

    /// A connection of one's own: for events, and for the supervision.
    pub(crate) async fn connect(&self) -> Result<Connection, Reason> {
        Connection::open(&self.socket).await.map_err(|why| self.unreachable(&why))
    }

    /// Counters not older than a tenth of a second: however many ask, the workers are asked ten times a second.
    pub(crate) async fn counters(&self) -> Result<CounterSnapshot, Reason> {
        let mut kept = self.counters.lock().await;
        if let Some((taken, counters)) = &*kept
            && taken.elapsed() < FRESH
        {
            return Ok(counters.clone());
        }
        *kept = None;
        match self.ask(Command::Counters).await? {
            Reply::Counters(counters) => {
                *kept = Some((Instant::now(), counters.clone()));
                Ok(counters)
            }
            _ => Err(self.unreachable("an answer to something else")),
        }
    }

    /// What the supervision heard last, none where it cannot be reached.
    pub(crate) fn status(&self) -> Option<DataplaneStatus> {
        self.status.lock().clone()
    }

    /// The supervision heard of it, or did not.
    pub(crate) fn heard(&self, status: Option<DataplaneStatus>) {
        if status.is_some() {
            self.breaker.lock().reset();
        }
        *self.status.lock() = status;
    }

    fn unreachable(&self, why: &str) -> Reason {
        Reason::Unreachable { what: "the data plane".to_owned(), message: why.to_owned() }
    }
}

/// A connection to the data plane.
pub(crate) struct Connection {
    stream: BufReader<UnixStream>,
    line: Vec<u8>,
    next_id: u64,
}

impl Connection {
    async fn open(socket: &Path) -> Result<Self, String> {
        let stream =
            UnixStream::connect(socket).await.map_err(|error| format!("{}: {error}", socket.display()))?;
        Ok(Self { stream: BufReader::new(stream), line: Vec::new(), next_id: 1 })
    }

    /// Asks and waits for the answer; the caller has a deadline.
    pub(crate) async fn ask(&mut self, command: Command) -> Result<Reply, Reason> {
        let id = self.next_id;
        self.next_id += 1;
        let line = Request::new(id, command).to_line();
        self.stream.get_mut().write_all(&line).await.map_err(|error| broken(&error.to_string()))?;
        loop {
            match self.next_message().await? {
                Message::Answer { id: of, reply } if of == id => return Ok(*reply),
                Message::Failed { id: of, failure } if of == id || of == 0 => return Err(failure.reason),
                _ => {}
            }
        }
    }

    /// The next message. Can be given up at any time: what came of it is kept.
    pub(crate) async fn next_message(&mut self) -> Result<Message, Reason> {
        let room = (MAX_MESSAGE as u64).saturating_sub(self.line.len() as u64);
        let read = (&mut self.stream).take(room).read_until(b'\n', &mut self.line).await;
        read.map_err(|error| broken(&error.to_string()))?;
        if self.line.last() != Some(&b'\n') {
            return Err(broken("the connection ended"));
        }
        let message = serde_json::from_slice(&self.line).map_err(|error| broken(&error.to_string()));
        self.line.clear();
        message
    }

    /// Waits until the other side ends the connection, or says something nobody asked for.
    pub(crate) async fn closed(&mut self) {
        let _ = self.stream.fill_buf().await;
    }

    /// The process at the other end.
    pub(crate) fn peer(&self) -> Peer {
        let pid = self.stream.get_ref().peer_cred().ok().and_then(|credentials| credentials.pid());
        let pid = pid.and_then(Pid::from_raw);
        Peer { pid, handle: pid.and_then(|pid| pidfd_open(pid, PidfdFlags::NONBLOCK).ok()) }
    }
}

/// A process, held so that no other is taken for it when it is gone and its number is given anew.
pub(crate) struct Peer {
    pid: Option<Pid>,
    handle: Option<OwnedFd>,
}

impl Peer {
    pub(crate) fn pid(&self) -> Option<u32> {
        u32::try_from(self.pid?.as_raw_nonzero().get()).ok()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let _ = match (&self.handle, self.pid) {
            (Some(handle), _) => pidfd_send_signal(handle, signal),
            // An old kernel has no handles.
            (None, Some(pid)) => kill_process(pid, signal),
            (None, None) => return,
        };
    }

    /// Waits until it is gone.
    pub(crate) async fn gone(&self) {
        let Some(handle) = &self.handle else { return };
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        while poll(&mut [PollFd::new(handle, PollFlags::IN)], Some(&at_once)) == Ok(0) {
            sleep(LOOK).await;
        }
    }
}

fn broken(why: &str) -> Reason {
    Reason::Unreachable { what: "the data plane".to_owned(), message: why.to_owned() }
}
