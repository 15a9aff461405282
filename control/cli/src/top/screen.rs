//! The picture: a pure function of what is known and chosen.

use std::collections::VecDeque;

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::widgets::{Clear, Widget};

use crate::figures;
use crate::look::{Characters, Ink, Look};

use super::canvas::Canvas;
use super::keys::Choices;
use super::panels;
use super::view::View;

/// Everything that the picture shows.
#[derive(Clone, Debug)]
pub(super) struct Screen {
    pub(super) look: Look,
    pub(super) choices: Choices,
    pub(super) view: Option<View>,
    /// Packets per second of the looks so far, the latest last.
    pub(super) history: VecDeque<u64>,
    /// Why nothing new comes: nobody listens, or the data plane does not answer.
    pub(super) gone: Option<String>,
    /// What is wrong with the filter.
    pub(super) refused: Option<String>,
}

/// Looks that are remembered.
pub(super) const REMEMBERED: usize = 240;
/// Lines above the panels.
const HEAD: u16 = 7;
/// Below this nothing is said but the most important.
const LEAST: (u16, u16) = (40, 12);

/// Draws everything.
pub(super) fn draw(screen: &Screen, area: Rect, buffer: &mut Buffer) {
    let area = area.intersection(buffer.area);
    let mut canvas = Canvas { buffer, look: screen.look, is_stale: false };
    if area.is_empty() {
        return;
    }
    if area.width < LEAST.0 || area.height < LEAST.1 {
        return tiny(screen, area, &mut canvas);
    }
    let parts = [Constraint::Length(HEAD), Constraint::Min(0), Constraint::Length(1)];
    let [head, body, foot] = Layout::vertical(parts).areas(area);
    top_line(screen, head, &mut canvas);
    let notice = Rect { y: head.bottom() - 1, height: 1, ..head };
    warn(screen, notice, &mut canvas);
    canvas.is_stale = screen.gone.is_some();
    let rates = Rect { y: head.y + 1, height: HEAD - 2, ..head };
    match &screen.view {
        Some(view) => {
            figures_of(screen, view, rates, &mut canvas);
            panels::draw(view, &screen.choices, body, &mut canvas);
        }
        None => _ = canvas.text(rates, (0, 1), "waiting for the first answer", Ink::Faint),
    }
    canvas.is_stale = false;
    bottom_line(screen, foot, &mut canvas);
    if screen.choices.shows_help {
        help(area, &mut canvas);
    }
}

/// On a terminal that has no room.
fn tiny(screen: &Screen, area: Rect, canvas: &mut Canvas<'_>) {
    let view = screen.view.clone().unwrap_or_default();
    let state = match &screen.gone {
        Some(_) => "gone".to_owned(),
        None => view.about.state.clone(),
    };
    canvas.text(area, (0, 0), &state, Ink::Heading);
    canvas.text(area, (0, 1), &format!("rx {}/s", figures::count(view.packets)), Ink::Plain);
    canvas.text(area, (0, 2), &format!("drop {}/s", figures::count(view.dropped)), drop_ink(&view));
    let wanted = format!("more from {}x{} on", LEAST.0, LEAST.1);
    canvas.text(area, (0, 3), &wanted, Ink::Faint);
}

fn top_line(screen: &Screen, area: Rect, canvas: &mut Canvas<'_>) {
    let dot = format!(" {} ", screen.look.dot());
    let mut parts = vec![("wirewarden".to_owned(), Ink::Heading)];
    let view = screen.view.as_ref();
    match (&screen.gone, view) {
        (Some(_), _) => parts.push((format!("{dot}no answer"), Ink::Bad)),
        (None, None) => parts.push((format!("{dot}asking"), Ink::Faint)),
        (None, Some(view)) => {
            let ink = if view.about.is_well { Ink::Good } else { Ink::Bad };
            parts.push((dot.clone(), Ink::Plain));
            parts.push((view.about.state.clone(), ink));
            if !view.about.uptime.is_zero() {
                parts.push((format!("{dot}up {}", figures::duration(view.about.uptime)), Ink::Plain));
            }
        }
    }
    if let Some(about) = view.map(|view| &view.about).filter(|_| screen.gone.is_none()) {
        if !about.backend.is_empty() {
            parts.push((format!("{dot}{}", about.backend), Ink::Plain));
        }
        if let Some(revision) = about.revision {
            parts.push((format!("{dot}revision {revision}"), Ink::Plain));
        }
    }
    let parts: Vec<(&str, Ink)> = parts.iter().map(|(text, ink)| (text.as_str(), *ink)).collect();
    canvas.line(area, 0, &parts);
    if screen.choices.is_paused {
        canvas.right(area, 0, " PAUSED ", Ink::Warning);
    }
}

/// The most urgent line: what is wrong with the appliance, with the filter; else the filter.
fn warn(screen: &Screen, area: Rect, canvas: &mut Canvas<'_>) {
    let warnings = screen.view.as_ref().map(|view| view.warnings.as_slice()).unwrap_or_default();
    if let Some(gone) = &screen.gone {
        canvas.text(area, (0, 0), &format!("trying again: {gone}"), Ink::Bad);
    } else if let Some(refused) = &screen.refused {
        canvas.text(area, (0, 0), &format!("filter {}: {refused}", screen.choices.filter), Ink::Bad);
    } else if let Some(first) = warnings.first() {
        let more = warnings.len() - 1;
        let more = if more > 0 { format!(" (+{more})") } else { String::new() };
        canvas.text(area, (0, 0), &format!("{first}{more}"), Ink::Warning);
    } else if !screen.choices.filter.is_empty() {
        canvas.text(area, (0, 0), &format!("flows: {}", screen.choices.filter), Ink::Faint);
    }
}

fn figures_of(screen: &Screen, view: &View, area: Rect, canvas: &mut Canvas<'_>) {
    let count = figures::count;
    let forwarded = match view.forwarded {
        0 => String::new(),
        some => format!("   forwarded {}/s", count(some)),
    };
    let received = format!("{:>9} packets/s  {:>11}", count(view.packets), bits(view.bits));
    let flows = format!("{} flows, {}/s new", count(view.open_flows), count(view.new_flows));
    canvas.line(area, 0, &[("received   ", Ink::Faint), (&received, Ink::Heading), (&forwarded, Ink::Plain)]);
    canvas.right(area, 0, &flows, Ink::Plain);
    let share = figures::share(view.dropped, view.offered);
    let dropped = format!("{:>9} packets/s  {share:>11}", count(view.dropped));
    let lines = match view.lost {
        0 => format!("{} lines/s", count(view.lines)),
        lost => format!("{} lines/s, {} lost", count(view.lines), count(lost)),
    };
    canvas.line(area, 1, &[("dropped    ", Ink::Faint), (&dropped, drop_ink(view))]);
    canvas.right(area, 1, &lines, if view.lost > 0 { Ink::Bad } else { Ink::Plain });
    history(screen, area, canvas);
    exposures(view, area, canvas);
    handshakes(view, area, canvas);
}

fn history(screen: &Screen, area: Rect, canvas: &mut Canvas<'_>) {
    let from = canvas.text(area, (0, 2), "packets/s  ", Ink::Faint);
    let peak = screen.history.iter().copied().max().unwrap_or(0);
    let told = format!(" peak {}", figures::count(peak));
    let room = area.width.saturating_sub(from).saturating_sub(super::canvas::columns_of(&told).max(16));
    let skipped = screen.history.len().saturating_sub(usize::from(room));
    let curve = screen.history.iter().skip(skipped).map(|value| step(*value, peak, screen.look.characters));
    let behind = canvas.text(area, (from, 2), &curve.collect::<String>(), Ink::Bar);
    canvas.text(area, (behind, 2), &told, Ink::Faint);
}

fn step(value: u64, peak: u64, characters: Characters) -> char {
    let steps: &[char] = match characters {
        Characters::Unicode => &['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'],
        Characters::Ascii => &['_', '.', '-', '=', '#'],
    };
    let last = steps.len().saturating_sub(1) as u128;
    let at = u128::from(value.min(peak)) * last / u128::from(peak.max(1));
    usize::try_from(at).ok().and_then(|at| steps.get(at)).copied().unwrap_or(' ')
}

fn exposures(view: &View, area: Rect, canvas: &mut Canvas<'_>) {
    let whole = view.exposures.iter().fold(0_u64, |sum, (_, part)| sum.saturating_add(*part));
    let mut x = canvas.text(area, (0, 3), "content    ", Ink::Faint);
    if whole == 0 {
        canvas.text(area, (x, 3), "nothing yet", Ink::Faint);
        return;
    }
    for (name, part) in view.exposures.iter().filter(|(_, part)| *part > 0) {
        let (said, ink) = match *name {
            "cleartext" => ("in the clear", Ink::Bad),
            "negotiated" => ("as negotiated", Ink::Plain),
            "encrypted" => ("encrypted", Ink::Good),
            other => (other, Ink::Warning),
        };
        x = canvas.text(area, (x, 3), &format!("{said} {}  ", figures::share(*part, whole)), ink);
    }
    // The share in the clear as a bar, where there is room.
    let clear = view.exposures.first().map_or(0, |(_, part)| *part);
    let room = usize::from(area.width.saturating_sub(x)).min(30);
    if room >= 8 {
        let bar = canvas.look.bar(clear, whole, room);
        canvas.text(area, (x, 3), &bar, Ink::Bad);
    }
}

fn handshakes(view: &View, area: Rect, canvas: &mut Canvas<'_>) {
    let whole = view.handshakes.iter().fold(0_u64, |sum, (_, part)| sum.saturating_add(*part));
    let mut x = canvas.text(area, (0, 4), "handshakes ", Ink::Faint);
    if whole == 0 {
        canvas.text(area, (x, 4), "none yet", Ink::Faint);
        return;
    }
    for (class, part) in view.handshakes.iter().filter(|(_, part)| *part > 0) {
        let ink = match class.as_str() {
            "cleartext" | "weak" => Ink::Bad,
            "quantum-vulnerable" => Ink::Warning,
            _ => Ink::Good,
        };
        x = canvas.text(area, (x, 4), &format!("{class} {}  ", figures::share(*part, whole)), ink);
    }
}

fn bottom_line(screen: &Screen, area: Rect, canvas: &mut Canvas<'_>) {
    if let Some(typed) = &screen.choices.typed {
        let cursor = if screen.look.characters == Characters::Unicode { "▏" } else { "_" };
        // The end is what is being typed.
        let room = usize::from(area.width).saturating_sub(10);
        let skipped = typed.chars().count().saturating_sub(room);
        let shown: String = typed.chars().skip(skipped).collect();
        canvas.line(area, 0, &[("filter: ", Ink::Heading), (&shown, Ink::Plain), (cursor, Ink::Warning)]);
        return;
    }
    let order = if screen.choices.is_reversed { ", reversed" } else { "" };
    let sort = format!(" {}{order}  ", screen.choices.sort.name());
    let pause = if screen.choices.is_paused { " go on  " } else { " pause  " };
    let parts = [
        ("q", Ink::Heading),
        (" quit  ", Ink::Plain),
        ("p", Ink::Heading),
        (pause, Ink::Plain),
        ("s", Ink::Heading),
        (sort.as_str(), Ink::Plain),
        ("f", Ink::Heading),
        (" filter  ", Ink::Plain),
        ("h", Ink::Heading),
        (" help", Ink::Plain),
    ];
    canvas.line(area, 0, &parts);
}

fn help(area: Rect, canvas: &mut Canvas<'_>) {
    let width = area.width.min(70);
    let height = area.height.min(u16::try_from(HELP.len()).unwrap_or(u16::MAX).saturating_add(2));
    let (x, y) = (area.x + (area.width - width) / 2, area.y + (area.height - height) / 2);
    let place = Rect { x, y, width, height };
    Clear.render(place, canvas.buffer);
    let (corner, across) = match canvas.look.characters {
        Characters::Unicode => ("─", "─"),
        Characters::Ascii => ("-", "-"),
    };
    let rule = format!("{corner}{}", across.repeat(usize::from(width.saturating_sub(1))));
    canvas.text(place, (0, 0), &rule, Ink::Faint);
    canvas.text(place, (0, height.saturating_sub(1)), &rule, Ink::Faint);
    for (y, (key, what)) in (1..height.saturating_sub(1)).zip(HELP) {
        canvas.text(place, (2, y), key, Ink::Heading);
        canvas.text(place, (13, y), what, Ink::Plain);
    }
}

fn drop_ink(view: &View) -> Ink {
    if view.dropped > 0 { Ink::Bad } else { Ink::Plain }
}

/// `9.81 Gbit/s`.
pub(super) fn bits(value: u64) -> String {
    let text = figures::bytes(value);
    text.strip_suffix('B').map_or_else(|| text.clone(), |number| format!("{number}bit/s"))
}

const HELP: &[(&str, &str)] = &[
    ("q Esc ^C", "quit"),
    ("p Space", "hold the picture still, and go on"),
    ("s", "sort protocols by rate, bytes, flows, name"),
    ("r", "the other way round"),
    ("f /", "filter flows: `modbus and not src 10.0.0.0/8`"),
    ("", "Enter takes it, an empty one or Esc takes it away"),
    ("h ?", "this; any key leaves it"),
    ("", ""),
    ("content", "what crosses the wire now, by what a copy gives away"),
    ("handshakes", "since the start, by what they withstand"),
    ("worst", "servers of open flows in the clear, by bytes"),
    ("busy", "rounds of a worker that had packets"),
    ("drops", "`wirewarden drops` says why, and what to type next"),
];
