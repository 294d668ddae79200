/** Sinks in tests: opened with the texts of a configuration, as a worker opens them, and given records. */
import { defaultValue, parseValue, realSystem, type System } from '../base.ts'
import type { ConnectValue, Offsets, Schema, SinkDefinition, SinkRecord, SinkTask, TopicPartition } from '../connector.ts'

export interface OpenedSink {
  readonly task: SinkTask
  readonly reported: { readonly record: SinkRecord; readonly message: string }[]
  readonly sought: Offsets[number][]
}

/** The values of a configuration. Throws what its keys and its check say. */
export async function valuesOf(definition: SinkDefinition, config: Readonly<Record<string, string>>): Promise<Record<string, unknown>> {
  const values: Record<string, unknown> = {}
  for (const name of Object.keys(config)) if (definition.config[name] === undefined) throw new Error(`there is no key ${name}`)
  for (const [name, key] of Object.entries(definition.config)) {
    const text = config[name]
    values[name] = text === undefined ? defaultValue(name, key) : parseValue(name, key, text).value
  }
  return values
}

export async function openSink(
  definition: SinkDefinition,
  config: Readonly<Record<string, string>>,
  system: System = realSystem(),
): Promise<OpenedSink> {
  const reported: OpenedSink['reported'] = []
  const sought: Offsets[number][] = []
  const silent = () => {}
  const task = await definition.open(await valuesOf(definition, config), {
    connector: 'test',
    task: 0,
    system,
    log: { debug: silent, info: silent, warn: silent, error: silent },
    signal: new AbortController().signal,
    count: silent,
    gauge: silent,
    async report(record, error) {
      reported.push({ record, message: (error as Error).message })
    },
    seek: offsets => void sought.push(...offsets),
  })
  return { task, reported, sought }
}

export interface RecordFields {
  readonly topic?: string
  readonly partition?: number
  readonly offset?: bigint
  readonly keySchema?: Schema | null
  readonly key?: ConnectValue
  readonly valueSchema?: Schema | null
  readonly value?: ConnectValue
  readonly timestampMs?: bigint | null
  readonly headers?: SinkRecord['headers']
}

/** A record of topic `t`, partition 0. */
export function sinkRecord(fields: RecordFields = {}): SinkRecord {
  const { topic = 't', partition = 0, offset = 0n } = fields
  return {
    keySchema: null,
    key: null,
    valueSchema: null,
    value: null,
    timestampMs: 1_796_000_000_123n,
    headers: [],
    ...fields,
    topic,
    partition,
    offset,
    original: { topic, partition, offset },
    timestampType: 'CREATE_TIME',
  }
}

export const partition0: TopicPartition = { topic: 't', partition: 0 }
