/** Starts, kills and restarts a broker process on one data directory and one port. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('./broker-process.ts', import.meta.url))
const readyDeadlineMs = 30_000

export class Victim {
  port = 0
  readonly #directory: string
  readonly #settings: readonly string[]
  #process: ChildProcess | null = null

  constructor(directory: string, settings: readonly string[] = []) {
    this.#directory = directory
    this.#settings = settings
  }

  get pid(): number {
    return this.#process?.pid ?? -1
  }

  /** Milliseconds from the start of the process until clients can connect. */
  async start(): Promise<number> {
    const begin = performance.now()
    const child = spawn(process.execPath, [program, this.#directory, String(this.port), ...this.#settings], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.#process = child
    const port = await Promise.race([
      once(child.stdout!, 'data').then(([data]) => Number(String(data))),
      once(child, 'exit').then(([code, signal]) =>
        Promise.reject(new Error(`the broker ended with ${code ?? signal} instead of starting`)),
      ),
      new Promise<never>((_, reject) => setTimeout(() => reject(new Error('the broker does not start')), readyDeadlineMs).unref()),
    ])
    this.port = port
    return performance.now() - begin
  }

  /** kill -9; resolves when the process is gone. */
  async kill(): Promise<void> {
    const child = this.#process
    if (child === null || child.exitCode !== null) throw new Error('the broker ended by itself')
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
    this.#process = null
  }

  signal(name: NodeJS.Signals): void {
    this.#process?.kill(name)
  }
}
