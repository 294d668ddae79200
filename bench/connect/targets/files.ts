/** Files: connectors that cost little themselves, so that what is measured is the worker. */
import { createWriteStream, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import { fileSink, fileSource } from '../../../compat/connect/worker.ts'
import type { Client } from '../../../src/client.ts'
import { becomes, type Place, type Row, type Target } from '../target.ts'

const lineBytes = 100
const partitions = 4
const fullCount = 1_000_000

export const files: Target = {
  name: 'files',
  rows: ['sink', 'source'],
  about: `Kafka's connectors for files and ours; lines of ${lineBytes} bytes. They cost little themselves.`,
  async open({ client, directory, scale }) {
    const count = fullCount * scale
    await fill(client, count, join(directory, 'lines'))
    return { rows: [sinkRow(count, directory), sourceRow(count, { client, directory })], async close() {} }
  },
}

function sinkRow(records: number, directory: string): Row {
  return {
    name: 'sink',
    what: 'topic of 4 partitions to a file, 2 tasks',
    records,
    async pass(worker, _, id) {
      const file = join(directory, id)
      const { name, ...config } = fileSink(id, file, 'lines', { 'tasks.max': '2' })
      await worker.rest('PUT', `/connectors/${name}/config`, config)
      await becomes(worker, id, () => (statSync(file, { throwIfNoEntry: false })?.size ?? 0) >= records * lineBytes)
      rmSync(file)
    },
  }
}

function sourceRow(records: number, { client, directory }: Pick<Place, 'client' | 'directory'>): Row {
  return {
    name: 'source',
    what: 'file to a topic of 1 partition, 1 task',
    records,
    async pass(worker, _, id) {
      const { name, ...config } = fileSource(id, join(directory, 'lines'), id)
      await client.createTopic({ name: id, partitions: 1 })
      await worker.rest('PUT', `/connectors/${name}/config`, config)
      await becomes(worker, id, async () => ((await client.offsets(id, [0], 'latest')).get(0) ?? 0n) >= BigInt(records))
    },
  }
}

const line = (at: number) => String(at).padEnd(lineBytes - 1, 'abcdefghij')

/** The same lines as a file and as a topic. */
async function fill(client: Client, count: number, file: string): Promise<void> {
  const stream = createWriteStream(file)
  await client.createTopic({ name: 'lines', partitions })
  const together = 5_000
  for (let from = 0; from < count; from += together) {
    const some = Array.from({ length: Math.min(together, count - from) }, (_, at) => line(from + at))
    stream.write(`${some.join('\n')}\n`)
    await client.send(
      'lines',
      some.map((value, at) => ({ key: null, value: Buffer.from(value), partition: at % partitions })),
    )
  }
  stream.end()
  await finished(stream)
}
