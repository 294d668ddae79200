/** What the code of a connector is given to speak with: a log that goes to the worker, and counters that it shows. However much it says, the worker hears a bounded part. */
import { type Hiding, hidesNothing, type System } from '../../base.ts'
import type { TaskContext } from '../../connector.ts'
import type { FromTask, LogLevel } from './messages.ts'

type Log = TaskContext['log']

const weight: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 }
/** Of each window. */
const mostLines = 1_000
const windowMs = 10_000
const mostLineCharacters = 8_192

export class TaskLog implements Log {
  level: LogLevel
  /** Of everything that is said. */
  hiding: Hiding = hidesNothing
  readonly #tell: (message: FromTask) => void
  readonly #clock: System['clock']
  #windowBeganMs = 0
  #lines = 0
  #leftOut = 0
  /** Of a line that is written in parts. */
  #begun = ''

  constructor(level: LogLevel, tell: (message: FromTask) => void, { clock }: Pick<System, 'clock'>) {
    this.level = level
    this.#tell = tell
    this.#clock = clock
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

  /** What code writes to stdout or stderr, which are the worker's: lines of the log. */
  wrote(text: string): void {
    const lines = (this.#begun + text).split('\n')
    this.#begun = lines.pop()!.slice(0, mostLineCharacters)
    for (const line of lines) if (line.trim() !== '') this.#say('info', {}, line)
  }

  #say(level: LogLevel, fields: object, message: string): void {
    if (weight[level] < weight[this.level]) return
    const nowMs = this.#clock.monotonic()
    if (nowMs - this.#windowBeganMs >= windowMs) {
      if (this.#leftOut > 0)
        this.#tell({ kind: 'log', level: 'warn', fields: { lines: this.#leftOut }, message: 'a task says too much; lines were left out' })
      this.#windowBeganMs = nowMs
      this.#lines = 0
      this.#leftOut = 0
    }
    if (++this.#lines > mostLines) {
      this.#leftOut++
      return
    }
    this.#tell({
      kind: 'log',
      level,
      fields: this.hiding.fields(fields ?? {}),
      message: this.hiding.text(String(message)).slice(0, mostLineCharacters),
    })
  }
}

/** Sums until they are told. */
export class TaskMetrics {
  #counters = new Map<string, number>()
  #gauges = new Map<string, number>()

  readonly count = (name: string, by = 1): void => {
    this.#counters.set(checked(name, by), (this.#counters.get(name) ?? 0) + by)
  }

  readonly gauge = (name: string, value: number): void => {
    this.#gauges.set(checked(name, value), value)
  }

  tell(tell: (message: FromTask) => void): void {
    if (this.#counters.size === 0 && this.#gauges.size === 0) return
    tell({ kind: 'metrics', counters: [...this.#counters], gauges: [...this.#gauges] })
    this.#counters = new Map()
    this.#gauges = new Map()
  }
}

/** The name. Throws TypeError. */
function checked(name: unknown, value: unknown): string {
  if (typeof name !== 'string' || typeof value !== 'number') throw new TypeError('a metric is a name and a number')
  return name
}
