//! Another configuration without a restart: built here, swapped by each worker between two of its bursts.

use std::sync::Arc;
use std::time::Duration;

use api::Config;
use api::config::{LogLevel, ShuntPorts};
use api::control::{Applied, Mistake, Mode, Reason, digest};
use crossbeam_channel::bounded;
use engine::detectors::signatures::{self, ScannerError, SignatureErrors, SignatureFile};
use engine::{EngineConfig, Names, Plan, Policy, Replacement};

use super::super::exporting::{Message, Outputs};
#[cfg(feature = "xdp")]
use super::super::lists;
use super::super::orders::{Exchange, Order};
use super::super::tending::{Ask, Following};
use super::super::{settings, shunting};
use super::answers::THREADS;
use super::steps::Steps;
use super::{Control, Current};
use crate::tunnelling::{TunnelError, TunnelPlan};

/// How long a worker may take to swap: it does so between two bursts. One that is stuck does it when it goes on.
const SWAP: Duration = Duration::from_secs(2);

/// The outputs of a configuration; none where they are those in use.
fn next_outputs(before: &Config, config: &Config) -> Result<Option<Outputs>, Reason> {
    if before.live.output == config.live.output {
        return Ok(None);
    }
    Outputs::open(&config.live.output).map(Some).map_err(|error| Reason::Storage {
        path: "live.output".to_owned(),
        message: format!(
            "{error} (the data plane writes where its outputs were when it started, and below `--writable`: elsewhere \
             after a restart)"
        ),
    })
}

impl Control {
    /// Takes the live part of a configuration into use. Whatever is wrong with it, what ran before runs on.
    pub(super) fn configure(&self, text: &str) -> Result<Applied, Reason> {
        let mut steps = Steps::start();
        let Some(_swapping) = self.swapping.try_lock() else {
            return Err(Reason::Conflict { message: "another configuration is being applied".to_owned() });
        };
        let config = Config::from_toml(text, "configuration")
            .map_err(|errors| Reason::Config { mistakes: Mistake::all(&errors) })?;
        let (before, plan, names) = {
            let current = self.current.lock();
            (current.config.clone(), Arc::clone(&current.plan), current.names.clone())
        };
        let keys = needs_restart(&before, &config, self.backend);
        if !keys.is_empty() {
            return Err(Reason::RestartNeeded { keys });
        }
        let following = self.following(&before, &config)?;
        steps.done("settings");
        let files = self.signature_files(&config)?;
        steps.done("files");
        let next = self.next_plan(files, &plan)?;
        steps.done("plan");
        let outputs = next_outputs(&before, &config)?;
        let engine_config = settings::engine(&config, self.mode, self.workers.len());
        // The exporter learns the names before a worker uses them.
        let names = next.as_ref().map(|next| with_ports(next, &config)).unwrap_or(names);
        let (policy, tunnels) = self.next_tunnels(&config, &names)?;
        let mut replacements = self.replacements(next.as_ref().unwrap_or(&plan), &engine_config, &tunnels)?;
        for exchange in &mut replacements {
            exchange.engine.set_policy(policy.clone());
        }
        steps.done("for workers");
        // From here on nothing fails.
        if next.is_some() {
            self.to_exporter(Message::Names(Box::new(names.clone())))?;
        }
        if let Some(outputs) = outputs {
            self.to_exporter(Message::Outputs(outputs))?;
        }
        self.swap(replacements);
        steps.done("swap");
        self.tunnels.lock().set(tunnels);
        self.log.set_level(config.live.log.level);
        self.have_ports_follow(&config, following);
        steps.done("ports");
        let plan = next.unwrap_or(plan);
        let signatures_version = plan.signatures().version();
        let generation =
            self.remember(Current { digest: digest(&config), config, plan, names, generation: 0 });
        let took_ms = steps.took_ms();
        self.log.tell(LogLevel::Info, &format!("settings in use, generation {generation}, in {steps}"));
        Ok(Applied { generation, signatures_version, took_ms, ..Applied::default() })
    }

    /// Keeps what is in use now; its generation.
    fn remember(&self, mut next: Current) -> u64 {
        let mut current = self.current.lock();
        next.generation = current.generation + 1;
        let generation = next.generation;
        let old = core::mem::replace(&mut *current, next);
        let now = Arc::clone(&current.plan);
        // What was there goes when nobody looks any more, and not while others wait for the lock.
        drop(current);
        let Current { plan: before, config, names, .. } = old;
        if !Arc::ptr_eq(&now, &before) {
            self.changes.tell(now, before);
        }
        drop((config, names));
        generation
    }

    /// What the ports are to follow. Errors: lists that cannot be had.
    fn following(&self, before: &Config, config: &Config) -> Result<Following, Reason> {
        let lists = &config.live.lists;
        let others = [lists.other_sources, lists.other_destinations];
        #[cfg(feature = "xdp")]
        if self.backend == "af_xdp" && before.live.lists != *lists {
            let wrong = |problem: String| {
                let file = "live.lists".to_owned();
                Reason::Config { mistakes: vec![Mistake { file, problem, ..Mistake::default() }] }
            };
            let entries = lists::read(lists).map_err(|error| wrong(error.to_string()))?;
            if let Some(problem) = lists::overfull(&entries, config.boot.xdp.prefixes) {
                return Err(wrong(problem));
            }
            return Ok(Following { others, lists: Some((lists.clone(), entries)) });
        }
        #[cfg(not(feature = "xdp"))]
        let _ = before;
        Ok(Following {
            others,
            #[cfg(feature = "xdp")]
            lists: None,
        })
    }

    /// Has ports and workers shunt flows and keep lists as a configuration says. Lists are long: they are carried out a
    /// part at a time, by the thread that tends the ports.
    fn have_ports_follow(&self, config: &Config, following: Following) {
        self.switches.set(&config.boot, &config.live);
        let limits = shunting::limits(&config.boot, &config.live.shunt);
        for link in &self.workers {
            let _ = link.post.orders.send_timeout(Order::Shunt(limits), SWAP);
        }
        let (reply, answer) = bounded(1);
        let asked = self.ask.send_timeout(Ask::Follow(Box::new(following), reply), THREADS);
        let wrong = asked.ok().and_then(|()| answer.recv_timeout(THREADS).ok());
        for one in wrong.unwrap_or_else(|| vec!["the ports do not follow the settings yet".to_owned()]) {
            self.note(&one);
        }
    }

    /// The signature files of a configuration; none where nothing reads them.
    fn signature_files(&self, config: &Config) -> Result<Option<Vec<SignatureFile>>, Reason> {
        if self.mode == Mode::Safe {
            return Ok(None);
        }
        let files = match &config.live.classify.signatures_dir {
            Some(folder) => signatures::builtin_files_and(folder),
            None => Ok(signatures::builtin_files()),
        };
        files.map(Some).map_err(|errors| Reason::Config { mistakes: mistakes(&errors) })
    }

    /// The plan of files; none where it is the one in use.
    fn next_plan(&self, files: Option<Vec<SignatureFile>>, plan: &Plan) -> Result<Option<Arc<Plan>>, Reason> {
        let Some(files) = files else { return Ok(None) };
        let merged = self.merged.lock().clone();
        let next = plan.following_with(&files, &merged);
        next.map(|next| next.map(Arc::new)).map_err(|errors| Reason::Config { mistakes: mistakes(&errors) })
    }

    /// The policy and the tunnels of a configuration.
    fn next_tunnels(&self, config: &Config, names: &Names) -> Result<NextTunnels, Reason> {
        let wrong = |error: TunnelError| {
            let mistake = Mistake { problem: error.to_string(), ..Mistake::default() };
            Reason::Config { mistakes: vec![mistake] }
        };
        let policy = settings::policy(config, self.mode, names).map_err(wrong)?;
        let tunnels = TunnelPlan::new(config, &mut self.tunnels.lock().slots).map_err(wrong)?;
        Ok((policy, tunnels.map(Arc::new)))
    }

    fn replacements(
        &self,
        plan: &Arc<Plan>,
        config: &EngineConfig,
        tunnels: &Option<Arc<TunnelPlan>>,
    ) -> Result<Vec<Exchange>, Reason> {
        let one = |_| {
            let engine = Replacement::new(Arc::clone(plan), config.clone())?;
            Ok::<_, ScannerError>(Exchange { engine, tunnels: tunnels.clone() })
        };
        let all: Result<Vec<_>, _> = (0..self.workers.len()).map(one).collect();
        all.map_err(|error| Reason::Busy { message: error.to_string() })
    }

    /// Hands every worker its own, and frees what comes back.
    fn swap(&self, replacements: Vec<Exchange>) {
        let mut answers = Vec::new();
        for (link, replacement) in self.workers.iter().zip(replacements) {
            let (reply, answer) = bounded(1);
            if link.post.orders.send_timeout(Order::Replace(Box::new(replacement), reply), SWAP).is_ok() {
                answers.push(answer);
            }
        }
        for answer in answers {
            // A worker that is stuck swaps when it goes on, and frees what it had.
            drop(answer.recv_timeout(SWAP));
        }
    }
}

/// Policy and tunnels of a configuration.
type NextTunnels = (Option<Arc<Policy>>, Option<Arc<TunnelPlan>>);

/// The keys that a reload cannot change.
fn needs_restart(before: &Config, after: &Config, backend: &str) -> Vec<String> {
    let mut keys = before.diff(after).restart_needed;
    // The program in the kernel was loaded with it.
    if backend == "af_xdp" && before.live.flow.key_vlan != after.live.flow.key_vlan {
        keys.push("live.flow.key_vlan".to_owned());
    }
    // Flows that were shunted before would go on past the workers.
    if after.live.tunnel.is_on() && !before.live.tunnel.is_on() && before.live.shunt.ports == ShuntPorts::All
    {
        keys.push("live.shunt.ports".to_owned());
    }
    keys
}

fn with_ports(plan: &Plan, config: &Config) -> Names {
    let mut names = plan.names().clone();
    for port in &config.boot.ports {
        names.add_interface(port.name.clone());
    }
    names
}

fn mistakes(errors: &SignatureErrors) -> Vec<Mistake> {
    let mistake = |error: &signatures::SignatureError| Mistake {
        file: error.file.clone(),
        line: error.line,
        problem: error.problem.to_string(),
        ..Mistake::default()
    };
    errors.0.iter().map(mistake).collect()
}
