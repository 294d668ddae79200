/**
 * Log compaction: picks the dirtiest partition, has it cleaned in a worker thread (or in slices here, where files live in memory), and
 * swaps the cleaned segments in.
 *
 * Hides when a partition is due, the thread, and the checkpoint of what is clean. One partition is cleaned at a time; the event loop only
 * chooses and swaps. Nothing is lost by a crash at any point: a `.cleaned` segment is thrown away, a `.swap` one is completed.
 */
import { Worker } from 'node:worker_threads'
import type { System, Timer } from '../../base.ts'
import type { Offset } from '../../protocol.ts'
import { decodeOffsetCheckpoint, encodeOffsetCheckpoint } from '../kafka-files.ts'
import { Segment, type SegmentContext } from '../segments/segment.ts'
import { sliced } from '../sliced.ts'
import { type CleanerJob, type OnCleaned, runCleanerJob } from './cleaner-job.ts'
import { type Cleanable, type CleanablePartition, cleanable, groupSegments } from './cleaner-plan.ts'
import type { FromWorker, ToWorker } from './cleaner-worker.ts'

export interface CleanerOptions {
  system: System
  context: SegmentContext
  /** Where `cleaner-offset-checkpoint` lies. */
  directory: string
  backoffMs: number
  dedupeBufferBytes: number
  /** Kafka's log.cleaner.io.max.bytes.per.second. */
  bytesPerSecond: number
  /** False where `system.files` is not the machine's own file system: then cleaning runs on this thread. */
  useThread: boolean
  partitions(): Iterable<CleanablePartition>
  /** A partition could not be cleaned; it is left alone until the next start, as in Kafka. */
  onError(partition: CleanablePartition, error: unknown): void
}

export class Cleaner {
  readonly #options: CleanerOptions
  readonly #checkpointPath: string
  /** By `topic-partition`. */
  readonly #cleanedTo: Map<string, { topic: string; partition: number; offset: Offset }>
  readonly #uncleanable = new Set<CleanablePartition>()
  #timer: Timer | null = null
  #worker: Worker | null = null
  #running: Promise<void> | null = null
  #closed = false

  constructor(options: CleanerOptions) {
    this.#options = options
    this.#checkpointPath = `${options.directory}/cleaner-offset-checkpoint`
    this.#cleanedTo = readCheckpoint(options.system, this.#checkpointPath)
    this.#arm()
  }

  /** Cleans until no partition is due. For tests and for `close`-like moments; otherwise the timer does it. */
  async run(): Promise<void> {
    this.#running ??= this.#cleanAll().finally(() => {
      this.#running = null
    })
    await this.#running
  }

  /** Where the clean part of the partition ends; undefined when it was never cleaned. */
  cleanedTo(topic: string, partition: number): Offset | undefined {
    return this.#cleanedTo.get(`${topic}-${partition}`)?.offset
  }

  /** The partition was deleted or recreated. The checkpoint follows with its next writing. */
  forget(topic: string, partition: number): void {
    this.#cleanedTo.delete(`${topic}-${partition}`)
  }

  /** Resolves when the running job has stopped at its next group. */
  async close(): Promise<void> {
    this.#closed = true
    this.#timer?.cancel()
    await this.#running
    await this.#worker?.terminate()
  }

  #arm(): void {
    if (this.#closed) return
    this.#timer = this.#options.system.timers.after(this.#options.backoffMs, () => void this.run().finally(() => this.#arm()))
  }

  async #cleanAll(): Promise<void> {
    while (!this.#closed) {
      const dirtiest = await this.#dirtiest()
      if (dirtiest === null) return
      try {
        await this.#clean(dirtiest)
      } catch (error) {
        this.#uncleanable.add(dirtiest.partition)
        this.#options.onError(dirtiest.partition, error)
      }
    }
  }

  async #dirtiest(): Promise<Cleanable | null> {
    const { system, partitions, onError } = this.#options
    let dirtiest: Cleanable | null = null
    const visit = (partition: CleanablePartition) => {
      if (!partition.config.cleanupPolicy.compact || this.#uncleanable.has(partition)) return
      try {
        const candidate = cleanable(partition, this.cleanedTo(partition.topic, partition.partition), system.clock.history())
        if (candidate?.isDue === true && candidate.ratio > (dirtiest?.ratio ?? 0)) dirtiest = candidate
      } catch (error) {
        this.#uncleanable.add(partition)
        onError(partition, error)
      }
    }
    await new Promise<void>(resolve => {
      const stopped = () => {
        if (this.#closed) resolve()
        return this.#closed
      }
      sliced(system, [...partitions()], visit, stopped, resolve)
    })
    return dirtiest
  }

  async #clean({ partition, firstDirty, end }: Cleanable): Promise<void> {
    const { segments, config } = partition
    const { clock } = this.#options.system
    const wanted = segments.all.filter(segment => segment.baseOffset < end)
    const groups = groupSegments(wanted, config, end)
    const job: CleanerJob = {
      directory: segments.directory,
      groups: groups.map(group => group.map(segment => segment.baseOffset)),
      firstDirty,
      end,
      nowMs: clock.now(),
      history: clock.history(),
      deleteRetentionMs: config.deleteRetentionMs,
      indexIntervalBytes: config.indexIntervalBytes,
      mapBytes: this.#options.dedupeBufferBytes,
      bytesPerSecond: this.#options.bytesPerSecond,
      aborted: await segments.abortedTransactions(wanted[0]!.baseOffset, end),
      lastRecords: partition.lastRecords(),
    }
    let stopped = false
    const cleanedTo = await this.#runJob(job, async bases => {
      stopped = this.#closed || partition.closed || !(await this.#swap(partition, groups.find(group => group[0]!.baseOffset === bases[0])!))
      return stopped ? 'stop' : 'go on'
    })
    if (!stopped) await this.#checkpoint(partition, cleanedTo)
  }

  /** False when retention took segments of the group meanwhile: then what was cleaned belongs to a log that is no more. */
  async #swap(partition: CleanablePartition, group: readonly Segment[]): Promise<boolean> {
    const { context, system } = this.#options
    const first = group[0]!
    const cleaned = Segment.open(context, partition.segments.directory, first.baseOffset, system.clock.now(), '.cleaned')
    if (!group.every(segment => partition.segments.all.includes(segment))) {
      cleaned.removeFiles()
      return false
    }
    await partition.replaceSegments(group, cleaned)
    return true
  }

  #runJob(job: CleanerJob, onCleaned: OnCleaned): Promise<Offset> {
    return this.#options.useThread ? this.#runInThread(job, onCleaned) : runCleanerJob(this.#options.system, job, onCleaned)
  }

  #runInThread(job: CleanerJob, onCleaned: OnCleaned): Promise<Offset> {
    const worker = (this.#worker ??= startWorker())
    const tell = (message: ToWorker) => worker.postMessage(message)
    return new Promise<Offset>((resolve, reject) => {
      const fail = (error: unknown) => {
        this.#worker = null
        void worker.terminate()
        reject(error instanceof Error ? error : new Error(String(error)))
      }
      const onError = (error: Error) => {
        end()
        fail(error)
      }
      const onExit = (code: number) => onError(new Error(`the cleaner thread ended with code ${code}`))
      const onMessage = (message: FromWorker) => {
        if ('group' in message) {
          onCleaned(message.group).then(
            answer => tell({ answer }),
            error => onError(error),
          )
          return
        }
        end()
        if ('error' in message) reject(new Error(message.error))
        else resolve(message.cleanedTo)
      }
      // One by one: removeAllListeners would also remove Node's own, and with it the thread's next message.
      const end = () => worker.off('error', onError).off('exit', onExit).off('message', onMessage)
      worker.on('error', onError).on('exit', onExit).on('message', onMessage)
      tell({ job })
    })
  }

  async #checkpoint(partition: CleanablePartition, offset: Offset): Promise<void> {
    const { topic, partition: index } = partition
    this.#cleanedTo.set(`${topic}-${index}`, { topic, partition: index, offset })
    const content = encodeOffsetCheckpoint([...this.#cleanedTo.values()])
    await this.#options.system.files.replaceFile(this.#checkpointPath, Buffer.from(content))
  }
}

function startWorker(): Worker {
  const worker = new Worker(new URL(import.meta.url.endsWith('.ts') ? './cleaner-worker.ts' : './cleaner-worker.js', import.meta.url))
  worker.unref()
  return worker
}

/** A damaged checkpoint only costs work: everything counts as dirty then. */
function readCheckpoint(system: System, path: string): Map<string, { topic: string; partition: number; offset: Offset }> {
  const file = system.files.readFile(path)
  if (file === null) return new Map()
  try {
    return new Map(decodeOffsetCheckpoint(file.toString()).map(entry => [`${entry.topic}-${entry.partition}`, entry]))
  } catch {
    return new Map()
  }
}
