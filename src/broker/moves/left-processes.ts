/**
 * Takes over what processes have left that do not run any more, because `processes` is lower than it was: their partitions come to this broker,
 * and they leave the cluster. From here the balance spreads them.
 *
 * Such a process cannot be asked, so its log is opened here, which its lock allows only while it does not run. Its partitions are then moved as it
 * would have moved them, so this can be interrupted anywhere and goes on at the next start.
 */
import { chunks, type System } from '../../base.ts'
import type { ClusterMetadata, PartitionKey } from '../../coordinator.ts'
import { type Log, openLog, type PartitionSpec } from '../../log.ts'
import type { Logger } from '../../logger.ts'
import { type BrokerConfig, effectiveTopicConfig, logSettings } from '../config.ts'
import { openDataDirectory } from '../start/data-directory.ts'
import { mostAtOnce } from './mover.ts'
import { ProcessDirectories } from './process-directories.ts'

export interface LeftProcess {
  readonly brokerId: number
  readonly directory: string
}

export interface TakeOverOptions {
  system: System
  config: BrokerConfig
  logger: Logger
  clusterId: string
  metadata: ClusterMetadata
  /** Of all processes, by broker id, also of those that do not run. */
  directories: ReadonlyMap<number, string>
  onThisMachine: boolean
}

export async function takeOverFrom(left: readonly LeftProcess[], options: TakeOverOptions): Promise<void> {
  for (const process of left) await takeOver(process, options)
}

async function takeOver(process: LeftProcess, options: TakeOverOptions): Promise<void> {
  const { logger, metadata, clusterId } = options
  const { brokerId, directory } = process
  const taken = await openDataDirectory({ ...options, directory, nodeId: brokerId, clusterId })
  let moved: number
  try {
    moved = await emptyLog(process, { ...options, system: taken.system })
  } finally {
    await taken.close()
  }
  await forgetBroker(brokerId, metadata)
  const rest = partitionDirectories(options.system, directory)
  if (rest.length === 0) await options.system.files.removeDirectory(directory)
  else
    logger.warn(
      { directory, partitions: rest },
      'keeping the directory of a process that does not run any more, because partitions are left in it',
    )
  logger.info({ broker: brokerId, partitions: moved }, 'took over the partitions of a process that does not run any more')
}

/** Resolves to the number of partitions that were moved. */
async function emptyLog({ brokerId, directory }: LeftProcess, options: TakeOverOptions): Promise<number> {
  const { system, config, directories, logger, metadata, onThisMachine } = options
  const report = (what: string, error: unknown) => logger.warn({ err: error }, what)
  let failure: Error | null = null
  const log = await openLog({
    system,
    directory,
    settings: logSettings(config),
    onThisMachine,
    report,
    onFatal(error) {
      failure = error
    },
  })
  const home = new ProcessDirectories({
    files: system.files,
    timers: system.timers,
    brokerId,
    directories,
    report,
  })
  try {
    const led = ledBy(brokerId, options)
    for (const some of chunks(led, mostAtOnce)) await moveAll(some, { log, home, from: brokerId }, options)
    // Also those of which a move was interrupted.
    const leaderOf = ({ topicId, partition }: PartitionKey) => metadata.leaderOf(topicId, partition)
    for (const stray of log.strays()) if (leaderOf(stray) !== undefined) await log.release(stray.topicId, stray.partition)
    for (const released of log.released()) home.bring(released, () => leaderOf(released))
    if (failure !== null) throw failure
    return led.length
  } finally {
    home.close()
    await log.close()
  }
}

function ledBy(brokerId: number, { config, metadata }: TakeOverOptions): { spec: PartitionSpec; leaderEpoch: number }[] {
  return metadata.topics().flatMap(({ name, id, partitions }) => {
    const topicConfig = effectiveTopicConfig(config, metadata.configs('TOPIC', name))
    return partitions
      .filter(({ leader }) => leader === brokerId)
      .map(({ index, leaderEpoch }) => ({ spec: { topic: name, topicId: id, partition: index, config: topicConfig }, leaderEpoch }))
  })
}

interface Source {
  log: Log
  home: ProcessDirectories
  from: number
}

async function moveAll(
  partitions: ReturnType<typeof ledBy>,
  { log, home, from }: Source,
  { config, metadata }: TakeOverOptions,
): Promise<void> {
  const release = async ({ spec, leaderEpoch }: (typeof partitions)[number]): Promise<PartitionKey> => {
    const { topicId, partition } = spec
    // What was on its way to this process is brought to the new leader by whoever has it.
    if (!home.isAway(spec)) {
      await log.lead(spec, leaderEpoch)
      await log.release(topicId, partition)
    }
    return { topicId, partition }
  }
  const released = await Promise.all(partitions.map(release))
  const leader = config.get('node.id')
  const outcomes = await metadata.changePartitions(released.map(key => ({ ...key, from, leader })))
  for (const outcome of outcomes) if (outcome !== null) throw outcome
}

/** It is no replica any more either. */
async function forgetBroker(brokerId: number, metadata: ClusterMetadata): Promise<void> {
  const changes = metadata.topics().flatMap(({ id, partitions }) =>
    partitions
      .filter(({ replicas }) => replicas.includes(brokerId))
      .map(({ index, leader, replicas }) => {
        const others = replicas.filter(replica => replica !== brokerId)
        return { topicId: id, partition: index, replicas: others.length > 0 ? others : [leader] }
      }),
  )
  const outcomes = changes.length === 0 ? [] : await metadata.changePartitions(changes)
  for (const outcome of outcomes) if (outcome !== null) throw outcome
  if (metadata.broker(brokerId) === undefined) return
  await metadata.fenceBroker(brokerId, true)
  await metadata.unregisterBroker(brokerId)
}

function partitionDirectories({ files }: System, directory: string): string[] {
  return files.list(directory).flatMap(({ name, kind }) => (kind === 'directory' && /-\d+$/.test(name) ? [name] : []))
}
