/**
 * One broker process as the supervisor sees it: starts it, starts it again when it ends, asks for its health and metrics, and stops it.
 *
 * The first restart is immediate; if the process keeps ending, the pauses grow to five seconds. A process that has never served clients is
 * not started again when its broker refuses to start or crashes: then the whole start fails, as that of a single broker.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { LineSink, System, Timer } from '../../base.ts'
import type { Logger } from '../../logger.ts'
import { CommandFailed, UsageError } from '../output.ts'
import { forwardLines } from './forward-lines.ts'
import { type Answer, type FailedReport, mostStopMs, type Order, type ReadyReport, type Report, type StartOrder } from './messages.ts'
import { LabelledPage } from './metrics-page.ts'

const pausesMs = [0, 250, 500, 1_000, 2_000, 4_000, 5_000] as const
/** After so long without an end, the next restart is immediate again. */
const steadyMs = 30_000
const healthMs = 1_000
/** Prometheus waits ten seconds for a page. */
const metricsMs = 5_000

/** As `npm start` runs a single broker (ADR 0007). */
const nodeFlags = ['--max-semi-space-size=2', ...process.execArgv.filter(flag => !flag.startsWith('--inspect'))]
const program = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './process.ts' : './process.js', import.meta.url))

export interface BrokerProcessOptions {
  system: Pick<System, 'clock' | 'timers'>
  brokerId: number
  order: Omit<StartOrder, 'clusterId'>
  logger: Logger
  sink: LineSink
  /** A broker that had registered with that epoch has ended, and is started again. */
  ended(epoch: number): void
}

export class BrokerProcess {
  readonly brokerId: number
  /** How often it was started again. */
  restarts = 0
  readonly #options: BrokerProcessOptions
  #child: ChildProcess | null = null
  /** When the child became ready; null before. */
  #readySinceMs: number | null = null
  /** Of the child's registration; null before. */
  #epoch: number | null = null
  #endsInARow = 0
  #restart: Timer | null = null
  #isStopping = false
  /** Its broker did not start, and it is not started again. */
  #isGivenUp = false
  #clusterId: string | null = null
  /** Of the first start; null when it has ended. */
  #firstStart: { resolve: (ready: ReadyReport) => void; reject: (error: Error) => void } | null = null
  readonly #waiting = new Map<number, (answer: Answer | null) => void>()
  #lastId = 0

  constructor(options: BrokerProcessOptions) {
    this.brokerId = options.brokerId
    this.#options = options
  }

  /** Resolves when it serves clients for the first time; rejects if its broker does not start. `clusterId`: null for the first process. */
  start(clusterId: string | null): Promise<ReadyReport> {
    this.#clusterId = clusterId
    return new Promise((resolve, reject) => {
      this.#firstStart = { resolve, reject }
      if (!this.#isStopping) this.#launch()
    })
  }

  /** To the first process: broker `brokerId` has ended. */
  away(brokerId: number, epoch: number): void {
    this.#tell({ type: 'away', brokerId, epoch })
  }

  /** Why it does not serve clients; null if it does. */
  async notReady(): Promise<string | null> {
    if (this.#isStopping) return 'it is stopping'
    if (this.#restart !== null) return 'it has ended and is started again'
    if (this.#readySinceMs === null) return 'it is starting'
    return new Promise(resolve =>
      this.#ask('health', healthMs, answer => resolve(answer?.type === 'health' ? answer.notReady : 'it does not answer')),
    )
  }

  /** Its metrics; null if it is away, or does not answer in time, or has more than `room` characters of them. */
  metrics(room: number): Promise<LabelledPage | null> {
    if (this.#isStopping || this.#readySinceMs === null) return Promise.resolve(null)
    const page = new LabelledPage(this.brokerId, room)
    return new Promise(resolve =>
      this.#ask('metrics', metricsMs, (answer, again) => {
        if (answer?.type !== 'metrics') resolve(null)
        else if (answer.text === null) resolve(page)
        else if (page.add(answer.text)) again()
        else resolve(null)
      }),
    )
  }

  /** Begins when `after` has settled. Resolves when it has ended; rejects if it did not stop cleanly. */
  async stop(after: Promise<unknown>): Promise<void> {
    this.#isStopping = true
    this.#restart?.cancel()
    this.#tell({ type: 'all-stop' })
    await after
    const child = this.#child
    if (child === null) return
    const late = this.#options.system.timers.after(mostStopMs, () => void child.kill('SIGKILL'))
    const ended = new Promise(resolve => child.once('close', resolve))
    child.kill('SIGTERM')
    await ended
    late.cancel()
    if (this.#isGivenUp) return
    // A signal ends it when it has not begun yet.
    if (child.exitCode !== 0 && child.signalCode !== 'SIGTERM')
      throw new Error(`broker ${this.brokerId} ended with ${child.signalCode ?? `exit code ${child.exitCode}`}`)
  }

  kill(): void {
    this.#isStopping = true
    this.#restart?.cancel()
    this.#child?.kill('SIGKILL')
  }

  #launch(): void {
    this.#restart = null
    let child: ChildProcess
    try {
      child = fork(program, [String(this.brokerId)], {
        execArgv: nodeFlags,
        serialization: 'advanced',
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      })
    } catch (error) {
      this.#ended((error as Error).message, null)
      return
    }
    this.#child = child
    const ended = (how: string, code: number | null) => {
      if (this.#child === child) this.#ended(how, code)
    }
    for (const stream of [child.stdout, child.stderr]) if (stream) forwardLines(stream, this.brokerId, this.#options.sink)
    child.on('message', (report: Report) => this.#heard(report))
    // After all that it said and wrote has been read.
    child.once('close', (code, signal) => ended(signal ?? `exit code ${code}`, code))
    child.on('error', error => {
      if (child.pid === undefined) ended(error.message, null)
    })
    this.#tell({ ...this.#options.order, clusterId: this.#clusterId })
  }

  #tell(order: Order): void {
    // Without a callback, an error would be thrown; if it cannot be told, it has ended or is about to.
    if (this.#child?.connected === true) this.#child.send(order, () => {})
  }

  /** Calls back with each answer, until `again` is not called; with null if there is none in time. */
  #ask(type: Answer['type'], deadlineMs: number, take: (answer: Answer | null, again: () => void) => void): void {
    const id = ++this.#lastId
    const timer = this.#options.system.timers.after(deadlineMs, () => hear(null))
    const hear = (answer: Answer | null) => {
      let goesOn = false
      take(answer, () => {
        goesOn = true
      })
      if (goesOn) return
      timer.cancel()
      this.#waiting.delete(id)
    }
    this.#waiting.set(id, hear)
    this.#tell({ type, id })
  }

  #heard(report: Report): void {
    switch (report.type) {
      case 'ready':
        this.#readySinceMs = this.#options.system.clock.monotonic()
        this.#epoch = report.epoch
        this.#firstStart?.resolve(report)
        this.#firstStart = null
        return
      case 'failed':
        this.#failed(report)
        return
      default:
        this.#waiting.get(report.id)?.(report)
    }
  }

  #failed({ message, isUsage }: FailedReport): void {
    if (this.#firstStart === null) {
      this.#options.logger.error({ broker: this.brokerId, reason: message }, 'a broker process does not start')
      return
    }
    this.#giveUp(isUsage ? new UsageError(message) : new CommandFailed(message))
  }

  #giveUp(error: Error): void {
    this.#isGivenUp = true
    this.#firstStart?.reject(error)
    this.#firstStart = null
  }

  /** `code`: null if a signal ended it, or it could not be started. */
  #ended(how: string, code: number | null): void {
    const { system, logger } = this.#options
    const { clock, timers } = system
    const servedMs = this.#readySinceMs === null ? 0 : clock.monotonic() - this.#readySinceMs
    this.#child = null
    this.#readySinceMs = null
    for (const hear of [...this.#waiting.values()]) hear(null)
    if (this.#isStopping || this.#isGivenUp) return
    if (this.#firstStart !== null && code !== null && code !== 0) {
      this.#giveUp(new CommandFailed(`broker ${this.brokerId} ended with ${how} before it was ready`))
      return
    }
    if (this.#epoch !== null) this.#options.ended(this.#epoch)
    this.#epoch = null
    if (servedMs >= steadyMs) this.#endsInARow = 0
    const pauseMs = pausesMs[Math.min(this.#endsInARow++, pausesMs.length - 1)]!
    logger.warn({ broker: this.brokerId, how, pauseMs }, 'a broker process has ended and is started again')
    this.restarts++
    this.#restart = timers.after(pauseMs, () => this.#launch())
  }
}
