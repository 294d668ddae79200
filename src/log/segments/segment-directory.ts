/**
 * Opens a partition's directory (Kafka's or ours) after a possible crash: completes or undoes interrupted steps, and lists the segments.
 */
import { DiskError } from '../../base.ts'
import { header, type Offset } from '../../protocol.ts'
import type { Chores } from '../chores.ts'
import { Segment, type SegmentContext, segmentSuffixes } from './segment.ts'
import { SegmentList } from './segment-list.ts'
import { scanBatches } from './segment-scan.ts'

/** What lies in a partition's directory besides segments. */
export interface OpenedDirectory {
  segments: SegmentList
  /** Offsets of producer snapshots, ascending. */
  snapshots: Offset[]
  /** The names of all files that stay. */
  names: ReadonlySet<string>
}

const walkWindowBytes = 64 << 10

/** Throws DiskError if a required step fails on the disk, Error for files that no log can have. */
export async function openSegments(context: SegmentContext, chores: Chores, directory: string, nowMs: number): Promise<OpenedDirectory> {
  const names = await tidy(context, chores, directory)
  const segments: Segment[] = []
  const snapshots: Offset[] = []
  for (const name of [...names].sort()) {
    const match = /^(\d{20})\.(log|snapshot)$/.exec(name)
    if (match === null) continue
    const offset = Number(match[1])
    if (match[2] === 'snapshot') {
      snapshots.push(offset)
      continue
    }
    // Its number is not exact.
    if (offset > header.maxOffset)
      throw new Error(`${directory}/${name} begins beyond offset ${header.maxOffset}, the largest that is supported`)
    const { size } = context.files.stat(`${directory}/${name}`) ?? { size: 0 }
    segments.push(Segment.open(context, directory, offset, nowMs, '', size))
  }
  return { segments: new SegmentList(context, directory, segments), snapshots, names }
}

/** Kafka's LogLoader: `.deleted` and `.cleaned` go, complete `.swap` files take their place, index files without a log go. */
async function tidy(context: SegmentContext, chores: Chores, directory: string): Promise<Set<string>> {
  const { files } = context
  const names = new Set(files.list(directory).flatMap(({ name, kind }) => (kind === 'file' ? [name] : [])))
  const remove = (name: string) => {
    names.delete(name)
    try {
      files.remove(`${directory}/${name}`)
    } catch (error) {
      // It only takes space: a new file of this name is created empty.
      if (!(error instanceof DiskError)) throw error
    }
  }
  for (const name of names) {
    if (/\.(cleaned|remade|replayed)$/.test(name)) remove(name)
    if (!name.endsWith('.deleted')) continue
    names.delete(name)
    const path = `${directory}/${name}`
    chores.add(`removing ${path}`, 0, () => files.removeFile(path))
  }
  await finishSwaps(context, directory, names, remove)
  for (const name of names) {
    const match = /^(\d{20})\.(index|timeindex|txnindex)$/.exec(name)
    if (match !== null && !names.has(`${match[1]}.log`)) remove(name)
  }
  return names
}

/**
 * A `.log.swap` is complete and synced, and so are its other three files, under `.swap` or already in their place. Segments that it
 * covers, those that begin up to its last offset, may still be there.
 */
async function finishSwaps(context: SegmentContext, directory: string, names: Set<string>, remove: (name: string) => void): Promise<void> {
  const { files } = context
  for (const name of [...names]) if (/\.swap$/.test(name) && !names.has(`${name.slice(0, 20)}.log.swap`)) remove(name)
  for (const name of [...names]) {
    const stem = /^(\d{20})\.log\.swap$/.exec(name)?.[1]
    if (stem === undefined) continue
    const last = await lastOffsetIn(context, `${directory}/${name}`, Number(stem))
    let isRemoved = false
    for (const other of [...names]) {
      const covered = /^(\d{20})\.(log|index|timeindex|txnindex|snapshot)$/.exec(other)?.[1]
      if (covered === undefined || Number(covered) <= Number(stem) || Number(covered) > last) continue
      // Not `remove`: what stayed would be read as a part of the log.
      files.remove(`${directory}/${other}`)
      names.delete(other)
      isRemoved = true
    }
    // Once it has its name, nothing says any more that it covers these: they must not come back.
    if (isRemoved) await files.syncDirectory(directory)
    // Over what the replaced segment of the same base has left; the .log last, as it vouches for the others.
    for (const kind of segmentSuffixes.toReversed()) {
      if (!names.delete(`${stem}${kind}.swap`)) continue
      files.rename(`${directory}/${stem}${kind}.swap`, `${directory}/${stem}${kind}`)
      names.add(`${stem}${kind}`)
    }
  }
}

/** Of a complete log file; base offset - 1 when it is empty. */
async function lastOffsetIn(context: SegmentContext, path: string, baseOffset: Offset): Promise<Offset> {
  const file = context.files.open(path, 'r')
  try {
    let last = baseOffset - 1
    const range = { from: 0, to: file.size(), what: 'headers', minOffset: baseOffset, windowBytes: walkWindowBytes } as const
    const end = await scanBatches(file, range, (buffer, at) => {
      last = header.lastOffset(buffer, at)
      return undefined
    })
    if (end.problem !== null) throw new Error(`${path}: ${end.problem} at position ${end.position}`)
    return last
  } finally {
    file.close()
  }
}
