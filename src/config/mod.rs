//! The operator's configuration, to a policy.
//!
//! A configuration arrives as a serialised `google.protobuf.Struct` (YAML inside Envoy's own) or
//! as JSON text (what Istio sends). It is read whole: every mistake is reported at once, each with
//! the JSON pointer of its place, what was expected there and what was found; nothing of it is
//! repeated but keys and keywords. A configuration with a mistake gives no policy.
//!
//! # Keys, defaults and bounds
//!
//! | key | value | default |
//! | --- | --- | --- |
//! | `fhir.base` | base URL, as clients use it | required |
//! | `fhir.public` | 0 to 64 paths below the base, none of them of data | `metadata`, `.well-known/smart-configuration` |
//! | `fhir.upstream.cluster` | an Envoy cluster, 1 to 256 bytes | required |
//! | `fhir.upstream.base` | base URL of the server behind | required |
//! | `fhir.upstream.authorization` | `strip`, `keep` | `strip` |
//! | `fhir.upstream.trust` | `[if_match]` or none | none |
//! | `fhir.upstream.identity` | a header name of 1 to 64 bytes for each of `client`, `encounter`, `issuer`, `patient`, `purpose`, `request_id`, `roles`, `scope`, `subject`, `tenant`, `user` | none |
//! | `fhir.body_check` | `structure`, `names`, `none` | `structure` |
//! | `fhir.body_limit` | size, 1KiB to 8MiB | `512KiB` |
//! | `fhir.client_labels` | `refused`, `kept` | `refused` |
//! | `fhir.bundles.types` | 0 to 2 of `batch`, `transaction` | required with it |
//! | `fhir.bundles.entries` | whole number, 1 to 200 | 100 |
//! | `fhir.conditional` | 0 to 4 of `create`, `update`, `patch`, `delete-single` | none |
//! | `fhir.search.chains` | 0 to 64 of `Source:parameter[:Target]` | `[]` |
//! | `fhir.search.has` | 0 to 64 of `Source:parameter[:Target]` | `[]` |
//! | `fhir.search.contains` | boolean | `false` |
//! | `fhir.search.date_ranges` | 0 to 64 types, each with parameters and days | `[]` |
//! | `fhir.search.date_ranges[].resource` | a resource type | required |
//! | `fhir.search.date_ranges[].parameters` | 1 to 8 search parameters of dates | required |
//! | `fhir.search.date_ranges[].days` | 1 to 36525 | required |
//! | `fhir.search.default_count` | 1 to `max_count` | the upstream's |
//! | `fhir.search.include` | 0 to 64 of `Source:parameter[:Target]` | `[]` |
//! | `fhir.search.revinclude` | 0 to 64 of `Source:parameter[:Target]` | `[]` |
//! | `fhir.search.iterate` | whole number, 0 to 3 | 0 |
//! | `fhir.search.max_count` | 1 to 1000 | 1000 |
//! | `fhir.search.max_values` | 1 to 4096 | 256 |
//! | `fhir.patient_writes` | 0 to 64 types of the patient compartment, without `AuditEvent`, `Consent`, `Group`, `Person`, `RelatedPerson` | what patients say of themselves: [`crate::request::WritePolicy`] |
//! | `fhir.patient_membership` | 0 to 64 search parameters as `Type.name` | none |
//! | `fhir.universal_types` | 0 to 64 types that belong to no patient | none |
//! | `fhir.user_access` | `all` or `compartment`: what `user/` scopes open | `all` |
//! | `fhir.operations` | 0 to 64 | none |
//! | `fhir.operations[].name` | 1 to 64 of `A-Z a-z 0-9 -` | required |
//! | `fhir.operations[].level` | `system`, `type`, `instance` | required |
//! | `fhir.operations[].types` | 1 to 64 R4 resource types | required, not with `system` |
//! | `fhir.operations[].methods` | `GET`, `POST`, each once | `[GET]` |
//! | `fhir.operations[].parameters` | 0 to 32 names | none |
//! | `fhir.operations[].resources` | 0 to 32 objects with `name` and `type`, with `POST` | none |
//! | `fhir.operations[].scopes` | 0 to 8 scopes without parameters | none |
//! | `fhir.operations[].answer` | `bundle`, `parameters`, `outcome`, an R4 resource type | required |
//! | `fhir.export.levels` | `system`, `patient`, `group`, each once | required |
//! | `fhir.export.files` | 0 to 16 paths at the server that begin and end with a slash | none |
//! | `fhir.export.lifetime` | duration, 1m to 720h | `24h` |
//! | `client_certificate.required` | boolean | `true` |
//! | `client_certificate.source` | `connection`, or `xfcc` | `connection` |
//! | `client_certificate.source.xfcc.trusted_hops` | 1 to 16 URIs, or certificates as below | required |
//! | `client_certificate.source.xfcc.earlier_elements` | `refused`, `ignored` | `refused` |
//! | `client_certificate.validated_by` | `attribute`, `listener` | `attribute` |
//! | `client_certificate.clients` | 0 to 256 | none |
//! | `client_certificate.clients[].client_id` | 1 to 256 bytes | required |
//! | `client_certificate.clients[].issuer` | the `issuer` of one of `issuers` | every issuer |
//! | `client_certificate.clients[].certificates` | 1 to 16 | required |
//! | `client_certificate.clients[].certificates[].*` | one or more of `thumbprint` (64 hexadecimal digits), `san_uri`, `san_dns`, `subject_dn`; with them `issuer_dn` | none |
//! | `client_certificate.unlisted_clients` | `unpinned`, `refused`, `san_uri`, `san_dns`, `subject_cn` | `unpinned` |
//! | `client_certificate.forward` | 1 to 4 of `hash`, `subject`, `uri`, `dns`, each once | none |
//! | `issuers` | 1 to 64 | required |
//! | `issuers[].issuer` | URL, compared exactly with `iss`, each once | required |
//! | `issuers[].tenant` | name | none |
//! | `issuers[].audiences` | 1 to 64 texts | required |
//! | `issuers[].clients` | 1 to 1024 client ids of 1 to 256 bytes | every client |
//! | `issuers[].algorithms` | `RS256`, `RS384`, `RS512`, `ES256`, `ES384`, `ES512`, `PS256`, `PS384`, `PS512`, `EdDSA`, each once | required |
//! | `issuers[].keys.inline` | JWK set of public keys | this, or the following |
//! | `issuers[].keys.uri` | URL without user name and fragment | required without `inline` |
//! | `issuers[].keys.cluster` | 1 to 256 bytes of printable ASCII | required without `inline` |
//! | `issuers[].keys.refresh` | duration, 10s to 24h | `5m` |
//! | `issuers[].keys.max_age` | duration, 10s to 720h, at least twice `refresh` | `1h` |
//! | `issuers[].keys.cooldown` | duration, 1s to 1h | `10s` |
//! | `issuers[].keys.timeout` | duration, 100ms to 30s | `2s` |
//! | `issuers[].types` | 1 to 8 media types in lower case, without `application/` | `at+jwt` |
//! | `issuers[].proof` | `certificate`, `dpop` or both; or `[none]` | `[certificate]` |
//! | `issuers[].clock_skew` | duration in whole seconds, 0s to 5m | `30s` |
//! | `issuers[].claims.*` | `client`, `encounter`, `patient`, `purpose`, `roles`, `scope`, `token_id`, `user`: 1 to 8 JSON pointers of at most 256 bytes | as [`crate::identity::ClaimPointers`] |
//! | `issuers[].claims.scope_separator` | `/`, `.`, `$`, `%2f` | `/` |
//! | `issuers[].claims.scope_prefixes` | 1 to 8 URLs with a slash at the end | none |
//! | `issuers[].claims.malformed_scopes` | `ignore`, `refuse` | `ignore` |
//! | `issuers[].claims.bases` | 1 to 8 base URLs | none |
//! | `dpop.algorithms` | as `issuers[].algorithms` | all |
//! | `dpop.window` | duration in whole seconds, 1s to 5m | `60s` |
//! | `dpop.clock_skew` | duration in whole seconds, 0s to 30s | `5s` |
//! | `dpop.nonce` | `none`, `required` | `none` |
//! | `dpop.quarantine` | duration in whole seconds, 10s to 24h | nobody is shut out |
//! | `secrets.audit_key` | as `secrets.nonce_key` | none |
//! | `secrets.nonce_key` | `{env: NAME}` or `{inline: TEXT}`: 32 to 256 bytes in hexadecimal or base64 | none |
//! | `secrets.limit_key` | as `secrets.nonce_key` | none |
//! | `secrets.page_key` | as `secrets.nonce_key` | none |
//! | `secrets.watermark_key` | as `secrets.nonce_key` | none |
//! | `secrets.checkpoint_key` | as `secrets.signing_key` | none |
//! | `secrets.signing_key` | `{env: NAME}` or `{inline: TEXT}`: a private key in DER, in base64 | none |
//! | `issuers[].introspection.uri` | URL without user name and fragment | none |
//! | `issuers[].introspection.cluster` | 1 to 256 bytes of printable ASCII | required with it |
//! | `issuers[].introspection.client` | `id` of 1 to 256 bytes and `secret`, `{env: NAME}` or `{inline: TEXT}` | none |
//! | `issuers[].introspection.tokens` | `opaque`, `jwt` or both | `[opaque]` |
//! | `issuers[].introspection.audience` | `required`, `server` | `required` |
//! | `issuers[].introspection.timeout` | duration, 100ms to 30s | `2s` |
//! | `issuers[].introspection.cache` | duration, 100ms to 5m | `30s` |
//! | `issuers[].introspection.negative_cache` | duration, 100ms to 1m | `5s` |
//! | `signatures.host` | boolean | `true` |
//! | `revocation` | 0 to 8 | none |
//! | `revocation[].refresh` | duration, 10s to 24h | `30s` |
//! | `revocation[].max_age` | duration, 10s to 720h, at least twice `refresh` | `10m` |
//! | `waiting.requests` | whole number, 1 to 4096 | 256 |
//! | `waiting.time` | duration, 100ms to 30s | `5s` |
//! | `detectors.report_at` | points, 1 to 100000 | 50 |
//! | `detectors.isolate_at` | points, 1 to 100000 | 100 |
//! | `detectors.isolate` | `certificate`, `client`, `tenant`, each once; the first alone beside `proof: [none]` | nobody |
//! | `detectors.tenant_at` | points, 1 to 100000 | 500 |
//! | `detectors.report_only` | `true`, `false` | `false` |
//! | `detectors.watch_only` | names of detectors, each once | none |
//! | `detectors.clamp_at` | points, 1 to 100000 | never |
//! | `detectors.step_up_at` | points, 1 to 100000 | never |
//! | `detectors.quarantine_at` | points, 1 to 100000 | never |
//! | `detectors.clamp_by` | whole number, 2 to 100 | 4 |
//! | `detectors.step_up` | `acr`, `amr`, `max_age` as in `step_up`; with `detectors.step_up_at` | none |
//! | `detectors.quarantine_for` | duration in whole seconds, 10s to 24h | `5m` |
//! | `detectors.certificates.within` | duration in whole seconds, 10s to 24h | `10m` |
//! | `detectors.travel.within` | duration in whole seconds, 10s to 24h | `1m` |
//! | `detectors.places.header` | `x-` and `[a-z0-9-]`, at most 64 bytes | no place is known |
//! | `detectors.places.within` | duration in whole seconds, 10s to 24h | `1h` |
//! | `detectors.learn` | duration in whole seconds, 10s to 168h | `24h` |
//! | `detectors.volume.ratio` | whole number, 2 to 1000 | 4 |
//! | `detectors.volume.records` | whole number, 1 to 1000000000 | 2000 |
//! | `detectors.volume.bytes` | size, 1B to 1024MiB | `20MiB` |
//! | `detectors.isolate_for` | duration in whole seconds, 10s to 24h | `5m` |
//! | `detectors.half_life` | duration in whole seconds, 10s to 24h | `5m` |
//! | `detectors.patients.most` | whole number, 1 to 1000 | 300 |
//! | `detectors.patients.within` | duration in whole seconds, 10s to 24h | `10m` |
//! | `detectors.weights` | points, 0 to 1000, for each of some of `absent`, `certificates`, `credentials`, `networks`, `patients`, `places`, `proofs`, `refused`, `sequence`, `shapes`, `theft`, `tokens`, `travel`, `volume` | as [`crate::risk::Weights`] |
//! | `limits` | 0 to 8 | none |
//! | `limits[].name` | 1 to 32 of `a-z 0-9 -`, each once | required |
//! | `limits[].key` | 1 to 12 of `address`, `certificate`, `client`, `interaction`, `issuer`, `operation`, `patient`, `route`, `subject`, `tenant`, `token`, `type`, each once | required |
//! | `limits[].address_prefix.ipv4` | whole number, 0 to 32; only with `address` | 32 |
//! | `limits[].address_prefix.ipv6` | whole number, 0 to 128; only with `address` | 64 |
//! | `limits[].rate` | rate: `50/s`, `10/m`, `/h`, `/d` | this and the following, `concurrent`, or `patients` |
//! | `limits[].burst` | whole number from 1 | required with `rate` |
//! | `limits[].concurrent` | whole number, 1 to 10000 | not |
//! | `limits[].lease` | duration in whole seconds, 10s to 1h; only with `concurrent` | `60s` |
//! | `limits[].patients` | whole number, 1 to 10000 | not |
//! | `limits[].window` | duration in whole seconds, 60s to 744h | required with `patients` |
//! | `limits[].cost.request` | whole number, 0 to 1000000, at most `burst` | 1 |
//! | `limits[].cost.interactions` | such a number for each of some codes of [`crate::request::Interaction`] | none |
//! | `limits[].cost.resources_asked` | whole number from 1 | costs nothing |
//! | `limits[].cost.inclusion` | whole number, 0 to 1000000 | 0 |
//! | `limits[].cost.resources_returned` | whole number from 1 | costs nothing |
//! | `limits[].cost.bytes_returned` | size, 1B to 1024MiB | costs nothing |
//! | `limits[].cost.debt` | whole number; only with what is returned | `burst` |
//! | `limits[].when` | condition, as `rules[].when` | always |
//! | `limits[].priority.when` | condition | this, `routes`, or both |
//! | `limits[].priority.routes` | 1 to 16 names of 1 to 256 bytes | any route |
//! | `limits[].priority.reserve` | whole number from 1, below the limit | this or `bypass` |
//! | `limits[].priority.bypass` | `true` | not |
//! | `limits[].global` | boolean; not with `concurrent` or `patients` | `false` |
//! | `global_limits` | an object, exactly where a limit is `global` | none |
//! | `global_limits.cluster` | an Envoy cluster, 1 to 256 bytes | required |
//! | `global_limits.domain` | name | required |
//! | `global_limits.authority` | name of a host, with or without port, of at most 256 bytes | `ratelimit` |
//! | `global_limits.timeout` | duration, 5ms to 2s | `50ms` |
//! | `global_limits.unanswered` | `local`, `refuse` | `local` |
//! | `global_limits.failures` | whole number, 1 to 1000 | 5 |
//! | `global_limits.pause` | duration, 100ms to 1m | `5s` |
//! | `step_up` | 0 to 64 | none |
//! | `step_up[].name` | name, each once | required |
//! | `step_up[].interactions` | 1 to 14 of the codes of [`crate::request::Interaction`], each once | all |
//! | `step_up[].types` | 1 to 64 FHIR R4 resource types | all |
//! | `step_up[].acr` | 1 to 16 texts of 1 to 256 bytes | not asked for |
//! | `step_up[].amr` | 1 to 16 texts of 1 to 64 bytes | not asked for |
//! | `step_up[].max_age` | duration in whole seconds, 1s to 720h | not asked for |
//! | `time_zones` | 0 to 16 names of 1 to 64 bytes, each with a POSIX TZ string of at most 128 bytes | none |
//! | `rules` | 0 to 64 | none |
//! | `rules[].name` | name, each once | required |
//! | `rules[].interactions` | as `step_up[].interactions` | all |
//! | `rules[].types` | as `step_up[].types` | all |
//! | `rules[].when` | condition: CEL of 1 to 4096 bytes | always |
//! | `rules[].effect` | `allow`, `deny`, `require` | required |
//! | `rules[].require` | `acr`, `amr`, `max_age` as in `step_up`, `bound`: 1 to 2 of `certificate`, `dpop`, `consent`: `true` | required with `effect: require` |
//! | `rules[].report` | boolean | `false` |
//! | `consent.cluster` | an Envoy cluster, 1 to 256 bytes | that of `fhir.upstream` |
//! | `consent.base` | base URL | that of `fhir.upstream` |
//! | `consent.cache` | duration, 0s to 5m | `30s` |
//! | `consent.count` | whole number, 1 to 100 | 20 |
//! | `consent.default` | `deny`, `permit` | `deny` |
//! | `consent.claim` | JSON pointer of at most 256 bytes | none |
//! | `consent.actors` | 0 to 64 | none |
//! | `consent.actors[].reference` | `Type/id` | this, or the following |
//! | `consent.actors[].identifier` | `system` and `value`, 1 to 256 bytes each | required without `reference` |
//! | `consent.actors[].when` | condition about the caller | required |
//! | `labels` | an object | labels are not looked at |
//! | `labels.unlabelled` | `unrestricted`, `low`, `moderate`, `normal`, `restricted`, `very-restricted` | required |
//! | `labels.clearances` | 1 to 64 | required |
//! | `labels.clearances[].when` | condition, as `rules[].when` | always |
//! | `labels.clearances[].confidentiality` | as `labels.unlabelled` | required |
//! | `labels.clearances[].sensitivities` | 0 to 64 codes of `v3-ActCode` or `system\|code`, or `["*"]` | none |
//! | `labels.codes` | 0 to 64 | none |
//! | `labels.codes[].codes` | 1 to 1024 of `system\|code`, at most 2048 bytes each | required |
//! | `labels.codes[].confidentiality` | as `labels.unlabelled` | says nothing of it |
//! | `labels.codes[].sensitivities` | as those of a clearance, without `*` | none |
//! | `dlp` | 0 to 16, with at most 16 patterns in all | none |
//! | `dlp[].name` | name, each once | required |
//! | `dlp[].when` | condition, as `rules[].when` | always |
//! | `dlp[].patterns` | 1 to 16 of `card`, `us-ssn`, `iban`, `email`, `phone` and `{pattern: regular expression of 1 to 256 bytes}` | required |
//! | `dlp[].action` | `mask`, `refuse` | required |
//! | `dlp[].types` | as `step_up[].types` | all |
//! | `dlp[].except` | 0 to 32 names of elements | none |
//! | `redaction` | 0 to 64 | none |
//! | `redaction[].name` | name, each once | required |
//! | `redaction[].when` | condition, as `rules[].when` | always |
//! | `redaction[].unless.scope` | SMART scope without parameters | spares nobody |
//! | `redaction[].labelled` | an object with one or both of the following | all resources |
//! | `redaction[].labelled.confidentiality` | as `labels.unlabelled` | no level |
//! | `redaction[].labelled.sensitivities` | as those of `labels.codes[]` | none |
//! | `redaction[].resource` | FHIR R4 resource type | required |
//! | `redaction[].elements` | 1 to 256 paths of at most 2048 bytes | required |
//! | `redaction[].action` | `remove`, `mask`, `replace`, `generalize` | required |
//! | `redaction[].to` | `year`, `month`, `area`, `age` | required with `generalize` |
//! | `redaction[].with` | text of 1 to 256 bytes | required with `replace` |
//! | `minimum` | 0 to 64, together with `redaction` | none |
//! | `minimum[].name` | name, each once | required |
//! | `minimum[].when` | condition, as `rules[].when` | always |
//! | `minimum[].resource` | FHIR R4 resource type | required |
//! | `minimum[].elements` | 1 to 48 root elements of the type, each once | required |
//! | `egress` | 0 to 16 | none |
//! | `egress[].name` | name, each once | required |
//! | `egress[].when` | condition, as `rules[].when` | always |
//! | `egress[].types` | as `step_up[].types` | all |
//! | `egress[].records` | whole number, 1 to 100000 | this, or one of the following |
//! | `egress[].bytes` | size, 1KiB to 1024MiB | this, or another of the three |
//! | `egress[].patients` | whole number, 1 to 10000 | this, or another of the three |
//! | `egress[].over` | `refuse`, `cut` | required |
//! | `watermark.system` | URL of at most 2048 bytes | required with `watermark` |
//! | `watermark.above` | whole number, 0 to 100000 | 0 |
//! | `watermark.when` | condition, as `rules[].when` | always |
//! | `signing.key_id` | name | required with `signing` |
//! | `signing.when` | condition, as `rules[].when` | always |
//! | `response.absent` | `not-found`, `forbidden` | `not-found` |
//! | `response.hold_limit` | size, 1KiB to 16MiB | `512KiB` |
//! | `response.resource_limit` | size, 1KiB to 64MiB, at least `hold_limit` | `8MiB` |
//! | `discovery.enabled` | boolean | `true` |
//! | `discovery.authorization_servers` | 1 to 64 of the issuers | all issuers |
//! | `discovery.scopes` | 1 to 256 scopes of 1 to 256 bytes | not told |
//! | `audit.observer` | name | required |
//! | `audit.address` | `plain`, `hashed`, `none` | `plain` |
//! | `audit.alerts` | `ecs`, `ocsf` | no alerts |
//! | `audit.patients` | whole number, 0 to 100 | 20 |
//! | `audit.query` | `plain`, `hashed`, `names` | `hashed` where there is `secrets.audit_key`, else `names` |
//! | `audit.references` | `plain`, `hashed`, `none` | `plain` |
//! | `audit.repository.cluster` | an Envoy cluster, 1 to 256 bytes | required with it |
//! | `audit.repository.uri` | URL without user name and fragment | required with it |
//! | `audit.repository.format` | `audit-events`, `records` | `audit-events` |
//! | `audit.repository.batch` | whole number, 1 to 1000 | 100 |
//! | `audit.repository.queue` | size, 64KiB to 64MiB | `4MiB` |
//! | `audit.repository.full` | `refuse`, `access-log` | `refuse` |
//! | `audit.repository.strict` | boolean, `true` not beside `full: access-log` | `false` |
//! | `audit.repository.timeout` | duration, 100ms to 30s | `5s` |
//! | `audit.token_id` | `plain`, `hashed`, `none` | `hashed` where there is `secrets.audit_key`, else `none` |
//! | `audit.sinks` | `[access_log]` | `[access_log]` |
//! | `audit.chain` | an object | records are not chained |
//! | `audit.chain.key_id` | name | checkpoints are not signed |
//! | `audit.chain.records` | whole number, 1 to 100000 | 1000 |
//! | `audit.chain.time` | duration, 1s to 24h | `60s` |
//!
//! `response.hold_limit` must stay below what Envoy lets a filter hold: the listener's
//! `per_connection_buffer_limit_bytes` for callers with HTTP/1.1, `initial_stream_window_size` for
//! those with HTTP/2. Beyond it the whole process ends, and the filter cannot read either.
//!
//! A name is 1 to 64 of `A-Z a-z 0-9 - . _`; a URL or an audience has at most 2048 bytes. The
//! document has at most [`SIZE`] bytes and [`DEPTH`] levels. Texts are JSON strings, so that YAML
//! that reads as a number or a boolean has to be quoted.

mod audit;
mod certificates;
mod claims;
mod conditions;
mod consent;
mod detectors;
mod discovery;
mod dlp;
mod document;
mod dpop;
mod egress;
mod export;
mod fhir;
mod global;
mod introspection;
mod issuers;
mod keys;
mod labels;
mod limits;
mod minimum;
mod mistakes;
mod operations;
mod platform;
mod policy;
mod priority;
mod reader;
mod revocation;
mod rules;
mod search;
mod secrets;
mod signing;
mod step_up;
mod structure;
#[cfg(test)]
mod tests;
mod told;
mod units;
mod watermark;

pub use consent::ConsentPolicy;
pub use discovery::Discovery;
pub use document::{DEPTH, SIZE};
pub use mistakes::{KEPT, Mistake, Mistakes, SHOWN};
pub use platform::{EnvoyVersion, fits};
pub use policy::{Policy, ResponsePolicy, WaitingPolicy};
pub use rules::RedactionRule;
pub use secrets::Environment;

/// Reads a configuration, a serialised Struct or JSON text, where no environment variable is set.
///
/// # Errors
/// Every mistake. Bytes that are neither form, or empty, are one.
pub fn read(bytes: &[u8]) -> Result<Policy, Mistakes> {
    read_with(bytes, &|_| None)
}

/// Reads a configuration whose secrets may be in the environment.
///
/// # Errors
/// As [`read`].
pub fn read_with(bytes: &[u8], environment: Environment<'_>) -> Result<Policy, Mistakes> {
    policy::read(&document::read(bytes)?, environment)
}
