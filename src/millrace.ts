/**
 * Millrace inside another process: a complete broker for tests, or embedded permanently.
 *
 *     import { startBroker } from 'millrace'
 *     await using broker = await startBroker({ memory: true })
 *     // point any Kafka client at broker.address
 *
 * This file has no static imports, so that an old Node can load it and report what is missing. Its types do not depend on other types.
 */
/// <reference lib="esnext.disposable" preserve="true" />

export interface MillraceOptions {
  /** Keep everything in memory, without reading or writing any files. Default: false; data is in `./data`. */
  memory?: boolean
  /** The data directory; the same as `config['log.dirs']`. */
  directory?: string
  /** Default: 0, which means any free port. */
  port?: number
  /**
   * Kafka's broker keys, as in server.properties. undefined and null mean: not set. In memory, groups do not wait for more members before
   * their first assignment (`group.initial.rebalance.delay.ms` is 0, not 3000), so that tests are fast.
   */
  config?: Readonly<Record<string, string | number | boolean | null | undefined>>
  /**
   * Whether the process keeps running as long as the broker listens. Default: true, unless the broker is in memory and on any free port:
   * then only this program knows the broker, and a script that does not close it can still exit.
   */
  keepAlive?: boolean
  /** Default: silent. */
  logger?: MillraceLogger
  /** Called when the broker can no longer guarantee durability. Default: the error is thrown asynchronously, which ends the process. */
  onFatal?(error: Error): void
}

/** The methods of pino and many other loggers. */
export interface MillraceLogger {
  debug(details: object, message: string): void
  info(details: object, message: string): void
  warn(details: object, message: string): void
  error(details: object, message: string): void
}

export interface Millrace extends AsyncDisposable {
  /** The bootstrap server, such as `127.0.0.1:9092`. */
  readonly address: string
  readonly port: number
  /** The ports by listener name, if there are several listeners. */
  readonly ports: ReadonlyMap<string, number>
  close(): Promise<void>
}

/** Starts a broker. Resolves when clients can connect; rejects if the configuration is invalid. */
export async function startBroker(options: MillraceOptions = {}): Promise<Millrace> {
  requireNode(22, 18)
  const { startEmbedded } = await import('./millrace/embedded.ts')
  return startEmbedded(options)
}

function requireNode(needMajor: number, needMinor: number): void {
  const [major, minor] = process.versions.node.split('.').map(Number) as [number, number]
  if (major > needMajor || (major === needMajor && minor >= needMinor)) return
  const error = new Error(`millrace requires Node.js ${needMajor}.${needMinor} or newer; this is ${process.versions.node}`)
  // A stack trace would not help.
  error.stack = error.message
  throw error
}
