/** What a trigger does when its group divides the partitions anew: without a broker, over a client that the test answers for. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pause, realSystem } from '../../base.ts'
import type { Client, CommittedOffset, OwnPartition, PartitionOffset, ReceivedRecord } from '../../client.ts'
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
    groupOffsets: async () => [{ ...at, offset: stored }],
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
