/** Opens the cluster metadata with the rules and limits of the broker's configuration. */
import { type ClusterMetadata, type ClusterOptions, type MetadataLog, openClusterMetadata } from '../../coordinator.ts'
import type { Log } from '../../log.ts'
import { clusterLimits, topicRules } from '../config.ts'
import { connectToMetadata, listenForMetadata } from '../processes/metadata-socket.ts'
import { Seldom } from '../seldom.ts'
import type { Closers, StartOptions } from './options.ts'
import { ProcessMoves } from './process-moves.ts'

/** What depends on where the metadata log is. */
export type MetadataPlace = Pick<ClusterOptions, 'directories' | 'directory' | 'metadataLog' | 'session'>

export function openMetadata(
  { system, config, logger }: Pick<StartOptions, 'system' | 'config' | 'logger'>,
  log: Log,
  place: MetadataPlace,
): Promise<ClusterMetadata> {
  const seldom = new Seldom(system.clock)
  const unusable = (key: string, reason: string) => {
    if (seldom.allows(reason)) logger.warn({ key, reason }, 'ignoring an invalid stored config')
  }
  return openClusterMetadata({
    system,
    log,
    brokerId: config.get('node.id'),
    rack: config.get('broker.rack'),
    rules: topicRules(config, unusable),
    limits: clusterLimits(config),
    reporter: logger,
    ...place,
  })
}

/** Of a running broker: its own, or followed if it is a further process. */
export async function openOwnMetadata(
  options: StartOptions,
  log: Log,
  { directory, clusterId }: Record<'clusterId' | 'directory', string>,
  opened: Closers,
) {
  const processMoves = new ProcessMoves(options, directory)
  opened.push(() => processMoves.close())
  const { directories } = processMoves
  const metadata = await openMetadata(options, log, { directory, directories, metadataLog: followedLog(options, opened) })
  opened.push(() => metadata.close())
  await processMoves.takeOver(metadata, clusterId)
  await shareMetadata(options, metadata, opened)
  return { metadata, processMoves }
}

/** Undefined: this broker keeps the metadata log itself. */
function followedLog({ processes, system, logger }: StartOptions, opened: Closers): MetadataLog | undefined {
  if (processes === undefined || processes.keepsMetadata) return undefined
  const log = connectToMetadata(processes.metadataSocket, system, logger)
  opened.push(() => log.close())
  return log
}

async function shareMetadata({ processes, system, logger }: StartOptions, { sharedLog }: ClusterMetadata, opened: Closers): Promise<void> {
  if (processes === undefined || sharedLog === null) return
  const sharing = await listenForMetadata(processes.metadataSocket, sharedLog, system, logger)
  opened.push(() => sharing.close())
}
