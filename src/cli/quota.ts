/** `millrace quota …`: quotas of users, client ids and addresses. */
import type { QuotaEntity, QuotaEntityType } from '../client.ts'
import { connect } from './connect.ts'
import type { ClientFlags } from './options.ts'
import { CommandFailed, show, table, UsageError } from './output.ts'

export interface QuotaFlags extends ClientFlags {
  user?: string
  userDefault?: boolean
  clientId?: string
  clientIdDefault?: boolean
  ip?: string
  ipDefault?: boolean
  dryRun?: boolean
}

export async function listQuotas(flags: QuotaFlags): Promise<void> {
  const wanted = entityOf(flags)
  await using client = await connect(flags)
  const quotas = (await client.quotas()).filter(({ entity }) => [...wanted].every(([type, name]) => entity.get(type) === name))
  const shown = quotas.map(({ entity, values }) => ({ ...toJson(entity), values: Object.fromEntries(values) }))
  await show(flags.json, shown, () =>
    quotas.length === 0
      ? 'No quota matches.\n'
      : table(
          ['USER', 'CLIENT ID', 'IP', 'KEY', 'VALUE'],
          quotas.flatMap(({ entity, values }) =>
            Array.from(values, ([key, value]) => [...(['user', 'client-id', 'ip'] as const).map(type => word(entity, type)), key, value]),
          ),
        ),
  )
}

export async function setQuota(pairs: string[], flags: QuotaFlags): Promise<void> {
  const changes = new Map<string, number>()
  for (const pair of pairs) {
    const [, key, text] = /^([a-z_]+)=(\d+(?:\.\d+)?)$/.exec(pair) ?? []
    if (key === undefined) throw new UsageError(`"${pair}" is not key=number, for example producer_byte_rate=1048576`)
    changes.set(key, Number(text))
  }
  await alter(flags, () => changes)
}

/** Without keys: all that the entity has. */
export async function removeQuota(keys: string[], flags: QuotaFlags): Promise<void> {
  await alter(flags, found => {
    const missing = keys.find(key => !found.has(key))
    if (found.size === 0 || missing !== undefined) {
      throw new CommandFailed(`${describe(entityOf(flags))} has no quota${missing === undefined ? '' : ` ${missing}`}`)
    }
    return new Map((keys.length === 0 ? [...found.keys()] : keys).map(key => [key, null]))
  })
}

async function alter(
  flags: QuotaFlags,
  changesOf: (found: ReadonlyMap<string, number>) => ReadonlyMap<string, number | null>,
): Promise<void> {
  const entity = entityOf(flags)
  if (entity.size === 0) throw new UsageError('specify --user, --client-id, --ip, or one of their defaults (--user-default, …)')
  await using client = await connect(flags)
  const found = (await client.quotas()).find(each => same(each.entity, entity))?.values ?? new Map<string, number>()
  const changes = changesOf(found)
  await client.alterQuota(entity, changes, flags.dryRun === true)
  const rows = Array.from(changes, ([key, after]) => ({ key, before: found.get(key) ?? null, after }))
  await show(flags.json, { dryRun: flags.dryRun === true, ...toJson(entity), changes: rows }, () => {
    const note = flags.dryRun === true ? 'Nothing was changed (--dry-run).\n' : ''
    const header = ['KEY', 'BEFORE', 'AFTER']
    return `${describe(entity)}\n${table(
      header,
      rows.map(row => [row.key, row.before, row.after]),
    )}${note}`
  })
}

function entityOf(flags: QuotaFlags): QuotaEntity {
  const entity = new Map<QuotaEntityType, string | null>()
  const put = (type: QuotaEntityType, name: string | undefined, byDefault: boolean | undefined) => {
    if (name !== undefined && byDefault) throw new UsageError(`--${type} and --${type}-default cannot be combined`)
    if (name !== undefined || byDefault) entity.set(type, name ?? null)
  }
  put('user', flags.user, flags.userDefault)
  put('client-id', flags.clientId, flags.clientIdDefault)
  put('ip', flags.ip, flags.ipDefault)
  if (entity.has('ip') && entity.size > 1) throw new UsageError('--ip cannot be combined with --user or --client-id')
  return entity
}

function same(a: QuotaEntity, b: QuotaEntity): boolean {
  return a.size === b.size && [...a].every(([type, name]) => b.has(type) && b.get(type) === name)
}

const defaultWord = '(default)'

function word(entity: QuotaEntity, type: QuotaEntityType): string | null {
  return entity.has(type) ? (entity.get(type) ?? defaultWord) : null
}

function describe(entity: QuotaEntity): string {
  return Array.from(entity, ([type, name]) => `${type} ${name ?? defaultWord}`).join(', ')
}

/** Absent: not part of the entity; null: its default. */
function toJson(entity: QuotaEntity): { entity: Record<string, string | null> } {
  return { entity: Object.fromEntries(entity) }
}
