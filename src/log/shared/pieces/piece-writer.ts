/**
 * Puts pieces into objects: small ones together, in the order of their partitions, so that few requests write many partitions, and neighbours lie
 * together.
 */
import type { Turns } from '../../../base.ts'
import { KafkaError, type Offset } from '../../../protocol.ts'
import { ObjectError, type ObjectStore, type SegmentRow } from '../../../store.ts'
import { AbortedEntries, type AbortedTransaction } from '../../segments/aborted-entries.ts'
import type { SharedSettings } from '../settings.ts'
import { topicIdOf } from '../topic-id.ts'
import { type Piece, PieceFault, type PieceRange } from './piece.ts'
import { abortedAtOnce, PieceIndexWriter, readPieceIndex } from './piece-index.ts'

export interface PieceWriterOptions {
  objects: ObjectStore
  settings: SharedSettings
  nameObject(): string
  report(what: string, error: unknown): void
}

/** What is known of a piece behind its last batch. */
export interface PieceEnding {
  /** Those whose markers are in its batches. */
  readonly aborted: AbortedEntries
  readonly lastStableOffset: Offset
}

/** A larger piece gets an object of its own. */
const sharedPieceBytes = 8 << 20
/** Still one PUT. */
const objectBytes = 16 << 20
const objectsAtOnce = 4
const smallBytes = 32 << 10
const gatheredBytes = 512 << 10

export class PieceWriter {
  readonly #options: PieceWriterOptions
  readonly #turns: Turns

  constructor(options: PieceWriterOptions, turns: Turns) {
    this.#options = options
    this.#turns = turns
  }

  async write(pieces: readonly Piece[]): Promise<SegmentRow[]> {
    const rows = new Map<Piece, SegmentRow>()
    const names: string[] = []
    const left = objectsOf(pieces)
    let failure: unknown = null
    const work = async () => {
      for (let group = left.shift(); group !== undefined && failure === null; group = left.shift()) {
        const name = this.#options.nameObject()
        names.push(name)
        await this.#writeObject(name, group, rows)
      }
    }
    const failed = (error: unknown) => {
      failure ??= error
    }
    await Promise.all(Array.from({ length: objectsAtOnce }, () => work().catch(failed)))
    if (failure === null) return pieces.map(piece => rows.get(piece)!)
    this.#discard(names)
    throw writeError(failure)
  }

  async writeStream(
    range: PieceRange,
    batches: AsyncIterable<Buffer>,
    ending: () => PieceEnding,
    nameObject = this.#options.nameObject,
  ): Promise<SegmentRow> {
    const name = nameObject()
    const index = new PieceIndexWriter(range)
    const rows: SegmentRow[] = []
    const turns = this.#turns
    const finish = (end: PieceEnding) => this.#finish(index, range, end, name, 0)
    const content = async function* () {
      for await (const each of batches) {
        for (let at = 0; at < each.length; at = index.add(each, at)) if (turns.over) await turns.next()
        yield each
      }
      const finished = await finish(ending())
      rows.push(finished.row)
      yield finished.bytes
    }
    try {
      await this.#options.objects.upload(name, content())
    } catch (error) {
      this.#discard([name])
      throw writeError(error)
    }
    return rows[0]!
  }

  async #writeObject(name: string, pieces: readonly Piece[], rows: Map<Piece, SegmentRow>): Promise<void> {
    const content = new Content()
    let position = 0
    for (const piece of pieces) {
      try {
        const row = await this.#addPiece(piece, content, name, position)
        rows.set(piece, row)
        position += row.bytes + row.indexBytes
      } catch (error) {
        throw new PieceFault(piece, error)
      }
    }
    await this.#options.objects.put(name, content.finish())
  }

  async #addPiece(piece: Piece, content: Content, name: string, position: number): Promise<SegmentRow> {
    const index = new PieceIndexWriter(piece)
    for (const each of piece.batches) {
      for (let at = 0; at < each.length; at = index.add(each, at)) if (this.#turns.over) await this.#turns.next()
      content.add(each)
    }
    const ending = { aborted: await this.#entriesOf(piece), lastStableOffset: piece.lastStableOffset }
    const { row, bytes } = await this.#finish(index, piece, ending, name, position)
    content.add(bytes)
    return row
  }

  async #entriesOf({ aborted, baseOffset }: Piece): Promise<AbortedEntries> {
    const entries = new AbortedEntries(baseOffset)
    for (const each of inOrder(aborted)) {
      if (entries.count % abortedAtOnce === 0 && this.#turns.over) await this.#turns.next()
      entries.append(each)
    }
    return entries
  }

  /** An index that could not be read would make the piece unreadable: so it is read before it is written. */
  async #finish(index: PieceIndexWriter, range: PieceRange, ending: PieceEnding, name: string, position: number) {
    const bytes = index.finish(ending.aborted, ending.lastStableOffset)
    const row = rowOf(range, name, position, index, bytes.length)
    await readPieceIndex(bytes, row, this.#options.settings.blockBytes, this.#turns)
    return { bytes, row }
  }

  /** No row will name them. Those that this misses go with all others of the session, when that has ended. */
  #discard(names: readonly string[]): void {
    const { objects, report } = this.#options
    objects.delete(names).catch(error => report('removing objects of pieces that were not written', error))
  }
}

/** The buffers of an object: small ones are copied together, because each costs a write of its own, large ones stay where they are. */
class Content {
  readonly #buffers: Buffer[] = []
  #small: Buffer[] = []
  #smallBytes = 0

  add(buffer: Buffer): void {
    if (buffer.length >= smallBytes) {
      this.#gather()
      this.#buffers.push(buffer)
      return
    }
    this.#small.push(buffer)
    this.#smallBytes += buffer.length
    if (this.#smallBytes >= gatheredBytes) this.#gather()
  }

  finish(): Buffer[] {
    this.#gather()
    return this.#buffers
  }

  #gather(): void {
    if (this.#small.length === 0) return
    this.#buffers.push(Buffer.concat(this.#small, this.#smallBytes))
    this.#small = []
    this.#smallBytes = 0
  }
}

/** Which pieces share an object. */
function objectsOf(pieces: readonly Piece[]): Piece[][] {
  const objects: Piece[][] = []
  let shared: Piece[] | null = null
  let room = 0
  for (const piece of pieces.toSorted(byPlace)) {
    let bytes = 0
    for (const each of piece.batches) bytes += each.length
    if (bytes > sharedPieceBytes) objects.push([piece])
    else if (shared !== null && bytes <= room) {
      shared.push(piece)
      room -= bytes
    } else {
      shared = [piece]
      objects.push(shared)
      room = objectBytes - bytes
    }
  }
  return objects
}

function inOrder(aborted: readonly AbortedTransaction[]): readonly AbortedTransaction[] {
  const isInOrder = aborted.every((each, nth) => nth === 0 || each.lastOffset > aborted[nth - 1]!.lastOffset)
  return isInOrder ? aborted : aborted.toSorted((a, b) => a.lastOffset - b.lastOffset)
}

function byPlace(a: Piece, b: Piece): number {
  if (a.topicId !== b.topicId) return a.topicId < b.topicId ? -1 : 1
  return a.partition - b.partition || a.baseOffset - b.baseOffset
}

function rowOf(range: PieceRange, object: string, position: number, index: PieceIndexWriter, indexBytes: number): SegmentRow {
  const { topicId, partition, baseOffset, endOffset } = range
  return {
    topicId: topicIdOf(topicId),
    partition,
    baseOffset,
    endOffset,
    object,
    position,
    bytes: index.bytes,
    indexBytes,
    // The index has it exactly.
    maxTimestamp: Math.min(Number(index.maxTimestamp), Number.MAX_SAFE_INTEGER),
  }
}

function writeError(error: unknown): unknown {
  if (!(error instanceof ObjectError)) return error
  return new KafkaError('KAFKA_STORAGE_ERROR', `The object store refused a piece: ${error.code}: ${error.message}`)
}
