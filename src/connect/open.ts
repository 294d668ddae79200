/** Opens a worker: its stores, its API, and then its place in the group, because the others have to know where it is reached. */
import { hostname } from 'node:os'
import { type System, stringifyLossless } from '../base.ts'
import { type Client, openClient } from '../client.ts'
import { closeHttpApp, type ErrorBody, type HttpApp, HttpError, type HttpSettings, listen, openHttpApp } from '../http.ts'
import type { Logger } from '../logger.ts'
import type { RegistryReached, Service, ServiceContext } from '../service.ts'
import { type Acting, basicLogin } from '../sessions.ts'
import { type Demand, demandRights } from './access.ts'
import { unknownConverters } from './converters.ts'
import { Membership } from './group/member.ts'
import type { ProtocolName } from './group/protocol.ts'
import { toHttpError } from './herder/errors.ts'
import { AloneGroup, type Group } from './herder/group.ts'
import { Herder } from './herder/herder.ts'
import { Levels } from './levels.ts'
import { Plugins } from './plugins.ts'
import { type Api, refuseMany } from './rest/api.ts'
import { connectorRoutes } from './rest/connectors.ts'
import { internalRoutes } from './rest/internal.ts'
import { loggerRoutes } from './rest/loggers.ts'
import { offsetRoutes } from './rest/offsets.ts'
import { pluginRoutes } from './rest/plugins.ts'
import { serverRoutes } from './rest/server.ts'
import { stateRoutes } from './rest/states.ts'
import { Runtime } from './runtime.ts'
import { fileOffsetStore, memoryConfigStore } from './stores/alone.ts'
import type { ConfigChange } from './stores/config-state.ts'
import { type ConfigStore, openConfigStore } from './stores/config-store.ts'
import { type OffsetStore, openOffsetStore } from './stores/offset-store.ts'
import { memoryStatusStore, openStatusStore, type StatusStore } from './stores/status-store.ts'
import type { Reached } from './tasks/messages.ts'
import { slipsIn, type WorkerConfig, withPrefix, workerConfig } from './worker-config.ts'

export interface WorkerOptions {
  readonly worker: WorkerConfig
  readonly reached: Reached
  /** With these. Not closed with the worker. */
  readonly client: Client
  /** As other principals. Not closed with the worker either. */
  readonly acting: Acting
  readonly http: HttpSettings & { readonly host: string; readonly port: number }
  /** Under which other workers reach this one; null: as it listens. */
  readonly advertisedUrl: string | null
  /** null: whoever reaches it may do everything. */
  readonly demand: Demand | null
  registry(): RegistryReached | null
  readonly system: System
  readonly logger: Logger
}

export interface OpenWorker extends Service {
  readonly herder: Herder
  readonly url: string
}

/** The service beside others. */
export function openConnect({ settings, sessions, own, acting, registryFor, system, logger }: ServiceContext): Promise<Service> {
  const { bootstrap, ownProperties, properties, host, ports, connect } = settings
  const needsLogin = (properties['security.protocol'] ?? '').trim().toUpperCase().startsWith('SASL')
  return openWorker({
    worker: workerConfig({ 'group.id': 'connect-cluster', ...connect.properties, 'bootstrap.servers': bootstrap }),
    reached: { bootstrap, properties: ownProperties },
    client: own,
    acting,
    http: { ...settings, host, port: ports.connect },
    advertisedUrl: connect.advertisedUrl,
    demand: needsLogin ? demandRights(sessions, system) : null,
    registry: () => registryFor(basicLogin(ownProperties)),
    system,
    logger,
  })
}

export async function openWorker(options: WorkerOptions): Promise<OpenWorker> {
  const { worker, http, system, logger, client, acting } = options
  const levels = new Levels(logger, () => system.clock.now())
  const plugins = await Plugins.open(worker.values['plugin.path'], system)
  for (const path of plugins.empty) logger.warn({ path }, 'plugin.path: there is no connector for this worker')
  const { properties } = worker
  // No failure: connectors with converters of their own need none of the worker.
  for (const problem of [...slipsIn(properties), ...unknownConverters(new Map(Object.entries(properties)))])
    logger.warn({ problem }, 'a key of the worker counts for nothing')
  // What is written before there is a herder is read by it when it begins.
  let changed: (change: ConfigChange) => void = () => {}
  let stated: Runtime['stated'] = () => {}
  const stores = await openStores(options, {
    changed: change => changed(change),
    stated: (part, status) => stated(part, status),
  })
  const registry = () => options.registry()
  const herder = new Herder({ worker, ...stores, plugins, levels, client, acting, registry, system })
  changed = herder.changed
  const advertisedHost = options.advertisedUrl === null ? reachedAs(http.host) : new URL(options.advertisedUrl).hostname
  const app = await openHttpApp({
    ...{ name: 'connect', system, logger, jsonTypes: [], errorBody },
    settings: { ...http, allowedHosts: [...http.allowedHosts, advertisedHost] },
  })
  let isStarted = false
  app.addHook('onRequest', async request => {
    if (!isStarted) throw new HttpError(503, 503, 'Worker is still starting up.')
    await options.demand?.rights(request, stores.configs.state.sessionKey, url)
  })
  app.addHook('preValidation', async request => options.demand?.body(request))
  await addRoutes({
    ...{ app, herder, plugins, levels, worker, system },
    sessionKey: () => stores.configs.state.sessionKey,
    clusterId: async () => (await client.cluster()).id,
  })
  const closeStores = () => Promise.all([stores.configs.close(), stores.statuses.close(), stores.offsets.close()])
  const port = await listen(app, { host: http.host, port: http.port }).catch(async error => {
    await closeStores()
    throw error
  })
  const url = options.advertisedUrl ?? `${http.tls === null ? 'http' : 'https'}://${bracketed(advertisedHost)}:${port}`
  const group = openGroup(options, url, herder, levels)
  const runtime = new Runtime({
    workerId: `${bracketed(new URL(url).hostname.replace(/^\[|\]$/g, ''))}:${new URL(url).port || port}`,
    ...{ worker, reached: options.reached, acting, plugins, statuses: stores.statuses, offsets: stores.offsets, levels, system },
    registry,
    generation: () => group.generation,
    leaveGroup: member => client.leaveGroup(member),
    tasksMade: herder.tellings.tasksMade,
    transactional: herder.tellings.transactional,
  })
  stated = runtime.stated
  herder.start(runtime, group)
  isStarted = true
  return {
    port,
    url,
    herder,
    async close() {
      await closeHttpApp(app, system.timers)
      await herder.close()
      await closeStores()
      await plugins.close()
    },
  }
}

interface Stores {
  readonly configs: ConfigStore
  readonly statuses: StatusStore
  readonly offsets: OffsetStore
}

interface Hearing {
  changed(change: ConfigChange): void
  readonly stated: Runtime['stated']
}

async function openStores({ worker, client, system, logger }: WorkerOptions, { changed, stated }: Hearing): Promise<Stores> {
  const { values, properties } = worker
  const group = values['group.id']
  if (group === null) {
    const offsets = fileOffsetStore(values['offset.storage.file.filename'], system)
    return { configs: memoryConfigStore(changed), statuses: memoryStatusStore(), offsets }
  }
  const common = (kind: 'config' | 'offset' | 'status') => ({
    ...{ client, system, logger, topic: values[`${kind}.storage.topic`] },
    replicas: values[`${kind}.storage.replication.factor`] < 1 ? undefined : values[`${kind}.storage.replication.factor`],
    configs: topicConfigs(properties, `${kind}.storage.`),
  })
  const keyBits = values['inter.worker.key.size'] ?? 256
  const [configs, statuses, offsets] = await Promise.all([
    openConfigStore({
      ...common('config'),
      ...{ group, changed, keyBytes: Math.ceil(keyBits / 8), keyAlgorithm: values['inter.worker.key.generation.algorithm'] },
      keyTtlMs: values['inter.worker.key.ttl.ms'],
    }),
    openStatusStore({ ...common('status'), stated, partitions: values['status.storage.partitions'] }),
    openOffsetStore({ ...common('offset'), partitions: values['offset.storage.partitions'] }),
  ])
  return { configs, statuses, offsets }
}

/** `offset.storage.min.insync.replicas` and its like are configs of the topic. */
function topicConfigs(properties: Readonly<Record<string, string>>, prefix: string): Map<string, string> {
  const own = new Set(['topic', 'partitions', 'replication.factor', 'file.filename'])
  return new Map(Object.entries(withPrefix(properties, prefix)).filter(([key]) => !own.has(key)))
}

function openGroup({ worker, reached, system }: WorkerOptions, url: string, herder: Herder, levels: Levels): Group {
  const { values } = worker
  const group = values['group.id']
  if (group === null) return new AloneGroup(url, herder)
  const rebalanceTimeoutMs = values['rebalance.timeout.ms']
  const protocols: ProtocolName[] = values['connect.protocol'].toLowerCase() === 'compatible' ? ['compatible'] : ['sessioned', 'compatible']
  return new Membership({
    // A request to join is answered when all have joined: nothing else waits behind it.
    client: openClient({ ...reached, clientId: `connect-${group}`, timeoutMs: rebalanceTimeoutMs + 10_000 }),
    url,
    settings: {
      ...{ group, protocols, rebalanceTimeoutMs, maxDelayMs: values['scheduled.rebalance.max.delay.ms'] },
      ...{ sessionTimeoutMs: values['session.timeout.ms'], heartbeatMs: values['heartbeat.interval.ms'] },
    },
    member: herder,
    system,
    logger: levels.logger('millrace.connect.group'),
  })
}

async function addRoutes(api: Api): Promise<void> {
  const { app } = api
  app.addHook('onRequest', async ({ headers: { accept = '*/*' }, url }) => {
    if (!takesJson.test(accept) && !url.startsWith('/metrics')) throw new HttpError(406, 406, 'HTTP 406 Not Acceptable')
  })
  app.addHook('preValidation', async ({ body }) => refuseMany(body))
  app.setReplySerializer(payload => stringifyLossless(payload))
  await app.register(async (scope: HttpApp) => {
    // What is thrown goes on to the handler of the whole server.
    scope.setErrorHandler(error => {
      throw toHttpError(error)
    })
    const own = { ...api, app: scope }
    serverRoutes(own)
    connectorRoutes(own)
    stateRoutes(own)
    offsetRoutes(own)
    pluginRoutes(own)
    loggerRoutes(own)
    await internalRoutes(own)
  })
}

/** Of an `Accept` header. */
const takesJson = /(?:^|,)\s*(?:\*|application)\/(?:\*|json)/i

/** Kafka Connect's form. */
const errorBody: ErrorBody = ({ status, code, message }) => {
  const words = status === 415 ? 'HTTP 415 Unsupported Media Type' : message.replace(/^(HTTP 404 Not Found): [\s\S]*/, '$1')
  return { contentType: 'application/json', body: { error_code: code, message: words } }
}

function reachedAs(host: string): string {
  return host === '0.0.0.0' || host === '::' || host === '' ? hostname() : host
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}
