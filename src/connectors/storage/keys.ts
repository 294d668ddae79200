/** Keys that every sink of files has, named as in Confluent's storage connectors, so that their configurations work here. */
import { boolean, choice, int, list, long, ms, string, type ValuesOf } from '../../connector.ts'
import { formatNamed, formats } from '../formats/list.ts'
import { partitionerClasses } from './partitioners.ts'

const javaClass = (short: string) => `${short}, or the name of the Java class`

export const storageKeys = {
  'topics.dir': string({ default: 'topics', importance: 'high', doc: 'Directory for the files of all topics.' }),
  'format.class': string({
    default: 'json',
    importance: 'high',
    doc: 'Format of the files: json (one document per line), csv, avro, parquet, or bytes (values as they are). Avro, Parquet and CSV have one schema per file: that of the records, or, if they have none, one that is inferred from the first block of the file.',
    allowed: javaClass(formats.map(format => format.name).join(', ')),
    check: value => (formatNamed(value) === null ? `String must be one of: ${formats.map(format => format.name).join(', ')}` : null),
  }),
  'flush.size': int({
    required: true,
    min: 1,
    importance: 'high',
    doc: 'Number of records of a partition after which its files are completed.',
  }),
  'rotate.interval.ms': ms({
    default: -1,
    importance: 'high',
    doc: 'Files are completed when a record is so much later than the first one in them, by timestamp.extractor. -1: not.',
  }),
  'rotate.schedule.interval.ms': ms({
    default: -1,
    importance: 'medium',
    doc: 'Files are completed when the wall clock passes a multiple of this, counted from midnight in timezone, whether or not records arrive; checked when offsets are committed (offset.flush.interval.ms). -1: not.',
  }),
  'rotate.bytes': long({
    default: -1,
    unit: 'bytes',
    importance: 'medium',
    doc: 'Files of a partition are completed when they have so many bytes, before compression. -1: not. Not in Confluent’s connectors.',
  }),
  'partitioner.class': string({
    default: 'default',
    importance: 'high',
    doc: 'Directories below that of the topic: default (partition=N), field (by partition.field.name), time (by path.format), daily, or hourly.',
    allowed: javaClass('default, field, time, daily, hourly'),
    check: value => (Object.hasOwn(partitionerClasses, value) ? null : 'String must be one of: default, field, time, daily, hourly'),
  }),
  'partition.field.name': list({
    default: '',
    doc: 'Fields by which the partitioner by fields makes directories; a.b is a field within a field.',
  }),
  'partition.field.format.path': boolean({ default: true, doc: 'Whether directories are called field=value, or value alone.' }),
  'partition.duration.ms': ms({ default: -1, doc: 'Length of a directory of the partitioner by time.' }),
  'path.format': string({
    default: '',
    doc: "Directories of the partitioner by time, as in 'year'=YYYY/'month'=MM/'day'=dd/'hour'=HH.",
  }),
  'timestamp.extractor': choice(['Wallclock', 'Record', 'RecordField'] as const, {
    default: 'Wallclock',
    ignoreCase: true,
    doc: 'The time of a record: when it is read, its timestamp, or timestamp.field. Exactly once needs Record or RecordField where directories or rotate.interval.ms depend on it.',
  }),
  'timestamp.field': string({ default: 'timestamp', doc: 'Field with the time of the record: ms since 1970, or text of ISO 8601.' }),
  timezone: string({ default: 'UTC', doc: 'Time zone of directories and of rotate.schedule.interval.ms.', check: zoneCheck }),
  locale: string({ default: 'en', doc: 'Language of names of months and weekdays in path.format.', check: localeCheck }),
  'schema.compatibility': choice(['NONE', 'BACKWARD', 'FORWARD', 'FULL'] as const, {
    default: 'NONE',
    ignoreCase: true,
    doc: 'Which changes of the schema begin another file: all, or those that a reader of the file’s schema would not understand; then the record is brought to the schema of the file.',
  }),
  'behavior.on.null.values': choice(['fail', 'ignore'] as const, {
    default: 'fail',
    ignoreCase: true,
    doc: 'What becomes of tombstones: reported as an error of the record, or left out.',
  }),
  'avro.codec': choice(['null', 'deflate', 'snappy', 'zstandard'] as const, {
    default: 'null',
    doc: 'Compression of blocks in Avro files.',
  }),
  'parquet.codec': choice(['none', 'uncompressed', 'gzip', 'snappy', 'zstd'] as const, {
    default: 'snappy',
    ignoreCase: true,
    doc: 'Compression of pages in Parquet files.',
  }),
  'parquet.row.group.bytes': int({
    default: 16 * 2 ** 20,
    min: 2 ** 16,
    max: 2 ** 28,
    unit: 'bytes',
    doc: 'Size of a row group in memory, about. So much is held for each open Parquet file. Not in Confluent’s connectors.',
  }),
  'json.decimal.format': choice(['NUMERIC', 'BASE64', 'STRING'] as const, {
    default: 'NUMERIC',
    ignoreCase: true,
    doc: 'Decimals in JSON and CSV: as numbers with all digits, as text, or as Kafka’s JsonConverter writes them by default, in base64 without the scale.',
  }),
  'csv.delimiter': string({ default: ',', doc: 'Between the cells of CSV: one character, or \\t.', check: delimiterCheck }),
  'csv.header': boolean({ default: true, doc: 'Whether CSV files begin with the names of the columns.' }),
  'format.bytearray.extension': string({ default: '.bin', doc: 'End of the names of files of the format bytes.' }),
  'format.bytearray.separator': string({ default: '\\n', doc: 'Behind each record of the format bytes; \\n, \\r and \\t are understood.' }),
  'directory.delim': string({ default: '/', doc: 'Between directories.' }),
  'file.delim': string({ default: '+', doc: 'Between topic, partition and offset in the names of files.' }),
  'filename.offset.zero.pad.width': int({ default: 10, min: 0, max: 20, doc: 'Digits of offsets in the names of files.' }),
  'max.open.files.per.partition': int({
    default: 100,
    min: 1,
    doc: 'Files of a partition are completed when a record would open one more.',
  }),
  'max.buffered.bytes': long({
    default: 128 * 2 ** 20,
    min: 2 ** 20,
    unit: 'bytes',
    importance: 'medium',
    doc: 'Memory of the task for what is not written yet. Beyond it, files of the largest partition are completed early. Not in Confluent’s connectors.',
  }),
  'append.late.data': boolean({
    default: false,
    importance: 'low',
    doc: 'With rotate.interval.ms and a partitioner by time, files are completed when a record belongs to another directory; true: not.',
  }),
  'schema.cache.size': accepted('schemas are not cached'),
  'storage.class': accepted('each connector has one storage'),
  'enhanced.avro.schema.support': accepted('there is one mapping of schemas to Avro'),
  'connect.meta.data': accepted('files have no metadata of Kafka Connect'),
} as const

/** A key of Confluent's that is understood and changes nothing, because of this. */
export function accepted(why: string) {
  return string({ default: null, importance: 'low', accepted: why, doc: `Accepted; changes nothing: ${why}.` })
}

export type StorageConfig = ValuesOf<typeof storageKeys>

function zoneCheck(value: string): string | null {
  try {
    new Intl.DateTimeFormat('en', { timeZone: value })
    return null
  } catch {
    return 'there is no such time zone'
  }
}

function localeCheck(value: string): string | null {
  try {
    new Intl.DateTimeFormat(value)
    return null
  } catch {
    return 'there is no such locale'
  }
}

function delimiterCheck(value: string): string | null {
  return value === '\\t' || (value.length === 1 && !/["\r\n]/.test(value))
    ? null
    : 'one character that is neither a quote nor the end of a line'
}

/** What was written for a character that a configuration cannot hold. */
export function unescaped(text: string): string {
  return text.replace(/\\([nrt\\])/g, (_, letter: string) => ({ n: '\n', r: '\r', t: '\t' })[letter] ?? letter)
}
