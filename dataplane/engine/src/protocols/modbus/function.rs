//! Function codes and what they touch (Modbus Application Protocol 1.1b3, 5 and 6), in the names that Suricata prints.

/// Who sent a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The client, who asks.
    Request,
    /// The server.
    Response,
}

/// A function code by its names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Function {
    /// Short name.
    pub(super) name: &'static str,
    /// What it does to which kind of data.
    pub(super) access: &'static str,
}

/// The names of a function code, the exception bit aside.
pub(super) const fn function(code: u8) -> Function {
    let (name, access) = match code & 0x7f {
        1 => ("RdCoils", "READ | COILS"),
        2 => ("RdDiscreteInputs", "READ | DISCRETES"),
        3 => ("RdHoldRegs", "READ | HOLDING"),
        4 => ("RdInputRegs", "READ | INPUT"),
        5 => ("WrSingleCoil", "WRITE | COILS | SINGLE"),
        6 => ("WrSingleReg", "WRITE | HOLDING | SINGLE"),
        7 => ("RdExcStatus", "NONE"),
        8 => ("Diagnostic", "NONE"),
        9 => ("Program484", "NONE"),
        10 => ("Poll484", "NONE"),
        11 => ("GetCommEventCtr", "NONE"),
        12 => ("GetCommEventLog", "NONE"),
        13 => ("ProgramController", "NONE"),
        14 => ("PollController", "NONE"),
        15 => ("WrMultCoils", "WRITE | COILS | MULTIPLE"),
        16 => ("WrMultRegs", "WRITE | HOLDING | MULTIPLE"),
        17 => ("ReportServerID", "NONE"),
        18 => ("Program884", "NONE"),
        19 => ("ResetCommLink", "NONE"),
        20 => ("RdFileRec", "READ | FILE"),
        21 => ("WrFileRec", "WRITE | FILE"),
        22 => ("MaskWrReg", "WRITE | HOLDING | SINGLE"),
        23 => ("RdWrMultRegs", "READ | WRITE | HOLDING | MULTIPLE"),
        24 => ("RdFIFOQueue", "READ | FIFO"),
        43 => ("MEI", "NONE"),
        90 => ("UMAS", "NONE"),
        _ => ("Unknown", "NONE"),
    };
    Function { name, access }
}

/// Who gives a function code its meaning (5.1 and annex A).
pub(super) const fn category(code: u8) -> &'static str {
    match code & 0x7f {
        0 => "NONE",
        1..=8 | 11 | 12 | 15..=17 | 20..=24 | 43 => "PUBLIC_ASSIGNED",
        65..=72 | 100..=110 => "USER_DEFINED",
        9 | 10 | 13 | 14 | 18 | 19 | 41 | 42 | 90 | 91 | 125..=127 => "RESERVED",
        _ => "PUBLIC_UNASSIGNED",
    }
}

/// Whether the specification, or a vendor's known protocol, says what the function's data is.
pub(super) const fn is_defined(code: u8) -> bool {
    matches!(code & 0x7f, 1..=8 | 11 | 12 | 15..=17 | 20..=24 | 43 | 90)
}

/// Exception codes (7).
pub(super) const fn exception(code: u8) -> &'static str {
    match code {
        1 => "IllegalFunction",
        2 => "IllegalDataAddr",
        3 => "IllegalDataValue",
        4 => "ServerDeviceFail",
        5 => "Ack",
        6 => "ServerDeviceBusy",
        7 => "NegAck",
        8 => "MemParityErr",
        10 => "GatewayPathUnavailable",
        11 => "GatewayTargetFailToResp",
        _ => "Unknown",
    }
}

/// Sub-functions of diagnostics (6.8).
pub(super) const fn diagnostic(code: u16) -> &'static str {
    match code {
        0 => "RetQueryData",
        1 => "RestartCommOpt",
        2 => "RetDiagReg",
        3 => "ChangeInputDelimiter",
        4 => "ForceListenOnlyMode",
        10 => "ClearCtrDiagReg",
        11 => "RetBusMsgCount",
        12 => "RetBusCommErrCount",
        13 => "RetBusExcErrCount",
        14 => "RetServerMsgCount",
        15 => "RetServerNoRespCount",
        16 => "RetServerNAKCount",
        17 => "RetServerBusyCount",
        18 => "RetBusCharOverrunCount",
        20 => "ClearOverrunCounterFlag",
        _ => "Reserved",
    }
}

/// Kinds of encapsulated interface (6.19).
pub(super) const fn interface(code: u8) -> &'static str {
    match code {
        13 => "CANOpenGenRefReqResp",
        14 => "RdDevId",
        _ => "Unknown",
    }
}

/// Objects of a device's identification (6.21).
pub(super) const fn identification(id: u8) -> &'static str {
    match id {
        0 => "vendor_name",
        1 => "product_code",
        2 => "revision",
        3 => "vendor_url",
        4 => "product_name",
        5 => "model_name",
        6 => "user_application_name",
        7..=0x7f => "reserved",
        _ => "private",
    }
}

/// Functions of UMAS, which Schneider Electric's controllers carry in function 90. There is no public specification:
/// names as dissectors and advisories have them.
pub(super) const fn umas(code: u8) -> &'static str {
    match code {
        0x01 => "INIT_COMM",
        0x02 => "READ_ID",
        0x03 => "READ_PROJECT_INFO",
        0x04 => "READ_PLC_INFO",
        0x06 => "READ_CARD_INFO",
        0x0a => "REPEAT",
        0x10 => "TAKE_PLC_RESERVATION",
        0x11 => "RELEASE_PLC_RESERVATION",
        0x12 => "KEEP_ALIVE",
        0x20 => "READ_MEMORY_BLOCK",
        0x22 => "READ_VARIABLES",
        0x23 => "WRITE_VARIABLES",
        0x24 => "READ_COILS_REGISTERS",
        0x25 => "WRITE_COILS_REGISTERS",
        0x30 => "INITIALIZE_UPLOAD",
        0x31 => "UPLOAD_BLOCK",
        0x32 => "END_STRATEGY_UPLOAD",
        0x33 => "INITIALIZE_DOWNLOAD",
        0x34 => "DOWNLOAD_BLOCK",
        0x35 => "END_STRATEGY_DOWNLOAD",
        0x39 => "READ_ETH_MASTER_DATA",
        0x40 => "START_PLC",
        0x41 => "STOP_PLC",
        0x50 => "MONITOR_PLC",
        0x58 => "CHECK_PLC",
        0x70 => "READ_IO_OBJECT",
        0x71 => "WRITE_IO_OBJECT",
        0x73 => "GET_STATUS_MODULE",
        0xfd => "ERROR",
        0xfe => "OK",
        _ => "UNKNOWN",
    }
}
