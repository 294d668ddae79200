import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AppendMetadata, DatabaseMetadataLog, PartitionKey } from '../../coordinator.ts'
import type { PartitionLog } from '../../log.ts'
import { KafkaError, type Uuid } from '../../protocol.ts'
import type { MetadataAppend } from '../../store.ts'
import { createTopic, leadersOf, type TestBroker, TestCluster } from '../cluster/cluster.testing.ts'
import { SharedMover, type SharedMoverOptions } from './shared-mover.ts'

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

const [self, other] = [1, 2]
const topicId = 'AAAAAAAAAAAAAAAAAAAAAQ' as Uuid
const keys = [0, 1].map(partition => ({ topicId, partition }))

/** Broker 1 leads all of them, and has those open that are `open`. */
function setting({ open = [0, 1], internal = false } = {}) {
  const leaders = [self, self]
  const released: number[][] = []
  const takenBack: number[] = []
  let change = async (append: AppendMetadata) => void (await append(0, [], Buffer.from('id')))
  let catchUp = async () => {}
  const setLeaders = (moved: readonly PartitionKey[]) => {
    for (const { partition } of moved) leaders[partition] = other
  }
  const options: SharedMoverOptions = {
    brokerId: self,
    log: {
      async prepareRelease() {},
      async releaseWith(wanted, metadata) {
        released.push(wanted.map(({ partition }) => partition))
        return (await metadata()) !== null
      },
    },
    metadata: {
      leaderOf: (_, partition) => leaders[partition],
      partition: (_, partition) => (open.includes(partition) ? ({} as PartitionLog) : undefined),
      topicById: () => ({ name: 't', id: topicId, internal, partitions: [] }),
      letGo: wanted => wanted.map(() => true),
      takeBack: async wanted => void takenBack.push(...wanted.map(({ partition }) => partition)),
      catchUp: () => catchUp(),
      async changePartitions(changes, append) {
        await change(append!)
        setLeaders(changes)
        return changes.map(() => null)
      },
    },
    metadataLog: {
      by: (vehicle: (append: MetadataAppend) => Promise<boolean>) => () => vehicle({ offset: 0, count: 1, records: Buffer.alloc(0) }),
    } as unknown as DatabaseMetadataLog,
  }
  return {
    released,
    takenBack,
    mover: new SharedMover(options),
    /** The change gives up before it is appended or not; what was appended is seen when the metadata is caught up with. */
    giveUpLate() {
      change = async append => {
        void append(0, [], Buffer.from('id'))
        throw new KafkaError('REQUEST_TIMED_OUT')
      }
      catchUp = async () => setLeaders(keys)
    },
  }
}

test('only what is open here is given away: the rest may be taken over at any moment', async () => {
  const { mover, released } = setting({ open: [1] })
  const [first, second] = await mover.move(keys, other)
  assert.deepEqual(released, [[1]])
  assert.equal(first?.name, 'NOT_LEADER_OR_FOLLOWER')
  assert.equal(second, null)
})

test('what has left after its change was given up is not taken back', async () => {
  const { mover, takenBack, giveUpLate } = setting({ internal: true })
  giveUpLate()
  assert.deepEqual(await mover.move(keys, other), [null, null])
  assert.deepEqual(takenBack, [])
})

test('coordinators go on until appends have to wait, and are back when nothing moved', async () => {
  const cluster = new TestCluster(22)
  await cluster.run(async () => {
    const one = await cluster.start(1)
    await cluster.start(2)
    const { id, partitions } = await one.metadata.ensureInternalTopic('__consumer_offsets')
    await cluster.until(1_000, 'it is open', () => partitions[0]!.log !== null)
    const isOpen = () => one.metadata.partition(id, 0) !== undefined
    const seen: boolean[] = []
    const log = {
      async prepareRelease() {
        seen.push(isOpen())
      },
      async releaseWith(_keys: unknown, _metadata: unknown, freezing: () => void) {
        // It may have to wait here, until a flush is done.
        seen.push(isOpen())
        freezing()
        seen.push(isOpen())
        return false
      },
    }
    const mover = new SharedMover({ brokerId: 1, log, metadata: one.metadata, metadataLog: one.member.metadataLog })
    const [outcome] = await mover.move([{ topicId: id, partition: 0 }], 2)
    assert.equal(outcome?.name, 'NOT_LEADER_OR_FOLLOWER')
    assert.deepEqual([...seen, isOpen()], [true, true, false, true])
  })
})
