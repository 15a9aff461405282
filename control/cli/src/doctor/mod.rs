//! `wirewarden doctor`: what on this machine stands in the way of kernel bypass, and the command that mends it.
//!
//! Every probe reads files under a root folder and changes nothing; what `--fix` changes is in [`repair`].

mod confined;
mod cores;
mod devices;
mod drivers;
mod finding;
mod host;
mod kernel;
mod memory;
mod pci_ids;
mod repair;
mod report;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use api::Config;
use api::config::Backend;

use crate::check::{self, Format};
use crate::exit::Exit;
use finding::{Finding, Status};
use host::Host;
use repair::Consent;

/// Arguments of `wirewarden doctor`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DoctorArgs {
    /// Configuration whose cores, ports and memory are looked at in particular
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How to print what was found
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
    /// Make the changes that do no harm (a restart undoes them), each after a question
    #[arg(long)]
    fix: bool,
    /// Only tell which changes `--fix` would make
    #[arg(long, requires = "fix")]
    dry_run: bool,
    /// Make them without a question
    #[arg(long, short = 'y', requires = "fix", conflicts_with = "dry_run")]
    yes: bool,
    /// Folder that holds the `proc`, `sys` and `usr` of the machine to look at
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
}

const EXAMPLES: &str = "\
Examples:
  wirewarden doctor
  wirewarden doctor -c /etc/wirewarden/wirewarden.toml
  wirewarden doctor --fix --dry-run
  sudo wirewarden doctor --fix --yes -o json
  wirewarden doctor --root ./copied-machine

A fix changes hugepages, mounts, modules, governors and settings of the kernel. Cards are not unbound, nothing is
installed, and no file below /etc is written: those commands are told, to be typed.";

/// Looks at this machine and prints what was found: exit code 0 where nothing is to be mended, 1 else; 2 or 3 as
/// `wirewarden check` where the configuration has mistakes or cannot be read.
pub(crate) fn run(args: &DoctorArgs) -> ExitCode {
    let config = match args.config.as_deref().map(check::load).transpose() {
        Ok(config) => config,
        Err(code) => return code,
    };
    let host = Host::at(&args.root);
    let mut findings = examine(&host, config.as_ref());
    let attempts = args.consent().map(|consent| {
        repair::all(&host, &findings, consent, &mut io::stdin().lock(), &mut io::stderr().lock())
    });
    if attempts.is_some() {
        findings = examine(&host, config.as_ref());
    }
    let printed = match (args.output, &attempts) {
        (Format::Text, None) => report::text(&findings),
        (Format::Text, Some(attempts)) => report::attempts(attempts) + &report::text(&findings),
        (Format::Json, attempts) => report::json(&findings, attempts.as_deref()),
    };
    // A reader that went away (`| head`) has seen enough; the exit code still says how it was.
    let _ = io::stdout().lock().write_all(printed.as_bytes());
    let healthy = findings.iter().all(|finding| matches!(finding.status, Status::Ok | Status::Info));
    if healthy { Exit::Success.into() } else { Exit::Findings.into() }
}

impl DoctorArgs {
    /// Whether changes are made; none where none are asked for.
    const fn consent(&self) -> Option<Consent> {
        match (self.fix, self.dry_run, self.yes) {
            (false, ..) => None,
            (true, true, _) => Some(Consent::Withheld),
            (true, false, true) => Some(Consent::Given),
            (true, false, false) => Some(Consent::Asked),
        }
    }
}

/// Runs every probe.
fn examine(host: &Host, config: Option<&Config>) -> Vec<Finding> {
    PROBES.iter().flat_map(|probe| probe(host, config)).collect()
}

/// Whether DPDK moves the packets, as far as is known.
fn needs_dpdk(config: Option<&Config>) -> bool {
    let backend = config.and_then(|config| config.boot.resolved_backend());
    backend.is_none_or(|backend| backend == Backend::Dpdk)
}

/// Looks at one thing of a machine, in view of a configuration where there is one.
type Probe = fn(&Host, Option<&Config>) -> Vec<Finding>;

/// Every probe, in the order in which a machine is prepared.
static PROBES: &[Probe] = &[
    kernel::version,
    kernel::libraries,
    kernel::processor,
    memory::hugepages,
    memory::mounts,
    memory::locked,
    memory::transparent,
    memory::swap,
    memory::available,
    drivers::iommu,
    drivers::vfio,
    devices::cards,
    devices::configured,
    devices::queues,
    devices::numa,
    cores::online,
    cores::isolated,
    cores::siblings,
    cores::governor,
    cores::clock,
    kernel::af_xdp,
    kernel::exception_port,
    kernel::capabilities,
    confined::landlock,
    confined::seccomp,
    confined::running,
];

#[cfg(test)]
mod tests;
