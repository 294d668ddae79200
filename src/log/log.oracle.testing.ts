/** A naive log of one partition: a list of records, and every question answered by walking over it. What `log.contract.ts` compares with. */

export interface NaiveRecord {
  offset: number
  value: string
  timestamp: number
  epoch: number
  /** -1: none. */
  producerId: number
  isTransactional: boolean
  /** It ends its producer's transaction. */
  marker: 'commit' | 'abort' | null
}

export interface NaiveProducer {
  /** Sequence number, number of records and first offset of its last batch. */
  sequence: number
  count: number
  offset: number
}

export class NaiveLog {
  readonly records: NaiveRecord[] = []
  readonly producers = new Map<number, NaiveProducer>()
  /** Ascending in both. */
  epochs: { epoch: number; from: number }[] = []
  epoch = 0
  start = 0

  get end(): number {
    return this.records.length
  }

  append(
    values: readonly string[],
    timestamp: number,
    { producerId = -1, isTransactional = false, marker = null }: Partial<NaiveRecord>,
  ): void {
    this.#enterEpoch()
    if (producerId >= 0 && marker === null) {
      const last = this.producers.get(producerId)
      const sequence = last === undefined ? 0 : last.sequence + last.count
      this.producers.set(producerId, { sequence, count: values.length, offset: this.end })
    }
    for (const value of values)
      this.records.push({ offset: this.end, value, timestamp, epoch: this.epoch, producerId, isTransactional, marker })
  }

  nextSequence(producerId: number): number {
    const last = this.producers.get(producerId)
    return last === undefined ? 0 : last.sequence + last.count
  }

  /** First offsets of open transactions, by producer. */
  open(): Map<number, number> {
    const open = new Map<number, number>()
    for (const { producerId, isTransactional, marker, offset } of this.records) {
      if (marker !== null) open.delete(producerId)
      else if (isTransactional && !open.has(producerId)) open.set(producerId, offset)
    }
    return open
  }

  get lastStableOffset(): number {
    return Math.max(Math.min(this.end, ...this.open().values()), this.start)
  }

  /** What a consumer with read_committed gets, in all. */
  committed(): [offset: number, value: string][] {
    const ending = new Map<number, 'commit' | 'abort'>()
    const seen: [number, string][] = []
    for (const { offset, value, producerId, isTransactional, marker } of this.records.toReversed()) {
      if (marker !== null) ending.set(producerId, marker)
      else if (isTransactional && ending.get(producerId) !== 'commit') continue
      else if (offset >= this.start && offset < this.lastStableOffset) seen.push([offset, value])
    }
    return seen.reverse()
  }

  firstAtOrAfter(timestamp: number, below: number): number | undefined {
    return this.records.find(record => record.offset >= this.start && record.offset < below && record.timestamp >= timestamp)?.offset
  }

  /** undefined without records. */
  newest(): NaiveRecord | undefined {
    let newest: NaiveRecord | undefined
    for (const record of this.records.slice(this.start)) if (newest === undefined || record.timestamp > newest.timestamp) newest = record
    return newest
  }

  /** Epochs that ended, of which something is left. */
  endedEpochs(): { epoch: number; end: number }[] {
    return this.epochs.slice(0, -1).flatMap(({ epoch }, nth) => {
      const end = this.epochs[nth + 1]!.from
      return end > this.start ? [{ epoch, end }] : []
    })
  }

  /** The epoch is this one from now on; what there was without records may be forgotten. */
  beginEpoch(epoch: number): void {
    this.epoch = epoch
    this.#enterEpoch()
  }

  /** One in which nothing was written has no end. */
  #enterEpoch(): void {
    while (this.epochs.at(-1)?.from === this.end) this.epochs.pop()
    if (this.epochs.at(-1)?.epoch !== this.epoch) this.epochs.push({ epoch: this.epoch, from: this.end })
  }
}
