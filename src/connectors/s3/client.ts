/** Amazon's client as the sink and the source use it: its keys, and what its errors mean. */
import { createHash } from 'node:crypto'
import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3'
import type { System } from '../../base.ts'
import { boolean, int, ms, password, RetriableError, string, type ValuesOf } from '../../connector.ts'
import { bounded } from '../http-client/bounded-agent.ts'
import { shown } from '../http-client/http-client.ts'

export const connectionKeys = {
  's3.bucket.name': string({ required: true, importance: 'high', doc: 'The bucket.' }),
  's3.region': string({ default: 'us-west-2', importance: 'medium', doc: 'The region.' }),
  'store.url': string({
    default: null,
    importance: 'high',
    doc: 'Address of the service, for services other than Amazon’s, as in https://cos.ap-guangzhou.myqcloud.com.',
    allowed: 'an http or https URL',
    check: value => (/^https?:\/\/./.test(value) && URL.canParse(value) ? null : 'must be a URL that begins with http:// or https://'),
  }),
  's3.path.style.access.enabled': boolean({
    default: true,
    importance: 'medium',
    doc: 'Whether the bucket is in the path of requests, or in the name of the host.',
  }),
  'aws.access.key.id': string({
    default: '',
    importance: 'high',
    doc: 'Access key. By default the environment, the shared files and the metadata service are asked, as by all of Amazon’s tools.',
  }),
  'aws.secret.access.key': password({ importance: 'high', doc: 'Secret of the access key.' }),
  's3.sse.customer.key': password({
    importance: 'low',
    doc: 'Key of 32 bytes, in base64, with which the service encrypts without keeping it (SSE-C).',
  }),
  's3.part.retries': int({ default: 3, min: 0, max: 100, doc: 'How often a request is repeated at once before the task backs off.' }),
  's3.request.timeout.ms': ms({ default: 60_000, min: 100, doc: 'How long a request may take, with its answer.' }),
  's3.wan.mode': boolean({ default: false, doc: 'Whether Amazon’s accelerated address is used.' }),
} as const

export type ConnectionConfig = ValuesOf<typeof connectionKeys>

/** Of an answer that is no part of an object. */
const mostAnswer = 64 * 2 ** 20
const connections = { keepAlive: true, maxSockets: 50 }

export function openS3(config: ConnectionConfig, system: System): S3Client {
  const id = config['aws.access.key.id']
  const endpoint = config['store.url']
  const timeoutMs = config['s3.request.timeout.ms']
  const bounds = { system, timeoutMs, mostBytes: mostAnswer }
  const options: S3ClientConfig = {
    region: config['s3.region'],
    forcePathStyle: config['s3.path.style.access.enabled'] && !config['s3.wan.mode'],
    useAccelerateEndpoint: config['s3.wan.mode'],
    maxAttempts: config['s3.part.retries'] + 1,
    // Services other than Amazon's do not know the newer checksums.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      httpAgent: bounded(new HttpAgent(connections), bounds),
      httpsAgent: bounded(new HttpsAgent(connections), bounds),
      connectionTimeout: Math.min(10_000, timeoutMs),
    },
    ...(endpoint === null ? {} : { endpoint }),
    ...(id === '' ? {} : { credentials: { accessKeyId: id, secretAccessKey: config['aws.secret.access.key']! } }),
  }
  return new S3Client(options)
}

interface ServiceError {
  readonly name?: string
  readonly code?: string
  readonly message?: string
  readonly $metadata?: { readonly httpStatusCode?: number }
  readonly $retryable?: unknown
}

export function isNoSuchUpload(error: unknown): boolean {
  return (error as ServiceError).name === 'NoSuchUpload'
}

export function isMissing(error: unknown): boolean {
  return (error as ServiceError).$metadata?.httpStatusCode === 404
}

/** RetriableError where trying again may help; otherwise an error that says what was asked for. */
export function explained(error: unknown, doing: string): Error {
  if (error instanceof RetriableError) return error
  const { name = 'Error', code, message = '', $metadata, $retryable } = (error ?? {}) as ServiceError
  const status = $metadata?.httpStatusCode
  const text = shown(`${doing}: ${name === 'Error' ? (code ?? '') : name}${status === undefined ? '' : ` (${status})`} ${message}`)
  // An answer that went well and cannot be read is somebody else's.
  const isPassing =
    $retryable !== undefined ||
    (status !== undefined
      ? status < 300 || status >= 500 || status === 429 || status === 408
      : passing.has(code ?? '') || passing.has(name))
  return isPassing ? new RetriableError(text, { cause: error }) : new Error(text, { cause: error })
}

const passing: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'TimeoutError',
  'SlowDown',
  'RequestTimeout',
  'RequestTimeTooSkewed',
])

/** For every request that touches the content of an object. */
export function customerKey(config: Pick<ConnectionConfig, 's3.sse.customer.key'>) {
  const key = config['s3.sse.customer.key']
  if (key === null) return {}
  const SSECustomerKeyMD5 = createHash('md5').update(Buffer.from(key, 'base64')).digest('base64')
  return { SSECustomerAlgorithm: 'AES256', SSECustomerKey: key, SSECustomerKeyMD5 }
}
