/**
 * Offsets in the database, so that they change in the same transaction as the rows.
 *
 * A transaction moves an offset on only from where it knows it to be: of two tasks that write the same partition, after a rebalance that one of them did
 * not see, the later one finds that it has been overtaken, and writes nothing.
 */
import type { TopicPartition } from '../../connector.ts'
import { TopicNames } from '../topic-names.ts'
import type { Database } from './database.ts'
import type { Config } from './keys.ts'
import { quoted } from './statements.ts'

export interface Progress extends TopicPartition {
  /** The first record that this transaction is about. */
  readonly first: bigint
  /** The one after the last. */
  readonly next: bigint
}

export class StoredOffsets {
  readonly #database: Database
  readonly #table: string
  readonly #connector: string
  readonly #names: TopicNames

  constructor(database: Database, config: Config, connector: string, names = new TopicNames()) {
    this.#database = database
    this.#table = quoted(database.dialect, config['offsets.table'], true)
    this.#connector = connector
    this.#names = names
  }

  async prepare(): Promise<void> {
    if ((await this.#database.columns(this.#table)) !== null) return
    const create = `CREATE TABLE IF NOT EXISTS ${this.#table} (connector VARCHAR(249) NOT NULL, topic VARCHAR(280) NOT NULL,
      kafka_partition INT NOT NULL, next_offset BIGINT NOT NULL, PRIMARY KEY (connector, topic, kafka_partition))`
    try {
      await this.#database.query(create)
    } catch (error) {
      // Another task made it at the same time.
      if ((await this.#database.columns(this.#table)) !== null) return
      throw error
    }
  }

  /** The next record of these partitions; 0: not known. */
  async of(partitions: readonly TopicPartition[]): Promise<(TopicPartition & { readonly offset: bigint })[]> {
    const { dialect } = this.#database
    const found = []
    for (const { topic, partition } of partitions) {
      const [one, two, three] = [1, 2, 3].map(index => dialect.parameter(index))
      const values = [this.#connector, this.#names.of(topic), partition]
      const keys = ['connector', 'topic', 'kafka_partition']
      await this.#database.query(
        `INSERT INTO ${this.#table} (${keys.join(',')}, next_offset) VALUES (${one},${two},${three},0)${dialect.onDuplicate(keys, [])}`,
        values,
      )
      const where = `connector=${one} AND topic=${two} AND kafka_partition=${three}`
      const { rows } = await this.#database.query(`SELECT next_offset AS next_offset FROM ${this.#table} WHERE ${where}`, values)
      found.push({ topic, partition, offset: BigInt(String(rows[0]?.['next_offset'] ?? 0)) })
    }
    return found
  }

  /** Within the transaction. Throws if another task has written these records. */
  async advance(progress: Iterable<Progress>): Promise<void> {
    const { dialect } = this.#database
    const [one, two, three, four, five] = [1, 2, 3, 4, 5].map(index => dialect.parameter(index))
    for (const { topic, partition, first, next } of progress) {
      const { count } = await this.#database.query(
        `UPDATE ${this.#table} SET next_offset=${one} WHERE connector=${two} AND topic=${three} AND kafka_partition=${four} AND next_offset<=${five}`,
        [String(next), this.#connector, this.#names.of(topic), partition, String(first)],
      )
      if (count !== 1) throw new Error(`another task has written records of ${topic}-${partition} from offset ${first} on`)
    }
  }
}
