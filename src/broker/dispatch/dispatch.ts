/**
 * From a frame to its reply: request header, handler, response; and what happens when one of them fails.
 *
 * A request that cannot be parsed, or an API or version that was not announced, closes the connection, as in Kafka; only ApiVersions
 * answers an unknown version, so that newer clients can fall back (KIP-511). An exception never reaches another request.
 */
import { MalformedInput } from '../../base.ts'
import {
  apis,
  decodeRequest,
  decodeRequestHeader,
  encodeResponse,
  type Fields,
  type InputOf,
  KafkaError,
  toKafkaError,
} from '../../protocol.ts'
import type { Connection, Dispatch, PendingReply, Reply } from '../connections/connection.ts'
import { type ClientQuota, isExempt } from '../quotas.ts'
import type { SaslExchange } from '../security.ts'
import type { Broker } from './context.ts'
import { type Access, CloseConnection, type Handler, type Operation, type RequestContext, type ResourceType } from './handler.ts'

export function dispatcher(broker: Broker, handlers: readonly Handler[]): Dispatch {
  const byKey: (Handler | undefined)[] = []
  for (const handler of handlers) byKey[handler.api.key] = handler
  return (frame, owned, connection) => {
    const { sasl } = connection.session
    if (sasl?.takesRawToken) return { reply: rawReply(sasl, Buffer.from(frame)), readOn: false }
    if (frame.length < minHeaderBytes) throw new MalformedInput(`a request of ${frame.length} bytes`)
    const key = frame.readInt16BE(0)
    const version = frame.readInt16BE(2)
    sasl?.admit(key)
    const handler = byKey[key]
    if (handler === undefined) throw new MalformedInput(`API key ${key} is not supported`)
    // Bytes of a request live in the shared read buffer. Only produce is done with them when its handler returns.
    const bytes = owned || handler.api === apis.produce ? frame : Buffer.from(frame)
    return new Exchange(broker, handler, connection, version).run(bytes)
  }
}

async function rawReply(sasl: SaslExchange, token: Buffer): Promise<Reply> {
  const frame = await sasl.rawToken(token)
  return frame === null ? null : { buffers: [frame], length: frame.length }
}

/** What timers and int32 can hold. */
const longestDelayMs = 2 ** 31 - 1

/** API key, version, correlation id. */
const minHeaderBytes = 8

/** One request and its reply; what the handler sees as its context. */
class Exchange implements RequestContext {
  readonly broker: Broker
  readonly connection: Connection
  readonly version: number
  clientId: string | null = null
  readonly #handler: Handler
  readonly #startMs: number
  #correlationId = 0
  #requestBytes = 0
  /** When the handler let go of the event loop; 0: when the reply was there. */
  #parkedMs = 0
  #throttleMs = 0
  #afterReply: (() => void) | null = null

  constructor(broker: Broker, handler: Handler, connection: Connection, version: number) {
    this.broker = broker
    this.connection = connection
    this.#handler = handler
    this.version = version
    this.#startMs = broker.system.clock.monotonic()
  }

  get signal(): AbortSignal {
    return this.connection.signal
  }

  allowed(operation: Operation, resource: ResourceType, name: string, probe?: 'probe'): boolean {
    this.#checkDeclared(operation, resource)
    const { grants } = this.connection.session
    return grants === null || grants.allowed(operation, resource, name, probe === undefined ? this.#handler.api.name : null)
  }

  allowedSome(operation: Operation, resource: ResourceType): boolean {
    this.#checkDeclared(operation, resource)
    return this.connection.session.grants?.allowedSome(operation, resource) ?? true
  }

  #checkDeclared(operation: Operation, resource: ResourceType): void {
    if (declares(this.#handler.access, operation, resource)) return
    throw new Error(`${this.#handler.api.name} asks for ${operation} on ${resource}, which its access table lacks`)
  }

  get quota(): ClientQuota | null {
    return this.broker.quotas.client(this.connection.principal, this.clientId)
  }

  throttle(delayMs: number): void {
    if (delayMs > this.#throttleMs) this.#throttleMs = Math.min(delayMs, longestDelayMs)
  }

  afterReply(callback: () => void): void {
    const first = this.#afterReply
    this.#afterReply =
      first === null
        ? callback
        : () => {
            first()
            callback()
          }
  }

  run(bytes: Buffer): Reply | PendingReply {
    const { api, versions } = this.#handler
    const known = this.version >= versions[0] && this.version <= versions[1]
    if (!known && api !== apis.apiVersions) throw new MalformedInput(`${api.name} v${this.version} is not supported`)
    const header = decodeRequestHeader(bytes, api, known ? this.version : 0)
    this.#correlationId = header.correlationId
    this.clientId = header.clientId
    this.#requestBytes = bytes.length
    if (!known) return this.#encode(0, this.#handler.fail({}, new KafkaError('UNSUPPORTED_VERSION'), 0))
    const request = decodeRequest(api, this.version, bytes, header.end)
    let outcome: ReturnType<Handler['handle']>
    try {
      outcome = this.#handler.handle(request, this)
    } catch (error) {
      return this.#finish(this.#failure(request, error))
    }
    if (outcome === null) return this.#finish(null)
    if (this.broker.quotas.active) this.#parkedMs = this.broker.system.clock.monotonic()
    if (outcome instanceof Promise) return { reply: this.#settle(request, outcome), readOn: false }
    if ('deferred' in outcome && outcome.deferred instanceof Promise)
      // Whoever has a quota is served one request at a time, as in Kafka: the next may have to wait.
      return { reply: this.#settle(request, outcome.deferred), readOn: this.#throttleMs === 0 && this.quota === null }
    return this.#finish(outcome)
  }

  async #settle(request: object, response: Promise<object | null>): Promise<Reply> {
    try {
      return this.#finish(await response)
    } catch (error) {
      return this.#finish(this.#failure(request as never, error))
    }
  }

  /** The response that tells of a failed request; throws when the connection must be closed instead. */
  #failure(request: object, error: unknown): object {
    if (error instanceof CloseConnection || error instanceof MalformedInput) throw error
    const kafkaError = toKafkaError(error)
    if (kafkaError.name === 'UNKNOWN_SERVER_ERROR') {
      this.broker.logger.error(
        { err: error, api: this.#handler.api.name, version: this.version, clientId: this.clientId },
        'a request failed unexpectedly',
      )
    }
    this.broker.metrics.requestFailed(this.#handler.api.name)
    return this.#handler.fail(request as never, kafkaError, this.version)
  }

  #finish(response: object | null): Reply {
    const now = this.broker.system.clock.monotonic()
    this.broker.metrics.request(this.#handler.api.name, now - this.#startMs)
    if (this.broker.quotas.active) this.#charge(response, now)
    if (this.#throttleMs > 0) response = this.#delay(response)
    if (response === null) {
      this.#afterReply?.()
      return null
    }
    return this.#encode(this.version, response)
  }

  /** What the request cost its client. A fetch has been charged for its bytes by its handler, which may send none instead. */
  #charge(response: object | null, nowMs: number): void {
    const { api } = this.#handler
    const { quota } = this
    if (quota === null || isExempt(api.key)) return
    if (api === apis.produce) this.throttle(quota.produced(this.#requestBytes))
    // A producer that waits for no reply cannot be told to do less; its bytes are limited all the same.
    if (response !== null) this.throttle(quota.worked((this.#parkedMs || nowMs) - this.#startMs))
  }

  /** As in Kafka the reply leaves at once, and the connection is deaf for as long as it says (KIP-219). */
  #delay(response: object | null): object | null {
    this.connection.mute(this.#throttleMs)
    this.broker.metrics.throttled(this.#throttleMs)
    if (response === null || !('throttleTimeMs' in this.#handler.api.response)) return response
    return { ...response, throttleTimeMs: this.#throttleMs }
  }

  #encode(version: number, response: object): Reply {
    try {
      const chunks = encodeResponse(this.#handler.api, version, this.#correlationId, response as InputOf<Fields>)
      return this.#afterReply === null ? chunks : { buffers: chunks.buffers, length: chunks.length, release: this.#afterReply }
    } catch (error) {
      // A handler's mistake. The client cannot be told in any way that it would understand.
      this.broker.logger.error({ err: error, api: this.#handler.api.name, version }, 'a response cannot be encoded')
      this.#afterReply?.()
      throw error
    }
  }
}

function declares(access: Access, operation: Operation, resource: ResourceType): boolean {
  return access !== 'none' && access.some(([type, allowed]) => type === resource && allowed === operation)
}
