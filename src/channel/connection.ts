/**
 * One connection to one broker, by TCP or TLS, logged in.
 *
 * Hides frames, the limit of requests under way, their time limits, and that a login has to be renewed (KIP-368). A broker answers in the order in which it
 * was asked, so an answer belongs to the oldest request. What comes is copied once, into memory of its own for each answer: byte fields of an answer are
 * views of it, and nothing else holds them.
 */
import { connect as connectPlain, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { System, Timer } from '../base.ts'
import {
  type Api,
  apis,
  decodeResponse,
  decodeResponseHeader,
  encodeRequest,
  errorCode,
  type InputOf,
  KafkaError,
  type MessageOf,
} from '../protocol.ts'
import { ClientError } from './errors.ts'
import { logIn, tokenOf } from './login.ts'
import type { ConnectionSecurity } from './security.ts'

export interface ConnectionOptions {
  readonly clientId: string
  readonly security: ConnectionSecurity
  /** For the connection and its login. */
  readonly connectTimeoutMs: number
  /** From the moment a request is sent; for one without an answer, until it is written. After it the request fails, and the connection ends. */
  readonly requestTimeoutMs: number
  /** Requests under way at the same time; more wait. */
  readonly mostInFlight: number
  /** Whether the process waits for it. */
  readonly keepsProcess: boolean
  /** Aborted: nobody waits any more for a connection that is still made. */
  readonly closing?: AbortSignal
  /** Before any request hears of it: who asks again needs another connection. */
  onEnded?(): void
  readonly system: Pick<System, 'timers'>
}

interface Asked {
  readonly api: Api
  readonly version: number
  readonly correlationId: number
  readonly frame: readonly Uint8Array[]
  /** Whether brokers answer it. */
  readonly isAnswered: boolean
  resolve(answer: object): void
  reject(error: Error): void
  timer: Timer | null
}

/** What was read from a socket is in here only until it is copied. */
const scratchBytes = 65_536
/** Of one answer. More than any fetch asks for, and than any broker sends for all else. */
const mostAnswerBytes = 2 ** 30
const sizeBytes = 4
/** A login is renewed after so much of the time that it is good for. */
const renewedAfter = 0.8
const longestTimerMs = 2 ** 31 - 1
/** With less time left it is not tried again to get a token. */
const leastLeftMs = 1_000

/** The broker, or something between, has ended the connection. */
class ConnectionLost extends Error {
  readonly code = 'CONNECTION_LOST'
}

/** Resolves when it is logged in. Rejects with errors that `toClientError` understands. */
export async function openConnection(host: string, port: number, options: ConnectionOptions): Promise<BrokerConnection> {
  const connection = new BrokerConnection(host, port, options)
  await connection.open()
  return connection
}

export class BrokerConnection {
  readonly #options: ConnectionOptions
  readonly #address: string
  readonly #socket: Socket
  /** Not sent yet. */
  readonly #waiting: Asked[] = []
  /** Sent, the oldest first. */
  readonly #inFlight: Asked[] = []
  readonly #closed = Promise.withResolvers<void>()
  #failure: Error | null = null
  /** While the login is made or renewed, nothing else may be asked. */
  #isLoggingIn = true
  #renewal: Timer | null = null
  #lastId = 0
  readonly #size = Buffer.alloc(sizeBytes)
  #sizeRead = 0
  #answer: Buffer | null = null
  #answerRead = 0
  #hasRead = false

  constructor(host: string, port: number, options: ConnectionOptions) {
    this.#options = options
    this.#address = `${host}:${port}`
    const { tls } = options.security
    // Node reads into one piece of memory again and again; for TLS it cannot.
    const onread = {
      buffer: Buffer.allocUnsafeSlow(scratchBytes),
      callback: (count: number, bytes: Uint8Array) => this.#read(bytes, count),
    }
    this.#socket =
      tls === undefined
        ? connectPlain({ host, port, onread })
        : connectTls({ ...tls, host, port, ...(isIP(host) === 0 && { servername: host }) })
    this.#socket.setNoDelay(true)
    if (!options.keepsProcess) this.#socket.unref()
    this.#socket.on('error', error => this.#fail(this.#explained(error)))
    const ended = () => this.#fail(new ConnectionLost('Connection closed by the broker'))
    // Of an end before TLS is there Node makes an error, which says more.
    if (tls === undefined) this.#socket.on('end', ended)
    else this.#socket.once('secureConnect', () => this.#socket.on('end', ended))
    this.#socket.on('close', () => {
      this.#fail(new ConnectionLost('Connection closed'))
      this.#closed.resolve()
    })
    if (tls !== undefined) this.#socket.on('data', chunk => this.#read(chunk, chunk.length))
  }

  get isOpen(): boolean {
    return this.#failure === null
  }

  /** Resolves when the connection has ended, for whatever reason. */
  get closed(): Promise<void> {
    return this.#closed.promise
  }

  async open(): Promise<void> {
    const { security, connectTimeoutMs, closing, system } = this.#options
    const late = system.timers.after(connectTimeoutMs, () => this.#fail(new Error(`the connection to ${this.#address} timed out`)))
    const stop = () => this.#fail(new ConnectionLost('Connection closed by this client'))
    closing?.addEventListener('abort', stop)
    try {
      const isConnected = new Promise<void>(resolve => {
        this.#socket.once(security.tls === undefined ? 'connect' : 'secureConnect', () => resolve())
      })
      const ended = this.closed.then(() => Promise.reject(this.#failure!))
      // What issues tokens may not answer.
      await Promise.race([isConnected.then(() => this.#logIn()), ended])
    } catch (error) {
      this.#fail(error as Error)
      throw this.#failure
    } finally {
      late.cancel()
      closing?.removeEventListener('abort', stop)
    }
  }

  /** Rejects with errors that `toClientError` understands. */
  request<A extends Api>(api: A, version: number, request: InputOf<A['request']>): Promise<MessageOf<A['response']>> {
    return this.#ask(api, version, request, this.#waiting)
  }

  /** Of what brokers do not answer: resolves when it is written. */
  async tell<A extends Api>(api: A, version: number, request: InputOf<A['request']>): Promise<void> {
    await this.#ask(api, version, request, this.#waiting, false)
  }

  /** Requests under way fail. Resolves when it is closed. */
  close(): Promise<void> {
    this.#fail(new ConnectionLost('Connection closed by this client'))
    return this.closed
  }

  /** `asked`: a token that is there already. */
  async #logIn(asked?: string | null): Promise<void> {
    const { sasl } = this.#options.security
    if (sasl !== undefined) {
      const token = asked === undefined ? await tokenOf(sasl) : asked
      this.#isLoggingIn = true
      const first: Asked[] = []
      const goodForMs = await logIn(
        (api, version, request) => {
          const answer = this.#ask(api, version, request, first)
          this.#put(first.shift()!)
          return answer
        },
        sasl,
        token,
      )
      if (goodForMs > 0) this.#renewIn(goodForMs * renewedAfter, goodForMs * (1 - renewedAfter))
    }
    this.#isLoggingIn = false
    this.#sendWaiting()
  }

  /** `leftMs`: so long it is good then. */
  #renewIn(ms: number, leftMs: number): void {
    const renewing = () => this.#renew(leftMs).catch((error: Error) => this.#fail(error))
    this.#renewal = this.#options.system.timers.after(Math.min(ms, longestTimerMs), () => void renewing())
  }

  /** Other requests go on until there is a token. */
  async #renew(leftMs: number): Promise<void> {
    let token: string | null
    try {
      token = await tokenOf(this.#options.security.sasl!)
    } catch (error) {
      if (leftMs < leastLeftMs) throw error
      if (this.#failure === null) this.#renewIn(leftMs / 4, (leftMs * 3) / 4)
      return
    }
    await this.#logIn(token)
  }

  #ask<A extends Api>(
    api: A,
    version: number,
    request: InputOf<A['request']>,
    queue: Asked[],
    isAnswered = true,
  ): Promise<MessageOf<A['response']>> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== null) return reject(this.#failure)
      const correlationId = (this.#lastId = (this.#lastId + 1) & 0x7fffffff)
      const frame = framed(api, version, { correlationId, clientId: this.#options.clientId }, request)
      queue.push({ api, version, correlationId, frame, isAnswered, resolve: resolve as (answer: object) => void, reject, timer: null })
      if (queue === this.#waiting) this.#sendWaiting()
    })
  }

  #sendWaiting(): void {
    while (!this.#isLoggingIn && this.#inFlight.length < this.#options.mostInFlight && this.#waiting.length > 0)
      this.#put(this.#waiting.shift()!)
  }

  #put(asked: Asked): void {
    const { system, requestTimeoutMs } = this.#options
    asked.timer = system.timers.after(requestTimeoutMs, () => this.#fail(new Error(`the request ${asked.api.name} timed out`)))
    if (asked.isAnswered) this.#inFlight.push(asked)
    this.#write(asked.frame, asked.isAnswered ? undefined : error => this.#written(asked, error))
  }

  #written(asked: Asked, error: Error | null | undefined): void {
    asked.timer?.cancel()
    if (error) asked.reject(this.#failure ?? error)
    else asked.resolve({})
  }

  #write(frame: readonly Uint8Array[], written?: (error?: Error | null) => void): void {
    this.#socket.cork()
    for (const [at, part] of frame.entries()) this.#socket.write(part, at === frame.length - 1 ? written : undefined)
    this.#socket.uncork()
  }

  /** Takes what has come; true: go on reading. */
  #read(bytes: Uint8Array, count: number): boolean {
    if (this.#failure !== null) return false
    if (!this.#hasRead) {
      this.#hasRead = true
      if (this.#options.security.tls === undefined && isTls(bytes)) {
        this.#fail(new ClientError('REFUSED', `${this.#address}: Broker requires TLS.`))
        return false
      }
    }
    for (let at = 0; at < count && this.#failure === null; )
      at += this.#answer === null ? this.#readSize(bytes, at, count) : this.#fill(bytes, at, count)
    return true
  }

  #readSize(bytes: Uint8Array, at: number, end: number): number {
    const some = Math.min(sizeBytes - this.#sizeRead, end - at)
    this.#size.set(bytes.subarray(at, at + some), this.#sizeRead)
    this.#sizeRead += some
    if (this.#sizeRead < sizeBytes) return some
    const size = this.#size.readInt32BE()
    if (size < sizeBytes || size > mostAnswerBytes) this.#fail(new Error(`${this.#address} announces an answer of ${size} bytes`))
    else this.#answer = Buffer.allocUnsafeSlow(size)
    this.#sizeRead = 0
    this.#answerRead = 0
    return some
  }

  #fill(bytes: Uint8Array, at: number, end: number): number {
    const answer = this.#answer!
    const some = Math.min(answer.length - this.#answerRead, end - at)
    answer.set(bytes.subarray(at, at + some), this.#answerRead)
    this.#answerRead += some
    if (this.#answerRead === answer.length) {
      this.#answer = null
      this.#take(answer)
    }
    return some
  }

  #take(answer: Buffer): void {
    const asked = this.#inFlight[0]
    if (asked === undefined || answer.readInt32BE() !== asked.correlationId) {
      this.#fail(new Error(`${this.#address} answers what it was not asked`))
      return
    }
    this.#inFlight.shift()
    asked.timer?.cancel()
    try {
      asked.resolve(decoded(asked, answer))
    } catch (error) {
      asked.reject(error as Error)
    }
    this.#sendWaiting()
  }

  #fail(error: Error): void {
    if (this.#failure !== null) return
    this.#failure = error
    this.#renewal?.cancel()
    this.#answer = null
    this.#options.onEnded?.()
    for (const asked of [...this.#inFlight.splice(0), ...this.#waiting.splice(0)]) {
      asked.timer?.cancel()
      asked.reject(error)
    }
    this.#socket.destroy()
  }

  #explained(error: Error & { code?: string }): Error {
    const isHandshake = error.code === 'ECONNRESET' && error.message.includes('secure TLS connection was established')
    // No refusal: a broker that is killed just then ends it like one that knows no TLS.
    return isHandshake ? new ConnectionLost('TLS handshake ended by the broker: does it offer TLS on this port?') : error
  }
}

function framed<A extends Api>(
  api: A,
  version: number,
  header: { readonly correlationId: number; readonly clientId: string },
  request: InputOf<A['request']>,
): readonly Uint8Array[] {
  try {
    return encodeRequest(api, version, header, request).buffers
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error
    throw new ClientError(error.name, `the cluster is too old for this request (${api.name} version ${version})`, error)
  }
}

const unsupportedVersion = errorCode('UNSUPPORTED_VERSION')

function decoded({ api, version }: Asked, answer: Buffer): object {
  const { end } = decodeResponseHeader(answer, api, version)
  // Whoever does not know the version of this request says so in the oldest one (KIP-511).
  const isOldest = api.key === apis.apiVersions.key && answer.length >= end + 2 && answer.readInt16BE(end) === unsupportedVersion
  return decodeResponse(api, isOldest ? 0 : version, answer, end)
}

/** A record of TLS (RFC 8446 section 5.1), such as the alert that answers what is no TLS. */
function isTls(bytes: Uint8Array): boolean {
  return bytes.length > 2 && bytes[0]! >= 0x14 && bytes[0]! <= 0x17 && bytes[1] === 0x03
}
