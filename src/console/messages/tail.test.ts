import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Timers } from '../../base.ts'
import { type Client, ClientError } from '../../client.ts'
import { tail } from './tail.ts'

/** Pauses take no time. */
const timers: Timers = {
  after(_, callback) {
    const timer = setImmediate(callback)
    return { cancel: () => clearImmediate(timer) }
  },
  soon: callback => void setImmediate(callback),
}

interface Log {
  start: bigint
  end: bigint
  /** What the next question is answered with. */
  fails: string[]
}

/** A topic of one partition, and what is asked of it. */
function clusterOf(log: Log) {
  const reads: [from: bigint, until: bigint][] = []
  const fail = () => {
    const code = log.fails.shift()
    if (code !== undefined) throw new ClientError(code, code)
  }
  const parts: Pick<Client, 'offsets' | 'readBatches'> = {
    async offsets(_, partitions, query) {
      if (query === 'latest') fail()
      return new Map(partitions.map(partition => [partition, query === 'earliest' ? log.start : log.end]))
    },
    async *readBatches({ from, until }) {
      const [first, end] = [from.get(0)!, until!.get(0)!]
      reads.push([first, end])
      if (first < log.start) throw new ClientError('OFFSET_OUT_OF_RANGE', 'deleted')
      yield { partition: 0, from: first, next: end, batches: Buffer.alloc(0), alone: false }
    },
  }
  return { parts, reads }
}

/** After so many turns of the event loop, each enough for a question. */
function later(turns: number, change: () => void): void {
  if (turns === 0) change()
  else setImmediate(() => later(turns - 1, change))
}

/** Each step changes the log; what is read then. */
async function follow(log: Log, steps: readonly (() => void)[]): Promise<{ reads: [bigint, bigint][]; got: bigint[] }> {
  const { parts, reads } = clusterOf(log)
  const stop = new AbortController()
  const following = tail({ client: parts, topic: 't', from: new Map([[0, log.end]]), timers, signal: stop.signal })
  const got: bigint[] = []
  for (const step of steps) {
    step()
    const { value } = await following.next()
    got.push(value!.next)
  }
  stop.abort()
  assert.equal((await following.next()).done, true, 'it ends when nobody follows any more')
  return { reads, got }
}

test('only what is there is fetched, so that no fetch waits at the broker', async () => {
  const log: Log = { start: 0n, end: 5n, fails: [] }
  const { reads } = await follow(log, [() => later(8, () => void (log.end = 8n)), () => later(8, () => void (log.end = 9n))])
  assert.deepEqual(reads, [
    [5n, 8n],
    [8n, 9n],
  ])
})

test('it goes on when the broker is back, and where records were deleted or the topic was made anew', async () => {
  const log: Log = { start: 0n, end: 5n, fails: [] }
  const { got } = await follow(log, [
    () => Object.assign(log, { end: 7n, fails: ['UNREACHABLE', 'LEADER_NOT_AVAILABLE'] }),
    () => Object.assign(log, { start: 20n, end: 30n }),
    () => {
      Object.assign(log, { start: 0n, end: 1n })
      later(8, () => void (log.end = 3n))
    },
  ])
  assert.deepEqual(got, [7n, 30n, 3n])
})

test('it ends with what does not pass', async () => {
  const log: Log = { start: 0n, end: 5n, fails: ['TOPIC_AUTHORIZATION_FAILED'] }
  const { parts } = clusterOf(log)
  const following = tail({ client: parts, topic: 't', from: new Map([[0, 5n]]), timers, signal: new AbortController().signal })
  await assert.rejects(following.next(), { code: 'TOPIC_AUTHORIZATION_FAILED' })
})
