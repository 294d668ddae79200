/** The list of aborted transactions must survive everything that the log survives: without it, readers would see aborted records. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { directory, settings, topicConfig } from '../sim/scenarios/log-under-test.ts'
import type { Cut } from '../sim/world/power-cut.ts'
import { simulatedWorld, type World } from '../sim/world/world.ts'
import { openLog, type PartitionLog } from '../src/log.ts'
import { batchesIn, buildBatch, buildMarkerBatch, randomUuid } from '../src/protocol.ts'

function open(world: World) {
  const onFatal = (error: Error) => assert.fail(error)
  return world.run(openLog({ system: world.system, directory, settings, onFatal, onThisMachine: false }))
}

async function aborted(world: World, partition: PartitionLog): Promise<number[]> {
  const found = new Set<number>()
  for (let next = 0; next < partition.lastStableOffset; ) {
    const slice = await world.run(Promise.resolve(partition.read(next, { maxBytes: 1 << 20, atLeastOne: true, upTo: 'last-stable' })))
    for (const chunk of slice.chunks) for (const { header } of batchesIn(chunk)) next = header.lastOffset + 1
    for (const { firstOffset } of slice.abortedTransactions!) found.add(firstOffset)
    slice.release()
  }
  return [...found]
}

for (const rolled of [false, true]) {
  test(`aborted transactions of a ${rolled ? 'sealed' : 'active'} segment survive a power cut`, async () => {
    const world = simulatedWorld({ seed: 1 })
    const spec = { topic: 't', topicId: randomUuid(world.random), partition: 0, config: topicConfig }
    const log = await open(world)
    const partition = log.create(spec)
    const abort = async (producerId: number) => {
      const records = [{ key: null, value: Buffer.from('x') }]
      const batch = buildBatch({
        records,
        producerId,
        producerEpoch: 0,
        baseSequence: 0,
        isTransactional: true,
        timestamp: world.system.clock.now(),
      })
      partition.append(batch, { origin: 'client' })
      const marker = { producerId, producerEpoch: 0, committed: false, coordinatorEpoch: 0, timestamp: world.system.clock.now() }
      await world.run(partition.append(buildMarkerBatch(marker), { origin: 'coordinator' }).durable!)
    }
    const fill = async (count: number) => {
      for (let left = count; left > 0; left--) {
        const records = [{ key: null, value: Buffer.alloc(2000) }]
        await world.run(partition.append(buildBatch({ records, timestamp: world.system.clock.now() }), { origin: 'client' }).durable!)
      }
    }
    await fill(1)
    await abort(1)
    // Its file is there now, and its name synced; then comes another entry, and a segment that has its file later than its name.
    await fill(rolled ? 60 : 1)
    await abort(2)
    await fill(rolled ? 60 : 1)
    const before = await aborted(world, partition)
    assert.equal(before.length, 2)
    await world.run(log.close())
    for (const cut of ['synced', 'torn', 'process'] satisfies Cut[]) {
      const next = simulatedWorld({ seed: 2, image: world.disk.image(cut, world.random.fork()) })
      const found = (await open(next)).create(spec)
      assert.equal(found.logEndOffset, partition.logEndOffset)
      assert.deepEqual(await aborted(next, found), before, cut)
    }
  })
}

test('entries of the transaction index up to the checkpoint are trusted, and missing ones are rebuilt', async () => {
  const world = simulatedWorld({ seed: 1 })
  const spec = { topic: 't', topicId: randomUuid(world.random), partition: 0, config: topicConfig }
  const log = await open(world)
  const partition = log.create(spec)
  const records = [{ key: null, value: Buffer.from('x') }]
  const session = { producerId: 1, producerEpoch: 0 }
  const timestamp = world.system.clock.now()
  partition.append(buildBatch({ records, ...session, baseSequence: 0, isTransactional: true, timestamp }), { origin: 'client' })
  const marker = buildMarkerBatch({ ...session, committed: false, coordinatorEpoch: 0, timestamp })
  await world.run(partition.append(marker, { origin: 'coordinator' }).durable!)
  await world.run(log.close())
  const { files } = world.system
  const path = world.disk.paths().find(each => each.endsWith('.txnindex'))!
  const whole = files.readFile(path)!
  for (const content of [Buffer.alloc(0), Buffer.from('torn'), Buffer.alloc(34), Buffer.concat([whole, Buffer.alloc(50)])]) {
    await world.run(files.replaceFile(path, content))
    const next = simulatedWorld({ seed: 2, image: world.disk.image('process', world.random.fork()) })
    const found = (await open(next)).create(spec)
    assert.deepEqual(await aborted(next, found), [0])
  }
})

test('a list that a power cut tore before any checkpoint counted it takes no partition offline', async () => {
  const world = simulatedWorld({ seed: 1 })
  const spec = { topic: 't', topicId: randomUuid(world.random), partition: 0, config: topicConfig }
  const log = await open(world)
  const timestamp = world.system.clock.now()
  const session = { producerId: 1, producerEpoch: 0 }
  const transaction = { ...session, baseSequence: 0, isTransactional: true, timestamp, records: [{ key: null, value: Buffer.from('x') }] }
  await world.run(log.create(spec).append(buildBatch(transaction), { origin: 'client' }).durable!)
  await world.run(log.close())
  const { files } = world.system
  const segment = world.disk.paths().find(each => each.includes('/t-0/') && each.endsWith('.log'))!
  await world.run(files.replaceFile(segment.replace('.log', '.txnindex'), Buffer.alloc(40)))
  const next = simulatedWorld({ seed: 2, image: world.disk.image('process', world.random.fork()) })
  const found = (await open(next)).create(spec)
  const marker = buildMarkerBatch({ ...session, committed: false, coordinatorEpoch: 0, timestamp })
  await next.run(found.append(marker, { origin: 'coordinator' }).durable!)
  assert.deepEqual(await aborted(next, found), [0])
})
