/** The keys of the JDBC sink: those of Confluent's connector, with one for offsets in the database. */
import { boolean, choice, int, intMs, list, string, type ValuesOf } from '../../connector.ts'
import { templateProblem } from '../template/template.ts'
import { connectionKeys, zoneKey } from './connect.ts'

export const keys = {
  ...connectionKeys,
  'insert.mode': choice(['insert', 'upsert', 'update'], {
    default: 'insert',
    ignoreCase: true,
    importance: 'high',
    doc: '`insert` adds rows, `upsert` adds or replaces the row of its primary key, `update` changes rows that are there.',
  }),
  'batch.size': int({ default: 3_000, min: 1, max: 100_000, doc: 'How many records one transaction has.' }),
  'delete.enabled': boolean({
    default: false,
    doc: 'Whether a record without value deletes the row of its key. Needs `pk.mode=record_key`.',
  }),
  'table.name.format': string({
    default: '${topic}',
    check: templateProblem,
    doc: 'Name of the table, with its schema if it has one: `kafka_${topic}`, `shop.orders`.',
  }),
  'pk.mode': choice(['none', 'kafka', 'record_key', 'record_value'], {
    default: 'none',
    ignoreCase: true,
    importance: 'high',
    doc: "What the primary key is: nothing; topic, partition and offset; fields of the record's key; or fields of its value.",
  }),
  'pk.fields': list({
    default: '',
    doc:
      'Columns of the primary key. With `kafka`: three names, by default `__connect_topic,__connect_partition,__connect_offset`. With `record_key` and a key that is ' +
      'no struct: its one name. Otherwise: the fields, by default all of them.',
  }),
  'fields.whitelist': list({
    default: '',
    doc: 'Fields of the value that are columns. Default: all. Those of the primary key need not be named.',
  }),
  ...zoneKey,
  'auto.create': boolean({ default: false, doc: 'Whether a table that is missing is created.' }),
  'auto.evolve': boolean({ default: false, doc: 'Whether columns that are missing are added.' }),
  'quote.sql.identifiers': choice(['always', 'never'], {
    default: 'always',
    ignoreCase: true,
    doc: 'Whether names of tables and columns are quoted, which keeps upper and lower case.',
  }),
  'max.retries': int({ default: 10, min: 0, doc: 'How often a batch is tried again before the task fails.' }),
  'retry.backoff.ms': intMs({ default: 3_000, min: 0, doc: 'How long to wait before it is tried again.' }),
  'exactly.once': boolean({
    default: true,
    doc:
      'Whether offsets are kept in the database, in the transaction of the rows, so that each record is written once. Needs the right to create `offsets.table`, or ' +
      'that it is there.',
  }),
  'offsets.table': string({
    default: 'millrace_connect_offsets',
    importance: 'low',
    check: name => (/^[a-z_]\w*(?:\.[a-z_]\w*)?$/i.test(name) ? null : 'must be the name of a table'),
    doc: 'The table of these offsets. To write records again, delete the rows of the connector there and reset its offsets.',
  }),
} as const

export type Config = ValuesOf<typeof keys>
