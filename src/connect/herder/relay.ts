/** Requests from one worker to another. */
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { FastifyRequest } from 'fastify'
import { type System, stringifyLossless } from '../../base.ts'
import { clockHeader } from './signatures.ts'

export interface RelayRequest {
  readonly url: string
  readonly method: string
  /** '' without one. */
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
}

export interface RelayAnswer {
  readonly status: number
  readonly location: string | undefined
  /** See signatures.ts. */
  readonly clock: string | undefined
  readonly text: string
}

const timeoutMs = 90_000
const mostCharacters = 2 ** 26

/** Throws Error. */
export async function relay({ url, method, body, headers }: RelayRequest, { timers }: Pick<System, 'timers'>): Promise<RelayAnswer> {
  const aborting = new AbortController()
  const timer = timers.after(timeoutMs, () => aborting.abort())
  const own = {
    accept: 'application/json',
    ...(body === '' ? {} : { 'content-type': 'application/json' }),
    'content-length': Buffer.byteLength(body),
  }
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const open = url.startsWith('https:') ? httpsRequest : httpRequest
      // As it is written: a URL would lose segments named `.` and `..`, and lead elsewhere.
      const path = url.slice(url.indexOf('/', url.indexOf('//') + 2))
      const sent = open(url, { method, path, signal: aborting.signal, headers: { ...own, ...headers } })
      sent.on('response', resolve)
      sent.on('error', reject)
      sent.end(body)
    })
    let text = ''
    response.setEncoding('utf8')
    for await (const part of response) {
      text += part
      if (text.length > mostCharacters) throw new Error(`the answer of ${url} has more than ${mostCharacters} characters`)
    }
    const { location, [clockHeader]: clock } = response.headers
    return { status: response.statusCode!, location, clock: typeof clock === 'string' ? clock : undefined, text }
  } finally {
    timer.cancel()
  }
}

/** As it is sent on; the worker that gets it makes the same of it. */
export function bodyOf({ body }: FastifyRequest): string {
  return body === undefined || body === null ? '' : stringifyLossless(body)
}

/** `path` begins with a slash; the URL of a worker may end with one. */
export function urlOf(worker: string, path: string): string {
  return worker.replace(/\/+$/, '') + path
}
