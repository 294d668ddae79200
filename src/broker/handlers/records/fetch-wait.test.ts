import assert from 'node:assert/strict'
import { test } from 'node:test'
import { realSystem, Turns } from '../../../base.ts'
import type { PartitionLog } from '../../../log.ts'
import type { RequestContext } from '../../dispatch/handler.ts'
import { ParkedFetches } from '../../sessions/parked-fetches.ts'
import { grown } from './fetch-wait.ts'

/** The least of a partition that can be waited for. */
class Growing {
  bytes = 0
  highWatermark = 0
  offline: string | null = null
  deleted = false
  readonly waiting = new Set<{ mark: number; callback: () => void }>()

  append(bytes: number): void {
    this.bytes += bytes
    this.highWatermark++
    for (const waiter of [...this.waiting]) {
      this.waiting.delete(waiter)
      waiter.callback()
    }
  }

  whenPast(mark: number, _upTo: string, callback: () => void) {
    const waiter = { mark, callback }
    if (this.deleted || this.highWatermark > mark) callback()
    else this.waiting.add(waiter)
    return { cancel: () => void this.waiting.delete(waiter) }
  }

  sizeBytes(): number {
    return this.bytes
  }

  get log(): PartitionLog {
    return this as unknown as PartitionLog
  }
}

class World {
  readonly parkedFetches = new ParkedFetches()
  readonly abort = new AbortController()
  timers = new Set<() => void>()
  readonly context = {
    signal: this.abort.signal,
    waits() {},
    broker: {
      turns: new Turns(realSystem()),
      parkedFetches: this.parkedFetches,
      system: { timers: { after: (_: number, callback: () => void) => this.#after(callback), soon: realSystem().timers.soon } },
    },
  } as unknown as RequestContext

  #after(callback: () => void) {
    this.timers.add(callback)
    return { cancel: () => void this.timers.delete(callback) }
  }

  /** Whether it is over is seen by `isOver`. */
  wait(partitions: readonly Growing[], missingBytes: number, mark = 0): { isOver: boolean } {
    const watched = partitions.map(({ log }) => ({ log, mark }))
    const outcome = { isOver: false }
    void grown(watched, { upTo: 'high-watermark', missingBytes, waitMs: 500 }, this.context).then(() => {
      outcome.isOver = true
    })
    return outcome
  }

  /** Nothing is left of waits that are over. */
  assertEmpty(...partitions: Growing[]): void {
    assert.deepEqual(
      [this.parkedFetches.watched, this.timers.size, ...partitions.map(({ waiting }) => waiting.size)],
      [0, 0, ...partitions.map(() => 0)],
    )
  }
}

const turn = () => new Promise(setImmediate)

test('a fetch wakes when its partitions have grown by enough together, or when one of them goes offline', async () => {
  const world = new World()
  const [one, two] = [new Growing(), new Growing()]
  const wait = world.wait([one, two], 100)
  assert.equal(world.parkedFetches.watched, 2)
  one.append(40)
  two.append(40)
  one.append(10)
  await turn()
  assert.equal(wait.isOver, false)
  two.append(10)
  await turn()
  assert.equal(wait.isOver, true)
  world.assertEmpty(one, two)
  const other = world.wait([one, two], 100, 3)
  two.offline = 'broken'
  two.append(0)
  await turn()
  assert.equal(other.isOver, true)
  world.assertEmpty(one, two)
})

test('deleting a partition ends the wait', async () => {
  const world = new World()
  const [one, two] = [new Growing(), new Growing()]
  const wait = world.wait([one, two], 100)
  one.deleted = true
  for (const waiter of one.waiting) waiter.callback()
  await turn()
  assert.equal(wait.isOver, true)
  one.waiting.clear()
  world.assertEmpty(one, two)
})

test('the wait ends immediately for marks that advanced before it, at the timeout, and when the client leaves', async () => {
  const world = new World()
  const [one, two] = [new Growing(), new Growing()]
  two.append(1)
  const moved = world.wait([one, two], 100)
  await turn()
  assert.equal(moved.isOver, true)
  world.assertEmpty(one, two)
  const timed = world.wait([one], 100)
  for (const fire of [...world.timers]) fire()
  await turn()
  assert.equal(timed.isOver, true)
  const left = world.wait([one], 100)
  world.abort.abort()
  await turn()
  assert.equal(left.isOver, true)
  world.assertEmpty(one, two)
})

test('a large fetch above the limit watches nothing and waits until its timeout; a small one still has space', async () => {
  const world = new World()
  const partition = new Growing()
  const crowd = Array.from({ length: 200 }, () => world.wait(Array<Growing>(1_000).fill(partition), 0))
  const late = world.wait(Array<Growing>(101).fill(partition), 0)
  const small = world.wait(Array<Growing>(100).fill(partition), 0)
  assert.equal(world.parkedFetches.watched, 200_100)
  partition.append(1)
  for (let turns = 0; turns < 1_000; turns++) await turn()
  assert.ok([...crowd, small].every(({ isOver }) => isOver))
  assert.equal(late.isOver, false)
  assert.equal(world.parkedFetches.watched, 0)
  for (const fire of [...world.timers]) fire()
  await turn()
  assert.equal(late.isOver, true)
  world.assertEmpty(partition)
})

test('of five hundred fetches that one record wakes fifty are answered at once, the others take turns; single ones never wait', async () => {
  const world = new World()
  const partition = new Growing()
  const crowd = Array.from({ length: 500 }, () => world.wait([partition], 0))
  const answered = () => crowd.filter(({ isOver }) => isOver).length
  partition.append(1)
  // Within the turn of the event loop in which the record came.
  for (let n = 0; n < 50; n++) await Promise.resolve()
  assert.equal(answered(), 50)
  await turn()
  assert.ok(answered() < 60, `${answered()} after one turn`)
  for (let turns = 0; turns < 500; turns++) await turn()
  assert.equal(answered(), 500)

  const others = Array.from({ length: 200 }, () => world.wait([new Growing()], 0))
  for (let records = 0; records < 150; records++) {
    const slow = new Growing()
    const woken = world.wait([slow], 0)
    slow.append(1)
    for (let n = 0; n < 50; n++) await Promise.resolve()
    assert.ok(woken.isOver)
    await turn()
  }
  assert.ok(others.every(({ isOver }) => !isOver))
})
