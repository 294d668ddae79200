/** What the fixtures of real messages cannot show: input that is wrong, and values that a version cannot carry. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { brotliDecompressSync } from 'node:zlib'
import { ByteReader, MalformedInput, TooManyElements } from '../base.ts'
import { apis } from './apis.ts'
import {
  decodeMessage,
  decodeRequest,
  decodeRequestHeader,
  decodeRequestInSteps,
  decodeResponse,
  encodeMessage,
  encodeRequest,
  encodeResponse,
  encodeResponseInSteps,
} from './codec.ts'
import { array, defineMessage, int8, int32, string, struct } from './define.ts'
import { KafkaError } from './errors.ts'

const { deleteGroups, describeGroups, fetch, findCoordinator, heartbeat, metadata, produce } = apis

test('fields that have a default or a tag, or are ignorable, may be omitted', () => {
  const { buffers } = encodeResponse(fetch, 16, 9, {
    responses: [{ partitions: [{ partitionIndex: 3, errorCode: 0, highWatermark: 10, records: null }] }],
  })
  const response = decodeResponse(fetch, 16, Buffer.concat(buffers), 9)
  const partition = response.responses[0]!.partitions[0]!
  assert.equal(response.throttleTimeMs, 0)
  assert.deepEqual(response.nodeEndpoints, [])
  assert.equal(partition.lastStableOffset, -1)
  assert.equal(partition.preferredReadReplica, -1)
  assert.deepEqual(partition.abortedTransactions, [])
  assert.deepEqual(partition.currentLeader, { leaderId: -1, leaderEpoch: -1 })
})

test('a field of other versions may be omitted, one of this version may not', () => {
  const response = { coordinators: [{ key: 'g', nodeId: 1, host: 'h', port: 9092, errorCode: 0 }] }
  assert.equal(encodeMessage(findCoordinator.messages.response, 4, response).length, 4 + 1 + 2 + 4 + 2 + 4 + 2 + 1 + 1 + 1)
  assert.throws(() => encodeMessage(findCoordinator.messages.response, 3, response), /FindCoordinatorResponse version 3/)
})

test('a field that is missing says which message it broke', () => {
  const incomplete = { generationId: 1, memberId: 'm' } as never
  assert.throws(() => encodeRequest(heartbeat, 4, { correlationId: 1, clientId: null }, incomplete), /HeartbeatRequest version 4/)
})

test('a value that the version cannot carry is refused unless it may be ignored', () => {
  const encode = (version: number, message: object) => encodeMessage(heartbeat.messages.request, version, message as never)
  const base = { groupId: 'g', generationId: 1, memberId: 'm' }
  assert.throws(
    () => encode(2, { ...base, groupInstanceId: 'static' }),
    (error: unknown) => error instanceof KafkaError && error.name === 'UNSUPPORTED_VERSION' && /groupInstanceId/.test(error.message),
  )
  assert.deepEqual(encode(2, { ...base, groupInstanceId: null }), encode(2, base))
  const throttled = encodeMessage(heartbeat.messages.response, 0, { throttleTimeMs: 5, errorCode: 0 })
  assert.equal(throttled.toString('hex'), '0000')
})

test('records are taken by reference and given as views', () => {
  const batch = Buffer.alloc(10_000, 1)
  const partition = { partitionIndex: 0, errorCode: 0, highWatermark: 1, records: [batch, batch] }
  const { buffers, length } = encodeResponse(fetch, 12, 1, { responses: [{ topic: 't', partitions: [partition] }] })
  assert.equal(buffers.filter(buffer => buffer === batch).length, 2)
  const frame = Buffer.concat(buffers)
  assert.equal(frame.length, length)
  const { records } = decodeResponse(fetch, 12, frame, 9).responses[0]!.partitions[0]!
  assert.equal(records!.length, 20_000)
  assert.equal(records!.buffer, frame.buffer)
})

test('null where the version forbids it', () => {
  const request = {
    topics: null,
    allowAutoTopicCreation: true,
    includeClusterAuthorizedOperations: false,
    includeTopicAuthorizedOperations: false,
  }
  const bytes = encodeMessage(metadata.messages.request, 1, request)
  assert.equal(decodeRequest(metadata, 1, bytes).topics, null)
  assert.throws(() => decodeRequest(metadata, 0, bytes), MalformedInput)
})

test('a count that the frame cannot hold is refused before anything is allocated', () => {
  const huge = Buffer.from('ffff 0001 00000000 7fffffff'.replaceAll(' ', ''), 'hex')
  assert.throws(() => decodeRequest(produce, 3, huge), MalformedInput)
  assert.throws(() => decodeRequest(metadata, 1, Buffer.from('fffffffe', 'hex')), MalformedInput)
})

test('tags: unknown ones are passed over; repeated, descending, or of a wrong size they are refused', () => {
  const message = defineMessage({
    name: 'Tagged',
    versions: '0',
    flexible: '0+',
    fields: { plain: int8(), number: int32({ tag: 1, default: 5 }), list: array(struct({ text: string() }), { tag: 3 }) },
  })
  const decode = (hex: string) => decodeMessage(message, 0, Buffer.from(hex.replaceAll(' ', ''), 'hex'))
  assert.deepEqual(decode('07 00'), { plain: 7, number: 5, list: [] })
  assert.deepEqual(decode('07 03 00 01 aa 01 04 00000009 02 00'), { plain: 7, number: 9, list: [] })
  assert.deepEqual(decode('07 01 03 04 02 02 78 00'), { plain: 7, number: 5, list: [{ text: 'x' }] })
  const bad = [
    '07 02 01 04 00000009 01 04 00000009',
    '07 02 03 01 01 01 04 00000009',
    '07 01 01 03 000009 00',
    '07 01 01 05 0000000900',
    '07 01 01',
    '07 02 01 04 00000009',
    '07 01 09 ff01 00',
  ]
  for (const hex of bad) assert.throws(() => decode(hex), MalformedInput, hex)
  assert.equal(
    encodeMessage(message, 0, { plain: 7, number: 9, list: [{ text: 'x' }] }).toString('hex'),
    '070201040000000903040202' + '7800',
  )
})

test('bytes after the end of a request are ignored, as Kafka does', () => {
  const bytes = encodeMessage(findCoordinator.messages.request, 0, { key: 'g' })
  assert.deepEqual(decodeRequest(findCoordinator, 0, Buffer.concat([bytes, Buffer.from([1, 2, 3])])).key, 'g')
})

test('request headers: both kinds, and cut off', () => {
  const frame = Buffer.concat(encodeRequest(findCoordinator, 3, { correlationId: 77, clientId: 'größe' }, { key: 'g' }).buffers)
  const header = decodeRequestHeader(frame.subarray(4), findCoordinator, 3)
  assert.equal(header.correlationId, 77)
  assert.equal(header.clientId, 'größe')
  assert.equal(decodeRequest(findCoordinator, 3, frame.subarray(4), header.end).key, 'g')
  for (let length = 0; length < header.end; length++) {
    assert.throws(() => decodeRequestHeader(frame.subarray(4, 4 + length), findCoordinator, 3), MalformedInput, `${length} bytes`)
  }
})

test('a client id in another encoding is accepted, as in Kafka', () => {
  const frame = Buffer.concat(encodeRequest(findCoordinator, 3, { correlationId: 77, clientId: 'gross' }, { key: 'g' }).buffers).subarray(4)
  frame[frame.indexOf('gross') + 2] = 0xf6
  const header = decodeRequestHeader(frame, findCoordinator, 3)
  assert.equal(header.clientId, 'gr\ufffdss')
  assert.equal(decodeRequest(findCoordinator, 3, frame, header.end).key, 'g')
})

test('a version that does not exist is a mistake of the caller', () => {
  assert.throws(() => decodeRequest(heartbeat, 5, Buffer.alloc(10)), /HeartbeatRequest has no version 5/)
  assert.throws(() => decodeRequest(heartbeat, -1, Buffer.alloc(10)), /no version -1/)
})

/** A fixed sequence, so that a failure can be repeated. */
function mulberry32(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
}

test('damaged requests either decode or are malformed: nothing else happens', () => {
  const text = brotliDecompressSync(readFileSync(new URL('fixtures/messages.ndjson.br', import.meta.url))).toString()
  const byName = new Map(Object.values(apis).map(api => [api.messages.request.name, api.messages.request]))
  const random = mulberry32(42)
  let malformed = 0
  let decoded = 0
  for (const line of text.trimEnd().split('\n')) {
    const sample = JSON.parse(line) as { message: string; version: number; bytes: string }
    const message = byName.get(sample.message)
    if (message === undefined || sample.bytes.length === 0) continue
    for (let round = 0; round < 8; round++) {
      const bytes = Buffer.from(sample.bytes, 'hex')
      if (round === 0) assert.equal(decodes(message, sample.version, bytes.subarray(0, -1)), 0, `cut off: ${line}`)
      bytes[random() % bytes.length] = round % 2 === 0 ? 0xff : random()
      if (decodes(message, sample.version, bytes) === 1) decoded++
      else malformed++
    }
  }
  assert.ok(malformed > 1000 && decoded > 1000, `${malformed} malformed, ${decoded} decoded`)
})

function decodes(message: Parameters<typeof decodeMessage>[0], version: number, bytes: Buffer): number {
  try {
    decodeMessage(message, version, bytes)
    return 1
  } catch (error) {
    if (error instanceof MalformedInput) return 0
    throw error
  }
}

function finish<T>(steps: Generator<void, T>): { value: T; pauses: number } {
  for (let pauses = 0; ; pauses++) {
    const step = steps.next()
    if (step.done) return { value: step.value, pauses }
  }
}

test('decoding and encoding in steps gives the same results: every message of every version that Kafka wrote', () => {
  const text = brotliDecompressSync(readFileSync(new URL('fixtures/messages.ndjson.br', import.meta.url))).toString()
  const byName = new Map(Object.values(apis).flatMap(api => Object.values(api.messages).map(message => [message.name, api])))
  let requests = 0
  let responses = 0
  for (const line of text.trimEnd().split('\n')) {
    const sample = JSON.parse(line) as { message: string; version: number; bytes: string }
    const api = byName.get(sample.message)
    if (api === undefined) continue
    const { version } = sample
    const bytes = Buffer.from(sample.bytes, 'hex')
    if (sample.message.endsWith('Request')) {
      const { value } = finish(decodeRequestInSteps(api, version, bytes, 0, 10_000))
      assert.deepEqual(value, { request: decodeRequest(api, version, bytes), dropped: 0 }, line)
      requests++
    } else {
      const response = decodeResponse(api, version, bytes)
      const { value } = finish(encodeResponseInSteps(api, version, 7, response, 1e6))
      assert.deepEqual(Buffer.concat(value!.buffers), Buffer.concat(encodeResponse(api, version, 7, response).buffers), line)
      responses++
    }
  }
  assert.ok(requests > 500 && responses > 500, `${requests} requests, ${responses} responses`)
})

test('a large request is too large to be read at once; in steps it pauses often, and keeps no more than the limit', () => {
  const names = Array.from({ length: 50_000 }, (_, n) => `group-${n}`)
  const bytes = encodeMessage(describeGroups.messages.request, 5, { groups: names, includeAuthorizedOperations: true })
  assert.throws(() => decodeRequest(describeGroups, 5, bytes, 0, 49_999), TooManyElements)
  const all = finish(decodeRequestInSteps(describeGroups, 5, bytes, 0, 50_000))
  assert.deepEqual(all.value, { request: { groups: names, includeAuthorizedOperations: true }, dropped: 0 })
  assert.ok(all.pauses > 100)
  const some = finish(decodeRequestInSteps(describeGroups, 5, bytes, 0, 1_000))
  assert.deepEqual(some.value, { request: { groups: names.slice(0, 1_000), includeAuthorizedOperations: true }, dropped: 49_000 })
})

test('a large response is too large to be written at once; in steps it pauses often, and stops at the limit', () => {
  const results = Array.from({ length: 50_000 }, (_, n) => ({ groupId: `group-${n}`, errorCode: 0 }))
  const response = { throttleTimeMs: 0, results }
  assert.throws(() => encodeResponse(deleteGroups, 2, 1, response, 49_999), TooManyElements)
  const all = finish(encodeResponseInSteps(deleteGroups, 2, 1, response, 10e6))
  assert.deepEqual(Buffer.concat(all.value!.buffers), Buffer.concat(encodeResponse(deleteGroups, 2, 1, response).buffers))
  assert.ok(all.pauses > 100)
  const short = finish(encodeResponseInSteps(deleteGroups, 2, 1, response, 20_000))
  assert.equal(short.value, null)
  assert.ok(short.pauses < 20)
})

test('a few elements with long texts, or with many tagged fields, count as much as many short ones', () => {
  const names = Array.from({ length: 200 }, (_, n) => `${n}`.padStart(15_000, 'x'))
  const bytes = encodeMessage(describeGroups.messages.request, 5, { groups: names, includeAuthorizedOperations: true })
  assert.throws(() => decodeRequest(describeGroups, 5, bytes, 0, 2_000), TooManyElements)
  const read = finish(decodeRequestInSteps(describeGroups, 5, bytes, 0, 2_000))
  assert.deepEqual(read.value, { request: { groups: names, includeAuthorizedOperations: true }, dropped: 0 })
  assert.ok(read.pauses > 40)
  const response = { throttleTimeMs: 0, results: names.map(groupId => ({ groupId, errorCode: 0 })) }
  assert.throws(() => encodeResponse(deleteGroups, 2, 1, response, 2_000), TooManyElements)
  const written = finish(encodeResponseInSteps(deleteGroups, 2, 1, response, 10e6))
  assert.deepEqual(Buffer.concat(written.value!.buffers), Buffer.concat(encodeResponse(deleteGroups, 2, 1, response).buffers))
  assert.ok(written.pauses > 40)
  // A thousand topics without partitions, each with a hundred tagged fields without content.
  const tags = [100, ...Array.from({ length: 100 }, (_, tag) => [tag, 0]).flat()]
  const topics = Array.from({ length: 1_000 }, () => Buffer.from([2, 0x61, 1, ...tags]))
  const tagged = Buffer.concat([Buffer.from([0xe9, 0x07]), ...topics, Buffer.from([0, 0, 0, 0, 0])])
  assert.throws(() => decodeRequest(apis.deleteRecords, 2, tagged, 0, 2_000), TooManyElements)
  assert.ok(finish(decodeRequestInSteps(apis.deleteRecords, 2, tagged, 0, 2_000)).pauses > 50)
})

test('many names that a Map could only compare one by one are rejected', () => {
  const request = (count: number, length: number) => {
    const groups = Array.from({ length: count }, (_, n) => `${n}`.padStart(length, 'x'))
    return encodeMessage(describeGroups.messages.request, 5, { groups, includeAuthorizedOperations: true })
  }
  for (const [count, length] of [
    [64, 30_000],
    [1_000, 16_000],
  ] as const)
    assert.equal(decodeRequest(describeGroups, 5, request(count, length)).groups.length, count)
  for (const length of [16_001, 30_000]) {
    const bytes = request(65, length)
    assert.throws(() => decodeRequest(describeGroups, 5, bytes), MalformedInput)
    assert.throws(() => finish(decodeRequestInSteps(describeGroups, 5, bytes, 0, 1_000)), MalformedInput)
  }
})

test('more tagged fields than any definition has are refused, not passed over', () => {
  const frame = Buffer.alloc(20_000, 0)
  frame.writeUInt16BE(0x8008, 0) // 1024 as a varint
  assert.throws(() => new ByteReader(frame).skipTags(), /1024 tagged fields/)
})
