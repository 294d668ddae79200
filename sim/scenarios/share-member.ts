/** One life of a member of a share group: it joins, fetches, acknowledges in one way or another, and ignores some of its records. */
import { apis, type InputOf, type Uuid } from '../../src/protocol.ts'
import type { Process } from '../world/process.ts'
import type { SeededRandom } from '../world/random.ts'
import { NoAnswer, visibleRecords, type Wire } from '../world/wire.ts'
import { inputTopic, nameOf, type Stage } from './exactly-once-stage.ts'
import { Finding } from './finding.ts'
import type { Acknowledgement, ShareHistory } from './share-history.ts'

export interface MemberOptions {
  stage: Stage
  history: ShareHistory
  random: SeededRandom
  groupId: string
  name: string
}

const heartbeatMs = 300
const types = { accept: 1, release: 2, reject: 3 } as const
type FetchRequest = InputOf<typeof apis.shareFetch.request>
type AcknowledgementBatches = FetchRequest['topics'][number]['partitions'][number]['acknowledgementBatches'][number][]

/** With one broker. */
class Session {
  epoch = 0
  /** What it fetches. */
  named = new Set<number>()
  /** Decided, and not sent yet. */
  decided: Omit<Acknowledgement, 'sentAt' | 'outcome' | 'at'>[] = []

  /** What was acquired in the old session is others' now. */
  beginAnew(): void {
    this.epoch = 0
    this.decided = []
  }
}

export class ShareMember {
  readonly process: Process
  readonly #options: MemberOptions
  readonly #wire: Wire
  /** By broker. */
  readonly #sessions = new Map<number, Session>()
  #epoch = 0
  #topicId: Uuid | null = null
  #partitions: readonly number[] = []
  #heartbeatAtMs = 0
  /** The next heartbeat says all, and is told all: an answer with an assignment may have been lost. */
  #full = true

  constructor(options: MemberOptions) {
    this.#options = options
    this.process = options.stage.process()
    const { stage, history, random, name } = options
    // The session ends with the connection, and with it the locks.
    this.#wire = stage.wire(this.process, random, false, () => history.releases.push({ member: name, at: stage.instant() }))
  }

  async run(): Promise<void> {
    const { stage, random } = this.#options
    while (!stage.over && !this.process.dead) {
      // What is not answered by the coordinator or a leader concerns the sessions, too: they share the connection.
      await this.#unlessBroken([...this.#sessions.values()], async () => {
        if (stage.nowMs >= this.#heartbeatAtMs) await this.#heartbeat()
      })
      for (const [broker, partitions] of await this.#leaders()) {
        const session = this.#sessionAt(broker)
        await this.#unlessBroken([session], () => this.#fetch(broker, session, partitions))
      }
      for (const [broker, session] of this.#sessions)
        if (session.decided.length > 0 && random.chance(0.5)) await this.#unlessBroken([session], () => this.#acknowledge(broker, session))
      await this.process.sleep(random.fraction() * 60)
    }
    this.kill()
  }

  async #unlessBroken(sessions: readonly Session[], work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error
      for (const session of sessions) session.beginAnew()
    }
  }

  /** Of the partitions that are assigned to it, as far as they can be found now. */
  async #leaders(): Promise<ReadonlyMap<number, number[]>> {
    const found = new Map<number, number[]>()
    await this.#unlessBroken([], async () => {
      for (const partition of this.#partitions) {
        const broker = await this.#wire.leaderOf(inputTopic, partition)
        const others = found.get(broker)
        if (others === undefined) found.set(broker, [partition])
        else others.push(partition)
      }
    })
    return found
  }

  #sessionAt(broker: number): Session {
    const known = this.#sessions.get(broker)
    if (known !== undefined) return known
    const session = new Session()
    this.#sessions.set(broker, session)
    return session
  }

  kill(): void {
    this.process.kill()
    this.#wire.close()
  }

  async #heartbeat(): Promise<void> {
    const { stage, groupId, name } = this.#options
    const said = this.#full || this.#epoch === 0 ? [inputTopic] : null
    const request = { groupId, memberId: name, memberEpoch: this.#epoch, subscribedTopicNames: said }
    this.#full = true
    const response = await this.#wire.call(apis.shareGroupHeartbeat, 1, request)
    const told = stage.told('ShareGroupHeartbeat', response.errorCode)
    if (told === 'UNKNOWN_MEMBER_ID' || told === 'FENCED_MEMBER_EPOCH') this.#epoch = 0
    if (told !== 'NONE') return
    this.#epoch = response.memberEpoch
    this.#full = false
    this.#heartbeatAtMs = stage.nowMs + heartbeatMs
    const assigned = response.assignment?.topicPartitions
    if (assigned === undefined) return
    this.#topicId = assigned[0]?.topicId ?? this.#topicId
    this.#partitions = assigned.flatMap(({ partitions }) => partitions)
  }

  async #fetch(broker: number, session: Session, wanted: readonly number[]): Promise<void> {
    const { stage, history, random, groupId, name } = this.#options
    const [askedAt, askedMs] = [stage.instant(), stage.nowMs]
    const sent = session.epoch === 0 || random.chance(0.5) ? [] : this.#send(session)
    if (session.epoch === 0) session.named = new Set()
    const left = [...session.named].filter(partition => !wanted.includes(partition))
    const added = wanted.filter(partition => !session.named.has(partition))
    const request = {
      groupId,
      memberId: name,
      shareSessionEpoch: session.epoch,
      maxWaitMs: random.pick([0, 100, 300]),
      minBytes: 1,
      maxBytes: random.pick([100, 1000, 100_000]),
      maxRecords: random.pick([1, 5, 50]),
      batchSize: 10,
      shareAcquireMode: random.below(2),
      isRenewAck: false,
      topics: this.#topics(sent, added),
      forgottenTopicsData: left.length === 0 ? [] : [{ topicId: this.#topicId!, partitions: left }],
    }
    const response = await this.#wire.callAt(broker, apis.shareFetch, 2, request)
    if (!this.#continues(session, 'ShareFetch', response.errorCode)) return
    session.named = new Set(wanted)
    for (const { partitions } of response.responses) {
      for (const { partitionIndex, errorCode, acknowledgeErrorCode, acquiredRecords, records } of partitions) {
        const partition = nameOf(inputTopic, partitionIndex)
        this.#answered(sent, partition, acknowledgeErrorCode)
        if (stage.told('ShareFetch partition', errorCode) !== 'NONE') continue
        const values = new Map(visibleRecords(records ?? Buffer.alloc(0), 0, null).records)
        const [at, atMs] = [stage.instant(), stage.nowMs]
        for (const { firstOffset, lastOffset, deliveryCount } of acquiredRecords) {
          for (let offset = Number(firstOffset); offset <= Number(lastOffset); offset++) {
            const value = values.get(offset)
            if (value === undefined) throw new Finding(`${partition}:${offset} was acquired, and the answer does not hold it`)
            history.deliveries.push({ partition, offset, value, deliveryCount, member: name, askedAt, askedMs, at, atMs })
            this.#decide(session, partition, offset)
          }
        }
      }
    }
  }

  async #acknowledge(broker: number, session: Session): Promise<void> {
    const { groupId, name } = this.#options
    if (session.epoch === 0) return
    const sent = this.#send(session)
    const request = { groupId, memberId: name, shareSessionEpoch: session.epoch, topics: this.#topics(sent, []) }
    const response = await this.#wire.callAt(broker, apis.shareAcknowledge, 1, request)
    if (!this.#continues(session, 'ShareAcknowledge', response.errorCode)) return
    for (const { partitions } of response.responses) {
      for (const { partitionIndex, errorCode } of partitions) this.#answered(sent, nameOf(inputTopic, partitionIndex), errorCode)
    }
  }

  /** False when the whole request failed: the session has to begin anew. */
  #continues(session: Session, api: string, code: number): boolean {
    if (this.#options.stage.told(api, code) === 'NONE') {
      session.epoch++
      return true
    }
    session.beginAnew()
    return false
  }

  #decide(session: Session, partition: string, offset: number): void {
    const { stage, random, name: member } = this.#options
    const kind = stage.healed ? 0 : random.fraction()
    // Some are forgotten: their locks end by themselves.
    if (kind > 0.95) return
    const type = kind < 0.8 ? 'accept' : kind < 0.92 ? 'release' : 'reject'
    session.decided.push({ partition, offset, member, type })
  }

  /** What was decided goes off; what becomes of it is not known yet. */
  #send(session: Session): Acknowledgement[] {
    const { stage, history } = this.#options
    const sentAt = stage.instant()
    const sent = session.decided.map((decided): Acknowledgement => ({ ...decided, sentAt, outcome: 'info', at: null }))
    history.acknowledgements.push(...sent)
    session.decided = []
    return sent
  }

  /** Partitions that are added to the session, and those of the acknowledgements. */
  #topics(sent: readonly Acknowledgement[], added: readonly number[]): FetchRequest['topics'] {
    const partitions = Array.from({ length: this.#options.stage.partitions }, (_, partitionIndex) => ({
      partitionIndex,
      acknowledgementBatches: batchesOf(sent.filter(({ partition }) => partition === nameOf(inputTopic, partitionIndex))),
    }))
    const said = partitions.filter(each => added.includes(each.partitionIndex) || each.acknowledgementBatches.length > 0)
    return said.length === 0 ? [] : [{ topicId: this.#topicId!, partitions: said }]
  }

  /** Of a request with an error some may have been taken all the same. */
  #answered(sent: readonly Acknowledgement[], partition: string, errorCode: number): void {
    const { stage } = this.#options
    const told = stage.told('acknowledgement', errorCode)
    for (const acknowledgement of sent) {
      if (acknowledgement.partition !== partition) continue
      if (told === 'NONE') this.#confirm(acknowledgement)
      else acknowledgement.at = stage.instant()
    }
  }

  #confirm(acknowledgement: Acknowledgement): void {
    const { stage } = this.#options
    if (acknowledgement.at !== null) return
    acknowledgement.outcome = 'ok'
    acknowledgement.at = stage.instant()
    stage.onEnd?.()
  }
}

/** In the order of their offsets, as clients send them. */
function batchesOf(sent: readonly Acknowledgement[]): AcknowledgementBatches {
  const batches: { firstOffset: number; lastOffset: number; acknowledgeTypes: number[] }[] = []
  for (const { offset, type } of [...sent].sort((a, b) => a.offset - b.offset)) {
    const last = batches.at(-1)
    if (last !== undefined && last.lastOffset + 1 === offset) {
      last.lastOffset = offset
      last.acknowledgeTypes.push(types[type])
    } else batches.push({ firstOffset: offset, lastOffset: offset, acknowledgeTypes: [types[type]] })
  }
  return batches
}
