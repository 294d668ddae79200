/** Our connectors, from one cluster to the other and back, while worker and brokers are killed. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openClient } from '../../src/client.ts'
import { distributed, Worker } from '../connect/worker.ts'
import type { RunningBroker } from '../support/brokers.ts'
import { type Cases, unique, until } from '../support/kit.ts'
import { batches, clusters, countFrom, inBatch, type Pair, partitions, requireSame, transaction, write } from './copies.ts'

export function throughKills(kafka: RunningBroker, millrace: RunningBroker): Cases {
  return {
    'from-kafka-to-millrace': () => copied(kafka, millrace),
    'from-millrace-to-kafka': () => copied(millrace, kafka),
  }
}

async function copied(from: RunningBroker, to: RunningBroker): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-mirror-'))
  const [source, target] = [openClient({ bootstrap: from.bootstrap }), openClient({ bootstrap: to.bootstrap })]
  const pair: Pair = { from, to, source, target }
  let worker: Worker | null = null
  try {
    worker = await Worker.startMillrace(directory, 'worker', distributed(unique('mirror'), { 'bootstrap.servers': to.bootstrap }))
    await copyThroughKills(pair, worker)
  } catch (error) {
    throw new Error(`${(error as Error).message} ${worker?.log().slice(-400) ?? ''}`, { cause: error })
  } finally {
    await worker?.stop()
    await Promise.all([source.close(), target.close()])
    rmSync(directory, { recursive: true, force: true })
  }
}

async function copyThroughKills(pair: Pair, worker: Worker): Promise<void> {
  const { from, to, source, target } = pair
  const topic = unique('mirror')
  const configs = new Map([['retention.ms', '123456789000']])
  await source.createTopic({ name: topic, partitions, configs })
  await worker.rest('PUT', '/connectors/source/config', {
    ...clusters(pair),
    ...{ 'connector.class': 'org.apache.kafka.connect.mirror.MirrorSourceConnector', topics: topic, 'tasks.max': '2' },
    'exactly.once.support': 'required',
  })
  const kill = async (broker: RunningBroker) => {
    await broker.stop('SIGKILL')
    await broker.restart()
  }
  const restartWorker = async () => {
    await worker.stop('SIGKILL')
    await worker.restart()
  }
  const breaks = new Map<number, () => Promise<void>>([
    [Math.floor(batches * 0.2), restartWorker],
    [Math.floor(batches * 0.4), () => kill(to)],
    [Math.floor(batches * 0.6), restartWorker],
    [Math.floor(batches * 0.8), () => kill(from)],
  ])
  for (let batch = 0; batch < batches; batch++) {
    await write(source, topic, partitions, batch * inBatch, inBatch)
    if (batch % 20 === 10) await transaction(pair, topic, batch % 40 === 10)
    await breaks.get(batch)?.()
  }
  await restartWorker()
  await requireSame(pair, topic, `a.${topic}`)
  const config = (await target.configs({ type: 'TOPIC', name: `a.${topic}` })).find(each => each.name === 'retention.ms')
  assert.equal(config?.value, '123456789000')
  await groupsFollow(pair, worker, topic)
}

/** Three groups: at the end, in the part that was copied last, and far behind. None skips a record, and the first two read none again. */
async function groupsFollow(pair: Pair, worker: Worker, topic: string): Promise<void> {
  const { source, target } = pair
  await write(source, topic, partitions, 0, 600)
  const numbers = Array.from({ length: partitions }, (_, at) => at)
  const ends = await source.offsets(topic, numbers, 'latest')
  const groups = [0n, 50n, 10_000n].map(back => ({ back, name: unique('group') }))
  for (const { back, name } of groups)
    await source.setGroupOffsets(
      name,
      numbers.map(partition => ({ topic, partition, offset: ends.get(partition)! - back })),
    )
  await worker.rest('PUT', '/connectors/checkpoint/config', {
    ...clusters(pair),
    ...{ 'connector.class': 'MirrorCheckpointConnector', topics: topic, groups: groups.map(each => each.name).join() },
    ...{ 'emit.checkpoints.interval.seconds': '1', 'sync.group.offsets.enabled': 'true', 'sync.group.offsets.interval.seconds': '1' },
  })
  const remote = `a.${topic}`
  for (const { back, name } of groups) {
    let told = ''
    await until(
      () => `group ${back} behind is translated: ${told}`,
      async () => {
        const offsets = await target.groupOffsets(name, 'classic').catch(() => [])
        const left = await Promise.all(
          offsets.map(async each => [each.partition, await countFrom(target, remote, each.partition, each.offset)] as const),
        )
        told = left.join(' ')
        for (const [partition, count] of left) {
          const wanted = await countFrom(source, topic, partition, ends.get(partition)! - back)
          assert.ok(count >= wanted, `partition ${partition}: ${wanted} records are left to the group, and ${count} of its copy`)
          if (back < 1_000n && count > wanted) return false
        }
        return left.length === partitions
      },
      60,
    )
  }
}
