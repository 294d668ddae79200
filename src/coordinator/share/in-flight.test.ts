import assert from 'node:assert/strict'
import { test } from 'node:test'
import { acknowledgeTypes as ack, deliveryStates, InFlight } from './in-flight.ts'

const rule = { most: 5, deadLetters: false }

function acquired(inFlight: InFlight, first: number, last: number, memberId = 'm', most = 1000): string {
  return inFlight
    .acquire(first, last, most, memberId, 100)
    .map(range => `${range.firstOffset}-${range.lastOffset} x${range.deliveryCount}`)
    .join()
}

test('records are acquired once, acknowledged one by one, and the start follows what is finished', () => {
  const inFlight = new InFlight(10, [])
  assert.equal(acquired(inFlight, 10, 19), '10-19 x1')
  assert.equal(acquired(inFlight, 10, 19, 'other'), '')
  assert.equal(inFlight.nextOffset, 20)
  inFlight.acknowledge(10, 12, [ack.accept, ack.reject, ack.gap], 'm', rule, 0)
  assert.equal(inFlight.startOffset, 13)
  const changed = inFlight.acknowledge(15, 16, [ack.release], 'm', rule, 0)
  assert.deepEqual(changed, [{ firstOffset: 15, lastOffset: 16, deliveryState: deliveryStates.available, deliveryCount: 1, cause: '' }])
  assert.equal(inFlight.nextOffset, 15)
  assert.equal(acquired(inFlight, 15, 30, 'other', 4), '15-16 x2,20-21 x1')
  inFlight.acknowledge(17, 19, [ack.accept], 'm', rule, 0)
  assert.deepEqual([inFlight.startOffset, inFlight.completeCount], [13, 3])
})

test('only the owner acknowledges, and a wrong request changes nothing', () => {
  const inFlight = new InFlight(0, [])
  acquired(inFlight, 0, 4)
  acquired(inFlight, 5, 9, 'other')
  for (const [first, last, name] of [
    [3, 6, 'INVALID_RECORD_STATE'],
    [9, 10, 'INVALID_REQUEST'],
    [20, 20, 'INVALID_REQUEST'],
  ] as const) {
    assert.throws(() => inFlight.acknowledge(first, last, [ack.accept], 'm', rule, 0), { name })
  }
  assert.throws(() => new InFlight(5, []).acknowledge(6, 7, [ack.accept], 'm', rule, 0), { name: 'INVALID_RECORD_STATE' })
  inFlight.acknowledge(0, 4, [ack.accept], 'm', rule, 0)
  assert.equal(inFlight.startOffset, 5)
  // What lies before the start is finished; to say so again is no mistake.
  assert.deepEqual(inFlight.acknowledge(0, 4, [ack.accept], 'm', rule, 0), [])
})

test('a record that was delivered too often is archived; deliveries that reached no application are not counted', () => {
  const inFlight = new InFlight(0, [])
  for (let delivery = 1; delivery <= rule.most; delivery++) {
    assert.equal(acquired(inFlight, 0, 0), `0-0 x${delivery}`)
    inFlight.acknowledge(0, 0, [ack.release], 'm', rule, 0)
  }
  assert.equal(inFlight.startOffset, 1)
  acquired(inFlight, 1, 1)
  inFlight.release(memberId => memberId === 'm', rule, true)
  assert.equal(acquired(inFlight, 1, 1), '1-1 x1')
})

test('with a dead-letter queue rejected and exhausted records are held until they are buried; gaps are not', () => {
  const deadly = { most: 2, deadLetters: true }
  const inFlight = new InFlight(0, [])
  acquired(inFlight, 0, 3)
  const changed = inFlight.acknowledge(0, 3, [ack.gap, ack.reject, ack.release, ack.accept], 'm', deadly, 0)
  assert.deepEqual(
    changed.map(({ deliveryState, cause }) => [deliveryState, cause]),
    [
      [deliveryStates.archived, ''],
      [deliveryStates.archiving, 'Offset rejected by client.'],
      [deliveryStates.available, ''],
      [deliveryStates.acknowledged, ''],
    ],
  )
  assert.deepEqual([inFlight.startOffset, inFlight.completeCount], [1, 1])
  assert.throws(() => inFlight.acknowledge(1, 1, [ack.accept], 'm', deadly, 0), { name: 'INVALID_RECORD_STATE' })
  assert.equal(acquired(inFlight, 0, 3, 'other'), '2-2 x2')
  const [exhausted] = inFlight.release(() => true, deadly, false)
  assert.equal(exhausted!.cause, 'Offset delivery count exceeded the threshold.')
  assert.equal(acquired(inFlight, 0, 3), '')
  // A run that was split meanwhile is buried as a whole.
  assert.deepEqual(
    inFlight.buried(1, 2).map(({ deliveryState }) => deliveryState),
    [deliveryStates.archived, deliveryStates.archived],
  )
  assert.deepEqual([inFlight.startOffset, inFlight.completeCount], [4, 0])
})

test('what was being archived when a broker stopped still is', () => {
  const stored = [
    { firstOffset: 0, lastOffset: 1, deliveryState: deliveryStates.archiving, deliveryCount: 1 },
    { firstOffset: 2, lastOffset: 2, deliveryState: deliveryStates.archiving, deliveryCount: 5 },
  ]
  const inFlight = new InFlight(0, stored)
  assert.equal(acquired(inFlight, 0, 3), '3-3 x1')
  assert.deepEqual(
    inFlight.dying(5).map(({ firstOffset, lastOffset, cause }) => [firstOffset, lastOffset, cause]),
    [
      [0, 1, 'Offset rejected by client.'],
      [2, 2, 'Offset delivery count exceeded the threshold.'],
    ],
  )
})

test('hidden records behind a record in delivery need no memory, also after a restart', () => {
  const inFlight = new InFlight(0, [])
  acquired(inFlight, 0, 0)
  const hidden = [...inFlight.hide(1, 5), ...inFlight.hide(6, 9)]
  assert.deepEqual(
    hidden.map(({ firstOffset, lastOffset, deliveryState }) => [firstOffset, lastOffset, deliveryState]),
    [
      [1, 5, deliveryStates.archived],
      [6, 9, deliveryStates.archived],
    ],
  )
  const again = new InFlight(0, hidden)
  assert.deepEqual([inFlight.inFlightCount, again.inFlightCount], [1, 1])
  assert.equal(acquired(again, 0, 10), '0-0 x1,10-10 x1')
  again.acknowledge(0, 0, [ack.accept], 'm', rule, 0)
  assert.deepEqual([again.startOffset, again.inFlightCount], [10, 1])
})

test('locks end when they are due, and renewed ones later', () => {
  const inFlight = new InFlight(0, [])
  acquired(inFlight, 0, 9)
  assert.deepEqual(inFlight.acknowledge(5, 9, [ack.renew], 'm', rule, 500), [])
  inFlight.release((_memberId, deadlineMs) => deadlineMs <= 100, rule, false)
  assert.equal(acquired(inFlight, 0, 9, 'other'), '0-4 x2')
})

test('is restored from the stored state', () => {
  const inFlight = new InFlight(10, [
    { firstOffset: 10, lastOffset: 11, deliveryState: deliveryStates.acknowledged, deliveryCount: 1 },
    { firstOffset: 14, lastOffset: 15, deliveryState: deliveryStates.archived, deliveryCount: 2 },
    { firstOffset: 16, lastOffset: 16, deliveryState: deliveryStates.available, deliveryCount: 3 },
  ])
  assert.deepEqual([inFlight.startOffset, inFlight.endOffset, inFlight.completeCount], [12, 17, 2])
  assert.equal(acquired(inFlight, 12, 18), '12-13 x1,16-16 x4,17-18 x1')
  assert.equal(inFlight.advanceTo(15), true)
  assert.deepEqual([inFlight.startOffset, inFlight.nextOffset], [16, 19])
})
