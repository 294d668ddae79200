/**
 * Opens produced batches and converts fetched ones where that does not hurt: small ones at once, the others one after another on a thread
 * that starts with the first and does not keep the process alive. A job that fails, even one that takes the thread down, fails alone: the
 * next job gets a new thread. There are two, so that what consumers and look-ups by time ask for holds up no producer.
 *
 * What waits is bounded; above that a job is refused with REQUEST_TIMED_OUT, which clients try again.
 */
import { Worker } from 'node:worker_threads'
import { DecompressedTooLarge, defaultMaxDecompressedBytes, Scratch } from '../compression.ts'
import { type ErrorName, KafkaError } from '../errors.ts'
import { type Conversion, convert } from './convert.ts'
import type { Job, ThreadError, ThreadJob, ThreadReply, ThreadRequest, ThreadResult } from './convert-thread.ts'
import { type FoundRecord, findRecord, type Search } from './find.ts'
import * as header from './header.ts'
import { InvalidRecords, invalid } from './invalid.ts'
import { keepsCompression, needsNoOpening, type Opened, type Opening, open } from './open.ts'

export interface RecordConverter {
  /** May the log have the records as they are, and look at them itself at once? */
  mayStay(job: Opening): boolean
  /**
   * Small jobs are answered at once, maybe with a view of the job's own records; otherwise the records are copied before this returns.
   * Throws or rejects with KafkaError: what the bytes are guilty of, or REQUEST_TIMED_OUT when too much waits already.
   */
  open(job: Opening): Opened | Promise<Opened>
  /** As `open`. */
  convert(job: Conversion): Buffer | Promise<Buffer>
  /** As `open`. */
  find(search: Search): FoundRecord | null | Promise<FoundRecord | null>
  /** Stops the threads; jobs that still wait are refused with REQUEST_TIMED_OUT. */
  close(): Promise<void>
}

export interface ConverterOptions {
  /** A batch that decompresses to more is refused. */
  maxDecompressedBytes?: number
  /** A batch that costs more than this to look at ({@link workOf}) goes to the thread. */
  inlineWork?: number
  /** Jobs that compress or convert fewer bytes run at once, unless they decompress to more than 4 times that. */
  inlineBytes?: number
  /** Sum of the waiting jobs' bytes. */
  maxWaitingBytes?: number
  /** Of the thread, without the records' bytes: some millions of records. More is a bomb, and ends the thread. */
  heapMegabytes?: number
}

/** A record costs about as much as so many bytes that are decompressed. */
const recordWork = 8
/** And so does a byte of the batch: one that is only summed up; one that is looked at, where headers of two bytes may lie without end; */
const packedWork = 1 / 8
const plainWork = 1 / 2
/** one of gzip, whose tables may take so long and yield nothing, which nobody can see from outside. */
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

  open(job: Opening): Opened | Promise<Opened> {
    const most = this.#inlineBytesOf(job)
    if (most > 0)
      try {
        return open(job, most, this.#scratch, job.level === undefined ? this.#inlineBytes * inlineRatio : 0)
      } catch (error) {
        if (!(error instanceof DecompressedTooLarge)) throw error
      }
    return this.#openOnThread(job)
  }

  /** To how many bytes the job may decompress here; 0: it goes to the thread. */
  #inlineBytesOf(job: Opening): number {
    const { records, level } = job
    const most = Math.min(this.#inlineWork - workOf(records), this.#maxDecompressedBytes)
    if (keepsCompression(job)) return Math.max(most, 0)
    return records.length < this.#inlineBytes && level === undefined ? Math.max(Math.min(most, this.#inlineBytes * inlineRatio), 0) : 0
  }

  #openOnThread(job: Opening): Promise<Opened> {
    return this.#forProducers.run(job).then(({ records, contents }) => ({ records: bufferOf(records!), contents: contents! }))
  }

  convert(job: Conversion): Buffer | Promise<Buffer> {
    if (job.records.length < this.#inlineBytes) {
      const room = Math.min(this.#inlineBytes * inlineRatio, this.#maxDecompressedBytes)
      try {
        return convert(job, room)
      } catch (error) {
        if (!(error instanceof DecompressedTooLarge) || room === this.#maxDecompressedBytes) throw error
      }
    }
    return this.#forReaders.run(job).then(({ records }) => bufferOf(records!))
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

interface Waiting {
  bytes: number
  resolve(reply: ThreadResult): void
  reject(error: Error): void
}

/** Jobs one after another on a thread of their own. */
class JobThread {
  readonly #maxDecompressedBytes: number
  readonly #maxWaitingBytes: number
  readonly #heapMegabytes: number
  readonly #waiting = new Map<number, Waiting>()
  #waitingBytes = 0
  #nextId = 0
  #thread: Worker | null = null
  #closed = false

  constructor(options: ConverterOptions) {
    this.#maxDecompressedBytes = options.maxDecompressedBytes ?? defaultMaxDecompressedBytes
    this.#maxWaitingBytes = options.maxWaitingBytes ?? 128 * 1024 * 1024
    this.#heapMegabytes = options.heapMegabytes ?? 768
  }

  /** Copies the records before it returns; throws when too much waits. */
  run(job: Job): Promise<ThreadResult> {
    const bytes = job.records.length
    // A job larger than the bound may still be the only one.
    if (this.#closed || (this.#waitingBytes > 0 && this.#waitingBytes + bytes > this.#maxWaitingBytes)) throw refusal()
    const id = this.#nextId++
    // Of its own memory, which goes to the thread.
    const records = Buffer.allocUnsafeSlow(bytes)
    job.records.copy(records)
    const request: ThreadRequest = { id, job: { ...job, records } as ThreadJob, maxBytes: this.#maxDecompressedBytes }
    return new Promise((resolve, reject) => {
      this.#thread ??= this.#start()
      this.#waiting.set(id, { bytes, resolve, reject })
      this.#waitingBytes += bytes
      this.#thread.ref()
      this.#thread.postMessage(request, [records.buffer])
    })
  }

  #start(): Worker {
    const thread = new Worker(new URL(import.meta.url.endsWith('.ts') ? './convert-thread.ts' : './convert-thread.js', import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: this.#heapMegabytes },
    })
    thread.on('message', (reply: ThreadReply) => this.#settle(thread, reply))
    // `exit` follows an error; both find an empty table when the thread had nothing to do.
    thread.on('error', error => this.#lost(thread, error instanceof Error ? error : new Error(String(error))))
    thread.on('exit', code => this.#lost(thread, new Error(`the conversion thread ended with code ${code}`)))
    return thread
  }

  #settle(thread: Worker, reply: ThreadReply): void {
    const job = this.#waiting.get(reply.id)
    if (job === undefined) return
    this.#waiting.delete(reply.id)
    this.#waitingBytes -= job.bytes
    if (this.#waiting.size === 0) thread.unref()
    if ('result' in reply) job.resolve(reply.result)
    else job.reject(revive(reply.error))
  }

  #lost(thread: Worker, error: Error): void {
    if (this.#thread !== thread) return
    this.#thread = null
    const [running, ...others] = this.#waiting.values()
    this.#waiting.clear()
    this.#waitingBytes = 0
    // The thread works in order: the first job is the one that it died of. Trying it again would end the next thread as well.
    running?.reject((error as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY' ? invalid(error.message) : error)
    for (const job of others) job.reject(refusal())
  }

  async close(): Promise<void> {
    this.#closed = true
    const thread = this.#thread
    if (thread === null) return
    this.#lost(thread, refusal())
    await thread.terminate()
  }
}

function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array<ArrayBuffer>): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength)
}

function refusal(): KafkaError {
  return new KafkaError('REQUEST_TIMED_OUT', 'Too many record batches are waiting for conversion')
}

function revive(error: ThreadError): Error {
  if (error.kafkaName === null) return new Error(error.message)
  if (error.recordErrors !== null)
    return new InvalidRecords(error.kafkaName as 'INVALID_RECORD' | 'INVALID_TIMESTAMP', error.message, error.recordErrors)
  return new KafkaError(error.kafkaName as ErrorName, error.message)
}
