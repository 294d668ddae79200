/**
 * Connectors of `plugin.path`, whose code may be anybody's: it runs in threads only, never in that of the API. Here a definition is what its thread has told
 * of it; what the connector is asked goes there, with texts instead of values, and a thread that does not answer in time is ended.
 */
import { Worker } from 'node:worker_threads'
import type { ConfigKey, System, Timer } from '../../base.ts'
import type { ConnectorDefinition, Refusal } from '../../connector.ts'

export type KeyFacts = Omit<ConfigKey, 'parse'>

/** Plain data. */
export interface Described {
  readonly name: string
  readonly classes: readonly string[]
  readonly kind: 'sink' | 'source'
  readonly version: string
  readonly summary: string
  readonly example: Readonly<Record<string, string>>
  readonly converter: string | null
  readonly refuses: readonly Refusal[]
  readonly keys: readonly (readonly [string, KeyFacts])[]
  readonly can: readonly ('check' | 'tasks' | 'recommend' | 'exactlyOnce' | 'transactionBoundaries')[]
}

type Texts = Readonly<Record<string, string | null>>

export interface Asked {
  readonly id: number
  /** Of the connector. */
  readonly name: string
  /** `read`: what is wrong with the values, by key. */
  readonly what: 'read' | Described['can'][number]
  readonly texts: Texts
  /** Of `tasks`. */
  readonly most?: number
}

export type FromPlugin =
  | { readonly described: readonly Described[] }
  | { readonly failed: ToldError }
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: ToldError }

interface ToldError {
  readonly message: string
  readonly trace: string
}

/** Of definitions of other packages. */
const readers = new WeakMap<ConnectorDefinition, (texts: Texts) => Promise<unknown>>()

/** What is wrong with the values of its own keys, by key; of a connector of this package nothing is left: they were read here. Throws Error. */
export async function foreignProblems(
  definition: ConnectorDefinition,
  values: Readonly<Record<string, unknown>>,
): Promise<ReadonlyMap<string, string>> {
  const own = Object.keys(definition.config).map(key => [key, (values[key] ?? null) as string | null] as const)
  return ((await readers.get(definition)?.(Object.fromEntries(own))) ?? new Map()) as ReadonlyMap<string, string>
}

const usualAnswerMs = 30_000
const idleMs = 60_000
const heapMegabytes = 128

export class ForeignModule {
  readonly file: string
  readonly #timers: System['timers']
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>()
  #thread: Worker | null = null
  #described: PromiseWithResolvers<readonly Described[]> | null = null
  readonly #answerMs: number
  #asking = 0
  #nextId = 1
  #idle: Timer | null = null

  constructor(file: string, { timers }: Pick<System, 'timers'>, answerMs = usualAnswerMs) {
    this.file = file
    this.#answerMs = answerMs
    this.#timers = timers
  }

  /** Throws Error for a module that cannot be loaded. */
  async definitions(): Promise<ConnectorDefinition[]> {
    const described = await this.#inTime(this.#begin(), usualAnswerMs)
    return described.map(each => this.#definition(each))
  }

  async close(): Promise<void> {
    await this.#end(new Error('the worker ends'))
  }

  #definition({ keys, can, converter, ...facts }: Described): ConnectorDefinition {
    const asText = (text: string) => ({ value: text, text })
    const ask = (what: Asked['what'], texts: Texts, more: Partial<Asked> = {}) => this.#ask({ name: facts.name, what, texts, ...more })
    const asked = Object.fromEntries(
      can.map(what => [what, (texts: Texts, most?: number) => ask(what, texts, { ...(most !== undefined && { most }) })]),
    )
    const definition = {
      ...facts,
      ...asked,
      ...(converter !== null && { converter }),
      config: Object.fromEntries(keys.map(([key, declared]) => [key, { ...declared, parse: asText }])),
      open: () => Promise.reject(new Error('the code of a plugin runs in threads of its tasks')),
    } as unknown as ConnectorDefinition
    readers.set(definition, texts => ask('read', texts))
    return definition
  }

  async #ask(asked: Omit<Asked, 'id'>): Promise<unknown> {
    await this.#inTime(this.#begin(), usualAnswerMs)
    const id = this.#nextId++
    const waiting = Promise.withResolvers<unknown>()
    this.#waiting.set(id, waiting)
    this.#thread!.postMessage({ ...asked, id })
    return this.#inTime(waiting.promise, this.#answerMs)
  }

  #begin(): Promise<readonly Described[]> {
    this.#thread?.ref()
    this.#idle?.cancel()
    this.#idle = this.#timers.after(idleMs, () => void this.#end(new Error('nobody has asked for long')))
    if (this.#described !== null) return this.#described.promise
    this.#described = Promise.withResolvers()
    const file = import.meta.url.endsWith('.ts') ? './thread.ts' : './thread.js'
    const thread = new Worker(new URL(file, import.meta.url), {
      workerData: { file: this.file },
      name: 'plugin',
      resourceLimits: { maxOldGenerationSizeMb: heapMegabytes },
    })
    this.#thread = thread
    const over = (error: unknown) => {
      if (this.#thread === thread) void this.#end(error)
    }
    thread.on('message', (message: unknown) => this.#hear(message))
    thread.on('error', error => over(new Error(`${this.file}: ${(error as Error | null)?.message ?? error}`)))
    thread.on('exit', code => over(new Error(`${this.file} has ended its thread with code ${code}, as by process.exit`)))
    return this.#described.promise
  }

  #hear(message: unknown): void {
    if (typeof message !== 'object' || message === null) return
    const told = message as FromPlugin
    if ('described' in told) this.#described?.resolve(told.described)
    else if ('failed' in told) void this.#end(errorOf(told.failed))
    else {
      const waiting = this.#waiting.get(told.id)
      this.#waiting.delete(told.id)
      if ('error' in told) waiting?.reject(errorOf(told.error))
      else waiting?.resolve(told.result)
    }
  }

  /** Whoever blocks the thread is ended with it; the next question begins another one. */
  async #inTime<T>(answer: Promise<T>, mostMs: number): Promise<T> {
    this.#asking++
    const late = this.#timers.after(mostMs, () => void this.#end(new Error(`${this.file} has not answered within ${mostMs} ms`)))
    try {
      return await answer
    } finally {
      late.cancel()
      // A thread that nobody waits for does not keep the process.
      if (--this.#asking === 0) this.#thread?.unref()
    }
  }

  async #end(reason: unknown): Promise<void> {
    const [thread, described] = [this.#thread, this.#described]
    this.#thread = null
    this.#described = null
    this.#idle?.cancel()
    described?.promise.catch(() => {})
    described?.reject(reason)
    for (const { reject } of this.#waiting.values()) reject(reason)
    this.#waiting.clear()
    await thread?.terminate()
  }
}

function errorOf({ message, trace }: ToldError): Error {
  return Object.assign(new Error(message), { stack: trace })
}
