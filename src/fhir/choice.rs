//! Elements that are a choice of types, and so stand in JSON under a name such as `valueQuantity`
//! (<https://hl7.org/fhir/R4/formats.html#choice>).

/// Whether some type of R4 has a choice of this name, so that `base` alone is no member there.
pub fn is_choice(base: &str) -> bool {
    BASES.binary_search(&base).is_ok()
}

/// Whether the name of a choice may end so: the name of a data type
/// (<https://hl7.org/fhir/R4/datatypes.html#open>).
pub fn is_choice_type(suffix: &str) -> bool {
    TYPES.binary_search(&suffix).is_ok()
}

/// Every name that stands with two or more types in one object of the published JSON schema.
/// Sorted, so that a look-up is a binary search.
#[rustfmt::skip]
const BASES: [&str; 81] = [
    "abatement", "additive", "age", "allowed", "amount", "answer", "asNeeded",
    "author", "born", "bounds", "characteristic", "chargeItem", "code", "collected",
    "compareToSource", "content", "created", "date", "deceased", "defaultValue", "definingSubstance",
    "definition", "detail", "diagnosis", "dose", "doseNumber", "due", "effective",
    "entity", "event", "example", "fastingStatus", "fixed", "identified", "indication",
    "instantiates", "item", "legallyBinding", "location", "manufacturer", "maxValue", "medication",
    "minValue", "minimumVolume", "module", "multipleBirth", "name", "occurred", "occurrence",
    "offset", "onset", "outcome", "participantEffective", "pattern", "payment", "performed",
    "probability", "procedure", "product", "prognosis", "quantity", "rate", "reason",
    "referenceSeq", "reported", "scheduled", "seriesDoses", "serviced", "source", "start",
    "statusReason", "studyEffective", "subject", "substance", "target", "time", "timing",
    "topic", "used", "value", "when",
];

/// Sorted, so that a look-up is a binary search.
const TYPES: [&str; 50] = [
    "Address",
    "Age",
    "Annotation",
    "Attachment",
    "Base64Binary",
    "Boolean",
    "Canonical",
    "Code",
    "CodeableConcept",
    "Coding",
    "ContactDetail",
    "ContactPoint",
    "Contributor",
    "Count",
    "DataRequirement",
    "Date",
    "DateTime",
    "Decimal",
    "Distance",
    "Dosage",
    "Duration",
    "Expression",
    "HumanName",
    "Id",
    "Identifier",
    "Instant",
    "Integer",
    "Markdown",
    "Meta",
    "Money",
    "Oid",
    "ParameterDefinition",
    "Period",
    "PositiveInt",
    "Quantity",
    "Range",
    "Ratio",
    "Reference",
    "RelatedArtifact",
    "SampledData",
    "Signature",
    "String",
    "Time",
    "Timing",
    "TriggerDefinition",
    "UnsignedInt",
    "Uri",
    "Url",
    "UsageContext",
    "Uuid",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted() {
        assert!(BASES.is_sorted() && TYPES.is_sorted());
    }
}
