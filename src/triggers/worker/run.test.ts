/** What a trigger does when its group divides the partitions anew, and when its output fails: without a broker, over a client that the test answers for. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { pause, realSystem } from '../../base.ts'
import {
  type Client,
  ClientError,
  type CommittedOffset,
  type OwnPartition,
  type PartitionOffset,
  type ReceivedRecord,
} from '../../client.ts'
import { silentLogger } from '../../logger.ts'
import { parseDefinition } from '../check.ts'
import { TriggerMetrics } from '../metrics.ts'
import { FetchedBytes } from './fetched.ts'
import { TriggerRun } from './run.ts'
import type { WorkerContext } from './worker.ts'

const at = { topic: 't', partition: 0 }

test('a partition that others have read meanwhile goes on where they have committed, and is not moved back', async () => {
  const system = realSystem()
  const rest = () => pause(system, 1, new AbortController().signal)
  let assigned: OwnPartition[] = [{ ...at, since: 1 }]
  let stored = 0n
  let end = 10n
  const asked: bigint[] = []
  const committed: bigint[] = []
  const record = (offset: bigint): ReceivedRecord => ({ ...at, offset, timestampMs: 0n, key: null, value: Buffer.from('{}'), headers: [] })
  const reader = {
    async poll({ positions: [position] }: { positions: readonly PartitionOffset[] }) {
      const { offset } = position!
      asked.push(offset)
      await rest()
      const records = Array.from({ length: Math.max(0, Number(end - offset)) }, (_, behind) => record(offset + BigInt(behind)))
      return { records, next: [{ ...at, offset: offset > end ? offset : end }], outOfRange: [] }
    },
    async close() {},
  }
  const membership = {
    assignments: () => assigned,
    async commit(offsets: readonly CommittedOffset[]) {
      for (const { offset } of offsets) committed.push(offset)
    },
    identity: () => ({ generation: 1, memberId: 'm' }),
    async close() {},
  }
  const client = {
    topicRights: async () => new Map([['t', {}]]),
    join: async () => membership,
    openReader: () => reader,
    stableOffsets: async () => [{ ...at, offset: stored }],
  } as unknown as Client
  // Nothing passes the filter, so that no function is called.
  const definition = await parseDefinition(
    'n',
    { topics: ['t'], start: 'oldest', filter: { cel: 'false' }, function: { code: 'export const main_handler = () => {}' } },
    system.clock,
  )
  const context = {
    client,
    fetched: new FetchedBytes(),
    metrics: new TriggerMetrics(),
    logs: { write() {} },
    pool: {},
    system,
    logger: silentLogger,
  }
  const run = new TriggerRun({ name: 'n', version: 1, id: '1', origin: '1', definition }, context as unknown as WorkerContext)
  const until = async (isTrue: () => boolean) => {
    for (const endMs = system.clock.monotonic() + 5_000; !isTrue(); await rest())
      assert.ok(system.clock.monotonic() < endMs, `${asked.slice(-5)}; ${committed}`)
  }
  run.start()
  try {
    await until(() => committed.includes(10n))
    end = 20n
    await until(() => asked.includes(20n))
    // Of two generations later; between them another member came to 50.
    stored = 50n
    assigned = [{ ...at, since: 3 }]
    await until(() => asked.includes(50n))
    end = 60n
    await until(() => committed.includes(60n))
    const behind = asked.slice(asked.indexOf(50n))
    assert.ok(
      behind.every(offset => offset >= 50n),
      String(behind),
    )
    assert.deepEqual(
      committed.filter(offset => offset > 10n && offset < 50n),
      [],
    )
  } finally {
    await run.stop()
  }
})

const delivery = { at: '', kind: 'delivery', message: 'Topic authorization failed.' }

/** One record, for a function whose results go to a topic of this client. */
async function delivering(t: TestContext, output: object, own: Partial<Client>) {
  const real = realSystem()
  // Pauses of seconds take a hundredth of it.
  const system = { ...real, timers: { ...real.timers, after: (ms: number, work: () => void) => real.timers.after(ms / 100, work) } }
  const server = createServer((request, response) => void request.resume().on('end', () => response.end('"made"')))
  await new Promise<void>(resolve => void server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  let committed = 0n
  const record: ReceivedRecord = { ...at, offset: 0n, timestampMs: 1n, key: null, value: Buffer.from('{}'), headers: [] }
  const client = {
    topicRights: async () => new Map([['t', {}]]),
    topics: async () => [{}],
    join: async () => ({
      assignments: () => [{ ...at, since: 1 }],
      commit: async ([{ offset }]: [CommittedOffset]) => void (committed = offset),
      async close() {},
    }),
    openReader: () => ({
      poll: async ({ positions: [position] }: { positions: readonly PartitionOffset[] }) => {
        await pause(real, 1)
        return { records: position!.offset === 0n ? [record] : [], next: [{ ...at, offset: 1n }], outOfRange: [] }
      },
      async close() {},
    }),
    stableOffsets: async () => [{ ...at, offset: committed }],
    ...own,
  } as unknown as Client
  const given = { topics: ['t'], start: 'oldest', maxWaitMs: 0, function: { url }, output }
  const definition = await parseDefinition('n', given, system.clock)
  const metrics = new TriggerMetrics()
  const logs = { write() {} }
  const context = { client, fetched: new FetchedBytes(), metrics, logs, pool: {}, system, logger: silentLogger }
  const run = new TriggerRun({ name: 'n', version: 1, id: '1', origin: '1', definition }, context as unknown as WorkerContext)
  t.after(() => run.stop())
  const seen: { state: string; reason: string | null; ageMs: number; failed: number }[] = []
  run.start()
  /** What is seen of it since the first failure. */
  const watch = async (isEnd: () => boolean) => {
    for (const endMs = real.clock.monotonic() + 10_000; !isEnd(); await pause(real, 1)) {
      assert.ok(real.clock.monotonic() < endMs, JSON.stringify(seen.slice(-3)))
      const { state, reason, ageMs } = run
      const failed = metrics.of('n').errors['delivery'] ?? 0
      if (failed > 0) seen.push({ state, reason, ageMs, failed })
    }
  }
  return { run, counts: metrics.of('n'), seen, watch, committed: () => committed }
}

test('results that cannot be delivered are errors, and the trigger is RETRYING until they are', async t => {
  let left = 3
  const send = async () => {
    if (left-- > 0) throw new ClientError('TOPIC_AUTHORIZATION_FAILED', delivery.message)
    return []
  }
  const { run, counts, seen, watch, committed } = await delivering(t, { topic: 'out' }, { send })
  await watch(() => committed() === 1n && run.state === 'RUNNING')
  assert.deepEqual([counts.errors, { ...counts.lastError!, at: '' }, counts.calls, counts.records], [{ delivery: 3 }, delivery, 4, 1])
  const until = seen.slice(0, seen.findLastIndex(({ state }) => state !== 'RUNNING') + 1)
  assert.deepEqual([...new Set(until.slice(1).map(({ state }) => state))], ['RETRYING'])
  assert.ok(until.every(({ ageMs }) => ageMs > 0))
  assert.match(until.at(-1)!.reason!, /^t-0 has been tried 3 times since .*: Topic authorization failed\.$/)
  assert.deepEqual([run.reason, run.ageMs], [null, 0])
})

test('a trigger whose output cannot be opened is FAILED, also while it tries again, and says so', async t => {
  const openTransactionalWriter = async () => {
    throw new ClientError('TRANSACTIONAL_ID_AUTHORIZATION_FAILED', 'no')
  }
  const { counts, seen, watch } = await delivering(t, { topic: 'out', exactlyOnce: true }, { openTransactionalWriter })
  await watch(() => seen.some(({ failed }) => failed === 4))
  assert.deepEqual([...new Set(seen.slice(1).map(({ state }) => state))], ['FAILED'])
  assert.deepEqual([counts.lastError!.kind, counts.lastError!.message], ['delivery', 'no'])
})

test('while a transaction is open, the offset before it is not committed: it would be the newer commit, and the results made once more', async t => {
  const during: bigint[] = []
  const after: bigint[] = []
  let ended = 0
  const writer = {
    send: async () => [],
    async sendOffsets() {},
    // Longer than the time between two commits.
    async commit() {
      await pause(realSystem(), 700)
      ended++
    },
    async close() {},
  }
  const membership = {
    assignments: () => [{ ...at, since: 1 }],
    commit: async (offsets: readonly CommittedOffset[]) => void (ended === 0 ? during : after).push(...offsets.map(({ offset }) => offset)),
    identity: () => ({ generation: 1, memberId: 'm' }),
    async close() {},
  }
  // Nothing is stored yet, so that also the begin is to be committed.
  const offsets = async () => new Map([[0, 0n]])
  const own = { join: async () => membership, stableOffsets: async () => [], offsets, openTransactionalWriter: async () => writer }
  const { run } = await delivering(t, { topic: 'out', exactlyOnce: true }, own as unknown as Client)
  for (const endMs = realSystem().clock.monotonic() + 5_000; after.length === 0; await pause(realSystem(), 5))
    assert.ok(realSystem().clock.monotonic() < endMs, run.state)
  assert.deepEqual({ during, after, ended }, { during: [], after: [1n], ended: 1 })
})
