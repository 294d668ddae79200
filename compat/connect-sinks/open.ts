/** A sink in this process, for cases that look at single records. */
import { defaultValue, parseValue, realSystem } from '../../src/base.ts'
import type {
  ConnectorDefinition,
  SinkDefinition,
  SinkRecord,
  SinkTask,
  SourceDefinition,
  SourceTask,
  Struct,
  TaskContext,
} from '../../src/connector.ts'
import { connectors } from '../../src/connectors.ts'
import { recordAt } from './records.ts'

const context: TaskContext = {
  connector: 'compat-open',
  task: 0,
  system: realSystem(),
  log: { debug() {}, info() {}, warn() {}, error() {} },
  signal: new AbortController().signal,
  count() {},
  gauge() {},
}

async function load(connector: string): Promise<ConnectorDefinition> {
  const listed = connectors.find(each => each.name === connector)
  if (listed === undefined) throw new Error(`there is no connector ${connector}`)
  return listed.load()
}

function valuesOf(definition: ConnectorDefinition, config: Readonly<Record<string, string>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(definition.config).map(([name, key]) => [
      name,
      config[name] === undefined ? defaultValue(name, key) : parseValue(name, key, config[name]).value,
    ]),
  )
}

/** `refused`: takes the records that are reported; without it they are failures. */
export async function openTask(
  connector: string,
  config: Readonly<Record<string, string>>,
  refused?: (record: SinkRecord) => void,
): Promise<SinkTask> {
  const definition = (await load(connector)) as SinkDefinition
  return definition.open(valuesOf(definition, config), {
    ...context,
    async report(record, error) {
      if (refused === undefined) throw new Error(`record ${record.original.offset} is refused`, { cause: error })
      refused(record)
    },
    seek() {},
  })
}

export async function openSource(
  connector: string,
  config: Readonly<Record<string, string>>,
  stored: (partition: Struct) => Struct | null,
): Promise<SourceTask> {
  const definition = (await load(connector)) as SourceDefinition
  return definition.open(valuesOf(definition, config), {
    ...context,
    transaction: null,
    storedOffsets: async partitions => partitions.map(stored),
    async storeOffsets() {},
    reconfigure() {},
  })
}

/** Of partition 0 of this topic, without schema. */
export function plainRecord(topic: string, offset: number, fields: Partial<SinkRecord>): SinkRecord {
  const place = { topic, partition: 0, offset: BigInt(offset) }
  return { ...recordAt(0, offset), ...place, original: place, keySchema: null, valueSchema: null, ...fields }
}
