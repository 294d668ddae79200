/** Kafka's own command-line tools, checked by exit status and output. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { unique } from '../support/kit.ts'
import type { Suite } from '../support/suite.ts'
import { administer } from './administration.ts'
import { client, runSteps, type Step, tool } from './step.ts'

export const tools: Suite = {
  folder: 'tools',
  clients: [client],
  async run(target, report) {
    const directory = mkdtempSync(join(tmpdir(), 'millrace-tools-'))
    try {
      await runSteps(steps(directory), target, report)
      await administer(await target.secured(), directory, report)
    } finally {
      rmSync(directory, { recursive: true })
    }
  },
}

function steps(directory: string): Step[] {
  const topic = unique('tools')
  const group = unique('tools-group')
  const deletions = join(directory, 'delete.json')
  writeFileSync(deletions, JSON.stringify({ version: 1, partitions: [{ topic, partition: 0, offset: 2 }] }))
  return [
    ...topicSteps(topic),
    ...recordSteps(topic, group),
    ...groupSteps(topic, group),
    ...configSteps(topic),
    ...otherSteps(topic, group, deletions),
  ]
}

function topicSteps(topic: string): Step[] {
  const create = ['--create', '--topic', topic, '--partitions', '3', '--replication-factor', '1'] as const
  const describe: Step['command'] = [tool.topics, '--describe', '--topic', topic]
  return [
    { name: 'kafka-topics/create', command: [tool.topics, ...create, '--config', 'retention.ms=7200000'], says: /Created topic/ },
    { name: 'kafka-topics/create-again', command: [tool.topics, ...create], says: /already exists/, fails: true },
    { name: 'kafka-topics/create-if-not-exists', command: [tool.topics, ...create, '--if-not-exists'], says: /^/ },
    {
      name: 'kafka-topics/create-bad-name',
      command: [tool.topics, '--create', '--topic', 'a b'],
      says: /contains one or more characters other than ASCII alphanumerics/,
      fails: true,
    },
    { name: 'kafka-topics/list', command: [tool.topics, '--list'], says: new RegExp(`^${topic}$`, 'm') },
    { name: 'kafka-topics/describe', command: describe, says: /PartitionCount: 3\s+ReplicationFactor: 1\s+Configs:.*retention.ms=7200000/ },
    { name: 'kafka-topics/alter', command: [tool.topics, '--alter', '--topic', topic, '--partitions', '4'], says: /^/ },
    { name: 'kafka-topics/describe-altered', command: describe, says: /PartitionCount: 4/ },
  ]
}

function recordSteps(topic: string, group: string): Step[] {
  const stdin = Array.from({ length: 200 }, (_, i) => `key${i}:value${i}\n`).join('')
  const keyed = ['--reader-property', 'parse.key=true', '--reader-property', 'key.separator=:']
  const shown = ['--formatter-property', 'print.key=true', '--formatter-property', 'key.separator=-']
  const read = [tool.consumer, '--topic', topic, '--from-beginning', '--timeout-ms', '20000'] as const
  const sizes = ['--record-size', '100', '--throughput', '-1']
  const verify = ['--topic', topic, '--max-messages', '100']
  return [
    {
      name: 'kafka-console-producer',
      command: [tool.producer, '--topic', topic, ...keyed, '--compression-codec', 'zstd'],
      says: /^/,
      stdin,
    },
    { name: 'kafka-console-consumer', command: [...read, '--max-messages', '200', '--group', group, ...shown], says: /^key7-value7$/m },
    { name: 'kafka-get-offsets', command: [tool.offsets, '--topic', topic], says: new RegExp(`^${topic}:[0-3]:[1-9]`, 'm') },
    {
      name: 'kafka-get-offsets/earliest',
      command: [tool.offsets, '--topic', topic, '--time', 'earliest'],
      says: new RegExp(`^${topic}:0:0$`, 'm'),
    },
    {
      name: 'kafka-get-offsets/max-timestamp',
      command: [tool.offsets, '--topic', topic, '--time', 'max-timestamp'],
      says: new RegExp(`^${topic}:[0-3]:[1-9]`, 'm'),
    },
    {
      name: 'kafka-producer-perf-test',
      command: [tool.producerPerf, '--topic', topic, '--num-records', '2000', ...sizes],
      says: /2000 records sent/,
    },
    {
      name: 'kafka-consumer-perf-test',
      command: [tool.consumerPerf, '--topic', topic, '--num-records', '500', '--timeout', '20000'],
      says: /start\.time/,
    },
    {
      name: 'kafka-e2e-latency',
      command: [tool.latency, '--topic', topic, '--num-records', '50', '--producer-acks', 'all', '--record-size', '50'],
      says: /Avg latency/,
    },
    { name: 'kafka-verifiable-producer', command: [tool.verifiableProducer, ...verify, '--acks', '-1'], says: /"sent":100/ },
    {
      name: 'kafka-verifiable-consumer',
      command: [tool.verifiableConsumer, ...verify, '--group-id', `v-${group}`, '--reset-policy', 'earliest'],
      says: /"name":"records_consumed"/,
    },
  ]
}

function groupSteps(topic: string, group: string): Step[] {
  const reset = [tool.groups, '--reset-offsets', '--group', group, '--topic'] as const
  const describe: Step['command'] = [tool.groups, '--describe', '--group', group]
  const row = (partition: number, rest: string) => new RegExp(`${topic} +${partition} +${rest}`)
  return [
    { name: 'kafka-consumer-groups/list', command: [tool.groups, '--list'], says: new RegExp(group) },
    { name: 'kafka-groups/list', command: [tool.listGroups, '--list'], says: new RegExp(`${group} +Classic +consumer`) },
    { name: 'kafka-consumer-groups/describe', command: describe, says: row(0, String.raw`\d+ +\d+ +\d+`) },
    { name: 'kafka-consumer-groups/state', command: [...describe, '--state'], says: /Empty/ },
    { name: 'kafka-consumer-groups/reset-dry-run', command: [...reset, topic, '--to-earliest', '--dry-run'], says: row(0, '0') },
    { name: 'kafka-consumer-groups/reset', command: [...reset, `${topic}:0`, '--to-offset', '3', '--execute'], says: row(0, '3') },
    {
      name: 'kafka-consumer-groups/reset-by-duration',
      command: [...reset, `${topic}:1`, '--by-duration', 'PT1H', '--execute'],
      says: row(1, '0'),
    },
    { name: 'kafka-consumer-groups/after-reset', command: describe, says: row(0, '3 ') },
    {
      name: 'kafka-consumer-groups/delete-offsets',
      command: [tool.groups, '--delete-offsets', '--group', group, '--topic', `${topic}:2`],
      says: /Successful/,
    },
    { name: 'kafka-consumer-groups/delete', command: [tool.groups, '--delete', '--group', group], says: /Deletion of requested/ },
    {
      name: 'kafka-consumer-groups/delete-gone',
      command: [tool.groups, '--delete', '--group', group],
      says: /GroupIdNotFound/,
    },
  ]
}

function configSteps(topic: string): Step[] {
  const entity = ['--entity-type', 'topics', '--entity-name', topic]
  const alter = [tool.configs, '--alter', ...entity] as const
  return [
    {
      name: 'kafka-configs/alter-topic',
      command: [tool.configs, '--alter', ...entity, '--add-config', 'max.message.bytes=500000,cleanup.policy=[compact,delete]'],
      says: /Completed updating/,
    },
    { name: 'kafka-configs/describe-topic', command: [tool.configs, '--describe', ...entity], says: /max\.message\.bytes=500000/ },
    {
      name: 'kafka-configs/delete-topic-config',
      command: [tool.configs, ...alter.slice(1), '--delete-config', 'max.message.bytes,cleanup.policy'],
      says: /Completed updating/,
    },
    {
      name: 'kafka-configs/bad-value',
      command: [tool.configs, ...alter.slice(1), '--add-config', 'retention.ms=abc'],
      says: /nvalid value abc for configuration retention\.ms/,
      fails: true,
    },
    {
      name: 'kafka-configs/describe-broker',
      command: [tool.configs, '--describe', '--all', '--entity-type', 'brokers', '--entity-name', '0'],
      says: /log\.retention\.ms=/,
    },
    {
      name: 'kafka-configs/alter-broker',
      command: [tool.configs, '--alter', '--entity-type', 'brokers', '--entity-name', '0', '--add-config', 'log.retention.ms=600000000'],
      says: /Completed updating/,
    },
  ]
}

function otherSteps(topic: string, group: string, deletions: string): Step[] {
  return [
    { name: 'kafka-delete-records', command: [tool.deleteRecords, '--offset-json-file', deletions], says: /low_watermark: 2/ },
    { name: 'kafka-log-dirs', command: [tool.logDirs, '--describe', '--topic-list', topic], says: new RegExp(`"partition":"${topic}-0"`) },
    { name: 'kafka-broker-api-versions', command: [tool.apiVersions], says: /Produce\(0\):.*usable/ },
    { name: 'kafka-cluster/cluster-id', command: [tool.clusterTool, 'cluster-id'], says: /Cluster ID: \S+/ },
    {
      name: 'kafka-transactions/describe-producers',
      command: [tool.transactions, 'describe-producers', '--topic', topic, '--partition', '0'],
      says: /ProducerId/,
    },
    {
      name: 'kafka-consumer-groups/unknown',
      command: [tool.groups, '--describe', '--group', `${group}-x`],
      says: /GroupIdNotFoundException: Group \S+ not found/,
    },
    { name: 'kafka-topics/delete', command: [tool.topics, '--delete', '--topic', topic], says: /^/ },
    { name: 'kafka-topics/describe-deleted', command: [tool.topics, '--describe', '--topic', topic], says: /does not exist/, fails: true },
  ]
}
