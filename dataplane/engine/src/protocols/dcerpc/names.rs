//! Names of interfaces, of operations that matter to a defender, of protection, and of faults.

use core::fmt::Write;

/// Authentication level: encrypted ([MS-RPCE] 2.2.1.1.8).
pub(super) const PRIVACY: u8 = 6;

/// Name of an authentication type ([MS-RPCE] 2.2.1.1.7).
pub(super) const fn auth(kind: u8) -> Option<&'static str> {
    Some(match kind {
        0 => "none",
        9 => "spnego",
        10 => "ntlm",
        14 => "tls",
        16 => "kerberos",
        68 => "netlogon",
        _ => return None,
    })
}

/// Name of an authentication level.
pub(super) const fn level(level: u8) -> Option<&'static str> {
    Some(match level {
        1 => "none",
        2 => "connect",
        3 => "call",
        4 => "packet",
        5 => "integrity",
        6 => "privacy",
        _ => return None,
    })
}

/// Name of a fault (C706 appendix E, [MS-RPCE] 2.2.2.11, [MS-ERREF]).
pub(super) const fn fault(status: u32) -> Option<&'static str> {
    Some(match status {
        5 => "access_denied",
        0x1c01_0002 => "nca_s_op_rng_error",
        0x1c01_0003 => "nca_s_unk_if",
        0x1c01_0006 => "nca_s_wrong_boot_time",
        0x1c01_0009 => "nca_s_you_crashed",
        0x1c01_000b => "nca_s_proto_error",
        0x1c01_0013 => "nca_s_out_args_too_big",
        0x1c01_0014 => "nca_s_server_too_busy",
        0x1c00_0001 => "nca_s_fault_int_div_by_zero",
        0x1c00_0002 => "nca_s_fault_addr_error",
        0x1c00_001a => "nca_s_fault_context_mismatch",
        0x0000_06f7 => "rpc_x_bad_stub_data",
        0x0000_06d1 => "rpc_s_procnum_out_of_range",
        _ => return None,
    })
}

/// The printed form of a UUID.
pub(super) fn printed(uuid: &[u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (at, byte) in uuid.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Name of an interface.
pub(super) fn interface(uuid: &[u8; 16]) -> Option<&'static str> {
    let uuid = u128::from_be_bytes(*uuid);
    INTERFACES.iter().find(|(other, _)| *other == uuid).map(|(_, name)| *name)
}

/// Name of an operation.
pub(super) fn operation(uuid: &[u8; 16], number: u16) -> Option<&'static str> {
    let interface = interface(uuid)?;
    OPERATIONS
        .iter()
        .find(|(other, operation, _)| *other == interface && *operation == number)
        .map(|(_, _, name)| *name)
}

/// Interfaces (C706 appendix O and Microsoft's open specifications, section 1.9 of each).
const INTERFACES: [(u128, &str); 37] = [
    (0xe1af_8308_5d1f_11c9_91a4_0800_2b14_a0fa, "epmapper"),
    (0x1234_5778_1234_abcd_ef00_0123_4567_89ac, "samr"),
    (0x1234_5778_1234_abcd_ef00_0123_4567_89ab, "lsarpc"),
    (0x1234_5678_1234_abcd_ef00_0123_4567_cffb, "netlogon"),
    (0x1234_5678_1234_abcd_ef00_0123_4567_89ab, "spoolss"),
    (0x76f0_3f96_cdfd_44fc_a22c_6495_0a00_1209, "iremotewinspool"),
    (0x367a_bb81_9844_35f1_ad32_98f0_3800_1003, "svcctl"),
    (0x4b32_4fc8_1670_01d3_1278_5a47_bf6e_e188, "srvsvc"),
    (0x6bff_d098_a112_3610_9833_46c3_f87e_345a, "wkssvc"),
    (0x6bff_d098_a112_3610_9833_0128_9202_0162, "browser"),
    (0x338c_d001_2244_31f1_aaaa_9000_3800_1003, "winreg"),
    (0x1ff7_0682_0a51_30e8_076d_740b_e8ce_e98b, "atsvc"),
    (0x378e_52b0_c0a9_11cf_822d_00aa_0051_e40f, "sasec"),
    (0x86d3_5949_83c9_4044_b424_db36_3231_fd0c, "taskscheduler"),
    (0xe351_4235_4b06_11d1_ab04_00c0_4fc2_dcd2, "drsuapi"),
    (0x7c44_d7d4_31d5_424c_bd5e_2b3e_1f32_3d22, "dsaop"),
    (0xc681_d488_d850_11d0_8c52_00c0_4fd9_0f7e, "efsrpc"),
    (0xdf19_41c5_fe89_4e79_bf10_4636_57ac_f44d, "efsrpc"),
    (0xa8e0_653c_2744_4389_a61d_7373_df8b_2292, "fsrvp"),
    (0x4fc7_42e0_4a10_11cf_8273_00aa_004a_e673, "netdfs"),
    (0x8227_3fdc_e32a_18c3_3f78_8279_29dc_23ea, "eventlog"),
    (0xf6be_aff7_1e19_4fbb_9f8f_b89e_2018_337c, "eventlog6"),
    (0x894d_e0c0_0d55_11d3_a322_00c0_4fa3_21a1, "initshutdown"),
    (0x50ab_c2a4_574d_40b3_9d66_ee4f_d5fb_a076, "dnsserver"),
    (0x8d9f_4e40_a03d_11ce_8f69_0800_3e30_051b, "ntsvcs"),
    (0xf5cc_5a18_4264_101a_8c59_0800_2b2f_8426, "nspi"),
    (0x1544_f5e0_613c_11d1_93df_00c0_4fd7_bd09, "rfr"),
    (0xa4f1_db00_ca47_1067_b31f_00dd_0106_62da, "emsmdb"),
    (0x99fc_fec4_5260_101b_bbcb_00aa_0021_347a, "iobjectexporter"),
    (0x0000_01a0_0000_0000_c000_0000_0000_0046, "isystemactivator"),
    (0x0000_0131_0000_0000_c000_0000_0000_0046, "iremunknown"),
    (0x0000_0143_0000_0000_c000_0000_0000_0046, "iremunknown2"),
    (0xf309_ad18_d86a_11d0_a075_00c0_4fb6_8820, "iwbemlevel1login"),
    (0x9556_dc99_828c_11cf_a37e_00aa_0032_40c7, "iwbemservices"),
    (0xdea0_0001_6c97_11d1_8271_00a0_2442_df7d, "pnio_device"),
    (0xdea0_0002_6c97_11d1_8271_00a0_2442_df7d, "pnio_controller"),
    (0xafa8_bd80_7d8a_11c9_bef4_0800_2b10_2989, "mgmt"),
];

/// Operations by interface and number, of those that attacks and administration use.
const OPERATIONS: [(&str, u16, &str); 50] = [
    ("epmapper", 2, "ept_lookup"),
    ("epmapper", 3, "ept_map"),
    ("samr", 5, "SamrLookupDomainInSamServer"),
    ("samr", 6, "SamrEnumerateDomainsInSamServer"),
    ("samr", 7, "SamrOpenDomain"),
    ("samr", 11, "SamrEnumerateGroupsInDomain"),
    ("samr", 13, "SamrEnumerateUsersInDomain"),
    ("samr", 17, "SamrLookupNamesInDomain"),
    ("samr", 25, "SamrGetMembersInGroup"),
    ("samr", 33, "SamrGetMembersInAlias"),
    ("samr", 34, "SamrOpenUser"),
    ("samr", 36, "SamrQueryInformationUser"),
    ("samr", 37, "SamrSetInformationUser"),
    ("samr", 50, "SamrCreateUser2InDomain"),
    ("samr", 55, "SamrUnicodeChangePasswordUser2"),
    ("samr", 58, "SamrSetInformationUser2"),
    ("samr", 64, "SamrConnect5"),
    ("lsarpc", 6, "LsarOpenPolicy"),
    ("lsarpc", 14, "LsarLookupNames"),
    ("lsarpc", 15, "LsarLookupSids"),
    ("lsarpc", 44, "LsarOpenPolicy2"),
    ("lsarpc", 57, "LsarLookupSids2"),
    ("netlogon", 4, "NetrServerReqChallenge"),
    ("netlogon", 15, "NetrServerAuthenticate2"),
    ("netlogon", 26, "NetrServerAuthenticate3"),
    ("netlogon", 30, "NetrServerPasswordSet2"),
    ("netlogon", 39, "NetrLogonSamLogonEx"),
    ("svcctl", 12, "RCreateServiceW"),
    ("svcctl", 15, "ROpenSCManagerW"),
    ("svcctl", 16, "ROpenServiceW"),
    ("svcctl", 19, "RStartServiceW"),
    ("svcctl", 11, "RChangeServiceConfigW"),
    ("svcctl", 2, "RDeleteService"),
    ("srvsvc", 12, "NetrSessionEnum"),
    ("srvsvc", 15, "NetrShareEnum"),
    ("srvsvc", 16, "NetrShareGetInfo"),
    ("wkssvc", 2, "NetrWkstaUserEnum"),
    ("winreg", 22, "BaseRegSetValue"),
    ("winreg", 20, "BaseRegSaveKey"),
    ("taskscheduler", 1, "SchRpcRegisterTask"),
    ("taskscheduler", 12, "SchRpcRun"),
    ("atsvc", 0, "NetrJobAdd"),
    ("drsuapi", 0, "IDL_DRSBind"),
    ("drsuapi", 3, "IDL_DRSGetNCChanges"),
    ("drsuapi", 12, "IDL_DRSCrackNames"),
    ("efsrpc", 0, "EfsRpcOpenFileRaw"),
    ("efsrpc", 4, "EfsRpcEncryptFileSrv"),
    ("spoolss", 65, "RpcRemoteFindFirstPrinterChangeNotificationEx"),
    ("spoolss", 89, "RpcAddPrinterDriverEx"),
    ("isystemactivator", 4, "RemoteCreateInstance"),
];
