/**
 * Writes lines to a descriptor without ever blocking: standard error, where logs go.
 *
 * Logging must not stop the broker. A line that cannot be written immediately waits in memory, up to a limit; a line that cannot be
 * written at all (the disk of the log is full, its reader is gone) is dropped. Dropped lines are counted, and the next one that can be
 * written is preceded by their number.
 */
import fs from 'node:fs'

export interface LineSink {
  /** `line` ends with a line feed. */
  write(line: string): void
}

/** Of lines that wait for a slow reader. */
const mostWaitingBytes = 1 << 20
const againMs = 100
/** At the end of the process, how often and how long to wait for the reader. */
const lastTries = 20
const lastPauseMs = 20

/** `dropped` makes the line that says how many lines are missing. */
export function openLineSink(fd: number, dropped: (count: number) => string): LineSink {
  return new Sink(fd, dropped)
}

class Sink implements LineSink {
  readonly #fd: number
  readonly #dropped: (count: number) => string
  /** `lines`: how many it stands for. */
  #waiting: { bytes: Buffer; lines: number }[] = []
  #waitingBytes = 0
  #lost = 0
  /** The last line was written in part. */
  #isCut = false
  #timer: NodeJS.Timeout | null = null
  #flushesAtExit = false

  constructor(fd: number, dropped: (count: number) => string) {
    this.#fd = fd
    this.#dropped = dropped
  }

  write(line: string): void {
    const bytes = Buffer.from(line)
    if (this.#waitingBytes + bytes.length > mostWaitingBytes) {
      this.#lost++
      return
    }
    if (this.#lost > 0) {
      const lost = this.#lost
      // Its rest was dropped.
      const isDangling = this.#isCut && this.#waiting.length === 0
      this.#lost = 0
      this.#add(Buffer.from(`${isDangling ? '\n' : ''}${this.#dropped(lost)}`), lost)
    }
    this.#add(bytes, 1)
    if (this.#timer === null) this.#flush()
  }

  #add(bytes: Buffer, lines: number): void {
    this.#waiting.push({ bytes, lines })
    this.#waitingBytes += bytes.length
  }

  #flush(): void {
    try {
      for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
        const written = fs.writeSync(this.#fd, first.bytes)
        this.#waitingBytes -= written
        this.#isCut = written < first.bytes.length
        if (this.#isCut) first.bytes = first.bytes.subarray(written)
        else this.#waiting.shift()
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') {
        this.#flushLater()
        return
      }
      for (const { lines } of this.#waiting) this.#lost += lines
      this.#waiting = []
      this.#waitingBytes = 0
    }
  }

  #flushLastWords(): void {
    const nobody = new Int32Array(new SharedArrayBuffer(4))
    for (let tries = 0; tries < lastTries && this.#waiting.length > 0; tries++) {
      if (tries > 0) Atomics.wait(nobody, 0, 0, lastPauseMs)
      this.#flush()
    }
  }

  #flushLater(): void {
    if (!this.#flushesAtExit) process.once('exit', () => this.#flushLastWords())
    this.#flushesAtExit = true
    this.#timer = setTimeout(() => {
      this.#timer = null
      this.#flush()
    }, againMs)
    this.#timer.unref()
  }
}
