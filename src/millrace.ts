/**
 * Millrace inside another process: a whole broker for people's tests, or embedded for good.
 *
 *     import { startBroker } from 'millrace'
 *     await using broker = await startBroker({ memory: true })
 *     // point any Kafka client at broker.address
 */
import { memoryFileSystem, realSystem } from './base.ts'
import { type Logger, loadBrokerConfig, silentLogger, startBroker as start } from './broker.ts'

export interface MillraceOptions {
  /** Keep everything in memory; nothing is read from or written to a disk. Default false: data in `./data`. */
  memory?: boolean
  /** Where the data lies; the same as `config['log.dirs']`. */
  directory?: string
  /** 0, the default: any free port. */
  port?: number
  /** Kafka's broker keys, as in server.properties. */
  config?: Readonly<Record<string, string>>
  /** Default: silent. */
  logger?: Logger
  /** The broker can no longer promise durability. Default: the error is thrown asynchronously, which ends the process. */
  onFatal?(error: Error): void
}

export interface Millrace extends AsyncDisposable {
  /** `127.0.0.1:9092`: the bootstrap server. */
  readonly address: string
  readonly port: number
  /** By listener name, where there are several. */
  readonly ports: ReadonlyMap<string, number>
  close(): Promise<void>
}

/** Resolves when clients can connect. Throws with what is wrong with the configuration. */
export async function startBroker(options: MillraceOptions = {}): Promise<Millrace> {
  const system = realSystem(options.memory ? memoryFileSystem() : undefined)
  const set: Record<string, string> = {
    listeners: `PLAINTEXT://127.0.0.1:${options.port ?? 0}`,
    'http.listen': 'none',
    ...(options.directory === undefined ? {} : { 'log.dirs': options.directory }),
    ...options.config,
  }
  const config = loadBrokerConfig({ set })
  const running = await start({
    system,
    config,
    logger: options.logger ?? silentLogger,
    onThisMachine: !options.memory,
    onFatal: options.onFatal ?? throwLater,
  })
  const port = running.ports.values().next().value!
  return {
    address: `127.0.0.1:${port}`,
    port,
    ports: running.ports,
    close: () => running.close(),
    [Symbol.asyncDispose]: () => running.close(),
  }
}

function throwLater(error: Error): void {
  queueMicrotask(() => {
    throw error
  })
}
