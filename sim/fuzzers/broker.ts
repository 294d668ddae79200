/**
 * Sends random, mutated and truncated frames to a running broker, some of them before authentication: it answers or closes, other
 * connections are served in time, memory stays bounded, no promise rejection is unhandled, and no client gets in without the password.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../../src/logger.ts'
import { startBroker } from '../../src/millrace.ts'
import { type Api, apis } from '../../src/protocol.ts'
import { connect, createTopic, fetchRecords, produce, type RawClient, requestBytes } from '../../test/support/client.ts'
import { buildBatch } from '../world/batches.ts'
import type { SeededRandom } from '../world/random.ts'
import { randomExchange, saslConfig } from './exchange.ts'
import { type Fuzzer, FuzzFinding } from './fuzzer.ts'
import { randomMessage } from './grammar.ts'
import { mutate } from './mutate.ts'
import { mutateRecords, randomBatch } from './records.ts'

const names = ['fuzz', 'compacted', 'group-a', 'group-b', 'member', 'range', 'consumer']
const connectionsAtOnce = 8
const strangersAtOnce = 4
const framesPerConnection = 6
/** How long a wave of connections gets before it is cut; most inputs are answered or refused in a few milliseconds. */
const waveMs = 20
const innocentDeadlineMs = 2000
const mostRss = 1.5 * 2 ** 30

export async function brokerFuzzer(): Promise<Fuzzer> {
  const logger = new Admitted()
  const broker = await startBroker({ memory: true, config: saslConfig, logger })
  const innocent = await connect(broker.port, 'innocent')
  await createTopic(innocent, 'fuzz', 3)
  await createTopic(innocent, 'compacted', 1, { 'cleanup.policy': 'compact' })
  await createTopic(innocent, 'innocent', 1)
  const heard: unknown[] = []
  const hear = (error: unknown) => void heard.push(error)
  process.on('unhandledRejection', hear).on('uncaughtException', hear)
  let offset = 0
  return {
    name: 'broker',
    async once(random) {
      const frames = Array.from({ length: connectionsAtOnce }, () => Array.from({ length: framesPerConnection }, () => randomFrame(random)))
      const strangers = Array.from({ length: strangersAtOnce }, () => randomExchange(random, () => randomFrame(random)))
      const saslPort = broker.ports.get('SASL_PLAINTEXT')!
      await Promise.all([...frames.map(each => sendAll(broker.port, each)), ...strangers.map(each => sendAll(saslPort, each))])
      const input = Buffer.concat([...frames, ...strangers].flat())
      if (logger.wrong !== null) throw new FuzzFinding(`an unauthenticated client was accepted as ${logger.wrong}`, input)
      await innocentIsServed(innocent, offset++, input)
      if (heard.length > 0)
        throw new FuzzFinding(`unhandled error: ${heard.map(each => (each as Error).stack ?? String(each)).join('\n')}`, input)
      const { rss } = process.memoryUsage()
      if (rss > mostRss) throw new FuzzFinding(`the process grew to ${Math.round(rss / 2 ** 20)} MiB`, input)
    },
    async close() {
      innocent.close()
      await broker.close()
      process.off('unhandledRejection', hear).off('uncaughtException', hear)
    },
  }
}

/** Listens to the audit log for who was let in. */
class Admitted implements Logger {
  readonly level = 'debug'
  wrong: string | null = null

  debug(details: object, message: string): void {
    const { principal } = details as { principal?: string }
    if (message === 'audit: authenticated' && principal !== 'User:fuzz') this.wrong = String(principal)
  }
  info(): void {}
  warn(): void {}
  error(): void {}
}

/** A request of any API and version, as it should be or not. */
function randomFrame(random: SeededRandom): Buffer {
  const api = random.chance(0.15) ? apis.produce : (random.pick(Object.values(apis)) as Api)
  const version = api.minVersion + random.below(api.maxVersion - api.minVersion + 1)
  const records = () => (random.chance(0.5) ? randomBatch(random) : mutateRecords(randomBatch(random), random))
  const message = randomMessage(api.request, { random, version, names, records })
  const frame = requestBytes(api, version, message as never, random.below(1000))
  if (random.chance(0.4)) return frame
  // Behind the size, so that the frame arrives whole; now and then the size itself lies.
  const body = mutate(frame.subarray(4), random)
  const size = Buffer.alloc(4)
  size.writeInt32BE(random.chance(0.05) ? random.pick([-1, 0, 3, 2 ** 31 - 1, 1_195_725_856]) : body.length)
  return Buffer.concat([size, body])
}

async function sendAll(port: number, frames: readonly Buffer[]): Promise<void> {
  const client = await connect(port, 'fuzzer')
  for (const frame of frames) client.send(frame)
  await Promise.race([client.closed, sleep(waveMs)])
  client.close()
}

async function innocentIsServed(client: RawClient, offset: number, input: Buffer): Promise<void> {
  const value = `innocent-${offset}`
  const work = async () => {
    const { errorCode, baseOffset } = await produce(client, 'innocent', buildBatch({ values: [value] }))
    if (errorCode !== 0) throw new Error(`an innocent client's produce failed with ${errorCode}`)
    const { records } = await fetchRecords(client, 'innocent', baseOffset)
    if (!records.includes(value)) throw new Error('an innocent client cannot read what it wrote')
  }
  const late = sleep(innocentDeadlineMs, 'late')
  const outcome = await Promise.race([work().then(() => 'served'), late]).catch(error => String(error))
  if (outcome !== 'served') throw new FuzzFinding(`a well-behaved client after hostile input: ${outcome}`, input)
}
