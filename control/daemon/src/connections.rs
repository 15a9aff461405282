//! Open connections, so that many idle ones do not keep a busy one out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

use crate::guard::Guarded;

/// Connections of one listener.
pub(crate) struct Connections {
    most: usize,
    all: Guarded<(u64, BTreeMap<u64, Arc<Open>>)>,
}

/// One connection.
pub(crate) struct Open {
    /// It is in the middle of an answer.
    busy: AtomicBool,
    /// It has to make room.
    pub(crate) leave: Notify,
}

/// A connection's place; given back when dropped.
pub(crate) struct Place {
    connections: Arc<Connections>,
    number: u64,
    pub(crate) open: Arc<Open>,
}

impl Connections {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, all: Guarded::default() })
    }

    /// A place for a new connection. Where all are taken, the oldest that asks nothing makes room; none where all are
    /// busy.
    pub(crate) fn place(self: &Arc<Self>) -> Option<Place> {
        let mut all = self.all.lock();
        if all.1.len() >= self.most {
            let idle = all
                .1
                .iter()
                .find(|(_, open)| !open.busy.load(Ordering::Relaxed))
                .map(|(number, _)| *number)?;
            if let Some(open) = all.1.remove(&idle) {
                open.leave.notify_one();
            }
        }
        all.0 += 1;
        let number = all.0;
        let open = Arc::new(Open { busy: AtomicBool::new(false), leave: Notify::new() });
        all.1.insert(number, Arc::clone(&open));
        Some(Place { connections: Arc::clone(self), number, open })
    }
}

impl Open {
    pub(crate) fn set_busy(&self, busy: bool) {
        self.busy.store(busy, Ordering::Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.all.lock().1.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_oldest_idle_connection_makes_room_and_a_busy_one_does_not() {
        let connections = Connections::new(2);
        let busy = connections.place().unwrap();
        busy.open.set_busy(true);
        let idle = connections.place().unwrap();
        let newest = connections.place().unwrap();
        idle.open.leave.notified().await;
        newest.open.set_busy(true);
        assert!(connections.place().is_none());
        drop(busy);
        assert!(connections.place().is_some());
    }
}
