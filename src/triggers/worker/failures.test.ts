import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { realSystem } from '../../base.ts'
import { ClientError, type RecordToSend } from '../../client.ts'
import type { Definition } from '../definition.ts'
import type { Trigger } from '../store.ts'
import type { Entry } from './batch.ts'
import { sendFailures } from './failures.ts'
import { type Lane, Stopped } from './lane.ts'
import type { WorkerContext } from './worker.ts'

const entry = (offset: number, bytes: number) =>
  ({
    record: { topic: 't', partition: 0, offset: BigInt(offset), timestampMs: 1n, key: null, value: Buffer.alloc(bytes), headers: [] },
  }) as unknown as Entry

interface Told {
  readonly sent: RecordToSend[]
  readonly stuck: string[]
  settled: boolean
}

/** Until it pauses so often. */
async function give(
  entries: Entry[],
  onFailure: Definition['onFailure'],
  { message = 'broken', mostBytes = 1_000, pauses = 1 } = {},
): Promise<Told> {
  const told: Told = { sent: [], stuck: [], settled: false }
  const client = {
    async send(_: string, records: readonly RecordToSend[]) {
      const bytesOf = ({ value, headers = [] }: RecordToSend) =>
        value!.length + headers.reduce((sum, each) => sum + (each.value?.length ?? 0), 0)
      if (records.reduce((sum, each) => sum + bytesOf(each), 0) > mostBytes) throw new ClientError('MESSAGE_TOO_LARGE', 'too large')
      told.sent.push(...records)
      return []
    },
  }
  const lane = {
    ...{ topic: 't', partition: 0 },
    settled: () => (told.settled = true),
    failed: (_: unknown, error: Error) => told.stuck.push(error.message),
    async pause() {
      if (--pauses === 0) throw new Stopped()
    },
  } as unknown as Lane
  const context = { client, logs: { write() {} }, logger: { warn() {} }, system: realSystem() } as unknown as WorkerContext
  const trigger = { name: 'f', version: 1, definition: { onFailure } } as unknown as Trigger
  await sendFailures(trigger, context, lane, entries, { error: new Error(message), attempts: 1 }).catch(error => {
    if (!(error instanceof Stopped)) throw error
  })
  return told
}

const sizesOf = ({ sent }: Told) => sent.map(({ value }) => value!.length)
const dead = { topic: 'dead' }

test('records that are too large together are sent one by one, and one that is too large with its headers with a shorter message', async () => {
  const together = await give([entry(0, 400), entry(1, 500), entry(2, 10)], dead)
  assert.deepEqual([sizesOf(together), together.settled], [[400, 500, 10], true])
  const long = await give([entry(0, 400)], dead, { message: 'x'.repeat(2_000) })
  const said = long.sent[0]!.headers!.find(({ key }) => key.toString() === 'millrace.trigger.error.message')!
  assert.match(String(said.value), /^x{200}… \(shortened, because the record was too large for its topic\)$/)
})

test('a record that is too large alone waits with the reason, and the others are there once', async () => {
  const told = await give([entry(0, 10), entry(1, 2_000), entry(2, 20)], dead, { pauses: 3 })
  assert.deepEqual([sizesOf(told), told.settled], [[10, 20], false])
  assert.match(told.stuck.at(-1)!, /offset 1 of t-0 is too large for the topic dead, whose max\.message\.bytes must be raised: too large/)
})

test('an endpoint that answers 413 gets them one by one', async t => {
  const taken: number[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    const { records } = JSON.parse(body) as { records: { offset: string }[] }
    const isLarge = body.length > 1_000
    if (!isLarge) taken.push(...records.map(each => Number(each.offset)))
    response.writeHead(isLarge ? 413 : 204).end()
  })
  await new Promise<void>(resolve => void server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  const told = await give([entry(0, 300), entry(1, 900), entry(2, 300)], { url }, { pauses: 2 })
  assert.deepEqual(taken, [0, 2])
  assert.match(told.stuck.at(-1)!, /has answered HTTP 413: the record at offset 1 of t-0 is too large for it/)
})
