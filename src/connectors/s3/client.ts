/** Amazon's client as this sink uses it, and what its errors mean. */
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3'
import { RetriableError } from '../../connector.ts'
import type { S3Config } from './sink.ts'

export function openS3(config: S3Config): S3Client {
  const id = config['aws.access.key.id']
  const endpoint = config['store.url']
  const options: S3ClientConfig = {
    region: config['s3.region'],
    forcePathStyle: config['s3.path.style.access.enabled'] && !config['s3.wan.mode'],
    useAccelerateEndpoint: config['s3.wan.mode'],
    maxAttempts: config['s3.part.retries'] + 1,
    // Services other than Amazon's do not know the newer checksums.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: { requestTimeout: config['s3.request.timeout.ms'], connectionTimeout: 10_000, throwOnRequestTimeout: true },
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
  const text = `${doing}: ${name === 'Error' ? (code ?? '') : name}${status === undefined ? '' : ` (${status})`} ${message}`
    .replace(/\s+/g, ' ')
    .trim()
  const isPassing =
    $retryable !== undefined ||
    (status !== undefined ? status >= 500 || status === 429 || status === 408 : passing.has(code ?? '') || passing.has(name))
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
