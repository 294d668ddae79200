/**
 * Levels of loggers, as Kafka Connect's API changes them while a worker runs: for a name and all names below it.
 *
 * Names are ours: `millrace.connect` with `rest`, `group`, and `task.NAME` for each connector below it. Names of Java's classes may be set as well, and
 * mean nothing here.
 */
import type { Logger } from '../logger.ts'
import type { LogLevel } from './tasks/messages.ts'

interface Level {
  readonly level: LevelName
  /** null: never changed. */
  readonly changedMs: number | null
}

const levelNames = ['OFF', 'FATAL', 'ERROR', 'WARN', 'INFO', 'DEBUG', 'TRACE', 'ALL'] as const
export type LevelName = (typeof levelNames)[number]

const weights: Readonly<Record<LevelName, number>> = { OFF: 4, FATAL: 3, ERROR: 3, WARN: 2, INFO: 1, DEBUG: 0, TRACE: 0, ALL: 0 }
const ours: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']
const root = 'root'
const mostNames = 2_000

/** null: there is no such level. */
export function levelNamed(text: string): LevelName | null {
  const name = text.toUpperCase() as LevelName
  return levelNames.includes(name) ? name : null
}

export class Levels {
  readonly #base: Logger
  readonly #now: () => number
  readonly #set = new Map<string, Level>()
  readonly #known = new Set<string>()
  readonly #watching = new Set<() => void>()

  constructor(base: Logger, now: () => number) {
    this.#base = base
    this.#now = now
    const level = levelNamed(base.level ?? 'info') ?? 'INFO'
    this.#set.set(root, { level, changedMs: null })
  }

  /** A logger of this name. */
  logger(name: string): Required<Pick<Logger, LogLevel>> {
    this.#known.add(name)
    const say = (level: LogLevel) => (fields: object, message: string) => {
      if (ours.indexOf(level) < weights[this.#of(name).level]) return
      // The process may log less than this logger does.
      const isHidden = ours.indexOf(level) < weights[this.#set.get(root)!.level]
      this.#base[isHidden ? 'info' : level]({ logger: name, ...(isHidden ? { wanted: level } : {}), ...fields }, message)
    }
    return { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') }
  }

  forget(name: string): void {
    this.#known.delete(name)
  }

  /** For the thread of a task. */
  lowest(name: string): LogLevel {
    return ours[Math.min(3, weights[this.#of(name).level])]!
  }

  /** Called when levels change. Returns what ends that. */
  watch(changed: () => void): () => void {
    this.#watching.add(changed)
    return () => void this.#watching.delete(changed)
  }

  all(): Map<string, Level> {
    const names = [...new Set([root, ...this.#known, ...this.#set.keys()])].sort()
    return new Map(names.map(name => [name, this.#of(name)]))
  }

  /** null: there is no such logger. */
  find(name: string): Level | null {
    return this.#known.has(name) || this.#set.has(name) ? this.#of(name) : null
  }

  /** Whether one more name would be too many: names are kept as long as this process. */
  isTooMany(name: string): boolean {
    return this.#set.size >= mostNames && !this.#set.has(name)
  }

  /** The names of all loggers that it changes. */
  set(name: string, level: LevelName): string[] {
    const changed = { level, changedMs: this.#now() }
    const below = [...new Set([...this.#known, ...this.#set.keys()])].filter(each => each !== name && isBelow(each, name))
    const others = [name, ...below].filter(each => this.#set.get(each)?.level !== level)
    for (const each of others) this.#set.set(each, changed)
    for (const tell of this.#watching) tell()
    return others.sort()
  }

  #of(name: string): Level {
    for (let at = name; at !== ''; at = at.slice(0, Math.max(0, at.lastIndexOf('.')))) {
      const found = this.#set.get(at)
      if (found !== undefined) return found
    }
    return this.#set.get(root)!
  }
}

function isBelow(name: string, other: string): boolean {
  return other === root || name.startsWith(`${other}.`)
}
