//! Carries out commands, whoever brings them: the Unix socket or the HTTP interface.

use std::sync::Arc;
use std::time::{Duration, Instant};

use api::control::{
    Applied, Apply, Command, DaemonStatus, DataplaneStatus, Reason, Reply, Role, Status, Tokens,
};
use tokio::sync::Mutex;
use tokio::time::sleep;

use crate::clock::millis;
use crate::files;
use crate::health::Components;
use crate::history::{Begun, Store, parse};
use crate::log::Level;
use crate::plane::Plane;
use crate::supervise::{Listener, Watched};
use crate::tokens::TokenStore;
use crate::tunnels::Tunnels;
use crate::turns::Turns;

/// How long the data plane may take to start with another configuration before the old one comes back.
const START: Duration = Duration::from_secs(60);
/// Name of the part in the health.
const PART: &str = "configuration";

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) name: String,
    pub(crate) role: Role,
}

/// Everything that commands need.
pub(crate) struct Desk {
    pub(crate) started: Instant,
    pub(crate) level: Level,
    /// What the program gave up at its start.
    pub(crate) confinement: String,
    pub(crate) store: Mutex<Store>,
    pub(crate) turns: Turns,
    pub(crate) tokens: Mutex<TokenStore>,
    pub(crate) plane: Arc<Plane>,
    pub(crate) tunnels: Tunnels,
    pub(crate) watched: Arc<Watched>,
    pub(crate) components: Arc<Components>,
}

impl Desk {
    /// Carries out a command, if the caller may ask for it. Observing is for those who hold the connection.
    pub(crate) async fn answer(&self, caller: &Caller, command: Command) -> Result<Reply, Reason> {
        let needs = command.role();
        if caller.role < needs {
            tracing::warn!(who = caller.name, role = %caller.role, command = command.name(), "refused");
            return Err(Reason::Role { has: caller.role.name().to_owned(), needs });
        }
        if needs > Role::Viewer {
            tracing::info!(who = caller.name, command = command.name(), "asked");
        }
        match command {
            Command::Status => Ok(Reply::Status(self.status().await)),
            Command::Counters => Ok(Reply::Counters(self.plane.counters().await?)),
            Command::Tunnels => Ok(Reply::Tunnels(self.tunnels.table())),
            Command::TunnelRotate { peer, by } => {
                Ok(Reply::Rotating { peers: self.tunnels.rotate(peer, by).await? })
            }
            Command::Flows(_) | Command::Protocols => self.plane.ask(command).await,
            Command::ConfigShow { revision } => Ok(Reply::Config(self.store.lock().await.show(revision)?)),
            Command::ConfigHistory { limit } => {
                Ok(Reply::History { revisions: self.store.lock().await.history(limit) })
            }
            Command::ConfigCheck { text, source } => {
                Ok(Reply::Diff(self.store.lock().await.check(&text, &source)?))
            }
            Command::ConfigDiff { from, to } => Ok(Reply::Diff(self.store.lock().await.diff(from, to)?)),
            Command::ConfigApply(apply) => Ok(Reply::Applied(self.apply(&apply, caller).await?)),
            Command::ConfigConfirm => Ok(Reply::Applied(self.confirm(caller).await?)),
            Command::ConfigRollback { revision } => {
                Ok(Reply::Applied(self.roll_back(revision, caller).await?))
            }
            Command::Restart => {
                self.watched.restart();
                Ok(Reply::Done)
            }
            Command::Stop if self.watched.seen().external => {
                let ask = "who starts it: `systemctl stop wirewarden-dataplane`".to_owned();
                Err(Reason::NotHere { command: command.name().to_owned(), ask })
            }
            Command::Stop => {
                self.watched.stop();
                Ok(Reply::Done)
            }
            Command::Tokens(what) => self.tokens(what, caller).await,
            Command::Observe(_) | Command::Configure { .. } => {
                let ask = "the data plane, or `config_apply` here".to_owned();
                Err(Reason::NotHere { command: command.name().to_owned(), ask })
            }
        }
    }

    pub(crate) async fn status(&self) -> Status {
        let store = self.store.lock().await;
        let daemon = DaemonStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_ms: millis(self.started.elapsed()),
            supervision: self.watched.seen(),
            revision: store.revision(),
            config: store.running().digest.clone(),
            pending: store.pending(),
            confinement: self.confinement.clone(),
            components: self.components.all(),
        };
        Status { daemon: Some(daemon), dataplane: self.plane.status() }
    }

    async fn apply(&self, apply: &Apply, caller: &Caller) -> Result<Applied, Reason> {
        let _changing = self.turns.take().await?;
        let (begun, restart) = {
            let mut store = self.store.lock().await;
            let source = if apply.source.is_empty() { "configuration" } else { apply.source.as_str() };
            let diff = store.running().config.diff(&parse(&apply.text, source)?);
            if !diff.restart_needed.is_empty() && !apply.restart {
                return Err(Reason::RestartNeeded { keys: diff.restart_needed });
            }
            let begun = self.stored(store.begin(apply, &caller.name))?;
            (begun, !diff.restart_needed.is_empty())
        };
        self.carry_out(begun, restart).await
    }

    async fn roll_back(&self, revision: Option<u64>, caller: &Caller) -> Result<Applied, Reason> {
        let _changing = self.turns.take().await?;
        let (begun, restart) = {
            let mut store = self.store.lock().await;
            let target = revision.or_else(|| store.pending().map(|pending| pending.back_to));
            let restart = match target {
                Some(to) => !store.diff(store.revision(), Some(to))?.restart_needed.is_empty(),
                None => false,
            };
            if restart && caller.role < Role::Administrator {
                return Err(Reason::Role { has: caller.role.name().to_owned(), needs: Role::Administrator });
            }
            (self.stored(store.begin_rollback(revision, &caller.name))?, restart)
        };
        self.carry_out(begun, restart).await
    }

    async fn confirm(&self, caller: &Caller) -> Result<Applied, Reason> {
        let _changing = self.turns.take().await?;
        let mut store = self.store.lock().await;
        let confirmed = store.confirm();
        self.stored(confirmed)?;
        tracing::info!(who = caller.name, revision = store.revision(), "confirmed");
        Ok(Applied { revision: store.revision(), ..Applied::default() })
    }

    /// What could not be written shows in the health until something can.
    fn stored<T>(&self, result: Result<T, Reason>) -> Result<T, Reason> {
        match &result {
            Err(reason @ Reason::Storage { .. }) => self.components.failed("storage", reason.to_string()),
            Err(_) => {}
            Ok(_) => self.components.good("storage"),
        }
        result
    }

    /// Brings a change that is noted as on its way to the data plane, and notes what came of it.
    async fn carry_out(&self, begun: Begun, restart: bool) -> Result<Applied, Reason> {
        let began = Instant::now();
        let brought = match restart {
            true => self.start_anew_with(&begun).await,
            false => {
                self.plane.ask(Command::Configure { text: begun.text.clone() }).await.map(|reply| match reply
                {
                    Reply::Applied(applied) => applied,
                    _ => Applied::default(),
                })
            }
        };
        let mut store = self.store.lock().await;
        match brought {
            Err(reason) => {
                tracing::warn!(revision = begun.revision, %reason, "not applied");
                if restart {
                    files::replace(&store.running_file(), store.running().text.as_bytes())?;
                    self.watched.restart();
                }
                let aborted = store.abort(&begun);
                self.stored(aborted)?;
                Err(reason)
            }
            Ok(applied) => {
                let committed = store.commit(&begun);
                self.stored(committed)?;
                tracing::info!(revision = begun.revision, pending = store.pending().is_some(), "applied");
                Ok(Applied {
                    revision: begun.revision,
                    took_ms: millis(began.elapsed()),
                    restarted: restart,
                    pending: store.pending(),
                    ..applied
                })
            }
        }
    }

    /// Starts the data plane with another configuration; an error where it does not come up with it.
    async fn start_anew_with(&self, begun: &Begun) -> Result<Applied, Reason> {
        let running_file = self.store.lock().await.running_file();
        let before = self.plane.status().map(|status| status.pid);
        let restarts = self.watched.seen().restarts;
        self.stored(files::replace(&running_file, begun.text.as_bytes()))?;
        self.watched.restart();
        let wanted = api::control::digest(&begun.config);
        let began = Instant::now();
        while began.elapsed() < START {
            if let Some(status) = self.plane.status().filter(|status| Some(status.pid) != before)
                && status.config == wanted
            {
                return Ok(Applied {
                    generation: status.generation,
                    signatures_version: status.signatures_version,
                    ..Applied::default()
                });
            }
            // Two ends after the one that was asked for: it does not start with this.
            if self.watched.seen().restarts > restarts + 2 {
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
        let why = self.watched.seen().last_reason.unwrap_or_else(|| "it does not answer".to_owned());
        let message = format!("it does not start with this configuration ({why}); the one before runs again");
        Err(Reason::Unreachable { what: "the data plane".to_owned(), message })
    }

    async fn tokens(&self, what: Tokens, caller: &Caller) -> Result<Reply, Reason> {
        let mut tokens = self.tokens.lock().await;
        match what {
            Tokens::List => Ok(Reply::Tokens { tokens: tokens.list() }),
            Tokens::Create { name, role, expires_in_s } => {
                Ok(Reply::TokenCreated(tokens.create(&name, role, expires_in_s, &caller.name)?))
            }
            Tokens::Revoke { name } => tokens.revoke(&name).map(|()| Reply::Done),
        }
    }

    /// Takes back what is not confirmed, at its time; runs until the program ends.
    pub(crate) async fn keep_time(&self) {
        loop {
            let left = {
                let store = self.store.lock().await;
                // However the running configuration came to be: applied, rolled back, expired.
                self.level.follow(store.running().config.live.log.level);
                store.time_left()
            };
            let wait = left.unwrap_or(KEEP_TIME).min(KEEP_TIME);
            if !wait.is_zero() {
                sleep(wait).await;
                continue;
            }
            let _changing = self.turns.wait().await;
            let expired = self.store.lock().await.expire();
            match self.stored(expired) {
                Ok(Some(begun)) => {
                    tracing::warn!(
                        revision = begun.revision,
                        "a change was not confirmed: the one before runs again"
                    );
                    self.bring(&begun.text).await;
                }
                Ok(None) => {}
                // A full disk: the data plane gets the old one all the same, and the disk is tried again.
                Err(reason) => {
                    tracing::error!(%reason, "cannot take a change back");
                    let back_to = self.store.lock().await.pending().map(|pending| pending.back_to);
                    if let Ok(old) = self.store.lock().await.show(back_to) {
                        self.bring(&old.text).await;
                    }
                    sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }

    /// Gives the data plane what runs; starts it anew where it takes no other way.
    async fn bring(&self, text: &str) {
        match self.plane.ask(Command::Configure { text: text.to_owned() }).await {
            Ok(_) => {}
            Err(Reason::RestartNeeded { .. }) => self.watched.restart(),
            // The supervision compares at its next answer.
            Err(reason) => tracing::warn!(%reason, "the data plane does not take the configuration yet"),
        }
    }
}

/// How often the clock is looked at.
const KEEP_TIME: Duration = Duration::from_millis(200);

impl Desk {
    /// Brings the data plane what should run, where it runs something else: after a start, after an expiry it slept
    /// through.
    async fn reconcile(&self, config: &str) {
        let Some(_changing) = self.turns.now() else { return };
        let mut store = self.store.lock().await;
        match store.recover(Some(config)) {
            Ok(Some(became)) => {
                tracing::warn!(?became, "a change had been on its way when this program ended")
            }
            Ok(None) => {}
            Err(reason) => return self.components.failed(PART, reason.to_string()),
        }
        if store.running().digest == config {
            // Keys are for peers that the data plane knows.
            self.tunnels.configure(&store.running().config.live.tunnel);
            return self.components.good(PART);
        }
        let text = store.running().text.clone();
        drop(store);
        tracing::info!("the data plane runs another configuration than it should");
        self.components.degraded(PART, "the data plane runs another configuration than it should");
        self.bring(&text).await;
    }
}

impl Listener for Arc<Desk> {
    /// What takes long is done by a task of its own: the supervision asks on.
    fn heard(&self, status: &DataplaneStatus) {
        let (desk, config) = (Self::clone(self), status.config.clone());
        tokio::spawn(async move { desk.reconcile(&config).await });
    }
}
