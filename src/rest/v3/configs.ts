/** Configs of topics, of brokers, and of all brokers together: one family of routes for each, with the same form. */
import { Type } from 'typebox'
import type { ConfigEntry, ConfigResource } from '../../client.ts'
import { HttpError } from '../../http.ts'
import { codes, notFound } from '../errors.ts'
import type { Links } from '../links.ts'
import type { Asking, Rest } from '../rest.ts'
import { requireBroker } from './brokers.ts'
import { sendLong } from './long-lists.ts'
import { errors, InCluster, InTopic, List, NoContent, Nullable, Resource } from './schemas.ts'

const ConfigData = Resource({
  cluster_id: Type.String(),
  topic_name: Type.Optional(Type.String()),
  broker_id: Type.Optional(Type.Integer()),
  config_type: Type.Optional(Type.String({ description: 'BROKER' })),
  name: Type.String(),
  value: Nullable(Type.String()),
  is_default: Type.Boolean(),
  is_read_only: Type.Boolean(),
  is_sensitive: Type.Boolean(),
  source: Type.String(),
  synonyms: Type.Array(Type.Object({ name: Type.String(), value: Nullable(Type.String()), source: Type.String() })),
})
const NewValue = Type.Object({ value: Type.Optional(Nullable(Type.String())) })
const Change = Type.Object({
  name: Type.String(),
  value: Type.Optional(Nullable(Type.String())),
  operation: Type.Optional(Nullable(Type.Union([Type.Literal('SET'), Type.Literal('DELETE')]))),
})
const Changes = Type.Object({ data: Type.Array(Change), validate_only: Type.Optional(Nullable(Type.Boolean())) })
const TopicsChanges = Type.Object({
  data: Type.Array(Type.Object({ topic_name: Type.String(), configs: Type.Array(Change) })),
  validate_only: Type.Optional(Nullable(Type.Boolean())),
})

/** Whose configs they are. */
interface Owner {
  readonly resource: ConfigResource
  readonly links: Links
  readonly path: readonly (string | number)[]
  /** In resource names. */
  readonly names: readonly string[]
  readonly configName: string
  readonly kind: string
  /** What tells the owner in the data. */
  readonly fields: { readonly cluster_id: string; readonly topic_name?: string; readonly broker_id?: number; readonly config_type?: string }
}

/** All parameters that the three families have. */
interface Params {
  readonly cluster_id: string
  readonly topic_name?: string
  readonly broker_id?: string
}

const paramsOf = ({ params }: { params: unknown }) => params as Params & { readonly name: string }

type Find = (rest: Rest, request: Asking, params: Params) => Promise<Owner>

const ofTopic: Find = async (rest, request, { cluster_id, topic_name: name = '' }) => ({
  resource: { type: 'TOPIC', name },
  links: await rest.links(request, cluster_id),
  path: ['topics', name, 'configs'],
  names: [`topic=${name}`],
  configName: 'config',
  kind: 'KafkaTopicConfig',
  fields: { cluster_id, topic_name: name },
})

const ofBroker: Find = async (rest, request, { cluster_id, broker_id = '' }) => {
  const { broker, links } = await requireBroker(rest, request, { cluster_id, broker_id })
  return {
    resource: { type: 'BROKER', name: String(broker.id) },
    links,
    path: ['brokers', broker.id, 'configs'],
    names: [`broker=${broker.id}`],
    configName: 'config',
    kind: 'KafkaBrokerConfig',
    fields: { cluster_id, broker_id: broker.id },
  }
}

const ofAllBrokers: Find = async (rest, request, { cluster_id }) => ({
  resource: { type: 'BROKER', name: '' },
  links: await rest.links(request, cluster_id),
  path: ['broker-configs'],
  names: [],
  configName: 'broker-config',
  kind: 'KafkaClusterConfig',
  fields: { cluster_id, config_type: 'BROKER' },
})

export function configRoutes(rest: Rest): void {
  family(rest, '/v3/clusters/:cluster_id/topics/:topic_name/configs', { cluster_id: Type.String(), topic_name: Type.String() }, ofTopic)
  family(rest, '/v3/clusters/:cluster_id/brokers/:broker_id/configs', { cluster_id: Type.String(), broker_id: Type.String() }, ofBroker)
  family(rest, '/v3/clusters/:cluster_id/broker-configs', { cluster_id: Type.String() }, ofAllBrokers)
  defaultsOfTopic(rest)
  ofEverything(rest)
}

function family(rest: Rest, path: string, params: Record<string, ReturnType<typeof Type.String>>, find: Find): void {
  const { app } = rest
  const InOwner = Type.Object(params)
  const InConfig = Type.Object({ ...params, name: Type.String() })
  app.get(path, { schema: { params: InOwner, response: { 200: List(ConfigData), ...errors } } }, async request => {
    const owner = await find(rest, request, paramsOf(request))
    const entries = await rest.client(request).configs(owner.resource)
    return owner.links.list(
      owner.kind,
      owner.path,
      entries.map(each => configData(owner, each)),
    )
  })
  app.get(`${path}/:name`, { schema: { params: InConfig, response: { 200: ConfigData, ...errors } } }, async request => {
    const owner = await find(rest, request, paramsOf(request))
    return configData(owner, await requireEntry(rest, request, owner, paramsOf(request).name))
  })
  const changeOne = async (request: Asking & { params: unknown }, value: string | null) => {
    const { name, ...params } = paramsOf(request)
    const owner = await find(rest, request, params)
    // Those of all brokers list only what is set, so that what may be set is not known here.
    if (owner.resource.name !== '') await requireEntry(rest, request, owner, name)
    await rest.client(request).alterConfigs(owner.resource, new Map([[name, value]]))
  }
  app.put(
    `${path}/:name`,
    { schema: { params: InConfig, body: NewValue, response: { 204: NoContent, ...errors } } },
    async (request, reply) => {
      const { value } = request.body
      if (value == null) throw nullValue(paramsOf(request).name)
      await changeOne(request, value)
      reply.code(204).send(null)
    },
  )
  app.delete(`${path}/:name`, { schema: { params: InConfig, response: { 204: NoContent, ...errors } } }, async (request, reply) => {
    await changeOne(request, null)
    reply.code(204).send(null)
  })
  app.post(
    `${path}::alter`,
    { schema: { params: InOwner, body: Changes, response: { 204: NoContent, ...errors } } },
    async (request, reply) => {
      const owner = await find(rest, request, paramsOf(request))
      await change(rest, request, owner, request.body.data, request.body.validate_only === true)
      reply.code(204).send(null)
    },
  )
}

interface ChangeOf {
  readonly name: string
  readonly value?: string | null | undefined
  readonly operation?: 'SET' | 'DELETE' | null | undefined
}

async function change(rest: Rest, request: Asking, owner: Owner, changes: readonly ChangeOf[], validateOnly: boolean): Promise<void> {
  const client = rest.client(request)
  if (owner.resource.name !== '') {
    const known = new Set((await client.configs(owner.resource)).map(each => each.name))
    for (const { name } of changes) if (!known.has(name)) throw noConfig(owner, name)
  }
  const values = new Map<string, string | null>()
  for (const { name, value = null, operation } of changes) {
    if (operation !== 'DELETE' && value === null) throw nullValue(name)
    values.set(name, operation === 'DELETE' ? null : value)
  }
  await client.alterConfigs(owner.resource, values, validateOnly)
}

/** What a topic of this name would have if it were created now. */
function defaultsOfTopic(rest: Rest): void {
  const schema = { params: InTopic, response: { 200: List(ConfigData), ...errors } }
  rest.app.get('/v3/clusters/:cluster_id/topics/:topic_name/default-configs', { schema }, async request => {
    const owner = await ofTopic(rest, request, request.params)
    const name = request.params.topic_name
    const { configs } = await rest.client(request).createTopic({ name, validateOnly: true })
    return owner.links.list(
      owner.kind,
      ['topics', name, 'default-configs'],
      configs.map(each => configData(owner, each)),
    )
  })
}

/** Each topic has some fifty configs, with their documentation. */
const topicsTogether = 100

/** `-` stands for all of them. Topics whose configs the caller may not see are left out. */
function ofEverything(rest: Rest): void {
  const { app } = rest
  const schema = { params: InCluster, response: { 200: List(ConfigData), ...errors } }
  app.get('/v3/clusters/:cluster_id/topics/-/configs', { schema }, async (request, reply) => {
    const { cluster_id } = request.params
    const client = rest.client(request)
    const links = await rest.links(request, cluster_id)
    const rights = await client.topicRights(await client.topicNames())
    const names = Array.from(rights).flatMap(([name, found]) => (typeof found !== 'string' && found.has('DESCRIBE_CONFIGS') ? [name] : []))
    const data = async function* () {
      for (let at = 0; at < names.length; at += topicsTogether)
        for (const [topic_name, entries] of await client.topicConfigs(names.slice(at, at + topicsTogether))) {
          const owner = await ofTopic(rest, request, { cluster_id, topic_name })
          for (const each of entries) yield configData(owner, each)
        }
    }
    return sendLong(rest.turns, reply, links.list('KafkaTopicConfig', ['topics', '-', 'configs'], []), data())
  })
  app.get('/v3/clusters/:cluster_id/brokers/-/configs', { schema }, async request => {
    const { cluster_id } = request.params
    const { cluster, links } = await rest.cluster(request, cluster_id)
    const data = await Promise.all(
      cluster.brokers.map(async ({ id }) => {
        const owner = await ofBroker(rest, request, { cluster_id, broker_id: String(id) })
        return (await rest.client(request).configs(owner.resource)).map(each => configData(owner, each))
      }),
    )
    return links.list('KafkaBrokerConfig', ['brokers', '-', 'configs'], data.flat())
  })
  app.post(
    '/v3/clusters/:cluster_id/topics/-/configs::alter',
    { schema: { params: InCluster, body: TopicsChanges, response: { 204: NoContent, ...errors } } },
    async (request, reply) => {
      const { cluster_id } = request.params
      for (const { topic_name, configs } of request.body.data) {
        const owner = await ofTopic(rest, request, { cluster_id, topic_name })
        await change(rest, request, owner, configs, request.body.validate_only === true)
      }
      reply.code(204).send(null)
    },
  )
}

async function requireEntry(rest: Rest, request: Asking, owner: Owner, name: string): Promise<ConfigEntry> {
  const entry = (await rest.client(request).configs(owner.resource)).find(each => each.name === name)
  if (entry === undefined) throw noConfig(owner, name)
  return entry
}

function noConfig({ resource }: Owner, name: string): HttpError {
  return notFound(`Config ${name} cannot be found for ${resource.type} ${resource.name}.`)
}

function nullValue(name: string): HttpError {
  return new HttpError(400, codes.badRequest, `Null value not supported for the config ${name}; DELETE resets it`)
}

function configData({ links, path, names, configName, kind, fields }: Owner, entry: ConfigEntry) {
  return {
    kind,
    metadata: links.metadata([...path, entry.name], [...names, `${configName}=${entry.name}`]),
    ...fields,
    name: entry.name,
    value: entry.value,
    is_default: entry.source === 'DEFAULT_CONFIG',
    is_read_only: entry.readOnly,
    is_sensitive: entry.sensitive,
    source: entry.source,
    synonyms: entry.synonyms,
  }
}
