/** The keys of the connectors between clusters: those of MirrorMaker 2. */
import { boolean, choice, type Declarations, int, list, long, string, type ValuesOf } from '../../connector.ts'
import { problemBy } from '../entries.ts'
import { pattern } from './names.ts'
import { securityKeys } from './security.ts'

const servers = (text: string) =>
  text.split(',').every(each => /^[^\s,]+:\d{1,5}$/.test(each.trim())) ? null : 'must be HOST:PORT, several separated by commas'

export type Side = 'source' | 'target'

const sideDoc = { source: 'Cluster that is copied from', target: 'Cluster that is copied to' } as const

const bootstrap = (side: Side) =>
  string({ required: true, importance: 'high', check: servers, doc: `${sideDoc[side]}: brokers to connect to first.` })

const sourceCluster = {
  'source.cluster.bootstrap.servers': bootstrap('source'),
  ...securityKeys('source.cluster.', sideDoc.source),
} as const
const targetCluster = {
  'target.cluster.bootstrap.servers': bootstrap('target'),
  ...securityKeys('target.cluster.', sideDoc.target),
} as const

const alias = (text: string) => (/^[\w.-]*$/.test(text) ? null : 'may contain only letters, digits, ., _ and -')
const patterns = problemBy(text => pattern(text.split(',').map(each => each.trim())))
/** Classes that Java would load. */
const only =
  (...names: readonly string[]) =>
  (text: string) =>
    names.includes(text.slice(text.lastIndexOf('.') + 1))
      ? null
      : `must be ${names.join(' or ')}: other classes of Java cannot be loaded here`

const policies = ['DefaultReplicationPolicy', 'IdentityReplicationPolicy'] as const

const common = {
  'source.cluster.alias': string({
    required: true,
    importance: 'high',
    check: alias,
    doc: 'Name of the cluster that is copied from.',
  }),
  'target.cluster.alias': string({ default: 'target', importance: 'high', check: alias, doc: 'Name of the cluster that is copied to.' }),
  'replication.policy.class': string({
    default: 'org.apache.kafka.connect.mirror.DefaultReplicationPolicy',
    importance: 'low',
    check: only(...policies),
    doc: '`DefaultReplicationPolicy`: topics are named after the source, as in `eu.orders`. `IdentityReplicationPolicy`: topics keep their names; two clusters must not copy from each other then.',
  }),
  'replication.policy.separator': string({
    default: '.',
    importance: 'low',
    doc: 'Stands between the name of the source and that of the topic.',
  }),
  enabled: boolean({ default: true, importance: 'low', doc: 'Whether anything is copied.' }),
  'admin.timeout.ms': long({
    default: 60_000,
    min: 1,
    importance: 'low',
    doc: 'How long a request to either cluster may take, in milliseconds.',
  }),
} as const

const topicKeys = {
  topics: list({
    default: '.*',
    importance: 'high',
    check: patterns,
    doc: 'Topics that are copied: names and regular expressions, without lookaround and back references.',
  }),
  'topics.exclude': list({
    default: '.*[\\-\\.]internal,.*\\.replica,__.*',
    importance: 'high',
    check: patterns,
    doc: 'Topics that are not copied, although `topics` names them.',
  }),
  'topic.filter.class': string({
    default: 'org.apache.kafka.connect.mirror.DefaultTopicFilter',
    importance: 'low',
    check: only('DefaultTopicFilter'),
    doc: 'Chooses topics by `topics` and `topics.exclude`.',
  }),
} as const

const syncsKeys = {
  'offset-syncs.topic.location': choice(['source', 'target'], {
    default: 'source',
    importance: 'low',
    doc: 'In which cluster the topic is that says which offset of the source is which one of the target. With `source` the login of the source must be allowed to create and write it.',
  }),
  'emit.offset-syncs.enabled': boolean({
    default: true,
    importance: 'low',
    doc: 'Whether it is written. Without it, offsets of groups cannot be translated.',
  }),
} as const

const replication = (name: string) =>
  int({ default: 3, min: -1, importance: 'low', doc: `Replicas of ${name}, but no more than there are brokers. -1: the broker's default.` })

const seconds = (enabled: boolean, interval: number, what: string) =>
  [
    boolean({ default: enabled, importance: 'low', doc: `Whether ${what}.` }),
    long({ default: interval, min: 1, max: 86_400, importance: 'low', doc: `How often ${what}, in seconds.` }),
  ] as const

const [refreshEnabled, refreshInterval] = seconds(true, 600, 'new topics and partitions of the source are looked for')
const [configsEnabled, configsInterval] = seconds(true, 600, 'configs and partitions of topics become like those of the source')
const [aclsEnabled, aclsInterval] = seconds(true, 600, 'who may read topics is copied from the source')

export const sourceKeys = {
  ...common,
  ...topicKeys,
  ...sourceCluster,
  ...targetCluster,
  'replication.factor': int({
    default: null,
    min: 1,
    max: 100,
    importance: 'high',
    doc: 'Replicas of topics that are made in the target, but no more than there are brokers. Default: as many as in the source.',
  }),
  'consumer.poll.timeout.ms': long({
    default: 1_000,
    min: 1,
    max: 30_000,
    importance: 'low',
    doc: 'How long the source is asked for new records, in milliseconds.',
  }),
  'consumer.auto.offset.reset': choice(['earliest', 'latest'], {
    default: 'earliest',
    doc: 'Where a partition begins that was never copied.',
  }),
  'consumer.isolation.level': choice(['read_committed', 'read_uncommitted'], {
    default: 'read_committed',
    doc: 'Whether records of transactions that were aborted in the source stay away. In Java the default is `read_uncommitted`.',
  }),
  'refresh.topics.enabled': refreshEnabled,
  'refresh.topics.interval.seconds': refreshInterval,
  'sync.topic.configs.enabled': configsEnabled,
  'sync.topic.configs.interval.seconds': configsInterval,
  'sync.topic.acls.enabled': aclsEnabled,
  'sync.topic.acls.interval.seconds': aclsInterval,
  'config.properties.exclude': list({
    default:
      'follower\\.replication\\.throttled\\.replicas,leader\\.replication\\.throttled\\.replicas,message\\.timestamp\\.difference\\.max\\.ms,message\\.timestamp\\.type,unclean\\.leader\\.election\\.enable,min\\.insync\\.replicas',
    importance: 'high',
    check: patterns,
    doc: 'Configs of topics that are not copied: names and regular expressions.',
  }),
  'config.property.filter.class': string({
    default: 'org.apache.kafka.connect.mirror.DefaultConfigPropertyFilter',
    importance: 'low',
    check: only('DefaultConfigPropertyFilter'),
    doc: 'Chooses configs by `config.properties.exclude`.',
  }),
  'heartbeats.replication.enabled': boolean({
    default: true,
    importance: 'low',
    doc: 'Whether topics with heartbeats are copied, whatever `topics` says.',
  }),
  ...syncsKeys,
  'offset-syncs.topic.replication.factor': replication('that topic'),
  'task.assigned.partitions': list({ default: '', importance: 'low', doc: 'Set by the connector for each task.' }),
  'task.known.partitions': string({ default: '', importance: 'low', doc: 'Set by the connector for each task.' }),
} as const satisfies Declarations

const [checkpointsEnabled, checkpointsInterval] = seconds(true, 60, 'translated offsets of groups are written to the topic of checkpoints')
const [groupsEnabled, groupsInterval] = seconds(
  false,
  60,
  'translated offsets are committed in the target, for groups that have no members there',
)

export const checkpointKeys = {
  ...common,
  ...topicKeys,
  ...sourceCluster,
  ...targetCluster,
  groups: list({
    default: '.*',
    importance: 'high',
    check: patterns,
    doc: 'Groups whose offsets are translated: names and regular expressions.',
  }),
  'groups.exclude': list({
    default: 'console-consumer-.*,connect-.*,__.*',
    importance: 'high',
    check: patterns,
    doc: 'Groups that are left out, although `groups` names them.',
  }),
  'group.filter.class': string({
    default: 'org.apache.kafka.connect.mirror.DefaultGroupFilter',
    importance: 'low',
    check: only('DefaultGroupFilter'),
    doc: 'Chooses groups by `groups` and `groups.exclude`.',
  }),
  'emit.checkpoints.enabled': checkpointsEnabled,
  'emit.checkpoints.interval.seconds': checkpointsInterval,
  'sync.group.offsets.enabled': groupsEnabled,
  'sync.group.offsets.interval.seconds': groupsInterval,
  'checkpoints.topic.replication.factor': replication('the topic of checkpoints'),
  ...syncsKeys,
} as const satisfies Declarations

const [heartbeatsEnabled, heartbeatsInterval] = seconds(true, 1, 'a heartbeat is written')

export const heartbeatKeys = {
  ...common,
  ...targetCluster,
  'emit.heartbeats.enabled': heartbeatsEnabled,
  'emit.heartbeats.interval.seconds': heartbeatsInterval,
  'heartbeats.topic.replication.factor': replication('the topic of heartbeats'),
} as const satisfies Declarations

export type SourceConfig = ValuesOf<typeof sourceKeys>
export type CheckpointConfig = ValuesOf<typeof checkpointKeys>
export type HeartbeatConfig = ValuesOf<typeof heartbeatKeys>

/** By key, what is wrong with them together. */
export function problemsOf(config: {
  readonly 'source.cluster.alias': string
  readonly 'target.cluster.alias': string
}): Map<string, string> {
  const problems = new Map<string, string>()
  if (config['source.cluster.alias'] === config['target.cluster.alias'])
    problems.set('target.cluster.alias', 'must not be that of the source')
  return problems
}
