/** The keys of the SQL polling source: those of Confluent's JDBC source. */
import { boolean, choice, int, intMs, list, long, ms, string, type ValuesOf } from '../../connector.ts'
import { connectionKeys, zoneKey } from './connect.ts'

export const sourceKeys = {
  ...connectionKeys,
  mode: choice(['bulk', 'incrementing', 'timestamp', 'timestamp+incrementing'], {
    default: 'bulk',
    importance: 'high',
    doc: 'Which rows are read: all of them each time, or those with a greater number, a later time, or both. The last three are exactly once with transactions.',
  }),
  'incrementing.column.name': string({ default: '', doc: 'A column of whole numbers that only grow.' }),
  'timestamp.column.name': list({ default: '', doc: 'Columns with the time of the last change; the first one that is not null counts.' }),
  'timestamp.initial': long({
    default: null,
    min: -1,
    doc: 'In ms since 1970: rows changed before are not read at first; -1: before now.',
  }),
  'timestamp.delay.interval.ms': ms({
    default: 0,
    min: 0,
    doc: 'Rows are read only when they are this old, so that transactions that take longer are not missed.',
  }),
  'validate.non.null': boolean({ default: true, doc: 'Whether such columns must be NOT NULL.' }),
  query: string({
    default: '',
    doc: 'A SELECT instead of tables. With modes other than `bulk` it must not have a WHERE of its own at its end.',
  }),
  'table.whitelist': list({ default: '', doc: 'Tables to read, with or without their schema. Default: all.' }),
  'table.blacklist': list({ default: '', doc: 'Tables not to read.' }),
  'table.poll.interval.ms': ms({ default: 60_000, min: 100, importance: 'low', doc: 'How often new tables are looked for.' }),
  'topic.prefix': string({ default: '', importance: 'high', doc: 'The topic of a table is this and its name; of a query, this.' }),
  'poll.interval.ms': intMs({
    default: 5_000,
    min: 1,
    importance: 'high',
    doc: 'How long to wait after all new rows of a table were read.',
  }),
  'batch.max.rows': int({ default: 1_000, min: 1, max: 100_000, doc: 'How many rows are read at once.' }),
  'numeric.mapping': choice(['none', 'best_fit'], {
    default: 'none',
    ignoreCase: true,
    doc: '`none`: NUMERIC is Decimal. `best_fit`: whole numbers that fit are integers, others double. A NUMERIC without precision is text with `none`.',
  }),
  ...zoneKey,
  'quote.sql.identifiers': choice(['always', 'never'], {
    default: 'always',
    ignoreCase: true,
    doc: 'Whether names of tables and columns are quoted.',
  }),
  'task.tables': list({ default: '', importance: 'low', doc: 'Set by the connector for each task.' }),
} as const

export type SourceConfig = ValuesOf<typeof sourceKeys>
