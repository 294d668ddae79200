/**
 * Requests of any API, over the connections of a client.
 *
 * Hides the choice of a version that both sides support, the look-up of the right broker (coordinator, leader), and retries.
 */
import { pause, type System } from '../base.ts'
import { type Announced, type BrokerConnection, ClientError, type Connections, settled } from '../channel.ts'
import { type Api, apis, type ErrorName, errorName, errorText, type InputOf, type MessageOf } from '../protocol.ts'

/** The broker to ask. `any` is for what every broker answers, or forwards to the controller; where brokers forward nothing, that is the controller. */
export type Target = 'any' | { node: number } | { group: string } | { transactionalId: string } | { leaderOf: string; partition: number }

const attempts = 12
const pauseMs = 250
/** Nothing was done, and soon it will be: a coordinator loads, a leader moves. */
const passing: ReadonlySet<string> = new Set<ErrorName>([
  'COORDINATOR_LOAD_IN_PROGRESS',
  'COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR',
  'NOT_LEADER_OR_FOLLOWER',
  'LEADER_NOT_AVAILABLE',
  'NOT_CONTROLLER',
  'CONCURRENT_TRANSACTIONS',
  'UNSTABLE_OFFSET_COMMIT',
])

/** Throws if the response has an error. */
export function refuse(code: number, message?: string | null): void {
  if (code === 0) return
  const name = errorName(code)
  throw new ClientError(name, message || errorText(name))
}

/** Runs requests, with retries where they help; throws ClientError. */
export type Ask = <T>(work: (requests: Requests) => Promise<T>) => Promise<T>

export class Requests {
  readonly #connections: Connections
  readonly system: System
  /** In a Kafka with ZooKeeper a broker says that it is not the controller, instead of forwarding what it is asked (KIP-590). */
  #asksController = false

  constructor(connections: Connections, system: System) {
    this.#connections = connections
    this.system = system
  }

  /** `newest`: an upper bound of the version, where later ones lack a needed field. */
  async ask<A extends Api>(
    api: A,
    request: InputOf<A['request']>,
    to: Target = 'any',
    newest = api.maxVersion,
  ): Promise<MessageOf<A['response']>> {
    const connection = await this.#connection(to)
    return connection.request(api, await this.#versionOf(connection, api, newest), request)
  }

  /** Of what brokers do not answer: resolves when it is written. */
  async tell<A extends Api>(api: A, request: InputOf<A['request']>, to: Target, newest: number): Promise<void> {
    const connection = await this.#connection(to)
    await connection.tell(api, await this.#versionOf(connection, api, newest), request)
  }

  /** Runs `work` again while it fails for a reason that passes. What it does must be all or nothing. */
  async retrying<T>(bootstrap: string, work: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await settled(bootstrap, work())
      } catch (error) {
        if (!(error instanceof ClientError) || !passing.has(error.code) || attempt === attempts) throw error
        if (error.code === 'NOT_CONTROLLER') this.#asksController = true
        await pause(this.system, pauseMs)
        this.#connections.clearMetadata()
      }
    }
  }

  /** Of these topics, or of all: internal ones too, which the library hides, and those with a partition that has no leader. */
  async metadata(
    topics: readonly string[] | 'all',
    allowAutoTopicCreation = false,
  ): Promise<MessageOf<typeof apis.metadata.response>['topics']> {
    const request = {
      topics: topics === 'all' ? null : topics.map(name => ({ name })),
      allowAutoTopicCreation,
      includeClusterAuthorizedOperations: false,
      includeTopicAuthorizedOperations: false,
    }
    return (await this.ask(apis.metadata, request)).topics
  }

  async nodes(): Promise<number[]> {
    return [...(await this.#connections.metadata()).brokers.keys()]
  }

  /** Whether the cluster speaks this version, or a later one. */
  async speaks(api: Api, version: number): Promise<boolean> {
    return (rangeOf(api, await this.#connections.versions())?.maxVersion ?? -1) >= version
  }

  async #versionOf(connection: BrokerConnection, api: Api, newest = api.maxVersion): Promise<number> {
    const theirs = rangeOf(api, await this.#connections.versionsOf(connection))
    const version = Math.min(newest, theirs?.maxVersion ?? -1)
    if (theirs !== undefined && version >= Math.max(api.minVersion, theirs.minVersion)) return version
    throw new ClientError(
      'UNSUPPORTED_VERSION',
      `the cluster does not support ${api.name}${theirs === undefined ? '' : ' in any version that millrace supports'}`,
    )
  }

  async #connection(to: Target): Promise<BrokerConnection> {
    if (to === 'any') return this.#asksController ? this.#controller() : this.#connections.any()
    if ('node' in to) return this.#connections.to(to.node)
    if ('leaderOf' in to) return this.#connections.to(await this.#leader(to.leaderOf, to.partition))
    return this.#connections.to(await ('group' in to ? this.coordinator(to.group, 0) : this.coordinator(to.transactionalId, 1)))
  }

  async #controller(): Promise<BrokerConnection> {
    const { controllerId } = await this.#connections.metadata()
    // While there is none, the others have answers, too.
    return this.#connections.to(controllerId).catch(() => this.#connections.any())
  }

  async #leader(topic: string, partition: number): Promise<number> {
    const [found] = await this.metadata([topic])
    const known = found?.partitions.find(each => each.partitionIndex === partition)
    if (known === undefined) throw new ClientError('UNKNOWN_TOPIC_OR_PARTITION', `partition not found: ${topic}-${partition}`)
    if (known.leaderId < 0) throw new ClientError('LEADER_NOT_AVAILABLE', `${topic}-${partition} has no leader`)
    return known.leaderId
  }

  /** `keyType` 0: of a group. */
  async coordinator(key: string, keyType: 0 | 1): Promise<number> {
    const found = (await this.coordinators([key], keyType)).get(key)
    if (typeof found === 'number') return found
    throw found ?? new ClientError('COORDINATOR_NOT_AVAILABLE', `no coordinator available for ${key}`)
  }

  /** Of many at once since version 4. */
  async coordinators(keys: readonly string[], keyType: 0 | 1): Promise<Map<string, number | ClientError>> {
    const connection = await this.#connection('any')
    const version = await this.#versionOf(connection, apis.findCoordinator)
    const found = new Map<string, number | ClientError>()
    const take = (key: string, { errorCode, errorMessage, nodeId }: { errorCode: number; errorMessage: string | null; nodeId: number }) => {
      const error = errorName(errorCode)
      found.set(key, error === 'NONE' ? nodeId : new ClientError(error, errorMessage || errorText(error)))
    }
    if (version >= 4) {
      const asked = { keyType, coordinatorKeys: [...keys] }
      for (const each of (await connection.request(apis.findCoordinator, version, asked)).coordinators) take(each.key, each)
    } else for (const key of keys) take(key, await connection.request(apis.findCoordinator, version, { keyType, key }))
    return found
  }
}

function rangeOf(api: Api, announced: readonly Announced[]): Announced | undefined {
  return announced.find(({ apiKey }) => apiKey === api.key)
}
