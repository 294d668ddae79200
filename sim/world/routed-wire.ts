/**
 * A client of several brokers: it asks who leads and who coordinates, remembers that until it is told otherwise, and divides a request by
 * leaders. It speaks the versions that the scenarios use.
 */
import { type Api, apis, type InputOf, type MessageOf } from '../../src/protocol.ts'
import { NoAnswer, Wire, type WireOptions } from './wire.ts'

/** `errorCode` after which a route is looked up again: who was asked is not the one, or not now. */
const rerouting: ReadonlySet<unknown> = new Set([3, 5, 6, 14, 15, 16, 56, 74, 76])
const group = 0
const transaction = 1

interface Entry {
  topic: string
  partition: number
}

/** Requests that name partitions, and how they are divided. */
interface Divided {
  entries(request: never): Entry[]
  /** The request with these partitions only. */
  part(request: never, keep: (entry: Entry) => boolean): unknown
  /** One response of several. */
  merged(responses: never[]): unknown
}

export class RoutedWire extends Wire {
  readonly #wires: readonly Wire[]
  readonly #routes = new Map<string, number>()
  readonly #asking = new Map<string, Promise<number>>()
  #any = 0

  constructor(options: WireOptions, ports: readonly number[]) {
    super(options)
    this.#wires = ports.map(port => new Wire({ ...options, port }))
  }

  override async call<A extends Api>(
    api: A,
    version: number,
    request: InputOf<A['request']>,
    deadlineMs = 1000,
  ): Promise<MessageOf<A['response']>> {
    const divided = dividing[api.name]
    if (divided !== undefined) return this.#callLeaders(divided, api, version, request, deadlineMs)
    const key = coordinatorKey(api.name, request as Record<string, unknown>)
    const route = key === null ? null : `${key.type} ${key.name}`
    const broker = route === null ? this.#any : await this.#route(route, () => this.#coordinatorOf(key!.type, key!.name))
    return this.#ask(broker, route === null ? [] : [route], api, version, request, deadlineMs)
  }

  override close(): void {
    for (const wire of this.#wires) wire.close()
  }

  async #ask<A extends Api>(
    broker: number,
    routes: readonly string[],
    api: A,
    version: number,
    request: InputOf<A['request']>,
    deadlineMs: number,
  ): Promise<MessageOf<A['response']>> {
    const forget = () => {
      for (const route of routes) if (this.#routes.get(route) === broker) this.#routes.delete(route)
    }
    try {
      const response = await this.#wires[broker]!.call(api, version, request, deadlineMs)
      if (mentions(response, rerouting)) forget()
      return response
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error
      forget()
      if (this.#any === broker) this.#any = (broker + 1) % this.#wires.length
      throw error
    }
  }

  async #callLeaders<A extends Api>(
    divided: Divided,
    api: A,
    version: number,
    request: InputOf<A['request']>,
    deadlineMs: number,
  ): Promise<MessageOf<A['response']>> {
    const byBroker = new Map<number, Set<string>>()
    for (const entry of divided.entries(request as never)) {
      const route = routeOf(entry)
      const broker = await this.#route(route, () => this.#leaderOf(entry))
      const routes = byBroker.get(broker)
      if (routes === undefined) byBroker.set(broker, new Set([route]))
      else routes.add(route)
    }
    const asked = [...byBroker].map(([broker, routes]) => {
      const part = divided.part(request as never, entry => routes.has(routeOf(entry))) as InputOf<A['request']>
      return this.#ask(broker, [...routes], api, version, part, deadlineMs)
    })
    const answers = await Promise.allSettled(asked)
    const refused = answers.find(answer => answer.status === 'rejected')
    const responses = answers.flatMap(answer => (answer.status === 'fulfilled' ? [answer.value] : []))
    // What is written must be certain; of what is read, a part will do.
    if (refused !== undefined && (responses.length === 0 || api.name === 'Produce')) throw refused.reason
    return divided.merged(responses as never[]) as MessageOf<A['response']>
  }

  /** Callers that ask for the same at a time share an answer, so that the order of their requests stays. */
  #route(route: string, find: () => Promise<number>): Promise<number> {
    const known = this.#routes.get(route)
    const asking = this.#asking.get(route)
    if (asking !== undefined) return asking
    if (known !== undefined) return Promise.resolve(known)
    const found = find().then(
      broker => {
        this.#asking.delete(route)
        this.#routes.set(route, broker)
        return broker
      },
      error => {
        this.#asking.delete(route)
        throw error
      },
    )
    this.#asking.set(route, found)
    return found
  }

  async #leaderOf({ topic, partition }: Entry): Promise<number> {
    const flags = { includeClusterAuthorizedOperations: false, includeTopicAuthorizedOperations: false }
    const request = { topics: [{ name: topic }], allowAutoTopicCreation: false, ...flags }
    const { topics } = await this.#ask(this.#any, [], apis.metadata, 8, request, 1000)
    const leader = topics[0]?.partitions.find(({ partitionIndex }) => partitionIndex === partition)?.leaderId ?? -1
    return this.#reachable(leader, `${topic}-${partition}`)
  }

  async #coordinatorOf(keyType: number, key: string): Promise<number> {
    const request = { keyType, coordinatorKeys: [key], key: '' }
    const { coordinators } = await this.#ask(this.#any, [], apis.findCoordinator, 4, request, 1000)
    return this.#reachable(coordinators[0]!.errorCode === 0 ? coordinators[0]!.nodeId : -1, key)
  }

  #reachable(broker: number, of: string): number {
    if (broker >= 0 && broker < this.#wires.length) return broker
    // Whoever says so may be behind.
    this.#any = (this.#any + 1) % this.#wires.length
    throw new NoAnswer(`nobody leads ${of}`, false)
  }
}

function routeOf({ topic, partition }: Entry): string {
  return `${topic}-${partition}`
}

function coordinatorKey(api: string, request: Record<string, unknown>): { type: number; name: string } | null {
  if (typeof request['groupId'] === 'string' && api !== 'AddOffsetsToTxn') return { type: group, name: request['groupId'] }
  const id = request['transactionalId'] ?? request['v3AndBelowTransactionalId']
  return typeof id === 'string' ? { type: transaction, name: id } : null
}

/** Anywhere in it. */
function mentions(value: unknown, codes: ReadonlySet<unknown>): boolean {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return false
  if (Array.isArray(value)) return value.some(each => mentions(each, codes))
  return Object.entries(value).some(([key, each]) => (/errorCode$/i.test(key) ? codes.has(each) : mentions(each, codes)))
}

type Produce = { topicData: readonly { name: string; partitionData: readonly { index: number }[] }[] }
type Fetch = { topics: readonly { topic: string; partitions: readonly { partition: number }[] }[] }
type ListOffsets = { topics: readonly { name: string; partitions: readonly { partitionIndex: number }[] }[] }

/** Topics in which partitions are left. */
function kept<T, P, K extends string>(topics: readonly (T & Record<K, readonly P[]>)[], key: K, keep: (topic: T, partition: P) => boolean) {
  return topics.map(topic => ({ ...topic, [key]: topic[key].filter(each => keep(topic, each)) })).filter(topic => topic[key].length > 0)
}

/** The partitions of a topic, which several responses may have, in one. */
function joined<T, K extends string>(topics: readonly T[], name: keyof T, key: K): unknown[] {
  const byName = new Map<unknown, Record<string, unknown[]>>()
  for (const topic of topics as readonly Record<string, unknown>[]) {
    const before = byName.get(topic[name as string])
    const partitions = topic[key] as unknown[]
    if (before === undefined) byName.set(topic[name as string], { ...topic, [key]: [...partitions] } as Record<string, unknown[]>)
    else before[key]!.push(...partitions)
  }
  return [...byName.values()]
}

const dividing: Readonly<Record<string, Divided | undefined>> = {
  Produce: {
    entries: ({ topicData }: Produce) =>
      topicData.flatMap(({ name, partitionData }) => partitionData.map(({ index }) => ({ topic: name, partition: index }))),
    part: (request: Produce, keep) => ({
      ...request,
      topicData: kept(request.topicData, 'partitionData', ({ name }, { index }) => keep({ topic: name, partition: index })),
    }),
    merged: (responses: { responses: { name: string }[] }[]) => ({
      ...responses[0],
      responses: joined(
        responses.flatMap(each => each.responses),
        'name',
        'partitionResponses',
      ),
    }),
  },
  Fetch: {
    entries: ({ topics }: Fetch) => topics.flatMap(({ topic, partitions }) => partitions.map(({ partition }) => ({ topic, partition }))),
    part: (request: Fetch, keep) => ({
      ...request,
      topics: kept(request.topics, 'partitions', ({ topic }, { partition }) => keep({ topic, partition })),
    }),
    merged: (responses: { responses: { topic: string }[] }[]) => ({
      ...responses[0],
      responses: joined(
        responses.flatMap(each => each.responses),
        'topic',
        'partitions',
      ),
    }),
  },
  ListOffsets: {
    entries: ({ topics }: ListOffsets) =>
      topics.flatMap(({ name, partitions }) => partitions.map(({ partitionIndex }) => ({ topic: name, partition: partitionIndex }))),
    part: (request: ListOffsets, keep) => ({
      ...request,
      topics: kept(request.topics, 'partitions', ({ name }, { partitionIndex }) => keep({ topic: name, partition: partitionIndex })),
    }),
    merged: (responses: { topics: { name: string }[] }[]) => ({
      ...responses[0],
      topics: joined(
        responses.flatMap(each => each.topics),
        'name',
        'partitions',
      ),
    }),
  },
}
