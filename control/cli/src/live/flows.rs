//! `wirewarden flows`: what is open now.

use std::time::Duration;

use api::control::{Command, FlowOrder, FlowPage, FlowQuery, FlowRow, Reply};
use clap::{Args, ValueEnum};

use super::table::{Side, Table};
use super::{Reach, Talk, Told, exit, odd};
use crate::exit::Exit;
use crate::figures;
use crate::tell;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wirewarden flows
  wirewarden flows -f 'modbus and not src 10.0.0.0/8' --limit 50
  wirewarden flows --order oldest -o csv")]
pub(crate) struct FlowsArgs {
    #[command(flatten)]
    reach: Reach,

    /// Only flows for which EXPR holds (see docs/filter.md)
    #[arg(long, short = 'f', value_name = "EXPR")]
    filter: Option<String>,

    /// Rows at most
    #[arg(long, short = 'n', value_name = "N", default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,

    /// Which come first
    #[arg(long, value_name = "ORDER", value_enum, default_value_t = Order::Bytes)]
    order: Order,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Order {
    /// Those with the most bytes.
    Bytes,
    /// Those with the most packets.
    Packets,
    /// Those heard last.
    Recent,
    /// Those begun first.
    Oldest,
}

pub(crate) fn flows(args: &FlowsArgs, no_color: bool) -> Exit {
    let run = || -> Result<Exit, Told> {
        let mut talk = Talk::open(&args.reach, no_color)?;
        let query = FlowQuery {
            filter: args.filter.clone(),
            limit: args.limit,
            order: match args.order {
                Order::Bytes => FlowOrder::Bytes,
                Order::Packets => FlowOrder::Packets,
                Order::Recent => FlowOrder::Recent,
                Order::Oldest => FlowOrder::Oldest,
            },
        };
        let Reply::Flows(page) = talk.ask(Command::Flows(query))? else { return odd() };
        talk.show(&page, |_| table(&page))?;
        if page.silent_workers.is_empty() {
            return Ok(Exit::Success);
        }
        tell::error(&format!(
            "workers {:?} did not answer in time: their flows are missing",
            page.silent_workers
        ));
        Ok(Exit::Findings)
    };
    exit(run())
}

fn table(page: &FlowPage) -> Table {
    let mut table = Table::new(&[
        ("client", Side::Left),
        ("server", Side::Left),
        ("transport", Side::Left),
        ("app", Side::Left),
        ("service", Side::Left),
        ("packets", Side::Right),
        ("bytes", Side::Right),
        ("age", Side::Right),
        ("port", Side::Left),
    ]);
    for flow in &page.flows {
        let age = Duration::from_nanos(flow.last_ns.saturating_sub(flow.start_ns));
        table.row(vec![
            end(&flow.src, flow.src_port),
            end(&flow.dst, flow.dst_port),
            flow.transport.clone(),
            app(flow),
            flow.service.clone().unwrap_or_default(),
            figures::count(flow.packets.iter().sum()),
            figures::bytes(flow.bytes.iter().sum()),
            figures::duration(age),
            flow.port.clone(),
        ]);
    }
    let shown = page.flows.len();
    table.note(format!(
        "{shown} shown of {} that match, {} open",
        figures::grouped(page.matched),
        figures::grouped(page.open)
    ));
    table
}

/// A guess is marked as such.
fn app(flow: &FlowRow) -> String {
    if flow.tier == "guess" { format!("{}?", flow.app) } else { flow.app.clone() }
}

fn end(address: &str, port: u16) -> String {
    match (port, address.contains(':')) {
        (0, _) => address.to_owned(),
        (port, true) => format!("[{address}]:{port}"),
        (port, false) => format!("{address}:{port}"),
    }
}
