/** `durability` may change while the broker runs: records acknowledged with `fsync` are worthless without the records before them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cachedDisk } from './cached-disk.testing.ts'
import { append, openTestLog, partitionOf, readAll, topicConfig } from './log.testing.ts'

const config = (durability: 'os' | 'fsync') => topicConfig({ durability, segmentBytes: 100_000 })
const values = [20_000, 100, 20_000, 20_000, 100].map(size => 'x'.repeat(size))

for (const restart of [false, true])
  test(`os, ${restart ? 'a kill, ' : ''}then fsync: a power cut takes nothing that was there when an append was acknowledged`, async () => {
    const { files, survivors } = cachedDisk()
    let { log, kill } = await openTestLog(files, { durability: 'os' })
    let partition = partitionOf(log)
    partition.config = config('os')
    for (const value of values) await append(partition, value).durable
    if (restart) {
      kill()
      ;({ log, kill } = await openTestLog(files, { durability: 'os' }))
      partition = log.create({ topic: partition.topic, topicId: partition.topicId, partition: 0, config: config('os') })
    }
    partition.config = config('fsync')
    await append(partition, 'small').durable
    await append(partition, 'y'.repeat(60_000)).durable
    kill()
    const again = await openTestLog(survivors(), { durability: 'fsync' })
    const left = partitionOf(again.log, 0, config('fsync'))
    assert.equal(left.offline, null)
    assert.equal((await readAll(left)).length, values.length + 2)
  })
