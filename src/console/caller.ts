/** Who makes a request, and what the console does it with. */
import type { Clock } from '../base.ts'
import type { Client } from '../client.ts'
import type { RegistryClient } from '../serde.ts'
import type { Catalogue } from './catalogue.ts'
import type { Peer } from './peers.ts'
import type { Shared } from './shared.ts'

export interface Caller {
  readonly principal: string
  readonly needsLogin: boolean
  readonly client: Client
  readonly bootstrap: string
  readonly clock: Clock
  readonly catalogue: Catalogue
  /** Acts as the caller, too; null: no schema registry is known. */
  readonly registry: RegistryClient | null
  /** Kafka Connect; null: no worker is known. */
  readonly worker: Peer | null
  /** null: they do not run in this process. */
  readonly triggers: Peer | null
  readonly shared: Shared
}
