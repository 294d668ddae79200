/**
 * One task as its worker sees it: a thread with limited memory, which is asked to end, and made to if it does not. Code of strangers runs there: it may block
 * the thread, end it, or tell anything.
 */
import { setFlagsFromString } from 'node:v8'
import { Worker } from 'node:worker_threads'
import { hidesNothing, type System, settledWithin, type Timer } from '../../base.ts'
import { ClientError, type TokenLogin } from '../../client.ts'
import { nameOfTask } from '../names.ts'
import { traceOf } from './errors.ts'
import { tooManyBuffers } from './guard.ts'
import type { FromTask, LogLevel, TaskOrder, ToTask } from './messages.ts'

export interface TaskEvents {
  state(state: 'RUNNING' | 'PAUSED'): void
  /** It has ended by itself. */
  failed(trace: string, ofBrokers: boolean): void
  /** Of the group of a sink. */
  member(memberId: string): void
  topic(topic: string): void
  reconfigure(): void
  log(level: LogLevel, fields: object, message: string): void
  metrics(counters: readonly [string, number][], gauges: readonly [string, number][]): void
  /** Resolves to the answer. */
  asked(what: 'find' | 'store', text: string): Promise<string>
}

const endedMs = 500
/** For a thread to end when it is made to. One that waits for the operating system, such as for a child process, does not. */
const terminatedMs = 2_000
const lookMs = 1_000
const mostMemberId = 1_000
/** For records, which die young. `--max-semi-space-size`, which the image sets to 2, counts more: V8 then gives each thread what the process has. */
const youngMb = 48
/**
 * V8 counts what a task has fetched, which lies outside of its heap, but lets it grow only as the heap does, by less than half: a collection of all that a thread has loaded
 * followed each 9 MiB that a sink had read. With this it is each 20: 3.0 µs of processor time per record instead of 3.7, for 7 MiB more in each thread.
 */
const heapGrowthPercent = 100

export class TaskHost {
  readonly #thread: Worker
  readonly #events: TaskEvents
  readonly #system: Pick<System, 'timers'>
  readonly #graceMs: number
  readonly #gone: Promise<void>
  readonly #limits: { readonly blockedMs: number; readonly buffersMb: number }
  readonly #beats = new Int32Array(new SharedArrayBuffer(4))
  #lastBeat = 0
  #silentLooks = 0
  #looking: Timer | null = null
  #isStopping = false
  #hasTold = false
  #hasHeardOther = false

  constructor(task: Omit<TaskOrder, 'beats'>, events: TaskEvents, system: Pick<System, 'timers'>) {
    const order: TaskOrder = { ...task, beats: this.#beats }
    const { values } = order.worker
    const heap = values['task.heap.mb']
    this.#limits = { blockedMs: values['task.blocked.timeout.ms'], buffersMb: values['task.buffers.mb'] }
    this.#events = events
    this.#system = system
    this.#graceMs = values['task.shutdown.graceful.timeout.ms']
    setFlagsFromString(`--heap-growing-percent=${heapGrowthPercent}`)
    const file = import.meta.url.endsWith('.ts') ? './task-thread.ts' : './task-thread.js'
    this.#thread = new Worker(new URL(file, import.meta.url), {
      workerData: order,
      name: nameOfTask(order).slice(0, 64),
      resourceLimits: { maxOldGenerationSizeMb: heap, maxYoungGenerationSizeMb: youngMb },
    })
    this.#gone = new Promise(resolve => this.#thread.once('exit', () => resolve()))
    this.#thread.on('message', (message: unknown) => this.#hear(message))
    this.#thread.on('error', (error: unknown) => this.#failed(reasonOf(error, heap)))
    this.#thread.on('exit', code => {
      this.#looking?.cancel()
      this.#failed(`the thread of the task has ended with code ${code}, as after process.exit`)
    })
    this.#look()
  }

  pause(paused: boolean): void {
    this.#tell({ kind: paused ? 'pause' : 'resume' })
  }

  level(level: LogLevel): void {
    this.#tell({ kind: 'level', level })
  }

  /** For its next login. */
  token(token: TokenLogin): void {
    this.#tell({ kind: 'token', token })
  }

  /** Resolves when nothing of it runs any more. Whether it ended by itself: what it had was written. */
  async stop(): Promise<boolean> {
    this.#isStopping = true
    // One that still loads its code has begun nothing that it would have to end.
    const hasBegun = Atomics.load(this.#beats, 0) > 0
    this.#tell({ kind: 'stop' })
    if (hasBegun) await settledWithin(this.#system.timers, this.#graceMs, [this.#gone])
    const byItself = this.#hasTold || !hasBegun
    await settledWithin(this.#system.timers, terminatedMs, [this.#thread.terminate(), this.#gone])
    return byItself
  }

  /** By the number of looks, not by the clock: a process that was stopped for a while has not blocked its threads. */
  #look(): void {
    this.#looking = this.#system.timers.after(lookMs, () => this.#look())
    const beat = Atomics.load(this.#beats, 0)
    const isSilent = beat === this.#lastBeat && beat > 0
    this.#silentLooks = isSilent ? this.#silentLooks + 1 : 0
    this.#lastBeat = beat
    // While it runs, the thread itself sees what it has.
    if (isSilent) void this.#lookAtBuffers()
    const { blockedMs } = this.#limits
    if (this.#silentLooks * lookMs >= blockedMs)
      this.#kill(`the connector has blocked the thread of the task for ${blockedMs} ms (task.blocked.timeout.ms)`)
  }

  async #lookAtBuffers(): Promise<void> {
    const { buffersMb } = this.#limits
    try {
      const { external_memory: bytes } = await this.#thread.getHeapStatistics()
      if (bytes > buffersMb * 2 ** 20) this.#kill(tooManyBuffers(buffersMb))
    } catch {
      // It has ended.
    }
  }

  #kill(trace: string): void {
    this.#looking?.cancel()
    this.#failed(trace)
    void this.#thread.terminate()
  }

  #tell(message: ToTask): void {
    this.#thread.postMessage(message)
  }

  /** Whatever else code in the thread tells is not for the worker. */
  #hear(message: unknown): void {
    try {
      this.#take(message as FromTask)
    } catch (error) {
      if (!this.#hasHeardOther)
        this.#events.log('warn', { err: error }, 'the thread of a task tells what are no messages; they are ignored')
      this.#hasHeardOther = true
    }
  }

  #take(message: FromTask): void {
    const events = this.#events
    switch (message.kind) {
      case 'state':
        if (!this.#isStopping) events.state(message.state)
        break
      case 'member':
        events.member(String(message.memberId).slice(0, mostMemberId))
        break
      case 'topic':
        events.topic(message.topic)
        break
      case 'reconfigure':
        events.reconfigure()
        break
      case 'log':
        events.log(message.level, message.fields, message.message)
        break
      case 'metrics':
        events.metrics(message.counters, message.gauges)
        break
      case 'ask':
        void this.#answer(message.id, events.asked(message.what, message.text))
        break
      case 'failed':
        this.#end(String(message.trace), message.ofBrokers === true)
        break
      case 'ended':
        this.#end('the task has ended')
    }
  }

  async #answer(id: number, answering: Promise<string>): Promise<void> {
    try {
      this.#tell({ kind: 'answer', id, text: await answering, error: null })
    } catch (error) {
      const { message } = hidesNothing.error(error)
      this.#tell({ kind: 'answer', id, text: '', error: { message, code: error instanceof ClientError ? error.code : null } })
    }
  }

  /** What a connector has left open does not keep the thread. */
  #end(trace: string, ofBrokers = false): void {
    this.#failed(trace, ofBrokers)
    this.#system.timers.after(endedMs, () => void this.#thread.terminate())
  }

  #failed(trace: string, ofBrokers = false): void {
    if (this.#hasTold) return
    this.#hasTold = true
    if (!this.#isStopping) this.#events.failed(trace, ofBrokers)
  }
}

/** Errors of the connector are told by the thread, without secrets; what is left are those of its start, and of its heap. */
function reasonOf(error: unknown, heap: number): string {
  if ((error as NodeJS.ErrnoException | null)?.code === 'ERR_WORKER_OUT_OF_MEMORY')
    return `the task needed more than ${heap} MiB of memory (task.heap.mb)`
  return traceOf(hidesNothing.error(error))
}
