/**
 * From where sources go on: a compacted topic in Kafka Connect's own format. A key is `["NAME",{partition}]`, a value is the offset of that partition.
 *
 * Java's workers write the fields of a partition in the order in which its map has them, and read what was written under the same bytes. So a partition
 * that is known keeps the bytes of its key, and partitions are compared by their content.
 */
import { parseLossless, stringifyLossless } from '../../base.ts'
import { type ConnectValue, isStruct, type Struct } from '../../connector.ts'
import { openTopicTable } from '../../topic-table.ts'
import type { StoreOptions } from './options.ts'

export interface StoredOffset {
  readonly partition: Struct
  readonly offset: Struct
}

export interface OffsetStore {
  offsets(connector: string): readonly StoredOffset[]
  /** In the order of the partitions. */
  find(connector: string, partitions: readonly Struct[]): (Struct | null)[]
  /** Under which the offset of this partition is stored. */
  keyOf(connector: string, partition: Struct): Buffer
  /** null: it begins anew. */
  write(connector: string, changes: readonly { readonly partition: Struct; readonly offset: Struct | null }[]): Promise<void>
  catchUp(): Promise<void>
  close(): Promise<void>
}

interface Known {
  readonly key: Buffer
  readonly partition: Struct
  readonly offset: Struct
}

/** What the records amount to. */
export class OffsetTable {
  readonly #known = new Map<string, Map<string, Known>>()

  apply(key: Buffer, value: Buffer | null): void {
    const [connector, partition] = parseKey(key)
    const name = canonical(partition)
    const offset = value === null ? null : parse(value)
    if (offset === null) {
      this.#known.get(connector)?.delete(name)
      return
    }
    if (!isStruct(offset)) throw new TypeError('the offset of a source is no object')
    let known = this.#known.get(connector)
    if (known === undefined) this.#known.set(connector, (known = new Map()))
    known.set(name, { key: Buffer.from(key), partition, offset })
  }

  offsets(connector: string): StoredOffset[] {
    return Array.from(this.#known.get(connector)?.values() ?? [], ({ partition, offset }) => ({ partition, offset }))
  }

  find(connector: string, partitions: readonly Struct[]): (Struct | null)[] {
    const known = this.#known.get(connector)
    return partitions.map(partition => known?.get(canonical(partition))?.offset ?? null)
  }

  keyOf(connector: string, partition: Struct): Buffer {
    return this.#known.get(connector)?.get(canonical(partition))?.key ?? offsetKey(connector, partition)
  }
}

export async function openOffsetStore(options: StoreOptions): Promise<OffsetStore> {
  const table = new OffsetTable()
  const topic = await openTopicTable({
    ...options,
    apply: ({ key, value }) => {
      if (key !== null) table.apply(key, value)
    },
  })
  return {
    offsets: connector => table.offsets(connector),
    find: (connector, partitions) => table.find(connector, partitions),
    keyOf: (connector, partition) => table.keyOf(connector, partition),
    async write(connector, changes) {
      await topic.writeAll(
        changes.map(({ partition, offset }) => ({ key: table.keyOf(connector, partition), value: encodeOffset(offset) })),
      )
    },
    catchUp: () => topic.catchUp(),
    close: () => topic.close(),
  }
}

function offsetKey(connector: string, partition: Struct): Buffer {
  return Buffer.from(stringifyLossless([connector, jsonOf(partition)]))
}

export function encodeOffset(offset: Struct | null): Buffer | null {
  return offset === null ? null : Buffer.from(stringifyLossless(jsonOf(offset)))
}

/** Throws TypeError. */
function parseKey(key: Buffer): [connector: string, partition: Struct] {
  const parsed = parse(key)
  if (Array.isArray(parsed) && parsed.length === 2) {
    const [connector, partition] = parsed
    if (typeof connector === 'string' && isStruct(partition)) return [connector, partition]
  }
  throw new TypeError('not a key of an offset')
}

function parse(bytes: Buffer): ConnectValue {
  return parseLossless(bytes.toString('utf8')) as ConnectValue
}

/** Equal for partitions with the same fields in any order. */
export function canonical(value: ConnectValue): string {
  if (!isStruct(value)) return Array.isArray(value) ? `[${value.map(canonical).join(',')}]` : stringifyLossless(jsonOf(value))
  const fields = Object.keys(value).sort()
  return `{${fields.map(field => `${JSON.stringify(field)}:${canonical(value[field]!)}`).join(',')}}`
}

/** As JSON has it. */
export function jsonOf(value: ConnectValue): unknown {
  if (Buffer.isBuffer(value)) return value.toString('base64')
  if (value instanceof Map) return Object.fromEntries(Array.from(value, ([key, each]) => [String(key), jsonOf(each)]))
  if (Array.isArray(value)) return value.map(jsonOf)
  if (!isStruct(value)) return typeof value === 'object' && value !== null ? String(value) : value
  return Object.fromEntries(Object.entries(value).map(([field, each]) => [field, jsonOf(each)]))
}
