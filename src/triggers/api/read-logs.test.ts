/** Whoever reads logs gets a page of them at a time, each line once, whatever the log holds. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { realSystem } from '../../base.ts'
import type { Client, ReadOptions, ReceivedRecord } from '../../client.ts'
import { readLogs } from './read-logs.ts'

const system = realSystem()

interface Log {
  readonly client: Pick<Client, 'offsets' | 'read'>
  /** Records that were read. */
  read: number
}

/** With a line for each message, at the offsets from 0. `end`: as the broker says first; the others come later. */
function logOf(messages: readonly string[], { key = 't', end = messages.length } = {}): Log {
  const records = messages.map(
    (message, at): ReceivedRecord => ({
      ...{ topic: 'x', partition: 0, offset: BigInt(at), timestampMs: 0n, headers: [] },
      ...{ key: Buffer.from(key), value: Buffer.from(JSON.stringify({ message })) },
    }),
  )
  const log: Log = {
    read: 0,
    client: {
      offsets: async (_topic: string, _partitions: unknown, which: unknown) => new Map([[0, which === 'earliest' ? 0n : BigInt(end)]]),
      async *read({ from, until, signal }: Pick<ReadOptions, 'from' | 'until' | 'signal'>) {
        const wanted = records.slice(Number(from.get(0)), until === null ? undefined : Number(until.get(0)))
        for (let at = 0; at < wanted.length; at += 100) {
          if (signal?.aborted) return
          const some = wanted.slice(at, at + 100)
          log.read += some.length
          yield some
        }
      },
    } as unknown as Log['client'],
  }
  return log
}

const ask = async ({ client }: Log, after: bigint | null, { limit = 100, waitMs = 0 } = {}) => {
  const { lines, next } = await readLogs(client, { name: 't', origin: '' }, { limit, after, waitMs, mayRead: () => true, system })
  return { messages: lines.map(each => each.message), next }
}
const numbers = (count: number) => Array.from({ length: count }, (_, at) => `${at}`)

test('what came since is given a page at a time, with where to go on', async () => {
  const log = logOf(numbers(250))
  const one = await ask(log, 0n)
  assert.deepEqual([one.messages.length, one.messages.at(-1), one.next, log.read], [100, '99', '100', 100])
  const two = await ask(log, BigInt(one.next))
  assert.deepEqual([two.messages[0], two.messages.at(-1), two.next], ['100', '199', '200'])
  const three = await ask(log, BigInt(two.next))
  assert.deepEqual([three.messages.length, three.messages.at(-1), three.next], [50, '249', '250'])
  assert.deepEqual(await ask(log, 250n), { messages: [], next: '250' })
  assert.deepEqual(await ask(log, 9_999n), { messages: [], next: '250' }, 'behind the end')
  assert.deepEqual((await ask(log, null)).messages, numbers(250).slice(150), 'the newest')
})

test('long lines make a page shorter', async () => {
  const log = logOf(Array.from({ length: 10 }, (_, at) => `${at}`.repeat(1_000_000)))
  const one = await ask(log, 0n)
  assert.deepEqual([one.messages.map(each => each[0]), one.next], [['0', '1', '2'], '3'])
  assert.deepEqual(
    (await ask(log, null)).messages.map(each => each[0]),
    ['8', '9'],
  )
})

test('a long log is not read from its beginning', async () => {
  const log = logOf(numbers(60_000), { key: 'another' })
  assert.deepEqual(await ask(log, 0n), { messages: [], next: '60000' })
  assert.equal(log.read, 50_000)
})

test('a line that was waited for is given once', async () => {
  const log = logOf(numbers(6), { end: 5 })
  const { messages, next } = await ask(log, 5n, { waitMs: 10_000 })
  assert.deepEqual([messages, next], [['5'], '6'])
})

test('offsets without records at the end are not asked for again', async () => {
  assert.equal((await ask(logOf(numbers(5), { end: 7 }), 0n)).next, '7')
})

test('what was not read when the time was over is left for the next answer', async () => {
  const after = (_delayMs: number, callback: () => void) => {
    callback()
    return { cancel() {} }
  }
  const options = { limit: 100, after: 0n, waitMs: 1, mayRead: () => true, system: { timers: { ...system.timers, after } } }
  assert.deepEqual(await readLogs(logOf(numbers(5)).client, { name: 't', origin: '' }, options), { lines: [], next: '0' })
})
