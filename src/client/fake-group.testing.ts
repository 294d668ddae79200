/** A group without a broker, for tests of its members: a consumer of the library, time that passes when it is told to, and what is committed. */
import { EventEmitter } from 'node:events'
import { Readable } from 'node:stream'
import type { Consumer } from '@platformatic/kafka'
import type { System } from '../base.ts'
import { type ErrorName, errorCode } from '../protocol.ts'
import type { Ask } from './requests.ts'

/** Of the library: what members use of it. */
class FakeConsumer extends EventEmitter {
  readonly topics = { trackAll() {} }
  assignments = [{ topic: 't', partitions: [0, 1] }]
  generationId = 1
  memberId = 'm'
  refusal: Error | null = null
  attempts = 0

  async joinGroup(): Promise<void> {
    this.attempts++
    if (this.refusal !== null) throw this.refusal
    this.emit('consumer:group:join')
  }

  async consume(): Promise<Readable> {
    await this.joinGroup()
    return Object.assign(new Readable({ objectMode: true, read() {} }), { async close() {} })
  }

  async close(): Promise<void> {}
}

interface OffsetCommit {
  generationIdOrMemberEpoch: number
  topics: { name: string; partitions: { partitionIndex: number }[] }[]
}

export function fakeGroup() {
  const consumer = new FakeConsumer()
  const due: (() => void)[] = []
  const timers = {
    after(_: number, work: () => void) {
      due.push(work)
      return { cancel() {} }
    },
  }
  const committed: [generation: number, partitions: number[]][] = []
  /** Answers of the next commits, which are then not done. */
  const refusals: ErrorName[] = []
  const requests = {
    async ask(_: unknown, { generationIdOrMemberEpoch, topics }: OffsetCommit) {
      const refusal = refusals.shift()
      if (refusal === undefined)
        committed.push([generationIdOrMemberEpoch, topics.flatMap(({ partitions }) => partitions.map(each => each.partitionIndex))])
      const answered = { errorCode: refusal === undefined ? 0 : errorCode(refusal) }
      return { topics: topics.map(({ name, partitions }) => ({ name, partitions: partitions.map(each => ({ ...each, ...answered })) })) }
    },
  }
  const ask = ((work: (over: typeof requests) => unknown) => work(requests)) as unknown as Ask
  const system = { timers, clock: { monotonic: () => 0 } } as unknown as System
  const pass = async () => {
    for (const work of due.splice(0)) work()
    // Nothing here waits for anything but promises.
    for (let turns = 0; turns < 100; turns++) await null
  }
  return { consumer, asConsumer: consumer as unknown as Consumer, system, ask, committed, refusals, pass }
}
