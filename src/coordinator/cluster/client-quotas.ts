/**
 * Client quotas (KIP-546) in the metadata: numbers by key, for users, client ids, both, or IP addresses, and Kafka's rules for
 * changing them. The broker enforces them.
 */
import { isIP } from 'node:net'
import { KafkaError } from '../../protocol.ts'
import { attemptEach } from './deciding.ts'
import type { MetadataRecord, QuotaRecord } from './metadata-records.ts'

export type QuotaEntityType = 'user' | 'client-id' | 'ip'

/** Name by type; null is the default of all names. */
export type QuotaEntity = ReadonlyMap<string, string | null>

export interface QuotaEntry {
  readonly entity: QuotaEntity
  /** Never changes: an altered entry is another one. */
  readonly values: ReadonlyMap<string, number>
}

export interface QuotaAlteration {
  /** As it came: types may repeat or be unknown. */
  entity: readonly { entityType: string; entityName: string | null }[]
  /** null removes. */
  ops: readonly { key: string; value: number | null }[]
}

/** Reading is synchronous and shows only what is durable; changes settle when durable and visible. */
export interface ClusterQuotas {
  readonly entries: readonly QuotaEntry[]
  /** One outcome per alteration; null: done. Those that fail leave the others alone. */
  alter(alterations: readonly QuotaAlteration[], validateOnly: boolean): Promise<(KafkaError | null)[]>
}

export class QuotaState {
  readonly #entries: Map<string, QuotaEntry>

  constructor(from: QuotaState | null = null) {
    this.#entries = new Map(from === null ? [] : from.#entries)
  }

  get entries(): readonly QuotaEntry[] {
    return [...this.#entries.values()]
  }

  values(entity: QuotaEntity): ReadonlyMap<string, number> {
    return this.#entries.get(keyOf(entity))?.values ?? new Map()
  }

  replay(record: QuotaRecord): void {
    const entity = new Map(record.entity.map(({ entityType, entityName }) => [entityType, entityName]))
    const values = new Map(this.values(entity))
    if (record.remove) values.delete(record.key)
    else values.set(record.key, record.value)
    if (values.size === 0) this.#entries.delete(keyOf(entity))
    else this.#entries.set(keyOf(entity), { entity, values })
  }

  *records(): Generator<MetadataRecord> {
    for (const { entity, values } of this.#entries.values()) for (const [key, value] of values) yield quotaRecord(entity, key, value)
  }
}

/** The records that these alterations need, and each one's outcome. */
export function* quotaRecords(
  state: QuotaState,
  alterations: readonly QuotaAlteration[],
): Generator<void, { records: MetadataRecord[]; outcomes: (KafkaError | null)[] }> {
  const records: MetadataRecord[] = []
  const seen = new Set<string>()
  const outcomes = yield* attemptEach(alterations, alteration => {
    const entity = checkedEntity(alteration.entity)
    const changes = checkedOps(entity, alteration.ops)
    if (seen.has(keyOf(entity))) throw invalid(`Ignoring duplicate entity ${describe(entity)}`)
    seen.add(keyOf(entity))
    const current = state.values(entity)
    for (const [key, value] of changes) if ((current.get(key) ?? null) !== value) records.push(quotaRecord(entity, key, value))
    return null
  })
  return { records, outcomes }
}

function quotaRecord(entity: QuotaEntity, key: string, value: number | null): MetadataRecord {
  const names = [...entity].map(([entityType, entityName]) => ({ entityType, entityName }))
  return { type: 'ClientQuotaRecord', entity: names, key, value: value ?? 0, remove: value === null }
}

function keyOf(entity: QuotaEntity): string {
  return JSON.stringify([...entity].sort(([a], [b]) => (a < b ? -1 : 1)))
}

function describe(entity: QuotaEntity): string {
  return [...entity].map(([type, name]) => `${type} ${name ?? '<default>'}`).join(', ')
}

function invalid(message: string): KafkaError {
  return new KafkaError('INVALID_REQUEST', message)
}

function checkedEntity(given: QuotaAlteration['entity']): QuotaEntity {
  const entity = new Map<string, string | null>()
  for (const { entityType, entityName } of given) {
    if (entity.has(entityType)) throw invalid(`Invalid client quota entity, duplicate entity entry ${entityType}`)
    if (entityType !== 'user' && entityType !== 'client-id' && entityType !== 'ip') {
      throw invalid(`Unhandled client quota entity type: ${entityType}`)
    }
    if (entityName === '') throw invalid(`Empty ${entityType} not supported`)
    entity.set(entityType, entityName)
  }
  if (entity.size === 0) throw invalid('Invalid empty client quota entity')
  const ip = entity.get('ip')
  if (ip === undefined) return entity
  if (entity.size > 1) throw invalid('Invalid quota entity combination, IP entity should not be combined with User or ClientId')
  // Kafka resolves host names once, here; if a name moved later, it would limit the wrong client.
  if (ip !== null && isIP(ip) === 0) throw invalid(`${ip} is not a valid IP or resolvable host.`)
  return entity
}

/** Kafka's types of the keys: `integer` with its largest value, or any positive number. */
const clientKeys: ReadonlyMap<string, number | 'double'> = new Map<string, number | 'double'>([
  ['producer_byte_rate', 2 ** 63],
  ['consumer_byte_rate', 2 ** 63],
  ['request_percentage', 'double'],
  ['controller_mutation_rate', 'double'],
])
const ipKeys: ReadonlyMap<string, number | 'double'> = new Map([['connection_creation_rate', 2 ** 31 - 1]])

function checkedOps(entity: QuotaEntity, ops: QuotaAlteration['ops']): ReadonlyMap<string, number | null> {
  const keys = entity.has('ip') ? ipKeys : clientKeys
  const changes = new Map<string, number | null>()
  for (const { key, value } of ops) {
    if (changes.has(key)) throw invalid(`Duplicate quota key ${key} not updating quota for this entity ${describe(entity)}`)
    if (value !== null) checkValue(keys, key, value)
    changes.set(key, value)
  }
  return changes
}

function checkValue(keys: ReadonlyMap<string, number | 'double'>, key: string, value: number): void {
  const largest = keys.get(key)
  if (largest === undefined) throw invalid(`Invalid configuration key ${key}`)
  if (!(value > 0)) throw invalid(`Quota ${key} must be greater than 0`)
  if (largest === 'double') return
  if (value > largest) throw invalid(`Proposed value for ${key} is too large for ${largest > 2 ** 31 ? 'a LONG' : 'an INT'}.`)
  if (Math.abs(value % 1) > 1e-6) throw invalid(`${key} cannot be a fractional value.`)
}
