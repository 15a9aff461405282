//! System calls, by seccomp.

use std::collections::BTreeMap;

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch, apply_filter_all_threads};

use crate::Programs;

/// Why system calls are not filtered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallsError {
    /// The kernel has no seccomp, or refuses the filter.
    #[error("{0}")]
    Refused(#[from] seccompiler::Error),
    /// No filter can be made for this processor.
    #[error("{0}")]
    Processor(#[from] seccompiler::BackendError),
}

/// Calls that none of our programs makes once it runs, by what they are for.
const NEVER: &[libc::c_long] = &[
    // other programs' memory and doings
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_fanotify_init,
    libc::SYS_open_by_handle_at,
    // rings that do what is denied here
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // other roots and namespaces
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_mount_setattr,
    // the machine
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_syslog,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    // keys of the kernel, other users, other instruction sets
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setgroups,
    libc::SYS_personality,
    libc::SYS_mknodat,
];

pub(crate) fn confine(programs: Programs, maps: bool) -> Result<(), CallsError> {
    let mut denied: Vec<libc::c_long> = NEVER.to_vec();
    if programs == Programs::None {
        denied.extend([libc::SYS_execve, libc::SYS_execveat]);
    }
    if !maps {
        denied.push(libc::SYS_bpf);
    }
    let rules: BTreeMap<i64, Vec<_>> = denied.into_iter().map(|call| (call, Vec::new())).collect();
    let refusal = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    let architecture = TargetArch::try_from(std::env::consts::ARCH)?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refusal, architecture)?;
    let program: BpfProgram = filter.try_into()?;
    apply_filter_all_threads(&program)?;
    Ok(())
}

/// Whether the kernel filters system calls.
pub(crate) fn is_available() -> bool {
    let known = std::fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail");
    known.is_ok_and(|known| known.split_whitespace().any(|action| action == "errno"))
}
