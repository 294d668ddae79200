import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KafkaError, type Uuid, zeroUuid } from '../../protocol.ts'
import type { Decision } from '../shard.ts'
import { decided, newTopic, testRules } from './cluster.testing.ts'
import type { Deciding } from './deciding.ts'
import { decodeMetadataRecord } from './metadata-records.ts'
import { ClusterShard } from './shard.ts'

const nobody = new Set<number>()

function setting(brokers: readonly number[]) {
  let topics = 0
  const shard = new ClusterShard({
    brokerId: 0,
    rules: testRules,
    limits: { topics: 100, partitions: 100_000 },
    newTopicId: () => `AAAAAAAAAAAAAAAAAAAA${'bcdefg'[topics++]}A` as Uuid,
    replayed() {},
    loaded() {},
  })
  shard.loaded()
  const apply = <R>(made: Decision<R> | Deciding<R>): R => {
    const { records, response } = decided(made)
    for (const record of records) shard.replay(record, shard.nextOffset)
    return response as R
  }
  const register = (id: number, epoch: number) =>
    apply(shard.registerBroker({ id, epoch, incarnation: zeroUuid, rack: null, fenced: false, endpoints: new Map() }))
  for (const id of brokers) register(id, id * 10)
  const assign = (name: string, ...replicas: number[][]) => {
    const assignments = replicas.map((brokerIds, partitionIndex) => ({ partitionIndex, brokerIds }))
    const [outcome] = apply(shard.createTopics([newTopic(name, { assignments })], false)) as unknown[]
    assert.ok(!(outcome instanceof KafkaError), String(outcome))
  }
  const seen = (name: string) =>
    shard.image.topics.byName
      .get(name)!
      .partitions.map(({ leader, leaderEpoch, replicas, isr }) => `${leader}@${leaderEpoch} ${replicas} ${isr}`)
  const end = (brokerId: number, epoch = brokerId * 10, avoid: ReadonlySet<number> = nobody) => {
    const decision = shard.endSession({ brokerId, epoch, avoid })
    apply(decision)
    return decision.records.map(({ value }) => decodeMetadataRecord(value!).type)
  }
  return { shard, apply, register, assign, seen, end }
}

test('a session that follows an unfenced one of its broker coordinates with the next leader epoch', () => {
  const { register, assign, seen, end } = setting([1, 2])
  assign('__transaction_state', [1, 2], [2, 1])
  assign('a', [1, 2])
  register(1, 10)
  assert.deepEqual(seen('__transaction_state'), ['1@0 1,2 1,2', '2@0 2,1 2,1'], 'it registers again in one session')
  register(1, 11)
  assert.deepEqual(seen('__transaction_state'), ['1@1 1,2 1,2', '2@0 2,1 2,1'])
  assert.deepEqual(seen('a'), ['1@0 1,2 1,2'])
  end(1, 11)
  register(1, 12)
  assert.deepEqual(seen('__transaction_state'), ['2@2 1,2 2', '2@0 2,1 2,1'], 'a failover has raised it already')
})

test('the end of a session fences the broker, and the first live replica leads, or whoever has least to do', () => {
  const { shard, assign, seen, end } = setting([1, 2, 3])
  assign('a', [1, 2, 3], [1, 3, 2], [2, 1, 3], [1, 2, 3])
  assign('b', [1], [1], [3])
  assert.deepEqual(end(1), ['FenceBrokerRecord', ...Array.from({ length: 5 }, () => 'PartitionChangeRecord')])
  assert.deepEqual(seen('a'), ['2@1 1,2,3 2,3', '3@1 1,3,2 3,2', '2@0 2,1,3 2,1,3', '2@1 1,2,3 2,3'])
  // Broker 2 leads three by then, and 3 two.
  assert.deepEqual(seen('b'), ['3@1 1,3 3', '2@1 1,2 2', '3@0 3 3'])
  assert.equal(shard.image.brokers.byId.get(1)!.fenced, true)
  assert.deepEqual(end(1), [], 'it is known')
})

test('a session that has ended changes nothing for the one that follows it', () => {
  const { assign, register, seen, end } = setting([1, 2])
  assign('a', [1], [2])
  register(1, 50)
  assert.deepEqual(end(1), [])
  assert.deepEqual(seen('a'), ['1@0 1 1', '2@0 2 2'])
  assert.throws(() => register(1, 20), { name: 'DUPLICATE_BROKER_REGISTRATION' })
  assert.deepEqual(end(1, 50), ['FenceBrokerRecord', 'PartitionChangeRecord'])
})

test('brokers that are about to be lost get nothing, unless there is nobody else', () => {
  const { assign, seen, end } = setting([1, 2, 3])
  assign('a', [1, 2], [1, 3])
  end(1, 10, new Set([1, 2]))
  assert.deepEqual(seen('a'), ['3@1 1,2,3 2,3', '3@1 1,3 3'])
  end(3, 30, new Set([2, 3]))
  assert.deepEqual(seen('a'), ['2@2 1,2 2', '2@2 1,3,2 2'])
})

test('who leads because no replica is alive leaves the replicas when one of them leads again', () => {
  const { shard, apply, assign, register, seen, end } = setting([1, 2, 3])
  assign('a', [1])
  const partition = () => shard.image.topics.byName.get('a')!.partitions[0]!
  end(1)
  assert.deepEqual([seen('a'), partition().removingReplicas], [['2@1 1,2 2'], [2]])
  end(2)
  assert.deepEqual([seen('a'), partition().removingReplicas], [['3@2 1,2,3 3'], [2, 3]])
  register(1, 50)
  assert.deepEqual(apply(shard.changePartitions([{ topicId: partition().topicId, partition: 0, from: 3, leader: 1 }], true)), [null])
  assert.deepEqual([seen('a'), partition().removingReplicas], [['1@3 1 1'], []])
})

test('a broker that stops gets nothing, unless there is nobody else', () => {
  const { shard, apply, assign, seen, end } = setting([1, 2, 3])
  assign('a', [1, 2, 3])
  apply(shard.leaveBroker(2))
  end(1)
  assert.deepEqual(seen('a'), ['3@1 1,2,3 2,3'])
  end(3)
  assert.deepEqual(seen('a'), ['2@2 1,2,3 2'])
})

test('without a live broker the leaders stay; who registers next leads what has no leader, a batch at a time', () => {
  const { shard, apply, assign, register, seen, end } = setting([1, 2])
  assign('a', [1], [2])
  assign('many', ...Array.from({ length: 5_000 }, () => [1]))
  end(2)
  assert.deepEqual(end(1), ['FenceBrokerRecord'])
  assert.deepEqual(seen('a'), ['1@0 1 1', '1@1 2,1 1'])
  register(3, 60)
  const made: number[] = []
  for (let count = apply(shard.electLeaders()); count > 0; count = apply(shard.electLeaders())) made.push(count)
  assert.deepEqual(made, [1_000, 1_000, 1_000, 1_000, 1_000, 2])
  assert.deepEqual(seen('a'), ['3@1 1,3 3', '3@2 2,1,3 3'])
})

test('unregistered brokers leave the replicas, and others take their places as far as there are any', () => {
  const { shard, apply, assign, register, seen, end } = setting([1, 2, 3])
  assign('a', [1, 2, 3], [2, 1, 3])
  end(1)
  apply(shard.unregisterBroker(1))
  assert.equal(apply(shard.electLeaders()), 2)
  assert.deepEqual(seen('a'), ['2@1 2,3 2,3', '2@0 2,3 2,3'])
  assert.equal(apply(shard.electLeaders()), 0)
  assign('b', [2, 3])
  register(4, 70)
  end(3)
  apply(shard.unregisterBroker(3))
  apply(shard.electLeaders())
  assert.deepEqual(seen('a'), ['2@1 2,4 2,4', '2@0 2,4 2,4'])
  assert.deepEqual(seen('b'), ['2@0 2,4 2,4'])
})
