/**
 * DescribeClientQuotas, v0–1 (KIP-546): quotas whose entities match a filter. A filter component matches one exact name, the
 * default, or any entity with the type; `strict` excludes entities that also have other types.
 */
import type { QuotaEntity } from '../../../coordinator.ts'
import { apis, KafkaError, type MessageOf } from '../../../protocol.ts'
import { oneThing } from '../../dispatch/cost.ts'
import { defineHandler } from '../../dispatch/handler.ts'
import { requireCluster } from '../../security/authorized-operations.ts'

type Request = MessageOf<typeof apis.describeClientQuotas.request>

const exact = 0
const byDefault = 1
const specified = 2

export const describeClientQuotas = defineHandler<typeof apis.describeClientQuotas>({
  api: apis.describeClientQuotas,
  versions: [0, 1],
  access: [['CLUSTER', 'DESCRIBE_CONFIGS']],
  cost: oneThing,
  handle(request, context) {
    requireCluster(context, 'DESCRIBE_CONFIGS')
    const wanted = readFilter(request)
    const matching = context.broker.metadata.quotas.entries.filter(({ entity }) => matches(entity, wanted, request.strict))
    const entries = matching.map(({ entity, values }) => ({
      entity: [...entity].map(([entityType, entityName]) => ({ entityType, entityName })),
      values: [...values].map(([key, value]) => ({ key, value })),
    }))
    return { throttleTimeMs: 0, errorCode: 0, errorMessage: null, entries }
  },
  fail: (_, error) => ({ throttleTimeMs: 0, errorCode: error.code, errorMessage: error.message, entries: null }),
})

/** Name by type: null is the default, undefined any. */
type Filter = ReadonlyMap<string, string | null | undefined>

function readFilter({ components }: Request): Filter {
  const filter = new Map<string, string | null | undefined>()
  for (const { entityType, matchType, match } of components) {
    if (entityType === '') throw new KafkaError('INVALID_REQUEST', 'Invalid empty entity type.')
    if (filter.has(entityType)) {
      throw new KafkaError('INVALID_REQUEST', `Entity type ${entityType} cannot appear more than once in the filter.`)
    }
    if (entityType !== 'user' && entityType !== 'client-id' && entityType !== 'ip') {
      throw new KafkaError('UNSUPPORTED_VERSION', `Unsupported entity type ${entityType}`)
    }
    filter.set(entityType, wantedName(matchType, match))
  }
  if (filter.has('ip') && filter.size > 1) {
    const message =
      'Invalid entity filter component combination. IP filter component should not be used with user or clientId filter component.'
    throw new KafkaError('INVALID_REQUEST', message)
  }
  return filter
}

function wantedName(matchType: number, match: string | null): string | null | undefined {
  switch (matchType) {
    case exact:
      if (match === null) throw new KafkaError('INVALID_REQUEST', 'Request specified MATCH_TYPE_EXACT, but set match string to null.')
      return match
    case byDefault:
      if (match === null) return null
      throw new KafkaError('INVALID_REQUEST', 'Request specified MATCH_TYPE_DEFAULT, but also specified a match string.')
    case specified:
      if (match === null) return undefined
      throw new KafkaError('INVALID_REQUEST', 'Request specified MATCH_TYPE_SPECIFIED, but also specified a match string.')
    default:
      throw new KafkaError('INVALID_REQUEST', `Unknown match type ${matchType}`)
  }
}

function matches(entity: QuotaEntity, filter: Filter, strict: boolean): boolean {
  if (strict && entity.size !== filter.size) return false
  for (const [type, name] of filter) if (!entity.has(type) || (name !== undefined && entity.get(type) !== name)) return false
  return true
}
