/** `millrace start`: a broker in the foreground until SIGTERM or SIGINT. */
import { realSystem } from '../base.ts'
import {
  type BrokerConfig,
  ConfigProblems,
  dataDirectory,
  jsonLogger,
  loadBrokerConfig,
  type RunningBroker,
  startBroker,
} from '../broker.ts'

export interface StartFlags {
  config?: string
  set: string[]
  data?: string
}

export async function start(flags: StartFlags): Promise<void> {
  const began = performance.now()
  const system = realSystem()
  const logger = jsonLogger('info')
  let config: BrokerConfig
  try {
    config = loadBrokerConfig({ file: flags.config, files: system.files, environment: process.env, set: settings(flags) })
  } catch (error) {
    if (!(error instanceof ConfigProblems)) throw error
    for (const problem of error.problems) process.stderr.write(`millrace: ${problem}\n`)
    process.exit(2)
  }
  for (const note of config.notes) logger.warn({}, note)
  let running: RunningBroker
  try {
    running = await startBroker({
      system,
      config,
      logger,
      onFatal(error) {
        logger.error({ err: error }, 'the broker cannot keep its promises any more and stops; start it again to recover')
        process.exit(70)
      },
    })
  } catch (error) {
    process.stderr.write(`millrace: cannot start: ${(error as Error).message}\n`)
    process.exit(1)
  }
  process.stdout.write(banner(config, running, performance.now() - began))
  let closing = false
  const stop = async (signal: string) => {
    if (closing) return
    closing = true
    logger.info({ signal }, 'shutting down')
    await running.close()
    process.exit(0)
  }
  process.on('SIGTERM', () => void stop('SIGTERM'))
  process.on('SIGINT', () => void stop('SIGINT'))
}

function settings(flags: StartFlags): Record<string, string> {
  const set: Record<string, string> = {}
  for (const pair of flags.set) {
    const at = pair.indexOf('=')
    if (at <= 0) {
      process.stderr.write(`millrace: --set ${pair}: write key=value\n`)
      process.exit(2)
    }
    set[pair.slice(0, at)] = pair.slice(at + 1)
  }
  if (flags.data !== undefined) set['log.dirs'] = flags.data
  return set
}

function banner(config: BrokerConfig, running: RunningBroker, elapsedMs: number): string {
  const listeners = config.listeners.map(({ name, host }) => `${host === '' ? '0.0.0.0' : host}:${running.ports.get(name)} (${name})`)
  const address = `127.0.0.1:${running.ports.values().next().value}`
  return [
    `Millrace is ready after ${Math.round(elapsedMs)} ms.`,
    `  listens on  ${listeners.join(', ')}`,
    `  data in     ${dataDirectory(config)}`,
    ...(running.httpPort === null
      ? []
      : [`  metrics on  http://${config.get('http.listen').replace(/:\d+$/, '')}:${running.httpPort}/metrics`]),
    '',
    'Try, in another terminal:',
    `  npx millrace topic create hello --bootstrap ${address}`,
    `  echo 'first event' | npx millrace produce hello`,
    '  npx millrace consume hello --from beginning',
    '',
    '',
  ].join('\n')
}
