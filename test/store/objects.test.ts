/** The contract of an object store: in simulated worlds full of faults, and with a real server if MILLRACE_S3_URL names one. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Process } from '../../sim/world/process.ts'
import { type RequestFate, SimulatedS3 } from '../../sim/world/s3.ts'
import { simulatedWorld, type World } from '../../sim/world/world.ts'
import { realSystem } from '../../src/base.ts'
import { ObjectError, type ObjectStore, openObjectStore } from '../../src/store.ts'
import { runLargeObjectsContract, runObjectsContract } from './objects.contract.ts'

const environment = { AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'secret' }
const longestListingDelayMs = 2_000

interface Simulated {
  world: World
  s3: SimulatedS3
  store: ObjectStore
  settled(): Promise<void>
}

function simulated(seed: number, { faults = 0, skewMs = 0, url = 's3://bucket/prefix?endpoint=https://s3.test' } = {}): Simulated {
  const world = simulatedWorld({ seed })
  const random = world.random.fork()
  const fates: readonly RequestFate[] = ['lost-before', 'lost-after', 'late', 'slow-down', 'internal-error', 'broken-off']
  const s3 = new SimulatedS3({
    ...world.system,
    random,
    bucket: 'bucket',
    fate: () => (random.chance(faults) ? random.pick(fates) : 'well'),
    listingDelayMs: () => random.fraction() * longestListingDelayMs,
    skewMs,
  })
  const transport = s3.transport(new Process(world.system.timers))
  const store = openObjectStore({ system: world.system, url, environment, transport })
  const settled = () => new Promise<void>(resolve => world.system.timers.after(longestListingDelayMs, resolve))
  return { world, s3, store, settled }
}

test('the contract holds while requests are lost, late, throttled and refused', async () => {
  let faults = 0
  for (let seed = 1; seed <= 20; seed++) {
    const { world, s3, store, settled } = simulated(seed, { faults: seed % 2 === 0 ? 0.2 : 0 })
    await world.run(runObjectsContract({ store, settled, late: true }, 'a', seed, 60))
    assert.equal(s3.finding, null)
    faults += store.counts.put.failures + store.counts.get.failures
  }
  assert.ok(faults > 100, `${faults} faults`)
})

test('what fits into one part is one request, also when it comes in pieces', async () => {
  const { world, store } = simulated(1)
  await world.run(
    (async () => {
      await store.upload('streamed', pieces(Buffer.alloc(3_000_000, 'a'), Buffer.alloc(5_000_000, 'b')))
      assert.equal(store.counts.put.requests, 1)
      assert.equal((await store.get('streamed', 2_999_999, 2)).toString(), 'ab')
      await store.upload('larger', pieces(Buffer.alloc(9_000_000)))
      assert.equal(store.counts.put.requests, 5)
    })(),
  )
})

test('large objects go in parts, and what fails leaves no parts behind', async () => {
  for (const [seed, faults] of [
    [1, 0],
    [2, 0.05],
  ] as const) {
    const { world, s3, store, settled } = simulated(seed, { faults })
    await world.run(runLargeObjectsContract({ store, settled, late: faults > 0 }, 'b', 33))
    assert.equal(s3.finding, null)
    // A begin whose answer was lost is repeated: the first upload of it is left, for the bucket's own rule.
    if (faults === 0) assert.equal(s3.openUploads, 0)
  }
})

test('in clear text the content is signed, and a wrong clock is learned from the store', async () => {
  const { world, store } = simulated(1, { skewMs: 40 * 60_000, url: 's3://bucket?endpoint=http://s3.test&region=eu-west-1' })
  await world.run(store.put('x', [Buffer.from('content')]))
  assert.equal(String(await world.run(store.get('x', 0, 7))), 'content')
  assert.deepEqual([store.counts.put.requests, store.counts.put.failures, store.counts.get.failures], [2, 1, 0])
})

test('content is hashed in slices, however it is divided', async () => {
  for (const pieces of [1, 3, 64, 4_096]) {
    const { timers, ...system } = simulatedWorld({ seed: 1 }).system
    let pauses = 0
    const soon = (callback: () => void) => {
      pauses++
      callback()
    }
    const counting = { ...timers, soon }
    const transport = { send: async () => ({ status: 200, headers: {}, body: Buffer.alloc(0) }), close() {} }
    const url = 's3://bucket?endpoint=http://s3.test&region=eu-west-1'
    const store = openObjectStore({ system: { ...system, timers: counting }, url, environment, transport })
    await store.put(
      'x',
      Array.from({ length: pieces }, () => Buffer.alloc(Math.ceil((8 << 20) / pieces))),
    )
    assert.ok(pauses >= 7, `${pieces} pieces: ${pauses} pauses`)
  }
})

test('many bodies at once take no more of a turn than one does', async () => {
  const { timers, ...system } = simulatedWorld({ seed: 1 }).system
  const turns: (() => void)[] = []
  const url = 's3://bucket?endpoint=http://s3.test&region=eu-west-1'
  let sent = 0
  const transport = { send: async () => ({ status: 200, headers: {}, body: Buffer.alloc(++sent * 0) }), close() {} }
  const soon = (callback: () => void) => void turns.push(callback)
  const store = openObjectStore({ system: { ...system, timers: { ...timers, soon } }, url, environment, transport })
  const puts = Promise.all(Array.from({ length: 10 }, (_, nth) => store.put(String(nth), [Buffer.alloc(2 << 20)])))
  let count = 0
  for (; sent < 10; count++) {
    await new Promise(resolve => setImmediate(resolve))
    turns.shift()?.()
  }
  await puts
  // Ten bodies of two pieces each.
  assert.ok(count >= 20, `${count} turns`)
})

test('a store that is away: a call ends with its time, and the next one works when it is back', async () => {
  const { world, s3, store } = simulated(1)
  s3.stop()
  const before = world.system.clock.monotonic()
  await world.run(assert.rejects(store.put('x', [Buffer.from('y')]), (error: ObjectError) => error.retriable))
  const tookMs = world.system.clock.monotonic() - before
  assert.ok(tookMs > 20_000 && tookMs < 30_100, `${tookMs} ms`)
  s3.start()
  await world.run(store.put('x', [Buffer.from('y')]))
})

test('a store that is back is noticed within two seconds', async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const world = simulatedWorld({ seed })
    let isAway = true
    const transport = {
      async send() {
        if (isAway) throw new Error('connect ECONNREFUSED')
        return { status: 200, headers: {}, body: Buffer.alloc(0) }
      },
      close() {},
    }
    const store = openObjectStore({ system: world.system, url: 's3://bucket?endpoint=https://s3.test', environment, transport })
    const puts = Array.from({ length: 8 }, (_, nth) => store.put(`x${nth}`, [Buffer.from('y')]))
    await world.run(new Promise<void>(resolve => world.system.timers.after(15_000, resolve)))
    isAway = false
    const before = world.system.clock.monotonic()
    await world.run(Promise.all(puts))
    const tookMs = world.system.clock.monotonic() - before
    assert.ok(tookMs <= 2_001, `seed ${seed}: ${tookMs} ms`)
  }
})

test('a store that is asked for too much gets fewer requests at once', async () => {
  const world = simulatedWorld({ seed: 1 })
  const atOnce: number[] = []
  let open = 0
  const transport = {
    async send() {
      atOnce.push(++open)
      await new Promise<void>(resolve => world.system.timers.after(10, resolve))
      const tooMany = open > 4
      open--
      return { status: tooMany ? 503 : 200, headers: {}, body: Buffer.alloc(0) }
    },
    close() {},
  }
  const store = openObjectStore({
    system: world.system,
    url: 's3://bucket?endpoint=https://s3.test',
    environment,
    transport,
    timeoutMs: 600_000,
  })
  await world.run(Promise.all(Array.from({ length: 600 }, (_, index) => store.put(`o/${index}`, [Buffer.from('x')]))))
  assert.equal(Math.max(...atOnce), 32)
  const most = Math.max(...atOnce.slice(-200))
  assert.ok(most < 16, `${most} at once in the end`)
  assert.ok(store.counts.put.throttled > 0)
})

test('what is closed refuses, also what waits', async () => {
  const { world, s3, store } = simulated(1)
  s3.stop()
  const waiting = Promise.allSettled(Array.from({ length: 100 }, (_, index) => store.put(`o/${index}`, [Buffer.from('x')])))
  await world.pass(100)
  store.close()
  const results = await world.run(waiting)
  assert.ok(results.every(each => each.status === 'rejected'))
  await world.run(assert.rejects(store.list(''), (error: ObjectError) => error.code === 'Closed'))
})

const { MILLRACE_S3_URL: realUrl } = process.env
const skip = realUrl === undefined && 'set MILLRACE_S3_URL (and AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) to run it against a real server'

test('the contract holds with a real server', { skip }, async () => {
  const store = openObjectStore({ system: realSystem(), url: realUrl!, environment: process.env })
  const subject = { store, settled: async () => {} }
  await runObjectsContract(subject, `contract-${process.pid}`, 1, 200)
  await runLargeObjectsContract(subject, `large-${process.pid}`, 33)
  store.close()
})

test('a real server refuses wrong keys at once', { skip }, async () => {
  const wrong = { ...process.env, AWS_SECRET_ACCESS_KEY: 'wrong-secret' }
  const store = openObjectStore({ system: realSystem(), url: realUrl!, environment: wrong })
  await assert.rejects(store.list(''), (error: unknown) => error instanceof ObjectError && error.status === 403 && !error.retriable)
  assert.equal(store.counts.list.requests, 2, 'once more with keys that were loaded again')
  store.close()
})

async function* pieces(...content: Buffer[]): AsyncGenerator<Buffer> {
  yield* content
}

test('an outage that requests wait out is told after a few seconds, and when it is over', async () => {
  const world = simulatedWorld({ seed: 1 })
  let isAway = true
  const fate = () => (isAway ? ('internal-error' as const) : ('well' as const))
  const s3 = new SimulatedS3({ ...world.system, random: world.random.fork(), bucket: 'bucket', fate, listingDelayMs: () => 0 })
  const said: string[] = []
  const store = openObjectStore({
    system: world.system,
    url: 's3://bucket/prefix?endpoint=https://s3.test',
    environment,
    transport: s3.transport(new Process(world.system.timers)),
    report: (what, error) => void said.push(`${what}: ${(error as Error).message}`),
    recovered: service => void said.push(`${service} answers again`),
  })
  await world.run(
    (async () => {
      world.system.timers.after(8_000, () => {
        isAway = false
      })
      await store.put('late', [Buffer.from('a')])
    })(),
  )
  assert.match(
    said[0]!,
    /^the object store does not answer as it should; requests are tried again: PUT bucket\/prefix\/late: 500 InternalError/,
  )
  assert.equal(said.at(-1), 'the object store answers again')
})

test('a refusal says what to do', async () => {
  const { world, store } = simulated(1, { url: 's3://other/prefix?endpoint=https://s3.test' })
  const refusal = world.run(store.put('a', [Buffer.from('a')]))
  await assert.rejects(refusal, /404 NoSuchBucket: [^.]+; make the bucket, or correct the URL$/)
})
