/** v2: `/consumers/{group}`: consumer instances. */
import { type TSchema, Type } from 'typebox'
import { linearRegExp } from '../../base.ts'
import type { CommittedOffset, PartitionName } from '../../client.ts'
import { HttpError } from '../../http.ts'
import type { ConsumerInstance, InstanceOptions } from '../consumer/instance.ts'
import { Positions } from '../consumer/positions.ts'
import { badRequestOf, noPartition } from '../errors.ts'
import { baseUrl } from '../links.ts'
import { instantIn } from '../records/instant.ts'
import type { Asking, Rest } from '../rest.ts'
import { asInt64, errors, Int64, NoContent, Nullable, PartitionId } from '../v3/schemas.ts'
import { InInstance, Instances, instancePath, type Named, type Use } from './instances.ts'
import { type Format, formats } from './media.ts'
import { readRoute } from './read.ts'

const Partition = Type.Object({ topic: Type.String(), partition: PartitionId })
/** More than any cluster has; each of them takes time and memory. */
const mostPartitions = 100_000
const listOf = <S extends TSchema>(item: S) => Type.Array(item, { maxItems: mostPartitions })
const Partitions = Type.Object({ partitions: listOf(Partition) })
const Offset = Type.Object({ ...Partition.properties, offset: Int64, metadata: Type.Optional(Nullable(Type.String())) })
const AtTime = Type.Object({
  ...Partition.properties,
  timestamp: Type.String(),
  metadata: Type.Optional(Nullable(Type.String())),
})
const InGroup = Type.Object({ group: Type.String() })
const NewInstance = Type.Partial(
  Type.Object({
    id: Nullable(Type.String()),
    name: Nullable(Type.String()),
    format: Nullable(Type.String()),
    'auto.offset.reset': Nullable(Type.String()),
    'auto.commit.enable': Type.Union([Type.String(), Type.Boolean(), Type.Null()]),
    'fetch.min.bytes': Type.Union([Type.Integer(), Type.String(), Type.Null()]),
    'consumer.request.timeout.ms': Type.Union([Type.Integer(), Type.String(), Type.Null()]),
  }),
)
const Created = Type.Object({ instance_id: Type.String(), base_uri: Type.String() })
const settings: ReadonlySet<string> = new Set([...Object.keys(NewInstance.properties), 'responseMinBytes', 'requestWaitMs'])

export function consumerRoutes(rest: Rest): Instances {
  const { system, logger } = rest
  const { instanceTimeoutMs: timeoutMs, mostInstances: most } = rest.settings
  const instances = new Instances({ system, logger, turns: rest.turns, timeoutMs, most })
  const use = <T>(request: Asking, { group, instance }: Named, work: (instance: ConsumerInstance) => Promise<T>) =>
    instances.use(rest.identity(request), group, instance, work)
  createRoute(rest, instances)
  rest.app.delete(instancePath, { schema: { params: InInstance, response: { 204: NoContent, ...errors } } }, async (request, reply) => {
    await instances.delete(rest.identity(request), request.params.group, request.params.instance)
    reply.code(204).send(null)
  })
  subscriptionRoutes(rest, use)
  positionRoutes(rest, use)
  offsetRoutes(rest, use)
  readRoute(rest, use)
  return instances
}

function createRoute(rest: Rest, instances: Instances): void {
  rest.app.post(
    '/consumers/:group',
    {
      // An unknown setting is told by its name.
      validatorCompiler: () => () => true,
      schema: { params: InGroup, body: NewInstance, response: { 200: Created, ...errors } },
    },
    async request => {
      const { group } = request.params
      const given = (request.body ?? {}) as Record<string, unknown>
      if (typeof given !== 'object' || Array.isArray(given)) throw badRequestOf('the body must be an object')
      for (const [name, value] of Object.entries(given)) {
        if (!settings.has(name)) throw new HttpError(422, 422, `Unrecognized field: ${name}`)
        if (typeof value === 'object' && value !== null) throw invalidSetting(`${name} must not be an object or an array`)
      }
      const bytes = Buffer.alloc(16)
      rest.system.random.fill(bytes)
      const name = given['id'] ?? given['name'] ?? `rest-consumer-${bytes.toString('hex')}`
      if (typeof name !== 'string' || name === '') throw invalidSetting(`Invalid value ${name} for configuration name`)
      const options = optionsIn(group, given)
      if (options.format !== 'binary' && options.format !== 'json' && rest.schemas(request) === null)
        throw invalidSetting(`the format ${options.format} needs a schema registry`)
      instances.create(rest.identity(request), rest.client(request), () => rest.hold(request), name, options)
      const where = `consumers/${encodeURIComponent(group)}/instances/${encodeURIComponent(name)}`
      return { instance_id: name, base_uri: `${baseUrl(request)}/${where}` }
    },
  )
}

function optionsIn(group: string, given: Record<string, unknown>): InstanceOptions {
  const format = String(given['format'] ?? 'binary').toLowerCase()
  if (!formats.includes(format as Format)) throw new HttpError(422, 422, 'Invalid format type.')
  const reset = given['auto.offset.reset'] ?? 'latest'
  if (reset !== 'earliest' && reset !== 'latest' && reset !== 'none')
    throw invalidSetting(`Invalid value ${reset} for configuration auto.offset.reset`)
  const autoCommit = String(given['auto.commit.enable'] ?? 'true').toLowerCase()
  if (autoCommit !== 'true' && autoCommit !== 'false')
    throw invalidSetting(`Invalid value ${autoCommit} for configuration enable.auto.commit`)
  const minBytes = numberIn(given, 'fetch.min.bytes', 'responseMinBytes') ?? -1
  if (minBytes !== -1 && (minBytes < 1 || minBytes > 10_000_000))
    throw new HttpError(
      422,
      40_001,
      `Invalid consumer configuration. It does not abide by the constraints: fetch.min.bytes must be -1 or 1 to 10000000, not ${minBytes}`,
    )
  const requestTimeoutMs = Math.min(numberIn(given, 'consumer.request.timeout.ms', 'requestWaitMs') ?? 1_000, 3_600_000)
  return { group, format: format as Format, reset, autoCommit: autoCommit === 'true', minBytes, requestTimeoutMs }
}

function numberIn(given: Record<string, unknown>, name: string, alias: string): number | undefined {
  const value = given[name] ?? given[alias]
  if (value == null) return undefined
  const number = typeof value === 'string' ? Number(value) : value
  if (!Number.isInteger(number)) throw invalidSetting(`Invalid value ${value} for configuration ${name}`)
  return number as number
}

function invalidSetting(message: string): HttpError {
  return new HttpError(422, 42_204, `Invalid consumer configuration: ${message}`)
}

function subscriptionRoutes(rest: Rest, use: Use): void {
  const { app } = rest
  const Subscription = Type.Object({
    topics: Type.Optional(Nullable(listOf(Type.String()))),
    topic_pattern: Type.Optional(Nullable(Type.String())),
  })
  app.post(
    `${instancePath}/subscription`,
    { schema: { params: InInstance, body: Subscription, response: { 204: NoContent, ...errors } } },
    async (request, reply) => {
      const { topics, topic_pattern } = request.body
      await use(request, request.params, async instance => {
        if (topics != null) await instance.subscribe(topics)
        else if (topic_pattern != null) await instance.subscribeToPattern(patternIn(topic_pattern))
      })
      reply.code(204).send(null)
    },
  )
  app.get(
    `${instancePath}/subscription`,
    { schema: { params: InInstance, response: { 200: Type.Object({ topics: Type.Array(Type.String()) }), ...errors } } },
    request => use(request, request.params, async instance => ({ topics: [...instance.topics] })),
  )
  app.delete(
    `${instancePath}/subscription`,
    { schema: { params: InInstance, response: { 204: NoContent, ...errors } } },
    async (request, reply) => {
      await use(request, request.params, instance => instance.unsubscribe())
      reply.code(204).send(null)
    },
  )
  app.post(
    `${instancePath}/assignments`,
    { schema: { params: InInstance, body: Partitions, response: { 204: NoContent, ...errors } } },
    async (request, reply) => {
      await use(request, request.params, instance => instance.assign(request.body.partitions))
      reply.code(204).send(null)
    },
  )
  app.get(`${instancePath}/assignments`, { schema: { params: InInstance, response: { 200: Partitions, ...errors } } }, request =>
    use(request, request.params, async instance => ({ partitions: await instance.assignments() })),
  )
}

function patternIn(text: string): RegExp {
  try {
    return linearRegExp(`^(?:${text})$`)
  } catch (error) {
    if (error instanceof SyntaxError) throw badRequestOf(`topic_pattern: ${error.message}`)
    throw error
  }
}

function positionRoutes({ app }: Rest, use: Use): void {
  const Seek = Type.Object({ offsets: Type.Optional(listOf(Offset)), timestamps: Type.Optional(listOf(AtTime)) })
  app.post(
    `${instancePath}/positions`,
    { schema: { params: InInstance, body: Seek, response: { 204: NoContent, ...errors } } },
    async (request, reply) => {
      const { offsets = [], timestamps = [] } = request.body
      const positions = [
        ...offsets.map(({ topic, partition, offset }) => ({ topic, partition, offset: positionIn(offset) })),
        ...timestamps.map(({ topic, partition, timestamp }) => {
          const time = instantIn(timestamp)
          if (time === null) throw badRequestOf(`${timestamp} is not a time such as 2021-02-05T19:14:42Z`)
          return { topic, partition, offset: { timestampMs: BigInt(time) } }
        }),
      ]
      await use(request, request.params, instance => instance.seek(positions))
      reply.code(204).send(null)
    },
  )
  for (const [end, offset] of [
    ['beginning', 'earliest'],
    ['end', 'latest'],
  ] as const)
    app.post(
      `${instancePath}/positions/${end}`,
      { schema: { params: InInstance, body: Partitions, response: { 204: NoContent, ...errors } } },
      async (request, reply) => {
        const positions = request.body.partitions.map(({ topic, partition }) => ({ topic, partition, offset }))
        await use(request, request.params, instance => instance.seek(positions))
        reply.code(204).send(null)
      },
    )
}

function offsetRoutes(rest: Rest, use: Use): void {
  const { app } = rest
  const Committed = Type.Object({ offsets: listOf(Offset) })
  app.post(
    `${instancePath}/offsets`,
    {
      validatorCompiler: () => () => true,
      schema: { params: InInstance, body: Committed, response: { 200: Type.Array(Type.Unknown()), ...errors } },
    },
    async request => {
      const offsets = (request.body as { offsets?: unknown } | undefined)?.offsets
      await use(request, request.params, instance => instance.commit(offsets == null ? null : committedIn(offsets)))
      return []
    },
  )
  // A body of GET, as Confluent's API has it.
  app.route({
    method: 'GET',
    url: `${instancePath}/offsets`,
    exposeHeadRoute: false,
    validatorCompiler: () => () => true,
    schema: { params: InInstance, body: Partitions, response: { 200: Committed, ...errors } },
    handler: async (request, reply) => {
      const wanted = (request.body as { partitions?: unknown } | undefined)?.partitions
      if (!Array.isArray(wanted) || wanted.length > mostPartitions || !wanted.every(isNamed)) throw noPartition()
      const { group } = request.params as Named
      const offsets = await use(request, request.params as Named, () => rest.client(request).groupOffsets(group, ''))
      const isWanted = Positions.of(wanted)
      const found = offsets.filter(each => isWanted.has(each))
      reply.send({ offsets: found.map(({ topic, partition, offset, metadata }) => ({ topic, partition, offset, metadata })) } as never)
    },
  })
}

function isNamed(value: unknown): value is PartitionName {
  const { topic, partition } = (value ?? {}) as Record<string, unknown>
  return typeof topic === 'string' && isPartition(partition)
}

function isPartition(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 0x7f_ff_ff_ff
}

function positionIn(offset: unknown): bigint {
  const position = asInt64(offset, 'offset')
  if (position < 0n) throw badRequestOf(`offset must not be negative, but is ${position}`)
  return position
}

/** Committed is the position behind the given offset. */
function committedIn(offsets: unknown): CommittedOffset[] {
  if (!Array.isArray(offsets)) throw badRequestOf('offsets must be an array')
  if (offsets.length > mostPartitions) throw badRequestOf(`offsets must have ${mostPartitions} items at most`)
  return offsets.map(each => {
    if (!isNamed(each)) throw badRequestOf('an offset needs a topic and a partition')
    const { topic, partition, offset, metadata } = each as PartitionName & Record<string, unknown>
    if (metadata != null && typeof metadata !== 'string') throw badRequestOf('metadata must be a string')
    return { topic, partition, offset: positionIn(offset) + 1n, ...(metadata == null ? {} : { metadata }) }
  })
}
