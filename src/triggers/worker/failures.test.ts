import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
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
  /** What the process logs. */
  readonly warned: unknown[]
  settled: boolean
}

/** Until it pauses so often. */
async function give(
  entries: Entry[],
  onFailure: Definition['onFailure'],
  { message = 'broken', mostBytes = 1_000, pauses = 1, refusal = null as ClientError | null } = {},
): Promise<Told> {
  const told: Told = { sent: [], stuck: [], warned: [], settled: false }
  const client = {
    async send(_: string, records: readonly RecordToSend[]) {
      if (refusal !== null) throw refusal
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
    failed: (_what: unknown, _error: Error, why: string) => told.stuck.push(why),
    async pause() {
      if (--pauses === 0) throw new Stopped()
    },
  } as unknown as Lane
  const logger = { warn: (details: object) => told.warned.push(details) }
  const context = { client, logs: { write() {} }, logger, system: realSystem() } as unknown as WorkerContext
  const trigger = { name: 'f', version: 1, definition: { onFailure } } as unknown as Trigger
  await sendFailures(trigger, context, lane, entries, { error: new Error(message), attempts: 1 }).catch(error => {
    if (!(error instanceof Stopped)) throw error
  })
  return told
}

const sizesOf = ({ sent }: Told) => sent.map(({ value }) => value!.length)
const dead = { topic: 'dead' }
const refuses = 'the target for failures refuses records that are given up, and until it takes them all others wait: '

async function answering(t: TestContext, status: number): Promise<string> {
  const server = createServer((request, response) => void request.resume().on('end', () => response.writeHead(status).end()))
  await new Promise<void>(resolve => void server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

test('a target that refuses for good is told at once, with what to do', async t => {
  for (const [status, help] of [
    [400, 'let the endpoint take them, or name another target in `onFailure`'],
    [401, 'let the endpoint accept the trigger (its URL may have a key), or name another target in `onFailure`'],
    [404, 'let the endpoint take them, or name another target in `onFailure`'],
  ] as const) {
    const url = await answering(t, status)
    const told = await give([entry(0, 1)], { url: `${url}?key=hush` }, { pauses: 3 })
    assert.deepEqual(told.stuck, Array(3).fill(`${refuses}${url} has answered HTTP ${status}; ${help}`))
    assert.deepEqual([told.warned.length, told.settled], [1, false], 'once, not for each attempt')
    const { topic, partition, err } = told.warned[0] as { topic: string; partition: number; err: Error }
    assert.deepEqual([topic, partition, err.message.includes(help)], ['t', 0, true])
  }
  const moved = await give([entry(0, 1)], { url: await answering(t, 302) })
  assert.match(moved.stuck[0]!, /has answered HTTP 302, and is not followed elsewhere; name the last URL in `onFailure`$/)
  for (const [code, help] of [
    ['TOPIC_AUTHORIZATION_FAILED', "give the services' own user the right to WRITE to the topic dead"],
    ['UNKNOWN_TOPIC_OR_PARTITION', 'make the topic dead'],
    ['INVALID_RECORD', 'let the topic dead take them'],
  ] as const) {
    const told = await give([entry(0, 1)], dead, { refusal: new ClientError(code, 'no') })
    assert.deepEqual([told.stuck, told.warned.length], [[`${refuses}no; ${help}, or name another target in \`onFailure\``], 1])
  }
})

test('a target that is away for a while is waited for without a warning', async t => {
  const url = await answering(t, 503)
  const told = await give([entry(0, 1)], { url })
  assert.deepEqual(told.stuck, [`the target for failures does not take records that are given up: ${url} has answered HTTP 503`])
  const broker = await give([entry(0, 1)], dead, { refusal: new ClientError('NOT_ENOUGH_REPLICAS', 'few') })
  assert.deepEqual([told.warned, broker.warned], [[], []])
})

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
