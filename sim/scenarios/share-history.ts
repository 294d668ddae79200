/** The observations of the members of a share group, and their checker: all guarantees of KIP-932, as far as an observer can check them. */
import type { Send } from './exactly-once-history.ts'

/** A record that a member got. `askedAt` and `at` are instants, `askedMs` and `atMs` virtual time. */
export interface Delivery {
  /** `topic-partition`. */
  partition: string
  offset: number
  value: string
  deliveryCount: number
  member: string
  askedAt: number
  askedMs: number
  at: number
  atMs: number
}

export interface Acknowledgement {
  partition: string
  offset: number
  member: string
  type: 'accept' | 'release' | 'reject'
  sentAt: number
  /** `info`: nobody can know. */
  outcome: 'ok' | 'fail' | 'info'
  /** Of the answer. */
  at: number | null
}

/** Where the group stands, as the broker told an observer. */
export interface StartOffset {
  partition: string
  askedAt: number
  at: number
  offset: number
}

export interface ShareHistory {
  deliveries: Delivery[]
  acknowledgements: Acknowledgement[]
  startOffsets: StartOffset[]
  /** When locks may have ended before their time: of one member (its connection is gone, it died), or null: of all (the broker died). */
  releases: { member: string | null; at: number }[]
}

export function emptyShareHistory(): ShareHistory {
  return { deliveries: [], acknowledgements: [], startOffsets: [], releases: [] }
}

export const shareAnomalies = [
  'wrong-record',
  'delivered-after-acceptance',
  'two-owners',
  'count-beyond-limit',
  'never-delivered',
  'start-went-back',
  'start-skipped',
] as const
export type ShareAnomaly = (typeof shareAnomalies)[number]

export interface ShareRules {
  lockMs: number
  deliveryLimit: number
}

export interface ShareFound {
  anomaly: ShareAnomaly
  witness: string
}

const isFinal = ({ type, outcome }: Acknowledgement) => type !== 'release' && outcome !== 'fail'

export function checkShares(history: ShareHistory, sends: readonly Send[], rules: ShareRules): ShareFound[] {
  const judge = new Judge(history, sends, rules)
  judge.deliveries()
  judge.owners()
  judge.startOffsets()
  judge.everythingDelivered()
  return judge.found
}

class Judge {
  readonly found: ShareFound[] = []
  readonly #history: ShareHistory
  readonly #rules: ShareRules
  readonly #sends: readonly Send[]
  readonly #deliveries: Map<string, Delivery[]>
  readonly #acknowledgements: Map<string, Acknowledgement[]>

  constructor(history: ShareHistory, sends: readonly Send[], rules: ShareRules) {
    this.#history = history
    this.#sends = sends
    this.#rules = rules
    this.#deliveries = Map.groupBy(history.deliveries, placeOf)
    this.#acknowledgements = Map.groupBy(history.acknowledgements, placeOf)
  }

  /** Each offset has one value, which somebody sent; nothing comes back once its acceptance or rejection was confirmed. */
  deliveries(): void {
    const sent = new Map(this.#sends.map(send => [send.value, send]))
    for (const [place, deliveries] of this.#deliveries) {
      const values = new Set(deliveries.map(({ value }) => value))
      const send = sent.get(deliveries[0]!.value)
      if (values.size > 1 || send === undefined) this.#tell('wrong-record', `${place} was delivered as ${[...values].join(' and ')}`)
      else if (send.offset !== null && `${send.partition}:${send.offset}` !== place) {
        this.#tell('wrong-record', `${send.value} lies at ${send.partition}:${send.offset} and was delivered as ${place}`)
      }
      const confirmed = this.#acknowledgements.get(place)?.find(each => isFinal(each) && each.outcome === 'ok')
      for (const delivery of deliveries) {
        if (confirmed !== undefined && delivery.askedAt > confirmed.at!) {
          const after = `${confirmed.member} was told that its ${confirmed.type} counts`
          this.#tell('delivered-after-acceptance', `${place} was delivered to ${delivery.member} after ${after}`)
        }
        if (delivery.deliveryCount > this.#rules.deliveryLimit) {
          this.#tell('count-beyond-limit', `${place} was delivered ${delivery.deliveryCount} times`)
        }
      }
    }
  }

  /** Whoever has a record has it alone until it acknowledges, its lock ends, its connection is gone, or the broker dies. */
  owners(): void {
    for (const [place, deliveries] of this.#deliveries) {
      const inOrder = [...deliveries].sort((a, b) => a.at - b.at)
      for (const [index, first] of inOrder.entries()) {
        for (const second of inOrder.slice(index + 1)) {
          if (second.member === first.member || second.atMs >= first.askedMs + this.#rules.lockMs) continue
          if (this.#mayHaveEnded(place, first, second)) continue
          this.#tell('two-owners', `${place} was delivered to ${first.member} and then, while that had it, to ${second.member}`)
        }
      }
    }
  }

  #mayHaveEnded(place: string, first: Delivery, second: Delivery): boolean {
    const until = second.at
    const acknowledged = this.#acknowledgements.get(place) ?? []
    if (acknowledged.some(({ member, sentAt }) => member === first.member && sentAt < until)) return true
    // Either may have been the first at the broker: what ends the lock of one of them explains both.
    const members = [first.member, second.member, null]
    const from = Math.min(first.askedAt, second.askedAt)
    return this.#history.releases.some(({ member, at }) => at > from && at < until && members.includes(member))
  }

  /** The start only moves on, and only over records that are finished. */
  startOffsets(): void {
    for (const [partition, reads] of Map.groupBy(this.#history.startOffsets, each => each.partition)) {
      const inOrder = [...reads].sort((a, b) => a.at - b.at)
      for (const [index, read] of inOrder.entries()) {
        const earlier = inOrder.slice(0, index).find(each => each.at < read.askedAt && each.offset > read.offset)
        if (earlier !== undefined) this.#tell('start-went-back', `${partition} from ${earlier.offset} to ${read.offset}`)
      }
      const last = inOrder.at(-1)
      if (last === undefined) continue
      for (const send of this.#sends) {
        if (send.partition !== partition || send.offset === null) continue
        const passed = inOrder.find(({ offset }) => offset > send.offset!)
        if (passed !== undefined && !this.#isFinished(send, passed.at)) {
          this.#tell('start-skipped', `the start of ${partition} is ${passed.offset}, and ${send.value} at ${send.offset} is not finished`)
        }
      }
    }
  }

  /** Every acknowledged record was accepted, rejected, or delivered too often. */
  everythingDelivered(): void {
    for (const send of this.#sends) {
      if (send.outcome !== 'ok' || send.offset === null) continue
      if (!this.#isFinished(send, Number.POSITIVE_INFINITY)) {
        this.#tell('never-delivered', `${send.value} at ${send.partition}:${send.offset} was never finished`)
      }
    }
  }

  #isFinished({ partition, offset }: Send, by: number): boolean {
    const place = `${partition}:${offset}`
    if (this.#acknowledgements.get(place)?.some(each => isFinal(each) && each.sentAt < by)) return true
    // Deliveries whose answers were lost count at the broker, too: half of the limit seen is taken for the limit.
    return this.#deliveries.get(place)?.some(({ deliveryCount }) => deliveryCount * 2 >= this.#rules.deliveryLimit) ?? false
  }

  #tell(anomaly: ShareAnomaly, witness: string): void {
    this.found.push({ anomaly, witness })
  }
}

function placeOf({ partition, offset }: { partition: string; offset: number }): string {
  return `${partition}:${offset}`
}
