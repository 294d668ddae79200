/**
 * A client of schema registries: ours, Confluent's, and those that copy its API.
 *
 * Schemas are fetched with all that they refer to, once, and kept; several who ask at the same time share one request. That a schema is not there,
 * or that the registry does not answer, is remembered for seconds, so that a topic full of foreign bytes does not become a flood of requests.
 */
import type { MaybePromise, System } from '../base.ts'
import { openHttp, type RegistryAddress } from './registry-http.ts'
import { SerdeError } from './types.ts'

export type SchemaType = 'AVRO' | 'JSON' | 'PROTOBUF'

export interface SchemaReference {
  readonly name: string
  readonly subject: string
  readonly version: number
}

export interface RegisteredSchema {
  /** null if it was asked for by guid, and the registry does not tell. */
  readonly id: number | null
  readonly guid: string | null
  readonly type: string
  readonly schema: string
  readonly references: readonly SchemaReference[]
  /** The texts of all that it refers to, directly or not, by the names under which they are known; each after those that it needs. */
  readonly texts: ReadonlyMap<string, string>
}

/** Methods throw {@link RegistryRefused} or SerdeError. */
export interface RegistryClient {
  byId(id: number): MaybePromise<RegisteredSchema>
  byGuid(guid: string): MaybePromise<RegisteredSchema>
  /** Default: the latest version, which may be some seconds old. */
  bySubject(subject: string, version?: number): MaybePromise<RegisteredSchema>
  /** One request of Confluent's API, not cached. The parsed answer; null if it has no body. */
  request(method: string, path: string, body?: unknown): Promise<unknown>
  close(): void
}

/** The registry's answer was an error. */
export class RegistryRefused extends SerdeError {
  readonly status: number
  /** Confluent's `error_code`. */
  readonly code: number

  constructor(status: number, code: number, message: string) {
    super(message)
    this.name = 'RegistryRefused'
    this.status = status
    this.code = code
  }
}

export interface RegistryOptions extends RegistryAddress {
  readonly system: System
}

const mostSchemas = 1_000
const mostCharacters = 2 ** 25
const mostReferences = 200
const mostReferenceDepth = 20
const latestForMs = 10_000
const missingForMs = 10_000
const failedForMs = 2_000

interface Entry {
  found: RegisteredSchema | Promise<RegisteredSchema> | null
  problem: unknown
  /** On the monotonic clock. */
  untilMs: number
  characters: number
}

/** Connects when first used. Throws SerdeError if an address is not one. */
export function openRegistryClient(options: RegistryOptions): RegistryClient {
  const http = openHttp(options, options.system)
  return new CachingClient(options.system, http)
}

type Ask = ReturnType<typeof openHttp>

class CachingClient implements RegistryClient {
  readonly #system: System
  readonly #http: Ask
  /** The least recently used first. */
  readonly #entries = new Map<string, Entry>()
  #characters = 0

  constructor(system: System, http: Ask) {
    this.#system = system
    this.#http = http
  }

  byId(id: number): MaybePromise<RegisteredSchema> {
    return this.#cached(`/schemas/ids/${id}`, Number.POSITIVE_INFINITY)
  }

  byGuid(guid: string): MaybePromise<RegisteredSchema> {
    return this.#cached(`/schemas/guids/${encodeURIComponent(guid)}`, Number.POSITIVE_INFINITY)
  }

  bySubject(subject: string, version?: number): MaybePromise<RegisteredSchema> {
    const path = `/subjects/${encodeURIComponent(subject)}/versions/${version ?? 'latest'}`
    return this.#cached(path, version === undefined ? latestForMs : Number.POSITIVE_INFINITY)
  }

  async request(method: string, path: string, body?: unknown): Promise<unknown> {
    const { status, answer } = await this.#http.ask(method, path, body)
    if (status >= 200 && status < 300) return answer
    const { error_code: code, message } = (typeof answer === 'object' && answer !== null ? answer : {}) as Record<string, unknown>
    throw new RegistryRefused(
      status,
      typeof code === 'number' ? code : status,
      typeof message === 'string' ? message : `the registry answered ${method} ${path} with HTTP ${status}`,
    )
  }

  close(): void {
    this.#http.close()
  }

  #cached(path: string, forMs: number): MaybePromise<RegisteredSchema> {
    const now = this.#system.clock.monotonic()
    const before = this.#entries.get(path)
    if (before !== undefined && before.untilMs > now) {
      this.#entries.delete(path)
      this.#entries.set(path, before)
      if (before.found === null) throw before.problem
      return before.found
    }
    const entry: Entry = { found: null, problem: null, untilMs: Number.POSITIVE_INFINITY, characters: 0 }
    const fetched = this.#fetch(path).then(
      schema => {
        this.#settle(path, entry, schema, forMs)
        return schema
      },
      (error: unknown) => {
        entry.found = null
        entry.problem = error
        const missing = error instanceof RegistryRefused && error.status === 404
        entry.untilMs = this.#system.clock.monotonic() + (missing ? missingForMs : failedForMs)
        throw error
      },
    )
    entry.found = fetched
    this.#remember(path, entry)
    return fetched
  }

  #settle(path: string, entry: Entry, schema: RegisteredSchema, forMs: number): void {
    entry.found = schema
    entry.untilMs = this.#system.clock.monotonic() + forMs
    if (this.#entries.get(path) !== entry) return
    entry.characters = [...schema.texts.values()].reduce((sum, text) => sum + text.length, schema.schema.length)
    this.#characters += entry.characters
    this.#trim()
  }

  #remember(path: string, entry: Entry): void {
    const before = this.#entries.get(path)
    if (before !== undefined) this.#characters -= before.characters
    this.#entries.delete(path)
    this.#entries.set(path, entry)
    this.#trim()
  }

  #trim(): void {
    for (const [path, { characters }] of this.#entries) {
      if (this.#entries.size <= mostSchemas && this.#characters <= mostCharacters) return
      this.#entries.delete(path)
      this.#characters -= characters
    }
  }

  async #fetch(path: string): Promise<RegisteredSchema> {
    const answer = await this.request('GET', path)
    const schema = readSchema(answer, path)
    const texts = new Map<string, string>()
    await this.#follow(schema.references, texts, new Set(), 0)
    return { ...schema, texts }
  }

  async #follow(references: readonly SchemaReference[], texts: Map<string, string>, seen: Set<string>, depth: number): Promise<void> {
    if (depth > mostReferenceDepth)
      throw new SerdeError(`the references of the schema are nested more than ${mostReferenceDepth} levels deep`)
    for (const { name, subject, version } of references) {
      if (seen.has(name)) continue
      seen.add(name)
      if (seen.size > mostReferences) throw new SerdeError(`the schema refers to more than ${mostReferences} others`)
      const path = `/subjects/${encodeURIComponent(subject)}/versions/${version}?deleted=true`
      const found = readSchema(await this.request('GET', path), path)
      await this.#follow(found.references, texts, seen, depth + 1)
      texts.set(name, found.schema)
    }
  }
}

function readSchema(answer: unknown, path: string): Omit<RegisteredSchema, 'texts'> {
  const { id, guid, schema, schemaType, references } = (answer ?? {}) as Record<string, unknown>
  if (typeof schema !== 'string') throw new SerdeError(`the registry answered ${path} without a schema`)
  const fromPath = /^\/schemas\/ids\/(\d+)$/.exec(path)
  return {
    id: typeof id === 'number' ? id : fromPath === null ? null : Number(fromPath[1]),
    guid: typeof guid === 'string' ? guid : null,
    type: typeof schemaType === 'string' ? schemaType : 'AVRO',
    schema,
    references: Array.isArray(references) ? references.filter(isReference) : [],
  }
}

function isReference(value: unknown): value is SchemaReference {
  const { name, subject, version } = (value ?? {}) as Record<string, unknown>
  return typeof name === 'string' && typeof subject === 'string' && typeof version === 'number'
}
