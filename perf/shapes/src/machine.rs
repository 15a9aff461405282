//! What the figures were measured on.

use std::fs;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use serde::Serialize;

/// The machine, as far as it says what it is.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// Model name of the processor.
    pub cpu: String,
    /// Processors this program may run on.
    pub cores: usize,
    /// Clock as the kernel last saw it, MHz; in a virtual machine often only the nominal one.
    pub mhz: f64,
    /// Rate of the time-stamp counter, measured against the clock: what "cycles" are counted in.
    pub tsc_hz: f64,
    /// Level 2 and level 3 cache.
    pub caches: Vec<String>,
    /// Vector extensions that matter here.
    pub extensions: Vec<String>,
    /// Release of the kernel.
    pub kernel: String,
    /// Mode of transparent huge pages.
    pub transparent_huge_pages: String,
    /// Load average of the last minute before the measurement: above the number of cores, neighbours compete.
    pub load: String,
    /// Whether a hypervisor is below.
    pub is_virtual: bool,
}

impl Machine {
    /// Looks at this machine; takes a tenth of a second.
    #[must_use]
    pub fn describe() -> Self {
        let cpuinfo = text("/proc/cpuinfo");
        let flags = cpu_field(&cpuinfo, "flags");
        let has = |flag: &str| flags.split(' ').any(|other| other == flag);
        Self {
            cpu: cpu_field(&cpuinfo, "model name").to_owned(),
            cores: available_parallelism().map_or(1, Into::into),
            mhz: cpu_field(&cpuinfo, "cpu MHz").parse().unwrap_or(0.0),
            tsc_hz: tsc_hz(),
            caches: [2, 3].map(cache).into_iter().flatten().collect(),
            extensions: EXTENSIONS.iter().filter(|flag| has(flag)).map(|flag| (*flag).to_owned()).collect(),
            kernel: text("/proc/sys/kernel/osrelease"),
            transparent_huge_pages: chosen(&text("/sys/kernel/mm/transparent_hugepage/enabled")).to_owned(),
            load: text("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned(),
            is_virtual: has("hypervisor"),
        }
    }
}

fn text(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

/// Value of the first line of `/proc/cpuinfo` with this name.
fn cpu_field<'a>(cpuinfo: &'a str, name: &str) -> &'a str {
    cpuinfo
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == name)
        .map_or("", |(_, value)| value.trim())
}

/// The choice in brackets of a file of the kernel such as `always [madvise] never`.
fn chosen(choices: &str) -> &str {
    choices.split(' ').find_map(|word| word.strip_prefix('[')?.strip_suffix(']')).unwrap_or(choices)
}

fn cache(level: u8) -> Option<String> {
    (0..8).find_map(|index| {
        let folder = format!("/sys/devices/system/cpu/cpu0/cache/index{index}");
        let is_it = text(&format!("{folder}/level")) == level.to_string();
        is_it.then(|| format!("L{level} {}", text(&format!("{folder}/size"))))
    })
}

/// Cycles a second of the time-stamp counter, the median of five short comparisons with the monotonic clock; 0 where
/// there is no such counter.
fn tsc_hz() -> f64 {
    let rates = core::array::from_fn::<f64, 5, _>(|_| {
        let (start, cycles) = (Instant::now(), mem_sys::cycles());
        while start.elapsed() < COMPARISON {
            core::hint::spin_loop();
        }
        let (cycles, time) = (mem_sys::cycles() - cycles, start.elapsed());
        cycles as f64 / time.as_secs_f64()
    });
    crate::measure::median(&rates)
}

const COMPARISON: Duration = Duration::from_millis(20);
const EXTENSIONS: [&str; 6] = ["sse4_2", "avx2", "avx512f", "aes", "vaes", "vpclmulqdq"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let cpuinfo = "processor\t: 0\nmodel\t\t: 17\nmodel name\t: A CPU: fast\ncpu MHz\t\t: 2600.5\n";
        assert_eq!(cpu_field(cpuinfo, "model name"), "A CPU: fast");
        assert_eq!(cpu_field(cpuinfo, "cpu MHz").parse(), Ok(2600.5));
        assert_eq!(cpu_field(cpuinfo, "flags"), "");
        assert_eq!(chosen("always [madvise] never"), "madvise");
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn the_time_stamp_counter_runs_at_a_rate_of_processors() {
        let hz = tsc_hz();
        assert!((5e8..1e10).contains(&hz), "{hz}");
    }
}
