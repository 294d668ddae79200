/**
 * Converts what was read to messages for consumers older than record batches, as Kafka did up to 3.9. This costs a copy, and time of a worker
 * thread.
 *
 * Hides that nothing may be left: control batches have no messages, nor have batches in which compaction has removed all records from the
 * requested offset on. Such a consumer cannot be told to continue behind them and would request the same offset forever, so the next
 * batches are read for it.
 */
import type { PartitionLog, ReadLimit, Slice } from '../../../log.ts'
import { header, nextBatchSize, type Offset } from '../../../protocol.ts'
import type { RequestContext } from '../../dispatch/handler.ts'

/** Read at once where nothing was left, even if the consumer asked for less. */
const stepBytes = 64 * 1024
/** Of batches that leave nothing, in one request. Longer runs have not been seen: markers are removed after `delete.retention.ms`. */
const mostSkippedBytes = 64 * 2 ** 20

/** Takes over `first`, which begins with the batch of `fetchOffset`. */
export async function downConvert(
  log: PartitionLog,
  first: Slice,
  { fetchOffset: firstOffset, toMagic, limit }: { fetchOffset: Offset; toMagic: 0 | 1; limit: ReadLimit },
  { broker, connection, signal }: RequestContext,
): Promise<Slice> {
  const further: ReadLimit = { ...limit, maxBytes: Math.max(limit.maxBytes, stepBytes), atLeastOne: true }
  let slice = first
  for (let skippedBytes = 0; slice.bytes > 0; ) {
    skippedBytes += slice.bytes
    const { bytes, end } = await convert(slice)
    if (bytes.length > 0 || skippedBytes > mostSkippedBytes || signal.aborted)
      return { chunks: [bytes], bytes: bytes.length, abortedTransactions: null, release() {} }
    if (broker.turns.over) await broker.turns.next()
    slice = await log.read(end, further)
  }
  return slice

  /** The messages; if there are none, where the last batch ends. */
  async function convert(read: Slice): Promise<{ bytes: Buffer; end: Offset }> {
    try {
      const { chunks } = read
      const records = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
      const converted = await broker.converter.convert({ kind: 'fetch', records, toMagic, firstOffset }, connection)
      return { bytes: converted === records ? Buffer.from(converted) : converted, end: converted.length === 0 ? endOf(records) : 0 }
    } finally {
      read.release()
    }
  }
}

/** The offset behind the last batch. Looks at sizes only: a read of many megabytes may consist of markers. */
function endOf(records: Buffer): Offset {
  let last = 0
  for (let at = 0, size = 0; (size = nextBatchSize(records, at)) > 0; at += size) last = at
  return (header.magic(records, last) === 2 ? header.lastOffset(records, last) : header.readOffset(records, last)) + 1
}
