/**
 * Where a broker keeps its data, and how it belongs to a cluster: in a directory of this machine (`local-home.ts`), or in the database and the
 * object store that all brokers of its cluster share (`shared-home.ts`).
 */
import type { System } from '../../base.ts'
import type { ClusterMetadata } from '../../coordinator.ts'
import type { Log } from '../../log.ts'
import type { RecordConverter } from '../../protocol.ts'
import type { Broker, ClusterParts } from '../dispatch/context.ts'
import type { Mover } from '../moves/mover.ts'
import type { Peering } from '../peers.ts'
import type { Identity } from './data-directory.ts'

export interface Home {
  /** The machine, with a clock whose history makes ages correct even if it jumps. */
  readonly system: System
  /** Where the data is, for people. */
  readonly location: string
  /** Opens log and metadata, which close with the other parts. Called once. */
  open(converter: RecordConverter): Promise<Opened>
  /** Before the broker listens. */
  join(broker: Broker): Promise<void>
  /** Clients can connect now. */
  listening(broker: Broker): Promise<void>
  /** Why the broker does not serve clients as it should; null: it does, as far as its home is concerned. */
  notReady(): string | null
  /** How partitions get from this broker to others; null: they cannot. Called once, after {@link open}. */
  mover(peers: Peering | null): Mover | null
  /** The broker stops, and still serves clients: gives away what others can lead, until `signal` aborts because they stop, too. */
  leave(broker: Broker, signal: AbortSignal): Promise<void>
}

export interface Opened {
  readonly identity: Identity
  readonly log: Log
  readonly metadata: ClusterMetadata
  readonly cluster: ClusterParts | null
}
