/** Source: heartbeats, as MirrorMaker 2's MirrorHeartbeatConnector writes them: whoever copies them shows that it runs, and how far it is behind. */
import { defineSource, type SourceContext, type SourceRecord, type SourceTask, struct } from '../../connector.ts'
import { requireNone } from '../required.ts'
import { untilDue } from '../waits.ts'
import { ensureCompacted, openCluster } from './clusters.ts'
import { encodeHeartbeat, ownRecord } from './formats.ts'
import { type HeartbeatConfig, heartbeatKeys, problemsOf } from './keys.ts'
import { heartbeatsTopic } from './names.ts'

export const mirrorHeartbeat = defineSource({
  name: 'mirror-heartbeat',
  classes: ['org.apache.kafka.connect.mirror.MirrorHeartbeatConnector'],
  version: '1.0.0',
  summary: 'Writes a heartbeat every second, which mirrors copy, so that readers see that they run.',
  example: {
    'source.cluster.alias': 'eu',
    'target.cluster.alias': 'us',
    'target.cluster.bootstrap.servers': '127.0.0.1:9092',
  },
  config: heartbeatKeys,
  check: problemsOf,
  exactlyOnce: () => true,
  converter: 'bytes',
  tasks: async config => (config.enabled && config['emit.heartbeats.enabled'] ? [{}] : []),
  async open(config, context) {
    requireNone(problemsOf(config))
    await using target = openCluster('target', config)
    await ensureCompacted(target, heartbeatsTopic, config['heartbeats.topic.replication.factor'])
    return new Heart(config, context)
  },
})

class Heart implements SourceTask {
  readonly #config: HeartbeatConfig
  readonly #context: SourceContext
  #dueMs: number

  constructor(config: HeartbeatConfig, context: SourceContext) {
    this.#config = config
    this.#context = context
    this.#dueMs = context.system.clock.monotonic()
  }

  async poll(): Promise<readonly SourceRecord[]> {
    const { system, signal } = this.#context
    if (!(await untilDue(system, this.#dueMs, signal))) return []
    this.#dueMs = system.clock.monotonic() + this.#config['emit.heartbeats.interval.seconds'] * 1_000
    const [source, target] = [this.#config['source.cluster.alias'], this.#config['target.cluster.alias']]
    const timestampMs = BigInt(system.clock.now())
    const sourcePartition = struct([
      ['sourceClusterAlias', source],
      ['targetClusterAlias', target],
    ])
    return [ownRecord(heartbeatsTopic, timestampMs, encodeHeartbeat(source, target, timestampMs), sourcePartition)]
  }

  async close(): Promise<void> {}
}
