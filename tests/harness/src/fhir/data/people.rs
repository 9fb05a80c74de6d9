//! Patients, and the staff and places they meet.

use serde_json::{Value, json};

use super::concept;

const FAMILIES: [&str; 36] = [
    "Lindqvist",
    "Okonkwo",
    "Brannigan",
    "Wójcik",
    "Tanaka",
    "Moreau",
    "Castellanos",
    "Petrov",
    "Haddad",
    "Nguyen",
    "Fitzroy",
    "Achterberg",
    "Søndergaard",
    "Kowalczyk",
    "Marchetti",
    "Abernathy",
    "Villanueva",
    "Ishikawa",
    "Dlamini",
    "Eriksen",
    "Bhattacharya",
    "O'Leary",
    "Schönfeld",
    "Ramaswamy",
    "Quispe",
    "Vandermeer",
    "Yıldız",
    "Almqvist",
    "Carrasco",
    "Pendergast",
    "Mbeki",
    "Horvath",
    "Sato",
    "Delacroix",
    "Thorsteinsson",
    "Zielinski",
];
const GIVENS: [&str; 18] = [
    "Ada", "Chidi", "Maeve", "Łukasz", "Hiroko", "Étienne", "Marisol", "Dmitri", "Layla", "Minh",
    "Rosalind", "Joost", "Freja", "Tomasz", "Bianca", "Silas", "Imelda", "Kenji",
];
const STREETS: [&str; 6] = [
    "Juniper Lane",
    "Harbour Street",
    "Mill Road",
    "Orchard Close",
    "Station Avenue",
    "Cinder Path",
];
const CITIES: [(&str, &str); 4] = [
    ("Ashford", "MA"),
    ("Brookhaven", "NY"),
    ("Calder", "OR"),
    ("Dunmore", "PA"),
];
const RACES: [(&str, &str); 4] = [
    ("2106-3", "White"),
    ("2054-5", "Black or African American"),
    ("2028-9", "Asian"),
    ("2131-1", "Other Race"),
];
/// A PNG of one pixel.
const PORTRAIT: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// One invented person; `number` is the patient's, from 1.
pub struct Person {
    /// 1 for `p1`.
    pub number: usize,
    /// Logical id, `p1`.
    pub id: String,
    /// Family name.
    pub family: &'static str,
    /// First given name.
    pub given: &'static str,
    /// `YYYY-MM-DD`.
    pub birth_date: String,
}

impl Person {
    /// The person behind `p{number}`.
    pub fn new(number: usize) -> Self {
        Self {
            number,
            id: format!("p{number}"),
            family: FAMILIES[(number - 1) % FAMILIES.len()],
            given: GIVENS[(number - 1) % GIVENS.len()],
            birth_date: format!(
                "{}-{:02}-{:02}",
                1938 + (number * 7) % 80,
                1 + number % 12,
                1 + (number * 5) % 28
            ),
        }
    }

    /// Given and family name.
    pub fn name(&self) -> String {
        format!("{} {}", self.given, self.family)
    }

    /// Medical record number.
    pub fn mrn(&self) -> String {
        format!("MRN-{}", 100_000 + self.number)
    }

    /// A reference to the patient, with the name as display.
    pub fn reference(&self) -> Value {
        json!({"reference": format!("Patient/{}", self.id), "display": self.name()})
    }

    /// A narrative that says who it is about.
    pub fn narrative(&self, about: &str) -> Value {
        let div = format!(
            "<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>{about}: {}, born {}, {}</p></div>",
            self.name().replace('\'', "&#39;"),
            self.birth_date,
            self.mrn()
        );
        json!({"status": "generated", "div": div})
    }

    /// The Patient resource.
    pub fn patient(&self) -> Value {
        let (city, state) = CITIES[self.number % CITIES.len()];
        let (race_code, race) = RACES[self.number % RACES.len()];
        let postal_code = format!("0{}", 2100 + self.number);
        let mut patient = json!({
            "resourceType": "Patient",
            "id": self.id,
            "meta": {"profile": ["http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient"]},
            "text": self.narrative("Patient"),
            "extension": [{
                "url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race",
                "extension": [
                    {"url": "ombCategory", "valueCoding": {"system": "urn:oid:2.16.840.1.113883.6.238", "code": race_code, "display": race}},
                    {"url": "text", "valueString": race}
                ]
            }],
            "identifier": [{
                "use": "usual",
                "type": concept("http://terminology.hl7.org/CodeSystem/v2-0203", "MR", "Medical record number"),
                "system": "http://hospital.example.org/mrn",
                "value": self.mrn()
            }],
            "active": true,
            "name": [{"use": "official", "family": self.family, "given": [self.given, "Q."], "text": self.name()}],
            "telecom": [
                {"system": "phone", "value": format!("+1 555 01{:02}", self.number), "use": "home"},
                {"system": "email", "value": format!("patient{}@mail.example.org", self.number)}
            ],
            "gender": if self.number % 2 == 1 { "female" } else { "male" },
            "birthDate": self.birth_date,
            "address": [{
                "use": "home",
                "line": [format!("{} {}", 10 + self.number, STREETS[self.number % STREETS.len()])],
                "city": city,
                "state": state,
                "postalCode": postal_code,
                "country": "US"
            }],
            "maritalStatus": concept("http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "M", "Married"),
            "communication": [{"language": concept("urn:ietf:bcp:47", "en", "English"), "preferred": true}],
            "generalPractitioner": [{"reference": format!("Practitioner/practitioner-{}", 1 + self.number % 4)}],
            "managingOrganization": {"reference": format!("Organization/organization-{}", 1 + self.number % 2)}
        });
        if self.number % 3 == 1 {
            patient["_birthDate"] = json!({"extension": [{
                "url": "http://hl7.org/fhir/StructureDefinition/patient-birthTime",
                "valueDateTime": format!("{}T04:{:02}:00-05:00", self.birth_date, self.number)
            }]});
        }
        if self.number % 2 == 1 {
            // Area numbers from 900 up are never given out.
            if let Some(identifiers) = patient["identifier"].as_array_mut() {
                identifiers.push(json!({
                    "system": "http://hl7.org/fhir/sid/us-ssn",
                    "value": format!("999-{:02}-{:04}", 10 + self.number, 4000 + self.number)
                }));
            }
            patient["contact"] = json!([{
                "relationship": [concept("http://terminology.hl7.org/CodeSystem/v2-0131", "N", "Next-of-Kin")],
                "name": {"family": self.family, "given": ["Robin"]},
                "telecom": [{"system": "phone", "value": format!("+1 555 02{:02}", self.number)}]
            }]);
        }
        if self.number <= 3 {
            patient["photo"] =
                json!([{"contentType": "image/png", "data": PORTRAIT, "title": self.name()}]);
        }
        if self.number == 36 {
            patient["deceasedDateTime"] = json!("2025-06-30T22:10:00Z");
        }
        patient
    }
}

/// Practitioners, organizations and locations.
pub fn staff() -> Vec<Value> {
    let mut all = Vec::new();
    let doctors = [
        ("Ferreira", "Inês"),
        ("Whitlock", "Samuel"),
        ("Osei", "Abena"),
        ("Nakamura", "Yuto"),
    ];
    for (index, (family, given)) in doctors.iter().enumerate() {
        let number = index + 1;
        all.push(json!({
            "resourceType": "Practitioner",
            "id": format!("practitioner-{number}"),
            "identifier": [{"system": "http://hl7.org/fhir/sid/us-npi", "value": format!("999999900{number}")}],
            "active": true,
            "name": [{"family": family, "given": [given], "prefix": ["Dr."]}],
            "telecom": [{"system": "phone", "value": format!("+1 555 019{number}"), "use": "work"}],
            "gender": if number % 2 == 1 { "female" } else { "male" }
        }));
    }
    for (index, name) in ["Alder General Hospital", "Birch Street Clinic"]
        .iter()
        .enumerate()
    {
        let number = index + 1;
        all.push(json!({
            "resourceType": "Organization",
            "id": format!("organization-{number}"),
            "active": true,
            "type": [concept("http://terminology.hl7.org/CodeSystem/organization-type", "prov", "Healthcare Provider")],
            "name": name
        }));
        all.push(json!({
            "resourceType": "Location",
            "id": format!("location-{number}"),
            "status": "active",
            "name": format!("{name}, ward {number}"),
            "managingOrganization": {"reference": format!("Organization/organization-{number}")}
        }));
    }
    all
}
