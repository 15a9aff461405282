//! Asks the appliance again and again on a thread of its own, so that keys never wait for an answer.

use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use api::control::{Client, ClientError, Command, FlowOrder, FlowPage, FlowQuery, Reason, Reply, Status};

use super::view::Sample;

/// How long an answer may take: a look through a large flow table takes seconds.
const ANSWER: Duration = Duration::from_secs(10);
/// Before the first new try where nobody listens, and the longest.
const RETRY: Duration = Duration::from_millis(250);
const LONGEST_RETRY: Duration = Duration::from_secs(2);
/// Open flows in the clear that are put together by server.
const CLEAR_FLOWS: u32 = 500;
/// Rows that no terminal is higher than.
const LARGEST_FLOWS: u32 = 100;

/// What the thread tells.
#[derive(Debug)]
pub(super) enum News {
    Sample(Box<Sample>),
    /// Nobody answers, for this reason.
    Gone(String),
}

/// Starts asking every `interval`; filters go in, news come out. It ends when either is dropped.
pub(super) fn start(socket: PathBuf, interval: Duration) -> io::Result<(Sender<String>, Receiver<News>)> {
    let (choose, chosen) = channel();
    let (tell, news) = sync_channel(2);
    let feed = Feed { socket, interval, chosen, tell, began: Instant::now(), filter: String::new() };
    thread::Builder::new().name("feed".to_owned()).spawn(move || feed.run())?;
    Ok((choose, news))
}

struct Feed {
    socket: PathBuf,
    interval: Duration,
    chosen: Receiver<String>,
    tell: SyncSender<News>,
    began: Instant,
    filter: String,
}

impl Feed {
    fn run(mut self) {
        let mut wait = RETRY;
        loop {
            let ended = match Client::connect(&self.socket, Some(ANSWER)) {
                Ok(mut client) => self.ask_on(&mut client, &mut wait),
                Err(error) => Some(error),
            };
            let Some(why) = ended else { return };
            if self.tell.send(News::Gone(why.to_string())).is_err() || !self.wait(wait) {
                return;
            }
            wait = (wait * 2).min(LONGEST_RETRY);
        }
    }

    /// Asks until there is no answer, which is given, or nobody wants any.
    fn ask_on(&mut self, client: &mut Client, wait: &mut Duration) -> Option<ClientError> {
        loop {
            let sample = match self.look(client) {
                Ok(sample) => sample,
                Err(error) => return Some(error),
            };
            *wait = RETRY;
            if self.tell.send(News::Sample(Box::new(sample))).is_err() || !self.wait(self.interval) {
                return None;
            }
        }
    }

    /// Waits, or until there is another filter; false where nobody is left to tell.
    fn wait(&mut self, time: Duration) -> bool {
        match self.chosen.recv_timeout(time) {
            Ok(filter) => self.filter = filter,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return false,
        }
        true
    }

    fn look(&self, client: &mut Client) -> Result<Sample, ClientError> {
        let mut sample = Sample { status: status(client)?, ..Sample::default() };
        match refusable(client.ask(Command::Counters))? {
            Ok(Reply::Counters(counters)) => sample.counters = Some(counters),
            Ok(_) => sample.silent = Some("an answer to something else: use programs of one release".into()),
            Err(reason) => sample.silent = Some(reason.to_string()),
        }
        if sample.counters.is_none() {
            return Ok(sample);
        }
        sample.at_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        if let Ok(Reply::Protocols(protocols)) = refusable(client.ask(Command::Protocols))? {
            sample.protocols = protocols;
        }
        // A data plane alone knows packets of tunnels, but not their keys.
        if let Ok(Reply::Tunnels(tunnels)) = refusable(client.ask(Command::Tunnels))? {
            sample.tunnels = tunnels.peers;
        }
        let mut filter = Some(self.filter.as_str()).filter(|filter| !filter.is_empty());
        match flows(client, filter.map(str::to_owned), LARGEST_FLOWS)? {
            Ok(page) => sample.largest = page,
            Err(Reason::Filter { message, .. }) => {
                sample.refused = Some(message);
                filter = None;
                sample.largest = flows(client, None, LARGEST_FLOWS)?.unwrap_or_default();
            }
            Err(_) => {}
        }
        let clear =
            filter.map_or_else(|| "cleartext".to_owned(), |filter| format!("cleartext and ({filter})"));
        sample.clear = flows(client, Some(clear), CLEAR_FLOWS)?.unwrap_or_default();
        Ok(sample)
    }
}

fn status(client: &mut Client) -> Result<Status, ClientError> {
    match client.ask(Command::Status)? {
        Reply::Status(status) => Ok(status),
        _ => Ok(Status::default()),
    }
}

fn flows(
    client: &mut Client,
    filter: Option<String>,
    limit: u32,
) -> Result<Result<FlowPage, Reason>, ClientError> {
    let query = FlowQuery { filter, limit, order: FlowOrder::Bytes };
    Ok(match refusable(client.ask(Command::Flows(query)))? {
        Ok(Reply::Flows(page)) => Ok(page),
        Ok(_) => Ok(FlowPage::default()),
        Err(reason) => Err(reason),
    })
}

/// A refusal is an answer: the connection is good.
fn refusable(answer: Result<Reply, ClientError>) -> Result<Result<Reply, Reason>, ClientError> {
    match answer {
        Ok(reply) => Ok(Ok(reply)),
        Err(ClientError::Failed(failure)) => Ok(Err(failure.reason)),
        Err(error) => Err(error),
    }
}
