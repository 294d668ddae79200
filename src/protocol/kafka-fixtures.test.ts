/**
 * Our definitions, codecs and errors against Kafka's own: `fixtures/` was made by Kafka's generated classes (`compat/java-fixtures`).
 * Each message in each version: field by field, and byte by byte in both directions.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { brotliDecompressSync } from 'node:zlib'
import { apis } from './apis.ts'
import { decodeMessage, decodeRequestHeader, decodeResponseHeader, encodeMessage, encodeRequest, encodeResponse } from './codec.ts'
import { type FieldPlan, planMessage, type StructPlan, type Type } from './codec-plan.ts'
import type { Field, Fields, Message } from './define.ts'
import { errorCode, errorName, errorNames, isRetriable } from './errors.ts'
import * as records from './internal-records.ts'
import { zeroUuid } from './uuid.ts'

interface Definition {
  message: string
  version: number
  flexible: boolean
  fields: FieldLine[]
  kafka?: string
}

interface FieldLine {
  path: string
  type: string
  place: string
  default: string
  nullable?: boolean
  tag?: number
  ignorable?: boolean
}

interface Sample {
  message: string
  version: number
  bytes: string
  json: Json
}

type Json = { [name: string]: unknown }

function fixture<T>(name: string): T[] {
  const text = brotliDecompressSync(readFileSync(new URL(`fixtures/${name}.ndjson.br`, import.meta.url))).toString()
  return text
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line) as T)
}

const ours = new Map<string, Message>()
for (const api of Object.values(apis)) for (const message of Object.values(api.messages)) ours.set(message.name, message)
const coordinatorRecords = [
  records.classicGroupRecords,
  records.consumerGroupRecords,
  records.shareGroupRecords,
  records.streamsGroupRecords,
  records.shareStateRecords,
  records.transactionRecords,
].flatMap(group => Object.values(group))
for (const { key, value } of coordinatorRecords) ours.set(key.name, key).set(value.name, value)
for (const message of Object.values(records.metadataRecords)) ours.set(message.name, message)
for (const message of Object.values({ ...records.controlRecords, ...records.consumerProtocol })) ours.set(message.name, message)

/** What Kafka defines and we do not: APIs that no client of a broker uses, headers (tested below), and its own principals. */
const notOurs = [
  ...['AllocateProducerIds', 'AlterPartition', 'AssignReplicasToDirs', 'BeginQuorumEpoch', 'BrokerHeartbeat', 'BrokerRegistration'],
  ...['ControlledShutdown', 'ControllerRegistration', 'EndQuorumEpoch', 'Envelope', 'FetchSnapshot', 'UpdateRaftVoter', 'Vote'],
].flatMap(name => [`${name}Request`, `${name}Response`])
notOurs.push('DefaultPrincipalData', 'RequestHeader', 'ResponseHeader')

/** Fields of versions that Kafka 4 dropped; its definitions do not know them any more. */
const onlyInOldVersions = new Set(['maxNumOffsets', 'oldStyleOffsets', 'commitTimestamp', 'isDefault'])

const definitions = fixture<Definition>('definitions')
const samples = fixture<Sample>('messages')

test('the same messages and versions as Kafka', () => {
  const kafkas = new Map<string, { versions: number[] }>()
  for (const { message, version } of definitions) {
    if (notOurs.includes(message)) continue
    const entry = kafkas.get(message)
    if (entry === undefined) kafkas.set(message, { versions: [version] })
    else entry.versions.push(version)
  }
  assert.deepEqual([...ours.keys()].sort(), [...kafkas.keys()].sort())
  for (const [name, { versions }] of kafkas) {
    const { minVersion, maxVersion } = ours.get(name)!
    assert.deepEqual([minVersion, maxVersion], [Math.min(...versions), Math.max(...versions)], name)
  }
})

/** Tagged fields of our own, which Kafka skips. */
const ownFields = new Set(['TransactionLogValue.owner'])

test('every field of every version as in Kafka', () => {
  for (const definition of definitions) {
    const message = ours.get(definition.message)
    if (message === undefined) continue
    const where = `${message.name} version ${definition.version}`
    assert.equal(definition.version >= message.flexibleFrom, definition.flexible, where)
    const isOld = definition.kafka !== undefined
    const lines = describe('', planMessage(message, definition.version)).filter(({ path }) => !ownFields.has(`${message.name}.${path}`))
    const expected = definition.fields.filter(line => !isOld || line.place !== 'absent')
    const relevant = lines.filter(line => line.place !== 'absent' || (!isOld && !isOnlyOld(line, expected)))
    assert.deepEqual(relevant, expected, where)
  }
})

function isOnlyOld(line: FieldLine, expected: readonly FieldLine[]): boolean {
  const name = line.path.slice(line.path.lastIndexOf('.') + 1)
  return onlyInOldVersions.has(name) && !expected.some(({ path }) => path === line.path)
}

function describe(prefix: string, struct: StructPlan): FieldLine[] {
  return struct.fields.flatMap(field => {
    const { type } = field
    const inner = type.kind === 'array' ? type.of : type
    const line: FieldLine = {
      path: prefix + field.name,
      type: (type.kind === 'array' ? '[]' : '') + inner.kind,
      place: field.place,
      default: shownDefault(field),
    }
    if (field.place === 'absent') return [{ ...line, ignorable: field.ignorable }]
    line.nullable = field.nullable
    if (field.place === 'tagged') line.tag = field.tag
    return inner.kind === 'struct' ? [line, ...describe(`${line.path}.`, inner.struct)] : [line]
  })
}

function shownDefault(field: FieldPlan): string {
  if (typeof field.default === 'bigint') return String(field.default)
  if (field.default !== undefined) return JSON.stringify(field.default)
  return implicitDefaults[field.type.kind] ?? '0'
}

const implicitDefaults: Partial<Record<Type['kind'], string>> = {
  bool: 'false',
  string: '""',
  records: 'null',
  bytes: 'empty',
  uuid: 'empty',
  array: 'empty',
  struct: 'empty',
}

test("bytes as Kafka's classes write them, in both directions", () => {
  let compared = 0
  for (const sample of samples) {
    const message = ours.get(sample.message)
    if (message === undefined) continue
    const where = `${message.name} version ${sample.version}: ${JSON.stringify(sample.json)}`
    const bytes = Buffer.from(sample.bytes, 'hex')
    const value = fromJson(message.fields, sample.json, true)
    assert.deepEqual(decodeMessage(message, sample.version, bytes), value, where)
    assert.equal(encodeMessage(message, sample.version, value).toString('hex'), sample.bytes, where)
    const sparse = fromJson(message.fields, sample.json, false)
    assert.equal(encodeMessage(message, sample.version, sparse).toString('hex'), sample.bytes, `fields left out: ${where}`)
    compared++
  }
  assert.ok(compared > 2500, `only ${compared} samples`)
})

/** `complete`: with the defaults of the fields that the JSON lacks. */
function fromJson(fields: Fields, json: Json, complete: boolean): Json {
  const value: Json = {}
  for (const [name, field] of Object.entries(fields)) {
    const given = json[name]
    if (given !== undefined) value[name] = valueFromJson(field, given, complete)
    else if (complete) value[name] = defaultValue(field)
  }
  return value
}

function valueFromJson(field: Field, json: unknown, complete: boolean): unknown {
  if (json === null) return null
  if (field.type === 'struct') return fromJson(field.fields!, json as Json, complete)
  if (field.type === 'array') return (json as unknown[]).map(element => valueFromJson(field.of!, element, complete))
  if (field.type === 'bytes' || field.type === 'records') return Buffer.from(json as string, 'base64')
  return json
}

function defaultValue(field: Field): unknown {
  if (field.options.default !== undefined) return field.options.default
  if (field.type === 'struct') return fromJson(field.fields!, {}, true)
  if (field.type === 'array') return []
  if (field.type === 'bytes') return Buffer.alloc(0)
  if (field.type === 'records') return null
  return { string: '', bool: false, uuid: zeroUuid }[field.type as string] ?? 0
}

test('request and response headers', () => {
  const { saslAuthenticate, metadata, apiVersions } = apis
  for (const { message, version, bytes, json } of samples) {
    const input = Buffer.from(bytes, 'hex')
    if (message === 'RequestHeader' && version > 0) {
      const apiVersion = version === 2 ? saslAuthenticate.flexibleFrom : 0
      const header = decodeRequestHeader(input, saslAuthenticate, apiVersion)
      assert.deepEqual(header, { correlationId: json['correlationId'], clientId: json['clientId'], end: input.length })
      const frame = Buffer.concat(encodeRequest(saslAuthenticate, apiVersion, header, { authBytes: Buffer.alloc(0) }).buffers)
      assert.equal(frame.readInt32BE(0), frame.length - 4)
      assert.equal(frame.toString('hex', 8, 4 + input.length), bytes.slice(8))
    }
    if (message === 'ResponseHeader') {
      const apiVersion = version === 1 ? metadata.flexibleFrom : 0
      const correlationId = json['correlationId'] as number
      assert.deepEqual(decodeResponseHeader(input, metadata, apiVersion), { correlationId, end: input.length })
      const frame = Buffer.concat(encodeResponse(metadata, apiVersion, correlationId, { brokers: [], topics: [] }).buffers)
      assert.equal(frame.toString('hex', 4, 4 + input.length), bytes)
    }
  }
  const frame = Buffer.concat(encodeResponse(apiVersions, 4, 7, { errorCode: 0, apiKeys: [] }).buffers)
  assert.equal(frame.toString('hex', 4, 10), '000000070000', 'an ApiVersions response has the oldest header in every version')
})

test('the error table', () => {
  const kafkas = fixture<{ code: number; name: string; retriable: boolean }>('errors')
  const table = errorNames.map(name => ({ code: errorCode(name), name, retriable: isRetriable(name) }))
  assert.deepEqual(table, kafkas)
  for (const { code, name } of kafkas) assert.equal(errorName(code), name)
})
