//! What nobody waits for after a reload: compiled signatures are written out for the next start, databases that have
//! become many are made one for the next reload, and the old plan is freed.

use std::io;
use std::sync::{Arc, Weak};
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};
use engine::Plan;

use super::Control;

/// Plans that wait at most: while one is worked at, only the newest of the others counts.
const WAITING: usize = 4;

/// The least of a core (`setpriority(2)`).
const LOWEST: i32 = 19;

/// A plan that came into use, and the one that went.
struct Change {
    now: Arc<Plan>,
    before: Arc<Plan>,
}

/// Where changes of the plan are told.
pub(super) struct Changes {
    sender: Sender<Change>,
    receiver: Receiver<Change>,
}

impl Changes {
    pub(super) fn new() -> Self {
        let (sender, receiver) = bounded(WAITING);
        Self { sender, receiver }
    }

    /// Never waits: where too many wait already, the next change brings along what this one would have.
    pub(super) fn tell(&self, now: Arc<Plan>, before: Arc<Plan>) {
        let _ = self.sender.try_send(Change { now, before });
    }
}

/// Starts the thread that works at changes, until the process ends.
pub(super) fn start(control: &Arc<Control>) -> io::Result<()> {
    let changes = control.changes.receiver.clone();
    let control = Arc::downgrade(control);
    thread::Builder::new().name("signatures".into()).spawn(move || work(&changes, &control))?;
    Ok(())
}

fn work(changes: &Receiver<Change>, control: &Weak<Control>) {
    // Who waits for an answer comes first: the next apply may be on the same core. Of this thread alone, on Linux.
    let _ = rustix::process::setpriority_process(None, LOWEST);
    while let Ok(Change { mut now, before }) = changes.recv() {
        drop(before);
        for newer in changes.try_iter() {
            now = newer.now;
        }
        let Some(control) = control.upgrade() else { return };
        control.keep_compiled(&now);
    }
}

impl Control {
    fn keep_compiled(&self, plan: &Plan) {
        if let Some(merged) = plan.signatures().merged() {
            *self.merged.lock() = merged;
        }
        if let Some(Err(error)) = self.cache.as_ref().map(|cache| cache.keep(plan.signatures())) {
            self.note(&format!("compiled signatures are not kept: {error}"));
        }
    }
}
