use std::collections::BTreeMap;

/// Names of the capture interfaces met so far; [`PacketMeta::interface`](crate::PacketMeta) is an index into them.
///
/// Interfaces of one name are one, in whichever file they occur: captures that were rotated into several files go on.
#[derive(Debug, Default)]
pub(crate) struct Interfaces {
    names: Vec<String>,
    numbers: BTreeMap<String, u16>,
}

/// Most names kept; whatever comes after is called [`FURTHER`].
const MOST_NAMES: usize = 4_096;

/// The name that all interfaces beyond [`MOST_NAMES`] share.
const FURTHER: &str = "(further interfaces)";

/// Longest name kept, in characters. Interface names of Windows have about 50.
const LONGEST_NAME: usize = 128;

impl Interfaces {
    /// Number of the interface called `name`, which is put in the list where it is new.
    pub(crate) fn number(&mut self, name: &str) -> u16 {
        let name = cleaned(name);
        if let Some(&number) = self.numbers.get(&name) {
            return number;
        }
        let name = if self.names.len() + 1 < MOST_NAMES { name } else { FURTHER.to_owned() };
        let Some(number) = u16::try_from(self.names.len()).ok().filter(|_| self.names.len() < MOST_NAMES)
        else {
            return self.numbers.get(FURTHER).copied().unwrap_or(u16::MAX);
        };
        self.numbers.insert(name.clone(), number);
        self.names.push(name);
        number
    }

    /// The names, by number.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }
}

/// The name without what would disturb a terminal or a log, and not too long.
fn cleaned(name: &str) -> String {
    let name = name.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    name.chars().take(LONGEST_NAME).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_keeps_its_number_across_files() {
        let mut interfaces = Interfaces::default();
        assert_eq!(interfaces.number("eth0"), 0);
        assert_eq!(interfaces.number("eth1"), 1);
        assert_eq!(interfaces.number("eth0\0"), 0);
        assert_eq!(interfaces.names(), ["eth0", "eth1"]);
    }

    #[test]
    fn names_are_bounded_in_number_and_length_and_print_safely() {
        let mut interfaces = Interfaces::default();
        for number in 0..10_000 {
            let given = interfaces.number(&format!("if{number}"));
            assert_eq!(usize::from(given), usize::min(number, MOST_NAMES - 1));
        }
        assert_eq!(interfaces.names().len(), MOST_NAMES);
        assert_eq!(interfaces.names().last().unwrap(), FURTHER);
        assert_eq!(cleaned("a\u{1b}[2Jb"), "a\u{fffd}[2Jb");
        assert_eq!(cleaned(&"x".repeat(1 << 16)).len(), LONGEST_NAME);
    }
}
