/** A function as a trigger calls it, wherever it runs: in a process of this machine, or behind an HTTP endpoint. */
import { type Hiding, hidesNothing, parseLossless, type System } from '../base.ts'
import type { CodeFunction, Definition } from './definition.ts'
import { type FunctionFile, type RunnerPool, TooManyWait } from './runner/pool.ts'
import { FunctionError, mostResultBytes, type OnOutput } from './runner/process.ts'
import type { CallContext } from './runner/program.ts'
import { hidingHeaders, withoutQuery } from './secrets.ts'

/** Nobody knows whether the function would fail: it cannot be reached, or asks for patience. The call is made again until it can be. */
export class Unavailable extends Error {
  readonly isThrottle: boolean
  readonly retryAfterMs: number | null

  constructor(message: string, { isThrottle = false, retryAfterMs = null as number | null, cause = undefined as unknown } = {}) {
    super(message, { cause })
    this.name = 'Unavailable'
    this.isThrottle = isThrottle
    this.retryAfterMs = retryAfterMs
  }
}

/** What a function is told of a call, besides its own limits. */
export type CallInfo = Omit<CallContext, 'timeoutMs' | 'memoryMb'>

/** The call begins now; what is thrown prevents it. `isCold`: a process was started, or loaded the function, for it. */
export type OnBegin = (isCold: boolean) => void

export interface Callee {
  /** `event`: JSON. Throws FunctionError and Unavailable. */
  call(event: string, contentType: string, info: CallInfo, begun: OnBegin): Promise<unknown>
  /** Whether a call would have to wait for others. */
  readonly isBusy: boolean
  close(): void
}

export interface CalleeOptions {
  /** Of this version of the trigger. */
  readonly id: string
  readonly pool: RunnerPool
  readonly system: System
  readonly onOutput: OnOutput
  readonly isTest?: boolean
}

export function openCallee(called: Definition['function'], options: CalleeOptions): Callee {
  return 'code' in called ? new FileCallee(called, options) : new HttpCallee(called, options.system)
}

/** `id`: of what runs it. */
export function functionFile(called: CodeFunction, { id, isTest = false }: Pick<FunctionFile, 'id' | 'isTest'>): FunctionFile {
  const { code, language, handler, environment, memoryMb, network } = called
  return { id, isTest, order: { code, language, handler, environment }, kind: { memoryMb, network } }
}

class FileCallee implements Callee {
  readonly #file: FunctionFile
  readonly #timeoutMs: number
  readonly #options: CalleeOptions

  constructor(called: CodeFunction, options: CalleeOptions) {
    this.#file = functionFile(called, options)
    this.#timeoutMs = called.timeoutMs
    this.#options = options
  }

  get isBusy(): boolean {
    return this.#options.pool.isFullFor(this.#file)
  }

  async call(event: string, _contentType: string, info: CallInfo, begun: OnBegin): Promise<unknown> {
    const { pool, onOutput } = this.#options
    const runner = await pool.acquire(this.#file, onOutput).catch(error => {
      throw error instanceof TooManyWait ? new Unavailable(error.message, { isThrottle: true, cause: error }) : error
    })
    try {
      const context = { ...info, timeoutMs: this.#timeoutMs, memoryMb: this.#file.kind.memoryMb }
      begun(runner.isNew)
      return await runner.process.call(context, event)
    } finally {
      pool.release(runner)
    }
  }

  close(): void {
    this.#options.pool.forget(this.#file.id)
  }
}

class HttpCallee implements Callee {
  readonly isBusy = false
  readonly #url: string
  readonly #headers: Readonly<Record<string, string>>
  readonly #hiding: Hiding
  readonly #timeoutMs: number
  readonly #system: System

  constructor({ url, headers, timeoutMs }: Exclude<Definition['function'], CodeFunction>, system: System) {
    this.#url = url
    this.#headers = headers
    this.#hiding = hidingHeaders(headers)
    this.#timeoutMs = timeoutMs
    this.#system = system
  }

  async call(event: string, contentType: string, { requestId }: CallInfo, begun: OnBegin): Promise<unknown> {
    begun(false)
    const answer = await post(this.#url, event, {
      headers: { ...this.#headers, 'content-type': contentType, 'x-request-id': requestId },
      timeoutMs: this.#timeoutMs,
      system: this.#system,
      hiding: this.#hiding,
    })
    if (answer.status === 429 || answer.status === 503)
      throw new Unavailable(`HTTP ${answer.status}`, { isThrottle: true, retryAfterMs: answer.retryAfterMs })
    // Hidden before it is cut, so that no half of a secret is left.
    if (answer.status >= 300)
      throw new FunctionError('error', `HTTP ${answer.status}`, this.#hiding.text(answer.text.slice(0, 65_536)).slice(0, 4_000))
    return resultIn(answer.text)
  }

  close(): void {}
}

/** JSON, or the text itself; null: nothing. */
function resultIn(text: string): unknown {
  if (text === '') return null
  try {
    return parseLossless(text)
  } catch {
    return text
  }
}

export interface PostOptions {
  readonly headers: Readonly<Record<string, string>>
  readonly timeoutMs: number
  readonly system: Pick<System, 'timers'>
  /** Of the headers: Fetch tells them in its errors. */
  readonly hiding?: Hiding
}

export interface Posted {
  readonly status: number
  readonly text: string
  readonly retryAfterMs: number | null
}

/** Throws Unavailable if there is no connection, and FunctionError if the answer is late or too large. */
export async function post(url: string, body: string, { headers, timeoutMs, system, hiding = hidesNothing }: PostOptions): Promise<Posted> {
  const abort = new AbortController()
  const late = system.timers.after(timeoutMs, () => abort.abort())
  try {
    const response = await fetch(url, { method: 'POST', body, headers, redirect: 'manual', signal: abort.signal })
    const seconds = Number(response.headers.get('retry-after') ?? Number.NaN)
    return { status: response.status, text: await textOf(response), retryAfterMs: seconds >= 0 ? seconds * 1_000 : null }
  } catch (error) {
    if (error instanceof FunctionError) throw error
    const cause = hiding.error(error)
    const { message } = (cause.cause ?? cause) as Error
    const { name, code } = ((error as Error).cause ?? error) as Error & { code?: string }
    // Fetch has a limit of its own, which is as long as the longest of ours.
    if (abort.signal.aborted || code === 'UND_ERR_HEADERS_TIMEOUT')
      throw new FunctionError('timeout', 'TimeoutError', `${withoutQuery(url)} has not answered within ${timeoutMs} ms`)
    if (name === 'HTTPParserError')
      throw new FunctionError('output', 'BadResponse', `${withoutQuery(url)} has answered something else than HTTP: ${message}`)
    throw new Unavailable(`${withoutQuery(url)} cannot be reached: ${message}`, { cause })
  } finally {
    late.cancel()
  }
}

async function textOf(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.length
    if (size > mostResultBytes)
      throw new FunctionError('output', 'ResponseTooLarge', `the endpoint has answered more than ${mostResultBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}
