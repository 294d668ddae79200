/** What recovery drops from a log stays dropped when the power goes again: the log has gone on at its place. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { open, partitionSpecs } from '../../sim/scenarios/log-under-test.ts'
import { buildBatch } from '../../sim/world/batches.ts'
import { simulatedWorld } from '../../sim/world/world.ts'

const batchOf = (value: string) =>
  buildBatch({ values: [value], producerId: -1, producerEpoch: -1, baseSequence: -1, timestampMs: 1, attributes: 0 })

for (const left of ['nothing', 'empty segments'])
  test(`a log that starts again behind deleted records, as a power cut left ${left}, starts there after another power cut`, async () => {
    const first = simulatedWorld({ seed: 1 })
    const spec = partitionSpecs(first.random, 3).find(({ config }) => config.durability === 'os')!
    const partition = (await open(first)).create(spec)
    for (let nth = 0; nth < 10; nth++) partition.append(batchOf(`${nth}`.padEnd(9000, '.')), { origin: 'client' })
    await first.pass(1000)
    await first.run(partition.deleteBefore(8))
    const directory = `/data/${spec.topic}-${spec.partition}`
    if (left !== 'nothing') for (const path of [directory, '/data']) await first.run(first.system.files.syncDirectory(path))
    const second = simulatedWorld({ seed: 2, image: first.disk.image('synced', first.random) })
    const log = await open(second)
    const begun = log.create(spec)
    assert.deepEqual([begun.logStartOffset, begun.logEndOffset], [8, 8])
    await second.run(log.close())
    const third = simulatedWorld({ seed: 3, image: second.disk.image('synced', second.random) })
    const again = (await open(third)).create(spec)
    assert.equal(again.offline, null)
    assert.deepEqual([again.logStartOffset, again.logEndOffset], [8, 8])
  })
