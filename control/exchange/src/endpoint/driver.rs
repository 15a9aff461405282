use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};

use super::{After, Dial, Endpoint, Event};

/// Connects an [`Endpoint`] to TCP, on one thread that may have a core of its own.
#[derive(Debug)]
pub struct Driver {
    endpoint: Endpoint,
    listener: Option<TcpListener>,
    links: Vec<Link>,
    wake: (UnixStream, UnixStream),
}

#[derive(Debug)]
struct Link {
    session: u64,
    stream: TcpStream,
    stage: Stage,
    out: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Connecting,
    Open,
    /// Closed once everything is sent.
    Closing,
}

/// Ends the wait of a [`Driver`] from another thread.
#[derive(Debug)]
pub struct Waker(UnixStream);

impl Waker {
    /// Ends the wait.
    pub fn wake(&self) {
        // A pipe that is full wakes as well.
        let _ = (&self.0).write(&[1]);
    }
}

impl Driver {
    /// A driver that listens at `listen`, if anywhere.
    ///
    /// # Errors
    ///
    /// Where it cannot listen.
    pub fn new(endpoint: Endpoint, listen: Option<SocketAddr>) -> io::Result<Self> {
        let listener = listen.map(listening).transpose()?;
        let wake = UnixStream::pair()?;
        wake.0.set_nonblocking(true)?;
        wake.1.set_nonblocking(true)?;
        Ok(Self { endpoint, listener, links: Vec::new(), wake })
    }

    /// Listens elsewhere from now on; connections stay.
    ///
    /// # Errors
    ///
    /// Where it cannot; it goes on listening where it did then.
    pub fn listen(&mut self, listen: Option<SocketAddr>) -> io::Result<()> {
        if self.listener.is_some() && self.address() == listen {
            return Ok(());
        }
        self.listener = listen.map(listening).transpose()?;
        Ok(())
    }

    /// The endpoint, for its commands; call [`turn`](Self::turn) after them.
    pub fn endpoint(&mut self) -> &mut Endpoint {
        &mut self.endpoint
    }

    /// Where it listens.
    pub fn address(&self) -> Option<SocketAddr> {
        self.listener.as_ref()?.local_addr().ok()
    }

    /// A handle that ends the wait in [`turn`](Self::turn).
    ///
    /// # Errors
    ///
    /// Where there is no descriptor left.
    pub fn waker(&self) -> io::Result<Waker> {
        Ok(Waker(self.wake.1.try_clone()?))
    }

    /// Waits for the network, at most `longest` and never over 100 ms, and does all that is to be done.
    ///
    /// # Errors
    ///
    /// Where waiting itself fails; what goes wrong with a connection is an event.
    pub fn turn(&mut self, longest: Duration) -> io::Result<Vec<Event>> {
        self.turn_beside(longest, &[])
    }

    /// The same, and waits no longer once one of `beside`, which the caller reads, has something to read.
    ///
    /// # Errors
    ///
    /// Those of [`turn`](Self::turn).
    pub fn turn_beside(&mut self, longest: Duration, beside: &[BorrowedFd<'_>]) -> io::Result<Vec<Event>> {
        self.endpoint.tick(Instant::now());
        self.dial();
        self.send();
        let ready = self.wait(longest.min(TICK), beside)?;
        let now = Instant::now();
        let mut drained = [0; 64];
        while matches!(self.wake.0.read(&mut drained), Ok(1..)) {}
        self.receive(&ready, now);
        self.accept(now);
        self.endpoint.tick(now);
        self.dial();
        self.send();
        Ok(std::iter::from_fn(|| self.endpoint.event()).collect())
    }

    /// Which links can be read or written; in the order of `links`.
    fn wait(&self, longest: Duration, beside: &[BorrowedFd<'_>]) -> io::Result<Vec<bool>> {
        let mut descriptors = vec![PollFd::new(&self.wake.0, PollFlags::IN)];
        for link in &self.links {
            let wants_write = link.stage == Stage::Connecting || !link.out.is_empty();
            let flags = if wants_write { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
            descriptors.push(PollFd::new(&link.stream, flags));
        }
        if let Some(listener) = &self.listener {
            descriptors.push(PollFd::new(listener, PollFlags::IN));
        }
        descriptors.extend(beside.iter().map(|beside| PollFd::new(beside, PollFlags::IN)));
        let timeout = Timespec::try_from(longest).map_err(io::Error::other)?;
        match poll(&mut descriptors, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(descriptors.iter().skip(1).take(self.links.len()).map(|one| !one.revents().is_empty()).collect())
    }

    fn receive(&mut self, ready: &[bool], now: Instant) {
        let mut lost = Vec::new();
        for (link, _) in self.links.iter_mut().zip(ready).filter(|(_, ready)| **ready) {
            if link.stage == Stage::Connecting {
                match link.stream.take_error() {
                    Ok(None) if link.stream.peer_addr().is_ok() => {
                        link.stage = Stage::Open;
                    }
                    Ok(None) => {}
                    _ => lost.push(link.session),
                }
                continue;
            }
            let mut bytes = [0; 16 * 1024];
            // Some at a time, so that one who sends much does not hold up the rest.
            for _ in 0..4 {
                match link.stream.read(&mut bytes) {
                    Ok(0) => {
                        lost.push(link.session);
                        break;
                    }
                    Ok(length) if link.stage == Stage::Open => {
                        self.endpoint.received(link.session, bytes.get(..length).unwrap_or_default(), now);
                    }
                    Ok(_) => {}
                    Err(error) if is_temporary(&error) => break,
                    Err(_) => {
                        lost.push(link.session);
                        break;
                    }
                }
            }
        }
        self.links.retain(|link| !lost.contains(&link.session));
        for session in lost {
            self.endpoint.lost(session, now);
        }
    }

    fn accept(&mut self, now: Instant) {
        for _ in 0..ACCEPTS {
            let Some(Ok((stream, from))) = self.listener.as_ref().map(TcpListener::accept) else { return };
            let Ok(session) = self.endpoint.accepted(from.ip(), now) else { continue };
            if stream.set_nonblocking(true).and_then(|()| stream.set_nodelay(true)).is_err() {
                self.endpoint.lost(session, now);
                continue;
            }
            self.links.push(Link { session, stream, stage: Stage::Open, out: Vec::new() });
        }
    }

    fn dial(&mut self) {
        while let Some(Dial { session, address }) = self.endpoint.dial() {
            match connecting(address) {
                Ok(stream) => {
                    self.links.push(Link { session, stream, stage: Stage::Connecting, out: Vec::new() });
                }
                Err(_) => self.endpoint.lost(session, Instant::now()),
            }
        }
    }

    fn send(&mut self) {
        let now = Instant::now();
        let mut gone = Vec::new();
        for link in &mut self.links {
            if link.stage == Stage::Open
                && self.endpoint.transmit(link.session, &mut link.out) == After::Close
            {
                link.stage = Stage::Closing;
            }
            let is_done = match link.stage {
                Stage::Connecting => self.endpoint.is_over(link.session),
                Stage::Open | Stage::Closing => {
                    link.flush().is_err() || (link.stage == Stage::Closing && link.out.is_empty())
                }
            };
            if is_done {
                gone.push(link.session);
            }
        }
        self.links.retain(|link| !gone.contains(&link.session));
        for session in gone {
            self.endpoint.lost(session, now);
        }
    }

    /// Tells every peer that our SAs are gone, and waits up to a second until that is sent.
    ///
    /// # Errors
    ///
    /// Where waiting fails.
    pub fn stop(mut self) -> io::Result<()> {
        self.endpoint.stop();
        let until = Instant::now() + Duration::from_secs(1);
        self.send();
        while !self.links.is_empty() && Instant::now() < until {
            self.wait(TICK, &[])?;
            self.send();
        }
        Ok(())
    }
}

impl Link {
    fn flush(&mut self) -> io::Result<()> {
        while !self.out.is_empty() {
            match self.stream.write(&self.out) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(length) => drop(self.out.drain(..length)),
                Err(error) if is_temporary(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn listening(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Begins to connect, without waiting.
fn connecting(address: SocketAddr) -> io::Result<TcpStream> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    match connect(&socket, &address) {
        Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {
            let stream = TcpStream::from(socket);
            stream.set_nodelay(true)?;
            Ok(stream)
        }
        Err(error) => Err(error.into()),
    }
}

fn is_temporary(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// Something is due at least so often.
const TICK: Duration = Duration::from_millis(100);
/// Connections taken per turn.
const ACCEPTS: usize = 64;
