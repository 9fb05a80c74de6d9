//! The patient compartment: which elements make a resource belong to a patient.

use std::sync::LazyLock;

use super::ResourceType;

/// The elements of this type whose reference to a Patient puts a resource into that patient's
/// compartment, each as the names that lead to it (arrays are implied); empty when the type is not
/// in the compartment at all. A Patient is in its own compartment by its id
/// (<https://hl7.org/fhir/R4/compartmentdefinition-patient.html>).
pub fn patient_membership(resource_type: ResourceType) -> &'static [Vec<&'static str>] {
    static OF: LazyLock<Vec<Vec<Vec<&'static str>>>> = LazyLock::new(|| {
        let of = |own: ResourceType| elements(own.name()).iter();
        ResourceType::all()
            .map(|own| of(own).map(|path| path.split('.').collect()).collect())
            .collect()
    });
    let elements = OF.get(resource_type.index());
    elements.map(Vec::as_slice).unwrap_or_default()
}

fn elements(name: &str) -> &'static [&'static str] {
    match name {
        "Account"
        | "AdverseEvent"
        | "ChargeItem"
        | "ClinicalImpression"
        | "DeviceUseStatement"
        | "DiagnosticReport"
        | "Media"
        | "MedicationRequest"
        | "MedicationStatement"
        | "RiskAssessment"
        | "Specimen" => &["subject"],
        "AllergyIntolerance" => &["asserter", "patient", "recorder"],
        "Appointment" => &["participant.actor"],
        "AppointmentResponse" | "Schedule" => &["actor"],
        "AuditEvent" => &["agent.who", "entity.what"],
        "Basic" => &["author", "subject"],
        "BodyStructure"
        | "ClaimResponse"
        | "Consent"
        | "CoverageEligibilityRequest"
        | "CoverageEligibilityResponse"
        | "DetectedIssue"
        | "EpisodeOfCare"
        | "FamilyMemberHistory"
        | "Immunization"
        | "ImmunizationEvaluation"
        | "ImmunizationRecommendation"
        | "MolecularSequence"
        | "NutritionOrder"
        | "RelatedPerson"
        | "SupplyDelivery"
        | "VisionPrescription" => &["patient"],
        "CarePlan" => &["activity.detail.performer", "subject"],
        "CareTeam" => &["participant.member", "subject"],
        "Claim" | "ExplanationOfBenefit" => &["patient", "payee.party"],
        "Communication" => &["recipient", "sender", "subject"],
        "CommunicationRequest" => &["recipient", "requester", "sender", "subject"],
        "Composition" => &["attester.party", "author", "subject"],
        "Condition" => &["asserter", "subject"],
        "Coverage" => &["beneficiary", "payor", "policyHolder", "subscriber"],
        "DeviceRequest" | "Observation" | "ServiceRequest" => &["performer", "subject"],
        "DocumentManifest" => &["author", "recipient", "subject"],
        "DocumentReference" | "QuestionnaireResponse" => &["author", "subject"],
        "Encounter" | "Flag" | "Goal" | "ImagingStudy" | "MeasureReport" => &["subject"],
        "EnrollmentRequest" => &["candidate"],
        "Group" => &["member.entity"],
        "Invoice" => &["recipient", "subject"],
        "List" => &["source", "subject"],
        "MedicationAdministration" => &["performer.actor", "subject"],
        "MedicationDispense" => &["receiver", "subject"],
        "Patient" => &["link.other"],
        "Person" => &["link.target"],
        "Procedure" => &["performer.actor", "subject"],
        "Provenance" => &["target"],
        "RequestGroup" => &["action.participant", "subject"],
        "ResearchSubject" => &["individual"],
        "SupplyRequest" => &["deliverTo"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expected: &[&str]) {
        let resource_type = ResourceType::parse(name).expect("a type of R4");
        let found: Vec<String> = patient_membership(resource_type)
            .iter()
            .map(|path| path.join("."))
            .collect();
        assert_eq!(found, expected, "{name}");
    }

    #[test]
    fn membership_is_that_of_the_published_definition() {
        check("Observation", &["performer", "subject"]);
        check("Appointment", &["participant.actor"]);
        check("AuditEvent", &["agent.who", "entity.what"]);
        check(
            "Coverage",
            &["beneficiary", "payor", "policyHolder", "subscriber"],
        );
        check("Patient", &["link.other"]);
        // Health data, and yet not in the compartment of R4: a patient scope opens none of them.
        for outside in [
            "Task",
            "Device",
            "Binary",
            "Bundle",
            "Organization",
            "Medication",
        ] {
            check(outside, &[]);
        }
    }
}
