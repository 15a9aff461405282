//! What the data plane gives up before it opens a port: writing elsewhere than where its settings say, other programs, and
//! system calls that it never makes.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use api::Config;
use api::config::Device;
use confinement::{Confinement, Files, InForce, Programs};

use crate::Args;

/// Gives it up; tells what is in force.
pub(crate) fn enter(args: &Args, config: &Config) -> InForce {
    if let Some(why) = &args.unconfined {
        return InForce::nothing(why);
    }
    if let Some(cache) = &args.cache {
        // Later its parent could not be written to. What is wrong with it is told where it is opened.
        let _ = DirBuilder::new().mode(0o700).create(cache);
    }
    let files = Files::Below(writable(args, config));
    Confinement { files, programs: Programs::None, maps: true }.enter()
}

/// Where it may write.
fn writable(args: &Args, config: &Config) -> Vec<PathBuf> {
    let mut paths = vec![PathBuf::from(".")];
    paths.extend(args.writable.iter().cloned());
    paths.extend(args.cache.iter().cloned());
    paths.extend(args.control.as_deref().map(folder_of));
    #[cfg(feature = "xdp")]
    paths.extend(args.on_kernel_file.as_deref().map(folder_of));
    paths.extend(config.live.output.eve.iter().map(|output| folder_of(&output.path)));
    for port in &config.boot.ports {
        // Captures that a driver writes, sockets that it makes.
        if let Device::Vdev(text) = &port.device {
            let values = text.split(',').filter_map(|argument| Some(argument.split_once('=')?.1));
            paths
                .extend(values.filter(|value| value.starts_with('/')).map(|path| folder_of(Path::new(path))));
        }
    }
    // Files of DPDK: hugepages, and what programs beside it read.
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let of_hugepages = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let (folder, kind) = (words.nth(1)?, words.next()?);
        (kind == "hugetlbfs").then(|| PathBuf::from(folder))
    });
    paths.extend(of_hugepages);
    if !config.boot.memory.in_memory {
        paths.extend(["/run/dpdk", "/run", "/tmp/dpdk"].map(PathBuf::from));
    }
    paths
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn it_may_write_where_its_settings_say() {
        let args =
            ["x", "-c", "x.toml", "--control", "/run/w/plane.sock", "--cache", "/c", "--writable", "/more"];
        let args = Args::parse_from(args);
        let config = "version = 1\n[[boot.ports]]\nname = \"a\"\ndevice = \"net_memif0,role=server,socket=/s/m.sock\"\n\
                      [[live.output.eve]]\npath = \"/log/eve.json\"\n";
        let paths = writable(&args, &Config::from_toml(config, "").unwrap());
        for wanted in [".", "/run/w", "/c", "/more", "/s", "/log"] {
            assert!(paths.iter().any(|path| path == Path::new(wanted)), "{wanted}: {paths:?}");
        }
        assert_eq!(folder_of(Path::new("eve.json")), Path::new("."));
    }
}
