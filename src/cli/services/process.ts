/**
 * The services process: the program that `millrace start` runs beside the broker. It ends with the broker.
 *
 * What it loads is compiled once for all starts, because loading is most of what its start takes.
 */
import { enableCompileCache } from 'node:module'
import { realSystem } from '../../base.ts'
import type { RunningServices } from '../../services.ts'
import { processLogger } from '../process-logger.ts'
import { refuseDebugger } from '../stop.ts'
import { allPortsTaken, type ServicesOrder, type ServicesReport } from './messages.ts'

const mostStopMs = 5_000
const system = realSystem()
let running: RunningServices | null = null
let isStopping = false

// Who reads it may have ended.
process.stderr.on('error', () => {})
process.once('message', (order: ServicesOrder) => void start(order))
for (const signal of ['SIGINT', 'SIGHUP', 'SIGTERM'] as const) process.on(signal, stop)
process.on('disconnect', stop)
refuseDebugger()

async function start({ settings, level }: ServicesOrder): Promise<void> {
  const logger = processLogger({ level, afterRejection: 'go on', onRejection: () => report({ type: 'unhandled' }) })
  try {
    enableCompileCache()
    const { startServices } = await import('../../services.ts')
    running = await startServices(settings, system, logger)
    const { ports, withoutPort } = running
    if (ports.size === 0) {
      logger.error({}, 'no service could start')
      process.exit(withoutPort.length === settings.services.length ? allPortsTaken : 1)
    }
    logger.info({ pid: process.pid, ports: Object.fromEntries(ports) }, 'the services are ready')
    report({ type: 'ready', ports: [...ports] })
  } catch (error) {
    logger.error({ err: error }, 'the services cannot start')
    process.exit(1)
  }
}

function report(what: ServicesReport): void {
  process.send?.(what, () => {})
}

function stop(): void {
  if (isStopping) return
  isStopping = true
  system.timers.after(mostStopMs, () => process.exit(1))
  if (running === null) process.exit(0)
  running.close().then(
    () => process.exit(0),
    () => process.exit(1),
  )
}
