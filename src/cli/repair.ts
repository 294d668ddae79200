/** `millrace repair`: brings offline partitions back, without the data that cannot be read. */
import { realSystem } from '../base.ts'
import { leftToRepair, type Repaired, repairPartitions } from '../broker.ts'
import { type Logger, silentLogger } from '../logger.ts'
import { CommandFailed, plural, show } from './output.ts'
import { type Progress, shownWhile } from './progress-line.ts'
import { configFrom, explain, type StartFlags } from './start.ts'

export type RepairFlags = Pick<StartFlags, 'config' | 'set' | 'data'> & { json?: boolean }

export async function repair(partitions: readonly string[], flags: RepairFlags): Promise<void> {
  const system = realSystem()
  const told: string[] = []
  const logger: Logger = { ...silentLogger, warn: (_, message) => void told.push(message), error: (_, message) => void told.push(message) }
  let repaired: Repaired[]
  try {
    const options = { system, config: configFrom(flags, system), logger }
    const total = partitions.length
    const progress = (): Progress => {
      const done = total - leftToRepair(options, partitions)
      // Of one partition nobody knows how far it is.
      return { part: total === 1 ? null : done / total, text: total === 1 ? `reading ${partitions[0]}` : `${done} of ${total} partitions` }
    }
    repaired = await shownWhile(system, 'repair', progress, repairPartitions(options, partitions))
  } catch (error) {
    throw new CommandFailed(`cannot repair: ${explain(error as Error)}`)
  }
  await show(flags.json, { partitions: repaired, messages: told }, () =>
    [
      ...told,
      ...repaired.map(({ partition, firstOffset, endOffset, offline }) =>
        offline === null
          ? `${partition} is repaired: it starts at offset ${firstOffset} and continues at offset ${endOffset}`
          : `${partition} is still offline: ${offline}`,
      ),
      '',
    ].join('\n'),
  )
  const failed = repaired.filter(({ offline }) => offline !== null).length
  if (failed > 0) throw new CommandFailed(`${plural(failed, 'partition')} could not be repaired`)
}
