use std::time::{Duration, Instant};

use serde::Serialize;

use crate::latency::Latency;

/// What was measured at one size.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    /// Bytes of the inner packet.
    pub(crate) size: usize,
    /// Rate of the time-stamp counter.
    pub(crate) tsc_hz: f64,
    pub(crate) rows: Vec<Row>,
    /// One packet alone.
    pub(crate) latency: Vec<Latency>,
    /// Several cores at once, where that was asked for.
    pub(crate) scaling: Vec<Scaling>,
}

/// What several cores do together.
#[derive(Debug, Serialize)]
pub(crate) struct Scaling {
    pub(crate) name: String,
    pub(crate) cores: u16,
    /// How many times one core.
    pub(crate) ratio: f64,
}

/// One contender.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// Median cycles of the time-stamp counter for a packet.
    pub(crate) cycles: f64,
    /// The same in nanoseconds.
    pub(crate) ns: f64,
    /// Inner bits a second.
    pub(crate) gbit: f64,
    /// How many times as fast as the peer that does the same, the median of the rounds.
    pub(crate) against: Option<(String, f64)>,
}

impl Figures {
    pub(crate) fn new(size: usize, hz: f64, names: &[&'static str], samples: &[Vec<f64>]) -> Self {
        let find =
            |wanted: &str| names.iter().position(|name| *name == wanted).and_then(|at| samples.get(at));
        let rows = names
            .iter()
            .zip(samples)
            .map(|(name, cycles)| {
                let median = median(cycles);
                let ns = median / hz * 1e9;
                let against = peer_of(name).and_then(|peer| {
                    let ratios: Vec<f64> =
                        find(peer)?.iter().zip(cycles).map(|(peer, own)| peer / own).collect();
                    Some((peer.to_owned(), self::median(&ratios)))
                });
                Row { name: (*name).to_owned(), cycles: median, ns, gbit: size as f64 * 8.0 / ns, against }
            })
            .collect();
        Self { size, tsc_hz: hz, rows, latency: Vec::new(), scaling: Vec::new() }
    }
}

/// Whom a contender is compared with: for a cipher alone, the processor itself.
fn peer_of(name: &str) -> Option<&'static str> {
    match name.split_once(' ')? {
        ("seal", rest) if rest != "boringtun" => Some("seal boringtun"),
        ("open", rest) if rest != "boringtun" => Some("open boringtun"),
        ("aead", _) => Some("bound aesenc"),
        _ => None,
    }
}

impl Row {
    pub(crate) const fn heading() -> &'static str {
        "bytes  what                        cycles       ns   Gbit/s   times as fast as"
    }

    pub(crate) fn text(&self, size: usize) -> String {
        let against =
            self.against.as_ref().map_or_else(String::new, |(name, ratio)| format!("{ratio:.2}  {name}"));
        format!(
            "{size:>5}  {:<24} {:>9.1} {:>8.1} {:>8.2}   {against}",
            self.name, self.cycles, self.ns, self.gbit
        )
    }
}

/// The middle one of the samples; 0 where there are none.
pub(crate) fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

/// Cycles a second of the time-stamp counter, the median of five short comparisons with the monotonic clock.
pub(crate) fn tsc_hz() -> f64 {
    let rates = core::array::from_fn::<f64, 5, _>(|_| {
        let (start, cycles) = (Instant::now(), mem_sys::cycles());
        while start.elapsed() < Duration::from_millis(20) {
            core::hint::spin_loop();
        }
        let (cycles, time) = (mem_sys::cycles() - cycles, start.elapsed());
        cycles as f64 / time.as_secs_f64()
    });
    median(&rates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_the_median_of_ratios_of_the_same_round() {
        let samples = [vec![10.0, 20.0, 90.0], vec![20.0, 60.0, 180.0]];
        let figures = Figures::new(100, 1e9, &["seal ipsec-mb", "seal boringtun"], &samples);
        assert_eq!(figures.rows[0].against, Some(("seal boringtun".to_owned(), 2.0)));
        assert_eq!(figures.rows[1].against, None);
        assert!((figures.rows[0].gbit - 40.0).abs() < 1e-9);
    }
}
