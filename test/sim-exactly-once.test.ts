/** The checker of exactly-once on histories made by hand, and the simulation itself in small. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Anomaly, anomalies, check } from '../sim/scenarios/exactly-once-checker.ts'
import { emptyHistory, type History, type Poll, type Send, type Transaction } from '../sim/scenarios/exactly-once-history.ts'
import { exactlyOnceScenario } from '../sim/scenarios.ts'
import { testScenario } from './support/scenario.ts'

const topics = { inputs: ['in-0'], outputs: ['out-0', 'out-1'] }

const input = (value: string, offset: number, more: Partial<Send> = {}): Send => ({
  value,
  partition: 'in-0',
  writer: 'p',
  transaction: null,
  outcome: 'ok',
  offset,
  ackedAt: 1,
  ...more,
})
const output = (value: string, partition: string, offset: number, more: Partial<Send> = {}): Send => ({
  value,
  partition,
  writer: 'w',
  transaction: value.split('>')[1]!,
  outcome: 'ok',
  offset,
  ackedAt: 12,
  ...more,
})
const transaction = (id: string, more: Partial<Transaction> = {}): Transaction => ({
  id,
  transactionalId: 'tx',
  startedAt: 10,
  timesOutAtMs: 1e9,
  commitSentAt: 20,
  mayEndAt: 19,
  outcome: 'committed',
  offsets: new Map([['in-0', 2]]),
  endedAt: 30,
  ...more,
})
const poll = (partition: string, from: number, next: number, records: [number, string][], more: Partial<Poll> = {}): Poll => ({
  reader: 'rc',
  isolation: 'committed',
  partition,
  askedAt: 40,
  at: 41,
  atMs: 0,
  from,
  next,
  lastStableOffset: next,
  records,
  ...more,
})

/** Two inputs, one committed transaction in two partitions, an aborted one before it, and everything read. */
function sound(): History {
  const history = emptyHistory()
  history.sends.push(input('a', 0), input('b', 1))
  history.sends.push(output('a>t0', 'out-0', 0, { ackedAt: 5 }))
  history.sends.push(output('a>t1', 'out-0', 2), output('b>t1', 'out-1', 0))
  history.transactions.push(
    transaction('t0', { startedAt: 3, commitSentAt: null, mayEndAt: 6, outcome: 'aborted', offsets: new Map(), endedAt: 7 }),
  )
  history.transactions.push(transaction('t1'))
  history.polls.push(
    poll('in-0', 0, 2, [
      [0, 'a'],
      [1, 'b'],
    ]),
    poll('out-0', 0, 4, [[2, 'a>t1']]),
    poll('out-1', 0, 2, [[0, 'b>t1']]),
  )
  history.offsetReads.push(
    { partition: 'in-0', askedAt: 1, at: 2, offset: -1, stable: true },
    { partition: 'in-0', askedAt: 31, at: 32, offset: 2, stable: true },
  )
  const both: [string, [number, string][]][] = [
    [
      'in-0',
      [
        [0, 'a'],
        [1, 'b'],
      ],
    ],
    ['out-1', [[0, 'b>t1']]],
  ]
  history.final.committed = new Map([...both, ['out-0', [[2, 'a>t1']]]])
  history.final.uncommitted = new Map([
    ...both,
    [
      'out-0',
      [
        [0, 'a>t0'],
        [2, 'a>t1'],
      ],
    ],
  ])
  return history
}

test('a sound history has no anomalies', () => {
  assert.deepEqual(check(sound(), topics), [])
})

const spoilt: Record<Anomaly, (history: History) => void> = {
  'inconsistent-offsets': ({ polls }) => polls.push(poll('in-0', 0, 1, [[0, 'b']], { reader: 'other' })),
  duplicate: ({ final }) => final.uncommitted.get('in-0')!.push([2, 'a']),
  phantom: ({ final }) => final.uncommitted.get('in-0')!.push([2, 'x']),
  'lost-write': history => history.sends.push(input('c', 2)),
  'aborted-read': ({ polls }) => polls.push(poll('out-0', 0, 1, [[0, 'a>t0']], { reader: 'other' })),
  'precommitted-read': ({ polls }) => polls.push(poll('out-1', 0, 1, [[0, 'b>t1']], { reader: 'other', askedAt: 13, at: 15 })),
  'torn-transaction': ({ final }) => final.committed.set('out-1', []),
  reorder: ({ sends }) => sends.splice(0, 2, input('b', 1), input('a', 0)),
  'nonmonotonic-poll': ({ polls }) => polls.push(poll('in-0', 0, 1, [[0, 'a']])),
  'poll-skip': ({ polls }) => polls.push(poll('out-1', 0, 2, [], { reader: 'other' })),
  'taken-back': ({ final }) => final.committed.get('in-0')!.pop(),
  'last-stable-offset': ({ polls }) => polls.push(poll('out-0', 0, 2, [], { reader: 'other', askedAt: 13, at: 15, lastStableOffset: 3 })),
  'offset-before-commit': ({ offsetReads }) => offsetReads.push({ partition: 'in-0', askedAt: 13, at: 15, offset: 2, stable: false }),
  'offset-regression': ({ offsetReads }) => offsetReads.push({ partition: 'in-0', askedAt: 50, at: 51, offset: 1, stable: true }),
  'double-ownership': ({ ownerships }) => ownerships.push(...['m1', 'm2'].map(member => ({ partition: 'in-0', epoch: 3, member }))),
  'exactly-once': ({ sends, final }) => {
    sends.push(output('a>t1b', 'out-0', 5, { transaction: 't1' }))
    for (const each of [final.committed, final.uncommitted]) each.get('out-0')!.push([5, 'a>t1b'])
  },
}

for (const anomaly of anomalies) {
  test(`the checker finds: ${anomaly}`, () => {
    const history = sound()
    spoilt[anomaly](history)
    const found = check(history, topics).map(each => each.anomaly)
    assert.ok(found.includes(anomaly), `found only: ${found.join()}`)
  })
}

test('unknown outcomes are not anomalies', () => {
  const history = sound()
  // Unanswered, there or not; a transaction whose end is not known, here not committed; an offset that may have been committed.
  history.sends.push(input('c', 2, { outcome: 'info', offset: null, ackedAt: null }))
  history.sends.push(output('a>t2', 'out-1', 4, { outcome: 'info', offset: null, ackedAt: null }))
  history.transactions.push(transaction('t2', { outcome: 'info', endedAt: null, startedAt: 60, commitSentAt: 70, mayEndAt: 70 }))
  history.ownerships.push({ partition: 'in-0', epoch: 1, member: 'm1' }, { partition: 'in-0', epoch: 2, member: 'm2' })
  history.offsetReads.push({ partition: 'in-0', askedAt: 71, at: 72, offset: 2, stable: true })
  // After the timeout, or when somebody may have ended it, the last stable offset may move.
  history.polls.push(poll('out-0', 0, 3, [[2, 'a>t1']], { reader: 'other', askedAt: 21, at: 22, lastStableOffset: 4 }))
  assert.deepEqual(check(history, topics), [])
})

testScenario(exactlyOnceScenario, 8, { crashes: 15, committed: 80 })
