/** `millrace client-metrics …`: which metrics brokers request from which clients, and how often (KIP-714). */
import type { Client } from '../client.ts'
import { connect } from './connect.ts'
import type { ClientFlags } from './options.ts'
import { CommandFailed, show, table, UsageError } from './output.ts'

const type = 'CLIENT_METRICS'
const ofTheSubscription = 'DYNAMIC_CLIENT_METRICS_CONFIG'

export async function listSubscriptions(flags: ClientFlags): Promise<void> {
  await using client = await connect(flags)
  const names = await client.configResources(type)
  await show(flags.json, names, () => names.map(name => `${name}\n`).join(''))
}

export async function describeSubscriptions(names: string[], flags: ClientFlags): Promise<void> {
  await using client = await connect(flags)
  const existing = await client.configResources(type)
  const missing = names.find(name => !existing.includes(name))
  if (missing !== undefined) throw new CommandFailed(`client-metrics subscription not found: ${missing}`)
  const found = await Promise.all(
    (names.length === 0 ? existing : names).map(async name => ({ name, configs: await configsOf(client, name) })),
  )
  await show(flags.json, found, () =>
    table(
      ['SUBSCRIPTION', 'INTERVAL (ms)', 'METRICS', 'MATCH'],
      found.map(({ name, configs }) => [name, configs['interval.ms'], configs.metrics || null, configs.match || '(all clients)']),
    ),
  )
}

async function configsOf(client: Client, name: string): Promise<Record<string, string | null>> {
  const entries = await client.configs({ type, name })
  return Object.fromEntries(entries.map(each => [each.name, each.value]))
}

export interface SetFlags extends ClientFlags {
  metrics?: string
  interval?: number
  match?: string[]
}

export async function setSubscription(name: string, flags: SetFlags): Promise<void> {
  const changes = new Map<string, string>()
  if (flags.metrics !== undefined) changes.set('metrics', flags.metrics)
  if (flags.interval !== undefined) changes.set('interval.ms', String(flags.interval))
  if (flags.match !== undefined) changes.set('match', flags.match.join(','))
  if (changes.size === 0) throw new UsageError('nothing to set; pass --metrics, --interval or --match')
  await using client = await connect(flags)
  await client.alterConfigs({ type, name }, changes)
  await show(flags.json, { name, altered: Object.fromEntries(changes) }, () => `${name}: ${[...changes.keys()].join(', ')} set\n`)
}

/** A subscription exists only as long as it has configs. */
export async function deleteSubscriptions(names: string[], flags: ClientFlags): Promise<void> {
  await using client = await connect(flags)
  const existing = await client.configResources(type)
  const missing = names.find(name => !existing.includes(name))
  if (missing !== undefined) throw new CommandFailed(`client-metrics subscription not found: ${missing}`)
  for (const name of names) {
    const set = (await client.configs({ type, name })).filter(each => each.source === ofTheSubscription)
    await client.alterConfigs({ type, name }, new Map(set.map(each => [each.name, null])))
  }
  await show(flags.json, { deleted: names }, () => names.map(name => `${name} deleted\n`).join(''))
}
