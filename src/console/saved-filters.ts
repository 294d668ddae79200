/** Filters of topics that were saved for all, in a compacted topic. It is created when the first is saved. */
import { type Static, Type } from 'typebox'
import { ClientError } from '../client.ts'
import { HttpError } from '../http.ts'
import type { ServiceContext } from '../service.ts'
import { openTopicTable, type TableRecord, type TopicTable } from '../topic-table.ts'

const topicName = '__millrace_console'
const mostOfTopic = 100
const longest = 10_000

export const SavedFilter = Type.Object({
  name: Type.String({ minLength: 1, maxLength: 100 }),
  /** The query of the view: `contains=x&cel=…`. */
  query: Type.String({ maxLength: longest }),
  /** Who saved it. */
  by: Type.String(),
})
type SavedFilter = Static<typeof SavedFilter>

export class SavedFilters {
  readonly #context: ServiceContext
  /** By topic, then by name. */
  readonly #filters = new Map<string, Map<string, SavedFilter>>()
  #table: Promise<TopicTable> | null = null

  constructor(context: ServiceContext) {
    this.#context = context
  }

  async of(topic: string): Promise<SavedFilter[]> {
    if (!(await this.#exists())) return []
    await (await this.#open()).catchUp()
    return [...(this.#filters.get(topic)?.values() ?? [])].sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  async save(topic: string, filter: SavedFilter): Promise<void> {
    const table = await this.#open()
    const known = this.#filters.get(topic)
    if ((known?.size ?? 0) >= mostOfTopic && known?.has(filter.name) !== true)
      throw new HttpError(409, 409, `${topic} has ${mostOfTopic} saved filters, which is the limit`)
    await table.write(keyOf(topic, filter.name), Buffer.from(JSON.stringify({ v: 1, query: filter.query, by: filter.by })))
  }

  async remove(topic: string, name: string): Promise<void> {
    await (await this.#open()).write(keyOf(topic, name), null)
  }

  async close(): Promise<void> {
    const table = await this.#table?.catch(() => null)
    await table?.close()
  }

  async #exists(): Promise<boolean> {
    if (this.#table !== null) return true
    try {
      await this.#context.own.topics([topicName])
      return true
    } catch (error) {
      if (error instanceof ClientError && error.code === 'UNKNOWN_TOPIC_OR_PARTITION') return false
      throw error
    }
  }

  #open(): Promise<TopicTable> {
    const { own: client, system, logger } = this.#context
    this.#table ??= openTopicTable({ client, topic: topicName, system, logger, apply: record => this.#apply(record) }).catch(error => {
      this.#table = null
      throw error
    })
    return this.#table
  }

  #apply({ key, value }: TableRecord): void {
    const { kind, topic, name } = JSON.parse(key!.toString('utf8')) as Record<'kind' | 'topic' | 'name', string>
    if (kind !== 'filter') return
    const filters = this.#filters.get(topic) ?? new Map<string, SavedFilter>()
    this.#filters.set(topic, filters)
    if (value === null) filters.delete(name)
    else {
      const { query, by } = JSON.parse(value.toString('utf8')) as Record<'query' | 'by', string>
      filters.set(name, { name, query, by })
    }
  }
}

function keyOf(topic: string, name: string): Buffer {
  return Buffer.from(JSON.stringify({ kind: 'filter', topic, name }))
}
