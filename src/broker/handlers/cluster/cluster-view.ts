/**
 * The cluster as clients of one listener see it: which brokers they can reach, who leads a partition, who is the controller.
 *
 * Any broker decides about metadata; as the controller, clients see the first of the brokers that are alive, by id.
 */
import type { TopicPartition } from '../../../coordinator.ts'
import type { ErrorName } from '../../../protocol.ts'
import type { Broker } from '../../dispatch/context.ts'
import type { RequestContext } from '../../dispatch/handler.ts'

interface Node {
  readonly id: number
  readonly host: string
  readonly port: number
  readonly rack: string | null
}

/** Shared by all partitions that have none. */
const nobody: readonly number[] = []

/** How clients of the listener reach this broker, or another that is alive; null: they cannot. */
export function nodeOf({ self, metadata }: Broker, id: number, listener: string): Node | null {
  if (id === self.id) return { id, ...self.advertised(listener), rack: self.rack }
  const broker = metadata.broker(id)
  const endpoint = broker?.fenced === false ? broker.endpoints.get(listener) : undefined
  return endpoint === undefined ? null : { id, ...endpoint, rack: broker!.rack }
}

/** As of now: for one response. */
export class ClusterView {
  /** Those that clients can reach, by id. */
  readonly nodes: readonly Node[]
  readonly controllerId: number
  readonly #selfId: number
  readonly #reached: ReadonlySet<number>
  readonly #alive: ReadonlySet<number>
  /** The lease of this broker is not proven. That passes, and producers wait for it: it still is the leader of what it leads. */
  readonly #isUnproven: boolean
  /** This broker has a session in a cluster: it takes over what it leads. */
  readonly #takesOver: boolean

  constructor({ broker, connection }: Pick<RequestContext, 'broker' | 'connection'>) {
    const { self, metadata, cluster } = broker
    const session = cluster?.log.session ?? null
    this.#isUnproven = session?.proven() === false
    this.#takesOver = session !== null
    const alive = metadata.brokers().filter(({ id, fenced }) => id === self.id || !fenced)
    this.#selfId = self.id
    this.#alive = new Set(alive.map(({ id }) => id))
    this.nodes = alive.map(({ id }) => nodeOf(broker, id, connection.listener)).filter(node => node !== null)
    this.#reached = new Set(this.nodes.map(({ id }) => id))
    this.controllerId = alive[0]?.id ?? self.id
  }

  /** Why clients cannot reach the leader of the partition now; null: they can. */
  problem(partition: TopicPartition): 'LEADER_NOT_AVAILABLE' | 'LISTENER_NOT_FOUND' | null {
    const { leader } = partition
    if (leader === this.#selfId) return this.#isOnline(partition) ? null : 'LEADER_NOT_AVAILABLE'
    if (this.#reached.has(leader)) return null
    return this.#alive.has(leader) ? 'LISTENER_NOT_FOUND' : 'LEADER_NOT_AVAILABLE'
  }

  /** The replicas whose brokers are alive: each could lead the partition with all that was acknowledged. */
  inSync({ replicas }: TopicPartition): readonly number[] {
    return replicas.every(id => this.#alive.has(id)) ? replicas : replicas.filter(id => this.#alive.has(id))
  }

  /** Replicas that clients cannot read. */
  offlineReplicas(partition: TopicPartition): readonly number[] {
    const isOnline = (id: number) => this.#reached.has(id) && (id !== this.#selfId || id !== partition.leader || this.#isOnline(partition))
    return partition.replicas.every(isOnline) ? nobody : partition.replicas.filter(id => !isOnline(id))
  }

  /** Of a partition that this broker leads. What it is taking over it serves in a moment. */
  #isOnline({ log }: TopicPartition): boolean {
    return log === null ? this.#takesOver : log.offline === null || this.#isUnproven
  }
}

/** Where partitions are that were asked for here, for the responses that say so (KIP-951). */
export class CurrentLeaders {
  readonly #context: RequestContext
  readonly #nodes = new Map<number, Node>()

  constructor(context: RequestContext) {
    this.#context = context
  }

  /** For a partition whose error is NOT_LEADER_OR_FOLLOWER; null: nothing is known that the client does not know. */
  of(partition: TopicPartition | undefined): { leaderId: number; leaderEpoch: number } | null {
    const { broker, connection } = this.#context
    if (partition === undefined || partition.leader === broker.self.id || partition.leader < 0) return null
    const { leader, leaderEpoch } = partition
    const node = this.#nodes.get(leader) ?? nodeOf(broker, leader, connection.listener)
    if (node !== null) this.#nodes.set(leader, node)
    return { leaderId: leader, leaderEpoch }
  }

  endpoints(): { nodeId: number; host: string; port: number; rack: string | null }[] {
    return Array.from(this.#nodes.values(), ({ id, host, port, rack }) => ({ nodeId: id, host, port, rack }))
  }
}

/** Why the log of a partition is not here. */
export function absence(partition: TopicPartition | undefined): ErrorName {
  return partition === undefined ? 'UNKNOWN_TOPIC_OR_PARTITION' : 'NOT_LEADER_OR_FOLLOWER'
}
