/**
 * Reads a partition of the shared home: from memory at once if it is there, otherwise from a piece, which takes a promise unless its blocks are
 * cached. A slice never spans the two.
 */
import type { ReadLimit, Slice } from '../../log.ts'
import { KafkaError, type Offset } from '../../protocol.ts'
import type { SegmentRow } from '../../store.ts'
import { goneError } from '../partition/refusals.ts'
import type { AbortedTransaction } from '../segments/aborted-entries.ts'
import { cutStretch } from '../segments/cut-batches.ts'
import type { SharedPartition } from './partition.ts'
import { abortedInPieces, indexOf } from './pieces/lookups.ts'
import type { PieceSlice } from './pieces/piece.ts'

/** What is in memory belongs to nobody else, and is never written over. */
const release = () => {}
/** Rows that the reader of a piece may read ahead in. */
const rowsAhead = 2

export function readSlice(partition: SharedPartition, from: Offset, limit: ReadLimit): Slice | Promise<Slice> {
  const bound = partition.mark(limit.upTo)
  if (from >= bound || (limit.maxBytes <= 0 && !limit.atLeastOne)) return finish(partition, limit, from, from, [], 0)
  const chunk = partition.memory.find(from)
  return chunk >= 0 ? readMemory(partition, chunk, from, bound, limit) : readPiece(partition, from, bound, limit)
}

function readMemory(partition: SharedPartition, first: number, from: Offset, bound: Offset, limit: ReadLimit): Slice | Promise<Slice> {
  const chunks: Buffer[] = []
  let bytes = 0
  let next = from
  for (let number = first; ; number++) {
    const chunk = partition.memory.chunk(number)
    if (chunk === undefined) break
    const cut = cutStretch(chunk.bytes, chunk, from, bound, limit.maxBytes - bytes, limit.atLeastOne && bytes === 0)
    if (cut.end > cut.start) {
      chunks.push(chunk.bytes.subarray(cut.start, cut.end))
      bytes += cut.end - cut.start
      next = cut.next
    }
    if (next < chunk.endOffset) break
  }
  return finish(partition, limit, from, next, chunks, bytes)
}

function readPiece(partition: SharedPartition, from: Offset, bound: Offset, limit: ReadLimit): Slice | Promise<Slice> {
  const { segments } = partition
  const at = indexOf(segments, from)
  const row = segments[at]
  if (row === undefined || row.endOffset <= from) throw damaged(partition, `no piece has offset ${from}`)
  const following = segments.slice(at + 1, at + 1 + rowsAhead)
  let read: PieceSlice | Promise<PieceSlice>
  try {
    read = partition.context.pieces.read(row, from, limit.maxBytes, limit.atLeastOne, bound, following)
  } catch (error) {
    throw damaged(partition, error)
  }
  if (!(read instanceof Promise)) return take(partition, row, from, limit, read)
  return read.then(
    slice => take(partition, row, from, limit, slice),
    error => {
      throw damaged(partition, error)
    },
  )
}

function take(
  partition: SharedPartition,
  { endOffset }: SegmentRow,
  from: Offset,
  limit: ReadLimit,
  { chunks, bytes, next }: PieceSlice,
): Slice | Promise<Slice> {
  if (bytes > 0 || next < endOffset) return finish(partition, limit, from, next, chunks, bytes)
  // Compaction removed the last batches of the piece.
  return readSlice(partition, endOffset, limit)
}

function finish(
  partition: SharedPartition,
  limit: ReadLimit,
  from: Offset,
  to: Offset,
  chunks: Buffer[],
  bytes: number,
): Slice | Promise<Slice> {
  if (limit.upTo !== 'last-stable') return { chunks, bytes, abortedTransactions: null, release }
  const aborted = from === to ? [] : abortedTransactions(partition, from, to)
  if (!(aborted instanceof Promise)) return { chunks, bytes, abortedTransactions: aborted, release }
  return aborted.then(
    abortedTransactions => ({ chunks, bytes, abortedTransactions, release }),
    error => {
      throw damaged(partition, error)
    },
  )
}

/** Those that a reader of [from, to) must know, by first offset. */
function abortedTransactions(partition: SharedPartition, from: Offset, to: Offset): AbortedTransaction[] | Promise<AbortedTransaction[]> {
  const recent: AbortedTransaction[] = []
  const inMemory = partition.memory.find(from) >= 0
  partition.aborted.collect(inMemory ? from : Math.max(from, partition.flushedEnd), to, recent)
  if (inMemory) return sorted(recent)
  const { segments, context } = partition
  const older = abortedInPieces(context.pieces, segments, from, to)
  return older instanceof Promise ? older.then(found => sorted([...found, ...recent])) : sorted([...older, ...recent])
}

/** Kafka's clients sort the list; kafkajs assumes that it is sorted. */
function sorted(found: AbortedTransaction[]): AbortedTransaction[] {
  return found.length < 2 ? found : found.sort((a, b) => a.firstOffset - b.firstOffset)
}

/** The error for readers if pieces cannot be read, or do not contain what they should. */
export function damaged(partition: SharedPartition, why: unknown): KafkaError {
  if (partition.gone !== null) return goneError(partition)
  if (why instanceof KafkaError) return why
  return new KafkaError('KAFKA_STORAGE_ERROR', `${partition.name} cannot be read: ${why instanceof Error ? why.message : String(why)}`)
}
