/** A load of HTTP/1.1 that takes as little of the machine as possible, so that there is more of it for what is measured. */
import { connect } from 'node:net'
import { type Cost, costOf, quantile } from '../measure.ts'

export interface Request {
  readonly method: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  /** ASCII. */
  readonly body?: string
}

export interface Load {
  readonly requests: number
  readonly seconds: number
  readonly p50Ms: number
  readonly p99Ms: number
}

export interface Loading {
  readonly port: number
  readonly connections: number
  /** What the connection with this number asks next, or null when it is done. */
  readonly next: (connection: number) => Request | null
  /** After so long nothing more is asked. Default: when all are done. */
  readonly ms?: number
  /** Of each answer, which is a success. */
  readonly onAnswer?: (answer: string, connection: number) => void
}

/** Each connection sends its next request when it has the answer. Throws when an answer is no success. */
export async function load({ port, connections, next, ms = Number.POSITIVE_INFINITY, onAnswer }: Loading): Promise<Load> {
  const began = performance.now()
  const times: number[] = []
  const work = async (_: unknown, number: number) => {
    const connection = new Connection(port)
    try {
      while (performance.now() - began < ms) {
        const request = next(number)
        if (request === null) break
        const startedMs = performance.now()
        const answer = await connection.ask(request)
        times.push(performance.now() - startedMs)
        onAnswer?.(answer, number)
      }
    } finally {
      connection.close()
    }
  }
  await Promise.all(Array.from({ length: connections }, work))
  times.sort((a, b) => a - b)
  const seconds = (performance.now() - began) / 1_000
  return { requests: times.length, seconds, p50Ms: quantile(times, 0.5), p99Ms: quantile(times, 0.99) }
}

/** With the processor time that it took of the process with this id. */
export async function loadOn(pid: number, loading: Loading): Promise<Load & { readonly cost: Cost }> {
  const { result, cost } = await costOf(pid, () => load(loading))
  return { ...result, cost }
}

const headEnd = '\r\n\r\n'
const chunksEnd = '\r\n0\r\n\r\n'

class Connection {
  readonly #socket
  #received: string[] = []
  #bytes = 0
  /** Of the whole answer, once its head is there; null: it comes in chunks. */
  #wanted: number | null | undefined = undefined
  #resolve: (answer: string) => void = () => {}
  #reject: (error: Error) => void = () => {}

  constructor(port: number) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true })
    this.#socket.setEncoding('latin1').on('data', (text: string) => this.#take(text))
    this.#socket.on('error', error => this.#reject(error))
    this.#socket.on('close', () => this.#reject(new Error('the connection was closed')))
  }

  ask({ method, path, headers = {}, body = '' }: Request): Promise<string> {
    const told = body === '' ? headers : { 'content-type': 'application/json', ...headers, 'content-length': String(body.length) }
    const lines = Object.entries(told).map(([name, value]) => `${name}: ${value}\r\n`)
    this.#socket.write(`${method} ${path} HTTP/1.1\r\nhost: localhost\r\n${lines.join('')}\r\n${body}`)
    return new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  #take(text: string): void {
    this.#received.push(text)
    this.#bytes += text.length
    if (this.#wanted === undefined) this.#readHead()
    if (this.#wanted === undefined || !this.#isWhole(this.#wanted)) return
    const answer = this.#received.join('')
    this.#received = []
    this.#bytes = 0
    this.#wanted = undefined
    if (/^HTTP\/1\.1 20[0-7]/.test(answer)) this.#resolve(answer)
    else this.#reject(new Error(answer))
  }

  #readHead(): void {
    const text = this.#received.join('')
    const end = text.indexOf(headEnd)
    this.#received = [text]
    if (end === -1) return
    const length = /content-length: (\d+)/i.exec(text.slice(0, end))?.[1]
    this.#wanted = length === undefined ? null : end + headEnd.length + Number(length)
  }

  #isWhole(wanted: number | null): boolean {
    if (wanted !== null) return this.#bytes >= wanted
    return this.#received.slice(-2).join('').endsWith(chunksEnd)
  }
}
