/**
 * A REST catalogue: tables and their commits. Reference: Iceberg's "REST Catalog API" (open-api/rest-catalog-open-api.yaml).
 *
 * Hides login, prefix and which failures pass. A commit that may have been made is told apart from one that was not.
 */
import { parseLossless, type System, stringifyLossless } from '../../base.ts'
import { RetriableError } from '../../connector.ts'
import { withTimeout } from '../waits.ts'
import type { PartitionSpec } from './partitions.ts'
import type { IcebergConfig } from './sink.ts'
import type { StructType, TableSchema } from './types.ts'

export interface TableName {
  readonly namespace: readonly string[]
  readonly name: string
}

/** As the catalogue tells it; integers beyond 2^53 are bigints. */
export interface Metadata {
  readonly 'format-version': number
  readonly 'table-uuid': string
  readonly location: string
  readonly 'last-sequence-number'?: number | bigint
  readonly 'last-column-id': number
  readonly schemas: readonly TableSchema[]
  readonly 'current-schema-id': number
  readonly 'partition-specs': readonly PartitionSpec[]
  readonly 'default-spec-id': number
  readonly 'current-snapshot-id'?: number | bigint | null
  readonly snapshots?: readonly { readonly 'snapshot-id': number | bigint; readonly 'manifest-list'?: string }[]
  readonly refs?: Readonly<Record<string, { readonly 'snapshot-id': number | bigint }>>
  readonly properties?: Readonly<Record<string, string>>
}

export interface Loaded {
  readonly metadata: Metadata
  /** Where the catalogue hands out access to the files. */
  readonly config: Readonly<Record<string, string>>
}

/** Somebody else was first. */
export class Conflict extends Error {
  override readonly name = 'Conflict'
}

/** The catalogue may have made the commit, or not. */
export class UnknownState extends RetriableError {
  override name = 'UnknownState'
}

/** The catalogue says that it will not do this. */
class CatalogueRefused extends Error {
  override readonly name = 'CatalogueRefused'
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

const mostAnswer = 256 * 2 ** 20

export class Catalogue {
  readonly #config: IcebergConfig
  readonly #system: System
  readonly #signal: AbortSignal
  #prefix: string | null = null
  #token: { readonly text: string; readonly untilMs: number } | null = null

  constructor(config: IcebergConfig, system: System, signal: AbortSignal) {
    this.#config = config
    this.#system = system
    this.#signal = signal
  }

  /** null: there is none. */
  async load(table: TableName): Promise<Loaded | null> {
    try {
      return loadedFrom(await this.#ask('GET', await this.#pathOf(table)))
    } catch (error) {
      if (error instanceof CatalogueRefused && error.status === 404) return null
      throw error
    }
  }

  async create(table: TableName, schema: StructType, spec: PartitionSpec): Promise<Loaded> {
    const namespaces = `${await this.#root()}/namespaces`
    await this.#existing(this.#ask('POST', namespaces, { namespace: table.namespace, properties: {} }))
    const body = {
      name: table.name,
      schema: { 'schema-id': 0, ...schema },
      'partition-spec': spec,
      properties: { 'format-version': '2' },
      'stage-create': false,
    }
    await this.#existing(this.#ask('POST', `${namespaces}/${levels(table)}/tables`, body))
    const made = await this.load(table)
    if (made === null) throw new RetriableError(`the table ${table.name} was made and is not there`)
    return made
  }

  /** Throws Conflict, UnknownState, RetriableError. */
  async commit(table: TableName, requirements: readonly object[], updates: readonly object[]): Promise<void> {
    try {
      await this.#ask('POST', await this.#pathOf(table), { identifier: table, requirements, updates }, true)
    } catch (error) {
      if (error instanceof CatalogueRefused && error.status === 409) throw new Conflict(error.message)
      throw error
    }
  }

  async #existing<T>(asked: Promise<T>): Promise<T | null> {
    try {
      return await asked
    } catch (error) {
      if (error instanceof CatalogueRefused && error.status === 409) return null
      throw error
    }
  }

  async #pathOf(table: TableName): Promise<string> {
    return `${await this.#root()}/namespaces/${levels(table)}/tables/${encodeURIComponent(table.name)}`
  }

  async #root(): Promise<string> {
    if (this.#prefix === null) {
      const warehouse = this.#config['iceberg.catalog.warehouse']
      const query = warehouse === '' ? '' : `?${new URLSearchParams({ warehouse })}`
      const { defaults = {}, overrides = {} } = (await this.#ask('GET', `/v1/config${query}`)) as Partial<
        Record<'defaults' | 'overrides', Record<string, string>>
      >
      this.#prefix = overrides['prefix'] ?? defaults['prefix'] ?? ''
    }
    return this.#prefix === '' ? '/v1' : `/v1/${this.#prefix.split('/').map(encodeURIComponent).join('/')}`
  }

  async #ask(method: string, path: string, body?: object, isCommit = false): Promise<unknown> {
    const headers: Record<string, string> = body === undefined ? {} : { 'content-type': 'application/json' }
    const token = await this.#login()
    if (token !== null) headers['authorization'] = `Bearer ${token}`
    return await this.#send(method, path, headers, body === undefined ? null : stringifyLossless(body), isCommit)
  }

  async #login(): Promise<string | null> {
    const given = this.#config['iceberg.catalog.token']
    if (given !== null) return given
    const credential = this.#config['iceberg.catalog.credential']
    if (credential === null) return null
    const { clock } = this.#system
    if (this.#token !== null && clock.monotonic() < this.#token.untilMs) return this.#token.text
    const colon = credential.indexOf(':')
    const form = new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: credential.slice(0, Math.max(colon, 0)),
      client_secret: credential.slice(colon + 1),
      scope: this.#config['iceberg.catalog.scope'],
    })
    const server = this.#config['iceberg.catalog.oauth2-server-uri']
    const answer = await this.#send(
      'POST',
      server === '' ? '/v1/oauth/tokens' : server,
      { 'content-type': 'application/x-www-form-urlencoded' },
      String(form),
      false,
    )
    const { access_token: text, expires_in: seconds = 3_600 } = answer as { access_token?: string; expires_in?: number }
    if (text === undefined) throw new RetriableError('the login at the catalogue gave no token')
    this.#token = { text, untilMs: clock.monotonic() + Number(seconds) * 900 }
    return text
  }

  async #send(method: string, path: string, headers: Record<string, string>, body: string | null, isCommit: boolean): Promise<unknown> {
    const base = this.#config['iceberg.catalog.uri']!.replace(/\/+$/, '').replace(/\/v1$/, '')
    const url = /^https?:/.test(path) ? path : `${base}${path}`
    const doing = `${method} ${path.split('?')[0]}`
    const limit = withTimeout(this.#system, this.#config['iceberg.catalog.timeout.ms'], this.#signal)
    const unsure = (message: string, cause: unknown) =>
      isCommit ? new UnknownState(message, { cause }) : new RetriableError(message, { cause })
    try {
      const response = await fetch(url, { method, headers, signal: limit.signal, ...(body === null ? {} : { body }) })
      const text = await textOf(response, doing)
      if (response.ok) return parsed(text, doing)
      const message = `${doing}: ${response.status} ${reasonIn(text)}`
      if (response.status === 429 || response.status === 503) throw new RetriableError(message)
      if (response.status >= 500) throw unsure(message, null)
      throw new CatalogueRefused(response.status, message)
    } catch (error) {
      if (error instanceof RetriableError || error instanceof CatalogueRefused) throw error
      const { message, cause } = error as Error
      throw unsure(`${doing}: ${(cause as Error | undefined)?.message || message}`, error)
    } finally {
      limit.done()
    }
  }
}

function levels({ namespace }: TableName): string {
  return encodeURIComponent(namespace.join('\u001f'))
}

function loadedFrom(answer: unknown): Loaded {
  const { metadata, config = {} } = answer as { metadata?: Metadata; config?: Record<string, string> }
  if (metadata?.['table-uuid'] === undefined) throw new RetriableError('the catalogue answered without a table')
  return { metadata, config }
}

function parsed(text: string, doing: string): unknown {
  if (text === '') return {}
  try {
    return parseLossless(text)
  } catch {
    throw new RetriableError(`${doing}: the answer is no JSON; is this a REST catalogue?`)
  }
}

function reasonIn(text: string): string {
  try {
    const { error } = JSON.parse(text) as { error?: { type?: string; message?: string } | string }
    return typeof error === 'object' ? `${error.type ?? ''}: ${error.message ?? ''}`.slice(0, 1_000) : String(error).slice(0, 1_000)
  } catch {
    return text.slice(0, 300)
  }
}

async function textOf(response: Response, doing: string): Promise<string> {
  const parts: Uint8Array[] = []
  let size = 0
  for await (const part of response.body ?? []) {
    size += (part as Uint8Array).length
    if (size > mostAnswer) throw new RetriableError(`${doing}: the answer is larger than ${mostAnswer} bytes`)
    parts.push(part as Uint8Array)
  }
  return Buffer.concat(parts).toString()
}
