/**
 * A data directory before anything is written into it: whether it is ours, which cluster and node it belongs to, its lock, and the history
 * of its clock.
 *
 * Hides what the directory looks like: `meta.properties` is Kafka's name tag, with one key more, `millrace.format`, by which a directory of
 * Millrace is told from one of Kafka. Looking decides, and only then is the first byte written: a directory that is refused stays as it was.
 */
import { dirname } from 'node:path'
import { DiskError, type FileSystem, type System, watchClock } from '../../base.ts'
import { parseProperties } from '../../formats.ts'
import { inspectLog } from '../../log.ts'
import { parseUuid, randomUuid, type Uuid, zeroUuid } from '../../protocol.ts'
import type { Logger } from '../logger.ts'

export interface Identity {
  clusterId: string
  nodeId: number
  /** Of the data directory (KIP-858); none in one that Kafka made before it had them. */
  directoryId: Uuid
}

export interface DataDirectory {
  readonly identity: Identity
  /** The machine, with a clock by which ages are right though it jumps. */
  readonly system: System
  /** Lets another broker have it. */
  close(): Promise<void>
}

export interface DataDirectoryOptions {
  system: System
  directory: string
  nodeId: number
  logger: Logger
}

/** The directory cannot be used, and nothing in it was changed. */
class DirectoryRefused extends Error {
  readonly code = 'ERR_DATA_DIRECTORY'

  constructor(directory: string, why: string) {
    super(`${directory} ${why}`)
    this.name = 'DirectoryRefused'
  }
}

/** Of the directory as a whole. To be raised with each change that this version would misread. */
const format = 1

/** Takes the directory for this process, and makes it when it is new. Throws DirectoryRefused or DirectoryInUse; then nothing was written. */
export async function openDataDirectory(options: DataDirectoryOptions): Promise<DataDirectory> {
  const { system, directory, nodeId } = options
  const look = () => inspect(system.files, directory, nodeId)
  return take(options, look, async identity => identity ?? (await makeIdentity(system, directory, nodeId)))
}

/** What is imported: the same again means that an import that was interrupted can go on. */
export interface ImportState {
  clusterId: string
  metadataEndOffset: number
}

export interface ImportTarget extends DataDirectory {
  /** Everything is there: from now on a broker may start. */
  finish(): Promise<void>
}

/** As `openDataDirectory`, of an empty directory, or of one in which an import was interrupted. What can be used of that one stays. */
export async function openImportTarget(options: DataDirectoryOptions, state: ImportState): Promise<ImportTarget> {
  const { system, directory, nodeId } = options
  const { files } = system
  const mark = `${directory}/${importMark}`
  const look = () => {
    const interrupted = files.readFile(mark)?.toString() ?? null
    if (interrupted === null && inspect(files, directory, nodeId) !== null)
      throw new DirectoryRefused(directory, 'holds data already: an import needs an empty directory')
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

/** `keepPartitions`: they are copies of the same state. */
async function removeImported(files: FileSystem, directory: string, keepPartitions: boolean): Promise<void> {
  for (const { name } of files.list(directory)) {
    if (name === 'journal' || name === '__cluster_metadata-0') await files.removeDirectory(`${directory}/${name}`)
    else if (!keepPartitions && /-\d+(\.import)?$/.test(name)) await files.removeDirectory(`${directory}/${name}`)
  }
}

/** Looks, and only when `look` does not throw locks the directory, looks again, and settles whose it is. */
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
    // Looked at again, as another broker may have had it until now.
    const identity = await settle(look())
    const clock = await watchClock({
      system,
      path: `${directory}/clock.json`,
      onJump: jumpMs => logger.warn({ jumpMs }, 'the clock jumped, or the broker was stopped; this time does not count for expiry'),
      onFailure: error => logger.warn({ err: error }, 'cannot write clock.json'),
    })
    const close = () => clock.close().finally(lock.release)
    return { identity, system: { ...system, clock }, close }
  } catch (error) {
    lock.release()
    throw error
  }
}

/** Whose the directory is; null for a new one. Reads only. */
function inspect(files: FileSystem, directory: string, nodeId: number): Identity | null {
  const refuse = (why: string) => new DirectoryRefused(directory, why)
  const foreign = listIfThere(files, directory).filter(name => !mayLieInANewOne(name))
  const log = inspectLog(files, directory)
  if (log.newer !== null) throw refuse(`was written by a newer version of Millrace (${log.newer}): start that version`)
  if (files.exists(`${directory}/${importMark}`))
    throw refuse('holds an import that was interrupted: run the same `millrace import` again, or empty the directory')
  const properties = readProperties(files, directory)
  if (properties === null) {
    if (log.state === 'ours')
      throw refuse('holds data, but its meta.properties is missing: restore that file, which names cluster.id and node.id')
    if (log.state === 'foreign') foreign.push('journal')
    if (foreign.length === 0) return null
    if (foreign.some(name => isOfKafka(files, directory, name))) throw refuse(ofKafka(directory))
    throw refuse(`is not empty and holds no data of Millrace (there is ${foreign.slice(0, 3).join(', ')}): choose an empty directory`)
  }
  const version = properties.get('version')
  const ownFormat = properties.get('millrace.format')
  if (ownFormat === undefined && log.state !== 'ours') throw refuse(ofKafka(directory))
  if (ownFormat !== undefined && !isKnown(ownFormat, format))
    throw refuse(`has format ${ownFormat} (meta.properties), this version of Millrace knows up to ${format}: start a newer version`)
  if (version !== '1') throw refuse(`has a meta.properties of version ${version ?? '(none)'}, this version of Millrace knows version 1`)
  const clusterId = properties.get('cluster.id')
  if (!clusterId) throw refuse('has a meta.properties without cluster.id: restore that file')
  const storedNode = properties.get('node.id')
  if (Number(storedNode) !== nodeId)
    throw refuse(`belongs to node ${storedNode ?? '(none)'} (meta.properties), and the configuration says node.id=${nodeId}`)
  return { clusterId, nodeId, directoryId: parseUuid(properties.get('directory.id') ?? '') ?? zeroUuid }
}

function isKnown(text: string, newest: number): boolean {
  const number = Number(text)
  return Number.isInteger(number) && number >= 1 && number <= newest
}

function ofKafka(directory: string): string {
  return `holds data of Apache Kafka. Millrace does not write into it; stop Kafka and copy the data with: millrace import ${directory} --data NEW_DIRECTORY`
}

/** What a file system, an orchestrator, or a start that was killed leaves in an empty directory. */
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

function readProperties(files: FileSystem, directory: string): Map<string, string> | null {
  const content = files.readFile(`${directory}/meta.properties`)
  if (content === null) return null
  const properties = parseProperties(content.toString('latin1'))
  if (typeof properties === 'string') throw new DirectoryRefused(directory, `has a damaged meta.properties: ${properties}`)
  return new Map([...properties].map(([key, { value }]) => [key, value.trim()]))
}

async function makeIdentity({ files, random }: System, directory: string, nodeId: number): Promise<Identity> {
  const identity = { clusterId: randomUuid(random), nodeId, directoryId: randomUuid(random) }
  await writeIdentity(files, directory, identity)
  return identity
}

/** Before anything else: whatever is found beside it later is known to be ours. */
async function writeIdentity(files: FileSystem, directory: string, { clusterId, nodeId, directoryId }: Identity): Promise<void> {
  const lines = ['version=1', `cluster.id=${clusterId}`, `node.id=${nodeId}`, `directory.id=${directoryId}`, `millrace.format=${format}`]
  // A power cut must not take the name of the whole directory.
  await files.syncDirectory(dirname(directory))
  await files.replaceFile(`${directory}/meta.properties`, Buffer.from(`${lines.join('\n')}\n`))
}
