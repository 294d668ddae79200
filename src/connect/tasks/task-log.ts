/** What the code of a connector is given to speak with: a log that goes to the worker, and counters that it shows. */
import { type Hiding, hidesNothing } from '../../base.ts'
import type { TaskContext } from '../../connector.ts'
import type { FromTask, LogLevel } from './messages.ts'

type Log = TaskContext['log']

const weight: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 }

export class TaskLog implements Log {
  level: LogLevel
  /** Of everything that is said. */
  hiding: Hiding = hidesNothing
  readonly #tell: (message: FromTask) => void

  constructor(level: LogLevel, tell: (message: FromTask) => void) {
    this.level = level
    this.#tell = tell
  }

  debug(fields: object, message: string): void {
    this.#say('debug', fields, message)
  }

  info(fields: object, message: string): void {
    this.#say('info', fields, message)
  }

  warn(fields: object, message: string): void {
    this.#say('warn', fields, message)
  }

  error(fields: object, message: string): void {
    this.#say('error', fields, message)
  }

  #say(level: LogLevel, fields: object, message: string): void {
    if (weight[level] < weight[this.level]) return
    this.#tell({ kind: 'log', level, fields: this.hiding.fields(fields), message: this.hiding.text(message) })
  }
}

/** Sums until they are told. */
export class TaskMetrics {
  #counters = new Map<string, number>()
  #gauges = new Map<string, number>()

  readonly count = (name: string, by = 1): void => {
    this.#counters.set(name, (this.#counters.get(name) ?? 0) + by)
  }

  readonly gauge = (name: string, value: number): void => {
    this.#gauges.set(name, value)
  }

  tell(tell: (message: FromTask) => void): void {
    if (this.#counters.size === 0 && this.#gauges.size === 0) return
    tell({ kind: 'metrics', counters: [...this.#counters], gauges: [...this.#gauges] })
    this.#counters = new Map()
    this.#gauges = new Map()
  }
}
