import assert from 'node:assert/strict'
import { test } from 'node:test'
import { codecs, type RawBatch, rawBatch } from '../../../sim/world/raw-batches.ts'
import { memoryFileSystem, realSystem } from '../../base.ts'
import { header } from '../../protocol.ts'
import { emptyBatchInfo, readBatchInfo } from '../partition/batch-info.ts'
import { Segment, segmentContext } from '../segments/segment.ts'
import { runCleanerJob } from './cleaner-job.ts'

const directory = '/t-0'

/** What cleaning leaves of these batches, which lie in one segment. */
async function cleaned(batches: readonly Buffer[]): Promise<Buffer[]> {
  const files = memoryFileSystem()
  files.makeDirectory(directory)
  const context = segmentContext(files, { openFiles: 10, indexBytes: 10_000 })
  const segment = Segment.create(context, directory, 0, 0)
  let end = 0
  for (const batch of batches) {
    header.setBaseOffset(batch, 0, end)
    const info = readBatchInfo(batch, 0, emptyBatchInfo())
    segment.writeSync([batch], segment.place(info, 4096))
    end = info.lastOffset + 1
  }
  segment.seal()
  const system = realSystem(files)
  const job = {
    directory,
    groups: [[0]],
    firstDirty: 0,
    end,
    nowMs: 1e12,
    history: system.clock.history(),
    deleteRetentionMs: 1000,
    indexIntervalBytes: 4096,
    mapBytes: 1 << 20,
    aborted: [],
    lastRecords: [],
  }
  const left: Buffer[] = []
  const read = async (): Promise<'go on'> => {
    const output = Segment.open(context, directory, 0, 0, '.cleaned')
    const walk = await output.scan(0, 'whole', (buffer, at) => {
      left.push(Buffer.from(buffer.subarray(at, at + header.sizeBytes(buffer, at))))
      return undefined
    })
    assert.equal(walk.problem, null)
    return 'go on'
  }
  await runCleanerJob(system, job, read, new AbortController().signal)
  return left
}

test('odd batches, as another broker may have stored them, are cleaned; those that cannot be read stay and stop nothing', async () => {
  const old = [{ key: 'a' }, { key: 'b' }]
  const readable: RawBatch[] = [
    ...codecs.map(codec => ({ codec, records: old })),
    { records: [{ key: 'a' }, { key: 'b', offsetDelta: 0 }] },
    { codec: 'gzip', records: [{ key: 'a', value: -7 }, { key: -9 }] },
  ]
  const unreadable: RawBatch[] = [
    { codec: 'gzip', records: old, repack: () => Buffer.from('not gzip') },
    { codec: 'lz4', records: old, repack: packed => packed.subarray(0, 9) },
    { codec: 'zstd', records: [{ key: 'a', sizeOff: 1 }, { key: 'b' }] },
    { records: old, count: 5, lastOffsetDelta: 1 },
  ]
  const made = (of: RawBatch): Buffer => rawBatch({ baseTimestamp: 1000n, ...of })
  const stay = unreadable.map(made)
  const last = made({ records: old })
  assert.deepEqual(await cleaned([...readable.map(made), ...stay, last]), [...stay, last])
})
