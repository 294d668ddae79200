/**
 * Judges the history of an exactly-once run. After Jepsen's Kafka workload (its names are kept), plus what a simulation can know and a
 * black box cannot: when a transaction may have ended at the earliest, and what its last stable offset must have been until then.
 */
import { type History, inputOf, type Poll, type Send, type Transaction } from './exactly-once-history.ts'

export const anomalies = [
  'inconsistent-offsets',
  'duplicate',
  'phantom',
  'lost-write',
  'aborted-read',
  'precommitted-read',
  'torn-transaction',
  'reorder',
  'nonmonotonic-poll',
  'poll-skip',
  'taken-back',
  'last-stable-offset',
  'offset-before-commit',
  'offset-regression',
  'double-ownership',
  'exactly-once',
] as const
export type Anomaly = (typeof anomalies)[number]

export interface Found {
  anomaly: Anomaly
  witness: string
}

export interface Topics {
  /** `topic-partition`. */
  inputs: readonly string[]
  outputs: readonly string[]
}

export function check(history: History, topics: Topics): Found[] {
  const judge = new Judge(history, topics)
  judge.offsets()
  judge.writes()
  judge.transactions()
  judge.order()
  judge.readers()
  judge.stability()
  judge.groupOffsets()
  judge.ownership()
  judge.exactlyOnce()
  return judge.found
}

type Records = [number, string][]

class Judge {
  readonly found: Found[] = []
  readonly #history: History
  readonly #topics: Topics
  readonly #sends = new Map<string, Send>()
  readonly #byTransaction = new Map<string, Send[]>()
  readonly #transactions = new Map<string, Transaction>()
  /** Values by isolation, as the final reads have them. */
  readonly #committed: Map<string, string>
  readonly #uncommitted: Map<string, string>

  constructor(history: History, topics: Topics) {
    this.#history = history
    this.#topics = topics
    for (const send of history.sends) {
      this.#sends.set(send.value, send)
      if (send.transaction === null) continue
      const together = this.#byTransaction.get(send.transaction)
      if (together === undefined) this.#byTransaction.set(send.transaction, [send])
      else together.push(send)
    }
    for (const transaction of history.transactions) this.#transactions.set(transaction.id, transaction)
    this.#committed = placesOf(history.final.committed)
    this.#uncommitted = placesOf(history.final.uncommitted)
  }

  /** One value per offset, for ever and for everybody; one offset per value. */
  offsets(): void {
    const values = new Map<string, string>()
    const places = new Map<string, string>()
    const see = (partition: string, offset: number, value: string) => {
      const place = `${partition}:${offset}`
      const before = values.get(place)
      if (before === undefined) values.set(place, value)
      else if (before !== value) this.#report('inconsistent-offsets', `${place} was ${before} and then ${value}`)
      const other = places.get(value)
      if (other === undefined) places.set(value, place)
      else if (other !== place) this.#report('duplicate', `${value} is at ${other} and at ${place}`)
      const send = this.#sends.get(value)
      if (send === undefined) this.#report('phantom', `${value} at ${place} was never sent`)
      else if (send.partition !== partition) this.#report('phantom', `${value} was sent to ${send.partition} and is at ${place}`)
      else if (send.offset !== null && send.offset !== offset)
        this.#report('inconsistent-offsets', `${value} was acknowledged at ${partition}:${send.offset} and is at ${place}`)
    }
    for (const { partition, records } of this.#history.polls) for (const [offset, value] of records) see(partition, offset, value)
    for (const final of Object.values(this.#history.final))
      for (const [partition, records] of final) for (const [offset, value] of records) see(partition, offset, value)
  }

  /** What was acknowledged is there; what has failed for certain is not. */
  writes(): void {
    for (const { value, outcome, transaction, partition, offset } of this.#history.sends) {
      const place = this.#uncommitted.get(value)
      if (outcome === 'ok' && place === undefined) this.#report('lost-write', `${value} was acknowledged at ${partition}:${offset}`)
      if (outcome === 'fail' && place !== undefined) this.#report('aborted-read', `${value} was refused and is at ${place}`)
      if (transaction === null && place !== undefined && !this.#committed.has(value))
        this.#report('lost-write', `${value} belongs to no transaction, but read_committed does not show it`)
    }
  }

  /** All of a transaction or nothing; committed ones are there, others not, and none before its commit was asked for. */
  transactions(): void {
    for (const transaction of this.#history.transactions) {
      const { id, outcome, commitSentAt } = transaction
      const sends = (this.#byTransaction.get(id) ?? []).filter(send => send.outcome !== 'fail')
      const shown = sends.filter(send => this.#committed.has(send.value))
      const hidden = sends.filter(send => send.outcome === 'ok' && !this.#committed.has(send.value))
      if (shown.length > 0 && hidden.length > 0)
        this.#report('torn-transaction', `${id} (${outcome}) shows ${shown[0]!.value} and not ${hidden[0]!.value}`)
      if (outcome === 'committed' && hidden.length > 0) this.#report('lost-write', `${id} was committed, but ${hidden[0]!.value} is gone`)
      if ((outcome === 'aborted' || commitSentAt === null) && shown.length > 0)
        this.#report('aborted-read', `${id} (${outcome}) was not committed, but shows ${shown[0]!.value}`)
    }
    for (const poll of this.#history.polls) if (poll.isolation === 'committed') this.#checkCommittedPoll(poll)
  }

  #checkCommittedPoll({ records, partition, reader, at }: Poll): void {
    for (const [offset, value] of records) {
      const transaction = this.#transactions.get(this.#sends.get(value)?.transaction ?? '')
      if (transaction === undefined) continue
      const what = `${reader} read ${value} of ${transaction.id} (${transaction.outcome}) at ${partition}:${offset}`
      if (transaction.outcome === 'aborted') this.#report('aborted-read', what)
      if (transaction.commitSentAt === null || at < transaction.commitSentAt) this.#report('precommitted-read', what)
    }
  }

  /** Each writer's records lie in the order in which it sent them. */
  order(): void {
    const order = new Map(this.#history.sends.map((send, index) => [send.value, index]))
    for (const [partition, records] of this.#history.final.uncommitted) {
      const last = new Map<string, string>()
      for (const [offset, value] of records) {
        const writer = this.#sends.get(value)?.writer ?? ''
        const before = last.get(writer)
        if (before !== undefined && order.get(before)! >= order.get(value)!)
          this.#report('reorder', `${writer} sent ${value} before ${before}, but it comes later, at ${partition}:${offset}`)
        last.set(writer, value)
      }
    }
  }

  /** A reader never goes back, passes over nothing that is there in the end, and keeps what it was given. */
  readers(): void {
    const tracks = new Map<string, { isolation: Poll['isolation']; partition: string; position: number; seen: Set<string>; from: number }>()
    for (const { reader, isolation, partition, from, next, records } of this.#history.polls) {
      const key = `${reader} ${partition}`
      let track = tracks.get(key)
      if (track === undefined) tracks.set(key, (track = { isolation, partition, position: from, seen: new Set(), from }))
      if (from !== track.position)
        this.#report('nonmonotonic-poll', `${reader} was at ${partition}:${track.position} and went on at ${from}`)
      let position = from
      for (const [offset, value] of records) {
        if (offset < position) this.#report('nonmonotonic-poll', `${reader} at ${partition}:${position} was given ${offset}`)
        position = offset + 1
        track.seen.add(value)
      }
      track.position = next
    }
    for (const [key, { isolation, partition, position, seen, from }] of tracks) {
      const final = this.#history.final[isolation].get(partition) ?? []
      const values = new Set(final.map(([, value]) => value))
      for (const [offset, value] of final)
        if (offset >= from && offset < position && !seen.has(value)) this.#report('poll-skip', `${key} passed over ${value} at ${offset}`)
      for (const value of seen) if (!values.has(value)) this.#report('taken-back', `${key} had read ${value}, which is gone`)
    }
  }

  /** The last stable offset stays at or before the first record of a transaction until something may have ended it. */
  stability(): void {
    const open = this.#history.transactions
      .map(transaction => ({ transaction, sends: this.#byTransaction.get(transaction.id) ?? [] }))
      .filter(({ sends }) => sends.some(({ outcome }) => outcome === 'ok'))
    for (const { partition, askedAt, at, atMs, lastStableOffset, reader } of this.#history.polls) {
      for (const { transaction, sends } of open) {
        if (at > (transaction.mayEndAt ?? Number.POSITIVE_INFINITY) || atMs >= transaction.timesOutAtMs) continue
        const first = sends.find(send => send.partition === partition && send.outcome === 'ok' && send.offset !== null)
        if (first === undefined || first.ackedAt! > askedAt || lastStableOffset <= first.offset!) continue
        const what = `${reader} was told ${lastStableOffset}, but ${transaction.id} is open from ${partition}:${first.offset} on`
        this.#report('last-stable-offset', what)
      }
    }
  }

  /** The group's position moves with commits only, and only forward. */
  groupOffsets(): void {
    for (const { partition, askedAt, at, offset, stable } of this.#history.offsetReads) {
      let [least, most] = [-1, -1]
      for (const { offsets, commitSentAt, outcome, endedAt } of this.#history.transactions) {
        const position = offsets.get(partition)
        if (position === undefined || commitSentAt === null || outcome === 'aborted') continue
        if (commitSentAt < at) most = Math.max(most, position)
        if (outcome === 'committed' && endedAt !== null && endedAt < askedAt) least = Math.max(least, position)
      }
      if (offset > most) this.#report('offset-before-commit', `${partition} is said to be at ${offset}; nobody committed beyond ${most}`)
      if (stable && offset < least)
        this.#report('offset-regression', `${partition} is said to be at ${offset}; ${least} was committed before`)
    }
  }

  /** No partition belongs to two members in one epoch of the group. */
  ownership(): void {
    const owners = new Map<string, string>()
    for (const { partition, epoch, member } of this.#history.ownerships) {
      const key = `${partition} in epoch ${epoch}`
      const owner = owners.get(key)
      if (owner === undefined) owners.set(key, member)
      else if (owner !== member) this.#report('double-ownership', `${key} was given to ${owner} and to ${member}`)
    }
  }

  /** Every input has exactly one output, and every output an input. */
  exactlyOnce(): void {
    const outputs = new Map<string, string[]>()
    for (const partition of this.#topics.outputs) {
      for (const [, value] of recordsOf(this.#history.final.committed, partition)) {
        const input = inputOf(value)
        const same = outputs.get(input)
        if (same === undefined) outputs.set(input, [value])
        else same.push(value)
      }
    }
    for (const partition of this.#topics.inputs) {
      for (const [offset, value] of recordsOf(this.#history.final.committed, partition)) {
        const made = outputs.get(value) ?? []
        outputs.delete(value)
        if (made.length !== 1) this.#report('exactly-once', `input ${value} at ${partition}:${offset} became [${made.join(', ')}]`)
      }
    }
    for (const made of outputs.values()) this.#report('exactly-once', `outputs without an input: ${made.join(', ')}`)
  }

  #report(anomaly: Anomaly, witness: string): void {
    this.found.push({ anomaly, witness })
  }
}

function recordsOf(final: Map<string, Records>, partition: string): Records {
  return final.get(partition) ?? []
}

function placesOf(final: Map<string, Records>): Map<string, string> {
  const places = new Map<string, string>()
  for (const [partition, records] of final) for (const [offset, value] of records) places.set(value, `${partition}:${offset}`)
  return places
}
