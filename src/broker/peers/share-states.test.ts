import assert from 'node:assert/strict'
import { test } from 'node:test'
import { realSystem } from '../../base.ts'
import type { ShareCoordinator } from '../../coordinator.ts'
import { apis, KafkaError, type Uuid } from '../../protocol.ts'
import { Leaders } from './leaders.ts'
import type { Peers } from './peers.ts'
import { RoutedShareStates } from './share-states.ts'

const topicId = 'AAAAAAAAAAAAAAAAAAAAAQ' as Uuid
const key = { groupId: 'g', topicId, partition: 0 }
const answer = {
  errorCode: 0,
  errorMessage: null,
  stateEpoch: 1,
  startOffset: 7,
  leaderEpoch: 0,
  deliveryCompleteCount: 0,
  stateBatches: [],
}

/** The topic is not there before this broker uses it for the first time; then broker 1 leads its only partition. */
function firstUse() {
  const asked: string[] = []
  let created = false
  const refuse = async () => {
    created = true
    throw new KafkaError('NOT_COORDINATOR', 'Another broker leads __share_group_state-0; find the coordinator again')
  }
  const own = { partitionFor: () => 0, read: refuse, position: refuse, initialize: refuse, write: refuse, delete: refuse }
  const peers = {
    async request(broker: number, api: { name: string }) {
      asked.push(`${api.name} to ${broker}`)
      return { results: [{ topicId, partitions: [{ partition: 0, ...answer }] }] }
    },
  }
  const states = new RoutedShareStates({
    timers: realSystem().timers,
    own: own as unknown as ShareCoordinator,
    leaders: new Leaders({ topicId: () => (created ? topicId : undefined), leaderOf: () => 1 }, 0),
    peers: peers as unknown as Peers,
  })
  return { states, asked }
}

const calls: [string, (states: RoutedShareStates) => Promise<unknown>][] = [
  [apis.readShareGroupState.name, states => states.read(key)],
  [apis.readShareGroupStateSummary.name, states => states.position(key)],
  [apis.initializeShareGroupState.name, states => states.initialize(key, 1, 7)],
  [apis.writeShareGroupState.name, states => states.write(key, answer)],
  [apis.deleteShareGroupState.name, states => states.delete(key)],
]

for (const [name, call] of calls) {
  test(`the first ${name} goes to the broker that then leads the new topic`, async () => {
    const { states, asked } = firstUse()
    await call(states)
    assert.deepEqual(asked, [`${name} to 1`])
  })
}

/** Broker 1 answers a write only when `written` is resolved. */
function slowWrites({ leaderOf, own }: { leaderOf: () => number; own: object }) {
  const asked: string[] = []
  const written = Promise.withResolvers<void>()
  const peers = {
    async request(_broker: number, api: { name: string }) {
      asked.push(api.name)
      if (api.name === apis.writeShareGroupState.name) await written.promise
      return { results: [{ topicId, partitions: [{ partition: 0, ...answer }] }] }
    },
  }
  const states = new RoutedShareStates({
    timers: realSystem().timers,
    own: { partitionFor: () => 0, ...own } as unknown as ShareCoordinator,
    leaders: new Leaders({ topicId: () => topicId, leaderOf }, 0),
    peers: peers as unknown as Peers,
  })
  return { states, asked, written }
}

test('a state is read when the changes before are done: who reads it would not know of them otherwise', async () => {
  const { states, asked, written } = slowWrites({ leaderOf: () => 1, own: {} })
  const writing = states.write(key, answer)
  const reading = states.read(key, 3)
  for (let turn = 0; turn < 20; turn++) await null
  assert.deepEqual(asked, [apis.writeShareGroupState.name])
  written.resolve()
  await Promise.all([writing, reading])
  assert.deepEqual(asked, [apis.writeShareGroupState.name, apis.readShareGroupState.name])
})

test('a change that begins here and ends at another broker, because the coordinator moved, counts as well', async () => {
  const moved = Promise.withResolvers<void>()
  let leader = 0
  const own = {
    async write() {
      await moved.promise
      throw new KafkaError('COORDINATOR_NOT_AVAILABLE', 'The coordinator is closed')
    },
  }
  const { states, asked, written } = slowWrites({ leaderOf: () => leader, own })
  const writing = states.write(key, answer)
  leader = 1
  const reading = states.read(key, 3)
  for (let turn = 0; turn < 20; turn++) await null
  moved.resolve()
  for (let turn = 0; turn < 20; turn++) await null
  assert.deepEqual(asked, [apis.writeShareGroupState.name])
  written.resolve()
  await Promise.all([writing, reading])
  assert.deepEqual(asked, [apis.writeShareGroupState.name, apis.readShareGroupState.name])
})
