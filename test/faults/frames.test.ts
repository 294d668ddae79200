/** Frames that are not requests: the connection is closed before memory is allocated, and others are not affected. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { apis } from '../../src/protocol.ts'
import { attack, expectClosed } from '../support/attack.ts'
import { connect, requestBytes } from '../support/client.ts'

const int16 = (value: number) => {
  const bytes = Buffer.alloc(2)
  bytes.writeInt16BE(value)
  return bytes
}
const int32 = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}
const frame = (...parts: Uint8Array[]) => {
  const body = Buffer.concat(parts)
  return Buffer.concat([int32(body.length), body])
}
/** Key, version, correlation id, client id null. */
const header = (key: number, version: number) => Buffer.concat([int16(key), int16(version), int32(7), int16(-1)])
const text = (value: string) => Buffer.concat([int16(value.length), Buffer.from(value)])

async function sendEach(port: number, inputs: Record<string, Uint8Array>): Promise<void> {
  for (const [what, bytes] of Object.entries(inputs)) {
    const client = await connect(port)
    client.send(bytes)
    await expectClosed(client, what)
  }
}

test('1: sizes that are none close the connection', () =>
  attack({}, async ({ port }) => {
    const inputs = {
      'size -1': int32(-1),
      'size 0': int32(0),
      'size 3': Buffer.concat([int32(3), Buffer.alloc(3)]),
      'size 2^31-1': int32(2 ** 31 - 1),
      'size 104857601': int32(104_857_601),
      HTTP: Buffer.from('GET / HTTP/1.1\r\n\r\n'),
      TLS: Buffer.from('16030100c8010000c40303', 'hex'),
    }
    for (let round = 0; round < 30; round++) await sendEach(port, inputs)
    await Promise.all(Array.from({ length: 200 }, () => sendEach(port, { 'size 2^31-1': int32(2 ** 31 - 1) })))
  }))

test('2: a frame above socket.request.max.bytes closes the connection, one below does not', () =>
  attack({ 'socket.request.max.bytes': '2000' }, async ({ port }) => {
    await sendEach(port, { 'size 2001': Buffer.concat([int32(2001), Buffer.alloc(2001)]) })
    const client = await connect(port)
    const topics = [{ name: 'x'.repeat(200) }]
    assert.equal((await client.request(apis.metadata, 4, { topics, allowAutoTopicCreation: false })).topics.length, 1)
    client.close()
  }))

test('3: unknown APIs and versions, and headers without a body, close the connection', () =>
  attack({}, ({ port }) =>
    sendEach(port, {
      'half a header': frame(int16(3), int16(0)),
      'a header without a client id': frame(int16(3), int16(0), int32(1)),
      'no body': frame(header(0, 9)),
      'key -1': frame(header(-1, 0)),
      'key 9999': frame(header(9999, 0)),
      'version -1': frame(header(3, -1), int32(0)),
      'version 99': frame(header(3, 99), int32(0)),
    }),
  ))

test('3: an ApiVersions of the future is answered in version 0, and the connection lives', () =>
  attack({}, async ({ port }) => {
    const client = await connect(port)
    client.send(frame(header(18, 99), Buffer.alloc(3)))
    const answer = await client.nextFrame()
    assert.equal(answer.readInt32BE(0), 7)
    assert.equal(answer.readInt16BE(4), 35)
    assert.equal(answer.readInt32BE(6), 1, 'one entry: the versions of ApiVersions itself (KIP-511)')
    assert.deepEqual([answer.readInt16BE(10), answer.readInt16BE(12), answer.length], [18, 0, 16])
    const { errorCode, apiKeys } = await client.request(apis.apiVersions, 3, { clientSoftwareName: 'test', clientSoftwareVersion: '1' })
    assert.equal(errorCode, 0)
    assert.equal(apiKeys.find(({ apiKey }) => apiKey === 18)?.maxVersion, answer.readInt16BE(14))
    client.close()
  }))

test('4: wrong counts close the connection', () =>
  attack({}, async ({ port }) => {
    const metadata = (count: number) => frame(header(3, 1), int32(count))
    const compact = (count: string) => frame(header(3, 9), Buffer.from([0]), Buffer.from(count, 'hex'), Buffer.from('000000', 'hex'))
    const inputs = {
      'count -2': metadata(-2),
      'count 2^31-1': metadata(2 ** 31 - 1),
      'count above what remains': frame(header(3, 1), int32(3), text('a')),
      'compact count 2^32-1': compact('ffffffff0f'),
      'compact count 2^28': compact('8080808001'),
      'count of a nested array': frame(header(0, 3), int16(-1), int16(1), int32(0), int32(1), text('t'), int32(2 ** 30)),
      'size of records': frame(header(0, 3), int16(-1), int16(1), int32(0), int32(1), text('t'), int32(1), int32(0), int32(2 ** 31 - 1)),
    }
    for (let round = 0; round < 20; round++) await sendEach(port, inputs)
  }))

test('4: millions of the smallest elements close the connection before they become objects', () =>
  attack({}, async ({ port }) => {
    const many = 45_000_000
    const empty = (count: number) => frame(header(3, 4), int32(count), Buffer.alloc(2 * count + 1))
    const nested = () => {
      // Two hundred thousand topics with ten empty partitions each: every count is small by itself.
      const topic = Buffer.concat([text(''), int32(10), Buffer.alloc(16 * 10)])
      return frame(header(2, 0), int32(-1), int32(200_000), Buffer.concat(Array.from({ length: 200_000 }, () => topic)))
    }
    const start = performance.now()
    await sendEach(port, { 'names without letters': empty(many), 'partitions of topics': nested() })
    assert.ok(performance.now() - start < 10_000)
    const client = await connect(port)
    client.send(empty(100_000))
    assert.equal((await client.nextFrame()).readInt32BE(0), 7, 'many, but not too many')
    client.close()
  }))

test('5: invalid varints, strings and tags close the connection; unknown tags are skipped', () =>
  attack({}, async ({ port }) => {
    const flexible = (...parts: Uint8Array[]) => frame(header(3, 9), Buffer.from([0]), ...parts)
    const end = Buffer.from([0, 0, 0, 0])
    await sendEach(port, {
      'a varint of six bytes': flexible(Buffer.from('ffffffffff0f', 'hex'), end),
      'a string past the end': frame(header(3, 1), int32(1), int16(500), Buffer.from('short')),
      'a null that may not be': frame(header(3, 1), int32(1), int16(-1)),
      'a string length of -2': frame(header(3, 1), int32(1), int16(-2)),
      'no UTF-8': frame(header(3, 1), int32(1), int16(2), Buffer.from([0xc3, 0x28])),
      'a million tags that are not there': flexible(Buffer.from('02027400', 'hex'), Buffer.from([0, 0, 0]), Buffer.from('c0843d', 'hex')),
      'a tag twice': flexible(Buffer.from([1, 0, 0, 0]), Buffer.from([2, 5, 0, 5, 0])),
      'tags out of order': flexible(Buffer.from([1, 0, 0, 0]), Buffer.from([2, 6, 0, 5, 0])),
    })
    const client = await connect(port)
    client.send(flexible(Buffer.from([1, 0, 0, 0]), Buffer.from([2, 5, 1, 9, 77, 0])))
    assert.equal((await client.nextFrame()).readInt32BE(0), 7)
    client.close()
  }))

test('5: a header cut anywhere closes the connection or waits for more, and never harms', () =>
  attack({}, async ({ port }) => {
    const whole = requestBytes(apis.metadata, 9, {
      topics: [{ name: 'innocent' }],
      allowAutoTopicCreation: true,
      includeClusterAuthorizedOperations: false,
      includeTopicAuthorizedOperations: false,
    })
    for (let length = 4; length < whole.length - 4; length++) {
      const client = await connect(port)
      client.send(frame(whole.subarray(4, length + 4)))
      await expectClosed(client, `${length} of ${whole.length - 4} bytes`)
    }
  }))
