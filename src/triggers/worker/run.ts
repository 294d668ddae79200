/**
 * One trigger on this worker: a member of the trigger's consumer group, which calls the function with the records of the partitions that it is given.
 *
 * That several workers share a trigger is Kafka's group membership. Offsets are committed for what is done, so that a worker that dies makes its records
 * be called with again, by another one. Whatever fails here fails this trigger only, and is tried again.
 */
import { growingMs, settledWithin } from '../../base.ts'
import { ClientError, type Membership, mayPass, type OwnPartition, type PartitionName, type Reader } from '../../client.ts'
import { topicMatcher } from '../check.ts'
import { groupOf } from '../definition.ts'
import { compileFilter } from '../filter.ts'
import { clientOf } from '../principal.ts'
import type { Trigger } from '../store.ts'
import { Caller } from './caller.ts'
import type { Lane, Trouble } from './lane.ts'
import type { WorkerContext } from './worker.ts'

/** RETRYING: it reads, but of a partition the same records are tried again, for a while or because what was made of them could not be delivered. */
export type RunState = 'STARTING' | 'RUNNING' | 'RETRYING' | 'WAITING' | 'FAILED' | 'STOPPED'

const pauseMs = { first: 1_000, last: 30_000 }
const pollMs = 250
const pollBytes = 8_388_608
/** Of all partitions together. */
const mostWaitingBytes = 33_554_432
const commitMs = 500
const topicsMs = 5_000
/** For a first topic. */
const waitingMs = 1_000
const idleMs = 50
const mostEndMs = 5_000
/** What is tried again for less is not worth a word. */
const retryingMs = 3_000

/** Of a partition whose records are tried again. */
interface Stuck extends PartitionName {
  readonly trouble: Trouble
}

/** Of a lane that has ended by an error, with its session. */
interface Broken extends Stuck {
  /** Where it begins again. */
  readonly done: bigint
  readonly oldestMs: number | null
}

export class TriggerRun {
  readonly trigger: Trigger
  #state: RunState = 'STARTING'
  #reason: string | null = null
  /** `client`: of who the trigger acts as. */
  #context: WorkerContext
  readonly #own: WorkerContext['client']
  readonly #stop = new AbortController()
  readonly #lanes = new Map<string, Lane>()
  #running: Promise<void> = Promise.resolve()
  #wake: () => void = () => {}
  #committed = new Map<string, bigint>()
  /** Of the lanes: since which joining of the group their partitions are its own. */
  #since: ReadonlyMap<string, number> = new Map()
  /** What ends the session: the error of a lane. */
  #failure: unknown = null
  /** By partition, until records that have failed are done, or another's to do. */
  readonly #broken = new Map<string, Broken>()
  /** Topics that were there when it was looked last; null: it was not. */
  #seen: ReadonlySet<string> | null = null
  /** Made while the trigger was there: all that they hold is newer than it. */
  readonly #made = new Set<string>()

  constructor(trigger: Trigger, context: WorkerContext) {
    this.trigger = trigger
    this.#context = context
    this.#own = context.client
  }

  start(): void {
    this.#running = this.#run()
  }

  /** Resolves when it has left its group. Calls under way are waited for, if they do not take long. */
  async stop(): Promise<void> {
    this.#state = 'STOPPED'
    this.#stop.abort()
    this.#wake()
    await this.#running
  }

  get state(): RunState {
    return this.#state === 'RUNNING' && this.#stuck !== null ? 'RETRYING' : this.#state
  }

  /** Why it does not run, has failed, or does not get ahead. */
  get reason(): string | null {
    const stuck = this.#state === 'RUNNING' ? this.#stuck : null
    if (stuck === null) return this.#reason
    const { topic, partition, trouble } = stuck
    const { times, sinceMs, message } = trouble
    return `${topic}-${partition} has been tried ${times === 1 ? 'once' : `${times} times`} since ${new Date(sinceMs).toISOString()}: ${message}`
  }

  /** Of the oldest record that is not done; 0: none waits. */
  get ageMs(): number {
    const waiting = [...this.#lanes.values(), ...this.#broken.values()]
    const times = waiting.map(({ oldestMs }) => oldestMs).filter(each => each !== null)
    return times.length === 0 ? 0 : Math.max(0, this.#context.system.clock.now() - Math.min(...times))
  }

  /** The partition of which the same records have been tried longest. */
  get #stuck(): Stuck | null {
    const latestMs = this.#context.system.clock.now() - retryingMs
    const stuck: Stuck[] = [...this.#broken.values()]
    for (const { topic, partition, trouble } of this.#lanes.values())
      if (trouble !== null && trouble.sinceMs <= latestMs) stuck.push({ topic, partition, trouble })
    return stuck.sort((a, b) => a.trouble.sinceMs - b.trouble.sinceMs)[0] ?? null
  }

  get partitions(): PartitionName[] {
    return Array.from(this.#lanes.values(), ({ topic, partition }) => ({ topic, partition }))
  }

  async #run(): Promise<void> {
    const { system, logger, logs } = this.#context
    const { name } = this.trigger
    let failures = 0
    while (!this.#isStopped) {
      const beganMs = system.clock.monotonic()
      try {
        await this.#asPrincipal(() => this.#session())
        failures = 0
      } catch (error) {
        if (this.#isStopped) break
        if (system.clock.monotonic() - beganMs > pauseMs.last) failures = 0
        // What a lane has failed by is told by its partition.
        this.#state = error === this.#failure ? 'RUNNING' : 'FAILED'
        this.#reason = (error as Error).message
        logger.warn({ trigger: name, err: error }, 'a trigger has failed; it is started again')
        logs.write(this.trigger, 'system', `the trigger has failed and is started again: ${(error as Error).message}`)
        await this.#pause(growingMs(pauseMs, failures++))
      }
    }
  }

  async #asPrincipal(work: () => Promise<void>): Promise<void> {
    const { acting, bootstrap } = this.#context
    const { client, close } = await clientOf(this.trigger.definition.principal, { own: this.#own, acting, bootstrap })
    this.#context = { ...this.#context, client }
    try {
      await work()
    } finally {
      await close()
    }
  }

  get #group(): string {
    return groupOf(this.trigger.name, this.trigger.definition)
  }

  get #isStopped(): boolean {
    return this.#stop.signal.aborted
  }

  /** As a member of the group, until it is stopped, the topics change, or something fails. */
  async #session(): Promise<void> {
    const { client, system } = this.#context
    const topics = await this.#topics()
    if (topics.length === 0) {
      this.#broken.clear()
      this.#state = 'WAITING'
      this.#reason = 'there is no such topic yet'
      await this.#pause(waitingMs)
      return
    }
    this.#failure = null
    const filter = await compileFilter(this.trigger.definition.filter, system.clock)
    const membership = await client.join({ group: this.#group, topics })
    const reader = client.openReader()
    const caller = new Caller(this.trigger, this.#context, membership, filter)
    try {
      let lookedMs = system.clock.monotonic()
      let committedMs = lookedMs
      while (!this.#isStopped) {
        await this.#round(membership, reader, caller)
        if (this.#failure !== null) throw this.#failure
        if (this.#isStopped) break
        // Not before: what has failed may fail again.
        this.#state = 'RUNNING'
        this.#reason = null
        const now = system.clock.monotonic()
        if (now - committedMs >= commitMs) {
          committedMs = now
          await this.#commit(caller)
        }
        if (now - lookedMs >= topicsMs) {
          lookedMs = now
          if (String(await this.#topics()) !== String(topics)) break
        }
      }
    } finally {
      await this.#endLanes()
      await this.#commit(caller).catch(() => {})
      this.#lanes.clear()
      this.#context.fetched.set(this, 0)
      this.#committed.clear()
      await Promise.allSettled([caller.close(), reader.close(), membership.close()])
    }
  }

  /** What is done then is committed; the rest is called with again. */
  async #endLanes(): Promise<void> {
    const lanes = [...this.#lanes.values()]
    await settledWithin(
      this.#context.system.timers,
      mostEndMs,
      lanes.map(lane => lane.end()),
    )
    for (const lane of lanes) lane.stop()
  }

  /** Those that are there, sorted. */
  async #topics(): Promise<string[]> {
    const { topics } = this.trigger.definition
    const names = topics === undefined ? await this.#matching() : await this.#existing(topics)
    if (this.#seen !== null) for (const name of names) if (!this.#seen.has(name)) this.#made.add(name)
    this.#seen = new Set(names)
    return names
  }

  /** Not by the list of all topics: there may be many of them, and many triggers. */
  async #existing(topics: readonly string[]): Promise<string[]> {
    const rights = await this.#context.client.topicRights(topics)
    return topics.filter(each => typeof rights.get(each) === 'object').sort()
  }

  async #matching(): Promise<string[]> {
    const { topicPattern, onFailure, output } = this.trigger.definition
    const names = await this.#context.client.topicNames()
    const matches = topicMatcher(topicPattern!)
    const own = [onFailure, output].map(each => (each !== null && 'topic' in each ? each.topic : null))
    return names.filter(each => !each.startsWith('__') && matches(each) && !own.includes(each))
  }

  /** Takes what is assigned now, and fetches once for those that want more. */
  async #round(membership: Membership, reader: Reader, caller: Caller): Promise<void> {
    await this.#assign(membership.assignments(), caller)
    for (const [name, { done }] of this.#broken) {
      const lane = this.#lanes.get(name)
      if (lane === undefined || lane.done > done) this.#broken.delete(name)
    }
    const lanes = [...this.#lanes.values()]
    const bytes = lanes.reduce((sum, lane) => sum + lane.bytes, 0)
    const { fetched } = this.#context
    fetched.set(this, bytes)
    // Whoever has nothing at all gets something.
    const hungry = lanes.filter(lane => lane.wantsMore && ((bytes < mostWaitingBytes && !fetched.isFull) || lane.bytes === 0))
    if (hungry.length === 0) return this.#pause(idleMs)
    const positions = hungry.map(({ topic, partition, next }) => ({ topic, partition, offset: next }))
    const { records, next, outOfRange } = await reader.poll({ positions, maxWaitMs: pollMs, maxBytes: pollBytes, committedOnly: true })
    if (this.#isStopped) return
    for (const record of records) this.#lanes.get(nameOf(record))?.push(record)
    for (const each of next) this.#lanes.get(nameOf(each))?.fetched(each.offset)
    for (const each of outOfRange) this.#lanes.get(nameOf(each))?.fetched(await this.#otherwise(each))
  }

  async #assign(assigned: readonly OwnPartition[], caller: Caller): Promise<void> {
    const since = new Map(assigned.map(each => [nameOf(each), each.since]))
    // Others may have read it meanwhile, and have committed more than this lane has done.
    for (const [name, lane] of this.#lanes)
      if (since.get(name) !== this.#since.get(name)) {
        lane.stop()
        this.#lanes.delete(name)
        this.#committed.delete(name)
      }
    this.#since = since
    const fresh = assigned.filter(each => !this.#lanes.has(nameOf(each)))
    if (fresh.length === 0) return
    const { client } = this.#context
    await caller.begin(fresh)
    const stored = new Map((await client.stableOffsets(this.#group)).map(each => [nameOf(each), each.offset]))
    for (const each of fresh) {
      const from = stored.get(nameOf(each)) ?? (await this.#begin(each))
      this.#committed.set(nameOf(each), stored.get(nameOf(each)) ?? -1n)
      const lane = caller.lane(each, from, error => this.#failed(lane, error))
      this.#lanes.set(nameOf(each), lane)
    }
  }

  #failed(lane: Lane, error: unknown): void {
    // What another has taken over is its own to do.
    if (lane.signal.aborted) return
    const { topic, partition, done, oldestMs } = lane
    const name = nameOf(lane)
    const { sinceMs = this.#context.system.clock.now(), times = 0 } = this.#broken.get(name)?.trouble ?? {}
    const trouble = { sinceMs, times: times + 1, message: (error as Error).message }
    this.#broken.set(name, { topic, partition, done, oldestMs, trouble })
    this.#failure ??= error
    this.#wake()
  }

  /** Where it starts in a partition that it has never read. */
  async #begin({ topic, partition }: PartitionName): Promise<bigint> {
    const { start } = this.trigger.definition
    const latest = this.#made.has(topic) ? 'earliest' : 'latest'
    const query = start === 'latest' ? latest : start === 'oldest' ? 'earliest' : { timestampMs: BigInt(Date.parse(start)) }
    return (await this.#context.client.offsets(topic, [partition], query)).get(partition)!
  }

  /** Its records are gone. */
  async #otherwise({ topic, partition }: PartitionName): Promise<bigint> {
    const query = this.trigger.definition.start === 'latest' ? 'latest' : 'earliest'
    const offset = (await this.#context.client.offsets(topic, [partition], query)).get(partition)!
    this.#context.logger.warn(
      { trigger: this.trigger.name, topic, partition, offset: String(offset) },
      'records that a trigger has not read are gone',
    )
    return offset
  }

  /** What is done and not committed yet; also where a new partition begins, so that its begin stays the same. */
  async #commit(caller: Caller): Promise<void> {
    const offsets = [...this.#lanes]
      .filter(([name, lane]) => this.#committed.get(name) !== lane.done)
      .map(([, { topic, partition, done }]) => ({ topic, partition, offset: done }))
    if (offsets.length === 0) return
    try {
      const committed = await caller.commit(offsets)
      for (const each of committed) if (this.#committed.has(nameOf(each))) this.#committed.set(nameOf(each), each.offset)
    } catch (error) {
      // The group is being shared out anew, or a broker is away: it is committed later, or by others.
      if (!(error instanceof ClientError) || !(error.code === 'REBALANCE_IN_PROGRESS' || mayPass(error))) throw error
    }
  }

  /** Ends early when there is something to do. */
  #pause(ms: number): Promise<void> {
    return new Promise(resolve => {
      if (this.#isStopped) return resolve()
      const timer = this.#context.system.timers.after(ms, resolve)
      this.#wake = () => {
        timer.cancel()
        resolve()
      }
    })
  }
}

function nameOf({ topic, partition }: PartitionName): string {
  return `${topic} ${partition}`
}
