/** What the internal topics say, counted while their records pass by: for the report of an import or export. */
import { ByteReader, MalformedInput } from '../../base.ts'
import { offsetsTopicName, transactionTopicName } from '../../coordinator.ts'
import { batchesIn, classicGroupRecords, decodeRecordValue, forEachRecordOf, recordId, transactionRecords } from '../../protocol.ts'

export interface ContentCounts {
  /** Of every kind. */
  groups: number
  /** Committed, by group and partition. */
  groupOffsets: number
  transactionalIds: number
  /** Of those, the ones that were ongoing. */
  openTransactions: number
}

const { legacyOffsetCommit, offsetCommit } = classicGroupRecords
/** Kafka's TransactionState. */
const ongoing = 1

export class Contents {
  /** The records that are in force: group by key. */
  readonly #groupKeys = new Map<string, string>()
  readonly #offsetKeys = new Set<string>()
  /** Whether its transaction is open, by transactional id. */
  readonly #transactions = new Map<string, boolean>()

  /** Whole batches of one partition, in order. */
  take(topic: string, batches: Buffer): void {
    if (topic === offsetsTopicName) eachRecord(batches, (key, value) => this.#takeGroup(key, value))
    else if (topic === transactionTopicName) eachRecord(batches, (key, value) => this.#takeTransaction(key, value))
  }

  counts(): ContentCounts {
    return {
      groups: new Set(this.#groupKeys.values()).size,
      groupOffsets: this.#offsetKeys.size,
      transactionalIds: this.#transactions.size,
      openTransactions: [...this.#transactions.values()].filter(isOpen => isOpen).length,
    }
  }

  /** Every key of the topic begins with its kind and the group. */
  #takeGroup(key: Buffer, value: Buffer | null): void {
    const name = key.toString('latin1')
    const id = recordId(key)
    const isOffset = id === offsetCommit.id || id === legacyOffsetCommit.id
    if (value === null) {
      this.#groupKeys.delete(name)
      this.#offsetKeys.delete(name)
      return
    }
    this.#groupKeys.set(name, firstText(key))
    if (isOffset) this.#offsetKeys.add(name)
  }

  #takeTransaction(key: Buffer, value: Buffer | null): void {
    const { transactionLog } = transactionRecords
    if (recordId(key) !== transactionLog.id) return
    if (value === null) this.#transactions.delete(firstText(key))
    else this.#transactions.set(firstText(key), decodeRecordValue(transactionLog, value).transactionStatus === ongoing)
  }
}

function firstText(key: Buffer): string {
  const reader = new ByteReader(key)
  reader.readInt16()
  return reader.readString()
}

function eachRecord(batches: Buffer, visit: (key: Buffer, value: Buffer | null) => void): void {
  for (const batch of batchesIn(batches)) {
    if (batch.header.isControl) continue
    forEachRecordOf(batch, ({ key, value }) => {
      try {
        if (key !== null) visit(key, value)
      } catch (error) {
        // Coordinators skip such a record, too; it is copied like all others.
        if (!(error instanceof MalformedInput)) throw error
      }
    })
  }
}
