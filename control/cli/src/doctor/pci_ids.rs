//! Names of PCI vendors and devices, from the list that pciutils and others install.

use super::host::Host;

/// The list, where this machine has it.
#[derive(Debug)]
pub(super) struct PciIds {
    text: String,
}

impl PciIds {
    /// Reads the list.
    pub(super) fn of(host: &Host) -> Self {
        let places = ["usr/share/misc/pci.ids", "usr/share/hwdata/pci.ids"];
        Self { text: places.iter().find_map(|path| host.read(path)).unwrap_or_default() }
    }

    /// Vendor and device by their hexadecimal ids (`8086`, `1572`), as far as the list has them.
    pub(super) fn name(&self, vendor: &str, device: &str) -> String {
        let mut lines = self.text.lines().skip_while(|line| !starts_with_id(line, vendor));
        let Some(vendor_line) = lines.next() else { return format!("{vendor}:{device}") };
        // The vendor's devices are indented by one tab, up to the next vendor.
        let device_name = lines
            .take_while(|line| line.starts_with(['\t', '#']))
            .filter_map(|line| line.strip_prefix('\t'))
            .find(|line| starts_with_id(line, device))
            .map_or(device, after_id);
        format!("{} {device_name}", after_id(vendor_line))
    }
}

fn starts_with_id(line: &str, id: &str) -> bool {
    line.strip_prefix(id).is_some_and(|rest| rest.starts_with("  "))
}

fn after_id(line: &str) -> &str {
    line.split_once("  ").map_or(line, |(_, name)| name.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_looked_up_under_its_vendor_only() {
        let text = "# list\n1af4  Red Hat, Inc.\n\t1000  Virtio network device\n\t\t0000 0001  sub\n8086  Intel\n\t1572  X710\n";
        let ids = PciIds { text: text.to_owned() };
        assert_eq!(ids.name("8086", "1572"), "Intel X710");
        assert_eq!(ids.name("1af4", "1000"), "Red Hat, Inc. Virtio network device");
        assert_eq!(ids.name("8086", "1000"), "Intel 1000");
        assert_eq!(ids.name("ffff", "1000"), "ffff:1000");
    }
}
