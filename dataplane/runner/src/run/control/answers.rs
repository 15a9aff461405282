//! What is asked of a running data plane, answered.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use api::control::{
    Command, CounterSnapshot, CryptoRow, DataplaneStatus, FlowPage, FlowQuery, FlowRow, PortCounters,
    ProtocolRow, ProtocolTable, QueueCounters, Reason, Reply, ServiceRow, Status, WorkerCounters,
    WorkerState, WorkerStatus,
};
use crossbeam_channel::{RecvTimeoutError, bounded};
use engine::filter::Filter;
use engine::{Counter, CryptoClass, Names, OpenFlow};
use packet_io::IoStats;

use super::super::exporting::{Message, Report};
use super::super::orders::{Counted, Order};
use super::super::scan::{First, Question, Scan, Tally};
use super::super::tending::{Ask, PortReport};
use super::{Control, Link, STUCK, wall_ms};

/// How long a worker may take to answer between two bursts.
const BETWEEN_BURSTS: Duration = Duration::from_millis(200);
/// How long a worker may take to look through its flow table.
const THROUGH_THE_TABLE: Duration = Duration::from_secs(5);
/// How long other threads may take.
pub(super) const THREADS: Duration = Duration::from_secs(2);

impl Control {
    /// Carries out a command, whoever asks: the socket lets nobody else in.
    pub(super) fn answer(&self, command: Command) -> Result<Reply, Reason> {
        match command {
            Command::Status => Ok(Reply::Status(Status { daemon: None, dataplane: Some(self.status()) })),
            Command::Counters => Ok(Reply::Counters(self.counters()?)),
            Command::Flows(query) => Ok(Reply::Flows(self.flows(&query)?)),
            Command::Protocols => Ok(Reply::Protocols(self.protocols()?)),
            Command::Configure { text } => Ok(Reply::Applied(self.configure(&text)?)),
            Command::Stop => {
                self.stopping.store(true, Ordering::Relaxed);
                Ok(Reply::Done)
            }
            other => Err(Reason::NotHere { command: other.name().to_owned(), ask: "wirewardend".to_owned() }),
        }
    }

    pub(super) fn filter(&self, text: Option<&str>) -> Result<Option<Filter>, Reason> {
        let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
        let current = self.current.lock();
        match Filter::parse(text, &current.names) {
            Ok(filter) => Ok(Some(filter)),
            Err(error) => {
                let column = u32::try_from(error.column).unwrap_or(u32::MAX);
                Err(Reason::Filter { message: error.to_string(), column })
            }
        }
    }

    pub(super) fn to_exporter(&self, message: Message) -> Result<(), Reason> {
        self.exporter.send_timeout(message, THREADS).map_err(|_| unreachable("the exporter"))
    }

    /// What was exported so far.
    pub(super) fn report(&self) -> Result<Report, Reason> {
        let (reply, answer) = bounded(1);
        self.to_exporter(Message::Report(reply))?;
        answer.recv_timeout(THREADS).map_err(|_| unreachable("the exporter"))
    }

    fn port_report(&self) -> Result<PortReport, Reason> {
        let (reply, answer) = bounded(1);
        let asked = self.ask.send_timeout(Ask::Report(reply), THREADS);
        asked.map_err(|_| unreachable("the thread in charge"))?;
        answer.recv_timeout(THREADS).map_err(|_| unreachable("the thread in charge"))
    }

    fn status(&self) -> DataplaneStatus {
        let report = self.report();
        let mut errors = self.errors.lock().clone();
        let report = report.unwrap_or_else(|reason| {
            errors.push(reason.to_string());
            Report::default()
        });
        errors.extend(report.errors);
        let now_ms = self.uptime_ms();
        // Where the thread in charge looks no more, nobody knows how the workers are.
        let looked_ms = self.looked_ms.load(Ordering::Relaxed);
        let unseen_ms = self.looks_held_ms(now_ms, looked_ms);
        let workers = (0_u32..)
            .zip(&self.workers)
            .map(|(number, link)| link.status(number, now_ms, (looked_ms, unseen_ms)));
        let workers = workers.collect();
        let current = self.current.lock();
        let count = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        DataplaneStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_ms: now_ms,
            mode: self.mode,
            backend: self.backend.to_owned(),
            generation: current.generation,
            config: current.digest.clone(),
            signatures_version: current.plan.signatures().version(),
            signatures: count(current.plan.signatures().len()),
            protocols: count(current.plan.names().protocols().len().saturating_sub(1)),
            services: count(current.plan.names().services().count()),
            observers: report.observers,
            observers_dropped: report.observers_dropped,
            failover: self.rescued.as_ref().map(|rescued| Box::new(rescued())),
            workers,
            confinement: self.confinement.clone(),
            errors,
        }
    }

    fn counters(&self) -> Result<CounterSnapshot, Reason> {
        // All workers are asked before the first is waited for.
        let asked: Vec<_> = self
            .workers
            .iter()
            .map(|link| {
                let (reply, answer) = bounded(1);
                link.post.orders.try_send(Order::Count(reply)).ok().map(|()| answer)
            })
            .collect();
        let tended = self.port_report()?;
        let report = self.report()?;
        let names: Vec<String> =
            self.current.lock().config.boot.ports.iter().map(|port| port.name.clone()).collect();
        let workers = (0_u32..)
            .zip(self.workers.iter().zip(asked))
            .map(|(number, (link, answer))| {
                let counted = answer.and_then(|answer| answer.recv_timeout(BETWEEN_BURSTS).ok());
                link.counters(number, counted, &names)
            })
            .collect::<Vec<_>>();
        let mut ports: Vec<PortCounters> =
            tended.ports.iter().map(|(name, stats)| port_counters(name, stats)).collect();
        if ports.is_empty() {
            ports = names.iter().map(|name| sum_of_queues(name, &workers)).collect();
        }
        Ok(CounterSnapshot {
            taken_ms: wall_ms(),
            uptime_ms: self.uptime_ms(),
            pid: std::process::id(),
            workers,
            ports,
            xdp: tended.xdp.into_iter().collect(),
            outputs: report.outputs,
        })
    }

    fn flows(&self, query: &FlowQuery) -> Result<FlowPage, Reason> {
        if !(1..=FlowQuery::MOST).contains(&query.limit) {
            return Err(Reason::Invalid {
                message: format!("limit: a number from 1 to {}", FlowQuery::MOST),
            });
        }
        let limit = usize::try_from(query.limit).unwrap_or(1);
        let filter = self.filter(query.filter.as_deref())?;
        let (scans, silent_workers) =
            self.scan(|| Question::First(First::new(filter.clone(), query.order, limit)));
        let current = self.current.lock();
        let mut page = FlowPage { silent_workers, ..FlowPage::default() };
        let mut flows = Vec::new();
        for (worker, scan) in scans {
            page.open += scan.open;
            let Question::First(first) = scan.into_question() else { continue };
            page.matched += first.matched;
            flows.extend(first.into_flows().into_iter().map(|ranked| (ranked.rank(), worker, ranked.flow)));
        }
        flows.sort_by_key(|(rank, ..)| core::cmp::Reverse(*rank));
        flows.truncate(limit);
        page.flows = flows.iter().map(|(_, worker, flow)| flow_row(flow, *worker, &current.names)).collect();
        Ok(page)
    }

    fn protocols(&self) -> Result<ProtocolTable, Reason> {
        let room = Tally::of(&self.current.lock().names);
        let (scans, silent_workers) = self.scan(|| Question::Tally(room.clone()));
        let report = self.report()?;
        let current = self.current.lock();
        let mut open = Tally::of(&current.names);
        for (_, scan) in scans {
            if let Question::Tally(tally) = scan.into_question() {
                open.add(&tally);
            }
        }
        let mut table = protocol_table(&current.names, &open, &report.ended);
        let classes = CryptoClass::ALL.into_iter().zip(report.handshakes);
        table.crypto = classes
            .map(|(class, handshakes)| CryptoRow { class: class.name().to_owned(), handshakes })
            .collect();
        table.silent_workers = silent_workers;
        Ok(table)
    }

    /// Sends a question through the flow table of every worker; gives the answers, and who gave none.
    fn scan(&self, question: impl Fn() -> Question) -> (Vec<(u32, Scan)>, Vec<u32>) {
        let asked: Vec<_> = (0_u32..)
            .zip(&self.workers)
            .map(|(number, link)| {
                let (reply, answer) = bounded(1);
                let is_sent = link.post.scans.try_send(Scan::new(question(), reply)).is_ok();
                (number, is_sent.then_some(answer))
            })
            .collect();
        let (mut answers, mut silent) = (Vec::new(), Vec::new());
        for (number, answer) in asked {
            match answer.map(|answer| answer.recv_timeout(THROUGH_THE_TABLE)) {
                Some(Ok(scan)) => answers.push((number, *scan)),
                Some(Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected)) | None => {
                    silent.push(number);
                }
            }
        }
        (answers, silent)
    }
}

impl Link {
    fn status(&self, worker: u32, now_ms: u64, (looked_ms, unseen_ms): (u64, u64)) -> WorkerStatus {
        let held_ms = self.silence.lock().held_ms().max(unseen_ms);
        let heard_ms = self.changed_ms.load(Ordering::Relaxed).min(looked_ms);
        let silent_ms = now_ms.saturating_sub(heard_ms);
        let state = if self.pulse.has_ended() {
            WorkerState::Ended
        } else if Duration::from_millis(held_ms) >= STUCK {
            WorkerState::Stuck
        } else {
            WorkerState::Running
        };
        WorkerStatus {
            worker,
            core: self.core,
            rounds: self.pulse.rounds(),
            silent_ms,
            held_ms,
            state,
            flows: self.counters.value(Counter::FlowsActive),
        }
    }

    /// The worker's own answer, else what can be seen from outside.
    fn counters(&self, worker: u32, counted: Option<Counted>, ports: &[String]) -> WorkerCounters {
        let exact = counted.is_some();
        let seen = || Counted {
            rounds: self.pulse.rounds(),
            polled: self.counters.value(Counter::Received),
            engine: self.counters.all().map(|(_, value)| value).collect(),
            ..Counted::default()
        };
        let counted = counted.unwrap_or_else(seen);
        let names = self.counters.all().map(|(name, _)| name.to_string());
        WorkerCounters {
            worker,
            core: self.core,
            exact,
            rounds: counted.rounds,
            busy_rounds: counted.busy_rounds,
            received: counted.polled,
            forwarded: counted.forwarded,
            not_forwarded: counted.not_forwarded,
            records_lost: counted.records_lost,
            engine: names.zip(counted.engine).collect::<BTreeMap<_, _>>(),
            queues: counted
                .lanes
                .iter()
                .map(|(interface, stats)| queue_counters(*interface, worker, stats, ports))
                .collect(),
        }
    }
}

fn queue_counters(interface: u16, queue: u32, stats: &IoStats, ports: &[String]) -> QueueCounters {
    QueueCounters {
        port: ports.get(usize::from(interface)).cloned().unwrap_or_default(),
        // A worker polls the queue of its own number of each port.
        queue,
        rx_packets: stats.rx_packets,
        rx_bytes: stats.rx_bytes,
        tx_packets: stats.tx_packets,
        tx_bytes: stats.tx_bytes,
        rx_errors: stats.rx_errors,
        tx_errors: stats.tx_errors,
    }
}

fn port_counters(name: &str, stats: &IoStats) -> PortCounters {
    PortCounters {
        port: name.to_owned(),
        rx_packets: stats.rx_packets,
        rx_bytes: stats.rx_bytes,
        rx_missed: stats.rx_missed,
        rx_errors: stats.rx_errors,
        rx_no_buffer: stats.rx_no_buffer,
        tx_packets: stats.tx_packets,
        tx_bytes: stats.tx_bytes,
        tx_errors: stats.tx_errors,
    }
}

/// A port without a driver of its own: what its queues say.
fn sum_of_queues(name: &str, workers: &[WorkerCounters]) -> PortCounters {
    let mut port = PortCounters { port: name.to_owned(), ..PortCounters::default() };
    let queues = workers.iter().flat_map(|worker| &worker.queues).filter(|queue| queue.port == name);
    for queue in queues {
        port.rx_packets += queue.rx_packets;
        port.rx_bytes += queue.rx_bytes;
        port.rx_errors += queue.rx_errors;
        port.tx_packets += queue.tx_packets;
        port.tx_bytes += queue.tx_bytes;
        port.tx_errors += queue.tx_errors;
    }
    port
}

fn flow_row(flow: &OpenFlow, worker: u32, names: &Names) -> FlowRow {
    let OpenFlow { identity, summary } = flow;
    let (client, server) = (identity.client, identity.client.opposite());
    let address = |side| match (identity.key.ip(side), identity.key.mac(side)) {
        (Some(ip), _) => ip.to_string(),
        (None, Some(mac)) => mac.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":"),
        (None, None) => String::new(),
    };
    let has_ports = identity.key.ip(client).is_some();
    let class = summary.class;
    FlowRow {
        id: identity.id,
        src: address(client),
        src_port: if has_ports { identity.key.port(client) } else { 0 },
        dst: address(server),
        dst_port: if has_ports { identity.key.port(server) } else { 0 },
        transport: export::eve::transport(identity).into_owned(),
        vlans: identity.vlans.into_iter().filter(|vlan| *vlan != 0).collect(),
        app: names.protocol(class.protocol).map(|name| name.name.to_string()).unwrap_or_default(),
        service: names.service(class.service).map(str::to_owned),
        confidence: class.confidence,
        tier: class.tier.name().to_owned(),
        state: summary.state.name().to_owned(),
        packets: summary.packets,
        bytes: summary.bytes,
        start_ns: summary.start_ns,
        last_ns: summary.end_ns,
        port: names.interface(identity.interface).unwrap_or_default().to_owned(),
        worker,
    }
}

fn protocol_table(names: &Names, open: &Tally, ended: &Tally) -> ProtocolTable {
    let none = [0; 3];
    let mut protocols: Vec<ProtocolRow> = names
        .protocols()
        .enumerate()
        .map(|(number, name)| {
            let [open_flows, open_packets, open_bytes] = *open.protocols.get(number).unwrap_or(&none);
            let [ended_flows, ended_packets, ended_bytes] = *ended.protocols.get(number).unwrap_or(&none);
            ProtocolRow {
                name: name.name.to_string(),
                title: name.title.to_string(),
                family: name.family.name().to_owned(),
                exposure: name.exposure.name().to_owned(),
                open_flows,
                open_packets,
                open_bytes,
                ended_flows,
                ended_packets,
                ended_bytes,
            }
        })
        .filter(|row| row.open_flows + row.ended_flows > 0)
        .collect();
    protocols.sort_by_key(|row| core::cmp::Reverse(row.open_bytes.saturating_add(row.ended_bytes)));
    let mut services: Vec<ServiceRow> = names
        .services()
        .enumerate()
        .map(|(at, name)| {
            let of = |tally: &Tally| tally.services.get(at + 1).copied().unwrap_or_default();
            let ([flows, bytes], [more_flows, more_bytes]) = (of(open), of(ended));
            ServiceRow {
                name: name.to_owned(),
                flows: flows.saturating_add(more_flows),
                bytes: bytes.saturating_add(more_bytes),
            }
        })
        .filter(|row| row.flows > 0)
        .collect();
    services.sort_by_key(|row| core::cmp::Reverse(row.bytes));
    services.truncate(ProtocolTable::MOST_SERVICES);
    ProtocolTable { protocols, services, ..ProtocolTable::default() }
}

fn unreachable(what: &str) -> Reason {
    Reason::Unreachable { what: what.to_owned(), message: "it does not answer in time".to_owned() }
}
