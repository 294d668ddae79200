/** One task as its worker sees it: a thread with a limited heap, which is asked to end, and made to if it does not. */
import { Worker } from 'node:worker_threads'
import { type System, settledWithin } from '../../base.ts'
import type { TokenLogin } from '../../client.ts'
import { nameOfTask } from '../names.ts'
import type { FromTask, LogLevel, TaskOrder, ToTask } from './messages.ts'

export interface TaskEvents {
  state(state: 'RUNNING' | 'PAUSED'): void
  /** It has ended by itself. */
  failed(trace: string): void
  topic(topic: string): void
  reconfigure(): void
  log(level: LogLevel, fields: object, message: string): void
  metrics(counters: readonly [string, number][], gauges: readonly [string, number][]): void
  /** Resolves to the answer. */
  asked(what: 'find' | 'store', text: string): Promise<string>
}

const endedMs = 500
/** For records, which die young: with more, a task is no faster (6.9 µs per record with 6, 5.9 with 48 and with Node's own), and takes 60 MiB more. */
const youngMb = 48

export class TaskHost {
  readonly #thread: Worker
  readonly #events: TaskEvents
  readonly #system: Pick<System, 'timers'>
  readonly #graceMs: number
  readonly #gone: Promise<void>
  #isStopping = false
  #hasTold = false

  constructor(order: TaskOrder, events: TaskEvents, system: Pick<System, 'timers'>) {
    const { 'task.heap.mb': heap, 'task.shutdown.graceful.timeout.ms': graceMs } = order.worker.values
    this.#events = events
    this.#system = system
    this.#graceMs = graceMs
    const file = import.meta.url.endsWith('.ts') ? './task-thread.ts' : './task-thread.js'
    this.#thread = new Worker(new URL(file, import.meta.url), {
      workerData: order,
      name: nameOfTask(order).slice(0, 64),
      resourceLimits: { maxOldGenerationSizeMb: heap, maxYoungGenerationSizeMb: youngMb },
    })
    this.#gone = new Promise(resolve => this.#thread.once('exit', () => resolve()))
    this.#thread.on('message', (message: FromTask) => this.#take(message))
    this.#thread.on('error', error => this.#failed(reasonOf(error, heap)))
    this.#thread.on('exit', code => this.#failed(`the thread of the task has ended with code ${code}`))
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
    this.#tell({ kind: 'stop' })
    await settledWithin(this.#system.timers, this.#graceMs, [this.#gone])
    const byItself = this.#hasTold
    await this.#thread.terminate()
    await this.#gone
    return byItself
  }

  #tell(message: ToTask): void {
    this.#thread.postMessage(message)
  }

  #take(message: FromTask): void {
    const events = this.#events
    switch (message.kind) {
      case 'state':
        if (!this.#isStopping) events.state(message.state)
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
        this.#end(message.trace)
        break
      case 'ended':
        this.#end('the task has ended')
    }
  }

  async #answer(id: number, answering: Promise<string>): Promise<void> {
    try {
      this.#tell({ kind: 'answer', id, text: await answering, error: null })
    } catch (error) {
      this.#tell({ kind: 'answer', id, text: '', error: error instanceof Error ? error.message : String(error) })
    }
  }

  /** What a connector has left open does not keep the thread. */
  #end(trace: string): void {
    this.#failed(trace)
    this.#system.timers.after(endedMs, () => void this.#thread.terminate())
  }

  #failed(trace: string): void {
    if (this.#hasTold) return
    this.#hasTold = true
    if (!this.#isStopping) this.#events.failed(trace)
  }
}

function reasonOf(error: unknown, heap: number): string {
  if ((error as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY')
    return `the task needed more than ${heap} MiB of memory (task.heap.mb)`
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
