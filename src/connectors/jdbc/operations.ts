/** What a record means for a table: its columns, its primary key, and whether the row is written or deleted. */
import { DataError, type Schema, type SinkRecord } from '../../connector.ts'
import { parseTemplate, type Template } from '../template/template.ts'
import { typedKey, typedValue } from '../values/json.ts'
import { fieldsOf, type Typed } from '../values/select.ts'
import type { Config } from './keys.ts'

export interface Column {
  readonly name: string
  readonly typed: Typed
}

export interface Operation {
  readonly record: SinkRecord
  readonly table: string
  readonly kind: 'write' | 'delete'
  /** Of the primary key; none if there is no such. */
  readonly keys: readonly Column[]
  readonly others: readonly Column[]
}

const kafkaColumns = ['__connect_topic', '__connect_partition', '__connect_offset']
const kafkaSchemas: readonly Schema[] = [{ type: 'string' }, { type: 'int32' }, { type: 'int64' }]

/** What keys say together; see the keys themselves. */
export function operationProblems(config: Config): Map<string, string> {
  const problems = new Map<string, string>()
  const mode = config['pk.mode']
  const insert = config['insert.mode']
  const fields = config['pk.fields'].length
  if (mode === 'none' && insert !== 'insert') problems.set('pk.mode', `insert.mode=${insert} needs a primary key`)
  if (config['delete.enabled'] && mode !== 'record_key') problems.set('delete.enabled', 'needs pk.mode=record_key')
  if (mode === 'kafka' && fields !== 0 && fields !== 3)
    problems.set('pk.fields', 'must be three names, for topic, partition and offset, or nothing')
  return problems
}

export class Operations {
  readonly #config: Config
  readonly #table: Template
  readonly #fields: ReadonlySet<string>

  constructor(config: Config) {
    this.#config = config
    this.#table = parseTemplate(config['table.name.format'])
    this.#fields = new Set(config['fields.whitelist'])
  }

  /** Throws DataError. */
  of(record: SinkRecord): Operation {
    const table = this.#table.render(record)
    if (table === '') throw new DataError('the name of the table is empty')
    if (record.value === null) {
      if (!this.#config['delete.enabled']) throw new DataError('the record has no value, and delete.enabled is false')
      return { record, table, kind: 'delete', keys: this.#keysOf(record, null), others: [] }
    }
    const value = fieldsOf(typedValue(record))
    if (value === null) throw new DataError('the value has no fields: it must be a struct or a JSON object')
    const keys = this.#keysOf(record, value)
    const names = new Set(keys.map(({ name }) => name))
    const others = value
      .filter(([name]) => !names.has(name) && (this.#fields.size === 0 || this.#fields.has(name)))
      .map(([name, typed]) => ({ name, typed }))
    if (keys.length + others.length === 0) throw new DataError('the record has no field that is a column')
    return { record, table, kind: 'write', keys, others }
  }

  #keysOf(record: SinkRecord, value: readonly [string, Typed][] | null): Column[] {
    const chosen = this.#config['pk.fields']
    switch (this.#config['pk.mode']) {
      case 'kafka': {
        const { topic, partition, offset } = record.original
        const names = chosen.length === 3 ? chosen : kafkaColumns
        return [topic, partition, offset].map((each, index) => ({
          name: names[index]!,
          typed: { schema: kafkaSchemas[index]!, value: each },
        }))
      }
      case 'record_key': {
        const key = typedKey(record)
        if (key.value === null) throw new DataError('the record has no key, and pk.mode is record_key')
        const fields = fieldsOf(key)
        if (fields !== null) return chosenOf(fields, chosen, 'key')
        if (chosen.length !== 1) throw new DataError('the key is no struct: pk.fields must be the name of its column')
        return [{ name: chosen[0]!, typed: key }]
      }
      case 'record_value':
        return chosenOf(value ?? [], chosen, 'value')
      default:
        return []
    }
  }
}

function chosenOf(fields: readonly [string, Typed][], chosen: readonly string[], what: string): Column[] {
  if (chosen.length === 0) return fields.map(([name, typed]) => ({ name, typed }))
  return chosen.map(name => {
    const found = fields.find(([field]) => field === name)
    if (found === undefined) throw new DataError(`the ${what} has no field ${name}, which is in pk.fields`)
    return { name, typed: found[1] }
  })
}
