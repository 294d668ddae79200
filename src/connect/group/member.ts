/**
 * Membership in the group of workers: joins, tells what it runs, learns what to run, and assigns if it leads.
 *
 * What it runs goes on during a rebalance; only what is taken away stops. A worker that has lost the group for longer than its session stops all it
 * runs, because others may have begun it.
 */
import { growingMs, type System, settledWithin } from '../../base.ts'
import { type ClassicMembership, type Client, ClientError } from '../../client.ts'
import { isEmptyWork, nameOfTask, noWork, type TaskId, type Work, withoutWork, withWork } from '../names.ts'
import { Assignor, type Configured } from './assignor.ts'
import {
  type Assignment,
  decodeAssignment,
  decodeWorkerState,
  encodeAssignment,
  encodeWorkerState,
  type ProtocolName,
  type WorkerState,
} from './protocol.ts'

export interface GroupSettings {
  readonly group: string
  /** The preferred one first. */
  readonly protocols: readonly ProtocolName[]
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
  readonly heartbeatMs: number
  readonly maxDelayMs: number
}

/** What the group needs of the worker. */
export interface GroupMember {
  /** After the last record of the configurations that was read. */
  readonly offset: bigint
  /** By connector the number of its tasks. */
  readonly configured: Configured
  /** Resolves when all configurations that are there have been read. */
  catchUp(): Promise<void>
  /** Stops what is not in `work`, then begins the rest. `leads`: this worker is the one that decides. Does not reject. */
  assigned(work: Work, assignment: { readonly generation: number; readonly leads: boolean }): Promise<void>
}

interface LeaderView {
  readonly urls: ReadonlyMap<string, string>
  readonly all: ReadonlyMap<string, Work>
}

export interface MembershipOptions {
  readonly client: Client
  readonly url: string
  readonly settings: GroupSettings
  readonly member: GroupMember
  readonly system: Pick<System, 'clock' | 'timers'>
  readonly logger: { info(fields: object, message: string): void; warn(fields: object, message: string): void }
}

const pauseMs = { first: 250, last: 5_000 }
const lastWordsMs = 2_000

export class Membership {
  readonly #options: MembershipOptions
  readonly #assignor: Assignor
  #work = noWork
  #memberId = ''
  #membership: ClassicMembership | null = null
  #lastGeneration = -1
  #assignment: Assignment | null = null
  #leaderView: LeaderView | null = null
  #mustRejoin = false
  #isSettled = false
  #lastContactMs = 0
  #failures = 0
  /** Aborted when it is closed: it does not wait for the others then. */
  readonly #closing = new AbortController()
  #running: Promise<void> = Promise.resolve()
  #wake: (() => void) | null = null
  #waiting: (() => void)[] = []

  constructor(options: MembershipOptions) {
    const { settings, system } = options
    this.#options = options
    this.#assignor = new Assignor(settings.maxDelayMs, () => system.clock.monotonic())
  }

  /** Of the last generation that was completed. */
  get generation(): number {
    return this.#lastGeneration
  }

  get isLeader(): boolean {
    return this.#isSettled && this.#assignment?.leader === this.#memberId
  }

  /** Where the leader is reached; null while it is not known. */
  get leaderUrl(): string | null {
    return this.#isSettled ? (this.#assignment?.leaderUrl ?? null) : null
  }

  /** Whether nothing is being moved: what is asked for now is not made obsolete by a round that has begun. */
  get isSettled(): boolean {
    return this.#isSettled && !this.#mustRejoin
  }

  /** Of the worker that runs it, as far as this one leads; null: not known. */
  ownerOf(what: string | TaskId): string | null {
    const view = this.#leaderView
    if (view === null) return null
    const wanted = typeof what === 'string' ? what : nameOfTask(what)
    for (const [member, { connectors, tasks }] of view.all) {
      const has = typeof what === 'string' ? connectors.includes(wanted) : tasks.some(each => nameOfTask(each) === wanted)
      if (has) return view.urls.get(member) ?? null
    }
    return null
  }

  start(): void {
    this.#lastContactMs = this.#options.system.clock.monotonic()
    this.#running = this.#run()
  }

  /** Something has changed that all have to agree on. */
  rejoin(): void {
    this.#mustRejoin = true
    this.#wake?.()
  }

  /** Resolves when the group has settled, or after this time. */
  async settled(ms: number): Promise<void> {
    if (this.isSettled) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#waiting.push(resolve)
    await settledWithin(this.#options.system.timers, ms, [promise])
  }

  async close(): Promise<void> {
    this.#isSettled = false
    this.#closing.abort()
    this.#wake?.()
    const { client, system } = this.#options
    await settledWithin(system.timers, lastWordsMs, [this.#running])
    if (this.#membership !== null) await settledWithin(system.timers, lastWordsMs, [client.leaveGroup(this.#membership).catch(() => {})])
    await client.close()
    // What was under way may have no answer any more.
    await settledWithin(system.timers, lastWordsMs, [this.#running])
  }

  get #closed(): boolean {
    return this.#closing.signal.aborted
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      try {
        await this.#generationOnce()
        this.#failures = 0
      } catch (error) {
        if (this.#closed) return
        await this.#failed(error)
      }
    }
  }

  async #failed(error: unknown): Promise<void> {
    const { system, settings, logger, member } = this.#options
    this.#isSettled = false
    const code = error instanceof ClientError ? error.code : ''
    if (code === 'REBALANCE_IN_PROGRESS') return
    if (forgetting.has(code)) this.#memberId = ''
    logger.warn({ group: settings.group, err: error }, 'this worker is in no group; it is tried again')
    if (system.clock.monotonic() - this.#lastContactMs > settings.sessionTimeoutMs && !isEmptyWork(this.#work)) {
      this.#work = noWork
      await member.assigned(noWork, { generation: this.#lastGeneration, leads: false })
    }
    if (!forgetting.has(code)) await this.#pause(growingMs(pauseMs, this.#failures++))
  }

  /** From joining to the next rebalance. */
  async #generationOnce(): Promise<void> {
    const { client, member } = this.#options
    await member.catchUp()
    this.#mustRejoin = false
    const { signal } = this.#closing
    const membership = await client.joinGroup({ ...this.#joining(), memberId: this.#memberId, signal })
    this.#membership = membership
    this.#memberId = membership.memberId
    this.#touch()
    const leads = membership.leader === membership.memberId
    if (!leads) this.#leaderView = null
    const bytes = await client.syncGroup(membership, leads ? await this.#assign(membership) : new Map(), signal)
    this.#touch()
    const assignment = decodeAssignment(bytes)
    this.#assignment = assignment
    this.#lastGeneration = membership.generation
    this.#work = withWork(withoutWork(this.#work, assignment.revoked), assignment.assigned)
    if (assignment.error !== 0) {
      await this.#pause(pauseMs.first)
      return
    }
    const { generation } = membership
    const handled = member.assigned(this.#work, { generation, leads: assignment.leader === membership.memberId })
    // Whoever stops something tells it as soon as it has stopped, so that others may begin it.
    const movesOn = !isEmptyWork(assignment.revoked)
    if (!movesOn) this.#settle()
    try {
      await this.#stay(membership, assignment, movesOn ? handled : null)
    } finally {
      this.#isSettled = false
      await handled
    }
  }

  #joining() {
    const { group, protocols, sessionTimeoutMs, rebalanceTimeoutMs } = this.#options.settings
    const { url, member } = this.#options
    const state = { url, offset: member.offset, work: this.#work }
    const leader = { leader: this.#assignment?.leader ?? '', leaderUrl: this.#assignment?.leaderUrl ?? '' }
    return {
      group,
      protocolType: 'connect',
      protocols: protocols.map(name => ({ name, metadata: encodeWorkerState(state, leader, name) })),
      sessionTimeoutMs,
      rebalanceTimeoutMs,
    }
  }

  /** Heartbeats until the group changes, or, with `until`, until that is done. */
  async #stay(membership: ClassicMembership, { delayMs }: Assignment, until: Promise<void> | null): Promise<void> {
    const { client, settings, system } = this.#options
    const rejoinAt = delayMs > 0 ? system.clock.monotonic() + delayMs : Number.POSITIVE_INFINITY
    let isDone = false
    void until?.then(() => {
      isDone = true
      this.#wake?.()
    })
    while (!this.#closed) {
      const left = rejoinAt - system.clock.monotonic()
      if (this.#mustRejoin || isDone || left <= 0) return
      await this.#pause(Math.min(settings.heartbeatMs, left))
      if (this.#closed || this.#mustRejoin || isDone) return
      try {
        await client.heartbeatGroup(membership)
        this.#touch()
      } catch (error) {
        if (error instanceof ClientError && error.code === 'REBALANCE_IN_PROGRESS') return
        throw error
      }
    }
  }

  /** Decides for all. */
  async #assign({ members, memberId, generation, protocol }: ClassicMembership): Promise<Map<string, Buffer>> {
    const { member } = this.#options
    const name = protocol as ProtocolName
    const states = new Map(members.map(each => [each.memberId, this.#stateIn(each.metadata)]))
    const newest = Array.from(states.values(), ({ offset }) => offset).reduce((a, b) => (a > b ? a : b), -1n)
    await member.catchUp()
    const common = { leader: memberId, leaderUrl: this.#options.url, offset: newest > member.offset ? newest : member.offset }
    if (member.offset < newest) {
      const told = encodeAssignment({ error: 1, ...common, assigned: noWork, revoked: noWork, delayMs: 0 }, name)
      return new Map(members.map(each => [each.memberId, told]))
    }
    const works = new Map(Array.from(states, ([id, { work }]) => [id, work]))
    const urls = new Map(Array.from(states, ([id, { url }]) => [id, url]))
    const round = this.#assignor.assign(member.configured, works, { lastGeneration: this.#lastGeneration, generation, urls })
    this.#leaderView = { urls, all: round.all }
    return new Map(
      members.map(({ memberId: id }) => {
        const [assigned, revoked] = [round.assigned.get(id)!, round.revoked.get(id)!]
        return [id, encodeAssignment({ error: 0, ...common, assigned, revoked, delayMs: Math.ceil(round.delayMs) }, name)]
      }),
    )
  }

  /** Whoever is no worker must not keep the others from having an assignment. */
  #stateIn(metadata: Buffer): WorkerState {
    try {
      return decodeWorkerState(metadata)
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'a member of the group is no worker of Kafka Connect')
      return { url: '', offset: -1n, work: noWork }
    }
  }

  #settle(): void {
    this.#isSettled = true
    for (const resume of this.#waiting.splice(0)) resume()
  }

  #touch(): void {
    this.#lastContactMs = this.#options.system.clock.monotonic()
  }

  async #pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#wake = resolve
    await settledWithin(this.#options.system.timers, ms, [promise])
    this.#wake = null
  }
}

/** The group does not know this member any more. */
const forgetting = new Set<string>(['UNKNOWN_MEMBER_ID', 'ILLEGAL_GENERATION', 'FENCED_INSTANCE_ID'])
