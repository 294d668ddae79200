/**
 * Registry and serdes have parsers of their own (src/registry/schemas.ts says why). This holds them together: what the registry has accepted and stored, in the
 * words in which it stores it, encodes a value and decodes it again.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { realSystem } from '../../src/base.ts'
import { type Millrace, startBroker } from '../../src/millrace.ts'
import { openRegistryClient, openSerdes, type RegistryClient, type SerdeName, type Serdes } from '../../src/serde.ts'
import { startRegistry, type TestRegistry } from './registry.ts'

let broker: Millrace
let registry: TestRegistry
let client: RegistryClient
let serdes: Serdes
before(async () => {
  broker = await startBroker({ memory: true })
  registry = await startRegistry(broker.address)
  client = openRegistryClient({ url: registry.url, system: realSystem() })
  serdes = openSerdes({ registry: client })
})
after(async () => {
  client?.close()
  await registry?.[Symbol.asyncDispose]()
  await broker?.[Symbol.asyncDispose]()
})

interface Sample {
  readonly what: string
  readonly serde: SerdeName
  readonly schema: unknown
  readonly value: unknown
  readonly references?: readonly { name: string; schema: unknown }[]
  readonly normalize?: boolean
}

const enumeration = { type: 'enum', name: 'E', namespace: 'n', symbols: ['A', 'B'], default: 'A' }
const samples: readonly Sample[] = [
  { what: 'a primitive', serde: 'avro', schema: '"long"', value: 5 },
  {
    what: 'names, namespaces, aliases, a type within itself',
    serde: 'avro',
    schema: {
      type: 'record',
      name: 'a.b.Node',
      aliases: ['Old'],
      doc: 'x',
      fields: [
        { name: 'next', type: ['null', 'Node'], default: null },
        { name: 'kind', type: { type: 'enum', name: 'Kind', symbols: ['X'] } },
        { name: 'same', type: 'a.b.Kind', default: 'X' },
        { name: 'hash', type: { type: 'fixed', name: 'c.Hash', size: 2 } },
        { name: 'price', type: { type: 'bytes', logicalType: 'decimal', precision: 4, scale: 2 } },
        { name: 'all', type: { type: 'map', values: { type: 'array', items: 'c.Hash' } } },
      ],
    },
    value: {
      next: { next: null, kind: 'X', same: 'X', hash: 'cd', price: '\u0002', all: {} },
      kind: 'X',
      same: 'X',
      hash: 'ab',
      price: '\u0001',
      all: { k: ['ef'] },
    },
    normalize: true,
  },
  {
    what: 'a reference',
    serde: 'avro',
    schema: { type: 'record', name: 'R', namespace: 'n', fields: [{ name: 'e', type: 'E' }] },
    references: [{ name: 'n.E', schema: enumeration }],
    value: { e: 'B' },
  },
  {
    what: 'a draft of 2020, and a reference',
    serde: 'jsonschema',
    schema: {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
      properties: { a: { $ref: 'other.json' }, b: { prefixItems: [{ type: 'integer' }], items: false } },
    },
    references: [{ name: 'other.json', schema: { type: 'string', maxLength: 3 } }],
    value: { a: 'abc', b: [1] },
    normalize: true,
  },
  {
    what: 'proto3: maps, oneofs, optional fields, well-known types, an import',
    serde: 'protobuf',
    schema: `// a comment
      syntax = "proto3"; package p; import "google/protobuf/timestamp.proto"; import "shared.proto";
      option java_package = "x";
      message M { map<string, Inner> all = 1; oneof o { int32 a = 2; string b = 3; } optional int64 c = 4 [json_name = "sea"];
        google.protobuf.Timestamp at = 5; s.Shared shared = 6; repeated Kind kinds = 7; message Inner { bytes d = 1; } enum Kind { ZERO = 0; ONE = 1; } }`,
    references: [{ name: 'shared.proto', schema: 'syntax = "proto3"; package s; message Shared { bool x = 1; }' }],
    value: { all: { k: { d: 'AQI=' } }, b: 'x', sea: 5, at: '1970-01-01T00:00:03Z', shared: { x: true }, kinds: ['ONE', 'ZERO'] },
    normalize: true,
  },
  {
    what: 'proto2: required fields, default values, groups',
    serde: 'protobuf',
    schema:
      'syntax = "proto2"; message M { required int32 a = 1; optional string b = 2 [default = "x"]; repeated group G = 3 { optional int32 c = 1; } }',
    value: { a: 1, b: 'y', g: [{ c: 2 }] },
  },
]
const types: Partial<Record<SerdeName, string>> = { avro: 'AVRO', jsonschema: 'JSON', protobuf: 'PROTOBUF' }

for (const [index, { what, serde, schema, value, references = [], normalize = false }] of samples.entries())
  test(`${serde}: ${what}`, async () => {
    const schemaType = types[serde]
    const text = (each: unknown) => (typeof each === 'string' ? each : JSON.stringify(each))
    const register = async (subject: string, body: object) => {
      const { status, body: answer } = await registry.ask('POST', `/subjects/${subject}/versions?normalize=${normalize}`, {
        schemaType,
        ...body,
      })
      assert.equal(status, 200, JSON.stringify(answer))
    }
    for (const each of references) await register(`s${index}-${each.name}`, { schema: text(each.schema) })
    const named = references.map(({ name }) => ({ name, subject: `s${index}-${name}`, version: 1 }))
    await register(`s${index}-value`, { schema: text(schema), references: named })
    const place = { topic: `s${index}`, part: 'value' } as const
    const bytes = await serdes.encode(serde, value, place)
    assert.deepEqual((await serdes.decode(serde, bytes, place)).value, value)
  })
