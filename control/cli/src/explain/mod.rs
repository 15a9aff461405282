//! `wirewarden explain`: how the verdict on one flow came about, step by step.
//!
//! The capture is played twice: once to find the flow (its verdict may be part of the question), once with an engine
//! that tells every step.

pub(crate) mod chosen;
pub(crate) mod player;
pub(crate) mod story;

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueHint};
use engine::record::Body;

use crate::compiled;
use crate::exit::Exit;
use crate::look::Look;
use crate::tell;

use chosen::{Chosen, Wanted};
use player::Player;
use story::{Story, Teller};

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ExplainArgs {
    /// A capture file (pcap or pcapng, plain, gzip or zstd)
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,

    /// The flow: its flow_id, its ends (`tcp 192.0.2.1:40000 198.51.100.7:443`), or a filter (see docs/filter.md)
    #[arg(value_name = "FLOW", required = true, num_args = 1..)]
    flow: Vec<String>,

    /// Bytes of each payload that are shown
    #[arg(long, value_name = "N", default_value_t = 64)]
    bytes: usize,

    /// Also tell the probes that said no
    #[arg(long, short = 'v')]
    verbose: bool,

    /// Signatures, services and guesses beside those built in
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    signatures: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  wirewarden explain office.pcapng 'tcp 192.0.2.1:40000 198.51.100.7:443'
  wirewarden explain office.pcapng 1234567890123
  wirewarden explain office.pcapng 'app unknown and port 5000' --bytes 128 -v
  wirewarden explain office.pcapng 'udp port 53' --signatures ./signatures

Where a filter holds for several flows, the first is told and the others are listed.";

/// Finds the flow and tells its story.
pub(crate) fn run(args: &ExplainArgs, no_color: bool) -> Exit {
    match explain(args, no_color) {
        Ok(exit) => exit,
        Err((text, exit)) => {
            tell::error(&text);
            exit
        }
    }
}

/// An error is a sentence for the user, and how the program then ends.
fn explain(args: &ExplainArgs, no_color: bool) -> Result<Exit, (String, Exit)> {
    let folder = args.signatures.as_deref();
    let plan = compiled::plan(folder).map_err(|errors| match folder {
        Some(_) => (errors.to_string(), Exit::Usage),
        None => (errors.to_string(), Exit::Unreachable),
    });
    let plan = Arc::new(plan?);
    let usage = |text: String| (text, Exit::Usage);
    let wanted = Wanted::parse(&args.flow.join(" "), plan.names()).map_err(usage)?;
    let mut found: Vec<Chosen> = Vec::new();
    let mut others = 0_u64;
    let mut player = Player::open(&args.file, &plan).map_err(usage)?;
    player.play(&mut |_, batch| {
        for chosen in batch.records().iter().filter_map(|record| wanted.chosen(record)) {
            if found.len() <= MOST_LISTED {
                found.push(chosen);
            } else {
                others += 1;
            }
        }
    });
    // Flows are written when they end; the one that began first is told.
    found.sort_by_key(|chosen| chosen.summary.start_ns);
    let Some((first, rest)) = found.split_first() else {
        let errors = player.errors();
        let reason = if errors.is_empty() { "no such flow in the capture".to_owned() } else { errors };
        return Err((reason, Exit::Findings));
    };
    let (teller, steps) = Teller::new(first.identity.id, Arc::clone(&plan));
    let mut player = Player::open(&args.file, &plan).map_err(usage)?;
    player.listen(Box::new(teller));
    let look = Look::of(&io::stdout(), no_color);
    let mut story = Story::new(look, args.bytes, args.verbose);
    story.begin(first);
    player.play(&mut |packet, batch| {
        for step in steps.try_iter() {
            story.step(packet, &step);
        }
        for record in batch.records().iter().filter(|record| record.flow.id == first.identity.id) {
            if matches!(record.body, Body::Event(_)) {
                story.event(batch, record);
            }
        }
    });
    story.end(first, plan.names(), plan.signatures());
    story.others(rest, others);
    let partial = player.errors();
    if !partial.is_empty() {
        tell::error(&partial);
    }
    match io::stdout().lock().write_all(story.page()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err((format!("cannot write: {error}"), Exit::Findings))
        }
        _ if partial.is_empty() => Ok(Exit::Success),
        _ => Ok(Exit::Findings),
    }
}

/// Flows that are listed beside the one that is told.
const MOST_LISTED: usize = 10;
