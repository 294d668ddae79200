/** Keys of one group, set through IncrementalAlterConfigs (KIP-848, KIP-932, KIP-1071). Defaults come from the broker's `group.` keys. */
import { boolean, choice, type Declarations, int, intMs, list, long, string } from '../../../base.ts'
import { because } from '../because.ts'

const duration = /^by_duration:P(?=\d|T\d)(?:\d+D)?(?:T(?=\d)(?:\d+H)?(?:\d+M)?(?:\d+(?:\.\d+)?S)?)?$/

function checkOffsetReset(text: string): string | null {
  return text === 'latest' || text === 'earliest' || duration.test(text)
    ? null
    : `Invalid value \`${text}\` for configuration share.auto.offset.reset. The value must be either 'earliest', 'latest' or of the format 'by_duration:<PnDTnHnMn.nS>'.`
}

export const groupKeys = {
  'consumer.assignment.interval.ms': intMs({
    default: 1000,
    min: 0,
    doc: 'Minimum time between two assignments.',
    synonyms: ['group.consumer.assignment.interval.ms'],
  }),
  'consumer.assignor.offload.enable': boolean({
    default: true,
    doc: 'Whether assignments are computed on other threads.',
    synonyms: ['group.consumer.assignor.offload.enable'],
    accepted: because.loop,
  }),
  'consumer.heartbeat.interval.ms': intMs({
    default: 5000,
    min: 1,
    doc: 'Heartbeat interval given to members of this consumer group.',
    synonyms: ['group.consumer.heartbeat.interval.ms'],
  }),
  'consumer.session.timeout.ms': intMs({
    default: 45_000,
    min: 1,
    doc: 'Time without a heartbeat after which a member is removed.',
    synonyms: ['group.consumer.session.timeout.ms'],
  }),
  'errors.deadletterqueue.copy.record.enable': boolean({
    default: false,
    doc: 'Whether a dead letter contains key and value of its record, or only headers with the position of the record.',
  }),
  'errors.deadletterqueue.topic.name': string({
    default: '',
    check: text => (text.startsWith('__') ? "DLQ topic name must not start with '__'" : null),
    allowed: 'a name that does not begin with __',
    doc: 'Topic for records that this share group rejected or could not process; empty for none. The topic needs errors.deadletterqueue.group.enable.',
  }),
  'share.assignment.interval.ms': intMs({
    default: 1000,
    min: 0,
    doc: 'Minimum time between two assignments.',
    synonyms: ['group.share.assignment.interval.ms'],
  }),
  'share.assignor.offload.enable': boolean({
    default: true,
    doc: 'Whether assignments are computed on other threads.',
    synonyms: ['group.share.assignor.offload.enable'],
    accepted: because.loop,
  }),
  'share.auto.offset.reset': string({
    default: 'latest',
    check: checkOffsetReset,
    allowed: 'latest, earliest, or by_duration: and a duration like PT1H',
    doc: 'Where a share group starts: latest, earliest, or by_duration: with an ISO 8601 duration.',
  }),
  'share.delivery.count.limit': int({
    default: 5,
    min: 2,
    doc: 'Maximum number of times that a record is delivered.',
    synonyms: ['group.share.delivery.count.limit'],
  }),
  'share.heartbeat.interval.ms': intMs({
    default: 5000,
    min: 1,
    doc: 'Heartbeat interval given to members of this share group.',
    synonyms: ['group.share.heartbeat.interval.ms'],
  }),
  'share.isolation.level': choice(['read_committed', 'read_uncommitted'], {
    default: 'read_uncommitted',
    doc: 'Whether records of open and aborted transactions are delivered.',
  }),
  'share.partition.max.record.locks': int({
    default: 2000,
    min: 100,
    doc: 'Maximum number of records of a partition that are in delivery.',
    synonyms: ['group.share.partition.max.record.locks'],
  }),
  'share.record.lock.duration.ms': intMs({
    default: 30_000,
    min: 1000,
    doc: 'Time for which a record is locked for the member that acquired it.',
    synonyms: ['group.share.record.lock.duration.ms'],
  }),
  'share.renew.acknowledge.enable': boolean({
    default: true,
    doc: 'Whether members can renew the lock of a record.',
  }),
  'share.session.timeout.ms': intMs({
    default: 45_000,
    min: 1,
    doc: 'Time without a heartbeat after which a member is removed.',
    synonyms: ['group.share.session.timeout.ms'],
  }),
  'streams.acceptable.recovery.lag': long({
    default: 10_000,
    min: 0,
    doc: 'Lag up to which a copy of the state of a task counts as caught up.',
    synonyms: ['group.streams.acceptable.recovery.lag'],
  }),
  'streams.assignment.interval.ms': intMs({
    default: 1000,
    min: 0,
    doc: 'Minimum time between two assignments.',
    synonyms: ['group.streams.assignment.interval.ms'],
  }),
  'streams.assignor.name': string({
    default: null,
    doc: 'Assignor of this streams group.',
    synonyms: ['group.streams.assignors'],
    accepted: because.javaClass,
  }),
  'streams.assignor.offload.enable': boolean({
    default: true,
    doc: 'Whether assignments are computed on other threads.',
    synonyms: ['group.streams.assignor.offload.enable'],
    accepted: because.loop,
  }),
  'streams.heartbeat.interval.ms': intMs({
    default: 5000,
    min: 1,
    doc: 'Heartbeat interval given to members of this streams group.',
    synonyms: ['group.streams.heartbeat.interval.ms'],
  }),
  'streams.initial.rebalance.delay.ms': intMs({
    default: 3000,
    min: 0,
    doc: 'Time for which an empty group waits for more members before its first assignment.',
    synonyms: ['group.streams.initial.rebalance.delay.ms'],
  }),
  'streams.num.standby.replicas': int({
    default: 0,
    min: 0,
    doc: 'Number of standby copies of the state of each task.',
    synonyms: ['group.streams.num.standby.replicas'],
  }),
  'streams.num.warmup.replicas': int({
    default: 2,
    min: 0,
    doc: 'Copies of task states that may be warming up at once.',
    synonyms: ['group.streams.num.warmup.replicas'],
    accepted: because.warmups,
  }),
  'streams.rack.aware.assignment.tags': list({
    default: '',
    doc: 'Client tags across which standby copies are distributed.',
    importance: 'low',
    synonyms: ['group.streams.rack.aware.assignment.tags'],
  }),
  'streams.session.timeout.ms': intMs({
    default: 45_000,
    min: 1,
    doc: 'Time without a heartbeat after which a member is removed.',
    synonyms: ['group.streams.session.timeout.ms'],
  }),
  'streams.task.offset.interval.ms': intMs({
    default: 60_000,
    min: 1,
    doc: 'Interval at which members report the offsets of their tasks.',
    synonyms: ['group.streams.task.offset.interval.ms'],
  }),
} satisfies Declarations
