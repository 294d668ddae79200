/** Connections to Redis, by the official client: their keys, how they are opened, and which of their errors pass. */
import type { System } from '../../base.ts'
import { boolean, DataError, int, long, password, RetriableError, string, type ValuesOf } from '../../connector.ts'

export const connectionKeys = {
  'redis.uri': string({
    default: '',
    check: uriProblem,
    doc: 'The server: `redis://host:6379/0`, with TLS `rediss://…`. Default: by `redis.host` and `redis.port`.',
  }),
  'redis.host': string({ default: 'localhost', importance: 'high', doc: 'Host of the server.' }),
  'redis.port': int({ default: 6_379, min: 1, max: 65_535, importance: 'high', doc: 'Port of the server.' }),
  'redis.username': string({ default: '', doc: 'User name.' }),
  'redis.password': password({ doc: 'Password.' }),
  'redis.tls': boolean({ default: false, doc: 'Whether the connection uses TLS.' }),
  'redis.insecure': boolean({ default: false, doc: "Whether the server's certificate is not checked." }),
  'redis.cacert': string({ default: '', doc: 'PEM file of the authorities that are trusted.' }),
  'redis.timeout': long({ default: 60, min: 1, max: 86_400, doc: 'How many seconds a command may take.' }),
} as const

function uriProblem(text: string): string | null {
  if (text === '') return null
  if (!/^rediss?:\/\//.test(text) || !URL.canParse(text)) return 'must be a URL that begins with redis:// or rediss://'
  // A URL is shown to everybody.
  return new URL(text).password === '' ? null : 'must not have a password: set redis.password, which is never shown'
}

export type Client = Awaited<ReturnType<typeof create>>

/** To be connected. */
export async function create(config: ValuesOf<typeof connectionKeys>, system: System) {
  const { createClient } = await import('redis')
  const seconds = config['redis.timeout']
  const isSecure = config['redis.tls'] || config['redis.uri'].startsWith('rediss:')
  const ca = config['redis.cacert'] === '' ? null : system.files.readFile(config['redis.cacert'])
  const url =
    config['redis.uri'] === '' ? `${isSecure ? 'rediss' : 'redis'}://${config['redis.host']}:${config['redis.port']}` : config['redis.uri']
  const tls = isSecure ? { tls: true as const, rejectUnauthorized: !config['redis.insecure'], ...(ca !== null && { ca }) } : {}
  const client = createClient({
    url,
    ...(config['redis.username'] !== '' && { username: config['redis.username'] }),
    ...(config['redis.password'] !== null && { password: config['redis.password'] }),
    socket: { ...tls, connectTimeout: seconds * 1_000, socketTimeout: seconds * 1_000, reconnectStrategy: false },
    disableOfflineQueue: true,
    // Answers are the same with both; older servers have only this one.
    RESP: 2,
  })
  // Without a listener an error of an idle connection would end the process; the next command fails.
  client.on('error', () => {})
  return client
}

/** That Redis has answered with; by name, because the library is loaded late. */
export function isReply(error: Error): boolean {
  return ['ErrorReply', 'SimpleError', 'BlobError', 'MultiErrorReply'].includes(error.constructor.name)
}

/** What Redis says of a command that it cannot do now; everything else is about the command. */
const passingReply = /^(?:LOADING|BUSY|TRYAGAIN|CLUSTERDOWN|MASTERDOWN|READONLY|OOM|NOREPLICAS|MISCONF|UNKILLABLE|FAILOVER)\b/

export function isPassing(reply: Error): boolean {
  return passingReply.test(reply.message)
}

/** RetriableError of errors of the connection, and of what Redis cannot do now. The connection is of no use any more then. */
export function sortedError(error: Error): Error {
  if (error instanceof DataError || error instanceof RetriableError) return error
  const isConnection =
    !isReply(error) && ('code' in error || /Closed|Offline|Timeout|Disconnects|Abort|Reconnect/.test(error.constructor.name))
  return isConnection || (isReply(error) && isPassing(error)) ? new RetriableError(`Redis: ${error.message}`, { cause: error }) : error
}
