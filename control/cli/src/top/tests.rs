//! Pictures on terminals of every size, of every state.

use std::collections::VecDeque;

use api::control::{
    CounterSnapshot, CryptoRow, DaemonStatus, DataplaneStatus, FlowPage, FlowRow, PortCounters, ProtocolRow,
    ProtocolTable, Status, Supervision, SupervisionState, TunnelCounters, TunnelRow, TunnelState,
    WorkerCounters, WorkerState, WorkerStatus,
};
use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::keys::Choices;
use super::screen::{Screen, draw};
use super::view::{Sample, Sort, View};
use crate::look::{Characters, Colours, Look};

const LOOK: Look = Look { width: 80, colours: Colours::Ansi, characters: Characters::Unicode };

fn worker(number: u32, received: u64) -> WorkerCounters {
    let engine = [
        ("bytes.received", received * 100),
        ("flow.active", 5000),
        ("flow.created", received / 10),
        ("drop.tcp_truncated", received / 1000),
        ("drop.flow_table_full", 0),
    ];
    WorkerCounters {
        worker: number,
        core: Some(2 + u16::try_from(number).unwrap()),
        exact: true,
        rounds: received,
        busy_rounds: received / 2,
        received,
        engine: engine.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        ..WorkerCounters::default()
    }
}

fn row(name: &str, exposure: &str, bytes: u64) -> ProtocolRow {
    ProtocolRow {
        name: name.to_owned(),
        exposure: exposure.to_owned(),
        open_flows: bytes % 997,
        open_bytes: bytes,
        ..ProtocolRow::default()
    }
}

fn flow(client: &str, server: &str, port: u16, app: &str, bytes: u64) -> FlowRow {
    FlowRow {
        src: client.to_owned(),
        src_port: 40_000,
        dst: server.to_owned(),
        dst_port: port,
        app: app.to_owned(),
        bytes: [bytes, bytes],
        packets: [7, 9],
        ..FlowRow::default()
    }
}

/// A look at an appliance that has been busy for so many seconds.
fn sample(seconds: u64) -> Sample {
    let workers = vec![worker(0, 1_000_000 * seconds), worker(1, 2_000_000 * seconds)];
    let running = |worker| WorkerStatus { worker, state: WorkerState::Running, ..WorkerStatus::default() };
    let supervision = Supervision { state: SupervisionState::Running, ..Supervision::default() };
    let daemon = DaemonStatus { revision: 7, supervision, ..DaemonStatus::default() };
    let dataplane = DataplaneStatus {
        uptime_ms: seconds * 1000,
        backend: "dpdk".to_owned(),
        workers: vec![running(0), running(1)],
        ..DataplaneStatus::default()
    };
    let ports = vec![PortCounters {
        port: "lan".to_owned(),
        rx_packets: 3_000_000 * seconds,
        rx_bytes: 300_000_000 * seconds,
        rx_missed: 11 * seconds,
        ..PortCounters::default()
    }];
    let crypto = [("cleartext", 0), ("weak", 10), ("quantum-vulnerable", 60), ("post-quantum", 30)];
    let crypto = crypto.map(|(class, handshakes)| CryptoRow { class: class.to_owned(), handshakes }).into();
    Sample {
        at_ms: seconds * 1000,
        status: Status { daemon: Some(daemon), dataplane: Some(dataplane) },
        counters: Some(CounterSnapshot {
            pid: 9,
            uptime_ms: seconds * 1000,
            workers,
            ports,
            ..CounterSnapshot::default()
        }),
        protocols: ProtocolTable {
            protocols: vec![
                row("tls", "encrypted", 900_000_000 * seconds),
                row("modbus", "cleartext", 100_000_000 * seconds),
                row("http", "cleartext", 50_000_000 * seconds),
            ],
            crypto,
            ..ProtocolTable::default()
        },
        clear: FlowPage {
            flows: vec![
                flow("10.0.0.1", "10.0.0.2", 502, "modbus", 1000),
                flow("10.0.0.3", "10.0.0.2", 502, "modbus", 2000),
                flow("10.0.0.1", "2001:db8::80", 80, "http", 5000),
            ],
            ..FlowPage::default()
        },
        largest: FlowPage {
            flows: vec![flow("10.0.0.1", "10.0.0.9", 443, "tls", 1 << 40)],
            ..FlowPage::default()
        },
        ..Sample::default()
    }
}

fn screen(view: Option<View>) -> Screen {
    Screen {
        look: LOOK,
        choices: Choices::default(),
        view,
        history: VecDeque::from([1, 5, 3_000_000]),
        gone: None,
        refused: None,
    }
}

fn busy() -> Screen {
    screen(Some(View::between(Some(&sample(9)), &sample(10))))
}

/// The lines that a terminal of this size shows.
fn shown(screen: &Screen, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(screen, frame.area(), frame.buffer_mut())).unwrap();
    lines(terminal.backend().buffer())
}

fn lines(buffer: &Buffer) -> Vec<String> {
    let width = usize::from(buffer.area.width.max(1));
    buffer.content.chunks(width).map(|row| row.iter().map(ratatui::buffer::Cell::symbol).collect()).collect()
}

#[test]
fn a_terminal_of_80_by_24_shows_everything_that_matters() {
    let lines = shown(&busy(), 80, 24);
    let all = lines.join("\n");
    for part in [
        "running",
        "up 10.00 s",
        "dpdk",
        "revision 7",
        "3.00 M packets/s",
        "2.40 Gbit/s",
        "3,011 packets/s",
        "10,000 flows",
        "in the clear 14.2 %",
        "encrypted 85.7 %",
        "weak 10.0 %",
        "post-quantum 30.0 %",
        "PROTOCOLS",
        "7.20 Gbit/s",
        "DROPS BY CAUSE",
        "tcp_truncated",
        "port.rx_missed",
        "WORST: IN THE CLEAR",
        "[2001:db8::80]:80",
        "10.0.0.2:502",
        "WORKERS",
        "0 core 2",
        "50.0 %",
        "q quit",
    ] {
        assert!(all.contains(part), "no {part:?} in:\n{all}");
    }
    assert!(all.contains('█') && all.contains('▁'), "the course of the last looks:\n{all}");
}

#[test]
fn a_large_terminal_shows_flows_and_ports_too() {
    let all = shown(&busy(), 200, 50).join("\n");
    for part in ["LARGEST FLOWS", "10.0.0.9:443", "PORTS", "lan", "WORKERS", "PROTOCOLS"] {
        assert!(all.contains(part), "no {part:?} in:\n{all}");
    }
}

#[test]
fn a_tiny_terminal_shows_the_most_important_and_what_it_would_take() {
    let lines = shown(&busy(), 24, 5);
    assert!(lines[0].starts_with("running") && lines[1].contains("3.00 M/s"), "{lines:?}");
    assert!(lines[3].contains("40x12"), "{lines:?}");
}

#[test]
fn a_data_plane_that_has_gone_leaves_old_figures_and_says_so() {
    let mut screen = busy();
    screen.gone = Some("the data plane does not answer: killed".to_owned());
    let lines = shown(&screen, 80, 24);
    assert!(lines[0].contains("no answer"), "{lines:?}");
    assert!(lines[6].contains("trying again: the data plane does not answer: killed"), "{lines:?}");
    assert!(lines.join("").contains("3.00 M packets/s"), "what was known stays");
    let never = Screen { view: None, ..screen };
    assert!(shown(&never, 80, 24).join("").contains("waiting for the first answer"));
}

#[test]
fn a_look_without_counters_tells_why() {
    let mut sample = sample(3);
    sample.counters = None;
    sample.silent = Some("nobody listens".to_owned());
    sample.status.dataplane = None;
    let daemon = sample.status.daemon.as_mut().unwrap();
    daemon.supervision.state = SupervisionState::BackingOff;
    daemon.supervision.last_reason = Some("killed by signal 9".to_owned());
    let view = View::between(None, &sample);
    assert_eq!((view.about.state.as_str(), view.about.is_well), ("waiting to start", false));
    let wanted = "the data plane does not answer: nobody listens; last: killed by signal 9";
    assert_eq!(view.warnings, [wanted]);
}

#[test]
fn rates_need_two_looks_at_the_same_data_plane() {
    let first = View::between(None, &sample(10));
    assert_eq!((first.packets, first.open_flows), (0, 10_000));
    let mut other = sample(9);
    other.counters.as_mut().unwrap().pid = 1;
    assert_eq!(View::between(Some(&other), &sample(10)).packets, 0, "another process counts from the start");
    let both = View::between(Some(&sample(10)), &sample(10));
    assert_eq!(both.packets, 0, "no time has passed");
    let view = View::between(Some(&sample(8)), &sample(10));
    assert_eq!((view.packets, view.bits, view.dropped), (3_000_000, 2_400_000_000, 3_011));
    assert_eq!(view.drops[0].cause, "tcp_truncated");
    assert_eq!((view.worst[0].server.as_str(), view.worst[0].bytes), ("[2001:db8::80]:80", 10_000));
    assert_eq!((view.worst[1].flows, view.worst[1].bytes), (2, 6_000));
}

#[test]
fn tunnels_share_the_place_of_the_workers() {
    let with = |seconds: u64| {
        let mut sample = sample(seconds);
        let counters =
            TunnelCounters { rx_bytes: 125_000_000 * seconds, replay_drops: 3, ..TunnelCounters::default() };
        let row =
            |peer: &str, state| TunnelRow { peer: peer.into(), state, counters, ..TunnelRow::default() };
        sample.tunnels = vec![row("west.plant.example", TunnelState::Up), row("east", TunnelState::Expired)];
        sample
    };
    let view = View::between(Some(&with(9)), &with(10));
    assert_eq!((view.tunnels[0].bits, view.tunnels[0].dropped), (1_000_000_000, 3));
    let all = shown(&screen(Some(view)), 80, 24).join("\n");
    for part in ["TUNNELS", "1.00 G", "up", "expired", "WORKERS", "0 core 2"] {
        assert!(all.contains(part), "no {part:?} in:\n{all}");
    }
}

#[test]
fn protocols_are_sorted_as_chosen() {
    let order = |sort, is_reversed| {
        let mut screen = busy();
        screen.choices = Choices { sort, is_reversed, ..Choices::default() };
        let lines = shown(&screen, 80, 24);
        let at = |name: &str| lines.iter().position(|line| line.starts_with(name)).unwrap();
        let mut names = ["tls", "modbus", "http"];
        names.sort_by_key(|name| at(name));
        names
    };
    assert_eq!(order(Sort::Rate, false), ["tls", "modbus", "http"]);
    assert_eq!(order(Sort::Bytes, true), ["http", "modbus", "tls"]);
    assert_eq!(order(Sort::Name, false), ["http", "modbus", "tls"]);
}

#[test]
fn help_pause_and_the_filter_being_typed_are_seen() {
    let mut screen = busy();
    screen.choices.shows_help = true;
    screen.choices.is_paused = true;
    let all = shown(&screen, 80, 24).join("\n");
    assert!(all.contains("PAUSED") && all.contains("hold the picture still"), "{all}");
    screen.choices = Choices { typed: Some("modbus and port".into()), ..Choices::default() };
    screen.refused = Some("column 12: a port".to_owned());
    let lines = shown(&screen, 80, 24);
    assert!(lines[23].starts_with("filter: modbus and port"), "{lines:?}");
    assert!(lines[6].contains("column 12"), "{lines:?}");
}

#[test]
fn without_colours_no_cell_has_one_and_ascii_stays_ascii() {
    let mut screen = busy();
    screen.look = Look { width: 80, colours: Colours::None, characters: Characters::Ascii };
    screen.choices.shows_help = true;
    let mut buffer = Buffer::empty(Rect::new(0, 0, 200, 50));
    draw(&screen, buffer.area, &mut buffer);
    let is_plain = |cell: &ratatui::buffer::Cell| {
        let style = cell.style();
        let reset = [None, Some(ratatui::style::Color::Reset)];
        reset.contains(&style.fg) && reset.contains(&style.bg)
    };
    assert!(buffer.content.iter().all(is_plain));
    assert!(lines(&buffer).join("").is_ascii());
}

proptest! {
    #[test]
    fn any_size_and_any_names_make_a_picture(
        (width, height) in (0_u16..300, 0_u16..120),
        name in "\\PC{0,40}|[\\x00-\\x1f\\u{4e00}-\\u{4e20}\\u{202e}]{0,80}",
        huge in any::<u64>(),
        (help, gone) in any::<(bool, bool)>(),
    ) {
        let mut after = sample(10);
        after.protocols.protocols.push(row(&name, &name, huge));
        after.clear.flows.push(flow(&name, &name, 1, &name, huge / 4));
        after.largest.flows.push(flow(&name, &name, 1, &name, huge / 4));
        after.counters.as_mut().unwrap().workers[0].engine.insert(format!("drop.{name}"), huge / 4);
        let mut screen = screen(Some(View::between(Some(&sample(9)), &after)));
        screen.history.push_back(huge);
        screen.choices.shows_help = help;
        screen.choices.typed = Some(name.clone());
        screen.gone = gone.then(|| name.clone());
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
        draw(&screen, buffer.area, &mut buffer);
        for line in lines(&buffer) {
            prop_assert!(!line.chars().any(char::is_control), "{line:?}");
        }
        // A terminal may shrink between asking for its size and drawing.
        draw(&screen, Rect::new(0, 0, 300, 120), &mut buffer);
    }
}
