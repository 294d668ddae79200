/**
 * The brokers that have registered, as the records of the metadata say. A broker alone in its cluster does not register: then there are none.
 */
import type { BrokerRecord, RegisterBrokerRecord } from './metadata-records.ts'
import type { BrokerRegistration } from './types.ts'

/** Of a BrokerRegistrationChangeRecord: 0 means no change. */
const fence = 1
const unfence = -1

export class Brokers {
  readonly byId: Map<number, BrokerRegistration>
  /** With which epoch brokers were registered that were unregistered since this image was loaded. */
  readonly unregistered: Map<number, number>
  /** What a snapshot writes. */
  readonly #records: Map<number, RegisterBrokerRecord>
  #sorted: readonly BrokerRegistration[] | null = null

  constructor(from?: Brokers) {
    this.byId = new Map(from?.byId)
    this.unregistered = new Map(from?.unregistered)
    this.#records = from === undefined ? new Map() : new Map(from.#records)
  }

  sorted(): readonly BrokerRegistration[] {
    this.#sorted ??= [...this.byId.values()].sort((a, b) => a.id - b.id)
    return this.#sorted
  }

  /** Ids of those that are not fenced, in order. */
  alive(): number[] {
    return this.sorted().flatMap(({ id, fenced }) => (fenced ? [] : id))
  }

  /** It is registered, or was. */
  knows(id: number): boolean {
    return this.byId.has(id) || this.unregistered.has(id)
  }

  replay(record: BrokerRecord): void {
    switch (record.type) {
      case 'RegisterBrokerRecord':
        this.#set(record)
        this.unregistered.delete(record.brokerId)
        return
      case 'UnregisterBrokerRecord':
        this.unregistered.set(record.brokerId, Number(this.#known(record.brokerId).brokerEpoch))
        this.#records.delete(record.brokerId)
        this.byId.delete(record.brokerId)
        this.#sorted = null
        return
      case 'FenceBrokerRecord':
        this.#set({ ...this.#known(record.id), fenced: true })
        return
      case 'UnfenceBrokerRecord':
        this.#set({ ...this.#known(record.id), fenced: false })
        return
      case 'BrokerRegistrationChangeRecord': {
        const known = this.#known(record.brokerId)
        const fenced = record.fenced === fence || (record.fenced !== unfence && known.fenced)
        this.#set({ ...known, fenced, inControlledShutdown: known.inControlledShutdown || record.inControlledShutdown === 1 })
      }
    }
  }

  records(): Iterable<BrokerRecord> {
    return this.#records.values()
  }

  #known(id: number): RegisterBrokerRecord {
    const record = this.#records.get(id)
    if (record === undefined) throw new Error(`a record about broker ${id}, which is not registered`)
    return record
  }

  #set(record: RegisterBrokerRecord): void {
    const { brokerId: id, brokerEpoch, rack, fenced, inControlledShutdown: leaving, endPoints } = record
    const endpoints = new Map(endPoints.map(({ name, host, port }) => [name, { host, port }]))
    this.#records.set(id, record)
    this.byId.set(id, { id, epoch: Number(brokerEpoch), rack, fenced, leaving, endpoints })
    this.#sorted = null
  }
}
