//! One change of configuration at a time, whoever brings it.

use std::time::Duration;

use api::control::Reason;
use tokio::sync::{Mutex, MutexGuard};

/// How long a change waits for another one: what this program compares by itself is no reason to refuse an operator's.
const LONGEST: Duration = Duration::from_secs(2);

/// Whose turn it is; held while a configuration is on its way, and nothing is compared meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<()>);

/// Ends when it is dropped.
pub(crate) type Turn<'t> = MutexGuard<'t, ()>;

impl Turns {
    /// A turn for an operator. Errors: another change takes longer than somebody at a terminal should wait.
    pub(crate) async fn take(&self) -> Result<Turn<'_>, Reason> {
        tokio::time::timeout(LONGEST, self.wait()).await.map_err(|_| Reason::Conflict {
            message: "another change is on its way: try again in a moment".to_owned(),
        })
    }

    /// A turn, however long that takes.
    pub(crate) async fn wait(&self) -> Turn<'_> {
        self.0.lock().await
    }

    /// A turn, where nobody has one.
    pub(crate) fn now(&self) -> Option<Turn<'_>> {
        self.0.try_lock().ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn a_change_waits_for_a_short_one_and_is_refused_behind_a_long_one() {
        let turns = Arc::new(Turns::default());
        let held = turns.now().expect("nobody else is there");
        assert!(turns.now().is_none());
        let waiting = tokio::spawn({
            let turns = Arc::clone(&turns);
            async move { turns.take().await.map(drop) }
        });
        tokio::time::sleep(LONGEST / 8).await;
        assert!(!waiting.is_finished());
        drop(held);
        assert_eq!(waiting.await.expect("it ends"), Ok(()));

        let _held = turns.wait().await;
        let refused = turns.take().await.map(drop);
        assert!(matches!(refused, Err(Reason::Conflict { .. })), "{refused:?}");
    }
}
