import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TopicPartition } from '../../../coordinator.ts'
import type { RequestContext } from '../../dispatch/handler.ts'
import { ClusterView } from './cluster-view.ts'

const endpoints = new Map([['PLAINTEXT', { host: 'example', port: 9092 }]])

/** As broker 1, which has registered with 2, sees it. */
function viewWith(cluster: object | null): ClusterView {
  const broker = {
    self: { id: 1, rack: null, advertised: () => ({ host: 'example', port: 9092 }) },
    metadata: {
      brokers: () => [1, 2].map(id => ({ id, rack: null, fenced: false, endpoints })),
      broker: (id: number) => ({ id, rack: null, fenced: false, endpoints }),
    },
    cluster,
  }
  return new ClusterView({ broker, connection: { listener: 'PLAINTEXT' } } as unknown as RequestContext)
}

const session = (isProven: boolean) => ({ log: { session: { proven: () => isProven } } })
const led = (log: { offline: string | null } | null) => ({ index: 0, leader: 1, replicas: [1, 2], log }) as unknown as TopicPartition

test('a partition that is being taken over has a leader; one that cannot be served has none', () => {
  assert.equal(viewWith(session(true)).problem(led(null)), null)
  assert.deepEqual(viewWith(session(true)).offlineReplicas(led(null)), [])
  assert.equal(viewWith(session(true)).problem(led({ offline: null })), null)
  assert.equal(viewWith(session(true)).problem(led({ offline: 'an object is missing' })), 'LEADER_NOT_AVAILABLE')
  assert.equal(viewWith(session(false)).problem(led({ offline: 'the lease is not proven' })), null)
  // It was fenced, or its disk does not let the partition be opened.
  assert.equal(viewWith({ log: { session: null } }).problem(led(null)), 'LEADER_NOT_AVAILABLE')
  assert.equal(viewWith(null).problem(led(null)), 'LEADER_NOT_AVAILABLE')
})
