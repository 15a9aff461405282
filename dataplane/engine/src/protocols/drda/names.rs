//! Names of code points (DRDA volume 3, DDM terms).

/// Commands.
pub(super) const fn command(code: u16) -> Option<&'static str> {
    Some(match code {
        0x1041 => "EXCSAT",
        0x106d => "ACCSEC",
        0x106e => "SECCHK",
        0x2001 => "ACCRDB",
        0x2002 => "BGNBND",
        0x2004 => "BNDSQLSTT",
        0x2005 => "CLSQRY",
        0x2006 => "CNTQRY",
        0x2007 => "DRPPKG",
        0x2008 => "DSCSQLSTT",
        0x2009 => "ENDBND",
        0x200a => "EXCSQLIMM",
        0x200b => "EXCSQLSTT",
        0x200c => "OPNQRY",
        0x200d => "PRPSQLSTT",
        0x200e => "RDBCMM",
        0x200f => "RDBRLLBCK",
        0x2010 => "REBIND",
        0x2012 => "DSCRDBTBL",
        0x2014 => "EXCSQLSET",
        0x1055 => "SYNCCTL",
        0x1069 => "SYNCRSY",
        _ => return None,
    })
}

/// Reply messages, and data that answers.
pub(super) const fn reply(code: u16) -> Option<&'static str> {
    Some(match code {
        0x1443 => "EXCSATRD",
        0x14ac => "ACCSECRD",
        0x1219 => "SECCHKRM",
        0x2201 => "ACCRDBRM",
        0x2203 => "RDBATHRM",
        0x2204 => "RDBNACRM",
        0x2205 => "OPNQRYRM",
        0x2207 => "RDBACCRM",
        0x220a => "DSCINVRM",
        0x220b => "ENDQRYRM",
        0x220c => "ENDUOWRM",
        0x220d => "ABNUOWRM",
        0x220e => "DTAMCHRM",
        0x220f => "QRYPOPRM",
        0x2211 => "RDBNFNRM",
        0x2212 => "OPNQFLRM",
        0x2213 => "SQLERRRM",
        0x2218 => "RDBUPDRM",
        0x2219 => "RSLSETRM",
        0x121c => "CMDATHRM",
        0x1210 => "MGRLVLRM",
        0x1218 => "MGRDEPRM",
        0x1232 => "AGNPRMRM",
        0x1233 => "RSCLMTRM",
        0x1245 => "PRCCNVRM",
        0x124c => "SYNTAXRM",
        0x1250 => "CMDNSPRM",
        0x1251 => "PRMNSPRM",
        0x1252 => "VALNSPRM",
        0x1253 => "OBJNSPRM",
        0x1254 => "CMDCHKRM",
        0x2408 => "SQLCARD",
        0x2411 => "SQLDARD",
        0x2413 => "SQLDTARD",
        0x2414 => "SQLSTT",
        0x241a => "QRYDSC",
        0x241b => "QRYDTA",
        0x240b => "SQLCINRD",
        0x240e => "SQLRSLRD",
        _ => return None,
    })
}

/// How a user is authenticated (SECMEC).
pub(super) const fn mechanism(code: u16) -> &'static str {
    match code {
        0x01 => "dce",
        0x03 => "user_password",
        0x04 => "user_only",
        0x05 => "user_password_new_password",
        0x06 => "user_substitute_password",
        0x07 => "user_encrypted_password",
        0x08 => "user_strong_substitute_password",
        0x09 => "encrypted_user_password",
        0x0a => "encrypted_user_password_new_password",
        0x0b => "kerberos",
        0x0c => "encrypted_user_data",
        0x0d => "encrypted_user_password_data",
        0x0e => "encrypted_user_password_new_password_data",
        0x0f => "plug_in",
        _ => "unknown",
    }
}

/// How the check ended (SECCHKCD).
pub(super) const fn check(code: u8) -> &'static str {
    match code {
        0x00 => "ok",
        0x01 => "mechanism_not_supported",
        0x0b => "token_missing",
        0x0e => "password_expired",
        0x0f => "password_invalid",
        0x10 => "password_missing",
        0x12 => "user_missing",
        0x13 => "user_invalid",
        0x14 => "user_revoked",
        0x15 => "new_password_invalid",
        _ => "failed",
    }
}
