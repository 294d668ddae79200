/** Inspects a directory of the log without changing it: whether this version may open it. */
import { DiskError, type FileSystem } from '../base.ts'
import { headBytes, newerFormat } from './journal/file-life.ts'

export interface LogInspection {
  /** `ours`: opening it recovers what it holds. `foreign`: there is a `journal`, and it is not one of Millrace. */
  readonly state: 'none' | 'ours' | 'foreign'
  /** What shows that a newer version wrote it, which this one would misread; null when nothing does. */
  readonly newer: string | null
}

export function inspectLog(files: FileSystem, directory: string): LogInspection {
  const journal = `${directory}/journal`
  const names = namesIn(files, journal)
  if (names.length === 0) return { state: 'none', newer: null }
  const ours = names.filter(name => /^\d{8}\.journal$|^state\.log$/.test(name))
  if (ours.length === 0) return { state: 'foreign', newer: null }
  for (const name of ours) {
    const format = newerFormat(firstBytes(files, `${journal}/${name}`))
    if (format !== null) return { state: 'ours', newer: `journal/${name} has format ${format}` }
  }
  return { state: 'ours', newer: null }
}

function namesIn(files: FileSystem, directory: string): string[] {
  try {
    return files.list(directory).map(({ name }) => name)
  } catch (error) {
    if (error instanceof DiskError && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return []
    throw error
  }
}

function firstBytes(files: FileSystem, path: string): Buffer {
  const bytes = Buffer.alloc(headBytes)
  const file = files.open(path, 'r')
  try {
    return bytes.subarray(0, file.readSync(bytes, 0))
  } finally {
    file.close()
  }
}
