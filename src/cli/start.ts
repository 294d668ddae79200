/** `millrace start`: runs a broker in the foreground until it is asked to stop, or, with `processes=N`, a supervisor of N brokers. */
import { resolve } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { DiskError, realSystem, type System } from '../base.ts'
import {
  type BrokerConfig,
  CannotListen,
  ConfigProblems,
  dataDirectory,
  loadBrokerConfig,
  makeServicesUser,
  processCount,
  type RunningBroker,
  type ServicesLogin,
  type StartOptions,
  startBroker,
} from '../broker.ts'
import { type Logger, openLogSink } from '../logger.ts'
import { defaultBootstrap } from './options.ts'
import { bracketed, CommandFailed, UsageError } from './output.ts'
import { fatalExitCode, processLogger } from './process-logger.ts'
import { diskMessage } from './report.ts'
import { beforeNextSignal, followLauncher, onStopRequest } from './stop.ts'
import { packageVersion } from './version.ts'

export interface StartFlags {
  config?: string
  set?: Record<string, string>
  data?: string
  port?: number
  cluster?: string
  objects?: string
  processes?: string
  http?: string
  logLevel?: 'debug' | 'info' | 'warn' | 'error'
}

export async function start(flags: StartFlags): Promise<void> {
  // The young generation is so small that dividing its collection among threads costs more than the collection itself (ADR 0007).
  setFlagsFromString('--no-parallel-scavenge')
  const system = realSystem()
  followLauncher(system)
  const beganMs = system.clock.monotonic()
  const level = flags.logLevel ?? 'info'
  const sink = openLogSink()
  const logger = processLogger({ level, sink, afterRejection: 'end' })
  let running: Stoppable | null = null
  let services: Stoppable | null = null
  onStopRequest(system, reason => {
    logger.info({ reason }, 'shutting down')
    // A start can be interrupted at any point; the next one recovers.
    if (running === null) process.exit(0)
    for (const each of [services, running]) if (each?.kill !== undefined) beforeNextSignal(system, each.kill)
    closeInOrder([services, running]).then(
      () => process.exit(0),
      error => {
        logger.error({ err: error }, 'the shutdown failed; the next start will recover')
        process.exit(1)
      },
    )
  })
  const config = configFrom(flags, system)
  for (const note of config.notes) logger.warn({}, note)
  // V8 counts batches, which lie outside of its heap, but lets them grow only as the heap does: without this, collections of the whole heap take
  // most of the processor time of cold reads, and much of that of large appends (ADR 0012).
  if (config.get('cluster') !== null) setFlagsFromString('--heap-growing-percent=200')
  const plan = config.get('services').length === 0 ? null : (await import('./services/plan.ts')).planIfWanted(config, system, logger)
  const servicesLogin = plan?.login ?? null
  const moreMetrics = plan === null ? {} : { moreMetrics: plan.metrics }
  const count = processCount(config)
  if (count > 1) {
    const { Supervisor } = await import('./processes.ts')
    const supervisor = new Supervisor({ system, config, count, logger, sink, level, isLogged: isLogged(), servicesLogin, ...moreMetrics })
    running = supervisor
    const serving = await supervisor.start().catch(error => {
      throw explained(error)
    })
    announce(config, serving, logger, system.clock.monotonic() - beganMs)
    services = (await plan?.start(serving.ports[0]!, serving.httpPort, { system, logger, level })) ?? null
    return
  }
  if (isLogged()) logStart(config, logger)
  const { ports, httpPort, broker } = (running = await startOrExplain({ config, system, logger, ...moreMetrics }))
  announce(config, { ports: [ports], httpPort, shortage: broker.log.space.shortage }, logger, system.clock.monotonic() - beganMs)
  if (servicesLogin !== null) await makeUser(broker, servicesLogin, logger)
  services = (await plan?.start(ports, httpPort, { system, logger, level })) ?? null
}

/** Whatever becomes of it, the broker goes on. */
export async function makeUser(broker: RunningBroker['broker'], login: ServicesLogin, logger: Logger): Promise<void> {
  await makeServicesUser(broker, login).catch((error: unknown) =>
    logger.warn({ user: login.user, err: error }, 'cannot make the user of the services; what they do by themselves fails'),
  )
}

/** The services first: the broker is still there for what they have under way, and for their leaving of groups. */
async function closeInOrder(parts: readonly (Stoppable | null)[]): Promise<void> {
  for (const each of parts) await each?.close()
}

export interface Stoppable {
  close(): Promise<void>
  /** Ends the processes that it has at once. */
  readonly kill?: () => void
}

export function logStart(config: BrokerConfig, logger: Logger): void {
  const version = packageVersion()
  const node = config.get('cluster') === null || config.hasNodeId ? { nodeId: config.get('node.id') } : {}
  // The URL of an object store was not checked yet: somebody may have written credentials into it.
  const place = config.get('objects') === null ? { data: placeOf(config) } : {}
  logger.info({ version, ...node, ...place }, 'the broker is starting')
}

/** Throws UsageError or CommandFailed. */
export function startOrExplain(options: Omit<StartOptions, 'onFatal'>): Promise<RunningBroker> {
  const { logger } = options
  const onFatal = (error: Error) => {
    logger.error({ err: error }, 'the broker cannot guarantee durability any more and stops; restart it to recover')
    process.exit(fatalExitCode)
  }
  return startBroker({ ...options, onFatal }).catch(error => {
    throw explained(error)
  })
}

function explained(error: NodeJS.ErrnoException): Error {
  if (error instanceof UsageError || error instanceof CommandFailed) return error
  // From TLS and SASL, whose files and users are read last.
  if (error.name === 'InvalidConfig') return new UsageError(error.message)
  return new CommandFailed(`cannot start: ${explain(error)}`)
}

export function explain(error: NodeJS.ErrnoException): string {
  if (error instanceof CannotListen) {
    // Another port would not help where the address is wrong.
    if (!['EADDRINUSE', 'EACCES'].includes((error.cause as NodeJS.ErrnoException).code ?? '')) return error.message
    return `${error.message}; ${error.key === 'listeners' ? '--port chooses another port' : '--http host:port chooses another address, --http none disables it'}`
  }
  if (error.code === 'EBUSY') return `${error.message}; stop it, or choose another directory with --data`
  if (error instanceof DiskError) return diskMessage(error)
  if (error.name === 'DatabaseRefused') return `the database: ${error.message}`
  if (error.name === 'WrongObjectStore') return error.message
  // An error with neither a code nor a cause does not come from the machine: it is a bug.
  return error.code === undefined && error.cause === undefined ? (error.stack ?? error.message) : error.message
}

export function configFrom(flags: StartFlags, system: System): BrokerConfig {
  const set = { ...flags.set }
  if (flags.data !== undefined) set['log.dirs'] = flags.data
  if (flags.cluster !== undefined) set['cluster'] = flags.cluster
  if (flags.objects !== undefined) set['objects'] = flags.objects
  if (flags.processes !== undefined) set['processes'] = flags.processes
  if (flags.http !== undefined) set['http.listen'] = flags.http
  const inputs = { file: flags.config, files: system.files, environment: process.env }
  try {
    if (flags.port === undefined) return loadBrokerConfig({ ...inputs, set })
    // The HTTP endpoint may have the port that the listener would have.
    const otherwise = loadBrokerConfig({ ...inputs, set: { ...set, 'http.listen': 'none' } })
    return loadBrokerConfig({ ...inputs, set: { ...set, listeners: withPort(otherwise, flags.port) } })
  } catch (error) {
    if (error instanceof ConfigProblems) throw new UsageError(error.problems.join('\nmillrace: '))
    throw error
  }
}

function withPort({ listeners }: BrokerConfig, port: number): string {
  const [listener] = listeners
  if (listener === undefined || listeners.length > 1) {
    throw new UsageError(`--port: the configuration has ${listeners.length} listeners; use --set listeners=… instead`)
  }
  const { name, host } = listener
  return `${name}://${bracketed(host)}:${port}`
}

function placeOf(config: BrokerConfig): string {
  return config.get('objects') ?? resolve(dataDirectory(config))
}

/** Otherwise it goes to a terminal, where the banner says the same. */
function isLogged(): boolean {
  return !process.stdout.isTTY || !process.stderr.isTTY
}

/** What serves clients now. */
export interface Serving {
  /** Of each process, by listener name. */
  readonly ports: readonly ReadonlyMap<string, number>[]
  readonly httpPort: number | null
  /** Why the disk takes no records; null if it does. */
  readonly shortage: string | null
}

/** A banner for terminals, a log line for log files. */
export function announce(config: BrokerConfig, { ports, httpPort, shortage }: Serving, logger: Logger, elapsedMs: number): void {
  const listening = ports.flatMap(each =>
    config.listeners
      .filter(({ name }) => each.has(name))
      .map(({ name, host }) => `${bracketed(host) || '(all addresses)'}:${each.get(name)} (${name})`),
  )
  const httpHost = config.get('http.listen').replace(/:\d+$/, '')
  const metrics = httpPort === null ? null : `http://${httpHost}:${httpPort}/metrics`
  const data = placeOf(config)
  const ms = Math.round(elapsedMs)
  const ready = ports.length === 1 ? 'the broker is ready' : 'all broker processes are ready'
  const state = shortage === null ? ready : 'the broker runs, but cannot take records: its disk is full'
  if (isLogged()) logger.info({ listening, data, metrics, ms }, state)
  if (!process.stdout.isTTY) return
  const address = `127.0.0.1:${ports[0]!.get(config.listeners[0]!.name)}`
  const option = address === defaultBootstrap ? '' : ` --bootstrap ${address}`
  const lines = [
    shortage === null ? `Millrace is ready after ${ms} ms.` : `Millrace runs after ${ms} ms, but cannot take records. ${shortage}.`,
    `  listens on  ${listening.join(', ')}`,
    `  data in     ${data}`,
    ...(metrics === null ? [] : [`  metrics at  ${metrics}`]),
    '',
    'Try it in another terminal:',
    `  npx millrace topic create hello${option}`,
    `  echo 'first event' | npx millrace produce hello${option}`,
    `  npx millrace consume hello --from beginning${option}`,
    '',
    '',
  ]
  process.stdout.write(lines.join('\n'))
}
