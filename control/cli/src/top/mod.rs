//! `wirewarden top`: the running appliance at a glance, again every second.

mod canvas;
mod feed;
mod keys;
mod panels;
mod screen;
mod terminal;
mod view;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::env;
use std::io::{self, IsTerminal};
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::time::Duration;

use clap::Args;
use ratatui::crossterm::event::{self, Event};

use crate::exit::Exit;
use crate::live::Place;
use crate::look::Look;
use crate::tell;

use feed::News;
use keys::{Choices, Then};
use screen::Screen;
use terminal::{Held, Signalled};
use view::{Sample, View};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wirewarden top
  wirewarden top -f 'modbus or http' --interval 5
  wirewarden top --socket /run/wirewarden/dataplane.sock

Keys: q quits, p pauses, s sorts, r reverses, f filters flows, h helps. Needs a terminal of 80 columns and 24 lines to show
all; `wirewarden status`, `stats` and `drops` print the same once.")]
pub(crate) struct TopArgs {
    #[command(flatten)]
    place: Place,

    /// Only flows for which EXPR holds, in the lists of flows and servers (see docs/filter.md)
    #[arg(long, short = 'f', value_name = "EXPR", default_value = "", hide_default_value = true)]
    filter: String,

    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=3600))]
    interval: u64,
}

pub(crate) fn run(args: &TopArgs, no_color: bool) -> Exit {
    let is_dumb = env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() || is_dumb {
        tell::error(
            "top needs a terminal: `wirewarden status`, `wirewarden stats` and `wirewarden drops` print the same once",
        );
        return Exit::Usage;
    }
    let (choose, news) = match feed::start(args.place.socket(), Duration::from_secs(args.interval)) {
        Ok(started) => started,
        Err(error) => {
            tell::error(&format!("cannot start a thread: {error}"));
            return Exit::Unreachable;
        }
    };
    let mut top = Top::new(Look::of(&io::stdout(), no_color), choose, news);
    top.choose_filter(args.filter.trim());
    match top.show() {
        Ok(()) => Exit::Success,
        Err(error) => {
            tell::error(&format!("the terminal: {error}"));
            Exit::Unreachable
        }
    }
}

/// The picture and where its news come from.
struct Top {
    screen: Screen,
    /// The last look that had counters: rates are from it to the next.
    last: Option<Box<Sample>>,
    choose: Sender<String>,
    news: Receiver<News>,
}

/// How long a key waits at most while nothing happens, and a signal.
const LOOK_UP: Duration = Duration::from_millis(100);

impl Top {
    fn new(look: Look, choose: Sender<String>, news: Receiver<News>) -> Self {
        let screen = Screen {
            look,
            choices: Choices::default(),
            view: None,
            history: VecDeque::with_capacity(screen::REMEMBERED),
            gone: None,
            refused: None,
        };
        Self { screen, last: None, choose, news }
    }

    fn choose_filter(&mut self, filter: &str) {
        filter.clone_into(&mut self.screen.choices.filter);
        // A feed that has ended is noticed by its silence.
        let _ = self.choose.send(filter.to_owned());
    }

    /// Shows the picture until somebody wants no more.
    fn show(&mut self) -> io::Result<()> {
        let signalled = Signalled::listen()?;
        let mut held = Held::take()?;
        let mut is_changed = true;
        while !signalled.is_set() {
            is_changed |= self.take_news()?;
            if is_changed {
                let screen = &self.screen;
                held.terminal.draw(|frame| screen::draw(screen, frame.area(), frame.buffer_mut()))?;
                is_changed = false;
            }
            match next_event()? {
                Some(Event::Key(key)) => match self.screen.choices.press(key) {
                    Then::Quit => return Ok(()),
                    Then::Filter => self.choose_filter(&self.screen.choices.filter.clone()),
                    Then::Nothing => {}
                },
                Some(_) => {}
                None => continue,
            }
            is_changed = true;
        }
        Ok(())
    }

    /// Takes what came in; whether there was anything.
    fn take_news(&mut self) -> io::Result<bool> {
        let mut is_changed = false;
        loop {
            match self.news.try_recv() {
                Ok(News::Sample(sample)) => self.take(sample),
                Ok(News::Gone(why)) => self.screen.gone = Some(why),
                Err(TryRecvError::Empty) => return Ok(is_changed),
                Err(TryRecvError::Disconnected) => return Err(io::Error::other("its feed has ended")),
            }
            is_changed = true;
        }
    }

    fn take(&mut self, sample: Box<Sample>) {
        let screen = &mut self.screen;
        screen.refused.clone_from(&sample.refused);
        let view = View::between(self.last.as_deref(), &sample);
        if sample.counters.is_none() {
            // What was there stays, as old news.
            screen.gone = Some(view.warnings.first().cloned().unwrap_or_default());
            return;
        }
        screen.gone = None;
        let has_rates = self.last.is_some();
        self.last = Some(sample);
        if screen.choices.is_paused {
            return;
        }
        if has_rates {
            if screen.history.len() == screen::REMEMBERED {
                screen.history.pop_front();
            }
            screen.history.push_back(view.packets);
        }
        screen.view = Some(view);
    }
}

/// What was pressed, or none for a while.
fn next_event() -> io::Result<Option<Event>> {
    let next = || if event::poll(LOOK_UP)? { event::read().map(Some) } else { Ok(None) };
    match next() {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
        other => other,
    }
}
