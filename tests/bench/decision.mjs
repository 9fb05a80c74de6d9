// What a decision costs inside V8: the module as it is shipped, with a host that only hands over and takes.
//
// usage: node decision.mjs fhir_guard.wasm
//
// A request on a public path is parsed, forwarded and recorded without a decision; what another costs
// beyond it is the decision, with the remembered token, the limit and the larger record. Times are the
// best of many batches: a busy machine only adds.

import { Worker, answered, bytes, compiled, configuration, request, table } from './host.mjs';

const CONDITIONS = 10;
const ENTRIES = 100;
// Short, so that some of them are not interrupted.
const BATCH_NS = 1_000_000n;
const BATCHES = 500;
const COUNTED = 1000;

// A rate by itself, a quota whose answers are charged, a cap of what is under way, and a rate by network and type.
const plenty = { rate: '1000000/s', burst: 1000000 };
const LIMITS = [
  { name: 'client', key: ['client'], ...plenty },
  { name: 'answers', key: ['client', 'subject'], ...plenty, cost: { resources_asked: 50, resources_returned: 1 } },
  { name: 'at-once', key: ['client'], concurrent: 10000 },
  { name: 'network', key: ['address', 'interaction', 'type'], ...plenty },
];

const module = compiled(process.argv[2]);

function policy(conditions, limits = 1, more = {}) {
  const rule = (number) => ({
    name: `rule-${number}`,
    effect: 'deny',
    when: `principal.client == "nobody-${number}" || principal.subject.startsWith("nobody-${number}")`,
  });
  return configuration({
    fhir: { bundles: { types: ['transaction'], entries: ENTRIES } },
    rules: Array.from({ length: conditions }, (_, number) => rule(number)),
    limits: LIMITS.slice(0, limits),
    ...more,
  });
}

/** Microseconds of one request of each worker, in turn, so that all have met the same machine. */
function measure(...pairs) {
  const best = pairs.map(() => Infinity);
  for (let batch = 0; batch < BATCHES; batch += 1) {
    pairs.forEach(([worker, asked], place) => { best[place] = Math.min(best[place], worker.time(asked, BATCH_NS)); });
  }
  return best;
}

/** What one such request asks of shared data, in the mean of many. */
function counted(worker, asked) {
  const before = { ...worker.asked };
  for (let count = 0; count < COUNTED; count += 1) worker.ask(asked);
  const { reads, writes, bytes: moved } = worker.asked;
  const mean = (now, then, digits) => ((now - then) / COUNTED).toFixed(digits);
  return [mean(reads, before.reads, 1), mean(writes, before.writes, 1), mean(moved, before.bytes, 0)];
}

function transaction() {
  const resource = {
    resourceType: 'Observation', status: 'final', subject: { reference: 'Patient/p1' },
    code: { coding: [{ system: 'http://loinc.org', code: '8867-4' }], text: 'Heart rate' },
    effectiveDateTime: '2026-01-01',
    valueQuantity: { value: 72, unit: '/min', system: 'http://unitsofmeasure.org', code: '/min' },
  };
  const entry = { request: { method: 'POST', url: 'Observation' }, resource };
  const bundle = { resourceType: 'Bundle', type: 'transaction', entry: Array(ENTRIES).fill(entry) };
  return bytes(JSON.stringify(bundle));
}

const TEN = '/Observation?patient=p1&code=http://loinc.org%7C8867-4&date=ge2026-01-01&date=lt2027-01-01'
  + '&status=final&category=laboratory&performer=Practitioner/a&value-quantity=gt5.4'
  + '&_lastUpdated=ge2026-01-01&encounter=Encounter/e';
const read = request('GET', '/Patient/p1', 'patient/*.rs');

const plain = new Worker(module, policy(0));
const tens = new Worker(module, policy(CONDITIONS));
const limited = [0, 1, LIMITS.length].map((limits) => new Worker(module, policy(0, limits)));
// What came of it is noted when it has been answered.
const answer = answered(read, bytes(JSON.stringify({ resourceType: 'Patient', id: 'p1' })));
const watched = new Worker(module, policy(0, 1, {
  detectors: {
    isolate: ['certificate'], clamp_at: 50, quarantine_at: 80, step_up_at: 60, step_up: { max_age: '5m' },
  },
}));
// Each record in the chain of its worker, with its early copy, and every thousandth signed.
const chained = new Worker(module, policy(0, 1, {
  secrets: { checkpoint_key: { inline: 'MC4CAQAwBQYDK2VwBCIEIPhKIBuDQZ719C1mcc8/lbJFdq18kNZ+Yvz/TA4EMdRd' } },
  audit: { observer: 'bench', chain: { key_id: 'bench', records: 1000, time: '24h' } },
}));
// Each record as an AuditEvent, in batches to a repository that takes them.
const reported = new Worker(module, policy(0, 1, {
  audit: { observer: 'bench', repository: { cluster: 'audit', uri: 'https://audit.example.org/fhir', queue: '64MiB' } },
}));
const [base, reading, ten, free, one, four, told, detected, linked, evented, search, entries] = measure(
  [plain, request('GET', '/metadata')], [plain, read], [tens, read], ...limited.map((worker) => [worker, read]),
  [plain, answer], [watched, answer], [chained, answer], [reported, answer], [plain, request('GET', TEN, 'patient/*.rs')],
  [plain, request('POST', '', 'patient/*.cruds', transaction())],
);
const rows = [
  ['read, no conditions', reading - base, 10],
  ['one condition more', (ten - reading) / CONDITIONS, 10],
  ['one limit', one - free, 3],
  ['four limits', four - free, 8],
  ['all detectors', detected - told, 5],
  ['the record chained', linked - told, 8],
  ['the record as an event', evented - told, 12],
  ['search with ten parameters', search - base, 30],
  ['transaction of 100 entries', entries - base, 2000],
].map(([name, difference, most]) => {
  const found = Math.max(difference, 0);
  return [name, `${found.toFixed(1)} us`, `at most ${most} us`, found <= most ? 'reached' : 'missed'];
});
console.log(`\nDecisions inside V8 (node ${process.version}), beyond a request on a public path (${base.toFixed(1)} us)\n`);
console.log(table(['decision', 'found', 'wanted', 'verdict'], rows));

const shared = [
  ['one limit', limited[1], read], ['four limits', limited[2], answer], ['one limit, all detectors', watched, answer],
].map(([name, worker, asked]) => [name, ...counted(worker, asked)]);
console.log('\nWhat an exchange asks of shared data\n');
console.log(table(['decision', 'reads', 'writes', 'bytes'], shared));
