/** Sink connectors of this package as outputs of triggers: which there are, and their settings. */
import { type Declarations, InvalidConfig, readValues, type ValuesOf } from '../base.ts'
import type { SinkDefinition } from '../connector.ts'
import { connectors } from '../connectors.ts'

export interface SinkTarget {
  readonly connector: string
  readonly config: Readonly<Record<string, string>>
}

/** Throws InvalidConfig, and NoSuchSink. */
export async function sinkOf({ connector, config }: SinkTarget): Promise<{ sink: SinkDefinition; values: ValuesOf<Declarations> }> {
  const sink = await load(connector)
  const unknown = Object.keys(config).find(key => !Object.hasOwn(sink.config, key))
  if (unknown !== undefined) throw new InvalidConfig(unknown, null, '', `the connector ${sink.name} has no setting ${unknown}`)
  return { sink, values: readValues(sink.config, config) }
}

export class NoSuchSink extends Error {}

async function load(connector: string): Promise<SinkDefinition> {
  const sinks = connectors.filter(({ kind }) => kind === 'sink')
  const listed = sinks.find(({ name, classes }) => name === connector || classes.includes(connector))
  if (listed === undefined)
    throw new NoSuchSink(`there is no sink connector ${connector}; there are ${sinks.map(({ name }) => name).join(', ')}`)
  return (await listed.load()) as SinkDefinition
}

/** Throws NoSuchSink. */
export async function connectorKeys(connector: string): Promise<Declarations> {
  return (await load(connector)).config
}
