/** Requests that are harmless individually, but not in large numbers or in combination with others. */
import { connect as connectSocket, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { apis } from '../../src/protocol.ts'
import { createTopic, produce, type RawClient, requestBytes } from '../../test/support/client.ts'
import { buildBatch } from '../world/batches.ts'
import { numbers, type Special } from './specials.ts'
import type { Stage } from './stage.ts'

async function several(count: number, open: () => Promise<RawClient>): Promise<RawClient[]> {
  const clients: RawClient[] = []
  for (let n = 0; n < count; n += 50) clients.push(...(await Promise.all(numbers(Math.min(50, count - n)).map(open))))
  return clients
}

/** Each sends the same; returns the bytes of the longest answer. */
async function allAsk(clients: readonly RawClient[], bytes: Buffer, answers = 1): Promise<number> {
  for (const client of clients) client.send(bytes)
  const lengths = clients.map(async client => {
    let longest = 0
    for (let n = 0; n < answers; n++) longest = Math.max(longest, (await client.nextFrame()).length)
    return longest
  })
  const longest = Math.max(...(await Promise.all(lengths)))
  for (const client of clients) client.close()
  return longest
}

const describing = (names: string[]) => requestBytes(apis.describeGroups, 5, { groups: names, includeAuthorizedOperations: true })

const manyNames: Special = {
  api: apis.describeGroups,
  name: 'thirty clients with 60,000 names each, at once',
  run: async stage => allAsk(await several(30, () => stage.nobody()), describing(numbers(60_000).map(n => `name-${n}`))),
}

const longNames: Special = {
  api: apis.describeGroups,
  name: 'ten clients with 3,000 names of 15,000 characters each, at once',
  run: async stage => allAsk(await several(10, () => stage.nobody()), describing(numbers(3_000).map(n => `${n}`.padStart(15_000, 'x')))),
}

const pipelined: Special = {
  api: apis.heartbeat,
  name: 'ten clients with 10,000 requests each, by one write',
  async run(stage) {
    const one = requestBytes(apis.heartbeat, 4, { groupId: 'group', generationId: 1, memberId: 'm', groupInstanceId: null })
    return allAsk(await several(10, () => stage.nobody()), Buffer.concat(Array(10_000).fill(one)), 10_000)
  },
}

const fetching = { isolationLevel: 0, sessionId: 0, sessionEpoch: -1, forgottenTopicsData: [], maxBytes: 1_000_000 }

const fanOut: Special = {
  api: apis.fetch,
  name: 'five hundred clients that wait for the same record',
  async run(stage) {
    const admin = await stage.admin()
    const topic = `popular-${performance.now()}`
    await createTopic(admin, topic)
    const asked = { topic, partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000_000 }] }
    const bytes = requestBytes(apis.fetch, 11, { ...fetching, maxWaitMs: 30_000, minBytes: 1, topics: [asked] })
    const clients = await several(500, () => stage.admin())
    const answers = allAsk(clients, bytes)
    await sleep(1_000)
    await produce(admin, topic, buildBatch({ values: ['v'], timestampMs: Date.now() }))
    admin.close()
    return answers
  },
}

const scrapers: Special = {
  api: apis.pushTelemetry,
  name: 'a hundred scrapers of metrics that do not read, and some that do',
  async run(stage) {
    const silent = numbers(100).map(() => scrape(stage))
    const pages = numbers(20).map(async () => (await fetch(`http://127.0.0.1:${stage.httpPort}/metrics`)).text())
    const lengths = (await Promise.allSettled(pages)).map(page => (page.status === 'fulfilled' ? page.value.length : 0))
    for (const socket of silent) socket.destroy()
    return Math.max(...lengths)
  },
}

function scrape(stage: Stage): Socket {
  const socket = connectSocket(stage.httpPort, '127.0.0.1').on('error', () => {})
  socket.pause()
  socket.write('GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n')
  return socket
}

export const crowds: readonly Special[] = [manyNames, longNames, pipelined, fanOut, scrapers]
