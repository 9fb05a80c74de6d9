// A searchset such as a server answers that was filled by Synthea: for every patient what such a file has of the
// types below, in their proportions and sizes, written without white space. Made anew, the same each time.

import { UPSTREAM, bytes } from './host.mjs';

/** The types of the searchset, with what says whose a resource is. */
export const SUBJECTS = {
  Condition: 'subject', Encounter: 'subject', Immunization: 'patient', MedicationRequest: 'subject',
  Observation: 'subject', Procedure: 'subject',
};
const EACH = { Encounter: 8, Condition: 3, Observation: 60, Immunization: 9, MedicationRequest: 2, Procedure: 2 };

/** A small one of five numbers, which is enough for dates and values. */
let state = 42;
const random = (below) => {
  state = (state * 1103515245 + 12345) % 2147483648;
  return Math.floor((state / 2147483648) * below);
};
const two = (number) => String(number).padStart(2, '0');
const hex = (digits) => Array.from({ length: digits }, () => random(16).toString(16)).join('');
const uuid = () => [8, 4, 4, 4, 12].map(hex).join('-');
const date = () => `${2008 + random(17)}-${two(1 + random(12))}-${two(1 + random(28))}`;
const instant = () => `${date()}T${two(random(24))}:${two(random(60))}:24+00:00`;
const concept = (system, code, display) => ({ coding: [{ system, code, display }], text: display });

const SNOMED = 'http://snomed.info/sct';
const LOINC = 'http://loinc.org';
const CORE = 'http://hl7.org/fhir/us/core/StructureDefinition';
const TERMS = 'http://terminology.hl7.org/CodeSystem';
const MEASURES = [
  ['8302-2', 'Body Height', 'cm'], ['29463-7', 'Body Weight', 'kg'], ['39156-5', 'Body Mass Index', 'kg/m2'],
  ['2339-0', 'Glucose', 'mg/dL'], ['6299-2', 'Urea Nitrogen', 'mg/dL'], ['38483-4', 'Creatinine', 'mg/dL'],
  ['2093-3', 'Total Cholesterol', 'mg/dL'], ['4548-4', 'Hemoglobin A1c/Hemoglobin.total in Blood', '%'],
];

const patient = (id) => ({
  resourceType: 'Patient', id,
  text: { status: 'generated', div: '<div xmlns="http://www.w3.org/1999/xhtml">Generated. Person seed: -4589189771557671243, population seed: 1559319163075</div>' },
  extension: [
    ...['race', 'ethnicity'].map((what) => ({
      url: `${CORE}/us-core-${what}`,
      extension: [
        { url: 'ombCategory', valueCoding: { system: 'urn:oid:2.16.840.1.113883.6.238', code: '2106-3', display: 'White' } },
        { url: 'text', valueString: 'White' },
      ],
    })),
    { url: `${CORE}/us-core-birthsex`, valueCode: 'F' },
    { url: 'http://hl7.org/fhir/StructureDefinition/patient-birthPlace', valueAddress: { city: 'Boston', state: 'Massachusetts', country: 'US' } },
    { url: 'http://synthetichealth.github.io/synthea/disability-adjusted-life-years', valueDecimal: 0.01025143671275 },
  ],
  identifier: [
    { system: 'https://github.com/synthetichealth/synthea', value: id },
    ...[['MR', 'Medical Record Number'], ['SS', 'Social Security Number'], ['DL', "Driver's License"], ['PPN', 'Passport Number']]
      .map(([code, display]) => ({
        type: concept(`${TERMS}/v2-0203`, code, display), system: `http://hospital.example.org/${code}`, value: `S${random(99999999)}`,
      })),
  ],
  name: [{ use: 'official', family: `Kreiger${random(999)}`, given: ['Clementine', 'Ruth'], prefix: ['Ms.'] }],
  telecom: [{ system: 'phone', value: `555-${100 + random(900)}-7476`, use: 'home' }],
  gender: 'female', birthDate: date(),
  address: [{
    extension: [{
      url: 'http://hl7.org/fhir/StructureDefinition/geolocation',
      extension: [{ url: 'latitude', valueDecimal: 42.564647 }, { url: 'longitude', valueDecimal: -71.164516 }],
    }],
    line: [`${random(999)} Doyle Corner Apt 89`], city: 'Wilmington', state: 'Massachusetts', postalCode: '01887', country: 'US',
  }],
  maritalStatus: concept(`${TERMS}/v3-MaritalStatus`, 'M', 'Married'),
  multipleBirthBoolean: false,
  communication: [{ language: concept('urn:ietf:bcp:47', 'en-US', 'English') }],
});

const MAKERS = {
  Encounter: () => ({
    status: 'finished', class: { system: `${TERMS}/v3-ActCode`, code: 'AMB' },
    type: [concept(SNOMED, '185349003', 'Encounter for check up (procedure)')],
    participant: [{ individual: { reference: `Practitioner/${uuid()}`, display: 'Dr. Roxanne Hoppe' } }],
    period: { start: instant(), end: instant() }, serviceProvider: { reference: `Organization/${uuid()}`, display: 'Hallmark Health System' },
  }),
  Condition: () => ({
    clinicalStatus: { coding: [{ system: `${TERMS}/condition-clinical`, code: 'active' }] },
    verificationStatus: { coding: [{ system: `${TERMS}/condition-ver-status`, code: 'confirmed' }] },
    code: concept(SNOMED, '162864005', 'Body mass index 30+ - obesity (finding)'),
    onsetDateTime: instant(), recordedDate: instant(),
  }),
  Observation: () => {
    const [code, display, unit] = MEASURES[random(MEASURES.length)];
    return {
      status: 'final',
      category: [{ coding: [{ system: `${TERMS}/observation-category`, code: 'vital-signs', display: 'vital-signs' }] }],
      code: concept(LOINC, code, display), effectiveDateTime: instant(), issued: instant().replace('+', '.181+'),
      valueQuantity: { value: 1 + random(1000000) / 7, unit, system: 'http://unitsofmeasure.org', code: unit },
    };
  },
  Immunization: () => ({
    status: 'completed', vaccineCode: concept('http://hl7.org/fhir/sid/cvx', '140', 'Influenza, seasonal, injectable, preservative free'),
    occurrenceDateTime: instant(), primarySource: true,
  }),
  MedicationRequest: () => ({
    status: 'stopped', intent: 'order',
    medicationCodeableConcept: concept('http://www.nlm.nih.gov/research/umls/rxnorm', '860975', '24 HR Metformin hydrochloride 500 MG Extended Release Oral Tablet'),
    authoredOn: instant(), requester: { reference: `Practitioner/${uuid()}`, display: 'Dr. Roxanne Hoppe' },
  }),
  Procedure: () => ({
    status: 'completed', code: concept(SNOMED, '430193006', 'Medication Reconciliation (procedure)'),
    performedPeriod: { start: instant(), end: instant() },
  }),
};

/** The searchset of at least so many bytes, whole patients, with the labels of `labels`, and texts of `texts`. */
export function searchset(least, { labels = false, texts = false } = {}) {
  state = 42;
  const entries = [];
  let size = 0;
  const add = (resource) => {
    const { resourceType, id } = resource;
    const entry = JSON.stringify({ fullUrl: `${UPSTREAM}/${resourceType}/${id}`, resource, search: { mode: 'match' } });
    size += entry.length;
    entries.push(entry);
  };
  const coding = (system, code) => ({ system: `${TERMS}/${system}`, code });
  while (size < least) {
    const id = uuid();
    add(patient(id));
    const subject = { reference: `Patient/${id}`, display: 'Ms. Clementine Ruth Kreiger' };
    const encounter = { reference: `Encounter/${uuid()}` };
    for (const [type, count] of Object.entries(EACH)) {
      for (let number = 0; number < count && size < least; number += 1) {
        const meta = { versionId: '1', lastUpdated: instant(), tag: [{ system: 'https://example.org/tags', code: 'synthea-5-2019' }] };
        if (labels) meta.security = [coding('v3-Confidentiality', 'N'), ...(number === 2 ? [coding('v3-ActCode', 'PSY')] : [])];
        const note = texts ? { note: [{ text: `Asked for a copy to ${hex(6)}@example.org, or by phone at +1 555 010 ${1000 + random(9000)}, seen at 10:30.` }] } : {};
        const own = type === 'Encounter' ? {} : { encounter };
        add({ resourceType: type, id: uuid(), meta, [SUBJECTS[type]]: subject, ...own, ...MAKERS[type](), ...note });
      }
    }
  }
  const types = ['Patient', ...Object.keys(SUBJECTS)].join(',');
  const link = JSON.stringify([{ relation: 'self', url: `${UPSTREAM}?_type=${types}` }]);
  return bytes(`{"resourceType":"Bundle","type":"searchset","total":${entries.length},"link":${link},"entry":[${entries.join(',')}]}`);
}
