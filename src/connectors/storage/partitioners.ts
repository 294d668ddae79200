/**
 * Which directory a record belongs to: by partition, by fields, or by time, as Confluent's storage connectors have it.
 *
 * What comes from records is escaped as Hive escapes it, so that no value leads out of its directory, and Hive, Spark and Trino read it back.
 */
import { InvalidConfig } from '../../base.ts'
import { DataError, logical, type SinkRecord } from '../../connector.ts'
import type { StorageConfig } from './keys.ts'
import { fieldAt } from './record-field.ts'
import { timePattern, zoneOffset } from './time-pattern.ts'

export interface Partitioner {
  /** Below the directory of the topic. Throws DataError when the record does not say where it belongs. */
  directoryOf(record: SinkRecord, nowMs: number): string
  /** The record's time; null: this partitioner knows none. */
  readonly timeOf: ((record: SinkRecord, nowMs: number) => number) | null
  /** Whether the directory is a time, so that a record of another directory says that the time of the files is over. */
  readonly isByTime: boolean
}

export const partitionerClasses: Readonly<Record<string, 'default' | 'field' | 'time' | 'daily' | 'hourly'>> = {
  default: 'default',
  field: 'field',
  time: 'time',
  daily: 'daily',
  hourly: 'hourly',
  ...Object.fromEntries(
    ['io.confluent.connect.storage.partitioner', 'io.confluent.connect.hdfs.partitioner'].flatMap(folder =>
      (
        [
          ['DefaultPartitioner', 'default'],
          ['FieldPartitioner', 'field'],
          ['TimeBasedPartitioner', 'time'],
          ['DailyPartitioner', 'daily'],
          ['HourlyPartitioner', 'hourly'],
        ] as const
      ).map(([name, kind]) => [`${folder}.${name}`, kind]),
    ),
  ),
}

/** Throws InvalidConfig. */
export function openPartitioner(config: StorageConfig): Partitioner {
  switch (partitionerClasses[config['partitioner.class']]!) {
    case 'default':
      return { directoryOf: record => `partition=${record.original.partition}`, timeOf: recordTimes(config), isByTime: false }
    case 'field':
      return byField(config)
    case 'hourly':
      return byTime(config, hourly, 3_600_000)
    case 'daily':
      return byTime(config, daily, 86_400_000)
    case 'time': {
      const durationMs = config['partition.duration.ms']
      if (config['path.format'] === '') throw new InvalidConfig('path.format', '', 'the partitioner by time needs it')
      if (durationMs <= 0)
        throw new InvalidConfig('partition.duration.ms', String(durationMs), 'the partitioner by time needs a duration of at least 1')
      return byTime(config, config['path.format'], durationMs)
    }
  }
}

const daily = "'year'=YYYY/'month'=MM/'day'=dd"
const hourly = `${daily}/'hour'=HH`

function byField(config: StorageConfig): Partitioner {
  const names = config['partition.field.name']
  if (names.length === 0) throw new InvalidConfig('partition.field.name', '', 'the partitioner by fields needs it')
  const withNames = config['partition.field.format.path']
  return {
    timeOf: recordTimes(config),
    isByTime: false,
    directoryOf: record =>
      names
        .map(name => {
          const text = escaped(textOf(record, name))
          return withNames ? `${escaped(name)}=${text}` : text
        })
        .join(config['directory.delim']),
  }
}

function textOf(record: SinkRecord, name: string): string {
  const value = fieldAt(record.value, record.valueSchema, name)?.value ?? null
  if (typeof value === 'string' || typeof value === 'bigint' || typeof value === 'boolean' || typeof value === 'number')
    return String(value)
  if (value === null) throw new DataError(`the record has no field ${name}, by which it would be partitioned`)
  throw new DataError(`field ${name}, by which records are partitioned, is no string, number or boolean`)
}

function byTime(config: StorageConfig, pattern: string, durationMs: number): Partitioner {
  const zone = config['timezone']
  const write = timePattern('path.format', pattern, zone, config['locale'])
  const offset = zoneOffset(zone)
  const timeOf = timeExtractor(config)
  return {
    timeOf,
    isByTime: true,
    directoryOf(record, nowMs) {
      const time = timeOf(record, nowMs)
      const local = time + offset(time)
      return write(Math.floor(local / durationMs) * durationMs - (local - time))
    },
  }
}

/** By the record's time, where the configuration names an extractor: Confluent knows it with partitioners by time only. */
function recordTimes(config: StorageConfig): Partitioner['timeOf'] {
  return config['rotate.interval.ms'] > 0 ? timeExtractor(config) : null
}

function timeExtractor(config: StorageConfig): (record: SinkRecord, nowMs: number) => number {
  const field = config['timestamp.field']
  switch (config['timestamp.extractor']) {
    case 'Record':
      return ({ timestampMs }) => {
        if (timestampMs === null) throw new DataError('the record has no timestamp')
        return Number(timestampMs)
      }
    case 'RecordField':
      return record => timeIn(record, field)
    case 'Wallclock':
      return (_, nowMs) => nowMs
  }
}

function timeIn(record: SinkRecord, name: string): number {
  const found = fieldAt(record.value, record.valueSchema, name)
  const value = found?.value ?? null
  const time =
    typeof value === 'string'
      ? /^\d+$/.test(value)
        ? Number(value)
        : Date.parse(value)
      : typeof value === 'number' || typeof value === 'bigint'
        ? Number(value) * (found?.schema?.name === logical.date ? 86_400_000 : 1)
        : Number.NaN
  if (!Number.isFinite(time) || Math.abs(time) > 8.64e15)
    throw new DataError(`field ${name} holds no time: neither ms since 1970 nor text of ISO 8601`)
  return time
}

/** Hive's list, and its word for nothing. */
export function escaped(text: string): string {
  if (text === '') return '__HIVE_DEFAULT_PARTITION__'
  // A name that is all dots leads to another directory.
  if (/^\.+$/.test(text)) return text.replaceAll('.', '%2E')
  return Array.from(text, character =>
    isUnsafe(character) ? `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}` : character,
  ).join('')
}

function isUnsafe(character: string): boolean {
  return character < ' ' || character === '\u007f' || '"#%\'*/:=?\\{}[]^'.includes(character)
}
