/** The keys of the S3 source: those of Confluent's S3 source connector, where it has the same. */
import { boolean, choice, int, intBytes, list, ms, string, type ValuesOf } from '../../connector.ts'
import { firstProblem, problemBy } from '../entries.ts'
import { readerNamed, readers } from '../readers/list.ts'
import { connectionKeys } from '../s3/client.ts'
import { topicPattern } from './names.ts'

const names = readers.map(reader => reader.name).join(', ')

export const keys = {
  ...connectionKeys,
  mode: choice(['RESTORE_BACKUP', 'GENERIC'], {
    default: 'RESTORE_BACKUP',
    ignoreCase: true,
    importance: 'high',
    doc: 'RESTORE_BACKUP: objects of the S3 sink, back into the topics and partitions that their names say. GENERIC: all objects below topics.dir, into the topics of topic.regex.list.',
  }),
  'topics.dir': string({
    default: 'topics',
    importance: 'high',
    doc: 'What the names of the objects begin with; empty: all of the bucket.',
  }),
  'topic.regex.list': list({
    default: '',
    importance: 'high',
    check: text => firstProblem(text, problemBy(topicPattern)),
    doc: 'With GENERIC: topics and regular expressions of the names of their objects, `orders:.*/orders/.*`. The first that fits counts; other objects are not read. With RESTORE_BACKUP: a topic whose objects are read and its expression. Default: all topics.',
  }),
  'format.class': string({
    default: 'json',
    importance: 'high',
    doc: 'Format of the objects: json (one document per line), csv, avro, parquet, or bytes.',
    allowed: `${names}, or the name of the Java class`,
    check: value => (readerNamed(value) === null ? `String must be one of: ${names}` : null),
  }),
  's3.compression.type': choice(['auto', 'none', 'gzip', 'zstd'], {
    default: 'auto',
    ignoreCase: true,
    doc: 'Compression of objects of the formats json, csv and bytes; auto: as their names say (.gz, .zst).',
  }),
  's3.poll.interval.ms': ms({
    default: 60_000,
    min: 1,
    doc: 'How long to wait, after all objects were read, before new ones are looked for.',
  }),
  'record.batch.max.size': int({ default: 1_000, min: 1, max: 100_000, doc: 'How many records are written at once, at most.' }),
  'record.max.bytes': intBytes({
    default: 16 * 2 ** 20,
    min: 1_024,
    max: 2 ** 29,
    doc: 'Longest line, block of Avro, or object of the format bytes without separator. What is longer is an error of the object.',
  }),
  'behavior.on.error': choice(['fail', 'ignore'], {
    default: 'fail',
    ignoreCase: true,
    doc: 'What becomes of an object that cannot be read: the task fails, or the rest of the object is left out.',
  }),
  'json.value.format': choice(['json', 'string'], {
    default: 'json',
    doc: 'Whether the value is the JSON document, or its text with every digit of its numbers.',
  }),
  'csv.delimiter': string({
    default: ',',
    check: text =>
      text === '\\t' || /^[^"\r\n]$/.test(text) ? null : 'must be one character that is neither a quote nor the end of a line, or \\t',
    doc: 'Between the cells of CSV: one character, or \\t.',
  }),
  'csv.header': boolean({
    default: true,
    doc: 'Whether CSV objects begin with the names of the columns; otherwise they are c1, c2 and so on.',
  }),
  'format.bytearray.separator': string({
    default: '\\n',
    doc: 'Behind each record of the format bytes; \\n, \\r and \\t are understood. Empty: an object is one record.',
  }),
  'directory.delim': string({ default: '/', check: notEmpty, doc: 'Between directories.' }),
  'file.delim': string({ default: '+', check: notEmpty, doc: 'Between topic, partition and offset in the names of objects.' }),
  'task.number': int({ default: 0, min: 0, importance: 'low', doc: 'Set by the connector for each task.' }),
  'task.count': int({ default: 1, min: 1, importance: 'low', doc: 'Set by the connector for each task.' }),
} as const

export type Config = ValuesOf<typeof keys>

function notEmpty(text: string): string | null {
  return text === '' ? 'must not be empty' : null
}
