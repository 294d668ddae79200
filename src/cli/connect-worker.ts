/** `millrace connect`: one worker of Kafka Connect, from Kafka Connect's own files. Runs in the foreground until it is asked to stop. */
import { isLoopback, pause, realSystem, type System, splitList } from '../base.ts'
import { openClient, untilReached } from '../client.ts'
import { flowsIn, openWorker, type WorkerConfig, type WorkerOptions, workerConfig } from '../connect.ts'
import { HttpError } from '../http.ts'
import type { Logger } from '../logger.ts'
import type { TlsFiles } from '../services.ts'
import { openActing } from '../sessions.ts'
import { readClientConfig } from './client-config.ts'
import { bracketed, CommandFailed, UsageError } from './output.ts'
import { processLogger } from './process-logger.ts'
import { followLauncher, onStopRequest } from './stop.ts'

export interface ConnectWorkerFlags {
  config?: string
  set?: Record<string, string>
  logLevel?: 'debug' | 'info' | 'warn' | 'error'
}

const limits = { mostBodyBytes: 16_777_216, mostConnections: 4_096, requestTimeoutMs: 60_000 }

/** `files`: of connectors; with them, or without a group, the worker is alone. */
export async function connectWorker(files: readonly string[], { config, set = {}, logLevel = 'info' }: ConnectWorkerFlags): Promise<void> {
  if (config === undefined)
    throw new UsageError("name Kafka Connect's worker.properties, or MirrorMaker's mm2.properties: millrace connect --config FILE")
  const system = realSystem()
  followLauncher(system)
  const properties: Record<string, string> = { ...readClientConfig(config, '--config'), ...set }
  const logger = processLogger({ level: logLevel, afterRejection: 'go on' })
  const running: Running[] = []
  onStopRequest(system, reason => {
    logger.info({ reason }, 'shutting down')
    void Promise.allSettled(running.map(each => each.close())).finally(() => process.exit(0))
  })
  const started = async (worker: Properties) => {
    const one = await startWorker(worker, { system, logger })
    running.push(one)
    return one
  }
  try {
    if (properties['clusters'] !== undefined) {
      if (files.length > 0) throw new UsageError(`${config} is of MirrorMaker, and says itself which connectors there are`)
      for (const { worker, connectors } of checked(() => flowsIn(properties))) {
        const { url } = await started(worker)
        for (const each of connectors) await insist(url, each, { system, logger })
      }
      return
    }
    if (files.length > 0) delete properties['group.id']
    const connectors = files.map(file => connectorIn(file))
    const worker = await started(properties)
    for (const each of connectors) await worker.put(each)
  } catch (error) {
    // They would keep the process, which has told that it failed.
    await Promise.allSettled(running.map(each => each.close()))
    throw error
  }
}

type Properties = Readonly<Record<string, string>>

interface Connector {
  readonly name: string
  readonly settings: Properties
}

interface Running {
  readonly url: string
  /** Of a worker that is alone. */
  put(connector: Connector): Promise<void>
  close(): Promise<void>
}

interface Surroundings {
  readonly system: System
  readonly logger: Logger
}

async function startWorker(properties: Properties, { system, logger }: Surroundings): Promise<Running> {
  const worker = checked(() => workerConfig(properties))
  const reached = { bootstrap: worker.values['bootstrap.servers'], properties }
  const client = openClient({ ...reached, clientId: properties['client.id'] ?? 'millrace-connect' })
  const acting = openActing({ bootstrap: reached.bootstrap, ownProperties: properties, own: client, system, logger })
  const closeClients = async () => {
    acting.close()
    await client.close()
  }
  const { host, port, isEvery, isTls } = listenerOf(worker)
  const waiting = (error: Error) => logger.warn({ reason: error.message }, 'no broker answers yet; it is tried again for a minute')
  const options: WorkerOptions = {
    ...{ worker, reached, client, acting, system, logger },
    http: {
      ...limits,
      host,
      port,
      allowedHosts: isEvery ? ['*'] : [host],
      corsOrigins: origins(properties),
      trustedProxies: [],
      tls: isTls ? tlsOf(properties) : null,
    },
    advertisedUrl: advertised(worker, host, port, isTls ? 'https' : 'http'),
    demand: null,
    registry: () => null,
  }
  const opening = untilReached(client, system, waiting).then(() => openWorker(options))
  const opened = await opening.catch(async error => {
    await closeClients()
    throw error
  })
  if (!isLoopback(bracketed(host)))
    logger.warn({ host }, 'whoever reaches this port may do everything that the worker may do, as with Kafka Connect; see listeners')
  logger.info({ url: opened.url, group: worker.values['group.id'], bootstrap: reached.bootstrap }, 'the worker is ready')
  return {
    url: opened.url,
    async put({ name, settings }) {
      try {
        await opened.herder.put(name, settings)
      } catch (error) {
        if (!(error instanceof HttpError)) throw error
        throw new CommandFailed(`connector ${name}: ${error.message}`)
      }
    },
    async close() {
      await opened.close()
      await closeClients()
    },
  }
}

const pauseMs = 500

/** By the worker's own interface, which hands it on to the one that leads. Asked again while the group finds together, or that one cannot be reached. */
async function insist(url: string, { name, settings }: Connector, { system, logger }: Surroundings): Promise<void> {
  let told = ''
  for (;;) {
    const request = { method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify(settings) }
    const response = await fetch(`${url}/connectors/${encodeURIComponent(name)}/config`, request)
    const { message = '' } = (await response.json()) as { message?: string }
    if (response.ok) return
    const isRebalance = response.status === 409
    if (!isRebalance && response.status < 500) throw new CommandFailed(`connector ${name}: ${message}`)
    if (!isRebalance && message !== told)
      logger.warn({ connector: name, reason: message }, 'a connector cannot be set yet; it is tried again')
    told = message
    await pause(system, pauseMs)
  }
}

/** A properties or JSON file; JSON may be what the API takes (`name` and `config`). */
function connectorIn(file: string): Connector {
  const text = realSystem().files.readFile(file)?.toString('utf8')
  if (text === undefined) throw new UsageError(`file not found: ${file}`)
  const settings = text.trimStart().startsWith('{') ? fromJson(file, text) : readClientConfig(file, 'the file of a connector')
  const { name } = settings
  if (name === undefined || name === '') throw new UsageError(`${file}: it has no name`)
  return { name, settings }
}

function fromJson(file: string, text: string): Record<string, string> {
  let body: Record<string, unknown>
  try {
    body = JSON.parse(text) as Record<string, unknown>
  } catch (error) {
    throw new UsageError(`${file}: ${(error as Error).message}`)
  }
  const { config, name } = body
  const given = typeof config === 'object' && config !== null ? { name, ...config } : body
  return Object.fromEntries(Object.entries(given).map(([key, value]) => [key, String(value)]))
}

/** The key and certificates of the first listener with HTTPS: `listeners.https.ssl.…`, else those of the client. */
function tlsOf(properties: Properties): TlsFiles {
  const given = (name: string) => properties[`listeners.https.ssl.${name}`] ?? properties[`ssl.${name}`] ?? null
  const files = { location: given('keystore.location'), chain: given('keystore.certificate.chain'), key: given('keystore.key') }
  if (files.location === null && (files.chain === null || files.key === null))
    throw new UsageError('listeners.https.ssl.keystore.location: a listener with https needs a key store')
  return {
    ...files,
    storePassword: given('keystore.password'),
    keyPassword: given('key.password'),
    protocols: ['TLSv1.2', 'TLSv1.3'],
    checkMs: 60_000,
  }
}

function listenerOf({ values }: WorkerConfig): { host: string; port: number; isEvery: boolean; isTls: boolean } {
  const [first = 'http://127.0.0.1:8083'] = values.listeners
  const found = /^(https?):\/\/(\[[^\]]+\]|[^:/]*):(\d{1,5})\/?$/i.exec(first)
  if (found === null) throw new UsageError(`listeners: "${first}" is no URL such as http://127.0.0.1:8083`)
  const host = found[2]!.replace(/^\[|\]$/g, '')
  // Java's workers listen on all addresses then.
  const isEvery = host === '' || host === '0.0.0.0' || host === '::'
  return { host: isEvery ? '0.0.0.0' : host, port: Number(found[3]), isEvery, isTls: found[1]!.toLowerCase() === 'https' }
}

function advertised({ values }: WorkerConfig, host: string, port: number, own: string): string | null {
  const { 'rest.advertised.host.name': name, 'rest.advertised.port': other, 'rest.advertised.listener': scheme } = values
  if (name === null && other === null) return null
  return `${(scheme ?? own).toLowerCase()}://${bracketed(name ?? host)}:${other ?? port}`
}

function origins(properties: Properties): string[] {
  return splitList(properties['access.control.allow.origin'] ?? '').filter(each => each !== '')
}

function checked<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}
