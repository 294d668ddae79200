/** The target of the worst requests: a broker and a victim in separate processes, connections to them, and their measurements. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { apis } from '../../src/protocol.ts'
import { connect, createTopic, findCoordinator, type RawClient } from '../../test/support/client.ts'
import type { Question, Report } from './broker-process.ts'
import type { Stock } from './shapes.ts'

export interface Measured extends Report {
  /** Of the victim, in milliseconds; null without one. */
  waits: readonly number[] | null
}

const partitions = 1_000
/** As `npm start` and the image run the broker: collections of a larger young generation take longer (ADR 0007). */
const asStarted = ['--max-semi-space-size=2', '--no-parallel-scavenge']

export class Stage {
  readonly stock: Stock
  readonly #broker: ChildProcess
  readonly #victim: ChildProcess | null
  readonly #ports: Record<string, number>

  private constructor(broker: ChildProcess, ports: Record<string, number>, victim: ChildProcess | null, stock: Stock) {
    this.#broker = broker
    this.#ports = ports
    this.#victim = victim
    this.stock = stock
  }

  static async open({ victim, config = {} }: { victim: boolean; config?: Record<string, string> }): Promise<Stage> {
    const broker = fork(new URL('broker-process.ts', import.meta.url), [JSON.stringify(config)], { execArgv: asStarted })
    const [ports] = (await once(broker, 'message')) as [Record<string, number>]
    const client = await admin(ports.SASL_PLAINTEXT!)
    await createTopic(client, 'victim')
    const topicId = await createTopic(client, 'wide', partitions)
    await findCoordinator(client, 'group')
    client.close()
    const process = victim ? fork(new URL('victim-process.ts', import.meta.url), [String(ports.SASL_PLAINTEXT)]) : null
    if (process !== null) await once(process, 'message')
    return new Stage(broker, ports, process, { topic: 'wide', topicId, partitions, group: 'group' })
  }

  /** A client that may do everything. */
  admin(): Promise<RawClient> {
    return admin(this.#ports.SASL_PLAINTEXT!)
  }

  /** Where metrics are. */
  get httpPort(): number {
    return this.#ports.http!
  }

  /** A client that may do nothing. */
  nobody(): Promise<RawClient> {
    return connect(this.#ports.PLAINTEXT!, 'nobody')
  }

  /** What happened since it was asked last. */
  async measured(): Promise<Measured> {
    const victim = this.#victim === null ? null : ask<number[]>(this.#victim, 'report')
    const [report, waits] = await Promise.all([ask<Report>(this.#broker, 'report'), victim])
    return { ...report, waits }
  }

  /** Of the broker. */
  usedBytes(): Promise<number> {
    return ask<number>(this.#broker, 'used bytes')
  }

  close(): void {
    this.#victim?.disconnect()
    this.#broker.disconnect()
  }
}

async function ask<T>(process: ChildProcess, question: Question): Promise<T> {
  process.send(question)
  return (await once(process, 'message'))[0] as T
}

export async function admin(port: number): Promise<RawClient> {
  const client = await connect(port, 'admin')
  await client.request(apis.saslHandshake, 1, { mechanism: 'PLAIN' })
  const { errorCode } = await client.request(apis.saslAuthenticate, 2, { authBytes: Buffer.from('\0admin\0admin-pw') })
  if (errorCode !== 0) throw new Error(`admin cannot log in: ${errorCode}`)
  return client
}
