use std::io::{self, Write};

use engine::CryptoClass;

use super::Usage;
use super::report::{Posture, Report};
use crate::figures;
use crate::look::{Ink, Look};

/// Writes the report for people, at most `top` rows a list.
pub(crate) fn write(report: &Report, look: &Look, top: usize, out: &mut dyn Write) -> io::Result<()> {
    let mut page = Page { look, top, out };
    page.overview(report)?;
    page.usages("Protocols", &report.protocols, report.total.bytes)?;
    page.usages("Services", &report.services, report.total.bytes)?;
    page.talkers(report)?;
    page.exposure(report)?;
    page.counts("Alerts", &report.alerts, Ink::Bad)?;
    page.counts("Anomalies", &report.anomalies, Ink::Warning)?;
    page.counts("Events", &report.events, Ink::Plain)?;
    page.accounting(report)
}

struct Page<'a> {
    look: &'a Look,
    top: usize,
    out: &'a mut dyn Write,
}

impl Page<'_> {
    fn overview(&mut self, report: &Report) -> io::Result<()> {
        let run = &report.run;
        let files = match run.files.as_slice() {
            [only] => self.look.safe(only),
            many => format!("{} files", many.len()),
        };
        let title = format!("wirewarden {}", env!("CARGO_PKG_VERSION"));
        let files = fit_end(&files, self.look.width.saturating_sub(title.len() + 3));
        writeln!(self.out, "{} {} {files}", self.look.paint(Ink::Heading, &title), self.look.dot())?;
        if let Some(filter) = &run.filter {
            let chosen =
                format!("{} of {} flows", figures::count(report.total.flows), figures::count(run.flows_seen));
            self.fact("filter", &self.look.safe(filter))?;
            self.fact("", &chosen)?;
        }
        let (packets, bytes) = (run.counter("packets.received"), run.counter("bytes.received"));
        self.fact("packets", &format!("{}, {}", figures::count(packets), figures::bytes(bytes)))?;
        if let Some(captured) = report.captured() {
            let mut text = figures::duration(captured);
            // Of several files the span is that between them.
            let bits =
                figures::per_second(bytes.saturating_mul(8), captured).filter(|_| run.files.len() == 1);
            if let Some(bits) = bits {
                text = format!("{text}, {} on average", rate(bits, "bit/s"));
            }
            self.fact("captured", &text)?;
        }
        let flows = match report.guessed {
            0 => figures::count(report.total.flows),
            guessed => format!(
                "{}, {} named by port only",
                figures::count(report.total.flows),
                figures::count(guessed)
            ),
        };
        self.fact("flows", &flows)?;
        let mut text = figures::duration(run.elapsed);
        if let Some(rates) = figures::per_second(packets, run.elapsed)
            .zip(figures::per_second(bytes.saturating_mul(8), run.elapsed))
            .filter(|_| packets > 0)
        {
            text = format!("{text}, {}, {}", rate(rates.0, "packets/s"), rate(rates.1, "bit/s"));
        }
        self.fact("read in", &text)
    }

    fn fact(&mut self, name: &str, text: &str) -> io::Result<()> {
        let name = self.look.paint(Ink::Faint, &format!("{name:<9}"));
        writeln!(self.out, "  {name} {}", fit(text, self.look.width.saturating_sub(12)))
    }

    /// A table of names with flows, packets, bytes, share of the bytes, and a bar of it.
    fn usages(&mut self, title: &str, rows: &[(String, Usage)], whole: u64) -> io::Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        self.usage_head(title)?;
        for (name, usage) in rows.iter().take(self.top) {
            self.usage_row(name, Ink::Plain, *usage, whole)?;
        }
        let rest = rows.iter().skip(self.top).fold(Usage::default(), |sum, (_, usage)| sum.plus(*usage));
        if rows.len() > self.top {
            self.usage_row(&format!("{} more", rows.len() - self.top), Ink::Faint, rest, whole)?;
        }
        Ok(())
    }

    fn usage_head(&mut self, title: &str) -> io::Result<()> {
        let name = self.name_columns();
        let title = self.look.paint(Ink::Heading, &pad(&fit(title, name + 2), name + 2));
        let heads = self.numbers("flows", "packets", "bytes", "share");
        writeln!(self.out, "\n{title}{}", self.look.paint(Ink::Faint, &heads))
    }

    fn usage_row(&mut self, name: &str, ink: Ink, usage: Usage, whole: u64) -> io::Result<()> {
        let columns = self.name_columns();
        let name = self.look.paint(ink, &pad(&fit(&self.look.safe(name), columns), columns));
        let numbers = self.numbers(
            &figures::count(usage.flows),
            &figures::count(usage.packets),
            &figures::bytes(usage.bytes),
            &figures::share(usage.bytes, whole),
        );
        let bar_columns = self.look.width.saturating_sub(2 + columns + numbers.len() + 1).min(MAX_BAR);
        let bar = self.look.paint(Ink::Bar, &self.look.bar(usage.bytes, whole, bar_columns));
        writeln!(self.out, "{}", format!("  {name}{numbers} {bar}").trim_end())
    }

    /// The columns of numbers; packets only where there is room.
    fn numbers(&self, flows: &str, packets: &str, bytes: &str, share: &str) -> String {
        if self.is_narrow() {
            format!("{flows:>8} {bytes:>9} {share:>7}")
        } else {
            format!("{flows:>8} {packets:>9} {bytes:>9} {share:>7}")
        }
    }

    const fn is_narrow(&self) -> bool {
        self.look.width < 60
    }

    /// Room for the longest name of an exposure, and more where the page is wide.
    const fn name_columns(&self) -> usize {
        if self.look.width < 80 { 18 } else { 24 }
    }

    fn talkers(&mut self, report: &Report) -> io::Result<()> {
        if report.talkers.is_empty() {
            return Ok(());
        }
        let title = if report.talkers_forgot { "Top talkers (approximate)" } else { "Top talkers" };
        let columns =
            report.talkers.iter().take(self.top).map(|(ip, _)| ip.to_string().len()).max().unwrap_or(0);
        let columns = columns.max(title.len().saturating_sub(2)).min(self.look.width.saturating_sub(30));
        let heads = format!("{:>8} {:>9} {:>9}", "flows", "sent", "received");
        let title = self.look.paint(Ink::Heading, &pad(title, columns + 2));
        writeln!(self.out, "\n{title}{}", self.look.paint(Ink::Faint, &heads))?;
        let bar_columns = self.look.width.saturating_sub(columns + 2 + 28 + 1).min(MAX_BAR);
        let most = report.talkers.first().map_or(0, |(_, traffic)| traffic.usage.bytes);
        for (address, traffic) in report.talkers.iter().take(self.top) {
            let bar = self.look.paint(Ink::Bar, &self.look.bar(traffic.usage.bytes, most, bar_columns));
            let line = format!(
                "  {}{:>8} {:>9} {:>9} {bar}",
                pad(&fit(&address.to_string(), columns), columns),
                figures::count(traffic.usage.flows),
                figures::bytes(traffic.sent),
                figures::bytes(traffic.usage.bytes.saturating_sub(traffic.sent)),
            );
            writeln!(self.out, "{}", line.trim_end())?;
        }
        Ok(())
    }

    /// What a copy of the wire gives away, today and later.
    fn exposure(&mut self, report: &Report) -> io::Result<()> {
        if report.exposure.is_empty() {
            return Ok(());
        }
        self.usage_head("Exposure")?;
        for row in &report.exposure {
            self.usage_row(row.posture.name(), ink_of(row.posture), row.usage, report.total.bytes)?;
            if matches!(row.posture, Posture::Class(CryptoClass::Cleartext | CryptoClass::Weak)) {
                let name =
                    |(name, usage): &(String, Usage)| format!("{name} {}", figures::count(usage.flows));
                let names = row.protocols.iter().map(name).collect::<Vec<_>>().join(", ");
                let list = fit(&self.look.safe(&names), self.look.width.saturating_sub(4));
                writeln!(self.out, "    {}", self.look.paint(Ink::Faint, &list))?;
            }
        }
        Ok(())
    }

    fn counts(&mut self, title: &str, rows: &[(String, u64)], ink: Ink) -> io::Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        writeln!(self.out, "\n{}", self.look.paint(Ink::Heading, title))?;
        for (name, count) in rows.iter().take(self.top) {
            let name = fit(&self.look.safe(name), self.look.width.saturating_sub(14));
            writeln!(self.out, "  {:>9}  {}", figures::count(*count), self.look.paint(ink, &name))?;
        }
        if rows.len() > self.top {
            let rest = rows.iter().skip(self.top).map(|(_, count)| count).sum();
            let more = format!("{} more", rows.len() - self.top);
            writeln!(self.out, "  {:>9}  {}", figures::count(rest), self.look.paint(Ink::Faint, &more))?;
        }
        Ok(())
    }

    /// Where every packet went, and what went wrong.
    fn accounting(&mut self, report: &Report) -> io::Result<()> {
        let run = &report.run;
        let drops = run.drops();
        self.counts(
            "Drops",
            &drops.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect::<Vec<_>>(),
            Ink::Warning,
        )?;
        let dropped: u64 = drops.iter().map(|(_, count)| count).sum();
        let (received, processed) = (run.counter("packets.received"), run.counter("packets.processed"));
        let held = run.counter("defrag.held");
        let mut sum =
            format!("{} processed + {} dropped", figures::grouped(processed), figures::grouped(dropped));
        if held > 0 {
            sum = format!("{sum} + {} held", figures::grouped(held));
        }
        let balanced = received == processed.saturating_add(dropped).saturating_add(held);
        let (sign, ink) = if balanced { ("=", Ink::Faint) } else { ("is not", Ink::Bad) };
        let line = format!("{} received {sign} {sum}", figures::grouped(received));
        writeln!(self.out, "\n{}", self.look.paint(ink, &line))?;
        if run.unjudged_events > 0 {
            let line = format!(
                "{} events were kept before their flow could be judged",
                figures::count(run.unjudged_events)
            );
            writeln!(self.out, "{}", self.look.paint(Ink::Warning, &line))?;
        }
        if let Some((lines, lost)) = run.eve {
            let line =
                format!("{} EVE records written, {} lost", figures::grouped(lines), figures::grouped(lost));
            writeln!(self.out, "{}", self.look.paint(if lost > 0 { Ink::Bad } else { Ink::Faint }, &line))?;
        }
        if run.interrupted {
            writeln!(
                self.out,
                "{}",
                self.look.paint(Ink::Warning, "interrupted: the files were not read to their end")
            )?;
        }
        Ok(())
    }
}

const fn ink_of(posture: Posture) -> Ink {
    match posture {
        Posture::Class(CryptoClass::Cleartext | CryptoClass::Weak) => Ink::Bad,
        Posture::Class(CryptoClass::QuantumVulnerable) => Ink::Warning,
        Posture::Class(CryptoClass::PostQuantum) => Ink::Good,
        Posture::Encrypted | Posture::Unknown => Ink::Plain,
    }
}

/// `1.23 Mbit/s`, `812 packets/s`.
fn rate(value: u64, unit: &str) -> String {
    let scaled = figures::bytes(value);
    let (number, size) = scaled.split_once(' ').unwrap_or((&scaled, "B"));
    let prefix = size.strip_suffix('B').unwrap_or_default();
    // Of packets people say "1.2 M packets/s".
    if unit.starts_with("bit") {
        format!("{number} {prefix}{unit}")
    } else {
        format!("{number} {prefix} {unit}").replace("  ", " ")
    }
}

/// Cuts text to a number of columns, and shows that it was cut.
fn fit(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    let kept: String = text.chars().take(columns.saturating_sub(2)).collect();
    format!("{kept}..")
}

/// The same from the left, for paths: their end tells more than their start.
fn fit_end(text: &str, columns: usize) -> String {
    let length = text.chars().count();
    if length <= columns {
        return text.to_owned();
    }
    let kept: String = text.chars().skip(length - columns.saturating_sub(2)).collect();
    format!("..{kept}")
}

fn pad(text: &str, columns: usize) -> String {
    let missing = columns.saturating_sub(text.chars().count());
    format!("{text}{}", " ".repeat(missing))
}

const MAX_BAR: usize = 40;
