/** PostgreSQL is restored to a point in time, as docs/cluster.md says, but for the brokers: they all run meanwhile, one of them paused. */
import { apis, buildBatch, errorName, zeroUuid } from '../../src/protocol.ts'
import { connect, fetchValues } from '../../test/support/client.ts'
import { unique } from '../support/kit.ts'
import type { Cases } from './case.ts'
import { ofStores, status } from './commands.ts'
import { eventually, expect, same, seconds, type World } from './world.ts'

const partitions = 3
/** Some go into the database, and some into objects. */
const sizes = [10, 300_000, 2_000]
const patienceMs = 10_000
const point = 'a_good_moment'

/** One record after the other, each acknowledged. Returns the values, by partition. */
async function write(world: World, topic: string, label: string, count: number): Promise<string[][]> {
  const written: string[][] = Array.from({ length: partitions }, () => [])
  for (let n = 0; n < count; n++) {
    const partition = n % partitions
    const value = `${label}-${n}-`.padEnd(sizes[n % sizes.length]!, 'x')
    await eventually(`${label} ${n} of ${topic} is acknowledged`, patienceMs, async () => {
      const [at] = world.brokers.keys()
      const leader = (await world.partitions(at!, topic)).find(each => each.partition === partition)?.leader ?? -1
      expect(leader >= 0, 'nobody leads it')
      const records = buildBatch({ records: [{ key: null, value: Buffer.from(value) }], timestamp: Date.now() })
      const topicData = [{ name: topic, partitionData: [{ index: partition, records }] }]
      const { responses } = await world.ask(leader, apis.produce, 10, { acks: -1, timeoutMs: 5_000, topicData }, 5_000)
      const error = errorName(responses[0]!.partitionResponses[0]!.errorCode)
      expect(error === 'NONE', error)
      return true
    })
    written[partition]!.push(value)
  }
  return written
}

async function read(world: World, topic: string): Promise<string[][]> {
  const found: string[][] = []
  for (let partition = 0; partition < partitions; partition++) {
    const { leader } = (await world.partitions(1, topic)).find(each => each.partition === partition)!
    const client = await connect(world.broker(leader).port)
    found.push(await fetchValues(client, topic, partition).finally(() => client.close()))
  }
  return found
}

const short = (values: readonly (readonly string[])[]) => values.map(each => each.map(value => `${value.slice(0, 12)}…${value.length}`))

async function producerId(world: World, id: number): Promise<number> {
  const request = { transactionalId: null, transactionTimeoutMs: 60_000 }
  return Number((await world.ask(id, apis.initProducerId, 4, request, 5_000)).producerId)
}

export const restores: Cases = {
  'restore/point-in-time': async world => {
    const { postgres } = world.stores
    await postgres.backUp()
    await world.settled()
    const [kept, deleted, lost] = [unique('kept'), unique('deleted'), unique('lost')]
    for (const topic of [kept, deleted]) same(await world.createTopic(1, topic, { partitions }), 'NONE', 'CreateTopics')
    const before = await write(world, kept, 'before', 60)
    const alsoBefore = await write(world, deleted, 'before', 9)
    const { incarnation } = (await status(world)).told

    // While it is paused, others take over what it led: so all that happens after the point, and it finds everything as it left it.
    world.broker(3).signal('SIGSTOP')
    await postgres.markPoint(point)
    await write(world, kept, 'after', 60)
    const epochs = (await world.partitions(1, kept)).map(({ epoch }) => epoch)
    same(await world.createTopic(1, lost, { partitions }), 'NONE', 'CreateTopics')
    await write(world, lost, 'after', 9)
    const deletion = { topics: [{ name: deleted, topicId: zeroUuid }], timeoutMs: 5_000 }
    same(errorName((await world.ask(2, apis.deleteTopics, 6, deletion, 5_000)).responses[0]!.errorCode), 'NONE', 'DeleteTopics')
    const given = [await producerId(world, 1), await producerId(world, 2)]

    await postgres.restoreTo(point)
    const began = performance.now()
    const { code, stdout, stderr } = await ofStores(world, 'cluster', 'restore', '--json')
    same(code, 0, `cluster restore: ${stderr}`)
    same((JSON.parse(stdout) as { incarnation: number }).incarnation, incarnation + 1, 'the incarnation')
    world.broker(3).signal('SIGCONT')
    await world.settled()
    await eventually('nothing is degraded', 20_000, async () => (await status(world)).code === 0)
    const ms = performance.now() - began
    same((await status(world)).told.incarnation, incarnation + 1, 'the incarnation that brokers see')

    same(short(await read(world, kept)), short(before), 'what was acknowledged before the point, and nothing else')
    same(short(await read(world, deleted)), short(alsoBefore), 'a topic that was deleted after the point')
    same((await world.view(2, [lost])).topics.get(lost)!.error, 'UNKNOWN_TOPIC_OR_PARTITION', 'a topic that was made after it')
    for (const [index, { epoch }] of (await world.partitions(1, kept)).entries())
      expect(epoch > epochs[index]!, `the leader epoch went from ${epochs[index]} to ${epoch}`)
    for (const id of world.brokers.keys()) {
      const own = await producerId(world, id)
      expect(own > Math.max(...given), `broker ${id} gave the producer id ${own} after ${given}`)
      expect(/restored to an earlier state/.test(world.broker(id).log()), `the log of broker ${id} does not tell of the restore`)
    }
    const more = await write(world, kept, 'more', 30)
    same(short(await read(world, kept)), short(before.map((values, index) => [...values, ...more[index]!])), 'what was written since')
    return `all is led ${seconds(ms)} after the recovery`
  },
}
