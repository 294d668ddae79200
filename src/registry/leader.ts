/**
 * Who writes: of all registries on one topic, Confluent's among them, the one that leads the group `schema-registry`.
 *
 * They speak Confluent's own group protocol (`sr`, `v0`): each says under which URL it is reached, and the member that assigns chooses. A leader first
 * fences its predecessor on the topic, and reads what that one has written; only then it decides. A leader that was deposed without noticing finds its
 * writes refused.
 */
import { pause, type System, settledWithin } from '../base.ts'
import { type ClassicMembership, type Client, ClientError, type FencedWriter } from '../client.ts'
import type { Logger } from '../logger.ts'
import type { TopicTable } from '../topic-table.ts'
import { errors } from './errors.ts'
import { type Change, encodeChange } from './records.ts'

export interface LeaderOptions {
  readonly client: Client
  readonly table: TopicTable
  readonly topic: string
  readonly system: Pick<System, 'timers' | 'clock'>
  readonly logger: Pick<Logger, 'info' | 'warn'>
}

/** Under which others forward requests to a registry. */
export interface Identity {
  readonly host: string
  readonly port: number
  readonly scheme: 'http' | 'https'
}

/** `here`: this process writes. */
export type Leader = 'here' | Identity

export const group = 'schema-registry'
const protocolType = 'sr'
const protocol = 'v0'
const sessionTimeoutMs = 10_000
const heartbeatMs = 3_000
const retryMs = 1_000
/** Before a leader that does not answer is asked again. */
const doubtMs = 500
/** For a request that needs a leader while there is none: one that died counts as a member until its session ends. */
export const patienceMs = 2 * sessionTimeoutMs

export class Leadership {
  readonly #options: LeaderOptions
  #leader: Leader | null = null
  #writer: FencedWriter | null = null
  #last: Promise<unknown> = Promise.resolve()
  #memberId = ''
  #membership: ClassicMembership | null = null
  /** Aborted when it is closed: it does not wait for the others then. */
  readonly #closing = new AbortController()
  #ownUrl = ''
  #running: Promise<void> = Promise.resolve()
  #wake: (() => void) | null = null
  #waiting: (() => void)[] = []

  constructor(options: LeaderOptions) {
    this.#options = options
  }

  start(identity: Identity): void {
    this.#ownUrl = urlOf(identity)
    this.#running = this.#run(identity)
  }

  /** Throws HttpError 50004 if none is known in time. */
  async leader(): Promise<Leader> {
    if (this.#leader === null) await this.#soon()
    if (this.#leader === null) throw errors.unknownLeader()
    return this.#leader
  }

  /**
   * One change after the other: `decide` sees all that was written before. Resolves when its records are durable and applied here. Throws what
   * `decide` throws, and HttpError.
   */
  change<Answer>(decide: () => { changes: readonly Change[]; answer: Answer }): Promise<Answer> {
    const work = this.#last.then(() => this.#change(decide))
    this.#last = work.catch(() => {})
    return work
  }

  /** The leader does not answer, or does not lead: asks the group whether there is another one, and resolves a little later. */
  async doubt(): Promise<void> {
    this.#wake?.()
    await pause(this.#options.system, doubtMs)
  }

  async close(): Promise<void> {
    this.#closing.abort()
    this.#wake?.()
    await this.#running
    await this.#last
    if (this.#membership !== null) await this.#options.client.leaveGroup(this.#membership).catch(() => {})
  }

  get #closed(): boolean {
    return this.#closing.signal.aborted
  }

  async #change<Answer>(decide: () => { changes: readonly Change[]; answer: Answer }): Promise<Answer> {
    if (this.#leader !== 'here') throw errors.unknownLeader()
    try {
      this.#writer ??= await this.#open()
    } catch (error) {
      throw error instanceof ClientError ? errors.store(error) : error
    }
    const { changes, answer } = decide()
    if (changes.length === 0) return answer
    try {
      for (const part of inBatches(changes.map(encodeChange))) await this.#writer.append(part)
      await this.#options.table.catchUp()
      return answer
    } catch (error) {
      // What was sent may be stored all the same: a new writer reads it before it decides anything.
      this.#writer = null
      if (!(error instanceof ClientError)) throw error
      if (error.code === 'RECORD_TOO_LARGE' || error.code === 'MESSAGE_TOO_LARGE') throw errors.tooLarge()
      if (fencing.has(error.code)) this.#rejoin()
      throw fencing.has(error.code) ? errors.unknownLeader() : errors.store(error)
    }
  }

  /** The record in its epoch is what the partition refuses earlier writers by. It also shows others who leads: only who may write the topic can do that. */
  async #open(): Promise<FencedWriter> {
    const { client, topic, table } = this.#options
    const writer = await client.openFencedWriter({ transactionalId: `${topic}-writer`, topic, partition: 0 })
    await writer.append([encodeChange({ keytype: 'NOOP', value: { leader: this.#ownUrl } })])
    await table.catchUp()
    return writer
  }

  async #run(identity: Identity): Promise<void> {
    while (!this.#closed) {
      try {
        await this.#generation(identity)
      } catch (error) {
        this.#become(null)
        const { logger } = this.#options
        if (error instanceof ClientError && forgetting.has(error.code)) this.#memberId = ''
        logger.warn({ err: error, group }, 'the schema registry has no leader; it is tried again')
        await this.#pause(retryMs)
      }
    }
  }

  /** From joining to the next rebalance. */
  async #generation(identity: Identity): Promise<void> {
    const { client } = this.#options
    const metadata = Buffer.from(JSON.stringify({ version: 1, ...identity, master_eligibility: true }))
    const joining = {
      group,
      protocolType,
      protocols: [{ name: protocol, metadata }],
      memberId: this.#memberId,
      sessionTimeoutMs,
      rebalanceTimeoutMs: sessionTimeoutMs,
    }
    const { signal } = this.#closing
    const membership = await client.joinGroup({ ...joining, signal })
    this.#membership = membership
    this.#memberId = membership.memberId
    const assigned = await client.syncGroup(membership, assign(membership), signal)
    const { master, master_identity: leader } = JSON.parse(assigned.toString('utf8')) as {
      master: string | null
      master_identity: Identity | null
    }
    this.#become(master === membership.memberId ? 'here' : leader)
    while (!this.#closed) {
      await this.#pause(heartbeatMs)
      // Deposed by someone who is no member, or closed.
      if (this.#closed || this.#leader === null) return
      try {
        await client.heartbeatGroup(membership)
      } catch (error) {
        if (error instanceof ClientError && error.code === 'REBALANCE_IN_PROGRESS') return
        throw error
      }
    }
  }

  #become(leader: Leader | null): void {
    if (leader === 'here') this.#prepare()
    else this.#writer = null
    if (leader !== null && JSON.stringify(leader) !== JSON.stringify(this.#leader))
      this.#options.logger.info({ leader: leader === 'here' ? leader : urlOf(leader) }, 'the schema registry has a leader')
    this.#leader = leader
    if (leader !== null) for (const resume of this.#waiting.splice(0)) resume()
  }

  /** Before anybody asks for a change, because others do not forward credentials to a leader that has not shown itself. */
  #prepare(): void {
    const open = async () => {
      if (this.#leader === 'here') this.#writer ??= await this.#open()
    }
    // The next change tries again, and tells why it does not work.
    this.#last = this.#last.then(open).catch(() => {})
  }

  /** This process has missed that somebody else leads. */
  #rejoin(): void {
    this.#become(null)
    this.#wake?.()
  }

  #soon(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#waiting.push(resolve)
    return settledWithin(this.#options.system.timers, patienceMs, [promise])
  }

  async #pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#wake = resolve
    await settledWithin(this.#options.system.timers, ms, [promise])
    this.#wake = null
  }
}

/** Another one has opened a writer. */
const fencing = new Set<string>(['INVALID_PRODUCER_EPOCH', 'PRODUCER_FENCED'])
/** The group does not know this member any more. */
const forgetting = new Set<string>(['UNKNOWN_MEMBER_ID', 'ILLEGAL_GENERATION', 'FENCED_INSTANCE_ID'])

/** Throws TypeError. */
export function identityIn(url: string): Identity {
  const { protocol, hostname, port } = new URL(url)
  const scheme = protocol === 'https:' ? 'https' : 'http'
  return { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? (scheme === 'https' ? 443 : 80) : Number(port), scheme }
}

export function urlOf({ scheme, host, port }: Identity): string {
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** Far below what a topic takes as one batch. */
const mostBatchBytes = 2 ** 18

type EncodedChange = ReturnType<typeof encodeChange>

/** A subject may have so many versions that deleting them does not fit one batch. Whoever repeats what was done in part completes it. */
function* inBatches(records: readonly EncodedChange[]): Generator<EncodedChange[]> {
  let batch: EncodedChange[] = []
  let bytes = 0
  for (const record of records) {
    const size = record.key.length + (record.value?.length ?? 0)
    if (batch.length > 0 && bytes + size > mostBatchBytes) {
      yield batch
      batch = []
      bytes = 0
    }
    batch.push(record)
    bytes += size
  }
  if (batch.length > 0) yield batch
}

/** null: it must not lead, or it is no registry; that one must not keep the others from having a leader. */
function eligibleIn(metadata: Buffer): Identity | null {
  try {
    const { host, port, scheme, master_eligibility: mayLead } = JSON.parse(metadata.toString('utf8')) as Record<string, unknown>
    const isKnown = typeof host === 'string' && Number.isInteger(port) && (scheme === 'http' || scheme === 'https')
    return mayLead === true && isKnown ? { host, port: port as number, scheme } : null
  } catch {
    return null
  }
}

/** As Confluent's: of those that may lead, the one with the smallest URL. */
function assign({ members }: ClassicMembership): Map<string, Buffer> {
  let master: string | null = null
  let identity: Identity | null = null
  for (const { memberId, metadata } of members) {
    const other = eligibleIn(metadata)
    if (other === null || (identity !== null && urlOf(other) >= urlOf(identity))) continue
    master = memberId
    identity = other
  }
  const told = {
    version: 1,
    error: 0,
    master,
    master_identity: identity === null ? null : { version: 1, ...identity, master_eligibility: true },
  }
  const assignment = Buffer.from(JSON.stringify(told))
  return new Map(members.map(({ memberId }) => [memberId, assignment]))
}
