/**
 * The open files of one partition: a generation. Its files hold all records from one offset to another and are completed together, so that an offset is
 * either in complete files or is read again. Where a generation ends depends on its records only (their number, size, times and schemas), or is noted before,
 * therefore what was cut off in the middle is written again under the same names.
 */
import type { Schema, SinkRecord } from '../../connector.ts'
import type { Encoder } from '../formats/encoder.ts'
import type { Finished, OpenFile, Piece, Storage } from './storage.ts'

export interface OpenPiece<F extends OpenFile> {
  readonly piece: Piece
  readonly encoder: Encoder
  readonly file: F
  /** Of its first record; null: inferred, or none. */
  readonly schema: Schema | null
  last: bigint
}

export class Generation<F extends OpenFile> {
  readonly topic: string
  readonly partition: number
  /** The offset behind the last record that was taken; null: none yet. */
  next: bigint | null = null
  /** By directory. */
  readonly pieces = new Map<string, OpenPiece<F>>()
  /** Offset of the first record; meaningless while there is none. */
  first = 0n
  count = 0
  size = 0
  /** Time of its first record, and the directory of the newest. */
  firstTime: number | null = null
  directory: string | null = null
  /** It has ended, and its files are being completed. */
  isEnding = false
  /** When the schedule completes it next, by the wall clock. */
  scheduledMs = Number.POSITIVE_INFINITY
  /** Its end is known to whoever writes it again. */
  isNoted = false
  /** Where this and earlier runs ended generations, in order. */
  #ends: readonly bigint[] = []
  /** Of those, the first that may still be ahead. */
  #ahead = 0

  /** On the monotonic clock. */
  readonly openedMs: number

  constructor(topic: string, partition: number, openedMs: number) {
    this.topic = topic
    this.partition = partition
    this.openedMs = openedMs
  }

  /** From where to read if everything that is not complete were lost. */
  get safe(): bigint | null {
    return this.count > 0 ? this.first : this.next
  }

  get ends(): readonly bigint[] {
    return this.#ends
  }

  set ends(ends: readonly bigint[]) {
    this.#ends = ends
    this.#ahead = 0
  }

  /** Where an earlier run ended the generation that is being written again; null: it did not. */
  get knownEnd(): bigint | null {
    while (this.#ahead < this.#ends.length && this.#ends[this.#ahead]! < this.first) this.#ahead++
    return this.#ends[this.#ahead] ?? null
  }

  /** Of earlier runs, as far as they were not reached. */
  forgetEnds(): void {
    this.ends = this.#ends.filter(end => this.next !== null && end < this.next)
  }

  get held(): number {
    let held = 0
    for (const { encoder, file } of this.pieces.values()) held += encoder.pending + file.held
    return held
  }

  took(record: SinkRecord, size: number): void {
    if (this.count === 0) this.first = record.original.offset
    this.count++
    this.size += size
  }

  /** Completes all files. May be called again after a RetriableError, and goes on then. */
  async end(storage: Storage<F>): Promise<void> {
    this.isEnding = true
    const finished: Finished<F>[] = []
    for (const { encoder, file, piece, last } of this.pieces.values()) {
      if (!encoder.ended) await file.write(await encoder.end())
      finished.push({ file, piece, last })
    }
    if (finished.length > 0) await storage.publish(finished)
    this.#reset()
  }

  async discard(storage: Storage<F>): Promise<void> {
    const files = Array.from(this.pieces.values(), ({ file }) => file)
    for (const { encoder } of this.pieces.values()) encoder.close()
    this.#reset()
    if (files.length > 0) await storage.discard(files)
  }

  #reset(): void {
    this.pieces.clear()
    this.count = 0
    this.size = 0
    this.firstTime = null
    this.directory = null
    this.isEnding = false
    this.isNoted = false
  }
}
