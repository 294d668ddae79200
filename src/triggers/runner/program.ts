/**
 * The program of a runner: a child process in which a function runs. It is sent to the process as text, so that the process needs no right to read any file.
 *
 * Nothing here is trusted by the process that starts it: a function shares this process and can do to it whatever it likes. The class refers to nothing
 * outside of itself but Node's own modules. On descriptor 3 both sides send frames: four bytes with the length, then JSON.
 */
import type { Socket } from 'node:net'
import { lockDown } from './lock-down.ts'

/** The first frame: what to run. */
export interface LoadOrder {
  readonly code: string
  readonly language: 'javascript' | 'typescript'
  /** `main_handler`, or a path such as `handlers.clean`. */
  readonly handler: string
  readonly environment: Readonly<Record<string, string>>
}

/** The second argument of the function; in the process it also has `getRemainingTimeInMillis()`, and the names that SCF and Lambda have for its fields. */
export interface CallContext {
  readonly requestId: string
  readonly functionName: string
  readonly functionVersion: string
  readonly timeoutMs: number
  readonly memoryMb: number
  /** From 1. */
  readonly attempt: number
}

/** Every other frame. */
export interface CallOrder {
  /** From 1. */
  readonly id: number
  readonly context: CallContext
  readonly event: unknown
}

export interface ShownError {
  readonly type: string
  readonly message: string
  readonly stack: string
}

/** `id` of the answer to the first frame: 0. */
export type RunnerAnswer =
  | { readonly id: number; readonly ok: true; readonly result: unknown }
  | { readonly id: number; readonly ok: false; readonly error: ShownError }

type Callback = (error: unknown, result?: unknown) => void
type Handler = (event: unknown, context: object, callback: Callback) => unknown
type Import = (url: string) => Promise<Record<string, unknown>>

class Runner {
  #socket: Socket | null = null
  #parts: Buffer[] = []
  #size = 0
  #handler: Handler | null = null
  readonly #import: Import

  constructor(load: Import) {
    this.#import = load
  }

  /** Returns the channel to the process that has started this one. */
  start(): Socket {
    const { Socket: Pipe } = process.getBuiltinModule('node:net')
    const end = () => process.exit(0)
    // Closed when whoever started this process has ended.
    this.#socket = new Pipe({ fd: 3, readable: true, writable: true })
    this.#socket.on('data', chunk => this.#take(chunk))
    this.#socket.on('close', end)
    this.#socket.on('error', end)
    return this.#socket
  }

  #take(chunk: Buffer): void {
    this.#parts.push(chunk)
    this.#size += chunk.length
    while (this.#size >= 4) {
      if (this.#parts[0]!.length < 4) this.#parts = [Buffer.concat(this.#parts)]
      const length = this.#parts[0]!.readUInt32BE(0)
      if (this.#size < length + 4) return
      const all = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts)
      const rest = all.subarray(length + 4)
      this.#parts = rest.length === 0 ? [] : [rest]
      this.#size = rest.length
      void this.#obey(JSON.parse(all.toString('utf8', 4, length + 4)))
    }
  }

  async #obey(order: LoadOrder | CallOrder): Promise<void> {
    const id = 'id' in order ? order.id : 0
    try {
      const result = 'id' in order ? await this.#call(order) : await this.#load(order)
      this.#answer(id, { id, ok: true, result: result === undefined ? null : result })
    } catch (error) {
      this.#answer(id, { id, ok: false, error: this.#shown(error) })
    }
  }

  /** A function that takes a callback and returns nothing answers by the callback, as in SCF and Lambda. */
  #call(order: CallOrder): Promise<unknown> {
    const handler = this.#handler!
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    const callback: Callback = (error, result) => (error === null || error === undefined ? resolve(result) : reject(error))
    const returned = handler(order.event, this.#contextOf(order), callback)
    if (returned !== undefined || handler.length < 3) resolve(returned)
    return promise
  }

  #contextOf({ context }: CallOrder): object {
    const { requestId, functionName, functionVersion, timeoutMs, memoryMb } = context
    const end = process.uptime() * 1_000 + timeoutMs
    return {
      ...context,
      getRemainingTimeInMillis: () => Math.max(0, Math.round(end - process.uptime() * 1_000)),
      ...{ request_id: requestId, function_name: functionName, function_version: functionVersion },
      ...{ time_limit_in_ms: timeoutMs, memory_limit_in_mb: memoryMb },
      ...{ awsRequestId: requestId, memoryLimitInMB: String(memoryMb) },
    }
  }

  #shown(error: unknown): ShownError {
    const { name, message, stack } = (typeof error === 'object' && error !== null ? error : { message: String(error) }) as Partial<Error>
    const cut = (text: unknown, length: number) => String(text ?? '').slice(0, length)
    // Not where it was called from, which is here.
    const [own] = cut(stack, 100_000).split(/\n {4}at [^\n]*\[eval1\]/) as [string]
    const trace = own.replace(/\n {4}at [^\n]*node:internal\/[^\n]*/g, '')
    return { type: cut(name ?? 'Error', 200), message: cut(message, 4_000), stack: cut(trace, 8_000) }
  }

  #answer(id: number, answer: RunnerAnswer): void {
    let text: string
    try {
      text = this.#json(answer)
    } catch (error) {
      text = JSON.stringify({ id, ok: false, error: this.#shown(error) })
    }
    const bytes = Buffer.allocUnsafe(4 + Buffer.byteLength(text))
    bytes.writeUInt32BE(bytes.length - 4)
    bytes.write(text, 4)
    this.#socket!.write(bytes)
  }

  /** Integers of 64 bits keep their digits. */
  #json(answer: RunnerAnswer): string {
    try {
      return JSON.stringify(answer)
    } catch (error) {
      if (!(error instanceof TypeError)) throw error
      const { rawJSON } = JSON as unknown as { rawJSON(text: string): object }
      return JSON.stringify(answer, (_, value) => (typeof value === 'bigint' ? rawJSON(String(value)) : value))
    }
  }

  async #load({ code: given, language, handler, environment }: LoadOrder): Promise<void> {
    const { stripTypeScriptTypes } = process.getBuiltinModule('node:module')
    Object.assign(process.env, environment)
    const code = language === 'typescript' ? stripTypeScriptTypes(given, { sourceUrl: '/function.ts' }) : given
    const isModule = /^\s*(?:export|import)\b/m.test(code)
    const exported: Record<string, unknown> = isModule ? await this.#imported(code) : this.#required(code)
    const found = handler.split('.').reduce<unknown>((value, name) => (value as Record<string, unknown> | undefined)?.[name], exported)
    // What other clouds call it.
    const made = found ?? (handler === 'main_handler' ? (exported['handler'] ?? exported['default']) : undefined)
    if (typeof made !== 'function') throw new Error(`the file exports no function ${handler}`)
    this.#handler = made as Handler
  }

  async #imported(code: string): Promise<Record<string, unknown>> {
    try {
      return await this.#import(`data:text/javascript;base64,${Buffer.from(`${code}\n//# sourceURL=/function.mjs`).toString('base64')}`)
    } catch (error) {
      // Node does not say where; whoever takes types away does.
      if (error instanceof SyntaxError && !/\/function\.\w+:\d/.test(error.stack ?? ''))
        process.getBuiltinModule('node:module').stripTypeScriptTypes(code, { sourceUrl: '/function.mjs' })
      throw error
    }
  }

  /** A file without `import` and `export`. */
  #required(code: string): Record<string, unknown> {
    const { Module } = process.getBuiltinModule('node:module')
    const module = new Module('/function.cjs') as unknown as {
      exports: Record<string, unknown>
      _compile(code: string, name: string): void
    }
    module._compile(code, '/function.cjs')
    return module.exports
  }
}

/** For `node --input-type=module --eval`. The compiler would put a helper around an `import()` in the class, which the process does not have. */
export const runnerProgram = `${String(lockDown)}\n${String(Runner)}\nlockDown(new Runner(url => import(url)).start())`
