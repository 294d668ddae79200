/**
 * What the converters with a schema registry share: Confluent's keys, subjects, ids and versions of schemas.
 *
 * A schema is registered or looked up once, and its id kept by its text. Where the registry does not answer, or not yet, RetriableError is thrown; what it
 * refuses, and bytes that are not what they should be, are DataErrors.
 */
import { boolean, int, later, list, type MaybePromise, password, string, type ValuesOf } from '../../base.ts'
import { DataError, RetriableError } from '../../connector.ts'
import {
  type Display,
  openRegistryClient,
  openSerdes,
  type RegisteredSchema,
  type RegistryClient,
  RegistryRefused,
  RegistryUnreachable,
  SerdeError,
  type Serdes,
} from '../../serde.ts'
import type { ConverterContext, RawHeader } from './converter.ts'

const strategies = ['TopicNameStrategy', 'RecordNameStrategy', 'TopicRecordNameStrategy'] as const
type Strategy = (typeof strategies)[number]

const strategy = (part: string) =>
  string({
    default: 'io.confluent.kafka.serializers.subject.TopicNameStrategy',
    allowed: `one of ${strategies.join(', ')}, with or without the package`,
    doc: `How the subject of ${part} is named.`,
  })

/** Keys of all converters with a registry. */
export const registryKeys = {
  'schema.registry.url': list({
    default: null,
    importance: 'high',
    doc: 'Addresses of the schema registry, any of which will do. Default: the one of this worker.',
  }),
  'auto.register.schemas': boolean({ default: true, doc: 'Whether schemas that are written are registered.' }),
  'use.latest.version': boolean({
    default: false,
    importance: 'low',
    doc: 'Without auto.register.schemas: whether the latest schema of the subject is written with, instead of the one that the record has.',
  }),
  'normalize.schemas': boolean({ default: false, doc: 'Whether the registry normalizes schemas before it compares them.' }),
  'use.schema.id': int({ default: -1, importance: 'low', doc: 'The id of the schema to write with, instead of another; -1: none.' }),
  'max.schemas.per.subject': int({ default: 1000, importance: 'low', min: 1, doc: 'How many schemas are remembered with their ids.' }),
  'basic.auth.credentials.source': string({ default: 'URL', doc: 'Where user and password stand: URL, or USER_INFO.' }),
  'basic.auth.user.info': password({ doc: 'user:password, with USER_INFO.' }),
  'schema.registry.basic.auth.user.info': password({ doc: 'Another name of basic.auth.user.info.' }),
  'bearer.auth.credentials.source': string({ default: null, doc: 'STATIC_TOKEN: the token in bearer.auth.token.' }),
  'bearer.auth.token': password({ doc: 'The token.' }),
  'schema.registry.ssl.truststore.location': string({ default: null, doc: 'A file of certificates in PEM that are trusted.' }),
  'key.subject.name.strategy': strategy('keys'),
  'value.subject.name.strategy': strategy('values'),
} as const

export type RegistryValues = ValuesOf<typeof registryKeys>
export type SchemaType = 'AVRO' | 'JSON' | 'PROTOBUF'
export type RegisteredSerde = 'avro' | 'jsonschema' | 'protobuf'

export class Registry {
  readonly isKey: boolean
  readonly #values: RegistryValues
  readonly #client: RegistryClient
  readonly #serdes: Serdes
  readonly #strategy: Strategy
  /** By subject and text; the least recently used first. */
  readonly #ids = new Map<string, MaybePromise<number>>()
  /** By id and subject; null: the subject does not have the schema. */
  readonly #versions = new Map<string, number | null>()

  /** Throws InvalidConfig. */
  constructor(values: RegistryValues, context: ConverterContext) {
    const { isKey, refuse } = context
    this.isKey = isKey
    this.#values = values
    const key = isKey ? 'key.subject.name.strategy' : 'value.subject.name.strategy'
    const named = values[key]
    const found = strategies.find(each => each === named.slice(named.lastIndexOf('.') + 1))
    if (found === undefined) throw refuse(key, named, `it must be one of ${strategies.join(', ')}`)
    this.#strategy = found
    this.#client = openClient(values, context)
    this.#serdes = openSerdes({ registry: this.#client })
  }

  close(): void {
    this.#client.close()
  }

  subjectOf(topic: string, recordName: string | null): string {
    const byTopic = `${topic}-${this.isKey ? 'key' : 'value'}`
    if (this.#strategy === 'TopicNameStrategy') return byTopic
    if (recordName === null) throw new DataError(`the schema has no name, of which ${this.#strategy} could make a subject`)
    return this.#strategy === 'RecordNameStrategy' ? recordName : `${topic}-${recordName}`
  }

  /** With the schema that the bytes say. */
  decode(serde: RegisteredSerde, topic: string, bytes: Buffer, headers: readonly RawHeader[] | undefined): MaybePromise<Decoded> {
    const place = { topic, part: this.isKey ? 'key' : 'value', headers, form: 'confluent' } as const
    return translated(() =>
      later(this.#serdes.decode(serde, bytes, place), ({ value, schema: used }) => {
        const { id, guid, name } = used!
        const found = id === null ? this.#client.byGuid(guid!) : this.#client.byId(id)
        return later(found, schema => later(this.#versionOf(schema, topic), version => ({ value, schema, name, version })))
      }),
    )
  }

  #versionOf(schema: RegisteredSchema, topic: string): MaybePromise<number | null> {
    const { id } = schema
    if (id === null || this.#strategy !== 'TopicNameStrategy') return null
    const subject = this.subjectOf(topic, null)
    const key = `${id} ${subject}`
    const known = this.#versions.get(key)
    return known === undefined ? this.#askVersion(key, id, subject) : known
  }

  async #askVersion(key: string, id: number, subject: string): Promise<number | null> {
    const answer = await this.#client.request('GET', `/schemas/ids/${id}/versions`).catch((error: unknown) => {
      if (error instanceof RegistryRefused && error.status < 500) return []
      throw error
    })
    const versions = Array.isArray(answer) ? (answer as { subject?: unknown; version?: unknown }[]) : []
    const found = versions.find(each => each?.subject === subject)?.version
    const version = typeof found === 'number' ? found : null
    if (this.#versions.size >= this.#values['max.schemas.per.subject']) this.#versions.clear()
    this.#versions.set(key, version)
    return version
  }

  /** Registers the schema, or looks it up, as the configuration wants it. */
  idOf(subject: string, type: SchemaType, schema: string): MaybePromise<number> {
    const key = `${subject}\0${schema}`
    const known = this.#ids.get(key)
    if (known !== undefined) {
      this.#ids.delete(key)
      this.#ids.set(key, known)
      return known
    }
    const asked = translated(() => this.#ask(subject, type, schema)) as Promise<number>
    this.#ids.set(key, asked)
    asked.then(
      id => {
        if (this.#ids.has(key)) this.#ids.set(key, id)
      },
      () => this.#ids.delete(key),
    )
    if (this.#ids.size > this.#values['max.schemas.per.subject']) this.#ids.delete(this.#ids.keys().next().value!)
    return asked
  }

  async #ask(subject: string, type: SchemaType, schema: string): Promise<number> {
    const values = this.#values
    if (values['use.schema.id'] >= 0) return values['use.schema.id']
    const path = `/subjects/${encodeURIComponent(subject)}`
    const query = values['normalize.schemas'] ? '?normalize=true' : ''
    const body = { schema, ...(type === 'AVRO' ? {} : { schemaType: type }) }
    if (values['auto.register.schemas']) return idIn(await this.#client.request('POST', `${path}/versions${query}`, body))
    if (values['use.latest.version']) return idIn(await this.#client.bySubject(subject))
    return idIn(await this.#client.request('POST', `${path}${query}`, body))
  }

  encode(serde: RegisteredSerde, topic: string, value: unknown, id: number, message?: string): MaybePromise<Buffer> {
    const place = { topic, part: this.isKey ? 'key' : 'value', form: 'confluent' } as const
    return translated(() => this.#serdes.encode(serde, value, place, message === undefined ? { id } : { id, message }))
  }
}

export interface Decoded {
  readonly value: Display
  readonly schema: RegisteredSchema
  /** Of the record or message. */
  readonly name: string | null
  /** As the subject of the topic has it; null: it does not. */
  readonly version: number | null
}

function idIn(answer: unknown): number {
  const { id } = (answer ?? {}) as { id?: unknown }
  if (typeof id !== 'number') throw new SerdeError('the registry did not say which id the schema has')
  return id
}

function translated<T>(work: () => MaybePromise<T>): MaybePromise<T> {
  const told = (error: unknown): never => {
    const isLater =
      error instanceof RegistryUnreachable || (error instanceof RegistryRefused && (error.status >= 500 || error.status === 429))
    if (isLater) throw new RetriableError((error as Error).message, { cause: error })
    throw error instanceof SerdeError ? new DataError(error.message, error) : error
  }
  try {
    const result = work()
    return result instanceof Promise ? result.catch(told) : result
  } catch (error) {
    return told(error)
  }
}

/** Throws InvalidConfig. */
function openClient(values: RegistryValues, { system, registry, refuse }: ConverterContext): RegistryClient {
  const urls = values['schema.registry.url']
  if (urls === null || urls.length === 0) {
    if (registry !== null) return openRegistryClient({ ...registry, system })
    throw refuse('schema.registry.url', null, 'it must be given: this worker has no schema registry')
  }
  const file = values['schema.registry.ssl.truststore.location']
  const ca = file === null ? undefined : system.files.readFile(file)
  if (ca === null) throw refuse('schema.registry.ssl.truststore.location', file, 'there is no such file')
  try {
    return openRegistryClient({ url: urls.join(','), system, ca, ...loginOf(values, refuse) })
  } catch (error) {
    throw error instanceof SerdeError ? refuse('schema.registry.url', null, error.message, error.message) : error
  }
}

function loginOf(
  values: RegistryValues,
  refuse: ConverterContext['refuse'],
): { credentials?: { user: string; password: string }; authorization?: string } {
  const source = values['basic.auth.credentials.source'].toUpperCase()
  const bearer = values['bearer.auth.credentials.source']
  const token = values['bearer.auth.token']
  if (bearer !== null) {
    if (bearer.toUpperCase() !== 'STATIC_TOKEN') throw refuse('bearer.auth.credentials.source', bearer, 'it must be STATIC_TOKEN')
    if (token === null) throw refuse('bearer.auth.token', null, 'with STATIC_TOKEN it must be given')
    return { authorization: `Bearer ${token}` }
  }
  if (source === 'URL') return {}
  if (source !== 'USER_INFO') throw refuse('basic.auth.credentials.source', source, 'it must be URL or USER_INFO')
  const userInfo = values['basic.auth.user.info'] ?? values['schema.registry.basic.auth.user.info'] ?? ''
  const at = userInfo.indexOf(':')
  if (at < 0) throw refuse('basic.auth.user.info', '[hidden]', 'with USER_INFO it must be user:password')
  return { credentials: { user: userInfo.slice(0, at), password: userInfo.slice(at + 1) } }
}
