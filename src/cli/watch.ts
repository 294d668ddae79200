/** Shows the same thing again and again until Ctrl-C: a terminal is drawn anew, a file gets one text after the other, or one line of JSON each. */
import { pause, type System } from '../base.ts'
import { toJson, write } from './output.ts'
import { onStopRequest } from './stop.ts'

export interface Shown {
  readonly value: unknown
  readonly text: string
}

export interface WatchOptions {
  readonly intervalMs: number
  readonly json: boolean | undefined
  /** Ends after so many; undefined: goes on. */
  readonly samples?: number | undefined
}

const home = '\x1b[H'
const clearScreen = '\x1b[2J'
const clearToEndOfLine = '\x1b[K'
const clearBelow = '\x1b[J'
const defaultRows = 24

/** Ends without an error when it is asked to stop. */
export async function watch(
  system: System,
  { intervalMs, json, samples = Number.POSITIVE_INFINITY }: WatchOptions,
  look: (isFirst: boolean, signal: AbortSignal) => Promise<Shown>,
): Promise<void> {
  const stop = new AbortController()
  const off = onStopRequest(system, () => stop.abort())
  const isLive = process.stdout.isTTY === true && json !== true
  if (isLive) await write(clearScreen)
  try {
    for (let shown = 0; ; ) {
      const beganMs = system.clock.monotonic()
      const { value, text } = await look(shown === 0, stop.signal)
      if (stop.signal.aborted) return
      await write(json === true ? `${toJson(value)}\n` : isLive ? drawn(text) : `${text}\n`)
      if (++shown >= samples) return
      await pause(system, intervalMs - (system.clock.monotonic() - beganMs), stop.signal)
      if (stop.signal.aborted) return
    }
  } finally {
    off()
  }
}

/** As many lines as there is room for. */
function drawn(text: string): string {
  const room = (process.stdout.rows ?? defaultRows) - 1
  const columns = process.stdout.columns ?? Number.POSITIVE_INFINITY
  const lines = text.trimEnd().split('\n')
  const shown = lines.length <= room ? lines : [...lines.slice(0, room - 1), `… ${lines.length - room + 1} more lines`]
  return `${home}${shown.map(line => `${line.slice(0, columns)}${clearToEndOfLine}\n`).join('')}${clearBelow}`
}
