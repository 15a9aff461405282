//! The Unix socket: whoever connects has the role that the kernel's word about its user gives.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use api::control::{BadRequest, Command, MAX_REQUEST, Message, Reason, Request, Role};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

use crate::connections::{Connections, Place};
use crate::desk::{Caller, Desk};
use crate::roles::{Accounts, Peer, Roles};

/// Connections at once; the oldest that asks nothing makes room.
const CONNECTIONS: usize = 128;
/// Somebody who says nothing for so long is let go.
const IDLE: Duration = Duration::from_secs(300);
/// Somebody who takes nothing for so long has gone.
const WRITE: Duration = Duration::from_secs(5);

/// A socket that nobody else listens on, for as long as this lives.
pub(crate) struct Bound {
    listener: UnixListener,
    _lock: File,
}

impl Bound {
    /// Listens at `path`; an error where another daemon does.
    pub(crate) fn new(path: &Path) -> io::Result<Self> {
        let lock = File::create(path.with_extension("lock"))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => {
                io::Error::new(io::ErrorKind::AddrInUse, "another wirewardend runs here")
            }
            TryLockError::Error(error) => error,
        })?;
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        // Everybody may knock; the kernel says who it is.
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
        Ok(Self { listener, _lock: lock })
    }

    /// Answers until the program ends.
    pub(crate) async fn serve(self, desk: Arc<Desk>, roles: Roles) {
        let connections = Connections::new(CONNECTIONS);
        let own = rustix::process::geteuid().as_raw();
        loop {
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let caller = caller_of(&stream, own, &roles);
            // Who may not ask anything takes nobody's place.
            let place = caller.as_ref().ok().and_then(|_| connections.place());
            let desk = Arc::clone(&desk);
            tokio::spawn(async move {
                match (caller, place) {
                    (Err(reason), _) => refuse(stream, reason).await,
                    (_, None) => {
                        let message = format!("{CONNECTIONS} connections are busy");
                        refuse(stream, Reason::Busy { message }).await;
                    }
                    (Ok(caller), Some(place)) => tokio::select! {
                        _ = Session::new(stream, desk, caller).run(&place) => {}
                        () = place.open.leave.notified() => {}
                    },
                }
            });
        }
    }
}

fn caller_of(stream: &UnixStream, own: u32, roles: &Roles) -> Result<Caller, Reason> {
    let stranger = |has: String| Reason::Role { has, needs: Role::Viewer };
    let peer = stream.peer_cred().map_err(|error| stranger(format!("unknown ({error})")))?;
    let accounts = Accounts::of_this_machine();
    let (uid, gid) = (peer.uid(), peer.gid());
    let name = accounts.name(uid).map_or_else(|| format!("uid {uid}"), str::to_owned);
    match roles.of(Peer { uid, gid }, own, &accounts) {
        Some(role) => Ok(Caller { name, role }),
        None => {
            tracing::warn!(who = name, uid, "a stranger at the socket");
            Err(stranger("none".to_owned()))
        }
    }
}

async fn refuse(mut stream: UnixStream, reason: Reason) {
    let _ = timeout(WRITE, stream.write_all(&Message::failed(0, reason).to_line())).await;
}

/// One connection.
struct Session {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    desk: Arc<Desk>,
    caller: Caller,
}

impl Session {
    fn new(stream: UnixStream, desk: Arc<Desk>, caller: Caller) -> Self {
        let (reader, writer) = stream.into_split();
        Self { reader: BufReader::new(reader), writer, desk, caller }
    }

    async fn run(mut self, place: &Place) -> io::Result<()> {
        let mut line = Vec::new();
        loop {
            let read = timeout(IDLE, read_line(&mut self.reader, &mut line)).await;
            match read {
                Err(_) | Ok(Ok(Read::End)) => return Ok(()),
                Ok(Err(error)) => return Err(error),
                Ok(Ok(Read::TooLong)) => {
                    let limit = MAX_REQUEST as u64;
                    return self.write(&Message::failed(0, Reason::TooLong { limit })).await;
                }
                Ok(Ok(Read::Line)) => {}
            }
            place.open.set_busy(true);
            match Request::from_line(&line) {
                Err(BadRequest { id, reason }) => self.write(&Message::failed(id, reason)).await?,
                Ok(Request { id, command: command @ Command::Observe(_), .. }) => {
                    return self.observe(id, command).await;
                }
                Ok(Request { id, command, .. }) => {
                    let message = match self.desk.answer(&self.caller, command).await {
                        Ok(reply) => Message::Answer { id, reply: Box::new(reply) },
                        Err(reason) => Message::failed(id, reason),
                    };
                    self.write(&message).await?;
                }
            }
            place.open.set_busy(false);
        }
    }

    /// Hands on what the data plane says, until one of the two goes. A slow reader holds up nobody: the data plane's
    /// queue for it drops the oldest lines and counts them.
    async fn observe(&mut self, id: u64, command: Command) -> io::Result<()> {
        let mut connection = match self.desk.plane.connect().await {
            Ok(connection) => connection,
            Err(reason) => return self.write(&Message::failed(id, reason)).await,
        };
        match connection.ask(command).await {
            Ok(reply) => self.write(&Message::Answer { id, reply: Box::new(reply) }).await?,
            Err(reason) => return self.write(&Message::failed(id, reason)).await,
        }
        loop {
            tokio::select! {
                message = connection.next_message() => match message {
                    Ok(Message::Event { line, dropped, .. }) => {
                        self.write(&Message::Event { id, line, dropped }).await?;
                    }
                    Ok(_) => {}
                    Err(reason) => return self.write(&Message::failed(id, reason)).await,
                },
                // Whoever speaks, or goes, has seen enough.
                _ = self.reader.fill_buf() => return Ok(()),
            }
        }
    }

    async fn write(&mut self, message: &Message) -> io::Result<()> {
        timeout(WRITE, self.writer.write_all(&message.to_line())).await?
    }
}

/// What came of reading a line.
enum Read {
    Line,
    TooLong,
    End,
}

async fn read_line(reader: &mut (impl AsyncBufRead + Unpin), line: &mut Vec<u8>) -> io::Result<Read> {
    line.clear();
    line.shrink_to(64 * 1024);
    reader.take(MAX_REQUEST as u64 + 1).read_until(b'\n', line).await?;
    match line.pop() {
        Some(b'\n') => Ok(Read::Line),
        Some(_) if line.len() >= MAX_REQUEST => Ok(Read::TooLong),
        _ => Ok(Read::End),
    }
}
