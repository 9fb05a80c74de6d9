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
const BATCH_NS = 5_000_000n;
const BATCHES = 100;

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

/** Microseconds of one such request. */
function measure(worker, asked) {
  let best = Infinity;
  for (let batch = 0; batch < BATCHES; batch += 1) best = Math.min(best, worker.time(asked, BATCH_NS));
  return best;
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
const base = measure(plain, request('GET', '/metadata'));
const cost = (worker, one) => measure(worker, one) - base;
const reading = cost(plain, read);
const condition = (cost(new Worker(module, policy(CONDITIONS)), read) - reading) / CONDITIONS;
const limiting = (limits) => cost(new Worker(module, policy(0, limits)), read) - cost(new Worker(module, policy(0, 0)), read);
const [one, four] = [limiting(1), limiting(LIMITS.length)];
// What came of it is noted when it has been answered.
const answer = answered(read, bytes(JSON.stringify({ resourceType: 'Patient', id: 'p1' })));
const watched = new Worker(module, policy(0, 1, {
  detectors: {
    isolate: ['certificate'], clamp_at: 50, quarantine_at: 80, step_up_at: 60, step_up: { max_age: '5m' },
  },
}));
// In turn, so that both have met the same machine.
const both = [watched, plain].map((worker) => ({ worker, best: Infinity }));
for (let batch = 0; batch < BATCHES; batch += 1) {
  for (const one of both) one.best = Math.min(one.best, one.worker.time(answer, BATCH_NS));
}
const detectors = both[0].best - both[1].best;
// Each record in the chain of its worker, with its early copy, and every thousandth signed.
const chained = new Worker(module, policy(0, 1, {
  secrets: { checkpoint_key: { inline: 'MC4CAQAwBQYDK2VwBCIEIPhKIBuDQZ719C1mcc8/lbJFdq18kNZ+Yvz/TA4EMdRd' } },
  audit: { observer: 'bench', chain: { key_id: 'bench', records: 1000, time: '24h' } },
}));
const linked = [chained, plain].map((worker) => ({ worker, best: Infinity }));
for (let batch = 0; batch < BATCHES; batch += 1) {
  for (const one of linked) one.best = Math.min(one.best, one.worker.time(answer, BATCH_NS));
}
const chain = linked[0].best - linked[1].best;
const rows = [
  ['read, no conditions', reading, 10],
  ['one condition more', Math.max(condition, 0), 10],
  ['one limit', Math.max(one, 0), 3],
  ['four limits', Math.max(four, 0), 8],
  ['all detectors', Math.max(detectors, 0), 5],
  ['the record chained', Math.max(chain, 0), 8],
  ['search with ten parameters', cost(plain, request('GET', TEN, 'patient/*.rs')), 30],
  ['transaction of 100 entries', cost(plain, request('POST', '', 'patient/*.cruds', transaction())), 2000],
].map(([name, found, most]) => {
  return [name, `${found.toFixed(1)} us`, `at most ${most} us`, found <= most ? 'reached' : 'missed'];
});
console.log(`\nDecisions inside V8 (node ${process.version}), beyond a request on a public path (${base.toFixed(1)} us)\n`);
console.log(table(['decision', 'found', 'wanted', 'verdict'], rows));
