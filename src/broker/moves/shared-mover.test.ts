import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PartitionKey } from '../../coordinator.ts'
import type { MetadataAppend } from '../../store.ts'
import { createTopic, leadersOf, type TestBroker, TestCluster } from '../cluster/cluster.testing.ts'
import { SharedMover } from './shared-mover.ts'

const nameOf = ({ metadata }: TestBroker, { topicId, partition }: PartitionKey) => `${metadata.topicById(topicId)?.name}-${partition}`

/** Gives away what it is asked for, in one transaction with the metadata. */
function logOf(broker: TestBroker, released: string[][], before: () => Promise<unknown>) {
  return {
    async prepareRelease() {},
    async releaseWith(keys: readonly PartitionKey[], metadata: () => Promise<MetadataAppend | null>) {
      const names = keys.map(key => nameOf(broker, key))
      await before()
      for (;;) {
        const append = await metadata()
        if (append === null) return false
        if (!(await broker.database.appendMetadata(append, broker.member.session!))) continue
        released.push(names)
        return true
      }
    },
  }
}

test('what the metadata refuses stays in the log, and the others leave without it', async () => {
  const cluster = new TestCluster(21)
  await cluster.run(async () => {
    const one = await cluster.start(1)
    const two = await cluster.start(2)
    for (const name of ['a', 'b', 'c']) await createTopic(one, name, 2)
    await cluster.until(1_000, 'both know them', () => two.metadata.topics().length === 3)
    const keyOf = (topic: string): PartitionKey => {
      const { id, partitions } = one.metadata.topic(topic)!
      return { topicId: id, partition: partitions.find(({ leader }) => leader === 1)!.index }
    }
    const keys = ['a', 'b', 'c'].map(keyOf)
    const released: string[][] = []
    let toDelete: string[] = []
    const deleteSome = () => two.metadata.deleteTopics(toDelete.splice(0).map(name => two.metadata.topicId(name)!))
    const mover = new SharedMover({
      brokerId: 1,
      log: logOf(one, released, deleteSome),
      metadata: one.metadata,
      metadataLog: one.member.metadataLog,
    })
    // It goes while the partitions are frozen already.
    toDelete = ['b']
    const outcomes = await mover.move(keys, 2)
    assert.deepEqual(
      outcomes.map(outcome => outcome?.name ?? null),
      [null, 'UNKNOWN_TOPIC_OR_PARTITION', null],
    )
    assert.deepEqual(released, [[`a-${keys[0]!.partition}`, `c-${keys[2]!.partition}`]])
    assert.deepEqual(leadersOf(one, 'a'), { 2: 2 })

    // All are refused: nothing leaves.
    await createTopic(one, 'd', 2)
    await cluster.until(1_000, 'both know it', () => two.metadata.topic('d') !== undefined)
    toDelete = ['d']
    const [refused] = await mover.move([keyOf('d')], 2)
    assert.equal(refused?.name, 'UNKNOWN_TOPIC_OR_PARTITION')
    assert.equal(released.length, 1)
  })
})
