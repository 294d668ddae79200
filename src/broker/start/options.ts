/** What a broker is started with, and what its parts share while they are opened. */
import type { createServer } from 'node:net'
import type { System, watchTurns } from '../../base.ts'
import type { Link, LinkOptions } from '../../channel.ts'
import type { SharedSettings } from '../../log.ts'
import type { Logger } from '../../logger.ts'
import type { Backend, Transport } from '../../store.ts'
import type { BrokerConfig } from '../config.ts'

export interface StartOptions {
  system: System
  config: BrokerConfig
  logger: Logger
  /** False when `system.files` is not this machine's disk: compaction then stays on this thread. */
  onThisMachine?: boolean
  /** If the broker is one of several processes of this machine, which share the metadata log. */
  processes?: ProcessOptions
  /** Of the cluster that the broker joins: a directory of another one is refused. If absent, a new directory begins a cluster. */
  clusterId?: string
  /** Instead of those that the keys `cluster` and `objects` name; with numbers small enough that all happens in a short run. */
  stores?: { connect(): Promise<Backend>; transport: Transport; settings?: Partial<SharedSettings> }
  /** For the passwords and credentials of these stores. Default: that of the process. */
  environment?: Readonly<Record<string, string | undefined>>
  /** Node's own, unless the network is simulated. */
  createServer?: typeof createServer
  /** Other brokers may belong to the cluster, and lead what this one does not; they do with `processes`, and with the key `cluster`. */
  clustered?: boolean
  /** The way to other brokers, likewise. */
  openLink?: (options: LinkOptions) => Promise<Link>
  /** So are the turns of the event loop. */
  watchTurns?: typeof watchTurns
  /** Lines for the page of metrics, in Prometheus' text format. */
  moreMetrics?: () => string
  /** The log can no longer guarantee durability (an fsync failed): the process must end and recover. */
  onFatal(error: Error): void
}

export interface ProcessOptions {
  metadataSocket: string
  keepsMetadata: boolean
  /** The data directories of all processes by broker id, on one volume. If absent, partitions cannot move. */
  directories?: ReadonlyMap<number, string>
}

/** What has to be closed, in the order in which it was opened. */
export type Closers = (() => Promise<void> | void | undefined)[]
