/** The keys of the HBase sink: names as Confluent's connector has them, where it has the same. */
import { boolean, choice, int, list, string, type ValuesOf } from '../../connector.ts'
import { firstProblem, pairOf } from '../entries.ts'
import { httpKeys, urlProblem } from '../http-client/settings.ts'
import { templateProblem } from '../template/template.ts'

export const keys = {
  'hbase.rest.url': list({
    required: true,
    importance: 'high',
    check: text => firstProblem(text, urlProblem),
    allowed: 'URLs of REST servers, comma-separated',
    doc: 'The REST servers (`hbase rest start`), such as `http://hbase:8080`. The next one is asked when one does not answer.',
  }),
  'table.name.format': string({
    default: '${topic}',
    importance: 'high',
    check: templateProblem,
    doc: 'Name of the table, with its namespace if it has one: `events`, `ns:${topic}`, `web_${value.site}`.',
  }),
  'row.key': string({
    default: '',
    importance: 'high',
    check: templateProblem,
    doc: 'Row key as a template: `${key}`, `${value.user}-${timestamp}`. Default: the key of the record, see `row.key.definition`.',
  }),
  'row.key.definition': list({
    default: '',
    doc: "Fields of the record's key that are the row key, in this order. Default: the whole key, a struct with all its fields.",
  }),
  'row.key.delimiter': string({ default: ',', importance: 'low', doc: 'Stands between the fields of the row key.' }),
  'column.family': string({ default: 'cf', doc: 'Column family of fields for which nothing else is said.' }),
  'column.mapping': list({
    default: '',
    importance: 'high',
    check: text => firstProblem(text, mappingProblem),
    doc:
      'Columns and where they come from: `cf:name=user.name,cf:raw=,meta:topic=${topic}`. On the right stands a path into the value (nothing: the whole value) ' +
      'or a template. Default: each field is a column of `column.family`, and the fields of a struct are columns of the family that has its name.',
  }),
  'cell.encoding': choice(['auto', 'binary', 'text'], {
    default: 'auto',
    doc: "`binary`: numbers as Java's `Bytes.toBytes` has them. `text`: as text. `auto`: binary where a schema says the type, text otherwise.",
  }),
  'cell.timestamp': choice(['record', 'offset', 'server'], {
    default: 'record',
    doc:
      "Version of the cells: the record's time, or its offset, which is exact if a key is deleted and written in the same millisecond. " +
      'With both, writing a record again changes nothing. `server`: the time of the write.',
  }),
  'null.fields': choice(['skip', 'delete'], { default: 'skip', doc: 'What becomes of the cell of a field that is null.' }),
  'delete.enabled': boolean({ default: true, doc: 'Whether a record without value deletes the row of its key. Otherwise it is left out.' }),
  'auto.create.tables': boolean({ default: false, doc: 'Whether a table that is missing is created.' }),
  'auto.create.column.families': boolean({ default: false, doc: 'Whether a column family that is missing is created.' }),
  'max.batch.size': int({ default: 500, min: 1, max: 100_000, doc: 'How many records are written with one request.' }),
  ...httpKeys,
} as const

export type Config = ValuesOf<typeof keys>

function mappingProblem(entry: string): string | null {
  const [column, source] = pairOf(entry)
  if (!entry.includes('=')) return `"${entry}" is no column with its source, such as cf:name=user.name`
  if (!/^[^:]+:/.test(column)) return `"${column}" is no column: its family is missing, as in cf:name`
  return source.includes('${') ? templateProblem(source) : null
}
