import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Turns } from '../../base.ts'
import { buildBatch, zeroUuid } from '../../protocol.ts'
import { memoryPartitionLog, testSystem } from '../runtime.testing.ts'
import { openCoordinator } from '../runtime.ts'
import type { LogRecord } from '../shard.ts'
import { testTopics } from './group.testing.ts'
import { groupMetadataTombstone, offsetCommitRecord, offsetCommitTombstone } from './records.ts'
import { defaultGroupSettings } from './settings.ts'
import { GroupShard } from './shard.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const commit = (groupId: string, partition: number, committedOffset: number) =>
  offsetCommitRecord(groupId, 'orders', partition, {
    committedOffset,
    leaderEpoch: -1,
    metadata: '',
    commitTimestampMs: 1_700_000_000_000,
    expireTimestampMs: -1,
    topicId: zeroUuid,
  })

/** A shard as it is after these records were loaded. */
async function load(records: readonly LogRecord[]): Promise<GroupShard> {
  const log = memoryPartitionLog()
  log.batchesPerRead = 1_000
  for (let at = 0; at < records.length; at += 500)
    log.append(buildBatch({ records: records.slice(at, at + 500) }), { origin: 'coordinator' })
  const system = testSystem()
  const makeShard = (context: ConstructorParameters<typeof GroupShard>[0]['context']) =>
    new GroupShard({ system, context, settings: defaultGroupSettings, topics: testTopics() })
  const coordinator = openCoordinator({ system, partitionLog: log, turns: new Turns(system), makeShard })
  await coordinator.loaded
  return coordinator.shard
}

const listed = (shard: GroupShard) => shard.list(new Set(), new Set()).map(({ groupId }) => groupId)

test('a group that only stores offsets takes little memory, because there may be 50,000', async () => {
  const count = 20_000
  const records = Array.from({ length: count }, (_, n) => commit(`orders-of-shop-${n}`, 0, n))
  collectGarbage()
  const before = process.memoryUsage().heapUsed
  const shard = await load(records)
  collectGarbage()
  const bytes = (process.memoryUsage().heapUsed - before) / count
  assert.equal(shard.groupCount, count)
  assert.ok(bytes < 1_300, `${Math.round(bytes)} bytes for each`)
})

test('a commit to a group that is gone makes it again, whether offsets of it are left or not', async () => {
  const records = [
    commit('left', 0, 1),
    commit('left', 1, 1),
    commit('clean', 0, 1),
    offsetCommitTombstone('left', 'orders', 0),
    offsetCommitTombstone('clean', 'orders', 0),
    groupMetadataTombstone('left'),
    groupMetadataTombstone('clean'),
  ]
  assert.deepEqual(listed(await load(records)), [])
  const shard = await load([...records, commit('left', 1, 2), commit('clean', 0, 2), commit('clean', 1, 2)])
  assert.deepEqual(listed(shard), ['left', 'clean'])
  const [topic] = shard.commits.fetch('left', null, true, { memberId: null, memberEpoch: -1 })
  assert.deepEqual(
    topic!.partitions.map(({ partitionIndex, committedOffset }) => [partitionIndex, committedOffset]),
    [[1, 2]],
  )
})
