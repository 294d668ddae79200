import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KafkaError } from '../../../protocol.ts'
import { testSystem } from '../../runtime.testing.ts'
import { testTopics } from '../group.testing.ts'
import { defaultGroupSettings } from '../settings.ts'
import { joining } from './streams.testing.ts'
import { StreamsGroup } from './streams-group.ts'
import { StreamsGroups } from './streams-groups.ts'

test("a member's task offsets are dropped if they cannot be stored", () => {
  const topics = testTopics()
  topics.set('t', 2)
  const group = new StreamsGroup('g')
  const context = { clock: testSystem().clock, schedule() {}, scheduleIfAbsent() {}, cancel() {} }
  const streams = new StreamsGroups({ context, settings: defaultGroupSettings, topics, find: () => group, put() {}, remove() {} })
  const joined = streams.heartbeat(
    { ...joining, taskOffsets: [{ subtopologyId: '0', partition: 1, offset: 5 }] },
    { apiVersion: 1, clientId: 'c', clientHost: '/h' },
  )
  assert.equal(group.taskOffsets.size, 1)
  joined.rejected!(new KafkaError('UNKNOWN_SERVER_ERROR'))
  assert.equal(group.taskOffsets.size, 0)
})
