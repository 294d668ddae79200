/**
 * A REST catalogue: tables and their commits. Reference: Iceberg's "REST Catalog API" (open-api/rest-catalog-open-api.yaml).
 *
 * Hides login, prefix and which failures pass. A commit that may have been made is told apart from one that was not.
 */
import { type System, stringifyLossless } from '../../base.ts'
import { RetriableError } from '../../connector.ts'
import { HttpClient, isPassing, isSuccess, jsonOf, shown } from '../http-client/http-client.ts'
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

/** The catalogue is too busy, and has done nothing. */
class NotNow extends RetriableError {}

/** Where there should be one in the answer. */
class NoTable extends RetriableError {}

/** A table with a long history has a description of some megabytes. */
const mostAnswer = 64 * 2 ** 20

export class Catalogue {
  readonly #config: IcebergConfig
  readonly #system: System
  readonly #client: HttpClient
  #prefix: string | null = null
  #token: { readonly text: string; readonly untilMs: number } | null = null

  constructor(config: IcebergConfig, system: System, signal: AbortSignal) {
    this.#config = config
    this.#system = system
    this.#client = new HttpClient({ system, signal, timeoutMs: config['iceberg.catalog.timeout.ms'], mostAnswerBytes: mostAnswer })
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
    const made = await this.#existing(this.#ask('POST', `${namespaces}/${levels(table)}/tables`, body))
    // Another task may be first.
    const there = made === null ? await this.load(table) : loadedFrom(made)
    if (there === null) throw new RetriableError(`the table ${table.name} is said to be there, and is not`)
    return there
  }

  /** Throws Conflict, UnknownState, RetriableError. */
  async commit(table: TableName, requirements: readonly object[], updates: readonly object[]): Promise<void> {
    try {
      loadedFrom(await this.#ask('POST', await this.#pathOf(table), { identifier: table, requirements, updates }, true))
    } catch (error) {
      if (error instanceof CatalogueRefused && error.status === 409) throw new Conflict(error.message)
      if (error instanceof NoTable) throw new UnknownState(error.message)
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
      const { defaults, overrides } = (await this.#ask('GET', `/v1/config${query}`)) as Partial<
        Record<'defaults' | 'overrides', Record<string, string>>
      >
      if (defaults === undefined && overrides === undefined)
        throw new RetriableError('GET /v1/config: the answer has neither defaults nor overrides; is this a REST catalogue?')
      this.#prefix = overrides?.['prefix'] ?? defaults?.['prefix'] ?? ''
    }
    return this.#prefix === '' ? '/v1' : `/v1/${this.#prefix.split('/').map(encodeURIComponent).join('/')}`
  }

  async #ask(method: string, path: string, body?: object, isCommit = false): Promise<object> {
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

  async #send(method: string, path: string, headers: Record<string, string>, body: string | null, isCommit: boolean): Promise<object> {
    const base = this.#config['iceberg.catalog.uri'].replace(/\/+$/, '').replace(/\/v1$/, '')
    const url = new URL(/^https?:/.test(path) ? path : `${base}${path}`)
    const doing = `${method} ${path.split('?')[0]}`
    try {
      const answer = await this.#client.send({ method, url, headers, ...(body !== null && { body }) })
      if (isSuccess(answer.status))
        return answer.body.length === 0 ? {} : jsonOf(answer, 'a REST catalogue', value => !Array.isArray(value))
      const message = `${doing}: ${answer.status} ${reasonIn(answer.body.toString())}`
      if (!isPassing(answer.status)) throw new CatalogueRefused(answer.status, message)
      // With these two it did not begin.
      throw answer.status === 429 || answer.status === 503 ? new NotNow(message) : new RetriableError(message)
    } catch (error) {
      if (!isCommit || !(error instanceof RetriableError) || error instanceof NotNow) throw error
      throw new UnknownState(error.message, { cause: error })
    }
  }

  close(): void {
    this.#client.close()
  }
}

function levels({ namespace }: TableName): string {
  return encodeURIComponent(namespace.join('\u001f'))
}

function loadedFrom(answer: object): Loaded {
  const { metadata, config = {} } = answer as { metadata?: Metadata; config?: Record<string, string> }
  if (metadata?.['table-uuid'] === undefined) throw new NoTable('the catalogue answered without a table')
  return { metadata, config }
}

function reasonIn(text: string): string {
  try {
    const { error } = JSON.parse(text) as { error: { type?: string; message?: string } | string }
    return shown((typeof error === 'object' ? `${error.type ?? ''}: ${error.message ?? ''}` : error).slice(0, 1_000))
  } catch {
    return shown(text.slice(0, 300))
  }
}
