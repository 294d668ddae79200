/** Rows of a cluster that changes: a broker dies, leaders move, a broker is added. Always under load. */
import { pause, quantile } from '../measure.ts'
import { free, type Goal, type RowOf, type Stage, shown, withTopic } from '../row.ts'
import { alertWords, harm, type Moment, now, underLoad, waits } from './load.ts'
import { type ClusterPeer, leadersOf, MillraceCluster, moveLeader, startCluster, until, untilInSync, untilThere } from './peers.ts'
import { warmWithSmall } from './streams.ts'

/** The fewest are none. */
const none = (metric: string, label: string): Goal => ({ ...free(metric, label, 0), everyRound: true })

const noHarm = [none('callerErrors', 'errors that a caller saw'), none('lost', 'acknowledged records that were not read')]

/** So long it goes on undisturbed, before and after. */
const calmMs = 2000
const mostSeconds = 120

const failover: RowOf<ClusterPeer> = {
  name: 'cluster-failover',
  settings: `kill -9 of the broker that leads partition 0 of 12; 100 B records at 1,200/s, ${alertWords}; from the kill until each of its partitions has acknowledged (has delivered) a record that was due after it; the killed broker is started again for the next round`,
  goals: [
    { ...free('failoverSeconds', 'kill -9 to acknowledged again', 5, 's'), everyRound: true },
    ...noHarm,
    shown('failoverSeconds', 'kill -9 to acknowledged again', 's'),
    shown('readSeconds', 'kill -9 to read again', 's'),
    shown('othersMs', 'longest wait in partitions of the other brokers', 'ms'),
  ],
  start: startCluster,
  warm: warmWithSmall,
  measure: ({ broker, topic }) => withTopic(broker, topic, 12, () => failOver(broker, topic)),
}

async function failOver(broker: ClusterPeer, topic: string) {
  const leaders = await leadersOf(broker, topic)
  const victim = leaders[0]!
  const { result: killed, moments } = await underLoad(broker, topic, { partitions: 12, perSecond: 1200, mostSeconds }, async () => {
    await pause(calmMs)
    const at = now()
    await broker.members[victim]!.stop('SIGKILL')
    await until(async () => !(await leadersOf(broker, topic)).includes(victim), `broker ${victim} to be followed`)
    await pause(calmMs)
    return at
  })
  await broker.members[victim]!.restart()
  await untilThere(broker)
  await untilInSync(broker, topic)
  const after = moments.filter(({ due }) => due > killed)
  const its = after.filter(({ partition }) => leaders[partition] === victim)
  const others = after.filter(({ partition }) => leaders[partition] !== victim)
  return {
    failoverSeconds: secondsUntilAll(its, 'acked', killed),
    readSeconds: secondsUntilAll(its, 'received', killed),
    othersMs: waits(others, 'acked').at(-1)!,
    ...harm(moments),
  }
}

/** Until something of each partition has come. */
function secondsUntilAll(moments: readonly Moment[], kind: 'acked' | 'received', since: number): number {
  const first = new Map<number, number>()
  for (const moment of moments) {
    const at = moment[kind] > 0 ? moment[kind] : Number.POSITIVE_INFINITY
    first.set(moment.partition, Math.min(at, first.get(moment.partition) ?? Number.POSITIVE_INFINITY))
  }
  return Math.max(...first.values()) - since
}

const movePartitions = 6
/** Records that were due so shortly before a move, or while it lasted, or so shortly after it, may have waited for it. */
const aroundSeconds = { before: 0.1, after: 0.5 }

const move: RowOf<MillraceCluster> = {
  name: 'cluster-move',
  settings: `leaders of 6 partitions are moved one after the other (AlterPartitionReassignments with the next replica first, ElectLeaders); 100 B records at 1,200/s, ${alertWords}; the freeze is the longest wait of a record that was due around a move; p50 and p99 are of all moves of a round`,
  alone:
    'twice an idempotent producer of Kafka ended with a fatal error (OUT_OF_ORDER_SEQUENCE_NUMBER) during these moves; the one round that was finished had a freeze of 1.1 s p50 and 3.0 s p99',
  goals: [
    free('freezeP50', 'freeze p50', 100, 'ms'),
    ...noHarm,
    shown('freezeP50', 'freeze p50', 'ms'),
    shown('freezeP99', 'freeze p99', 'ms'),
  ],
  start: wanted => MillraceCluster.start(wanted),
  warm: warmWithSmall,
  measure: stage => withTopic(stage.broker, stage.topic, movePartitions, () => moveOften(stage)),
}

async function moveOften({ broker, topic, scale }: Stage<MillraceCluster>) {
  const load = { partitions: movePartitions, perSecond: 1200, mostSeconds }
  const { result: moves, moments } = await underLoad(broker, topic, load, async () => {
    await pause(calmMs)
    const done: { partition: number; from: number; to: number }[] = []
    for (let nth = 0; nth < Math.ceil(60 * scale); nth++) {
      const partition = nth % movePartitions
      const from = now()
      await moveLeader(broker, topic, partition)
      done.push({ partition, from, to: now() })
      await pause(aroundSeconds.after * 1000)
    }
    return done
  })
  const freezes = moves.map(({ partition, from, to }) => {
    const isAround = ({ due }: Moment) => due > from - aroundSeconds.before && due < to + aroundSeconds.after
    return waits(
      moments.filter(each => each.partition === partition && isAround(each)),
      'acked',
    ).at(-1)!
  })
  freezes.sort((a, b) => a - b)
  return { freezeP50: quantile(freezes, 0.5), freezeP99: quantile(freezes, 0.99), ...harm(moments) }
}

const addedPartitions = 60

const added: RowOf<MillraceCluster> = {
  name: 'cluster-added-broker',
  settings: `a fourth broker is started; 60 partitions, 100 B records at 1,200/s, ${alertWords}; its share is the number of partitions divided by the number of brokers, rounded down`,
  alone: 'a broker that is added to Kafka leads nothing until partitions are reassigned, and then their data is copied',
  cold: 'each round adds a fourth broker to three new ones',
  goals: [
    free('shareSeconds', 'registered to its share', 10, 's'),
    ...noHarm,
    shown('startSeconds', 'start of the process to registered', 's', 'nothing'),
    shown('longestMs', 'longest wait of a record', 'ms', 'nothing'),
  ],
  start: wanted => MillraceCluster.start(wanted),
  measure: ({ broker, topic }) => withTopic(broker, topic, addedPartitions, () => addBroker(broker, topic)),
}

async function addBroker(broker: MillraceCluster, topic: string) {
  const load = { partitions: addedPartitions, perSecond: 1200, mostSeconds }
  const { result, moments } = await underLoad(broker, topic, load, async () => {
    await pause(calmMs)
    const id = broker.members.length
    const [share, startedAt] = [Math.floor((await allLeaders(broker)).length / (id + 1)), now()]
    await broker.add()
    const registeredAt = now()
    await until(async () => (await allLeaders(broker)).filter(leader => leader === id).length >= share, `broker ${id} to lead ${share}`)
    const times = { startSeconds: registeredAt - startedAt, shareSeconds: now() - registeredAt }
    await pause(calmMs)
    return times
  })
  return { ...result, longestMs: waits(moments, 'acked').at(-1)!, ...harm(moments) }
}

/** Of each partition of all topics, the broker that leads it. */
async function allLeaders({ client }: ClusterPeer): Promise<number[]> {
  const topics = await client.topics(await client.topicNames())
  return topics.flatMap(({ partitions }) => partitions.map(({ leader }) => leader))
}

export const changeRows: readonly (RowOf<ClusterPeer> | RowOf<MillraceCluster>)[] = [failover, move, added]
