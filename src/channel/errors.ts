/**
 * Reduces the library's nested errors (one per attempt, each with errors by partition) to the one that matters: Kafka's error name and the
 * broker's message.
 */
import { type ErrorName, isRetriable } from '../protocol.ts'

export class ClientError extends Error {
  /** Kafka's name (`UNKNOWN_TOPIC_OR_PARTITION`), or UNREACHABLE, REFUSED (login or TLS), TIMEOUT, INVALID, FAILED. */
  readonly code: string

  constructor(code: string, message: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'ClientError'
    this.code = code
  }
}

/** Who waits may have an answer later. */
export function mayPass({ code }: ClientError): boolean {
  return code === 'UNREACHABLE' || code === 'TIMEOUT' || isRetriable(code as ErrorName)
}

/** What the library's errors may carry. */
interface LibraryError extends Error {
  code?: string
  apiId?: string
  serverErrorMessage?: string | null
  errors?: readonly LibraryError[]
  host?: string
  port?: number
}

/** Awaits work of the library; what it throws comes out as a ClientError. */
export async function settled<T>(bootstrap: string, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw toClientError(error, bootstrap)
  }
}

export function toClientError(error: unknown, bootstrap: string): ClientError {
  if (error instanceof ClientError) return error
  const leaves = [...leavesOf(error as LibraryError)]
  const own = leaves.find(leaf => (leaf as Error) instanceof ClientError)
  if (own !== undefined) return own as unknown as ClientError
  const refused = refusal(leaves, bootstrap)
  if (refused !== null) return new ClientError('REFUSED', refused, error)
  const answers = leaves.filter(leaf => leaf.apiId !== undefined)
  if (answers.length > 0) {
    const [first] = answers as [LibraryError]
    // What the broker says of one record has no name; the library puts it in front of the error of the partition, which has one.
    const named = answers.find(leaf => leaf.apiId !== 'UNKNOWN_SERVER_ERROR') ?? first
    return new ClientError(named.apiId!, first.serverErrorMessage || named.message, error)
  }
  const leaf = leaves.at(-1)!
  const message = leaf.message || String(leaf)
  const unknownTopic = /^Unknown topic (.+)\.$/.exec(message)
  if (unknownTopic !== null) return new ClientError('UNKNOWN_TOPIC_OR_PARTITION', `topic not found: ${unknownTopic[1]}`, error)
  const system = leaves.find(each => /^E[A-Z]{3,}$/.test(each.code ?? ''))
  if (leaves.some(each => /timed? ?out/i.test(each.message))) {
    return new ClientError('TIMEOUT', `no answer in time from ${bootstrap}`, error)
  }
  if (system !== undefined || leaves.some(each => each.code === 'PLT_KFK_NETWORK' || each.code === 'CONNECTION_LOST')) {
    const reason = system === undefined ? message : system.message || system.code
    return new ClientError('UNREACHABLE', `no broker answers at ${bootstrap} (${reason})`, error)
  }
  if (leaf.code === 'PLT_KFK_USER') return new ClientError('INVALID', message, error)
  return new ClientError('FAILED', message, error)
}

/** Login and TLS failures, where a retry would not help. null: another kind of error. */
function refusal(leaves: readonly LibraryError[], bootstrap: string): string | null {
  for (const { apiId, code = '', message, serverErrorMessage } of leaves) {
    if (apiId === 'SASL_AUTHENTICATION_FAILED') return `${bootstrap} rejected the login: ${serverErrorMessage || 'authentication failed'}`
    if (apiId === 'UNSUPPORTED_SASL_MECHANISM') return `${bootstrap} does not offer this SASL mechanism`
    if (apiId === 'ILLEGAL_SASL_STATE') return `${bootstrap} does not use SASL on this port, or requires it`
    if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return `the certificate of ${bootstrap} is for another name: ${message}`
    const reason = untrusted[code]
    if (reason !== undefined) return `the certificate of ${bootstrap} is not trusted: ${reason}`
    if (/ALERT_CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE|ALERT_UNKNOWN_CA|ALERT_BAD_CERTIFICATE/.test(code)) {
      return `${bootstrap} rejected the client certificate, or requires one (${code})`
    }
    if (code.startsWith('ERR_SSL_')) return `the TLS handshake with ${bootstrap} failed (${code})`
    if (code === 'PLT_KFK_USER' && /TLS|SSL/.test(message)) return `${bootstrap}: ${message}`
    if (code === 'PLT_KFK_AUTHENTICATION' && !/^SASL authentication failed|^Cannot find/.test(message)) return `${bootstrap}: ${message}`
  }
  return null
}

const untrusted: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: 'it is self-signed',
  SELF_SIGNED_CERT_IN_CHAIN: 'its issuer is not trusted',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its issuer is not trusted',
  UNABLE_TO_GET_ISSUER_CERT: 'its issuer is not trusted',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its issuer is not trusted',
  CERT_UNTRUSTED: 'its issuer is not trusted',
  CERT_SIGNATURE_FAILURE: 'its signature is wrong',
  CERT_HAS_EXPIRED: 'it has expired',
  CERT_NOT_YET_VALID: 'it is not valid yet',
}

/** The error, its parts and its causes, outermost first. */
function* leavesOf(error: LibraryError): Generator<LibraryError> {
  yield error
  for (const part of error.errors ?? []) yield* leavesOf(part)
  if (error.cause instanceof Error) yield* leavesOf(error.cause as LibraryError)
}
