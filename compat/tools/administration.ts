/** Kafka's administration tools over SASL_SSL, with an authorizer: as the super user, and as a user with few permissions. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { javaLogin, writeProperties } from '../support/java-login.ts'
import { unique } from '../support/kit.ts'
import type { Secured } from '../support/secured.ts'
import type { Report } from '../support/suite.ts'
import { client, runSteps, type Step, tool } from './step.ts'

/** What the steps name. */
interface Names {
  /** Of the user with grants on `compat-` only. */
  topic: string
  user: string
  group: string
  /** A properties file: the new user's login. */
  userLogin: string
  userName: string
  reassignment: string
  topicsToMove: string
  /** The ids of all brokers, separated by commas. */
  brokers: string
}

export async function administer(secured: Secured | null, directory: string, report: Report): Promise<void> {
  const user = unique('user')
  const names: Names = {
    topic: unique('admin'),
    group: unique('share'),
    user,
    userName: secured?.user.name ?? '',
    userLogin: join(directory, 'user.properties'),
    reassignment: join(directory, 'reassignment.json'),
    topicsToMove: join(directory, 'topics.json'),
    brokers: Array.from(secured?.bootstraps.SASL_SSL.split(',') ?? [], (_, id) => id).join(),
  }
  const asRoot = [...aclSteps(names), ...configSteps(names), ...transactionSteps(names), ...shareSteps(names), ...clusterSteps(names)]
  const asUser = [...refusedSteps(names), ...tokenSteps(names)]
  if (secured === null) {
    for (const { name } of [...asRoot, ...asUser]) report({ client, name, outcome: 'skip', detail: 'it needs a secured broker' })
    return
  }
  writeProperties(names.userLogin, javaLogin(secured, { name: user, password: 'secret' }, 'SCRAM-SHA-512'))
  const replicas = [{ topic: names.topic, partition: 0, replicas: [0] }]
  writeFileSync(names.reassignment, JSON.stringify({ version: 1, partitions: replicas }))
  writeFileSync(names.topicsToMove, JSON.stringify({ version: 1, topics: [{ topic: names.topic }] }))
  const bootstrap = secured.bootstraps.SASL_SSL
  const root = writeProperties(join(directory, 'root.properties'), javaLogin(secured, secured.admin))
  await runSteps(asRoot, { bootstrap, login: root }, report)
  const alice = writeProperties(join(directory, 'alice.properties'), javaLogin(secured, secured.user, 'SCRAM-SHA-256'))
  await runSteps(asUser, { bootstrap, login: alice }, report)
}

function aclSteps({ topic, user, userLogin }: Names): Step[] {
  const principal = `User:${user}`
  const list: Step['command'] = [tool.acls, '--list', '--topic', topic]
  const deny = ['--deny-principal', principal, '--deny-host', '192.0.2.1', '--operation', 'All', '--topic', topic] as const
  const produce = [tool.producer, '--topic', topic] as const
  return [
    {
      name: 'kafka-topics/create-as-root',
      command: [tool.topics, '--create', '--topic', topic, '--partitions', '1'],
      says: /Created topic/,
    },
    {
      name: 'kafka-configs/scram-add',
      command: [...userEntity(user, '--alter'), '--add-config', 'SCRAM-SHA-512=[iterations=4096,password=secret]'],
      says: /Completed updating config for user/,
    },
    { name: 'kafka-configs/scram-describe', command: userEntity(user, '--describe'), says: /SCRAM-SHA-512=iterations=4096/ },
    {
      name: 'kafka-acls/add',
      command: [tool.acls, '--add', '--allow-principal', principal, '--producer', '--topic', topic],
      says: /Adding ACLs for resource `ResourcePattern\(resourceType=TOPIC, name=\S+, patternType=LITERAL\)`[\s\S]*operation=WRITE, permissionType=ALLOW/,
    },
    {
      name: 'kafka-acls/add-prefixed',
      command: [
        ...[tool.acls, '--add', '--allow-principal', principal, '--consumer', '--resource-pattern-type', 'prefixed'],
        ...['--topic', topic.slice(0, -3), '--group', user],
      ] as [string, ...string[]],
      says: /resourceType=GROUP, name=\S+, patternType=PREFIXED/,
    },
    { name: 'kafka-acls/deny', command: [tool.acls, '--add', ...deny], says: /host=192\.0\.2\.1, operation=ALL, permissionType=DENY/ },
    { name: 'kafka-acls/list', command: list, says: /patternType=LITERAL[\s\S]*operation=ALL, permissionType=DENY/ },
    {
      name: 'kafka-acls/list-match',
      command: [...list, '--resource-pattern-type', 'match'],
      says: /patternType=PREFIXED[\s\S]*operation=READ, permissionType=ALLOW/,
    },
    {
      name: 'kafka-acls/list-principal',
      command: [tool.acls, '--list', '--principal', principal],
      says: /ACLs for principal `User:\S+`[\s\S]*resourceType=GROUP/,
    },
    { name: 'kafka-console-producer/scram', command: produce, login: userLogin, says: /^/, stdin: 'k1\nk2\n' },
    {
      name: 'kafka-console-consumer/scram',
      command: [tool.consumer, '--topic', topic, '--group', user, '--from-beginning', '--max-messages', '2', '--timeout-ms', '30000'],
      login: userLogin,
      says: /^k1\nk2$/m,
    },
    { name: 'kafka-acls/remove', command: [tool.acls, '--remove', '--force', ...deny], says: /^((?!DENY)[\s\S])*$/ },
    {
      name: 'kafka-acls/remove-all',
      command: [tool.acls, '--remove', '--force', '--topic', topic],
      says: /^/,
    },
    { name: 'kafka-acls/list-removed', command: list, says: /^\s*$/ },
    {
      name: 'kafka-console-producer/revoked',
      command: produce,
      login: userLogin,
      says: /AuthorizationException/,
      stdin: 'k1\n',
    },
  ]
}

const userEntity = (user: string, action: string) => [tool.configs, action, '--entity-type', 'users', '--entity-name', user] as const

function configSteps({ topic, user, group }: Names): Step[] {
  const alter = [tool.configs, '--alter'] as const
  const show = [tool.configs, '--describe'] as const
  const done = /Completed updating/
  const ip = ['--entity-type', 'ips', '--entity-name', '198.51.100.9'] as const
  const pair = ['--entity-type', 'users', '--entity-name', user, '--entity-type', 'clients', '--entity-name', 'app'] as const
  const defaults = ['--entity-type', 'clients', '--entity-default'] as const
  const metrics = ['--name', `${topic}-metrics`] as const
  const groups = ['--entity-type', 'groups', '--entity-name', group] as const
  return [
    {
      name: 'kafka-configs/quota-user',
      command: [...userEntity(user, '--alter'), '--add-config', 'producer_byte_rate=1048576'],
      says: done,
    },
    {
      name: 'kafka-configs/quota-user-client',
      command: [...alter, ...pair, '--add-config', 'consumer_byte_rate=2048,request_percentage=150'],
      says: done,
    },
    { name: 'kafka-configs/quota-default', command: [...alter, ...defaults, '--add-config', 'request_percentage=10000'], says: done },
    { name: 'kafka-configs/quota-ip', command: [...alter, ...ip, '--add-config', 'connection_creation_rate=50'], says: done },
    { name: 'kafka-configs/quota-describe', command: userEntity(user, '--describe'), says: /producer_byte_rate=1048576/ },
    { name: 'kafka-configs/quota-describe-pair', command: [...show, ...pair], says: /consumer_byte_rate=2048/ },
    { name: 'kafka-configs/quota-describe-ip', command: [...show, ...ip], says: /connection_creation_rate=50/ },
    { name: 'kafka-configs/quota-delete-ip', command: [...alter, ...ip, '--delete-config', 'connection_creation_rate'], says: done },
    { name: 'kafka-configs/quota-delete-default', command: [...alter, ...defaults, '--delete-config', 'request_percentage'], says: done },
    {
      name: 'kafka-configs/scram-delete',
      command: [...userEntity(user, '--alter'), '--delete-config', 'SCRAM-SHA-512'],
      says: done,
    },
    {
      name: 'kafka-configs/quota-delete-user',
      command: [...userEntity(user, '--alter'), '--delete-config', 'producer_byte_rate'],
      says: done,
    },
    { name: 'kafka-configs/group', command: [...alter, ...groups, '--add-config', 'share.auto.offset.reset=earliest'], says: done },
    { name: 'kafka-configs/group-describe', command: [...show, ...groups], says: /share\.auto\.offset\.reset=earliest/ },
    {
      name: 'kafka-client-metrics/alter',
      command: [tool.clientMetrics, '--alter', ...metrics, '--metrics', 'org.apache.kafka.producer.', '--interval', '10000'],
      says: /Altered client metrics config/,
    },
    { name: 'kafka-client-metrics/describe', command: [tool.clientMetrics, '--describe', ...metrics], says: /interval\.ms=10000/ },
    { name: 'kafka-client-metrics/list', command: [tool.clientMetrics, '--list'], says: new RegExp(`^${topic}-metrics$`, 'm') },
    {
      name: 'kafka-configs/client-metrics',
      command: [...show, '--entity-type', 'client-metrics', '--entity-name', `${topic}-metrics`],
      says: /metrics=org\.apache\.kafka\.producer\./,
    },
    { name: 'kafka-client-metrics/delete', command: [tool.clientMetrics, '--delete', ...metrics], says: /Deleted client metrics config/ },
  ]
}

function transactionSteps({ topic }: Names): Step[] {
  const id = `${topic}-id`
  const load = ['--num-records', '100', '--record-size', '10', '--throughput', '-1']
  return [
    {
      name: 'kafka-producer-perf-test/transactional',
      command: [tool.producerPerf, '--topic', topic, ...load, '--transactional-id', id, '--transaction-duration-ms', '100'],
      says: /100 records sent/,
    },
    { name: 'kafka-transactions/list', command: [tool.transactions, 'list'], says: new RegExp(`${id}\\s+\\d+\\s+\\d+\\s+CompleteCommit`) },
    {
      name: 'kafka-transactions/list-by-state',
      command: [tool.transactions, 'list', '--transactional-id-pattern', `${topic}.*`],
      says: new RegExp(id),
    },
    {
      name: 'kafka-transactions/describe',
      command: [tool.transactions, 'describe', '--transactional-id', id],
      says: new RegExp(`${id}\\s+\\d+\\s+\\d+\\s+CompleteCommit`),
    },
    { name: 'kafka-transactions/find-hanging', command: [tool.transactions, 'find-hanging', '--broker-id', '0'], says: /^/ },
  ]
}

function shareSteps({ topic, group }: Names): Step[] {
  const groups = (...args: string[]): Step['command'] => [tool.shareGroups, ...args]
  const reset = ['--reset-offsets', '--group', group, '--topic', topic, '--to-earliest']
  return [
    {
      name: 'kafka-console-share-consumer',
      command: [tool.shareConsumer, '--topic', topic, '--group', group, '--max-messages', '50', '--timeout-ms', '30000'],
      says: /Processed a total of 50 messages/,
    },
    { name: 'kafka-groups/list-share', command: [tool.listGroups, '--list', '--share'], says: new RegExp(`${group} +Share +share`) },
    { name: 'kafka-share-groups/list', command: groups('--list'), says: new RegExp(`^${group}$`, 'm') },
    { name: 'kafka-share-groups/list-state', command: groups('--list', '--state', 'empty'), says: new RegExp(`${group} +Empty`) },
    {
      name: 'kafka-share-groups/describe',
      command: groups('--describe', '--group', group),
      says: new RegExp(`${group} +${topic} +0 +\\d+`),
    },
    { name: 'kafka-share-groups/state', command: groups('--describe', '--group', group, '--state'), says: /Empty/ },
    { name: 'kafka-share-groups/reset-dry-run', command: groups(...reset, '--dry-run'), says: new RegExp(`${topic} +0 +0`) },
    { name: 'kafka-share-groups/reset', command: groups(...reset, '--execute'), says: new RegExp(`${topic} +0 +0`) },
    {
      name: 'kafka-share-groups/describe-reset',
      command: groups('--describe', '--group', group),
      says: new RegExp(`${group} +${topic} +0 +(- +)?0 `),
    },
    {
      name: 'kafka-share-groups/delete-offsets',
      command: groups('--delete-offsets', '--group', group, '--topic', topic),
      says: /Successful/,
    },
    {
      name: 'kafka-share-groups/delete',
      command: groups('--delete', '--group', group),
      says: /Deletion of requested share groups .* was successful/,
    },
    { name: 'kafka-share-groups/delete-gone', command: groups('--delete', '--group', group), says: /could not be deleted/ },
  ]
}

function clusterSteps({ topic, reassignment, topicsToMove, brokers }: Names): Step[] {
  const reassign = (...args: string[]): Step['command'] => [tool.reassign, ...args]
  const file = ['--reassignment-json-file', reassignment]
  return [
    {
      name: 'kafka-features/describe',
      command: [tool.features, 'describe'],
      says: /Feature: metadata\.version[\s\S]*Feature: transaction\.version.*2/,
    },
    {
      name: 'kafka-features/downgrade-dry-run',
      command: [tool.features, 'downgrade', '--feature', 'transaction.version=1', '--dry-run'],
      says: /transaction\.version can be downgraded to 1/,
    },
    { name: 'kafka-metadata-quorum/status', command: [tool.quorum, 'describe', '--status'], says: /LeaderId:\s+0/ },
    { name: 'kafka-metadata-quorum/replication', command: [tool.quorum, 'describe', '--replication'], says: /^0\s.*Leader/m },
    {
      name: 'kafka-leader-election',
      command: [tool.election, '--election-type', 'preferred', '--topic', topic, '--partition', '0'],
      says: /Valid replica already elected|Successfully completed/,
    },
    { name: 'kafka-reassign-partitions/list', command: reassign('--list'), says: /No partition reassignments found/ },
    {
      name: 'kafka-reassign-partitions/generate',
      command: reassign('--generate', '--topics-to-move-json-file', topicsToMove, '--broker-list', brokers),
      says: /Proposed partition reassignment configuration[\s\S]*"replicas":\[\d+(,\d+)*\]/,
    },
    {
      name: 'kafka-reassign-partitions/execute',
      command: reassign('--execute', ...file),
      says: /Successfully started partition reassignment/,
    },
    {
      name: 'kafka-reassign-partitions/verify',
      command: reassign('--verify', ...file),
      says: /Reassignment of partition \S+ is completed/,
    },
    { name: 'kafka-cluster/cluster-id-secured', command: [tool.clusterTool, 'cluster-id'], says: /Cluster ID: \S+/ },
    { name: 'kafka-cluster/list-endpoints', command: [tool.clusterTool, 'list-endpoints'], says: /^0\s+127\.0\.0\.1\s+\d+/m },
    { name: 'kafka-broker-api-versions/secured', command: [tool.apiVersions], says: /ShareFetch\(78\):.*usable/ },
  ]
}

/** As the user who may do everything with what begins with `compat-`, and nothing else. */
function refusedSteps({ topic }: Names): Step[] {
  const refused = /AuthorizationException/
  return [
    { name: 'kafka-topics/list-allowed', command: [tool.topics, '--list'], says: new RegExp(`^${topic}$`, 'm') },
    { name: 'kafka-topics/create-refused', command: [tool.topics, '--create', '--topic', `x-${topic}`], says: refused, fails: true },
    { name: 'kafka-acls/refused', command: [tool.acls, '--list'], says: refused, fails: true },
    {
      name: 'kafka-configs/quota-refused',
      command: [...userEntity('anybody', '--alter'), '--add-config', 'producer_byte_rate=1'],
      says: refused,
      fails: true,
    },
    { name: 'kafka-consumer-groups/refused', command: [tool.groups, '--describe', '--group', 'forbidden'], says: refused },
    { name: 'kafka-metadata-quorum/refused', command: [tool.quorum, 'describe', '--status'], says: refused, fails: true },
  ]
}

function tokenSteps({ userName }: Names): Step[] {
  const describe: Step['command'] = [tool.tokens, '--describe', '--owner-principal', `User:${userName}`]
  return [
    {
      name: 'kafka-delegation-tokens/create',
      command: [tool.tokens, '--create', '--max-life-time-period', '3600000', '--renewer-principal', `User:${userName}`],
      says: /(\S+==)\s+User:/,
      remember: 'hmac',
    },
    { name: 'kafka-delegation-tokens/describe', command: describe, says: /\S+==\s+User:/ },
    {
      name: 'kafka-delegation-tokens/renew',
      command: [tool.tokens, '--renew', '--renew-time-period', '60000', '--hmac', '{hmac}'],
      says: /Completed renew operation/,
    },
    {
      name: 'kafka-delegation-tokens/expire',
      command: [tool.tokens, '--expire', '--expiry-time-period', '-1', '--hmac', '{hmac}'],
      says: /Completed expire operation/,
    },
    {
      name: 'kafka-delegation-tokens/describe-expired',
      command: describe,
      says: /^((?!==\s+User:)[\s\S])*$/,
    },
  ]
}
