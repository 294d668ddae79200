/**
 * Log compaction: chooses the dirtiest partition, cleans it in a worker thread (or in slices on the event loop, if files are in memory), and
 * swaps the cleaned segments in.
 *
 * Hides when a partition is due, the thread, and the checkpoint of the clean part. One partition is cleaned at a time; the event loop only
 * chooses and swaps. A crash at any point loses nothing: a `.cleaned` segment is discarded, a `.swap` segment is completed.
 */
import { Worker } from 'node:worker_threads'
import { DiskError, type System, type Timer, Turns } from '../../base.ts'
import { KafkaError, type Offset } from '../../protocol.ts'
import { decodeOffsetCheckpoint, encodeOffsetCheckpoint } from '../kafka-files.ts'
import { Segment, type SegmentContext } from '../segments/segment.ts'
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
  /** False where `system.files` is not the machine's own file system: then cleaning runs on this thread. */
  useThread: boolean
  partitions(): Iterable<CleanablePartition>
  /** A partition could not be cleaned. When the disk refused it is tried again, otherwise left alone until the next start, as in Kafka. */
  onError(partition: CleanablePartition, error: unknown): void
}

/** The job that runs. */
interface Cleaning {
  partition: CleanablePartition
  abort: AbortController
  done: Promise<void>
}

export class Cleaner {
  readonly #options: CleanerOptions
  readonly #turns: Turns
  readonly #checkpointPath: string
  /** By `topic-partition`. */
  readonly #cleanedTo: Map<string, { topic: string; partition: number; offset: Offset }>
  readonly #uncleanable = new Set<CleanablePartition>()
  /** The disk refused something the last time; that has been said. */
  readonly #refused = new Set<CleanablePartition>()
  #cleaning: Cleaning | null = null
  #checkpointIsOld = false
  #timer: Timer | null = null
  #worker: Worker | null = null
  #running: Promise<void> | null = null
  #closed = false

  constructor(options: CleanerOptions) {
    this.#options = options
    this.#turns = new Turns(options.system)
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

  /** The partition was deleted: resolves when no job uses its directory any more. The checkpoint follows with the next round. */
  async forget(partition: CleanablePartition): Promise<void> {
    if (this.#cleanedTo.delete(nameOf(partition))) this.#checkpointIsOld = true
    this.#uncleanable.delete(partition)
    this.#refused.delete(partition)
    if (this.#cleaning?.partition !== partition) return
    this.#cleaning.abort.abort()
    await this.#cleaning.done
  }

  /** Resolves when the running job has stopped. */
  async close(): Promise<void> {
    this.#closed = true
    this.#timer?.cancel()
    this.#cleaning?.abort.abort()
    await this.#running
    await this.#worker?.terminate()
  }

  #arm(): void {
    if (this.#closed) return
    this.#timer = this.#options.system.timers.after(this.#options.backoffMs, () => void this.run().finally(() => this.#arm()))
  }

  async #cleanAll(): Promise<void> {
    const failed = new Set<CleanablePartition>()
    while (!this.#closed) {
      const dirtiest = await this.#dirtiest(failed)
      if (dirtiest === null) break
      const { partition } = dirtiest
      const abort = new AbortController()
      const done = this.#clean(dirtiest, abort).then(
        () => void this.#refused.delete(partition),
        error => {
          failed.add(partition)
          if (!abort.signal.aborted) this.#failed(partition, error)
        },
      )
      this.#cleaning = { partition, abort, done }
      await done
      this.#cleaning = null
    }
    if (this.#checkpointIsOld) await this.#checkpoint()
  }

  #failed(partition: CleanablePartition, error: unknown): void {
    const refused = error instanceof DiskError || (error instanceof KafkaError && error.name === 'KAFKA_STORAGE_ERROR')
    if (!refused) this.#uncleanable.add(partition)
    else if (this.#refused.has(partition)) return
    else this.#refused.add(partition)
    this.#options.onError(partition, error)
  }

  async #dirtiest(failed: ReadonlySet<CleanablePartition>): Promise<Cleanable | null> {
    const { system, partitions } = this.#options
    let dirtiest: Cleanable | null = null
    for (const partition of [...partitions()]) {
      if (this.#turns.over) await this.#turns.next()
      if (this.#closed) return null
      if (!partition.config.cleanupPolicy.compact || this.#uncleanable.has(partition) || failed.has(partition)) continue
      try {
        const look = () => cleanable(partition, this.cleanedTo(partition.topic, partition.partition), system.clock.history())
        let found = look()
        for (; found.unproven !== null; found = look()) await found.unproven.prove()
        const { candidate } = found
        if (candidate?.isDue === true && candidate.ratio > (dirtiest?.ratio ?? 0)) dirtiest = candidate
      } catch (error) {
        this.#failed(partition, error)
      }
    }
    return dirtiest
  }

  async #clean({ partition, firstDirty, end }: Cleanable, abort: AbortController): Promise<void> {
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
      aborted: await segments.abortedTransactions(wanted[0]!.baseOffset, end),
      lastRecords: partition.lastRecords(),
    }
    let stopped = false
    const onCleaned = async (bases: Offset[]) => {
      const group = groups.find(group => group[0]!.baseOffset === bases[0])!
      stopped = abort.signal.aborted || partition.closed || !(await this.#swap(partition, group))
      return stopped ? 'stop' : 'go on'
    }
    const cleanedTo = await this.#runJob(job, onCleaned, abort.signal)
    if (stopped || partition.closed) return
    const { topic, partition: index } = partition
    this.#cleanedTo.set(nameOf(partition), { topic, partition: index, offset: cleanedTo })
    await this.#checkpoint()
  }

  /** False if retention removed segments of the group meanwhile: then the cleaned segments no longer fit the log. */
  async #swap(partition: CleanablePartition, group: readonly Segment[]): Promise<boolean> {
    const { context, system } = this.#options
    const first = group[0]!
    const cleaned = Segment.open(context, partition.segments.directory, first.baseOffset, system.clock.now(), '.cleaned')
    if (!group.every(segment => partition.segments.all.includes(segment))) {
      await cleaned.removeFiles()
      return false
    }
    try {
      await partition.replaceSegments(group, cleaned)
    } catch (error) {
      // No longer useful, and it may occupy the space that was missing. Remaining files are overwritten by the next job.
      await cleaned.removeFiles().catch(() => {})
      throw error
    }
    return true
  }

  #runJob(job: CleanerJob, onCleaned: OnCleaned, signal: AbortSignal): Promise<Offset> {
    const { useThread, system } = this.#options
    return useThread ? this.#runInThread(job, onCleaned, signal) : runCleanerJob(system, job, onCleaned, signal)
  }

  #runInThread(job: CleanerJob, onCleaned: OnCleaned, signal: AbortSignal): Promise<Offset> {
    const worker = (this.#worker ??= startWorker())
    const tell = (message: ToWorker) => worker.postMessage(message)
    return new Promise<Offset>((resolve, reject) => {
      const onError = (error: Error) => {
        end()
        this.#worker = null
        void worker.terminate()
        reject(error)
      }
      const onExit = (code: number) => onError(new Error(`the cleaner thread ended with code ${code}`))
      const onMessage = (message: FromWorker) => {
        if ('group' in message) {
          onCleaned(message.group).then(answer => tell({ answer }), onError)
          return
        }
        end()
        if ('cleanedTo' in message) resolve(message.cleanedTo)
        else if ('refused' in message) reject(new DiskError(message.refused.operation, message.refused.path, message.refused.code))
        else reject(new Error(message.error))
      }
      const onAbort = () => tell({ stop: true })
      // One by one: removeAllListeners would also remove Node's own, and with it the thread's next message.
      const end = () => {
        worker.off('error', onError).off('exit', onExit).off('message', onMessage)
        signal.removeEventListener('abort', onAbort)
      }
      worker.on('error', onError).on('exit', onExit).on('message', onMessage)
      signal.addEventListener('abort', onAbort)
      tell({ job })
      if (signal.aborted) onAbort()
    })
  }

  /** Without it some work is done twice after a restart; so it may fail. */
  async #checkpoint(): Promise<void> {
    const content = encodeOffsetCheckpoint([...this.#cleanedTo.values()])
    this.#checkpointIsOld = true
    try {
      await this.#options.system.files.replaceFile(this.#checkpointPath, Buffer.from(content))
      this.#checkpointIsOld = false
    } catch (error) {
      if (!(error instanceof DiskError)) throw error
    }
  }
}

function nameOf({ topic, partition }: CleanablePartition): string {
  return `${topic}-${partition}`
}

function startWorker(): Worker {
  const worker = new Worker(new URL(import.meta.url.endsWith('.ts') ? './cleaner-worker.ts' : './cleaner-worker.js', import.meta.url))
  worker.unref()
  return worker
}

/** If the checkpoint cannot be read, everything counts as dirty, which only costs work. */
function readCheckpoint(system: System, path: string): Map<string, { topic: string; partition: number; offset: Offset }> {
  try {
    const file = system.files.readFile(path)
    if (file === null) return new Map()
    return new Map(decodeOffsetCheckpoint(file.toString()).map(entry => [`${entry.topic}-${entry.partition}`, entry]))
  } catch {
    return new Map()
  }
}
