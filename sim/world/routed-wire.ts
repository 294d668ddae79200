/**
 * A client of several brokers: it asks who leads and who coordinates, remembers that until it is told otherwise, and divides a request by
 * leaders. It speaks the versions that the scenarios use.
 */
import { type Api, apis, type InputOf, type MessageOf, type Uuid } from '../../src/protocol.ts'
import { NoAnswer, Wire, type WireOptions } from './wire.ts'

/** `errorCode` after which a route is looked up again: who was asked is not the one, or not now. */
const rerouting: ReadonlySet<unknown> = new Set([3, 5, 6, 14, 15, 16, 56, 74, 76, 100, 103])
const group = 0
const transaction = 1

interface Entry {
  /** Its name or its id. */
  topic: string
  partition: number
  byId: boolean
}

/** The fields of requests that name partitions, and of their responses: a list of topics, with a list of partitions in each. */
interface Fields {
  readonly topics: string
  readonly name: string
  /** From this version on topics are named by `topicId`. */
  readonly idsFrom?: number
  readonly byId?: boolean
  readonly partitions: string
  readonly index: string
  readonly answers: { readonly topics: string; readonly partitions: string }
}

type Fielded = Readonly<Record<string, unknown>>

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
    const fields = fieldsFor(api.name, version)
    if (fields !== undefined) return this.#callLeaders(fields, api, version, request, deadlineMs)
    const key = coordinatorKey(api.name, request as Record<string, unknown>)
    const route = key === null ? null : `${key.type} ${key.name}`
    const broker = route === null ? this.#any : await this.#route(route, () => this.#coordinatorOf(key!.type, key!.name))
    return this.#ask(broker, route === null ? [] : [route], api, version, request, deadlineMs)
  }

  override leaderOf(topic: string, partition: number): Promise<number> {
    const entry = { topic, partition, byId: false }
    return this.#route(routeOf(entry), () => this.#findLeader(entry))
  }

  override callAt<A extends Api>(
    broker: number,
    api: A,
    version: number,
    request: InputOf<A['request']>,
    deadlineMs = 1000,
  ): Promise<MessageOf<A['response']>> {
    const routes = [...this.#routes].filter(([, to]) => to === broker).map(([route]) => route)
    return this.#ask(broker, routes, api, version, request, deadlineMs)
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
    fields: Fields,
    api: A,
    version: number,
    request: InputOf<A['request']>,
    deadlineMs: number,
  ): Promise<MessageOf<A['response']>> {
    const byBroker = new Map<number, Set<string>>()
    for (const entry of entriesOf(request as Fielded, fields)) {
      const route = routeOf(entry)
      const broker = await this.#route(route, () => this.#findLeader(entry))
      const routes = byBroker.get(broker)
      if (routes === undefined) byBroker.set(broker, new Set([route]))
      else routes.add(route)
    }
    const asked = [...byBroker].map(([broker, routes]) => {
      const part = partOf(request as Fielded, fields, entry => routes.has(routeOf(entry))) as InputOf<A['request']>
      return this.#ask(broker, [...routes], api, version, part, deadlineMs)
    })
    const answers = await Promise.allSettled(asked)
    const refused = answers.find(answer => answer.status === 'rejected')
    const responses = answers.flatMap(answer => (answer.status === 'fulfilled' ? [answer.value] : []))
    // What is written must be certain; of what is read, a part will do.
    if (refused !== undefined && (responses.length === 0 || api.name === 'Produce')) throw refused.reason
    return merged(responses as readonly Fielded[], fields) as MessageOf<A['response']>
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

  async #findLeader({ topic, partition, byId }: Entry): Promise<number> {
    const asked = byId ? { name: null, topicId: topic as Uuid } : { name: topic }
    const request = { topics: [asked], allowAutoTopicCreation: false, includeTopicAuthorizedOperations: false }
    const { topics } = await this.#ask(this.#any, [], apis.metadata, 12, request, 1000)
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

function fieldsFor(api: string, version: number): Fields | undefined {
  const fields = fieldsOf[api]
  const byId = fields?.idsFrom !== undefined && version >= fields.idsFrom
  return byId ? { ...fields, name: 'topicId', byId } : fields
}

function routeOf({ topic, partition }: Entry): string {
  return `${topic}-${partition}`
}

function coordinatorKey(api: string, request: Record<string, unknown>): { type: number; name: string } | null {
  if (typeof request['groupId'] === 'string' && api !== 'AddOffsetsToTxn') return { type: group, name: request['groupId'] }
  if (api === 'DescribeShareGroupOffsets') return { type: group, name: (request['groups'] as { groupId: string }[])[0]!.groupId }
  const id = request['transactionalId'] ?? request['v3AndBelowTransactionalId']
  return typeof id === 'string' ? { type: transaction, name: id } : null
}

/** Anywhere in it. */
function mentions(value: unknown, codes: ReadonlySet<unknown>): boolean {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return false
  if (Array.isArray(value)) return value.some(each => mentions(each, codes))
  return Object.entries(value).some(([key, each]) => (/errorCode$/i.test(key) ? codes.has(each) : mentions(each, codes)))
}

const usual: Fields = {
  topics: 'topics',
  name: 'name',
  partitions: 'partitions',
  index: 'partitionIndex',
  answers: { topics: 'topics', partitions: 'partitions' },
}

/** Of the requests that go to leaders. */
const fieldsOf: Readonly<Record<string, Fields | undefined>> = {
  Produce: {
    topics: 'topicData',
    name: 'name',
    idsFrom: 13,
    partitions: 'partitionData',
    index: 'index',
    answers: { topics: 'responses', partitions: 'partitionResponses' },
  },
  Fetch: {
    topics: 'topics',
    name: 'topic',
    idsFrom: 13,
    partitions: 'partitions',
    index: 'partition',
    answers: { topics: 'responses', partitions: 'partitions' },
  },
  ListOffsets: usual,
  DeleteRecords: usual,
}

function listOf(message: Fielded, field: string): readonly Fielded[] {
  return message[field] as readonly Fielded[]
}

function entryOf(topic: Fielded, partition: Fielded, { name, index, byId = false }: Fields): Entry {
  return { topic: topic[name] as string, partition: partition[index] as number, byId }
}

function entriesOf(request: Fielded, fields: Fields): Entry[] {
  return listOf(request, fields.topics).flatMap(topic => listOf(topic, fields.partitions).map(each => entryOf(topic, each, fields)))
}

/** The request with these partitions only. */
function partOf(request: Fielded, fields: Fields, keep: (entry: Entry) => boolean): Fielded {
  const { topics, partitions } = fields
  const kept = listOf(request, topics).map(topic => ({
    ...topic,
    [partitions]: listOf(topic, partitions).filter(each => keep(entryOf(topic, each, fields))),
  }))
  return { ...request, [topics]: kept.filter(topic => listOf(topic, partitions).length > 0) }
}

/** One response of several; the partitions of a topic, which several may have, are in one list. */
function merged(responses: readonly Fielded[], { name, answers }: Fields): Fielded {
  const byName = new Map<unknown, Fielded & { [partitions: string]: unknown }>()
  for (const topic of responses.flatMap(each => listOf(each, answers.topics))) {
    const before = byName.get(topic[name])
    const partitions = [...(before === undefined ? [] : listOf(before, answers.partitions)), ...listOf(topic, answers.partitions)]
    byName.set(topic[name], { ...topic, [answers.partitions]: partitions })
  }
  return { ...responses[0], [answers.topics]: [...byName.values()] }
}
