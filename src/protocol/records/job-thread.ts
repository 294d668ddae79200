/**
 * Runs jobs on a worker thread, one at a time: the jobs of one owner in order, the owners in turn, so that an owner with very many jobs
 * delays only its own. The thread starts with the first job and does not keep the process alive.
 *
 * A job that fails, even one that crashes the thread, does not affect others: the next job gets a new thread.
 */
import { Worker } from 'node:worker_threads'
import { defaultMaxDecompressedBytes } from '../compression.ts'
import { type ErrorName, KafkaError } from '../errors.ts'
import type { Job, ThreadError, ThreadJob, ThreadReply, ThreadRequest, ThreadResult } from './convert-thread.ts'
import { InvalidRecords, invalid } from './invalid.ts'

export interface JobThreadOptions {
  /** A batch that decompresses to more is rejected. */
  maxDecompressedBytes?: number
  /** Sum of the waiting jobs' bytes. */
  maxWaitingBytes?: number
  /** Memory of the thread, without the records' bytes: enough for a few million records. A decompression bomb exceeds it and ends the thread. */
  heapMegabytes?: number
}

interface Waiting {
  request: ThreadRequest
  bytes: number
  resolve(reply: ThreadResult): void
  reject(error: Error): void
}

/** An owner with waiting jobs may fill this share of the space; the rest is for owners without any. */
const shareOfOne = 0.75
/** The running job and one more, so that the thread need not wait for the next one. */
const mostPosted = 2
const nobody = {}

export class JobThread {
  readonly #maxDecompressedBytes: number
  readonly #maxWaitingBytes: number
  readonly #heapMegabytes: number
  /** The owner whose turn it is comes first. */
  readonly #lanes = new Map<object, Waiting[]>()
  /** The jobs that the thread has, by request id. */
  readonly #posted = new Map<number, Waiting>()
  #waitingBytes = 0
  #nextId = 0
  #thread: Worker | null = null
  #closed = false

  constructor(options: JobThreadOptions) {
    this.#maxDecompressedBytes = options.maxDecompressedBytes ?? defaultMaxDecompressedBytes
    this.#maxWaitingBytes = options.maxWaitingBytes ?? 128 * 1024 * 1024
    this.#heapMegabytes = options.heapMegabytes ?? 768
  }

  /** Copies the records before it returns; throws if too many jobs are waiting. */
  run(job: Job, owner: object = nobody): Promise<ThreadResult> {
    const bytes = job.records.length
    const lane = this.#lanes.get(owner)
    const room = lane === undefined ? this.#maxWaitingBytes : this.#maxWaitingBytes * shareOfOne
    // A job larger than the bound may still be the only one.
    if (this.#closed || (this.#waitingBytes > 0 && this.#waitingBytes + bytes > room)) throw refusal()
    // With separate memory, which is transferred to the thread.
    const records = Buffer.allocUnsafeSlow(bytes)
    job.records.copy(records)
    const request: ThreadRequest = { id: this.#nextId++, job: { ...job, records } as ThreadJob, maxBytes: this.#maxDecompressedBytes }
    return new Promise((resolve, reject) => {
      const waiting = { request, bytes, resolve, reject }
      if (lane === undefined) this.#lanes.set(owner, [waiting])
      else lane.push(waiting)
      this.#waitingBytes += bytes
      this.#post()
    })
  }

  #post(): void {
    for (const [owner, lane] of this.#lanes) {
      if (this.#posted.size === mostPosted) return
      const next = lane.shift()!
      this.#lanes.delete(owner)
      if (lane.length > 0) this.#lanes.set(owner, lane)
      this.#thread ??= this.#start()
      this.#thread.ref()
      this.#posted.set(next.request.id, next)
      this.#thread.postMessage(next.request, [next.request.job.records.buffer])
    }
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
    const job = this.#posted.get(reply.id)
    if (job === undefined) return
    this.#posted.delete(reply.id)
    this.#waitingBytes -= job.bytes
    if ('result' in reply) job.resolve(reply.result)
    else job.reject(revive(reply.error))
    this.#post()
    if (this.#posted.size === 0) thread.unref()
  }

  #lost(thread: Worker, error: Error): void {
    if (this.#thread !== thread) return
    this.#thread = null
    const [running, ...others] = this.#posted.values()
    this.#posted.clear()
    if (this.#closed) {
      for (const lane of this.#lanes.values()) others.push(...lane)
      this.#lanes.clear()
    }
    for (const { bytes } of running === undefined ? others : [running, ...others]) this.#waitingBytes -= bytes
    // The thread works in order: the first job is the one that ended it. A retry would end the next thread as well.
    running?.reject((error as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY' ? invalid(error.message) : error)
    for (const job of others) job.reject(refusal())
    this.#post()
  }

  async close(): Promise<void> {
    this.#closed = true
    const thread = this.#thread
    if (thread === null) return
    this.#lost(thread, refusal())
    await thread.terminate()
  }
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
