// How many bytes a second what leaves is decided on inside V8: the module as it is shipped, with a host that
// only hands over and takes, beside a tree of serde_json that makes the same edit in the same VM.
//
// usage: node screening.mjs fhir_guard.wasm bench_filter.wasm
//
// The time of a large answer less that of a small one, so that what a request costs by itself is in neither, and
// less what copying the same bytes into the VM and back takes. Rows take turns, and the best turn of each
// counts: a busy machine only adds. An answer that is not what its row says ends the run.

import crypto from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';

import { Worker, answered, bytes, compiled, configuration, request, table } from './host.mjs';
import { SUBJECTS, searchset } from './searchset.mjs';

const LARGE = 1_000_000;
const SMALL = 20_000;
const SIGNED = 10_000;
const TURN_NS = 8_000_000n;
const TURNS = 40;

const [guard, floor] = process.argv.slice(2).map(compiled);
const TYPES = Object.keys(SUBJECTS);
const asked = request('GET', `?_type=Patient,${TYPES}`, 'system/*.rs');

// Names and identifiers are repeated by references, which the filter looks for and a tree that is told paths does not.
const NAMES = { remove: { Patient: ['identifier', 'name'] }, year: {} };
const DEMOGRAPHICS = {
  remove: { Patient: ['telecom', 'photo', 'contact', 'address.line', 'address.city', 'address.postalCode'] },
  year: { Patient: ['birthDate'] },
};
const REFERENCES = {
  remove: { ...DEMOGRAPHICS.remove, ...Object.fromEntries(TYPES.map((type) => [type, [`${SUBJECTS[type]}.display`]])) },
  year: DEMOGRAPHICS.year,
};
const redaction = ({ remove, year }) => [
  ...Object.entries(remove).map(([resource, elements]) => ({ name: `no-${resource}`, resource, elements, action: 'remove' })),
  ...Object.entries(year).map(([resource, elements]) => ({ name: `year-${resource}`, resource, elements, action: 'generalize', to: 'year' })),
];
const labels = { unlabelled: 'normal', clearances: [{ confidentiality: 'normal', sensitivities: ['HIV', 'SUD'] }] };
const codes = Array.from({ length: 64 }, (_, number) => `http://hl7.org/fhir/sid/icd-10-cm|F11.${number}`);
const coded = { ...labels, codes: [{ codes, confidentiality: 'restricted' }] };
const dlp = [{ name: 'contact', patterns: ['email', 'phone', 'card'], action: 'mask' }];
const egress = [{ name: 'page', records: 100000, bytes: '64MiB', patients: 1000, over: 'refuse' }];

/** What leaves of a searchset. */
const read = (left) => JSON.parse(Buffer.concat(left).toString());
const resources = (bundle) => bundle.entry.map((entry) => entry.resource);
const same = (sent, came) => resources(came).length === resources(sent).length;
const untouched = (sent, came) => isDeepStrictEqual(resources(came), resources(sent));
const text = (bundle) => JSON.stringify(bundle);
const edited = (edit) => (sent, came) => {
  const tree = read(new Worker(floor, bytes(JSON.stringify(edit))).ask(answered(asked, bytes(text(sent)))));
  // The last digits of long numbers come out of the tree otherwise.
  const rounded = (bundle) => JSON.parse(text(bundle), (_, value) => (typeof value === 'number' ? value.toPrecision(12) : value));
  return isDeepStrictEqual(resources(rounded(came)), resources(rounded(tree))) && !text(came).includes('Doyle Corner') && text(came).includes('SUBSETTED');
};

/** Name, configuration besides the usual one, what the searchset has, whether it is right, and what is wanted. */
const ROWS = [
  ['nothing touched', {}, {}, untouched, 350],
  ['demographics of patients', { redaction: redaction(DEMOGRAPHICS) }, {}, edited(DEMOGRAPHICS), 250],
  ['and the name beside every reference', { redaction: redaction(REFERENCES) }, {}, edited(REFERENCES), 250],
  ['names and identifiers, and what references say of them', { redaction: redaction(NAMES) }, {}, (sent, came) => {
    return same(sent, came) && text(sent).includes('Clementine') && !text(came).includes('Clementine');
  }],
  ['labels, with a clearance', { labels }, { labels: true }, (sent, came) => {
    const psychiatric = (resource) => text(resource).includes('"PSY"');
    return resources(came).length === resources(sent).filter((resource) => !psychiatric(resource)).length
      && !resources(came).some(psychiatric);
  }],
  ['labels by 64 codes besides', { labels: coded }, { labels: true }, (sent, came) => !text(came).includes('"PSY"')],
  ['texts: e-mail, telephone, cards; none there', { dlp }, {}, untouched],
  ['the same, two in every resource', { dlp }, { texts: true }, (sent, came) => {
    return same(sent, came) && !/@example|\+1 555/.test(text(came)) && text(came).includes('seen at 10:30');
  }],
  ['guardrails, patients counted', { egress }, {}, same],
  ['all of these', { redaction: [...redaction(NAMES), ...redaction(REFERENCES)].map((rule, place) => ({ ...rule, name: `r-${place}` })), labels, dlp, egress }, { labels: true, texts: true }, (sent, came) => {
    return !/@example|"PSY"|Doyle Corner|Clementine/.test(text(came)) && resources(came).length > 0;
  }],
];

/** Something that is measured: an exchange of a worker, and the best of its turns so far, in microseconds. */
const turns = [];
function turn(worker, exchange) {
  const one = { worker, exchange, best: Infinity };
  turns.push(one);
  return one;
}

/** A large and a small answer of the same kind. */
function pair(name, module, policy, kind, right) {
  const worker = new Worker(module, policy);
  const [large, small] = [LARGE, SMALL].map((size) => searchset(size, kind));
  for (const body of [large, small]) {
    const left = worker.ask(answered(asked, body));
    if (right && !right(JSON.parse(body.toString()), read(left))) throw new Error(`${name}: an answer is not so`);
  }
  const [one, other] = [large, small].map((body) => turn(worker, answered(asked, body)));
  return { bytes: large.length - small.length, beyond: () => one.best - other.best };
}

const rows = ROWS.map(([name, more, kind, right, wanted]) => {
  return { name, wanted, own: pair(name, guard, configuration(more), kind, right), copied: pair(name, floor, bytes('copy'), kind) };
});
const trees = [DEMOGRAPHICS, REFERENCES].map((edit) => pair('serde_json', floor, bytes(JSON.stringify(edit)), {}));

/** A held answer without a signature, and with each kind of key. */
const small = searchset(SIGNED);
const signed = ['none', 'P-256', 'Ed25519'].map((kind) => {
  const { privateKey } = kind === 'Ed25519' ? crypto.generateKeyPairSync('ed25519')
    : crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const KEY = privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64');
  const more = kind === 'none' ? {} : { secrets: { signing_key: { env: 'KEY' } }, signing: { key_id: 'guard' } };
  const worker = new Worker(guard, configuration(more), { KEY });
  worker.ask(answered(asked, small));
  if (worker.replaced.includes('signature-input') !== (kind !== 'none')) throw new Error(`${kind}: signed or not, against what was asked`);
  return turn(worker, answered(asked, small));
});

for (let number = 0; number < TURNS; number += 1) {
  for (const one of turns) one.best = Math.min(one.best, one.worker.time(one.exchange, TURN_NS));
}

// Bytes a microsecond are megabytes a second.
const speed = ({ own, copied }) => own.bytes / (own.beyond() - copied.beyond());
const speeds = rows.map(speed);
const verdict = (reached) => (reached ? 'reached' : 'missed');
const [, patients, references] = rows;
console.log(`\nScreening inside V8 (node ${process.version}), of a searchset of ${LARGE / 1e6} MB, beyond copying it (${
  (rows[0].copied.bytes / rows[0].copied.beyond()).toFixed(0)} MB/s)\n`);
console.log(table(['what is done', 'MB/s', 'against nothing touched', 'wanted', 'verdict'], rows.map(({ name, wanted }, number) => [
  name, speeds[number].toFixed(0), (speeds[number] / speeds[0]).toFixed(2),
  wanted ? `at least ${wanted}` : '-', wanted ? verdict(speeds[number] >= wanted) : '-',
])));
console.log('\nThe same edits with serde_json in the same VM: parsed into a tree, edited, serialised\n');
console.log(table(['edit', 'serde_json, MB/s', 'fhir-guard / serde_json', 'wanted', 'verdict'], trees.map((tree, number) => {
  const row = [patients, references][number];
  const ratio = (tree.beyond() - row.copied.beyond()) / (row.own.beyond() - row.copied.beyond());
  return [row.name, speed({ own: tree, copied: row.copied }).toFixed(0), ratio.toFixed(2), 'at least 1.5', verdict(ratio >= 1.5)];
})));
const [unsigned, es256, eddsa] = signed.map(({ best }) => best);
console.log(`\nA held answer of ${small.length} bytes, which costs ${unsigned.toFixed(0)} us: signed with ES256 ${
  (es256 - unsigned).toFixed(0)} us more, with EdDSA ${(eddsa - unsigned).toFixed(0)} us more.`);
