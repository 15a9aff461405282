//! Lists below the figures: as many beside and below each other as the terminal has room for.

use api::control::TunnelState;
use ratatui::layout::{Constraint, Layout, Rect};

use crate::figures;
use crate::look::Ink;

use super::canvas::{Canvas, Column, Side};
use super::keys::Choices;
use super::screen::bits;
use super::view::{View, end};

/// A list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Panel {
    Protocols,
    Drops,
    Worst,
    Cores,
    Flows,
    Ports,
}

/// A row of lists and the width of each, in hundredths.
type Shelf = &'static [(Panel, u16)];

/// By the width of the terminal: the least for each arrangement, and its rows of lists, the most important first.
const ARRANGEMENTS: [(u16, &[Shelf]); 3] = [
    (
        140,
        &[
            &[(Panel::Protocols, 38), (Panel::Drops, 30), (Panel::Cores, 32)],
            &[(Panel::Worst, 38), (Panel::Flows, 62)],
            &[(Panel::Ports, 100)],
        ],
    ),
    (
        72,
        &[
            &[(Panel::Protocols, 56), (Panel::Drops, 44)],
            &[(Panel::Worst, 56), (Panel::Cores, 44)],
            &[(Panel::Flows, 100)],
            &[(Panel::Ports, 100)],
        ],
    ),
    (
        0,
        &[
            &[(Panel::Protocols, 100)],
            &[(Panel::Drops, 100)],
            &[(Panel::Cores, 100)],
            &[(Panel::Worst, 100)],
            &[(Panel::Flows, 100)],
        ],
    ),
];

/// Least height of a list, its head and the line below it included.
const LEAST: u16 = 6;
/// Columns between two lists.
const BETWEEN: u16 = 2;

pub(super) fn draw(view: &View, choices: &Choices, area: Rect, canvas: &mut Canvas<'_>) {
    let arranged = ARRANGEMENTS.iter().find(|(least, _)| area.width >= *least);
    let shelves = arranged.map(|(_, shelves)| *shelves).unwrap_or_default();
    let fitting = usize::from((area.height / LEAST).max(1)).min(shelves.len());
    let shelves = shelves.get(..fitting).unwrap_or_default();
    let places = Layout::vertical(shelves.iter().map(|_| Constraint::Fill(1))).split(area);
    for (shelf, place) in shelves.iter().zip(places.iter()) {
        // The last line of each stays empty, but for the lowest.
        let is_lowest = place.bottom() == area.bottom();
        let place = Rect { height: place.height.saturating_sub(u16::from(!is_lowest)), ..*place };
        let widths = shelf.iter().map(|(_, width)| Constraint::Fill(*width));
        let columns = Layout::horizontal(widths).spacing(BETWEEN).split(place);
        for ((panel, _), place) in shelf.iter().zip(columns.iter()) {
            panel.draw(view, choices, *place, canvas);
        }
    }
}

impl Panel {
    fn draw(self, view: &View, choices: &Choices, area: Rect, canvas: &mut Canvas<'_>) {
        match self {
            Self::Protocols => protocols(view, choices, area, canvas),
            Self::Drops => drops(view, area, canvas),
            Self::Worst => worst(view, area, canvas),
            Self::Cores if view.tunnels.is_empty() => cores(view, area, canvas),
            // They share the place.
            Self::Cores => {
                let rows = u16::try_from(view.cores.len()).unwrap_or(u16::MAX).saturating_add(1);
                let upper = rows.min(area.height / 2);
                let parts = [Constraint::Length(upper), Constraint::Fill(1)];
                let [upper, lower] = Layout::vertical(parts).areas(area);
                cores(view, upper, canvas);
                tunnels(view, lower, canvas);
            }
            Self::Flows => flows(view, area, canvas),
            Self::Ports => ports(view, area, canvas),
        }
    }
}

const fn left(head: &'static str, width: u16) -> Column {
    Column { head, side: Side::Left, width }
}

const fn right(head: &'static str, width: u16) -> Column {
    Column { head, side: Side::Right, width }
}

/// A cell in the usual ink.
fn plain(text: impl Into<String>) -> (String, Ink) {
    (text.into(), Ink::Plain)
}

fn protocols(view: &View, choices: &Choices, area: Rect, canvas: &mut Canvas<'_>) {
    let mut view = View { protocols: view.protocols.clone(), ..View::default() };
    let whole = view.protocols.iter().fold(0_u64, |sum, line| sum.saturating_add(line.bytes));
    view.sort(choices.sort, choices.is_reversed);
    let columns = [left("PROTOCOLS", 0), right("now", 11), right("share", 7), right("flows", 8)];
    let rows: Vec<_> = view
        .protocols
        .iter()
        .take(usize::from(area.height))
        .map(|line| {
            let ink = if line.exposure == "cleartext" { Ink::Bad } else { Ink::Plain };
            vec![
                (line.name.clone(), ink),
                plain(bits(line.bits)),
                plain(figures::share(line.bytes, whole)),
                plain(figures::count(line.flows)),
            ]
        })
        .collect();
    canvas.table(area, &columns, &rows);
}

fn drops(view: &View, area: Rect, canvas: &mut Canvas<'_>) {
    let columns = [left("DROPS BY CAUSE", 0), right("per s", 8), right("total", 8)];
    let rows: Vec<_> = view
        .drops
        .iter()
        .take(usize::from(area.height))
        .map(|line| {
            let ink = if line.rate > 0 { Ink::Bad } else { Ink::Plain };
            vec![
                (line.cause.clone(), ink),
                (figures::count(line.rate), ink),
                plain(figures::count(line.total)),
            ]
        })
        .collect();
    canvas.table(area, &columns, &rows);
    if rows.is_empty() {
        canvas.text(area, (0, 1), "none", Ink::Good);
    }
}

fn worst(view: &View, area: Rect, canvas: &mut Canvas<'_>) {
    let columns = [left("WORST: IN THE CLEAR", 0), left("", 9), right("flows", 6), right("bytes", 7)];
    let rows: Vec<_> = view
        .worst
        .iter()
        .take(usize::from(area.height))
        .map(|line| {
            vec![
                plain(line.server.clone()),
                (line.app.clone(), Ink::Bad),
                plain(figures::count(line.flows)),
                plain(figures::bytes(line.bytes)),
            ]
        })
        .collect();
    canvas.table(area, &columns, &rows);
    if rows.is_empty() {
        canvas.text(area, (0, 1), "no open flow", Ink::Good);
    }
}

fn cores(view: &View, area: Rect, canvas: &mut Canvas<'_>) {
    let columns = [left("WORKERS", 0), right("per s", 8), right("busy", 7), right("flows", 7)];
    let rows: Vec<_> = view
        .cores
        .iter()
        .take(usize::from(area.height))
        .map(|line| {
            let core = line.core.map_or_else(|| "any core".to_owned(), |core| format!("core {core}"));
            let is_well = line.state == api::control::WorkerState::Running;
            let busy = line.busy.map_or_else(|| "-".to_owned(), |(part, whole)| figures::share(part, whole));
            let is_full = line.busy.is_some_and(|(part, whole)| whole > 0 && part >= whole - whole / 20);
            vec![
                (format!("{} {core}", line.worker), if is_well { Ink::Plain } else { Ink::Bad }),
                plain(figures::count(line.packets)),
                (busy, if is_full { Ink::Warning } else { Ink::Plain }),
                plain(figures::count(line.flows)),
            ]
        })
        .collect();
    canvas.table(area, &columns, &rows);
}

fn tunnels(view: &View, area: Rect, canvas: &mut Canvas<'_>) {
    let columns = [left("TUNNELS", 0), left("", 7), right("now", 11), right("refused", 8)];
    let rows: Vec<_> = view
        .tunnels
        .iter()
        .take(usize::from(area.height))
        .map(|line| {
            let ink = match line.state {
                TunnelState::Up => Ink::Good,
                TunnelState::Old => Ink::Warning,
                TunnelState::Down | TunnelState::Expired => Ink::Bad,
            };
            let refused = if line.dropped > 0 { Ink::Warning } else { Ink::Plain };
            vec![
                plain(line.peer.clone()),
                (line.state.name().to_owned(), ink),
                plain(bits(line.bits)),
                (figures::count(line.dropped), refused),
            ]
        })
        .collect();
    canvas.table(area, &columns, &rows);
}

fn flows(view: &View, area: Rect, canvas: &mut Canvas<'_>) {
    let columns =
        [left("LARGEST FLOWS", 0), left("to", 26), left("app", 12), right("packets", 9), right("bytes", 8)];
    let rows: Vec<_> = view
        .flows
        .iter()
        .take(usize::from(area.height))
        .map(|flow| {
            let guess = if flow.tier == "guess" { "?" } else { "" };
            let app = flow.service.clone().unwrap_or_else(|| format!("{}{guess}", flow.app));
            vec![
                plain(end(&flow.src, flow.src_port)),
                plain(end(&flow.dst, flow.dst_port)),
                plain(app),
                plain(figures::count(flow.packets.iter().sum())),
                plain(figures::bytes(flow.bytes.iter().sum())),
            ]
        })
        .collect();
    canvas.table(area, &columns, &rows);
}

fn ports(view: &View, area: Rect, canvas: &mut Canvas<'_>) {
    let columns = [
        left("PORTS", 0),
        right("packets/s", 9),
        right("received", 11),
        right("sent/s", 9),
        right("missed", 9),
    ];
    let rows: Vec<_> = view
        .ports
        .iter()
        .take(usize::from(area.height))
        .map(|line| {
            let ink = if line.missed > 0 { Ink::Bad } else { Ink::Plain };
            vec![
                plain(line.name.clone()),
                plain(figures::count(line.packets)),
                plain(bits(line.bits)),
                plain(figures::count(line.sent)),
                (figures::count(line.missed), ink),
            ]
        })
        .collect();
    canvas.table(area, &columns, &rows);
}
