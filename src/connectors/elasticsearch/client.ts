/** The client, as this sink uses it: requests without retries of its own, and what their failures mean. Works with Elasticsearch as with OpenSearch. */
import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { Client, errors } from '@opensearch-project/opensearch'
import { RetriableError, type SinkContext } from '../../connector.ts'
import { certificatesOfStore, identityOfStore, refuseJks } from '../../formats.ts'
import { bounded } from '../http-client/bounded-agent.ts'
import { shown } from '../http-client/http-client.ts'
import type { ElasticsearchConfig } from './keys.ts'

export interface Request {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST'
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  /** JSON text. */
  readonly body?: string
  /** NDJSON. */
  readonly bulk?: Buffer
}

export interface SearchClient {
  /** Throws RetriableError where trying again may help, otherwise Refused. */
  send(request: Request): Promise<unknown>
  close(): Promise<void>
}

/** The target says that it will not do this, however often it is asked. */
export class Refused extends Error {
  readonly status: number
  readonly type: string

  constructor(status: number, type: string, message: string) {
    super(message)
    this.name = 'Refused'
    this.status = status
    this.type = type
  }
}

/** That a bulk request of the largest size may be answered with. */
const mostAnswer = 64 * 2 ** 20

/** Throws Error when a store cannot be read. */
export function openClient(config: ElasticsearchConfig, context: SinkContext): SearchClient {
  const username = config['connection.username']
  const tls = tlsOf(config, context)
  // A large request may take long on a slow line, as long as it goes on.
  const bounds = { system: context.system, timeoutMs: Math.min(config['read.timeout.ms'] * 10, 2 ** 31 - 1), mostBytes: mostAnswer }
  const client = new Client({
    nodes: [...config['connection.url']],
    maxRetries: 0,
    requestTimeout: config['read.timeout.ms'],
    agent: ({ url }: { readonly url: URL }) => {
      const connections = { keepAlive: true, maxSockets: 256 }
      return url.protocol === 'https:'
        ? bounded(new HttpsAgent({ ...connections, ...tls }), bounds)
        : bounded(new HttpAgent(connections), bounds)
    },
    ...(config['connection.compression'] ? { compression: 'gzip' as const } : {}),
    ...(username === null ? {} : { auth: { username, password: config['connection.password']! } }),
  })
  /** Without an end of their own, closing would wait for their time-outs. */
  const open = new Set<() => void>()
  const endAll = () => {
    for (const abort of open) abort()
  }
  context.signal.addEventListener('abort', endAll, { once: true })
  return {
    async send({ method, path, query = {}, body, bulk }) {
      const asked = client.transport.request({
        method,
        path,
        querystring: { ...query },
        ...(body === undefined ? {} : { body }),
        ...(bulk === undefined ? {} : { bulkBody: bulk }),
      })
      const abort = () => void asked.abort()
      open.add(abort)
      try {
        return (await asked).body
      } catch (error) {
        throw explained(error, `${method} ${path}`)
      } finally {
        open.delete(abort)
      }
    },
    async close() {
      context.signal.removeEventListener('abort', endAll)
      endAll()
      await client.close()
    },
  }
}

const passing: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504])

function explained(error: unknown, doing: string): Error {
  if (!(error instanceof errors.ResponseError)) return new RetriableError(`${doing}: ${(error as Error).message}`, { cause: error })
  const status = error.statusCode
  const { type, reason } = causeIn(error.body)
  const text = shown(`${doing}: the target answers with status ${status} ${type} ${reason}`)
  return passing.has(status)
    ? new RetriableError(text, { cause: error, retryAfterMs: retryAfterOf(error.headers) })
    : new Refused(status, type, text)
}

function causeIn(body: unknown): { type: string; reason: string } {
  const error = (body as { error?: unknown } | null)?.error
  if (typeof error === 'string') return { type: '', reason: error }
  const { type = '', reason = '' } = (error ?? {}) as { type?: unknown; reason?: unknown }
  return { type: String(type), reason: String(reason).slice(0, 1_000) }
}

function retryAfterOf(headers: Record<string, unknown> | null | undefined): number | null {
  const seconds = Number(headers?.['retry-after'])
  return Number.isFinite(seconds) && seconds >= 0 ? Math.min(seconds * 1_000, 3_600_000) : null
}

function tlsOf(config: ElasticsearchConfig, { system }: SinkContext) {
  const read = (key: 'elastic.https.ssl.truststore.location' | 'elastic.https.ssl.keystore.location'): Buffer | null => {
    const path = config[key]
    if (path === '') return null
    const store = system.files.readFile(path)
    if (store === null) throw new Error(`${key}: there is no file ${path}`)
    refuseJks(store, path)
    return store
  }
  const trust = read('elastic.https.ssl.truststore.location')
  const own = read('elastic.https.ssl.keystore.location')
  return {
    ...(trust === null ? {} : { ca: certificatesOfStore(trust, config['elastic.https.ssl.truststore.password']) }),
    ...(own === null ? {} : identityOfStore(own, config['elastic.https.ssl.keystore.password'], config['elastic.https.ssl.key.password'])),
    ...(config['elastic.https.ssl.endpoint.identification.algorithm'] === '' ? { checkServerIdentity: () => undefined } : {}),
  }
}
