/** Another Kafka: a second broker of Millrace, which is killed as well. Records go on as the bytes that they are. */
import assert from 'node:assert/strict'
import { openClient } from '../../../src/client.ts'
import { startMillrace } from '../../support/brokers.ts'
import { partitions, Seen, topic } from '../records.ts'
import type { System } from './system.ts'

export const kafkaSystem: System = {
  name: 'kafka',
  async run(judge, stage) {
    const broker = await startMillrace({ 'node.id': '0' })
    try {
      await judge('each-once', async () => {
        const told = await stage.drive({
          connector: 'kafka-sink',
          config: {
            'kafka.bootstrap.servers': broker.bootstrap,
            'kafka.topic': 'copy-of-${topic}',
            'kafka.topic.partitions': String(partitions),
            'value.converter': 'org.apache.kafka.connect.converters.ByteArrayConverter',
          },
          kills: 4,
          async harm() {
            await broker.stop('SIGKILL')
            await broker.restart()
          },
        })
        await using client = openClient({ bootstrap: broker.bootstrap })
        const name = `copy-of-${topic}`
        const ids = Array.from({ length: partitions }, (_, partition) => partition)
        const [from, until] = [await client.offsets(name, ids, 'earliest'), await client.offsets(name, ids, 'latest')]
        const seen = new Seen()
        const newest = ids.map(() => -1)
        for await (const found of client.read({ topic: name, from, until, committedOnly: true }))
          for (const { key, partition } of found) {
            const [of, n] = key!.toString().split('-').map(Number) as [number, number]
            assert(of === partition && n > newest[partition]!, `${key} comes behind ${newest[partition]} in partition ${partition}`)
            newest[partition] = n
            seen.add(partition, n)
          }
        seen.requireOnce()
        return told
      })
    } finally {
      await broker.remove()
    }
  },
}
