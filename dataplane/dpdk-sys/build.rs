//! Finds the system's libdpdk, compiles the shim with the flags DPDK asks for, and generates the bindings.
//!
//! pkg-config is run by hand: the crate of that name drops `-include rte_config.h` and `-march=…`, without which the
//! inline functions do not compile, or compile to another layout.

use std::env;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// Oldest release whose names are the ones used here.
const OLDEST: &str = "22.11";

/// Libraries whose symbols the bindings name; drivers are loaded at run time by the EAL.
const LIBRARIES: [&str; 6] = ["rte_ethdev", "rte_mbuf", "rte_mempool", "rte_ring", "rte_eal", "rte_kvargs"];

/// What the Rust side may call; everything else stays out of the bindings.
const FUNCTIONS: [&str; 43] = [
    "dpdk_shim_.*",
    "rte_eal_init",
    "rte_eal_cleanup",
    "rte_eal_hotplug_add",
    "rte_strerror",
    "rte_version",
    "rte_thread_register",
    "rte_thread_unregister",
    "rte_pktmbuf_pool_create",
    "rte_pktmbuf_free_bulk",
    "rte_mempool_free",
    "rte_mempool_in_use_count",
    "rte_mempool_avail_count",
    "rte_mbuf_dynfield_lookup",
    "rte_mbuf_dynflag_lookup",
    "rte_ring_create",
    "rte_ring_free",
    "rte_ring_get_capacity",
    "rte_eth_dev_count_avail",
    "rte_eth_find_next",
    "rte_eth_dev_get_port_by_name",
    "rte_eth_dev_get_name_by_port",
    "rte_eth_dev_info_get",
    "rte_eth_dev_socket_id",
    "rte_eth_dev_configure",
    "rte_eth_dev_adjust_nb_rx_tx_desc",
    "rte_eth_rx_queue_setup",
    "rte_eth_tx_queue_setup",
    "rte_eth_dev_start",
    "rte_eth_dev_stop",
    "rte_eth_dev_close",
    "rte_eth_promiscuous_enable",
    "rte_eth_allmulticast_enable",
    "rte_eth_macaddr_get",
    "rte_eth_dev_get_mtu",
    "rte_eth_stats_get",
    "rte_eth_stats_reset",
    "rte_eth_xstats_get",
    "rte_eth_xstats_get_names",
    "rte_eth_dev_rss_hash_conf_get",
    "rte_eth_dev_rss_reta_query",
    "rte_eth_dev_is_valid_port",
    "rte_eth_dev_is_removed",
];

/// Constants of `shim.h`, and limits of array lengths.
const VARIABLES: [&str; 14] = [
    "MBUF_.*",
    "RX_.*",
    "PTYPE_.*",
    "MQ_RX_.*",
    "RSS_.*",
    "PORTS_MAX",
    "RING_S._.*",
    "MEMPOOL_CACHE_MAX",
    "NUMA_ANY",
    "LCORE_UNKNOWN",
    "LINK_SPEED_.*",
    "LAYOUT_.*",
    "RTE_ETH_NAME_MAX_LEN",
    "RTE_ETH_XSTATS_NAME_SIZE",
];

/// Structures that `src/opaque.rs` and `src/mbuf.rs` declare.
const OURS: [&str; 4] = ["rte_mbuf", "rte_mempool", "rte_ring", "rte_device"];

fn main() -> ExitCode {
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            // Cargo shows a build script's standard error when it fails.
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "\nerror: dpdk-sys: {problem}\n");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<(), String> {
    for path in ["build.rs", "shim/shim.h", "shim/shim.c"] {
        println!("cargo::rerun-if-changed={path}");
    }
    for name in ["PKG_CONFIG", "PKG_CONFIG_PATH", "PKG_CONFIG_LIBDIR", "PKG_CONFIG_SYSROOT_DIR"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    let version = pkg_config(&["--modversion"])?;
    if pkg_config(&[&format!("--atleast-version={OLDEST}")]).is_err() {
        return Err(format!("libdpdk {} is too old: {OLDEST} or later is needed", version.join(" ")));
    }
    let cflags = pkg_config(&["--cflags"])?;
    compile_shim(&cflags)?;
    generate_bindings(&cflags)?;
    link()
}

/// Words that `pkg-config ARGUMENTS libdpdk` prints.
fn pkg_config(arguments: &[&str]) -> Result<Vec<String>, String> {
    let program = env::var("PKG_CONFIG").unwrap_or_else(|_| "pkg-config".to_owned());
    let output = Command::new(&program).args(arguments).arg("libdpdk").output().map_err(|error| {
        format!("cannot run `{program}` ({error}): install pkg-config and libdpdk-dev (apt-get install pkg-config libdpdk-dev)")
    })?;
    if !output.status.success() {
        return Err(format!(
            "libdpdk was not found: install libdpdk-dev (apt-get install libdpdk-dev), or build without the feature `dpdk`\n{}",
            String::from_utf8_lossy(&output.stderr).trim()
        ));
    }
    Ok(String::from_utf8_lossy(&output.stdout).split_whitespace().map(str::to_owned).collect())
}

fn compile_shim(cflags: &[String]) -> Result<(), String> {
    let mut shim = cc::Build::new();
    shim.file("shim/shim.c").opt_level(3).warnings(true);
    // In their order: `-include` is followed by its argument. System headers, since their warnings are not ours.
    for flag in cflags {
        match flag.strip_prefix("-I") {
            Some(folder) => shim.flag("-isystem").flag(folder),
            None => shim.flag(flag),
        };
    }
    shim.try_compile("wirewarden_dpdk_shim").map_err(|error| format!("the C shim does not compile: {error}"))
}

fn generate_bindings(cflags: &[String]) -> Result<(), String> {
    let mut builder = bindgen::Builder::default()
        .header("shim/shim.h")
        .clang_args(cflags)
        .allowlist_recursively(true)
        .default_enum_style(bindgen::EnumVariation::Consts)
        .prepend_enum_name(false)
        .generate_comments(false)
        .formatter(bindgen::Formatter::None)
        .derive_debug(false)
        .derive_default(false)
        .size_t_is_usize(true)
        .parse_callbacks(Box::new(bindgen::CargoCallbacks::new()));
    for name in FUNCTIONS {
        builder = builder.allowlist_function(name);
    }
    for name in VARIABLES {
        builder = builder.allowlist_var(name);
    }
    for name in OURS {
        builder = builder.blocklist_type(name);
    }
    let bindings = builder.generate().map_err(|error| {
        format!("bindgen failed (it needs libclang: apt-get install libclang-dev): {error}")
    })?;
    let out = PathBuf::from(env::var("OUT_DIR").map_err(|error| format!("OUT_DIR: {error}"))?);
    bindings.write_to_file(out.join("bindings.rs")).map_err(|error| format!("bindings.rs: {error}"))
}

/// Links what the bindings name, dynamically; rustc asks the linker to leave out what no symbol is used of.
fn link() -> Result<(), String> {
    for word in pkg_config(&["--libs-only-L"])? {
        if let Some(folder) = word.strip_prefix("-L") {
            println!("cargo::rustc-link-search=native={folder}");
        }
    }
    for library in LIBRARIES {
        println!("cargo::rustc-link-lib=dylib={library}");
    }
    Ok(())
}
