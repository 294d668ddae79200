/**
 * peers: what this broker asks of the other brokers of its cluster.
 *
 * Hides the connections and logins, who leads what, and the rules of each call. It exists only in a broker that has others; without it each
 * coordinator works with what is here, at no cost.
 */
import type { System } from '../base.ts'
import type { Link, LinkOptions } from '../channel.ts'
import type { ClusterMetadata, ShareCoordinator, SharePartitionKey, SharePosition, ShareStates } from '../coordinator.ts'
import type { Logger } from '../logger.ts'
import type { BrokerConfig } from './config.ts'
import { Leaders } from './peers/leaders.ts'
import { Peers } from './peers/peers.ts'
import { RemoteGroups } from './peers/remote-groups.ts'
import { MarkersToPeers } from './peers/remote-markers.ts'
import { RemoteMoves } from './peers/remote-moves.ts'
import { RemotePartitions } from './peers/remote-partitions.ts'
import { positionsElsewhere, RoutedShareStates } from './peers/share-states.ts'
import { TransactionEntries } from './peers/transaction-entries.ts'

export { isOfBroker } from './peers/peers.ts'
export type { PartitionEnds } from './peers/remote-partitions.ts'
export type { EntryResults, TransactionEntries } from './peers/transaction-entries.ts'

export interface PeeringOptions {
  system: System
  config: BrokerConfig
  logger: Logger
  metadata: ClusterMetadata
  clusterId: string
  /** Instead of one over Node's sockets. */
  openLink?: (options: LinkOptions) => Promise<Link>
  /** Which partitions of the coordinators' topics hold a name. */
  partitionOf: { group(groupId: string): number; transactionalId(transactionalId: string): number }
}

export class Peering {
  readonly #options: PeeringOptions
  readonly #leaders: Leaders
  readonly #peers: Peers
  readonly markers: MarkersToPeers
  readonly entries: TransactionEntries
  readonly groups: RemoteGroups
  readonly partitions: RemotePartitions
  readonly moves: RemoteMoves

  constructor(options: PeeringOptions) {
    this.#options = options
    const { config, metadata, clusterId, partitionOf } = options
    const id = config.get('node.id')
    const leaders = new Leaders(metadata, id)
    const endpoint = (brokerId: number, listener: string) => metadata.broker(brokerId)?.endpoints.get(listener)
    const peers = new Peers({ ...options, self: { id, clusterId }, endpoint })
    this.#leaders = leaders
    this.#peers = peers
    this.markers = new MarkersToPeers(leaders, peers)
    this.entries = new TransactionEntries({ leaders, peers, partitionFor: partitionOf.transactionalId })
    this.groups = new RemoteGroups({ leaders, peers, partitionFor: partitionOf.group })
    this.partitions = new RemotePartitions(leaders, peers, () => config.get('request.timeout.ms'))
    this.moves = new RemoteMoves(peers, options.system.timers)
  }

  /** Those of this broker, and those that others keep. */
  shareStates(own: ShareCoordinator): ShareStates {
    const { timers } = this.#options.system
    return new RoutedShareStates({ timers, own, leaders: this.#leaders, peers: this.#peers })
  }

  /** Of share partitions that other brokers keep, by `sharePartitionName`. Those of a broker that does not answer are missing. */
  sharePositions(own: ShareCoordinator, keys: readonly SharePartitionKey[]): Promise<Map<string, SharePosition>> {
    return positionsElsewhere(keys, { own, leaders: this.#leaders, peers: this.#peers })
  }

  /** Requests on their way fail. */
  close(): void {
    this.#peers.close()
  }
}
