/** The events of each cloud. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ReceivedRecord } from '../client.ts'
import { envelopeOf } from './envelope.ts'

const options = { bootstrap: 'h:9092', clusterId: 'c-1', extended: false }

function record(changes: Partial<ReceivedRecord> = {}): ReceivedRecord {
  return {
    ...{ topic: 'test-topic', partition: 1, offset: 36n, timestampMs: 1_655_952_591_589n },
    ...{ key: null, value: Buffer.from('Hello from Ckafka!'), headers: [] },
    ...changes,
  }
}

function event(envelope: 'scf' | 'aws' | 'cloudevents' | 'alibaba', records: readonly ReceivedRecord[], more = {}): string {
  const made = envelopeOf({ envelope }, { ...options, ...more })
  const text = made.event(
    records.map(each => made.item(each)),
    'test-topic',
    1,
  )
  const items = records.map(each => Buffer.byteLength(made.item(each)) + 1).reduce((sum, size) => sum + size, 0)
  assert.ok(Buffer.byteLength(text) <= items + made.overhead, 'no event is larger than is reckoned')
  return text
}

test('scf: exactly as Tencent documents it; a null key is "None", offsets keep their digits', () => {
  assert.equal(
    event('scf', [record()]),
    '{"Records":[{"Ckafka":{"topic":"test-topic","partition":1,"offset":36,"msgKey":"None","msgBody":"Hello from Ckafka!"}}]}',
  )
  assert.match(event('scf', [record({ offset: 9007199254740993n, key: Buffer.from('k') })]), /"offset":9007199254740993,"msgKey":"k"/)
  assert.match(event('scf', [record({ value: null })]), /"msgBody":"None"/)
  const extended = JSON.parse(
    event('scf', [record({ value: Buffer.from([0xff]), headers: [{ key: Buffer.from('h'), value: Buffer.from('v') }] })], {
      extended: true,
    }),
  )
  assert.deepEqual(extended.Records[0].Ckafka.msgBodyBase64, '/w==')
  assert.deepEqual(extended.Records[0].Ckafka.headers, [{ key: 'h', value: 'dg==' }])
})

test('aws: bytes in base64, signed bytes in headers', () => {
  const headers = [{ key: Buffer.from('h'), value: Buffer.from([104, 200]) }]
  assert.deepEqual(JSON.parse(event('aws', [record({ key: Buffer.from('k'), headers }), record({ offset: 37n, value: null })])), {
    eventSource: 'SelfManagedKafka',
    bootstrapServers: 'h:9092',
    records: {
      'test-topic-1': [
        {
          ...{ topic: 'test-topic', partition: 1, offset: 36, timestamp: 1_655_952_591_589, timestampType: 'CREATE_TIME' },
          ...{ key: 'aw==', value: 'SGVsbG8gZnJvbSBDa2Fma2Eh', headers: [{ h: [104, -56] }] },
        },
        {
          ...{ topic: 'test-topic', partition: 1, offset: 37, timestamp: 1_655_952_591_589, timestampType: 'CREATE_TIME' },
          ...{ value: null, headers: [] },
        },
      ],
    },
  })
})

test('aws: whose time it is', () => {
  assert.match(event('aws', [record({ isAppendTime: true })]), /"timestampType":"LOG_APPEND_TIME"/)
})

test('cloudevents: JSON, text, bytes, nothing', () => {
  const events = JSON.parse(
    event('cloudevents', [
      record({ value: Buffer.from('{"a":1}'), key: Buffer.from('k') }),
      record(),
      record({ value: Buffer.from([0xff]) }),
      record({ value: null, timestampMs: -1n }),
    ]),
  )
  assert.deepEqual(events[0], {
    specversion: '1.0',
    id: 'test-topic-1-36',
    source: '/kafka/c-1/topics/test-topic',
    type: 'org.apache.kafka.record',
    subject: 'partition:1#36',
    time: '2022-06-23T02:49:51.589Z',
    partitionkey: 'k',
    datacontenttype: 'application/json',
    data: { a: 1 },
  })
  assert.deepEqual([events[1].data, events[1].datacontenttype], ['Hello from Ckafka!', 'text/plain'])
  assert.deepEqual([events[2].data_base64, events[2].datacontenttype], ['/w==', 'application/octet-stream'])
  assert.deepEqual(['data' in events[3], 'time' in events[3]], [false, false])
})

test('alibaba: as Function Compute documents it', () => {
  assert.deepEqual(JSON.parse(event('alibaba', [record({ key: Buffer.from('keytest') })])), [
    {
      specversion: '1.0',
      id: 'test-topic-1-36',
      source: 'acs:alikafka',
      type: 'alikafka:Topic:Message',
      subject: 'acs:alikafka:c-1:topic:test-topic',
      datacontenttype: 'application/json; charset=utf-8',
      time: '2022-06-23T02:49:51.589Z',
      aliyunaccountid: '',
      data: {
        ...{ topic: 'test-topic', partition: 1, offset: 36, timestamp: 1_655_952_591_589 },
        headers: { headers: [], isReadOnly: false },
        ...{ key: 'keytest', value: 'Hello from Ckafka!' },
      },
    },
  ])
})
