/**
 * Opens produced batches and converts fetched ones without blocking the event loop: small ones immediately, the others one at a time on a
 * worker thread, which starts with the first job and does not keep the process alive. A job that fails, even one that crashes the thread,
 * does not affect others: the next job gets a new thread. There are two threads, so that fetches and look-ups by time do not delay
 * producers.
 *
 * The queue is bounded; above the bound, jobs are rejected with REQUEST_TIMED_OUT, and clients retry.
 */
import { DecompressedTooLarge, defaultMaxDecompressedBytes, Scratch } from '../compression.ts'
import { type Conversion, convert } from './convert.ts'
import { type FoundRecord, findRecord, type Search } from './find.ts'
import * as header from './header.ts'
import { JobThread, type JobThreadOptions } from './job-thread.ts'
import { keepsCompression, needsNoOpening, type Opened, type Opening, open } from './open.ts'

export interface RecordConverter {
  /** Whether the log may take the records as they are and check them itself immediately. */
  mayStay(job: Opening): boolean
  /**
   * Small jobs return their result immediately, maybe as a view of the job's own records; otherwise the records are copied before this
   * returns. Throws or rejects with KafkaError: what is wrong with the bytes, or REQUEST_TIMED_OUT if too many jobs are waiting. `owner`:
   * whose job it is, so that an owner with many jobs does not delay others.
   */
  open(job: Opening, owner?: object): Opened | Promise<Opened>
  /** As `open`. */
  convert(job: Conversion, owner?: object): Buffer | Promise<Buffer>
  /** As `open`. */
  find(search: Search): FoundRecord | null | Promise<FoundRecord | null>
  /** Stops the threads; waiting jobs are rejected with REQUEST_TIMED_OUT. */
  close(): Promise<void>
}

export interface ConverterOptions extends JobThreadOptions {
  /** A batch that costs more than this to check ({@link workOf}) goes to the thread. */
  inlineWork?: number
  /** Jobs that compress or convert fewer bytes run at once, unless they decompress to more than 4 times that. */
  inlineBytes?: number
}

/** A record costs about as much as this many decompressed bytes. */
const recordWork = 8
/** And so does a byte of the batch: one that is only summed up; one that is looked at, where headers of two bytes may lie without end; */
const packedWork = 1 / 8
const plainWork = 1 / 2
/** one of gzip, whose tables may take that long and yield nothing, which cannot be seen from outside. */
const gzipWork = 16
const inlineRatio = 4
/** A look-up by time does so much at once. */
const findBytes = 256 << 10

/**
 * What it costs to look at produced records, in bytes that are decompressed: a megabyte takes some milliseconds. What compressed ones
 * decompress to comes on top.
 */
export function workOf(records: Buffer): number {
  if (header.magic(records, 0) < 2) return records.length
  const codec = header.compression(records, 0)
  const perByte = codec === 'none' ? plainWork : codec === 'gzip' ? gzipWork : packedWork
  return Math.ceil(records.length * perByte) + Math.max(header.recordCount(records, 0), 0) * recordWork
}

/** Nothing is started before the first large job. */
export function openRecordConverter(options: ConverterOptions = {}): RecordConverter {
  return new Converter(options)
}

class Converter implements RecordConverter {
  readonly #maxDecompressedBytes: number
  readonly #inlineWork: number
  readonly #inlineBytes: number
  readonly #scratch = new Scratch()
  readonly #forProducers: JobThread
  readonly #forReaders: JobThread

  constructor(options: ConverterOptions) {
    this.#maxDecompressedBytes = options.maxDecompressedBytes ?? defaultMaxDecompressedBytes
    this.#inlineWork = options.inlineWork ?? 1 << 20
    this.#inlineBytes = options.inlineBytes ?? 16 * 1024
    this.#forProducers = new JobThread(options)
    this.#forReaders = new JobThread(options)
  }

  mayStay(job: Opening): boolean {
    return needsNoOpening(job) && workOf(job.records) <= this.#inlineWork
  }

  open(job: Opening, owner?: object): Opened | Promise<Opened> {
    const most = this.#inlineBytesOf(job)
    if (most > 0)
      try {
        return open(job, most, this.#scratch, job.level === undefined ? this.#inlineBytes * inlineRatio : 0)
      } catch (error) {
        if (!(error instanceof DecompressedTooLarge)) throw error
      }
    return this.#openOnThread(job, owner)
  }

  /** To how many bytes the job may decompress here; 0: it goes to the thread. */
  #inlineBytesOf(job: Opening): number {
    const { records, level } = job
    const most = Math.min(this.#inlineWork - workOf(records), this.#maxDecompressedBytes)
    if (keepsCompression(job)) return Math.max(most, 0)
    return records.length < this.#inlineBytes && level === undefined ? Math.max(Math.min(most, this.#inlineBytes * inlineRatio), 0) : 0
  }

  #openOnThread(job: Opening, owner?: object): Promise<Opened> {
    return this.#forProducers.run(job, owner).then(({ records, contents }) => ({ records: bufferOf(records!), contents: contents! }))
  }

  convert(job: Conversion, owner?: object): Buffer | Promise<Buffer> {
    if (job.records.length < this.#inlineBytes) {
      const room = Math.min(this.#inlineBytes * inlineRatio, this.#maxDecompressedBytes)
      try {
        return convert(job, room)
      } catch (error) {
        if (!(error instanceof DecompressedTooLarge) || room === this.#maxDecompressedBytes) throw error
      }
    }
    return this.#forReaders.run(job, owner).then(({ records }) => bufferOf(records!))
  }

  find(search: Search): FoundRecord | null | Promise<FoundRecord | null> {
    if (workOf(search.records) < findBytes)
      try {
        return findRecord(search, findBytes, this.#scratch)
      } catch (error) {
        if (!(error instanceof DecompressedTooLarge)) throw error
      }
    return this.#forReaders.run(search).then(({ found }) => found)
  }

  async close(): Promise<void> {
    await Promise.all([this.#forProducers.close(), this.#forReaders.close()])
  }
}

function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array<ArrayBuffer>): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength)
}
