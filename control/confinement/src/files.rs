//! Files, by Landlock.

use std::path::PathBuf;

use landlock::{
    ABI, AccessFs, BitFlags, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError,
    RulesetStatus, path_beneath_rules,
};

use crate::{Part, Programs};

/// Folders of the kernel's own files: drivers and threads write there.
const OF_THE_KERNEL: [&str; 3] = ["/dev", "/proc", "/sys"];

pub(crate) fn confine(writable: &[PathBuf], programs: Programs) -> Result<Part, RulesetError> {
    let abi = ABI::V5;
    // Sockets and pipes that are there are spoken to, and devices asked, by whoever may open them.
    let mut handled: BitFlags<AccessFs> = AccessFs::from_write(abi) & !BitFlags::from(AccessFs::IoctlDev);
    if programs == Programs::None {
        handled |= AccessFs::Execute;
    }
    let writes = handled & !BitFlags::from(AccessFs::Execute);
    let status = Ruleset::default()
        .handle_access(handled)?
        .create()?
        .add_rules(path_beneath_rules(OF_THE_KERNEL, AccessFs::WriteFile | AccessFs::Truncate))?
        .add_rules(path_beneath_rules(writable, writes))?
        .restrict_self()?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => Part::On,
        RulesetStatus::PartiallyEnforced => Part::InPart,
        RulesetStatus::NotEnforced => Part::Off("this kernel has no Landlock".to_owned()),
    })
}

/// Whether the kernel has Landlock: rules can be made, and are thrown away.
pub(crate) fn is_available() -> bool {
    let rules = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    rules.handle_access(AccessFs::WriteFile).and_then(Ruleset::create).is_ok()
}
