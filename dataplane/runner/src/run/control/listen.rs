//! The socket: who may speak, and one thread for each who does.

use std::fs::{self, File, TryLockError};
use std::io::{self, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use api::config::LogLevel;
use api::control::{
    Command, LineError, Lines, MAX_REQUEST, Message as Line, Observe, Reason, Reply, Request, Role,
};
use crossbeam_channel::Receiver;
use rustix::net::RecvFlags;
use rustix::net::sockopt::socket_peercred;

use super::super::exporting::Message;
use super::super::observers::{self, Observer, Waiting};
use super::{Control, ControlError, merging};

/// Connections at once.
const CONNECTIONS: u64 = 32;
/// A reader that takes nothing for so long has gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// Somebody who says nothing for so long is let go.
const READ_TIMEOUT: Duration = Duration::from_secs(300);
/// How often it is looked whether an observer is still there.
const LOOK: Duration = Duration::from_millis(250);

/// Listens on `path` from now on, in threads of its own, until the process ends.
pub(in super::super) fn listen(control: &Arc<Control>, path: &Path) -> Result<(), ControlError> {
    let failed = |source| ControlError::Listen { path: path.to_owned(), source };
    let lock = File::create(path.with_extension("lock")).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(ControlError::InUse(path.to_owned())),
        Err(TryLockError::Error(source)) => return Err(failed(source)),
    }
    // Whoever listened there has gone: the lock was free.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
    merging::start(control).map_err(failed)?;
    let control = Arc::clone(control);
    let accept = move || {
        // The lock goes with the process.
        let _lock = lock;
        for stream in listener.incoming() {
            match stream {
                Ok(stream) => welcome(&control, stream),
                // Out of descriptors, say: not in a hurry.
                Err(_) => thread::sleep(LOOK),
            }
        }
    };
    thread::Builder::new().name("control".into()).spawn(accept).map_err(failed)?;
    Ok(())
}

/// Gives a connection its thread.
fn welcome(control: &Arc<Control>, mut stream: UnixStream) {
    let refuse = |stream: &mut UnixStream, reason| {
        let _ = stream.set_write_timeout(Some(LOOK));
        let _ = stream.write_all(&Line::failed(0, reason).to_line());
    };
    if !is_ours(&stream) {
        let reason = Reason::Role { has: "a stranger".to_owned(), needs: Role::Administrator };
        return refuse(&mut stream, reason);
    }
    if control.connections.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS {
        control.connections.fetch_sub(1, Ordering::Relaxed);
        let message = format!("{CONNECTIONS} connections are open");
        return refuse(&mut stream, Reason::Busy { message });
    }
    let (own, done) = (Arc::clone(control), Arc::clone(control));
    let started = thread::Builder::new().name("control-client".into()).spawn(move || {
        let _ = serve(&own, stream);
        own.connections.fetch_sub(1, Ordering::Relaxed);
    });
    if started.is_err() {
        done.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether the other side is this user or root.
pub(in super::super) fn is_ours(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid();
    socket_peercred(stream).is_ok_and(|peer| peer.uid == own || peer.uid.is_root())
}

/// Answers until the other side ends the connection or says what is no request.
fn serve(control: &Control, stream: UnixStream) -> io::Result<()> {
    stream.set_read_timeout(Some(READ_TIMEOUT))?;
    stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
    let mut out = stream.try_clone()?;
    let mut lines = Lines::new(BufReader::new(stream), MAX_REQUEST);
    loop {
        let line = match lines.next_line() {
            Ok(None) | Err(LineError::Unfinished) => return Ok(()),
            Ok(Some(line)) => line,
            Err(LineError::Io(error)) => return Err(error),
            Err(LineError::TooLong { limit }) => {
                // What follows cannot be told from the rest of this line.
                return out.write_all(&Line::failed(0, Reason::TooLong { limit: limit as u64 }).to_line());
            }
        };
        match Request::from_line(line) {
            Err(bad) => out.write_all(&Line::failed(bad.id, bad.reason).to_line())?,
            Ok(Request { id, command: Command::Observe(observe), .. }) => {
                return watch(control, id, observe, &mut out);
            }
            Ok(Request { id, command, .. }) => {
                let line = match answer(control, command) {
                    Ok(reply) => Line::Answer { id, reply: Box::new(reply) },
                    Err(reason) => Line::failed(id, reason),
                };
                out.write_all(&line.to_line())?;
            }
        }
    }
}

/// Carries out a command, and logs that: signs of life and counters are asked for several times a second.
fn answer(control: &Control, command: Command) -> Result<Reply, Reason> {
    let level = match command {
        Command::Status | Command::Counters => LogLevel::Trace,
        _ => LogLevel::Debug,
    };
    if !control.log.tells(level) {
        return control.answer(command);
    }
    let (name, began) = (command.name(), super::now());
    let answer = control.answer(command);
    let refused = answer.as_ref().err().map_or_else(String::new, |reason| format!(", refused: {reason}"));
    control.log.tell(level, &format!("{name} in {} us{refused}", began.elapsed().as_micros()));
    answer
}

/// Shows records as they come, until the other side goes or says anything.
fn watch(control: &Control, id: u64, observe: Observe, out: &mut UnixStream) -> io::Result<()> {
    let (waiting, woken) = match subscribe(control, observe) {
        Ok(subscribed) => subscribed,
        Err(reason) => return out.write_all(&Line::failed(id, reason).to_line()),
    };
    let queue = u32::try_from(waiting.room()).unwrap_or(u32::MAX);
    let mut shown =
        out.write_all(&Line::Answer { id, reply: Box::new(Reply::Observing { queue }) }.to_line());
    while shown.is_ok() && !waiting.is_over() && is_there(out) {
        let _ = woken.recv_timeout(LOOK);
        while let Some(line) = waiting.pop() {
            let event = Line::Event { id, line: line.into_string(), dropped: waiting.dropped() };
            shown = out.write_all(&event.to_line());
            if shown.is_err() {
                break;
            }
        }
    }
    waiting.end();
    shown
}

fn subscribe(control: &Control, observe: Observe) -> Result<(Arc<Waiting>, Receiver<()>), Reason> {
    if !(1..=Observe::MOST_WAITING).contains(&observe.queue) {
        let message = format!("queue: a number from 1 to {}", Observe::MOST_WAITING);
        return Err(Reason::Invalid { message });
    }
    let filter = control.filter(observe.filter.as_deref())?;
    if control.report()?.observers as usize >= observers::MOST {
        return Err(Reason::Busy { message: format!("{} subscriptions are open", observers::MOST) });
    }
    let (waiting, woken) = Waiting::new(usize::try_from(observe.queue).unwrap_or(1));
    let observer = Observer::new(filter, observe.types, Arc::clone(&waiting));
    control.to_exporter(Message::Observe(Box::new(observer)))?;
    Ok((waiting, woken))
}

/// Whether the other side is still there, and silent.
fn is_there(stream: &UnixStream) -> bool {
    let mut byte = [0_u8; 1];
    let flags = RecvFlags::DONTWAIT | RecvFlags::PEEK;
    matches!(rustix::net::recv(stream, &mut byte, flags), Err(rustix::io::Errno::AGAIN))
}
