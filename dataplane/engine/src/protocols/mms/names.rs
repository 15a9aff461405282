//! Names of services, errors and classes (ISO 9506-2).

/// Confirmed services, by their tags; bits of what a side supports have the same numbers.
static SERVICES: [&str; 78] = [
    "status",
    "getNameList",
    "identify",
    "rename",
    "read",
    "write",
    "getVariableAccessAttributes",
    "defineNamedVariable",
    "defineScatteredAccess",
    "getScatteredAccessAttributes",
    "deleteVariableAccess",
    "defineNamedVariableList",
    "getNamedVariableListAttributes",
    "deleteNamedVariableList",
    "defineNamedType",
    "getNamedTypeAttributes",
    "deleteNamedType",
    "input",
    "output",
    "takeControl",
    "relinquishControl",
    "defineSemaphore",
    "deleteSemaphore",
    "reportSemaphoreStatus",
    "reportPoolSemaphoreStatus",
    "reportSemaphoreEntryStatus",
    "initiateDownloadSequence",
    "downloadSegment",
    "terminateDownloadSequence",
    "initiateUploadSequence",
    "uploadSegment",
    "terminateUploadSequence",
    "requestDomainDownload",
    "requestDomainUpload",
    "loadDomainContent",
    "storeDomainContent",
    "deleteDomain",
    "getDomainAttributes",
    "createProgramInvocation",
    "deleteProgramInvocation",
    "start",
    "stop",
    "resume",
    "reset",
    "kill",
    "getProgramInvocationAttributes",
    "obtainFile",
    "defineEventCondition",
    "deleteEventCondition",
    "getEventConditionAttributes",
    "reportEventConditionStatus",
    "alterEventConditionMonitoring",
    "triggerEvent",
    "defineEventAction",
    "deleteEventAction",
    "getEventActionAttributes",
    "reportEventActionStatus",
    "defineEventEnrollment",
    "deleteEventEnrollment",
    "alterEventEnrollment",
    "reportEventEnrollmentStatus",
    "getEventEnrollmentAttributes",
    "acknowledgeEventNotification",
    "getAlarmSummary",
    "getAlarmEnrollmentSummary",
    "readJournal",
    "writeJournal",
    "initializeJournal",
    "reportJournalStatus",
    "createJournal",
    "deleteJournal",
    "getCapabilityList",
    "fileOpen",
    "fileRead",
    "fileClose",
    "fileRename",
    "fileDelete",
    "fileDirectory",
];

/// Name of a confirmed service.
pub(super) fn service(number: u8) -> Option<&'static str> {
    SERVICES.get(usize::from(number)).copied()
}

/// Classes of service errors, by tag.
pub(super) const fn error_class(number: u8) -> &'static str {
    match number {
        0 => "vmd-state",
        1 => "application-reference",
        2 => "definition",
        3 => "resource",
        4 => "service",
        5 => "service-preempt",
        6 => "time-resolution",
        7 => "access",
        8 => "initiate",
        9 => "conclude",
        10 => "cancel",
        11 => "file",
        _ => "others",
    }
}

/// Why a variable could not be read or written.
pub(super) const fn access_error(code: u32) -> &'static str {
    match code {
        0 => "object-invalidated",
        1 => "hardware-fault",
        2 => "temporarily-unavailable",
        3 => "object-access-denied",
        4 => "object-undefined",
        5 => "invalid-address",
        6 => "type-unsupported",
        7 => "type-inconsistent",
        8 => "object-attribute-inconsistent",
        9 => "object-access-unsupported",
        10 => "object-non-existent",
        11 => "object-value-invalid",
        _ => "unknown",
    }
}

/// What a list of names is of.
pub(super) const fn object_class(code: u32) -> &'static str {
    match code {
        0 => "namedVariable",
        1 => "scatteredAccess",
        2 => "namedVariableList",
        3 => "namedType",
        4 => "semaphore",
        5 => "eventCondition",
        6 => "eventAction",
        7 => "eventEnrollment",
        8 => "journal",
        9 => "domain",
        10 => "programInvocation",
        11 => "operatorStation",
        _ => "unknown",
    }
}

/// Why a unit was rejected: which kind of unit it was.
pub(super) const fn rejected(number: u16) -> &'static str {
    match number {
        0x81 => "confirmed-request",
        0x82 => "confirmed-response",
        0x83 => "confirmed-error",
        0x84 => "unconfirmed",
        0x85 => "pdu-error",
        0x86..=0x88 => "cancel",
        0x89..=0x8b => "conclude",
        _ => "unknown",
    }
}
