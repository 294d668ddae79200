/**
 * The transport over Node's own HTTP client: connections are kept, content goes out as it is (no copy), an answer is received into one
 * buffer of the declared size. The sockets and the time-out of connecting are Node's; the deadline of an exchange is the System's. Ranged GETs
 * take another way (range-connections.ts).
 */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import type { Timers } from '../../base.ts'
import { ObjectError } from './object-error.ts'
import { RangeConnections } from './range-connections.ts'
import type { HttpRequest, HttpResponse, Transport } from './transport.ts'

const connectTimeoutMs = 5_000
/** Shorter than servers and load balancers keep idle connections. */
const idleMs = 15_000

export function nodeTransport(timers: Timers, mostConnections: number): Transport {
  const options = {
    keepAlive: true,
    maxSockets: mostConnections,
    maxFreeSockets: mostConnections,
    scheduling: 'lifo' as const,
    timeout: idleMs,
  }
  const http = new HttpAgent(options)
  const https = new HttpsAgent(options)
  const ranges = new RangeConnections(timers)
  return {
    send(request) {
      if (request.method === 'GET' && request.headers['range'] !== undefined) return ranges.send(request)
      return exchange(request, timers, request.origin.startsWith('https:') ? https : http)
    },
    close() {
      ranges.close()
      http.destroy()
      https.destroy()
    },
  }
}

function exchange(sent: HttpRequest, timers: Timers, agent: HttpAgent | HttpsAgent): Promise<HttpResponse> {
  return new Promise((resolve, reject) => {
    const url = new URL(sent.origin)
    const bytes = sent.body.reduce((sum, each) => sum + each.length, 0)
    const headers: Record<string, string | number> = { ...sent.headers }
    if (bytes > 0 || sent.method === 'PUT' || sent.method === 'POST') headers['content-length'] = bytes
    const options = {
      agent,
      method: sent.method,
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port),
      path: sent.path,
      headers,
    }
    const request = url.protocol === 'https:' ? httpsRequest(options) : httpRequest(options)
    const deadline = timers.after(sent.timeoutMs, () => fail(new ObjectError(`no answer in ${sent.timeoutMs} ms`, 'Timeout', null, true)))
    const fail = (error: Error) => {
      deadline.cancel()
      request.destroy()
      reject(error instanceof ObjectError ? error : new ObjectError(describe(error), 'Unreachable', null, true))
    }
    request.on('error', fail)
    request.on('socket', socket => {
      if (!socket.connecting) return
      const connecting = timers.after(connectTimeoutMs, () =>
        fail(new ObjectError(`no connection to ${sent.origin} in ${connectTimeoutMs} ms`, 'Timeout', null, true)),
      )
      for (const event of ['connect', 'close']) socket.once(event, () => connecting.cancel())
    })
    request.on('response', response => {
      receive(response, sent).then(received => {
        deadline.cancel()
        resolve(received)
      }, fail)
    })
    request.cork()
    for (const each of sent.body) request.write(each)
    request.uncork()
    request.end()
  })
}

function describe(error: Error): string {
  const { code } = error as { code?: string }
  return code === undefined || error.message.includes(code) ? error.message : `${code}: ${error.message}`
}

/** Rejects if there is less than was declared, or more than was allowed. */
function receive(response: IncomingMessage, { mostBytes }: HttpRequest): Promise<HttpResponse> {
  return new Promise((resolve, reject) => {
    const declared = response.headers['content-length'] === undefined ? null : Number(response.headers['content-length'])
    const tooLong = () =>
      reject(new ObjectError(`the answer (status ${response.statusCode}) is longer than ${mostBytes} bytes`, 'BadAnswer', null, false))
    if (declared !== null && declared > mostBytes) {
      tooLong()
      return
    }
    let whole: Buffer = declared === null ? Buffer.alloc(0) : Buffer.allocUnsafeSlow(declared)
    const pieces: Buffer[] = []
    let received = 0
    response.on('data', (piece: Buffer) => {
      if (received + piece.length > (declared ?? mostBytes)) {
        tooLong()
        return
      }
      if (declared === null) pieces.push(piece)
      else piece.copy(whole, received)
      received += piece.length
    })
    response.on('end', () => {
      if (declared === null) whole = Buffer.concat(pieces)
      if (!response.complete || (declared !== null && received < declared))
        reject(new ObjectError(`the answer broke off after ${received} bytes`, 'Unreachable', null, true))
      else resolve({ status: response.statusCode ?? 0, headers: textHeaders(response), body: whole })
    })
    response.on('error', reject)
    response.on('close', () => reject(new ObjectError(`the answer broke off after ${received} bytes`, 'Unreachable', null, true)))
  })
}

function textHeaders(response: IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(response.headers)) if (value !== undefined) headers[name] = String(value)
  return headers
}
