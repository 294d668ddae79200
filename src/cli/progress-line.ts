/**
 * Progress of what may take long. The one rule for all commands: what is done within two seconds shows none; after that a terminal gets a bar that is
 * redrawn, with the time that is left, and anything else a plain line from time to time. On standard error, because the report is the output. Commands
 * that are parts of pipelines say that they want nothing but a bar.
 */
import type { System } from '../base.ts'

const quietMs = 2_000
const redrawMs = 200
const lineMs = 10_000
const barCells = 24
const defaultColumns = 80

export interface Progress {
  /** From 0 to 1; null: nobody knows how much there is to do. */
  readonly part: number | null
  readonly text: string
}

/** Where it is shown: standard error. */
export interface Screen {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

/** For a command whose output is records: a bar, if that goes elsewhere than to this terminal; otherwise nothing. */
export function barBesideOutput(system: Pick<System, 'clock'>): ProgressLine | null {
  return process.stderr.isTTY === true && process.stdout.isTTY !== true ? new ProgressLine(system) : null
}

/** For a command that is usually quick: a bar, or nothing. */
export function barOnTerminal(system: Pick<System, 'clock'>): ProgressLine | null {
  return process.stderr.isTTY === true ? new ProgressLine(system) : null
}

export class ProgressLine {
  readonly #system: Pick<System, 'clock'>
  readonly #screen: Screen
  readonly #live: boolean
  readonly #beganMs: number
  #stepBeganMs: number
  #toldMs = Number.NEGATIVE_INFINITY
  #step = ''
  /** Where the step was when it was first told, so that a continued one does not promise too much. */
  #firstPart: number | null = null
  #isDrawn = false

  constructor(system: Pick<System, 'clock'>, screen: Screen = process.stderr) {
    this.#system = system
    this.#screen = screen
    this.#live = screen.isTTY === true
    this.#beganMs = this.#stepBeganMs = system.clock.monotonic()
  }

  /** `progress` is asked for only when it is shown: soon for a new step. */
  show(step: string, progress: () => Progress): void {
    const nowMs = this.#system.clock.monotonic()
    if (step !== this.#step) {
      this.#step = step
      this.#stepBeganMs = nowMs
      this.#firstPart = progress().part
      this.#toldMs = Number.NEGATIVE_INFINITY
    }
    if (nowMs - this.#beganMs < quietMs || nowMs - this.#toldMs < (this.#live ? redrawMs : lineMs)) return
    this.#toldMs = nowMs
    const line = this.#line(progress(), nowMs)
    this.#screen.write(this.#live ? `\r\x1b[K${line.slice(0, (this.#screen.columns ?? defaultColumns) - 1)}` : `${line}\n`)
    this.#isDrawn = this.#live
  }

  /** A line that stays, above the bar. */
  say(line: string): void {
    this.end()
    this.#screen.write(`${line}\n`)
  }

  /** Takes the bar away. */
  end(): void {
    if (this.#isDrawn) this.#screen.write('\r\x1b[K')
    this.#isDrawn = false
  }

  #line({ part, text }: Progress, nowMs: number): string {
    if (part === null) return text
    const sound = Math.min(1, Math.max(0, part))
    const percent = `${Math.floor(sound * 100)} %`
    const left = this.#left(sound, nowMs)
    const filled = Math.round(sound * barCells)
    const bar = this.#live ? `[${'#'.repeat(filled)}${'.'.repeat(barCells - filled)}] ` : ''
    return `${bar}${percent.padStart(5)}  ${text}${left === null ? '' : `, ${left} left`}`
  }

  #left(part: number, nowMs: number): string | null {
    const from = this.#firstPart ?? 0
    const spentMs = nowMs - this.#stepBeganMs
    if (part >= 1 || part - from < 0.01 || spentMs < quietMs) return null
    return spell(((1 - part) / (part - from)) * spentMs)
  }
}

/** Beside work that does not say how far it is. Takes the bar away at its end. */
export async function shownWhile<T>(
  system: Pick<System, 'clock' | 'timers'>,
  step: string,
  progress: () => Progress,
  work: Promise<T>,
  screen: Screen = process.stderr,
): Promise<T> {
  const line = new ProgressLine(system, screen)
  let isOver = false
  const tick = () => {
    if (isOver) return
    line.show(step, progress)
    system.timers.after(redrawMs, tick)
  }
  tick()
  try {
    return await work
  } finally {
    isOver = true
    line.end()
  }
}

/** `0:42`, `12:05`, `3:07:00`. */
function spell(ms: number): string {
  const seconds = Math.round(ms / 1000)
  const two = (value: number) => String(value).padStart(2, '0')
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60]
  return hours === 0 ? `${minutes}:${two(seconds % 60)}` : `${hours}:${two(minutes)}:${two(seconds % 60)}`
}
