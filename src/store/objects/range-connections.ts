/**
 * Ranged GETs: HTTP/1.1 over connections that read into a buffer of their own, from which the content is copied to its place.
 *
 * They are most of what a broker of a cluster receives. Node's HTTP client allocates three times as much as it receives, and V8 answers with a
 * collection of the whole heap for every few megabytes: 3.2 to 3.7 CPU s/GB instead of 1.3, on the same machine. Everything else is small, or is
 * sent, and goes by Node's client.
 */
import { connect as connectPlain, isIP, type Socket, type TcpNetConnectOpts } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import type { Timers } from '../../base.ts'
import { AnswerReader } from './answer-reader.ts'
import { ObjectError } from './object-error.ts'
import type { HttpRequest, HttpResponse } from './transport.ts'

const connectTimeoutMs = 5_000
/** Shorter than servers and load balancers keep idle connections. */
const idleMs = 15_000
const readBytes = 128 * 1024

interface Exchange {
  readonly answer: AnswerReader
  resolve(response: HttpResponse): void
  reject(error: ObjectError): void
}

export class RangeConnections {
  readonly #timers: Timers
  readonly #idle: Connection[] = []
  readonly #all = new Set<Connection>()

  constructor(timers: Timers) {
    this.#timers = timers
  }

  /** As many at once as are asked for: the caller bounds them. */
  async send(request: HttpRequest): Promise<HttpResponse> {
    const text = textOf(request)
    const connection = this.#take(request.origin)
    const response = new Promise<HttpResponse>((resolve, reject) => {
      connection.begin(text, { answer: new AnswerReader(request.mostBytes, request.parts), resolve, reject })
    })
    const tooLate = () => connection.end(unreachable(`no answer in ${request.timeoutMs} ms`, 'Timeout'))
    const deadline = this.#timers.after(request.timeoutMs, tooLate)
    try {
      return await response
    } finally {
      deadline.cancel()
      if (connection.isOpen) this.#idle.push(connection)
    }
  }

  close(): void {
    for (const connection of this.#all) connection.end(unreachable('the connections were closed'))
  }

  /** The one that was used last: it is the least likely to have been closed by the server. */
  #take(origin: string): Connection {
    const at = this.#idle.findLastIndex(connection => connection.origin === origin)
    if (at >= 0) return this.#idle.splice(at, 1)[0]!
    const connection = new Connection(this.#timers, origin, () => {
      this.#all.delete(connection)
      const idleAt = this.#idle.indexOf(connection)
      if (idleAt >= 0) this.#idle.splice(idleAt, 1)
    })
    this.#all.add(connection)
    return connection
  }
}

class Connection {
  readonly origin: string
  readonly #socket: Socket
  readonly #onEnd: () => void
  #exchange: Exchange | null = null
  #isOpen = true

  constructor(timers: Timers, origin: string, onEnd: () => void) {
    this.origin = origin
    this.#onEnd = onEnd
    this.#socket = open(origin, bytes => this.#received(bytes))
    this.#socket.setNoDelay(true)
    this.#socket.on('error', error => this.end(unreachable(describe(error))))
    this.#socket.on('end', () => this.#ended())
    this.#socket.on('close', () => this.#ended())
    this.#socket.on('timeout', () => this.end(unreachable('the connection was idle')))
    const tooLate = () => this.end(unreachable(`no connection to ${origin} in ${connectTimeoutMs} ms`, 'Timeout'))
    const connecting = timers.after(connectTimeoutMs, tooLate)
    for (const event of ['close', origin.startsWith('https:') ? 'secureConnect' : 'connect'])
      this.#socket.once(event, () => connecting.cancel())
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  begin(text: string, exchange: Exchange): void {
    this.#exchange = exchange
    this.#socket.ref()
    this.#socket.setTimeout(0)
    this.#socket.write(text, 'latin1')
  }

  end(error: ObjectError): void {
    if (this.#isOpen) {
      this.#isOpen = false
      this.#onEnd()
      this.#socket.destroy()
    }
    const exchange = this.#exchange
    this.#exchange = null
    exchange?.reject(error)
  }

  #received(bytes: Buffer): void {
    const exchange = this.#exchange
    if (exchange === null) {
      // Nobody asked.
      this.end(unreachable('an answer without a request'))
      return
    }
    try {
      if (exchange.answer.take(bytes)) this.#complete(exchange)
    } catch (error) {
      this.end(error as ObjectError)
    }
  }

  #ended(): void {
    const exchange = this.#exchange
    if (exchange?.answer.end()) this.#complete(exchange)
    this.end(unreachable(exchange?.answer.isFresh === false ? 'the answer broke off' : 'the connection was closed'))
  }

  #complete({ answer, resolve }: Exchange): void {
    this.#exchange = null
    if (answer.keepsConnection) {
      this.#socket.setTimeout(idleMs)
      this.#socket.unref()
    } else this.end(unreachable('the connection is not kept'))
    resolve(answer.response())
  }
}

function open(origin: string, received: (bytes: Buffer) => void): Socket {
  const { protocol, hostname, port } = new URL(origin)
  const host = hostname.replace(/^\[|\]$/g, '')
  const isTls = protocol === 'https:'
  const buffer = Buffer.allocUnsafeSlow(readBytes)
  const onread = {
    buffer,
    callback(length: number): boolean {
      received(buffer.subarray(0, length))
      return true
    },
  }
  const options: TcpNetConnectOpts = { host, port: Number(port || (isTls ? 443 : 80)), onread }
  if (!isTls) return connectPlain(options)
  // Its types do not know `onread`. An address is no name of a server.
  return connectTls({ ...options, servername: isIP(host) === 0 ? host : '', ALPNProtocols: ['http/1.1'] } as ConnectionOptions)
}

function textOf({ method, origin, path, headers }: HttpRequest): string {
  if (/[^\x21-\x7e]/.test(path)) throw new ObjectError(`the path ${JSON.stringify(path)} is not encoded`, 'BadRequest', null, false)
  let text = `${method} ${path} HTTP/1.1\r\n`
  for (const [name, value] of Object.entries({ host: new URL(origin).host, ...headers })) {
    // Credentials come from files and environments.
    if (/[^\t\x20-\x7e]/.test(value))
      throw new ObjectError(`the header ${name} has characters that HTTP forbids`, 'BadRequest', null, false)
    text += `${name}: ${value}\r\n`
  }
  return `${text}\r\n`
}

function describe(error: Error): string {
  const { code } = error as { code?: string }
  return code === undefined || error.message.includes(code) ? error.message : `${code}: ${error.message}`
}

function unreachable(message: string, code = 'Unreachable'): ObjectError {
  return new ObjectError(message, code, null, true)
}
