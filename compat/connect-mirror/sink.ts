/** The Kafka sink between the clusters, run by two workers: they and both brokers are killed, and stand still for longer than their session. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openClient } from '../../src/client.ts'
import { distributed, Worker } from '../connect/worker.ts'
import type { RunningBroker } from '../support/brokers.ts'
import { type Cases, unique } from '../support/kit.ts'
import { batches, inBatch, type Pair, partitions, requireSame, transaction, write } from './copies.ts'

/** Longer than the session of a worker and of a sink's consumer. */
const stillMs = 10_000
const sessionMs = 6_000

export function sinkThroughKills(kafka: RunningBroker, millrace: RunningBroker): Cases {
  return {
    'sink-from-kafka-to-millrace': () => copied(kafka, millrace),
    'sink-from-millrace-to-kafka': () => copied(millrace, kafka),
  }
}

async function copied(from: RunningBroker, to: RunningBroker): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-kafka-sink-'))
  const [source, target] = [openClient({ bootstrap: from.bootstrap }), openClient({ bootstrap: to.bootstrap })]
  const workers: Worker[] = []
  try {
    // It is of the source, as a worker of sinks is.
    const properties = distributed(unique('sink'), { 'bootstrap.servers': from.bootstrap })
    for (const name of ['one', 'two']) workers.push(await Worker.startMillrace(directory, name, properties))
    await copyThroughBreaks({ from, to, source, target }, workers as [Worker, Worker])
  } catch (error) {
    const logs = workers.map(each => each.log().slice(-400)).join(' ')
    throw new Error(`${(error as Error).message} ${logs}`, { cause: error })
  } finally {
    await Promise.all(workers.map(each => each.stop('SIGKILL')))
    await Promise.all([source.close(), target.close()])
    rmSync(directory, { recursive: true, force: true })
  }
}

async function copyThroughBreaks(pair: Pair, [one, two]: readonly [Worker, Worker]): Promise<void> {
  const { from, to, source } = pair
  const topic = unique('sink')
  await source.createTopic({ name: topic, partitions })
  const bytes = 'org.apache.kafka.connect.converters.ByteArrayConverter'
  await one.rest('PUT', `/connectors/${topic}/config`, {
    ...{ 'connector.class': 'kafka-sink', topics: topic, 'tasks.max': '4' },
    ...{ 'key.converter': bytes, 'value.converter': bytes, 'header.converter': bytes },
    ...{ 'kafka.bootstrap.servers': to.bootstrap, 'kafka.topic': `copy.${topic}`, 'kafka.topic.partitions': String(partitions) },
    ...{ 'consumer.override.isolation.level': 'read_committed', 'consumer.override.session.timeout.ms': String(sessionMs) },
  })
  const kill = async (broken: Worker | RunningBroker) => {
    await broken.stop('SIGKILL')
    await broken.restart()
  }
  const breaks = [
    () => kill(one),
    () => standsStill(two.pid),
    () => kill(to),
    () => standsStill(one.pid),
    () => standsStill(to.pid),
    () => kill(from),
    () => Promise.all([kill(two), standsStill(one.pid)]),
  ]
  const every = Math.floor(batches / (breaks.length + 1))
  let breaking: Promise<unknown> = Promise.resolve()
  for (let batch = 0; batch < batches; batch++) {
    if (batch > 0 && batch % every === 0) {
      await breaking
      breaking = breaks.shift()?.() ?? Promise.resolve()
      breaking.catch(() => {})
    }
    // Records come on meanwhile.
    await write(source, topic, partitions, batch * inBatch, inBatch)
    if (batch % 20 === 10) await transaction(pair, topic, batch % 40 === 10)
  }
  await breaking
  await kill(one)
  await requireSame(pair, topic, `copy.${topic}`)
}

async function standsStill(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP')
  await sleep(stillMs)
  process.kill(pid, 'SIGCONT')
}
