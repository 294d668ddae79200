/**
 * The state of the disk after a crash: everything synced, plus a selection of unsynced changes.
 *
 * A kill of the process leaves everything (`process`). A power cut leaves the synced state (`synced`), or that and a prefix of later
 * changes (`prefix`: a journaling file system that wrote back in order), or any part of them, each write torn at sectors (`torn`).
 */
import { posix } from 'node:path'
import { type FileHandle, type FileSystem, memoryFileSystem } from '../../src/base.ts'
import type { SeededRandom } from './random.ts'

export const cuts = ['process', 'synced', 'prefix', 'torn'] as const
export type Cut = (typeof cuts)[number]

export type PendingWrite = { kind: 'write'; position: number; bytes: Uint8Array } | { kind: 'truncate'; size: number }

export interface FileNode {
  readonly kind: 'file'
  /** The synced content. */
  readonly platter: FileHandle
  /** The content as programs see it; a handle of our own, since theirs come and go. */
  cache: FileHandle
  pending: PendingWrite[]
}

export interface DirectoryNode {
  readonly kind: 'directory'
  readonly durable: Map<string, Node>
  readonly live: Map<string, Node>
}

export type Node = FileNode | DirectoryNode

/** One atomic change of names; a rename has two steps. */
export interface NameChange {
  readonly steps: readonly { directory: DirectoryNode; name: string; node: Node | null }[]
}

export function fileNode(platter: FileHandle, cache: FileHandle): FileNode {
  return { kind: 'file', platter, cache, pending: [] }
}

export function directoryNode(): DirectoryNode {
  return { kind: 'directory', durable: new Map(), live: new Map() }
}

/** What is in the page cache only. */
export interface Unsynced {
  root: DirectoryNode
  changes: NameChange[]
}

/** The page cache outlives the process, but is not the platter: the next process may sync it, or lose it in a power cut. */
export function unsyncedOf(root: DirectoryNode, changes: readonly NameChange[]): Unsynced {
  const copies = new Map<Node, Node>()
  const copyNode = <N extends Node>(node: N): N => {
    const known = copies.get(node)
    if (known !== undefined) return known as N
    const made = node.kind === 'file' ? copyFile(node) : directoryNode()
    copies.set(node, made)
    if (node.kind === 'directory' && made.kind === 'directory')
      for (const which of ['durable', 'live'] as const) for (const [name, child] of node[which]) made[which].set(name, copyNode(child))
    return made as N
  }
  const steps = (change: NameChange) =>
    change.steps.map(({ directory, name, node }) => ({ directory: copyNode(directory), name, node: node && copyNode(node) }))
  return { root: copyNode(root), changes: changes.map(change => ({ steps: steps(change) })) }
}

function copyFile({ platter, cache, pending }: FileNode): FileNode {
  const content = memoryFileSystem().open('/content', 'rw')
  copy(platter, content)
  return { ...fileNode(content, cache), pending: [...pending] }
}

/** A new file system with what survives. */
export function survivors(root: DirectoryNode, changes: readonly NameChange[], cut: Cut, random: SeededRandom): FileSystem {
  const files = memoryFileSystem()
  const kept = cut === 'process' ? new Set(changes) : chooseChanges(changes, cut, random)
  const entriesOf = (directory: DirectoryNode): Map<string, Node> => {
    const entries = new Map(directory.durable)
    for (const change of changes) {
      if (!kept.has(change)) continue
      for (const step of change.steps) {
        if (step.directory !== directory) continue
        if (step.node === null) entries.delete(step.name)
        else entries.set(step.name, step.node)
      }
    }
    return entries
  }
  const build = (path: string, directory: DirectoryNode) => {
    for (const [name, node] of entriesOf(directory)) {
      const child = posix.join(path, name)
      if (node.kind === 'directory') {
        files.makeDirectory(child)
        build(child, node)
      } else writeContent(files, child, node, cut, random)
    }
  }
  build('/', root)
  return files
}

function chooseChanges(changes: readonly NameChange[], cut: Cut, random: SeededRandom): Set<NameChange> {
  if (cut === 'synced') return new Set()
  if (cut === 'prefix') return new Set(changes.slice(0, random.below(changes.length + 1)))
  return new Set(changes.filter(() => random.chance(0.5)))
}

function writeContent(files: FileSystem, path: string, node: FileNode, cut: Cut, random: SeededRandom): void {
  const file = files.open(path, 'rw')
  copy(cut === 'process' ? node.cache : node.platter, file)
  if (cut === 'prefix') {
    const whole = random.below(node.pending.length + 1)
    for (const write of node.pending.slice(0, whole)) replay(file, write)
    const torn = node.pending[whole]
    if (torn !== undefined) replayTorn(file, torn, random)
  } else if (cut === 'torn') {
    for (const write of node.pending) {
      const fate = random.below(3)
      if (fate === 0) replay(file, write)
      else if (fate === 1) replayTorn(file, write, random)
    }
  }
  file.close()
}

const zeros = Buffer.alloc(64 * 1024)

function copy(from: FileHandle, to: FileHandle): void {
  const size = from.size()
  const chunk = Buffer.allocUnsafe(Math.min(size, zeros.length))
  for (let at = 0; at < size; at += chunk.length) {
    const got = from.readSync(chunk, at)
    const bytes = chunk.subarray(0, got)
    // A hole stays a hole: preallocated files cost nothing to copy.
    if (!bytes.equals(zeros.subarray(0, got))) to.writeSync([bytes], at)
  }
  to.truncate(size)
}

function replay(file: FileHandle, write: PendingWrite): void {
  if (write.kind === 'write') file.writeSync([write.bytes], write.position)
  else file.truncate(write.size)
}

/** Some sectors arrive, others keep what they had; the size may or may not have grown (delayed allocation leaves zeros). */
function replayTorn(file: FileHandle, write: PendingWrite, random: SeededRandom): void {
  if (write.kind === 'truncate') return
  const sector = random.chance(0.5) ? 512 : 4096
  const end = write.position + write.bytes.length
  const grown = random.chance(0.5)
  for (let at = write.position; at < end; ) {
    const next = Math.min((Math.floor(at / sector) + 1) * sector, end)
    if (random.chance(0.5)) file.writeSync([write.bytes.subarray(at - write.position, next - write.position)], at)
    at = next
  }
  if (grown && file.size() < end) file.truncate(end)
}
