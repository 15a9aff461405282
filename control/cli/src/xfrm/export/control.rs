//! The control socket of a data plane, as far as the daemon needs one: how it is, its configuration, and its end.

use std::fs::{self, File};
use std::io::{self, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use api::Config;
use api::control::{
    Applied, Command, DataplaneStatus, Lines, MAX_REQUEST, Message, Reason, Reply, Request, Status, digest,
};
use rustix::net::sockopt::socket_peercred;

use super::super::peers_of;
use crate::stop::Stop;

/// What the control socket and the keys share.
pub(super) struct Control {
    started: Instant,
    stop: Stop,
    current: Mutex<Current>,
}

struct Current {
    config: Config,
    digest: String,
    generation: u64,
    /// What went wrong, each once.
    errors: Vec<String>,
}

impl Control {
    pub(super) fn new(config: Config, stop: Stop) -> Arc<Self> {
        let digest = digest(&config);
        let current = Mutex::new(Current { config, digest, generation: 0, errors: Vec::new() });
        Arc::new(Self { started: Instant::now(), stop, current })
    }

    /// The configuration, and how often it was changed.
    pub(super) fn configuration(&self) -> (u64, Config) {
        let current = self.lock();
        (current.generation, current.config.clone())
    }

    /// Notes for the status what went wrong, once.
    pub(super) fn note(&self, wrong: &str) {
        let mut current = self.lock();
        if current.errors.len() < ERRORS_KEPT && !current.errors.iter().any(|known| known == wrong) {
            current.errors.push(wrong.to_owned());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, command: Command) -> Result<Reply, Reason> {
        match command {
            Command::Status => Ok(Reply::Status(Status { daemon: None, dataplane: Some(self.status()) })),
            Command::Configure { text } => self.configure(&text),
            Command::Stop => {
                self.stop.request();
                Ok(Reply::Done)
            }
            other => {
                let ask = "nobody: the kernel is the data plane of this host".to_owned();
                Err(Reason::NotHere { command: other.name().to_owned(), ask })
            }
        }
    }

    fn status(&self) -> DataplaneStatus {
        let current = self.lock();
        DataplaneStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            backend: "xfrm".to_owned(),
            generation: current.generation + 1,
            config: current.digest.clone(),
            errors: current.errors.clone(),
            ..DataplaneStatus::default()
        }
    }

    fn configure(&self, text: &str) -> Result<Reply, Reason> {
        let invalid = |message| Reason::Invalid { message };
        let config =
            Config::from_toml(text, "configuration").map_err(|errors| invalid(errors.to_string()))?;
        peers_of(&config.live.tunnel).map_err(|error| invalid(error.to_string()))?;
        let mut current = self.lock();
        current.digest = digest(&config);
        current.config = config;
        current.generation += 1;
        Ok(Reply::Applied(Applied::default()))
    }
}

/// Answers at a socket from now on; the lock that keeps others from it, which is to be held.
pub(super) fn listen(control: &Arc<Control>, path: &Path) -> io::Result<File> {
    let lock = File::create(path.with_extension("lock"))?;
    lock.try_lock().map_err(|_| io::Error::other("a data plane listens there already"))?;
    let listener = bind(path)?;
    let control = Arc::clone(control);
    let accept = move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else {
                thread::sleep(Duration::from_millis(100));
                continue;
            };
            let control = Arc::clone(&control);
            if is_ours(&stream) {
                // A daemon that gets no answer asks again.
                let _ = thread::Builder::new().spawn(move || serve(&control, stream));
            }
        }
    };
    thread::Builder::new().name("control".to_owned()).spawn(accept)?;
    Ok(lock)
}

/// Listens at a path that only this user and root can reach. Whoever listened there has gone.
pub(super) fn bind(path: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Whether the other side is this user or root.
pub(super) fn is_ours(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid();
    socket_peercred(stream).is_ok_and(|peer| peer.uid == own || peer.uid.is_root())
}

fn serve(control: &Control, stream: UnixStream) -> io::Result<()> {
    stream.set_read_timeout(Some(SILENCE))?;
    stream.set_write_timeout(Some(Duration::from_secs(5)))?;
    let mut out = stream.try_clone()?;
    let mut lines = Lines::new(BufReader::new(stream), MAX_REQUEST);
    while let Ok(Some(line)) = lines.next_line() {
        let answer = match Request::from_line(line) {
            Err(bad) => Message::failed(bad.id, bad.reason),
            Ok(Request { id, command, .. }) => match control.answer(command) {
                Ok(reply) => Message::Answer { id, reply: Box::new(reply) },
                Err(reason) => Message::failed(id, reason),
            },
        };
        out.write_all(&answer.to_line())?;
    }
    Ok(())
}

const ERRORS_KEPT: usize = 32;
/// Somebody who says nothing for so long is let go.
const SILENCE: Duration = Duration::from_secs(300);
