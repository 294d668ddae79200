/**
 * Checks a data directory before anything is written to it: whether it is ours, and which cluster and node it belongs to. Then takes its lock
 * and reads the history of its clock.
 *
 * Hides the layout of the directory: `meta.properties` is Kafka's file with one additional key, `millrace.format`, which distinguishes a
 * Millrace directory from one of Kafka. Nothing is written before the check has passed, so a directory that is refused stays unchanged.
 */
import { dirname } from 'node:path'
import { DiskError, type FileSystem, type System, watchClock } from '../../base.ts'
import { parseProperties } from '../../formats.ts'
import { inspectLog } from '../../log.ts'
import type { Logger } from '../../logger.ts'
import { parseUuid, randomUuid, type Uuid, zeroUuid } from '../../protocol.ts'

export interface Identity {
  clusterId: string
  nodeId: number
  /** The id of the data directory (KIP-858); none if an older Kafka created it. */
  directoryId: Uuid
}

export interface DataDirectory {
  readonly identity: Identity
  /** The machine, with a clock whose history makes ages correct even if it jumps. */
  readonly system: System
  /** Releases the directory for another broker. */
  close(): Promise<void>
}

export interface DataDirectoryOptions {
  system: System
  directory: string
  nodeId: number
  logger: Logger
  /** Of the cluster that the broker joins. If absent, a new directory begins a cluster. */
  clusterId?: string
}

/** The directory cannot be used. Nothing in it was changed. */
class DirectoryRefused extends Error {
  readonly code = 'ERR_DATA_DIRECTORY'

  constructor(directory: string, why: string) {
    super(`${directory} ${why}`)
    this.name = 'DirectoryRefused'
  }
}

/** The format of the directory as a whole. Increase it with each change that older versions would misread. */
const format = 1

/** Locks the directory for this process, and creates it if it is new. Throws DirectoryRefused or DirectoryInUse; then nothing was written. */
export async function openDataDirectory(options: DataDirectoryOptions): Promise<DataDirectory> {
  const { system, directory, nodeId, clusterId } = options
  const look = () => {
    const identity = inspect(system.files, directory, nodeId)
    if (identity !== null && clusterId !== undefined && identity.clusterId !== clusterId)
      throw new DirectoryRefused(directory, `belongs to cluster ${identity.clusterId}, but the first process to cluster ${clusterId}`)
    return identity
  }
  return take(options, look, async identity => identity ?? (await makeIdentity(system, directory, nodeId, clusterId)))
}

/**
 * Of one of the processes of `processes=N`. The first has the directory itself, so that nothing has to move when a broker of one process
 * becomes one of several, or when it goes back.
 */
export function processDirectory(directory: string, index: number): string {
  // With a dot, because it may also lie in a directory that is new; not deeper, because only one parent is synced.
  return index === 0 ? directory : `${directory}/.process${index}`
}

/**
 * The indexes of processes that ran here and do not run with this many. Every directory counts: those of empty partitions do not exist, and records
 * may still be in the journal.
 */
export function leftProcesses(files: FileSystem, directory: string, processes: number): number[] {
  return listIfThere(files, directory)
    .map(name => Number(/^\.process(\d{1,9})$/.exec(name)?.[1]))
    .filter(index => index >= processes && files.exists(`${processDirectory(directory, index)}/meta.properties`))
    .sort((one, other) => one - other)
}

/** What is imported: if it is the same again, an interrupted import can continue. */
export interface ImportState {
  clusterId: string
  metadataEndOffset: number
  /** Of a cluster: how far it was written. */
  written?: string
}

export interface ImportTarget extends DataDirectory {
  /** Everything is imported: from now on a broker may start. */
  finish(): Promise<void>
}

/** Like `openDataDirectory`, for an empty directory or one with an interrupted import, of which usable parts are kept. */
export async function openImportTarget(options: DataDirectoryOptions, state: ImportState): Promise<ImportTarget> {
  const { system, directory, nodeId } = options
  const { files } = system
  const mark = `${directory}/${importMark}`
  const look = () => {
    const interrupted = files.readFile(mark)?.toString() ?? null
    if (interrupted === null && inspect(files, directory, nodeId) !== null)
      throw new DirectoryRefused(directory, 'already contains data: an import or export needs an empty directory')
    return interrupted
  }
  const text = JSON.stringify({ ...state, nodeId })
  const taken = await take(options, look, async interrupted => {
    await removeImported(files, directory, interrupted === text)
    await files.replaceFile(mark, Buffer.from(text))
    const identity = { clusterId: state.clusterId, nodeId, directoryId: randomUuid(system.random) }
    await writeIdentity(files, directory, identity)
    return identity
  })
  return {
    ...taken,
    async finish() {
      files.remove(mark)
      await files.syncDirectory(directory)
    },
  }
}

const importMark = 'import.json'

/** `keepPartitions`: the partitions are copies of the same source state. */
async function removeImported(files: FileSystem, directory: string, keepPartitions: boolean): Promise<void> {
  for (const { name } of files.list(directory)) {
    if (name === 'journal' || name === '__cluster_metadata-0') await files.removeDirectory(`${directory}/${name}`)
    else if (!keepPartitions && /-\d+(\.import)?$/.test(name)) await files.removeDirectory(`${directory}/${name}`)
  }
}

/** Checks the directory; if `look` does not throw, locks it, checks it again, and settles its identity. */
async function take<Found>(
  { system, directory, logger }: DataDirectoryOptions,
  look: () => Found,
  settle: (found: Found) => Promise<Identity>,
): Promise<DataDirectory> {
  const { files } = system
  look()
  files.makeDirectory(directory)
  const lock = files.lock(directory)
  try {
    // Check again, because another broker may have used it until now.
    const identity = await settle(look())
    const clock = await watchClock({
      system,
      path: `${directory}/clock.json`,
      onJump: jumpMs =>
        logger.warn({ jumpMs }, 'the clock jumped, or the broker was stopped for long; this time does not count for expiry'),
      onFailure: error => logger.warn({ err: error }, 'cannot write clock.json'),
    })
    const close = () => clock.close().finally(lock.release)
    return { identity, system: { ...system, clock }, close }
  } catch (error) {
    lock.release()
    throw error
  }
}

/** The identity of the directory; null for a new one. Only reads. */
function inspect(files: FileSystem, directory: string, nodeId: number): Identity | null {
  const refuse = (why: string) => new DirectoryRefused(directory, why)
  const foreign = listIfThere(files, directory).filter(name => !mayLieInANewOne(name))
  const log = inspectLog(files, directory)
  if (log.newer !== null) throw refuse(`was written by a newer version of Millrace (${log.newer}): start that version`)
  if (files.exists(`${directory}/${importMark}`))
    throw refuse('contains an interrupted import or export: run the same command again, or empty the directory')
  const properties = readProperties(files, directory)
  if (properties === null) {
    if (log.state === 'ours')
      throw refuse('contains data, but its meta.properties is missing: restore that file, which contains cluster.id and node.id')
    if (log.state === 'foreign') foreign.push('journal')
    if (foreign.length === 0) return null
    if (foreign.some(name => isOfKafka(files, directory, name))) throw refuse(ofKafka(directory))
    throw refuse(`is not empty and contains no data of Millrace (it contains ${foreign.slice(0, 3).join(', ')}): choose an empty directory`)
  }
  const version = properties.get('version')
  const ownFormat = properties.get('millrace.format')
  if (ownFormat === undefined && log.state !== 'ours') throw refuse(ofKafka(directory))
  if (ownFormat !== undefined && !isKnown(ownFormat, format))
    throw refuse(
      `has format ${ownFormat} (meta.properties), but this version of Millrace supports formats up to ${format}: start a newer version`,
    )
  if (version !== '1')
    throw refuse(`has a meta.properties of version ${version ?? '(none)'}, but this version of Millrace supports only version 1`)
  const clusterId = properties.get('cluster.id')
  if (!clusterId) throw refuse('has a meta.properties without cluster.id: restore that file')
  const storedNode = properties.get('node.id')
  if (Number(storedNode) !== nodeId)
    throw refuse(`belongs to node ${storedNode ?? '(none)'} (meta.properties), but the configuration has node.id=${nodeId}`)
  return { clusterId, nodeId, directoryId: parseUuid(properties.get('directory.id') ?? '') ?? zeroUuid }
}

function isKnown(text: string, newest: number): boolean {
  const number = Number(text)
  return Number.isInteger(number) && number >= 1 && number <= newest
}

function ofKafka(directory: string): string {
  return `holds data of Apache Kafka, which Millrace does not change. Stop Kafka and copy the data with: millrace import ${directory} --data NEW_DIRECTORY`
}

/** Files that a file system, an orchestrator, or a killed start may leave in an otherwise empty directory. */
function mayLieInANewOne(name: string): boolean {
  if (name === 'lost+found' || name === 'journal' || name === 'meta.properties.tmp' || name === `${importMark}.tmp`) return true
  return name.startsWith('.') && name !== kafkaShutdownMark
}

const kafkaShutdownMark = '.kafka_cleanshutdown'

function isOfKafka(files: FileSystem, directory: string, name: string): boolean {
  if (name === kafkaShutdownMark || name === 'bootstrap.checkpoint' || name.endsWith('-offset-checkpoint')) return true
  return /-\d+$/.test(name) && files.exists(`${directory}/${name}/partition.metadata`)
}

function listIfThere(files: FileSystem, directory: string): string[] {
  try {
    return files.list(directory).map(({ name }) => name)
  } catch (error) {
    if (!(error instanceof DiskError)) throw error
    if (error.code === 'ENOENT') return []
    if (error.code === 'ENOTDIR') throw new DirectoryRefused(directory, 'is not a directory')
    throw error
  }
}

/** Of `meta.properties`; null: there is none. Throws DirectoryRefused. */
export function readProperties(files: FileSystem, directory: string): Map<string, string> | null {
  const content = files.readFile(`${directory}/meta.properties`)
  if (content === null) return null
  const properties = parseProperties(content.toString('latin1'))
  if (typeof properties === 'string') throw new DirectoryRefused(directory, `has a damaged meta.properties: ${properties}`)
  return new Map([...properties].map(([key, { value }]) => [key, value.trim()]))
}

async function makeIdentity({ files, random }: System, directory: string, nodeId: number, clusterId?: string): Promise<Identity> {
  const identity = { clusterId: clusterId ?? randomUuid(random), nodeId, directoryId: randomUuid(random) }
  await writeIdentity(files, directory, identity)
  return identity
}

/** Written before anything else, so that everything found beside it later is known to be ours. */
async function writeIdentity(files: FileSystem, directory: string, { clusterId, nodeId, directoryId }: Identity): Promise<void> {
  const lines = ['version=1', `cluster.id=${clusterId}`, `node.id=${nodeId}`, `directory.id=${directoryId}`, `millrace.format=${format}`]
  // A power cut must not remove the entry of the directory itself.
  await files.syncDirectory(dirname(directory))
  await files.replaceFile(`${directory}/meta.properties`, Buffer.from(`${lines.join('\n')}\n`))
}
