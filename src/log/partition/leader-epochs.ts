/** The leader-epoch cache of a partition (KIP-101, KIP-320) and its file `leader-epoch-checkpoint` in Kafka's text format. */
import { header, type Offset } from '../../protocol.ts'

/** An int32 in batches, requests and the state log. */
export const largestEpoch = 2 ** 31 - 1

export interface EpochStart {
  epoch: number
  startOffset: Offset
}

export class LeaderEpochs {
  /** Ascending in both fields. */
  readonly #entries: EpochStart[]
  /** How often it changed. */
  changes = 0

  constructor(entries: readonly EpochStart[] = []) {
    this.#entries = []
    for (const entry of entries) this.assign(entry.epoch, entry.startOffset)
  }

  /** -1 when no batch was ever written. */
  get latest(): number {
    return this.#entries.at(-1)?.epoch ?? -1
  }

  get entries(): readonly EpochStart[] {
    return this.#entries
  }

  /**
   * Batches from `startOffset` on carry `epoch`. Entries that contradict it (a later epoch, or the same or a later start) are dropped, as
   * after an unclean truncation. True when something changed: the caller then writes the checkpoint.
   */
  assign(epoch: number, startOffset: Offset): boolean {
    const last = this.#entries.at(-1)
    if (epoch < 0 || startOffset < 0) throw new RangeError(`epoch ${epoch} from offset ${startOffset}`)
    if (last !== undefined && last.epoch === epoch && startOffset >= last.startOffset) return false
    while (this.#entries.length > 0) {
      const { epoch: lastEpoch, startOffset: lastStart } = this.#entries.at(-1)!
      if (lastEpoch < epoch && lastStart < startOffset) break
      this.#entries.pop()
    }
    this.#entries.push({ epoch, startOffset })
    this.changes++
    return true
  }

  /** End offset of the largest epoch that is at most the asked one; -1/-1 when there is none or the epoch is newer than all. */
  endOffsetFor(epoch: number, logEndOffset: Offset): { leaderEpoch: number; endOffset: Offset } {
    const none = { leaderEpoch: -1, endOffset: -1 }
    if (epoch < 0) return none
    if (epoch === this.latest) return { leaderEpoch: epoch, endOffset: logEndOffset }
    const next = this.#entries.findIndex(entry => entry.epoch > epoch)
    if (next === -1) return none
    if (next === 0) return { leaderEpoch: epoch, endOffset: this.#entries[0]!.startOffset }
    return { leaderEpoch: this.#entries[next - 1]!.epoch, endOffset: this.#entries[next]!.startOffset }
  }

  /** The log now begins at `offset`: of the epochs before it only the one in force there stays, beginning there. */
  truncateBefore(offset: Offset): boolean {
    let drop = 0
    while (drop < this.#entries.length && this.#entries[drop]!.startOffset <= offset) drop++
    if (drop === 0) return false
    const inForce = this.#entries[drop - 1]!
    if (drop === 1 && inForce.startOffset === offset) return false
    this.#entries.splice(0, drop, { epoch: inForce.epoch, startOffset: offset })
    this.changes++
    return true
  }

  /** The log now ends at `offset`: later epochs go. */
  truncateFrom(offset: Offset): boolean {
    let changed = false
    while (this.#entries.length > 0 && this.#entries.at(-1)!.startOffset >= offset) {
      this.#entries.pop()
      changed = true
    }
    if (changed) this.changes++
    return changed
  }

  /** As they were once. */
  restore(entries: readonly EpochStart[]): void {
    this.#entries.splice(0, this.#entries.length, ...entries)
    this.changes++
  }

  /** The first epoch alone, from the first offset on: what Kafka assumes where it has no file. */
  get isPlain(): boolean {
    const [first, second] = this.#entries
    return first === undefined || (second === undefined && first.epoch === 0 && first.startOffset === 0)
  }

  encode(): string {
    const lines = ['0', String(this.#entries.length)]
    for (const { epoch, startOffset } of this.#entries) lines.push(`${epoch} ${startOffset}`)
    return `${lines.join('\n')}\n`
  }

  /** Throws when the file is damaged. */
  static decode(text: string): LeaderEpochs {
    const lines = text.split('\n')
    const count = Number(lines[1])
    if (lines[0] !== '0' || !Number.isInteger(count) || count < 0) throw new Error('malformed leader-epoch-checkpoint')
    const entries: EpochStart[] = []
    for (const line of lines.slice(2, 2 + count)) {
      const match = /^(\d+) (\d+)$/.exec(line)
      const [epoch, startOffset] = [Number(match?.[1]), Number(match?.[2])]
      if (!(epoch <= largestEpoch && startOffset <= header.maxOffset))
        throw new Error(`malformed leader-epoch-checkpoint line ${JSON.stringify(line)}`)
      entries.push({ epoch, startOffset })
    }
    // Torn, or with the end of an earlier and longer content: it is written in place.
    if (lines.length !== count + 3 || lines.at(-1) !== '')
      throw new Error(`leader-epoch-checkpoint does not contain exactly ${count} entries`)
    return new LeaderEpochs(entries)
  }
}
