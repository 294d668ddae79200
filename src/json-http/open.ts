/** Opens a client of one server. Node's client is loaded when it is first used. */
import type { IncomingMessage, RequestOptions } from 'node:http'
import { notReached, parseLossless, type System, stringifyLossless } from '../base.ts'

export interface JsonAddress {
  /** As in messages: `the schema registry`. */
  readonly named: string
  /** Of requests; answers may be any JSON. */
  readonly mediaType: string
  /** `http://host:8081`, several separated by commas; credentials may stand in front of the host. */
  readonly url: string
  readonly credentials?: { readonly user: string; readonly password: string } | undefined
  /** The header, instead of credentials. */
  readonly authorization?: string | undefined
  /** Certificates in PEM that are trusted instead of the system's. */
  readonly ca?: string | Buffer | undefined
  /** It is this process, so that there is nobody to verify. */
  readonly isOwn?: boolean | undefined
  readonly timeoutMs?: number | undefined
  /** Default: 8. */
  readonly mostSockets?: number | undefined
}

export interface JsonAnswer {
  readonly status: number
  /** Parsed without loss; null: there was none, or, with an error's status, one that is not JSON. */
  readonly answer: unknown
}

export interface JsonHttp {
  /** `body` undefined: none. Default of `timeoutMs`: that of the address. Throws {@link NoAnswer} and {@link BadPath}. */
  ask(method: string, path: string, body?: unknown, timeoutMs?: number): Promise<JsonAnswer>
  close(): void
}

/** None of the addresses has answered: what was asked may succeed later. */
export class NoAnswer extends Error {
  constructor(message: string, cause: unknown) {
    super(message, { cause })
    this.name = 'NoAnswer'
  }
}

/** What was given is no address of HTTP. */
export class BadAddress extends Error {}

/** Something in the path is named `.` or `..`: on the way such segments are taken out, however they are written, and another path is asked. */
export class BadPath extends Error {}

/** As the URL Standard has it. */
const dotSegment = /[/\\](?:\.|%2e){1,2}(?:[/\\]|$)/i

const mostAnswerBytes = 2 ** 25
const defaultTimeoutMs = 10_000

interface Target {
  readonly url: URL
  readonly authorization: string | null
}

interface Agents {
  readonly http: typeof import('node:http')
  readonly https: typeof import('node:https')
  readonly plain: import('node:http').Agent
  readonly secure: import('node:https').Agent
}

/** Throws BadAddress. */
export function openJsonHttp(address: JsonAddress, system: Pick<System, 'timers'>): JsonHttp {
  const { named, mediaType } = address
  const targets = address.url.split(',').map(each => targetOf(each.trim(), address))
  const usualMs = address.timeoutMs ?? defaultTimeoutMs
  let agents: Promise<Agents> | null = null
  return {
    async ask(method, path, body, timeoutMs = usualMs) {
      if (dotSegment.test(path.split(/[?#]/, 1)[0]!)) throw new BadPath(`${named} cannot be asked for what is named "." or ".."`)
      agents ??= openAgents(address)
      const opened = await agents
      const text = body === undefined ? null : stringifyLossless(body)
      let problem: unknown
      for (const target of targets) {
        try {
          return await once(opened, target, { method, path, text, mediaType, timeoutMs, system })
        } catch (error) {
          // What may have been done must not be done again by another.
          if (method !== 'GET' && !notReached(error)) throw unanswered(named, target, error)
          problem ??= unanswered(named, target, error)
        }
      }
      throw problem
    },
    close() {
      agents
        ?.then(({ plain, secure }) => {
          plain.destroy()
          secure.destroy()
        })
        .catch(() => {})
    },
  }
}

function targetOf(text: string, { credentials, authorization: given, named }: JsonAddress): Target {
  const url = URL.parse(text)
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new BadAddress(`"${withoutSecret(text)}" is not an address of ${named}, such as http://localhost:8081`)
  const user = credentials?.user ?? decodeURIComponent(url.username)
  const password = credentials?.password ?? decodeURIComponent(url.password)
  url.username = url.password = ''
  const authorization = given !== undefined ? given : user === '' ? null : `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
  return { url, authorization }
}

function withoutSecret(text: string): string {
  return text.replace(/\/\/[^/@]*@/, '//…@')
}

async function openAgents({ ca, isOwn, mostSockets = 8 }: JsonAddress): Promise<Agents> {
  const [http, https] = await Promise.all([import('node:http'), import('node:https')])
  const limits = { keepAlive: true, maxSockets: mostSockets }
  return {
    http,
    https,
    plain: new http.Agent(limits),
    secure: new https.Agent({ ...limits, rejectUnauthorized: isOwn !== true, ...(ca === undefined ? {} : { ca }) }),
  }
}

interface Call {
  readonly method: string
  readonly path: string
  readonly text: string | null
  readonly mediaType: string
  readonly timeoutMs: number
  readonly system: Pick<System, 'timers'>
}

function once(
  agents: Agents,
  { url, authorization }: Target,
  { method, path, text, mediaType, timeoutMs, system }: Call,
): Promise<JsonAnswer> {
  const secure = url.protocol === 'https:'
  const headers: Record<string, string> = { accept: mediaType === 'application/json' ? mediaType : `${mediaType}, application/json` }
  if (authorization !== null) headers.authorization = authorization
  if (text !== null) {
    headers['content-type'] = mediaType
    headers['content-length'] = String(Buffer.byteLength(text))
  }
  const options: RequestOptions = { method, headers, agent: secure ? agents.secure : agents.plain }
  const { promise, resolve, reject } = Promise.withResolvers<JsonAnswer>()
  const target = `${url.origin}${url.pathname.replace(/\/$/, '')}${path}`
  const request = (secure ? agents.https : agents.http).request(target, options, response => {
    read(response).then(resolve, reject)
  })
  const timer = system.timers.after(timeoutMs, () => request.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)))
  request.on('error', reject)
  request.end(text ?? undefined)
  return promise.finally(() => timer.cancel())
}

async function read(response: IncomingMessage): Promise<JsonAnswer> {
  const pieces: Buffer[] = []
  let size = 0
  for await (const piece of response as AsyncIterable<Buffer>) {
    size += piece.length
    if (size > mostAnswerBytes) throw new Error(`the answer has more than ${mostAnswerBytes} bytes`)
    pieces.push(piece)
  }
  const status = response.statusCode ?? 0
  const text = Buffer.concat(pieces).toString('utf8')
  if (text === '') return { status, answer: null }
  try {
    return { status, answer: parseLossless(text) }
  } catch (error) {
    // An error page of something between is told by its status.
    if (status >= 400) return { status, answer: null }
    throw new Error(`the answer is not JSON: ${(error as Error).message}`, { cause: error })
  }
}

function unanswered(named: string, { url }: Target, error: unknown): NoAnswer {
  const { code, message } = error as NodeJS.ErrnoException
  return new NoAnswer(`${named} at ${url.origin} does not answer: ${message === '' ? code : message}`, error)
}
