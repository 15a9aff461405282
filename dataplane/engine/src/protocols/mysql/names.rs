//! Names of commands (MySQL internals: Command Phase).

pub(super) const QUIT: u8 = 0x01;
pub(super) const INIT_DB: u8 = 0x02;
pub(super) const QUERY: u8 = 0x03;
pub(super) const CHANGE_USER: u8 = 0x11;
pub(super) const BINLOG_DUMP: u8 = 0x12;
pub(super) const PREPARE: u8 = 0x16;
pub(super) const EXECUTE: u8 = 0x17;
pub(super) const LONG_DATA: u8 = 0x18;
pub(super) const CLOSE: u8 = 0x19;
pub(super) const BINLOG_DUMP_GTID: u8 = 0x1e;

/// Name of a command.
pub(super) const fn command(code: u8) -> Option<&'static str> {
    Some(match code {
        0x00 => "sleep",
        QUIT => "quit",
        INIT_DB => "init_db",
        QUERY => "query",
        0x04 => "field_list",
        0x05 => "create_db",
        0x06 => "drop_db",
        0x07 => "refresh",
        0x08 => "shutdown",
        0x09 => "statistics",
        0x0a => "process_info",
        0x0b => "connect",
        0x0c => "process_kill",
        0x0d => "debug",
        0x0e => "ping",
        0x0f => "time",
        0x10 => "delayed_insert",
        CHANGE_USER => "change_user",
        BINLOG_DUMP => "binlog_dump",
        0x13 => "table_dump",
        0x14 => "connect_out",
        0x15 => "register_replica",
        PREPARE => "stmt_prepare",
        EXECUTE => "stmt_execute",
        LONG_DATA => "stmt_send_long_data",
        CLOSE => "stmt_close",
        0x1a => "stmt_reset",
        0x1b => "set_option",
        0x1c => "stmt_fetch",
        0x1d => "daemon",
        BINLOG_DUMP_GTID => "binlog_dump_gtid",
        0x1f => "reset_connection",
        0x20 => "clone",
        0xfa => "stmt_bulk_execute",
        _ => return None,
    })
}

/// Whether the server answers it.
pub(super) const fn is_answered(code: u8) -> bool {
    !matches!(code, QUIT | LONG_DATA | CLOSE)
}
