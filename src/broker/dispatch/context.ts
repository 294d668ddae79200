/** The parts of the broker that handlers may use: one value per running broker, built by `start.ts`. */
import type { System, Turns } from '../../base.ts'
import type {
  ClusterMetadata,
  GroupCoordinator,
  ShareConfig,
  ShareCoordinator,
  ShareStates,
  TransactionCoordinator,
} from '../../coordinator.ts'
import type { Collector, Log, SharedLog } from '../../log.ts'
import type { Logger } from '../../logger.ts'
import type { RecordConverter, Uuid } from '../../protocol.ts'
import type { Database, ObjectStore } from '../../store.ts'
import type { Member } from '../cluster.ts'
import type { BrokerConfig } from '../config.ts'
import type { FrameMemory } from '../connections/frame-memory.ts'
import type { ResponseMemory } from '../connections/response-memory.ts'
import type { BrokerMetrics } from '../metrics.ts'
import type { Moves } from '../moves.ts'
import type { Peering } from '../peers.ts'
import type { Quotas } from '../quotas.ts'
import type { Security } from '../security.ts'
import type { Seldom } from '../seldom.ts'
import type { FetchSessions } from '../sessions/fetch-sessions.ts'
import type { ParkedFetches } from '../sessions/parked-fetches.ts'
import type { ShareSessions } from '../sessions/share-sessions.ts'
import type { SharePartitions } from '../share/share-partitions.ts'
import type { Stalls } from '../stalls.ts'
import type { Telemetry } from '../telemetry.ts'
import type { LargeRequests } from './large-requests.ts'

export interface Broker {
  readonly system: System
  /** For work that may take long. */
  readonly turns: Turns
  readonly largeRequests: LargeRequests
  readonly config: BrokerConfig
  readonly log: Log
  /** The data directory, or the place in the object store, as DescribeLogDirs reports it. */
  readonly logDirectory: string
  readonly metadata: ClusterMetadata
  readonly groups: GroupCoordinator
  readonly transactions: TransactionCoordinator
  /** The durable positions of share groups that this broker coordinates. */
  readonly shares: ShareCoordinator
  /** Those of all share groups. */
  readonly shareStates: ShareStates
  readonly sharePartitions: SharePartitions
  readonly shareSessions: ShareSessions
  /** How the records of this share group are delivered. */
  shareConfig(groupId: string): ShareConfig
  readonly fetchSessions: FetchSessions
  readonly requestMemory: FrameMemory
  readonly responseMemory: ResponseMemory
  readonly parkedFetches: ParkedFetches
  readonly converter: RecordConverter
  /** null: there is no other broker. */
  readonly peers: Peering | null
  readonly moves: Moves
  /** null: this broker keeps its data in a directory. */
  readonly cluster: ClusterParts | null
  readonly metrics: BrokerMetrics
  readonly quotas: Quotas
  readonly telemetry: Telemetry
  readonly security: Security
  readonly logger: Logger
  readonly stalls: Stalls
  /** Reads of partitions that failed. */
  readonly readFailures: Seldom
  readonly self: Self
}

/** What a broker of a cluster over a database has besides. */
export interface ClusterParts {
  readonly database: Database
  readonly objects: ObjectStore
  /** The same as `Broker.log`. */
  readonly log: SharedLog
  readonly member: Member
  readonly collector: Collector
}

/** This broker as clients see it. */
export interface Self {
  /** Kafka's `node.id`. */
  readonly id: number
  readonly rack: string | null
  readonly clusterId: string
  /** Kafka's `directory.id` of the data directory. */
  readonly directoryId: Uuid
  /** Where clients that came in by this listener reach this broker (`advertised.listeners`). */
  advertised(listener: string): { host: string; port: number }
}
