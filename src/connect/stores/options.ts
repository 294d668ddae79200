/** What every store on a topic is opened with. */
import type { System } from '../../base.ts'
import type { Client } from '../../client.ts'
import type { Logger } from '../../logger.ts'

export interface StoreOptions {
  readonly client: Client
  readonly topic: string
  /** Where the topic is missing. */
  readonly partitions?: number
  /** Where the topic is missing; undefined: the broker's default. */
  readonly replicas?: number | undefined
  readonly configs?: ReadonlyMap<string, string>
  readonly system: System
  readonly logger: Pick<Logger, 'warn'>
}
