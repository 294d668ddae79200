/**
 * The supervisor of `millrace start` with `processes=N`: N brokers on this machine, to clients and operators one command.
 *
 * Hides how the processes are configured, started, started again and stopped, and that their logs and metrics come from several processes.
 * The first process must be ready before the others start. The supervisor itself serves no clients, only the HTTP endpoint.
 */
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type LineSink, type System, settledWithin, stayAlive, Turns } from '../base.ts'
import {
  type BrokerConfig,
  dataDirectory,
  type HttpEndpoint,
  parseHttpAddress,
  processDirectory,
  type ServicesLogin,
  startHttp,
} from '../broker.ts'
import type { Logger } from '../logger.ts'
import { BrokerProcess } from './processes/broker-process.ts'
import { configurations } from './processes/configuration.ts'
import type { LogLevel, ReadyReport } from './processes/messages.ts'
import { merge } from './processes/metrics-page.ts'
import type { Serving } from './start.ts'

export interface SupervisorOptions {
  system: System
  config: BrokerConfig
  /** How many processes. */
  count: number
  logger: Logger
  /** Where `logger` writes. */
  sink: LineSink
  level: LogLevel
  /** Whether the processes log that they start and are ready. */
  isLogged: boolean
  /** A user that the first process makes when it is ready. */
  servicesLogin: ServicesLogin | null
  /** Lines for the page of metrics: of what is beside all processes. */
  moreMetrics?: () => string
}

/** In bytes, on macOS; on Linux four more. */
const longestSocketPath = 103
/** The others follow the metadata of the first process, so it stops last; but it does not wait for long. */
const headStartMs = 1_000
/** Of one page of metrics, over all processes. */
const mostPageCharacters = 256 * 1024 * 1024
const pieceLength = 64 * 1024

export class Supervisor {
  readonly #options: SupervisorOptions
  #processes: readonly BrokerProcess[] = []
  #http: HttpEndpoint | null = null
  #closing: Promise<void> | null = null
  /** A process that is started again does not exist for a moment. */
  #awake: Disposable | null = null

  constructor(options: SupervisorOptions) {
    this.#options = options
  }

  /** Resolves when all processes serve clients; rejects if one does not start, and then all others are stopped. */
  async start(): Promise<Serving> {
    try {
      return await this.#startAll()
    } catch (error) {
      const { logger } = this.#options
      await this.close().catch(failed => logger.warn({ err: failed }, 'the start failed, and then a process did not stop cleanly'))
      throw error
    }
  }

  /** Stops all processes. Rejects if one did not stop cleanly. */
  close(): Promise<void> {
    this.#closing ??= this.#closeAll()
    return this.#closing
  }

  readonly kill = (): void => {
    for (const each of this.#processes) each.kill()
  }

  async #startAll(): Promise<Serving> {
    const { config, count, system, logger, sink, level, isLogged, servicesLogin } = this.#options
    this.#awake = stayAlive()
    const directory = dataDirectory(config)
    const metadataSocket = socketPath(directory, system)
    const firstId = config.get('node.id')
    const directories = Array.from({ length: count }, (_, index) => [firstId + index, processDirectory(directory, index)] as const)
    this.#processes = configurations(config, count).map((values, index) => {
      const order = { type: 'start', values, level, isLogged, metadataSocket, directories, servicesLogin } as const
      const brokerId = firstId + index
      // The first one keeps the metadata: while it is away itself, nobody can be fenced.
      const ended = (epoch: number) => this.#processes[0]?.away(brokerId, epoch)
      return new BrokerProcess({ system, brokerId, order, logger, sink, ended })
    })
    this.#http = await this.#openEndpoint()
    const [first, ...others] = this.#processes
    const ready = await first!.start(null)
    const all: ReadyReport[] = [ready, ...(await Promise.all(others.map(each => each.start(ready.clusterId))))]
    return {
      ports: all.map(({ ports }) => new Map(ports)),
      httpPort: this.#http?.port ?? null,
      shortage: all.map(({ shortage }) => shortage).find(shortage => shortage !== null) ?? null,
    }
  }

  async #closeAll(): Promise<void> {
    try {
      const [first, ...others] = this.#processes
      const othersEnded = others.map(each => each.stop(Promise.resolve()))
      const results = await Promise.allSettled([
        first?.stop(settledWithin(this.#options.system.timers, headStartMs, othersEnded)),
        ...othersEnded,
      ])
      const failed = results.find(({ status }) => status === 'rejected') as PromiseRejectedResult | undefined
      if (failed !== undefined) throw failed.reason
    } finally {
      await this.#http?.close()
      this.#awake?.[Symbol.dispose]()
    }
  }

  async #openEndpoint(): Promise<HttpEndpoint | null> {
    const { config, system, logger } = this.#options
    const address = parseHttpAddress(config.get('http.listen'))
    if (address === null) return null
    const http = await startHttp({ ...address, logger, timers: system.timers, turns: new Turns(system) })
    http.setReadiness(() => this.#notReady())
    http.setMetrics({
      contentType: 'text/plain; version=0.0.4; charset=utf-8',
      render: () => this.#metrics(),
      close() {},
    })
    return http
  }

  async #notReady(): Promise<string | null> {
    const reasons = await Promise.all(this.#processes.map(each => each.notReady()))
    const texts = reasons.flatMap((reason, index) => (reason === null ? [] : `broker ${this.#processes[index]!.brokerId}: ${reason}`))
    return texts.length === 0 ? null : texts.join('; ')
  }

  async *#metrics(): AsyncGenerator<string, void> {
    const room = Math.floor(mostPageCharacters / this.#options.count)
    const pages = await Promise.all(this.#processes.map(each => each.metrics(room)))
    const isUp = this.#processes.map(({ brokerId }, index): Sample => [brokerId, pages[index] === null ? 0 : 1])
    yield family('millrace_process_up', 'gauge', 'Whether the metrics of this broker process are on this page.', isUp)
    const restarts = this.#processes.map(({ brokerId, restarts }): Sample => [brokerId, restarts])
    yield family('millrace_process_restarts_total', 'counter', 'Times that this broker process was started again.', restarts)
    let text = ''
    for (const part of merge(pages.filter(page => page !== null))) {
      text += part
      if (text.length < pieceLength) continue
      yield text
      text = ''
    }
    yield text + (this.#options.moreMetrics?.() ?? '')
  }
}

/** In the data directory, which only its owner may use, unless the path is too long for a socket. */
function socketPath(directory: string, { random }: System): string {
  const path = join(directory, '.metadata.sock')
  if (Buffer.byteLength(path) <= longestSocketPath) return path
  const name = Buffer.alloc(8)
  random.fill(name)
  return join(tmpdir(), `millrace-${name.toString('hex')}.sock`)
}

type Sample = readonly [brokerId: number, value: number]

function family(name: string, type: 'gauge' | 'counter', help: string, samples: readonly Sample[]): string {
  const lines = samples.map(([brokerId, value]) => `${name}{broker="${brokerId}"} ${value}`)
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines, ''].join('\n')
}
