use core::fmt;
use core::str::FromStr;

/// A device as DPDK names it: a PCI address or a virtual device, with the driver's arguments.
///
/// `0000:03:00.0`, `03:00.0,arg=value`, `net_pcap0,rx_pcap=in.pcap`, `net_af_packet0,iface=eth0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    bus: Bus,
    arguments: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Bus {
    Pci(PciAddress),
    Virtual(String),
}

/// Why a text names no device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// There is no name before the arguments.
    #[error("a device needs a name: a PCI address (0000:03:00.0) or a virtual device (net_pcap0)")]
    Empty,
    /// The name has a character that no device name has.
    #[error("device name {name:?} has a character other than letters, digits, `_` and `-`")]
    BadName {
        /// The name.
        name: String,
    },
    /// The name is longer than DPDK stores.
    #[error("device name {name:?} is longer than {NAME_MAX} bytes")]
    LongName {
        /// The name.
        name: String,
    },
    /// The arguments have a control character.
    #[error("the arguments {arguments:?} have a control character")]
    BadArguments {
        /// The arguments.
        arguments: String,
    },
}

impl Device {
    /// The name of its port: the PCI address in full, or the virtual device's name.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.bus {
            Bus::Pci(address) => address.to_string(),
            Bus::Virtual(name) => name.clone(),
        }
    }

    /// The driver's arguments, comma-separated; empty where there are none.
    #[must_use]
    pub fn arguments(&self) -> &str {
        self.arguments.as_deref().unwrap_or_default()
    }

    /// Whether it is on the PCI bus.
    #[must_use]
    pub fn is_pci(&self) -> bool {
        matches!(self.bus, Bus::Pci(_))
    }
}

impl From<PciAddress> for Device {
    fn from(address: PciAddress) -> Self {
        Self { bus: Bus::Pci(address), arguments: None }
    }
}

impl FromStr for Device {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        let (name, arguments) = match text.trim().split_once(',') {
            Some((name, arguments)) => (name.trim(), Some(arguments.to_owned())),
            None => (text.trim(), None),
        };
        if let Some(arguments) = arguments.as_ref().filter(|text| text.chars().any(char::is_control)) {
            return Err(DeviceError::BadArguments { arguments: arguments.clone() });
        }
        if let Ok(address) = name.parse() {
            return Ok(Self { bus: Bus::Pci(address), arguments });
        }
        if name.is_empty() {
            return Err(DeviceError::Empty);
        }
        if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
            return Err(DeviceError::BadName { name: name.to_owned() });
        }
        if name.len() > NAME_MAX {
            return Err(DeviceError::LongName { name: name.to_owned() });
        }
        Ok(Self { bus: Bus::Virtual(name.to_owned()), arguments })
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())?;
        match &self.arguments {
            Some(arguments) => write!(f, ",{arguments}"),
            None => Ok(()),
        }
    }
}

/// Where a device is on the PCI bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PciAddress {
    /// PCI domain, up to 32 bits on some hosts.
    pub domain: u32,
    /// Bus number.
    pub bus: u8,
    /// Device number, 0 to 31.
    pub device: u8,
    /// Function number, 0 to 7.
    pub function: u8,
}

/// The text is no PCI address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a PCI address like 0000:03:00.0")]
pub struct NotPciAddress;

impl FromStr for PciAddress {
    type Err = NotPciAddress;

    fn from_str(text: &str) -> Result<Self, NotPciAddress> {
        let (rest, function) = text.rsplit_once('.').ok_or(NotPciAddress)?;
        let (rest, device) = rest.rsplit_once(':').ok_or(NotPciAddress)?;
        let (domain, bus) = rest.rsplit_once(':').unwrap_or(("0", rest));
        let hex = |digits: &str, longest: usize, max: u32| {
            let plain =
                (1..=longest).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
            let value = u32::from_str_radix(digits, 16).ok().filter(|value| plain && *value <= max);
            value.ok_or(NotPciAddress)
        };
        let byte = |digits, longest, max| u8::try_from(hex(digits, longest, max)?).map_err(|_| NotPciAddress);
        Ok(Self {
            domain: hex(domain, 8, u32::MAX)?,
            bus: byte(bus, 2, 0xff)?,
            device: byte(device, 2, 31)?,
            function: byte(function, 1, 7)?,
        })
    }
}

impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:02x}:{:02x}.{:x}", self.domain, self.bus, self.device, self.function)
    }
}

/// Longest name of a port (`RTE_ETH_NAME_MAX_LEN` without its NUL).
const NAME_MAX: usize = 63;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_pci_address_names_the_port_in_full() {
        let device: Device = "3:00.1".parse().unwrap();
        assert_eq!(device.name(), "0000:03:00.1");
        assert!(device.is_pci());
        assert_eq!("10000:e1:1f.7,a=b".parse::<Device>().unwrap().to_string(), "10000:e1:1f.7,a=b");
    }

    #[test]
    fn a_virtual_device_keeps_its_arguments() {
        let device: Device = "net_pcap0,rx_pcap=a.pcap,tx_pcap=b.pcap".parse().unwrap();
        assert_eq!(device.name(), "net_pcap0");
        assert!(!device.is_pci());
        assert_eq!(device.to_string(), "net_pcap0,rx_pcap=a.pcap,tx_pcap=b.pcap");
    }

    #[test]
    fn what_is_not_a_device_is_refused() {
        assert_eq!("".parse::<Device>(), Err(DeviceError::Empty));
        assert_eq!(",rx_pcap=a".parse::<Device>(), Err(DeviceError::Empty));
        for text in ["03:00", "03:20.0", "03:00.8", "g3:00.0", "+3:00.0", "net null", "net_null0\0"] {
            assert!(matches!(text.parse::<Device>(), Err(DeviceError::BadName { .. })), "{text:?}");
        }
        assert!(matches!("net_pcap0,rx_pcap=a\0b".parse::<Device>(), Err(DeviceError::BadArguments { .. })));
        assert!(matches!("n".repeat(64).parse::<Device>(), Err(DeviceError::LongName { .. })));
    }
}
