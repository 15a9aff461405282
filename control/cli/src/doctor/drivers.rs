//! What lets a program drive a card: IOMMU and VFIO.

use api::Config;

use super::finding::Finding;
use super::host::Host;
use super::needs_dpdk;
use super::repair::Repair;

/// Whether an IOMMU guards the memory from cards.
pub(super) fn iommu(host: &Host, config: Option<&Config>) -> Vec<Finding> {
    let why = "with an IOMMU a card that is driven from user space reaches only the memory it was given";
    let groups = host.names("sys/kernel/iommu_groups").len();
    if groups > 0 {
        return vec![Finding::ok("iommu", why, format!("{groups} groups"))];
    }
    if !needs_dpdk(config) {
        return vec![Finding::info("iommu", why, "none, and the configuration drives no card")];
    }
    let intel = host.read("proc/cpuinfo").is_none_or(|text| !text.contains("AuthenticAMD"));
    let parameter = if intel { "intel_iommu" } else { "amd_iommu" };
    if host.kernel_parameter(parameter).is_some_and(|value| value.starts_with("on")) {
        let seen = format!("the kernel was started with {parameter}=on and found none");
        return vec![Finding::warn(
            "iommu",
            why,
            seen,
            format!("turn on VT-d or AMD-Vi in the firmware\n{NO_IOMMU}"),
        )];
    }
    let wanted = if intel { "intel_iommu=on iommu=pt" } else { "iommu=pt" };
    let mend = format!(
        "add `{wanted}` to GRUB_CMDLINE_LINUX in /etc/default/grub, sudo update-grub, restart\n{NO_IOMMU}"
    );
    vec![Finding::warn("iommu", why, "no groups: off, or not there", mend)]
}

const NO_IOMMU: &str = "or go without: sudo modprobe vfio enable_unsafe_noiommu_mode=1";

/// The kernel's driver that hands a card to a program.
pub(super) fn vfio(host: &Host, config: Option<&Config>) -> Vec<Finding> {
    let why = "DPDK drives a card through vfio-pci, or through uio_pci_generic where there is no IOMMU";
    for (module, name) in DRIVERS {
        if host.module_is_loaded(module) || host.has(format!("sys/bus/pci/drivers/{name}")) {
            return vec![Finding::ok("vfio", why, format!("{name} is loaded"))];
        }
    }
    if !needs_dpdk(config) {
        return vec![Finding::info("vfio", why, "not loaded, and the configuration drives no card")];
    }
    for (module, name) in DRIVERS {
        if host.module_exists(name) || host.module_exists(module) {
            let mend = format!(
                "sudo modprobe {name} (at every start: echo {name} | sudo tee /etc/modules-load.d/{name}.conf)"
            );
            let repair = Repair::Run("modprobe", vec![name]);
            let seen = format!("{name} is not loaded");
            return vec![Finding::warn("vfio", why, seen, mend).mended_by([repair])];
        }
    }
    let seen = "this kernel has neither vfio-pci nor uio_pci_generic";
    let mend =
        "run a kernel with CONFIG_VFIO_PCI (Debian: sudo apt-get install linux-image-amd64), or use AF_XDP";
    vec![Finding::fail("vfio", why, seen, mend)]
}

/// Modules, with the names of their drivers, the best first.
const DRIVERS: [(&str, &str); 3] =
    [("vfio_pci", "vfio-pci"), ("uio_pci_generic", "uio_pci_generic"), ("igb_uio", "igb_uio")];
