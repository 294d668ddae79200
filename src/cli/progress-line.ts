/** A progress line that is redrawn on a terminal; elsewhere a new line from time to time. On standard error, because the report is the output. */
import type { System } from '../base.ts'

const redrawMs = 200
const lineMs = 10_000

export class ProgressLine {
  readonly #system: System
  readonly #live = process.stderr.isTTY
  #toldMs = Number.NEGATIVE_INFINITY
  #step = ''

  constructor(system: System) {
    this.#system = system
  }

  /** `text` is asked for only when it is shown: soon for a new step. */
  show(step: string, text: () => string): void {
    const nowMs = this.#system.clock.monotonic()
    if (step === this.#step && nowMs - this.#toldMs < (this.#live ? redrawMs : lineMs)) return
    this.#step = step
    this.#toldMs = nowMs
    process.stderr.write(this.#live ? `\r\x1b[K${text()}` : `${text()}\n`)
  }

  end(): void {
    if (this.#live && this.#step !== '') process.stderr.write('\n')
  }
}
