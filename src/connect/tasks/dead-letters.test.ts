import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hidesNothing } from '../../base.ts'
import { type Client, ClientError, type RecordToSend } from '../../client.ts'
import { DataError } from '../../connector.ts'
import { DeadLetters } from './dead-letters.ts'

const bytesIn = ({ value, headers = [] }: RecordToSend) =>
  (value?.length ?? 0) + headers.reduce((sum, each) => sum + each.key.length + (each.value?.length ?? 0), 0)

async function letterOf(headers: [string, string][], { saysWhy = true, message = 'broken', mostBytes = 1e6 } = {}): Promise<RecordToSend> {
  const sent: RecordToSend[] = []
  const client = {
    topics: async () => [],
    async send(topic: string, records: readonly RecordToSend[]) {
      assert.equal(topic, 'dead')
      if (records.some(each => bytesIn(each) > mostBytes)) throw new ClientError('MESSAGE_TOO_LARGE', 'the batch is too large')
      sent.push(...records)
      return []
    },
  } as unknown as Client
  const letters = await DeadLetters.open({ client, topic: 'dead', replicas: 1, connector: 'c', task: 2, saysWhy, hiding: hidesNothing })
  const raw = {
    ...{ topic: 't', partition: 3, offset: 7n, timestampMs: -1n, key: null, value: Buffer.from([0xff]) },
    headers: headers.map(([name, value]) => ({ key: Buffer.from(name), value: Buffer.from(value) })),
  }
  await letters.put({ stage: 'VALUE_CONVERTER', className: 'org.example.Converter', raw }, new DataError(message))
  return sent[0]!
}

const textOf = ({ headers = [] }: RecordToSend) => headers.map(({ key, value }) => [key.toString(), String(value)])

test('a dead letter has the bytes and headers of its record, and says why with the headers of Kafka', async () => {
  const letter = await letterOf([['mine', 'x']])
  assert.deepEqual([letter.key, letter.value, letter.timestampMs, letter.partition], [null, Buffer.from([0xff]), undefined, undefined])
  const said = textOf(letter)
  assert.deepEqual(said.slice(0, -1), [
    ['mine', 'x'],
    ['__connect.errors.topic', 't'],
    ['__connect.errors.partition', '3'],
    ['__connect.errors.offset', '7'],
    ['__connect.errors.connector.name', 'c'],
    ['__connect.errors.task.id', '2'],
    ['__connect.errors.stage', 'VALUE_CONVERTER'],
    ['__connect.errors.class.name', 'org.example.Converter'],
    ['__connect.errors.exception.class.name', 'org.apache.kafka.connect.errors.DataException'],
    ['__connect.errors.exception.message', 'broken'],
  ])
  assert.match(said.at(-1)![1]!, /^DataError: broken\n/)
})

test('what was said of an earlier failure is kept, and nothing is said if that is not wanted', async () => {
  const said = textOf(await letterOf([['__connect.errors.topic', 'first']])).filter(([name]) => name === '__connect.errors.topic')
  assert.deepEqual(said, [['__connect.errors.topic', 'first']])
  assert.deepEqual(textOf(await letterOf([['mine', 'x']], { saysWhy: false })), [['mine', 'x']])
})

test('of a letter that is too large the message and the stack trace are shortened, and say so', async () => {
  const said = new Map(textOf(await letterOf([['mine', 'x']], { message: 'ä'.repeat(5_000), mostBytes: 2_000 })) as [string, string][])
  assert.equal(said.get('mine'), 'x')
  assert.equal(said.get('__connect.errors.offset'), '7')
  assert.match(said.get('__connect.errors.exception.message')!, /^ä+… \(shortened, because the dead letter was too large for its topic\)$/)
  assert.match(said.get('__connect.errors.exception.stacktrace')!, /^DataError: ä+… \(shortened/)
})

test('a record that is too large without them fails its task, with what is to be done', async () => {
  const refused =
    /offset 7 of t-3 .* too large for the dead-letter topic dead, whose max\.message\.bytes must be raised: the batch is too large/
  await assert.rejects(letterOf([], { mostBytes: 100 }), refused)
  await assert.rejects(letterOf([['mine', 'x'.repeat(100)]], { saysWhy: false, mostBytes: 100 }), refused)
})

test('the key is named that asks for more replicas than there are brokers', async () => {
  const client = {
    topics: () => Promise.reject(new ClientError('UNKNOWN_TOPIC_OR_PARTITION', 'not there')),
    createTopic: () => Promise.reject(new ClientError('INVALID_REPLICATION_FACTOR', 'only 1 broker')),
  } as unknown as Client
  await assert.rejects(
    DeadLetters.open({ client, topic: 'dead', replicas: 3, connector: 'c', task: 2, saysWhy: true, hiding: hidesNothing }),
    /dead cannot have the 3 replicas that errors\.deadletterqueue\.topic\.replication\.factor asks for .*: only 1 broker/,
  )
})
