//! Tunnels: keys that are agreed on with peers (the `exchange` crate) and given to the data plane over its key socket, on a
//! thread of their own. It holds up nobody: whoever asks gets what was published last.

mod diary;
mod key_socket;
mod keyer;
mod orders;
mod plan;
mod plane_link;
mod running;
mod table;

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Instant;

use api::config::TunnelConfig;
use api::control::{Health, Reason, Rotation, TunnelTable};
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::guard::Guarded;
use crate::health::Components;
use diary::Diary;
use keyer::Keyer;
use plane_link::PlaneLink;

/// Name of the part in the health.
const PART: &str = "tunnels";

/// The way to the thread of the key exchange.
pub(crate) struct Tunnels {
    shared: Arc<Shared>,
    wishes: Sender<Wish>,
    wake: UnixStream,
    /// What the thread was told last.
    configured: Guarded<Option<TunnelConfig>>,
}

/// What the thread tells.
pub(super) struct Shared {
    table: Guarded<TunnelTable>,
    components: Arc<Components>,
}

/// What the thread is to do.
pub(super) enum Wish {
    /// The configuration is another.
    Configure(Box<TunnelConfig>),
    /// New keys now.
    Rotate { peer: Option<String>, by: Rotation, answer: oneshot::Sender<Result<Vec<String>, Reason>> },
}

impl Shared {
    fn publish(&self, table: TunnelTable, is_wanted: bool) {
        let reason = || table.reason.clone().unwrap_or_default();
        match table.health {
            // Without tunnels there is no such part; one that was there is well when they are gone.
            _ if !is_wanted => self.components.good_if_known(PART),
            Health::Good => self.components.good(PART),
            Health::Degraded => self.components.degraded(PART, reason()),
            Health::Failed => self.components.failed(PART, reason()),
        }
        *self.table.lock() = table;
    }
}

impl Tunnels {
    /// Starts the thread; without tunnels in the configuration it waits.
    ///
    /// # Errors
    /// Where the system has no thread or descriptor left.
    pub(crate) fn start(
        socket: PathBuf,
        components: Arc<Components>,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        let (sender, wishes) = channel();
        let (wake, woken) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        let shared = Arc::new(Shared { table: Guarded::default(), components });
        let now = Instant::now();
        let keyer = Keyer {
            wishes,
            wake: woken,
            shared: Arc::clone(&shared),
            diary: Diary::new(clock),
            link: PlaneLink::new(socket, now),
            proven: None,
            config: None,
            wanted: None,
            running: None,
            failure: None,
            next_look: now,
            next_publish: now,
        };
        std::thread::Builder::new().name("tunnels".to_owned()).spawn(move || keyer.run())?;
        Ok(Self { shared, wishes: sender, wake, configured: Guarded::default() })
    }

    /// The configuration that the data plane runs.
    pub(crate) fn configure(&self, config: &TunnelConfig) {
        let mut configured = self.configured.lock();
        if configured.as_ref() != Some(config) {
            *configured = Some(config.clone());
            self.wish(Wish::Configure(Box::new(config.clone())));
        }
    }

    /// How all tunnels are.
    pub(crate) fn table(&self) -> TunnelTable {
        self.shared.table.lock().clone()
    }

    /// New keys now, with one peer or with all: their names.
    pub(crate) async fn rotate(&self, peer: Option<String>, by: Rotation) -> Result<Vec<String>, Reason> {
        let (answer, answered) = oneshot::channel();
        self.wish(Wish::Rotate { peer, by, answer });
        let gone = Reason::Unreachable {
            what: "the key exchange".to_owned(),
            message: "its thread has ended".to_owned(),
        };
        answered.await.unwrap_or(Err(gone))
    }

    fn wish(&self, wish: Wish) {
        // A thread that has ended shows in the answers.
        let _ = self.wishes.send(wish);
        // A pipe that is full wakes as well.
        let _ = (&self.wake).write(&[1]);
    }
}
