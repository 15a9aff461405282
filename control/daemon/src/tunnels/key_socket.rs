//! The connection to the data plane over which keys go: orders there, reports back.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use api::tunnel::{Arrival, Incoming, KeyChannelError, Order, Report, send};
use rustix::net::sockopt::{Timeout, set_socket_timeout, socket_peercred};
use rustix::net::{
    AddressFamily, RecvFlags, SocketAddrUnix, SocketFlags, SocketType, connect, recv, socket_with,
};

/// How long the data plane may take no order before it counts as gone. It reads between two bursts.
const TAKES: Duration = Duration::from_secs(1);

/// A connection to the key socket of a data plane.
#[derive(Debug)]
pub(super) struct KeySocket {
    stream: UnixStream,
    reports: Incoming<WithoutWaiting>,
}

/// Why there is no connection to the key socket.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoKeySocket {
    #[error("cannot connect: {0}")]
    Io(#[from] io::Error),
    /// Keys are given to nobody else.
    #[error("a program of user {uid} listens there, which is neither root nor ours")]
    Stranger { uid: u32 },
}

impl KeySocket {
    /// Connects, without waiting long: a data plane that is stuck does not accept.
    pub(super) fn connect(path: &Path) -> Result<Self, NoKeySocket> {
        let flags = SocketFlags::CLOEXEC;
        let socket =
            socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).map_err(io::Error::from)?;
        // On a stream of Unix it is also how long connecting may take.
        set_socket_timeout(&socket, Timeout::Send, Some(TAKES)).map_err(io::Error::from)?;
        let address = SocketAddrUnix::new(path).map_err(io::Error::from)?;
        connect(&socket, &address).map_err(io::Error::from)?;
        let uid = socket_peercred(&socket).map_err(io::Error::from)?.uid;
        if !uid.is_root() && uid != rustix::process::geteuid() {
            return Err(NoKeySocket::Stranger { uid: uid.as_raw() });
        }
        let stream = UnixStream::from(socket);
        let reports = Incoming::new(WithoutWaiting(stream.try_clone()?));
        Ok(Self { stream, reports })
    }

    /// Gives an order.
    pub(super) fn order(&mut self, order: &Order) -> Result<(), KeyChannelError> {
        send(order, &mut self.stream)
    }

    /// The next report; none where there is none yet.
    pub(super) fn report(&mut self) -> Result<Option<Report>, KeyChannelError> {
        match self.reports.receive()? {
            Arrival::Message(report) => Ok(Some(report)),
            Arrival::Nothing => Ok(None),
            Arrival::Closed => Err(KeyChannelError::Io(io::ErrorKind::UnexpectedEof.into())),
        }
    }
}

impl AsFd for KeySocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// Reads what is there, while writing may wait.
#[derive(Debug)]
struct WithoutWaiting(UnixStream);

impl Read for WithoutWaiting {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let (count, _) = recv(&self.0, room, RecvFlags::DONTWAIT)?;
        Ok(count)
    }
}
