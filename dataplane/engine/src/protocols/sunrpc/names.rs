//! Names of programs (the IANA registry "Remote Procedure Call (RPC) Program Numbers"), procedures and results.

pub(super) const PORTMAP_PROGRAM: u32 = 100_000;
pub(super) const NFS_PROGRAM: u32 = 100_003;
pub(super) const MOUNT_PROGRAM: u32 = 100_005;

/// Name of a program.
pub(super) const fn program(number: u32) -> Option<&'static str> {
    Some(match number {
        // Of MIT Kerberos, below the numbers that are given out.
        2112 => "kadmin",
        PORTMAP_PROGRAM => "portmapper",
        100_001 => "rstatd",
        100_002 => "rusersd",
        NFS_PROGRAM => "nfs",
        100_004 => "ypserv",
        MOUNT_PROGRAM => "mountd",
        100_007 => "ypbind",
        100_008 => "walld",
        100_009 => "yppasswdd",
        100_011 => "rquotad",
        100_012 => "sprayd",
        100_017 => "rexd",
        100_020 => "llockmgr",
        100_021 => "nlockmgr",
        100_024 => "status",
        100_026 => "bootparam",
        100_028 => "ypupdated",
        100_029 => "keyserv",
        100_068 => "cmsd",
        100_069 => "ypxfrd",
        100_083 => "ttdbserverd",
        100_227 => "nfs_acl",
        100_232 => "sadmind",
        100_300 => "nisd",
        150_001 => "pcnfsd",
        300_019 => "amd",
        391_002 => "sgi_fam",
        395_183 => "vxi11_core",
        395_184 => "vxi11_async",
        395_185 => "vxi11_intr",
        1_238_433 => "glusterd_management",
        1_238_437 => "glusterd_peer",
        1_238_463 => "glusterfs_cli",
        1_298_437 => "glusterfs",
        14_398_633 => "glusterfs_handshake",
        34_123_456 => "glusterfs_portmap",
        52_743_234 => "glusterfs_callback",
        123_451_501 => "glusterfs_dump",
        _ => return None,
    })
}

/// Name of a flavour of authentication, as Suricata's EVE output has it.
pub(super) const fn flavor(number: u32) -> Option<&'static str> {
    Some(match number {
        0 => "NULL",
        1 => "UNIX",
        2 => "SHORT",
        3 => "DH",
        6 => "GSS",
        7 => "TLS",
        _ => return None,
    })
}

/// Name of a service of RPCSEC_GSS (RFC 2203, 5.3.1).
pub(super) const fn gss_service(number: u32) -> &'static str {
    match number {
        1 => "none",
        2 => "integrity",
        3 => "privacy",
        _ => "channel_protection",
    }
}

/// Name of what became of an accepted call.
pub(super) const fn accept_status(number: u32) -> &'static str {
    match number {
        0 => "SUCCESS",
        1 => "PROG_UNAVAIL",
        2 => "PROG_MISMATCH",
        3 => "PROC_UNAVAIL",
        4 => "GARBAGE_ARGS",
        _ => "SYSTEM_ERR",
    }
}

/// Name of a procedure.
pub(super) fn procedure(program: u32, version: u32, number: u32) -> Option<&'static str> {
    let names: &[&str] = match (program, version) {
        (NFS_PROGRAM, 2) => &NFS_2,
        (NFS_PROGRAM, 3) => &NFS_3,
        (NFS_PROGRAM, 4) => &["NULL", "COMPOUND"],
        (PORTMAP_PROGRAM, 2) => &["NULL", "SET", "UNSET", "GETPORT", "DUMP", "CALLIT"],
        (PORTMAP_PROGRAM, 3 | 4) => &[
            "NULL",
            "SET",
            "UNSET",
            "GETADDR",
            "DUMP",
            "CALLIT",
            "GETTIME",
            "UADDR2TADDR",
            "TADDR2UADDR",
            "GETVERSADDR",
            "INDIRECT",
            "GETADDRLIST",
            "GETSTAT",
        ],
        (MOUNT_PROGRAM, _) => &["NULL", "MNT", "DUMP", "UMNT", "UMNTALL", "EXPORT"],
        _ => &["NULL"],
    };
    names.get(number as usize).copied()
}

const NFS_2: [&str; 18] = [
    "NULL",
    "GETATTR",
    "SETATTR",
    "ROOT",
    "LOOKUP",
    "READLINK",
    "READ",
    "WRITECACHE",
    "WRITE",
    "CREATE",
    "REMOVE",
    "RENAME",
    "LINK",
    "SYMLINK",
    "MKDIR",
    "RMDIR",
    "READDIR",
    "STATFS",
];

const NFS_3: [&str; 22] = [
    "NULL",
    "GETATTR",
    "SETATTR",
    "LOOKUP",
    "ACCESS",
    "READLINK",
    "READ",
    "WRITE",
    "CREATE",
    "MKDIR",
    "SYMLINK",
    "MKNOD",
    "REMOVE",
    "RMDIR",
    "RENAME",
    "LINK",
    "READDIR",
    "READDIRPLUS",
    "FSSTAT",
    "FSINFO",
    "PATHCONF",
    "COMMIT",
];

/// Name of an operation of version 4 (RFC 7530 16, RFC 8881 18).
pub(super) fn operation(number: u32) -> Option<&'static str> {
    (number as usize).checked_sub(3).and_then(|at| OPERATIONS.get(at)).copied()
}

const OPERATIONS: [&str; 56] = [
    "ACCESS",
    "CLOSE",
    "COMMIT",
    "CREATE",
    "DELEGPURGE",
    "DELEGRETURN",
    "GETATTR",
    "GETFH",
    "LINK",
    "LOCK",
    "LOCKT",
    "LOCKU",
    "LOOKUP",
    "LOOKUPP",
    "NVERIFY",
    "OPEN",
    "OPENATTR",
    "OPEN_CONFIRM",
    "OPEN_DOWNGRADE",
    "PUTFH",
    "PUTPUBFH",
    "PUTROOTFH",
    "READ",
    "READDIR",
    "READLINK",
    "REMOVE",
    "RENAME",
    "RENEW",
    "RESTOREFH",
    "SAVEFH",
    "SECINFO",
    "SETATTR",
    "SETCLIENTID",
    "SETCLIENTID_CONFIRM",
    "VERIFY",
    "WRITE",
    "RELEASE_LOCKOWNER",
    "BACKCHANNEL_CTL",
    "BIND_CONN_TO_SESSION",
    "EXCHANGE_ID",
    "CREATE_SESSION",
    "DESTROY_SESSION",
    "FREE_STATEID",
    "GET_DIR_DELEGATION",
    "GETDEVICEINFO",
    "GETDEVICELIST",
    "LAYOUTCOMMIT",
    "LAYOUTGET",
    "LAYOUTRETURN",
    "SECINFO_NO_NAME",
    "SEQUENCE",
    "SET_SSV",
    "TEST_STATEID",
    "WANT_DELEGATION",
    "DESTROY_CLIENTID",
    "RECLAIM_COMPLETE",
];

/// Name of a result of NFS (RFC 1813 2.6, RFC 7530 13).
pub(super) const fn nfs_status(number: u32) -> Option<&'static str> {
    Some(match number {
        0 => "OK",
        1 => "ERR_PERM",
        2 => "ERR_NOENT",
        5 => "ERR_IO",
        6 => "ERR_NXIO",
        13 => "ERR_ACCES",
        17 => "ERR_EXIST",
        18 => "ERR_XDEV",
        19 => "ERR_NODEV",
        20 => "ERR_NOTDIR",
        21 => "ERR_ISDIR",
        22 => "ERR_INVAL",
        27 => "ERR_FBIG",
        28 => "ERR_NOSPC",
        30 => "ERR_ROFS",
        31 => "ERR_MLINK",
        63 => "ERR_NAMETOOLONG",
        66 => "ERR_NOTEMPTY",
        69 => "ERR_DQUOT",
        70 => "ERR_STALE",
        71 => "ERR_REMOTE",
        10_001 => "ERR_BADHANDLE",
        10_002 => "ERR_NOT_SYNC",
        10_003 => "ERR_BAD_COOKIE",
        10_004 => "ERR_NOTSUPP",
        10_005 => "ERR_TOOSMALL",
        10_006 => "ERR_SERVERFAULT",
        10_008 => "ERR_DELAY",
        10_011 => "ERR_EXPIRED",
        10_013 => "ERR_GRACE",
        10_016 => "ERR_WRONGSEC",
        _ => return None,
    })
}
