/**
 * A {@link PieceCleaner} in a thread of its own: hashing keys and packing batches again takes longer than the event loop may be held. The thread
 * is started by the first cleaning and kept, one cleaning at a time. Buffers are copied there and back.
 */
import { Worker } from 'node:worker_threads'
import type { Offset } from '../../../protocol.ts'
import type { Cleaning, CleaningJob, Kept } from './piece-cleaner.ts'

/** One at a time; each is answered. */
export type CleanerRequest = { job: CleaningJob } | { map: Uint8Array } | { mapped: Offset } | { filter: Uint8Array } | { end: true }
export type CleanerAnswer = { value: boolean | Offset | { bytes: Uint8Array; aborted: Kept['aborted'] } } | { error: string }

interface Pending {
  resolve(answer: CleanerAnswer): void
  reject(error: Error): void
}

export class CleanerThread {
  #worker: Worker | null = null
  #pending: Pending | null = null

  async begin(job: CleaningJob): Promise<Cleaning> {
    await this.#ask({ job })
    return {
      map: async batches => (await this.#ask({ map: batches })) as boolean,
      mapped: async end => (await this.#ask({ mapped: end })) as Offset,
      filter: async batches => {
        const { bytes, aborted } = (await this.#ask({ filter: batches })) as { bytes: Uint8Array; aborted: Kept['aborted'] }
        return { bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), aborted }
      },
    }
  }

  /** The map of the last cleaning leaves memory. */
  async end(): Promise<void> {
    if (this.#worker !== null) await this.#ask({ end: true })
  }

  async close(): Promise<void> {
    const worker = this.#worker
    this.#worker = null
    this.#failed(new Error('the cleaner was closed'))
    await worker?.terminate()
  }

  async #ask(request: CleanerRequest): Promise<unknown> {
    const worker = (this.#worker ??= this.#start())
    const answer = await new Promise<CleanerAnswer>((resolve, reject) => {
      this.#pending = { resolve, reject }
      // A process that waits for it does not end.
      worker.ref()
      worker.postMessage(request)
    })
    if ('error' in answer) throw new Error(answer.error)
    return answer.value
  }

  #start(): Worker {
    const file = import.meta.url.endsWith('.ts') ? './cleaner-thread-worker.ts' : './cleaner-thread-worker.js'
    const worker = new Worker(new URL(file, import.meta.url))
    worker.on('message', (answer: CleanerAnswer) => {
      const pending = this.#pending
      this.#pending = null
      worker.unref()
      pending?.resolve(answer)
    })
    const ended = (error: Error) => {
      if (this.#worker !== worker) return
      this.#worker = null
      this.#failed(error)
    }
    worker.on('error', ended)
    worker.on('exit', code => ended(new Error(`the cleaner thread ended with code ${code}`)))
    return worker
  }

  #failed(error: Error): void {
    const pending = this.#pending
    this.#pending = null
    pending?.reject(error)
  }
}
