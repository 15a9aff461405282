//! What can be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;

use crate::bench::BenchArgs;
use crate::bundle::BundleArgs;
use crate::check::CheckArgs;
use crate::doctor::DoctorArgs;
use crate::explain::ExplainArgs;
use crate::live::{
    ConfigArgs, DropsArgs, FlowsArgs, ObserveArgs, PlainArgs, ProtocolTotalsArgs, StatsArgs, StatusArgs,
    TokenArgs, TunnelArgs,
};
use crate::man::ManArgs;
use crate::pki::PkiArgs;
use crate::protocols::ProtocolsArgs;
use crate::selftest::SelftestArgs;
use crate::signatures::SignaturesArgs;
use crate::top::TopArgs;
use crate::trace::TraceArgs;
use crate::tune::TuneArgs;
#[cfg(feature = "xdp")]
use crate::xdp::XdpArgs;

/// Looks into capture files and runs the appliance.
#[derive(Debug, Parser)]
#[command(name = "wirewarden", version, propagate_version = true, max_term_width = 100)]
#[command(arg_required_else_help = true, subcommand_required = true)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// Never use colours, as if the variable NO_COLOR were set
    #[arg(long, global = true)]
    pub(crate) no_color: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Read capture files: flows, protocols, what was in the clear, what is odd
    Inspect(InspectArgs),
    /// Tell how the verdict on one flow of a capture came about, step by step
    Explain(ExplainArgs),
    /// Show the steps that packets of a capture go through: what each found, its cycles, the verdict
    Trace(TraceArgs),
    /// List the protocols and services that are known, and how they are known
    Protocols(ProtocolsArgs),
    /// Work on signatures: try them on their samples, on each other's and on everyday traffic
    Signatures(SignaturesArgs),
    /// Start the data plane with a configuration
    Run(RunArgs),
    /// Check a configuration file and tell every problem in it
    #[command(after_help = "Example:\n  wirewarden check wirewarden.toml")]
    Check(CheckArgs),
    /// How the running appliance and its parts are
    Status(StatusArgs),
    /// The running appliance at a glance: rates, drops by cause, protocols, what is in the clear, workers
    Top(TopArgs),
    /// Counters of workers, ports and outputs, and their rates
    Stats(StatsArgs),
    /// Packets that were dropped: each cause, what it means and the next command to type
    Drops(DropsArgs),
    /// Flows that are open now
    Flows(FlowsArgs),
    /// Protocols of the running appliance by bytes
    Traffic(ProtocolTotalsArgs),
    /// Records as they are made
    Observe(ObserveArgs),
    /// Check, apply, confirm and roll back the configuration of the running appliance
    Config(ConfigArgs),
    /// Tokens for the HTTP interface
    Token(TokenArgs),
    /// Start the data plane anew, out of safe mode: its flows are lost
    Restart(PlainArgs),
    /// End the data plane in order
    Stop(PlainArgs),
    /// Look at this machine: what the data plane needs, what is there, how to mend the rest
    Doctor(DoctorArgs),
    /// Measure what a packet costs on this machine, step by step, without a network card
    Bench(BenchArgs),
    /// Try on this machine what could be better, and propose what was
    Tune(TuneArgs),
    /// Put what support needs into one file, without secrets
    Bundle(BundleArgs),
    /// Look at the XDP programs of this machine, and tell ours what to do
    #[cfg(feature = "xdp")]
    Xdp(XdpArgs),
    /// Tunnels: keys in use, peers, new keys now, what is wrong
    Tunnel(TunnelArgs),
    /// Keys and certificates of tunnels: make an authority, issue, renew and revoke
    Pki(PkiArgs),
    /// Compute known answers and tell whether all are right
    Selftest(SelftestArgs),
    /// Print the completions for a shell
    Completions(CompletionsArgs),
    /// Write the manual pages
    Man(ManArgs),
}

#[derive(Debug, Args)]
#[command(after_help = INSPECT_EXAMPLES)]
pub(crate) struct InspectArgs {
    /// Capture files (pcap or pcapng, plain, gzip or zstd), or - for standard input
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,

    /// Write records as EVE JSON to a file, or - for standard output; the summary then goes to standard error
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub(crate) eve: Option<PathBuf>,

    /// Only flows for which EXPR holds, and their events: `modbus and not src 10.0.0.0/8` (see docs/filter.md)
    #[arg(long, short = 'f', value_name = "EXPR")]
    pub(crate) filter: Option<String>,

    /// Print the summary as JSON
    #[arg(long)]
    pub(crate) json: bool,

    /// Threads that share the flows
    #[arg(long, short = 'w', value_name = "N", default_value_t = 1, value_parser = workers)]
    pub(crate) workers: usize,

    /// Rows in each list of the summary
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) top: usize,

    /// Write EVE timestamps in local time instead of UTC
    #[arg(long, requires = "eve")]
    pub(crate) local_time: bool,

    /// Seed of the Community ID in EVE records
    #[arg(long, value_name = "N", default_value_t = 0, requires = "eve")]
    pub(crate) community_id_seed: u16,

    /// Leave unknown what only a port or an address tells
    #[arg(long)]
    pub(crate) no_guesses: bool,

    /// No summary and no progress; errors are still told
    #[arg(long, short = 'q')]
    pub(crate) quiet: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  wirewarden run -c /etc/wirewarden/wirewarden.toml")]
pub(crate) struct RunArgs {
    /// The configuration
    #[arg(long, short = 'c', value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: PathBuf,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  wirewarden completions bash > /etc/bash_completion.d/wirewarden")]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: Shell,
}

fn workers(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 1..=MAX_WORKERS) => Ok(number),
        _ => Err(format!("a number from 1 to {MAX_WORKERS}")),
    }
}

const MAX_WORKERS: usize = 256;

const EXIT_CODES: &str = "\
Exit codes:
  0  all is well
  1  something was found, or only a part could be done
  2  the command line or the configuration is wrong
  3  something that is needed cannot be reached";

const INSPECT_EXAMPLES: &str = "\
Examples:
  wirewarden inspect office.pcapng
  wirewarden inspect *.pcap.gz --eve eve.json --top 20
  wirewarden inspect plant.pcap --filter 'modbus and not src 10.0.0.0/8'
  wirewarden inspect dmz.pcap --filter 'crypto in (cleartext, weak)' --json
  tcpdump -i eth0 -w - | wirewarden inspect - --eve - | jq 'select(.event_type == \"tls\")'";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definitions_contradict_nothing() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_explains_itself() {
        walk(&Cli::command(), &mut Vec::new(), &mut |path, command, examples| {
            let name = path.join(" ");
            assert!(command.get_about().is_some(), "{name}");
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{name} {}", argument.get_id());
            }
            let own = examples.iter().filter(|example| names(example, path));
            assert!(
                own.count() > 0,
                "{name} has no example in its help, nor in those above it: {examples:?}"
            );
        });
    }

    #[test]
    fn every_example_can_be_typed() {
        let mut seen = 0;
        walk(&Cli::command(), &mut Vec::new(), &mut |_, _, examples| {
            for example in examples {
                let parsed = Cli::command().try_get_matches_from(words(example));
                assert!(parsed.is_ok(), "{example}: {}", parsed.unwrap_err());
                seen += 1;
            }
        });
        assert!(seen > 60, "{seen} examples");
    }

    /// Sees the words that lead to a command, it, and its examples.
    type See<'a> = &'a mut dyn FnMut(&[String], &clap::Command, &[String]);

    /// Shows every command below with the words that lead to it, and the examples of its help and of those above it.
    fn walk(command: &clap::Command, path: &mut Vec<String>, see: See<'_>) {
        fn below(command: &clap::Command, path: &mut Vec<String>, above: &[String], see: See<'_>) {
            let mut examples = above.to_vec();
            examples.extend(examples_of(command));
            if !path.is_empty() {
                see(path, command, &examples);
            }
            for next in command.get_subcommands().filter(|next| next.get_name() != "help") {
                path.push(next.get_name().to_owned());
                below(next, path, &examples, see);
                path.pop();
            }
        }
        below(command, path, &[], see);
    }

    /// Lines of the help that call this program.
    fn examples_of(command: &clap::Command) -> Vec<String> {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let calls = help.lines().filter_map(|line| {
            let line = line.strip_prefix("  ")?;
            let at = line.find("wirewarden ")?;
            // Behind a pipe or `sudo`; what follows a pipe or is written elsewhere is not ours.
            let before = line.get(..at)?;
            let is_call = before.is_empty() || before == "sudo " || before.ends_with("| ");
            is_call.then(|| line.get(at..).unwrap_or_default().to_owned())
        });
        calls.collect()
    }

    /// The words of a line as a shell would give them, up to a pipe or a file.
    fn words(line: &str) -> Vec<String> {
        let (mut words, mut word, mut quote, mut is_word) = (Vec::new(), String::new(), None, false);
        for character in line.chars() {
            match (quote, character) {
                (Some(open), close) if open == close => quote = None,
                (Some(_), other) => word.push(other),
                (None, '\'' | '"') => (quote, is_word) = (Some(character), true),
                (None, '|' | '>') => break,
                (None, ' ') if is_word || !word.is_empty() => {
                    words.push(std::mem::take(&mut word));
                    is_word = false;
                }
                (None, ' ') => {}
                (None, other) => word.push(other),
            }
        }
        if is_word || !word.is_empty() {
            words.push(word);
        }
        words
    }

    /// Whether an example calls the command of these words.
    fn names(example: &str, path: &[String]) -> bool {
        let mut wanted = path.iter().peekable();
        for word in words(example).iter().skip(1).filter(|word| !word.starts_with('-')) {
            match wanted.peek() {
                Some(next) if *next == word => _ = wanted.next(),
                // An argument of a command above.
                Some(_) => {}
                None => break,
            }
        }
        wanted.peek().is_none()
    }
}
