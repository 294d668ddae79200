/** Which index a record goes to, and that it is there: made when its first record arrives, with a mapping from the record's schema. */
import type { SinkRecord } from '../../connector.ts'
import { type TimePattern, timePattern } from '../storage/time-pattern.ts'
import { Refused, type SearchClient } from './client.ts'
import { type ElasticsearchConfig, isDataStream, pairsOf } from './keys.ts'
import { mappingOf } from './mapping.ts'

export class Indices {
  readonly #config: ElasticsearchConfig
  readonly #client: SearchClient
  readonly #external: ReadonlyMap<string, string>
  readonly #renamed: ReadonlyMap<string, string>
  readonly #time: TimePattern
  /** Known to be there. */
  readonly #there = new Set<string>()
  /** The newest names by topic: nearly every record has the same as the one before. */
  readonly #names = new Map<string, string>()

  constructor(config: ElasticsearchConfig, client: SearchClient) {
    this.#config = config
    this.#client = client
    this.#external = pairsOf(config['topic.to.external.resource.mapping'])
    this.#renamed = pairsOf(config['topic.index.map'])
    this.#time = timePattern('index.timestamp.format', config['index.timestamp.format'], 'UTC', 'en')
  }

  nameFor({ topic, timestampMs }: SinkRecord): string {
    if (this.#config['external.resource.usage'] !== 'DISABLED') return this.#external.get(topic) ?? topic
    const renamed = this.#renamed.get(topic)
    if (renamed !== undefined) return renamed
    const pattern = isDataStream(this.#config)
      ? `${this.#config['data.stream.type'].toLowerCase()}-${this.#config['data.stream.dataset']}-${this.#config['data.stream.namespace']}`
      : this.#config['index.name']
    const wanted = pattern.replaceAll('${topic}', () => topic).replaceAll('${timestamp}', () => this.#time(Number(timestampMs ?? 0n)))
    const known = this.#names.get(wanted)
    if (known !== undefined) return known
    const name = legal(wanted)
    if (this.#names.size >= 10_000) this.#names.clear()
    this.#names.set(wanted, name)
    return name
  }

  /** null: nothing is to be done, as with nearly every record. */
  prepare(name: string, record: SinkRecord): Promise<void> | null {
    if (this.#config['external.resource.usage'] !== 'DISABLED' || this.#there.has(name) || record.value === null) return null
    return this.#make(name, record)
  }

  async #make(name: string, record: SinkRecord): Promise<void> {
    if (isDataStream(this.#config)) await this.#makeStream(name)
    else await this.#makeIndex(name, record)
    if (this.#there.size >= 100_000) this.#there.clear()
    this.#there.add(name)
  }

  async #makeStream(name: string): Promise<void> {
    const path = `/_data_stream/${encodeURIComponent(name)}`
    if (!(await this.#isThere('GET', path))) await this.#unlessThere({ method: 'PUT', path })
  }

  async #makeIndex(name: string, { topic, valueSchema }: SinkRecord): Promise<void> {
    const path = `/${encodeURIComponent(name)}`
    const takesSchema = !this.#config['schema.ignore'] && !this.#config['topic.schema.ignore'].includes(topic) && valueSchema !== null
    const mapping = takesSchema ? mappingOf(valueSchema, this.#config['compact.map.entries']) : null
    if (!(await this.#isThere('HEAD', path))) {
      await this.#unlessThere({ method: 'PUT', path, body: mapping === null ? '{}' : JSON.stringify({ mappings: mapping }) })
      return
    }
    if (mapping === null) return
    // An alias has the mapping of an index that has another name.
    const known = Object.values(
      (await this.#client.send({ method: 'GET', path: `${path}/_mapping` })) as Record<string, { mappings?: { properties?: object } }>,
    )
    if (known.some(each => Object.keys(each?.mappings?.properties ?? {}).length > 0)) return
    await this.#client.send({ method: 'PUT', path: `${path}/_mapping`, body: JSON.stringify(mapping) })
  }

  /** Data streams know no HEAD; the answer to HEAD is true or false. */
  async #isThere(method: 'GET' | 'HEAD', path: string): Promise<boolean> {
    try {
      return (await this.#client.send({ method, path })) !== false
    } catch (error) {
      if (error instanceof Refused && error.status === 404) return false
      throw error
    }
  }

  /** Another task may be first. */
  async #unlessThere(request: Parameters<SearchClient['send']>[0]): Promise<void> {
    try {
      await this.#client.send(request)
    } catch (error) {
      if (!(error instanceof Refused) || !/already_exists/.test(`${error.type} ${error.message}`)) throw error
    }
  }
}

/** As Confluent makes names of indices from those of topics: lower case, and nothing in front that the target refuses. */
function legal(name: string): string {
  const lower = name.toLowerCase().slice(0, 255)
  if (lower === '.') return 'dot'
  if (lower === '..') return 'dotdot'
  return /^[-_]/.test(lower) ? lower.slice(1) : lower
}
