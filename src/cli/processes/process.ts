/**
 * One of several broker processes on this machine: the program that the supervisor (`../processes.ts`) starts. It ends when the supervisor asks
 * it to, and also when the supervisor has ended.
 */
import { setFlagsFromString } from 'node:v8'
import { realSystem } from '../../base.ts'
import { BrokerConfig, type Exposition, exposition, type RunningBroker } from '../../broker.ts'
import { type Logger, silentLogger } from '../../logger.ts'
import { UsageError } from '../output.ts'
import { processLogger } from '../process-logger.ts'
import { announce, logStart, makeUser, startOrExplain } from '../start.ts'
import { refuseDebugger } from '../stop.ts'
import { type AwayOrder, mostStopMs, type Order, type Question, type Report, type StartOrder } from './messages.ts'

const newsMs = 100

// As in `millrace start`.
setFlagsFromString('--no-parallel-scavenge')
const system = realSystem()
let logger: Logger = silentLogger
let running: RunningBroker | null = null
let metrics: Exposition | null = null
let isStopping = false
/** The other processes stop, too. */
const allStop = new AbortController()
/** The page that the supervisor waits for; it has given up the ones before. */
let wantedPage = 0

// The supervisor, which reads it, may have ended.
process.stderr.on('error', () => {})
process.on('message', (order: Order) => {
  if (order.type === 'start') void start(order)
  else if (order.type === 'away') void fence(order)
  else if (order.type === 'health') void tell({ type: 'health', id: order.id, notReady: notReady() })
  else if (order.type === 'all-stop') allStop.abort()
  else void sendMetrics(order)
})
process.on('disconnect', () => {
  allStop.abort()
  stop('the supervisor has ended')
})
// At a terminal, Ctrl-C reaches all processes, and then the supervisor forwards it: the first one counts.
for (const signal of ['SIGINT', 'SIGHUP'] as const)
  process.on(signal, () => {
    allStop.abort()
    stop(signal)
  })
process.on('SIGTERM', () => stop('SIGTERM'))
refuseDebugger()

async function start({ values, level, isLogged, clusterId, metadataSocket, directories, servicesLogin }: StartOrder): Promise<void> {
  // It may have ended before this program could notice.
  if (!process.connected) process.exit(0)
  const beganMs = system.clock.monotonic()
  logger = processLogger({ level, afterRejection: 'end' })
  try {
    const config = new BrokerConfig(new Map(values))
    if (isLogged) logStart(config, logger)
    const processes = { metadataSocket, keepsMetadata: clusterId === null, directories: new Map(directories) }
    const started = await startOrExplain({ system, config, logger, processes, ...(clusterId === null ? {} : { clusterId }) })
    running = started
    metrics = exposition(started.broker)
    if (servicesLogin !== null && clusterId === null) await makeUser(started.broker, servicesLogin, logger)
    const { ports, broker } = started
    const { shortage } = broker.log.space
    if (isLogged) announce(config, { ports: [ports], httpPort: null, shortage }, logger, system.clock.monotonic() - beganMs)
    const epoch = broker.metadata.broker(broker.self.id)!.epoch
    await tell({ type: 'ready', ports: [...ports], clusterId: broker.self.clusterId, epoch, shortage })
  } catch (error) {
    const isUsage = error instanceof UsageError
    await tell({ type: 'failed', message: (error as Error).message, isUsage })
    process.exit(isUsage ? 2 : 1)
  }
}

/** Clients are not sent there until it has registered again. */
async function fence({ brokerId, epoch }: AwayOrder): Promise<void> {
  try {
    await running?.broker.metadata.fenceBroker(brokerId, true, epoch)
  } catch (error) {
    logger.warn({ broker: brokerId, err: error }, 'cannot fence a broker that has ended; clients go on trying to reach it')
  }
}

function stop(reason: string): void {
  if (isStopping) return
  isStopping = true
  logger.info({ reason }, 'shutting down')
  // A start can be interrupted at any point; the next one recovers.
  if (running === null) process.exit(0)
  const stopped = running
  system.timers.after(mostStopMs, () => process.exit(1))
  aloneOrNot()
    .then(() => stopped.close(allStop.signal))
    .then(
      () => process.exit(0),
      error => {
        logger.error({ err: error }, 'the shutdown failed; the next start will recover')
        process.exit(1)
      },
    )
}

/** Resolves when the supervisor has had the time to say that all stop: a service manager sends its signal to all processes at once. */
function aloneOrNot(): Promise<void> {
  return new Promise(resolve => {
    if (allStop.signal.aborted) return resolve()
    allStop.signal.addEventListener('abort', () => resolve(), { once: true })
    system.timers.after(newsMs, resolve)
  })
}

function notReady(): string | null {
  if (isStopping) return 'it is stopping'
  return running === null ? 'it is starting' : running.broker.log.space.shortage
}

async function sendMetrics({ id }: Question): Promise<void> {
  wantedPage = id
  try {
    for await (const text of metrics?.render() ?? []) {
      if (wantedPage !== id || isStopping) return
      await tell({ type: 'metrics', id, text })
    }
    await tell({ type: 'metrics', id, text: null })
  } catch (error) {
    // The supervisor shows that this page is missing.
    logger.error({ err: error }, 'a page of metrics failed')
  }
}

/** Resolves when it is on its way, so that not all pieces of a page wait in memory; also if nobody listens any more. */
function tell(report: Report): Promise<void> {
  return new Promise(resolve => {
    process.send?.(report, () => resolve())
  })
}
