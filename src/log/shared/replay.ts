/**
 * Reads the stream of a session that leads partitions no longer, and gives each partition what it has there.
 *
 * The stream counts only as far as it is final: up to its fence, or for a partition up to the share with which it was given away. Everything
 * else is checked again, because what is missing here is lost for good: frames without holes, shares that follow one another, whole batches
 * with right checksums. A partition with a fault goes offline, and the others go on.
 *
 * Hides that the batches of a frame may lie in objects, which are fetched ahead, one range of each.
 */
import type { Turns } from '../../base.ts'
import { intactBatchSize, KafkaError, type Uuid } from '../../protocol.ts'
import { type Database, type Frame, frameKind, ObjectError, type ObjectStore, type PartitionRow } from '../../store.ts'
import { partitionKey } from '../journal/state-record.ts'
import { type BatchInfo, emptyBatchInfo, readBatchInfo } from '../partition/batch-info.ts'
import { type DecodedFrame, decodeFrame, type Share } from './frame.ts'
import type { SharedPartition } from './partition.ts'

export interface ReplayOptions {
  readonly database: Database
  readonly objects: ObjectStore
  readonly turns: Turns
  /** Of a session that goes on: its stream counts up to here. By default one that has not ended is refused. */
  readonly lastSeq?: number | undefined
  /** So many more bytes are in memory, in no piece. */
  replayed(bytes: number): Promise<void> | undefined
}

export interface Replayed {
  readonly partition: SharedPartition
  readonly row: PartitionRow
}

const pageBytes = 4 << 20
/** Of objects, beyond the frame that is being replayed. */
const aheadBytes = 32 << 20
/** Between two looks at the time. */
const stepBytes = 256 << 10

/** What one frame says of the partitions that are asked for. */
interface Work {
  readonly frame: Frame
  readonly decoded: DecodedFrame
  readonly shares: readonly Share[]
  /** Of its objects, by number; null while they are not asked for. */
  ranges: Map<number, Range> | null
  /** Of the ranges. */
  bytes: number
}

interface Range {
  readonly from: number
  readonly content: Promise<Buffer>
}

/**
 * Resolves when all of them are as they were when the session ended, or offline. Rejects with a retriable error if the stream has no end yet, or cannot be
 * read now.
 */
export async function replayStream(session: number, replayed: readonly Replayed[], options: ReplayOptions): Promise<void> {
  await new StreamReplay(session, replayed, options).run()
}

class StreamReplay {
  readonly #session: number
  readonly #options: ReplayOptions
  /** Those that go on, by key. */
  readonly #open = new Map<string, Replayed>()
  readonly #infos: BatchInfo[] = []

  constructor(session: number, replayed: readonly Replayed[], options: ReplayOptions) {
    this.#session = session
    this.#options = options
    for (const each of replayed) this.#open.set(partitionKey(each.partition.topicId, each.partition.partition), each)
  }

  async run(): Promise<void> {
    const { turns, lastSeq = Number.POSITIVE_INFINITY } = this.#options
    let page = this.#page(this.#first())
    while (this.#open.size > 0) {
      const { from } = page
      const frames = await page.frames
      if (frames.length === 0) {
        this.#miss(from)
        if (this.#open.size > 0) page = this.#page(this.#first())
        continue
      }
      const { kind, seq } = frames.at(-1)!
      const isEnd = kind === frameKind.fence || seq >= lastSeq
      if (!isEnd) page = this.#page(from + frames.length)
      const works: Work[] = []
      for (const frame of frames) {
        if (turns.over) await turns.next()
        const work = this.#workOf(frame)
        if (work !== null) works.push(work)
      }
      await this.#replay(works)
      if (isEnd) return
    }
  }

  /** Is read while the one before is replayed. */
  #page(from: number): { from: number; frames: Promise<Frame[]> } {
    const frames = this.#framesFrom(from)
    // Nobody asks for it if all were given away before.
    frames.catch(() => {})
    return { from, frames }
  }

  /** Of the frames that somebody needs. */
  #first(): number {
    let first = Number.POSITIVE_INFINITY
    for (const { row } of this.#open.values()) first = Math.min(first, row.fromSeq)
    return first
  }

  /** Without holes. None: that frame is missing, for the session has ended. */
  async #framesFrom(seq: number): Promise<Frame[]> {
    const { database } = this.#options
    const frames = await database.frames(this.#session, seq, pageBytes)
    if (frames.length > 0) return frames
    const session = (await database.sessions()).find(each => each.session === this.#session)
    if (session?.ended === false)
      throw new KafkaError('NOT_LEADER_OR_FOLLOWER', `Session ${this.#session} goes on: it can have more than frame ${seq - 1}`)
    // It may have ended after the first look.
    return await database.frames(this.#session, seq, pageBytes)
  }

  #miss(seq: number): void {
    for (const [key, { partition, row }] of this.#open)
      if (row.fromSeq <= seq) this.#fail(key, partition, `frame ${seq} of session ${this.#session} is missing`)
  }

  #fail(key: string, partition: SharedPartition, reason: string): void {
    partition.goOffline(reason)
    this.#open.delete(key)
  }

  #workOf(frame: Frame): Work | null {
    const isWanted = (topicId: Uuid, partition: number) => {
      const found = this.#open.get(partitionKey(topicId, partition))
      return found !== undefined && found.row.fromSeq <= frame.seq
    }
    let decoded: DecodedFrame
    try {
      decoded = decodeFrame(frame, isWanted)
    } catch (error) {
      // It may speak of any of them.
      for (const [key, { partition, row }] of this.#open) if (row.fromSeq <= frame.seq) this.#fail(key, partition, (error as Error).message)
      return null
    }
    const { shares } = decoded
    return shares.length === 0 ? null : { frame, decoded, shares, ranges: null, bytes: 0 }
  }

  async #replay(works: readonly Work[]): Promise<void> {
    const { turns } = this.#options
    let ahead = 0
    let aheadOf = 0
    for (const [at, work] of works.entries()) {
      for (; ahead < works.length && (ahead <= at || aheadOf < aheadBytes); ahead++) {
        this.#fetch(works[ahead]!)
        aheadOf += works[ahead]!.bytes
      }
      for (const share of work.shares) {
        if (turns.over) await turns.next()
        // There may be hundreds of thousands of small ones.
        const taking = this.#take(work, share)
        if (taking !== undefined) await taking
      }
      aheadOf -= work.bytes
      work.ranges = null
    }
  }

  /** One range of each object, with everything that is wanted of it. */
  #fetch(work: Work): void {
    const bounds = new Map<number, { from: number; to: number }>()
    for (const { object, position, length } of work.shares) {
      if (object === -1) continue
      const { from, to } = bounds.get(object) ?? { from: position, to: position }
      bounds.set(object, { from: Math.min(from, position), to: Math.max(to, position + length) })
    }
    work.ranges = new Map()
    for (const [object, { from, to }] of bounds) {
      const content = this.#options.objects.get(work.frame.objects[object]!, from, to - from)
      content.catch(() => {})
      work.ranges.set(object, { from, content })
      work.bytes += to - from
    }
  }

  #take(work: Work, share: Share): Promise<void> | undefined {
    const key = partitionKey(share.topicId, share.partition)
    const found = this.#open.get(key)
    if (found === undefined) return undefined
    const { partition } = found
    if (share.endOffset <= partition.logEndOffset) return this.#taken(key, partition, share)
    if (share.object !== -1 || share.length > stepBytes) return this.#takeLarge(work, share, key, partition)
    try {
      this.#checkPlace(partition, share)
      const bytes = work.decoded.inline(share)
      this.#step(partition, bytes, 0)
      this.#checkEnd(partition, share)
    } catch (error) {
      return this.#failed(key, partition, work, error)
    }
    this.#taken(key, partition, share)
    return this.#options.replayed(share.length)
  }

  async #takeLarge(work: Work, share: Share, key: string, partition: SharedPartition): Promise<void> {
    try {
      await this.#takeBatches(partition, share, await this.#bytesOf(work, share))
    } catch (error) {
      this.#failed(key, partition, work, error)
      return
    }
    this.#taken(key, partition, share)
  }

  #taken(key: string, partition: SharedPartition, { logStart, released }: Share): undefined {
    partition.replayLogStart(logStart)
    if (released) this.#open.delete(key)
  }

  #failed(key: string, partition: SharedPartition, { frame }: Work, error: unknown): undefined {
    if (!(error instanceof Fault)) throw error
    this.#fail(key, partition, `frame ${frame.seq} of session ${this.#session}: ${error.message}`)
  }

  async #bytesOf(work: Work, share: Share): Promise<Buffer> {
    const { object, position, length } = share
    if (object === -1) return work.decoded.inline(share)
    const { from, content } = work.ranges!.get(object)!
    try {
      return (await content).subarray(position - from, position - from + length)
    } catch (error) {
      if (!(error instanceof ObjectError)) throw error
      const what = `its object ${work.frame.objects[object]} cannot be read: ${error.message}`
      if (error.code === 'NoSuchKey' || error.code === 'InvalidRange') throw new Fault(what)
      throw new KafkaError('KAFKA_STORAGE_ERROR', what)
    }
  }

  /** What lies below the end of the partition is in pieces, or was in an earlier frame. */
  async #takeBatches(partition: SharedPartition, share: Share, bytes: Buffer): Promise<void> {
    const { turns, replayed } = this.#options
    this.#checkPlace(partition, share)
    for (let at = 0; at < bytes.length; ) {
      if (turns.over) await turns.next()
      const next = this.#step(partition, bytes, at)
      await replayed(next - at)
      at = next
    }
    this.#checkEnd(partition, share)
  }

  #checkPlace({ logEndOffset }: SharedPartition, { baseOffset }: Share): void {
    if (baseOffset > logEndOffset) throw new Fault(`the offsets ${logEndOffset} to ${baseOffset} are missing`)
  }

  #checkEnd({ logEndOffset }: SharedPartition, { endOffset }: Share): void {
    if (logEndOffset !== endOffset) throw new Fault(`its batches end at offset ${logEndOffset}, but should end at ${endOffset}`)
  }

  /** Some of the batches from `from` on. Answers where to go on. */
  #step(partition: SharedPartition, bytes: Buffer, from: number): number {
    let next = partition.logEndOffset
    let [at, start, count] = [from, from, 0]
    while (at < bytes.length && at - from < stepBytes) {
      const size = intactBatchSize(bytes, at)
      if (size === 0) throw new Fault(`the batch at ${at} of its ${bytes.length} bytes is damaged`)
      const info = (this.#infos[count] ??= emptyBatchInfo())
      readInfo(bytes, at, info)
      if (info.lastOffset >= next) {
        if (info.baseOffset !== next)
          throw new Fault(`a batch with the offsets ${info.baseOffset} to ${info.lastOffset} follows offset ${next}`)
        if (count === 0) start = at
        count++
        next = info.lastOffset + 1
      }
      at += size
    }
    if (count > 0) partition.replay(bytes.subarray(start, at), this.#infos.slice(0, count))
    return at
  }
}

/** Something that was durable is missing or damaged. */
class Fault extends Error {}

function readInfo(bytes: Buffer, at: number, info: BatchInfo): void {
  try {
    readBatchInfo(bytes, at, info)
  } catch (error) {
    throw new Fault((error as Error).message)
  }
}
