/**
 * Lets only one process at a time use a data directory, with a lock of the kernel.
 *
 * Node has no file locks, but the SQLite inside Node takes a POSIX lock on the file it opens: `BEGIN EXCLUSIVE` on the empty
 * file `.lock` is a write lock on that inode. So the lock ends with its process, however that ends. It does not depend on process ids, host
 * names or namespaces (two containers that share a volume exclude each other), works over NFS, and is not copied with the
 * directory. Kafka takes the same lock on its own `.lock`, so a running Kafka and Millrace also exclude each other.
 *
 * It cannot detect:
 * - Two machines on a volume whose file system has no locks, or only local ones: NFS mounted with `nolock` or `local_lock`, some
 *   FUSE, 9p and object-store mounts, a block device mounted by two machines.
 * - A holder whose `.lock` was deleted: a second process creates and locks a new file. Within one process the registry still refuses.
 * - POSIX drops a process's locks on a file when the process closes any descriptor of it: a program that embeds Millrace must not open
 *   `.lock` itself (a recursive copy of the running directory does). Brokers of the same process still exclude each other.
 *
 * `.lock-holder` names the holder, for error messages only.
 */
import fs from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { DirectoryInUse, DiskError } from './file-system.ts'

interface Holder {
  pid: number
  host: string
  since: string
}

/**
 * Directories that this process holds, by device and inode, because a path can be written in many ways. The database is kept here because
 * the lock would end when it is garbage collected.
 */
const held = new Map<string, { holder: Holder; database: DatabaseSync }>()

/** Throws DirectoryInUse while another broker, in this process or any other, holds the directory. */
export function lockDirectory(directory: string): { release(): void } {
  const path = join(directory, '.lock')
  const identity = identityOf(directory)
  const own = held.get(identity)
  if (own !== undefined) throw new DirectoryInUse(directory, `another broker of this process (${process.pid}) since ${own.holder.since}`)
  makeEmptyFile(path)
  const database = openDatabase(path, false)
  const holderPath = join(directory, '.lock-holder')
  try {
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
  } catch (error) {
    database.close()
    throw isBusy(error) ? new DirectoryInUse(directory, describeHolder(holderPath)) : sqliteError(path, error)
  }
  const holder: Holder = { pid: process.pid, host: hostname(), since: new Date().toISOString() }
  held.set(identity, { holder, database })
  writeHolder(holderPath, holder)
  return {
    release() {
      if (held.get(identity)?.holder !== holder) return
      held.delete(identity)
      removeHolder(holderPath)
      database.close()
    },
  }
}

/** Held for reading, until this process releases them. */
const read = new Set<DatabaseSync>()

/** null: there is no `.lock`. Allows any number of readers, but no writer at the same time. */
export function lockForReading(directory: string): { release(): void } | null {
  const path = join(directory, '.lock')
  if (held.has(identityOf(directory))) throw new DirectoryInUse(directory, `a broker of this process (${process.pid})`)
  if (!fs.existsSync(path)) return null
  const database = openDatabase(path, true)
  try {
    // The transaction holds the lock, and takes it with its first read.
    database.exec('BEGIN')
    database.prepare('SELECT count(*) FROM sqlite_schema').get()
  } catch (error) {
    database.close()
    throw isBusy(error) ? new DirectoryInUse(directory, describeHolder(join(directory, '.lock-holder'))) : sqliteError(path, error)
  }
  read.add(database)
  return {
    release() {
      if (read.delete(database)) database.close()
    },
  }
}

function identityOf(directory: string): string {
  const { dev, ino } = fs.statSync(directory, { bigint: true })
  return `${dev}:${ino}`
}

/**
 * Does not open an existing file: closing the descriptor would release the lock that this process may hold on it, in another thread or through
 * another copy of this module, which the registry does not know.
 */
function makeEmptyFile(path: string): void {
  const found = fs.statSync(path, { throwIfNoEntry: false })
  if (found === undefined) makeNewFile(path)
  // A process id stood in it once, which SQLite would take for a damaged database.
  else if (found.size > 0) fs.truncateSync(path)
  // SQLite would not say what is wrong.
  fs.accessSync(path, fs.constants.R_OK | fs.constants.W_OK)
}

function makeNewFile(path: string): void {
  try {
    fs.closeSync(fs.openSync(path, 'wx', 0o640))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

function openDatabase(path: string, readOnly: boolean): DatabaseSync {
  const sqlite = loadSqlite()
  if (sqlite === undefined) throw new Error('this Node.js was built without SQLite, which Millrace needs to lock the data directory')
  return new sqlite.DatabaseSync(path, { readOnly })
}

/** Loaded only when needed. Node 22 would warn that SQLite is experimental; the parts used here are not. */
function loadSqlite(): typeof import('node:sqlite') | undefined {
  const { emitWarning } = process
  process.emitWarning = () => {}
  try {
    return process.getBuiltinModule('node:sqlite')
  } finally {
    process.emitWarning = emitWarning
  }
}

/** For error messages only, so a full disk must not prevent the start. */
function writeHolder(path: string, holder: Holder): void {
  try {
    fs.writeFileSync(path, `${JSON.stringify(holder)}\n`, { mode: 0o640 })
  } catch {
    removeHolder(path)
  }
}

/** On a file system that has become read-only the file remains, but does no harm: it is read only while the lock is held. */
function removeHolder(path: string): void {
  try {
    fs.rmSync(path, { force: true })
  } catch {}
}

function describeHolder(path: string): string {
  try {
    const { pid, host, since } = JSON.parse(fs.readFileSync(path, 'utf8')) as Holder
    return `process ${pid} on host ${host} since ${since}`
  } catch {
    return 'another process, which is not named in .lock-holder (perhaps Apache Kafka); or its file system has no lock service (NFS)'
  }
}

function isBusy(error: unknown): boolean {
  return primaryCode(error) === sqliteBusy
}

const sqliteBusy = 5

function primaryCode(error: unknown): number {
  return (((error as { errcode?: number }).errcode ?? 0) as number) & 0xff
}

const sqliteIoError = 10

function sqliteError(path: string, error: unknown): DiskError {
  const reason = error instanceof Error ? error.message : String(error)
  return new DiskError(
    'lock',
    path,
    primaryCode(error) === sqliteIoError ? `${reason}; its file system may not support file locks` : reason,
  )
}
