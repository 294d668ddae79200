/**
 * `mm2.properties` of MirrorMaker 2, which names clusters and what is copied between them, as workers with connectors: for each target and source a worker in
 * the group and with the topics that Java's MirrorMaker has, so that one goes on where the other has stopped (org.apache.kafka.connect.mirror.MirrorMakerConfig).
 */
import { splitList } from '../base.ts'
import { withPrefix } from './worker-config.ts'

type Properties = Readonly<Record<string, string>>

export interface Flow {
  /** `eu->us` */
  readonly name: string
  readonly worker: Properties
  readonly connectors: readonly { readonly name: string; readonly settings: Properties }[]
}

const classes = ['MirrorSourceConnector', 'MirrorCheckpointConnector', 'MirrorHeartbeatConnector'] as const
const bytes = 'org.apache.kafka.connect.converters.ByteArrayConverter'
/** What a worker takes from the lines that are about no cluster. */
const workerPrefixes = [
  'offset.storage',
  'config.storage',
  'status.storage',
  'key.converter',
  'value.converter',
  'header.converter',
  'task',
  'config.providers',
]
/** Lines without a cluster in front that hold for all of them. */
const common = /^(?:security|ssl|sasl)\./

/** Throws Error for what cannot be. */
export function flowsIn(properties: Properties): Flow[] {
  const clusters = splitList(properties['clusters'] ?? '')
  if (clusters.length < 2) throw new Error('clusters: it must name at least two clusters, such as eu, us')
  for (const cluster of clusters)
    if ((properties[`${cluster}.bootstrap.servers`] ?? '') === '') throw new Error(`${cluster}.bootstrap.servers: it is missing`)
  const flows = clusters.flatMap(source => clusters.filter(target => target !== source).flatMap(target => flow(properties, source, target)))
  if (flows.length === 0)
    throw new Error(`nothing is enabled: ${clusters[0]}->${clusters[1]}.enabled=true, say, copies from ${clusters[0]} to ${clusters[1]}`)
  return flows
}

/** None: nothing goes this way, not even heartbeats, by which a mirror in the other direction is seen to run. */
function flow(properties: Properties, source: string, target: string): Flow[] {
  const name = `${source}->${target}`
  const own = withPrefix(properties, `${name}.`)
  const isEnabled = own['enabled']?.trim() === 'true'
  const beats = (own['emit.heartbeats.enabled'] ?? properties['emit.heartbeats.enabled'] ?? 'true').trim() === 'true'
  if (!isEnabled && !beats) return []
  const settings = connectorSettings(properties, own, source, target)
  const wanted = isEnabled ? classes.filter(each => each !== 'MirrorHeartbeatConnector' || beats) : (['MirrorHeartbeatConnector'] as const)
  return [
    {
      name,
      worker: workerProperties(properties, own, source, target),
      connectors: wanted.map(each => ({
        name: each,
        settings: { ...settings, enabled: 'true', name: each, 'connector.class': `org.apache.kafka.connect.mirror.${each}` },
      })),
    },
  ]
}

function workerProperties(properties: Properties, own: Properties, source: string, target: string): Properties {
  const shared = Object.entries(properties).filter(([key]) => workerPrefixes.some(each => key.startsWith(each)))
  return {
    'client.id': `${source}->${target}`,
    'group.id': `${source}-mm2`,
    'offset.storage.topic': `mm2-offsets.${source}.internal`,
    'status.storage.topic': `mm2-status.${source}.internal`,
    'config.storage.topic': `mm2-configs.${source}.internal`,
    // Its requests come from this process alone.
    listeners: 'http://127.0.0.1:0',
    ...{ 'key.converter': bytes, 'value.converter': bytes, 'header.converter': bytes },
    ...Object.fromEntries(shared),
    ...clusterProperties(properties, target),
    ...workerPart(own),
  }
}

/** Of the lines about one direction, what a worker has. */
function workerPart(own: Properties): Properties {
  return Object.fromEntries(
    Object.entries(own).filter(([key]) =>
      /^(?:listeners|group\.id|client\.id|exactly\.once\.|(?:offset|status|config)\.storage\.|rest\.)/.test(key),
    ),
  )
}

function connectorSettings(properties: Properties, own: Properties, source: string, target: string): Properties {
  const isAboutClusters = (key: string) => key === 'clusters' || key.includes('->') || isOfCluster(properties, key)
  const forAll = Object.entries(properties).filter(([key]) => !isAboutClusters(key) && !common.test(key))
  return {
    ...Object.fromEntries(forAll),
    ...prefixed('source.cluster.', clusterProperties(properties, source)),
    ...prefixed('target.cluster.', clusterProperties(properties, target)),
    'source.cluster.alias': source,
    'target.cluster.alias': target,
    ...own,
  }
}

function isOfCluster(properties: Properties, key: string): boolean {
  return splitList(properties['clusters'] ?? '').some(each => key.startsWith(`${each}.`))
}

function clusterProperties(properties: Properties, cluster: string): Record<string, string> {
  const forAll = Object.entries(properties).filter(([key]) => common.test(key))
  return { ...Object.fromEntries(forAll), ...withPrefix(properties, `${cluster}.`) }
}

function prefixed(prefix: string, properties: Properties): Properties {
  return Object.fromEntries(Object.entries(properties).map(([key, value]) => [prefix + key, value]))
}
