/**
 * The services process as the broker's process sees it: started when the broker serves clients, started again when it ends, stopped with it. Whatever
 * happens to it never touches the broker.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { System, Timer } from '../../base.ts'
import type { Logger } from '../../logger.ts'
import type { ServiceName } from '../../services.ts'
import type { ServicesCounts } from './counts.ts'
import { allPortsTaken, type ServicesOrder, type ServicesReport } from './messages.ts'

const pausesMs = [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000] as const
/** After so long without an end, the next pause is the shortest again. */
const steadyMs = 120_000
const mostStopMs = 6_000
const program = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './process.ts' : './process.js', import.meta.url))
const nodeFlags = ['--max-semi-space-size=8', ...process.execArgv.filter(flag => !/^--(?:inspect|max-semi-space-size)/.test(flag))]

export interface BesideOptions {
  readonly system: Pick<System, 'clock' | 'timers'>
  readonly order: ServicesOrder
  readonly logger: Logger
  /** Counted on. */
  readonly counts: ServicesCounts
}

export class ServicesProcess {
  readonly #options: BesideOptions
  #child: ChildProcess | null = null
  #begunMs = 0
  #endsInARow = 0
  #restart: Timer | null = null
  #isStopping = false

  constructor(options: BesideOptions) {
    this.#options = options
  }

  /** Resolves when it has opened what it can, or has ended before. Does not reject. */
  start(): Promise<ReadonlyMap<ServiceName, number>> {
    return new Promise(resolve => this.#launch(ports => resolve(new Map(ports))))
  }

  async close(): Promise<void> {
    this.#isStopping = true
    this.#restart?.cancel()
    const child = this.#child
    if (child === null) return
    const ended = new Promise(resolve => child.once('exit', resolve))
    const late = this.#options.system.timers.after(mostStopMs, () => void child.kill('SIGKILL'))
    child.kill('SIGTERM')
    await ended
    late.cancel()
  }

  readonly kill = (): void => {
    this.#isStopping = true
    this.#restart?.cancel()
    this.#child?.kill('SIGKILL')
  }

  #launch(ready: (ports: readonly (readonly [ServiceName, number])[]) => void): void {
    const { order, system, counts } = this.#options
    this.#begunMs = system.clock.monotonic()
    const child = fork(program, [], { execArgv: nodeFlags, serialization: 'advanced', stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    this.#child = child
    child.on('error', () => {})
    child.on('message', (report: ServicesReport) => {
      if (report.type === 'ready') ready(report.ports)
      else counts.unhandled++
    })
    child.once('exit', (code, signal) => {
      ready([])
      this.#child = null
      if (code !== allPortsTaken) this.#again(signal ?? `exit code ${code}`)
    })
    // A broker that has nothing else to do may end.
    child.channel?.unref()
    child.send(order, () => {})
  }

  #again(how: string): void {
    if (this.#isStopping) return
    const { system, logger, counts } = this.#options
    counts.restarts++
    if (system.clock.monotonic() - this.#begunMs >= steadyMs) this.#endsInARow = 0
    const pauseMs = pausesMs[Math.min(this.#endsInARow++, pausesMs.length - 1)]!
    logger.warn({ how, pauseMs }, 'the services process has ended and is started again')
    this.#restart = system.timers.after(pauseMs, () => this.#launch(() => {}))
  }
}
