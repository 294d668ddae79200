/** `millrace feature …`: the finalized feature levels of a cluster. */
import type { FeatureChange } from '../client.ts'
import { connect } from './connect.ts'
import type { ClientFlags } from './options.ts'
import { CommandFailed, show, table, UsageError } from './output.ts'

export async function listFeatures(flags: ClientFlags): Promise<void> {
  await using client = await connect(flags)
  const features = await client.features()
  await show(flags.json, features, () =>
    table(
      ['FEATURE', 'LEVEL', 'LOWEST', 'HIGHEST'],
      features.map(each => [each.name, each.level, each.minLevel, each.maxLevel]),
    ),
  )
}

export interface ChangeFlags extends ClientFlags {
  unsafe?: boolean
  dryRun?: boolean
}

export async function upgradeFeatures(pairs: string[], flags: ChangeFlags): Promise<void> {
  await change(pairs, 'upgrade', flags)
}

export async function downgradeFeatures(pairs: string[], flags: ChangeFlags): Promise<void> {
  await change(pairs, flags.unsafe === true ? 'unsafe downgrade' : 'safe downgrade', flags)
}

async function change(pairs: string[], kind: FeatureChange['kind'], flags: ChangeFlags): Promise<void> {
  const changes = pairs.map(pair => {
    const [, name, level] = /^([a-z0-9.]+)=(\d{1,4})$/i.exec(pair) ?? []
    if (name === undefined) throw new UsageError(`"${pair}" is not feature=level, for example group.version=1 (0 disables it)`)
    return { name, level: Number(level), kind }
  })
  await using client = await connect(flags)
  const before = new Map((await client.features()).map(each => [each.name, each.level]))
  const unknown = changes.find(({ name }) => !before.has(name))
  if (unknown !== undefined) throw new CommandFailed(`unknown feature ${unknown.name}; the features are ${[...before.keys()].join(', ')}`)
  await client.updateFeatures(changes, flags.dryRun === true)
  const rows = changes.map(({ name, level }) => ({ feature: name, before: before.get(name)!, after: level }))
  await show(flags.json, { dryRun: flags.dryRun === true, changes: rows }, () => {
    const note = flags.dryRun === true ? 'Nothing was changed (--dry-run); the cluster accepts the request.\n' : ''
    return (
      table(
        ['FEATURE', 'BEFORE', 'AFTER'],
        rows.map(row => [row.feature, row.before, row.after]),
      ) + note
    )
  })
}
