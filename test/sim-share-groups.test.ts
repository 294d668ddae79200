/** The checker of share groups on histories made by hand, and the simulation itself in small. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Send } from '../sim/scenarios/exactly-once-history.ts'
import {
  type Acknowledgement,
  checkShares,
  type Delivery,
  emptyShareHistory,
  type ShareAnomaly,
  type ShareHistory,
  shareAnomalies,
} from '../sim/scenarios/share-history.ts'
import { shareGroupScenario } from '../sim/scenarios.ts'
import { testScenario } from './support/scenario.ts'

const rules = { lockMs: 1_000, deliveryLimit: 10 }
const partition = 'in-0'
const send = (value: string, offset: number): Send => ({
  value,
  partition,
  writer: 'p',
  transaction: null,
  outcome: 'ok',
  offset,
  ackedAt: 1,
})
const sends = [send('a', 0), send('b', 1)]
const delivery = (offset: number, more: Partial<Delivery> = {}): Delivery => ({
  partition,
  offset,
  value: offset === 0 ? 'a' : 'b',
  deliveryCount: 1,
  member: 'm1',
  askedAt: 10,
  askedMs: 100,
  at: 12,
  atMs: 110,
  ...more,
})
const acknowledgement = (offset: number, more: Partial<Acknowledgement> = {}): Acknowledgement => ({
  partition,
  offset,
  member: 'm1',
  type: 'accept',
  sentAt: 20,
  outcome: 'ok',
  at: 22,
  ...more,
})

/** Two records: one was accepted at once, one given back, delivered to another and then accepted. */
function sound(): ShareHistory {
  const history = emptyShareHistory()
  history.deliveries.push(delivery(0), delivery(1), delivery(1, { member: 'm2', deliveryCount: 2, askedAt: 30, at: 32, atMs: 300 }))
  history.acknowledgements.push(acknowledgement(0), acknowledgement(1, { type: 'release' }))
  history.acknowledgements.push(acknowledgement(1, { member: 'm2', sentAt: 40, at: 42 }))
  history.startOffsets.push({ partition, askedAt: 14, at: 15, offset: 0 }, { partition, askedAt: 50, at: 51, offset: 2 })
  return history
}

test('a sound history has no anomalies', () => {
  assert.deepEqual(checkShares(sound(), sends, rules), [])
})

const spoilt: Record<ShareAnomaly, (history: ShareHistory) => void> = {
  'wrong-record': ({ deliveries }) => deliveries.push(delivery(0, { value: 'b' })),
  'delivered-after-acceptance': ({ deliveries }) => deliveries.push(delivery(0, { member: 'm2', askedAt: 60, at: 61, atMs: 9_000 })),
  'two-owners': ({ deliveries }) => deliveries.push(delivery(0, { member: 'm2', askedAt: 13, at: 14, atMs: 120 })),
  'count-beyond-limit': ({ deliveries }) => deliveries.push(delivery(1, { deliveryCount: 11 })),
  'never-delivered': history => {
    history.acknowledgements = history.acknowledgements.filter(({ offset }) => offset !== 0)
  },
  'start-went-back': ({ startOffsets }) => startOffsets.push({ partition, askedAt: 60, at: 61, offset: 1 }),
  'start-skipped': ({ startOffsets }) => startOffsets.push({ partition, askedAt: 16, at: 17, offset: 1 }),
}

for (const anomaly of shareAnomalies) {
  test(`the checker finds: ${anomaly}`, () => {
    const history = sound()
    spoilt[anomaly](history)
    const found = checkShares(history, sends, rules).map(each => each.anomaly)
    assert.ok(found.includes(anomaly), `found only: ${found.join()}`)
  })
}

test('unknown outcomes are not anomalies', () => {
  const history = sound()
  // A connection that breaks frees what was acquired over it; so does the end of the broker, or of the lock.
  const early = { member: 'm2', askedAt: 13, at: 16, atMs: 120 }
  for (const [release, more] of [
    [{ member: 'm1', at: 14 }, {}],
    [{ member: null, at: 15 }, {}],
    [null, { atMs: 1_200 }],
  ] as const) {
    const other = sound()
    other.deliveries.push(delivery(0, { ...early, ...more }))
    if (release !== null) other.releases.push(release)
    assert.deepEqual(checkShares(other, sends, rules), [])
  }
  // An acceptance without an answer may count, or not.
  history.acknowledgements[0]!.outcome = 'info'
  history.deliveries.push(delivery(0, { member: 'm2', askedAt: 60, at: 61, atMs: 9_000 }))
  assert.deepEqual(checkShares(history, sends, rules), [])
})

testScenario(shareGroupScenario, 12, { crashes: 20, acknowledged: 600 })
