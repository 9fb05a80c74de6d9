// A host for modules of proxy-wasm inside Node's V8, which is that of Envoy: it hands over and takes, and does
// nothing else. For what is measured without a proxy around it.

import crypto from 'node:crypto';
import fs from 'node:fs';

export const BASE = 'https://fhir.example.org/r4';
export const UPSTREAM = 'http://fhir.internal/fhir';
const ISSUER = 'https://as.example.org';
/** What Envoy reads from the server at once. */
const PIECE = 65536;

const seconds = Math.floor(Date.now() / 1000);
const thumbprint = crypto.randomBytes(32);
const key = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey;
export const bytes = (text) => Buffer.from(text);
const base64url = (value) => Buffer.from(value).toString('base64url');

/** The module in this file, compiled. */
export function compiled(file) {
  return new WebAssembly.Module(fs.readFileSync(file));
}

/** What every configuration has, and what this one has besides. */
export function configuration({ fhir, ...more }) {
  return bytes(JSON.stringify({
    fhir: { base: BASE, upstream: { cluster: 'fhir', base: UPSTREAM }, ...fhir },
    issuers: [{
      issuer: ISSUER, audiences: [BASE], algorithms: ['RS256'],
      keys: { inline: { keys: [{ ...key.export({ format: 'jwk' }), kid: 'rs256', alg: 'RS256', use: 'sig' }] } },
    }],
    limits: [{ name: 'client', key: ['client'], rate: '1000000/s', burst: 1000000 }],
    audit: { observer: 'fhir.example.org' },
    ...more,
  }));
}

/** A request with a token of this scope; without a scope none. */
export function request(method, path, scope, body) {
  const credentials = scope ? [['authorization', `Bearer ${token(scope)}`]] : [];
  const content = body ? [['content-type', 'application/fhir+json'], ['content-length', `${body.length}`]] : [];
  const own = [[':method', method], [':path', `/r4${path}`], [':authority', 'fhir.example.org'], [':scheme', 'https']];
  const id = ['x-request-id', '6c1b6f3e-7c43-4a2b-9a67-0f2a35e1f0aa'];
  return { head: headerMap([...own, ...credentials, ...content, id]), body };
}

/** The same request with what the server answers. */
export function answered(asked, body) {
  const head = headerMap([
    [':status', '200'], ['content-type', 'application/fhir+json'], ['content-length', `${body.length}`],
  ]);
  const pieces = [];
  for (let at = 0; at < body.length; at += PIECE) pieces.push(body.subarray(at, at + PIECE));
  return { ...asked, answer: { head, pieces } };
}

/** One worker of a filter, which asks for what it needs. */
export class Worker {
  constructor(module, configuration, environment = {}) {
    this.configuration = configuration;
    this.environment = Object.entries(environment).map(([name, value]) => bytes(`${name}=${value}\0`));
    this.shared = new Map();
    this.version = 0;
    /** What was asked of shared data so far. */
    this.asked = { reads: 0, writes: 0, bytes: 0 };
    this.now = BigInt(seconds) * 1_000_000_000n;
    this.contexts = 1;
    /** The calls to other servers that are under way, and how many there were. */
    this.calls = [];
    this.called = 0;
    const instance = new WebAssembly.Instance(module, this.imports(module));
    this.filter = instance.exports;
    this.memory = this.filter.memory;
    this.filter._initialize();
    this.filter.proxy_on_context_create(1, 0);
    this.filter.proxy_on_vm_start(1, 0);
    if (!this.filter.proxy_on_configure(1, this.configuration.length)) {
      throw new Error('the configuration was refused');
    }
    this.tested = true;
    this.reports = this.configuration.includes('"repository"');
  }

  /** The memory, as bytes and as numbers: made anew only where it has grown, for to make them costs more than a call. */
  get view() {
    if (this.seen?.buffer !== this.memory.buffer) {
      const { buffer } = this.memory;
      this.seen = { buffer, bytes: Buffer.from(buffer), data: new DataView(buffer) };
    }
    return this.seen;
  }

  text(at, length) {
    return this.view.bytes.latin1Slice(at, at + length);
  }

  copy(at, length) {
    const copy = Buffer.allocUnsafe(length);
    this.view.bytes.copy(copy, 0, at, at + length);
    return copy;
  }

  /** Hands bytes over, in memory that the filter makes room for. */
  give(value, at, length, size = value?.length) {
    if (value === undefined) return 1;
    const place = this.filter.proxy_on_memory_allocate(size);
    const view = this.view;
    value.copy(view.bytes, place, 0, size);
    view.data.setUint32(at, place, true);
    view.data.setUint32(length, size, true);
    return 0;
  }

  imports(module) {
    const properties = {
      'connection\0sha256_peer_certificate_digest': bytes(thumbprint.toString('hex')),
      'connection\0peer_certificate_valid': Buffer.from([1]),
      'response\0code_details': bytes('via_upstream'),
    };
    const host = {
      proxy_get_current_time_nanoseconds: (at) => {
        this.view.data.setBigUint64(at, this.now, true);
        return 0;
      },
      proxy_get_property: (name, length, at, size) => this.give(properties[this.text(name, length)], at, size),
      proxy_get_header_map_pairs: (map, at, size) => this.give(map === 0 ? this.head : this.answerHead, at, size),
      proxy_get_buffer_bytes: (buffer, _start, _most, at, size) => {
        const buffers = [this.body, this.piece];
        return this.give(buffer < buffers.length ? buffers[buffer] : this.configuration, at, size);
      },
      proxy_set_header_map_pairs: (_map, at, size) => {
        this.replaced = this.text(at, size);
        return 0;
      },
      proxy_set_buffer_bytes: (buffer, _start, _most, at, size) => {
        if (buffer === 1) this.written = this.copy(at, size);
        return 0;
      },
      proxy_get_shared_data: (name, length, at, size, version) => {
        const found = this.shared.get(this.text(name, length));
        this.asked.reads += 1;
        if (found === undefined) return 1;
        this.asked.bytes += found.size;
        this.view.data.setUint32(version, found.version, true);
        return this.give(found.room, at, size, found.size);
      },
      proxy_set_shared_data: (name, length, at, size) => {
        const key = this.text(name, length);
        this.asked.writes += 1;
        this.asked.bytes += size;
        let entry = this.shared.get(key);
        if (entry === undefined || entry.room.length < size) {
          entry = { room: Buffer.allocUnsafeSlow(2 * size) };
          this.shared.set(key, entry);
        }
        this.view.bytes.copy(entry.room, 0, at, at + size);
        entry.size = size;
        entry.version = ++this.version;
        return 0;
      },
      proxy_call_foreign_function: (_name, _length, at, size, result, resultSize) => {
        const answer = this.tested ? Buffer.from([8, 1]) : verified(this.copy(at, size));
        return this.give(answer, result, resultSize);
      },
      proxy_http_call: (...values) => {
        this.calls.push(++this.called);
        this.view.data.setUint32(values.at(-1), this.called, true);
        return 0;
      },
      proxy_define_metric: () => 0,
      proxy_increment_metric: () => 0,
      proxy_record_metric: () => 0,
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
      environ_sizes_get: (count, size) => {
        const view = new DataView(this.memory.buffer);
        view.setUint32(count, this.environment.length, true);
        view.setUint32(size, Buffer.concat(this.environment).length, true);
        return 0;
      },
      environ_get: (places, at) => {
        const view = new DataView(this.memory.buffer);
        this.environment.forEach((variable, number) => {
          view.setUint32(places + 4 * number, at, true);
          new Uint8Array(this.memory.buffer).set(variable, at);
          at += variable.length;
        });
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

  /** A request up to what goes upstream, its answer where it has one, and its record. What the client gets. */
  ask({ head, body, answer }) {
    this.head = head;
    this.body = body;
    // No two come at the same nanosecond.
    this.now += 1009n;
    const context = ++this.contexts;
    this.filter.proxy_on_context_create(context, 1);
    let action = this.filter.proxy_on_request_headers(context, 8, body ? 0 : 1);
    if (body) action = this.filter.proxy_on_request_body(context, body.length, 1);
    if (action !== 0) throw new Error('a request was not forwarded');
    const left = answer ? this.take(context, answer) : [];
    this.filter.proxy_on_done(context);
    this.filter.proxy_on_log(context);
    this.filter.proxy_on_delete(context);
    return left;
  }

  take(context, { head, pieces }) {
    this.answerHead = head;
    let action = this.filter.proxy_on_response_headers(context, 3, 0);
    const left = [];
    pieces.forEach((piece, number) => {
      this.piece = piece;
      // What is not written again goes on as it came.
      this.written = piece;
      action = this.filter.proxy_on_response_body(context, piece.length, number + 1 === pieces.length ? 1 : 0);
      left.push(this.written);
    });
    if (action !== 0) throw new Error('an answer did not leave');
    return left;
  }

  /** A tick, and an answer to every call that comes of it: a 200 without a body. */
  tick() {
    this.now += 100_000_000n;
    this.filter.proxy_on_tick(1);
    while (this.calls.length > 0) {
      this.answerHead = acknowledged;
      this.filter.proxy_on_http_call_response(1, this.calls.shift(), 1, 0, 0);
    }
  }

  /** Microseconds of one such request: the mean of as many as fit into a time, with what goes to a repository. */
  time(asked, nanoseconds) {
    // The buckets are full again.
    this.now += 1_000_000_000n;
    const began = process.hrtime.bigint();
    let count = 0;
    let took = 0n;
    for (; took < nanoseconds; took = process.hrtime.bigint() - began) {
      this.ask(asked);
      count += 1;
    }
    if (this.reports) this.tick();
    took = process.hrtime.bigint() - began;
    return Number(took) / 1000 / count;
  }
}

/** A table whose columns stand under each other. */
export function table(head, rows) {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column].length)));
  const line = (cells, fill = ' ') => `| ${cells.map((cell, column) => cell.padEnd(widths[column], fill)).join(' | ')} |`;
  return [line(head), line(head.map(() => ''), '-'), ...rows.map((row) => line(row))].join('\n');
}

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

/** The head of what a repository answers. */
const acknowledged = headerMap([[':status', '200']]);

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
