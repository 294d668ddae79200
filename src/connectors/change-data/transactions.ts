/** Which events a transaction has had so far, by table: Debezium's metadata of transactions. */
import { type ConnectValue, type Struct, struct } from '../../connector.ts'

export class TransactionEvents {
  #total = 0n
  readonly #byTable = new Map<string, bigint>()

  /** The block `transaction` of the next event. */
  next(id: string, table: string): Struct {
    this.#total++
    const order = (this.#byTable.get(table) ?? 0n) + 1n
    this.#byTable.set(table, order)
    return struct([
      ['id', id],
      ['total_order', this.#total],
      ['data_collection_order', order],
    ])
  }

  begin(id: string, micros: bigint): Struct {
    return metadata('BEGIN', id, micros, null, null)
  }

  end(id: string, micros: bigint): Struct {
    const tables = Array.from(
      this.#byTable,
      ([table, count]): ConnectValue =>
        struct([
          ['data_collection', table],
          ['event_count', count],
        ]),
    )
    return metadata('END', id, micros, this.#total, tables)
  }
}

function metadata(status: string, id: string, micros: bigint, count: bigint | null, tables: ConnectValue[] | null): Struct {
  return struct([
    ['status', status],
    ['id', id],
    ['event_count', count],
    ['data_collections', tables],
    ['ts_ms', micros / 1_000n],
  ])
}
