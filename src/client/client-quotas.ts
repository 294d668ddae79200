/** Quotas of users, client ids and addresses (KIP-546). */
import { apis } from '../protocol.ts'
import type { Quota, QuotaEntity, QuotaEntityType } from './administration.ts'
import { type Requests, refuse } from './requests.ts'

export async function quotas(requests: Requests): Promise<Quota[]> {
  const { entries, errorCode, errorMessage } = await requests.ask(apis.describeClientQuotas, { components: [], strict: false })
  refuse(errorCode, errorMessage)
  const found = (entries ?? []).map(({ entity, values }) => ({
    entity: new Map(entity.map(({ entityType, entityName }) => [entityType as QuotaEntityType, entityName])),
    values: new Map(values.map(({ key, value }) => [key, value] as const).sort(([a], [b]) => (a < b ? -1 : 1))),
  }))
  const key = ({ entity }: Quota) => JSON.stringify([...entity].sort())
  return found.sort((a, b) => (key(a) < key(b) ? -1 : 1))
}

export async function alterQuota(
  requests: Requests,
  entity: QuotaEntity,
  changes: ReadonlyMap<string, number | null>,
  validateOnly: boolean,
): Promise<void> {
  const ops = Array.from(changes, ([key, value]) => ({ key, value: value ?? 0, remove: value === null }))
  const named = Array.from(entity, ([entityType, entityName]) => ({ entityType, entityName }))
  const { entries } = await requests.ask(apis.alterClientQuotas, { entries: [{ entity: named, ops }], validateOnly })
  for (const { errorCode, errorMessage } of entries) refuse(errorCode, errorMessage)
}
