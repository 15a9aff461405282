//! `wirewarden trace`: the steps that packets of a capture went through, what each found, and the cycles it took.
//!
//! The capture is played once to find the flows that are meant, once with every step timed, and once with every step
//! told: telling takes longer than most steps.

mod report;

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};

use clap::{Args, ValueHint};
use engine::record::{Body, FlowIdentity};
use engine::trace::{Step, Trace};
use engine::{Membership, Plan, RecordBatch, Walk};

use crate::check::Format;
use crate::compiled;
use crate::exit::Exit;
use crate::explain::chosen::Wanted;
use crate::explain::player::Player;
use crate::explain::story::{Told, Wording};
use crate::look::Look;
use crate::tell;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TraceArgs {
    /// A capture file (pcap or pcapng, plain, gzip or zstd)
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,

    /// Only packets of flows for which EXPR holds at their end (see docs/filter.md); all packets without it
    #[arg(long, short = 'f', value_name = "EXPR")]
    filter: Option<String>,

    /// Packets that are told
    #[arg(short = 'n', long = "packets", value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    most: u32,

    /// How to print
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

const EXAMPLES: &str = "\
Examples:
  wirewarden trace office.pcapng --filter 'udp port 53' -n 4
  wirewarden trace plant.pcap --filter 'modbus and not src 10.0.0.0/8'
  wirewarden trace office.pcapng -n 100 -o json

Each packet is taken alone, without the others of a burst: its cycles are more than in production, where the memory of
one packet is fetched while others are worked on (`wirewarden bench` tells those).";

/// A packet that is told.
#[derive(Debug)]
struct Seen {
    /// Its place in the capture, from 1.
    number: u64,
    timestamp_ns: u64,
    /// Bytes on the wire.
    length: u32,
    walk: Walk,
    /// Records that were written because of it, by name.
    records: Vec<String>,
    /// What probes, signatures and parsers said.
    said: Vec<Told>,
}

impl Seen {
    /// Its flow, where it has one.
    fn flow(&self) -> Option<&FlowIdentity> {
        match &self.walk.membership {
            Some(Membership::Flow { identity, .. }) => Some(identity),
            _ => None,
        }
    }
}

/// Traces packets and prints what became of them.
pub(crate) fn run(args: &TraceArgs, no_color: bool) -> Exit {
    match trace(args, no_color) {
        Ok(exit) => exit,
        Err((text, exit)) => {
            tell::error(&text);
            exit
        }
    }
}

/// An error is a sentence for the user, and how the program then ends.
fn trace(args: &TraceArgs, no_color: bool) -> Result<Exit, (String, Exit)> {
    let plan = Arc::new(compiled::plan(None).map_err(|errors| (errors.to_string(), Exit::Unreachable))?);
    let usage = |text: String| (text, Exit::Usage);
    let wanted = args.filter.as_deref().map(|filter| Wanted::parse(filter, plan.names()));
    let wanted = wanted.transpose().map_err(usage)?;
    let flows = wanted.map(|wanted| find(&args.file, &plan, &wanted)).transpose().map_err(usage)?;
    let (mut seen, errors) = timed(&args.file, &plan, flows.as_ref(), args.most).map_err(usage)?;
    if seen.is_empty() {
        let reason = if errors.is_empty() { "no such packet in the capture".to_owned() } else { errors };
        return Err((reason, Exit::Findings));
    }
    told(&args.file, &plan, &mut seen).map_err(usage)?;
    let look = Look::of(&io::stdout(), no_color);
    let wording = Wording { plan };
    let text = match args.output {
        Format::Text => report::text(&seen, &wording, &look),
        Format::Json => report::json(&seen, &wording),
    };
    if !errors.is_empty() {
        tell::error(&errors);
    }
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err((format!("cannot write: {error}"), Exit::Findings))
        }
        _ if errors.is_empty() => Ok(Exit::Success),
        _ => Ok(Exit::Findings),
    }
}

/// The ids of the flows that are wanted.
fn find(file: &Path, plan: &Arc<Plan>, wanted: &Wanted) -> Result<BTreeSet<u64>, String> {
    let mut flows = BTreeSet::new();
    Player::open(file, plan)?.play(&mut |_, batch| {
        let ids = batch.records().iter().filter_map(|record| wanted.chosen(record));
        flows.extend(ids.map(|chosen| chosen.identity.id).take(MOST_FLOWS.saturating_sub(flows.len())));
    });
    Ok(flows)
}

/// The first packets of these flows (of any, without) with the time of each step; and what went wrong with the file.
fn timed(
    file: &Path,
    plan: &Arc<Plan>,
    flows: Option<&BTreeSet<u64>>,
    most: u32,
) -> Result<(Vec<Seen>, String), String> {
    let mut player = Player::open(file, plan)?;
    let mut seen: Vec<Seen> = Vec::new();
    player.walk(&mut |number, frame, walk, batch| {
        let packet = Seen {
            number,
            timestamp_ns: frame.timestamp_ns,
            length: frame.wire_len,
            walk: *walk,
            records: Vec::new(),
            said: Vec::new(),
        };
        let is_wanted = flows.is_none_or(|flows| packet.flow().is_some_and(|flow| flows.contains(&flow.id)));
        if is_wanted {
            seen.push(Seen { records: names(batch), ..packet });
        }
        // No more than a `u32` of them are asked for.
        if seen.len() >= usize::try_from(most).unwrap_or(usize::MAX) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    Ok((seen, player.errors()))
}

fn names(batch: &RecordBatch) -> Vec<String> {
    let name = |body: &Body| match body {
        Body::Flow(_) => "flow".to_owned(),
        Body::Event(kind) => (*kind).to_owned(),
    };
    batch.records().iter().take(MOST_LINES).map(|record| name(&record.body)).collect()
}

/// Adds what was said of each packet.
fn told(file: &Path, plan: &Arc<Plan>, seen: &mut [Seen]) -> Result<(), String> {
    let mut player = Player::open(file, plan)?;
    let (sender, steps) = mpsc::channel();
    player.listen(Box::new(Listener { wording: Wording { plan: Arc::clone(plan) }, steps: sender }));
    let mut left = seen.iter_mut();
    let mut next = left.next();
    player.walk(&mut |number, _, _, _| {
        let Some(packet) = next.take_if(|packet| packet.number == number) else {
            steps.try_iter().for_each(drop);
            return ControlFlow::Continue(());
        };
        let id = packet.flow().map(|flow| flow.id);
        let own = steps.try_iter().filter(|(flow, _)| Some(*flow) == id).map(|(_, told)| told);
        packet.said.extend(own.filter(|told| matches!(told, Told::Line { .. })).take(MOST_LINES));
        next = left.next();
        if next.is_some() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    Ok(())
}

/// Hands the steps of all flows on, in words.
#[derive(Debug)]
struct Listener {
    wording: Wording,
    steps: Sender<(u64, Told)>,
}

impl Trace for Listener {
    fn step(&mut self, flow: &FlowIdentity, step: Step<'_>) {
        // The bytes are not told here, and those who said no neither.
        if !matches!(step, Step::Payload { .. }) {
            // Nobody listens any more: then nothing need be told.
            let _ = self.steps.send((flow.id, self.wording.told(step)));
        }
    }
}

/// Flows that are looked for.
const MOST_FLOWS: usize = 1 << 20;
/// Lines of one packet.
const MOST_LINES: usize = 64;
