/** Who coordinates what. */
import { apis, errorName } from '../../src/protocol.ts'
import { unique } from '../support/kit.ts'
import type { Cases } from './case.ts'
import { eventually, expect, same, type World } from './world.ts'

const kinds = {
  group: { keyType: 0, topic: '__consumer_offsets' },
  transaction: { keyType: 1, topic: '__transaction_state' },
  share: { keyType: 2, topic: '__share_group_state' },
} as const

/** As Java's. */
function hashOf(text: string): number {
  let hash = 0
  for (let at = 0; at < text.length; at++) hash = (Math.imul(31, hash) + text.charCodeAt(at)) | 0
  return hash === -(2 ** 31) ? 0 : Math.abs(hash)
}

async function coordinatorOf(world: World, id: number, keyType: number, key: string): Promise<number> {
  const { coordinators } = await world.ask(id, apis.findCoordinator, 6, { keyType, coordinatorKeys: [key] }, 10_000)
  const { errorCode, nodeId } = coordinators[0]!
  expect(errorCode === 0, errorName(errorCode))
  return nodeId
}

async function found(world: World, id: number, keyType: number, key: string): Promise<number> {
  let broker = -1
  await eventually(`somebody coordinates ${key}`, 20_000, async () => {
    broker = await coordinatorOf(world, id, keyType, key)
    return true
  })
  return broker
}

async function commit(world: World, group: string, topic: string): Promise<void> {
  const topics = [{ name: topic, partitions: [{ partitionIndex: 0, committedOffset: 1, committedMetadata: null }] }]
  await eventually(`${group} commits`, 10_000, async () => {
    const at = await found(world, 1, kinds.group.keyType, group)
    const answer = await world.ask(at, apis.offsetCommit, 8, { groupId: group, memberId: '', generationIdOrMemberEpoch: -1, topics }, 5_000)
    const error = errorName(answer.topics[0]!.partitions[0]!.errorCode)
    expect(error === 'NONE', error)
    return true
  })
}

async function begin(world: World, transactionalId: string): Promise<void> {
  await eventually(`${transactionalId} begins`, 10_000, async () => {
    const at = await found(world, 1, kinds.transaction.keyType, transactionalId)
    const { errorCode } = await world.ask(at, apis.initProducerId, 4, { transactionalId, transactionTimeoutMs: 60_000 }, 5_000)
    expect(errorCode === 0, errorName(errorCode))
    return true
  })
}

export const coordinators: Cases = {
  'coordinators/lead-the-partition-of-the-hash': async world => {
    const topicId = 'AAAAAAAAAAAAAAAAAAAB0Q'
    for (const [kind, { keyType, topic }] of Object.entries(kinds)) {
      const keys = Array.from({ length: 12 }, () => (kind === 'share' ? `${unique('g')}:${topicId}:0` : unique(kind)))
      for (const key of keys) await found(world, 1, keyType, key)
      const partitions = await world.partitions(2, topic)
      for (const key of keys) {
        const wanted = partitions[hashOf(key) % partitions.length]!.leader
        for (const id of [1, 2, 3]) same(await coordinatorOf(world, id, keyType, key), wanted, `who coordinates ${key}, says broker ${id}`)
      }
    }
    return ''
  },

  'coordinators/list-only-their-own': async world => {
    const groups = Array.from({ length: 9 }, () => unique('group'))
    const ids = Array.from({ length: 9 }, () => unique('txn'))
    const topic = unique('committed')
    same(await world.createTopic(1, topic, { partitions: 1 }), 'NONE', 'CreateTopics')
    for (const group of groups) await commit(world, group, topic)
    for (const id of ids) await begin(world, id)
    for (const broker of [1, 2, 3]) {
      const own = async (keys: readonly string[], keyType: number) => {
        const of = await Promise.all(keys.map(key => coordinatorOf(world, 1, keyType, key)))
        return keys.filter((_, index) => of[index] === broker).sort()
      }
      const listed = await world.ask(broker, apis.listGroups, 5, { statesFilter: [], typesFilter: [] })
      const shownGroups = listed.groups.map(({ groupId }) => groupId).filter(group => groups.includes(group))
      same(shownGroups.sort(), await own(groups, kinds.group.keyType), `the groups of broker ${broker}`)
      const filters = { stateFilters: [], producerIdFilters: [] }
      const { transactionStates } = await world.ask(broker, apis.listTransactions, 1, filters)
      const shownIds = transactionStates.map(({ transactionalId }) => transactionalId).filter(id => ids.includes(id))
      same(shownIds.sort(), await own(ids, kinds.transaction.keyType), `the transactions of broker ${broker}`)
    }
    return ''
  },
}
