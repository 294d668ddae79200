/** Brokers call each other by a listener with TLS and a login, as a user who may do nothing but CLUSTER_ACTION. */
import { Kafka, logLevel } from 'kafkajs'
import { apis, errorName } from '../../src/protocol.ts'
import { unique } from '../support/kit.ts'
import { run } from '../support/run.ts'
import { command } from './broker.ts'
import type { Cases } from './case.ts'
import { eventually, expect, login, same } from './world.ts'

export const security: Cases = {
  'security/transactions-over-brokers': async world => {
    const topic = unique('txn')
    same(await world.createTopic(1, topic, { assignments: [[1], [2], [3]] }), 'NONE', 'CreateTopics')
    await eventually('all know it', 2_000, async () => (await world.partitions(3, topic)).length === 3)
    const brokers = [...world.brokers.values()].map(({ port }) => `127.0.0.1:${port}`)
    const kafka = new Kafka({ brokers, logLevel: logLevel.NOTHING })
    const producer = kafka.producer({ transactionalId: topic, idempotent: true, maxInFlightRequests: 1 })
    const consumer = kafka.consumer({ groupId: topic })
    const found: string[] = []
    try {
      await producer.connect()
      for (const [outcome, value] of [
        ['abort', 'no'],
        ['commit', 'yes'],
      ] as const) {
        const transaction = await producer.transaction()
        await transaction.send({ topic, messages: [0, 1, 2].map(partition => ({ partition, value: `${value}-${partition}` })) })
        await transaction[outcome]()
      }
      await consumer.connect()
      await consumer.subscribe({ topic, fromBeginning: true })
      await consumer.run({ eachMessage: async ({ message }) => void found.push(String(message.value)) })
      await eventually('what was committed is consumed', 20_000, () => found.length >= 3)
      same(found.sort(), ['yes-0', 'yes-1', 'yes-2'], 'what a consumer of committed records gets')
    } finally {
      await consumer.disconnect()
      await producer.disconnect()
    }
    for (const [id, broker] of world.brokers)
      expect(!/needs CLUSTER_ACTION|CLUSTER_AUTHORIZATION_FAILED/.test(broker.log()), `broker ${id} was refused by another`)
    return ''
  },

  'security/first-user': async world => {
    const name = unique('first')
    const { env, file } = world.broker(2)
    const args = ['user', 'create', name, '--offline', '--config', file]
    const { code, stderr } = await run(command, args, { seconds: 60, env: { ...env, MILLRACE_NEW_PASSWORD: 'first-secret' } })
    same([code, stderr], [0, ''], 'user create --offline')
    for (const id of [1, 2, 3])
      await eventually(`broker ${id} knows the user`, 1_000, async () => {
        const { results } = await world.ask(id, apis.describeUserScramCredentials, 0, { users: [{ name }] })
        return results[0]!.credentialInfos.length === 1
      })
    return ''
  },

  'security/markers-need-cluster-action': async world => {
    const client = await login(world.broker(1).sasl, 'alice')
    try {
      const topics = [{ name: '__consumer_offsets', partitionIndexes: [0] }]
      const marker = { producerId: 1, producerEpoch: 0, transactionResult: false, topics, coordinatorEpoch: 0 }
      const { markers } = await client.request(apis.writeTxnMarkers, 1, { markers: [marker] })
      const codes = markers.flatMap(each =>
        each.topics.flatMap(({ partitions }) => partitions.map(({ errorCode }) => errorName(errorCode))),
      )
      same(codes, ['CLUSTER_AUTHORIZATION_FAILED'], 'WriteTxnMarkers of somebody else')
    } finally {
      client.close()
    }
    return ''
  },
}
