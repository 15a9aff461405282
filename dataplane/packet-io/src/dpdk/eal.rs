use core::ffi::{c_char, c_int};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::ffi::CString;
use std::fs;
use std::sync::Arc;
#[expect(clippy::disallowed_types, reason = "taken where ports start and stop, never by a packet core")]
use std::sync::Mutex;

use super::device::Device;
use super::error::{DpdkError, Errno};
use super::pool::RawPool;
use super::port::port_of;
use super::thread::CoreId;

/// What DPDK is started with.
#[derive(Clone, Debug)]
pub struct EalConfig {
    /// Core of the thread that starts DPDK; workers are threads of their own, see [`Eal::register_thread`].
    pub main_core: CoreId,
    /// Where packet buffers live.
    pub memory: Memory,
    /// What DPDK writes to the file system.
    pub files: RuntimeFiles,
    /// The devices that may be used; the PCI bus is not even looked at where none is on it.
    pub devices: Vec<Device>,
    /// What DPDK writes to the standard error.
    pub log_level: LogLevel,
}

impl EalConfig {
    /// These devices, hugepages, nothing on the file system, errors only, and core 0.
    #[must_use]
    pub fn new(devices: Vec<Device>) -> Self {
        Self {
            main_core: CoreId(0),
            memory: Memory::Hugepages { mib: None },
            files: RuntimeFiles::InMemory,
            devices,
            log_level: LogLevel::Error,
        }
    }
}

/// Where packet buffers live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// Hugepages; taken as needed, or `mib` MiB of them at the start.
    Hugepages {
        /// MiB to take at the start.
        mib: Option<u32>,
    },
    /// Ordinary memory, `mib` MiB at the start; about 0.7 of the speed, and virtual devices only.
    NoHuge {
        /// MiB in all.
        mib: u32,
    },
}

impl Memory {
    /// Hugepages where `mib` MiB of them are free, ordinary memory otherwise.
    #[must_use]
    pub fn detect(mib: u32) -> Self {
        if free_hugepages_mib() >= u64::from(mib) {
            Self::Hugepages { mib: None }
        } else {
            Self::NoHuge { mib }
        }
    }
}

/// What DPDK writes to the file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuntimeFiles {
    /// Nothing: several processes need no names of their own.
    InMemory,
    /// Hugepages and state as files of this prefix, for secondary processes.
    Prefix(String),
}

/// What DPDK writes to the standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Errors only.
    Error,
    /// And warnings.
    Warning,
    /// And what is normal but worth a note.
    Notice,
    /// And what it does.
    Info,
    /// Everything.
    Debug,
}

impl LogLevel {
    fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

/// The DPDK environment of this process; clones are handles to the same one.
///
/// DPDK is cleaned up when the last handle is gone (ports, queues and registered threads hold one each), if that
/// happens on the thread that started it and every packet buffer is back in its pool. It is left to the end of the
/// process otherwise: a buffer may still point into its memory.
#[derive(Clone, Debug)]
pub struct Eal {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    main_lcore: u32,
    names: AtomicU32,
    #[expect(clippy::disallowed_types, reason = "taken where ports start and stop, never by a packet core")]
    held: Mutex<Held>,
    // DPDK keeps pointers into its arguments.
    _arguments: Vec<CString>,
}

/// What ports hold.
#[derive(Debug, Default)]
struct Held {
    started: Vec<u16>,
    pools: Vec<RawPool>,
}

static STARTED: AtomicBool = AtomicBool::new(false);

impl Eal {
    /// Starts DPDK on the calling thread, which it pins to the main core, and probes the devices.
    ///
    /// # Errors
    /// A [`DpdkError`] that says what to do; once DPDK itself refused, this process cannot try again.
    pub fn init(config: &EalConfig) -> Result<Self, DpdkError> {
        check_layout()?;
        check_devices(&config.devices)?;
        check_memory(config)?;
        let arguments = arguments(config)?;
        if STARTED.swap(true, Ordering::AcqRel) {
            return Err(DpdkError::AlreadyStarted);
        }
        let mut argv: Vec<*mut c_char> = arguments.iter().map(|text| text.as_ptr().cast_mut()).collect();
        let count =
            c_int::try_from(argv.len()).map_err(|_| DpdkError::EalInit { errno: Errno(libc::E2BIG) })?;
        argv.push(core::ptr::null_mut());
        // SAFETY: `argv` has `count` NUL-terminated strings, of which DPDK changes the order at most, and the strings
        // live as long as the environment.
        let result = unsafe { dpdk_sys::rte_eal_init(count, argv.as_mut_ptr()) };
        if result < 0 {
            return Err(DpdkError::EalInit { errno: Errno::last() });
        }
        // SAFETY: reads a thread-local variable, which `rte_eal_init` has set for this thread.
        let main_lcore = unsafe { dpdk_sys::dpdk_shim_lcore_id() };
        let eal = Self {
            inner: Arc::new(Inner {
                main_lcore,
                names: AtomicU32::new(0),
                #[expect(clippy::disallowed_types, reason = "taken where ports start and stop")]
                held: Mutex::new(Held::default()),
                _arguments: arguments,
            }),
        };
        for device in &config.devices {
            attach(device)?;
            port_of(device)?;
        }
        Ok(eal)
    }

    /// A name for a pool or ring, unlike any other of this process.
    pub(super) fn unique_name(&self, kind: &str) -> Result<CString, DpdkError> {
        c_string(format!("ww_{kind}_{}", self.inner.names.fetch_add(1, Ordering::Relaxed)))
    }

    /// Notes a port as started; `false` if it was.
    pub(super) fn claim_port(&self, port: u16) -> bool {
        self.with_held(|held| {
            let free = !held.started.contains(&port);
            if free {
                held.started.push(port);
            }
            free
        })
    }

    /// Notes a port as closed.
    pub(super) fn release_port(&self, port: u16) {
        self.with_held(|held| held.started.retain(|started| *started != port));
    }

    /// Keeps a pool until all ports are closed: one port's buffers wait in another's transmit queue.
    pub(super) fn keep_pool(&self, pool: RawPool) {
        self.with_held(|held| held.pools.push(pool));
    }

    fn with_held<T>(&self, change: impl FnOnce(&mut Held) -> T) -> T {
        change(&mut self.inner.held.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // SAFETY: reads a thread-local variable.
        let here = unsafe { dpdk_sys::dpdk_shim_lcore_id() };
        // Registered threads hold a handle, so none but this one has a cache, and the counts of the pools are exact.
        let held = self.held.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        if here != self.main_lcore || held.pools.iter().any(|pool| pool.in_use() > 0) {
            return;
        }
        for pool in held.pools.drain(..) {
            pool.free();
        }
        // SAFETY: no port, queue, registered thread or buffer is left, and this is the thread that started DPDK.
        unsafe { dpdk_sys::rte_eal_cleanup() };
    }
}

/// Hugepages of any size that are free on this machine, MiB.
#[must_use]
pub fn free_hugepages_mib() -> u64 {
    let Ok(sizes) = fs::read_dir("/sys/kernel/mm/hugepages") else { return 0 };
    let of_size = |entry: fs::DirEntry| {
        let name = entry.file_name();
        let kib: u64 = name.to_str()?.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
        let free: u64 = fs::read_to_string(entry.path().join("free_hugepages")).ok()?.trim().parse().ok()?;
        Some(free.saturating_mul(kib) / 1024)
    };
    sizes.filter_map(Result::ok).filter_map(of_size).sum()
}

fn check_layout() -> Result<(), DpdkError> {
    match dpdk_sys::layout_mismatch() {
        None => Ok(()),
        Some(dpdk_sys::LayoutMismatch { name, rust, c }) => Err(DpdkError::Layout { name, rust, c }),
    }
}

fn check_devices(devices: &[Device]) -> Result<(), DpdkError> {
    if devices.is_empty() {
        return Err(DpdkError::NoPorts);
    }
    let mut names: Vec<String> = devices.iter().map(Device::name).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair.first() == pair.last()).and_then(<[_]>::first) {
        Some(name) => Err(DpdkError::DuplicateDevice { name: name.clone() }),
        None => Ok(()),
    }
}

fn check_memory(config: &EalConfig) -> Result<(), DpdkError> {
    let Memory::Hugepages { .. } = config.memory else { return Ok(()) };
    if free_hugepages_mib() == 0 {
        return Err(DpdkError::NoHugepages);
    }
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let mounted = mounts.lines().any(|line| line.split(' ').nth(2) == Some("hugetlbfs"));
    if config.files != RuntimeFiles::InMemory && !mounted {
        return Err(DpdkError::NoHugetlbfs);
    }
    Ok(())
}

/// The command line that DPDK wants.
fn arguments(config: &EalConfig) -> Result<Vec<CString>, DpdkError> {
    let mut words = vec![
        "wirewarden".to_owned(),
        format!("--lcores=0@{}", config.main_core.0),
        "--no-telemetry".to_owned(),
        format!("--log-level={}", config.log_level.name()),
    ];
    match config.memory {
        Memory::Hugepages { mib: None } => {}
        Memory::Hugepages { mib: Some(mib) } => words.push(format!("-m{mib}")),
        Memory::NoHuge { mib } => words.extend(["--no-huge".to_owned(), format!("-m{mib}")]),
    }
    match (&config.files, config.memory) {
        (RuntimeFiles::InMemory, Memory::Hugepages { .. }) => words.push("--in-memory".to_owned()),
        // DPDK takes `--in-memory` for hugepages only; this is what is left of it.
        (RuntimeFiles::InMemory, Memory::NoHuge { .. }) => words.push("--no-shconf".to_owned()),
        (RuntimeFiles::Prefix(prefix), _) => words.push(format!("--file-prefix={prefix}")),
    }
    if !config.devices.iter().any(Device::is_pci) {
        words.push("--no-pci".to_owned());
    }
    words.extend(
        config.devices.iter().filter(|device| device.is_pci()).map(|device| format!("--allow={device}")),
    );
    words.into_iter().map(c_string).collect()
}

/// Makes a virtual device. DPDK would do it by itself, but not say which one it refused, and why.
fn attach(device: &Device) -> Result<(), DpdkError> {
    if device.is_pci() {
        return Ok(());
    }
    let name = c_string(device.name())?;
    let arguments = c_string(device.arguments().to_owned())?;
    // SAFETY: DPDK is started, and copies the three strings.
    let result =
        unsafe { dpdk_sys::rte_eal_hotplug_add(c"vdev".as_ptr(), name.as_ptr(), arguments.as_ptr()) };
    match Errno::check(result) {
        Ok(_) => Ok(()),
        Err(errno) => Err(DpdkError::DeviceRefused { device: device.clone(), errno }),
    }
}

pub(super) fn c_string(text: String) -> Result<CString, DpdkError> {
    CString::new(text).map_err(|error| {
        let argument = String::from_utf8_lossy(&error.into_vec()).into_owned();
        DpdkError::Nul { argument }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(devices: &[&str]) -> EalConfig {
        EalConfig::new(devices.iter().map(|text| text.parse().unwrap()).collect())
    }

    fn words(config: &EalConfig) -> Vec<String> {
        arguments(config).unwrap().into_iter().map(|word| word.into_string().unwrap()).collect()
    }

    #[test]
    fn without_a_pci_device_the_bus_is_left_alone() {
        let words = words(&config(&["net_null0", "net_null1,size=9000"]));
        assert!(words.contains(&"--no-pci".to_owned()));
        assert!(words.contains(&"--in-memory".to_owned()));
    }

    #[test]
    fn pci_devices_are_allowed_one_by_one() {
        let words = words(&config(&["03:00.0", "net_null0"]));
        assert!(words.contains(&"--allow=0000:03:00.0".to_owned()));
        assert!(!words.contains(&"--no-pci".to_owned()));
    }

    #[test]
    fn ordinary_memory_is_asked_for_by_name() {
        let config = EalConfig { memory: Memory::NoHuge { mib: 64 }, ..config(&["net_null0"]) };
        let words = words(&config);
        assert!(words.contains(&"--no-huge".to_owned()) && words.contains(&"-m64".to_owned()));
        assert!(words.contains(&"--no-shconf".to_owned()) && !words.contains(&"--in-memory".to_owned()));
    }

    #[test]
    fn no_device_and_the_same_device_twice_are_refused() {
        assert!(matches!(Eal::init(&config(&[])), Err(DpdkError::NoPorts)));
        let twice = config(&["03:00.0", "0000:03:00.0,x=1"]);
        assert!(
            matches!(Eal::init(&twice), Err(DpdkError::DuplicateDevice { name }) if name == "0000:03:00.0")
        );
    }

    #[test]
    fn a_nul_byte_cannot_cut_an_argument() {
        let files = RuntimeFiles::Prefix("a\0b".to_owned());
        let config = EalConfig { files, ..config(&["net_null0"]) };
        assert!(matches!(arguments(&config), Err(DpdkError::Nul { .. })));
    }
}
