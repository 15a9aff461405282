//! Names of commands, states, service classes and transfer syntaxes (DICOM PS3.4, PS3.6 annex A, PS3.7 annexes C and E).

/// The root of DICOM's own identifiers.
const ROOT: &[u8] = b"1.2.840.10008.";

/// Name of a command field.
pub(super) const fn command(field: u16) -> Option<&'static str> {
    Some(match field & 0x7fff {
        0x0001 => "C-STORE",
        0x0010 => "C-GET",
        0x0020 => "C-FIND",
        0x0021 => "C-MOVE",
        0x0030 => "C-ECHO",
        0x0100 => "N-EVENT-REPORT",
        0x0110 => "N-GET",
        0x0120 => "N-SET",
        0x0130 => "N-ACTION",
        0x0140 => "N-CREATE",
        0x0150 => "N-DELETE",
        0x0fff if field == 0x0fff => "C-CANCEL",
        _ => return None,
    })
}

/// Kind of a status.
pub(super) const fn status(code: u16) -> &'static str {
    match code {
        0 => "success",
        0xff00 | 0xff01 => "pending",
        0xfe00 => "cancel",
        0x0001 | 0x0107 | 0x0116 | 0xb000..=0xbfff => "warning",
        0x0110 => "processing_failure",
        0x0112 => "no_such_instance",
        0x0118 => "no_such_class",
        0x0122 => "class_not_supported",
        0x0124 => "not_authorized",
        0x0210 => "duplicate_invocation",
        0x0211 => "unrecognized_operation",
        0x0213 => "resource_limitation",
        _ => "failure",
    }
}

/// Name of a service class or of an image's kind.
pub(super) fn sop_class(uid: &[u8]) -> Option<&'static str> {
    let uid = uid.strip_suffix(&[0]).unwrap_or(uid);
    let rest = uid.strip_prefix(ROOT)?;
    Some(match rest {
        b"1.1" => "Verification",
        b"1.20.1" => "Storage Commitment Push Model",
        b"1.40" => "Procedural Event Logging",
        b"3.1.2.3.3" => "Modality Performed Procedure Step",
        b"5.1.1.9" => "Basic Grayscale Print Management",
        b"5.1.1.18" => "Basic Color Print Management",
        b"5.1.4.31" => "Modality Worklist Find",
        b"5.1.4.33" => "Instance Availability Notification",
        b"5.1.4.34.6.1" => "Unified Procedure Step Push",
        b"5.1.4.34.6.3" => "Unified Procedure Step Pull",
        b"5.1.4.1.2.1.1" => "Patient Root Query/Retrieve Find",
        b"5.1.4.1.2.1.2" => "Patient Root Query/Retrieve Move",
        b"5.1.4.1.2.1.3" => "Patient Root Query/Retrieve Get",
        b"5.1.4.1.2.2.1" => "Study Root Query/Retrieve Find",
        b"5.1.4.1.2.2.2" => "Study Root Query/Retrieve Move",
        b"5.1.4.1.2.2.3" => "Study Root Query/Retrieve Get",
        b"5.1.4.1.2.3.1" => "Patient/Study Only Query/Retrieve Find",
        b"5.1.4.1.2.3.2" => "Patient/Study Only Query/Retrieve Move",
        b"5.1.4.1.2.3.3" => "Patient/Study Only Query/Retrieve Get",
        _ => return storage(rest.strip_prefix(b"5.1.4.1.1.")?),
    })
}

/// Kinds of objects that are stored.
const fn storage(number: &[u8]) -> Option<&'static str> {
    Some(match number {
        b"1" => "Computed Radiography Image Storage",
        b"1.1" => "Digital X-Ray Image Storage, Presentation",
        b"1.1.1" => "Digital X-Ray Image Storage, Processing",
        b"1.2" => "Digital Mammography Image Storage, Presentation",
        b"1.2.1" => "Digital Mammography Image Storage, Processing",
        b"2" => "CT Image Storage",
        b"2.1" => "Enhanced CT Image Storage",
        b"3.1" => "Ultrasound Multi-frame Image Storage",
        b"4" => "MR Image Storage",
        b"4.1" => "Enhanced MR Image Storage",
        b"6.1" => "Ultrasound Image Storage",
        b"7" => "Secondary Capture Image Storage",
        b"7.2" => "Multi-frame Grayscale Byte Secondary Capture Image Storage",
        b"7.4" => "Multi-frame True Color Secondary Capture Image Storage",
        b"9.1.1" => "12-lead ECG Waveform Storage",
        b"9.1.2" => "General ECG Waveform Storage",
        b"11.1" => "Grayscale Softcopy Presentation State Storage",
        b"12.1" => "X-Ray Angiographic Image Storage",
        b"12.2" => "X-Ray Radiofluoroscopic Image Storage",
        b"20" => "Nuclear Medicine Image Storage",
        b"66" => "Raw Data Storage",
        b"66.4" => "Segmentation Storage",
        b"77.1.1" => "VL Endoscopic Image Storage",
        b"77.1.4" => "VL Photographic Image Storage",
        b"77.1.6" => "VL Whole Slide Microscopy Image Storage",
        b"77.1.5.1" => "Ophthalmic Photography 8 Bit Image Storage",
        b"88.11" => "Basic Text SR Storage",
        b"88.22" => "Enhanced SR Storage",
        b"88.33" => "Comprehensive SR Storage",
        b"88.59" => "Key Object Selection Document Storage",
        b"88.67" => "X-Ray Radiation Dose SR Storage",
        b"104.1" => "Encapsulated PDF Storage",
        b"128" => "Positron Emission Tomography Image Storage",
        b"481.1" => "RT Image Storage",
        b"481.2" => "RT Dose Storage",
        b"481.3" => "RT Structure Set Storage",
        b"481.5" => "RT Plan Storage",
        _ => return None,
    })
}

/// Name of a transfer syntax.
pub(super) fn transfer_syntax(uid: &[u8]) -> Option<&'static str> {
    let uid = uid.strip_suffix(&[0]).unwrap_or(uid);
    let rest = uid.strip_prefix(ROOT)?.strip_prefix(b"1.2")?;
    Some(match rest {
        b"" => "Implicit VR Little Endian",
        b".1" => "Explicit VR Little Endian",
        b".1.99" => "Deflated Explicit VR Little Endian",
        b".2" => "Explicit VR Big Endian",
        b".4.50" => "JPEG Baseline",
        b".4.51" => "JPEG Extended",
        b".4.57" => "JPEG Lossless",
        b".4.70" => "JPEG Lossless SV1",
        b".4.80" => "JPEG-LS Lossless",
        b".4.81" => "JPEG-LS Near-lossless",
        b".4.90" => "JPEG 2000 Lossless",
        b".4.91" => "JPEG 2000",
        b".4.100" => "MPEG2 Main Profile",
        b".4.102" => "MPEG-4 AVC/H.264 High Profile",
        b".4.107" => "HEVC/H.265 Main Profile",
        b".4.201" => "HTJ2K Lossless",
        b".5" => "RLE Lossless",
        _ => return None,
    })
}
