/** Debezium's ExtractNewRecordState: of an event of change data the row as it is now, with fields of the event beside it if that is wanted. */
import { boolean, choice, list, string } from '../../base.ts'
import { type ConnectRecord, DataError, type Field, type Header, isStruct, type Schema, type Struct, struct } from '../../connector.ts'
import { basicsOf, cachedBySchema, fieldsOf } from '../values/schemas.ts'
import { replaceNullWithDefault } from './require.ts'
import { defineTransform } from './transform.ts'

const modes = ['drop', 'tombstone', 'rewrite', 'rewrite-with-tombstone', 'delete-to-tombstone'] as const
type Mode = (typeof modes)[number]

const deleted: Field = { name: '__deleted', schema: { type: 'string', optional: true } }

export const extractNewRecordState = defineTransform({
  name: 'ExtractNewRecordState',
  package: 'io.debezium.transforms.',
  sides: false,
  summary: "makes the row of Debezium's events, and of change data capture here, the whole value",
  keys: {
    'delete.tombstone.handling.mode': choice(modes, {
      default: null,
      ignoreCase: true,
      doc: 'What becomes of a deletion and its tombstone: both are dropped, a tombstone is left (default), the row before with `__deleted` "true" is left, that and the tombstone, or the deletion becomes a tombstone without schema.',
    }),
    'delete.handling.mode': choice(['drop', 'rewrite', 'none'], {
      default: null,
      ignoreCase: true,
      doc: 'Of Debezium before 3: what becomes of a deletion. Counts with `drop.tombstones` where `delete.tombstone.handling.mode` is not set.',
    }),
    'drop.tombstones': choice(['true', 'false'], {
      default: null,
      ignoreCase: true,
      doc: 'Of Debezium before 3: whether tombstones are dropped.',
    }),
    'add.fields': list({
      default: '',
      doc: 'Fields of the event that are added to the row: `op,source.ts_ms,transaction.id`; with another name behind a colon: `op:operation`.',
    }),
    'add.fields.prefix': string({ default: '__', doc: 'What stands before their names.' }),
    'add.headers': list({ default: '', doc: 'The same as headers.' }),
    'add.headers.prefix': string({ default: '__', doc: 'What stands before their names.' }),
    'route.by.field': string({ default: '', doc: 'A field of the row whose text is the topic.' }),
    'drop.fields.header.name': string({ default: '', doc: 'A header with a list of fields that are left out of the row.' }),
    'drop.fields.from.key': boolean({ default: false, doc: 'Whether they are left out of the key, too.' }),
    'drop.fields.keep.schema.compatible': boolean({ default: true, doc: 'Whether only fields are left out that are optional.' }),
    'replace.null.with.default': replaceNullWithDefault,
  },
  open(values, { refuse }) {
    const added = (what: 'fields' | 'headers') =>
      values[`add.${what}`].map(text =>
        referenceOf(text, values[`add.${what}.prefix`], () => refuse(`add.${what}`, text, `Unexpected field name: ${text}`)),
      )
    const [fields, headers] = [added('fields'), added('headers')]
    const mode = modeOf(values)
    const isRewrite = mode === 'rewrite' || mode === 'rewrite-with-tombstone'
    const withDefault = values['replace.null.with.default']
    const routeBy = values['route.by.field']
    const dropping = { header: values['drop.fields.header.name'], isCompatible: values['drop.fields.keep.schema.compatible'] }
    const planOf = cachedBySchema((schema: Schema) => {
      const found = (references: readonly Reference[]) =>
        references.flatMap(each => {
          const field = fieldOf(schema, each)
          return field === undefined ? [] : [{ name: each.name, schema: { ...field, optional: true }, of: each }]
        })
      const [inRow, inHeaders] = [found(fields), found(headers)]
      const more = [...(isRewrite ? [deleted] : []), ...inRow.map(({ name, schema: inner }) => ({ name, schema: inner }))]
      return {
        inRow,
        inHeaders,
        row: cachedBySchema((row: Schema) => ({ type: 'struct', ...basicsOf(row), fields: [...(row.fields ?? []), ...more] })),
      }
    })

    /** The row, which `part` of the event holds, with what is added. */
    const unwrapped = (record: ConnectRecord, event: Struct, part: 'before' | 'after'): ConnectRecord => {
      const schema = partOf(record.valueSchema!, part)
      const row = event[part]
      if (!isStruct(row)) return { ...record, valueSchema: schema, value: null }
      const { inRow, row: schemaOf } = planOf(record.valueSchema!)
      const value = isRewrite ? fieldsOf(schema, row, withDefault) : struct(Object.entries(row))
      if (isRewrite) value['__deleted'] = String(part === 'before')
      for (const { name, of } of inRow) value[name] = valueIn(event, of)
      return { ...record, topic: routed(record.topic, row, routeBy), valueSchema: schemaOf(schema) as Schema, value }
    }

    const apply = (record: ConnectRecord): ConnectRecord | null => {
      const { valueSchema, value } = record
      if (value === null) return mode === 'rewrite-with-tombstone' ? withHeaders(record, tombstoneHeaders(headers)) : null
      if (valueSchema?.name?.endsWith('.Envelope') !== true || !isStruct(value)) return record
      const own = planOf(valueSchema).inHeaders.map(({ name, schema, of }): Header => ({ name, schema, value: valueIn(value, of) }))
      const shown = withHeaders(record, own)
      if (isStruct(value['after'])) return dropped(unwrapped(shown, value, 'after'), dropping, values['drop.fields.from.key'])
      // TRUNCATE
      if (!isStruct(value['before']) || mode === 'drop') return null
      const topic = routed(record.topic, value['before'], routeBy)
      if (mode === 'delete-to-tombstone') return { ...shown, topic, valueSchema: null, value: null }
      if (mode === 'tombstone') return { ...shown, topic, valueSchema: partOf(valueSchema, 'after'), value: null }
      return dropped(unwrapped(shown, value, 'before'), dropping, values['drop.fields.from.key'])
    }
    return { apply }
  },
})

/** Debezium before 3 had two keys for it. */
function modeOf(values: {
  readonly 'delete.tombstone.handling.mode': Mode | null
  readonly 'delete.handling.mode': 'drop' | 'rewrite' | 'none' | null
  readonly 'drop.tombstones': 'true' | 'false' | null
}): Mode {
  const { 'delete.tombstone.handling.mode': mode, 'delete.handling.mode': old, 'drop.tombstones': drops } = values
  if (mode !== null) return mode
  if (old === null && drops === null) return 'tombstone'
  if (old === 'rewrite') return drops === 'false' ? 'rewrite-with-tombstone' : 'rewrite'
  return old === 'none' || drops === 'false' ? 'tombstone' : 'drop'
}

/** A field of the event: of itself, or of its `source` or `transaction`. */
interface Reference {
  readonly part: string | null
  readonly field: string
  /** What it is called in the row or as a header. */
  readonly name: string
}

const ofTransaction: ReadonlySet<string> = new Set(['id', 'data_collection_order', 'total_order'])
const ofEvent: ReadonlySet<string> = new Set(['op', 'ts_ms', 'ts_us', 'ts_ns'])

function referenceOf(text: string, prefix: string, refused: () => Error): Reference {
  const [path = '', name, ...more] = text.split(':')
  if (more.length > 0 || path === '' || name === '') throw refused()
  const [first = '', second] = path.split('.')
  if (second !== undefined) return { part: first, field: second, name: prefix + (name ?? `${first}_${second}`) }
  const part = ofEvent.has(first) ? null : ofTransaction.has(first) ? 'transaction' : 'source'
  return { part, field: first, name: prefix + (name ?? first) }
}

/** Of the part, or else of the event: another transform may have added it there. */
function fieldOf(envelope: Schema, { part, field }: Reference): Schema | undefined {
  const named = (schema: Schema) => schema.fields?.find(({ name }) => name === field)?.schema
  return (part === null ? undefined : named(partOf(envelope, part))) ?? named(envelope)
}

function valueIn(event: Struct, { part, field }: Reference) {
  const within = part === null ? event : (event[part] ?? null)
  if (within === null) return null
  return (isStruct(within) && field in within ? within[field] : event[field]) ?? null
}

function partOf(envelope: Schema, part: string): Schema {
  const found = envelope.fields?.find(({ name }) => name === part)
  if (found === undefined) throw new DataError(`Unknown field: ${part}`)
  return found.schema
}

/** A tombstone has no event; that it is one of a deletion is known nevertheless. */
function tombstoneHeaders(references: readonly Reference[]): Header[] {
  return references.filter(({ field }) => field === 'op').map(({ name }) => ({ name, schema: { type: 'string' }, value: 'd' }))
}

function withHeaders(record: ConnectRecord, more: readonly Header[]): ConnectRecord {
  return more.length === 0 ? record : { ...record, headers: [...record.headers, ...more] }
}

function routed(topic: string, row: Struct, by: string): string {
  if (by === '') return topic
  const wanted = row[by] ?? null
  if (wanted !== null && typeof wanted !== 'string') throw new DataError(`Field '${by}' is not of type STRING`)
  return wanted === null || wanted.trim() === '' ? topic : wanted
}

interface Dropping {
  /** Empty: none. */
  readonly header: string
  readonly isCompatible: boolean
}

function dropped(record: ConnectRecord, { header, isCompatible }: Dropping, isKeyToo: boolean): ConnectRecord {
  const names = header === '' ? null : (record.headers.find(({ name }) => name === header)?.value ?? null)
  if (!Array.isArray(names) || names.length === 0) return record
  const isLeft = ({ name, schema }: Field) => !names.includes(name) || (isCompatible && schema.optional !== true)
  const value = without(record.valueSchema, record.value, isLeft)
  const key = isKeyToo ? without(record.keySchema, record.key, isLeft) : { schema: record.keySchema, value: record.key }
  return { ...record, keySchema: key.schema, key: key.value, valueSchema: value.schema, value: value.value }
}

function without(schema: Schema | null, value: ConnectRecord['value'], isLeft: (field: Field) => boolean) {
  if (schema === null || !isStruct(value)) return { schema, value }
  const fields = (schema.fields ?? []).filter(isLeft)
  return { schema: { type: 'struct', ...basicsOf(schema), fields } as Schema, value: fieldsOf({ type: 'struct', fields }, value, false) }
}
