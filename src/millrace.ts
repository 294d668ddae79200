/**
 * Millrace inside another process: a whole broker for people's tests, or embedded for good.
 *
 *     import { startBroker } from 'millrace'
 *     await using broker = await startBroker({ memory: true })
 *     // point any Kafka client at broker.address
 *
 * This file imports nothing statically: an old Node can load it and report what is missing, and its types need no other types.
 */
/// <reference lib="esnext.disposable" preserve="true" />

export interface MillraceOptions {
  /** Keep everything in memory; nothing is read from or written to a disk. Default false: data in `./data`. */
  memory?: boolean
  /** Where the data lies; the same as `config['log.dirs']`. */
  directory?: string
  /** 0, the default: any free port. */
  port?: number
  /**
   * Kafka's broker keys, as in server.properties. In memory a group does not wait for further members before its first assignment
   * (`group.initial.rebalance.delay.ms` is 0, not 3000), because tests would only wait. undefined and null: not set.
   */
  config?: Readonly<Record<string, string | number | boolean | null | undefined>>
  /**
   * Whether the process goes on for as long as the broker listens. Default: yes, unless the broker is in memory and on any free port:
   * then only this program can know it, and a script that forgets to close it ends all the same.
   */
  keepAlive?: boolean
  /** Default: silent. */
  logger?: MillraceLogger
  /** The broker can no longer promise durability. Default: the error is thrown asynchronously, which ends the process. */
  onFatal?(error: Error): void
}

/** pino and many others have these methods. */
export interface MillraceLogger {
  debug(details: object, message: string): void
  info(details: object, message: string): void
  warn(details: object, message: string): void
  error(details: object, message: string): void
}

export interface Millrace extends AsyncDisposable {
  /** `127.0.0.1:9092`: the bootstrap server. */
  readonly address: string
  readonly port: number
  /** By listener name, where there are several. */
  readonly ports: ReadonlyMap<string, number>
  close(): Promise<void>
}

/** Resolves when clients can connect. Throws if the configuration is invalid. */
export async function startBroker(options: MillraceOptions = {}): Promise<Millrace> {
  requireNode(22, 18)
  const { startEmbedded } = await import('./millrace/embedded.ts')
  return startEmbedded(options)
}

function requireNode(needMajor: number, needMinor: number): void {
  const [major, minor] = process.versions.node.split('.').map(Number) as [number, number]
  if (major > needMajor || (major === needMajor && minor >= needMinor)) return
  const error = new Error(`millrace needs Node.js ${needMajor}.${needMinor} or newer; this is ${process.versions.node}`)
  // A stack trace would not help.
  error.stack = error.message
  throw error
}
