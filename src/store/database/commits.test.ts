/** Commits over connections that answer as a test says; the whole of it, under faults, is in `test/store/database.test.ts`. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { simulatedWorld } from '../../../sim/world/world.ts'
import type { Frame, Writes } from '../../store.ts'
import { frameKind } from '../frame-kind.ts'
import { type Backend, DatabaseRefused, DatabaseUnavailable, type Found, type TransactResult } from './backend.ts'
import { Commits } from './commits.ts'

interface Call {
  connection: number
  seq: number
  what: 'insert' | 'transact'
  answer(result: boolean | TransactResult | Error): void
}

function setting() {
  const world = simulatedWorld({ seed: 1 })
  const calls: Call[] = []
  const lose: ((error: Error) => void)[] = []
  const found = new Map<number, Found>()
  let refusals = 0
  let isForgotten = false
  const connect = async (): Promise<Backend> => {
    if (refusals > 0) {
      refusals--
      throw new DatabaseUnavailable('refused')
    }
    const connection = lose.length
    lose.push(() => {})
    const call = <T extends boolean | TransactResult>(what: Call['what'], seq: number) => {
      const { promise, resolve, reject } = Promise.withResolvers<T>()
      calls.push({ connection, seq, what, answer: result => (result instanceof Error ? reject(result) : resolve(result as T)) })
      return promise
    }
    return {
      insertFrame: ({ seq }) => call<boolean>('insert', seq),
      transact: ({ seq }) => call<TransactResult>('transact', seq),
      queries: { frameAt: async (_: number, seq: number) => found.get(seq) ?? null } as unknown as Backend['queries'],
      onLost(callback) {
        lose[connection] = callback
      },
      listen: async () => {},
      close() {},
    }
  }
  const reports: string[] = []
  const knowsSession = async () => !isForgotten
  const report = (what: string) => void reports.push(what)
  const commits = new Commits({ system: world.system, connect, attemptTimeoutMs: 1_000, knowsSession, report, recovered: () => {} })
  const commit = (seq: number, writes: Writes | null = null) => commits.commit(frameOf(seq), writes)
  const refuse = (count: number) => {
    refusals = count
  }
  const forget = () => {
    isForgotten = true
  }
  return { world, calls, lose, found, commits, commit, refuse, forget, reports }
}

const frameOf = (seq: number): Frame => ({ session: 1, seq, kind: frameKind.data, body: Buffer.from(`frame ${seq}`), objects: [] })
const own = (seq: number): Found => ({ kind: frameKind.data, bodyBytes: frameOf(seq).body.length })
const sent = (calls: readonly Call[]) => calls.map(({ connection, seq }) => `${connection}:${seq}`).join(' ')

test('two are sent at once, and settle in order though the first has more to ask', async () => {
  const { world, calls, commit, found } = setting()
  const settled: number[] = []
  const all = [1, 2, 3, 4].map(seq => commit(seq).then(() => settled.push(seq)))
  await world.pass(1)
  assert.equal(sent(calls), '0:1 0:2')
  found.set(1, own(1))
  calls[1]!.answer(true)
  calls[0]!.answer(false)
  await world.pass(1)
  assert.deepEqual(settled, [1, 2])
  assert.equal(sent(calls), '0:1 0:2 0:3 0:4')
  for (const call of calls.slice(2)) call.answer(true)
  await world.run(Promise.all(all))
})

test('what was sent on a lost connection is sent again, the same and in order; late answers do not count', async () => {
  const { world, calls, lose, commit, found, commits } = setting()
  const all = Promise.all([1, 2, 3].map(seq => commit(seq)))
  await world.pass(1)
  lose[0]!(new Error('reset'))
  await world.pass(500)
  assert.equal(sent(calls), '0:1 0:2 1:1 1:2')
  calls[0]!.answer(true)
  calls[1]!.answer(new DatabaseUnavailable('reset'))
  // The first attempt had been committed.
  found.set(1, own(1))
  calls[2]!.answer(false)
  calls[3]!.answer(true)
  await world.pass(1)
  calls[4]!.answer(true)
  assert.deepEqual(await all, ['committed', 'committed', 'committed'])
  assert.deepEqual([commits.resent, commits.reconnects, commits.commits], [2, 1, 3])
})

test('a server that has forgotten the session gets nothing of it: there its number may be that of another one', async () => {
  const { world, calls, lose, commit, forget } = setting()
  const first = commit(1)
  await world.pass(1)
  forget()
  lose[0]!(new Error('another server has taken over'))
  assert.equal(await world.run(first), 'predecessor-missing')
  assert.equal(await commit(2), 'predecessor-missing')
  assert.equal(sent(calls), '0:1')
})

test('no answer in time: another connection is tried, as often as it takes', async () => {
  const { world, calls, commit, refuse, reports } = setting()
  const committed = commit(1)
  await world.pass(10)
  refuse(5)
  await world.pass(20_000)
  assert.ok(calls.length > 3)
  assert.ok(reports.filter(each => each.startsWith('no connection')).length === 5)
  calls.at(-1)!.answer(true)
  assert.equal(await committed, 'committed')
})

test('a transaction of several statements is alone on the connection', async () => {
  const { world, calls, commit } = setting()
  const all = Promise.all([commit(1), commit(2, { trimBelow: 1 }), commit(3)])
  await world.pass(1)
  assert.equal(sent(calls), '0:1')
  calls[0]!.answer(true)
  await world.pass(1)
  assert.deepEqual([sent(calls), calls[1]!.what], ['0:1 0:2', 'transact'])
  calls[1]!.answer('done')
  await world.pass(1)
  calls[2]!.answer(true)
  await world.run(all)
})

test('after metadata was taken the seq is free; nothing may follow before that is known', async () => {
  const { world, calls, commit } = setting()
  const metadata = { offset: 5, count: 1, records: Buffer.alloc(1) }
  const first = commit(1, { metadata })
  await assert.rejects(async () => commit(2), /waits until the outcome/)
  await world.pass(1)
  calls[0]!.answer('metadata')
  assert.equal(await first, 'metadata-taken')
  const again = commit(1, { metadata: { ...metadata, offset: 6 } })
  await world.pass(1)
  calls[1]!.answer('done')
  assert.equal(await again, 'committed')
})

test('a fence ends everything, also what follows later', async () => {
  const { world, calls, commit, found } = setting()
  const all = Promise.all([1, 2, 3].map(seq => commit(seq)))
  await world.pass(1)
  found.set(1, { kind: frameKind.fence, bodyBytes: 0 })
  calls[0]!.answer(false)
  assert.deepEqual(await all, ['fenced', 'fenced', 'fenced'])
  assert.equal(await commit(4), 'fenced')
})

test('a seq that was sent with other bytes is a bug that stops everything', async () => {
  const { world, calls, commit, found } = setting()
  const all = Promise.allSettled([commit(1), commit(2)])
  await world.pass(1)
  found.set(1, { kind: frameKind.data, bodyBytes: 3 })
  calls[0]!.answer(false)
  for (const each of await all) assert.match(String((each as PromiseRejectedResult).reason), /sent with other bytes/)
})

test('what the database will never do rejects, and so does everything after it', async () => {
  const { world, calls, commit } = setting()
  const all = Promise.allSettled([commit(1), commit(2)])
  await world.pass(1)
  calls[0]!.answer(new DatabaseRefused('permission denied'))
  for (const each of await all) assert.match(String((each as PromiseRejectedResult).reason), /permission denied/)
  await assert.rejects(commit(3), /permission denied/)
})

test('seqs have no holes', async () => {
  const { commit } = setting()
  void commit(1)
  await assert.rejects(async () => commit(3), /frame 3 of session 1 follows 1/)
})

test('a session follows one that was fenced: what is left of the old one is refused, and the new one begins with any seq', async () => {
  const { world, calls, commits, commit, found } = setting()
  const old = [1, 2, 3].map(seq => commit(seq))
  await world.pass(1)
  found.set(1, { kind: frameKind.fence, bodyBytes: 0 })
  calls[0]!.answer(false)
  assert.deepEqual(await world.run(Promise.all(old)), ['fenced', 'fenced', 'fenced'])
  commits.begin(2)
  const next = commits.commit({ ...frameOf(1), session: 2 }, null)
  await world.pass(1_000)
  // A late answer to what was sent before is of no interest.
  calls[1]!.answer(true)
  assert.equal(sent(calls), '0:1 0:2 1:1')
  calls[2]!.answer(true)
  assert.equal(await world.run(next), 'committed')
  await assert.rejects(commit(4), { name: 'DatabaseRefused' })
  commits.close()
  await assert.rejects(commits.commit({ ...frameOf(1), session: 3 }, null), { name: 'DatabaseRefused' })
})
