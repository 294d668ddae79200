/**
 * Turns a frame into its reply (request header, handler, response), and handles failures on the way.
 *
 * A request that cannot be parsed, or whose API or version is not supported, closes the connection, as in Kafka. Only ApiVersions
 * answers an unknown version, so that newer clients can fall back (KIP-511). An exception never affects another request.
 *
 * Requests and responses with many elements are decoded and encoded in slices, and every request is checked against the budget of its API
 * (`cost.ts`) before its handler sees it.
 */
import { type Chunks, MalformedInput, runInSlices, TooManyElements } from '../../base.ts'
import {
  apis,
  decodeRequest,
  decodeRequestHeader,
  decodeRequestInSteps,
  encodeResponse,
  encodeResponseInSteps,
  type Fields,
  type InputOf,
  KafkaError,
  toKafkaError,
} from '../../protocol.ts'
import type { Connection, Dispatch, Later, PendingReply, Reply, ReplyBytes } from '../connections/connection.ts'
import { type ClientQuota, isExempt } from '../quotas.ts'
import { type Audited, type Decision, RequestAudit, type SaslExchange } from '../security.ts'
import type { Broker } from './context.ts'
import { atOnce, isSteps } from './failed.ts'
import {
  type Access,
  CloseConnection,
  type Deferred,
  type Handler,
  type Operation,
  type RequestContext,
  type ResourceType,
} from './handler.ts'
import type { Size } from './large-requests.ts'

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
    const borrowed = !owned && handler.api === apis.produce
    return new Exchange(broker, handler, connection, version).run(owned || borrowed ? frame : Buffer.from(frame), borrowed)
  }
}

async function rawReply(sasl: SaslExchange, token: Buffer): Promise<Reply> {
  const frame = await sasl.rawToken(token)
  return frame === null ? null : { buffers: [frame], length: frame.length }
}

/** What timers and int32 can hold. */
const longestDelayMs = 2 ** 31 - 1

/** What is read or written at once: well below a millisecond. */
const mostAtOnce = 2_000
/** Larger responses count against the memory for responses as soon as they are made, others only while unread (memory-holders.ts). */
const mostUncountedBytes = 64 * 1024

/** API key, version, correlation id. */
const minHeaderBytes = 8

/** One request and its reply; what the handler sees as its context. */
class Exchange implements RequestContext, Audited {
  readonly broker: Broker
  readonly connection: Connection
  readonly version: number
  clientId: string | null = null
  borrowed = false
  readonly #handler: Handler
  readonly #startMs: number
  #correlationId = 0
  #requestBytes = 0
  #request: object = {}
  #audit: RequestAudit | null = null
  /** When the handler released the event loop; 0: when the reply was ready. */
  #parkedMs = 0
  #throttleMs = 0
  #afterReply: (() => void) | null = null
  #leaveLarge: (() => void) | null = null
  /** While the request waits for a place among the large ones. */
  #entering: Promise<void> | null = null
  #expectedElements = 0
  #ended = false

  constructor(broker: Broker, handler: Handler, connection: Connection, version: number) {
    this.broker = broker
    this.connection = connection
    this.#handler = handler
    this.version = version
    this.#startMs = broker.system.clock.monotonic()
    broker.stalls.worksFor(handler.api.name, this.#startMs)
  }

  get signal(): AbortSignal {
    return this.connection.signal
  }

  allowed(operation: Operation, resource: ResourceType, name: string, probe?: 'probe'): boolean {
    this.#checkDeclared(operation, resource)
    const { grants } = this.connection.session
    return grants === null || grants.allowed(operation, resource, name, probe === undefined ? this : null)
  }

  /** For the authorizer. */
  decided(decision: Decision): void {
    this.#audit ??= new RequestAudit(this.#handler.api.name)
    this.#audit.decided(decision)
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

  async expects(elements: number): Promise<void> {
    this.#expectedElements += elements
    if (this.#expectedElements > mostAtOnce) await this.#becomeLarge()
  }

  waits(): void {
    this.#leave()
  }

  async #becomeLarge(): Promise<void> {
    if (this.#leaveLarge !== null) return
    this.#entering ??= this.#enter()
    await this.#entering
    this.#requireClient()
  }

  /** What nobody would read is not made. */
  #requireClient(): void {
    if (this.connection.closed) throw new CloseConnection('the connection has ended')
  }

  async #enter(): Promise<void> {
    const leave = await this.broker.largeRequests.place(this.#size)
    this.#entering = null
    // The handler may have failed meanwhile.
    if (this.#ended) leave()
    else this.#leaveLarge = leave
  }

  get #size(): Size {
    return { bytes: this.#requestBytes, prompt: this.#handler.cost.prompt ?? false }
  }

  #leave(): void {
    this.#leaveLarge?.()
    this.#leaveLarge = null
  }

  /** The reply is ready, or there will be none. */
  #end(): void {
    this.#ended = true
    this.#leave()
  }

  /** `borrowed`: the bytes are valid only during the call. */
  run(bytes: Buffer, borrowed: boolean): Reply | PendingReply | Later {
    const { api, versions, cost } = this.#handler
    const known = this.version >= versions[0] && this.version <= versions[1]
    if (!known && api !== apis.apiVersions) throw new MalformedInput(`${api.name} v${this.version} is not supported`)
    const header = decodeRequestHeader(bytes, api, known ? this.version : 0)
    this.#correlationId = header.correlationId
    this.clientId = header.clientId
    this.#requestBytes = bytes.length
    this.borrowed = borrowed
    if (!known) return this.#encodeAtOnce(0, atOnce(this.#handler.fail({}, new KafkaError('UNSUPPORTED_VERSION'), 0)))
    try {
      this.#request = decodeRequest(api, this.version, bytes, header.end, Math.min(mostAtOnce, cost.entries))
    } catch (error) {
      if (!(error instanceof TooManyElements)) throw error
      this.borrowed = false
      const { largeRequests } = this.broker
      this.#leaveLarge = largeRequests.enter(this.#size)
      if (this.#leaveLarge === null) return { whenFree: callback => largeRequests.whenFree(this.#size, callback) }
      return { reply: this.#settle(this.#readAndWork(borrowed ? Buffer.from(bytes) : bytes, header.end)), readOn: false }
    }
    return this.#answer()
  }

  #answer(): Reply | PendingReply {
    let outcome: ReturnType<Handler['handle']>
    try {
      outcome = this.#work()
    } catch (error) {
      return pending(this.#finish(atOnce(this.#failure(error))))
    }
    if (outcome === null) return pending(this.#finish(null))
    if (this.broker.quotas.active) this.#parkedMs = this.broker.system.clock.monotonic()
    if (outcome instanceof Promise) return { reply: this.#settle(outcome), readOn: false }
    // A client with a quota is served one request at a time, as in Kafka, because the next one may have to wait.
    if (isDeferred(outcome)) return { reply: this.#settle(outcome.deferred), readOn: this.#throttleMs === 0 && this.quota === null }
    return pending(this.#finish(outcome))
  }

  #work(): ReturnType<Handler['handle']> {
    const request = this.#request as never
    for (const _ of this.#handler.cost.distinct?.(request) ?? []);
    return this.#handle(request)
  }

  #handle(request: never): ReturnType<Handler['handle']> {
    const { metadata } = this.broker
    if (this.#handler.onNewestMetadata !== true || metadata.sharedLog !== null) return this.#handler.handle(request, this)
    // Only produce defers its response.
    return metadata.catchUp().then(() => this.#handler.handle(request, this)) as ReturnType<Handler['handle']>
  }

  /** For a request that is too large to be read at once. */
  async #readAndWork(bytes: Buffer, offset: number): Promise<object | null> {
    const { api, cost } = this.#handler
    const reading = decodeRequestInSteps(api, this.version, bytes, offset, cost.entries)
    const { request, dropped } = await runInSlices(this.broker.turns, reading)
    this.#request = request
    this.#requireClient()
    if (dropped > 0) {
      const message = `The request contains ${cost.entries + dropped} list entries; at most ${cost.entries} are allowed.`
      throw new KafkaError('INVALID_REQUEST', message)
    }
    await runInSlices(this.broker.turns, cost.distinct?.(request as never) ?? noSteps())
    const outcome = this.#handle(request as never)
    return isDeferred(outcome) ? outcome.deferred : outcome
  }

  async #settle(response: Promise<object | null>): Promise<Reply> {
    try {
      return await this.#finish(await response)
    } catch (error) {
      return await this.#finish(await this.#inSlices(this.#failure(error)))
    } finally {
      this.#end()
    }
  }

  async #inSlices(response: object | Generator<void, object>): Promise<object> {
    return isSteps(response) ? runInSlices(this.broker.turns, response) : response
  }

  /** The response for a failed request; throws if the connection must be closed instead. */
  #failure(error: unknown): object | Generator<void, object> {
    if (error instanceof CloseConnection || error instanceof MalformedInput) {
      this.#writeAudit()
      throw error
    }
    const kafkaError = toKafkaError(error)
    if (kafkaError.name === 'UNKNOWN_SERVER_ERROR') {
      this.broker.logger.error(
        { err: error, api: this.#handler.api.name, version: this.version, clientId: this.clientId },
        'a request failed unexpectedly',
      )
    }
    this.broker.metrics.requestFailed(this.#handler.api.name)
    return this.#handler.fail(this.#request as never, kafkaError, this.version)
  }

  #finish(response: object | null): Reply | Promise<Reply> {
    const now = this.broker.system.clock.monotonic()
    this.broker.stalls.worksFor(this.#handler.api.name, now)
    this.#writeAudit()
    this.broker.metrics.request(this.#handler.api.name, now - this.#startMs)
    if (this.broker.quotas.active) this.#charge(response, now)
    if (this.#throttleMs > 0) response = this.#delay(response)
    if (response === null) {
      this.#release()
      return null
    }
    return this.#encode(response)
  }

  #writeAudit(): void {
    if (this.#audit === null) return
    this.broker.security.authorizer?.write(this.#audit)
    this.#audit = null
  }

  /** Charges the client's quotas. The handler of Fetch charges for bytes itself, because it may send an empty response instead. */
  #charge(response: object | null, nowMs: number): void {
    const { api } = this.#handler
    const { quota } = this
    if (quota === null || isExempt(api.key)) return
    if (api === apis.produce) this.throttle(quota.produced(this.#requestBytes))
    // With acks=0 there is no reply that could throttle the producer; its bytes are limited nevertheless.
    if (response !== null) this.throttle(quota.worked((this.#parkedMs || nowMs) - this.#startMs))
  }

  /** As in Kafka, the reply is sent immediately, and the connection is muted for the throttle time (KIP-219). */
  #delay(response: object | null): object | null {
    this.connection.mute(this.#throttleMs)
    this.broker.metrics.throttled(this.#throttleMs)
    if (response === null || !('throttleTimeMs' in this.#handler.api.response)) return response
    return { ...response, throttleTimeMs: this.#throttleMs }
  }

  #encode(response: object): Reply | Promise<Reply> {
    try {
      const reply = this.#encodeAtOnce(this.version, response, mostAtOnce)
      if (reply.length <= (this.#isCounted ? this.#handler.cost.answerBytes : mostUncountedBytes)) return reply
    } catch (error) {
      if (!(error instanceof TooManyElements)) throw this.#unencodable(error)
    }
    return this.#encodeInSlices(response).finally(() => this.#end())
  }

  /** A handler that has something to give back has counted the bytes of its response. */
  get #isCounted(): boolean {
    return this.#afterReply !== null
  }

  #encodeAtOnce(version: number, response: object, mostElements?: number): ReplyBytes {
    return this.#reply(encodeResponse(this.#handler.api, version, this.#correlationId, response as InputOf<Fields>, mostElements))
  }

  async #encodeInSlices(response: object): Promise<Reply> {
    const { api, cost } = this.#handler
    const counts = !this.#isCounted
    if (counts && cost.prompt !== true) await this.#becomeLarge()
    const encode = (message: object, mostBytes: number) =>
      runInSlices(
        this.broker.turns,
        encodeResponseInSteps(api, this.version, this.#correlationId, message as InputOf<Fields>, mostBytes),
      ).catch(error => Promise.reject(this.#unencodable(error)))
    let chunks = await encode(response, cost.answerBytes)
    if (chunks === null) {
      const error = new KafkaError('INVALID_REQUEST', `The response would exceed ${cost.answerBytes} bytes. Request fewer items at once.`)
      // Not larger than the request: its names, each with the error.
      chunks = (await encode(await this.#inSlices(this.#failure(error)), Number.POSITIVE_INFINITY))!
    }
    if (counts) this.#count(chunks.length)
    return this.#reply(chunks)
  }

  #count(bytes: number): void {
    const { responseMemory } = this.broker
    responseMemory.holdOther(bytes)
    this.afterReply(() => responseMemory.giveOther(bytes))
  }

  #reply({ buffers, length }: Chunks): ReplyBytes {
    return this.#afterReply === null ? { buffers, length } : { buffers, length, release: this.#afterReply }
  }

  /** A handler's mistake. */
  #unencodable(error: unknown): unknown {
    this.broker.logger.error({ err: error, api: this.#handler.api.name, version: this.version }, 'a response cannot be encoded')
    this.#release()
    return error
  }

  #release(): void {
    this.#afterReply?.()
    this.#afterReply = null
  }
}

function* noSteps(): Generator<void> {}

function declares(access: Access, operation: Operation, resource: ResourceType): boolean {
  return access !== 'none' && access.some(([type, allowed]) => type === resource && allowed === operation)
}

function isDeferred(outcome: object | null): outcome is Deferred<object> {
  return outcome !== null && 'deferred' in outcome && outcome.deferred instanceof Promise
}

function pending(reply: Reply | Promise<Reply>): Reply | PendingReply {
  return reply instanceof Promise ? { reply, readOn: false } : reply
}
