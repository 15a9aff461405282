//! FHIR over HTTP (HL7 FHIR R4 and R5, RESTful API): which kind of resource is asked for, and how, without whose.

use super::field::without_parameters;
use crate::record::EventWriter;

/// Media types, of all releases.
const MEDIA_TYPES: [&[u8]; 6] = [
    b"application/fhir+json",
    b"application/fhir+xml",
    b"application/fhir+turtle",
    b"application/fhir+ndjson",
    // The second draft standard
    b"application/json+fhir",
    b"application/xml+fhir",
];

/// Whether a Content-Type or Accept value names FHIR.
pub(super) fn is_media_type(value: &[u8]) -> bool {
    value.split(|byte| *byte == b',').take(8).any(|one| {
        let one = without_parameters(one.trim_ascii());
        MEDIA_TYPES.iter().any(|wanted| one.eq_ignore_ascii_case(wanted))
    })
}

/// Segments that bases of servers end with.
const BASES: [&[u8]; 8] = [b"fhir", b"r4", b"r4b", b"r5", b"stu3", b"dstu2", b"basedstu3", b"fhir-server"];

/// Whether a target is one of the API though no media type says so: a resource of people behind a base, or one whose name
/// is no other word in a path.
pub(super) fn is_target(target: &[u8]) -> bool {
    let (path, _) = split(target, b'?');
    let mut has_base = false;
    for segment in path.split(|byte| *byte == b'/') {
        if let Some((name, true)) = resource(segment) {
            let capitals = name.bytes().filter(u8::is_ascii_uppercase).count();
            return has_base || capitals > 1 || matches!(name, "Patient" | "Observation" | "Encounter");
        }
        has_base |= BASES.iter().any(|base| segment.eq_ignore_ascii_case(base));
    }
    false
}

/// Resources of people and their care, then those that only describe systems and words.
const CLINICAL: [&str; 47] = [
    "Account",
    "AdverseEvent",
    "AllergyIntolerance",
    "Appointment",
    "AuditEvent",
    "Basic",
    "Binary",
    "CarePlan",
    "CareTeam",
    "ChargeItem",
    "Claim",
    "ClaimResponse",
    "ClinicalImpression",
    "Communication",
    "Composition",
    "Condition",
    "Consent",
    "Coverage",
    "Device",
    "DiagnosticReport",
    "DocumentReference",
    "Encounter",
    "EpisodeOfCare",
    "ExplanationOfBenefit",
    "FamilyMemberHistory",
    "Flag",
    "Goal",
    "Group",
    "ImagingStudy",
    "Immunization",
    "List",
    "Media",
    "Medication",
    "MedicationAdministration",
    "MedicationDispense",
    "MedicationRequest",
    "MedicationStatement",
    "Observation",
    "Patient",
    "Person",
    "Procedure",
    "Provenance",
    "QuestionnaireResponse",
    "RelatedPerson",
    "ServiceRequest",
    "Specimen",
    "Task",
];
const ADMINISTRATIVE: [&str; 22] = [
    "ActivityDefinition",
    "Bundle",
    "CapabilityStatement",
    "CodeSystem",
    "ConceptMap",
    "Endpoint",
    "HealthcareService",
    "Library",
    "Location",
    "Measure",
    "MessageHeader",
    "NamingSystem",
    "OperationDefinition",
    "OperationOutcome",
    "Organization",
    "Parameters",
    "PlanDefinition",
    "Practitioner",
    "PractitionerRole",
    "Questionnaire",
    "Schedule",
    "SearchParameter",
];
const MORE_ADMINISTRATIVE: [&str; 6] =
    ["Slot", "StructureDefinition", "StructureMap", "Subscription", "Substance", "ValueSet"];

/// A target as the API reads it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Request {
    resource: Option<&'static str>,
    interaction: &'static str,
    is_clinical: bool,
}

impl Request {
    /// Reads method and target.
    pub(super) fn read(method: &[u8], target: &[u8]) -> Self {
        let (path, query) = split(target, b'?');
        let mut request = Self::default();
        let (mut has_id, mut has_history, mut operation) = (false, false, None);
        for segment in path.split(|byte| *byte == b'/').filter(|segment| !segment.is_empty()) {
            if let (None, Some((name, is_clinical))) = (request.resource, resource(segment)) {
                (request.resource, request.is_clinical) = (Some(name), is_clinical);
            } else if segment.starts_with(b"$") {
                operation = Some("operation");
            } else if segment == b"_history" {
                has_history = true;
            } else if segment == b"metadata" {
                operation = Some("capabilities");
            } else if segment == b"_search" {
                operation = Some("search");
            } else if request.resource.is_some() {
                has_id = true;
            }
        }
        request.interaction = match (method, request.resource.is_some(), has_id) {
            _ if operation.is_some() => operation.unwrap_or_default(),
            _ if has_history => "history",
            (b"GET" | b"HEAD", _, true) => "read",
            (b"GET" | b"HEAD", ..) => "search",
            (b"POST", true, _) => "create",
            (b"POST", ..) => "transaction",
            (b"PUT", ..) => "update",
            (b"PATCH", ..) => "patch",
            (b"DELETE", ..) => "delete",
            _ => "other",
        };
        // A search of everything, and what is sent to the root, is of people.
        request.is_clinical |= request.resource.is_none() && operation != Some("capabilities");
        request.is_clinical |= !query.is_empty() && request.resource.is_none();
        request
    }

    /// Writes an object.
    pub(super) fn write(&self, event: &mut EventWriter<'_>) {
        event.object("fhir");
        if let Some(resource) = self.resource {
            event.label("resource", resource);
        }
        event.label("interaction", self.interaction).flag("phi", self.is_clinical).close();
    }
}

/// Appends a target whose ids and values of searches are masked: names, birth days and numbers of patients stand there.
pub(super) fn mask(target: &[u8], into: &mut Vec<u8>) {
    let (path, query) = split(target, b'?');
    let mut is_behind_resource = false;
    for (at, segment) in path.split(|byte| *byte == b'/').enumerate() {
        if at > 0 {
            into.push(b'/');
        }
        let is_kept = segment.is_empty() || segment.starts_with(b"$") || segment.starts_with(b"_");
        if resource(segment).is_some() {
            is_behind_resource = true;
            into.extend_from_slice(segment);
        } else if is_behind_resource && !is_kept {
            into.extend_from_slice(b"***");
        } else {
            into.extend_from_slice(segment);
        }
    }
    for (at, parameter) in query.split(|byte| *byte == b'&').enumerate() {
        if query.is_empty() {
            break;
        }
        into.push(if at == 0 { b'?' } else { b'&' });
        let (name, _) = split(parameter, b'=');
        // Parameters that only say how to answer begin so; what they join is a search again.
        let is_kept = name.starts_with(b"_") && name != b"_id" && !name.starts_with(b"_has");
        into.extend_from_slice(if is_kept { parameter } else { name });
        if !is_kept && name.len() < parameter.len() {
            into.extend_from_slice(b"=***");
        }
    }
}

/// What stands before and behind the first of a byte.
fn split(bytes: &[u8], at: u8) -> (&[u8], &[u8]) {
    let end = memchr::memchr(at, bytes).unwrap_or(bytes.len());
    let (before, after) = bytes.split_at_checked(end).unwrap_or_default();
    (before, after.get(1..).unwrap_or_default())
}

/// A resource's name, and whether it is of people and their care.
fn resource(segment: &[u8]) -> Option<(&'static str, bool)> {
    if !segment.first().is_some_and(u8::is_ascii_uppercase) {
        return None;
    }
    let is = |name: &&&str| name.as_bytes() == segment;
    let clinical = CLINICAL.iter().find(is).map(|name| (*name, true));
    clinical.or_else(|| {
        let mut others = ADMINISTRATIVE.iter().chain(&MORE_ADMINISTRATIVE);
        others.find(is).map(|name| (*name, false))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_of_all_releases_are_known() {
        assert!(is_media_type(b"application/fhir+json; fhirVersion=4.0"));
        assert!(is_media_type(b"text/html;q=0.1, application/xml+fhir;q=0.9"));
        assert!(!is_media_type(b"application/json") && !is_media_type(b""));
    }

    #[test]
    fn requests_say_what_is_done_to_which_kind_of_resource() {
        for (method, target, resource, interaction, is_clinical) in [
            (&b"GET"[..], &b"/fhir/R4/Patient/123"[..], Some("Patient"), "read", true),
            (b"GET", b"/Patient?family=Doe", Some("Patient"), "search", true),
            (b"POST", b"/fhir/Observation", Some("Observation"), "create", true),
            (b"POST", b"/fhir/Patient/_search", Some("Patient"), "search", true),
            (b"GET", b"/fhir/Patient/1/_history/2", Some("Patient"), "history", true),
            (b"GET", b"/fhir/Patient/1/$everything", Some("Patient"), "operation", true),
            (b"PUT", b"/ValueSet/x", Some("ValueSet"), "update", false),
            (b"GET", b"/fhir/metadata", None, "capabilities", false),
            (b"POST", b"/fhir", None, "transaction", true),
        ] {
            let request = Request::read(method, target);
            assert_eq!(request, Request { resource, interaction, is_clinical }, "{target:?}");
        }
    }

    #[test]
    fn targets_say_by_themselves_what_they_are() {
        for target in
            [&b"/fhir/Condition/1"[..], b"/Patient/123", b"/api/MedicationRequest?patient=1", b"/R4/Task/9"]
        {
            assert!(is_target(target), "{target:?}");
        }
        for target in [&b"/Account/login"[..], b"/List", b"/fhir/metadata", b"/patient/123", b"/Task/5", b"/"]
        {
            assert!(!is_target(target), "{target:?}");
        }
    }

    #[test]
    fn nobody_is_named() {
        for (target, expected) in [
            (&b"/fhir/R4/Patient/123"[..], &b"/fhir/R4/Patient/***"[..]),
            (
                b"/Patient?family=Doe&birthdate=1980-01-01&_count=5",
                b"/Patient?family=***&birthdate=***&_count=5",
            ),
            (b"/Patient/1/_history/2?_id=3", b"/Patient/***/_history/***?_id=***"),
            (b"/metadata", b"/metadata"),
            (b"http://h/fhir/Patient/1", b"http://h/fhir/Patient/***"),
        ] {
            let mut masked = Vec::new();
            mask(target, &mut masked);
            assert_eq!(masked, expected);
        }
    }
}
