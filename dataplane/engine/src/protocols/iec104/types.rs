//! Types of application service data units, what one information object of each holds (IEC 60870-5-101:2003, 7.2 and
//! 7.3; IEC 60870-5-104:2006, 8), and causes of transmission.

/// The information elements of an object, before a time tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    /// Nothing.
    Nothing,
    /// Single point with quality, one octet.
    Single,
    /// Double point with quality, one octet.
    Double,
    /// Step position and quality.
    Step,
    /// 32 bits and quality.
    Bits,
    /// Normalised value and quality.
    Normalised,
    /// Normalised value alone.
    NormalisedOnly,
    /// Scaled value and quality.
    Scaled,
    /// IEEE 754 single and quality.
    Float,
    /// Counter reading and sequence notation.
    Counter,
    /// Single command.
    SingleCommand,
    /// Double command.
    DoubleCommand,
    /// Regulating step command.
    StepCommand,
    /// Normalised set point and qualifier.
    SetNormalised,
    /// Scaled set point and qualifier.
    SetScaled,
    /// Float set point and qualifier.
    SetFloat,
    /// 32 bits to be set.
    SetBits,
    /// A qualifier or cause, one octet.
    Qualifier,
    /// So many octets of which the value is not read.
    Opaque(u8),
    /// As many octets as there are.
    Rest,
}

impl Element {
    const fn size(self) -> Option<usize> {
        Some(match self {
            Self::Nothing => 0,
            Self::Single
            | Self::Double
            | Self::SingleCommand
            | Self::DoubleCommand
            | Self::StepCommand
            | Self::Qualifier => 1,
            Self::Step | Self::NormalisedOnly => 2,
            Self::Normalised | Self::Scaled | Self::SetNormalised | Self::SetScaled => 3,
            Self::SetBits => 4,
            Self::Bits | Self::Float | Self::Counter | Self::SetFloat => 5,
            Self::Opaque(size) => size as usize,
            Self::Rest => return None,
        })
    }
}

/// A type of ASDU.
#[derive(Clone, Copy, Debug)]
pub(super) struct Type {
    /// Short name of the standard.
    pub(super) name: &'static str,
    /// What an object holds.
    pub(super) element: Element,
    /// Octets of the time tag behind it: 0, 3 or 7.
    pub(super) time: u8,
}

impl Type {
    /// Octets of an object without its address; None where that is not fixed.
    pub(super) fn size(&self) -> Option<usize> {
        self.element.size().map(|size| size + usize::from(self.time))
    }
}

/// The type of a type identification.
pub(super) const fn asdu_type(id: u8) -> Option<Type> {
    use Element as E;
    let (name, element, time) = match id {
        1 => ("M_SP_NA_1", E::Single, 0),
        2 => ("M_SP_TA_1", E::Single, 3),
        3 => ("M_DP_NA_1", E::Double, 0),
        4 => ("M_DP_TA_1", E::Double, 3),
        5 => ("M_ST_NA_1", E::Step, 0),
        6 => ("M_ST_TA_1", E::Step, 3),
        7 => ("M_BO_NA_1", E::Bits, 0),
        8 => ("M_BO_TA_1", E::Bits, 3),
        9 => ("M_ME_NA_1", E::Normalised, 0),
        10 => ("M_ME_TA_1", E::Normalised, 3),
        11 => ("M_ME_NB_1", E::Scaled, 0),
        12 => ("M_ME_TB_1", E::Scaled, 3),
        13 => ("M_ME_NC_1", E::Float, 0),
        14 => ("M_ME_TC_1", E::Float, 3),
        15 => ("M_IT_NA_1", E::Counter, 0),
        16 => ("M_IT_TA_1", E::Counter, 3),
        17 => ("M_EP_TA_1", E::Opaque(3), 3),
        18 => ("M_EP_TB_1", E::Opaque(4), 3),
        19 => ("M_EP_TC_1", E::Opaque(4), 3),
        20 => ("M_PS_NA_1", E::Bits, 0),
        21 => ("M_ME_ND_1", E::NormalisedOnly, 0),
        30 => ("M_SP_TB_1", E::Single, 7),
        31 => ("M_DP_TB_1", E::Double, 7),
        32 => ("M_ST_TB_1", E::Step, 7),
        33 => ("M_BO_TB_1", E::Bits, 7),
        34 => ("M_ME_TD_1", E::Normalised, 7),
        35 => ("M_ME_TE_1", E::Scaled, 7),
        36 => ("M_ME_TF_1", E::Float, 7),
        37 => ("M_IT_TB_1", E::Counter, 7),
        38 => ("M_EP_TD_1", E::Opaque(3), 7),
        39 => ("M_EP_TE_1", E::Opaque(4), 7),
        40 => ("M_EP_TF_1", E::Opaque(4), 7),
        _ => return control_type(id),
    };
    Some(Type { name, element, time })
}

/// Types of the control direction, system information, parameters and files.
const fn control_type(id: u8) -> Option<Type> {
    use Element as E;
    let (name, element, time) = match id {
        45 => ("C_SC_NA_1", E::SingleCommand, 0),
        46 => ("C_DC_NA_1", E::DoubleCommand, 0),
        47 => ("C_RC_NA_1", E::StepCommand, 0),
        48 => ("C_SE_NA_1", E::SetNormalised, 0),
        49 => ("C_SE_NB_1", E::SetScaled, 0),
        50 => ("C_SE_NC_1", E::SetFloat, 0),
        51 => ("C_BO_NA_1", E::SetBits, 0),
        58 => ("C_SC_TA_1", E::SingleCommand, 7),
        59 => ("C_DC_TA_1", E::DoubleCommand, 7),
        60 => ("C_RC_TA_1", E::StepCommand, 7),
        61 => ("C_SE_TA_1", E::SetNormalised, 7),
        62 => ("C_SE_TB_1", E::SetScaled, 7),
        63 => ("C_SE_TC_1", E::SetFloat, 7),
        64 => ("C_BO_TA_1", E::SetBits, 7),
        70 => ("M_EI_NA_1", E::Qualifier, 0),
        100 => ("C_IC_NA_1", E::Qualifier, 0),
        101 => ("C_CI_NA_1", E::Qualifier, 0),
        102 => ("C_RD_NA_1", E::Nothing, 0),
        103 => ("C_CS_NA_1", E::Nothing, 7),
        104 => ("C_TS_NA_1", E::Opaque(2), 0),
        105 => ("C_RP_NA_1", E::Qualifier, 0),
        106 => ("C_CD_NA_1", E::Opaque(2), 0),
        107 => ("C_TS_TA_1", E::Opaque(2), 7),
        110 => ("P_ME_NA_1", E::SetNormalised, 0),
        111 => ("P_ME_NB_1", E::SetScaled, 0),
        112 => ("P_ME_NC_1", E::SetFloat, 0),
        113 => ("P_AC_NA_1", E::Qualifier, 0),
        120 => ("F_FR_NA_1", E::Opaque(6), 0),
        121 => ("F_SR_NA_1", E::Opaque(7), 0),
        122 => ("F_SC_NA_1", E::Opaque(4), 0),
        123 => ("F_LS_NA_1", E::Opaque(5), 0),
        124 => ("F_AF_NA_1", E::Opaque(4), 0),
        125 => ("F_SG_NA_1", E::Rest, 0),
        126 => ("F_DR_TA_1", E::Opaque(6), 7),
        127 => ("F_SC_NB_1", E::Opaque(16), 0),
        _ => return None,
    };
    Some(Type { name, element, time })
}

/// Causes of transmission (IEC 60870-5-101, 7.2.3).
pub(super) const fn cause(id: u8) -> Option<&'static str> {
    Some(match id {
        1 => "periodic",
        2 => "background",
        3 => "spontaneous",
        4 => "initialized",
        5 => "request",
        6 => "activation",
        7 => "activation_confirmation",
        8 => "deactivation",
        9 => "deactivation_confirmation",
        10 => "activation_termination",
        11 => "return_remote",
        12 => "return_local",
        13 => "file",
        14 => "authentication",
        15 => "session_key",
        16 => "user_role_and_update_key",
        20 => "interrogated_by_station",
        21 => "interrogated_by_group_1",
        22 => "interrogated_by_group_2",
        23 => "interrogated_by_group_3",
        24 => "interrogated_by_group_4",
        25 => "interrogated_by_group_5",
        26 => "interrogated_by_group_6",
        27 => "interrogated_by_group_7",
        28 => "interrogated_by_group_8",
        29 => "interrogated_by_group_9",
        30 => "interrogated_by_group_10",
        31 => "interrogated_by_group_11",
        32 => "interrogated_by_group_12",
        33 => "interrogated_by_group_13",
        34 => "interrogated_by_group_14",
        35 => "interrogated_by_group_15",
        36 => "interrogated_by_group_16",
        37 => "counters_by_general_request",
        38 => "counters_by_group_1",
        39 => "counters_by_group_2",
        40 => "counters_by_group_3",
        41 => "counters_by_group_4",
        44 => "unknown_type",
        45 => "unknown_cause",
        46 => "unknown_common_address",
        47 => "unknown_object_address",
        _ => return None,
    })
}

/// Unnumbered control functions (IEC 60870-5-104, 5.3), by the first control octet.
pub(super) const fn unnumbered(octet: u8) -> Option<&'static str> {
    Some(match octet {
        0x07 => "STARTDT_ACT",
        0x0b => "STARTDT_CON",
        0x13 => "STOPDT_ACT",
        0x23 => "STOPDT_CON",
        0x43 => "TESTFR_ACT",
        0x83 => "TESTFR_CON",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_as_long_as_the_standard_says() {
        for (id, size) in [(1, 1), (9, 3), (13, 5), (14, 8), (17, 6), (19, 7), (30, 8), (36, 12), (39, 11)] {
            assert_eq!(asdu_type(id).and_then(|kind| kind.size()), Some(size), "{id}");
        }
        for (id, size) in
            [(45, 1), (50, 5), (63, 12), (64, 11), (102, 0), (103, 7), (107, 9), (121, 7), (126, 13)]
        {
            assert_eq!(asdu_type(id).and_then(|kind| kind.size()), Some(size), "{id}");
        }
        assert!(asdu_type(125).is_some_and(|kind| kind.size().is_none()));
        assert!(asdu_type(0).is_none() && asdu_type(22).is_none());
    }
}
