/** `millrace start`: a broker in the foreground until SIGTERM or SIGINT. */
import { realSystem, type System } from '../base.ts'
import {
  type BrokerConfig,
  ConfigProblems,
  dataDirectory,
  jsonLogger,
  type Logger,
  loadBrokerConfig,
  type RunningBroker,
  startBroker,
} from '../broker.ts'
import { defaultBootstrap } from './options.ts'
import { CommandFailed, UsageError } from './output.ts'

export interface StartFlags {
  config?: string
  set?: Record<string, string>
  data?: string
  port?: number
}

/** The broker cannot keep its promises; a supervisor should start it again (sysexits' EX_SOFTWARE). */
const fatalExitCode = 70

export async function start(flags: StartFlags): Promise<void> {
  const system = realSystem()
  const beganMs = system.clock.monotonic()
  const logger = jsonLogger('info')
  const config = configFrom(flags, system)
  for (const note of config.notes) logger.warn({}, note)
  const running = await startOrExplain(config, system, logger)
  process.stdout.write(banner(config, running, system.clock.monotonic() - beganMs))
  let closing = false
  const stop = (signal: string) => {
    // Twice Ctrl-C: somebody does not want to wait. What was acknowledged is safe.
    if (closing) process.exit(1)
    closing = true
    logger.info({ signal }, 'shutting down')
    running.close().then(
      () => process.exit(0),
      error => {
        logger.error({ err: error }, 'the shutdown failed; the next start will recover')
        process.exit(1)
      },
    )
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
}

function startOrExplain(config: BrokerConfig, system: System, logger: Logger): Promise<RunningBroker> {
  const onFatal = (error: Error) => {
    logger.error({ err: error }, 'the broker cannot keep its promises any more and stops; start it again to recover')
    process.exit(fatalExitCode)
  }
  return startBroker({ system, config, logger, onFatal }).catch((error: NodeJS.ErrnoException) => {
    throw new CommandFailed(`cannot start: ${explain(error)}`)
  })
}

export function explain(error: NodeJS.ErrnoException): string {
  if (error.code === 'EADDRINUSE') return `${error.message}: another process has this address; --port takes another one`
  if (error.code === 'EBUSY') return `${error.message}: another broker runs on this directory; --data takes another one`
  // What has neither a code nor a cause is no answer of the machine but a mistake of ours.
  return error.code === undefined && error.cause === undefined ? (error.stack ?? error.message) : error.message
}

export function configFrom(flags: StartFlags, system: System): BrokerConfig {
  const set = { ...flags.set }
  if (flags.data !== undefined) set['log.dirs'] = flags.data
  const inputs = { file: flags.config, files: system.files, environment: process.env }
  try {
    const config = loadBrokerConfig({ ...inputs, set })
    return flags.port === undefined ? config : loadBrokerConfig({ ...inputs, set: { ...set, listeners: withPort(config, flags.port) } })
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

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}

function banner(config: BrokerConfig, running: RunningBroker, elapsedMs: number): string {
  const listening = config.listeners.map(({ name, host }) => `${bracketed(host) || '(all addresses)'}:${running.ports.get(name)} (${name})`)
  const httpHost = config.get('http.listen').replace(/:\d+$/, '')
  const { port } = config.listeners[0]!
  const address = `127.0.0.1:${running.ports.get(config.listeners[0]!.name) ?? port}`
  const option = address === defaultBootstrap ? '' : ` --bootstrap ${address}`
  return [
    `Millrace is ready after ${Math.round(elapsedMs)} ms.`,
    `  listens on  ${listening.join(', ')}`,
    `  data in     ${dataDirectory(config)}`,
    ...(running.httpPort === null ? [] : [`  metrics at  http://${httpHost}:${running.httpPort}/metrics`]),
    '',
    'Now type in another terminal:',
    `  npx millrace topic create hello${option}`,
    `  echo 'first event' | npx millrace produce hello${option}`,
    `  npx millrace consume hello --from beginning${option}`,
    '',
    '',
  ].join('\n')
}
