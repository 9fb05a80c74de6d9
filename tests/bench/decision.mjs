// What a decision costs inside V8: the module as it is shipped, with a host that only hands over and takes.
//
// usage: node decision.mjs fhir_guard.wasm
//
// A request on a public path is parsed, forwarded and recorded without a decision; what another costs
// beyond it is the decision, with the remembered token, the limit and the larger record. Times are the
// best of many batches: a busy machine only adds.

import crypto from 'node:crypto';
import fs from 'node:fs';

const BASE = 'https://fhir.example.org/r4';
const ISSUER = 'https://as.example.org';
const CONDITIONS = 10;
const ENTRIES = 100;
const BATCH_NS = 5_000_000n;
const BATCHES = 100;

const module = new WebAssembly.Module(fs.readFileSync(process.argv[2]));
const seconds = Math.floor(Date.now() / 1000);
const thumbprint = crypto.randomBytes(32);
const key = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey;
const bytes = (text) => Buffer.from(text);
const base64url = (value) => Buffer.from(value).toString('base64url');

/** A token; this host takes every signature after start-up. */
function token(scope) {
  const header = { alg: 'RS256', kid: 'rs256', typ: 'at+jwt' };
  const claims = {
    aud: BASE, client_id: 'clinic', cnf: { 'x5t#S256': base64url(thumbprint) }, exp: seconds + 3600,
    iat: seconds - 5, iss: ISSUER, jti: scope, patient: 'p1', scope, sub: 'somebody',
  };
  const parts = [JSON.stringify(header), JSON.stringify(claims), crypto.randomBytes(256)];
  return parts.map(base64url).join('.');
}

function configuration(conditions) {
  const rule = (number) => ({
    name: `rule-${number}`,
    effect: 'deny',
    when: `principal.client == "nobody-${number}" || principal.subject.startsWith("nobody-${number}")`,
  });
  return bytes(JSON.stringify({
    fhir: {
      base: BASE,
      upstream: { cluster: 'fhir', base: 'http://fhir.internal/fhir' },
      bundles: { types: ['transaction'], entries: ENTRIES },
    },
    issuers: [{
      issuer: ISSUER, audiences: [BASE], algorithms: ['RS256'],
      keys: { inline: { keys: [{ ...key.export({ format: 'jwk' }), kid: 'rs256', alg: 'RS256', use: 'sig' }] } },
    }],
    rules: Array.from({ length: conditions }, (_, number) => rule(number)),
    limits: [{ name: 'client', key: ['client'], rate: '1000000/s', burst: 1000000 }],
    audit: { observer: 'fhir.example.org' },
  }));
}

/** A header map as the host hands it over: counts, lengths, and texts that end with a zero. */
function headerMap(pairs) {
  const words = [pairs.length, ...pairs.flatMap(([name, value]) => [name.length, value.length])];
  const lengths = Buffer.alloc(4 * words.length);
  words.forEach((word, place) => lengths.writeUInt32LE(word, 4 * place));
  return Buffer.concat([lengths, bytes(pairs.flat().map((text) => `${text}\0`).join(''))]);
}

/** The answer to Envoy's `verify_signature`, a protobuf message; at start-up the host is tested. */
function verified(message) {
  const fields = [];
  for (let at = 0; at < message.length;) {
    const field = message[at++] >> 3;
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = message[at++];
      length |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    fields[field] = message.subarray(at, at += length);
  }
  const refused = Buffer.from([0x12, 1, 0x78]);
  try {
    const own = crypto.createPublicKey({ key: fields[2], format: 'der', type: 'spki' });
    const holds = crypto.verify(fields[1].toString(), fields[4], own, fields[3]);
    return holds ? Buffer.from([8, 1]) : refused;
  } catch {
    return refused;
  }
}

/** One worker of the filter, which asks for what it needs. */
class Worker {
  constructor(conditions) {
    this.configuration = configuration(conditions);
    this.shared = new Map();
    this.version = 0;
    this.now = BigInt(seconds) * 1_000_000_000n;
    this.contexts = 1;
    const instance = new WebAssembly.Instance(module, this.imports());
    this.filter = instance.exports;
    this.memory = this.filter.memory;
    this.filter._initialize();
    this.filter.proxy_on_context_create(1, 0);
    this.filter.proxy_on_vm_start(1, 0);
    if (!this.filter.proxy_on_configure(1, this.configuration.length)) {
      throw new Error('the configuration was refused');
    }
    this.tested = true;
  }

  text(at, length) {
    return Buffer.from(this.memory.buffer, at, length).toString('latin1');
  }

  copy(at, length) {
    return Buffer.from(new Uint8Array(this.memory.buffer, at, length));
  }

  /** Hands bytes over, in memory that the filter makes room for. */
  give(value, at, length) {
    if (value === undefined) return 1;
    const place = this.filter.proxy_on_memory_allocate(value.length);
    new Uint8Array(this.memory.buffer).set(value, place);
    const view = new DataView(this.memory.buffer);
    view.setUint32(at, place, true);
    view.setUint32(length, value.length, true);
    return 0;
  }

  imports() {
    const properties = {
      'connection\0sha256_peer_certificate_digest': bytes(thumbprint.toString('hex')),
      'connection\0peer_certificate_valid': Buffer.from([1]),
    };
    const host = {
      proxy_get_current_time_nanoseconds: (at) => {
        new DataView(this.memory.buffer).setBigUint64(at, this.now, true);
        return 0;
      },
      proxy_get_property: (name, length, at, size) => this.give(properties[this.text(name, length)], at, size),
      proxy_get_header_map_pairs: (_map, at, size) => this.give(this.head, at, size),
      proxy_get_buffer_bytes: (buffer, _start, _most, at, size) => {
        return this.give(buffer === 0 ? this.body : this.configuration, at, size);
      },
      proxy_get_shared_data: (name, length, at, size, version) => {
        const [value, own] = this.shared.get(this.text(name, length)) ?? [];
        if (value) new DataView(this.memory.buffer).setUint32(version, own, true);
        return this.give(value, at, size);
      },
      proxy_set_shared_data: (name, length, at, size) => {
        this.shared.set(this.text(name, length), [this.copy(at, size), ++this.version]);
        return 0;
      },
      proxy_call_foreign_function: (_name, _length, at, size, result, resultSize) => {
        const answer = this.tested ? Buffer.from([8, 1]) : verified(this.copy(at, size));
        return this.give(answer, result, resultSize);
      },
      proxy_log: (level, at, length) => {
        if (level > 2) console.log(this.text(at, length));
        return 0;
      },
      proxy_send_local_response: (status) => {
        throw new Error(`a request was refused with ${status}`);
      },
    };
    const system = {
      random_get: (at, length) => {
        crypto.randomFillSync(new Uint8Array(this.memory.buffer, at, length));
        return 0;
      },
      proc_exit: () => { throw new Error('the filter ended'); },
    };
    const imports = {};
    for (const { module: from, name } of WebAssembly.Module.imports(module)) {
      const known = from === 'env' ? host : system;
      (imports[from] ??= {})[name] = known[name] ?? (() => 0);
    }
    return imports;
  }

  /** A request up to what goes upstream, and its record. */
  ask({ head, body }) {
    this.head = head;
    this.body = body;
    const context = ++this.contexts;
    this.filter.proxy_on_context_create(context, 1);
    let action = this.filter.proxy_on_request_headers(context, 8, body ? 0 : 1);
    if (body) action = this.filter.proxy_on_request_body(context, body.length, 1);
    if (action !== 0) throw new Error('a request was not forwarded');
    this.filter.proxy_on_done(context);
    this.filter.proxy_on_log(context);
    this.filter.proxy_on_delete(context);
  }

  /** Microseconds of one such request. */
  measure(request) {
    let best = Infinity;
    for (let batch = 0; batch < BATCHES; batch += 1) {
      // The buckets are full again.
      this.now += 1_000_000_000n;
      const began = process.hrtime.bigint();
      let count = 0;
      let took = 0n;
      for (; took < BATCH_NS; took = process.hrtime.bigint() - began) {
        this.ask(request);
        count += 1;
      }
      best = Math.min(best, Number(took) / 1000 / count);
    }
    return best;
  }
}

function request(method, path, scope, body) {
  const credentials = scope ? [['authorization', `Bearer ${token(scope)}`]] : [];
  const content = body ? [['content-type', 'application/fhir+json'], ['content-length', `${body.length}`]] : [];
  const own = [[':method', method], [':path', `/r4${path}`], [':authority', 'fhir.example.org'], [':scheme', 'https']];
  const id = ['x-request-id', '6c1b6f3e-7c43-4a2b-9a67-0f2a35e1f0aa'];
  return { head: headerMap([...own, ...credentials, ...content, id]), body };
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

const plain = new Worker(0);
const base = plain.measure(request('GET', '/metadata'));
const cost = (worker, one) => worker.measure(one) - base;
const reading = cost(plain, read);
const condition = (cost(new Worker(CONDITIONS), read) - reading) / CONDITIONS;
const rows = [
  ['read, no conditions', reading, 10],
  ['one condition more', Math.max(condition, 0), 10],
  ['search with ten parameters', cost(plain, request('GET', TEN, 'patient/*.rs')), 30],
  ['transaction of 100 entries', cost(plain, request('POST', '', 'patient/*.cruds', transaction())), 2000],
];
console.log(`\nDecisions inside V8 (node ${process.version}), beyond a request on a public path (${base.toFixed(1)} us)\n`);
console.log('| decision                   | found     | wanted          | verdict |');
console.log('| -------------------------- | --------- | --------------- | ------- |');
for (const [name, found, most] of rows) {
  const verdict = found <= most ? 'reached' : 'missed ';
  const wanted = `at most ${most} us`;
  console.log(`| ${name.padEnd(26)} | ${`${found.toFixed(1)} us`.padEnd(9)} | ${wanted.padEnd(15)} | ${verdict} |`);
}
