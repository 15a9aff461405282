//! `wirewarden observe`: records as they are made.

use api::control::{Command, Message, Observe, Reply};
use clap::Args;
use serde_json::Value;

use super::{Output, Reach, Talk, Told, exit, odd, print, told};
use crate::exit::Exit;
use crate::look::{Ink, Look};
use crate::tell;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wirewarden observe
  wirewarden observe -f 'tls and not dst 10.0.0.0/8'
  wirewarden observe --types flow,dns -n 100 -o json | jq .")]
pub(crate) struct ObserveArgs {
    #[command(flatten)]
    reach: Reach,

    /// Only flows for which EXPR holds, and their events (see docs/filter.md)
    #[arg(long, short = 'f', value_name = "EXPR")]
    filter: Option<String>,

    /// Only these types of events, separated by commas
    #[arg(long, value_name = "TYPES", value_delimiter = ',')]
    types: Vec<String>,

    /// End after so many
    #[arg(long, short = 'n', value_name = "N")]
    number: Option<u64>,

    /// Events that wait when the terminal is slow; above that the oldest are dropped and counted
    #[arg(long, value_name = "N", default_value_t = Observe::USUAL_WAITING)]
    queue: u32,
}

pub(crate) fn observe(args: &ObserveArgs, no_color: bool) -> Exit {
    exit(run(args, no_color))
}

fn run(args: &ObserveArgs, no_color: bool) -> Result<Exit, Told> {
    let mut talk = Talk::open(&args.reach, no_color)?;
    let observe = Observe { filter: args.filter.clone(), types: args.types.clone(), queue: args.queue };
    let Reply::Observing { .. } = talk.ask(Command::Observe(observe))? else { return odd() };
    // Events come when they come.
    talk.client.set_timeout(None).map_err(|error| told(error.into()))?;
    let (mut shown, mut missed) = (0, 0);
    while args.number.is_none_or(|most| shown < most) {
        match talk.client.next_message().map_err(told)? {
            Message::Event { line, dropped, .. } => {
                if dropped > missed {
                    tell::error(&format!("{} events were dropped: too slow", dropped - missed));
                    missed = dropped;
                }
                print(&match talk.output {
                    Output::Json => format!("{line}\n"),
                    Output::Csv => csv(&line),
                    Output::Table => plain(&line, &talk.look),
                })?;
                shown += 1;
            }
            Message::Failed { failure, .. } => return Err(told(failure.into())),
            Message::Answer { .. } => {}
        }
    }
    Ok(if missed > 0 { Exit::Findings } else { Exit::Success })
}

/// What is shown of an event: time, type, ends, app, and the first few values of its own.
struct Parts {
    time: String,
    kind: String,
    ends: String,
    app: String,
    rest: String,
}

fn parts(line: &str) -> Option<Parts> {
    let event: Value = serde_json::from_str(line).ok()?;
    let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
    let port = |name: &str| event.get(name).map_or_else(String::new, |port| format!(":{port}"));
    let kind = text("event_type");
    let ends = format!("{}{} > {}{}", text("src_ip"), port("src_port"), text("dest_ip"), port("dest_port"));
    let own = event.get(&kind).and_then(Value::as_object);
    let rest: Vec<String> = own
        .into_iter()
        .flatten()
        .filter(|(_, value)| !value.is_object() && !value.is_array())
        .take(6)
        .map(|(name, value)| match value.as_str() {
            Some(text) => format!("{name}={text}"),
            None => format!("{name}={value}"),
        })
        .collect();
    Some(Parts { time: text("timestamp"), app: text("app_proto"), kind, ends, rest: rest.join(" ") })
}

fn plain(line: &str, look: &Look) -> String {
    let Some(parts) = parts(line) else { return String::new() };
    let time = parts.time.split('T').nth(1).map_or("", |time| time.get(..15).unwrap_or(time));
    let kind = format!("{:<8}", look.safe(&parts.kind));
    format!(
        "{} {} {} {} {}\n",
        look.paint(Ink::Faint, &look.safe(time)),
        look.paint(Ink::Heading, &kind),
        look.safe(&parts.ends),
        look.safe(&parts.app),
        look.paint(Ink::Faint, &look.safe(&parts.rest))
    )
}

fn csv(line: &str) -> String {
    let Some(parts) = parts(line) else { return String::new() };
    let quoted = |text: String| format!("\"{}\"", text.replace('"', "\"\""));
    let cells = [parts.time, parts.kind, parts.ends, parts.app, parts.rest].map(quoted);
    format!("{}\r\n", cells.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::look::{Characters, Colours};

    #[test]
    fn an_event_is_one_line_for_people() {
        let look = Look { width: 80, colours: Colours::None, characters: Characters::Ascii };
        let line = r#"{"timestamp":"2026-01-02T03:04:05.678901+0000","event_type":"tls","src_ip":"10.0.0.1","src_port":4000,"dest_ip":"10.0.0.2","dest_port":443,"app_proto":"tls","tls":{"sni":"a\u001b.example","ja4":{"x":1}}}"#;
        assert_eq!(
            plain(line, &look),
            "03:04:05.678901 tls      10.0.0.1:4000 > 10.0.0.2:443 tls sni=a?.example\n"
        );
        assert_eq!(plain("no json", &look), "");
    }
}
