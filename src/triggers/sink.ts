/** Sink connectors of this package as outputs of triggers: which there are, and their settings. */
import { type Declarations, hidingOf, InvalidConfig, readValues, type ValuesOf } from '../base.ts'
import type { SinkDefinition } from '../connector.ts'
import { connectors } from '../connectors.ts'

export interface SinkTarget {
  readonly connector: string
  readonly config: Readonly<Record<string, string>>
}

/**
 * As it can take what functions return. A trigger commits when a flush is over, so nothing may be open then. What functions return is not one record for each
 * offset, and with calls per key not in their order, so a sink must not leave out what its target seems to have. Throws InvalidConfig, and NoSuchSink.
 */
export async function sinkOf({ connector, config }: SinkTarget): Promise<{ sink: SinkDefinition; values: ValuesOf<Declarations> }> {
  const sink = await load(connector)
  if (sink.completesLater === true) throw new InvalidConfig('connector', connector, '', `the connector ${sink.name} ${completesLater}`)
  const unknown = Object.keys(config).find(key => !Object.hasOwn(sink.config, key))
  if (unknown !== undefined) throw new InvalidConfig(unknown, null, '', `the connector ${sink.name} has no setting ${unknown}`)
  const whole = { ...config, ...sink.withoutOffsets }
  try {
    return { sink, values: readValues(sink.config, whole) }
  } catch (error) {
    if (!(error instanceof InvalidConfig)) throw error
    throw new InvalidConfig(error.key, null, '', hidingOf(whole, whole, sink.config).text(error.message))
  }
}

const completesLater = 'writes files that are completed later; send the output to a topic, and let a connector write that topic to it'

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
