/**
 * The threads that read, decode and filter records: started when first needed, as many as are busy within a bound, ended when nobody has used them for a
 * while. A thread that dies, because a record was too much for its memory, takes its jobs with it and nothing else.
 */
import { MessageChannel, Worker } from 'node:worker_threads'
import type { System, Timer } from '../../base.ts'
import { type Client, ClientError, type FetchedBatches } from '../../client.ts'
import { HttpError } from '../../http.ts'
import { type RegistryClient, SerdeError } from '../../serde.ts'
import { Calls, type Handlers } from './calls.ts'
import type { Job, JobEvent } from './job.ts'
import { tail } from './tail.ts'
import type { JobOrder, ServedCalls } from './worker.ts'

export interface JobContext {
  readonly client: Pick<Client, 'readBatches' | 'offsets'>
  /** null: none is known. */
  readonly registry: RegistryClient | null
  readonly send: (event: JobEvent) => Promise<void>
  readonly signal: AbortSignal
}

const mostThreads = 2
const idleMs = 60_000
const heapMegabytes = 512

interface Thread {
  readonly worker: Worker
  readonly jobs: Set<(error: Error) => void>
  idle: Timer | null
}

export class SearchThreads {
  readonly #timers: System['timers']
  readonly #threads = new Set<Thread>()

  constructor({ timers }: Pick<System, 'timers'>) {
    this.#timers = timers
  }

  /** Resolves at the end of the job, or when the signal says so. */
  async run(job: Job, context: JobContext): Promise<void> {
    if (context.signal.aborted) return
    const thread = this.#free()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    thread.jobs.add(reject)
    thread.idle?.cancel()
    const { port1, port2 } = new MessageChannel()
    const stopReading = new AbortController()
    const outcome: Outcome = { resolve, reject, signal: stopReading.signal, timers: this.#timers }
    const calls = new Calls(port1, serve(job, context, outcome), resolve)
    const stop = () => resolve()
    context.signal.addEventListener('abort', stop, { once: true })
    try {
      thread.worker.postMessage({ job, port: port2 } satisfies JobOrder, [port2])
      await promise
    } finally {
      context.signal.removeEventListener('abort', stop)
      stopReading.abort()
      calls.close()
      thread.jobs.delete(reject)
      if (thread.jobs.size === 0) thread.idle = this.#timers.after(idleMs, () => void this.#end(thread))
    }
  }

  async close(): Promise<void> {
    await Promise.all(Array.from(this.#threads, thread => this.#end(thread)))
  }

  /** The one with the fewest jobs. */
  #free(): Thread {
    const all = [...this.#threads].sort((a, b) => a.jobs.size - b.jobs.size)
    const [least] = all
    return least === undefined || (least.jobs.size > 0 && all.length < mostThreads) ? this.#start() : least
  }

  #start(): Thread {
    const file = import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js'
    const worker = new Worker(new URL(file, import.meta.url), { resourceLimits: { maxOldGenerationSizeMb: heapMegabytes } })
    worker.unref()
    const thread: Thread = { worker, jobs: new Set(), idle: null }
    const ended = (error: Error) => {
      this.#threads.delete(thread)
      thread.idle?.cancel()
      for (const fail of thread.jobs) fail(error)
    }
    worker.on('error', error => {
      const tooMuch = (error as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY'
      ended(tooMuch ? new HttpError(503, 503, `The records need more than ${heapMegabytes} MB of memory`) : (error as Error))
    })
    worker.on('exit', code => ended(new Error(`the search thread ended with code ${code}`)))
    this.#threads.add(thread)
    return thread
  }

  async #end(thread: Thread): Promise<void> {
    this.#threads.delete(thread)
    thread.idle?.cancel()
    await thread.worker.terminate()
  }
}

interface Outcome {
  resolve(): void
  reject(error: unknown): void
  readonly signal: AbortSignal
  readonly timers: System['timers']
}

/** What the thread asks for. What the broker or the reader refuses ends the job. */
function serve({ topic }: Job, { client, registry, send }: JobContext, { resolve, reject, signal, timers }: Outcome): Handlers {
  let reading: AsyncGenerator<FetchedBatches, void> | null = null
  const orEnd = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      reject(error)
      throw error
    }
  }
  const served: ServedCalls = {
    open: ({ from, until }) =>
      orEnd(async () => {
        await reading?.return()
        reading = until === null ? tail({ client, topic, from, timers, signal }) : client.readBatches({ topic, from, until, signal })
      }),
    next: () =>
      orEnd(async () => {
        const { value } = await reading!.next()
        if (value === undefined) return null
        const { partition, from, batches, alone } = value
        // Their memory is given to the thread, so that large records are here only once; what shares it with others is copied.
        const given = alone ? new Uint8Array(batches.buffer, batches.byteOffset, batches.length) : new Uint8Array(batches)
        return { partition, from, batches: given }
      }),
    async schema(wanted) {
      if (registry === null) return { refused: 'no schema registry is known' }
      try {
        return { schema: await ('id' in wanted ? registry.byId(wanted.id) : registry.byGuid(wanted.guid)) }
      } catch (error) {
        if (error instanceof SerdeError || error instanceof ClientError) return { refused: error.message }
        throw error
      }
    },
    send: event => orEnd(() => send(event)),
    async end(how) {
      if (how === null) resolve()
      else if ('error' in how) reject(new Error(how.error))
      else reject('wrong' in how ? new HttpError(400, 400, how.wrong) : new ClientError('CORRUPT_MESSAGE', how.damage))
    },
  }
  return served as unknown as Handlers
}
