/** What sinks and sources have in common while they run: when they pause, when they end, and what they are opened with. */
import type { System } from '../../base.ts'
import type { Client } from '../../client.ts'
import type { TaskContext } from '../../connector.ts'
import type { Guard } from './guard.ts'
import type { FromTask, TaskOrder } from './messages.ts'
import type { TaskLog, TaskMetrics } from './task-log.ts'

export interface TaskRun {
  readonly order: TaskOrder
  /** With providers resolved. */
  readonly config: Readonly<Record<string, string>>
  readonly client: Client
  readonly system: System
  readonly log: TaskLog
  readonly metrics: TaskMetrics
  readonly control: Control
  readonly context: TaskContext
  /** By which all code of the connector is called. */
  readonly guard: Guard
  /** What others should know when the task ends in the middle of something, such as that it leaves its group. */
  readonly farewells: Set<() => Promise<void>>
  tell(message: FromTask): void
  /** To the worker; resolves to its answer. */
  ask(what: 'find' | 'store', text: string): Promise<string>
}

/** What the worker wants of the task. */
export class Control {
  #paused: boolean
  readonly #stop = new AbortController()
  readonly #giveUp = new AbortController()
  readonly #waiting = new Set<() => void>()

  constructor(paused: boolean) {
    this.#paused = paused
  }

  get paused(): boolean {
    return this.#paused
  }

  get stopping(): boolean {
    return this.#stop.signal.aborted
  }

  /** Aborted when the task is to end. */
  get stopSignal(): AbortSignal {
    return this.#stop.signal
  }

  /** Aborted when it has no more time for that. */
  get giveUpSignal(): AbortSignal {
    return this.#giveUp.signal
  }

  set(paused: boolean): void {
    this.#paused = paused
    this.#wake()
  }

  stop(): void {
    this.#stop.abort()
    this.#wake()
  }

  giveUp(): void {
    this.#giveUp.abort()
  }

  /** Resolves when something else is wanted, or after this time. */
  changed(timers: System['timers'], ms: number): Promise<void> {
    return new Promise(resolve => {
      const done = () => {
        timer.cancel()
        this.#waiting.delete(done)
        resolve()
      }
      const timer = timers.after(ms, done)
      this.#waiting.add(done)
    })
  }

  #wake(): void {
    for (const resume of [...this.#waiting]) resume()
  }
}
